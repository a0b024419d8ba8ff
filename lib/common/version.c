/* SPDX-License-Identifier: MIT */
/* The version of the library, as opposed to that of the headers a program was built with. */
#include <zcswap/version.h>

unsigned zcs_version(void)
{
	return ZCS_VERSION;
}

/* SPDX-License-Identifier: MIT */
/* The version of the library. ZCS_VERSION in a program is that of the headers it was built with. */
#include <zcswap/version.h>

unsigned zcs_version(void)
{
	return ZCS_VERSION;
}

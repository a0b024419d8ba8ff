/* SPDX-License-Identifier: MIT */
#ifndef ZCS_TEST_MALLOC_H
#define ZCS_TEST_MALLOC_H

/*
 * The C library's allocator, counted and refused. For programs that take test_malloc_dep: the
 * library's own objects are linked with it.
 */
#include <stdbool.h>

/* Calls of the allocator so far, refused ones too. */
unsigned zcs_test_mallocs(void);
/* From here on every call fails, in all threads; or none does. */
void zcs_test_malloc_refuse(bool refuse);

#endif

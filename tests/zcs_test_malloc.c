/* SPDX-License-Identifier: MIT */
/* The allocator, wrapped by the linker (-Wl,--wrap), see zcs_test_malloc.h. */
#include <stdatomic.h>
#include <stddef.h>

#include "zcs_test_malloc.h"

static atomic_uint calls;
static atomic_bool refusing;

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t nr, size_t bytes);
void *__real_realloc(void *p, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t nr, size_t bytes);
void *__wrap_realloc(void *p, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);

unsigned zcs_test_mallocs(void)
{
	return atomic_load(&calls);
}

void zcs_test_malloc_refuse(bool refuse)
{
	atomic_store(&refusing, refuse);
}

static bool refused(void)
{
	atomic_fetch_add(&calls, 1);
	return atomic_load(&refusing);
}

void *__wrap_malloc(size_t bytes)
{
	return refused() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t nr, size_t bytes)
{
	return refused() ? NULL : __real_calloc(nr, bytes);
}

void *__wrap_realloc(void *p, size_t bytes)
{
	return refused() ? NULL : __real_realloc(p, bytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
	return refused() ? NULL : __real_aligned_alloc(alignment, bytes);
}

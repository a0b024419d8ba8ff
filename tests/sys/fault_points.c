/* SPDX-License-Identifier: MIT */
/*
 * A fault point fails when its attributes say so: the test passes copy_page and folio_alloc, whose
 * natural results differ from the injected ones, and writes down which calls failed.
 */
#include "zcs_test.h"

#define CALLS 12

static struct zcs_store *store;
static struct zcs_backup *backup;

static void open_backup(void)
{
	store = zcs_test_store();
	backup = zcs_test_backup(store, 1);
}

static void close_backup(void)
{
	zcs_test_backup_done(backup);
	zcs_test_store_done(store);
}

/* "..x." for four calls of which the third failed with -error. */
static const char *pattern(int error)
{
	static char text[CALLS + 1];
	char page[ZCS_PAGE_SIZE];

	for (unsigned i = 0; i < CALLS; i++) {
		int err = zcs_backup_copy_page(backup, page, 1, true);

		text[i] = err == 0 ? '.' : err == -error ? 'x' : '?';
	}
	return text;
}

static void set(struct zcs_fault_attr attr)
{
	attr.struct_size = sizeof(attr);
	zcs_assert_ok(zcs_fault_set("copy_page", &attr));
}

static void points_have_names_of_their_own(void **state)
{
	unsigned nr = 0;

	(void)state;
	for (; zcs_fault_name(nr); nr++) {
		assert_true(zcs_fault_name(nr)[0] != '\0');
		for (unsigned i = 0; i < nr; i++)
			assert_string_not_equal(zcs_fault_name(i), zcs_fault_name(nr));
	}
	assert_true(nr >= 20);
	assert_null(zcs_fault_name(nr));
	assert_null(zcs_fault_name(UINT32_MAX));
}

static void every_point_goes_on_and_off(void **state)
{
	struct zcs_fault_attr attr = { .struct_size = sizeof(attr) };

	(void)state;
	for (unsigned i = 0; zcs_fault_name(i); i++) {
		zcs_assert_ok(zcs_fault_set(zcs_fault_name(i), &attr));
		zcs_assert_ok(zcs_fault_count(zcs_fault_name(i), NULL, NULL));
		zcs_assert_ok(zcs_fault_set(zcs_fault_name(i), NULL));
	}
}

static void wrong_arguments_are_refused(void **state)
{
	struct zcs_fault_attr ok = { .struct_size = sizeof(ok) }, bad = ok;

	(void)state;
	zcs_assert_is(zcs_fault_set(NULL, &ok), -EINVAL);
	zcs_assert_is(zcs_fault_set("no such point", &ok), -ENOENT);
	zcs_assert_is(zcs_fault_set("", &ok), -ENOENT);
	zcs_assert_is(zcs_fault_set("no such point", NULL), -ENOENT);
	bad.struct_size = 0;
	zcs_assert_is(zcs_fault_set("take", &bad), -EINVAL);
	bad = (struct zcs_fault_attr){ .struct_size = sizeof(bad), .probability = 101 };
	zcs_assert_is(zcs_fault_set("take", &bad), -EINVAL);
	bad = (struct zcs_fault_attr){ .struct_size = sizeof(bad), .error = -ENOMEM };
	zcs_assert_is(zcs_fault_set("take", &bad), -EINVAL);
	zcs_assert_is(zcs_fault_count(NULL, NULL, NULL), -EINVAL);
	zcs_assert_is(zcs_fault_count("no such point", NULL, NULL), -ENOENT);
	zcs_assert_is(zcs_fault_count("*", NULL, NULL), -ENOENT);
}

static void without_attributes_every_call_fails_with_the_natural_error(void **state)
{
	(void)state;
	open_backup();
	set((struct zcs_fault_attr){ 0 });
	assert_string_equal(pattern(EINTR), "xxxxxxxxxxxx");
	close_backup();
}

static void error_replaces_the_natural_one(void **state)
{
	(void)state;
	open_backup();
	set((struct zcs_fault_attr){ .error = EIO });
	assert_string_equal(pattern(EIO), "xxxxxxxxxxxx");
	close_backup();
}

static void space_lets_the_first_calls_pass(void **state)
{
	(void)state;
	open_backup();
	set((struct zcs_fault_attr){ .space = 5 });
	assert_string_equal(pattern(EINTR), ".....xxxxxxx");
	close_backup();
}

static void times_ends_the_failures(void **state)
{
	(void)state;
	open_backup();
	set((struct zcs_fault_attr){ .times = 3 });
	assert_string_equal(pattern(EINTR), "xxx.........");
	close_backup();
}

static void interval_fails_every_nth_call(void **state)
{
	(void)state;
	open_backup();
	set((struct zcs_fault_attr){ .interval = 4 });
	assert_string_equal(pattern(EINTR), "...x...x...x");
	close_backup();
}

static void attributes_combine(void **state)
{
	(void)state;
	open_backup();
	set((struct zcs_fault_attr){ .interval = 3, .space = 1, .times = 2, .error = EIO });
	assert_string_equal(pattern(EIO), "...x..x.....");
	close_backup();
}

static void probability_is_a_percentage(void **state)
{
	uint64_t calls = 0, failed = 0;

	(void)state;
	open_backup();
	set((struct zcs_fault_attr){ .probability = 30 });
	for (unsigned i = 0; i < 2000 / CALLS; i++)
		pattern(EINTR);
	zcs_assert_ok(zcs_fault_count("copy_page", &calls, &failed));
	zcs_assert_is(calls, 2000 / CALLS * CALLS);
	assert_in_range(failed, calls * 20 / 100, calls * 40 / 100);
	close_backup();
}

static void counting_starts_anew_when_a_point_is_set(void **state)
{
	uint64_t calls, failed;

	(void)state;
	open_backup();
	set((struct zcs_fault_attr){ .times = 3 });
	pattern(EINTR);
	zcs_assert_ok(zcs_fault_count("copy_page", &calls, &failed));
	zcs_assert_is(calls, CALLS);
	zcs_assert_is(failed, 3);
	set((struct zcs_fault_attr){ .times = 2 });
	zcs_assert_ok(zcs_fault_count("copy_page", &calls, &failed));
	zcs_assert_is(calls, 0);
	zcs_assert_is(failed, 0);
	assert_string_equal(pattern(EINTR), "xx..........");
	close_backup();
}

static void a_point_that_is_off_neither_fails_nor_counts(void **state)
{
	uint64_t calls = 1;

	(void)state;
	open_backup();
	set((struct zcs_fault_attr){ .times = 3 });
	zcs_test_fault_off("copy_page");
	assert_string_equal(pattern(EINTR), "............");
	zcs_assert_ok(zcs_fault_count("copy_page", &calls, NULL));
	zcs_assert_is(calls, 0);
	close_backup();
}

static void the_star_names_every_point(void **state)
{
	struct zcs_fault_attr attr = { .struct_size = sizeof(attr), .error = EIO };
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0), *none = NULL;
	struct zcs_folio *folio = NULL;

	(void)state;
	open_backup();
	zcs_assert_ok(zcs_fault_set("*", &attr));
	assert_string_equal(pattern(EIO), "xxxxxxxxxxxx");
	zcs_assert_is(zcs_folio_alloc(pool, 0, 0, &folio), -EIO);
	zcs_assert_is(zcs_pool_create(NULL, &none), -ENOMEM);
	assert_null(folio);
	zcs_test_faults_off();
	assert_string_equal(pattern(EIO), "............");
	close_backup();
	zcs_test_pool_done(pool);
}

static void one_point_does_not_touch_another(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);

	(void)state;
	open_backup();
	set((struct zcs_fault_attr){ 0 });
	zcs_folio_put(zcs_test_folio(pool, 0));
	zcs_assert_is(zcs_test_fault_calls("folio_alloc"), 0);
	close_backup();
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(points_have_names_of_their_own),
		zcs_test(every_point_goes_on_and_off),
		zcs_test(wrong_arguments_are_refused),
		zcs_test(without_attributes_every_call_fails_with_the_natural_error),
		zcs_test(error_replaces_the_natural_one),
		zcs_test(space_lets_the_first_calls_pass),
		zcs_test(times_ends_the_failures),
		zcs_test(interval_fails_every_nth_call),
		zcs_test(attributes_combine),
		zcs_test(probability_is_a_percentage),
		zcs_test(counting_starts_anew_when_a_point_is_set),
		zcs_test(a_point_that_is_off_neither_fails_nor_counts),
		zcs_test(the_star_names_every_point),
		zcs_test(one_point_does_not_touch_another),
	};

	return zcs_test_run(tests);
}

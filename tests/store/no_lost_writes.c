/* SPDX-License-Identifier: MIT */
/*
 * Threads that write and never stop, and others that evict what they write to: no write is lost.
 *
 * A writer owns one word in each of many pages and knows what it wrote there last. It looks before
 * it writes the next value: another value means that a write is gone. What is out traps, so a
 * writer sleeps until the restore. The store lies in memory (a file of /dev/shm), because the race
 * is between a write and the zap, and not the device's.
 *
 * The control is the same loop on bare system calls, with the dirt decided before the zap: a write
 * in between is lost, and must be seen to be. Decided after the zap, it loses none.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../trouble/seed.h"
#include "store_test.h"

#include "sys/sys.h"
#include "sys/uapi.h"
#include "tt/tt.h"

#define WRITERS	  3u
#define TTS	  2u
#define TT_BLOCKS 2u
#define PLACES	  64u /* words of one writer in one area */
#define SECONDS	  20
#define ROUNDS	  5u /* until a block is found clean */
#define BLOCK	  ((size_t)512 * ZCS_PAGE_SIZE)

/* One state for each thread, so that a run with the same seed makes the same choices. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void start_random(uint64_t *state, unsigned id)
{
	*state = rng_of(seed_of_run(), id).x;
}

static bool late(const struct timespec *begin)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - begin->tv_sec >= SECONDS;
}

/* -- writers */

/*
 * struct area - memory that is written to while it is evicted
 * @at, @bytes: where
 * @stop: the writers are to end
 * @writes, @lost: by all of them
 */
struct area {
	char *at;
	size_t bytes;
	atomic_bool stop;
	_Atomic uint64_t writes, lost;
};

/* Word of writer @id at place @i: its pages are spread over the area. */
static volatile uint64_t *place(const struct area *a, unsigned id, unsigned i)
{
	size_t pages = a->bytes / ZCS_PAGE_SIZE, page = (i * 37 + id) % pages;

	return (volatile uint64_t *)(a->at + page * ZCS_PAGE_SIZE) + id * 8 + i % 8;
}

static uint64_t writer(struct area *a, unsigned id)
{
	uint64_t random, last[PLACES] = { 0 };

	start_random(&random, id);
	while (!a->stop) {
		uint64_t r = next_random(&random);
		unsigned i = r % PLACES;
		volatile uint64_t *word = place(a, id, i);

		if (*word != last[i])
			a->lost++;
		*word = ++last[i];
		a->writes++;
		/* now and then long enough for a block to go and come back unwritten */
		if (r >> 20 & 15)
			continue;
		for (unsigned spin = r >> 32 & 0x3fff; spin; spin--)
			atomic_signal_fence(memory_order_seq_cst);
	}
	return 0;
}

/* -- the library */

struct evictor {
	struct zcs_tt *tt;
	struct area area;
};

struct race {
	struct evictor evictor[TTS];
	uint64_t cycles;
	_Atomic uint64_t done, failed;
	atomic_uint evicting;
	struct timespec begin;
};

/* Out, or only inserted, and back. */
static bool cycle(struct zcs_tt *tt, uint64_t r)
{
	uint64_t first = r % TT_BLOCKS * 512;
	int64_t n = zcs_tt_backup_range(tt, first, 512, r & 16 ? ZCS_BACKUP_WRITEBACK : 0);

	if (n == 512 && (r & 7))
		n = zcs_backup_writeback(tt->backup, first, first + 511, ZCS_WB_WAIT) < 0 ? 0 : n;
	return !zcs_tt_restore_range(tt, first, 512, NULL) && n == 512;
}

static uint64_t evict(struct race *race, unsigned id)
{
	struct evictor *e = &race->evictor[id];
	uint64_t random;

	start_random(&random, 100 + id);
	while (race->done < race->cycles && !late(&race->begin)) {
		uint64_t r = next_random(&random);

		race->failed += !cycle(e->tt, r >> 8);
		race->done++;
		for (unsigned spin = r & 0xffff; spin; spin--)
			atomic_signal_fence(memory_order_seq_cst);
	}
	if (!--race->evicting)
		for (unsigned i = 0; i < TTS; i++)
			race->evictor[i].area.stop = true;
	return 0;
}

static uint64_t race_thread(unsigned id, void *arg)
{
	struct race *race = arg;

	if (id < TTS)
		return evict(race, id);
	return writer(&race->evictor[id % TTS].area, id - TTS);
}

static void make_tt(struct evictor *e, struct zcs_pool *pool, struct zcs_store *store)
{
	zcs_assert_ok(zcs_tt_create(pool, TT_BLOCKS * 512, ZCS_TT_CONTIGUOUS, &e->tt));
	zcs_assert_ok(zcs_tt_setup_backup(e->tt, store));
	zcs_assert_ok(zcs_tt_populate(e->tt, NULL));
	e->area.at = zcs_tt_address(e->tt);
	e->area.bytes = TT_BLOCKS * BLOCK;
	/* no block is same-filled, ever */
	for (uint64_t i = 0; i < TT_BLOCKS * 512; i++)
		((uint64_t *)zcs_tt_page_address(e->tt, i))[511] = i + 1;
}

/*
 * Return: whether a block that nobody may have written to was found clean. If all blocks were
 * always dirty, the race would prove nothing.
 */
static bool run_race(enum zcs_backing backing, uint64_t cycles)
{
	struct race race = { .cycles = cycles, .evicting = TTS };
	struct zcs_pool *pool = zcs_test_pool(backing, 0, 1);
	struct zcs_store *store =
		access("/dev/shm", W_OK)
			? store_test_file(32)
			: store_test_open("file:/dev/shm/zcswap-race-%d?size=32M", (int)getpid());
	uint64_t writes = 0, lost = 0;
	bool clean, tracked;

	for (unsigned i = 0; i < TTS; i++)
		make_tt(&race.evictor[i], pool, store);
	tracked = race.evictor[0].tt->backup->tracked;
	clock_gettime(CLOCK_MONOTONIC, &race.begin);
	zcs_test_threads(TTS + WRITERS, race_thread, &race);
	for (unsigned i = 0; i < TTS; i++) {
		writes += race.evictor[i].area.writes;
		lost += race.evictor[i].area.lost;
		zcs_test_tt_done(race.evictor[i].tt);
	}
	print_message("# %s: %" PRIu64 " cycles, %" PRIu64 " clean, %" PRIu64 " written, %" PRIu64
		      " writes, %" PRIu64 " lost\n",
		      zcs_test_backing_name(backing), (uint64_t)race.done,
		      store_test_stats(store).clean_blocks, store_test_stats(store).written_blocks,
		      writes, lost);
	zcs_assert_is(race.failed, 0);
	zcs_assert_is(lost, 0);
	assert_true(writes > 0);
	clean = store_test_stats(store).clean_blocks > 0;
	store_test_done(store);
	zcs_test_pool_done(pool);
	return clean || !tracked;
}

static void race_until_clean(enum zcs_backing backing, uint64_t cycles)
{
	unsigned rounds = 1;

	while (!run_race(backing, cycles))
		if (rounds++ == ROUNDS)
			fail_msg("%s: no block was ever clean", zcs_test_backing_name(backing));
}

static void on_hugetlb(void **state)
{
	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip_case("without hugetlb pages nothing is watched");
	else
		race_until_clean(ZCS_BACKING_HUGETLB, zcs_test_scale(12000));
}

static void on_shmem(void **state)
{
	(void)state;
	race_until_clean(ZCS_BACKING_THP, zcs_test_scale(500));
	race_until_clean(ZCS_BACKING_SMALL, zcs_test_scale(200));
}

/* -- the control */

/*
 * struct control - a block, evicted by hand
 * @linear, @area: the two maps of one huge page; @slot: what the device holds
 * @after: dirt is decided after the zap
 */
struct control {
	int memfd, uffd, pagemap;
	char *linear, *slot;
	struct area area;
	bool after;
	uint64_t cycles, dirty;
	struct timespec begin;
};

static char *map_huge(int fd)
{
	char *at = mmap(NULL, 2 * BLOCK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(at != MAP_FAILED);
	at = (char *)(((uintptr_t)at + BLOCK - 1) & ~(uintptr_t)(BLOCK - 1));
	assert_true(mmap(at, BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == at);
	return at;
}

static void register_uffd(struct control *c)
{
	struct uffdio_api api = { .api = UFFD_API,
				  .features = UFFD_FEATURE_MISSING_HUGETLBFS |
					      UFFD_FEATURE_MINOR_HUGETLBFS |
					      UFFD_FEATURE_PAGEFAULT_FLAG_WP |
					      UFFD_FEATURE_WP_HUGETLBFS_SHMEM |
					      UFFD_FEATURE_WP_ASYNC };
	struct uffdio_register reg = { .range = { (uintptr_t)c->area.at, BLOCK },
				       .mode = UFFDIO_REGISTER_MODE_MISSING |
					       UFFDIO_REGISTER_MODE_MINOR |
					       UFFDIO_REGISTER_MODE_WP };

	c->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	assert_true(c->uffd >= 0);
	zcs_assert_ok(ioctl(c->uffd, UFFDIO_API, &api));
	zcs_assert_ok(ioctl(c->uffd, UFFDIO_REGISTER, &reg));
}

static void control_map(struct control *c)
{
	struct uffdio_continue cont = { .range = { (uintptr_t)c->area.at, BLOCK },
					.mode = UFFDIO_CONTINUE_MODE_WP };

	while (ioctl(c->uffd, UFFDIO_CONTINUE, &cont) && (errno == EAGAIN || errno == EINTR))
		;
}

static void control_init(struct control *c)
{
	c->memfd = memfd_create("a block", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB);
	assert_true(c->memfd >= 0);
	zcs_assert_ok(ftruncate(c->memfd, (off_t)BLOCK));
	zcs_assert_ok(fallocate(c->memfd, 0, 0, (off_t)BLOCK));
	c->linear = map_huge(c->memfd);
	c->area.at = map_huge(c->memfd);
	c->area.bytes = BLOCK;
	c->slot = calloc(1, BLOCK);
	assert_non_null(c->slot);
	c->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	assert_true(c->pagemap >= 0);
	memset(c->linear, 0, BLOCK);
	register_uffd(c);
	control_map(c);
}

static void control_fini(struct control *c)
{
	close(c->uffd);
	close(c->pagemap);
	munmap(c->linear, BLOCK);
	munmap(c->area.at, BLOCK);
	close(c->memfd);
	free(c->slot);
}

static bool control_clean(struct control *c)
{
	uint64_t entry = 0;

	return pread(c->pagemap, &entry, sizeof(entry),
		     (off_t)((uintptr_t)c->area.at / ZCS_PAGE_SIZE * sizeof(entry))) ==
		       sizeof(entry) &&
	       (entry & ZCS_PAGEMAP_UFFD_WP);
}

/*
 * Out: what is dirty goes to the slot. Back: what the slot holds is in the page, as if it had been
 * freed.
 */
static void control_cycle(struct control *c)
{
	bool clean = control_clean(c);

	if (madvise(c->area.at, BLOCK, MADV_DONTNEED))
		abort();
	if (c->after)
		clean = control_clean(c);
	c->dirty += !clean;
	if (clean)
		memcpy(c->linear, c->slot, BLOCK);
	else
		memcpy(c->slot, c->linear, BLOCK);
	control_map(c);
}

static uint64_t control_thread(unsigned id, void *arg)
{
	struct control *c = arg;
	uint64_t random;

	if (id)
		return writer(&c->area, id - 1);
	start_random(&random, 200);
	/* the one that decides too early may stop when it is caught */
	for (uint64_t i = 0; i < c->cycles && !late(&c->begin); i++) {
		if (!c->after && c->area.lost)
			break;
		control_cycle(c);
		for (unsigned spin = next_random(&random) & 0xffff; spin; spin--)
			atomic_signal_fence(memory_order_seq_cst);
	}
	c->area.stop = true;
	return 0;
}

static uint64_t run_control(bool after, uint64_t cycles)
{
	struct control c = { .after = after, .cycles = cycles };
	uint64_t lost;

	control_init(&c);
	clock_gettime(CLOCK_MONOTONIC, &c.begin);
	zcs_test_threads(1 + WRITERS, control_thread, &c);
	lost = c.area.lost;
	print_message("# decided %s the zap: %" PRIu64 " dirty, %" PRIu64 " writes, %" PRIu64
		      " lost\n",
		      after ? "after" : "before", c.dirty, (uint64_t)c.area.writes, lost);
	control_fini(&c);
	return lost;
}

static void the_control_loses_writes(void **state)
{
	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB)) {
		zcs_test_skip_case("without hugetlb pages nothing is watched");
	} else {
		zcs_assert_is(run_control(true, zcs_test_scale(5000)), 0);
		assert_true(run_control(false, UINT64_MAX) > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(on_hugetlb),
		store_test(on_shmem),
		store_test(the_control_loses_writes),
	};

	if (!zcs_test_has_userfaultfd())
		zcs_test_skip("no userfaultfd here: an address that is out does not trap");
	seed_of_run();
	return zcs_test_run(tests);
}

/* SPDX-License-Identifier: MIT */
/*
 * The blame for a failed write: its slots are bad, or the device is away for a while (a path of a
 * multipath device, a link, a server). The error does not tell, for both are -EIO. The results of
 * the next writes tell.
 *
 *	write fails ──▶ its slots are set aside ──a write elsewhere works──▶ suspect, and free again
 *	                                        ──it fails again, the same──▶ retired
 *
 *	ROW writes fail in a row ──▶ the device is left alone for 10 ms, then one attempt far away
 *	                               works: the slots are bad, see above
 *	                               fails: an outage; the slots stay good. The device is left
 *	                               alone for twice as long, and so on up to 1 s, until an
 *	                               attempt works
 *
 * A device that is left alone gives out no slots. So other devices take its place, and without
 * another device writes are refused before a writer waits. Reads are not held back, for their
 * callers decide whether to try again. Nothing runs by itself: the first allocation after the pause
 * is the attempt. The attempt is made far away from the failed slots: slots are given out from the
 * lowest on, and a large bad area would look like an endless outage.
 *
 * Cost: none while all writes work. All state is under the slots_lock, which the end of a write
 * takes here only while a write is in doubt.
 *
 * Known limit: a device that works again is noticed up to 1 s late, at the end of the pause.
 */
#include <errno.h>
#include <string.h>

#include "common/log.h"
#include "swap_priv.h"
#include "sys/sys.h"

#define ROW	    8u
#define PAUSE_NS    UINT64_C(10000000)
#define PAUSE_MAX   UINT64_C(1000000000)
#define NS_IN_MS    1000000u
#define GOLDEN_PART 40503u /* of 65536: successive places at this distance lie far apart */

enum news { NOTHING, AWAY, BACK };

static bool overlap(const struct zcs_slot_run *run, uint32_t slot, unsigned order)
{
	return run->slot < slot + (1u << order) && slot < run->slot + (1u << run->order);
}

/* An error that blames neither the device nor the slots: a full file system, or no memory. */
bool zcs_outage_concerns(int err)
{
	return err && err != -ENOSPC && err != -EDQUOT && err != -ENOMEM && err != -EFAULT;
}

/* -- slots */

static bool is_suspect(const struct zcs_outage *o, uint32_t slot, unsigned order)
{
	for (unsigned i = 0; i < ZCS_OUTAGE_RUNS; i++)
		if (o->suspect[i].bad && overlap(&o->suspect[i], slot, order))
			return true;
	return false;
}

static void remove_suspect(struct zcs_outage *o, uint32_t slot, unsigned order)
{
	for (unsigned i = 0; o->nr_suspects && i < ZCS_OUTAGE_RUNS; i++) {
		if (!o->suspect[i].bad || !overlap(&o->suspect[i], slot, order))
			continue;
		o->suspect[i].bad = false;
		o->nr_suspects--;
	}
}

/* Replaces the oldest suspect when all entries are in use. */
static void add_suspect(struct zcs_outage *o, uint32_t slot, unsigned order)
{
	struct zcs_slot_run *run = &o->suspect[o->next_suspect++ % ZCS_OUTAGE_RUNS];

	o->nr_suspects += !run->bad;
	*run = (struct zcs_slot_run){ .slot = slot, .order = order, .bad = true };
}

static struct zcs_slot_run *find_run(struct zcs_outage *o, uint32_t slot, unsigned order)
{
	for (unsigned i = 0; i < o->nr_runs; i++)
		if (o->run[i].slot == slot && o->run[i].order == order)
			return &o->run[i];
	return NULL;
}

/* Settles a run that failed, that its writer has freed, and that is judged. */
static void settle_run(struct zcs_swap_dev *d, struct zcs_slot_run *run)
{
	struct zcs_outage *o = &d->outage;
	bool again = run->bad && is_suspect(o, run->slot, run->order);

	if (again) {
		remove_suspect(o, run->slot, run->order);
		zcs_slots_retire_aside(&d->slots, run->slot, run->order);
	} else {
		if (run->bad)
			add_suspect(o, run->slot, run->order);
		zcs_slots_back_from_aside(&d->slots, run->slot, run->order, d->discard);
	}
	*run = o->run[--o->nr_runs];
}

/*
 * Judges all failed runs. A run that its writer has not freed yet is settled when the writer does.
 */
static void judge_runs(struct zcs_swap_dev *d, bool bad)
{
	struct zcs_outage *o = &d->outage;

	for (unsigned i = o->nr_runs; i-- > 0;) {
		struct zcs_slot_run *run = &o->run[i];

		if (run->judged)
			continue;
		run->judged = true;
		run->bad = bad;
		if (run->given)
			settle_run(d, run);
	}
}

static void note_run(struct zcs_outage *o, uint32_t slot, unsigned order)
{
	if (o->nr_runs < ZCS_OUTAGE_RUNS && !find_run(o, slot, order))
		o->run[o->nr_runs++] = (struct zcs_slot_run){ .slot = slot, .order = order };
}

static void forget_run(struct zcs_outage *o, uint32_t slot, unsigned order)
{
	for (unsigned i = o->nr_runs; i-- > 0;)
		if (!o->run[i].given && overlap(&o->run[i], slot, order))
			o->run[i] = o->run[--o->nr_runs];
}

bool zcs_outage_give_up(struct zcs_swap_dev *d, uint32_t slot, unsigned order, bool failed)
{
	struct zcs_outage *o = &d->outage;
	struct zcs_slot_run *run;

	if (o->probing && o->probe == slot)
		o->probing = false;
	run = failed ? find_run(o, slot, order) : NULL;
	if (!run) {
		forget_run(o, slot, order);
		return false;
	}
	zcs_slots_set_aside(&d->slots, slot, order);
	run->given = true;
	if (run->judged)
		settle_run(d, run);
	return true;
}

bool zcs_outage_return_runs(struct zcs_swap_dev *d)
{
	uint64_t aside = d->slots.nr_aside;

	judge_runs(d, false);
	return d->slots.nr_aside < aside;
}

/* -- the device */

bool zcs_outage_allows(const struct zcs_swap_dev *d)
{
	const struct zcs_outage *o = &d->outage;

	return !o->alone || (!o->probing && zcs_sys_now_ns() >= o->until_ns);
}

int zcs_outage_alloc(struct zcs_swap_dev *d, unsigned order, uint32_t *slot)
{
	struct zcs_outage *o = &d->outage;
	int err;

	if (!o->alone)
		return zcs_slots_alloc(&d->slots, order, slot);
	o->place += GOLDEN_PART;
	err = zcs_slots_alloc_from(&d->slots, order,
				   (uint32_t)((uint64_t)d->slots.nr * o->place >> 16), slot);
	if (err)
		return err;
	o->probing = true;
	o->probe = *slot;
	return 0;
}

static void pause_dev(struct zcs_outage *o, uint64_t ns)
{
	o->alone = true;
	o->pause_ns = ns < PAUSE_MAX ? ns : PAUSE_MAX;
	o->until_ns = zcs_sys_now_ns() + o->pause_ns;
}

static enum news note_worked(struct zcs_swap_dev *d, uint32_t slot, unsigned order)
{
	struct zcs_outage *o = &d->outage;
	enum news news = o->away ? BACK : NOTHING;

	forget_run(o, slot, order);
	remove_suspect(o, slot, order);
	judge_runs(d, true);
	o->row = 0;
	o->alone = o->probing = false;
	atomic_store(&o->away, false);
	return news;
}

static enum news note_failed(struct zcs_swap_dev *d, uint32_t slot, unsigned order, bool probe)
{
	struct zcs_outage *o = &d->outage;

	if (!o->row++)
		o->since_ns = zcs_sys_now_ns();
	if (!o->away)
		note_run(o, slot, order);
	if (!o->alone && o->row >= ROW)
		pause_dev(o, PAUSE_NS);
	if (!probe)
		return NOTHING;
	pause_dev(o, 2 * o->pause_ns);
	judge_runs(d, false);
	if (atomic_exchange(&o->away, true))
		return NOTHING;
	o->outages++;
	return AWAY;
}

static void say_news(const struct zcs_swap_dev *d, enum news news, int err, uint64_t since_ns)
{
	if (news == AWAY)
		zcs_warn("swap %s: takes no writes: %s; it is left alone, and tried again within a "
			 "second",
			 d->name, strerror(-err));
	else if (news == BACK)
		zcs_warn("swap %s: takes writes again, after %llu ms", d->name,
			 (unsigned long long)((zcs_sys_now_ns() - since_ns) / NS_IN_MS));
}

void zcs_outage_judge(struct zcs_swap *s, const struct zcs_swap_req *req)
{
	struct zcs_swap_dev *d = req->dev;
	struct zcs_outage *o = &d->outage;
	uint32_t slot = req->slot - d->first;
	enum news news = NOTHING;
	uint64_t since_ns;
	bool probe;

	if (!req->err && !atomic_load(&o->doubt))
		return;
	pthread_mutex_lock(&s->slots_lock);
	probe = o->probing && o->probe == slot;
	if (probe)
		o->probing = false;
	since_ns = o->since_ns;
	if (!req->err)
		news = note_worked(d, slot, req->order);
	else if (zcs_outage_concerns(req->err))
		news = note_failed(d, slot, req->order, probe);
	else if (probe)
		pause_dev(o, o->pause_ns);
	if (zcs_outage_concerns(req->err))
		o->error = req->err;
	atomic_store(&o->doubt, o->row || o->alone || o->nr_runs || o->nr_suspects);
	pthread_mutex_unlock(&s->slots_lock);
	say_news(d, news, req->err, since_ns);
}

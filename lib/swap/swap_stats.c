/* SPDX-License-Identifier: MIT */
/*
 * Statistics of a swap, as numbers and as a line of text, and its messages about failed transfers.
 * A broken device fails thousands of transfers, so only the first few of each kind are logged; all
 * are counted.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/text.h"
#include "swap_priv.h"

#define COMPLAINTS_MAX 16u

void zcs_swap_complain(struct zcs_swap *s, const struct zcs_swap_req *req, enum zcs_complaint kind,
		       const char *fmt, ...)
{
	char what[256];
	unsigned nr;
	va_list ap;

	pthread_mutex_lock(&s->lock);
	nr = s->complaints[kind]++;
	pthread_mutex_unlock(&s->lock);
	if (nr > COMPLAINTS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	zcs_warn("swap %s: %s%s", req->dev->name, what,
		 nr == COMPLAINTS_MAX ? "; further ones are only counted" : "");
}

void zcs_swap_count(struct zcs_swap *s, uint64_t *counter)
{
	pthread_mutex_lock(&s->lock);
	++*counter;
	pthread_mutex_unlock(&s->lock);
}

void zcs_swap_stats(struct zcs_swap *s, struct zcs_swap_stats *st)
{
	pthread_mutex_lock(&s->lock);
	*st = s->stats;
	st->queued = s->queued;
	for (unsigned q = 0; q < ZCS_QUEUES; q++)
		st->in_flight += s->in_flight[q];
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_lock(&s->slots_lock);
	st->slots = s->nr_slots;
	st->discarded = s->discarded;
	for (unsigned i = 0; i < s->nr_devs; i++) {
		const struct zcs_swap_dev *d = &s->dev[i];

		st->free += d->slots.nr_free;
		st->used += d->slots.nr_used;
		st->retired += d->slots.nr_retired;
		st->direct += d->direct;
		st->buffered += !d->direct;
		st->outages += d->outage.outages;
		st->away += d->outage.away;
	}
	pthread_mutex_unlock(&s->slots_lock);
}

static void add_dev(struct zcs_text *t, const struct zcs_swap_dev *d)
{
	zcs_text_add(t, "; %s: %llu MiB, prio %d, %s%s%s%s%s", d->name,
		     (unsigned long long)(d->bytes >> 20), d->prio,
		     d->direct ? "direct" : "buffered", d->sparse ? ", not preallocated" : "",
		     d->keep ? ", kept" : "", d->discard ? ", discard" : "",
		     d->outage.away ? ", takes no writes" : "");
}

int zcs_swap_text(struct zcs_swap *s, char *text, size_t size)
{
	struct zcs_text t = { .buf = text, .size = size };
	struct zcs_swap_stats st;

	zcs_swap_stats(s, &st);
	zcs_text_add(&t, "%s%s%s, depth %u", st.uring ? "io_uring" : "threads",
		     st.why_not ? ", io_uring " : "", st.why_not ? st.why_not : "", s->depth);
	zcs_text_add(&t, "; slots %llu, free %llu, used %llu, retired %llu, discarded %llu",
		     (unsigned long long)st.slots, (unsigned long long)st.free,
		     (unsigned long long)st.used, (unsigned long long)st.retired,
		     (unsigned long long)st.discarded);
	zcs_text_add(&t, "; writes %llu, reads %llu, errors %llu and %llu, bad checksums %llu",
		     (unsigned long long)st.writes, (unsigned long long)st.reads,
		     (unsigned long long)st.write_errors, (unsigned long long)st.read_errors,
		     (unsigned long long)st.bad_checksums);
	zcs_text_add(&t, ", short %llu, retried %llu, ring full %llu, cancelled %llu, outages %llu",
		     (unsigned long long)st.shorts, (unsigned long long)st.retries,
		     (unsigned long long)st.full, (unsigned long long)st.cancelled,
		     (unsigned long long)st.outages);
	/* a failed discard clears @discard meanwhile */
	pthread_mutex_lock(&s->slots_lock);
	for (unsigned i = 0; i < s->nr_devs; i++)
		add_dev(&t, &s->dev[i]);
	pthread_mutex_unlock(&s->slots_lock);
	return (int)t.len;
}

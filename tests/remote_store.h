/* SPDX-License-Identifier: MIT */
#ifndef ZCS_TESTS_REMOTE_STORE_H
#define ZCS_TESTS_REMOTE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include <zcswap/store.h>

/*
 * A store that owns what is inserted, as one in another process would: a thread answers late, and
 * meanwhile writes out and punches the pages by itself, oldest first. A program linked with
 * --wrap=zcs_store_open gets one for every spec.
 */
int remote_store_open(struct zcs_store **store);
/* One insertion in @one_in is cut short, and one take (0: none). */
void remote_store_refuse(struct zcs_store *store, unsigned one_in);
/* Room is left or none: insertions are refused, and bytes_avail says 0. */
void remote_store_fill(struct zcs_store *store, bool full);
/* Its counters: pages written and punched, brought back; calls refused. */
struct remote_store_counts {
	uint64_t written, brought, refused, used_ns;
};
struct remote_store_counts remote_store_counts(struct zcs_store *store);
/* Waits until everything that was inserted is written and punched. */
void remote_store_wait(struct zcs_store *store);

#endif

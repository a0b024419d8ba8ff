/* SPDX-License-Identifier: MIT */
#ifndef ZCSWAP_STORE_H
#define ZCSWAP_STORE_H

#include <stdint.h>

#include <zcswap/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * DOC: store
 *
 * Where written-back folios live. A backup belongs to a store. Kernel counterpart: the swap devices.
 */
struct zcs_store;

/**
 * zcs_store_open - open a store
 * @spec: "mem:": folios stay resident and are never written back
 * @store: where the store is put
 *
 * Return: 0, and the caller holds a reference; -EINVAL: NULL, an empty spec, an unknown key or value
 * (logged, with the list of known ones); -EPROTONOSUPPORT: a kind of store that this build does not
 * have; -ENOMEM. Thread-safe.
 */
ZCS_API int zcs_store_open(const char *spec, struct zcs_store **store);

/**
 * zcs_store_bytes_avail - room left
 * @store: which
 *
 * Return: bytes that can still be written back; INT64_MAX for "mem:", which cannot be full (what is
 * inserted there goes on counting against its pool); -EINVAL for NULL. Thread-safe. Kernel counterpart:
 * ttm_backup_bytes_avail().
 */
ZCS_API int64_t zcs_store_bytes_avail(struct zcs_store *store);

/**
 * zcs_store_close - drop the caller's reference
 * @store: NULL is ignored; it closes when its last backup is gone
 */
ZCS_API void zcs_store_close(struct zcs_store *store);

/**
 * zcs_store_check - verify a store's invariants
 * @store: quiescent
 *
 * Return: 0; -EUCLEAN, logged; -EINVAL.
 */
ZCS_API int zcs_store_check(struct zcs_store *store);

#ifdef __cplusplus
}
#endif

#endif

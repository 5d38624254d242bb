/* Peers that were learned while a node runs, and outlive it. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_LEARNED_H
#define TW_NODE_LEARNED_H

#include "node/config.h"
#include "store/store.h"

/*
 * They are in the node's store, one value each, by key. The file is not changed by them: whoever reads it appends them
 * (tw_learned_append), and the file wins.
 */
enum {
  TW_LEARNED_MAX = 4096,
  TW_LEARNED_PREFIXES_MAX = 64,
  TW_LEARNED_CERTIFICATES_MAX = 64 * 1024 /* bytes */
};

typedef struct tw_learned_peer {
  tw_node_peer peer;   /* key is given, origin is not the file; line 0, no endpoint */
  tw_buf certificates; /* its x509 credential's content; empty: it was learned otherwise */
  uint64_t learned_at; /* seconds since 1970, as the next two */
  uint64_t not_before; /* of the first of the certificates; 0 without one */
  uint64_t not_after;  /* the earliest end among them */
} tw_learned_peer;
void tw_learned_peer_clear(const tw_alloc *alloc, tw_learned_peer *peer);

/** In ascending order of keys. Zero-initialised is of no use. */
typedef struct tw_learned {
  const tw_alloc *alloc;
  tw_store *store; /* borrowed */
  tw_learned_peer *list;
  size_t count;
  size_t room;
} tw_learned;

/**
 * What the store has. A value that is none of ours, or damaged, is told of and deleted: who it was is learned again.
 * TW_ERR_NO_MEMORY, TW_ERR_STATE, and the store's other errors, with a report; `*learned` is empty then.
 */
TW_MUST_USE tw_err tw_learned_load(const tw_alloc *alloc, tw_store *store, tw_learned *learned, tw_problems *told,
                                   tw_report *report);
void tw_learned_clear(tw_learned *learned);

/** By key; NULL: not there. Borrowed until the next change. */
const tw_learned_peer *tw_learned_find(const tw_learned *learned, const tw_fingerprint *key);
/** By the certificate's name; likewise. */
const tw_learned_peer *tw_learned_find_certificate(const tw_learned *learned, const char *name);
/**
 * Keep a peer (copied), in place of what was there by its key, and, unless `instead_of` is NULL, of the one by that
 * key: in one step, on the disk first. TW_ERR_ARGUMENT: not such a peer as above (name, prefixes, sizes);
 * TW_ERR_LIMIT: there are too many; TW_ERR_NO_MEMORY; the store's errors. On error all is as it was.
 */
TW_MUST_USE tw_err tw_learned_put(tw_learned *learned, const tw_learned_peer *peer, const tw_fingerprint *instead_of,
                                  tw_report *report);
/** Also what is not there. The store's errors. */
TW_MUST_USE tw_err tw_learned_remove(tw_learned *learned, const tw_fingerprint *key, tw_report *report);

/** All of them as by tw_node_config_append_peer, of which the errors are; who was learned first is there first. */
TW_MUST_USE tw_err tw_learned_append(const tw_learned *learned, const tw_fingerprint *own, tw_node_config *config,
                                     tw_problems *told);

#endif

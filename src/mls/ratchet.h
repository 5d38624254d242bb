/* One sender's hash ratchets of the secret tree, RFC 9420 section 9.1. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_RATCHET_H
#define TW_MLS_RATCHET_H

#include "mls/secret_tree.h"

typedef struct tw_ratchet {
  tw_secret secret;     /* ratchet_secret of generation `head`; empty when all 2^32 generations are gone */
  uint64_t head;        /* the first generation that no message was accepted or sent with or beyond */
  uint64_t floor;       /* what is below was used or dropped, which of both is not known any more */
  tw_message_key *kept; /* skipped and not used yet, generations ascending, all >= floor and < head */
  uint32_t kept_count;
} tw_ratchet;

enum { TW_RATCHET_HANDSHAKE, TW_RATCHET_APPLICATION, TW_RATCHET_COUNT };

/* What a leaf of the secret tree becomes when it is consumed. */
typedef struct tw_sender_ratchets {
  tw_ratchet of[TW_RATCHET_COUNT];
} tw_sender_ratchets;

/* Both ratchets at generation 0. */
TW_MUST_USE tw_err tw_sender_ratchets_new(const tw_env *env, const tw_suite *suite, tw_bytes leaf_secret,
                                          tw_sender_ratchets **out);
/* Takes void as the secret tree's values are. */
void tw_sender_ratchets_free(const tw_env *env, void *value);
void tw_write_sender_ratchets(tw_writer *w, const tw_suite *suite, const void *value);
TW_MUST_USE tw_err tw_read_sender_ratchets(tw_reader *r, const tw_env *env, const tw_suite *suite, void **out);

/* A kept key, NULL when `generation` is not among them. */
const tw_message_key *tw_ratchet_kept(const tw_ratchet *ratchet, uint32_t generation);
void tw_ratchet_drop_kept(const tw_env *env, tw_ratchet *ratchet, uint32_t generation);

/* A ratchet moved past `key.generation`, beside the ratchet itself. Zero-initialised is none. */
typedef struct tw_ratchet_step {
  tw_message_key key;
  tw_ratchet after;
} tw_ratchet_step;

/*
 * `generation` >= ratchet->head. TW_ERR_LIMIT when it is further ahead than limits.skipped_generations,
 * TW_ERR_NO_MEMORY. `after.kept` is NULL when nothing is skipped: then the ratchet's own list stays.
 */
TW_MUST_USE tw_err tw_ratchet_step_derive(const tw_env *env, const tw_suite *suite, const tw_ratchet *ratchet,
                                          uint32_t generation, tw_ratchet_step *out);
void tw_ratchet_step_adopt(const tw_env *env, tw_ratchet *ratchet, tw_ratchet_step *step);
void tw_ratchet_step_clear(const tw_env *env, tw_ratchet_step *step);

#endif

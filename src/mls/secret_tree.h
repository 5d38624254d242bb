/* The secret tree and its ratchets, RFC 9420 section 9. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_SECRET_TREE_H
#define TW_MLS_SECRET_TREE_H

#include "codec/reader.h"
#include "codec/writer.h"
#include "mls/label.h"
#include "mls/protocol.h"

/*
 * Derived lazily and kept sparsely: memory grows with the senders heard, not with the tree. Keys are used once. The one part of an
 * epoch that changes: using a key deletes it (section 9.2).
 */
typedef struct tw_secret_tree tw_secret_tree;

typedef struct tw_message_key {
  uint8_t key[TW_AEAD_KEY_MAX];
  uint8_t nonce[TW_AEAD_NONCE];
  uint32_t generation;
} tw_message_key;

TW_MUST_USE tw_err tw_secret_tree_new(const tw_env *env, const tw_suite *suite, tw_bytes encryption_secret, uint32_t leaf_count,
                                      tw_secret_tree **out);
void tw_secret_tree_free(tw_secret_tree *tree);
/* The next key of our own for sending; content_type chooses handshake or application ratchet. */
TW_MUST_USE tw_err tw_secret_tree_next(tw_secret_tree *tree, uint32_t leaf, uint8_t content_type, tw_message_key *out);
/*
 * The key of `generation` for opening. It stays until tw_secret_tree_used: so a forged message cannot use up a key.
 * TW_ERR_DUPLICATE when it was used, TW_ERR_OLD_GENERATION when dropped, TW_ERR_LIMIT when too far ahead.
 */
TW_MUST_USE tw_err tw_secret_tree_find(tw_secret_tree *tree, uint32_t leaf, uint8_t content_type, uint32_t generation,
                                       tw_message_key *out);
void tw_secret_tree_used(tw_secret_tree *tree, uint32_t leaf, uint8_t content_type, uint32_t generation);
/* State for durable storage. */
void tw_write_secret_tree(tw_writer *w, const tw_secret_tree *tree);
TW_MUST_USE tw_err tw_read_secret_tree(const tw_env *env, const tw_suite *suite, tw_reader *r, tw_secret_tree **out);

#endif

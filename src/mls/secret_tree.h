/* The secret tree and its ratchets, RFC 9420 section 9. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_SECRET_TREE_H
#define TW_MLS_SECRET_TREE_H

#include "codec/reader.h"
#include "codec/writer.h"
#include "mls/label.h"
#include "mls/protocol.h"

/*
 * Derived lazily and kept sparsely: memory grows with the senders heard, not with the tree. Keys are used once. The one
 * part of an epoch that changes: using a key deletes it (section 9.2).
 *
 * Who can decrypt sender data (any member) can name any leaf and generation in a message that does not open. So finding
 * a key derives it beside the tree, and only tw_secret_tree_used puts the outcome in. A forged message therefore
 * - drops no key, moves no ratchet and takes no lasting memory: one finding is remembered, and the next one replaces
 * it;
 * - costs at most log2(leaves) + limits.skipped_generations derivations, counted from the last message that was
 * accepted from that sender, so that forging cannot drive the ratchet on; naming the same key again costs nothing.
 */
typedef struct tw_secret_tree tw_secret_tree;

typedef struct tw_message_key {
  uint8_t key[TW_AEAD_KEY_MAX];
  uint8_t nonce[TW_AEAD_NONCE];
  uint32_t generation;
} tw_message_key;

/* `leaf_count` 1 to 2^31, rounded up to a power of two as the ratchet tree is. */
TW_MUST_USE tw_err tw_secret_tree_new(const tw_env *env, const tw_suite *suite, tw_bytes encryption_secret,
                                      uint32_t leaf_count, tw_secret_tree **out);
void tw_secret_tree_free(tw_secret_tree *tree);
/*
 * The next key of our own for sending; content_type chooses handshake or application ratchet. The caller wipes `out`.
 * TW_ERR_KEY_LIMIT when all 2^32 generations are used.
 */
TW_MUST_USE tw_err tw_secret_tree_next(tw_secret_tree *tree, uint32_t leaf, uint8_t content_type, tw_message_key *out);
/*
 * The key of `generation` for opening. It stays until tw_secret_tree_used: so a forged message cannot use up a key.
 * TW_ERR_DUPLICATE when it was used, TW_ERR_OLD_GENERATION when dropped, TW_ERR_LIMIT when too far ahead, TW_ERR_SENDER
 * for a leaf outside the tree. limits.kept_message_keys counts for each of a sender's two ratchets. The caller wipes
 * `out`.
 */
TW_MUST_USE tw_err tw_secret_tree_find(tw_secret_tree *tree, uint32_t leaf, uint8_t content_type, uint32_t generation,
                                       tw_message_key *out);
/*
 * The message was authentic: its key, and what it was derived from, go. For the key of the last tw_secret_tree_find it
 * cannot fail.
 */
void tw_secret_tree_used(tw_secret_tree *tree, uint32_t leaf, uint8_t content_type, uint32_t generation);
/*
 * State for durable storage. Reading: TW_ERR_TRUNCATED, TW_ERR_ENCODING, TW_ERR_NO_MEMORY (also noted in the reader).
 */
void tw_write_secret_tree(tw_writer *w, const tw_secret_tree *tree);
TW_MUST_USE tw_err tw_read_secret_tree(const tw_env *env, const tw_suite *suite, tw_reader *r, tw_secret_tree **out);

#endif

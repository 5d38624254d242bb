/* The ratchet tree as a persistent value: RFC 9420 sections 4, 7.4 to 7.9. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_TREE_H
#define TW_MLS_TREE_H

#include "mls/leaf_node.h"

/*
 * A tree handle. tw_tree_clone shares everything with its source in O(1) (or O(n / block)); editing a clone copies only
 * what it changes, and the source never changes. Tree hashes are cached in the shared nodes; an edit drops those on the
 * path to the root. Handles are freed each by its holder.
 */
typedef struct tw_tree tw_tree;

TW_MUST_USE tw_err tw_tree_new(const tw_env *env, const tw_suite *suite, tw_tree **out);
TW_MUST_USE tw_err tw_tree_clone(const tw_tree *tree, tw_tree **out);
void tw_tree_free(tw_tree *tree);

/* Leaves of the complete tree: a power of two (0 when empty). */
uint32_t tw_tree_leaf_count(const tw_tree *tree);
/* Non-blank leaves. */
uint32_t tw_tree_member_count(const tw_tree *tree);
/* The leaf at `index`, NULL if blank or outside. Valid until the handle is edited or freed. */
const tw_leaf_node *tw_tree_leaf(const tw_tree *tree, uint32_t index);
/* The next non-blank leaf at or after `index`; false when there is none. For loops over members. */
bool tw_tree_next_leaf(const tw_tree *tree, uint32_t *index);
/*
 * Whether a leaf (other than `except`; UINT32_MAX: none) or parent has this encryption key, or a leaf this signature
 * key: O(log n).
 */
bool tw_tree_has_encryption_key(const tw_tree *tree, tw_bytes key, uint32_t except);
bool tw_tree_has_signature_key(const tw_tree *tree, tw_bytes key, uint32_t except);
/* The leaf with this signature key; false when there is none. O(log n). */
bool tw_tree_find_signature_key(const tw_tree *tree, tw_bytes key, uint32_t *index);

/*
 * How many leaves list a code point in their capabilities is asked on every commit (section 7.3: credential types in
 * use, extensions of the GroupContext); the tree keeps counters so that it costs O(1) per question, not O(n). Members
 * whose capabilities lack the value; GREASE and defaults are not special here.
 */
uint32_t tw_tree_lacking_credential(const tw_tree *tree, uint16_t credential_type);
uint32_t tw_tree_lacking_proposal(const tw_tree *tree, uint16_t proposal_type);
uint32_t tw_tree_lacking_extension(const tw_tree *tree, uint16_t extension_type);
/* Leaves whose credential is of a type that `capabilities` does not list. */
uint32_t tw_tree_credentials_outside(const tw_tree *tree, const tw_capabilities *capabilities);

/* Edits of section 7.7 and 12.1.1 to 12.1.3. `encoded` is a LeafNode and is copied. On error the tree is as it was. */
TW_MUST_USE tw_err tw_tree_add_leaf(tw_tree *tree, tw_bytes encoded, uint32_t *index);
TW_MUST_USE tw_err tw_tree_update_leaf(tw_tree *tree, uint32_t index, tw_bytes encoded);
TW_MUST_USE tw_err tw_tree_remove_leaf(tw_tree *tree, uint32_t index);

/* ratchet_tree extension, section 12.4.3.3: optional<Node> ratchet_tree<V>, with its length. */
TW_MUST_USE tw_err tw_tree_decode(const tw_env *env, const tw_suite *suite, tw_bytes encoded, tw_tree **out);
TW_MUST_USE tw_err tw_tree_encode(const tw_tree *tree, tw_buf *out);

/* tree_hash, section 7.8: suite->hash->size bytes. Computes what is not cached. */
TW_MUST_USE tw_err tw_tree_hash(tw_tree *tree, uint8_t *out);

/*
 * What a joiner checks of a tree, section 12.4.3.1: tree hash equal to `tree_hash` (if not empty), parent hashes valid,
 * each leaf valid by section 7.3 (signatures too), unmerged leaves consistent, keys unique, credentials and
 * capabilities covered. Linear in members. TW_ERR_TREE, TW_ERR_SIGNATURE, TW_ERR_CAPABILITY, TW_ERR_KEY_REUSED.
 * Credentials are for the caller's policy.
 */
TW_MUST_USE tw_err tw_tree_validate(tw_tree *tree, tw_bytes group_id, tw_bytes group_context_extensions,
                                    tw_bytes tree_hash);
/*
 * The same for who joins by a key package: a leaf that is byte for byte `own_leaf`, that package's (empty: none), was
 * signed by ourselves, and its signature is not verified again.
 */
TW_MUST_USE tw_err tw_tree_validate_joining(tw_tree *tree, tw_bytes group_id, tw_bytes group_context_extensions,
                                            tw_bytes tree_hash, tw_bytes own_leaf);

#endif

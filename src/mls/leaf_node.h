/* LeafNode, RFC 9420 sections 7.2 and 7.3. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_LEAF_NODE_H
#define TW_MLS_LEAF_NODE_H

#include "crypto/crypto.h"
#include "mls/extension.h"

typedef struct tw_leaf_node {
  tw_bytes encryption_key;
  tw_bytes signature_key;
  tw_credential_view credential;
  tw_capabilities capabilities;
  uint8_t source;      /* enum tw_leaf_node_source */
  uint64_t not_before; /* source key_package: seconds since 1970 */
  uint64_t not_after;
  tw_bytes parent_hash; /* source commit */
  tw_bytes extensions;  /* list */
  tw_bytes signature;
  tw_bytes content; /* encoded, up to the signature: the start of LeafNodeTBS */
  tw_bytes encoded; /* the whole */
} tw_leaf_node;

tw_leaf_node tw_read_leaf_node(tw_reader *r);
TW_MUST_USE tw_err tw_leaf_node_decode(tw_bytes encoded, tw_leaf_node *out);

/* What goes into a new leaf; all borrowed. */
typedef struct tw_leaf_node_fields {
  tw_bytes encryption_key;
  tw_bytes credential; /* encoded */
  tw_capabilities capabilities;
  uint8_t source;
  uint64_t not_before;
  uint64_t not_after;
  tw_bytes parent_hash;
  tw_bytes extensions; /* list */
} tw_leaf_node_fields;

/* Signs and appends a LeafNode; group_id and leaf_index count for the sources update and commit. */
TW_MUST_USE tw_err tw_leaf_node_make(const tw_env *env, const tw_suite *suite, const tw_signer *signer,
                                     const tw_leaf_node_fields *fields, tw_bytes group_id, uint32_t leaf_index,
                                     tw_buf *out);

/* TW_ERR_SIGNATURE, TW_ERR_KEY. */
TW_MUST_USE tw_err tw_leaf_node_verify(const tw_env *env, const tw_suite *suite, const tw_leaf_node *leaf,
                                       tw_bytes group_id, uint32_t leaf_index);
/*
 * The checks of section 7.3 that need no other leaf and no signature, in this order. TW_ERR_CAPABILITY: version,
 * credential type and extensions not in its own capabilities, or requirements of the GroupContext's extensions
 * (required_capabilities, required_wire_formats, app_components, safe_aad) not met. Malformed: app_data_dictionary,
 * supported_wire_formats, or one of the GroupContext's. TW_ERR_LIFETIME: `now` outside the lifetime or that longer than
 * the limit (source key_package, `now` not 0). TW_ERR_KEY: keys of wrong length or encoding. TW_ERR_CREDENTIAL: an x509
 * key other than signature_key.
 */
TW_MUST_USE tw_err tw_leaf_node_check(const tw_env *env, const tw_suite *suite, const tw_leaf_node *leaf,
                                      tw_bytes group_context_extensions, uint64_t now);

#endif

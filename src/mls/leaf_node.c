/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/leaf_node.h"


/*
 * struct LeafNode {
 *   opaque encryption_key<V>; opaque signature_key<V>; Credential credential; Capabilities capabilities;
 *   uint8 leaf_node_source;
 *   select: key_package 1: uint64 not_before, not_after; update 2: nothing; commit 3: opaque parent_hash<V>;
 *   Extension extensions<V>; opaque signature<V>;
 * }                                                                                                     section 7.2
 */
tw_leaf_node tw_read_leaf_node(tw_reader *r) {
  const uint8_t *start = r->ptr;
  tw_leaf_node out = {0};
  out.encryption_key = tw_read_vector(r);
  out.signature_key = tw_read_vector(r);
  out.credential = tw_read_credential(r);
  out.capabilities = tw_read_capabilities(r);
  out.source = tw_read_u8(r);
  switch (out.source) {
  case TW_LEAF_KEY_PACKAGE:
    out.not_before = tw_read_u64(r);
    out.not_after = tw_read_u64(r);
    break;
  case TW_LEAF_UPDATE: break;
  case TW_LEAF_COMMIT: out.parent_hash = tw_read_vector(r); break;
  default: tw_reader_fail(r, TW_ERR_ENCODING); break;
  }
  out.extensions = tw_read_extensions(r);
  out.content = tw_reader_since(r, start);
  out.signature = tw_read_vector(r);
  out.encoded = tw_reader_since(r, start);
  if (tw_reader_err(r) != TW_OK) return (tw_leaf_node){0};
  return out;
}

tw_err tw_leaf_node_decode(tw_bytes encoded, tw_leaf_node *out) {
  tw_reader r = tw_reader_of(encoded);
  const tw_leaf_node leaf = tw_read_leaf_node(&r);
  TW_TRY(tw_reader_end(&r));
  *out = leaf;
  return TW_OK;
}

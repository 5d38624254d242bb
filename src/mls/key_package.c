/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/key_package.h"


/*
 * struct KeyPackage {
 *   uint16 version; uint16 cipher_suite; opaque init_key<V>; LeafNode leaf_node; Extension extensions<V>; opaque signature<V>;
 * }                                                                                                     section 10
 */
tw_key_package_view tw_read_key_package(tw_reader *r) {
  const uint8_t *start = r->ptr;
  tw_key_package_view out = {0};
  out.version = tw_read_u16(r);
  out.cipher_suite = tw_read_u16(r);
  out.init_key = tw_read_vector(r);
  out.leaf_node = tw_read_leaf_node(r);
  out.extensions = tw_read_extensions(r);
  out.content = tw_reader_since(r, start);
  out.signature = tw_read_vector(r);
  out.encoded = tw_reader_since(r, start);
  if (tw_reader_err(r) != TW_OK) return (tw_key_package_view){0};
  return out;
}

tw_err tw_key_package_decode(tw_bytes encoded, tw_key_package_view *out) {
  tw_reader r = tw_reader_of(encoded);
  const tw_key_package_view key_package = tw_read_key_package(&r);
  TW_TRY(tw_reader_end(&r));
  *out = key_package;
  return TW_OK;
}

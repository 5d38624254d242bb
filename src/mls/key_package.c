/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/key_package.h"

#include "mls/app_data.h"
#include "mls/label.h"
#include "mls/signed.h"

/*
 * struct KeyPackage {
 *   uint16 version; uint16 cipher_suite; opaque init_key<V>; LeafNode leaf_node; Extension extensions<V>; opaque
 * signature<V>; } section 10
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

tw_err tw_key_package_make(const tw_env *env, const tw_suite *suite, const tw_signer *signer, tw_bytes init_key,
                           tw_bytes leaf_node, tw_bytes extensions, tw_buf *out) {
  const size_t start = out->len;
  tw_writer w = tw_writer_to(out);
  tw_write_u16(&w, TW_MLS10);
  tw_write_u16(&w, tw_suite_id(env, suite));
  tw_write_vector(&w, init_key);
  tw_write_fixed(&w, leaf_node);
  tw_write_vector(&w, extensions);
  TW_TRY(tw_writer_end(&w));
  const tw_bytes content = TW_BYTES(out->ptr + start, out->len - start);
  return tw_append_signature(env, signer, TW_LITERAL("KeyPackageTBS"), &content, 1, start, out);
}

/* Everything but the signatures, which cost most. */
static tw_err check_fields(const tw_env *env, const tw_suite *suite, const tw_key_package_view *key_package) {
  const tw_leaf_node *leaf = &key_package->leaf_node;
  if (key_package->version != TW_MLS10) return TW_ERR_UNSUPPORTED;
  if (key_package->cipher_suite != tw_suite_id(env, suite)) return TW_ERR_UNSUPPORTED;
  if (leaf->source != TW_LEAF_KEY_PACKAGE) return TW_ERR_FORBIDDEN;
  if (tw_bytes_equal(key_package->init_key, leaf->encryption_key)) return TW_ERR_KEY_REUSED;
  if (!tw_u16_list_covers_extensions(leaf->capabilities.extensions, key_package->extensions)) return TW_ERR_CAPABILITY;
  TW_TRY(tw_dictionary_check(key_package->extensions));
  return tw_kem_check_public(env, suite, key_package->init_key);
}

tw_err tw_key_package_check(const tw_env *env, const tw_suite *suite, const tw_key_package_view *key_package,
                            tw_bytes group_context_extensions, uint64_t now) {
  const tw_leaf_node *leaf = &key_package->leaf_node;
  TW_TRY(check_fields(env, suite, key_package));
  TW_TRY(tw_leaf_node_check(env, suite, leaf, group_context_extensions, now));
  TW_TRY(tw_leaf_node_verify(env, suite, leaf, TW_NO_BYTES, 0));
  return tw_verify_with_label(env, suite, leaf->signature_key, TW_LITERAL("KeyPackageTBS"), &key_package->content, 1,
                              key_package->signature);
}

tw_err tw_key_package_ref(const tw_env *env, const tw_suite *suite, tw_bytes encoded, uint8_t *out) {
  return tw_ref_hash(env, suite, TW_LITERAL("MLS 1.0 KeyPackage Reference"), encoded, out);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/leaf_node.h"

#include "mls/app_data.h"
#include "mls/label.h"
#include "mls/signed.h"

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

static void write_content(tw_writer *w, const tw_leaf_node_fields *fields, tw_bytes signature_key) {
  tw_write_vector(w, fields->encryption_key);
  tw_write_vector(w, signature_key);
  tw_write_fixed(w, fields->credential);
  tw_write_capabilities(w, &fields->capabilities);
  tw_write_u8(w, fields->source);
  if (fields->source == TW_LEAF_KEY_PACKAGE) {
    tw_write_u64(w, fields->not_before);
    tw_write_u64(w, fields->not_after);
  } else if (fields->source == TW_LEAF_COMMIT) {
    tw_write_vector(w, fields->parent_hash);
  } else if (fields->source != TW_LEAF_UPDATE) {
    tw_writer_fail(w, TW_ERR_ARGUMENT);
  }
  tw_write_vector(w, fields->extensions);
}

/* LeafNodeTBS: the content, then for leaves made within a group opaque group_id<V> and uint32 leaf_index. */
typedef struct leaf_tbs {
  tw_bytes parts[4];
  size_t count;
  uint8_t group_id_size[4];
  uint8_t leaf_index[4];
} leaf_tbs;

static tw_err tbs_of(leaf_tbs *tbs, tw_bytes content, uint8_t source, tw_bytes group_id, uint32_t leaf_index) {
  tbs->parts[0] = content;
  tbs->count = 1;
  if (source == TW_LEAF_KEY_PACKAGE) return TW_OK;
  if (group_id.len >= 1u << 30) return TW_ERR_LIMIT;
  tbs->parts[1] = TW_BYTES(tbs->group_id_size, tw_put_varint(tbs->group_id_size, group_id.len));
  tbs->parts[2] = group_id;
  tw_put_u32(tbs->leaf_index, leaf_index);
  tbs->parts[3] = TW_ARRAY(tbs->leaf_index);
  tbs->count = 4;
  return TW_OK;
}

tw_err tw_leaf_node_make(const tw_env *env, const tw_suite *suite, const tw_signer *signer,
                         const tw_leaf_node_fields *fields, tw_bytes group_id, uint32_t leaf_index, tw_buf *out) {
  if (tw_signer_scheme(signer) != suite->signature) return TW_ERR_ARGUMENT;
  const size_t start = out->len;
  tw_writer w = tw_writer_to(out);
  write_content(&w, fields, tw_signer_public_key(signer));
  TW_TRY(tw_writer_end(&w));
  leaf_tbs tbs = {0};
  const tw_err err = tbs_of(&tbs, TW_BYTES(out->ptr + start, out->len - start), fields->source, group_id, leaf_index);
  if (err != TW_OK) {
    out->len = start;
    return err;
  }
  return tw_append_signature(env, signer, TW_LITERAL("LeafNodeTBS"), tbs.parts, tbs.count, start, out);
}

tw_err tw_leaf_node_verify(const tw_env *env, const tw_suite *suite, const tw_leaf_node *leaf, tw_bytes group_id,
                           uint32_t leaf_index) {
  leaf_tbs tbs = {0};
  TW_TRY(tbs_of(&tbs, leaf->content, leaf->source, group_id, leaf_index));
  return tw_verify_with_label(env, suite, leaf->signature_key, TW_LITERAL("LeafNodeTBS"), tbs.parts, tbs.count,
                              leaf->signature);
}

/* The public key in the end-entity certificate is the leaf's own, section 5.3. */
static tw_err check_certificate(const tw_env *env, const tw_suite *suite, const tw_leaf_node *leaf) {
  tw_reader walk = tw_reader_of(leaf->credential.identity);
  tw_bytes certificate;
  if (!tw_certificate_next(&walk, &certificate)) return TW_ERR_ENCODING;
  tw_buf key = TW_BUF_INIT(tw_env_alloc(env));
  tw_err err = tw_x509_public_key(env, suite, certificate, &key);
  /* The message is well-formed; what its sender got from a CA is not. */
  if (err == TW_ERR_ENCODING) err = TW_ERR_CERTIFICATE;
  if (err == TW_OK && !tw_bytes_equal(tw_buf_bytes(&key), leaf->signature_key)) err = TW_ERR_CREDENTIAL;
  tw_buf_clear(&key);
  return err;
}

static tw_err check_keys(const tw_env *env, const tw_suite *suite, const tw_leaf_node *leaf) {
  if (leaf->signature_key.len != suite->signature->public_size) return TW_ERR_KEY;
  TW_TRY(tw_kem_check_public(env, suite, leaf->encryption_key));
  if (leaf->credential.type == TW_CREDENTIAL_X509) TW_TRY(check_certificate(env, suite, leaf));
  return TW_OK;
}

static tw_err check_lifetime(const tw_env *env, const tw_leaf_node *leaf, uint64_t now) {
  if (leaf->source != TW_LEAF_KEY_PACKAGE || now == 0) return TW_OK;
  if (leaf->not_before > now || now > leaf->not_after) return TW_ERR_LIFETIME;
  if (leaf->not_after - leaf->not_before > tw_env_limits(env)->lifetime_max) return TW_ERR_LIFETIME;
  return TW_OK;
}

/*
 * What the leaf says about itself must fit together. That its list of suites names the group's is no rule of
 * section 7.3, and other implementations' leaves do not always: its keys show that it can use the suite.
 */
static tw_err check_capabilities(const tw_leaf_node *leaf) {
  const tw_capabilities *has = &leaf->capabilities;
  const bool fits = tw_u16_list_has(has->versions, TW_MLS10) &&
                    tw_u16_list_has(has->credentials, leaf->credential.type) &&
                    tw_u16_list_covers_extensions(has->extensions, leaf->extensions);
  return fits ? TW_OK : TW_ERR_CAPABILITY;
}

tw_err tw_leaf_node_check(const tw_env *env, const tw_suite *suite, const tw_leaf_node *leaf,
                          tw_bytes group_context_extensions, uint64_t now) {
  TW_TRY(check_capabilities(leaf));
  TW_TRY(tw_capabilities_meet(&leaf->capabilities, group_context_extensions));
  TW_TRY(tw_app_data_leaf_check(leaf->extensions, group_context_extensions));
  TW_TRY(check_lifetime(env, leaf, now));
  return check_keys(env, suite, leaf);
}

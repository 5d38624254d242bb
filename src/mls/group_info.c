/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/group_info.h"

#include "mls/label.h"
#include "mls/signed.h"

/*
 * struct GroupContext {
 *   uint16 version = 1; uint16 cipher_suite; opaque group_id<V>; uint64 epoch; opaque tree_hash<V>;
 *   opaque confirmed_transcript_hash<V>; Extension extensions<V>;
 * }                                                                                                     section 8.1
 */
tw_group_context tw_read_group_context(tw_reader *r) {
  tw_group_context out = {0};
  out.version = tw_read_u16(r);
  if (tw_reader_err(r) == TW_OK && out.version != TW_MLS10) tw_reader_fail(r, TW_ERR_UNSUPPORTED);
  out.cipher_suite = tw_read_u16(r);
  out.group_id = tw_read_vector(r);
  out.epoch = tw_read_u64(r);
  out.tree_hash = tw_read_vector(r);
  out.confirmed_transcript_hash = tw_read_vector(r);
  out.extensions = tw_read_extensions(r);
  if (tw_reader_err(r) != TW_OK) return (tw_group_context){0};
  return out;
}

void tw_write_group_context(tw_writer *w, const tw_group_context *context) {
  tw_write_u16(w, context->version);
  tw_write_u16(w, context->cipher_suite);
  tw_write_vector(w, context->group_id);
  tw_write_u64(w, context->epoch);
  tw_write_vector(w, context->tree_hash);
  tw_write_vector(w, context->confirmed_transcript_hash);
  tw_write_vector(w, context->extensions);
}

/*
 * struct GroupInfo {
 *   GroupContext group_context; Extension extensions<V>; opaque confirmation_tag<V>; uint32 signer; opaque
 * signature<V>; } section 12.4.3
 */
tw_group_info tw_read_group_info(tw_reader *r) {
  const uint8_t *start = r->ptr;
  tw_group_info out = {0};
  out.group_context = tw_read_group_context(r);
  out.group_context_encoded = tw_reader_since(r, start);
  out.extensions = tw_read_extensions(r);
  out.confirmation_tag = tw_read_vector(r);
  out.signer = tw_read_u32(r);
  out.content = tw_reader_since(r, start);
  out.signature = tw_read_vector(r);
  out.encoded = tw_reader_since(r, start);
  if (tw_reader_err(r) != TW_OK) return (tw_group_info){0};
  return out;
}

tw_err tw_group_info_decode(tw_bytes encoded, tw_group_info *out) {
  tw_reader r = tw_reader_of(encoded);
  const tw_group_info info = tw_read_group_info(&r);
  TW_TRY(tw_reader_end(&r));
  *out = info;
  return TW_OK;
}

tw_err tw_group_info_make(const tw_env *env, const tw_suite *suite, const tw_signer *signer, tw_bytes group_context,
                          tw_bytes extensions, tw_bytes confirmation_tag, uint32_t signer_leaf, tw_buf *out) {
  if (tw_signer_scheme(signer) != suite->signature) return TW_ERR_ARGUMENT;
  const size_t start = out->len;
  tw_writer w = tw_writer_to(out);
  tw_write_fixed(&w, group_context);
  tw_write_vector(&w, extensions);
  tw_write_vector(&w, confirmation_tag);
  tw_write_u32(&w, signer_leaf);
  TW_TRY(tw_writer_end(&w));
  const tw_bytes content = TW_BYTES(out->ptr + start, out->len - start);
  return tw_append_signature(env, signer, TW_LITERAL("GroupInfoTBS"), &content, 1, start, out);
}

tw_err tw_group_info_verify(const tw_env *env, const tw_suite *suite, const tw_group_info *info,
                            tw_bytes signature_key) {
  return tw_verify_with_label(env, suite, signature_key, TW_LITERAL("GroupInfoTBS"), &info->content, 1,
                              info->signature);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/transcript.h"

#include "codec/writer.h"

#define VECTOR_MAX 0x3fffffffu

/* struct { WireFormat wire_format; FramedContent content; opaque signature<V>; } ConfirmedTranscriptHashInput */
tw_err tw_confirmed_transcript_hash(const tw_env *env, const tw_suite *suite, tw_bytes interim_before,
                                    uint16_t wire_format, tw_bytes framed_content, tw_bytes signature, uint8_t *out) {
  if (signature.len > VECTOR_MAX) return TW_ERR_ARGUMENT;
  uint8_t format[2];
  uint8_t signature_len[4];
  tw_put_u16(format, wire_format);
  const tw_bytes parts[] = {interim_before,
                            TW_ARRAY(format),
                            framed_content,
                            {signature_len, tw_put_varint(signature_len, signature.len)},
                            signature};
  return tw_hash_parts(env, suite, parts, sizeof parts / sizeof parts[0], out);
}

/* struct { MAC confirmation_tag; } InterimTranscriptHashInput */
tw_err tw_interim_transcript_hash(const tw_env *env, const tw_suite *suite, tw_bytes confirmed,
                                  tw_bytes confirmation_tag, uint8_t *out) {
  if (confirmation_tag.len > VECTOR_MAX) return TW_ERR_ARGUMENT;
  uint8_t tag_len[4];
  const tw_bytes parts[] = {confirmed, {tag_len, tw_put_varint(tag_len, confirmation_tag.len)}, confirmation_tag};
  return tw_hash_parts(env, suite, parts, sizeof parts / sizeof parts[0], out);
}

tw_err tw_confirmation_tag(const tw_env *env, const tw_suite *suite, tw_bytes confirmation_key, tw_bytes confirmed,
                           uint8_t *out) {
  return tw_hmac_parts(env, suite, confirmation_key, &confirmed, 1, out);
}

tw_err tw_confirmation_tag_check(const tw_env *env, const tw_suite *suite, tw_bytes confirmation_key,
                                 tw_bytes confirmed, tw_bytes tag) {
  uint8_t expected[TW_HASH_MAX];
  tw_err err = tw_confirmation_tag(env, suite, confirmation_key, confirmed, expected);
  if (err == TW_OK && !tw_secret_equal(tag, TW_BYTES(expected, suite->hash->size))) err = TW_ERR_MAC;
  /* What the tag should have been would let its finder forge one. */
  tw_wipe(expected, sizeof expected);
  return err;
}

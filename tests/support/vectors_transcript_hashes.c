/* Vectors of type transcript-hashes. SPDX-License-Identifier: Apache-2.0 */
#include "mls/framing.h"
#include "mls/transcript.h"
#include "vectors.h"

tw_vector_result tw_vector_transcript_hashes(const tw_env *env, json_t *vector) {
  tw_vector v = tw_vector_begin_with_suite(env, vector);
  const tw_bytes confirmation_key = tw_vector_hex(&v, v.json, "confirmation_key");
  const tw_bytes authenticated = tw_vector_hex(&v, v.json, "authenticated_content");
  const tw_bytes before = tw_vector_hex(&v, v.json, "interim_transcript_hash_before");
  const tw_bytes confirmed_after = tw_vector_hex(&v, v.json, "confirmed_transcript_hash_after");
  const tw_bytes interim_after = tw_vector_hex(&v, v.json, "interim_transcript_hash_after");
  if (!tw_vector_going(&v)) return tw_vector_end(&v);

  /* struct { WireFormat wire_format; FramedContent content; FramedContentAuthData auth; } AuthenticatedContent */
  tw_reader r = tw_reader_of(authenticated);
  const uint16_t wire_format = tw_read_u16(&r);
  const tw_framed_content content = tw_read_framed_content(&r);
  const tw_content_auth auth = tw_read_content_auth(&r, content.content_type);
  tw_vector_ok(&v, tw_reader_end(&r), "authenticated_content");
  tw_vector_true(&v, content.content_type == TW_CONTENT_COMMIT, "authenticated_content is not a commit");
  uint8_t confirmed[TW_HASH_MAX];
  uint8_t interim[TW_HASH_MAX];
  if (!tw_vector_going(&v)) return tw_vector_end(&v);
  const size_t size = v.suite->hash->size;
  tw_vector_ok(
      &v, tw_confirmed_transcript_hash(env, v.suite, before, wire_format, content.encoded, auth.signature, confirmed),
      "confirmed_transcript_hash");
  tw_vector_equal(&v, TW_BYTES(confirmed, size), confirmed_after, "confirmed_transcript_hash");
  tw_vector_ok(&v, tw_confirmation_tag_check(env, v.suite, confirmation_key, confirmed_after, auth.confirmation_tag),
               "confirmation_tag");
  tw_vector_ok(&v, tw_interim_transcript_hash(env, v.suite, confirmed_after, auth.confirmation_tag, interim),
               "interim_transcript_hash");
  tw_vector_equal(&v, TW_BYTES(interim, size), interim_after, "interim_transcript_hash");
  return tw_vector_end(&v);
}

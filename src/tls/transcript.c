/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/transcript.h"

#include "tls/message.h"

tw_err tw_tls_transcript_add(tw_tls_transcript *transcript, tw_bytes message) {
  return tw_buf_append(&transcript->messages, message);
}

tw_err tw_tls_transcript_hash(const tw_env *env, const tw_suite *suite, const tw_tls_transcript *transcript,
                              uint8_t *out) {
  const tw_bytes all = tw_buf_bytes(&transcript->messages);
  return tw_hash_parts(env, suite, &all, 1, out);
}

/* struct { HandshakeType msg_type = message_hash; uint24 length = Hash.length; opaque hash[Hash.length]; } */
tw_err tw_tls_transcript_restart(const tw_suite *suite, const uint8_t *hello_hash, tw_tls_transcript *transcript) {
  transcript->messages.len = 0;
  tw_writer w = tw_writer_to(&transcript->messages);
  tw_write_u8(&w, TW_TLS_MESSAGE_HASH);
  tw_write_vector24(&w, TW_BYTES(hello_hash, suite->hash->size));
  return tw_writer_end(&w);
}

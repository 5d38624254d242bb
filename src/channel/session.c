/* Sessions in their saved form. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "channel/channel_internal.h"
#include "codec/reader.h"
#include "codec/writer.h"

enum { MAGIC = 0x54575354, VERSION = 1 };

/*
 * Of MLS-TLS: SavedPair (src/pair/pair_save.c). Of TLS+MLS, whose keys depend on how the first connection began:
 *
 * struct {
 *   uint32 magic = "TWST"; uint16 version = 1; uint16 tls_cipher_suite; uint16 content_max; uint16 inner_max;
 *   opaque transcript_hash<V>; opaque server_name<V>; opaque protocol<V>;
 *   SavedPair pair;
 * } SavedSession
 */
tw_err tw_channel_write_session(const tw_channel *channel, tw_buf *out) {
  if (channel->tls_suite != NULL) {
    tw_writer w = tw_writer_to(out);
    tw_write_u32(&w, MAGIC);
    tw_write_u16(&w, VERSION);
    tw_write_u16(&w, channel->tls_suite->id);
    tw_write_u16(&w, channel->content_max);
    tw_write_u16(&w, channel->inner_max);
    tw_write_vector(&w, TW_BYTES(channel->transcript_hash, channel->tls_suite->hash->size));
    tw_write_vector(&w, tw_channel_server_name(channel));
    tw_write_vector(&w, tw_channel_protocol_name(channel));
    TW_TRY(tw_writer_end(&w));
  }
  return tw_pair_save(channel->pair, out);
}

typedef struct saved_session {
  const tw_suite *suite;
  uint16_t content_max, inner_max;
  tw_bytes transcript_hash, server_name, protocol, pair;
} saved_session;

static tw_err read_tls(tw_bytes saved, saved_session *out) {
  tw_reader r = tw_reader_of(saved);
  if (tw_read_u32(&r) != MAGIC) tw_reader_fail(&r, TW_ERR_ENCODING);
  if (tw_read_u16(&r) != VERSION) tw_reader_fail(&r, TW_ERR_UNSUPPORTED);
  out->suite = tw_tls_suite_by_id(tw_read_u16(&r));
  out->content_max = tw_read_u16(&r);
  out->inner_max = tw_read_u16(&r);
  out->transcript_hash = tw_read_vector(&r);
  out->server_name = tw_read_vector(&r);
  out->protocol = tw_read_vector(&r);
  out->pair = tw_read_rest(&r);
  TW_TRY(tw_reader_end(&r));
  if (out->suite == NULL) return TW_ERR_UNSUPPORTED;
  const bool fits = out->transcript_hash.len == out->suite->hash->size && out->content_max > 0 &&
                    out->content_max <= TW_RECORD_PLAINTEXT_MAX && out->inner_max <= TW_RECORD_INNER_MAX;
  return fits ? TW_OK : TW_ERR_ENCODING;
}

static tw_err keep_tls(tw_channel *channel, const saved_session *saved) {
  TW_TRY(tw_buf_append(&channel->names, saved->server_name));
  TW_TRY(tw_buf_append(&channel->names, saved->protocol));
  channel->server_name_len = saved->server_name.len;
  channel->tls_suite = saved->suite;
  channel->content_max = saved->content_max;
  channel->inner_max = saved->inner_max;
  memcpy(channel->transcript_hash, saved->transcript_hash.ptr, saved->transcript_hash.len);
  return TW_OK;
}

tw_err tw_channel_read_session(tw_channel *channel, tw_bytes saved) {
  const tw_pair_config config = tw_channel_pair_config(channel);
  saved_session session = {.pair = saved};
  const bool is_tls = channel->config.protocol == TW_CHANNEL_TLS;
  if (is_tls) TW_TRY(read_tls(saved, &session));
  TW_TRY(tw_pair_load(&config, session.pair, &channel->pair));
  return is_tls ? keep_tls(channel, &session) : TW_OK;
}

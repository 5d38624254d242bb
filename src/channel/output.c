/* What a channel sends. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "channel/channel_internal.h"
#include "codec/writer.h"

enum { FULL_RECORD = TW_RECORD_OVERHEAD + TW_RECORD_PLAINTEXT_MAX };

static size_t unsent(const tw_channel *channel) { return channel->output.len - channel->output_at; }

/* The size that the buffer grows to for application data. */
static size_t full_size(const tw_channel *channel) { return (size_t)channel->options.output_high_water + FULL_RECORD; }

/* `need` bytes of room behind what is in the output; and what sealing takes. */
static tw_err make_room(tw_channel *channel, size_t need) {
  tw_buf *out = &channel->output;
  TW_TRY(tw_record_key_wake(&channel->send));
  if (need <= out->cap - out->len) return TW_OK;
  const size_t pending = unsent(channel);
  if (channel->output_at > 0) {
    memmove(out->ptr, out->ptr + channel->output_at, pending);
    out->len = pending;
    if (channel->held_at != SIZE_MAX) channel->held_at -= channel->output_at;
    channel->output_at = 0;
    if (need <= out->cap - out->len) return TW_OK;
  }
  size_t size = out->cap < 512 ? 1024 : out->cap * 2;
  if (size > full_size(channel)) size = full_size(channel);
  return tw_channel_grow(out, size < pending + need ? pending + need : size);
}

/* The record of `content` bytes that stand at their place behind the output's end. */
static tw_err seal_at_end(tw_channel *channel, uint8_t type, size_t content, size_t padding) {
  tw_buf *out = &channel->output;
  uint8_t *record = out->ptr + out->len;
  size_t size = TW_RECORD_HEADER + content;
  if (tw_record_key_is_set(&channel->send)) {
    TW_TRY(tw_record_seal(&channel->send, type, record, content, padding));
    size = tw_record_size(content, padding);
  } else {
    tw_record_put_plain_header(record, type, content);
  }
  out->len += size;
  channel->wire_sent += size;
  if (type == TW_RECORD_HANDSHAKE) channel->handshake_bytes += size;
  channel->busy = true;
  return TW_OK;
}

/* ---- messages of the channel's own ---- */

tw_err tw_channel_put(tw_channel *channel, uint8_t type, tw_bytes content) {
  const size_t most = tw_record_key_is_set(&channel->send) ? channel->content_max : TW_RECORD_PLAINTEXT_MAX;
  const size_t records = content.len / most + 1;
  TW_TRY(make_room(channel, content.len + records * TW_RECORD_OVERHEAD));
  size_t done = 0;
  do {
    const size_t left = content.len - done;
    const size_t take = left < most ? left : most;
    if (take > 0) memcpy(channel->output.ptr + channel->output.len + TW_RECORD_HEADER, content.ptr + done, take);
    TW_TRY(seal_at_end(channel, type, take, 0));
    done += take;
  } while (done < content.len);
  return TW_OK;
}

/* struct { HandshakeType msg_type = mls_handshake; uint24 length; TwoPartyMLSMessage message; } Handshake (D8) */
tw_err tw_channel_put_handshake(tw_channel *channel, tw_bytes message) {
  tw_buf framed = TW_BUF_INIT(channel->alloc);
  tw_writer w = tw_writer_to(&framed);
  tw_write_u8(&w, tw_env_code_points(channel->env)->mls_handshake_type);
  tw_write_vector24(&w, message);
  tw_err err = tw_writer_end(&w);
  if (err == TW_OK) err = tw_channel_put(channel, TW_RECORD_HANDSHAKE, tw_buf_bytes(&framed));
  tw_buf_clear(&framed);
  return err;
}

/* struct { AlertLevel level; AlertDescription description; } Alert, RFC 8446 section 6 */
tw_err tw_channel_put_alert(tw_channel *channel, uint8_t level, uint8_t description) {
  const uint8_t alert[TW_ALERT_SIZE] = {level, description};
  return tw_channel_put(channel, TW_RECORD_ALERT, TW_ARRAY(alert));
}

/* ---- application data ---- */

static bool takes_data(const tw_channel *channel, size_t need) {
  if (tw_channel_ended(channel) || channel->sent_close || channel->close_wanted) return false;
  if (!tw_channel_established(channel) && channel->early_left < need) return false;
  if (tw_record_key_left(&channel->send) <= TW_CHANNEL_RESERVED_RECORDS) return false;
  const size_t pending = unsent(channel);
  if (pending >= channel->options.output_high_water) return false;
  /* Rather wait for more to be sent than move a lot to the front for little. */
  const tw_buf *out = &channel->output;
  const bool must_move = pending > 0 && need > out->cap - out->len && out->cap >= full_size(channel);
  return !must_move || pending <= out->cap / 4;
}

static size_t padding_of(const tw_channel *channel, size_t content) {
  const size_t block = channel->options.padding_block;
  if (block <= 1 || content % block == 0) return 0;
  const size_t padding = block - content % block;
  const size_t most = channel->content_max - content;
  return padding < most ? padding : most;
}

/* A copy of data that may have to be sent again (D6). */
static tw_err keep_early(tw_channel *channel, size_t content, size_t padding) {
  if (tw_channel_established(channel)) return TW_OK;
  TW_TRY(
      tw_buf_append(&channel->early, TW_BYTES(channel->output.ptr + channel->output.len + TW_RECORD_HEADER, content)));
  channel->early_left -= tw_record_size(content, padding);
  return TW_OK;
}

static tw_err send_data(tw_channel *channel, size_t content, size_t padding) {
  TW_TRY(keep_early(channel, content, padding));
  TW_TRY(seal_at_end(channel, TW_RECORD_APPLICATION_DATA, content, padding));
  channel->data_sent += content;
  channel->epoch_data += content;
  channel->epoch_data_sent += content;
  tw_channel_consider_update(channel);
  return TW_OK;
}

tw_err tw_channel_write(tw_channel *channel, tw_bytes data, size_t *taken) {
  *taken = 0;
  if (tw_channel_ended(channel) || channel->sent_close) return TW_ERR_CLOSED;
  size_t done = 0;
  while (done < data.len) {
    const size_t left = data.len - done;
    const size_t take = left < channel->content_max ? left : channel->content_max;
    const size_t padding = padding_of(channel, take);
    if (!takes_data(channel, tw_record_size(take, padding))) break;
    if (make_room(channel, tw_record_size(take, padding)) != TW_OK) {
      if (done == 0) return TW_ERR_NO_MEMORY;
      break;
    }
    memcpy(channel->output.ptr + channel->output.len + TW_RECORD_HEADER, data.ptr + done, take);
    const tw_err err = send_data(channel, take, padding);
    if (err != TW_OK) return tw_channel_fail_with(channel, err);
    done += take;
    *taken = done; /* after an error as well: these may arrive */
  }
  return TW_OK;
}

tw_err tw_channel_write_buffer(tw_channel *channel, uint8_t **ptr, size_t *room) {
  *ptr = NULL;
  *room = 0;
  if (tw_channel_ended(channel) || channel->sent_close) return TW_ERR_CLOSED;
  if (!takes_data(channel, FULL_RECORD)) return TW_OK;
  TW_TRY(make_room(channel, FULL_RECORD));
  *ptr = channel->output.ptr + channel->output.len + TW_RECORD_HEADER;
  *room = channel->content_max;
  return TW_OK;
}

tw_err tw_channel_write_done(tw_channel *channel, size_t n) {
  if (tw_channel_ended(channel) || channel->sent_close) return TW_ERR_CLOSED;
  if (n == 0) return TW_OK;
  if (n > channel->content_max || channel->output.cap - channel->output.len < FULL_RECORD) return TW_ERR_ARGUMENT;
  const tw_err err = send_data(channel, n, padding_of(channel, n));
  return err == TW_OK ? TW_OK : tw_channel_fail_with(channel, err);
}

bool tw_channel_writable(const tw_channel *channel) { return takes_data(channel, FULL_RECORD); }

/* ---- to the network ---- */

tw_bytes tw_channel_output(const tw_channel *channel) {
  if (channel->output.ptr == NULL) return TW_NO_BYTES;
  const size_t end = channel->held_at < channel->output.len ? channel->held_at : channel->output.len;
  return TW_BYTES(channel->output.ptr + channel->output_at, end - channel->output_at);
}

void tw_channel_output_sent(tw_channel *channel, size_t n) {
  const size_t pending = tw_channel_output(channel).len;
  channel->output_at += n < pending ? n : pending;
  channel->busy = true;
  if (channel->output_at < channel->output.len) return;
  channel->output_at = 0;
  channel->output.len = 0;
}

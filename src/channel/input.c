/* What a channel receives. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "channel/channel_internal.h"

enum { FIRST_INPUT = 4096 };

/* ---- the receive buffer ---- */

/* Bytes that the record at input_at still lacks; what its header lacks while that is not whole. */
static size_t lacking(const tw_channel *channel) {
  const size_t have = channel->input.len - channel->input_at;
  if (have < TW_RECORD_HEADER) return TW_RECORD_HEADER - have;
  const uint8_t *header = channel->input.ptr + channel->input_at;
  const size_t size = TW_RECORD_HEADER + (((size_t)header[3] << 8) | header[4]);
  if (size > TW_RECORD_SIZE_MAX) return 0;
  return size > have ? size - have : 0;
}

/* What is left of the input comes to the front when the record would not fit behind it, or when that costs little. */
static void settle(tw_channel *channel) {
  tw_buf *in = &channel->input;
  const size_t rest = in->len - channel->input_at;
  if (channel->input_at == 0) return;
  if (rest > 0 && lacking(channel) <= in->cap - in->len && channel->input_at <= in->cap / 2) return;
  if (rest > 0) memmove(in->ptr, in->ptr + channel->input_at, rest);
  in->len = rest;
  channel->input_at = 0;
}

static size_t wanted_size(const tw_channel *channel) {
  const tw_buf *in = &channel->input;
  size_t size = in->cap < FIRST_INPUT ? FIRST_INPUT : in->cap;
  if (channel->input_filled) size *= 4;
  const size_t needed = in->len + lacking(channel);
  if (size < needed) size = needed;
  return size < channel->options.input_max ? size : channel->options.input_max;
}

/* A peer that sends what has to be answered, and takes no answers, would have them pile up. */
static bool leaves_answers(const tw_channel *channel) {
  return channel->output.len - channel->output_at >= (size_t)channel->options.output_high_water + TW_ANSWERS_MAX;
}

tw_err tw_channel_input_buffer(tw_channel *channel, uint8_t **ptr, size_t *room) {
  *ptr = NULL;
  *room = 0;
  if (tw_channel_ended(channel) || channel->stream_ended || leaves_answers(channel)) return TW_OK;
  tw_buf *in = &channel->input;
  if (channel->data_len == 0) {
    settle(channel);
    const tw_err err = tw_channel_grow(in, wanted_size(channel));
    if (err != TW_OK && lacking(channel) > in->cap - in->len) return err;
  }
  *ptr = in->ptr + in->len;
  *room = in->cap - in->len;
  return TW_OK;
}

static void note_time(tw_channel *channel, uint64_t now_ms) {
  if (now_ms > channel->now_ms) channel->now_ms = now_ms;
}

/* All bytes as they came, as long as it is open whether they are for us. */
static tw_err keep_raw(tw_channel *channel, tw_bytes bytes) {
  if (channel->tls == NULL || channel->config.tls == NULL || !channel->config.tls->standard) return TW_OK;
  if (tw_record_key_is_set(&channel->receive)) return TW_OK;
  const tw_err err = tw_buf_append(&channel->raw, bytes);
  return err == TW_OK ? TW_OK : tw_channel_fail_with(channel, err);
}

tw_err tw_channel_input_done(tw_channel *channel, size_t n, uint64_t now_ms) {
  if (tw_channel_ended(channel)) return TW_ERR_CLOSED;
  tw_buf *in = &channel->input;
  if (channel->stream_ended || n > in->cap - in->len) return TW_ERR_ARGUMENT;
  note_time(channel, now_ms);
  channel->input_filled = n > 0 && n == in->cap - in->len;
  TW_TRY(keep_raw(channel, TW_BYTES(in->ptr + in->len, n)));
  in->len += n;
  channel->busy = true;
  return tw_channel_pump(channel);
}

tw_err tw_channel_input(tw_channel *channel, tw_bytes input, uint64_t now_ms, size_t *taken) {
  *taken = 0;
  while (*taken < input.len) {
    uint8_t *ptr;
    size_t room;
    TW_TRY(tw_channel_input_buffer(channel, &ptr, &room));
    if (room == 0) return tw_channel_ended(channel) ? TW_ERR_CLOSED : TW_OK;
    const size_t left = input.len - *taken;
    const size_t take = left < room ? left : room;
    memcpy(ptr, input.ptr + *taken, take);
    *taken += take;
    TW_TRY(tw_channel_input_done(channel, take, now_ms));
  }
  return TW_OK;
}

tw_err tw_channel_input_end(tw_channel *channel, uint64_t now_ms) {
  if (tw_channel_ended(channel)) return TW_ERR_CLOSED;
  note_time(channel, now_ms);
  channel->stream_ended = true;
  return tw_channel_pump(channel);
}

/* ---- records ---- */

static tw_err fail_record(tw_channel *channel, tw_err err) {
  switch (err) {
  case TW_ERR_ENCODING: return tw_channel_fail(channel, err, TW_ALERT_RECORD_OVERFLOW);
  case TW_ERR_DECRYPT: return tw_channel_fail(channel, err, TW_ALERT_BAD_RECORD_MAC);
  default: return tw_channel_fail_with(channel, err);
  }
}

/*
 * The peer's switch has no mark in this direction (D4): a record that does not open under the old key opens under the
 * new one or is bad. The first try goes elsewhere, since it spoils what it is opened into.
 */
static tw_err open_on_trial(tw_channel *channel, uint8_t *record, size_t size, tw_record_content *content,
                            tw_channel_move *how) {
  TW_TRY(tw_channel_grow(&channel->trial, size));
  uint8_t *aside = channel->trial.ptr;
  const tw_err err = tw_record_open(&channel->receive, record, size, aside, content);
  if (err == TW_OK) {
    memcpy(record + TW_RECORD_HEADER, aside, content->len);
    tw_wipe(aside, content->len);
    return TW_OK;
  }
  if (err != TW_ERR_DECRYPT) return err;
  /* Under the same number: were there records of the old key that have been kept from us, the peer's count would be
   * ahead. */
  tw_record_key_continue(&channel->receive_next, channel->receive.sequence);
  TW_TRY(tw_record_open(&channel->receive_next, record, size, record + TW_RECORD_HEADER, content));
  tw_record_key_move(&channel->receive, &channel->receive_next);
  *how = TW_CHANNEL_GO_NEXT_RECORD;
  tw_buf_clear(&channel->trial);
  /* Handshake messages must not span key changes, RFC 8446 section 5.1. */
  return channel->handshake.len == 0 ? TW_OK : TW_ERR_UNEXPECTED;
}

/* `how` is TW_CHANNEL_GO_RECORD or TW_CHANNEL_GO_NEXT_RECORD. */
static tw_err open_record(tw_channel *channel, uint8_t *record, size_t size, tw_record_content *content,
                          tw_channel_move *how) {
  *how = TW_CHANNEL_GO_RECORD;
  if (tw_record_key_is_set(&channel->receive_next)) return open_on_trial(channel, record, size, content, how);
  return tw_record_open(&channel->receive, record, size, record + TW_RECORD_HEADER, content);
}

/* Nothing came of a record. */
static tw_err take_idle(tw_channel *channel) {
  const tw_err err = tw_channel_count_idle(channel);
  return err == TW_OK ? TW_OK : tw_channel_fail_with(channel, err);
}

static tw_err take_alert(tw_channel *channel, tw_bytes alert) {
  if (alert.len != TW_ALERT_SIZE) return tw_channel_fail(channel, TW_ERR_ENCODING, TW_ALERT_DECODE_ERROR);
  const uint8_t description = alert.ptr[1];
  if (description == TW_ALERT_USER_CANCELED) return take_idle(channel); /* close_notify follows, section 6.1 */
  if (description != TW_ALERT_CLOSE_NOTIFY || !tw_channel_established(channel)) {
    return tw_channel_end_by_alert(channel, description);
  }
  if (channel->got_close) return take_idle(channel);
  channel->got_close = true;
  tw_channel_raise(channel, &(tw_channel_event){.kind = TW_CHANNEL_PEER_CLOSED});
  if (channel->sent_close) tw_channel_finish(channel);
  return TW_OK;
}

static tw_err take_data(tw_channel *channel, tw_bytes content) {
  /* What follows close_notify is ignored, section 6.1. */
  if (content.len == 0 || channel->got_close) return take_idle(channel);
  channel->data_at = (size_t)(content.ptr - channel->input.ptr);
  channel->data_len = content.len;
  channel->data_received += content.len;
  channel->epoch_data += content.len;
  return TW_OK;
}

static tw_err take_content(tw_channel *channel, uint8_t type, tw_bytes content, size_t record_size) {
  if (type == TW_RECORD_HANDSHAKE) {
    channel->handshake_bytes += record_size;
    const tw_err err = tw_channel_take_handshake(channel, content);
    return err == TW_OK ? TW_OK : tw_channel_fail_with(channel, err);
  }
  /* Nothing may stand between the records of one handshake message, section 5.1. */
  if (channel->handshake.len > 0) return tw_channel_fail_with(channel, TW_ERR_UNEXPECTED);
  if (type == TW_RECORD_ALERT) return take_alert(channel, content);
  /* Under the keys of a TLS handshake there is no application data. */
  if (channel->tls != NULL) return tw_channel_fail_with(channel, TW_ERR_UNEXPECTED);
  return take_data(channel, content);
}

/* Who cannot take our answer to its hello or request has no key to say so with. A server's answer is its own. */
static bool may_be_plain(const tw_channel *channel, uint8_t outer_type) {
  if (!tw_record_key_is_set(&channel->receive)) return true;
  const bool may_lack_key = !channel->connecting || tw_channel_state_unconfirmed(channel->state);
  return may_lack_key && !tw_channel_established(channel) && outer_type == TW_RECORD_ALERT;
}

static bool is_expected(const tw_channel *channel, uint8_t outer_type) {
  if (!may_be_plain(channel, outer_type)) return outer_type == TW_RECORD_APPLICATION_DATA;
  if (outer_type == TW_RECORD_APPLICATION_DATA) return channel->skip_left > 0;
  return outer_type == TW_RECORD_HANDSHAKE || outer_type == TW_RECORD_ALERT;
}

/* Early data that we cannot take, for want of the key or because it may be a repetition (D6), is passed over. */
static bool pass_over(tw_channel *channel, const tw_record_header *header, bool plain, tw_err err) {
  if (header->type != TW_RECORD_APPLICATION_DATA || channel->skip_left < header->size) return false;
  if (!plain && err != TW_ERR_DECRYPT) return false;
  channel->skip_left -= header->size;
  channel->input_at += header->size;
  channel->wire_received += header->size;
  return true;
}

static tw_err take_record(tw_channel *channel, const tw_record_header *header) {
  uint8_t *record = channel->input.ptr + channel->input_at;
  tw_record_content content;
  tw_channel_move how = TW_CHANNEL_GO_RECORD;
  const bool plain = may_be_plain(channel, header->type);
  const tw_err err = plain ? tw_record_check_plain(record, header->size, &content)
                           : open_record(channel, record, header->size, &content, &how);
  if ((plain || err != TW_OK) && pass_over(channel, header, plain, err)) return TW_OK;
  if (err != TW_OK) return fail_record(channel, err);
  if (!plain && header->size - TW_RECORD_HEADER - TW_AEAD_TAG > channel->inner_max)
    return fail_record(channel, TW_ERR_ENCODING);
  if (!plain) channel->skip_left = 0;
  channel->input_at += header->size;
  channel->wire_received += header->size;
  if (!plain) {
    const tw_err opened = tw_channel_opened(channel, how);
    if (opened != TW_OK) return tw_channel_fail_with(channel, opened);
  }
  return take_content(channel, content.type, TW_BYTES(record + TW_RECORD_HEADER, content.len), header->size);
}

/* A record that only old middleboxes want to see, RFC 8446 section D.4. */
static tw_err drop_ccs(tw_channel *channel, const uint8_t *record, const tw_record_header *header) {
  const bool good = tw_channel_drops_ccs(channel) && header->size == TW_RECORD_HEADER + 1 &&
                    record[TW_RECORD_HEADER] == 1 && channel->handshake.len == 0;
  if (!good) return tw_channel_fail(channel, TW_ERR_UNEXPECTED, TW_ALERT_UNEXPECTED_MESSAGE);
  channel->input_at += header->size;
  channel->wire_received += header->size;
  return take_idle(channel);
}

static tw_err take_records(tw_channel *channel) {
  while (!tw_channel_ended(channel) && !channel->unsaved && channel->data_len == 0) {
    const size_t have = channel->input.len - channel->input_at;
    if (have == 0) return TW_OK;
    tw_record_header header;
    const tw_bytes rest = TW_BYTES(channel->input.ptr + channel->input_at, have);
    /* Early data that we cannot open, and pass over, is protected as well: such records may be longer. */
    const bool is_protected = tw_record_key_is_set(&channel->receive) || channel->skip_left > 0;
    const tw_err err = tw_record_peek(rest, is_protected, &header);
    if (err == TW_ERR_TRUNCATED) return TW_OK;
    if (err != TW_OK) return fail_record(channel, err);
    /* Before waiting for all of it: strangers are told at once. */
    const bool ccs = header.type == TW_RECORD_CHANGE_CIPHER_SPEC && tw_channel_drops_ccs(channel);
    if (!ccs && !is_expected(channel, header.type)) return tw_channel_fail_with(channel, TW_ERR_UNEXPECTED);
    if (header.size > have) return TW_OK;
    if (ccs) {
      TW_TRY(drop_ccs(channel, rest.ptr, &header));
      continue;
    }
    TW_TRY(take_record(channel, &header));
  }
  return TW_OK;
}

tw_err tw_channel_pump(tw_channel *channel) {
  TW_TRY(take_records(channel));
  if (tw_channel_ended(channel) || channel->unsaved) return TW_OK;
  if (channel->stream_ended && channel->data_len == 0 && !channel->got_close) {
    return tw_channel_fail(channel, TW_ERR_TRUNCATION, -1);
  }
  tw_channel_consider_update(channel);
  return TW_OK;
}

/* ---- application data ---- */

tw_bytes tw_channel_data(const tw_channel *channel) {
  if (channel->data_len == 0 || channel->unsaved) return TW_NO_BYTES;
  return TW_BYTES(channel->input.ptr + channel->data_at, channel->data_len);
}

tw_err tw_channel_data_done(tw_channel *channel, size_t n) {
  if (tw_channel_ended(channel)) return TW_ERR_CLOSED;
  if (n > tw_channel_data(channel).len) return TW_ERR_ARGUMENT;
  channel->data_at += n;
  channel->data_len -= n;
  return n > 0 && channel->data_len == 0 ? tw_channel_pump(channel) : TW_OK;
}

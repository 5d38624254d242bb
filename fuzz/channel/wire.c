/* Two channels and the pipe between them. SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <string.h>

#include "channel/channel_internal.h"
#include "pair/pair_internal.h"

enum { ROUNDS = 400, STREAM_MAX = 1 << 20 };

/* ---- what is asserted ---- */

void side_note(const side *s, tw_err err) {
  tw_fuzz_check_peer_error(err);
  if (err == TW_OK || err == TW_ERR_CLOSED) return;
  if (err == TW_ERR_NO_MEMORY || err == TW_ERR_RANDOM || err == TW_ERR_TIMEOUT) {
    s->wire->clean = false;
    return;
  }
  TW_FUZZ_ASSERT(!s->wire->clean || err == TW_ERR_PENDING || err == TW_ERR_STATE);
}

void side_take_events(side *s) {
  tw_channel_event event;
  while (tw_channel_next_event(s->channel, &event)) {
    TW_FUZZ_ASSERT(!s->heard_end);
    switch (event.kind) {
    case TW_CHANNEL_ESTABLISHED:
      TW_FUZZ_ASSERT(!s->heard_established && event.resumed == s->wire->resumed &&
                     (s->wire->resumed || event.epoch == 1));
      s->heard_established = true;
      s->epoch = event.epoch;
      break;
    case TW_CHANNEL_REKEYED:
      TW_FUZZ_ASSERT(s->heard_established && event.epoch == s->epoch + 1 + event.merged);
      s->epoch = event.epoch;
      break;
    case TW_CHANNEL_PEER_CLOSED:
      TW_FUZZ_ASSERT(s->heard_established && !s->heard_close);
      s->heard_close = true;
      break;
    default:
      TW_FUZZ_ASSERT(event.kind == TW_CHANNEL_CLOSED);
      s->heard_end = true;
      s->reason = event.reason;
      tw_channel_status status;
      tw_channel_get_status(s->channel, &status);
      TW_FUZZ_ASSERT(status.closed);
      break;
    }
  }
}

/* Each byte that comes out is the next one that the other has sent. */
void side_take_data(side *s, size_t most) {
  const tw_bytes data = tw_channel_data(s->channel);
  const size_t n = data.len < most ? data.len : most;
  const side *from = s->other;
  TW_FUZZ_ASSERT(data.len <= from->written.len - s->received);
  if (data.len > 0) {
    TW_FUZZ_ASSERT(s->heard_established);
    TW_FUZZ_ASSERT(memcmp(data.ptr, from->written.ptr + s->received, data.len) == 0);
  }
  s->received += n;
  if (n > 0) side_note(s, tw_channel_data_done(s->channel, n));
}

/* How much of what came out at first is not protected. */
static size_t plain_part(const side *from) {
  size_t at = 0;
  tw_record_header header;
  while (tw_record_peek(TW_BYTES(from->genuine.ptr + at, from->genuine.len - at), true, &header) == TW_OK &&
         header.type != TW_RECORD_APPLICATION_DATA) {
    if (header.size > from->genuine.len - at) return from->genuine.len;
    at += header.size;
  }
  return at;
}

void side_check_integrity(const side *from) {
  const side *to = from->other;
  tw_channel_status status;
  size_t same = 0;
  tw_channel_get_status(to->channel, &status);
  while (same < from->arrived.len && same < from->genuine.len && from->arrived.ptr[same] == from->genuine.ptr[same])
    same++;
  TW_FUZZ_ASSERT(status.wire_received <= from->arrived.len);
  const size_t plain = plain_part(from);
  if (same < plain) return;        /* hellos and alerts without keys have signatures only */
  if (from->wire->resumed) return; /* what cannot be opened may be passed over (D6) */
  /* Until it is established, an accepting end takes alerts without protection. */
  if (same == plain && same < from->arrived.len && from->arrived.ptr[same] == TW_RECORD_ALERT) return;
  TW_FUZZ_ASSERT(status.wire_received <= same);
  TW_FUZZ_ASSERT(status.wire_received <= from->barred);
}

/* The keys that there are are those that the state speaks of. */
static void check_keys(const tw_channel *c) {
  const bool keyed = tw_channel_state_keyed(c->state);
  TW_FUZZ_ASSERT(c->state == TW_CHANNEL_IN_TLS || tw_record_key_is_set(&c->receive) == keyed);
  TW_FUZZ_ASSERT(tw_record_key_is_set(&c->receive_next) == tw_channel_state_on_trial(c->state));
}

void wire_check_agreement(const fuzz_wire *w) {
  const tw_channel *a = w->sides[0].channel;
  const tw_channel *b = w->sides[1].channel;
  check_keys(a);
  check_keys(b);
  if (!w->clean || tw_channel_ended(a) || tw_channel_ended(b) || !tw_channel_established(a) ||
      !tw_channel_established(b))
    return;
  for (size_t i = 0; i < 2; i++) {
    const tw_channel *c = w->sides[i].channel;
    if (w->sides[i].pipe.len > 0 || tw_channel_output(c).len > 0 || c->data_len > 0) return;
  }
  if (a->unsaved || b->unsaved) return;
  TW_FUZZ_ASSERT(a->pair->state == TW_PAIR_STEADY && b->pair->state == TW_PAIR_STEADY);
  const tw_group *of_a = tw_pair_group(a->pair);
  const tw_group *of_b = tw_pair_group(b->pair);
  TW_FUZZ_ASSERT(tw_group_epoch(of_a) == tw_group_epoch(of_b));
  TW_FUZZ_ASSERT(tw_bytes_equal(tw_group_epoch_authenticator(of_a), tw_group_epoch_authenticator(of_b)));
  TW_FUZZ_ASSERT(tw_bytes_equal(tw_channel_peer_parameters(a), w->sides[1].config.parameters));
  TW_FUZZ_ASSERT(tw_bytes_equal(tw_channel_peer_parameters(b), w->sides[0].config.parameters));
  TW_FUZZ_ASSERT(w->sides[0].epoch == tw_group_epoch(of_a) && w->sides[1].epoch == w->sides[0].epoch);
  TW_FUZZ_ASSERT(!tw_record_key_is_set(&a->receive_next) && !tw_record_key_is_set(&b->receive_next));
}

/* ---- sessions ---- */

static tw_err find_session(void *ctx, tw_bytes group_id, tw_buf *saved, tw_channel_found *found) {
  const side *s = ctx;
  (void)group_id;
  if (s->disk.len == 0) return TW_ERR_NO_SESSION;
  found->in_use = s->in_use;
  return tw_buf_append(saved, tw_buf_bytes(&s->disk));
}

/* Saving itself is the caller's: it does not fail here. */
void side_save(side *s) {
  while (tw_channel_unsaved(s->channel)) {
    tw_fuzz_pause(true);
    s->disk.len = 0;
    tw_fuzz_must(tw_channel_save(s->channel, &s->disk));
    tw_fuzz_pause(false);
    side_note(s, tw_channel_saved(s->channel));
    side_take_events(s);
  }
}

/* ---- moving bytes ---- */

bool side_send(side *s, size_t most) {
  const tw_bytes out = tw_channel_output(s->channel);
  const size_t n = out.len < most ? out.len : most;
  if (n == 0 || s->ended || s->genuine.len + n > STREAM_MAX) return false;
  tw_fuzz_must(tw_buf_append(&s->genuine, TW_BYTES(out.ptr, n)));
  tw_fuzz_must(tw_buf_append(&s->pipe, TW_BYTES(out.ptr, n)));
  tw_channel_output_sent(s->channel, n);
  return true;
}

bool side_arrive(side *from, size_t most, bool copy) {
  side *to = from->other;
  size_t n = from->pipe.len < most ? from->pipe.len : most;
  uint8_t *ptr;
  size_t room;
  if (n == 0 || from->ended) return false;
  if (tw_channel_ended(to->channel)) {
    from->pipe.len = 0;
    return false;
  }
  tw_err err = TW_OK;
  size_t taken = 0;
  if (copy) {
    err = tw_channel_input(to->channel, TW_BYTES(from->pipe.ptr, n), from->wire->now_ms, &taken);
  } else {
    err = tw_channel_input_buffer(to->channel, &ptr, &room);
    if (err == TW_OK && room > 0) {
      taken = n < room ? n : room;
      memcpy(ptr, from->pipe.ptr, taken);
      err = tw_channel_input_done(to->channel, taken, from->wire->now_ms);
    }
  }
  TW_FUZZ_ASSERT(taken <= n);
  tw_fuzz_must(tw_buf_append(&from->arrived, TW_BYTES(from->pipe.ptr, taken)));
  tw_buf_consume(&from->pipe, taken);
  side_note(to, err);
  side_take_events(to);
  return taken > 0;
}

void wire_run(fuzz_wire *w, size_t piece) {
  bool moved = true;
  for (size_t i = 0; moved && i < ROUNDS; i++) {
    moved = false;
    for (size_t k = 0; k < 2; k++) {
      side *s = &w->sides[k];
      if (!s->slow && tw_channel_unsaved(s->channel)) {
        side_save(s);
        moved = true;
      }
      moved = side_send(s, piece) || moved;
      moved = side_arrive(s, piece, (i & 1) != 0) || moved;
      moved = tw_channel_data(s->other->channel).len > 0 || moved;
      side_take_data(s->other, SIZE_MAX);
      side_take_events(s);
      side_take_events(s->other);
    }
  }
}

/* ---- applications ---- */

void side_write(side *s, size_t len) {
  static uint8_t data[1 << 16];
  size_t taken = 0;
  if (len > sizeof data) len = sizeof data;
  if (s->written.len + len > WIRE_DATA_MAX) return;
  for (size_t i = 0; i < len; i++) data[i] = (uint8_t)((s->written.len + i) * 167 + ((s->written.len + i) >> 8));
  const bool writable = tw_channel_writable(s->channel);
  side_note(s, tw_channel_write(s->channel, TW_BYTES(data, len), &taken));
  const bool early = !tw_channel_established(s->channel); /* less room than a full record's can be enough */
  TW_FUZZ_ASSERT(taken <= len && (taken > 0 || len == 0 || !writable || early || tw_fuzz_has_failed()));
  tw_fuzz_must(tw_buf_append(&s->written, TW_BYTES(data, taken)));
}

void side_write_in_place(side *s, size_t len) {
  uint8_t *ptr = NULL;
  size_t room = 0;
  if (s->written.len + len > WIRE_DATA_MAX) return;
  const tw_err err = tw_channel_write_buffer(s->channel, &ptr, &room);
  side_note(s, err);
  if (err != TW_OK || room == 0) return;
  if (len > room) len = room;
  for (size_t i = 0; i < len; i++) ptr[i] = (uint8_t)((s->written.len + i) * 59);
  if (len > 0) tw_fuzz_must(tw_buf_append(&s->written, TW_BYTES(ptr, len)));
  const tw_err done = tw_channel_write_done(s->channel, len);
  side_note(s, done);
  if (done != TW_OK) s->written.len -= len;
}

/* ---- begin and end ---- */

void wire_init(fuzz_wire *w) {
  static const char *const names[] = {"alice", "bob"};
  for (size_t i = 0; i < 2; i++) {
    side *s = &w->sides[i];
    tw_fuzz_party_init(&s->party, names[i]);
    s->wire = w;
    s->other = &w->sides[1 - i];
    s->config = (tw_channel_config){.clients = s->party.clients,
                                    .client_count = 1,
                                    .parameters = i == 0 ? TW_LITERAL("one") : TW_NO_BYTES,
                                    .durable = true,
                                    .session = find_session,
                                    .session_ctx = s};
  }
}

void wire_clear(fuzz_wire *w) {
  for (size_t i = 0; i < 2; i++) {
    side *s = &w->sides[i];
    tw_channel_free(s->channel);
    tw_buf_clear(&s->written);
    tw_buf_clear(&s->genuine);
    tw_buf_clear(&s->pipe);
    tw_buf_clear(&s->arrived);
    tw_buf_clear(&s->said);
    tw_buf_clear(&s->disk);
    const side fresh = {.wire = w, .other = s->other, .party = s->party, .config = s->config};
    *s = fresh;
  }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tunnel_parts.h"

/* What sealing adds to a record's content: header, content type and tag. */
enum { RECORD_OVERHEAD = 5 + 1 + 16 };

/* When a call began and what stood in the output then. */
typedef struct call_mark {
  uint64_t began;
  size_t output;
} call_mark;

static call_mark mark(const tw_tunnel *tunnel) {
  return (call_mark){uv_hrtime(), tw_channel_output(tunnel->channel).len};
}

static void emit(tw_tunnel *tunnel, tw_tunnel_event_kind kind, const tw_channel_event *event) {
  const tw_tunnel_event told = {.kind = kind, .channel = *event, .key_ns = tunnel->key_ns};
  tunnel->key_ns = 0;
  tunnel->setup->event(tunnel->setup->ctx, tunnel, &told);
}

static void take_event(tw_tunnel *tunnel, const tw_channel_event *event) {
  switch (event->kind) {
  case TW_CHANNEL_ESTABLISHED:
    tunnel->established = true;
    tunnel->active_ms = tw_tunnel_now(tunnel);
    emit(tunnel, TW_TUNNEL_ESTABLISHED, event);
    tw_tunnel_open_app(tunnel);
    break;
  case TW_CHANNEL_REKEYED: emit(tunnel, TW_TUNNEL_REKEYED, event); break;
  case TW_CHANNEL_PEER_CLOSED: tunnel->peer_closed = true; break;
  case TW_CHANNEL_CLOSED: tw_tunnel_channel_closed(tunnel, event); break;
  }
}

void tw_tunnel_take_events(tw_tunnel *tunnel) {
  tw_channel_event event;
  while (tunnel->phase != TW_PHASE_ENDED && tw_channel_next_event(tunnel->channel, &event)) take_event(tunnel, &event);
}

/*
 * After a call: the time that it took counts as spent on keys when it made a message of the handshake or brought a new
 * epoch. (The opening or sealing of a record in the same call is counted with it: a few microseconds.)
 */
static void settle_call(tw_tunnel *tunnel, call_mark start, bool made_message) {
  const uint64_t spent = uv_hrtime() - start.began;
  tw_channel_event event;
  bool counted = made_message;
  if (counted) tunnel->key_ns += spent;
  while (tunnel->phase != TW_PHASE_ENDED && tw_channel_next_event(tunnel->channel, &event)) {
    if (!counted && (event.kind == TW_CHANNEL_REKEYED || event.kind == TW_CHANNEL_ESTABLISHED)) {
      counted = true;
      tunnel->key_ns += spent;
    }
    take_event(tunnel, &event);
  }
}

static bool output_grew(const tw_tunnel *tunnel, call_mark start, size_t by) {
  return tw_channel_output(tunnel->channel).len > start.output + by;
}

/* The errors of these calls are in the closed event; there is nothing more to say about them. */
static void ignore(tw_err err) { (void)err; }

void tw_tunnel_input_done(tw_tunnel *tunnel, size_t n) {
  const call_mark start = mark(tunnel);
  ignore(tw_channel_input_done(tunnel->channel, n, tw_tunnel_now(tunnel)));
  settle_call(tunnel, start, output_grew(tunnel, start, 0));
}

void tw_tunnel_input_end(tw_tunnel *tunnel) {
  const call_mark start = mark(tunnel);
  ignore(tw_channel_input_end(tunnel->channel, tw_tunnel_now(tunnel)));
  settle_call(tunnel, start, false);
}

void tw_tunnel_data_done(tw_tunnel *tunnel, size_t n) {
  const call_mark start = mark(tunnel);
  ignore(tw_channel_data_done(tunnel->channel, n));
  settle_call(tunnel, start, output_grew(tunnel, start, 0));
}

void tw_tunnel_tick(tw_tunnel *tunnel) {
  const call_mark start = mark(tunnel);
  ignore(tw_channel_tick(tunnel->channel, tw_tunnel_now(tunnel)));
  settle_call(tunnel, start, output_grew(tunnel, start, 0));
}

void tw_tunnel_close_channel(tw_tunnel *tunnel) {
  if (tunnel->close_sent) return;
  tunnel->close_sent = true;
  ignore(tw_channel_close(tunnel->channel));
  tw_tunnel_take_events(tunnel);
}

void tw_tunnel_write_done(tw_tunnel *tunnel, size_t n) {
  const call_mark start = mark(tunnel);
  ignore(tw_channel_write_done(tunnel->channel, n));
  settle_call(tunnel, start, output_grew(tunnel, start, n + RECORD_OVERHEAD));
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tunnel_parts.h"

/* What sealing adds to a record's content: header, content type and tag. */
enum { RECORD_OVERHEAD = 5 + 1 + 16 };
/* More than a channel keeps at a time. */
enum { EVENTS_MAX = 8 };

/* When a call began and what stood in the output then. */
typedef struct call_mark {
  uint64_t began;
  size_t output;
} call_mark;

static call_mark mark(const tw_tunnel *tunnel) { return (call_mark){uv_hrtime(), tw_link_output(&tunnel->link).len}; }

static void emit(tw_tunnel *tunnel, tw_tunnel_event_kind kind, const tw_channel_event *event, uint64_t key_ns) {
  const tw_tunnel_event told = {.kind = kind, .channel = *event, .key_ns = key_ns};
  tunnel->setup->event(tunnel->setup->ctx, tunnel, &told);
}

static void take_event(tw_tunnel *tunnel, const tw_channel_event *event, uint64_t key_ns) {
  switch (event->kind) {
  case TW_CHANNEL_ESTABLISHED:
    tunnel->established = true;
    tw_tunnel_drop_standard(tunnel);
    tunnel->active_ms = tw_tunnel_now(tunnel);
    emit(tunnel, TW_TUNNEL_ESTABLISHED, event, key_ns);
    tw_tunnel_open_app(tunnel);
    break;
  case TW_CHANNEL_REKEYED: emit(tunnel, TW_TUNNEL_REKEYED, event, key_ns); break;
  case TW_CHANNEL_PEER_CLOSED: tunnel->peer_closed = true; break;
  case TW_CHANNEL_CLOSED: tw_tunnel_channel_closed(tunnel, event); break;
  case TW_CHANNEL_STANDARD: tw_tunnel_go_standard(tunnel); break;
  }
}

static bool brings_keys(const tw_channel_event *event) {
  return event->kind == TW_CHANNEL_ESTABLISHED || event->kind == TW_CHANNEL_REKEYED;
}

/*
 * After a call: the time that it took counts as spent on keys when it made a message of the handshake or brought a new
 * epoch; epochs that one call brought share it. (The opening or sealing of a record in the same call is counted with
 * it: a few microseconds.)
 */
static void take_events(tw_tunnel *tunnel, uint64_t spent, bool made_message) {
  tw_channel_event events[EVENTS_MAX];
  size_t count = 0;
  size_t epochs = 0;
  while (count < EVENTS_MAX && tw_link_next_event(&tunnel->link, &events[count])) {
    if (brings_keys(&events[count])) epochs++;
    count++;
  }
  if (made_message || epochs > 0) tunnel->key_ns += spent;
  for (size_t i = 0; i < count && tunnel->phase != TW_PHASE_ENDED; i++) {
    uint64_t share = 0;
    if (brings_keys(&events[i])) {
      share = tunnel->key_ns / (epochs > 1 ? epochs-- : 1);
      tunnel->key_ns -= share;
    }
    take_event(tunnel, &events[i], share);
  }
}

void tw_tunnel_ask_to_save(tw_tunnel *tunnel) {
  if (tunnel->unsaved || tunnel->phase != TW_PHASE_RUNNING || !tw_link_unsaved(&tunnel->link)) return;
  tunnel->unsaved = true;
  tunnel->setup->unsaved(tunnel->setup->ctx, tunnel);
}

void tw_tunnel_take_events(tw_tunnel *tunnel) {
  take_events(tunnel, 0, false);
  tw_tunnel_ask_to_save(tunnel);
}

static void settle_call(tw_tunnel *tunnel, call_mark start, bool made_message) {
  take_events(tunnel, uv_hrtime() - start.began, made_message);
  tw_tunnel_ask_to_save(tunnel);
}

static bool output_grew(const tw_tunnel *tunnel, call_mark start, size_t by) {
  return tw_link_output(&tunnel->link).len > start.output + by;
}

/* The errors of these calls are in the closed event; there is nothing more to say about them. */
static void ignore(tw_err err) { (void)err; }

void tw_tunnel_input_done(tw_tunnel *tunnel, size_t n) {
  const call_mark start = mark(tunnel);
  ignore(tw_link_input_done(&tunnel->link, n, tw_tunnel_now(tunnel)));
  settle_call(tunnel, start, output_grew(tunnel, start, 0));
}

void tw_tunnel_input_end(tw_tunnel *tunnel) {
  const call_mark start = mark(tunnel);
  ignore(tw_link_input_end(&tunnel->link, tw_tunnel_now(tunnel)));
  settle_call(tunnel, start, false);
}

void tw_tunnel_data_done(tw_tunnel *tunnel, size_t n) {
  const call_mark start = mark(tunnel);
  ignore(tw_link_data_done(&tunnel->link, n));
  settle_call(tunnel, start, output_grew(tunnel, start, 0));
}

void tw_tunnel_go_on(tw_tunnel *tunnel) {
  const call_mark start = mark(tunnel);
  ignore(tw_link_saved(&tunnel->link));
  settle_call(tunnel, start, output_grew(tunnel, start, 0));
}

void tw_tunnel_tick(tw_tunnel *tunnel) {
  const call_mark start = mark(tunnel);
  ignore(tw_link_tick(&tunnel->link, tw_tunnel_now(tunnel)));
  settle_call(tunnel, start, output_grew(tunnel, start, 0));
}

void tw_tunnel_close_channel(tw_tunnel *tunnel) {
  if (tunnel->close_sent) return;
  tunnel->close_sent = true;
  ignore(tw_link_close(&tunnel->link));
  tw_tunnel_take_events(tunnel);
}

void tw_tunnel_write_done(tw_tunnel *tunnel, size_t n) {
  const call_mark start = mark(tunnel);
  ignore(tw_link_write_done(&tunnel->link, n));
  settle_call(tunnel, start, output_grew(tunnel, start, n + RECORD_OVERHEAD));
}

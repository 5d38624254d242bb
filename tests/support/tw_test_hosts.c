/* SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_test_hosts.h"

#include <stdio.h>
#include <string.h>

#include "channel/channel_internal.h"
#include "support/tw_cmocka.h"

enum {
  WRITE_MAX = 700,
  FIRST_WRITE = 8,
  ROUNDS = 4000,
  ALERT_UNKNOWN_PSK_IDENTITY = 115,
  ALERT_HANDSHAKE_FAILURE = 40
};

uint32_t tw_test_hosts_pick(tw_test_hosts *w, uint32_t below) {
  w->rng = w->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(w->rng >> 33) % below;
}

uint8_t tw_test_end_byte(unsigned of, uint64_t position) {
  uint64_t z = (position + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ of * UINT64_C(0xbf58476d1ce4e5b9);
  z ^= z >> 29;
  return (uint8_t)(z * UINT64_C(0x94d049bb133111eb) >> 56);
}

/* ---- disks ---- */

const tw_test_session *tw_test_host_find(const tw_test_host *host, tw_bytes group_id) {
  for (size_t i = 0; i < host->sessions; i++) {
    if (tw_bytes_equal(tw_buf_bytes(&host->disk[i].group_id), group_id)) return &host->disk[i];
  }
  return NULL;
}

/* A channel that has the session, and has it in hand. */
static bool has_session(const tw_test_end *end, unsigned host, tw_bytes group_id) {
  if (end->channel == NULL || end->host != host) return false;
  const tw_group *group = tw_channel_group(end->channel);
  return group != NULL && tw_bytes_equal(tw_group_id(group), group_id);
}

static tw_err find_session(void *ctx, tw_bytes group_id, tw_buf *saved, tw_channel_found *found) {
  const tw_test_host *host = ctx;
  const tw_test_hosts *w = host->hosts;
  const tw_test_session *session = tw_test_host_find(host, group_id);
  if (session == NULL) return TW_ERR_NO_SESSION;
  for (unsigned i = 1; i < w->ends; i++) {
    /* One that it has opened itself is alive though it is not established yet. */
    const bool counts = w->end[i].heard_established || w->end[i].origin == i;
    if (counts && has_session(&w->end[i], host->number, group_id)) found->in_use = true;
  }
  found->version = session->version;
  return tw_buf_append(saved, tw_buf_bytes(&session->saved));
}

static void write_disk(tw_test_hosts *w, tw_test_host *host, const tw_channel *channel) {
  const tw_bytes group_id = tw_group_id(tw_channel_group(channel));
  tw_test_session *session = NULL;
  for (size_t i = 0; i < host->sessions && session == NULL; i++) {
    if (tw_bytes_equal(tw_buf_bytes(&host->disk[i].group_id), group_id)) session = &host->disk[i];
  }
  if (session == NULL) {
    TW_TEST_HOLDS(w, host->sessions < TW_TEST_SESSIONS);
    session = &host->disk[host->sessions++];
    session->group_id.alloc = session->saved.alloc = &w->test.alloc;
    assert_int_equal(tw_buf_append(&session->group_id, group_id), TW_OK);
  }
  TW_TEST_HOLDS(w, tw_channel_version(channel) == session->version);
  session->version++;
  tw_buf_clear(&session->saved);
  assert_int_equal(tw_channel_save(channel, &session->saved), TW_OK);
  host->latest = (int)(session - host->disk);
  host->want_fresh = false;
  host->saves++;
}

/* ---- beginning and end ---- */

void tw_test_hosts_begin(tw_test_hosts *w, uint64_t seed) {
  memset(w, 0, sizeof *w);
  tw_test_env_init(&w->test, seed);
  w->rng = seed;
  w->ends = 1;
  w->now_ms = TW_TEST_NOW_MS;
  for (unsigned i = 0; i < 2; i++) {
    tw_test_host *host = &w->host[i];
    host->hosts = w;
    host->number = i;
    host->latest = -1;
    tw_test_party_init(&host->party, &w->test, tw_suite_by_id(NULL, 1), i == 0 ? "alice" : "bob");
    host->options = tw_channel_options_default;
    host->options.rekey_after_ms = 40000;
    host->options.rekey_after_bytes = i == 0 ? 0 : 20000;
    host->options.output_high_water = 4000;
    host->config = (tw_channel_config){.clients = host->party.clients,
                                       .client_count = 1,
                                       .options = &host->options,
                                       .durable = true,
                                       .session = find_session,
                                       .session_ctx = host};
  }
}

static void link_clear(tw_test_link *link) {
  for (unsigned d = 0; d < 2; d++) {
    tw_buf_clear(&link->queue[d]);
    tw_buf_clear(&link->tape[d]);
  }
  *link = (tw_test_link){0};
}

void tw_test_hosts_end(tw_test_hosts *w) {
  for (unsigned i = 1; i < w->ends; i++) tw_channel_free(w->end[i].channel);
  for (unsigned i = 0; i < TW_TEST_LINKS; i++) link_clear(&w->link[i]);
  for (unsigned i = 0; i < 2; i++) {
    for (size_t k = 0; k < w->host[i].sessions; k++) {
      tw_buf_clear(&w->host[i].disk[k].group_id);
      tw_buf_clear(&w->host[i].disk[k].saved);
    }
    tw_test_party_clear(&w->host[i].party);
  }
  tw_test_env_clear(&w->test);
}

/* ---- ends ---- */

static unsigned add_end(tw_test_hosts *w, unsigned host, tw_test_link *link, unsigned direction) {
  TW_TEST_HOLDS(w, w->ends < TW_TEST_ENDS);
  const unsigned number = w->ends++;
  w->end[number].host = host;
  w->end[number].link = (int)(link - w->link);
  link->end[direction] = number;
  return number;
}

static tw_test_link *link_of(tw_test_hosts *w, unsigned end) {
  return w->end[end].link < 0 ? NULL : &w->link[w->end[end].link];
}

static unsigned direction_of(const tw_test_link *link, unsigned end) {
  return link->end[TW_TEST_FORTH] == end ? TW_TEST_FORTH : TW_TEST_BACK;
}

static unsigned peer_of(tw_test_hosts *w, unsigned end) {
  const tw_test_link *link = link_of(w, end);
  return link == NULL ? TW_TEST_NOBODY : link->end[1 - direction_of(link, end)];
}

void tw_test_end_drop(tw_test_hosts *w, unsigned end) {
  tw_test_end *e = &w->end[end];
  tw_test_link *link = link_of(w, end);
  if (e->channel == NULL) return;
  tw_channel_free(e->channel);
  e->channel = NULL;
  if (link != NULL) link->ended[direction_of(link, end)] = true;
}

unsigned tw_test_hosts_any(tw_test_hosts *w) {
  unsigned live[2 * TW_TEST_LINKS];
  uint32_t count = 0;
  for (unsigned i = 0; i < TW_TEST_LINKS; i++) {
    for (unsigned d = 0; d < 2; d++) {
      const unsigned end = w->link[i].end[d];
      if (end != TW_TEST_NOBODY && w->end[end].channel != NULL) live[count++] = end;
    }
  }
  return count == 0 ? TW_TEST_NOBODY : live[tw_test_hosts_pick(w, count)];
}

tw_test_link *tw_test_hosts_place(tw_test_hosts *w) {
  const uint32_t start = tw_test_hosts_pick(w, TW_TEST_LINKS);
  for (uint32_t i = 0; i < TW_TEST_LINKS; i++) {
    tw_test_link *link = &w->link[(start + i) % TW_TEST_LINKS];
    if (!link->used) return link;
    if (w->end[link->end[0]].channel != NULL || w->end[link->end[1]].channel != NULL) continue;
    for (unsigned d = 0; d < 2; d++) w->end[link->end[d]].link = -1;
    link_clear(link);
    return link;
  }
  return NULL;
}

/* One attempt with hellos at a time: the next one takes the place of the last. */
static void give_up_hellos(tw_test_hosts *w, unsigned host) {
  for (unsigned i = 1; i < w->ends; i++) {
    const tw_test_end *end = &w->end[i];
    if (end->channel != NULL && end->host == host && end->origin == i && !end->resumes && !end->heard_established) {
      tw_test_end_drop(w, i);
    }
  }
}

bool tw_test_hosts_open(tw_test_hosts *w, unsigned host) {
  tw_test_host *h = &w->host[host];
  const bool resumes = h->latest >= 0 && !h->want_fresh;
  if (!resumes) give_up_hellos(w, host);
  tw_test_link *link = tw_test_hosts_place(w);
  if (link == NULL) return false;
  tw_channel_config config = h->config;
  if (resumes) {
    config.resume = tw_buf_bytes(&h->disk[h->latest].saved);
    config.resume_version = h->disk[h->latest].version;
  }
  link->used = true;
  const unsigned end = add_end(w, host, link, TW_TEST_FORTH);
  assert_int_equal(tw_channel_connect(&config, w->now_ms, &w->end[end].channel), TW_OK);
  w->end[end].origin = link->origin = end;
  w->end[end].resumes = resumes;
  link->asked_host = 1 - host;
  return true;
}

/* ---- what must be true ---- */

void tw_test_end_note(tw_test_hosts *w, unsigned end, tw_err err) {
  const tw_err_class class = tw_err_class_of(err);
  const bool lacking = err == TW_ERR_NO_MEMORY || err == TW_ERR_RANDOM;
  if (class == TW_CLASS_INTERNAL || class == TW_CLASS_CALLER || lacking) {
    fail_msg("%s: end %u: %s", w->told, end, tw_err_text(err));
  }
}

static bool writes(const tw_test_end *from, unsigned number, uint64_t at, tw_bytes data) {
  if (data.len > from->written - at) return false;
  for (size_t i = 0; i < data.len; i++) {
    if (data.ptr[i] != tw_test_end_byte(number, at + i)) return false;
  }
  return true;
}

/* Whose stream it is that begins with `data`: of the connection's other side, and of nobody else. */
static unsigned find_source(tw_test_hosts *w, unsigned reader, tw_bytes data) {
  const tw_test_end *r = &w->end[reader];
  for (unsigned i = 1; i < w->ends; i++) {
    const tw_test_end *from = &w->end[i];
    if (from->host != r->host && from->origin == r->origin && writes(from, i, 0, data)) return i;
  }
  return TW_TEST_NOBODY;
}

/* Each byte is the next one of one stream, which comes out nowhere else. */
static void check_data(tw_test_hosts *w, unsigned reader, tw_bytes data) {
  tw_test_end *r = &w->end[reader];
  TW_TEST_HOLDS(w, r->heard_established && r->origin != TW_TEST_NOBODY);
  /* A session that applications have used is one that can go on. */
  const tw_bytes group_id = tw_group_id(tw_channel_group(r->channel));
  TW_TEST_HOLDS(w, tw_test_host_find(&w->host[r->host], group_id) != NULL);
  if (r->source == TW_TEST_NOBODY) {
    r->source = find_source(w, reader, data);
    TW_TEST_HOLDS(w, r->source != TW_TEST_NOBODY);
    tw_test_end *from = &w->end[r->source];
    if (!w->rolled_back) TW_TEST_HOLDS(w, from->reader == TW_TEST_NOBODY);
    from->reader = reader;
  }
  TW_TEST_HOLDS(w, writes(&w->end[r->source], r->source, r->received, data));
}

static void note_context(tw_test_end *e) {
  if (e->channel->pair == NULL) return;
  const tw_bytes context = tw_pair_context(e->channel->pair);
  e->context_len = context.len;
  if (context.len > 0) memcpy(e->context, context.ptr, context.len);
}

/* Whether the other host was at the other side, now or before, and came to the same keys. */
static bool has_counterpart(const tw_test_hosts *w, const tw_test_end *e) {
  for (unsigned i = 1; i < w->ends; i++) {
    const tw_test_end *other = &w->end[i];
    if (other->host == e->host || other->origin != e->origin || other->context_len != e->context_len) continue;
    if (memcmp(other->context, e->context, e->context_len) == 0) return true;
  }
  return false;
}

/* Of all that were asked by one opening, the peer came to one. */
static void check_established(tw_test_hosts *w, unsigned end) {
  const tw_test_end *e = &w->end[end];
  TW_TEST_HOLDS(w, e->origin != TW_TEST_NOBODY);
  /* By early data alone, the other side cannot have got the answer yet; a channel that has ended does not tell. */
  const tw_channel_state state = e->channel->state;
  const bool confirmed = state == TW_CHANNEL_OPEN || state == TW_CHANNEL_SWITCHING;
  if (e->origin == end || confirmed) TW_TEST_HOLDS(w, has_counterpart(w, e));
  for (unsigned i = 1; i < w->ends && !w->rolled_back; i++) {
    if (i == end || w->end[i].host != e->host || w->end[i].origin != e->origin) continue;
    TW_TEST_HOLDS(w, !w->end[i].heard_established);
  }
}

/* A connection that nobody touched ends by its own two sides only. */
static void check_closed(tw_test_hosts *w, unsigned end) {
  const tw_test_end *e = &w->end[end];
  const tw_test_link *link = link_of(w, end);
  const tw_test_end *peer = &w->end[peer_of(w, end)];
  if (e->reason == TW_OK || link->touched) return;
  const bool alone = peer->channel == NULL;
  switch (e->reason) {
  case TW_ERR_TRUNCATION: TW_TEST_HOLDS(w, alone); break;
  case TW_ERR_TIMEOUT: TW_TEST_HOLDS(w, !e->heard_established); break;
  case TW_ERR_ALERT: TW_TEST_HOLDS(w, alone || peer->reason != TW_OK || peer->heard_end); break;
  case TW_ERR_APART:
  case TW_ERR_NO_SESSION:
  case TW_ERR_DUPLICATE: TW_TEST_HOLDS(w, !e->heard_established && e->origin != end); break;
  default: TW_TEST_HOLDS(w, w->rolled_back && !e->heard_established); break;
  }
}

/* A channel has the keys that its state speaks of, and no others. */
static void check_keys(tw_test_hosts *w, const tw_channel *channel) {
  const tw_channel_state state = channel->state;
  const bool keyed = tw_channel_state_keyed(state);
  TW_TEST_HOLDS(w, state == TW_CHANNEL_IN_TLS || tw_record_key_is_set(&channel->receive) == keyed);
  TW_TEST_HOLDS(w, tw_record_key_is_set(&channel->receive_next) == tw_channel_state_on_trial(state));
}

static void take_event(tw_test_hosts *w, unsigned end, const tw_channel_event *event) {
  tw_test_end *e = &w->end[end];
  tw_test_host *host = &w->host[e->host];
  TW_TEST_HOLDS(w, !e->heard_end);
  switch (event->kind) {
  case TW_CHANNEL_ESTABLISHED:
    TW_TEST_HOLDS(w, !e->heard_established);
    e->heard_established = true;
    e->epoch = event->epoch;
    check_established(w, end);
    if (e->origin == end) TW_TEST_HOLDS(w, event->resumed == e->resumes && event->early_bytes == e->written);
    if (event->resumed) w->resumed++;
    w->established++;
    break;
  case TW_CHANNEL_REKEYED:
    TW_TEST_HOLDS(w, e->heard_established && event->epoch == e->epoch + 1 + event->merged);
    e->epoch = event->epoch;
    w->rekeyed++;
    break;
  case TW_CHANNEL_PEER_CLOSED:
    TW_TEST_HOLDS(w, e->heard_established && !e->heard_close);
    e->heard_close = true;
    break;
  default:
    TW_TEST_HOLDS(w, event->kind == TW_CHANNEL_CLOSED);
    e->heard_end = true;
    e->reason = event->reason;
    check_closed(w, end);
    if (event->reason == TW_ERR_APART || event->reason == TW_ERR_NO_SESSION) w->refused++;
    /* The policy of these hosts: a session that the other side does not have is begun anew. */
    if (event->reason == TW_ERR_ALERT && e->resumes && e->origin == end && !e->heard_established) {
      if (event->alert == ALERT_UNKNOWN_PSK_IDENTITY) host->want_fresh = true;
      if (event->alert == ALERT_HANDSHAKE_FAILURE && w->rolled_back) host->want_fresh = true;
    }
    break;
  }
}

/* ---- what hosts do ---- */

void tw_test_end_look(tw_test_hosts *w, unsigned end) {
  tw_test_end *e = &w->end[end];
  if (e->channel == NULL) return;
  tw_channel_event event;
  note_context(e);
  check_keys(w, e->channel);
  while (tw_channel_next_event(e->channel, &event)) take_event(w, end, &event);
  while (!e->stalled) {
    const tw_bytes data = tw_channel_data(e->channel);
    if (data.len == 0) break;
    check_data(w, end, data);
    const size_t n = data.len > 1 && tw_test_hosts_pick(w, 4) == 0 ? data.len / 2 : data.len;
    e->received += n;
    tw_test_end_note(w, end, tw_channel_data_done(e->channel, n));
    while (tw_channel_next_event(e->channel, &event)) take_event(w, end, &event);
  }
  /* An application that has heard all says the last word itself. */
  if (e->heard_close && !e->heard_end && !e->stalled) {
    tw_test_end_note(w, end, tw_channel_close(e->channel));
    while (tw_channel_next_event(e->channel, &event)) take_event(w, end, &event);
  }
  if (!e->heard_end) return;
  while (tw_test_end_send(w, end, SIZE_MAX)) {}
  tw_test_end_drop(w, end);
}

bool tw_test_end_write(tw_test_hosts *w, unsigned end, size_t most) {
  tw_test_end *e = &w->end[end];
  uint8_t data[WRITE_MAX];
  size_t taken = 0;
  if (e->channel == NULL || e->heard_end) return false;
  const size_t n = most < FIRST_WRITE ? FIRST_WRITE : (most < WRITE_MAX ? most : WRITE_MAX);
  for (size_t i = 0; i < n; i++) data[i] = tw_test_end_byte(end, e->written + i);
  const bool early = !e->heard_established;
  tw_test_end_note(w, end, tw_channel_write(e->channel, TW_BYTES(data, n), &taken));
  e->written += taken;
  if (early && taken > 0) w->early++;
  tw_test_end_look(w, end);
  return taken > 0;
}

bool tw_test_end_send(tw_test_hosts *w, unsigned end, size_t most) {
  tw_test_end *e = &w->end[end];
  tw_test_link *link = link_of(w, end);
  if (e->channel == NULL || link == NULL) return false;
  const unsigned direction = direction_of(link, end);
  const tw_bytes out = tw_channel_output(e->channel);
  const size_t n = out.len < most ? out.len : most;
  if (n == 0) return false;
  tw_buf *queue = &link->queue[direction];
  tw_buf *tape = &link->tape[direction];
  queue->alloc = tape->alloc = &w->test.alloc;
  if (!link->cut[direction]) {
    assert_int_equal(tw_buf_append(queue, TW_BYTES(out.ptr, n)), TW_OK);
    const size_t room = TW_TEST_TAPE - tape->len;
    assert_int_equal(tw_buf_append(tape, TW_BYTES(out.ptr, n < room ? n : room)), TW_OK);
  }
  tw_channel_output_sent(e->channel, n);
  return true;
}

/* Somebody is asked with the first byte that comes. */
static unsigned ask(tw_test_hosts *w, tw_test_link *link) {
  const unsigned end = add_end(w, link->asked_host, link, TW_TEST_BACK);
  w->end[end].origin = link->origin;
  assert_int_equal(tw_channel_accept(&w->host[link->asked_host].config, w->now_ms, &w->end[end].channel), TW_OK);
  return end;
}

bool tw_test_link_arrive(tw_test_hosts *w, tw_test_link *link, unsigned direction, size_t most) {
  tw_buf *queue = &link->queue[direction];
  unsigned to = link->end[1 - direction];
  if (queue->len > 0 && to == TW_TEST_NOBODY && direction == TW_TEST_FORTH) to = ask(w, link);
  tw_test_end *e = &w->end[to];
  if (e->channel == NULL) {
    const bool any = queue->len > 0;
    queue->len = 0;
    return any;
  }
  if (queue->len == 0) {
    if (!link->ended[direction]) return false;
    const tw_err err = tw_channel_input_end(e->channel, w->now_ms);
    if (err == TW_ERR_CLOSED) return false;
    link->ended[direction] = false;
    tw_test_end_note(w, to, err);
    tw_test_end_look(w, to);
    return true;
  }
  size_t taken;
  const size_t n = queue->len < most ? queue->len : most;
  tw_test_end_note(w, to, tw_channel_input(e->channel, TW_BYTES(queue->ptr, n), w->now_ms, &taken));
  tw_buf_consume(queue, taken);
  link->arrived[direction] += taken;
  tw_test_end_look(w, to);
  return taken > 0;
}

/*
 * What one channel has changed is no longer true in the others. Where the peer's channel lives beside this one, its
 * host would have ended it before it asked anew: that somebody else can bring this about must not be. Before it was
 * saved itself, a channel can lose against one that the peer opened at the same time.
 */
static void end_others(tw_test_hosts *w, unsigned end, tw_bytes group_id) {
  for (unsigned i = 1; i < w->ends; i++) {
    const tw_test_end *e = &w->end[i];
    if (i == end || !has_session(e, w->end[end].host, group_id)) continue;
    const unsigned peer = peer_of(w, i);
    const bool both = e->heard_established && w->end[peer].channel != NULL && w->end[peer].heard_established;
    const bool own = w->end[end].origin == end;
    if (both && !own && e->kept && !w->rolled_back) TW_TEST_HOLDS(w, link_of(w, i)->touched);
    tw_test_end_drop(w, i);
  }
}

bool tw_test_end_save(tw_test_hosts *w, unsigned end, bool crash_behind) {
  tw_test_end *e = &w->end[end];
  if (e->channel == NULL || !tw_channel_unsaved(e->channel)) return false;
  write_disk(w, &w->host[e->host], e->channel);
  e->kept = e->heard_established;
  end_others(w, end, tw_group_id(tw_channel_group(e->channel)));
  if (crash_behind) {
    tw_test_hosts_crash(w, e->host);
  } else {
    tw_test_end_note(w, end, tw_channel_saved(e->channel));
    tw_test_end_look(w, end);
  }
  return true;
}

void tw_test_hosts_crash(tw_test_hosts *w, unsigned host) {
  for (unsigned i = 1; i < w->ends; i++) {
    if (w->end[i].channel == NULL || w->end[i].host != host) continue;
    (void)tw_test_end_send(w, i, tw_test_hosts_pick(w, 3000)); /* what had left already */
    tw_test_end_drop(w, i);
  }
}

void tw_test_hosts_settle(tw_test_hosts *w) {
  bool moved = true;
  for (unsigned round = 0; moved; round++) {
    TW_TEST_HOLDS(w, round < ROUNDS);
    moved = false;
    for (unsigned i = 1; i < w->ends; i++) {
      if (w->end[i].channel == NULL) continue;
      w->end[i].stalled = false;
      tw_test_end_look(w, i);
      moved = tw_test_end_save(w, i, false) || moved;
      moved = tw_test_end_send(w, i, SIZE_MAX) || moved;
    }
    for (unsigned i = 0; i < TW_TEST_LINKS; i++) {
      for (unsigned d = 0; d < 2; d++) moved = tw_test_link_arrive(w, &w->link[i], d, SIZE_MAX) || moved;
    }
  }
}

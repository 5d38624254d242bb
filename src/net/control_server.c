/* SPDX-License-Identifier: Apache-2.0 */
#include "net/control_server_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

enum { SESSIONS = 1024, BACKLOG_MAX = 262144, LINGER_MS = 2000, STALL_MS = 60000, BUCKETS_FIRST = 64 };

const tw_client_id *tw_control_caller_id(const tw_control_caller *caller) { return &caller->id; }
void tw_control_caller_remote(const tw_control_caller *caller, char *out) { tw_stream_remote(caller->stream, out); }
const tw_channel *tw_control_caller_channel(const tw_control_caller *caller) {
  return tw_stream_channel(caller->stream);
}
void **tw_control_caller_user(tw_control_caller *caller) { return &caller->user; }
size_t tw_control_server_count(const tw_control_server *server) { return server->count; }
bool tw_control_server_address(const tw_control_server *server, int index, char *out) {
  return tw_acceptor_address(&server->acceptor, index, out);
}

/* ---- who is there ---- */

/* A ClientId is a hash itself; only those who are served get here. */
static tw_control_caller **bucket_of(const tw_control_server *server, const tw_client_id *id) {
  uint64_t hash;
  memcpy(&hash, id->digest, sizeof hash);
  return &server->buckets[hash & (server->bucket_count - 1)];
}

tw_control_caller *tw_control_server_find(const tw_control_server *server, const tw_client_id *client) {
  tw_control_caller *caller = *bucket_of(server, client);
  while (caller != NULL && memcmp(&caller->id, client, sizeof *client) != 0) caller = caller->same_bucket;
  return caller;
}

static void put_in_bucket(tw_control_server *server, tw_control_caller *caller) {
  tw_control_caller **bucket = bucket_of(server, &caller->id);
  caller->same_bucket = *bucket;
  *bucket = caller;
}

/* More buckets; with no memory for them the old ones do. */
static void grow(tw_control_server *server) {
  if (server->count < server->bucket_count) return;
  tw_control_caller **buckets = tw_alloc_array(NULL, 2 * server->bucket_count, sizeof(tw_control_caller *));
  if (buckets == NULL) return;
  tw_alloc_free(NULL, (void *)server->buckets);
  server->buckets = buckets;
  server->bucket_count *= 2;
  for (tw_control_caller *caller = server->callers; caller != NULL; caller = caller->next)
    if (caller->here) put_in_bucket(server, caller);
}

static void leave_bucket(tw_control_server *server, tw_control_caller *caller) {
  tw_control_caller **at = bucket_of(server, &caller->id);
  while (*at != caller) at = &(*at)->same_bucket;
  *at = caller->same_bucket;
}

/* ---- coming and going ---- */

static void free_if_done(tw_control_server *server) {
  if (!server->handles_closed || server->callers != NULL) return;
  tw_session_cache_free(server->sessions);
  tw_alloc_free(NULL, (void *)server->buckets);
  if (server->config.freed != NULL) server->config.freed(server->config.ctx);
  tw_alloc_free(NULL, server);
}

/* Not there any more, though its connection may have an end to come to. */
static void depart(tw_control_caller *caller) {
  tw_control_server *server = caller->server;
  tw_control_caller_leave_due(caller);
  tw_buf_clear(&caller->out);
  if (!caller->here) return;
  caller->here = false;
  server->count--;
  leave_bucket(server, caller);
  server->config.gone(server->config.ctx, caller);
}

/* Its stream has ended or is ending by itself. */
static void remove_caller(tw_control_caller *caller) {
  tw_control_server *server = caller->server;
  depart(caller);
  tw_session_cache_release(server->sessions, &caller->kept);
  tw_gate_leave(&server->gate, &caller->pass);
  if (server->in_turn == caller) server->in_turn = NULL;
  *(caller->previous != NULL ? &caller->previous->next : &server->callers) = caller->next;
  if (caller->next != NULL) caller->next->previous = caller->previous;
  tw_alloc_free(NULL, caller);
  if (server->closing) free_if_done(server);
}

static void drop(tw_control_caller *caller) {
  tw_stream_drop(caller->stream);
  remove_caller(caller);
}

static void on_closed(void *owner, tw_stream *stream, const tw_stream_end *end) {
  tw_control_caller *caller = owner;
  tw_control_server *server = caller->server;
  (void)stream;
  tw_stream_end told = *end;
  told.remote = caller->remote;
  const bool is_news = end->reason != TW_OK || !end->established;
  if (is_news && server->config.ended != NULL && !tw_gate_hushes_pass(&server->gate, caller->pass))
    server->config.ended(server->config.ctx, caller->known ? &caller->id : NULL, &told);
  tw_control_caller *newer = end->close_answered && caller->known ? tw_control_server_find(server, &caller->id) : NULL;
  if (newer != NULL) tw_twins_answered(&newer->twins, &caller->twins);
  remove_caller(caller);
}

/* A newer connection of the same client has come. */
static void displace(tw_control_caller *former, tw_control_caller *caller) {
  tw_control_server *server = caller->server;
  depart(former);
  if (tw_twins_are(&caller->twins)) {
    tw_twins_tell(former->stream, caller->stream);
    if (server->config.twins != NULL && tw_twins_may_say(&server->twins, &caller->twins, uv_now(server->config.loop)))
      server->config.twins(server->config.ctx, caller, former);
  }
  tw_stream_close(former->stream);
}

static tw_err identify(const tw_control_server *server, const tw_stream *stream, const tw_member *peer,
                       tw_client_id *id) {
  const tw_suite *suite = tw_group_suite(tw_channel_group(tw_stream_channel(stream)));
  return tw_fingerprint_of(server->channel.clients[0]->env, suite, peer->signature_key, id);
}

static tw_err arrive(tw_control_caller *caller) {
  tw_control_server *server = caller->server;
  tw_control_caller *former = tw_control_server_find(server, &caller->id);
  tw_twins_came(&server->twins, &caller->twins, former != NULL ? &former->twins : NULL, uv_now(server->config.loop));
  if (former != NULL) displace(former, caller);
  server->count++;
  grow(server);
  put_in_bucket(server, caller);
  caller->here = true;
  const tw_err err = server->config.came(server->config.ctx, caller);
  if (err == TW_OK) return TW_OK;
  caller->here = false; /* without a word of its going */
  server->count--;
  leave_bucket(server, caller);
  tw_control_caller_leave_due(caller);
  tw_buf_clear(&caller->out);
  return err;
}

static void on_established(void *owner, tw_stream *stream, const tw_member *peer, const tw_channel_event *event) {
  tw_control_caller *caller = owner;
  tw_control_server *server = caller->server;
  (void)event;
  tw_gate_leave(&server->gate, &caller->pass);
  tw_err err = server->closing ? TW_ERR_CLOSED : identify(server, stream, peer, &caller->id);
  caller->known = err == TW_OK;
  if (err == TW_OK) err = arrive(caller);
  if (err != TW_OK) tw_stream_abort(stream, err);
}

/* Who had the session before knows an older one now. */
static void on_unsaved(void *owner, tw_stream *stream) {
  tw_control_caller *caller = owner;
  void *former = NULL;
  const tw_err err = tw_session_cache_save(caller->server->sessions, tw_stream_channel(stream), caller, &caller->kept,
                                           &former);
  if (former != NULL) {
    tw_control_caller *overtaken = former;
    overtaken->kept = NULL;
    drop(overtaken);
  }
  tw_stream_saved(stream, err);
}

/* ---- requests and pushes ---- */

/* In the turn's end: whoever answers or pushes is not called back. */
static void fail(tw_control_caller *caller, tw_err err) {
  if (caller->err == TW_OK) caller->err = err == TW_ERR_ARGUMENT ? TW_ERR_INTERNAL : err;
  tw_control_caller_become_due(caller);
}

static void on_frame(void *owner, tw_stream *stream, tw_bytes frame) {
  tw_control_caller *caller = owner;
  const tw_control_server *server = caller->server;
  tw_control_request request;
  if (!caller->here || caller->err != TW_OK) return;
  const tw_err err = tw_control_request_decode(frame, &request);
  if (err != TW_OK) {
    tw_stream_abort(stream, err);
    return;
  }
  caller->took++;
  caller->open++;
  tw_control_caller_become_due(caller);
  server->config.request(server->config.ctx, caller, &request);
  if (caller->here) tw_control_caller_hold_back(caller);
}

void tw_control_caller_answer(tw_control_caller *caller, const tw_control_answer *answer) {
  if (!caller->here || caller->err != TW_OK) return;
  const tw_err err = caller->open > 0 ? tw_control_answer_encode(answer, &caller->out) : TW_ERR_INTERNAL;
  if (err != TW_OK)
    fail(caller, err);
  else
    caller->open--;
}

static void on_sent(void *owner, tw_stream *stream) {
  tw_control_caller *caller = owner;
  (void)stream;
  if (!caller->due) tw_control_caller_read_on(caller); /* else at the end of the turn */
}

void tw_control_caller_push(tw_control_caller *caller, const tw_control_push *push) {
  const bool is_mail = push->type == TW_CONTROL_MAIL;
  if (!caller->here || caller->err != TW_OK || (is_mail && caller->mail)) return;
  tw_err err = TW_ERR_LIMIT;
  if (tw_control_caller_backlog(caller) <= caller->server->config.backlog_max + TW_CONTROL_FRAME_MAX)
    err = tw_control_push_encode(push, &caller->out);
  if (err != TW_OK) {
    fail(caller, err);
    return;
  }
  caller->mail = caller->mail || is_mail;
  tw_control_caller_become_due(caller);
}

void tw_control_caller_end(tw_control_caller *caller, tw_err reason) {
  if (caller->here) fail(caller, reason);
}

void tw_control_server_each(tw_control_server *server, void (*each)(void *ctx, tw_control_caller *caller), void *ctx) {
  tw_control_caller *next;
  for (tw_control_caller *caller = server->callers; caller != NULL; caller = next) {
    next = caller->next;
    if (caller->here) each(ctx, caller);
  }
}

/* ---- the door ---- */

static void on_short(void *ctx, int why) {
  const tw_control_server *server = ctx;
  if (server->config.fell_short != NULL) server->config.fell_short(server->config.ctx, why);
}

static void on_strangers(void *ctx, const tw_gate_tally *tally) {
  const tw_control_server *server = ctx;
  if (server->config.strangers != NULL) server->config.strangers(server->config.ctx, tally);
}

/* A connection that was reset has no address any more. */
static void note_remote(tw_control_caller *caller) {
  char remote[TW_ADDRESS_TEXT];
  tw_stream_remote(caller->stream, remote);
  (void)snprintf(caller->remote, sizeof caller->remote, "%.*s", TW_CONTROL_REMOTE_TEXT - 1, remote);
}

static void on_accepted(void *ctx, int fd) {
  tw_control_server *server = ctx;
  tw_pass *pass;
  if (!tw_gate_enter(&server->gate, fd, &pass)) return;
  tw_control_caller *caller = tw_alloc_zero(NULL, sizeof *caller);
  tw_err err = caller != NULL ? TW_OK : TW_ERR_NO_MEMORY;
  if (err != TW_OK)
    (void)close(fd);
  else
    err = tw_stream_start(&server->setup, &server->channel, false, fd, caller, &caller->stream);
  if (err != TW_OK) {
    tw_gate_leave(&server->gate, &pass);
    tw_alloc_free(NULL, caller);
    on_short(server, ENOMEM);
    return;
  }
  caller->server = server;
  note_remote(caller);
  caller->pass = pass;
  caller->next = server->callers;
  if (caller->next != NULL) caller->next->previous = caller;
  server->callers = caller;
  tw_control_caller *surplus = tw_gate_hold(&server->gate, pass, caller);
  if (surplus != NULL) drop(surplus);
  tw_gate_throttle(&server->gate, &server->acceptor);
}

/* ---- start and end ---- */

static void on_turn(uv_prepare_t *prepare) { tw_control_server_end_turn(prepare->data); }

static void on_idle_closed(uv_handle_t *handle) {
  tw_control_server *server = handle->data;
  server->handles_closed = true;
  free_if_done(server);
}

/* The handles that were closed before are gone now; this one goes in another turn, so that they all are. */
static void on_prepare_closed(uv_handle_t *handle) {
  tw_control_server *server = handle->data;
  uv_close((uv_handle_t *)&server->again, on_idle_closed);
}

static void close_handles(tw_control_server *server) {
  server->closing = true;
  for (tw_control_caller *caller = server->callers; caller != NULL; caller = caller->next)
    tw_gate_leave(&server->gate, &caller->pass);
  tw_acceptor_close(&server->acceptor);
  tw_gate_close(&server->gate);
  uv_close((uv_handle_t *)&server->turn, on_prepare_closed);
}

void tw_control_server_close(tw_control_server *server, bool at_once) {
  if (server == NULL || server->closing) return;
  if (!at_once) tw_control_server_end_turn(server);
  close_handles(server);
  tw_control_caller *next;
  for (tw_control_caller *caller = server->callers; caller != NULL; caller = next) {
    next = caller->next;
    const bool established = tw_stream_is_established(caller->stream);
    depart(caller);
    if (at_once || !established)
      drop(caller);
    else
      tw_stream_close(caller->stream);
  }
}

static tw_err open_server(tw_control_server *server, tw_report *report) {
  const tw_control_server_config *config = &server->config;
  const tw_admission_limits *limits = config->limits != NULL ? config->limits : &tw_admission_limits_default;
  server->buckets = tw_alloc_array(NULL, BUCKETS_FIRST, sizeof(tw_control_caller *));
  server->bucket_count = BUCKETS_FIRST;
  if (server->buckets == NULL || tw_session_cache_new(config->sessions, &server->sessions) != TW_OK)
    return tw_report_fail(report, TW_ERR_NO_MEMORY, "out of memory");
  TW_TRY(tw_gate_open(&server->gate, config->loop, limits, on_strangers, server, report));
  return tw_acceptor_open(&server->acceptor, config->loop, &config->listen_at, on_accepted, on_short, server, report);
}

static size_t or_default(size_t value, size_t otherwise) { return value != 0 ? value : otherwise; }

static void configure(tw_control_server *server, const tw_control_server_config *config) {
  server->config = *config;
  server->config.sessions = or_default(config->sessions, SESSIONS);
  server->config.backlog_max = or_default(config->backlog_max, BACKLOG_MAX);
  server->channel = *config->channel;
  server->channel.parameters = TW_LITERAL(TW_CONTROL_RELAY);
  server->channel.durable = !config->without_sessions;
  server->channel.session = config->without_sessions ? NULL : tw_session_cache_find;
  server->setup = (tw_stream_setup){.loop = config->loop,
                                    .frame_max = TW_CONTROL_FRAME_MAX,
                                    .queue_max = server->config.backlog_max +
                                                 (size_t)2 * (TW_CONTROL_HEADER + TW_CONTROL_FRAME_MAX),
                                    .linger_ms = or_default(config->linger_ms, LINGER_MS),
                                    .stall_ms = or_default(config->stall_ms, STALL_MS),
                                    .established = on_established,
                                    .frame = on_frame,
                                    .sent = on_sent,
                                    .unsaved = on_unsaved,
                                    .closed = on_closed};
  (void)uv_prepare_init(config->loop, &server->turn);
  (void)uv_idle_init(config->loop, &server->again);
  (void)uv_prepare_start(&server->turn, on_turn);
  server->turn.data = server->again.data = server;
}

tw_err tw_control_server_start(const tw_control_server_config *config, tw_control_server **server, tw_report *report) {
  tw_control_server *made = tw_alloc_zero(NULL, sizeof *made);
  if (made == NULL) return tw_report_fail(report, TW_ERR_NO_MEMORY, "out of memory");
  configure(made, config);
  const tw_err err = open_server(made, report);
  if (err != TW_OK) {
    made->config.freed = NULL; /* it has never been there */
    close_handles(made);
    return err;
  }
  made->channel.session_ctx = made->sessions;
  *server = made;
  return TW_OK;
}

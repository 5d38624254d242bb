/* SPDX-License-Identifier: Apache-2.0 */
#include "net/control_client.h"

#include <string.h>

#include "base/alloc.h"
#include "net/dial.h"
#include "net/stream.h"
#include "net/wire.h"

enum {
  DIAL_TIMEOUT_MS = 10000,
  ANSWER_TIMEOUT_MS = 30000,
  FIRST_WAIT_MS = 1000,
  MOST_WAIT_MS = 60000,
  DISPLACED_WAIT_MS = 30000, /* less than TW_TWINS_GAP_MS, so that the relay goes on saying so */
  STEADY_MS = 10000,
  LINGER_MS = 2000,
  OPEN_MAX = 256,
  QUEUE_MAX = 2 * (TW_CONTROL_HEADER + TW_CONTROL_FRAME_MAX)
};

/* A request that waits for its answer. */
typedef struct open_request {
  struct open_request *next;
  tw_control_done done;
  void *ctx;
  uint32_t number;
  tw_control_type type;
} open_request;

struct tw_control_client {
  tw_control_client_config config;
  tw_stream_setup setup;
  tw_dial *dial;
  tw_stream *stream;
  uv_timer_t timer; /* for the next try, or for the answer that is due first */
  bool up;
  bool displaced;
  bool closing;
  bool timer_closed;
  unsigned tries; /* that came to nothing, or did not live for long */
  uint64_t up_since_ms;
  uint32_t last_number;
  uint32_t open_count;
  open_request *first; /* in the order in which they were sent */
  open_request *last;
  uint64_t due_ms; /* uv_now: when there has to be something new from the relay, while a request is open */
  uint64_t heard;  /* bytes of its data when that was set */
  tw_buf session;  /* as it was saved last; empty: there is none */
  uint64_t session_version;
};

static uint64_t now_ms(const tw_control_client *client) { return uv_now(client->config.loop); }

bool tw_control_client_is_up(const tw_control_client *client) { return client->up; }
size_t tw_control_client_open(const tw_control_client *client) { return client->open_count; }
const tw_channel *tw_control_client_channel(const tw_control_client *client) {
  return client->stream != NULL ? tw_stream_channel(client->stream) : NULL;
}

/* ---- the end ---- */

static void free_if_done(tw_control_client *client) {
  if (!client->timer_closed || client->stream != NULL) return;
  tw_buf_clear(&client->session);
  if (client->config.freed != NULL) client->config.freed(client->config.ctx);
  tw_alloc_free(NULL, client);
}

static void on_timer_closed(uv_handle_t *handle) {
  tw_control_client *client = handle->data;
  client->timer_closed = true;
  free_if_done(client);
}

/* ---- requests ---- */

static void on_timer(uv_timer_t *timer);

static uint64_t heard_of(const tw_control_client *client) {
  tw_channel_status status;
  tw_channel_get_status(tw_stream_channel(client->stream), &status);
  return status.data_received;
}

static void arm(tw_control_client *client) {
  const uint64_t now = now_ms(client);
  (void)uv_timer_start(&client->timer, on_timer, client->due_ms > now ? client->due_ms - now : 0, 0);
}

/* From now on the relay has its time. A timer that rings too early is cheaper than one that is set with each answer. */
static void give_time(tw_control_client *client) {
  client->due_ms = now_ms(client) + client->config.answer_timeout_ms;
  client->heard = heard_of(client);
  if (!client->closing && !uv_is_active((uv_handle_t *)&client->timer)) arm(client);
}

static open_request *take_first(tw_control_client *client) {
  open_request *request = client->first;
  client->first = request->next;
  if (client->first == NULL) client->last = NULL;
  client->open_count--;
  return request;
}

/* Those that are open now; a callback cannot add to them, since there is no connection. */
static void lose_all(tw_control_client *client) {
  while (client->first != NULL) {
    open_request *request = take_first(client);
    const tw_control_done done = request->done;
    void *ctx = request->ctx;
    tw_alloc_free(NULL, request);
    done(ctx, NULL);
  }
}

static uint32_t next_number(tw_control_client *client) {
  client->last_number++;
  if (client->last_number == 0) client->last_number = 1;
  return client->last_number;
}

static void append(tw_control_client *client, open_request *request) {
  const bool was_empty = client->first == NULL;
  *(was_empty ? &client->first : &client->last->next) = request;
  client->last = request;
  client->open_count++;
  if (was_empty) give_time(client);
}

static tw_err send_frame(tw_control_client *client, const tw_control_request *request) {
  tw_buf frame = {0};
  tw_err err = tw_control_request_encode(request, &frame);
  if (err == TW_OK) err = tw_stream_send(client->stream, tw_buf_bytes(&frame));
  tw_buf_clear(&frame);
  return err;
}

tw_err tw_control_client_ask(tw_control_client *client, const tw_control_request *request, tw_control_done done,
                             void *ctx) {
  if (!client->up || client->closing) return TW_ERR_CLOSED;
  if (client->open_count >= client->config.open_max) return TW_ERR_LIMIT;
  open_request *made = tw_alloc_zero(NULL, sizeof *made);
  if (made == NULL) return TW_ERR_NO_MEMORY;
  tw_control_request numbered = *request;
  numbered.number = next_number(client);
  const tw_err err = send_frame(client, &numbered);
  if (err != TW_OK) {
    tw_alloc_free(NULL, made);
    return err;
  }
  *made = (open_request){.done = done, .ctx = ctx, .number = numbered.number, .type = numbered.type};
  append(client, made);
  tw_stream_push(client->stream);
  return TW_OK;
}

static tw_err take_answer(tw_control_client *client, tw_bytes frame, uint32_t number) {
  tw_control_answer answer;
  if (client->first == NULL || client->first->number != number) return TW_ERR_UNEXPECTED;
  TW_TRY(tw_control_answer_decode(frame, client->first->type, &answer));
  open_request *request = take_first(client);
  const tw_control_done done = request->done;
  void *ctx = request->ctx;
  tw_alloc_free(NULL, request);
  if (client->first != NULL) give_time(client);
  done(ctx, &answer);
  return TW_OK;
}

static tw_err take_frame(tw_control_client *client, tw_bytes frame) {
  tw_control_type type;
  uint32_t number;
  tw_control_push push;
  TW_TRY(tw_control_peek(frame, &type, &number));
  if (type == TW_CONTROL_ANSWER) return take_answer(client, frame, number);
  TW_TRY(tw_control_push_decode(frame, &push));
  client->displaced = client->displaced || push.type == TW_CONTROL_DISPLACED;
  client->config.push(client->config.ctx, &push);
  return TW_OK;
}

/* ---- the connection ---- */

static void dial(tw_control_client *client);

static void wait_for_next(tw_control_client *client, tw_control_down *down) {
  if (client->closing) return;
  if (down->was_up && now_ms(client) - client->up_since_ms >= client->config.steady_ms) client->tries = 0;
  if (down->displaced)
    down->wait_ms = tw_backoff_ms(client->config.displaced_wait_ms, client->config.displaced_wait_ms, 0);
  else
    down->wait_ms = tw_backoff_ms(client->config.first_wait_ms, client->config.most_wait_ms, client->tries++);
  (void)uv_timer_start(&client->timer, on_timer, down->wait_ms, 0);
  client->config.down(client->config.ctx, down);
}

/* What another connection with the same session may mend. */
static bool is_passing(tw_err reason) {
  return reason == TW_ERR_TRUNCATION || tw_err_class_of(reason) == TW_CLASS_RESOURCE;
}

static void on_closed(void *owner, tw_stream *stream, const tw_stream_end *end) {
  tw_control_client *client = owner;
  (void)stream;
  tw_control_down down = {
      .was_up = client->up, .err = end->reason, .alert = end->alert, .displaced = client->displaced, .text = end->text};
  client->stream = NULL;
  client->up = client->displaced = false;
  if (client->closing) {
    free_if_done(client);
    return;
  }
  (void)uv_timer_stop(&client->timer);
  lose_all(client);
  if (end->resuming && !end->established && !is_passing(end->reason) && !client->closing) {
    tw_buf_clear(&client->session);
    dial(client);
    return;
  }
  wait_for_next(client, &down);
}

static void on_established(void *owner, tw_stream *stream, const tw_member *peer, const tw_channel_event *event) {
  tw_control_client *client = owner;
  if (!tw_bytes_equal(tw_channel_peer_parameters(tw_stream_channel(stream)), TW_LITERAL(TW_CONTROL_RELAY))) {
    tw_stream_abort(stream, TW_ERR_BINDING);
    return;
  }
  client->up = true;
  client->up_since_ms = now_ms(client);
  if (!client->closing) client->config.up(client->config.ctx, peer, event->resumed);
}

static void on_frame(void *owner, tw_stream *stream, tw_bytes frame) {
  const tw_err err = take_frame(owner, frame);
  if (err != TW_OK) tw_stream_abort(stream, err);
}

static void on_unsaved(void *owner, tw_stream *stream) {
  tw_control_client *client = owner;
  const tw_channel *channel = tw_stream_channel(stream);
  tw_buf saved = {0};
  const tw_err err = tw_channel_save(channel, &saved);
  if (err == TW_OK) {
    tw_buf_clear(&client->session);
    client->session = saved;
    client->session_version = tw_channel_version(channel) + 1;
  } else {
    tw_buf_clear(&saved);
  }
  tw_stream_saved(stream, err);
}

static tw_err open_stream(tw_control_client *client, int fd) {
  tw_channel_config config = *client->config.channel;
  config.durable = true;
  config.resume = tw_buf_bytes(&client->session);
  config.resume_version = client->session_version;
  tw_err err = tw_stream_start(&client->setup, &config, true, fd, client, &client->stream);
  if (err != TW_OK && client->session.len > 0 && tw_err_class_of(err) != TW_CLASS_RESOURCE)
    tw_buf_clear(&client->session); /* of no use: the next try begins anew */
  return err;
}

static void on_dialed(void *ctx, int fd, const tw_report *report) {
  tw_control_client *client = ctx;
  tw_control_down down = {.err = TW_ERR_STATE, .text = report->text};
  client->dial = NULL;
  if (fd >= 0) {
    down.err = open_stream(client, fd);
    if (down.err == TW_OK) return;
    down.text = tw_err_text(down.err);
  }
  wait_for_next(client, &down);
}

static void dial(tw_control_client *client) {
  const tw_control_client_config *config = &client->config;
  const tw_err err = tw_dial_start(config->loop, &config->relay, config->dial_timeout_ms, on_dialed, client,
                                   &client->dial);
  if (err == TW_OK) return;
  tw_control_down down = {.err = err, .text = tw_err_text(err)};
  wait_for_next(client, &down);
}

static void on_timer(uv_timer_t *timer) {
  tw_control_client *client = timer->data;
  if (client->stream == NULL) {
    if (client->dial == NULL) dial(client);
    return;
  }
  if (client->first == NULL) return;
  if (now_ms(client) < client->due_ms)
    arm(client);
  else if (heard_of(client) != client->heard) /* an answer that takes long is on its way */
    give_time(client);
  else
    tw_stream_abort(client->stream, TW_ERR_TIMEOUT);
}

void tw_control_client_retry(tw_control_client *client) {
  if (client->closing || client->stream != NULL || client->dial != NULL) return;
  client->tries = 0;
  (void)uv_timer_start(&client->timer, on_timer, 0, 0);
}

void tw_control_client_renew(tw_control_client *client) {
  if (client->closing) return;
  tw_control_down down = {.was_up = client->up, .err = TW_ERR_CLOSED, .text = "our address has changed"};
  const bool was_there = client->stream != NULL;
  client->tries = 0;
  client->up = client->displaced = false;
  tw_dial_cancel(client->dial);
  client->dial = NULL;
  tw_stream_drop(client->stream);
  client->stream = NULL;
  (void)uv_timer_start(&client->timer, on_timer, 0, 0);
  lose_all(client);
  if (was_there && !client->closing) client->config.down(client->config.ctx, &down);
}

tw_err tw_control_client_remote(const tw_control_client *client, tw_udp_address *address) {
  socklen_t len = sizeof *address;
  if (client->stream == NULL) return TW_ERR_STATE;
  memset(address, 0, sizeof *address);
  return tw_stream_remote_address(client->stream, &address->any, &len);
}

/* ---- start and end ---- */

static uint64_t or_default(uint64_t value, uint64_t otherwise) { return value != 0 ? value : otherwise; }

tw_err tw_control_client_start(const tw_control_client_config *config, tw_control_client **client) {
  tw_control_client *made = tw_alloc_zero(NULL, sizeof *made);
  if (made == NULL) return TW_ERR_NO_MEMORY;
  made->config = *config;
  tw_control_client_config *own = &made->config;
  own->dial_timeout_ms = or_default(config->dial_timeout_ms, DIAL_TIMEOUT_MS);
  own->answer_timeout_ms = or_default(config->answer_timeout_ms, ANSWER_TIMEOUT_MS);
  own->first_wait_ms = or_default(config->first_wait_ms, FIRST_WAIT_MS);
  own->most_wait_ms = or_default(config->most_wait_ms, MOST_WAIT_MS);
  own->displaced_wait_ms = or_default(config->displaced_wait_ms, DISPLACED_WAIT_MS);
  own->steady_ms = or_default(config->steady_ms, STEADY_MS);
  own->linger_ms = or_default(config->linger_ms, LINGER_MS);
  own->open_max = (uint32_t)or_default(config->open_max, OPEN_MAX);
  own->queue_max = (uint32_t)or_default(config->queue_max, QUEUE_MAX);
  made->setup = (tw_stream_setup){.loop = config->loop,
                                  .frame_max = TW_CONTROL_FRAME_MAX,
                                  .queue_max = own->queue_max,
                                  .linger_ms = own->linger_ms,
                                  .stall_ms = own->answer_timeout_ms,
                                  .established = on_established,
                                  .frame = on_frame,
                                  .unsaved = on_unsaved,
                                  .closed = on_closed};
  const tw_err err = tw_dial_start(config->loop, &own->relay, own->dial_timeout_ms, on_dialed, made, &made->dial);
  if (err != TW_OK) {
    tw_alloc_free(NULL, made);
    return err;
  }
  (void)uv_timer_init(config->loop, &made->timer);
  made->timer.data = made;
  *client = made;
  return TW_OK;
}

void tw_control_client_close(tw_control_client *client) {
  if (client == NULL || client->closing) return;
  client->closing = true;
  client->up = false;
  tw_dial_cancel(client->dial);
  client->dial = NULL;
  uv_close((uv_handle_t *)&client->timer, on_timer_closed);
  lose_all(client);
  if (client->stream != NULL) tw_stream_close(client->stream);
}

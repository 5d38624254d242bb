/* The delivery service's batches: requests are done, and answered after a flush. SPDX-License-Identifier: Apache-2.0 */
#include "relay/delivery.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "crypto/crypto.h"
#include "relay/delivery_parts.h"

enum {
  FULL_ANSWERS = 1024,
  FULL_BYTES = 4 << 20,
  KEPT_BYTES = 1 << 14, /* of each buffer, between batches */
  KEPT_ANSWERS = 128,   /* places for them, likewise */
  SWEPT_AT_ONCE = 64
};
#define DAY_MS UINT64_C(86400000)

const tw_delivery_limits tw_delivery_limits_default = {
    .message_bytes = (4 << 20) - 1024,
    .key_package_bytes = 64 << 10,
    .key_packages = 100,
    .groups = 16,
    .members = 16384,
    .locates = 1024,
    .mailbox_bytes = 32 << 20,
    .mailbox_entries = 8192,
    .requests_per_second = 50,
    .requests_at_once = 200,
    .fetch_entries = 256,
    .fetch_bytes = 1 << 20,
    .remembered_commits = 64,
    .remembered_bytes = 4 << 20,
    .epochs_behind = 1,
    .mail_ms = 60 * DAY_MS,
    .packages_ms = 90 * DAY_MS,
    .unseen_ms = 180 * DAY_MS,
};

tw_err tw_delivery_new(const tw_delivery_config *config, tw_delivery **delivery) {
  *delivery = NULL;
  const tw_alloc *alloc = tw_env_alloc(config->env);
  tw_delivery *made = tw_alloc_zero(alloc, sizeof *made);
  if (made == NULL) return TW_ERR_NO_MEMORY;
  made->env = config->env;
  made->store = config->store;
  made->limits = config->limits != NULL ? *config->limits : tw_delivery_limits_default;
  made->events = config->events;
  made->watches.alloc = alloc;
  made->bytes.alloc = alloc;
  made->mail.alloc = alloc;
  made->groups.alloc = alloc;
  made->members.alloc = alloc;
  made->dismissed.alloc = alloc;
  made->scratch.alloc = alloc;
  const tw_err err = tw_random(config->env, (uint8_t *)made->watches.seed, sizeof made->watches.seed);
  if (err != TW_OK) {
    tw_delivery_free(made);
    return err;
  }
  *delivery = made;
  return TW_OK;
}

void tw_delivery_free(tw_delivery *d) {
  if (d == NULL) return;
  const tw_alloc *alloc = tw_env_alloc(d->env);
  tw_watches_clear(&d->watches);
  tw_alloc_free(alloc, d->waiting);
  tw_buf_clear(&d->bytes);
  tw_buf_clear(&d->mail);
  tw_buf_clear(&d->groups);
  tw_buf_clear(&d->members);
  tw_buf_clear(&d->dismissed);
  tw_buf_clear(&d->scratch);
  tw_alloc_free(alloc, d);
}

/* ---- asking ---- */

tw_err tw_delivery_refuse(tw_delivery_asking *asking, tw_control_status status, const char *words) {
  tw_control_answer *answer = &asking->waiting->answer;
  answer->status = status;
  answer->body.words = TW_BYTES((const uint8_t *)words, strlen(words));
  return TW_OK;
}

static tw_err append_number(tw_buf *numbers, uint32_t number) {
  return tw_buf_append(numbers, TW_BYTES((const uint8_t *)&number, sizeof number));
}

tw_err tw_delivery_note_mail(void *ctx, uint32_t number) { return append_number(&((tw_delivery *)ctx)->mail, number); }

tw_err tw_delivery_note_group(void *ctx, uint32_t number) {
  tw_delivery *d = ctx;
  return d->events.members == NULL ? TW_OK : append_number(&d->groups, number);
}

static tw_err want_waiting(tw_delivery *d, tw_delivery_waiting **waiting) {
  if (d->waiting_count == d->waiting_capacity) {
    const size_t capacity = d->waiting_capacity == 0 ? 16 : 2 * d->waiting_capacity;
    tw_delivery_waiting *grown = tw_alloc_resize_array(tw_env_alloc(d->env), d->waiting, capacity, sizeof *grown);
    if (grown == NULL) return TW_ERR_NO_MEMORY;
    d->waiting = grown;
    d->waiting_capacity = capacity;
  }
  *waiting = &d->waiting[d->waiting_count++];
  return TW_OK;
}

static uint64_t cost_us(const tw_delivery_limits *limits, uint32_t units) {
  const uint32_t most = limits->requests_at_once;
  return limits->requests_per_second == 0 ? 0 : 1000000 / limits->requests_per_second * (units < most ? units : most);
}

uint32_t tw_delivery_units(uint64_t things, uint32_t unit) {
  const uint64_t units = things / unit + (things % unit != 0);
  return units == 0 ? 1 : units < UINT32_MAX ? (uint32_t)units : UINT32_MAX;
}

void tw_delivery_charge(const tw_delivery_limits *limits, tw_delivery_peer *peer, uint32_t units) {
  peer->spent_us += cost_us(limits, units);
}

static uint32_t units_of(const tw_control_request *request) {
  if (request->type != TW_CONTROL_LOCATE) return 1;
  return tw_delivery_units(tw_control_client_count(request->body.locate), TW_DELIVERY_LOCATES_UNIT);
}

/*
 * A bucket that holds requests_at_once, as the time at which it is full again. A request that costs more than what is
 * left overdraws it, so that large ones come to their turn: by the bucket itself at most.
 */
static bool may_ask(const tw_delivery_limits *limits, tw_delivery_peer *peer, uint32_t units, uint64_t now_ms) {
  if (limits->requests_per_second == 0 || limits->requests_at_once == 0) return false;
  const uint64_t now_us = now_ms * 1000;
  const uint64_t all_us = cost_us(limits, UINT32_MAX);
  uint64_t spent_us = peer->spent_us < now_us ? now_us : peer->spent_us;
  if (spent_us > now_us + 2 * all_us) spent_us = now_us + all_us; /* the clock was put back */
  peer->spent_us = spent_us;
  if (spent_us + cost_us(limits, 1) > now_us + all_us) return false;
  tw_delivery_charge(limits, peer, units);
  return true;
}

static tw_err count_stock(tw_delivery_asking *asking) {
  tw_relay_store *store = asking->delivery->store;
  return store->ops->stock(store, asking->client.number, (uint8_t)asking->request->body.stock,
                           &asking->waiting->answer.body.stock);
}

static tw_err serve(tw_delivery_asking *asking) {
  if (!tw_delivery_may(asking)) return tw_delivery_refuse(asking, TW_CONTROL_FORBIDDEN, "not for you");
  switch (asking->request->type) {
  case TW_CONTROL_PUBLISH: return tw_delivery_publish_key_packages(asking);
  case TW_CONTROL_STOCK: return count_stock(asking);
  case TW_CONTROL_TAKE: return tw_delivery_take_key_package(asking);
  case TW_CONTROL_SEND: return tw_delivery_send_message(asking);
  case TW_CONTROL_GROUP_OPEN: return tw_delivery_open_group(asking);
  case TW_CONTROL_GROUP_FIND: return tw_delivery_find_group(asking);
  case TW_CONTROL_GROUP_COMMIT: return tw_delivery_commit(asking);
  case TW_CONTROL_GROUP_SEND: return tw_delivery_send_to_group(asking);
  case TW_CONTROL_FETCH: return tw_delivery_fetch_mail(asking);
  case TW_CONTROL_LOCATE: return tw_delivery_locate_clients(asking);
  case TW_CONTROL_BIND: return tw_delivery_bind(asking);
  case TW_CONTROL_WANT_IN: return tw_delivery_want_in(asking);
  case TW_CONTROL_ADMIT: return tw_delivery_admit(asking);
  case TW_CONTROL_DISMISS: return tw_delivery_dismiss(asking);
  default: return tw_delivery_refuse(asking, TW_CONTROL_MALFORMED, "not a request");
  }
}

static tw_err enter(tw_delivery_asking *asking) {
  tw_relay_store *store = asking->delivery->store;
  TW_TRY(store->ops->enter(store, &asking->peer->id, asking->now_ms, &asking->client));
  asking->peer->number = asking->client.number;
  return TW_OK;
}

/* Whoever connects anew goes on with what it has spent. */
static tw_err enter_first(tw_delivery_asking *asking) {
  const tw_delivery_events *events = &asking->delivery->events;
  tw_delivery_peer *peer = asking->peer;
  TW_TRY(enter(asking));
  const uint64_t spent_us = events->spent != NULL ? events->spent(events->ctx, peer->number) : 0;
  if (spent_us > peer->spent_us) peer->spent_us = spent_us;
  return TW_OK;
}

static tw_err admit_and_serve(tw_delivery_asking *asking) {
  tw_delivery *d = asking->delivery;
  tw_delivery_peer *peer = asking->peer;
  const bool first = peer->number == 0;
  d->store->why.text[0] = '\0';
  if (first) TW_TRY(enter_first(asking));
  if (!may_ask(&d->limits, peer, units_of(asking->request), asking->now_ms))
    return tw_delivery_refuse(asking, TW_CONTROL_BUSY, "too many requests");
  if (!first) TW_TRY(enter(asking));
  return serve(asking);
}

static void tell_failure(const tw_delivery *d, tw_err err) {
  const char *words = d->store->why.text[0] != '\0' ? d->store->why.text : tw_err_text(err);
  if (d->events.failed != NULL) d->events.failed(d->events.ctx, err, words);
}

tw_err tw_delivery_ask(tw_delivery *d, tw_delivery_peer *peer, uint64_t tag, const tw_control_request *request,
                       uint64_t now_ms) {
  tw_delivery_asking asking = {.delivery = d, .peer = peer, .request = request, .now_ms = now_ms};
  TW_TRY(want_waiting(d, &asking.waiting));
  *asking.waiting = (tw_delivery_waiting){
      .tag = tag, .answer = {.to = request->type, .request = request->number}, .at = d->bytes.len};
  const tw_err err = admit_and_serve(&asking);
  if (err == TW_OK) {
    asking.waiting->len = d->bytes.len - asking.waiting->at;
    return TW_OK;
  }
  d->bytes.len = asking.waiting->at;
  tell_failure(d, err);
  return tw_delivery_refuse(&asking, TW_CONTROL_BUSY, "the relay cannot do this now");
}

bool tw_delivery_is_full(const tw_delivery *d) {
  return d->waiting_count >= FULL_ANSWERS || d->bytes.len >= FULL_BYTES;
}

/* ---- answering ---- */

static void set_group_views(tw_delivery_waiting *w, tw_bytes all) {
  tw_reader r = tw_reader_of(all);
  w->answer.body.group_find.group_id = tw_read_fixed(&r, w->lengths.group_id);
  w->answer.body.group_find.group_info = tw_read_fixed(&r, w->lengths.group_info);
  w->answer.body.group_find.tree = tw_read_fixed(&r, w->lengths.tree);
}

/* The views of an answer, now that its bytes do not move any more. */
static void set_views(const tw_delivery *d, tw_delivery_waiting *w) {
  if (w->len == 0 && w->answer.status != TW_CONTROL_DONE) return; /* words */
  const uint8_t *at = d->bytes.len == 0 ? NULL : d->bytes.ptr + w->at;
  const tw_bytes all = TW_BYTES(at, w->len);
  if (w->answer.status == TW_CONTROL_TAKEN) {
    w->answer.body.taken = all;
    return;
  }
  switch (w->answer.to) {
  case TW_CONTROL_TAKE: w->answer.body.take.key_package = all; break;
  case TW_CONTROL_GROUP_FIND: set_group_views(w, all); break;
  case TW_CONTROL_FETCH: w->answer.body.fetch.entries = all; break;
  case TW_CONTROL_LOCATE: w->answer.body.locate = all; break;
  default: break;
  }
}

static int compare_numbers(const void *a, const void *b) {
  const uint32_t x = *(const uint32_t *)a;
  const uint32_t y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

/* The numbers in a buffer, in order, each once. It comes from the allocator, so that it is aligned. */
static uint32_t *numbers_of(const tw_buf *buf, size_t *count) {
  uint32_t *numbers = (uint32_t *)(void *)buf->ptr;
  const size_t all = buf->len / sizeof *numbers;
  if (all > 0) qsort(numbers, all, sizeof *numbers, compare_numbers);
  *count = 0;
  for (size_t i = 0; i < all; i++)
    if (i == 0 || numbers[i] != numbers[*count - 1]) numbers[(*count)++] = numbers[i];
  return numbers;
}

static void tell_mail(const tw_delivery *d) {
  size_t count;
  const uint32_t *numbers = numbers_of(&d->mail, &count);
  for (size_t i = 0; i < count; i++) d->events.mail(d->events.ctx, numbers[i]);
}

/* ---- members, for the packet relay ---- */

static tw_err take_member(void *ctx, uint32_t number) { return append_number(&((tw_delivery *)ctx)->members, number); }

static tw_err read_members(tw_delivery *d, uint32_t group) {
  TW_TRY(append_number(&d->members, group));
  TW_TRY(append_number(&d->members, 0));
  const size_t start = d->members.len;
  TW_TRY(d->store->ops->members(d->store, group, take_member, d));
  const uint32_t count = (uint32_t)((d->members.len - start) / sizeof count);
  memcpy(d->members.ptr + start - sizeof count, &count, sizeof count);
  return TW_OK;
}

/* In the batch at hand, which is about to be made durable. What cannot be read is told when one of them binds. */
static void read_all_members(tw_delivery *d) {
  size_t count;
  const uint32_t *groups = numbers_of(&d->groups, &count);
  for (size_t i = 0; i < count; i++) {
    const size_t start = d->members.len;
    const tw_err err = read_members(d, groups[i]);
    if (err == TW_OK) continue;
    d->members.len = start;
    tell_failure(d, err);
  }
}

static void tell_members(const tw_delivery *d) {
  const uint32_t *numbers = (const uint32_t *)(const void *)d->members.ptr;
  const size_t all = d->members.len / sizeof *numbers;
  for (size_t at = 0; at < all; at += 2 + numbers[at + 1])
    d->events.members(d->events.ctx, numbers[at], &numbers[at + 2], numbers[at + 1]);
}

static void tell_dismissed(const tw_delivery *d) {
  tw_reader walk = tw_reader_of(tw_buf_bytes(&d->dismissed));
  tw_fingerprint client;
  if (d->events.dismissed == NULL) return;
  while (tw_control_client_next(&walk, &client)) d->events.dismissed(d->events.ctx, &client);
}

/* A large batch does not hold its memory for ever. */
static void empty_waiting(tw_delivery *d) {
  d->waiting_count = 0;
  if (d->waiting_capacity <= KEPT_ANSWERS) return;
  tw_alloc_free(tw_env_alloc(d->env), d->waiting);
  d->waiting = NULL;
  d->waiting_capacity = 0;
}

static void empty(tw_buf *buf) {
  if (buf->cap > KEPT_BYTES)
    tw_buf_clear(buf);
  else
    buf->len = 0;
}

tw_err tw_delivery_flush(tw_delivery *d) {
  d->store->why.text[0] = '\0';
  if (d->groups.len > 0) read_all_members(d);
  const tw_err err = d->store->ops->flush(d->store);
  if (err != TW_OK) tell_failure(d, err);
  for (size_t i = 0; i < d->waiting_count; i++) {
    tw_delivery_waiting *w = &d->waiting[i];
    if (err == TW_OK) {
      set_views(d, w);
    } else {
      tw_delivery_asking asking = {.delivery = d, .waiting = w};
      (void)!tw_delivery_refuse(&asking, TW_CONTROL_BUSY, "the relay cannot write this down now");
    }
    d->events.answer(d->events.ctx, w->tag, &w->answer);
  }
  if (err == TW_OK) tell_members(d);
  if (err == TW_OK) tell_mail(d);
  if (err == TW_OK) tell_dismissed(d);
  empty_waiting(d);
  empty(&d->bytes);
  empty(&d->mail);
  empty(&d->groups);
  empty(&d->members);
  empty(&d->dismissed);
  empty(&d->scratch);
  return err;
}

/* ---- where clients are ---- */

void tw_delivery_moved(tw_delivery *d, const tw_fingerprint *client, const tw_control_location *location) {
  uint32_t at = 0;
  for (uint32_t watcher; (watcher = tw_watches_next(&d->watches, tw_delivery_watched(client), &at)) != 0;)
    d->events.moved(d->events.ctx, watcher, client, location);
}

void tw_delivery_gone(tw_delivery *d, const tw_delivery_peer *peer) { tw_watches_drop(&d->watches, peer->number); }

/* ---- what is too old ---- */

static uint64_t before(uint64_t now_ms, uint64_t age_ms) { return now_ms > age_ms ? now_ms - age_ms : 0; }

tw_err tw_delivery_sweep(tw_delivery *d, uint64_t now_ms, bool *more) {
  const tw_relay_ages ages = {.mail_ms = before(now_ms, d->limits.mail_ms),
                              .packages_ms = before(now_ms, d->limits.packages_ms),
                              .seen_ms = before(now_ms, d->limits.unseen_ms),
                              .now_ms = now_ms};
  tw_err err;
  *more = true;
  d->store->why.text[0] = '\0';
  if (!d->clients_swept) {
    err = d->store->ops->sweep_clients(d->store, &ages, SWEPT_AT_ONCE, &d->swept_client);
    d->clients_swept = err == TW_OK && d->swept_client == 0;
  } else {
    err = d->store->ops->sweep_groups(d->store, &ages, SWEPT_AT_ONCE, &d->swept_group);
    *more = err != TW_OK || d->swept_group != 0;
    d->clients_swept = *more;
  }
  if (err != TW_OK) tell_failure(d, err);
  return err;
}

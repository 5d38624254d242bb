/*
 * Two parties of 2PMLS and the wire between them. An input is a schedule: who does what, what becomes of each message,
 * and what is said by somebody who holds a party's keys and keeps to no rules. SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "fuzz_party.h"
#include "mls/protocol.h"
#include "pair/binding.h"
#include "pair/message.h"
#include "pair/pair_internal.h"

enum { ACTIONS = 40, QUEUE = 8, HISTORY = 16, INITIATOR = 0, RESPONDER = 1 };

typedef struct side {
  tw_fuzz_party party;
  tw_pair_config config;
  tw_pair *pair;
  tw_buf queue[QUEUE]; /* sent and not arrived, the oldest first */
  size_t queued;
} side;

static side sides[2];
static tw_buf history[HISTORY]; /* what was ever sent, by whomever */
static size_t recorded;
static tw_buf early[HISTORY]; /* the requests' commits whose early data was to be taken */
static size_t early_taken;
static uint64_t now_ms;
/* Something was taken that the other has not sent: they need not agree any more. */
static bool disturbed;
/* Something was lost, or there was no connection yet: they need not agree before the next one. */
static bool lost;
/* Somebody with a party's keys keeps to no rules: what was recorded may be anything. */
static bool rogue;
static tw_buf established[2]; /* saved pairs in epoch 1 */

static side *other(const side *s) { return s == &sides[0] ? &sides[1] : &sides[0]; }

/* ---- the wire ---- */

static void record(tw_bytes message) {
  tw_buf *place = &history[recorded++ % HISTORY];
  tw_fuzz_must(tw_buf_assign(place, message));
}

static bool was_sent(tw_bytes message) {
  for (size_t i = 0; i < HISTORY && i < recorded; i++) {
    if (tw_bytes_equal(tw_buf_bytes(&history[i]), message)) return true;
  }
  return recorded > HISTORY;
}

static void remove_at(side *s, size_t at) {
  tw_buf_clear(&s->queue[at]);
  for (size_t i = at; i + 1 < s->queued; i++) s->queue[i] = s->queue[i + 1];
  s->queue[--s->queued] = (tw_buf){0};
}

/* Takes the bytes over. */
static void put(side *s, tw_buf *message) {
  record(tw_buf_bytes(message));
  if (s->queued == QUEUE) {
    remove_at(s, 0);
    lost = true;
  }
  s->queue[s->queued++] = *message;
  *message = (tw_buf){0};
}

/* ---- what is asserted ---- */

static void snapshot(const side *s, tw_buf *out) {
  out->len = 0;
  tw_fuzz_pause(true);
  if (s->pair != NULL) tw_fuzz_must(tw_pair_save(s->pair, out));
  tw_fuzz_pause(false);
}

static void check_side(const side *s) {
  tw_pair_status status;
  tw_member peer;
  if (s->pair == NULL) return;
  tw_fuzz_pause(true);
  tw_pair_get_status(s->pair, &status);
  const bool waiting = status.state >= TW_PAIR_LEADING;
  TW_FUZZ_ASSERT((s->pair->pending != NULL) == waiting);
  TW_FUZZ_ASSERT((s->pair->pending_commit.len > 0) == waiting);
  TW_FUZZ_ASSERT((s->pair->group == NULL) == (status.state == TW_PAIR_HELLO_SENT));
  TW_FUZZ_ASSERT((s->pair->key_package == NULL) == (status.state != TW_PAIR_HELLO_SENT));
  TW_FUZZ_ASSERT(tw_pair_peer(s->pair, &peer) == (s->pair->group != NULL));
  if (s->pair->group != NULL) tw_fuzz_must(tw_pair_check_group(s->pair, s->pair->group));
  if (waiting) tw_fuzz_must(tw_pair_check_group(s->pair, s->pair->pending));
  tw_fuzz_pause(false);
}

/* Whoever has answered does not know yet that it is agreed. */
static bool has_ended(const side *s) {
  const tw_pair_state state = s->pair->state;
  return state == TW_PAIR_STEADY || state == TW_PAIR_ANSWERED || state == TW_PAIR_UNCONFIRMED;
}

static void check_counts(const tw_pair *a, const tw_pair *b) {
  TW_FUZZ_ASSERT(a->own_updates + (a->state == TW_PAIR_ANSWERED) == b->peer_updates);
}

static void check_agreement(void) {
  const tw_group *a = sides[0].pair == NULL ? NULL : tw_pair_traffic_group(sides[0].pair);
  const tw_group *b = sides[1].pair == NULL ? NULL : tw_pair_traffic_group(sides[1].pair);
  if (disturbed || lost || a == NULL || b == NULL || sides[0].queued > 0 || sides[1].queued > 0) return;
  uint8_t of_a[32];
  uint8_t of_b[32];
  TW_FUZZ_ASSERT(has_ended(&sides[0]) && has_ended(&sides[1]));
  TW_FUZZ_ASSERT(sides[0].pair->state == TW_PAIR_STEADY || sides[1].pair->state == TW_PAIR_STEADY);
  TW_FUZZ_ASSERT(tw_group_epoch(a) == tw_group_epoch(b));
  /* What was saved and loaded has lost its connection, and so the context. */
  const tw_bytes context_a = tw_pair_context(sides[0].pair);
  const tw_bytes context_b = tw_pair_context(sides[1].pair);
  TW_FUZZ_ASSERT(context_a.len == 0 || context_b.len == 0 || tw_bytes_equal(context_a, context_b));
  TW_FUZZ_ASSERT(tw_bytes_equal(tw_group_epoch_authenticator(a), tw_group_epoch_authenticator(b)));
  tw_fuzz_must(tw_group_export(a, TW_LITERAL("fuzz"), TW_NO_BYTES, of_a, sizeof of_a));
  tw_fuzz_must(tw_group_export(b, TW_LITERAL("fuzz"), TW_NO_BYTES, of_b, sizeof of_b));
  TW_FUZZ_ASSERT(memcmp(of_a, of_b, sizeof of_a) == 0);
  TW_FUZZ_ASSERT(tw_bytes_equal(tw_pair_peer_parameters(sides[0].pair), sides[1].config.parameters));
  TW_FUZZ_ASSERT(tw_bytes_equal(tw_pair_peer_parameters(sides[1].pair), sides[0].config.parameters));
  check_counts(sides[0].pair, sides[1].pair);
  check_counts(sides[1].pair, sides[0].pair);
}

/* ---- receiving ---- */

static tw_err first_contact(side *to, tw_bytes message) {
  tw_buf reply = {0};
  if (to != &sides[RESPONDER]) return TW_ERR_UNEXPECTED;
  const tw_err err = tw_pair_respond(&to->config, message, now_ms, &to->pair, &reply);
  TW_FUZZ_ASSERT((err == TW_OK) == (to->pair != NULL) && (err == TW_OK) == (reply.len > 0));
  if (err == TW_OK) put(to, &reply);
  tw_buf_clear(&reply);
  return err;
}

/* A commit is applied once, and early data comes with that alone (D6). */
static void check_early(tw_bytes encoded) {
  tw_pair_message request;
  tw_fuzz_must(tw_pair_message_decode(encoded, &request));
  for (size_t i = 0; i < HISTORY && i < early_taken; i++)
    TW_FUZZ_ASSERT(!tw_bytes_equal(tw_buf_bytes(&early[i]), request.mls));
  tw_fuzz_must(tw_buf_assign(&early[early_taken++ % HISTORY], request.mls));
}

static void check_outcome(const side *to, tw_bytes message, const tw_pair_event *event, uint64_t before) {
  const uint64_t now = tw_group_epoch(to->pair->group);
  uint64_t most = before + 1;
  switch (event->outcome) {
  case TW_PAIR_TIE_IGNORED:
  case TW_PAIR_CROSSED: most = before; break;
  case TW_PAIR_RESUMED:
  case TW_PAIR_ASKED: most = before + 2; break;
  default: break;
  }
  TW_FUZZ_ASSERT(now >= before && now <= most);
  TW_FUZZ_ASSERT(event->epoch == tw_group_epoch(tw_pair_traffic_group(to->pair)));
  TW_FUZZ_ASSERT(event->outcome != TW_PAIR_PEER_UPDATED || was_sent(message));
  if (event->outcome == TW_PAIR_ASKED && event->early_data) check_early(message);
}

static tw_err next_contact(side *to, tw_bytes message) {
  static tw_buf before;
  static tw_buf after;
  tw_buf reply = {0};
  tw_pair_event event = {0};
  snapshot(to, &before);
  const uint64_t epoch = to->pair->group == NULL ? 0 : tw_group_epoch(to->pair->group);
  const tw_err err = tw_pair_receive(to->pair, message, now_ms, &reply, &event);
  if (err != TW_OK) {
    snapshot(to, &after);
    TW_FUZZ_ASSERT(tw_bytes_equal(tw_buf_bytes(&before), tw_buf_bytes(&after)));
    TW_FUZZ_ASSERT(reply.len == 0 && event.outcome == 0);
  } else {
    const bool replies = event.outcome == TW_PAIR_PEER_UPDATED || event.outcome == TW_PAIR_ASKED ||
                         event.outcome == TW_PAIR_CROSSED;
    TW_FUZZ_ASSERT((reply.len > 0) == replies);
    check_outcome(to, message, &event, epoch);
    if (reply.len > 0) put(to, &reply);
  }
  tw_buf_clear(&reply);
  return err;
}

static tw_err give(side *to, tw_bytes message) {
  const bool first = to->pair == NULL;
  const tw_err err = first ? first_contact(to, message) : next_contact(to, message);
  tw_fuzz_check_peer_error(err);
  check_side(to);
  return err;
}

/* The oldest message of `from`, as it is: taken, while all went well so far. After a failure of ours it is given again.
 */
static void deliver(side *from) {
  side *to = other(from);
  if (from->queued == 0) return;
  tw_buf message = from->queue[0];
  from->queue[0] = (tw_buf){0};
  remove_at(from, 0);
  tw_pair_message_type type = TW_PAIR_CLIENT_HELLO;
  tw_fuzz_must(tw_pair_message_peek(tw_buf_bytes(&message), &type));
  /* Whatever comes after the hello, but for resumptions, is protected, and shows that its sender holds the epoch. */
  const bool is_protected = type == TW_PAIR_CONNECTION_UPDATE || type == TW_PAIR_EPOCH_KEY_UPDATE;
  if (to->pair != NULL && is_protected && !disturbed && !lost) tw_pair_confirm(to->pair);
  tw_err err = give(to, tw_buf_bytes(&message));
  tw_fuzz_fail(0, 0);
  if (err == TW_ERR_NO_MEMORY || err == TW_ERR_RANDOM) err = give(to, tw_buf_bytes(&message));
  TW_FUZZ_ASSERT(err == TW_OK || disturbed || lost);
  tw_buf_clear(&message);
}

/* Something else than what is due: if it is refused, all is as if it had not come. */
static void intrude(side *to, tw_bytes message) {
  if (give(to, message) == TW_OK) disturbed = true;
}

/* ---- what an attacker on the wire makes ---- */

static void damaged(side *to, tw_bytes source, tw_reader *r) {
  tw_buf message = {0};
  tw_fuzz_must(tw_buf_assign(&message, source));
  const uint8_t how = tw_read_u8(r);
  switch (how % 6) {
  case 0:
  case 1: (void)tw_fuzz_edit(r, message.ptr, message.len); break;
  case 2: message.len = message.len == 0 ? 0 : tw_read_u16(r) % message.len; break;
  case 3: tw_fuzz_must(tw_buf_append(&message, tw_fuzz_chunk(r))); break;
  case 4: /* the front of one, the end of another */
    if (recorded > 0 && message.len > 0) {
      const tw_buf *with = &history[tw_read_u8(r) % (recorded < HISTORY ? recorded : HISTORY)];
      const size_t at = tw_read_u16(r) % message.len;
      if (at < with->len) {
        message.len = at;
        tw_fuzz_must(tw_buf_append(&message, TW_BYTES(with->ptr + at, with->len - at)));
      }
    }
    break;
  default:
    if (message.len >= 4) message.ptr[3] = tw_read_u8(r) % 8;
    break;
  }
  intrude(to, tw_buf_bytes(&message));
  tw_buf_clear(&message);
}

static void forged_epoch(side *to, tw_reader *r) {
  tw_buf message = {0};
  const uint64_t now = to->pair == NULL || to->pair->group == NULL ? 0 : tw_group_epoch(to->pair->group);
  const tw_pair_message m = {.type = TW_PAIR_EPOCH_KEY_UPDATE, .epoch = now + tw_read_u8(r) - 1};
  tw_fuzz_must(tw_pair_message_encode(&m, &message));
  intrude(to, tw_buf_bytes(&message));
  tw_buf_clear(&message);
}

/* ---- what a party makes that keeps to no rules ---- */

static void wrap(uint16_t type, tw_bytes mls, tw_buf *out) {
  static const uint8_t nonce[TW_PAIR_NONCE];
  const tw_pair_message m = {.type = type, .nonce = TW_ARRAY(nonce), .mls = mls};
  tw_fuzz_must(tw_pair_message_encode(&m, out));
}

/* A genuine commit of any content in a message of any type. */
static void bent_update(side *by, tw_reader *r) {
  tw_buf message = {0};
  tw_commit_result result = {0};
  const uint8_t flags = tw_read_u8(r);
  const tw_bytes proposals = tw_fuzz_chunk(r);
  if (by->pair == NULL || by->pair->group == NULL) return;
  rogue = true;
  const tw_commit_options options = {.proposals = proposals,
                                     .plaintext = (flags & 1) == 0,
                                     .without_path = (flags & 2) != 0,
                                     .authenticated_data = flags & 4 ? TW_LITERAL("x") : TW_NO_BYTES};
  const tw_err err = tw_group_commit(by->pair->group, &options, now_ms / 1000, &result);
  TW_FUZZ_ASSERT(tw_err_class_of(err) != TW_CLASS_INTERNAL);
  if (err == TW_OK) {
    wrap((flags >> 4) % 7 == 6 ? TW_PAIR_RESUMPTION_REQUEST : TW_PAIR_CONNECTION_UPDATE, tw_buf_bytes(&result.commit),
         &message);
    record(tw_buf_bytes(&message));
    intrude(other(by), tw_buf_bytes(&message));
  }
  tw_commit_result_clear(&result);
  tw_buf_clear(&message);
}

/* The peer's client_hello answered with a group that is another one than it should be. */
static void bent_hello(tw_reader *r) {
  static const char *const labels[] = {"fuzz", "test", "fuzzy", ""};
  side *by = &sides[RESPONDER];
  side *to = &sides[INITIATOR];
  if (to->pair == NULL || to->pair->key_package == NULL) return;
  const uint8_t flags = tw_read_u8(r);
  const char *label = labels[flags % 4];
  const tw_bytes parameters = tw_fuzz_chunk(r);
  tw_pair_config config = by->config;
  config.label = TW_BYTES((const uint8_t *)label, strlen(label));
  config.parameters = parameters;
  tw_pair *pair = NULL;
  tw_group *group = NULL;
  tw_commit_result result = {0};
  tw_buf list = {0};
  tw_buf id = {0};
  tw_buf binding = {0};
  tw_buf message = {0};
  if (config.label.len == 0) config.label = by->config.label;
  tw_fuzz_must(tw_pair_new(&config, config.clients[0], parameters, TW_PAIR_RESPONDER, &pair));
  tw_fuzz_must(tw_buf_append(&id, flags & 8 ? TW_LITERAL("test") : config.label));
  tw_fuzz_must(tw_buf_append(&id, flags & 4 ? tw_fuzz_chunk(r) : TW_LITERAL("0123456789abcdef")));
  tw_fuzz_must(
      tw_group_binding_encode(tw_buf_bytes(&pair->binding), tw_key_package_reference(to->pair->key_package), &binding));
  if (!(flags & 16)) tw_fuzz_must(tw_component_set(&list, 0x8001, tw_buf_bytes(&binding)));
  if (flags & 32) tw_fuzz_must(tw_buf_append(&list, tw_fuzz_chunk(r)));
  tw_err err = tw_group_create(flags & 64 ? by->config.clients[0] : &pair->client, tw_buf_bytes(&id),
                               tw_buf_bytes(&list), now_ms / 1000, &group);
  list.len = 0;
  if (err == TW_OK) err = tw_propose_add(&list, tw_key_package_message(to->pair->key_package));
  if (err == TW_OK) err = tw_buf_append(&list, tw_fuzz_chunk(r));
  const tw_commit_options options = {.proposals = tw_buf_bytes(&list), .without_path = (flags & 128) != 0};
  if (err == TW_OK) err = tw_group_commit(group, &options, now_ms / 1000, &result);
  TW_FUZZ_ASSERT(tw_err_class_of(err) != TW_CLASS_INTERNAL);
  if (err == TW_OK) {
    wrap(TW_PAIR_SERVER_HELLO, tw_buf_bytes(&result.welcome), &message);
    record(tw_buf_bytes(&message));
    intrude(to, tw_buf_bytes(&message));
  }
  tw_commit_result_clear(&result);
  tw_group_free(group);
  tw_pair_free(pair);
  tw_buf_clear(&list);
  tw_buf_clear(&id);
  tw_buf_clear(&binding);
  tw_buf_clear(&message);
}

/* ---- what parties do ---- */

static void start(side *s) {
  tw_buf hello = {0};
  if (s != &sides[INITIATOR] || s->pair != NULL) return;
  const tw_err err = tw_pair_initiate(&s->config, now_ms, &s->pair, &hello);
  TW_FUZZ_ASSERT(err == TW_OK || (tw_fuzz_has_failed() && (err == TW_ERR_NO_MEMORY || err == TW_ERR_RANDOM)));
  TW_FUZZ_ASSERT((err == TW_OK) == (s->pair != NULL) && (err == TW_OK) == (hello.len > 0));
  if (err == TW_OK) put(s, &hello);
  tw_buf_clear(&hello);
}

static void update(side *s) {
  static tw_buf before;
  static tw_buf after;
  tw_buf message = {0};
  if (s->pair == NULL) return;
  const tw_pair_state state = s->pair->state;
  snapshot(s, &before);
  const tw_err err = tw_pair_update(s->pair, now_ms, &message);
  if (err == TW_OK) {
    TW_FUZZ_ASSERT(state == TW_PAIR_STEADY && message.len > 0);
    put(s, &message);
    /* On an old connection: the peer has asked on another one meanwhile. */
    if (other(s)->pair != NULL && other(s)->pair->state == TW_PAIR_ASKING) lost = true;
  } else {
    const bool failure = err == TW_ERR_NO_MEMORY || err == TW_ERR_RANDOM;
    TW_FUZZ_ASSERT(err == TW_ERR_PENDING || err == TW_ERR_STATE || (failure && tw_fuzz_has_failed()));
    TW_FUZZ_ASSERT(failure == (state == TW_PAIR_STEADY) && message.len == 0);
    snapshot(s, &after);
    TW_FUZZ_ASSERT(tw_bytes_equal(tw_buf_bytes(&before), tw_buf_bytes(&after)));
  }
  check_side(s);
  tw_buf_clear(&message);
}

/* As it is meant: what has not left yet never will. */
static void take_back(side *s) {
  if (s->pair == NULL) return;
  if (s->pair->state == TW_PAIR_LEADING || s->pair->state == TW_PAIR_YIELDING) {
    tw_pair_message_type type = TW_PAIR_CLIENT_HELLO;
    if (s->queued > 0) tw_fuzz_must(tw_pair_message_peek(tw_buf_bytes(&s->queue[s->queued - 1]), &type));
    /* Too late when a peer's update has lost against it. */
    if (s->pair->tie_met) disturbed = true;
    if (type == TW_PAIR_CONNECTION_UPDATE) {
      remove_at(s, s->queued - 1);
    } else {
      disturbed = true;
    }
  }
  tw_pair_take_back(s->pair);
  check_side(s);
}

/* ---- the next connection ---- */

static bool may_ask(const side *s) { return s->pair != NULL && s->pair->state >= TW_PAIR_STEADY; }

/* The peer's keys are seen in use; where they are not, nothing is promised. */
static void confirm(side *s) {
  if (s->pair == NULL) return;
  const tw_pair *peer = other(s)->pair;
  const tw_group *theirs = peer == NULL ? NULL : tw_pair_traffic_group(peer);
  const tw_group *ours = tw_pair_traffic_group(s->pair);
  const bool has_keys = theirs != NULL && ours != NULL && peer->state != TW_PAIR_ANSWERED &&
                        tw_bytes_equal(tw_group_epoch_authenticator(ours), tw_group_epoch_authenticator(theirs)) &&
                        tw_bytes_equal(tw_pair_context(s->pair), tw_pair_context(peer));
  if (s->pair->state == TW_PAIR_ANSWERED && !has_keys) disturbed = true;
  tw_pair_confirm(s->pair);
}

static void lose_all(void) {
  for (size_t i = 0; i < 2; i++) {
    while (sides[i].queued > 0) remove_at(&sides[i], 0);
    if (sides[i].pair != NULL) tw_pair_disconnect(sides[i].pair);
  }
  lost = true;
}

static bool ask(side *s) {
  static tw_buf before;
  static tw_buf after;
  tw_buf request = {0};
  snapshot(s, &before);
  const tw_pair_state state = s->pair->state;
  const tw_err err = tw_pair_resume(s->pair, now_ms, &request);
  if (err == TW_OK) {
    TW_FUZZ_ASSERT(s->pair->state == TW_PAIR_ASKING && request.len > 0);
    put(s, &request);
  } else {
    const bool failure = err == TW_ERR_NO_MEMORY || err == TW_ERR_RANDOM;
    TW_FUZZ_ASSERT(failure ? tw_fuzz_has_failed() : err == TW_ERR_STATE && !may_ask(s));
    snapshot(s, &after);
    /* A commit that was made and could not be sent has used up a message key of the epoch. */
    const bool key_used = failure && state == TW_PAIR_STEADY;
    TW_FUZZ_ASSERT(key_used || tw_bytes_equal(tw_buf_bytes(&before), tw_buf_bytes(&after)));
    TW_FUZZ_ASSERT(s->pair->state == state && request.len == 0);
  }
  check_side(s);
  tw_buf_clear(&request);
  return err == TW_OK;
}

/* All that was under way is gone; on what comes next they agree again, whatever had been lost. */
static void reconnect(side *s) {
  lose_all();
  if (s->pair == NULL || !ask(s)) return;
  const tw_pair *peer = other(s)->pair;
  if (peer != NULL && peer->group != NULL) lost = false;
}

/* Both at once: their requests meet on two connections, of which the second is the one that lives. */
static void ask_as_well(side *s) {
  if (s->pair == NULL || other(s)->queued != 1) return;
  tw_pair_message_type type;
  tw_fuzz_must(tw_pair_message_peek(tw_buf_bytes(&other(s)->queue[0]), &type));
  if (type == TW_PAIR_RESUMPTION_REQUEST) reconnect(s);
}

/* Somebody else opens a connection, with a request or response that came by. It costs what is under way, no more. */
static void attack(side *to, tw_reader *r) {
  tw_buf forged = {0};
  tw_pair_message message = {0};
  if (recorded == 0 || to->pair == NULL || to->pair->group == NULL) return;
  const tw_buf *source = &history[tw_read_u8(r) % (recorded < HISTORY ? recorded : HISTORY)];
  if (tw_pair_message_decode(tw_buf_bytes(source), &message) != TW_OK) return;
  if (message.type != TW_PAIR_RESUMPTION_REQUEST && message.type != TW_PAIR_RESUMPTION_RESPONSE) return;
  message.type = TW_PAIR_RESUMPTION_REQUEST;
  tw_fuzz_must(tw_pair_message_encode(&message, &forged));
  if (rogue) {
    intrude(to, tw_buf_bytes(&forged));
  } else if (give(to, tw_buf_bytes(&forged)) == TW_OK) {
    lose_all();
  }
  tw_buf_clear(&forged);
}

/* One more connection, after all that has happened. */
static void finish(void) {
  side *s = &sides[may_ask(&sides[0]) ? 0 : 1];
  if (disturbed || sides[0].pair == NULL || sides[1].pair == NULL) return;
  if (!may_ask(s) || other(s)->pair->group == NULL) return;
  reconnect(s);
  for (size_t i = 0; i < 2; i++) {
    deliver(s);
    deliver(other(s));
  }
  TW_FUZZ_ASSERT(!lost && sides[0].queued == 0 && sides[1].queued == 0);
  check_agreement();
}

static void reload(side *s) {
  static tw_buf saved;
  static tw_buf again;
  tw_pair *pair = NULL;
  if (s->pair == NULL) return;
  snapshot(s, &saved);
  const tw_err err = tw_pair_load(&s->config, tw_buf_bytes(&saved), &pair);
  TW_FUZZ_ASSERT(err == TW_OK || (tw_fuzz_has_failed() && (err == TW_ERR_NO_MEMORY || err == TW_ERR_RANDOM)));
  if (err != TW_OK) return;
  const bool asked_here = s->pair->state == TW_PAIR_ASKING && tw_pair_context(s->pair).len > 0;
  tw_pair_free(s->pair);
  s->pair = pair;
  snapshot(s, &again);
  TW_FUZZ_ASSERT(tw_bytes_equal(tw_buf_bytes(&saved), tw_buf_bytes(&again)));
  /* What has asked on a connection, and what may cross that, goes with it. */
  if (asked_here) lose_all();
}

static void reload_damaged(side *s, tw_reader *r) {
  static tw_buf saved;
  tw_pair *pair = NULL;
  if (s->pair == NULL) return;
  snapshot(s, &saved);
  if (tw_read_u8(r) & 1) {
    saved.len = tw_read_u16(r) % (saved.len + 1);
  } else {
    /* Most are about the beginning: the groups have a digest. */
    (void)tw_fuzz_edit(r, saved.ptr, saved.len < 100 ? saved.len : 100);
  }
  const tw_err err = tw_pair_load(&s->config, tw_buf_bytes(&saved), &pair);
  TW_FUZZ_ASSERT(tw_err_class_of(err) != TW_CLASS_INTERNAL && tw_err_class_of(err) != TW_CLASS_CALLER);
  TW_FUZZ_ASSERT((err == TW_OK) == (pair != NULL));
  if (err == TW_OK) {
    side damaged_side = *s;
    damaged_side.pair = pair;
    check_side(&damaged_side);
  }
  tw_pair_free(pair);
}

/* One action during which an allocation or a draw fails. */
static void fail_in(tw_reader *r) {
  const uint8_t n = tw_read_u8(r);
  const uint8_t then = tw_read_u8(r);
  side *s = &sides[then >> 7];
  tw_fuzz_fail(n & 128 ? 0 : (size_t)n * 2 + 1, n & 128 ? (n & 15) + 1u : 0);
  switch (then % 8) {
  case 0: start(s); break;
  case 1: deliver(s); break;
  case 2: update(s); break;
  case 4:
  case 5: reconnect(s); break;
  default: reload(s); break;
  }
  tw_fuzz_fail(0, 0);
}

static void act(tw_reader *r) {
  const uint8_t action = tw_read_u8(r);
  side *s = &sides[action >> 7];
  switch (action % 24) {
  case 0: start(s); break;
  case 1:
  case 2: deliver(s); break;
  case 3:
  case 4: update(s); break;
  case 5: confirm(s); break;
  case 6: take_back(s); break;
  case 7: reload(s); break;
  case 8: now_ms += (uint64_t)tw_read_u8(r) * 60000; break;
  case 9:
    if (s->queued > 0) {
      remove_at(s, 0);
      lost = true;
    }
    break;
  case 10: /* out of order */
    if (s->queued > 1) {
      const tw_buf first = s->queue[0];
      s->queue[0] = s->queue[1];
      s->queue[1] = first;
      disturbed = true;
    }
    break;
  case 11:
    if (recorded > 0) intrude(s, tw_buf_bytes(&history[tw_read_u8(r) % (recorded < HISTORY ? recorded : HISTORY)]));
    break;
  case 12:
    if (other(s)->queued > 0) damaged(s, tw_buf_bytes(&other(s)->queue[0]), r);
    break;
  case 13: forged_epoch(s, r); break;
  case 14: bent_update(s, r); break;
  case 15: bent_hello(r); break;
  case 16: reload_damaged(s, r); break;
  case 17: fail_in(r); break;
  case 18:
  case 19: reconnect(s); break;
  case 20: ask_as_well(s); break;
  case 21:
  case 22: attack(s, r); break;
  default:
    reload(s);
    reconnect(s);
    deliver(s);
    deliver(other(s));
    break;
  }
  check_agreement();
}

/* ---- beginning ---- */

static void clear(void) {
  for (size_t i = 0; i < 2; i++) {
    tw_pair_free(sides[i].pair);
    sides[i].pair = NULL;
    while (sides[i].queued > 0) remove_at(&sides[i], 0);
  }
  for (size_t i = 0; i < HISTORY; i++) {
    tw_buf_clear(&history[i]);
    tw_buf_clear(&early[i]);
  }
  recorded = early_taken = 0;
  disturbed = lost = rogue = false;
  now_ms = UINT64_C(1750000000000);
}

static void found(void) {
  static const char *const names[] = {"alice", "bob"};
  tw_fuzz_restart_apart();
  for (size_t i = 0; i < 2; i++) {
    tw_fuzz_party_init(&sides[i].party, names[i]);
    sides[i].config = (tw_pair_config){.clients = sides[i].party.clients,
                                       .client_count = 1,
                                       .label = TW_LITERAL("fuzz"),
                                       .parameters = i == 0 ? TW_LITERAL("of the first") : TW_NO_BYTES};
  }
  clear();
  start(&sides[INITIATOR]);
  deliver(&sides[INITIATOR]);
  deliver(&sides[RESPONDER]);
  tw_pair_confirm(sides[RESPONDER].pair);
  check_agreement();
  for (size_t i = 0; i < 2; i++) snapshot(&sides[i], &established[i]);
  clear();
}

static void seed(const char *name, tw_bytes actions) { tw_fuzz_write_seed(name, actions); }

/* An action of the first side is its number, of the second its number + 144, a multiple of 24. */
int LLVMFuzzerInitialize(int *argc, char ***argv) { /* NOLINT: the prototype that libFuzzer gives */
  (void)argc;
  (void)argv;
  found();
  if (tw_fuzz_seed_folder() == NULL) return 0;
  seed("hello", TW_LITERAL("\x00\x00\x01\x91\x95\x03\x01\x91"));
  seed("updates", TW_LITERAL("\x01\x03\x01\x91\x93\x91\x01\x08\x07\x03\x01\x91"));
  seed("tie", TW_LITERAL("\x01\x03\x93\x01\x91\x91\x07\x97"));
  seed("tie_first", TW_LITERAL("\x01\x03\x93\x91\x07\x01\x91\x93\x91\x01"));
  seed("take_back", TW_LITERAL("\x01\x03\x06\x93\x91\x01\x03\x01\x06"));
  seed("reload", TW_LITERAL("\x01\x03\x07\x01\x97\x91\x07\x10\x00\x01\x00\x0b\x01"));
  seed("lost", TW_LITERAL("\x01\x03\x09\x93\x91\x06\x93\x91\x01"));
  seed("again", TW_LITERAL("\x01\x03\x01\x9b\x00\x91\x0b\x01\x0b\x00"));
  seed("damaged", TW_LITERAL("\x01\x03\x9c\x00\x00\x01\x00\x80\x9c\x02\x00\x40\x9c\x05\x03\x01\x91"));
  seed("spliced", TW_LITERAL("\x01\x03\x01\x91\x03\x9c\x04\x00\x00\x80\x01\x91"));
  seed("forged", TW_LITERAL("\x01\x03\x0d\x02\x01\x0d\x01\x9d\x00"));
  seed("bent", TW_LITERAL("\x01\x0e\x00\x00\x0e\x00\x07\x00\x06\x00\x00\x00\x01\x00"));
  seed("remove", TW_LITERAL("\x01\x9e\x00\x06\x00\x03\x00\x00\x00\x01\x0e\x04\x00"));
  seed("bent_hello", TW_LITERAL("\x00\x00\x0f\x00\x00\x00\x0f\x01\x00\x00\x0f\x10\x00\x00\x0f\x40\x00\x00\x01\x91"));
  seed("resumed", TW_LITERAL("\x01\x12\x01\x91\x95\xa2\x91\x01\x05\x03\x01\x91"));
  seed("resumed_update", TW_LITERAL("\x01\x03\x01\x12\x01\x91\x95\x93\x17\x95"));
  seed("crossed", TW_LITERAL("\x01\x03\x93\xa2\x91\x01\x91\x05\x95"));
  seed("crossed_requests", TW_LITERAL("\x01\x12\xa4\x91\x01\x91\x95\x05"));
  seed("merged", TW_LITERAL("\x01\x12\x01\x91\x12\x01\x91\x95\x12\x01\xa2\x91\x01\x05"));
  seed("replayed", TW_LITERAL("\x01\x12\x01\xa5\x00\x91\xa5\x00\x95\x15\x01\x12\x01\x91"));
  seed("resumed_failures", TW_LITERAL("\x01\x11\x03\x04\x12\x11\x10\x01\x11\x20\x81\x01\x91\x95"));
  seed("failures",
       TW_LITERAL("\x00\x11\x03\x00\x00\x11\x10\x01\x11\x10\x91\x11\x10\x02\x11\x83\x02\x03\x11\x20\x01\x91"));
  tw_fuzz_seeds_done();
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  tw_reader r = tw_reader_of(TW_BYTES(data, size));
  tw_fuzz_restart();
  tw_fuzz_fail(0, 0);
  if (tw_read_u8(&r) & 1) {
    for (size_t i = 0; i < 2; i++)
      tw_fuzz_must(tw_pair_load(&sides[i].config, tw_buf_bytes(&established[i]), &sides[i].pair));
  }
  for (size_t i = 0; i < ACTIONS && tw_reader_more(&r); i++) act(&r);
  finish();
  clear();
  return 0;
}

/* Random histories of pairs: each history converges, by the model's transitions and by all of them. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "tw_cmocka.h"

#include <stdio.h>
#include <string.h>

#include "pair/pair_internal.h"
#include "pair/resumption.h"
#include "support/tw_test_moves.h"
#include "support/tw_test_pair.h"

enum { HISTORIES = 200, STEPS = 80, QUEUE = 4, INITIATOR = 0, RESPONDER = 1 };

static tw_test_pair t;
static tw_pair **const pairs[2] = {&t.initiator, &t.responder};
static tw_buf queue[2][QUEUE]; /* from each side, the oldest first */
static size_t queued[2];
static tw_buf response; /* the last one that was seen on the wire */
static uint64_t random_state;
static unsigned history, step;

static uint32_t pick(uint32_t below) {
  random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(random_state >> 33) % below;
}

#define HOLDS(condition)                                                                                               \
  do {                                                                                                                 \
    if (!(condition)) fail_msg("history %u, step %u: line %d: %s", history, step, __LINE__, #condition);               \
  } while (0)

/* ---- the table ---- */

/* What a transition of the table does, if anything. */
static bool does_something(tw_pair_state state, tw_pair_input input) {
  const tw_pair_action action = tw_pair_machine_step(state, input).action;
  return action > TW_PAIR_DO_NOTHING;
}

static void note(tw_pair_state before, tw_pair_input input, const tw_pair *pair, bool done) {
  const tw_pair_step expected = tw_pair_machine_step(before, input);
  HOLDS(pair->state == (done ? expected.next : before));
}

/* ---- steps, as the table has them ---- */

static void put(unsigned side, tw_buf *message) {
  tw_pair_message_type type;
  if (message->len == 0) return;
  HOLDS(tw_pair_message_peek(tw_buf_bytes(message), &type) == TW_OK && queued[side] < QUEUE);
  if (type == TW_PAIR_RESUMPTION_RESPONSE) {
    response.len = 0;
    assert_int_equal(tw_buf_append(&response, tw_buf_bytes(message)), TW_OK);
  }
  queue[side][queued[side]++] = *message;
  *message = (tw_buf){0};
}

static tw_buf take(unsigned side, size_t at) {
  const tw_buf first = queue[side][at];
  for (size_t i = at; i + 1 < queued[side]; i++) queue[side][i] = queue[side][i + 1];
  queued[side]--;
  return first;
}

static tw_err receive(unsigned side, tw_bytes message) {
  tw_pair *pair = *pairs[side];
  const tw_pair_state before = pair->state;
  tw_buf reply = tw_test_pair_buf(&t);
  tw_pair_event event = {0};
  tw_pair_message decoded;
  assert_int_equal(tw_pair_message_decode(message, &decoded), TW_OK);
  tw_pair_input input = (tw_pair_input)decoded.type;
  if (decoded.type == TW_PAIR_RESUMPTION_REQUEST) HOLDS(tw_pair_request_input(pair, &decoded, &input) == TW_OK);
  const tw_err err = tw_pair_receive(pair, message, TW_TEST_NOW_MS, &reply, &event);
  note(before, input, pair, err == TW_OK);
  put(side, &reply);
  return err;
}

static void update(unsigned side) {
  tw_pair *pair = *pairs[side];
  const tw_pair_state before = pair->state;
  tw_buf message = tw_test_pair_buf(&t);
  const tw_err err = tw_pair_update(pair, TW_TEST_NOW_MS, &message);
  note(before, side == INITIATOR ? TW_PAIR_IN_UPDATE_AS_INITIATOR : TW_PAIR_IN_UPDATE_AS_RESPONDER, pair, err == TW_OK);
  put(side, &message);
}

static void confirm(unsigned side) {
  const tw_pair_state before = (*pairs[side])->state;
  const bool changed = tw_pair_confirm(*pairs[side]);
  note(before, TW_PAIR_IN_CONFIRM, *pairs[side], true);
  HOLDS(changed == does_something(before, TW_PAIR_IN_CONFIRM));
}

static void take_back(unsigned side) {
  const tw_pair_state before = (*pairs[side])->state;
  tw_pair_take_back(*pairs[side]);
  note(before, TW_PAIR_IN_TAKE_BACK, *pairs[side], true);
}

static void lose_all(void) {
  for (unsigned side = 0; side < 2; side++) {
    while (queued[side] > 0) {
      tw_buf lost = take(side, 0);
      tw_buf_clear(&lost);
    }
    tw_pair_disconnect(*pairs[side]);
  }
}

static void resume(unsigned side) {
  tw_pair *pair = *pairs[side];
  const tw_pair_state before = pair->state;
  tw_buf message = tw_test_pair_buf(&t);
  const tw_err err = tw_pair_resume(pair, TW_TEST_NOW_MS, &message);
  HOLDS((err == TW_OK) == does_something(before, TW_PAIR_IN_RESUME));
  note(before, TW_PAIR_IN_RESUME, pair, err == TW_OK);
  put(side, &message);
}

/* ---- what a connection provides for ---- */

/* Both protect with the same keys. */
static bool has_same_keys(void) {
  const tw_group *a = tw_pair_traffic_group(t.initiator), *b = tw_pair_traffic_group(t.responder);
  if (a == NULL || b == NULL || !tw_bytes_equal(tw_pair_context(t.initiator), tw_pair_context(t.responder)))
    return false;
  return tw_bytes_equal(tw_group_epoch_authenticator(a), tw_group_epoch_authenticator(b));
}

/* A message that arrives is taken, but for a request that meets one in the other direction. */
static void deliver(unsigned from) {
  if (queued[from] == 0) return;
  tw_buf message = take(from, 0);
  tw_pair_message_type type;
  assert_int_equal(tw_pair_message_peek(tw_buf_bytes(&message), &type), TW_OK);
  const bool was_asked = type >= TW_PAIR_RESUMPTION_REQUEST;
  /* Whatever is not in sight shows by its keys that the sender has them. */
  if (!was_asked && (*pairs[1 - from])->state != TW_PAIR_HELLO_SENT) confirm(1 - from);
  const tw_err err = receive(1 - from, tw_buf_bytes(&message));
  if (err != TW_OK && !was_asked) fail_msg("history %u, step %u: %s", history, step, tw_err_text(err));
  tw_buf_clear(&message);
}

/* The update that has not left yet never will. */
static void change_mind(unsigned side) {
  tw_pair_message_type type = TW_PAIR_CLIENT_HELLO;
  if ((*pairs[side])->tie_met) return;
  if (queued[side] > 0) {
    const tw_buf *last = &queue[side][queued[side] - 1];
    assert_int_equal(tw_pair_message_peek(tw_buf_bytes(last), &type), TW_OK);
  }
  const bool waiting = (*pairs[side])->state == TW_PAIR_LEADING || (*pairs[side])->state == TW_PAIR_YIELDING;
  if (waiting != (type == TW_PAIR_CONNECTION_UPDATE)) return;
  if (waiting) {
    tw_buf message = take(side, queued[side] - 1);
    tw_buf_clear(&message);
  }
  take_back(side);
}

/* The connection is gone; one side asks on the next one, or both do at once. */
static void reconnect(void) {
  lose_all();
  if (pick(2) == 0) tw_test_pair_reload(&t, &t.initiator, &t.alice_config);
  if (pick(2) == 0) tw_test_pair_reload(&t, &t.responder, &t.bob_config);
  /* A responder that nobody has confirmed cannot ask. */
  const bool alone = (*pairs[RESPONDER])->state == TW_PAIR_UNCONFIRMED;
  const unsigned side = alone ? INITIATOR : pick(2);
  resume(side);
  if (!alone && pick(4) == 0) resume(1 - side);
}

/* The last response, sent as a request to whom it was for. */
static void forge(void) {
  const size_t head = 4 + TW_PAIR_NONCE;
  if (response.len == 0) return;
  lose_all();
  tw_buf forged = tw_test_pair_buf(&t);
  assert_int_equal(tw_buf_append(&forged, TW_BYTES(response.ptr, head)), TW_OK);
  assert_int_equal(tw_buf_append(&forged, TW_BYTES(response.ptr + head + 1, response.len - head - 1)), TW_OK);
  forged.ptr[3] = TW_PAIR_RESUMPTION_REQUEST;
  const unsigned side = pick(2);
  (void)receive(side, tw_buf_bytes(&forged));
  lose_all();
  tw_test_pair_reload(&t, pairs[side], side == INITIATOR ? &t.alice_config : &t.bob_config);
  if ((*pairs[1 - side])->state != TW_PAIR_UNCONFIRMED) resume(1 - side);
  tw_buf_clear(&forged);
}

static void act(void) {
  const unsigned side = pick(2);
  const uint32_t what = pick(32);
  if (what < 16) {
    deliver(side);
  } else if (what < 20) {
    if (has_same_keys()) confirm(side);
  } else if (what < 26) {
    if (has_same_keys() && queued[side] < QUEUE - 1 && (*pairs[side])->state != TW_PAIR_ASKING) update(side);
  } else if (what < 27) {
    change_mind(side);
  } else if (what < 31) {
    reconnect();
  } else {
    forge();
  }
}

/* ---- histories ---- */

static void begin(void) {
  tw_buf hello = tw_test_pair_buf(&t), welcome = tw_test_pair_buf(&t);
  tw_test_env_reseed(&t.test, history);
  assert_int_equal(tw_pair_initiate(&t.alice_config, TW_TEST_NOW_MS, &t.initiator, &hello), TW_OK);
  assert_int_equal(tw_pair_respond(&t.bob_config, tw_buf_bytes(&hello), TW_TEST_NOW_MS, &t.responder, &welcome), TW_OK);
  put(RESPONDER, &welcome);
  deliver(RESPONDER);
  tw_buf_clear(&hello);
}

/* One more connection, on which nothing is lost, brings both together. */
static void finish(void) {
  lose_all();
  const unsigned side = (*pairs[RESPONDER])->state == TW_PAIR_UNCONFIRMED ? INITIATOR : pick(2);
  resume(side);
  for (unsigned i = 0; i < 2; i++) {
    deliver(side);
    deliver(1 - side);
  }
  HOLDS(queued[0] == 0 && queued[1] == 0 && has_same_keys());
  confirm(INITIATOR);
  confirm(RESPONDER);
  tw_test_pair_same_epoch(&t);
  tw_pair_free(t.initiator);
  tw_pair_free(t.responder);
  t.initiator = t.responder = NULL;
  tw_buf_clear(&response);
}

static void every_history_converges(void **state) {
  (void)state;
  tw_test_pair_begin(&t, tw_suite_by_id(NULL, 1));
  response.alloc = &t.test.alloc;
  const unsigned histories = tw_test_rounds(HISTORIES, 4);
  for (history = 1; history <= histories; history++) {
    random_state = history;
    begin();
    for (step = 0; step < STEPS; step++) act();
    finish();
  }
  tw_test_pair_end(&t);
}

static void every_transition_of_the_model_is_taken(void **state) {
  (void)state;
  if (tw_test_rounds(1, 0) == 0) skip(); /* too few histories */
  tw_test_pair_moves_are_all();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_history_converges),
      cmocka_unit_test(every_transition_of_the_model_is_taken),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

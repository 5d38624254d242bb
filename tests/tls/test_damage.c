/* Damaged, replayed and misused messages of TLS+MLS: nobody is fooled. SPDX-License-Identifier: Apache-2.0 */
#include "tls/tls_kit.h"

#include <string.h>

#include "codec/writer.h"
#include "tls/envelope.h"

/* test_every_bit.c has all of them, here it is one in each byte. */
#ifndef EVERY_BIT
#define EVERY_BIT 0
#endif

enum { MLS = 0xff4d, BAD_RECORD_MAC = 20 };

static int setup(void **state) {
  (void)state;
  tw_test_tls_init(&both, tw_suite_by_name("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"));
  return 0;
}

static bool is_done(const tw_test_tls_side *side) {
  return side->tls != NULL && tw_tls_state_of(side->tls) == TW_TLS_DONE;
}

/* ---- one message is changed ---- */

typedef struct damage {
  const tw_test_tls_side *from;
  size_t index;
  size_t at;    /* byte */
  uint8_t bits; /* 0: cut there */
  bool done;    /* the message was long enough */
} damage;

static void do_damage(void *ctx, const tw_test_tls_side *from, size_t index, tw_buf *message) {
  damage *what = ctx;
  if (from != what->from || index != what->index || what->at >= message->len) return;
  what->done = true;
  if (what->bits != 0) {
    message->ptr[what->at] ^= what->bits;
    return;
  }
  message->len = what->at;
  message->ptr[2] = (uint8_t)((what->at - 4) >> 8);
  message->ptr[3] = (uint8_t)(what->at - 4);
}

/* False when the message is not that long. */
static bool nobody_is_fooled(damage what) {
  both.tamper = do_damage;
  both.tamper_ctx = &what;
  tw_test_tls_open(&both);
  tw_test_tls_run(&both);
  if (what.done) {
    assert_false(is_done(alice) && is_done(bob));
    /* The client's Finished is all that the server still waits for when the client is done. */
    assert_true(!is_done(alice) || what.from == alice);
    assert_false(is_done(bob));
    const tw_test_tls_side *const sides[] = {alice, bob};
    for (size_t i = 0; i < 2; i++) {
      const tw_test_tls_side *side = sides[i];
      assert_int_not_equal(tw_err_class_of(side->err), TW_CLASS_INTERNAL);
      assert_int_not_equal(tw_err_class_of(side->err), TW_CLASS_RESOURCE);
      if (side->err != TW_OK && side->err != TW_ERR_ALERT) {
        assert_int_not_equal(side->alert_sent, 0);
        assert_int_not_equal(side->alert_sent, TW_ALERT_INTERNAL_ERROR);
      }
    }
  }
  tw_test_tls_close(&both);
  both.tamper = NULL;
  return what.done;
}

static const struct {
  bool by_alice;
  size_t index;
} messages[] = {{true, 0}, {false, 0}, {false, 1}, {false, 2}, {true, 1}};

static void no_flipped_bit_is_overlooked(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
    const tw_test_tls_side *from = messages[i].by_alice ? alice : bob;
    /* A header that says more than there is would be waited for. */
    bool more = true;
    for (size_t at = 4; more; at += tw_test_rounds(1, 23)) {
      const unsigned first = EVERY_BIT ? 0 : at % 8;
      for (unsigned bit = first; more && bit < (EVERY_BIT ? 8 : first + 1); bit++) {
        more = nobody_is_fooled((damage){from, messages[i].index, at, (uint8_t)(1u << bit), false});
      }
    }
  }
}

static void no_cut_is_overlooked(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
    const tw_test_tls_side *from = messages[i].by_alice ? alice : bob;
    size_t at = 4;
    while (nobody_is_fooled((damage){from, messages[i].index, at, 0, false})) at += tw_test_rounds(1, 23);
  }
}

static void flipped_types_are_refused(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
    for (unsigned bit = 0; bit < 8; bit++) {
      const damage what = {messages[i].by_alice ? alice : bob, messages[i].index, 0, (uint8_t)(1u << bit), false};
      assert_true(nobody_is_fooled(what));
    }
  }
}

/* ---- the client's words are authenticated ---- */

static void rename_server(void *ctx, const tw_test_tls_side *from, size_t index, tw_buf *message) {
  (void)ctx;
  if (from == alice && index == 0) {
    tw_test_tls_set_extension(message, TW_TLS_EXT_SERVER_NAME, TW_LITERAL("\0\4\0\0\1b"));
  }
}

static void change_protocols(void *ctx, const tw_test_tls_side *from, size_t index, tw_buf *message) {
  (void)ctx;
  if (from == alice && index == 0) tw_test_tls_set_extension(message, TW_TLS_EXT_ALPN, TW_LITERAL("\0\2\1b"));
}

static void a_changed_name_or_protocol_shows(void **state) {
  (void)state;
  const tw_bytes names[] = {TW_LITERAL("a")};
  const tw_bytes offered[] = {TW_LITERAL("a"), TW_LITERAL("b")};
  alice->config.server_names = names;
  alice->config.server_name_count = 1;
  alice->config.protocols = bob->config.protocols = offered;
  alice->config.protocol_count = bob->config.protocol_count = 2;
  void (*const changes[])(void *, const tw_test_tls_side *, size_t, tw_buf *) = {rename_server, change_protocols};
  for (size_t i = 0; i < 2; i++) {
    both.tamper = changes[i];
    tw_test_tls_open(&both);
    tw_test_tls_run(&both);
    /* The transcript is in the handshake keys already. */
    assert_int_equal(alice->err, TW_ERR_DECRYPT);
    assert_int_equal(alice->alert_sent, BAD_RECORD_MAC);
    assert_int_equal(bob->err, TW_ERR_DECRYPT);
    tw_test_tls_close(&both);
  }
}

/* ---- replays ---- */

/* All that alice has to say now. */
static void say(tw_buf *flight) {
  tw_test_tls_steps(alice);
  assert_int_equal(tw_buf_assign(flight, tw_buf_bytes(&alice->wire)), TW_OK);
}

static void a_replayed_client_hello_never_completes(void **state) {
  (void)state;
  tw_buf first = {0}, second = {0};
  tw_test_tls_open(&both);
  assert_int_equal(tw_tls_client_start(alice->tls, TW_NO_BYTES), TW_OK);
  say(&first);
  tw_test_tls_give(bob, tw_buf_bytes(&first));
  alice->wire.len = 0;
  tw_test_tls_give(alice, tw_buf_bytes(&bob->wire));
  say(&second);
  assert_true(is_done(alice));
  tw_test_tls_give(bob, tw_buf_bytes(&second));
  assert_true(is_done(bob));
  tw_test_tls_close(&both);
  /* The same bytes once more, at a server that knows nothing of the first time. */
  tw_test_tls_open(&both);
  tw_test_tls_give(bob, tw_buf_bytes(&first));
  assert_int_equal(tw_tls_state_of(bob->tls), TW_TLS_WAIT_CLIENT_FINISHED);
  tw_test_tls_give(bob, tw_buf_bytes(&second));
  assert_int_equal(bob->err, TW_ERR_DECRYPT);
  assert_false(is_done(bob));
  tw_pair_status status;
  tw_pair_get_status(tw_tls_pair(bob->tls), &status);
  assert_int_equal(status.state, TW_PAIR_UNCONFIRMED);
  tw_buf_clear(&first);
  tw_buf_clear(&second);
}

static void a_replayed_server_flight_is_for_somebody_else(void **state) {
  (void)state;
  tw_buf flight = {0};
  tw_test_tls_open(&both);
  assert_int_equal(tw_tls_client_start(alice->tls, TW_NO_BYTES), TW_OK);
  tw_test_tls_steps(alice);
  tw_test_tls_give(bob, tw_buf_bytes(&alice->wire));
  assert_int_equal(tw_buf_assign(&flight, tw_buf_bytes(&bob->first_message)), TW_OK);
  tw_test_tls_close(&both);
  tw_test_tls_open(&both);
  assert_int_equal(tw_tls_client_start(alice->tls, TW_NO_BYTES), TW_OK);
  tw_test_tls_steps(alice);
  /* With the session id that this client has sent, which anybody can see. */
  memcpy(flight.ptr + 39, alice->first_message.ptr + 39, 32);
  assert_int_equal(tw_tls_receive(alice->tls, TW_TLS_PLAIN, tw_buf_bytes(&flight), true, both.now_ms),
                   TW_ERR_WRONG_GROUP);
  assert_int_equal(tw_tls_alert_told(alice->tls), TW_ALERT_ILLEGAL_PARAMETER);
  tw_buf_clear(&flight);
}

/* ---- keys of another protocol (D7) ---- */

static tw_buf foreign;

static void put_foreign(void *ctx, const tw_test_tls_side *from, size_t index, tw_buf *message) {
  (void)ctx;
  if (from == alice && index == 0) tw_test_tls_set_extension(message, MLS, tw_buf_bytes(&foreign));
}

static void a_key_package_of_mls_tls_is_refused(void **state) {
  (void)state;
  tw_pair *pair;
  tw_buf hello = {0};
  tw_bytes bare;
  tw_pair_config config = {.clients = alice->party.clients, .client_count = 1, .label = TW_LITERAL("mls-tls")};
  assert_int_equal(tw_pair_initiate(&config, both.now_ms, &pair, &hello), TW_OK);
  assert_int_equal(tw_tls_unwrap(tw_buf_bytes(&hello), TW_PAIR_CLIENT_HELLO, &bare), TW_OK);
  assert_int_equal(tw_buf_append(&foreign, bare), TW_OK);
  both.tamper = put_foreign;
  tw_test_tls_open(&both);
  tw_test_tls_run(&both);
  assert_int_equal(bob->err, TW_ERR_BINDING);
  assert_int_equal(bob->alert_sent, TW_ALERT_HANDSHAKE_FAILURE);
  tw_pair_free(pair);
  tw_buf_clear(&hello);
  tw_buf_clear(&foreign);
}

static void mls_tls_refuses_ours(void **state) {
  (void)state;
  tw_pair *pair = NULL;
  tw_buf hello = {0}, reply = {0};
  tw_pair_config config = {.clients = bob->party.clients, .client_count = 1, .label = TW_LITERAL("mls-tls")};
  tw_test_tls_open(&both);
  assert_int_equal(tw_tls_wrap(tw_tls_client_extension(alice->tls), TW_PAIR_CLIENT_HELLO, &hello), TW_OK);
  assert_int_equal(tw_pair_respond(&config, tw_buf_bytes(&hello), both.now_ms, &pair, &reply), TW_ERR_BINDING);
  config.label = TW_LITERAL("tls13");
  assert_int_equal(tw_pair_respond(&config, tw_buf_bytes(&hello), both.now_ms, &pair, &reply), TW_OK);
  tw_pair_free(pair);
  tw_buf_clear(&hello);
  tw_buf_clear(&reply);
}

/* ---- memory and randomness run out ---- */

static void open_and_run(void) {
  alice->err = tw_tls_client_new(&alice->config, both.now_ms, &alice->tls);
  if (alice->err == TW_OK) bob->err = tw_tls_server_new(&bob->config, &bob->tls);
  if (alice->err == TW_OK && bob->err == TW_OK) tw_test_tls_run(&both);
}

static void set_everything(bool retry) {
  static const tw_bytes names[] = {TW_LITERAL("server.example")};
  static const tw_bytes offered[] = {TW_LITERAL("h2")};
  alice->config.server_names = names;
  alice->config.server_name_count = 1;
  alice->config.protocols = bob->config.protocols = offered;
  alice->config.protocol_count = bob->config.protocol_count = 1;
  alice->config.record_size_limit = bob->config.record_size_limit = 1000;
  bob->config.retry = retry;
  bob->config.cookie_key = TW_LITERAL("0123456789abcdef0123456789abcdef");
}

/* What failed was told as what it is, and nothing is left behind (tw_test_env_clear looks). */
static void one_has_failed(tw_err err) {
  assert_true((alice->err == err) != (bob->err == err));
  const tw_test_tls_side *failed = alice->err == err ? alice : bob;
  if (failed->tls != NULL && tw_tls_state_of(failed->tls) == TW_TLS_FAILED) {
    assert_int_equal(failed->alert_sent, TW_ALERT_INTERNAL_ERROR);
  }
  assert_false(is_done(alice) && is_done(bob));
}

static void a_failing_allocator_is_survived(void **state) {
  (void)state;
  for (unsigned retry = 0; retry < 2; retry++) {
    set_everything(retry == 1);
    for (size_t n = 1;; n += tw_test_rounds(1, 7)) {
      tw_test_fail_alloc(&both.test, n);
      open_and_run();
      if (!both.test.alloc_failed) break;
      one_has_failed(TW_ERR_NO_MEMORY);
      tw_test_tls_close(&both);
    }
    tw_test_fail_alloc(&both.test, 0);
    assert_true(is_done(alice) && is_done(bob));
    tw_test_tls_close(&both);
  }
}

static void failing_randomness_is_survived(void **state) {
  (void)state;
  size_t n = 1;
  set_everything(true);
  for (;; n++) {
    tw_test_fail_random(&both.test, n);
    open_and_run();
    if (!both.test.random_failed) break;
    one_has_failed(TW_ERR_RANDOM);
    tw_test_tls_close(&both);
  }
  assert_true(n > 6);
  tw_test_fail_random(&both.test, 0);
  assert_true(is_done(alice) && is_done(bob));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(no_flipped_bit_is_overlooked, setup, teardown),
      cmocka_unit_test_setup_teardown(no_cut_is_overlooked, setup, teardown),
      cmocka_unit_test_setup_teardown(flipped_types_are_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(a_changed_name_or_protocol_shows, setup, teardown),
      cmocka_unit_test_setup_teardown(a_replayed_client_hello_never_completes, setup, teardown),
      cmocka_unit_test_setup_teardown(a_replayed_server_flight_is_for_somebody_else, setup, teardown),
      cmocka_unit_test_setup_teardown(a_key_package_of_mls_tls_is_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(mls_tls_refuses_ours, setup, teardown),
      cmocka_unit_test_setup_teardown(a_failing_allocator_is_survived, setup, teardown),
      cmocka_unit_test_setup_teardown(failing_randomness_is_survived, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

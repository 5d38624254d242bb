/* Security associations: reservation, limits, failures. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <pthread.h>
#include <string.h>

#include "crypto/provider.h"
#include "support/esp_kit.h"

static tw_test_env test;
static tw_esp_keys keys;
static uint8_t packet[TW_ESP_PACKET_MAX];

static int setup(void **state) {
  (void)state;
  tw_test_env_init(&test, 1);
  keys = (tw_esp_keys){.suite = tw_suite_by_id(&test.env, 1), .spi = TW_KIT_SPI, .key = {1}, .salt = {2}};
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tw_test_env_clear(&test);
  return 0;
}

static tw_esp_out make_out(tw_esp_mark from) {
  tw_esp_out out = {0};
  assert_int_equal(tw_esp_out_init(&test.env, &keys, from, &out), TW_OK);
  return out;
}

static tw_err seal(tw_esp_out *out, size_t len) { return tw_esp_seal(out, TW_ESP_NEXT_IPV4, packet, len, 0); }

/* Refused, and the packet is as it was. */
static void is_refused(tw_esp_out *out) {
  const tw_esp_out before = *out;
  memset(packet, 9, 64);
  assert_int_equal(seal(out, 8), TW_ERR_KEY_LIMIT);
  for (size_t i = 0; i < 64; i++) assert_int_equal(packet[i], 9);
  assert_memory_equal(&before, out, sizeof before);
}

static void nothing_is_sealed_before_numbers_are_reserved(void **state) {
  (void)state;
  tw_esp_out out = make_out(TW_ESP_MARK_FRESH);
  assert_int_equal(tw_esp_out_left(&out), 0);
  is_refused(&out);
  const tw_esp_mark mark = tw_esp_out_reserve(&out, 3);
  assert_true(mark.next == 4);
  is_refused(&out); /* not before it is durable */
  assert_int_equal(tw_esp_out_extend(&out, mark), TW_OK);
  assert_int_equal(tw_esp_out_left(&out), 3);
  for (size_t i = 0; i < 3; i++) assert_int_equal(seal(&out, 8), TW_OK);
  is_refused(&out);
  assert_false(tw_esp_out_is_used_up(&out));
  assert_int_equal(tw_esp_out_extend(&out, (tw_esp_mark){.next = 3}), TW_ERR_ARGUMENT);
  assert_int_equal(tw_esp_out_extend(&out, tw_esp_out_reserve(&out, 1)), TW_OK);
  assert_int_equal(seal(&out, 8), TW_OK);
  is_refused(&out);
  tw_esp_out_clear(&out);
}

/* What was sealed between asking for numbers and getting them is within the mark, too. */
static void after_a_restart_no_number_comes_again_and_no_byte_is_forgotten(void **state) {
  (void)state;
  tw_esp_mark saved = TW_ESP_MARK_FRESH;
  uint64_t used = 0;
  uint64_t bytes = 0;
  for (unsigned restart = 0; restart < 50; restart++) {
    tw_esp_out out = make_out(saved);
    for (unsigned block = 0; block < restart % 4; block++) {
      saved = tw_esp_out_reserve(&out, 10);
      const unsigned meanwhile = restart % 11;
      for (unsigned i = 0; i < 10; i++) {
        if (i == meanwhile || tw_esp_out_left(&out) == 0) assert_int_equal(tw_esp_out_extend(&out, saved), TW_OK);
        assert_true(out.next > used);
        used = out.next;
        const size_t len = block == 1 ? TW_ESP_PAYLOAD_MAX : restart;
        bytes += len + TW_ESP_TRAILER;
        assert_int_equal(seal(&out, len), TW_OK);
        assert_true(used < saved.next && bytes <= saved.bytes);
      }
    }
    tw_esp_out_clear(&out);
  }
}

static void limits_are_those_of_the_aead(void **state) {
  (void)state;
  for (uint16_t id = 1; id <= 7; id++) {
    const tw_suite *suite = tw_suite_by_id(&test.env, id);
    const tw_esp_limits *limits = tw_esp_limits_of(suite);
    const bool is_gcm = suite->aead->id != 3;
    assert_true(limits->packets == UINT64_C(1) << (is_gcm ? 32 : 46));
    assert_true(limits->bytes == UINT64_C(1) << (is_gcm ? 40 : 62));
    assert_true(limits->forged == UINT64_C(1) << (is_gcm ? 36 : 34));
    assert_true(limits->rekey_packets <= limits->packets / 2 && limits->rekey_bytes <= limits->bytes / 2);
  }
}

static void the_last_packet_is_the_limit_s(void **state) {
  (void)state;
  const uint64_t last = tw_esp_limits_of(keys.suite)->packets;
  tw_esp_out out = make_out((tw_esp_mark){.next = last - 1});
  assert_int_equal(tw_esp_out_extend(&out, tw_esp_out_reserve(&out, 1000)), TW_OK);
  assert_int_equal(tw_esp_out_left(&out), 2);
  assert_int_equal(seal(&out, 8), TW_OK);
  assert_false(tw_esp_out_is_used_up(&out));
  tw_esp_in in = {0};
  assert_int_equal(tw_esp_in_init(&test.env, &keys, last - 1, &in), TW_OK);
  assert_int_equal(seal(&out, 8), TW_OK);
  tw_esp_opened opened;
  assert_int_equal(tw_esp_open(&in, packet, tw_esp_size(8, 0), &opened), TW_OK);
  assert_true(opened.number == last);
  assert_true(tw_esp_out_is_used_up(&out));
  is_refused(&out);
  /* Not even with more reserved than there is. */
  assert_true(tw_esp_out_reserve(&out, UINT64_MAX).next == last + 1);
  assert_int_equal(tw_esp_out_extend(&out, (tw_esp_mark){.next = UINT64_MAX}), TW_OK);
  is_refused(&out);
  tw_esp_out_clear(&out);
  tw_esp_in_clear(&in);
}

static void a_receiver_takes_nothing_past_the_limit(void **state) {
  (void)state;
  const uint64_t last = tw_esp_limits_of(keys.suite)->packets;
  tw_esp_out out = make_out((tw_esp_mark){.next = last + 1});
  out.limits.packets = UINT64_MAX;
  assert_int_equal(tw_esp_out_extend(&out, tw_esp_out_reserve(&out, 1000)), TW_OK);
  tw_esp_in in = {0};
  assert_int_equal(tw_esp_in_init(&test.env, &keys, last - 1, &in), TW_OK);
  assert_int_equal(seal(&out, 8), TW_OK);
  tw_esp_opened opened;
  assert_int_equal(tw_esp_open(&in, packet, tw_esp_size(8, 0), &opened), TW_ERR_OLD_GENERATION);
  tw_esp_out_clear(&out);
  tw_esp_in_clear(&in);
}

static void the_number_never_wraps(void **state) {
  (void)state;
  tw_esp_out out = make_out((tw_esp_mark){.next = UINT64_MAX - 1});
  out.limits.packets = UINT64_MAX;
  assert_int_equal(tw_esp_out_extend(&out, tw_esp_out_reserve(&out, UINT64_MAX)), TW_OK);
  assert_int_equal(seal(&out, 8), TW_OK);
  is_refused(&out);
  assert_true(out.next == UINT64_MAX);
  assert_true(tw_esp_out_is_used_up(&out));
  assert_true(tw_esp_out_reserve(&out, 5).next == UINT64_MAX);
  tw_esp_out_clear(&out);
}

static void bytes_are_limited_too(void **state) {
  (void)state;
  const uint64_t most = tw_esp_limits_of(keys.suite)->bytes;
  tw_esp_out out = make_out((tw_esp_mark){.next = 1, .bytes = most - 32});
  assert_int_equal(tw_esp_out_extend(&out, tw_esp_out_reserve(&out, 1000)), TW_OK);
  assert_true(tw_esp_out_wants_rekey(&out));
  assert_int_equal(seal(&out, 3), TW_OK); /* a block each: 8 bytes of payload and trailer */
  assert_true(out.bytes == most - 16);
  assert_false(tw_esp_out_is_used_up(&out));
  assert_int_equal(seal(&out, 3), TW_OK);
  assert_true(tw_esp_out_is_used_up(&out));
  is_refused(&out);
  tw_esp_out_clear(&out);
}

static void new_keys_are_asked_for_in_time(void **state) {
  (void)state;
  const tw_esp_limits *limits = tw_esp_limits_of(keys.suite);
  tw_esp_out out = make_out(TW_ESP_MARK_FRESH);
  assert_false(tw_esp_out_wants_rekey(&out));
  out.next = limits->rekey_packets;
  assert_false(tw_esp_out_wants_rekey(&out));
  out.next++;
  assert_true(tw_esp_out_wants_rekey(&out));
  out.next = 1;
  out.bytes = limits->rekey_bytes - 1;
  assert_false(tw_esp_out_wants_rekey(&out));
  out.bytes++;
  assert_true(tw_esp_out_wants_rekey(&out));
  tw_esp_out_clear(&out);
}

static void too_many_forgeries_end_a_receiving_sa(void **state) {
  (void)state;
  tw_esp_out out = make_out(TW_ESP_MARK_FRESH);
  tw_esp_in in = {0};
  tw_esp_opened opened;
  assert_int_equal(tw_esp_in_init(&test.env, &keys, 0, &in), TW_OK);
  in.limits.forged = 4;
  assert_int_equal(tw_esp_out_extend(&out, tw_esp_out_reserve(&out, 1000)), TW_OK);
  for (unsigned i = 0; i < 4; i++) {
    assert_int_equal(tw_esp_in_wants_rekey(&in), i >= 2);
    assert_int_equal(seal(&out, 8), TW_OK);
    packet[9] ^= 1;
    assert_int_equal(tw_esp_open(&in, packet, tw_esp_size(8, 0), &opened), TW_ERR_DECRYPT);
  }
  assert_int_equal(seal(&out, 8), TW_OK);
  assert_int_equal(tw_esp_open(&in, packet, tw_esp_size(8, 0), &opened), TW_ERR_KEY_LIMIT);
  tw_esp_out_clear(&out);
  tw_esp_in_clear(&in);
}

static void no_memory_leaves_no_sa(void **state) {
  (void)state;
  tw_esp_out out = {0};
  tw_esp_in in = {0};
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&test, n);
    const tw_err err = tw_esp_out_init(&test.env, &keys, TW_ESP_MARK_FRESH, &out);
    if (!test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_null(out.aead);
  }
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&test, n);
    const tw_err err = tw_esp_in_init(&test.env, &keys, 0, &in);
    if (!test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_null(in.aead);
  }
  tw_test_fail_alloc(&test, 0);
  assert_int_equal(tw_esp_out_init(&test.env, &keys, (tw_esp_mark){.next = 0}, &out), TW_ERR_ARGUMENT);
  for (unsigned twice = 0; twice < 2; twice++) {
    tw_esp_out_clear(&out);
    tw_esp_in_clear(&in);
  }
}

static tw_err broken_seal(tw_aead_key *key, const uint8_t *nonce, tw_bytes aad, tw_bytes plaintext, uint8_t *out) {
  (void)key;
  (void)nonce;
  (void)aad;
  memset(out, 0, plaintext.len + TW_ESP_ICV);
  return TW_ERR_INTERNAL;
}

static void a_number_is_used_up_even_if_sealing_fails(void **state) {
  (void)state;
  tw_esp_out out = make_out(TW_ESP_MARK_FRESH);
  assert_int_equal(tw_esp_out_extend(&out, tw_esp_out_reserve(&out, 10)), TW_OK);
  const tw_provider_ops *real = out.aead->ops;
  tw_provider_ops broken = *real;
  broken.aead_key_seal = broken_seal;
  out.aead->ops = &broken;
  assert_int_equal(seal(&out, 8), TW_ERR_INTERNAL);
  out.aead->ops = real;
  assert_true(out.next == 2 && out.bytes == 16);
  tw_esp_out_clear(&out);
}

/* ---- several threads under one SA ---- */

enum { THREADS = 4, NUMBERS = 40000 };

typedef struct sealer {
  tw_esp_out *out;
  unsigned index;
  uint64_t numbers[NUMBERS];
  size_t count;
  tw_err end;
  uint8_t last[64]; /* the packet of the last number */
} sealer;

static sealer sealers[THREADS];

static void *seal_on(void *arg) {
  sealer *s = arg;
  while (s->count < NUMBERS) {
    s->end = tw_esp_take(s->out, 8, 0, &s->numbers[s->count]);
    if (s->end != TW_OK) break;
    s->end = tw_esp_seal_numbered(s->out, s->index, s->numbers[s->count], TW_ESP_NEXT_IPV4, s->last, 8, 0);
    if (s->end != TW_OK) break;
    s->count++;
  }
  return NULL;
}

static void each_number_is_taken_by_one_thread_alone(void **state) {
  (void)state;
  static bool taken[NUMBERS + 1];
  pthread_t threads[THREADS];
  size_t all = 0;
  tw_esp_out out = make_out(TW_ESP_MARK_FRESH);
  assert_int_equal(tw_esp_out_share(&test.env, &keys, THREADS, &out), TW_OK);
  assert_int_equal(tw_esp_out_extend(&out, tw_esp_out_reserve(&out, NUMBERS)), TW_OK);
  for (unsigned i = 0; i < THREADS; i++) {
    sealers[i].out = &out;
    sealers[i].index = i;
    assert_int_equal(pthread_create(&threads[i], NULL, seal_on, &sealers[i]), 0);
  }
  for (unsigned i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  for (unsigned i = 0; i < THREADS; i++) {
    const sealer *s = &sealers[i];
    all += s->count;
    for (size_t k = 0; k < s->count; k++) {
      assert_true(s->numbers[k] > 0 && s->numbers[k] <= NUMBERS);
      assert_false(taken[s->numbers[k]]);
      taken[s->numbers[k]] = true;
    }
    if (s->count == NUMBERS) continue;
    assert_int_equal(s->end, TW_ERR_KEY_LIMIT);
  }
  assert_int_equal(all, NUMBERS);
  assert_true(out.bytes == (uint64_t)NUMBERS * 16);
  assert_int_equal(tw_esp_out_left(&out), 0);
  /* Whoever lost a race has gone past what was reserved: not more than one number each, and they stay unused. */
  assert_true(out.next >= NUMBERS + 1 && out.next <= NUMBERS + THREADS);
  const tw_esp_mark more = tw_esp_out_reserve(&out, 1000);
  assert_true(more.next == NUMBERS + 1001 && more.bytes >= out.bytes);
  tw_esp_out_clear(&out);
}

static void what_any_thread_seals_opens(void **state) {
  (void)state;
  tw_esp_in in = {0};
  tw_esp_out out = make_out(TW_ESP_MARK_FRESH);
  assert_int_equal(tw_esp_in_init(&test.env, &keys, 0, &in), TW_OK);
  assert_int_equal(tw_esp_out_share(&test.env, &keys, THREADS, &out), TW_OK);
  assert_int_equal(tw_esp_out_extend(&out, tw_esp_out_reserve(&out, 2 * THREADS)), TW_OK);
  for (unsigned i = 0; i < 2 * THREADS; i++) {
    uint64_t number;
    tw_esp_opened opened;
    memset(packet, (int)i, 64);
    assert_int_equal(tw_esp_take(&out, 20, 0, &number), TW_OK);
    assert_int_equal(tw_esp_seal_numbered(&out, i % THREADS, number, TW_ESP_NEXT_IPV4, packet, 20, 0), TW_OK);
    assert_int_equal(tw_esp_open(&in, packet, tw_esp_size(20, 0), &opened), TW_OK);
    assert_true(opened.number == number && opened.len == 20 && packet[TW_ESP_HEADER] == i);
  }
  tw_esp_in_clear(&in);
  tw_esp_out_clear(&out);
}

static void an_sa_is_shared_by_as_many_as_there_is_room_for(void **state) {
  (void)state;
  tw_esp_out out = make_out(TW_ESP_MARK_FRESH);
  assert_int_equal(tw_esp_out_share(&test.env, &keys, 0, &out), TW_ERR_ARGUMENT);
  assert_int_equal(tw_esp_out_share(&test.env, &keys, TW_ESP_THREADS_MAX + 1, &out), TW_ERR_ARGUMENT);
  assert_int_equal(out.others_count, 0);
  tw_test_fail_alloc(&test, 2);
  assert_int_equal(tw_esp_out_share(&test.env, &keys, TW_ESP_THREADS_MAX, &out), TW_ERR_NO_MEMORY);
  assert_int_equal(out.others_count, 0);
  assert_int_equal(tw_esp_out_share(&test.env, &keys, TW_ESP_THREADS_MAX, &out), TW_OK);
  assert_int_equal(out.others_count, TW_ESP_THREADS_MAX - 1);
  tw_esp_out_clear(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_is_sealed_before_numbers_are_reserved),
      cmocka_unit_test(after_a_restart_no_number_comes_again_and_no_byte_is_forgotten),
      cmocka_unit_test(limits_are_those_of_the_aead),
      cmocka_unit_test(the_last_packet_is_the_limit_s),
      cmocka_unit_test(a_receiver_takes_nothing_past_the_limit),
      cmocka_unit_test(the_number_never_wraps),
      cmocka_unit_test(bytes_are_limited_too),
      cmocka_unit_test(new_keys_are_asked_for_in_time),
      cmocka_unit_test(too_many_forgeries_end_a_receiving_sa),
      cmocka_unit_test(no_memory_leaves_no_sa),
      cmocka_unit_test(a_number_is_used_up_even_if_sealing_fails),
      cmocka_unit_test(each_number_is_taken_by_one_thread_alone),
      cmocka_unit_test(what_any_thread_seals_opens),
      cmocka_unit_test(an_sa_is_shared_by_as_many_as_there_is_room_for),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

/* Datagrams that are passed on between threads. SPDX-License-Identifier: Apache-2.0 */
#include "node/strays.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "support/tw_test_env.h"
#include "tw_cmocka.h"

enum { THREADS = 3, SIZE = 100 };

static tw_test_env test;
static tw_strays *strays;

static int set_up(void **state) {
  (void)state;
  tw_test_env_init(&test, 1);
  assert_int_equal(tw_strays_new(&test.alloc, THREADS, SIZE, &strays), TW_OK);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  tw_strays_free(strays);
  tw_strays_free(NULL);
  tw_test_env_clear(&test);
  return 0;
}

static tw_udp_address port(uint16_t number) {
  return (tw_udp_address){.in4 = {.sin_family = AF_INET, .sin_port = htons(number)}};
}

static bool put(unsigned by, unsigned to, uint16_t number, size_t len) {
  uint8_t datagram[SIZE + 1];
  const tw_udp_address from = port(number);
  memset(datagram, number & 0xff, sizeof datagram);
  return tw_strays_put(strays, by, to, TW_BYTES(datagram, len), &from, (uint8_t)(number + 1));
}

static void is(const tw_stray *stray, uint16_t number, size_t len) {
  const tw_udp_address from = port(number);
  assert_true(tw_udp_address_equal(&stray->from, &from));
  assert_int_equal(stray->tos, (uint8_t)(number + 1));
  assert_int_equal(stray->len, len);
  for (size_t i = 0; i < len; i++) assert_int_equal(stray->datagram[i], number & 0xff);
}

static void what_is_put_in_comes_out_whole_and_in_order(void **state) {
  (void)state;
  assert_int_equal(tw_strays_waiting(strays, 1), 0);
  assert_true(put(0, 1, 1, SIZE));
  assert_true(put(0, 1, 2, 1));
  assert_true(put(0, 1, 3, 0));
  assert_int_equal(tw_strays_waiting(strays, 0), 0); /* another's */
  assert_int_equal(tw_strays_waiting(strays, 2), 0);
  assert_int_equal(tw_strays_waiting(strays, 1), 3);
  is(tw_strays_at(strays, 1, 0), 1, SIZE);
  is(tw_strays_at(strays, 1, 1), 2, 1);
  is(tw_strays_at(strays, 1, 2), 3, 0);
  tw_strays_done(strays, 1, 2);
  assert_int_equal(tw_strays_waiting(strays, 1), 1);
  is(tw_strays_at(strays, 1, 0), 3, 0);
  tw_strays_done(strays, 1, 1);
  assert_int_equal(tw_strays_waiting(strays, 1), 0);
}

static void what_has_no_room_is_refused(void **state) {
  (void)state;
  assert_false(put(0, 1, 1, SIZE + 1));
  for (unsigned i = 0; i < TW_STRAYS_RING; i++) assert_true(put(0, 1, (uint16_t)i, 10));
  assert_false(put(0, 1, 999, 10));
  assert_true(put(2, 1, 5, 10)); /* rings are the pairs' own */
  assert_true(put(0, 2, 6, 10));
  for (uint16_t turn = 0; turn < 2; turn++) {
    const size_t waiting = tw_strays_waiting(strays, 1);
    if (waiting == 1)
      is(tw_strays_at(strays, 1, 0), 5, 10);
    else
      is(tw_strays_at(strays, 1, TW_STRAYS_RING - 1), TW_STRAYS_RING - 1, 10);
    tw_strays_done(strays, 1, waiting);
  }
  assert_int_equal(tw_strays_waiting(strays, 1), 0);
  assert_true(put(0, 1, 7, 10));
}

/* However much one of them has, the others have their turn. */
static void each_of_the_others_has_its_turn(void **state) {
  (void)state;
  unsigned seen[2] = {0};
  for (unsigned i = 0; i < 20; i++) {
    assert_true(put(0, 2, 100, 10));
    if (i % 2 == 0) assert_true(put(1, 2, 200, 10));
  }
  while (tw_strays_waiting(strays, 2) > 0) {
    const uint8_t whose = tw_strays_at(strays, 2, 0)->datagram[0];
    seen[whose == 200]++;
    assert_true(seen[1] + 1 >= seen[0] || seen[1] == 10);
    tw_strays_done(strays, 2, 1);
  }
  assert_int_equal(seen[0], 20);
  assert_int_equal(seen[1], 10);
}

/* ---- two threads ---- */

static uint32_t many; /* datagrams by each */

static void *put_many(void *arg) {
  const unsigned *by = arg;
  for (uint32_t i = 0; i < many;) {
    const tw_udp_address from = port(1);
    const uint8_t datagram[8] = {(uint8_t)*by,      0,         0, 0, (uint8_t)(i >> 24), (uint8_t)(i >> 16),
                                 (uint8_t)(i >> 8), (uint8_t)i};
    if (tw_strays_put(strays, *by, 0, TW_ARRAY(datagram), &from, 0))
      i++;
    else
      (void)sched_yield();
  }
  return NULL;
}

static void nothing_is_lost_between_threads(void **state) {
  (void)state;
  static unsigned by[2] = {1, 2};
  uint32_t next[3] = {0};
  pthread_t threads[2];
  many = tw_test_rounds(100000, 1000);
  for (unsigned i = 0; i < 2; i++) assert_int_equal(pthread_create(&threads[i], NULL, put_many, &by[i]), 0);
  while (next[1] < many || next[2] < many) {
    const size_t waiting = tw_strays_waiting(strays, 0);
    for (size_t i = 0; i < waiting; i++) {
      const uint8_t *d = tw_strays_at(strays, 0, i)->datagram;
      assert_in_range(d[0], 1, 2);
      const uint32_t number = (uint32_t)d[4] << 24 | (uint32_t)d[5] << 16 | (uint32_t)d[6] << 8 | d[7];
      assert_int_equal(number, next[d[0]]++);
    }
    if (waiting > 0)
      tw_strays_done(strays, 0, waiting);
    else
      (void)sched_yield();
  }
  for (unsigned i = 0; i < 2; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  assert_int_equal(tw_strays_waiting(strays, 0), 0);
}

static void without_memory_there_are_none(void **state) {
  (void)state;
  for (size_t n = 1;; n++) {
    tw_strays *made = NULL;
    tw_test_fail_alloc(&test, n);
    const tw_err err = tw_strays_new(&test.alloc, THREADS, SIZE, &made);
    if (!test.alloc_failed) {
      assert_int_equal(err, TW_OK);
      tw_strays_free(made);
      break;
    }
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_null(made);
  }
  tw_test_fail_alloc(&test, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(what_is_put_in_comes_out_whole_and_in_order),
      TEST(what_has_no_room_is_refused),
      TEST(each_of_the_others_has_its_turn),
      TEST(nothing_is_lost_between_threads),
      TEST(without_memory_there_are_none),
  };
  return cmocka_run_group_tests_name("strays", tests, NULL, NULL);
}

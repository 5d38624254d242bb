/* Numbers by ClientId: each is found, and nothing else, however they meet in the table. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_cmocka.h"

#include <string.h>

#include "node/peer_map.h"
#include "support/tw_test_env.h"

static tw_test_env test;

static int set_up(void **state) {
  (void)state;
  tw_test_env_init(&test, 1);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  tw_test_env_clear(&test);
  return 0;
}

/* `alike`: all begin with the same bytes, so that they belong into one place. */
static tw_client_id id_of(uint32_t n, bool alike) {
  tw_client_id id;
  memset(id.digest, 0xff, sizeof id.digest);
  if (!alike) memcpy(id.digest, &n, sizeof n);
  memcpy(id.digest + sizeof id.digest - sizeof n, &n, sizeof n);
  return id;
}

static void fill_and_look(uint32_t count, bool alike) {
  tw_peer_map map = {.alloc = test.env.alloc};
  for (uint32_t n = 0; n < count; n++) {
    const tw_client_id id = id_of(n, alike);
    assert_int_equal(tw_peer_map_find(&map, &id), UINT32_MAX);
    assert_int_equal(tw_peer_map_put(&map, &id, 7 * n), TW_OK);
  }
  for (uint32_t n = 0; n < 2 * count; n++) {
    const tw_client_id id = id_of(n, alike);
    assert_int_equal(tw_peer_map_find(&map, &id), n < count ? 7 * n : UINT32_MAX);
  }
  tw_peer_map_clear(&map);
  tw_peer_map_clear(&map);
}

static void each_is_found_and_nothing_else(void **state) {
  (void)state;
  fill_and_look(0, false);
  fill_and_look(1, false);
  fill_and_look(5000, false);
  fill_and_look(500, true);
}

static void the_last_number_counts(void **state) {
  (void)state;
  tw_peer_map map = {.alloc = test.env.alloc};
  const tw_client_id id = id_of(3, false);
  assert_int_equal(tw_peer_map_put(&map, &id, 1), TW_OK);
  assert_int_equal(tw_peer_map_put(&map, &id, 2), TW_OK);
  assert_int_equal(tw_peer_map_find(&map, &id), 2);
  assert_int_equal(map.used, 1);
  assert_int_equal(tw_peer_map_put(&map, &id, UINT32_MAX), TW_OK); /* taken out */
  assert_int_equal(tw_peer_map_find(&map, &id), UINT32_MAX);
  tw_peer_map_clear(&map);
}

static void memory_that_fails_leaves_those_of_before(void **state) {
  (void)state;
  tw_peer_map map = {.alloc = test.env.alloc};
  uint32_t failed = 0;
  for (uint32_t n = 0; n < 100; n++) {
    const tw_client_id id = id_of(n, false);
    tw_test_fail_alloc(&test, 1);
    if (tw_peer_map_put(&map, &id, n) != TW_OK) {
      failed++;
      tw_test_fail_alloc(&test, 0);
      assert_int_equal(tw_peer_map_find(&map, &id), UINT32_MAX);
      assert_int_equal(tw_peer_map_put(&map, &id, n), TW_OK);
    }
    for (uint32_t k = 0; k <= n; k++) {
      const tw_client_id other = id_of(k, false);
      assert_int_equal(tw_peer_map_find(&map, &other), k);
    }
  }
  tw_test_fail_alloc(&test, 0);
  assert_int_equal(failed, 5); /* 16, 32, … 256 places */
  tw_peer_map_clear(&map);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_is_found_and_nothing_else),
      cmocka_unit_test(the_last_number_counts),
      cmocka_unit_test(memory_that_fails_leaves_those_of_before),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}

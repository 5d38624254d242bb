/* The network's group when memory runs out, or randomness, and when the disk is damaged. SPDX-License-Identifier: Apache-2.0 */
/* label: slow */
/* label: moves */
#include "node/network_kit.h"

#define THREE 0x07

static void begin_three(void) {
  begin_world(1, 0, 0);
  for (uint32_t i = 0; i < NODES; i++) world.nodes[i].wanted = THREE;
}

/* All that a group does in its life. */
static void live_through_everything(void) {
  for (uint32_t i = 0; i < 3; i++) connect(&world.nodes[i]);
  live(2500);
  tw_network_rekey(world.nodes[1].network, world.now_ms);
  live(1500);
  for (uint32_t i = 0; i < 2; i++) world.nodes[i].wanted = 0x03;
  tw_network_remove(world.nodes[0].network, &world.nodes[2].id, world.now_ms);
  live(1500);
  for (uint32_t i = 0; i < 2; i++) world.nodes[i].wanted = THREE;
  for (uint32_t i = 0; i < 2; i++) tw_network_roster_changed(world.nodes[i].network, world.now_ms);
  live(3000);
}

/* Each time another one fails; every one with TREEWIRE_STEPS=1. */
static size_t stride(void) {
  const char *wanted = getenv("TREEWIRE_STEPS");
  return wanted != NULL ? strtoul(wanted, NULL, 10) : tw_test_rounds(17, 997);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  for (size_t n = 1;; n += stride()) {
    char what[40];
    (void)snprintf(what, sizeof what, "allocation %u", (unsigned)n);
    begin_three();
    tw_test_fail_alloc(&world.test, n);
    live_through_everything();
    const bool failed = world.test.alloc_failed;
    tw_test_fail_alloc(&world.test, 0);
    expect_agreement(THREE, UINT64_C(4) * 3600 * 1000, what);
    end_world();
    if (!failed) break;
  }
}

static void every_draw_may_fail(void **state) {
  (void)state;
  for (size_t n = 1;; n += stride() > 16 ? stride() / 16 : 1) {
    char what[40];
    (void)snprintf(what, sizeof what, "draw %u", (unsigned)n);
    begin_three();
    tw_test_fail_random(&world.test, n);
    live_through_everything();
    const bool failed = world.test.random_failed;
    tw_test_fail_random(&world.test, 0);
    expect_agreement(THREE, UINT64_C(4) * 3600 * 1000, what);
    end_world();
    if (!failed) break;
  }
}

static void a_node_that_cannot_be_loaded_can_be_later(void **state) {
  (void)state;
  begin_three();
  for (uint32_t i = 0; i < 3; i++) connect(&world.nodes[i]);
  expect_agreement(THREE, 60000, "at first");
  kit_node *n = &world.nodes[1];
  world.nodes[0].online = false;
  tw_network_rekey(n->network, world.now_ms); /* a commit is pending, too */
  const kit_value *v = kit_find_value(n, TW_STORE_GROUP, TW_LITERAL("network"));
  assert_non_null(v);
  tw_buf record = {0};
  assert_int_equal(tw_buf_assign(&record, tw_buf_bytes(&v->bytes)), TW_OK);
  for (size_t at = 0; at < VALUES_MAX; at++) n->store[at].used = false;
  for (size_t count = 1;; count++) {
    bool ours;
    crash(n);
    break_link(n);
    n->online = false;
    tw_test_fail_alloc(&world.test, count);
    const tw_err err = tw_network_load(n->network, TW_STORE_GROUP, TW_LITERAL("network"), tw_buf_bytes(&record),
                                       world.now_ms, &ours);
    const bool failed = world.test.alloc_failed;
    tw_test_fail_alloc(&world.test, 0);
    if (!failed) {
      assert_int_equal(err, TW_OK);
      break;
    }
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_false(status_of(1).there);
    assert_int_equal(n->key_count, 0);
  }
  tw_buf_clear(&record);
  end_world();
}

static void a_network_that_cannot_be_made_leaves_nothing(void **state) {
  (void)state;
  begin_three();
  kit_node *n = &world.nodes[0];
  tw_network_config config = {.client = &n->member.client,
                              .name = KIT_NAME,
                              .self = n->id,
                              .port = &n->port,
                              .keys = &n->sink,
                              .roster = {.ctx = n, .wants = kit_wants, .next_wanted = kit_next_wanted}};
  tw_network *network = NULL;
  for (size_t count = 1;; count++) {
    tw_test_fail_alloc(&world.test, count);
    const tw_err err = tw_network_new(&config, &network);
    if (!world.test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
  }
  tw_test_fail_alloc(&world.test, 0);
  tw_network_free(network);
  config.name = TW_NO_BYTES;
  assert_int_equal(tw_network_new(&config, &network), TW_ERR_ARGUMENT);
  config.name = KIT_NAME;
  config.roster.wants = NULL;
  assert_int_equal(tw_network_new(&config, &network), TW_ERR_ARGUMENT);
  tw_network_free(NULL);
  end_world();
}

static void damaged_records_are_refused(void **state) {
  (void)state;
  begin_three();
  for (uint32_t i = 0; i < 3; i++) connect(&world.nodes[i]);
  expect_agreement(THREE, 60000, "at first");
  kit_node *n = &world.nodes[1];
  world.nodes[0].online = false;
  tw_network_rekey(n->network, world.now_ms); /* with a pending commit in it */
  kit_value *v = kit_find_value(n, TW_STORE_GROUP, TW_LITERAL("network"));
  assert_non_null(v);
  tw_buf record = {0};
  assert_int_equal(tw_buf_assign(&record, tw_buf_bytes(&v->bytes)), TW_OK);
  v->used = false;
  const size_t step = tw_test_rounds(11, 1501);
  for (size_t at = 0; at < 2 * record.len; at += at < 40 ? 1 : step) {
    bool ours;
    uint8_t *bit = at < record.len ? NULL : &record.ptr[at - record.len];
    const size_t len = at < record.len ? at : record.len;
    if (bit != NULL) *bit ^= 0x80;
    crash(n);
    n->online = false;
    const tw_err err = tw_network_load(n->network, TW_STORE_GROUP, TW_LITERAL("network"), TW_BYTES(record.ptr, len),
                                       world.now_ms, &ours);
    assert_true(ours);
    if (bit == NULL) assert_int_not_equal(err, TW_OK);
    if (err != TW_OK) assert_false(status_of(1).there || n->key_count > 0);
    if (bit != NULL) *bit ^= 0x80;
  }
  crash(n);
  bool ours;
  assert_int_equal(
      tw_network_load(n->network, TW_STORE_GROUP, TW_LITERAL("network"), tw_buf_bytes(&record), world.now_ms, &ours),
      TW_OK);
  assert_int_equal(
      tw_network_load(n->network, TW_STORE_GROUP, TW_LITERAL("network"), tw_buf_bytes(&record), world.now_ms, &ours),
      TW_ERR_STATE);
  tw_buf_clear(&record);
  end_world();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_allocation_may_fail),
      cmocka_unit_test(every_draw_may_fail),
      cmocka_unit_test(a_node_that_cannot_be_loaded_can_be_later),
      cmocka_unit_test(damaged_records_are_refused),
      cmocka_unit_test(a_network_that_cannot_be_made_leaves_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Old values are gone from the files. SPDX-License-Identifier: Apache-2.0 */
#include "store/store_kit.h"

enum { IDS = 60, VALUE_MAX = 14000 };

typedef struct world {
  kit k;
  tw_store *store;
  uint32_t live[IDS]; /* the number of the value under each id, 0 for none */
  uint32_t last;
  uint64_t random;
  uint8_t value[VALUE_MAX];
} world;

static uint32_t draw(world *w, uint32_t bound) {
  w->random = w->random * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(w->random >> 33) % bound;
}

static size_t make_value(world *w, uint32_t number) {
  static const uint32_t sizes[] = {40, 300, 1200, 5000, VALUE_MAX};
  const size_t len = (1 + draw(w, sizes[draw(w, 5)] / KIT_PIECE)) * KIT_PIECE;
  kit_fill(w->value, len, number);
  return len;
}

static void change_some(world *w, unsigned count) {
  tw_store_change changes[8];
  uint8_t ids[8][20];
  uint8_t *values[8];
  assert_true(count <= 8);
  for (unsigned i = 0; i < count; i++) {
    const uint32_t id = draw(w, IDS);
    const bool remove = draw(w, 4) == 0;
    const size_t len = make_value(w, remove ? 0 : ++w->last);
    w->live[id] = remove ? 0 : w->last;
    memset(ids[i], (int)id, sizeof ids[i]);
    values[i] = malloc(len + 1);
    assert_non_null(values[i]);
    memcpy(values[i], w->value, len);
    changes[i] = (tw_store_change){
        .kind = TW_STORE_SESSION, .id = TW_ARRAY(ids[i]), .value = TW_BYTES(values[i], len), .remove = remove};
  }
  if (tw_store_apply(w->store, changes, count, &w->k.report) != TW_OK) fail_msg("%s", w->k.report.text);
  for (unsigned i = 0; i < count; i++) free(values[i]);
}

static bool is_live(void *ctx, uint32_t number) {
  const world *w = ctx;
  for (unsigned i = 0; i < IDS; i++)
    if (w->live[i] == number) return true;
  return false;
}

static size_t remains(world *w) { return kit_remains(&w->k, is_live, w); }

static void world_init(world *w, uint64_t seed) {
  memset(w, 0, sizeof *w);
  kit_init(&w->k, seed);
  w->random = seed;
  w->store = kit_open(&w->k, NULL);
}

static void world_clear(world *w) {
  tw_store_close(w->store);
  kit_clear(&w->k);
}

static void tidy(world *w) {
  if (tw_store_tidy(w->store, &w->k.report) != TW_OK) fail_msg("%s", w->k.report.text);
  assert_false(tw_store_is_untidy(w->store));
}

static void replaced_and_deleted_values_are_gone_after_tidying(void **state) {
  (void)state;
  world w;
  size_t seen = 0;
  world_init(&w, 7);
  for (unsigned round = 0; round < tw_test_rounds(250, 5); round++) {
    const unsigned applies = 1 + draw(&w, 4);
    for (unsigned i = 0; i < applies; i++) change_some(&w, 1 + draw(&w, 8));
    assert_true(tw_store_is_untidy(w.store));
    seen += remains(&w);
    tidy(&w);
    assert_int_equal(remains(&w), 0);
  }
  assert_true(seen > 0); /* they do linger before */
  world_clear(&w);
}

/* A value under an id that has none: nothing is replaced. */
static void add_one(world *w) {
  uint8_t id[20];
  uint32_t free_id = 0;
  while (free_id < IDS && w->live[free_id] != 0) free_id++;
  if (free_id == IDS) return;
  memset(id, (int)free_id, sizeof id);
  const size_t len = make_value(w, ++w->last);
  const tw_store_change change = {.kind = TW_STORE_SESSION, .id = TW_ARRAY(id), .value = TW_BYTES(w->value, len)};
  w->live[free_id] = w->last;
  if (tw_store_apply(w->store, &change, 1, &w->k.report) != TW_OK) fail_msg("%s", w->k.report.text);
}

static void what_is_gone_does_not_come_back_with_later_changes(void **state) {
  (void)state;
  world w;
  world_init(&w, 8);
  for (unsigned round = 0; round < tw_test_rounds(250, 5); round++) {
    for (unsigned i = 0; i < 3; i++) change_some(&w, 1 + draw(&w, 8));
    tidy(&w);
    add_one(&w);
    assert_int_equal(remains(&w), 0);
  }
  world_clear(&w);
}

static void what_lingers_is_gone_after_closing(void **state) {
  (void)state;
  world w;
  world_init(&w, 9);
  for (unsigned round = 0; round < tw_test_rounds(30, 3); round++) {
    for (unsigned i = 0; i < 3; i++) change_some(&w, 1 + draw(&w, 8));
    tw_store_close(w.store);
    char path[KIT_PATH];
    assert_int_not_equal(access(kit_file(&w.k, "state.db-wal", path), F_OK), 0);
    assert_int_equal(remains(&w), 0);
    w.store = kit_open(&w.k, NULL);
    assert_int_equal(remains(&w), 0);
  }
  world_clear(&w);
}

static void a_long_log_is_tidied_without_being_asked(void **state) {
  (void)state;
  world w;
  world_init(&w, 10);
  bool tidied = false;
  for (unsigned i = 0; i < TW_STORE_LOG_PAGES && !tidied; i++) {
    change_some(&w, 8);
    tidied = !tw_store_is_untidy(w.store);
  }
  assert_true(tidied);
  assert_int_equal(remains(&w), 0);
  world_clear(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(replaced_and_deleted_values_are_gone_after_tidying),
      cmocka_unit_test(what_is_gone_does_not_come_back_with_later_changes),
      cmocka_unit_test(what_lingers_is_gone_after_closing),
      cmocka_unit_test(a_long_log_is_tidied_without_being_asked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

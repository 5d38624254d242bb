/* Other processes; killed at any moment, a state is what was committed last. label: no-valgrind SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "store/store_kit.h"

/* Each transaction writes its number under one id and a value with that number under another, of a length of its own.
 */
static size_t length_of(uint32_t number) { return KIT_PIECE * (1 + (number * 2654435761u) % 900); }

static tw_err write_number(tw_store *store, uint32_t number) {
  static uint8_t value[KIT_PIECE * 900];
  const size_t len = length_of(number);
  kit_fill(value, len, number);
  const tw_store_change changes[] = {
      {.kind = TW_STORE_GROUP, .id = kit_text("number"), .value = TW_BYTES((const uint8_t *)&number, sizeof number)},
      {.kind = TW_STORE_SESSION, .id = kit_text("value"), .value = TW_BYTES(value, len)},
      {.kind = TW_STORE_KEY_PACKAGE, .id = kit_text(number % 2 == 0 ? "even" : "odd"), .value = TW_BYTES(value, len)},
      {.kind = TW_STORE_KEY_PACKAGE, .id = kit_text(number % 2 == 0 ? "odd" : "even"), .remove = true}};
  return tw_store_apply(store, changes, 4, NULL);
}

/* The number that the state is at: 0 for none; fails if it is not whole. */
static uint32_t read_number(kit *k, tw_store *store) {
  static uint8_t expected[KIT_PIECE * 900];
  tw_buf got = {0};
  uint32_t number = 0;
  bool found;
  assert_int_equal(tw_store_get(store, TW_STORE_GROUP, kit_text("number"), &got, &found, &k->report), TW_OK);
  if (!found) {
    assert_int_equal(kit_count(k, store, TW_STORE_SESSION), 0);
    return 0;
  }
  assert_int_equal(got.len, sizeof number);
  memcpy(&number, got.ptr, sizeof number);
  kit_fill(expected, length_of(number), number);
  const tw_bytes value = TW_BYTES(expected, length_of(number));
  assert_int_equal(tw_store_get(store, TW_STORE_SESSION, kit_text("value"), &got, &found, &k->report), TW_OK);
  assert_true(found);
  tw_test_same(tw_buf_bytes(&got), value);
  const char *parity = number % 2 == 0 ? "even" : "odd";
  assert_int_equal(tw_store_get(store, TW_STORE_KEY_PACKAGE, kit_text(parity), &got, &found, &k->report), TW_OK);
  assert_true(found);
  tw_test_same(tw_buf_bytes(&got), value);
  assert_int_equal(kit_count(k, store, TW_STORE_KEY_PACKAGE), 1);
  tw_buf_clear(&got);
  return number;
}

/* The child: goes on from where the state is, and says each number once it is durable. Never comes back. */
static void work(kit *k, const tw_store_key *key, int out) {
  tw_store *store;
  const tw_store_config config = {.dir = k->dir, .key = *key};
  if (tw_store_open(&config, &k->test.env, &store, NULL) != TW_OK) _exit(3);
  for (uint32_t number = read_number(k, store) + 1;; number++) {
    if (write_number(store, number) != TW_OK) _exit(4);
    if (write(out, &number, sizeof number) != sizeof number) _exit(5);
    if (number % 3 == 0 && tw_store_tidy(store, NULL) != TW_OK) _exit(6);
    if (number % 17 == 0 && tw_store_rekey(store, key, NULL) != TW_OK) _exit(7);
  }
}

/* Lets a child work for about `microseconds` and kills it; the last number that it said, or `before`. */
static uint32_t run_and_kill(kit *k, const tw_store_key *key, uint32_t before, long microseconds) {
  int fds[2];
  assert_int_equal(pipe(fds), 0);
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) work(k, key, fds[1]);
  assert_int_equal(close(fds[1]), 0);
  const struct timespec pause = {0, microseconds * 1000};
  (void)nanosleep(&pause, NULL);
  assert_int_equal(kill(child, SIGKILL), 0);
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  if (!WIFSIGNALED(status)) fail_msg("the writer ended with status %d", status);
  uint32_t last = before;
  uint32_t said;
  while (read(fds[0], &said, sizeof said) == sizeof said) {
    assert_int_equal(said, last + 1);
    last = said;
  }
  assert_int_equal(close(fds[0]), 0);
  return last;
}

static bool is_number(void *ctx, uint32_t number) { return number == *(const uint32_t *)ctx; }

static void kill_and_look(kit *k, const tw_store_key *key, unsigned rounds) {
  uint32_t number = 0;
  uint64_t random = 99;
  for (unsigned round = 0; round < rounds; round++) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    const uint32_t said = run_and_kill(k, key, number, (long)((random >> 33) % 6000));
    tw_store *store = kit_open(k, key);
    number = read_number(k, store);
    if (number != said && number != said + 1) fail_msg("%u was said to be durable, %u is there", said, number);
    assert_int_equal(kit_remains(k, is_number, &number), 0); /* opening has tidied */
    tw_store_close(store);
  }
  assert_true(number > rounds / 4); /* it came to something */
}

static void a_killed_writer_loses_nothing_that_was_committed(void **state) {
  (void)state;
  kit k;
  kit_init(&k, 1);
  kill_and_look(&k, &(tw_store_key){0}, 120);
  kit_clear(&k);
}

static void nor_does_one_with_a_sealed_state(void **state) {
  (void)state;
  kit k;
  char path[KIT_PATH];
  kit_init(&k, 2);
  const tw_store_key key = kit_key_file(&k, path, 1);
  kill_and_look(&k, &key, 120);
  kit_clear(&k);
}

static void another_process_is_refused(void **state) {
  (void)state;
  kit k;
  kit_init(&k, 3);
  tw_store *store = kit_open(&k, NULL);
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    tw_store *second;
    const tw_store_config config = {.dir = k.dir};
    _exit(tw_store_open(&config, &k.test.env, &second, NULL) == TW_ERR_STATE ? 0 : 1);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  kit_put(&k, store, TW_STORE_PIN, "still", "works");
  tw_store_close(store);
  kit_clear(&k);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_killed_writer_loses_nothing_that_was_committed),
      cmocka_unit_test(nor_does_one_with_a_sealed_state),
      cmocka_unit_test(another_process_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

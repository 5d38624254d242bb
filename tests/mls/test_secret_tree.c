/* SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "mls/secret_tree.h"
#include "tw_test_env.h"

static const uint8_t root_secret[64] = {1, 2, 3, 4};

enum { APP = TW_CONTENT_APPLICATION, PROPOSAL = TW_CONTENT_PROPOSAL, COMMIT = TW_CONTENT_COMMIT };

typedef struct fixture {
  tw_test_env test;
  const tw_suite *suite;
} fixture;

static int set_up(void **state) {
  static fixture f;
  tw_test_env_init(&f.test, 1);
  f.suite = tw_suite_default();
  *state = &f;
  return 0;
}

static int tear_down(void **state) {
  fixture *f = *state;
  tw_test_env_clear(&f->test);
  return 0;
}

static tw_secret_tree *new_tree(fixture *f, uint32_t leaves) {
  tw_secret_tree *tree = NULL;
  assert_int_equal(
      tw_secret_tree_new(&f->test.env, f->suite, TW_BYTES(root_secret, f->suite->hash->size), leaves, &tree), TW_OK);
  return tree;
}

static tw_buf state_of(fixture *f, const tw_secret_tree *tree) {
  tw_buf out = TW_BUF_INIT(&f->test.alloc);
  tw_writer w = tw_writer_to(&out);
  tw_write_secret_tree(&w, tree);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  return out;
}

static void assert_state(fixture *f, const tw_secret_tree *tree, const tw_buf *expected) {
  tw_buf now = state_of(f, tree);
  tw_test_same(tw_buf_bytes(&now), tw_buf_bytes(expected));
  tw_buf_clear(&now);
}

/* The key that a fresh tree has for this message: keys do not depend on how one came to them. */
static tw_message_key expected_key(fixture *f, uint32_t leaves, uint32_t leaf, uint8_t type, uint32_t generation) {
  tw_secret_tree *tree = new_tree(f, leaves);
  tw_message_key key = {0};
  assert_int_equal(tw_secret_tree_find(tree, leaf, type, generation, &key), TW_OK);
  tw_secret_tree_free(tree);
  return key;
}

static void take(tw_secret_tree *tree, uint32_t leaf, uint8_t type, uint32_t generation,
                 const tw_message_key *expected) {
  tw_message_key key = {0};
  assert_int_equal(tw_secret_tree_find(tree, leaf, type, generation, &key), TW_OK);
  if (expected != NULL) assert_memory_equal(&key, expected, sizeof key);
  tw_secret_tree_used(tree, leaf, type, generation);
}

static tw_err finding(tw_secret_tree *tree, uint32_t leaf, uint8_t type, uint32_t generation) {
  tw_message_key key = {0};
  return tw_secret_tree_find(tree, leaf, type, generation, &key);
}

static void arguments_are_checked(void **state) {
  fixture *f = *state;
  tw_secret_tree *tree = NULL;
  const tw_bytes secret = {root_secret, f->suite->hash->size};
  assert_int_equal(tw_secret_tree_new(&f->test.env, f->suite, secret, 0, &tree), TW_ERR_ARGUMENT);
  assert_int_equal(tw_secret_tree_new(&f->test.env, f->suite, secret, UINT32_MAX, &tree), TW_ERR_ARGUMENT);
  assert_int_equal(tw_secret_tree_new(&f->test.env, f->suite, TW_BYTES(root_secret, secret.len - 1), 1, &tree),
                   TW_ERR_ARGUMENT);
  assert_null(tree);
  tw_secret_tree_free(NULL);
  tree = new_tree(f, 5);
  tw_message_key key = {0};
  assert_int_equal(tw_secret_tree_find(tree, 5, APP, 0, &key), TW_ERR_SENDER);
  assert_int_equal(tw_secret_tree_find(tree, UINT32_MAX, APP, 0, &key), TW_ERR_SENDER);
  assert_int_equal(tw_secret_tree_next(tree, 5, APP, &key), TW_ERR_SENDER);
  assert_int_equal(tw_secret_tree_find(tree, 4, 0, 0, &key), TW_ERR_ARGUMENT);
  assert_int_equal(tw_secret_tree_next(tree, 4, 4, &key), TW_ERR_ARGUMENT);
  tw_secret_tree_used(tree, 5, APP, 0);
  tw_secret_tree_used(tree, 4, 4, 0);
  tw_secret_tree_free(tree);
}

static void sender_and_receiver_agree(void **state) {
  fixture *f = *state;
  for (uint32_t leaves = 1; leaves <= 9; leaves++) {
    tw_secret_tree *sender = new_tree(f, leaves);
    tw_secret_tree *receiver = new_tree(f, leaves);
    for (uint32_t leaf = 0; leaf < leaves; leaf++) {
      for (uint32_t i = 0; i < 3; i++) {
        tw_message_key app = {0};
        tw_message_key proposal = {0};
        tw_message_key commit = {0};
        assert_int_equal(tw_secret_tree_next(sender, leaf, APP, &app), TW_OK);
        assert_int_equal(tw_secret_tree_next(sender, leaf, PROPOSAL, &proposal), TW_OK);
        assert_int_equal(tw_secret_tree_next(sender, leaf, COMMIT, &commit), TW_OK);
        assert_int_equal(app.generation, i);
        assert_int_equal(proposal.generation, 2 * i);
        assert_int_equal(commit.generation, 2 * i + 1); /* one ratchet for both kinds of handshake messages */
        assert_memory_not_equal(app.key, proposal.key, 16);
        take(receiver, leaf, APP, i, &app);
        take(receiver, leaf, COMMIT, 2 * i + 1, &commit);
        take(receiver, leaf, PROPOSAL, 2 * i, &proposal);
        assert_int_equal(finding(sender, leaf, APP, i), TW_ERR_DUPLICATE);
      }
    }
    tw_secret_tree_free(sender);
    tw_secret_tree_free(receiver);
  }
}

static void messages_out_of_order_are_each_taken_once(void **state) {
  fixture *f = *state;
  static const uint32_t order[] = {7, 0, 3, 2, 12, 1, 6, 11, 4, 10, 5, 8, 9};
  tw_secret_tree *tree = new_tree(f, 4);
  for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
    const tw_message_key expected = expected_key(f, 4, 2, APP, order[i]);
    take(tree, 2, APP, order[i], &expected);
    for (size_t k = 0; k <= i; k++) assert_int_equal(finding(tree, 2, APP, order[k]), TW_ERR_DUPLICATE);
  }
  take(tree, 2, APP, 13, NULL);
  tw_secret_tree_free(tree);
}

static void a_generation_too_far_ahead_is_refused(void **state) {
  fixture *f = *state;
  f->test.limits.skipped_generations = 10;
  tw_secret_tree *tree = new_tree(f, 4);
  tw_buf before = state_of(f, tree);
  assert_int_equal(finding(tree, 0, APP, 11), TW_ERR_LIMIT);
  assert_int_equal(finding(tree, 0, APP, UINT32_MAX), TW_ERR_LIMIT);
  assert_state(f, tree, &before);
  tw_buf_clear(&before);
  take(tree, 0, APP, 10, NULL);
  assert_int_equal(finding(tree, 0, APP, 22), TW_ERR_LIMIT);
  take(tree, 0, APP, 21, NULL);
  take(tree, 0, APP, 0, NULL);
  assert_int_equal(finding(tree, 0, COMMIT, 11), TW_ERR_LIMIT);
  tw_secret_tree_free(tree);
}

static void the_oldest_skipped_keys_go_first(void **state) {
  fixture *f = *state;
  f->test.limits.skipped_generations = 100;
  f->test.limits.kept_message_keys = 5;
  tw_secret_tree *tree = new_tree(f, 2);
  take(tree, 1, APP, 3, NULL); /* keeps 0 1 2 */
  take(tree, 1, APP, 1, NULL); /* keeps 0 2 */
  take(tree, 1, APP, 8, NULL); /* adds 4 5 6 7, so 0 goes */
  assert_int_equal(finding(tree, 1, APP, 0), TW_ERR_OLD_GENERATION);
  assert_int_equal(finding(tree, 1, APP, 1), TW_ERR_DUPLICATE);
  assert_int_equal(finding(tree, 1, APP, 3), TW_ERR_DUPLICATE);
  const tw_message_key second = expected_key(f, 2, 1, APP, 2);
  take(tree, 1, APP, 2, &second);
  take(tree, 1, APP, 60, NULL); /* only 55 to 59 stay */
  for (uint32_t g = 0; g < 55; g++) assert_int_equal(finding(tree, 1, APP, g), TW_ERR_OLD_GENERATION);
  for (uint32_t g = 55; g < 60; g++) {
    const tw_message_key expected = expected_key(f, 2, 1, APP, g);
    take(tree, 1, APP, g, &expected);
  }
  for (uint32_t g = 55; g <= 60; g++) assert_int_equal(finding(tree, 1, APP, g), TW_ERR_DUPLICATE);
  tw_secret_tree_free(tree);
}

/* What tw_secret_tree_find is asked for messages that then do not open must not change anything. */
static void forged_messages_change_nothing(void **state) {
  fixture *f = *state;
  tw_secret_tree *tree = new_tree(f, 1024);
  take(tree, 5, APP, 4, NULL);
  tw_buf before = state_of(f, tree);
  const size_t blocks = f->test.alloc_blocks;
  for (uint32_t i = 0; i < 200; i++) {
    assert_int_equal(finding(tree, 5, APP, 5 + i * 5), TW_OK);
    assert_int_equal(finding(tree, 5, APP, i % 4), TW_OK);
    assert_int_equal(finding(tree, (i * 7919) % 1024, i % 2 == 0 ? APP : COMMIT, 40), TW_OK);
  }
  assert_state(f, tree, &before);
  /* One finding is remembered: a path of 10 levels, a sender, a list of skipped keys; not 200 of them. */
  assert_true(f->test.alloc_blocks <= blocks + 12);
  for (uint32_t g = 0; g < 10; g++) {
    if (g == 4) continue;
    const tw_message_key expected = expected_key(f, 1024, 5, APP, g);
    take(tree, 5, APP, g, &expected);
  }
  tw_buf_clear(&before);
  tw_secret_tree_free(tree);
}

static void asking_again_for_the_same_key_derives_nothing(void **state) {
  fixture *f = *state;
  tw_secret_tree *tree = new_tree(f, 1024);
  assert_int_equal(finding(tree, 9, APP, 100), TW_OK);
  const size_t calls = f->test.alloc_calls;
  for (int i = 0; i < 100; i++) assert_int_equal(finding(tree, 9, APP, 100), TW_OK);
  assert_int_equal(f->test.alloc_calls, calls);
  tw_secret_tree_free(tree);
}

static void using_another_key_than_the_last_found_works(void **state) {
  fixture *f = *state;
  tw_secret_tree *tree = new_tree(f, 8);
  assert_int_equal(finding(tree, 1, APP, 2), TW_OK);
  assert_int_equal(finding(tree, 2, APP, 0), TW_OK);
  tw_secret_tree_used(tree, 1, APP, 2);
  tw_secret_tree_used(tree, 2, APP, 0);
  tw_secret_tree_used(tree, 2, APP, 0);
  assert_int_equal(finding(tree, 1, APP, 2), TW_ERR_DUPLICATE);
  assert_int_equal(finding(tree, 2, APP, 0), TW_ERR_DUPLICATE);
  /* A key ahead is found, then an old one is used: the finding must not bring the old one back. */
  assert_int_equal(finding(tree, 1, APP, 9), TW_OK);
  tw_secret_tree_used(tree, 1, APP, 0);
  tw_secret_tree_used(tree, 1, APP, 9);
  assert_int_equal(finding(tree, 1, APP, 0), TW_ERR_DUPLICATE);
  take(tree, 1, APP, 1, NULL);
  take(tree, 1, APP, 8, NULL);
  tw_secret_tree_free(tree);
}

static bool contains(tw_bytes where, const uint8_t *what, size_t len) {
  for (size_t i = 0; i + len <= where.len; i++) {
    if (memcmp(where.ptr + i, what, len) == 0) return true;
  }
  return false;
}

/* Section 9.2: with a key go the secrets that it came from. */
static void consumed_secrets_are_gone(void **state) {
  fixture *f = *state;
  const size_t size = f->suite->hash->size;
  uint8_t left[TW_HASH_MAX];
  uint8_t right[TW_HASH_MAX];
  const tw_bytes root = {root_secret, size};
  assert_int_equal(
      tw_expand_with_label(&f->test.env, f->suite, root, TW_LITERAL("tree"), TW_LITERAL("left"), left, size), TW_OK);
  assert_int_equal(
      tw_expand_with_label(&f->test.env, f->suite, root, TW_LITERAL("tree"), TW_LITERAL("right"), right, size), TW_OK);
  tw_secret leaf_ratchet = {0};
  assert_int_equal(
      tw_derive_secret(&f->test.env, f->suite, TW_BYTES(left, size), TW_LITERAL("application"), &leaf_ratchet), TW_OK);

  tw_secret_tree *tree = new_tree(f, 2);
  tw_message_key first = {0};
  tw_buf now = state_of(f, tree);
  assert_true(contains(tw_buf_bytes(&now), root_secret, size));
  tw_buf_clear(&now);
  assert_int_equal(tw_secret_tree_next(tree, 0, APP, &first), TW_OK);
  now = state_of(f, tree);
  assert_false(contains(tw_buf_bytes(&now), root_secret, size));
  assert_false(contains(tw_buf_bytes(&now), left, size));
  assert_false(contains(tw_buf_bytes(&now), leaf_ratchet.data, size));
  assert_false(contains(tw_buf_bytes(&now), first.key, f->suite->aead->key_size));
  assert_true(contains(tw_buf_bytes(&now), right, size));
  tw_buf_clear(&now);
  take(tree, 1, APP, 2, NULL);
  now = state_of(f, tree);
  assert_false(contains(tw_buf_bytes(&now), right, size));
  tw_message_key zeroth = {0};
  assert_int_equal(tw_secret_tree_find(tree, 1, APP, 0, &zeroth), TW_OK);
  assert_true(contains(tw_buf_bytes(&now), zeroth.key, f->suite->aead->key_size));
  tw_secret_tree_used(tree, 1, APP, 0);
  tw_buf_clear(&now);
  now = state_of(f, tree);
  assert_false(contains(tw_buf_bytes(&now), zeroth.key, f->suite->aead->key_size));
  tw_buf_clear(&now);
  tw_secret_tree_free(tree);
}

static void a_million_leaves_cost_what_is_used_of_them(void **state) {
  fixture *f = *state;
  tw_secret_tree *tree = new_tree(f, UINT32_C(1) << 20);
  assert_true(f->test.alloc_bytes < 1024);
  for (uint32_t i = 0; i < 10; i++) take(tree, i * 104729, APP, 0, NULL);
  assert_true(f->test.alloc_bytes < 10 * 20 * 256);
  tw_secret_tree_free(tree);
  tree = new_tree(f, UINT32_C(1) << 31);
  take(tree, (UINT32_C(1) << 31) - 1, APP, 0, NULL);
  take(tree, 0, APP, 0, NULL);
  tw_secret_tree_free(tree);
}

/* The last generation is 2^32 - 1; after it the ratchet ends, whatever is asked. */
static void generations_do_not_wrap(void **state) {
  fixture *f = *state;
  tw_secret_tree *tree = new_tree(f, 1);
  take(tree, 0, APP, 0, NULL);
  tw_buf blob = state_of(f, tree);
  tw_secret_tree_free(tree);
  /* leaf count, node type, handshake ratchet (head, floor, secret, count), then the application ratchet's head */
  const size_t head = 4 + 1 + 8 + 8 + 1 + f->suite->hash->size + 4;
  tw_put_u64(blob.ptr + head, UINT32_MAX - 1);
  tw_reader r = tw_reader_of(tw_buf_bytes(&blob));
  assert_int_equal(tw_read_secret_tree(&f->test.env, f->suite, &r, &tree), TW_OK);
  tw_message_key key = {0};
  assert_int_equal(finding(tree, 0, APP, UINT32_MAX), TW_OK);
  assert_int_equal(tw_secret_tree_next(tree, 0, APP, &key), TW_OK);
  assert_int_equal(key.generation, UINT32_MAX - 1);
  assert_int_equal(tw_secret_tree_next(tree, 0, APP, &key), TW_OK);
  assert_int_equal(key.generation, UINT32_MAX);
  for (int i = 0; i < 3; i++) assert_int_equal(tw_secret_tree_next(tree, 0, APP, &key), TW_ERR_KEY_LIMIT);
  assert_int_equal(finding(tree, 0, APP, UINT32_MAX), TW_ERR_DUPLICATE);
  assert_int_equal(tw_secret_tree_next(tree, 0, COMMIT, &key), TW_OK);
  /* The end of a ratchet is a state like others. */
  tw_buf_clear(&blob);
  blob = state_of(f, tree);
  tw_secret_tree_free(tree);
  r = tw_reader_of(tw_buf_bytes(&blob));
  assert_int_equal(tw_read_secret_tree(&f->test.env, f->suite, &r, &tree), TW_OK);
  assert_int_equal(tw_secret_tree_next(tree, 0, APP, &key), TW_ERR_KEY_LIMIT);
  tw_buf_clear(&blob);
  tw_secret_tree_free(tree);
}

static tw_secret_tree *used_tree(fixture *f) {
  tw_secret_tree *tree = new_tree(f, 6);
  tw_message_key key = {0};
  assert_int_equal(tw_secret_tree_next(tree, 0, APP, &key), TW_OK);
  take(tree, 3, APP, 3, NULL);
  take(tree, 3, COMMIT, 1, NULL);
  take(tree, 3, APP, 1, NULL);
  return tree;
}

static void state_survives_storage(void **state) {
  fixture *f = *state;
  tw_secret_tree *tree = used_tree(f);
  tw_buf blob = state_of(f, tree);
  tw_secret_tree *copy = NULL;
  tw_reader r = tw_reader_of(tw_buf_bytes(&blob));
  assert_int_equal(tw_read_secret_tree(&f->test.env, f->suite, &r, &copy), TW_OK);
  assert_int_equal(tw_reader_end(&r), TW_OK);
  assert_state(f, copy, &blob);
  for (uint32_t leaf = 0; leaf < 6; leaf++) {
    for (uint32_t g = 0; g < 6; g++) {
      tw_message_key a = {0};
      tw_message_key b = {0};
      assert_int_equal(tw_secret_tree_find(tree, leaf, APP, g, &a), tw_secret_tree_find(copy, leaf, APP, g, &b));
      assert_memory_equal(&a, &b, sizeof a);
    }
  }
  assert_state(f, copy, &blob);
  tw_buf_clear(&blob);
  tw_secret_tree_free(tree);
  tw_secret_tree_free(copy);
}

static void truncated_state_is_refused(void **state) {
  fixture *f = *state;
  tw_secret_tree *tree = used_tree(f);
  tw_buf blob = state_of(f, tree);
  tw_secret_tree_free(tree);
  for (size_t len = 0; len < blob.len; len++) {
    tw_secret_tree *none = NULL;
    tw_reader r = tw_reader_of(TW_BYTES(blob.ptr, len));
    assert_int_equal(tw_read_secret_tree(&f->test.env, f->suite, &r, &none), TW_ERR_TRUNCATED);
    assert_int_equal(tw_reader_err(&r), TW_ERR_TRUNCATED);
    assert_null(none);
  }
  tw_buf_clear(&blob);
}

/* Storage is trusted, yet a damaged blob must not do harm: it is refused, or what it gives can be used and freed. */
static void damaged_state_does_no_harm(void **state) {
  fixture *f = *state;
  tw_secret_tree *tree = used_tree(f);
  tw_buf blob = state_of(f, tree);
  tw_secret_tree_free(tree);
  static const uintmax_t fine[] = {TW_OK, TW_ERR_KEY_LIMIT, TW_ERR_SENDER};
  for (size_t i = 0; i < blob.len; i++) {
    for (unsigned bit = 0; bit < 8; bit++) {
      blob.ptr[i] ^= (uint8_t)(1u << bit);
      tree = NULL;
      tw_reader r = tw_reader_of(tw_buf_bytes(&blob));
      if (tw_read_secret_tree(&f->test.env, f->suite, &r, &tree) == TW_OK) {
        tw_message_key key = {0};
        assert_in_set(tw_secret_tree_next(tree, 0, APP, &key), fine, 3);
        (void)finding(tree, 3, APP, 2);
        tw_secret_tree_used(tree, 3, APP, 2);
        (void)finding(tree, 5, COMMIT, 0);
        tw_secret_tree_used(tree, 5, COMMIT, 0);
        tw_secret_tree_free(tree);
      } else {
        assert_null(tree);
      }
      blob.ptr[i] ^= (uint8_t)(1u << bit);
    }
  }
  tw_buf_clear(&blob);
}

static void no_memory_leaves_the_tree_as_it_was(void **state) {
  fixture *f = *state;
  tw_secret_tree *tree = NULL;
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&f->test, n);
    const tw_err err = tw_secret_tree_new(&f->test.env, f->suite, TW_BYTES(root_secret, f->suite->hash->size), 64,
                                          &tree);
    if (!f->test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_null(tree);
  }
  tw_test_fail_alloc(&f->test, 0);
  tw_buf before = state_of(f, tree);
  static const struct {
    uint32_t leaf;
    uint8_t type;
    uint32_t generation;
  } steps[] = {{7, APP, 0}, {7, APP, 5}, {7, APP, 9}, {7, COMMIT, 3}, {63, APP, 20}, {6, COMMIT, 0}};
  for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
    tw_message_key key = {0};
    for (size_t n = 1;; n++) {
      tw_test_fail_alloc(&f->test, n);
      const tw_err err = tw_secret_tree_find(tree, steps[i].leaf, steps[i].type, steps[i].generation, &key);
      if (!f->test.alloc_failed) break;
      assert_int_equal(err, TW_ERR_NO_MEMORY);
      tw_test_fail_alloc(&f->test, 0);
      assert_state(f, tree, &before);
    }
    /* Adopting allocates nothing. */
    const size_t calls = f->test.alloc_calls;
    tw_test_fail_alloc(&f->test, 1);
    tw_secret_tree_used(tree, steps[i].leaf, steps[i].type, steps[i].generation);
    assert_int_equal(f->test.alloc_calls, calls);
    tw_test_fail_alloc(&f->test, 0);
    assert_int_equal(finding(tree, steps[i].leaf, steps[i].type, steps[i].generation), TW_ERR_DUPLICATE);
    tw_buf_clear(&before);
    before = state_of(f, tree);
  }
  for (size_t n = 1;; n++) {
    tw_secret_tree *copy = NULL;
    tw_test_fail_alloc(&f->test, n);
    tw_reader r = tw_reader_of(tw_buf_bytes(&before));
    const tw_err err = tw_read_secret_tree(&f->test.env, f->suite, &r, &copy);
    tw_secret_tree_free(copy);
    if (!f->test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
    assert_null(copy);
  }
  tw_test_fail_alloc(&f->test, 0);
  tw_buf_clear(&before);
  tw_secret_tree_free(tree);
}

static void sending_without_memory_uses_no_generation(void **state) {
  fixture *f = *state;
  tw_secret_tree *tree = new_tree(f, 16);
  tw_message_key key = {0};
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&f->test, n);
    const tw_err err = tw_secret_tree_next(tree, 3, APP, &key);
    if (!f->test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
  }
  tw_test_fail_alloc(&f->test, 0);
  assert_int_equal(key.generation, 0);
  tw_secret_tree_free(tree);
}

#define TEST(function_) cmocka_unit_test_setup_teardown(function_, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(arguments_are_checked),
      TEST(sender_and_receiver_agree),
      TEST(messages_out_of_order_are_each_taken_once),
      TEST(a_generation_too_far_ahead_is_refused),
      TEST(the_oldest_skipped_keys_go_first),
      TEST(forged_messages_change_nothing),
      TEST(asking_again_for_the_same_key_derives_nothing),
      TEST(using_another_key_than_the_last_found_works),
      TEST(consumed_secrets_are_gone),
      TEST(a_million_leaves_cost_what_is_used_of_them),
      TEST(generations_do_not_wrap),
      TEST(state_survives_storage),
      TEST(truncated_state_is_refused),
      TEST(damaged_state_does_no_harm),
      TEST(no_memory_leaves_the_tree_as_it_was),
      TEST(sending_without_memory_uses_no_generation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

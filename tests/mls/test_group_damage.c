/* Every message of a group cut at every byte and with every byte changed: refused, and the genuine one still works.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "tw_test_bent.h"

/* Tries a message; returns what came of it, and leaves nothing behind. */
typedef tw_err (*attempt)(void *ctx, tw_bytes message);

static void refuses(attempt try, void *ctx, tw_bytes message, const char *what, size_t at) {
  const tw_err err = try(ctx, message);
  const tw_err_class class = tw_err_class_of(err);
  if (err == TW_OK) fail_msg("%s at byte %zu: taken", what, at);
  if (class == TW_CLASS_INTERNAL || class == TW_CLASS_CALLER || err == TW_ERR_NO_MEMORY)
    fail_msg("%s at byte %zu: %s", what, at, tw_err_text(err));
}

/* In a heap block of exactly its length, so that a read past the end shows. */
static void damage(attempt try, void *ctx, tw_bytes genuine) {
  uint8_t *copy = test_malloc(genuine.len);
  for (size_t len = 0; len < genuine.len; len += tw_test_rounds(1, 7)) {
    uint8_t *cut = len > 0 ? test_malloc(len) : NULL;
    if (len > 0) memcpy(cut, genuine.ptr, len);
    refuses(try, ctx, TW_BYTES(cut, len), "cut", len);
    if (cut != NULL) test_free(cut);
  }
  memcpy(copy, genuine.ptr, genuine.len);
  const unsigned step = genuine.len <= 300 ? 1 : 8;
  for (size_t i = 0; i < genuine.len; i += tw_test_rounds(1, 7)) {
    for (unsigned bit = step == 8 ? (unsigned)(i * 5 % 8) : 0; bit < 8; bit += step) {
      copy[i] ^= (uint8_t)(1u << bit);
      refuses(try, ctx, TW_BYTES(copy, genuine.len), "changed", i);
      copy[i] ^= (uint8_t)(1u << bit);
    }
  }
  test_free(copy);
  uint8_t *longer = test_malloc(genuine.len + 1);
  memcpy(longer, genuine.ptr, genuine.len);
  longer[genuine.len] = 0;
  refuses(try, ctx, TW_BYTES(longer, genuine.len + 1), "one more", genuine.len);
  test_free(longer);
}

static tw_err receive(void *ctx, tw_bytes message) {
  tw_test_member *member = ctx;
  tw_received received = {0};
  const tw_err err = tw_group_receive(member->group, message, TW_TEST_NOW, &received);
  if (err != TW_OK) assert_true(received.next == NULL && received.data.ptr == NULL);
  tw_received_clear(&received);
  return err;
}

/* bob's state must be the same to the byte after all of it; then everybody takes the genuine one. */
static void damaged_for_bob(tw_test_people *p, tw_bytes genuine) {
  tw_buf before = {0};
  tw_buf after = {0};
  assert_int_equal(tw_group_save(p->all[1]->group, &before), TW_OK);
  damage(receive, p->all[1], genuine);
  assert_int_equal(tw_group_save(p->all[1]->group, &after), TW_OK);
  tw_test_same(tw_buf_bytes(&after), tw_buf_bytes(&before));
  tw_buf_clear(&before);
  tw_buf_clear(&after);
}

static void commits(void **state) {
  tw_test_people p;
  tw_buf remove = {0};
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 4, TW_NO_BYTES);
  for (size_t i = 0; i < 4; i++) p.all[i]->psk = "psk";
  const tw_psk_query psk = {.type = 1, .psk_id = TW_LITERAL("one")};
  assert_int_equal(tw_propose_psk(p.all[0]->group, &remove, &psk), TW_OK);
  for (int plain = 0; plain < 2; plain++) {
    for (int path = 0; path < 2; path++) {
      const tw_commit_options options = {
          .plaintext = plain, .without_path = path == 0, .proposals = tw_buf_bytes(&remove)};
      tw_commit_result result = {0};
      assert_int_equal(tw_group_commit(p.all[0]->group, &options, TW_TEST_NOW, &result), TW_OK);
      damaged_for_bob(&p, tw_buf_bytes(&result.commit));
      tw_test_deliver(tw_buf_bytes(&result.commit), TW_RECEIVED_COMMIT, &p.all[1], 3);
      tw_test_adopt(p.all[0], result.next);
      result.next = NULL;
      tw_commit_result_clear(&result);
      tw_test_agree(p.all, 4);
    }
  }
  tw_buf_clear(&remove);
  tw_test_people_clear(&p);
}

static void proposals_and_application_data(void **state) {
  tw_test_people p;
  tw_buf remove = {0};
  tw_buf message = {0};
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 3, TW_NO_BYTES);
  assert_int_equal(tw_group_protect(p.all[0]->group, TW_LITERAL("application"), TW_LITERAL("aad"), &message), TW_OK);
  damaged_for_bob(&p, tw_buf_bytes(&message));
  tw_test_deliver(tw_buf_bytes(&message), TW_RECEIVED_APPLICATION, &p.all[1], 2);
  assert_int_equal(tw_propose_remove(&remove, 1), TW_OK);
  for (int plain = 0; plain < 2; plain++) {
    const tw_message_options options = {.plaintext = plain};
    message.len = 0;
    assert_int_equal(tw_group_propose(p.all[0]->group, tw_buf_bytes(&remove), &options, TW_TEST_NOW, &message), TW_OK);
    damaged_for_bob(&p, tw_buf_bytes(&message));
    tw_test_deliver(tw_buf_bytes(&message), TW_RECEIVED_PROPOSAL, &p.all[1], 2);
    message.len = 0;
    assert_int_equal(tw_group_propose_update(p.all[0]->group, NULL, &options, &message), TW_OK);
    damaged_for_bob(&p, tw_buf_bytes(&message));
    tw_test_deliver(tw_buf_bytes(&message), TW_RECEIVED_PROPOSAL, &p.all[1], 2);
  }
  tw_buf_clear(&remove);
  tw_buf_clear(&message);
  tw_test_people_clear(&p);
}

typedef struct joining {
  tw_test_member *member;
  const tw_key_package *key_package;
  const tw_join_options *options;
  tw_bytes message; /* when it is the tree that is damaged */
} joining;

static tw_err join(void *ctx, tw_bytes message) {
  const joining *j = ctx;
  tw_group *group = NULL;
  const tw_err err = tw_group_join(&j->member->client, j->key_package, message, j->options, TW_TEST_NOW, &group);
  if (err != TW_OK) assert_null(group);
  tw_group_free(group);
  return err;
}

static tw_err join_external(void *ctx, tw_bytes message) {
  const joining *j = ctx;
  tw_commit_result result = {0};
  const tw_err err = tw_group_join_external(&j->member->client, message, j->options, NULL, TW_TEST_NOW, &result);
  if (err != TW_OK) assert_null(result.next);
  tw_commit_result_clear(&result);
  return err;
}

static tw_err join_with_tree(void *ctx, tw_bytes tree) {
  joining j = *(const joining *)ctx;
  const tw_join_options options = {.ratchet_tree = tree};
  j.options = &options;
  return join_external(&j, j.message);
}

static void welcomes(void **state) {
  tw_test_people p;
  tw_buf add = {0};
  tw_commit_result result = {0};
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 3, TW_NO_BYTES);
  tw_key_package *key_package = tw_test_key_package(p.all[3]);
  assert_int_equal(tw_propose_add(&add, tw_key_package_message(key_package)), TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&add)};
  assert_int_equal(tw_group_commit(p.all[0]->group, &options, TW_TEST_NOW, &result), TW_OK);
  const joining j = {.member = p.all[3], .key_package = key_package};
  damage(join, (void *)&j, tw_buf_bytes(&result.welcome));
  tw_group *group = NULL;
  assert_int_equal(
      tw_group_join(&p.all[3]->client, key_package, tw_buf_bytes(&result.welcome), NULL, TW_TEST_NOW, &group), TW_OK);
  tw_test_adopt(p.all[3], group);
  tw_test_deliver(tw_buf_bytes(&result.commit), TW_RECEIVED_COMMIT, &p.all[1], 2);
  tw_test_adopt(p.all[0], result.next);
  result.next = NULL;
  tw_test_goes_on(&p, 4);
  tw_commit_result_clear(&result);
  tw_key_package_free(key_package);
  tw_buf_clear(&add);
  tw_test_people_clear(&p);
}

static void external_joins(void **state) {
  tw_test_people p;
  tw_buf info = {0};
  tw_buf tree = {0};
  tw_commit_result result = {0};
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 3, TW_NO_BYTES);
  joining j = {.member = p.all[3]};
  assert_int_equal(tw_group_info_message(p.all[0]->group, true, TW_NO_BYTES, &info), TW_OK);
  damage(join_external, &j, tw_buf_bytes(&info));
  info.len = 0;
  assert_int_equal(tw_group_info_message(p.all[0]->group, false, TW_NO_BYTES, &info), TW_OK);
  assert_int_equal(tw_group_ratchet_tree(p.all[0]->group, &tree), TW_OK);
  j.message = tw_buf_bytes(&info);
  damage(join_with_tree, &j, tw_buf_bytes(&tree));
  const tw_join_options options = {.ratchet_tree = tw_buf_bytes(&tree)};
  assert_int_equal(tw_group_join_external(&p.all[3]->client, tw_buf_bytes(&info), &options, NULL, TW_TEST_NOW, &result),
                   TW_OK);
  damaged_for_bob(&p, tw_buf_bytes(&result.commit));
  tw_test_deliver(tw_buf_bytes(&result.commit), TW_RECEIVED_COMMIT, p.all, 3);
  tw_test_adopt(p.all[3], result.next);
  result.next = NULL;
  tw_test_goes_on(&p, 4);
  tw_commit_result_clear(&result);
  tw_buf_clear(&info);
  tw_buf_clear(&tree);
  tw_test_people_clear(&p);
}

static tw_err inspect(void *ctx, tw_bytes message) {
  tw_key_package_info info;
  return tw_key_package_inspect(ctx, message, TW_TEST_NOW, &info);
}

static void key_packages(void **state) {
  tw_test_people p;
  tw_key_package_info info;
  (void)state;
  tw_test_people_init(&p, 1);
  tw_key_package *key_package = tw_test_key_package(p.all[0]);
  damage(inspect, &p.test.env, tw_key_package_message(key_package));
  assert_int_equal(tw_key_package_inspect(&p.test.env, tw_key_package_message(key_package), TW_TEST_NOW, &info), TW_OK);
  tw_key_package_free(key_package);
  tw_test_people_clear(&p);
}

/* ---- saved state ---- */

static tw_err load(void *ctx, tw_bytes saved) {
  const tw_test_member *member = ctx;
  tw_group *group = NULL;
  const tw_err err = tw_group_load(&member->client, saved, &group);
  if (err != TW_OK) assert_null(group);
  tw_group_free(group);
  return err == TW_ERR_ARGUMENT ? TW_ERR_ENCODING : err; /* another signer is the caller's mistake */
}

typedef struct loading {
  const tw_test_member *member;
  tw_bytes reference;
} loading;

static tw_err load_key_package(void *ctx, tw_bytes saved) {
  const tw_test_member *member = ((const loading *)ctx)->member;
  const tw_bytes *reference = &((const loading *)ctx)->reference;
  tw_key_package *key_package = NULL;
  const tw_err err = tw_key_package_load(&member->client, saved, &key_package);
  if (err != TW_OK) assert_null(key_package);
  /* Some bits of an X25519 private key do not count: the same key then, and the same key package. */
  const bool same = err == TW_OK && tw_bytes_equal(tw_key_package_reference(key_package), *reference);
  tw_key_package_free(key_package);
  return same ? TW_ERR_ENCODING : err;
}

static void saved_state(void **state) {
  tw_test_people p;
  tw_buf message = {0};
  tw_buf saved = {0};
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 4, TW_NO_BYTES);
  tw_test_goes_on(&p, 4);
  /* with proposals, an Update of our own, used and skipped keys, a component's secret spent */
  assert_int_equal(tw_group_protect(p.all[2]->group, TW_LITERAL("x"), TW_NO_BYTES, &message), TW_OK);
  message.len = 0;
  assert_int_equal(tw_group_protect(p.all[2]->group, TW_LITERAL("x"), TW_NO_BYTES, &message), TW_OK);
  tw_test_deliver(tw_buf_bytes(&message), TW_RECEIVED_APPLICATION, p.all, 2);
  for (size_t i = 0; i < 2; i++) {
    message.len = 0;
    assert_int_equal(tw_group_propose_update(p.all[i]->group, NULL, NULL, &message), TW_OK);
    tw_test_deliver(tw_buf_bytes(&message), TW_RECEIVED_PROPOSAL, &p.all[1 - i], 1);
  }
  uint8_t secret[64];
  size_t len;
  assert_int_equal(tw_group_safe_export(p.all[0]->group, 6, secret, &len), TW_OK);
  assert_int_equal(tw_group_save(p.all[0]->group, &saved), TW_OK);
  damage(load, p.all[0], tw_buf_bytes(&saved));
  saved.ptr[1]++;
  tw_group *group = NULL;
  assert_int_equal(tw_group_load(&p.all[0]->client, tw_buf_bytes(&saved), &group), TW_ERR_UNSUPPORTED);
  saved.ptr[1]--;
  assert_int_equal(tw_group_load(&p.all[1]->client, tw_buf_bytes(&saved), &group), TW_ERR_ARGUMENT);
  tw_test_member stranger;
  tw_test_member_init(&stranger, &p.test, tw_suite_by_id(&p.test.env, 3), "stranger");
  assert_int_equal(tw_group_load(&stranger.client, tw_buf_bytes(&saved), &group), TW_ERR_UNSUPPORTED);
  tw_test_member_clear(&stranger);
  assert_int_equal(tw_group_load(&p.all[0]->client, tw_buf_bytes(&saved), &group), TW_OK);
  tw_test_adopt(p.all[0], group);
  assert_int_equal(tw_group_safe_export(p.all[0]->group, 6, secret, &len), TW_ERR_DUPLICATE);

  tw_key_package *key_package = tw_test_key_package(p.all[4]);
  saved.len = 0;
  assert_int_equal(tw_key_package_save(key_package, &saved), TW_OK);
  loading key_package_of_emil = {p.all[4], tw_key_package_reference(key_package)};
  damage(load_key_package, &key_package_of_emil, tw_buf_bytes(&saved));
  tw_key_package *loaded = NULL;
  saved.ptr[1]++;
  assert_int_equal(tw_key_package_load(&p.all[4]->client, tw_buf_bytes(&saved), &loaded), TW_ERR_UNSUPPORTED);
  saved.ptr[1]--;
  assert_int_equal(tw_key_package_load(&p.all[4]->client, tw_buf_bytes(&saved), &loaded), TW_OK);
  tw_test_same(tw_key_package_reference(loaded), tw_key_package_reference(key_package));
  tw_key_package_free(loaded);
  tw_key_package_free(key_package);
  tw_group_forget_proposals(p.all[0]->group);
  tw_group_forget_proposals(p.all[1]->group);
  tw_test_goes_on(&p, 4);
  tw_buf_clear(&message);
  tw_buf_clear(&saved);
  tw_test_people_clear(&p);
}

/* With the digest made to fit: what is inside is checked for itself and never leads to a crash. */
static void saved_state_with_a_fitting_digest(void **state) {
  tw_test_people p;
  tw_buf saved = {0};
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 3, TW_NO_BYTES);
  tw_test_talk(p.all, 3);
  assert_int_equal(tw_group_save(p.all[0]->group, &saved), TW_OK);
  const tw_bytes all = TW_BYTES(saved.ptr, saved.len - 32);
  for (size_t i = 4; i < all.len; i += tw_test_rounds(1, 11)) {
    tw_group *group = NULL;
    const uint8_t bit = (uint8_t)(1u << (i * 3 % 8));
    saved.ptr[i] ^= bit;
    assert_int_equal(tw_hash_parts(&p.test.env, p.all[0]->client.suite, &all, 1, saved.ptr + all.len), TW_OK);
    const tw_err err = tw_group_load(&p.all[0]->client, tw_buf_bytes(&saved), &group);
    if (err == TW_OK) {
      tw_buf message = {0};
      (void)!tw_group_protect(group, TW_LITERAL("x"), TW_NO_BYTES, &message);
      tw_buf_clear(&message);
      tw_group_free(group);
    }
    saved.ptr[i] ^= bit;
  }
  tw_buf_clear(&saved);
  tw_test_people_clear(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(commits),
      cmocka_unit_test(proposals_and_application_data),
      cmocka_unit_test(welcomes),
      cmocka_unit_test(external_joins),
      cmocka_unit_test(key_packages),
      cmocka_unit_test(saved_state),
      cmocka_unit_test(saved_state_with_a_fitting_digest),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

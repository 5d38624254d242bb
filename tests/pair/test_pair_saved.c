/* Pairs that were saved and loaded, whole and damaged. SPDX-License-Identifier: Apache-2.0 */
/* label: moves */
#include "pair/pair_kit.h"

static void saved_pairs_go_on_from_every_state(void **state) {
  (void)state;
  tw_buf hello = tw_test_pair_buf(&t), answer = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_initiate(&t.alice_config, TW_TEST_NOW_MS, &t.initiator, &hello), TW_OK);
  tw_test_pair_reload(&t, &t.initiator, &t.alice_config);
  assert_int_equal(tw_pair_respond(&t.bob_config, tw_buf_bytes(&hello), TW_TEST_NOW_MS, &t.responder, &answer), TW_OK);
  tw_test_pair_reload(&t, &t.responder, &t.bob_config);
  (void)tw_test_pair_deliver(&t, t.initiator, &answer);
  tw_pair_confirm(t.responder);
  tw_test_pair_reload(&t, &t.initiator, &t.alice_config);
  tw_test_pair_reload(&t, &t.responder, &t.bob_config);
  tw_test_pair_same_epoch(&t);
  tw_buf of_initiator = tw_test_pair_buf(&t), of_responder = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_update(t.initiator, TW_TEST_NOW_MS, &of_initiator), TW_OK);
  assert_int_equal(tw_pair_update(t.responder, TW_TEST_NOW_MS, &of_responder), TW_OK);
  tw_test_pair_reload(&t, &t.initiator, &t.alice_config);
  tw_test_pair_reload(&t, &t.responder, &t.bob_config);
  (void)tw_test_pair_deliver(&t, t.initiator, &of_responder);
  tw_test_pair_reload(&t, &t.initiator, &t.alice_config);
  (void)tw_test_pair_deliver(&t, t.responder, &of_initiator);
  tw_test_pair_reload(&t, &t.responder, &t.bob_config);
  (void)tw_test_pair_deliver(&t, t.initiator, &of_initiator);
  tw_test_pair_same_epoch(&t);
  tw_test_pair_update(&t, t.responder, t.initiator);
  tw_test_same(tw_pair_peer_parameters(t.initiator), TW_LITERAL("from bob"));
  tw_buf_clear(&hello);
  tw_buf_clear(&answer);
  tw_buf_clear(&of_initiator);
  tw_buf_clear(&of_responder);
}

static void damaged_saved_pairs_do_no_harm(void **state) {
  (void)state;
  tw_test_pair_shake_hands(&t);
  tw_buf message = tw_test_pair_buf(&t), saved = tw_test_pair_buf(&t);
  assert_int_equal(tw_pair_update(t.initiator, TW_TEST_NOW_MS, &message), TW_OK);
  assert_int_equal(tw_pair_save(t.initiator, &saved), TW_OK);
  tw_pair *loaded = NULL;
  for (size_t cut = 0; cut < saved.len; cut++) {
    assert_true(tw_pair_load(&t.alice_config, TW_BYTES(saved.ptr, cut), &loaded) != TW_OK);
    assert_null(loaded);
  }
  for (size_t i = 0; i < saved.len; i++) {
    saved.ptr[i] ^= 1;
    if (tw_pair_load(&t.alice_config, tw_buf_bytes(&saved), &loaded) == TW_OK) tw_pair_free(loaded);
    loaded = NULL;
    saved.ptr[i] ^= 1;
  }
  t.alice_config.label = TW_LITERAL("else");
  assert_int_equal(tw_pair_load(&t.alice_config, tw_buf_bytes(&saved), &loaded), TW_ERR_BINDING);
  tw_buf_clear(&message);
  tw_buf_clear(&saved);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(saved_pairs_go_on_from_every_state),
      TEST(damaged_saved_pairs_do_no_harm),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

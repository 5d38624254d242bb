/* Messages at the wrong time, in the wrong place, in the wrong form, or twice: RFC 9420 sections 6 and 15. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "mls/app_data.h"
#include "tw_test_bent.h"

static void wrong_epochs_groups_and_kinds(void **state) {
  tw_test_people p;
  tw_buf message = {0};
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 3, TW_NO_BYTES);
  static const struct {
    uint64_t more;
    tw_err expected;
  } epochs[] = {{1, TW_ERR_FUTURE_EPOCH}, {UINT64_MAX, TW_ERR_OLD_EPOCH}, {UINT64_MAX / 2, TW_ERR_FUTURE_EPOCH}};
  for (int is_private = 0; is_private < 2; is_private++) {
    for (unsigned type = TW_CONTENT_APPLICATION; type <= TW_CONTENT_COMMIT; type++) {
      if (type == TW_CONTENT_APPLICATION && !is_private) continue;
      const tw_bytes body = type == TW_CONTENT_APPLICATION ? TW_LITERAL("\x02hi")
                            : type == TW_CONTENT_PROPOSAL  ? TW_LITERAL("\x00\x03\x00\x00\x00\x00")
                                                           : TW_LITERAL("\x00\x00");
      tw_test_bent bent = {.content_type = (uint8_t)type, .body = body, .is_private = is_private};
      for (size_t i = 0; i < sizeof epochs / sizeof epochs[0]; i++) {
        bent.epoch_more = epochs[i].more;
        tw_test_bend(p.all[2], &bent, &message);
        tw_test_refused(p.all[0], tw_buf_bytes(&message), epochs[i].expected);
      }
      bent.epoch_more = 0;
      bent.group_id = TW_LITERAL("another group");
      tw_test_bend(p.all[2], &bent, &message);
      tw_test_refused(p.all[0], tw_buf_bytes(&message), TW_ERR_WRONG_GROUP);
    }
  }
  /* what is no group message at all */
  message.len = 0;
  assert_int_equal(tw_group_info_message(p.all[2]->group, true, TW_NO_BYTES, &message), TW_OK);
  tw_test_refused(p.all[0], tw_buf_bytes(&message), TW_ERR_UNEXPECTED);
  tw_key_package *key_package = tw_test_key_package(p.all[3]);
  tw_test_refused(p.all[0], tw_key_package_message(key_package), TW_ERR_UNEXPECTED);
  tw_key_package_free(key_package);
  tw_test_refused(p.all[0], TW_NO_BYTES, TW_ERR_TRUNCATED);
  tw_test_goes_on(&p, 3);
  tw_buf_clear(&message);
  tw_test_people_clear(&p);
}

static void application_data_in_the_clear(void **state) {
  tw_test_people p;
  tw_buf message = {0};
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 3, TW_NO_BYTES);
  const tw_test_bent bent = {.content_type = TW_CONTENT_APPLICATION, .body = TW_LITERAL("\x02hi")};
  tw_test_bend(p.all[2], &bent, &message);
  tw_test_refused(p.all[0], tw_buf_bytes(&message), TW_ERR_FORBIDDEN);
  tw_test_goes_on(&p, 3);
  tw_buf_clear(&message);
  tw_test_people_clear(&p);
}

/* A member that signs for another one, for nobody, or not at all. */
static void signatures_of_others(void **state) {
  tw_test_people p;
  tw_buf message = {0};
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 3, TW_NO_BYTES);
  for (int is_private = 0; is_private < 2; is_private++) {
    tw_test_bent bent = {.content_type = TW_CONTENT_PROPOSAL,
                         .body = TW_LITERAL("\x00\x03\x00\x00\x00\x00"),
                         .is_private = is_private,
                         .signer = p.all[1]->client.signer};
    tw_test_bend(p.all[2], &bent, &message);
    tw_test_refused(p.all[0], tw_buf_bytes(&message), TW_ERR_SIGNATURE);
    /* in the name of bob, of the receiver itself, of a leaf that is blank or outside */
    const struct {
      uint32_t leaf;
      tw_err expected;
    } names[] = {{1, TW_ERR_SIGNATURE},
                 {0, TW_ERR_SIGNATURE},
                 {3, TW_ERR_SENDER},
                 {4, TW_ERR_SENDER},
                 {UINT32_MAX, TW_ERR_SENDER}};
    bent.signer = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
      bent.sender = (tw_sender){TW_SENDER_MEMBER, names[i].leaf};
      if (is_private && names[i].leaf > 3) continue; /* a ratchet that the sender has not got either */
      tw_test_bend(p.all[2], &bent, &message);
      tw_test_refused(p.all[1], tw_buf_bytes(&message),
                      names[i].leaf == 1 && is_private ? TW_ERR_SIGNATURE : names[i].expected);
    }
  }
  tw_buf_clear(&message);
  tw_test_people_clear(&p);
}

static void replayed(const tw_test_member *at, tw_bytes message, tw_err expected) {
  tw_test_refused(at, message, expected);
}

static void nothing_is_taken_twice(void **state) {
  tw_test_people p;
  tw_buf message = {0};
  tw_buf list = {0};
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 3, TW_NO_BYTES);
  assert_int_equal(tw_propose_remove(&list, 1), TW_OK);
  /* application data */
  assert_int_equal(tw_group_protect(p.all[2]->group, TW_LITERAL("x"), TW_NO_BYTES, &message), TW_OK);
  tw_test_deliver(tw_buf_bytes(&message), TW_RECEIVED_APPLICATION, p.all, 2);
  replayed(p.all[0], tw_buf_bytes(&message), TW_ERR_DUPLICATE);
  replayed(p.all[2], tw_buf_bytes(&message), TW_ERR_DUPLICATE);
  /* proposals: the public one is known by its reference, also to its sender */
  for (int plain = 0; plain < 2; plain++) {
    const tw_message_options options = {.plaintext = plain};
    message.len = 0;
    assert_int_equal(tw_group_propose(p.all[2]->group, tw_buf_bytes(&list), &options, TW_TEST_NOW, &message), TW_OK);
    tw_test_deliver(tw_buf_bytes(&message), TW_RECEIVED_PROPOSAL, p.all, 2);
    replayed(p.all[0], tw_buf_bytes(&message), TW_ERR_DUPLICATE);
    replayed(p.all[2], tw_buf_bytes(&message), plain ? TW_ERR_OWN_MESSAGE : TW_ERR_DUPLICATE);
  }
  /* commits: before and after the epoch has changed */
  for (size_t i = 0; i < 3; i++) tw_group_forget_proposals(p.all[i]->group);
  for (int plain = 0; plain < 2; plain++) {
    const tw_commit_options options = {.plaintext = plain};
    tw_commit_result result = {0};
    assert_int_equal(tw_group_commit(p.all[2]->group, &options, TW_TEST_NOW, &result), TW_OK);
    replayed(p.all[2], tw_buf_bytes(&result.commit), plain ? TW_ERR_OWN_MESSAGE : TW_ERR_DUPLICATE);
    tw_received received = {0};
    assert_int_equal(tw_group_receive(p.all[0]->group, tw_buf_bytes(&result.commit), TW_TEST_NOW, &received), TW_OK);
    /* in the old epoch's value once more: a commit in a PrivateMessage has used its key up */
    if (!plain) replayed(p.all[0], tw_buf_bytes(&result.commit), TW_ERR_DUPLICATE);
    tw_test_adopt(p.all[0], received.next);
    received.next = NULL;
    tw_received_clear(&received);
    tw_test_deliver(tw_buf_bytes(&result.commit), TW_RECEIVED_COMMIT, &p.all[1], 1);
    tw_test_adopt(p.all[2], result.next);
    result.next = NULL;
    for (size_t k = 0; k < 3; k++) replayed(p.all[k], tw_buf_bytes(&result.commit), TW_ERR_OLD_EPOCH);
    tw_commit_result_clear(&result);
  }
  tw_test_goes_on(&p, 3);
  tw_buf_clear(&message);
  tw_buf_clear(&list);
  tw_test_people_clear(&p);
}

/* A member that is not heard until much later: keys are kept so far and no further. */
static void late_and_far_ahead(void **state) {
  enum { SENT = 40 };
  tw_test_people p;
  tw_buf sent[SENT];
  (void)state;
  memset(sent, 0, sizeof sent);
  tw_test_people_init(&p, 1);
  p.test.limits.skipped_generations = 20;
  p.test.limits.kept_message_keys = 10;
  tw_test_gather(&p, 2, TW_NO_BYTES);
  for (size_t i = 0; i < SENT; i++)
    assert_int_equal(tw_group_protect(p.all[0]->group, TW_LITERAL("x"), TW_NO_BYTES, &sent[i]), TW_OK);
  tw_test_refused(p.all[1], tw_buf_bytes(&sent[21]), TW_ERR_LIMIT);
  tw_test_deliver(tw_buf_bytes(&sent[20]), TW_RECEIVED_APPLICATION, &p.all[1], 1);
  tw_test_refused(p.all[1], tw_buf_bytes(&sent[9]), TW_ERR_OLD_GENERATION);
  tw_test_deliver(tw_buf_bytes(&sent[10]), TW_RECEIVED_APPLICATION, &p.all[1], 1);
  tw_test_refused(p.all[1], tw_buf_bytes(&sent[10]), TW_ERR_DUPLICATE);
  tw_test_deliver(tw_buf_bytes(&sent[39]), TW_RECEIVED_APPLICATION, &p.all[1], 1);
  for (size_t i = SENT - 1; i-- > 29;) tw_test_deliver(tw_buf_bytes(&sent[i]), TW_RECEIVED_APPLICATION, &p.all[1], 1);
  for (size_t i = 0; i < SENT; i++) tw_buf_clear(&sent[i]);
  tw_test_goes_on(&p, 2);
  tw_test_people_clear(&p);
}

static void safe_aad_is_asked_for(void **state) {
  tw_test_people p;
  tw_buf extensions = {0};
  tw_buf message = {0};
  (void)state;
  tw_test_people_init(&p, 1);
  assert_int_equal(tw_component_set(&extensions, TW_COMPONENT_SAFE_AAD, TW_LITERAL("\x00")), TW_OK);
  tw_test_gather(&p, 3, tw_buf_bytes(&extensions));
  static const struct {
    const char *aad;
    size_t len;
    tw_err expected;
  } cases[] = {
      {"", 0, TW_ERR_TRUNCATED},
      {"plain", 5, TW_ERR_TRUNCATED},
      {"\x00x", 2, TW_ERR_TRAILING},
      {"\x06\x90\x02\x00\x90\x01\x00", 7, TW_ERR_ENCODING}, /* not in order */
      {"\x06\x90\x01\x00\x90\x01\x00", 7, TW_ERR_ENCODING}, /* twice */
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    for (int is_private = 0; is_private < 2; is_private++) {
      const tw_test_bent bent = {.content_type = TW_CONTENT_PROPOSAL,
                                 .body = TW_LITERAL("\x00\x03\x00\x00\x00\x00"),
                                 .is_private = is_private,
                                 .authenticated_data = TW_BYTES((const uint8_t *)cases[i].aad, cases[i].len)};
      tw_test_bend(p.all[2], &bent, &message);
      tw_test_refused(p.all[0], tw_buf_bytes(&message), cases[i].expected);
    }
    if (cases[i].len == 0) continue;
    message.len = 0;
    assert_int_equal(tw_group_protect(p.all[2]->group, TW_LITERAL("x"),
                                      TW_BYTES((const uint8_t *)cases[i].aad, cases[i].len), &message),
                     TW_ERR_ARGUMENT);
  }
  /* An item, and none: both are fine. */
  message.len = 0;
  assert_int_equal(tw_group_protect(p.all[2]->group, TW_LITERAL("x"), TW_LITERAL("\x03\x90\x01\x00"), &message), TW_OK);
  tw_test_deliver(tw_buf_bytes(&message), TW_RECEIVED_APPLICATION, p.all, 2);
  message.len = 0;
  assert_int_equal(tw_group_protect(p.all[2]->group, TW_LITERAL("x"), TW_NO_BYTES, &message), TW_OK);
  tw_test_deliver(tw_buf_bytes(&message), TW_RECEIVED_APPLICATION, p.all, 2);
  tw_buf_clear(&extensions);
  tw_buf_clear(&message);
  tw_test_people_clear(&p);
}

/* Messages padded to blocks, and padding that is not zero. */
static void padding(void **state) {
  static const uint32_t blocks[] = {1, 2, 255, 4096, 1u << 20};
  (void)state;
  for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
    tw_test_people p;
    tw_buf message = {0};
    tw_test_people_init(&p, 1);
    p.test.limits.padding_block = blocks[i];
    tw_test_gather(&p, 3, TW_NO_BYTES);
    tw_test_goes_on(&p, 3);
    assert_int_equal(tw_group_protect(p.all[0]->group, TW_LITERAL("x"), TW_NO_BYTES, &message), TW_OK);
    tw_mls_message decoded;
    assert_int_equal(tw_mls_message_decode(&p.test.env, tw_buf_bytes(&message), &decoded), TW_OK);
    assert_int_equal((decoded.u.private_message.ciphertext.len - TW_AEAD_TAG) % blocks[i], 0);
    tw_test_deliver(tw_buf_bytes(&message), TW_RECEIVED_APPLICATION, &p.all[1], 2);
    /* Bytes after the content that are no padding; the body swallows them for the sealer. */
    const tw_group *group = p.all[0]->group;
    const tw_content_fields fields = {.group_id = group->context.group_id,
                                      .epoch = group->context.epoch,
                                      .sender = {TW_SENDER_MEMBER, 0},
                                      .content_type = TW_CONTENT_APPLICATION,
                                      .body = TW_LITERAL("\x01x\x00\x01")};
    const tw_private_keys keys = {tw_secret_bytes(&group->secrets.sender_data_secret), group->secret_tree};
    const tw_content_auth none = {{NULL, 0}, {NULL, 0}};
    message.len = 0;
    assert_int_equal(tw_private_message_seal(group->env, group->suite, &fields, &none, &keys, blocks[i], &message),
                     TW_OK);
    tw_test_refused(p.all[1], tw_buf_bytes(&message), TW_ERR_ENCODING);
    tw_buf_clear(&message);
    tw_test_people_clear(&p);
  }
}

static void too_long(void **state) {
  tw_test_people p;
  tw_buf message = {0};
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 2, TW_NO_BYTES);
  assert_int_equal(tw_group_protect(p.all[0]->group, TW_LITERAL("x"), TW_NO_BYTES, &message), TW_OK);
  p.test.limits.message_size = (uint32_t)message.len - 1;
  tw_test_refused(p.all[1], tw_buf_bytes(&message), TW_ERR_LIMIT);
  p.test.limits.message_size++;
  tw_test_deliver(tw_buf_bytes(&message), TW_RECEIVED_APPLICATION, &p.all[1], 1);
  tw_buf_clear(&message);
  tw_test_people_clear(&p);
}

static void more_proposals_than_we_keep(void **state) {
  tw_test_people p;
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 2, TW_NO_BYTES);
  p.test.limits.proposals = 4;
  for (uint32_t i = 0; i <= 4; i++) {
    tw_buf message = {0};
    const tw_test_bent bent = {.content_type = TW_CONTENT_PROPOSAL,
                               .body = TW_LITERAL("\x00\x03\x00\x00\x00\x00"),
                               .authenticated_data = TW_BYTES((const uint8_t *)&i, sizeof i)};
    tw_test_bend(p.all[0], &bent, &message);
    if (i < 4) tw_test_deliver(tw_buf_bytes(&message), TW_RECEIVED_PROPOSAL, &p.all[1], 1);
    if (i == 4) tw_test_refused(p.all[1], tw_buf_bytes(&message), TW_ERR_LIMIT);
    tw_buf_clear(&message);
  }
  p.test.limits.proposals = tw_limits_default.proposals;
  tw_test_goes_on(&p, 2);
  tw_test_people_clear(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(wrong_epochs_groups_and_kinds),
      cmocka_unit_test(application_data_in_the_clear),
      cmocka_unit_test(signatures_of_others),
      cmocka_unit_test(nothing_is_taken_twice),
      cmocka_unit_test(late_and_far_ahead),
      cmocka_unit_test(safe_aad_is_asked_for),
      cmocka_unit_test(padding),
      cmocka_unit_test(too_long),
      cmocka_unit_test(more_proposals_than_we_keep),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Messages between one sender and one receiver of an epoch. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_MESSAGE_KIT_H
#define TW_TESTS_MESSAGE_KIT_H

#include "mls/protect.h"
#include "tw_test_env.h"

enum { MESSAGE_KIT_LEAVES = 4, MESSAGE_KIT_SENDER = 2 };

/* The confirmation_tag of commits. */
extern const uint8_t message_kit_tag[TW_HASH_MAX];

/* One sender and one receiver of the same epoch. */
typedef struct message_kit {
  tw_test_env test;
  const tw_env *env;
  const tw_suite *suite;
  tw_signer *signer;
  tw_bytes group_context;
  tw_bytes key; /* stands for membership_key and sender_data_secret */
  tw_private_keys sending;
  tw_private_keys receiving;
  tw_buf plaintext;
  tw_unverified_content content;
  uint32_t generation;
} message_kit;

/* cmocka's set-up and tear-down. */
int message_kit_set_up(void **state);
int message_kit_tear_down(void **state);
/* The epoch's secret tree as it is at first. */
tw_secret_tree *message_kit_new_tree(const message_kit *f);
/* A Remove, an empty Commit or "hello", by content type. */
tw_bytes message_kit_body(uint8_t content_type);
tw_content_fields message_kit_fields(uint8_t sender_type, uint8_t content_type);
/* Signs and seals a message. */
tw_buf message_kit_seal_public(message_kit *f, uint8_t sender_type, uint8_t content_type);
tw_buf message_kit_seal_private(message_kit *f, uint8_t content_type, uint32_t padding_block);
/* Decodes, opens and keeps the content in the kit, not verified. */
tw_err message_kit_open_public(message_kit *f, tw_bytes encoded);
tw_err message_kit_open_private(message_kit *f, tw_bytes encoded);
/* The signature of what was opened. */
tw_err message_kit_verify(message_kit *f);
/* What was opened is what was sealed. */
void message_kit_check(const message_kit *f, uint8_t sender_type, uint8_t content_type);

#define MESSAGE_TEST(function_) cmocka_unit_test_setup_teardown(function_, message_kit_set_up, message_kit_tear_down)

#endif

/* A leaf and a key package that are valid, to change one thing of. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_LEAF_KIT_H
#define TW_TESTS_LEAF_KIT_H

#include "mls/framing.h"
#include "tw_test_env.h"

enum { LEAF_KIT_NOW = 1750000000, LEAF_KIT_NOT_BEFORE = 1700000000, LEAF_KIT_NOT_AFTER = 1800000000 };

/* What a leaf and a key package are made from, all valid at first; each test changes one thing. */
typedef struct leaf_kit {
  tw_test_env test;
  const tw_suite *suite;
  tw_signer *signer;
  uint8_t init_key[TW_KEM_PUBLIC_MAX];
  uint8_t encryption_key[TW_KEM_PUBLIC_MAX];
  tw_bytes init;
  tw_leaf_node_fields fields;
  tw_bytes extensions; /* of the key package */
  tw_bytes group_context_extensions;
  uint64_t now;
  tw_buf leaf;
  tw_buf key_package;
} leaf_kit;

/* cmocka's set-up and tear-down: suite 1, or suite 2. */
int leaf_kit_set_up(void **state);
int leaf_kit_set_up_p256(void **state);
int leaf_kit_tear_down(void **state);
#define LEAF_TEST(name_) cmocka_unit_test_setup_teardown(name_, leaf_kit_set_up, leaf_kit_tear_down)
#define P256_TEST(name_)                                                                                               \
  { #name_ " (P-256)", name_, leaf_kit_set_up_p256, leaf_kit_tear_down, NULL }

/* A leaf of the fields, signed; its bytes are in `leaf`. */
tw_leaf_node leaf_kit_make(leaf_kit *f, tw_bytes group_id, uint32_t leaf_index);
/* Made and checked. */
tw_err leaf_kit_check(leaf_kit *f);

/* The same of a key package around it, whose bytes are in `key_package`. */
tw_key_package_view leaf_kit_make_package(leaf_kit *f);
tw_err leaf_kit_check_package(leaf_kit *f);

#endif

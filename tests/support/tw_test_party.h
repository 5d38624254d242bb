/* Two parties for the tests of pairs and channels. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_TEST_PARTY_H
#define TW_TESTS_TEST_PARTY_H

#include <treewire/mls.h>

#include "support/tw_test_env.h"

/** The time of most tests. */
#define TW_TEST_NOW_MS UINT64_C(1800000000000)

/** Someone with a key and a policy that notes what it was asked. Must not move between init and clear. */
typedef struct tw_test_party {
  tw_client client;
  const tw_client *clients[1]; /* for configurations */
  tw_policy policy;
  bool refuses; /* every credential but its own */
  size_t asked; /* how often about another's credential */
} tw_test_party;

/** `name` is a literal: the identity. */
void tw_test_party_init(tw_test_party *party, tw_test_env *test, const tw_suite *suite, const char *name);
void tw_test_party_clear(tw_test_party *party);

#endif

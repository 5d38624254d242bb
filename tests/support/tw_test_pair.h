/* Two pairs that talk to each other, for tests. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_TEST_PAIR_H
#define TW_TESTS_TEST_PAIR_H

#include <treewire/pair.h>

#include "support/tw_test_party.h"

/** Alice is the initiator, Bob the responder. Must not move between begin and end. */
typedef struct tw_test_pair {
  tw_test_env test;
  tw_test_party alice, bob;
  tw_pair_config alice_config, bob_config;
  tw_pair *initiator, *responder;
} tw_test_pair;

/** Parties without pairs. */
void tw_test_pair_begin(tw_test_pair *t, const tw_suite *suite);
void tw_test_pair_end(tw_test_pair *t);
tw_buf tw_test_pair_buf(tw_test_pair *t);
/** Both steady at epoch 1. */
void tw_test_pair_shake_hands(tw_test_pair *t);
/** Hands `message` to `pair`, expects success, empties it and puts the reply in its place. */
tw_pair_event tw_test_pair_deliver(tw_test_pair *t, tw_pair *pair, tw_buf *message);
/** What `pair` says of a message; on error nothing may have changed. */
tw_err tw_test_pair_refused(tw_test_pair *t, tw_pair *pair, tw_bytes message);
void tw_test_pair_state(const tw_pair *pair, tw_pair_state state, uint64_t epoch);
/** Both are in the same epoch and export the same. */
void tw_test_pair_same_epoch(const tw_test_pair *t);
/** A whole update by `from`. */
void tw_test_pair_update(tw_test_pair *t, tw_pair *from, tw_pair *to);
/** The pair of `config` as it comes back from its saved form. */
void tw_test_pair_reload(tw_test_pair *t, tw_pair **pair, const tw_pair_config *config);

#endif

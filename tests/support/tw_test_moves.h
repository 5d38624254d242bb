/* What channels and pairs did, held against the models' transitions (formal/spin). SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_TEST_MOVES_H
#define TW_TESTS_TEST_MOVES_H

#include <treewire/channel.h>

/*
 * A test with the comment "label: moves" in its first lines notes each move of each channel and pair in it
 * (tw_channel_machine_move, tw_pair_machine_move), from its first one on. Each fails the test at once where the model
 * lacks it.
 */

/** Fails unless every transition that the model of a pair has was taken. */
void tw_test_pair_moves_complete(void);
/** The same of channels. */
void tw_test_channel_moves_complete(void);

/** The keys that a channel has are those that its state is about (src/channel/machine.h). */
void tw_test_keys_fit(const tw_channel *channel);

#endif

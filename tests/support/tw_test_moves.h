/* What pairs and channels did, held against the transitions of the models in formal/spin. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_TEST_MOVES_H
#define TW_TESTS_TEST_MOVES_H

/*
 * In a test with "label: moves" in its first lines, every move of a pair (tw_pair_machine_move) and of a channel
 * (tw_channel_machine_move) is noted, and one that the model lacks fails the test at once.
 */

/** Fails unless each transition of formal/spin/pair.transitions was taken. */
void tw_test_pair_moves_are_all(void);
/** The same of formal/spin/channel.transitions. */
void tw_test_channel_moves_are_all(void);

#endif

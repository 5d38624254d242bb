/*
 * The states and moves of src/channel/machine.h, with the numbers of tw_channel_state and tw_channel_move, for the
 * models
 * of a channel. SPDX-License-Identifier: Apache-2.0
 *
 * NOTE is where a model takes a transition: `run` gathers what a search prints by it and holds channel.transitions
 * against that. Only pan compiled with -DPRINTF prints.
 */
#define WAITING 0
#define IN_TLS 1
#define HELLO_SENT 2
#define ASKING 3
#define ANSWERED 4
#define EARLY 5
#define EARLY_OPENED 6
#define OPEN 7
#define SWITCHING 8
#define ENDED 9

#define GO_TLS 0
#define GO_LEAVE_TLS 1
#define GO_HELLO 2
#define GO_ASK 3
#define GO_HELLO_ANSWERED 4
#define GO_JOINED 5
#define GO_TLS_DONE 6
#define GO_ASKED 7
#define GO_ASKED_EARLY 8
#define GO_RESUMED 9
#define GO_RECORD 10
#define GO_NEXT_RECORD 11
#define GO_PEER_UPDATED 12
#define GO_OWN_UPDATED 13
#define GO_END 14

#define is_established(s) ((s) >= EARLY_OPENED && (s) <= SWITCHING)

#define NOTE(from, move, to) printf("transition %d %d %d\n", from, move, to)

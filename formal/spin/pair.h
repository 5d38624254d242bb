/*
 * The states and inputs of src/pair/machine.c, with the numbers of tw_pair_state and tw_pair_input, for the models of a
 * pair. SPDX-License-Identifier: Apache-2.0
 *
 * NOTE is where a model takes a transition: `run` gathers what a search prints by it and holds pair.transitions against
 * that. Only pan compiled with -DPRINTF prints.
 */
#define NO_PAIR 0
#define HELLO_SENT 1
#define UNCONFIRMED 2
#define STEADY 3
#define LEADING 4
#define YIELDING 5
#define ASKING 6
#define ANSWERED 7

#define IN_SERVER_HELLO 2
#define IN_CONNECTION_UPDATE 3
#define IN_EPOCH_KEY_UPDATE 4
#define IN_RESUMPTION_RESPONSE 6
#define IN_CONFIRM 7
#define IN_UPDATE_AS_INITIATOR 8
#define IN_UPDATE_AS_RESPONDER 9
#define IN_TAKE_BACK 10
#define IN_RESUME 11
#define IN_REQUEST_REPEATED 12
#define IN_REQUEST_AHEAD 13
#define IN_REQUEST_LEVEL_AS_INITIATOR 14
#define IN_REQUEST_LEVEL_AS_RESPONDER 15

/* Party 0 is the initiator, party 1 the responder. */
#define waiting(p) (LEADING + (p))
#define in_update(p) (IN_UPDATE_AS_INITIATOR + (p))
#define in_level(p) (IN_REQUEST_LEVEL_AS_INITIATOR + (p))

#define NOTE(from, input, to) printf("transition %d %d %d\n", from, input, to)

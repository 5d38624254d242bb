/* SPDX-License-Identifier: Apache-2.0 */
#include "pair/machine.h"

#define GO(action, next)                                                                                               \
  { TW_PAIR_DO_##action, TW_PAIR_##next }
#define REFUSE(state) GO(REFUSE, state)
#define APART(state) GO(REFUSE_APART, state)
#define TOO_EARLY(state) GO(REFUSE_STATE, state)
#define PENDING(state) GO(REFUSE_PENDING, state)
#define NOTHING(state) GO(NOTHING, state)

/*
 * draft-kohbrok-mls-two-party-profile-00, "Continuous key agreement" and "Resumption", with D2, D3, D5 and D13. A pair
 * begins in HELLO_SENT (after tw_pair_initiate) or in UNCONFIRMED (after tw_pair_respond has taken the client_hello).
 * An action that fails moves nothing.
 */
static const tw_pair_step table[TW_PAIR_ANSWERED + 1][TW_PAIR_INPUTS] =
    {
        [TW_PAIR_HELLO_SENT] =
            {
                [TW_PAIR_IN_CLIENT_HELLO] = REFUSE(HELLO_SENT),
                [TW_PAIR_IN_SERVER_HELLO] = GO(JOIN, STEADY),
                [TW_PAIR_IN_CONNECTION_UPDATE] = REFUSE(HELLO_SENT),
                [TW_PAIR_IN_EPOCH_KEY_UPDATE] = REFUSE(HELLO_SENT),
                [TW_PAIR_IN_RESUMPTION_REQUEST] = REFUSE(HELLO_SENT),
                [TW_PAIR_IN_RESUMPTION_RESPONSE] = REFUSE(HELLO_SENT),
                [TW_PAIR_IN_CONFIRM] = NOTHING(HELLO_SENT),
                [TW_PAIR_IN_UPDATE_AS_INITIATOR] = TOO_EARLY(HELLO_SENT),
                [TW_PAIR_IN_UPDATE_AS_RESPONDER] = TOO_EARLY(HELLO_SENT),
                [TW_PAIR_IN_TAKE_BACK] = NOTHING(HELLO_SENT),
                [TW_PAIR_IN_RESUME] = TOO_EARLY(HELLO_SENT),
                [TW_PAIR_IN_REQUEST_REPEATED] = REFUSE(HELLO_SENT),
                [TW_PAIR_IN_REQUEST_AHEAD] = REFUSE(HELLO_SENT),
                [TW_PAIR_IN_REQUEST_LEVEL_AS_INITIATOR] = REFUSE(HELLO_SENT),
                [TW_PAIR_IN_REQUEST_LEVEL_AS_RESPONDER] = REFUSE(HELLO_SENT),
            },
        [TW_PAIR_UNCONFIRMED] =
            {
                [TW_PAIR_IN_CLIENT_HELLO] = REFUSE(UNCONFIRMED),
                [TW_PAIR_IN_SERVER_HELLO] = REFUSE(UNCONFIRMED),
                [TW_PAIR_IN_CONNECTION_UPDATE] = REFUSE(UNCONFIRMED),
                [TW_PAIR_IN_EPOCH_KEY_UPDATE] = REFUSE(UNCONFIRMED),
                [TW_PAIR_IN_RESUMPTION_REQUEST] = APART(UNCONFIRMED),
                [TW_PAIR_IN_RESUMPTION_RESPONSE] = REFUSE(UNCONFIRMED),
                [TW_PAIR_IN_CONFIRM] = GO(CONFIRM, STEADY),
                [TW_PAIR_IN_UPDATE_AS_INITIATOR] = TOO_EARLY(UNCONFIRMED),
                [TW_PAIR_IN_UPDATE_AS_RESPONDER] = TOO_EARLY(UNCONFIRMED),
                [TW_PAIR_IN_TAKE_BACK] = NOTHING(UNCONFIRMED),
                [TW_PAIR_IN_RESUME] = TOO_EARLY(UNCONFIRMED),
                [TW_PAIR_IN_REQUEST_REPEATED] = APART(UNCONFIRMED),
                [TW_PAIR_IN_REQUEST_AHEAD] = APART(UNCONFIRMED),
                [TW_PAIR_IN_REQUEST_LEVEL_AS_INITIATOR] = GO(APPLY_ANSWER, ANSWERED),
                [TW_PAIR_IN_REQUEST_LEVEL_AS_RESPONDER] = GO(APPLY_ANSWER, ANSWERED),
            },
        [TW_PAIR_STEADY] =
            {
                [TW_PAIR_IN_CLIENT_HELLO] = REFUSE(STEADY),
                [TW_PAIR_IN_SERVER_HELLO] = REFUSE(STEADY),
                [TW_PAIR_IN_CONNECTION_UPDATE] = GO(APPLY, STEADY),
                [TW_PAIR_IN_EPOCH_KEY_UPDATE] = REFUSE(STEADY),
                [TW_PAIR_IN_RESUMPTION_REQUEST] = APART(STEADY),
                [TW_PAIR_IN_RESUMPTION_RESPONSE] = REFUSE(STEADY),
                [TW_PAIR_IN_CONFIRM] = NOTHING(STEADY),
                [TW_PAIR_IN_UPDATE_AS_INITIATOR] = GO(UPDATE, LEADING),
                [TW_PAIR_IN_UPDATE_AS_RESPONDER] = GO(UPDATE, YIELDING),
                [TW_PAIR_IN_TAKE_BACK] = NOTHING(STEADY),
                [TW_PAIR_IN_RESUME] = GO(ASK, ASKING),
                [TW_PAIR_IN_REQUEST_REPEATED] = GO(ANSWER, ANSWERED),
                [TW_PAIR_IN_REQUEST_AHEAD] = APART(STEADY),
                [TW_PAIR_IN_REQUEST_LEVEL_AS_INITIATOR] = GO(APPLY_ANSWER, ANSWERED),
                [TW_PAIR_IN_REQUEST_LEVEL_AS_RESPONDER] = GO(APPLY_ANSWER, ANSWERED),
            },
        [TW_PAIR_LEADING] =
            {
                [TW_PAIR_IN_CLIENT_HELLO] = REFUSE(LEADING),
                [TW_PAIR_IN_SERVER_HELLO] = REFUSE(LEADING),
                [TW_PAIR_IN_CONNECTION_UPDATE] = GO(IGNORE_TIE, LEADING),
                [TW_PAIR_IN_EPOCH_KEY_UPDATE] = GO(ADOPT, STEADY),
                [TW_PAIR_IN_RESUMPTION_REQUEST] = APART(LEADING),
                [TW_PAIR_IN_RESUMPTION_RESPONSE] = REFUSE(LEADING),
                [TW_PAIR_IN_CONFIRM] = NOTHING(LEADING),
                [TW_PAIR_IN_UPDATE_AS_INITIATOR] = PENDING(LEADING),
                [TW_PAIR_IN_UPDATE_AS_RESPONDER] = PENDING(LEADING),
                [TW_PAIR_IN_TAKE_BACK] = GO(DROP, STEADY),
                [TW_PAIR_IN_RESUME] = GO(ASK_AGAIN, ASKING),
                [TW_PAIR_IN_REQUEST_REPEATED] = GO(ANSWER, ANSWERED),
                [TW_PAIR_IN_REQUEST_AHEAD] = GO(MERGE_ANSWER, ANSWERED),
                [TW_PAIR_IN_REQUEST_LEVEL_AS_INITIATOR] = GO(CROSS, ASKING),
                [TW_PAIR_IN_REQUEST_LEVEL_AS_RESPONDER] = GO(YIELD_ANSWER, ANSWERED),
            },
        [TW_PAIR_YIELDING] =
            {
                [TW_PAIR_IN_CLIENT_HELLO] = REFUSE(YIELDING),
                [TW_PAIR_IN_SERVER_HELLO] = REFUSE(YIELDING),
                [TW_PAIR_IN_CONNECTION_UPDATE] = GO(YIELD, STEADY),
                [TW_PAIR_IN_EPOCH_KEY_UPDATE] = GO(ADOPT, STEADY),
                [TW_PAIR_IN_RESUMPTION_REQUEST] = APART(YIELDING),
                [TW_PAIR_IN_RESUMPTION_RESPONSE] = REFUSE(YIELDING),
                [TW_PAIR_IN_CONFIRM] = NOTHING(YIELDING),
                [TW_PAIR_IN_UPDATE_AS_INITIATOR] = PENDING(YIELDING),
                [TW_PAIR_IN_UPDATE_AS_RESPONDER] = PENDING(YIELDING),
                [TW_PAIR_IN_TAKE_BACK] = GO(DROP, STEADY),
                [TW_PAIR_IN_RESUME] = GO(ASK_AGAIN, ASKING),
                [TW_PAIR_IN_REQUEST_REPEATED] = GO(ANSWER, ANSWERED),
                [TW_PAIR_IN_REQUEST_AHEAD] = GO(MERGE_ANSWER, ANSWERED),
                [TW_PAIR_IN_REQUEST_LEVEL_AS_INITIATOR] = GO(CROSS, ASKING),
                [TW_PAIR_IN_REQUEST_LEVEL_AS_RESPONDER] = GO(YIELD_ANSWER, ANSWERED),
            },
        [TW_PAIR_ASKING] =
            {
                [TW_PAIR_IN_CLIENT_HELLO] = REFUSE(ASKING),
                [TW_PAIR_IN_SERVER_HELLO] = REFUSE(ASKING),
                [TW_PAIR_IN_CONNECTION_UPDATE] = REFUSE(ASKING),
                [TW_PAIR_IN_EPOCH_KEY_UPDATE] = REFUSE(ASKING),
                [TW_PAIR_IN_RESUMPTION_REQUEST] = APART(ASKING),
                [TW_PAIR_IN_RESUMPTION_RESPONSE] = GO(RESUME, STEADY),
                [TW_PAIR_IN_CONFIRM] = NOTHING(ASKING),
                [TW_PAIR_IN_UPDATE_AS_INITIATOR] = PENDING(ASKING),
                [TW_PAIR_IN_UPDATE_AS_RESPONDER] = PENDING(ASKING),
                [TW_PAIR_IN_TAKE_BACK] = NOTHING(ASKING),
                [TW_PAIR_IN_RESUME] = GO(ASK_AGAIN, ASKING),
                [TW_PAIR_IN_REQUEST_REPEATED] = GO(ANSWER, ANSWERED),
                [TW_PAIR_IN_REQUEST_AHEAD] = GO(MERGE_ANSWER, ANSWERED),
                [TW_PAIR_IN_REQUEST_LEVEL_AS_INITIATOR] = GO(CROSS, ASKING),
                [TW_PAIR_IN_REQUEST_LEVEL_AS_RESPONDER] = GO(YIELD_ANSWER, ANSWERED),
            },
        [TW_PAIR_ANSWERED] =
            {
                [TW_PAIR_IN_CLIENT_HELLO] = REFUSE(ANSWERED),
                [TW_PAIR_IN_SERVER_HELLO] = REFUSE(ANSWERED),
                [TW_PAIR_IN_CONNECTION_UPDATE] = REFUSE(ANSWERED),
                [TW_PAIR_IN_EPOCH_KEY_UPDATE] = REFUSE(ANSWERED),
                [TW_PAIR_IN_RESUMPTION_REQUEST] = APART(ANSWERED),
                [TW_PAIR_IN_RESUMPTION_RESPONSE] = REFUSE(ANSWERED),
                [TW_PAIR_IN_CONFIRM] = GO(ADOPT, STEADY),
                [TW_PAIR_IN_UPDATE_AS_INITIATOR] = TOO_EARLY(ANSWERED),
                [TW_PAIR_IN_UPDATE_AS_RESPONDER] = TOO_EARLY(ANSWERED),
                [TW_PAIR_IN_TAKE_BACK] = NOTHING(ANSWERED),
                [TW_PAIR_IN_RESUME] = GO(ASK_AGAIN, ASKING),
                [TW_PAIR_IN_REQUEST_REPEATED] = GO(ANSWER, ANSWERED),
                [TW_PAIR_IN_REQUEST_AHEAD] = GO(MERGE_ANSWER, ANSWERED),
                [TW_PAIR_IN_REQUEST_LEVEL_AS_INITIATOR] = GO(CROSS, ASKING),
                [TW_PAIR_IN_REQUEST_LEVEL_AS_RESPONDER] = GO(YIELD_ANSWER, ANSWERED),
            },
};

tw_pair_step tw_pair_machine_step(tw_pair_state state, tw_pair_input input) { return table[state][input]; }

void tw_pair_machine_move(tw_pair_state *state, tw_pair_input input) { *state = table[*state][input].next; }

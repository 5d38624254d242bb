/* SPDX-License-Identifier: Apache-2.0 */
#include "pair/machine.h"

#define REFUSE(state)                                                                                                  \
  { TW_PAIR_DO_REFUSE, (state) }
#define RESUMPTION(state)                                                                                              \
  { TW_PAIR_DO_REFUSE_LATER, (state) }
#define TOO_EARLY(state)                                                                                               \
  { TW_PAIR_DO_REFUSE_STATE, (state) }
#define PENDING(state)                                                                                                 \
  { TW_PAIR_DO_REFUSE_PENDING, (state) }
#define NOTHING(state)                                                                                                 \
  { TW_PAIR_DO_NOTHING, (state) }

/*
 * draft-kohbrok-mls-two-party-profile-00, "Continuous key agreement", with D2, D3 and D13. A pair begins in HELLO_SENT
 * (after tw_pair_initiate) or in UNCONFIRMED (after tw_pair_respond has taken the client_hello). An action that fails
 * moves nothing.
 */
static const tw_pair_step table[TW_PAIR_YIELDING + 1][TW_PAIR_INPUTS] =
    {
        [TW_PAIR_HELLO_SENT] =
            {
                [TW_PAIR_IN_CLIENT_HELLO] = REFUSE(TW_PAIR_HELLO_SENT),
                [TW_PAIR_IN_SERVER_HELLO] = {TW_PAIR_DO_JOIN, TW_PAIR_STEADY},
                [TW_PAIR_IN_CONNECTION_UPDATE] = REFUSE(TW_PAIR_HELLO_SENT),
                [TW_PAIR_IN_EPOCH_KEY_UPDATE] = REFUSE(TW_PAIR_HELLO_SENT),
                [TW_PAIR_IN_RESUMPTION_REQUEST] = RESUMPTION(TW_PAIR_HELLO_SENT),
                [TW_PAIR_IN_RESUMPTION_RESPONSE] = RESUMPTION(TW_PAIR_HELLO_SENT),
                [TW_PAIR_IN_CONFIRM] = NOTHING(TW_PAIR_HELLO_SENT),
                [TW_PAIR_IN_UPDATE_AS_INITIATOR] = TOO_EARLY(TW_PAIR_HELLO_SENT),
                [TW_PAIR_IN_UPDATE_AS_RESPONDER] = TOO_EARLY(TW_PAIR_HELLO_SENT),
                [TW_PAIR_IN_TAKE_BACK] = NOTHING(TW_PAIR_HELLO_SENT),
            },
        [TW_PAIR_UNCONFIRMED] =
            {
                [TW_PAIR_IN_CLIENT_HELLO] = REFUSE(TW_PAIR_UNCONFIRMED),
                [TW_PAIR_IN_SERVER_HELLO] = REFUSE(TW_PAIR_UNCONFIRMED),
                [TW_PAIR_IN_CONNECTION_UPDATE] = REFUSE(TW_PAIR_UNCONFIRMED),
                [TW_PAIR_IN_EPOCH_KEY_UPDATE] = REFUSE(TW_PAIR_UNCONFIRMED),
                [TW_PAIR_IN_RESUMPTION_REQUEST] = RESUMPTION(TW_PAIR_UNCONFIRMED),
                [TW_PAIR_IN_RESUMPTION_RESPONSE] = RESUMPTION(TW_PAIR_UNCONFIRMED),
                [TW_PAIR_IN_CONFIRM] = {TW_PAIR_DO_CONFIRM, TW_PAIR_STEADY},
                [TW_PAIR_IN_UPDATE_AS_INITIATOR] = TOO_EARLY(TW_PAIR_UNCONFIRMED),
                [TW_PAIR_IN_UPDATE_AS_RESPONDER] = TOO_EARLY(TW_PAIR_UNCONFIRMED),
                [TW_PAIR_IN_TAKE_BACK] = NOTHING(TW_PAIR_UNCONFIRMED),
            },
        [TW_PAIR_STEADY] =
            {
                [TW_PAIR_IN_CLIENT_HELLO] = REFUSE(TW_PAIR_STEADY),
                [TW_PAIR_IN_SERVER_HELLO] = REFUSE(TW_PAIR_STEADY),
                [TW_PAIR_IN_CONNECTION_UPDATE] = {TW_PAIR_DO_APPLY, TW_PAIR_STEADY},
                [TW_PAIR_IN_EPOCH_KEY_UPDATE] = REFUSE(TW_PAIR_STEADY),
                [TW_PAIR_IN_RESUMPTION_REQUEST] = RESUMPTION(TW_PAIR_STEADY),
                [TW_PAIR_IN_RESUMPTION_RESPONSE] = RESUMPTION(TW_PAIR_STEADY),
                [TW_PAIR_IN_CONFIRM] = NOTHING(TW_PAIR_STEADY),
                [TW_PAIR_IN_UPDATE_AS_INITIATOR] = {TW_PAIR_DO_UPDATE, TW_PAIR_LEADING},
                [TW_PAIR_IN_UPDATE_AS_RESPONDER] = {TW_PAIR_DO_UPDATE, TW_PAIR_YIELDING},
                [TW_PAIR_IN_TAKE_BACK] = NOTHING(TW_PAIR_STEADY),
            },
        [TW_PAIR_LEADING] =
            {
                [TW_PAIR_IN_CLIENT_HELLO] = REFUSE(TW_PAIR_LEADING),
                [TW_PAIR_IN_SERVER_HELLO] = REFUSE(TW_PAIR_LEADING),
                [TW_PAIR_IN_CONNECTION_UPDATE] = {TW_PAIR_DO_IGNORE_TIE, TW_PAIR_LEADING},
                [TW_PAIR_IN_EPOCH_KEY_UPDATE] = {TW_PAIR_DO_ADOPT, TW_PAIR_STEADY},
                [TW_PAIR_IN_RESUMPTION_REQUEST] = RESUMPTION(TW_PAIR_LEADING),
                [TW_PAIR_IN_RESUMPTION_RESPONSE] = RESUMPTION(TW_PAIR_LEADING),
                [TW_PAIR_IN_CONFIRM] = NOTHING(TW_PAIR_LEADING),
                [TW_PAIR_IN_UPDATE_AS_INITIATOR] = PENDING(TW_PAIR_LEADING),
                [TW_PAIR_IN_UPDATE_AS_RESPONDER] = PENDING(TW_PAIR_LEADING),
                [TW_PAIR_IN_TAKE_BACK] = {TW_PAIR_DO_DROP, TW_PAIR_STEADY},
            },
        [TW_PAIR_YIELDING] =
            {
                [TW_PAIR_IN_CLIENT_HELLO] = REFUSE(TW_PAIR_YIELDING),
                [TW_PAIR_IN_SERVER_HELLO] = REFUSE(TW_PAIR_YIELDING),
                [TW_PAIR_IN_CONNECTION_UPDATE] = {TW_PAIR_DO_YIELD, TW_PAIR_STEADY},
                [TW_PAIR_IN_EPOCH_KEY_UPDATE] = {TW_PAIR_DO_ADOPT, TW_PAIR_STEADY},
                [TW_PAIR_IN_RESUMPTION_REQUEST] = RESUMPTION(TW_PAIR_YIELDING),
                [TW_PAIR_IN_RESUMPTION_RESPONSE] = RESUMPTION(TW_PAIR_YIELDING),
                [TW_PAIR_IN_CONFIRM] = NOTHING(TW_PAIR_YIELDING),
                [TW_PAIR_IN_UPDATE_AS_INITIATOR] = PENDING(TW_PAIR_YIELDING),
                [TW_PAIR_IN_UPDATE_AS_RESPONDER] = PENDING(TW_PAIR_YIELDING),
                [TW_PAIR_IN_TAKE_BACK] = {TW_PAIR_DO_DROP, TW_PAIR_STEADY},
            },
};

tw_pair_step tw_pair_machine_step(tw_pair_state state, tw_pair_input input) { return table[state][input]; }

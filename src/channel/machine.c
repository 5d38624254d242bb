/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/machine.h"

/* A state and a mark, since the first state is 0 and most fields of the table are empty. */
#define TO(next) (uint8_t)(0x80 | TW_CHANNEL_##next)
enum { STATE_BITS = 0x7f };

#define TAKES(type) (uint8_t)(1U << TW_PAIR_##type)

typedef struct row {
  uint8_t takes; /* by TAKES */
  uint8_t to[TW_CHANNEL_MOVES];
} row;

static const row table[TW_CHANNEL_STATES] = {
    [TW_CHANNEL_WAITING] =
        {
            .takes = TAKES(CLIENT_HELLO) | TAKES(RESUMPTION_REQUEST),
            .to =
                {
                    [TW_CHANNEL_GO_TLS] = TO(IN_TLS),
                    [TW_CHANNEL_GO_HELLO] = TO(HELLO_SENT),
                    [TW_CHANNEL_GO_ASK] = TO(ASKING),
                    [TW_CHANNEL_GO_HELLO_ANSWERED] = TO(ANSWERED),
                    [TW_CHANNEL_GO_ASKED] = TO(ANSWERED),
                    [TW_CHANNEL_GO_ASKED_EARLY] = TO(EARLY),
                    [TW_CHANNEL_GO_END] = TO(ENDED),
                },
        },
    [TW_CHANNEL_IN_TLS] =
        {
            .takes = TAKES(RESUMPTION_REQUEST),
            .to =
                {
                    [TW_CHANNEL_GO_LEAVE_TLS] = TO(WAITING),
                    [TW_CHANNEL_GO_TLS_DONE] = TO(OPEN),
                    [TW_CHANNEL_GO_RECORD] = TO(IN_TLS),
                    [TW_CHANNEL_GO_END] = TO(ENDED),
                },
        },
    [TW_CHANNEL_HELLO_SENT] =
        {
            .takes = TAKES(SERVER_HELLO),
            .to =
                {
                    [TW_CHANNEL_GO_JOINED] = TO(OPEN),
                    [TW_CHANNEL_GO_END] = TO(ENDED),
                },
        },
    [TW_CHANNEL_ASKING] =
        {
            .takes = TAKES(RESUMPTION_REQUEST) | TAKES(RESUMPTION_RESPONSE),
            .to =
                {
                    [TW_CHANNEL_GO_ASKED] = TO(ANSWERED), /* the requests have crossed */
                    [TW_CHANNEL_GO_RESUMED] = TO(ANSWERED),
                    [TW_CHANNEL_GO_END] = TO(ENDED),
                },
        },
    [TW_CHANNEL_ANSWERED] =
        {
            .to =
                {
                    [TW_CHANNEL_GO_RECORD] = TO(OPEN),
                    [TW_CHANNEL_GO_END] = TO(ENDED),
                },
        },
    [TW_CHANNEL_EARLY] =
        {
            .to =
                {
                    [TW_CHANNEL_GO_RECORD] = TO(EARLY_OPENED),
                    [TW_CHANNEL_GO_NEXT_RECORD] = TO(OPEN),
                    [TW_CHANNEL_GO_END] = TO(ENDED),
                },
        },
    [TW_CHANNEL_EARLY_OPENED] =
        {
            .to =
                {
                    [TW_CHANNEL_GO_RECORD] = TO(EARLY_OPENED),
                    [TW_CHANNEL_GO_NEXT_RECORD] = TO(OPEN),
                    [TW_CHANNEL_GO_END] = TO(ENDED),
                },
        },
    [TW_CHANNEL_OPEN] =
        {
            .takes = TAKES(CONNECTION_UPDATE) | TAKES(EPOCH_KEY_UPDATE),
            .to =
                {
                    [TW_CHANNEL_GO_RECORD] = TO(OPEN),
                    [TW_CHANNEL_GO_PEER_UPDATED] = TO(SWITCHING),
                    [TW_CHANNEL_GO_OWN_UPDATED] = TO(OPEN),
                    [TW_CHANNEL_GO_END] = TO(ENDED),
                },
        },
    /* The peer makes its updates and confirmations under the epoch that it is in: none comes before it has switched. */
    [TW_CHANNEL_SWITCHING] =
        {
            .to =
                {
                    [TW_CHANNEL_GO_RECORD] = TO(SWITCHING),
                    [TW_CHANNEL_GO_NEXT_RECORD] = TO(OPEN),
                    [TW_CHANNEL_GO_END] = TO(ENDED),
                },
        },
};

bool tw_channel_machine_move(tw_channel_state *state, tw_channel_move move) {
  const uint8_t to = table[*state].to[move];
  if (to == 0) return false;
  *state = (tw_channel_state)(to & STATE_BITS);
  return true;
}

bool tw_channel_machine_takes(tw_channel_state state, tw_pair_message_type type) {
  return (table[state].takes >> type & 1) != 0;
}

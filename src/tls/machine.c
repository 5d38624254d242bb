/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/machine.h"

/*
 * RFC 8446 section A, without certificates, PSKs and early data, and with D12. All that is not here is
 * TW_TLS_DO_REFUSE: each message in TW_TLS_START, TW_TLS_WAIT_SECOND_HELLO, TW_TLS_DONE, TW_TLS_STANDARD and
 * TW_TLS_FAILED, and TW_TLS_IN_OTHER in each state. Two actions may lead elsewhere: DO_ANSWER_HELLO to
 * TW_TLS_STANDARD or, with a HelloRetryRequest, to TW_TLS_WAIT_CLIENT_HELLO_2; DO_JOIN to TW_TLS_STANDARD. DO_RETRY
 * with a ClientHello made elsewhere leads to TW_TLS_WAIT_SECOND_HELLO. An action that fails leads to TW_TLS_FAILED.
 */
static const tw_tls_transition table[TW_TLS_STATES][TW_TLS_INPUTS] = {
    [TW_TLS_WAIT_SERVER_HELLO] =
        {
            [TW_TLS_IN_HELLO_OF_SERVER] = {TW_TLS_DO_JOIN, TW_TLS_WAIT_ENCRYPTED},
            [TW_TLS_IN_RETRY_REQUEST] = {TW_TLS_DO_RETRY, TW_TLS_WAIT_SERVER_HELLO_2},
        },
    [TW_TLS_WAIT_SERVER_HELLO_2] =
        {
            [TW_TLS_IN_HELLO_OF_SERVER] = {TW_TLS_DO_JOIN, TW_TLS_WAIT_ENCRYPTED},
        },
    [TW_TLS_WAIT_ENCRYPTED] =
        {
            [TW_TLS_IN_EXTENSIONS] = {TW_TLS_DO_NOTE_EXTENSIONS, TW_TLS_WAIT_SERVER_FINISHED},
        },
    [TW_TLS_WAIT_SERVER_FINISHED] =
        {
            [TW_TLS_IN_FINISHED] = {TW_TLS_DO_FINISH_CLIENT, TW_TLS_DONE},
        },
    [TW_TLS_WAIT_CLIENT_HELLO] =
        {
            [TW_TLS_IN_HELLO_OF_CLIENT] = {TW_TLS_DO_ANSWER_HELLO, TW_TLS_WAIT_CLIENT_FINISHED},
        },
    [TW_TLS_WAIT_CLIENT_HELLO_2] =
        {
            [TW_TLS_IN_HELLO_OF_CLIENT] = {TW_TLS_DO_ANSWER_HELLO, TW_TLS_WAIT_CLIENT_FINISHED},
        },
    [TW_TLS_WAIT_CLIENT_FINISHED] =
        {
            [TW_TLS_IN_FINISHED] = {TW_TLS_DO_FINISH_SERVER, TW_TLS_DONE},
        },
};

tw_tls_transition tw_tls_machine_step(tw_tls_state state, tw_tls_input input) { return table[state][input]; }

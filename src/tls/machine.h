/* The states of a TLS handshake and what moves it: one table. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TLS_MACHINE_H
#define TW_TLS_MACHINE_H

#include "tls/tls.h"

/* The messages, as far as they are told apart. */
typedef enum tw_tls_input {
  TW_TLS_IN_HELLO_OF_CLIENT = 0,
  TW_TLS_IN_HELLO_OF_SERVER = 1,
  TW_TLS_IN_RETRY_REQUEST = 2,
  TW_TLS_IN_EXTENSIONS = 3, /* EncryptedExtensions */
  TW_TLS_IN_FINISHED = 4,
  TW_TLS_IN_OTHER = 5 /* all others: with MLS there is none of them */
} tw_tls_input;
#define TW_TLS_INPUTS 6
#define TW_TLS_STATES (TW_TLS_FAILED + 1)

typedef enum tw_tls_action {
  TW_TLS_DO_REFUSE = 0, /* unexpected_message */
  TW_TLS_DO_ANSWER_HELLO = 1,
  TW_TLS_DO_JOIN = 2,
  TW_TLS_DO_RETRY = 3,
  TW_TLS_DO_NOTE_EXTENSIONS = 4,
  TW_TLS_DO_FINISH_CLIENT = 5,
  TW_TLS_DO_FINISH_SERVER = 6
} tw_tls_action;

typedef struct tw_tls_transition {
  tw_tls_action action;
  tw_tls_state next; /* once the action has succeeded and found nothing that leads elsewhere */
} tw_tls_transition;

/* `state` and `input` are any of their enumerations' values. */
tw_tls_transition tw_tls_machine_step(tw_tls_state state, tw_tls_input input);

#endif

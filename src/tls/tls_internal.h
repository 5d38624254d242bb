/* The inside of a TLS handshake. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TLS_INTERNAL_H
#define TW_TLS_INTERNAL_H

#include "tls/client_hello.h"
#include "tls/machine.h"
#include "tls/server_hello.h"
#include "tls/transcript.h"

enum { TW_TLS_STEPS = 8 };

/* A step that was not taken yet. */
typedef struct tw_tls_queued {
  tw_tls_step_kind kind;
  tw_tls_level level;
  size_t at; /* of the message in `output` */
  size_t len;
} tw_tls_queued;

struct tw_tls {
  const tw_env *env;
  const tw_alloc *alloc;
  tw_tls_config config;
  bool is_client;
  tw_tls_state state;
  tw_tls_state next; /* the state after the action that runs now */
  uint8_t alert;

  tw_pair *pair;
  tw_buf key_package; /* client: what its extension has to say */
  bool external;      /* client: the ClientHello is not ours */
  tw_buf hello;       /* client: the last ClientHello, whole */
  const tw_suite *suite;

  bool retried;
  uint16_t retry_suite; /* client: of the HelloRetryRequest */
  bool retry_share;     /* client: it wants a key_share */
  uint16_t retry_group; /* of this group */
  tw_buf retry_cookie;  /* client: it has given this cookie */

  tw_tls_transcript transcript;
  tw_tls_traffic handshake;
  tw_tls_epoch epoch;
  uint8_t transcript_hash[TW_HASH_MAX]; /* ClientHello … server Finished */
  uint8_t client_verify[TW_HASH_MAX];   /* server: the verify_data that it waits for */

  uint8_t client_random[TW_TLS_RANDOM];
  tw_buf server_name;
  tw_buf protocol;
  uint16_t send_limit; /* 0: none */
  uint16_t receive_limit;

  tw_buf output; /* the messages of steps */
  tw_tls_queued steps[TW_TLS_STEPS];
  size_t step_first, step_count;
};

/* ---- tls.c ---- */

/* Without a pair, in no state yet. */
TW_MUST_USE tw_err tw_tls_new(const tw_tls_config *config, bool is_client, tw_tls **out);
tw_pair_config tw_tls_pair_config(const tw_tls *tls);
/* Notes the alert, unless there is one, and returns `err`. */
TW_MUST_USE tw_err tw_tls_refuse(tw_tls *tls, tw_err err, uint8_t alert);
/* All that the handshake needs and nobody needs after it. */
void tw_tls_drop_handshake(tw_tls *tls);
static inline tw_err tw_tls_illegal(tw_tls *tls) {
  return tw_tls_refuse(tls, TW_ERR_FORBIDDEN, TW_ALERT_ILLEGAL_PARAMETER);
}

/* ---- step.c ---- */

void tw_tls_queue(tw_tls *tls, tw_tls_step_kind kind, tw_tls_level level);
/* What stands in `output` from `at` on is a message to send. */
void tw_tls_queue_message(tw_tls *tls, tw_tls_level level, size_t at);
/* The Finished for what the transcript has so far: queued, and added to the transcript. */
TW_MUST_USE tw_err tw_tls_send_finished(tw_tls *tls, const tw_secret *traffic_secret);
/* The handshake traffic secrets of the pair's epoch for ClientHello … ServerHello, and the application's of the
 * transcript that ends now, whose hash is kept. */
TW_MUST_USE tw_err tw_tls_derive_handshake(tw_tls *tls);
TW_MUST_USE tw_err tw_tls_derive_epoch(tw_tls *tls);

/* ---- client.c, server.c: the actions of the machine; errors end the handshake ---- */

TW_MUST_USE tw_err tw_tls_do_join(tw_tls *tls, tw_bytes message, tw_bytes body, uint64_t now_ms);
TW_MUST_USE tw_err tw_tls_do_retry(tw_tls *tls, tw_bytes message, tw_bytes body);
TW_MUST_USE tw_err tw_tls_do_note_extensions(tw_tls *tls, tw_bytes message, tw_bytes body);
TW_MUST_USE tw_err tw_tls_do_finish_client(tw_tls *tls, tw_bytes message, tw_bytes body);
TW_MUST_USE tw_err tw_tls_do_answer_hello(tw_tls *tls, tw_bytes message, tw_bytes body, uint64_t now_ms);
TW_MUST_USE tw_err tw_tls_do_finish_server(tw_tls *tls, tw_bytes body);

/* ---- client_retry.c ---- */

/* The second ClientHello, made elsewhere, in TW_TLS_WAIT_SECOND_HELLO. */
TW_MUST_USE tw_err tw_tls_take_second_hello(tw_tls *tls, tw_bytes hello);

/* ---- client.c ---- */

/* Views into the ClientHello that was sent. */
TW_MUST_USE tw_err tw_tls_own_hello(const tw_tls *tls, tw_tls_client_hello *hello, tw_tls_offer *offer);
/* What every ServerHello and HelloRetryRequest of TLS 1.3 has to keep to. */
TW_MUST_USE tw_err tw_tls_check_server_hello(tw_tls *tls, const tw_tls_server_hello *hello);
/* Whether each extension of an answer was offered, belongs there and is understood. */
TW_MUST_USE tw_err tw_tls_check_response(tw_tls *tls, tw_bytes block, tw_tls_place place);

/* ---- server_choose.c ---- */

/* What the server makes of a ClientHello with our extension, before any costly work: suite, name, protocol, limits. */
TW_MUST_USE tw_err tw_tls_check_client_hello(tw_tls *tls, const tw_tls_client_hello *hello, const tw_tls_offer *offer);
TW_MUST_USE tw_err tw_tls_choose(tw_tls *tls, const tw_tls_client_hello *hello, const tw_tls_offer *offer);

#endif

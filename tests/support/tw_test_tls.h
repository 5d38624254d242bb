/* Two sides of a TLS handshake with a record layer in memory between them. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_TEST_TLS_H
#define TW_TESTS_TEST_TLS_H

#include "record/record.h"
#include "support/tw_test_party.h"
#include "tls/tls.h"

struct tw_test_tls;

/** One side. It does what src/tls/tls.h leaves to the caller, and is an example of it. */
typedef struct tw_test_tls_side {
  struct tw_test_tls *both;
  tw_test_party party;
  tw_tls_config config;
  tw_tls *tls;
  bool separate;   /* each message begins a record of its own */
  size_t fragment; /* bytes of handshake messages in one record at most; 0: as many as fit */

  tw_record_key send;
  tw_record_key receive;
  tw_tls_level receive_level;
  bool got_protected;   /* a record has opened under `receive` */
  tw_buf handshake;     /* a message that is not whole yet */
  tw_buf pending;       /* messages that may share records */
  tw_buf wire;          /* sent, and not with the other side yet */
  tw_buf external;      /* client: a ClientHello made elsewhere, if not empty */
  tw_buf first_message; /* the first one that it sent, as it was before `tamper` */

  size_t messages; /* sent so far */
  size_t records;
  size_t wire_bytes;
  size_t ccs_sent, ccs_dropped;
  bool hello_wanted;
  tw_err err;             /* what ended the handshake here */
  uint8_t alert_sent;     /* 0: none */
  uint8_t alert_received; /* likewise */
} tw_test_tls_side;

/** Alice is the client, Bob the server. */
typedef struct tw_test_tls {
  tw_test_env test;
  tw_test_tls_side alice, bob;
  uint64_t now_ms;
  /** Changes what `from` sends: its messages are counted from 0. May be NULL. */
  void (*tamper)(void *ctx, const tw_test_tls_side *from, size_t index, tw_buf *message);
  void *tamper_ctx;
} tw_test_tls;

/** Sides without a handshake; change their configs, then tw_test_tls_open. */
void tw_test_tls_init(tw_test_tls *both, const tw_suite *suite);
void tw_test_tls_clear(tw_test_tls *both);
/** Makes both handshakes. */
void tw_test_tls_open(tw_test_tls *both);
/** Begins (with alice->external if that is not empty) and runs until nothing moves any more. */
void tw_test_tls_run(tw_test_tls *both);
/** Ends the handshakes, so that tw_test_tls_open can make new ones. */
void tw_test_tls_close(tw_test_tls *both);
/** Opens and runs, and it has to go well. */
void tw_test_tls_establish(tw_test_tls *both);

/** Does the steps that wait. */
void tw_test_tls_steps(tw_test_tls_side *side);
/** Gives wire bytes to a side. */
void tw_test_tls_give(tw_test_tls_side *side, tw_bytes wire);
/** A record of application data each way: both have the other's keys. */
void tw_test_tls_talk(tw_test_tls *both);

/** ---- editing messages: ClientHello, ServerHello, EncryptedExtensions ---- */

/** Replaces the data of the extension, or adds it at the end. */
void tw_test_tls_set_extension(tw_buf *message, uint16_t type, tw_bytes data);
void tw_test_tls_add_extension(tw_buf *message, uint16_t type, tw_bytes data);
void tw_test_tls_remove_extension(tw_buf *message, uint16_t type);
/** The data of the extension; fails the test if there is none. A view. */
tw_bytes tw_test_tls_extension(tw_bytes message, uint16_t type);
/** Where the length of the extensions stands. */
size_t tw_test_tls_extensions_at(tw_bytes message);

#endif

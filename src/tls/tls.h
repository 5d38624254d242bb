/* TLS+MLS: a TLS 1.3 handshake whose keys come from MLS. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TLS_TLS_H
#define TW_TLS_TLS_H

#include <treewire/pair.h>

#include "tls/alert.h"
#include "tls/message.h"
#include "tls/schedule.h"

/*
 * draft-housley-tls-using-mls-handshake in a TLS 1.3 handshake (RFC 8446, RFC 9846), with D7 and D10 … D13 of
 * docs/protocols.md. A tw_tls takes and makes whole handshake messages; records, their keys and alerts are its
 * caller's.
 *
 *   client                                                       server
 *   ClientHello (KeyPackage)                  ------------>
 *                                             <------------      HelloRetryRequest, if the server wants a cookie
 *   ClientHello (KeyPackage, cookie)          ------------>
 *                                             <------------      ServerHello (Welcome)
 *                                             <------------      {EncryptedExtensions} {Finished}
 *   {Finished}                                ------------>
 *
 * The caller's loop, on either side:
 *
 *   tw_tls_receive(tls, level, message, …)     for each whole handshake message, in order, until the state is
 *                                              TW_TLS_DONE or TW_TLS_STANDARD or an error is returned
 *   while (tw_tls_next_step(tls, &step)) …     after tw_tls_client_start and each tw_tls_receive: what to do, in order
 *   tw_tls_take(tls, &result)                  when done: the pair and what updates need
 *
 * What is left to the caller, the record layer (sections 5 and D.4):
 * - Messages of consecutive TW_TLS_STEP_SEND may share records; a message never goes over another step. Records are
 *   unprotected until TW_TLS_STEP_SEND_KEY, and have sequence numbers from 0 on after each. The record of a client's
 *   first ClientHello has the version 0x0301, all others 0x0303.
 * - Between records of one handshake message there is no other record. No handshake record is empty.
 * - From the first ClientHello until the peer's Finished, unprotected records of type change_cipher_spec with the one
 *   byte 0x01 are dropped, before a key is tried; at any other time, with any other content, or protected, they are
 *   unexpected_message. TW_TLS_STEP_SEND_CCS sends one.
 * - After TW_TLS_STEP_RECEIVE_KEY no unprotected handshake record is taken. A server takes an unprotected alert until
 *   the first protected record: a client that refuses the ServerHello has no keys to protect one with.
 * - tw_tls_info.send_limit holds from the first protected record on: content, its type and padding; receive_limit
 *   likewise (record_overflow), on the client's side from the EncryptedExtensions on.
 * - On an error the alert is tw_tls_alert_told, under the sending key in force.
 * - The server sends no application data before TW_TLS_DONE (D13), though RFC 8446 would let it.
 * - After TW_TLS_DONE, handshake messages are of type tw_code_points.mls_handshake_type (D8) and go to the pair; all
 *   others are unexpected_message, NewSessionTicket and KeyUpdate among them. After an update, tw_tls_epoch_of_group.
 */

typedef struct tw_tls tw_tls;

/* What a record is protected with. */
typedef enum tw_tls_level { TW_TLS_PLAIN = 0, TW_TLS_HANDSHAKE = 1, TW_TLS_APPLICATION = 2 } tw_tls_level;

/* src/tls/machine.c has the table of transitions. */
typedef enum tw_tls_state {
  TW_TLS_START = 0,                /* client: no ClientHello yet */
  TW_TLS_WAIT_SERVER_HELLO = 1,    /* client */
  TW_TLS_WAIT_SECOND_HELLO = 2,    /* client: a ClientHello for the HelloRetryRequest has to come from its maker */
  TW_TLS_WAIT_SERVER_HELLO_2 = 3,  /* client: as 1, and no HelloRetryRequest any more */
  TW_TLS_WAIT_ENCRYPTED = 4,       /* client: EncryptedExtensions */
  TW_TLS_WAIT_SERVER_FINISHED = 5, /* client */
  TW_TLS_WAIT_CLIENT_HELLO = 6,    /* server */
  TW_TLS_WAIT_CLIENT_HELLO_2 = 7,  /* server, after its HelloRetryRequest */
  TW_TLS_WAIT_CLIENT_FINISHED = 8, /* server: the client is not authenticated yet (D13) */
  TW_TLS_DONE = 9,                 /* both are authenticated */
  TW_TLS_STANDARD = 10,            /* the peer does not use MLS: all bytes, from the first, are for a TLS library */
  TW_TLS_FAILED = 11
} tw_tls_state;

/* Borrowed as long as the tw_tls lives, but for clients, which is borrowed as a tw_pair_config has it. */
typedef struct tw_tls_config {
  /* As in tw_pair_config. The allocator and limits are those of the first client's env. */
  const tw_client *const *clients;
  size_t client_count;
  const tw_policy *policy;
  tw_bytes parameters;
  /*
   * Client: the name of the server, at most one. Server: the names that it has, any letters' case; none: it takes every
   * name and says that it took it. A name has 1 … 255 bytes of printable ASCII.
   */
  const tw_bytes *server_names;
  size_t server_name_count;
  bool server_name_required; /* server: a ClientHello without a name is missing_extension */
  /*
   * ALPN, the preferred first, 1 … 255 bytes each. A server without any ignores what clients offer; one with some
   * refuses clients that offer none of them (no_application_protocol), and takes those that offer no ALPN at all.
   */
  const tw_bytes *protocols;
  size_t protocol_count;
  /* What we take at most in a record: content, its type and padding (RFC 8449), 64 … 16385; 0: leave that out. */
  uint16_t record_size_limit;
  /* Client: a server without MLS is TW_TLS_STANDARD and no error, if the ClientHello came from elsewhere (D12). */
  bool accept_standard;
  /*
   * Server: answer a ClientHello without cookie with a HelloRetryRequest, e.g. while many handshakes are open. The
   * cookie holds all that is to be remembered; it is authenticated with `cookie_key`, Hash.length bytes or more, which
   * may stay the same for long, and good for `cookie_context`, e.g. the client's address, and for a minute. Without a
   * key no cookie is taken. With one, it is also taken from a client whose HelloRetryRequest another tw_tls has sent.
   */
  bool retry;
  tw_bytes cookie_key;
  tw_bytes cookie_context;
} tw_tls_config;

/*
 * Make the client's side and its pair. TW_ERR_ARGUMENT: the config, TW_ERR_NO_MEMORY, TW_ERR_RANDOM. Then, for a
 * ClientHello of the caller's making, tw_tls_client_extension; then tw_tls_client_start.
 */
TW_MUST_USE tw_err tw_tls_client_new(const tw_tls_config *config, uint64_t now_ms, tw_tls **tls);
/* The data of tw_code_points.tls_using_mls_handshake for a ClientHello made elsewhere. Borrowed. */
tw_bytes tw_tls_client_extension(const tw_tls *tls);
/*
 * Begin. `hello` empty: with a ClientHello of ours, which is the first step. Else with this one, a whole handshake
 * message that its maker sends: it offers TLS 1.3, the KeyPackage's cipher suite and our extension, and no early_data
 * (else TW_ERR_ARGUMENT, and nothing has happened). Again in TW_TLS_WAIT_SECOND_HELLO, with what its maker made of the
 * HelloRetryRequest: TW_ERR_FORBIDDEN where that changes what it must not, or lacks what it has to have.
 */
TW_MUST_USE tw_err tw_tls_client_start(tw_tls *tls, tw_bytes hello);

/* The server's side, which waits for a ClientHello. TW_ERR_ARGUMENT, TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_tls_server_new(const tw_tls_config *config, tw_tls **tls);

/* NULL is fine. Secrets are wiped. */
void tw_tls_free(tw_tls *tls);

/*
 * Take one whole handshake message, header included, that came at `level`; `ends_record`: nothing follows it in its
 * record. TW_ERR_STATE: steps are left to take, nothing has happened. TW_ERR_CLOSED: it has failed before. Any other
 * error ends it (TW_TLS_FAILED, tw_tls_alert_told); resources that ran out, too.
 */
TW_MUST_USE tw_err tw_tls_receive(tw_tls *tls, tw_tls_level level, tw_bytes message, bool ends_record, uint64_t now_ms);

typedef enum tw_tls_step_kind {
  TW_TLS_STEP_SEND = 1,        /* `message` */
  TW_TLS_STEP_SEND_CCS = 2,    /* a change_cipher_spec record, unprotected */
  TW_TLS_STEP_SEND_KEY = 3,    /* from here on send under `secret`, at `level` */
  TW_TLS_STEP_RECEIVE_KEY = 4, /* from here on receive under `secret`, at `level` */
  TW_TLS_STEP_HELLO_WANTED = 5 /* TW_TLS_WAIT_SECOND_HELLO: tw_tls_client_start */
} tw_tls_step_kind;

typedef struct tw_tls_step {
  tw_tls_step_kind kind;
  tw_tls_level level; /* of the key; of a message: the one in force */
  tw_bytes message;   /* whole, header included; borrowed until the next tw_tls_receive or tw_tls_client_start */
  tw_secret secret;   /* traffic secret for tw_record_key_init with tw_tls_info.suite; the caller's to clear */
} tw_tls_step;

/* The next thing to do; false when there is none. A secret is handed out once. */
bool tw_tls_next_step(tw_tls *tls, tw_tls_step *step);

tw_tls_state tw_tls_state_of(const tw_tls *tls);
/* After an error: the alert that tells the peer (enum tw_alert). 0 before. */
uint8_t tw_tls_alert_told(const tw_tls *tls);
/* For tw_pair_peer and the like; NULL before there is one and after tw_tls_take. Borrowed. */
const tw_pair *tw_tls_pair(const tw_tls *tls);

/* Views into the tw_tls. Names are the peer's word until TW_TLS_DONE: the Finished messages cover them. */
typedef struct tw_tls_info {
  const tw_suite *suite;        /* TLS cipher suite; NULL while not known */
  tw_bytes server_name;         /* that the client named and the server took; else empty */
  tw_bytes protocol;            /* by ALPN; empty: none */
  uint16_t send_limit;          /* of record_size_limit: what the peer takes; TW_TLS_RECORD_SIZE_LIMIT_MAX without */
  uint16_t receive_limit;       /* what we said that we take; likewise */
  const uint8_t *client_random; /* TW_TLS_RANDOM bytes, for key logs */
  bool retried;                 /* there was a HelloRetryRequest */
} tw_tls_info;
void tw_tls_get_info(const tw_tls *tls, tw_tls_info *info);

typedef struct tw_tls_result {
  tw_pair *pair;                        /* the caller's to free; confirmed */
  const tw_suite *suite;                /* TLS cipher suite */
  tw_secret exporter;                   /* for tw_tls_export; the caller's to clear */
  uint8_t transcript_hash[TW_HASH_MAX]; /* ClientHello … server Finished, for tw_tls_epoch_of_group */
} tw_tls_result;
/* In TW_TLS_DONE, after the last step, once: else TW_ERR_STATE. tw_tls_get_info goes on to work. */
TW_MUST_USE tw_err tw_tls_take(tw_tls *tls, tw_tls_result *result);

#endif

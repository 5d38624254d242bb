/* What nodes write to each other by the relay's mailboxes. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_MAIL_H
#define TW_NODE_MAIL_H

#include <treewire/pair.h>

#include "codec/reader.h"
#include "codec/writer.h"

enum { TW_MAIL_REF = 16 };

/** The numbers are on the wire. */
typedef enum tw_mail_kind {
  TW_MAIL_PAIR = 1,        /* a TwoPartyMLSMessage, with its tag (tw_pair_config.by_mail) */
  TW_MAIL_ENROLMENT = 2,   /* of an invitation, sealed by its keys: from a guest, and to it */
  TW_MAIL_LIST = 3,        /* an admin's enrolment list, sealed to a member's leaf */
  TW_MAIL_LIST_WANTED = 4, /* to an admin: the version that one has of its list; 0: none */
  TW_MAIL_PAIR_ANSWER = 5, /* one that is a resumption_response */
  TW_MAIL_LAST = TW_MAIL_PAIR_ANSWER
} tw_mail_kind;

/**
 * struct { uint8 kind; opaque ref[16]; select (kind) { case 5: opaque request[16]; }; opaque body<V>; } NodeMail.
 * `request` is the nonce of the resumption_request that is answered, of which there may be several on their way. `ref`
 * says which pair it is for: of a server_hello the first 16 bytes of SHA-256 of the client_hello that it answers, else
 * the last 16 bytes of the group's id. Of an enrolment it is the invitation's id, of lists the beginning of the
 * ClientId of the admin whose list it is about.
 */
typedef struct tw_mail {
  tw_mail_kind kind;
  uint8_t ref[TW_MAIL_REF];
  uint8_t request[TW_PAIR_NONCE]; /* 0 where the kind has none */
  tw_bytes body;
} tw_mail;

/** Whether the body is a TwoPartyMLSMessage. */
static inline bool tw_mail_is_of_pair(const tw_mail *mail) {
  return mail->kind == TW_MAIL_PAIR || mail->kind == TW_MAIL_PAIR_ANSWER;
}

/** A view. Malformed errors; TW_ERR_UNSUPPORTED for another kind. */
TW_MUST_USE tw_err tw_mail_decode(tw_bytes encoded, tw_mail *out);
/** Appended. TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_mail_encode(const tw_mail *mail, tw_buf *out);

#endif

/* The token that invites a node into a network, and the keys that it stands for. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_INVITATION_H
#define TW_NODE_INVITATION_H

#include "control/message.h"
#include "crypto/crypto.h"
#include "net/address.h"
#include "node/config.h"

/*
 * The token is a secret with what is needed to use it, one word of base64url (RFC 4648 section 5, without padding). Who
 * has it can be the node that it was made for, until that one has used it. From the secret come a signature key, by
 * which the relay knows who uses the token, and the keys that requests and replies are sealed with.
 */
enum {
  TW_INVITATION_SECRET = 32,
  TW_INVITATION_ID = 16,
  TW_INVITATION_TEXT_MAX = 1024, /* characters of a token that are looked at */
};

typedef struct tw_invitation {
  tw_address relay;
  tw_fingerprint relay_key;
  char group[TW_NODE_GROUP_MAX + 1]; /* the network's name */
  const tw_suite *suite;
  tw_client_id inviter;
  uint64_t until; /* seconds since 1970 */
  uint8_t secret[TW_INVITATION_SECRET];
} tw_invitation;

/** Appends the token; the caller clears `text`, a secret. TW_ERR_ARGUMENT: what nobody would read; TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_invitation_format(const tw_env *env, const tw_invitation *invitation, tw_buf *text);
/**
 * TW_ERR_ENCODING with a report: not a token, mistyped or cut; TW_ERR_UNSUPPORTED: of another version, or of a suite
 * that is not known; TW_ERR_NO_MEMORY. `*out` is wiped by tw_invitation_clear.
 */
TW_MUST_USE tw_err tw_invitation_parse(const tw_env *env, tw_bytes text, tw_invitation *out, tw_report *report);
void tw_invitation_clear(tw_invitation *invitation);

/** Whether text can be a host: letters, digits, and what else names and addresses have. */
bool tw_invitation_is_host(tw_bytes host);

/** What both sides make of it. Nothing here tells the secret, but for the signer each is one itself. */
typedef struct tw_invitation_keys {
  uint8_t id[TW_INVITATION_ID]; /* names the invitation in messages; public */
  tw_signer *signer;            /* who uses it, at the relay */
  tw_client_id guest;           /* its fingerprint */
  uint8_t request[TW_AEAD_KEY_MAX];
  uint8_t reply[TW_AEAD_KEY_MAX]; /* of both, as many bytes as the suite's AEAD has */
} tw_invitation_keys;

/** TW_ERR_NO_MEMORY, TW_ERR_ARGUMENT. */
TW_MUST_USE tw_err tw_invitation_keys_of(const tw_env *env, const tw_invitation *invitation, tw_invitation_keys *out);
/** Wipes; also what was only zeroed, and twice. */
void tw_invitation_keys_clear(tw_invitation_keys *keys);

#endif

/* One epoch of a group, from the inside. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_GROUP_H
#define TW_MLS_GROUP_H

#include <treewire/mls.h>

#include "base/alloc.h"
#include "mls/path.h"
#include "mls/proposal_cache.h"
#include "mls/protect.h"

/* A resumption PSK of an epoch (RFC 9420 section 8.6). */
typedef struct tw_past_psk {
  uint64_t epoch;
  tw_secret secret;
} tw_past_psk;

struct tw_group {
  uint32_t refs;
  const tw_client *client;
  const tw_env *env;
  const tw_suite *suite;
  tw_signer *signer; /* of our leaf in this epoch */

  tw_buf context_encoded;   /* GroupContext */
  tw_group_context context; /* views into context_encoded */
  uint8_t interim_transcript_hash[TW_HASH_MAX];
  uint8_t confirmation_tag[TW_HASH_MAX];

  tw_tree *tree;
  tw_tree_private priv;
  tw_hmac_key exporter_key;          /* exporter_secret, prepared */
  tw_exporter_cache *exporter_cache; /* of the two labels asked for last */
  tw_epoch_secrets secrets; /* encryption_secret and application_export_secret have moved into the two trees below */
  tw_secret_tree *secret_tree;
  tw_export_tree *export_tree;
  tw_proposal_cache proposals;

  tw_past_psk *past_psks; /* newest first, this epoch's own excluded */
  uint32_t past_psk_count;
  tw_buf reinit; /* the encoded ReInit proposal that closed the group, else empty */
};

static inline tw_bytes tw_group_hash_bytes(const tw_group *group, const uint8_t *hash) {
  return TW_BYTES(hash, group->suite->hash->size);
}

/* Our leaf in this epoch's tree. */
const tw_leaf_node *tw_group_own_leaf_node(const tw_group *group);
/* TW_ERR_CLOSED for a group that a ReInit closed. */
TW_MUST_USE tw_err tw_group_check_open(const tw_group *group);
/*
 * The signature key of a sender under this epoch; TW_ERR_SENDER when there is none. Borrowed from the group or the
 * content.
 */
TW_MUST_USE tw_err tw_group_signature_key(const tw_group *group, const tw_framed_content *content, tw_bytes *key);

/*
 * tw_group_receive for who adopts the outcome in this epoch's place at once or forgets it: the key of a PrivateMessage
 * goes with the epoch, not before, so that a failure after this call has changed nothing.
 */
TW_MUST_USE tw_err tw_group_receive_to_adopt(tw_group *group, tw_bytes message, uint64_t now, tw_received *received);

/*
 * The authenticated_data of a message that we send: `given`, or in a group with Safe AAD an empty SafeAAD for none.
 * TW_ERR_ARGUMENT when the group wants SafeAAD and `given` is something else (draft-ietf-mls-extensions).
 */
TW_MUST_USE tw_err tw_group_authenticated_data(const tw_group *group, tw_bytes given, tw_bytes *framed);

/* What a policy callback's refusal becomes: `refusal`, but a failure of our own resources stays what it is. */
tw_err tw_policy_err(tw_err err, tw_err refusal);
/* Asks the Authentication Service (policy). TW_ERR_CREDENTIAL without a callback. */
TW_MUST_USE tw_err tw_client_accepts(const tw_client *client, tw_credential_event event, tw_bytes group_id,
                                     uint32_t leaf_index, const tw_leaf_node *leaf, const tw_leaf_node *old,
                                     uint64_t now);

/* An ExternalSender of the GroupContext extensions by its index: TW_ERR_SENDER when there is none. */
TW_MUST_USE tw_err tw_group_external_sender(tw_bytes group_context_extensions, uint32_t index, tw_external_sender *out);
/* Asks the policy for every external sender that GroupContext extensions name (TW_ERR_CREDENTIAL). */
TW_MUST_USE tw_err tw_client_accepts_external_senders(const tw_client *client, tw_bytes group_id, tw_bytes extensions,
                                                      uint64_t now);

#endif

/* Building an epoch: RFC 9420 sections 8 and 12.4. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_EPOCH_H
#define TW_MLS_EPOCH_H

#include "mls/proposal_list.h"

/* An empty group value with the client's fields set and no epoch in it yet. */
TW_MUST_USE tw_err tw_group_new(const tw_client *client, tw_group **out);
/* Encodes `context` into the group and sets the views. */
TW_MUST_USE tw_err tw_group_set_context(tw_group *group, const tw_group_context *context);
/* Takes the epoch's secrets: ratchet and exporter trees are set up and their roots leave `group->secrets`. */
TW_MUST_USE tw_err tw_group_set_secrets(tw_group *group, tw_bytes joiner_secret, tw_bytes psk_secret);
/* The last step of it by itself, when the secrets stand in the group. */
TW_MUST_USE tw_err tw_group_plant_trees(tw_group *group);
/* confirmation_tag from the secrets and the context, interim_transcript_hash from it. */
TW_MUST_USE tw_err tw_group_confirm(tw_group *group);

/*
 * psk_secret (section 8.4) of a commit or a Welcome; empty when there are no PSKs. `ids`: their PreSharedKeyIDs, one
 * after the other. The secrets of resumption PSKs of `group` (may be NULL) are looked up in it, all others through the
 * client's policy. TW_ERR_MISSING_PSK, TW_ERR_LIMIT.
 */
TW_MUST_USE tw_err tw_psk_secret_resolve(const tw_client *client, const tw_group *group, tw_bytes ids,
                                         tw_secret *psk_secret);
/* The PreSharedKeyIDs of a proposal list, encoded one after the other. */
TW_MUST_USE tw_err tw_proposal_list_psk_ids(const tw_proposal_list *list, tw_buf *ids);

/* What a commit changes besides the draft. */
typedef struct tw_commit_input {
  uint16_t wire_format;
  tw_bytes framed_content;
  tw_bytes signature;
  tw_bytes commit_secret; /* empty without a path */
  tw_bytes psk_secret;
  const tw_listed_proposal *reinit; /* NULL but for a commit of a ReInit */
} tw_commit_input;

/* The GroupContext between the epochs: new tree and extensions, old confirmed_transcript_hash. Appended to `out`. */
TW_MUST_USE tw_err tw_provisional_context(const tw_draft *draft, tw_buf *out);
/*
 * The next epoch of a draft; joiner_secret is for Welcomes. Takes tree, private keys and signer out of the draft.
 * `confirmation_tag` is computed into it; who processes a commit compares.
 */
TW_MUST_USE tw_err tw_epoch_advance(tw_draft *draft, const tw_client *client, const tw_commit_input *input,
                                    tw_secret *joiner_secret, tw_group **next);

#endif

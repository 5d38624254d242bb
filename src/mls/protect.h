/* Signing, protecting and opening messages: RFC 9420 sections 6.1 to 6.3. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_PROTECT_H
#define TW_MLS_PROTECT_H

#include "mls/schedule.h"
#include "mls/secret_tree.h"

/* What a FramedContent is made from; `body` is encoded (application_data with its length, a Proposal, or a Commit). */
typedef struct tw_content_fields {
  tw_bytes group_id;
  uint64_t epoch;
  tw_sender sender;
  tw_bytes authenticated_data;
  uint8_t content_type;
  tw_bytes body;
} tw_content_fields;

void tw_write_framed_content(tw_writer *w, const tw_content_fields *fields);

/*
 * FramedContentTBS: version, wire_format, content, and for the senders member and new_member_commit the GroupContext.
 * `framed_content` and `group_context` encoded. The signature is appended.
 */
TW_MUST_USE tw_err tw_content_sign(const tw_env *env, const tw_signer *signer, uint16_t wire_format,
                                   tw_bytes framed_content, uint8_t sender_type, tw_bytes group_context,
                                   tw_buf *signature);
/*
 * TW_ERR_SIGNATURE, TW_ERR_KEY; TW_ERR_SENDER when this type of sender may not send such content at all (section 6.1:
 * external senders propose, new members propose their Add or commit, and neither sends a PrivateMessage). Which key is
 * the sender's, and group_id and epoch, are the caller's to check. On success `out` is what the group code accepts.
 */
TW_MUST_USE tw_err tw_content_verify(const tw_env *env, const tw_suite *suite, const tw_unverified_content *content,
                                     tw_bytes signature_key, tw_bytes group_context, tw_verified_content *out);

/*
 * An MLSMessage with a PublicMessage, appended; TW_ERR_ARGUMENT for application data (section 6). membership_key is
 * used for the sender type member alone.
 */
TW_MUST_USE tw_err tw_public_message_seal(const tw_env *env, const tw_suite *suite, tw_bytes framed_content,
                                          uint8_t sender_type, uint8_t content_type, const tw_content_auth *auth,
                                          tw_bytes membership_key, tw_bytes group_context, tw_buf *out);
/*
 * Checks the membership tag for the sender type member (TW_ERR_MAC). TW_ERR_FORBIDDEN for application data. The
 * signature is still to be verified.
 */
TW_MUST_USE tw_err tw_public_message_open(const tw_env *env, const tw_suite *suite, const tw_public_message *message,
                                          tw_bytes membership_key, tw_bytes group_context, tw_unverified_content *out);

/* What both directions of PrivateMessage need of an epoch. */
typedef struct tw_private_keys {
  tw_bytes sender_data_secret;
  tw_secret_tree *secret_tree;
} tw_private_keys;

/* Key (suite->aead->key_size bytes) and nonce of the sender data that goes with `ciphertext`, section 6.3.2. */
TW_MUST_USE tw_err tw_sender_data_key(const tw_env *env, const tw_suite *suite, tw_bytes sender_data_secret,
                                      tw_bytes ciphertext, uint8_t key[TW_AEAD_KEY_MAX], uint8_t nonce[TW_AEAD_NONCE]);

/* An MLSMessage with a PrivateMessage, appended, padded to a multiple of `padding_block` bytes of plaintext. */
TW_MUST_USE tw_err tw_private_message_seal(const tw_env *env, const tw_suite *suite, const tw_content_fields *fields,
                                           const tw_content_auth *auth, const tw_private_keys *keys,
                                           uint32_t padding_block, tw_buf *out);
/*
 * Decrypts into `plaintext` (which the views in `out` point into; FramedContent is rebuilt there). The key is not yet
 * used up: the caller verifies the signature and then calls tw_secret_tree_used with out->content.sender.index and
 * `generation`, so that a member cannot burn the keys of another. TW_ERR_DECRYPT, TW_ERR_DUPLICATE,
 * TW_ERR_OLD_GENERATION, TW_ERR_LIMIT, TW_ERR_SENDER (a leaf outside the tree; that it is not blank is the caller's to
 * check), TW_ERR_ENCODING (padding not zero). On error `plaintext` is as before.
 */
TW_MUST_USE tw_err tw_private_message_open(const tw_env *env, const tw_suite *suite, const tw_private_message *message,
                                           const tw_private_keys *keys, tw_buf *plaintext, tw_unverified_content *out,
                                           uint32_t *generation);

#endif

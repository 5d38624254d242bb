/* The key schedule, RFC 9420 sections 8 and 8.3. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_SCHEDULE_H
#define TW_MLS_SCHEDULE_H

#include "mls/export_tree.h"
#include "mls/exporter.h"
#include "mls/framing.h"
#include "mls/label.h"
#include "mls/psk.h"
#include "mls/transcript.h"

typedef struct tw_epoch_secrets {
  tw_secret sender_data_secret;
  tw_secret encryption_secret;
  tw_secret exporter_secret;
  tw_secret external_secret;
  tw_secret confirmation_key;
  tw_secret membership_key;
  tw_secret resumption_psk;
  tw_secret epoch_authenticator;
  tw_secret application_export_secret; /* draft-ietf-mls-extensions */
  tw_secret init_secret;               /* of the next epoch */
} tw_epoch_secrets;

void tw_epoch_secrets_clear(tw_epoch_secrets *secrets);

/* init_secret and commit_secret (all-zero of Nh bytes when a commit has no path: pass TW_NO_BYTES) to joiner_secret. */
TW_MUST_USE tw_err tw_joiner_secret(const tw_env *env, const tw_suite *suite, tw_bytes init_secret,
                                    tw_bytes commit_secret, tw_bytes group_context, tw_secret *joiner_secret);
/* psk_secret empty: none, all-zero. */
TW_MUST_USE tw_err tw_epoch_secrets_derive(const tw_env *env, const tw_suite *suite, tw_bytes joiner_secret,
                                           tw_bytes psk_secret, tw_bytes group_context, tw_epoch_secrets *out);
/* From epoch_secret itself: the creator of a group draws that one at random, section 11. */
TW_MUST_USE tw_err tw_epoch_secrets_expand(const tw_env *env, const tw_suite *suite, tw_bytes epoch_secret,
                                           tw_epoch_secrets *out);
/*
 * Key (suite->aead->key_size bytes) and nonce of Welcome.encrypted_group_info, section 12.4.3.1. Both zeroed on error.
 */
TW_MUST_USE tw_err tw_welcome_key(const tw_env *env, const tw_suite *suite, tw_bytes joiner_secret, tw_bytes psk_secret,
                                  uint8_t key[TW_AEAD_KEY_MAX], uint8_t nonce[TW_AEAD_NONCE]);
/* external_pub and its private key, section 8.3. */
TW_MUST_USE tw_err tw_external_key_pair(const tw_env *env, const tw_suite *suite, tw_bytes external_secret,
                                        tw_secret *private_key, uint8_t *public_key);
/* The init_secret of an external commit: by the committer (makes kem_output) and by the members. */
TW_MUST_USE tw_err tw_external_init_send(const tw_env *env, const tw_suite *suite, tw_bytes external_pub,
                                         tw_buf *kem_output, tw_secret *init_secret);
TW_MUST_USE tw_err tw_external_init_receive(const tw_env *env, const tw_suite *suite, tw_bytes external_secret,
                                            tw_bytes kem_output, tw_secret *init_secret);

#endif

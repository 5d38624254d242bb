/* Key schedule, transcript hashes, PSKs, exporters: RFC 9420 sections 8, 8.2, 8.4, 8.5; SafeExportSecret. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_SCHEDULE_H
#define TW_MLS_SCHEDULE_H

#include "mls/framing.h"
#include "mls/label.h"

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
  tw_secret init_secret; /* of the next epoch */
} tw_epoch_secrets;

void tw_epoch_secrets_clear(tw_epoch_secrets *secrets);

/* init_secret and commit_secret (all-zero of Nh bytes when a commit has no path: pass TW_NO_BYTES) to joiner_secret. */
TW_MUST_USE tw_err tw_joiner_secret(const tw_env *env, const tw_suite *suite, tw_bytes init_secret, tw_bytes commit_secret,
                                    tw_bytes group_context, tw_secret *joiner_secret);
/* psk_secret empty: none, all-zero. */
TW_MUST_USE tw_err tw_epoch_secrets_derive(const tw_env *env, const tw_suite *suite, tw_bytes joiner_secret, tw_bytes psk_secret,
                                           tw_bytes group_context, tw_epoch_secrets *out);
/* Key and nonce of Welcome.encrypted_group_info. */
TW_MUST_USE tw_err tw_welcome_key(const tw_env *env, const tw_suite *suite, tw_bytes joiner_secret, tw_bytes psk_secret,
                                  uint8_t key[TW_AEAD_KEY_MAX], uint8_t nonce[TW_AEAD_NONCE]);
/* external_pub and its private key, section 8.3. */
TW_MUST_USE tw_err tw_external_key_pair(const tw_env *env, const tw_suite *suite, tw_bytes external_secret, tw_secret *private_key,
                                        uint8_t *public_key);
/* The init_secret of an external commit: by the committer (makes kem_output) and by the members. */
TW_MUST_USE tw_err tw_external_init_send(const tw_env *env, const tw_suite *suite, tw_bytes external_pub, tw_buf *kem_output,
                                         tw_secret *init_secret);
TW_MUST_USE tw_err tw_external_init_receive(const tw_env *env, const tw_suite *suite, tw_bytes external_secret, tw_bytes kem_output,
                                            tw_secret *init_secret);

/* Transcript hashes, section 8.2. `auth` in its encoded parts: wire format, FramedContent, signature; then confirmation_tag. */
TW_MUST_USE tw_err tw_confirmed_transcript_hash(const tw_env *env, const tw_suite *suite, tw_bytes interim_before, uint16_t wire_format,
                                                tw_bytes framed_content, tw_bytes signature, uint8_t *out);
TW_MUST_USE tw_err tw_interim_transcript_hash(const tw_env *env, const tw_suite *suite, tw_bytes confirmed, tw_bytes confirmation_tag,
                                              uint8_t *out);
TW_MUST_USE tw_err tw_confirmation_tag(const tw_env *env, const tw_suite *suite, tw_bytes confirmation_key, tw_bytes confirmed,
                                       uint8_t *out);

/* PSKs in the order of their proposals, section 8.4. `psks` NULL and 0 gives the all-zero secret. */
typedef struct tw_psk {
  tw_psk_id id; /* with nonce */
  tw_bytes secret;
} tw_psk;
TW_MUST_USE tw_err tw_psk_secret(const tw_env *env, const tw_suite *suite, const tw_psk *psks, size_t count, tw_secret *out);

/* MLS-Exporter, section 8.5. */
TW_MUST_USE tw_err tw_exporter(const tw_env *env, const tw_suite *suite, tw_bytes exporter_secret, tw_bytes label, tw_bytes context,
                               uint8_t *out, size_t len);

/* The Exporter Tree of draft-ietf-mls-extensions: 2^16 leaves, each secret given out once. Zero-initialised is empty. */
typedef struct tw_export_tree tw_export_tree;
TW_MUST_USE tw_err tw_export_tree_new(const tw_env *env, const tw_suite *suite, tw_bytes application_export_secret, tw_export_tree **out);
void tw_export_tree_free(tw_export_tree *tree);
/* TW_ERR_DUPLICATE when the component's secret was given out before. */
TW_MUST_USE tw_err tw_safe_export_secret(tw_export_tree *tree, uint16_t component_id, tw_secret *out);
/* State for durable storage. */
void tw_write_export_tree(tw_writer *w, const tw_export_tree *tree);
TW_MUST_USE tw_err tw_read_export_tree(const tw_env *env, const tw_suite *suite, tw_reader *r, tw_export_tree **out);

#endif

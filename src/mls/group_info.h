/* GroupContext, GroupInfo, Welcome: RFC 9420 sections 8.1 and 12.4.3. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_GROUP_INFO_H
#define TW_MLS_GROUP_INFO_H

#include "mls/commit.h"

typedef struct tw_group_context {
  uint16_t version;
  uint16_t cipher_suite;
  tw_bytes group_id;
  uint64_t epoch;
  tw_bytes tree_hash;
  tw_bytes confirmed_transcript_hash;
  tw_bytes extensions; /* list */
} tw_group_context;

tw_group_context tw_read_group_context(tw_reader *r);
void tw_write_group_context(tw_writer *w, const tw_group_context *context);

typedef struct tw_group_info {
  tw_group_context group_context;
  tw_bytes group_context_encoded;
  tw_bytes extensions; /* list */
  tw_bytes confirmation_tag;
  uint32_t signer; /* leaf index */
  tw_bytes signature;
  tw_bytes content; /* GroupInfoTBS */
  tw_bytes encoded;
} tw_group_info;

tw_group_info tw_read_group_info(tw_reader *r);
TW_MUST_USE tw_err tw_group_info_decode(tw_bytes encoded, tw_group_info *out);
TW_MUST_USE tw_err tw_group_info_make(const tw_env *env, const tw_suite *suite, const tw_signer *signer,
                                      tw_bytes group_context, tw_bytes extensions, tw_bytes confirmation_tag,
                                      uint32_t signer_leaf, tw_buf *out);
TW_MUST_USE tw_err tw_group_info_verify(const tw_env *env, const tw_suite *suite, const tw_group_info *info,
                                        tw_bytes signature_key);

/* struct GroupSecrets, section 12.4.3.1 */
typedef struct tw_group_secrets {
  tw_bytes joiner_secret;
  bool has_path_secret;
  tw_bytes path_secret;
  tw_bytes psks; /* list of PreSharedKeyID, checked to be well-formed */
  uint32_t psk_count;
} tw_group_secrets;

TW_MUST_USE tw_err tw_group_secrets_decode(tw_bytes encoded, tw_group_secrets *out);
void tw_write_group_secrets(tw_writer *w, const tw_group_secrets *secrets);

/* struct EncryptedGroupSecrets { KeyPackageRef new_member; HPKECiphertext encrypted_group_secrets; } */
typedef struct tw_encrypted_group_secrets {
  tw_bytes new_member;
  tw_hpke_ciphertext encrypted_group_secrets;
} tw_encrypted_group_secrets;

typedef struct tw_welcome {
  uint16_t cipher_suite;
  tw_bytes secrets; /* list of EncryptedGroupSecrets, checked to be well-formed */
  tw_bytes encrypted_group_info;
} tw_welcome;

tw_welcome tw_read_welcome(tw_reader *r);
bool tw_encrypted_group_secrets_next(tw_reader *walk, tw_encrypted_group_secrets *out);
void tw_write_welcome(tw_writer *w, const tw_welcome *welcome);
void tw_write_encrypted_group_secrets(tw_writer *w, const tw_encrypted_group_secrets *secrets);

#endif

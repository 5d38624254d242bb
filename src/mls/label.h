/* Labelled operations of RFC 9420: sections 5.1.2, 5.1.3, 5.2, 8 and 9. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_LABEL_H
#define TW_MLS_LABEL_H

#include "crypto/crypto.h"

/* Labels are given without "MLS 1.0 ". */
TW_MUST_USE tw_err tw_expand_with_label(const tw_env *env, const tw_suite *suite, tw_bytes secret, tw_bytes label,
                                        tw_bytes context, uint8_t *out, size_t len);
/*
 * The same by a key made of the secret once (tw_hmac_key_init): where several values come from one secret, as nearly
 * everywhere in the key schedule, each but the first costs half. The suite is that of the key's hash.
 */
TW_MUST_USE tw_err tw_expand_with_label_key(const tw_env *env, const tw_hmac_key *key, tw_bytes label, tw_bytes context,
                                            uint8_t *out, size_t len);
/* ExpandWithLabel with len = Nh and no context, into a secret. */
TW_MUST_USE tw_err tw_derive_secret(const tw_env *env, const tw_suite *suite, tw_bytes secret, tw_bytes label,
                                    tw_secret *out);
TW_MUST_USE tw_err tw_derive_key_secret(const tw_env *env, const tw_hmac_key *key, tw_bytes label, tw_secret *out);
TW_MUST_USE tw_err tw_derive_tree_secret(const tw_env *env, const tw_suite *suite, tw_bytes secret, tw_bytes label,
                                         uint32_t generation, uint8_t *out, size_t len);
/* The signed content is the concatenation of `parts`; the signature is appended. */
TW_MUST_USE tw_err tw_sign_with_label(const tw_env *env, const tw_signer *signer, tw_bytes label, const tw_bytes *parts,
                                      size_t count, tw_buf *signature);
TW_MUST_USE tw_err tw_verify_with_label(const tw_env *env, const tw_suite *suite, tw_bytes public_key, tw_bytes label,
                                        const tw_bytes *parts, size_t count, tw_bytes signature);
TW_MUST_USE tw_err tw_encrypt_with_label(const tw_env *env, const tw_suite *suite, tw_bytes public_key, tw_bytes label,
                                         tw_bytes context, tw_bytes plaintext, tw_buf *kem_output, tw_buf *ciphertext);
/* EncryptContext hashed once for many messages: then tw_hpke_seal_with, with no AAD, is EncryptWithLabel. */
TW_MUST_USE tw_err tw_encrypt_info(const tw_env *env, const tw_suite *suite, tw_bytes label, tw_bytes context,
                                   tw_hpke_info *out);
TW_MUST_USE tw_err tw_decrypt_with_label(const tw_env *env, const tw_suite *suite, tw_bytes private_key,
                                         tw_bytes public_key, tw_bytes label, tw_bytes context, tw_bytes kem_output,
                                         tw_bytes ciphertext, tw_buf *plaintext);
/* RefHash, section 5.2: Nh bytes. The label is whole here, as in RefHash itself: "MLS 1.0 KeyPackage Reference". */
TW_MUST_USE tw_err tw_ref_hash(const tw_env *env, const tw_suite *suite, tw_bytes label, tw_bytes value, uint8_t *out);

#endif

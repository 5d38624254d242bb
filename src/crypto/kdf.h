/* HMAC, HKDF and HPKE's labelled forms by hash rather than by suite. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CRYPTO_KDF_H
#define TW_CRYPTO_KDF_H

#include "crypto/provider.h"

/* `out` has room for hash->size bytes and may be part of the input. */
TW_MUST_USE tw_err tw_kdf_hmac(tw_provider *provider, const tw_hash *hash, tw_bytes key, const tw_bytes *parts,
                               size_t count, uint8_t *out);
/* HKDF-Expand, RFC 5869 section 2.3. `out` is zeroed on error. */
TW_MUST_USE tw_err tw_kdf_expand(tw_provider *provider, const tw_hash *hash, tw_bytes prk, const tw_bytes *info,
                                 size_t count, uint8_t *out, size_t len);
/* LabeledExtract and LabeledExpand, RFC 9180 section 4; labels are NUL-terminated. */
TW_MUST_USE tw_err tw_labeled_extract_parts(tw_provider *provider, const tw_hash *hash, tw_bytes suite_id,
                                            tw_bytes salt, const char *label, const tw_bytes *ikm, size_t count,
                                            uint8_t *out);
TW_MUST_USE tw_err tw_labeled_extract(tw_provider *provider, const tw_hash *hash, tw_bytes suite_id, tw_bytes salt,
                                      const char *label, tw_bytes ikm, uint8_t *out);
TW_MUST_USE tw_err tw_labeled_expand(tw_provider *provider, const tw_hash *hash, tw_bytes suite_id, tw_bytes prk,
                                     const char *label, tw_bytes info, uint8_t *out, size_t len);
/* LabeledExpand with a key that is used more than once. */
TW_MUST_USE tw_err tw_labeled_expand_with(tw_provider *provider, const tw_hmac_key *key, tw_bytes suite_id,
                                          const char *label, tw_bytes info, uint8_t *out, size_t len);
/* LabeledDerive of draft-ietf-hpke-hpke with SHAKE256 (draft-ietf-hpke-pq section 5) and an empty context. */
TW_MUST_USE tw_err tw_labeled_shake256(tw_provider *provider, tw_bytes suite_id, tw_bytes ikm, const char *label,
                                       uint8_t *out, size_t len);

#endif

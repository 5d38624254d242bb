/* The algorithms that suites are made of. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CRYPTO_SUITES_H
#define TW_CRYPTO_SUITES_H

#include "crypto/crypto.h"

/* tw_hash.id */
enum tw_hash_id { TW_HASH_SHA256 = 0, TW_HASH_SHA384 = 1, TW_HASH_SHA512 = 2, TW_HASHES = 3 };

/* tw_kem.id: RFC 9180 section 7.1, draft-ietf-hpke-pq */
enum tw_kem_id {
  TW_KEM_P256 = 0x0010,
  TW_KEM_P384 = 0x0011,
  TW_KEM_P521 = 0x0012,
  TW_KEM_X25519 = 0x0020,
  TW_KEM_X448 = 0x0021,
  TW_KEM_MLKEM768 = 0x0041,
  TW_KEM_MLKEM1024 = 0x0042,
  TW_KEM_MLKEM768_P256 = 0x0050,
  TW_KEM_MLKEM1024_P384 = 0x0051,
  TW_KEM_MLKEM768_X25519 = 0x647a
};

/* tw_aead.id: RFC 9180 section 7.3 */
enum tw_aead_id { TW_AEAD_AES128GCM = 1, TW_AEAD_AES256GCM = 2, TW_AEAD_CHACHA20POLY1305 = 3 };

/* tw_signature.id: RFC 8446 section 4.2.3, draft-ietf-tls-mldsa */
enum tw_signature_id {
  TW_SIGN_P256 = 0x0403,
  TW_SIGN_P384 = 0x0503,
  TW_SIGN_P521 = 0x0603,
  TW_SIGN_ED25519 = 0x0807,
  TW_SIGN_ED448 = 0x0808,
  TW_SIGN_MLDSA44 = 0x0904,
  TW_SIGN_MLDSA65 = 0x0905,
  TW_SIGN_MLDSA87 = 0x0906
};

extern const tw_hash tw_hash_sha256, tw_hash_sha384, tw_hash_sha512;
extern const tw_aead tw_aead_aes128gcm, tw_aead_aes256gcm, tw_aead_chacha20poly1305;
extern const tw_kem tw_kem_p256, tw_kem_p384, tw_kem_p521, tw_kem_x25519, tw_kem_x448, tw_kem_mlkem768,
    tw_kem_mlkem1024, tw_kem_mlkem768_p256, tw_kem_mlkem1024_p384, tw_kem_mlkem768_x25519;
extern const tw_signature tw_signature_ed25519, tw_signature_ed448, tw_signature_p256, tw_signature_p384,
    tw_signature_p521, tw_signature_mldsa44, tw_signature_mldsa65, tw_signature_mldsa87;

#endif

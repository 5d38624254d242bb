/* The provider over OpenSSL's libcrypto: its state and its parts. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CRYPTO_OPENSSL_OSSL_H
#define TW_CRYPTO_OPENSSL_OSSL_H

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include "crypto/group.h"
#include "crypto/ipsec_mb/ipsec_mb.h"

/* Key types of which EVP_PKEYs are made. */
typedef enum tw_ossl_type {
  TW_OSSL_X25519,
  TW_OSSL_X448,
  TW_OSSL_MLKEM768,
  TW_OSSL_MLKEM1024,
  TW_OSSL_EC,
  TW_OSSL_ED25519,
  TW_OSSL_ED448,
  TW_OSSL_MLDSA44,
  TW_OSSL_MLDSA65,
  TW_OSSL_MLDSA87,
  TW_OSSL_TYPES
} tw_ossl_type;
enum { TW_OSSL_FIRST_SIGNATURE = TW_OSSL_EC, TW_OSSL_CURVES = 3 };

typedef struct tw_ossl {
  tw_provider head;
  tw_alloc alloc;
  OSSL_LIB_CTX *lib;
  OSSL_PROVIDER *provider;
  EVP_MD *sha3_256;
  EVP_MD *shake256;
  EVP_MD_CTX *md;
  EVP_CIPHER *ciphers[3];                   /* by HPKE AEAD id - 1 */
  EVP_CIPHER_CTX *cipher;                   /* scratch, without a key between calls */
  tw_ipsec_mb *mb;                          /* for kept keys of AES-GCM; NULL: by libcrypto, as the rest */
  EVP_PKEY_CTX *makers[TW_OSSL_TYPES];      /* set up for EVP_PKEY_fromdata */
  EVP_SIGNATURE *signatures[TW_OSSL_TYPES]; /* from TW_OSSL_FIRST_SIGNATURE on; EC is ECDSA */
  EC_GROUP *curves[TW_OSSL_CURVES];         /* P-256, P-384, P-521 */
  BN_CTX *bn;
} tw_ossl;

static inline tw_ossl *tw_ossl_of(tw_provider *provider) { return (tw_ossl *)(void *)provider; }

/*
 * Each call into OpenSSL that may report errors stands between these two: the error queue of the calling thread is
 * afterwards as before. End gives TW_OK, or TW_ERR_NO_MEMORY where an allocation failed, or else `otherwise`.
 */
static inline void tw_ossl_begin(void) { (void)ERR_set_mark(); }
TW_MUST_USE tw_err tw_ossl_end(bool ok, tw_err otherwise);
/*
 * Whether nothing was reported since begin. ML-KEM and ML-DSA of OpenSSL 3.5 go on to "success" when a hash within them
 * fails, as for want of memory: where the result matters it is taken only if this holds too.
 */
static inline bool tw_ossl_clean(void) { return ERR_count_to_mark() == 0; }

/* A key of raw parts, each of which may be absent (ptr NULL); NULL on error. Between begin and end. */
EVP_PKEY *tw_ossl_key(tw_ossl *ossl, tw_ossl_type type, tw_bytes public_key, tw_bytes private_key);
/* The same for ECDSA; `group` is a curve. The private part comes with the public one. */
EVP_PKEY *tw_ossl_ec_key(tw_ossl *ossl, const tw_group *group, tw_bytes public_key, tw_bytes private_key);
/* The public key of `key`, exactly `len` bytes. */
bool tw_ossl_public(const EVP_PKEY *key, uint8_t *out, size_t len);

/* sha2.c */
tw_err tw_ossl_hash(tw_provider *provider, const tw_hash *hash, const tw_bytes *parts, size_t count, uint8_t *out);
void tw_ossl_hmac_key(tw_provider *provider, const tw_hash *hash, tw_bytes key, tw_hmac_key *out);
tw_err tw_ossl_hmac(tw_provider *provider, const tw_hmac_key *key, const tw_bytes *parts, size_t count, uint8_t *out);
/* sha3.c */
tw_err tw_ossl_sha3_256(tw_provider *provider, const tw_bytes *parts, size_t count, uint8_t *out);
tw_err tw_ossl_shake256(tw_provider *provider, const tw_bytes *parts, size_t count, uint8_t *out, size_t len);
/* aead.c */
/* Sets `mb`. TW_ERR_NO_MEMORY. Between begin and end. */
TW_MUST_USE tw_err tw_ossl_find_ipsec_mb(tw_ossl *ossl);
tw_err tw_ossl_aead_seal(tw_provider *provider, const tw_aead *aead, tw_bytes key, const uint8_t *nonce, tw_bytes aad,
                         tw_bytes plaintext, uint8_t *out);
tw_err tw_ossl_aead_open(tw_provider *provider, const tw_aead *aead, tw_bytes key, const uint8_t *nonce, tw_bytes aad,
                         tw_bytes ciphertext, uint8_t *out);
tw_err tw_ossl_aead_key_new(tw_provider *provider, const tw_alloc *alloc, const tw_aead *aead, tw_bytes key,
                            tw_aead_key **out);
void tw_ossl_aead_key_free(tw_aead_key *key);
tw_err tw_ossl_aead_key_seal(tw_aead_key *key, const uint8_t *nonce, tw_bytes aad, tw_bytes plaintext, uint8_t *out);
void tw_ossl_aead_key_rest(tw_aead_key *key);
tw_err tw_ossl_aead_key_wake(tw_aead_key *key);
tw_err tw_ossl_aead_key_open(tw_aead_key *key, const uint8_t *nonce, tw_bytes aad, tw_bytes ciphertext, uint8_t *out);
/* dh.c */
tw_err tw_ossl_dh_check(tw_provider *provider, tw_dh_group id, tw_bytes public_key);
tw_err tw_ossl_dh_public(tw_provider *provider, tw_dh_group id, tw_bytes scalar, uint8_t *public_key);
tw_err tw_ossl_dh(tw_provider *provider, tw_dh_group id, tw_bytes scalar, uint8_t *public_key, bool know_public,
                  tw_bytes peer, uint8_t *shared);
/* ec.c: the same for the curves of NIST. */
tw_err tw_ossl_ec_check(tw_ossl *ossl, const tw_group *group, tw_bytes public_key);
tw_err tw_ossl_ec_public(tw_ossl *ossl, const tw_group *group, tw_bytes scalar, uint8_t *public_key);
tw_err tw_ossl_ec_dh(tw_ossl *ossl, const tw_group *group, tw_bytes scalar, tw_bytes peer, uint8_t *shared);
/* Any encoding of a point, in uncompressed form. TW_ERR_KEY. */
tw_err tw_ossl_ec_uncompress(tw_ossl *ossl, const tw_group *group, tw_bytes bytes, uint8_t *public_key);
/* mlkem.c */
tw_err tw_ossl_mlkem_public(tw_provider *provider, tw_mlkem_id id, tw_bytes seed, uint8_t *public_key);
tw_err tw_ossl_mlkem_encap(tw_provider *provider, tw_mlkem_id id, tw_bytes public_key, const uint8_t *random,
                           uint8_t *output, uint8_t *shared);
tw_err tw_ossl_mlkem_decap(tw_provider *provider, tw_mlkem_id id, tw_bytes seed, tw_bytes output, uint8_t *shared);
/* signature.c */
tw_err tw_ossl_sign_key_new(tw_provider *provider, const tw_alloc *alloc, const tw_signature *scheme,
                            tw_bytes private_key, uint8_t *public_key, void **key);
void tw_ossl_sign_key_free(void *key);
tw_err tw_ossl_sign(tw_provider *provider, const tw_signature *scheme, void *key, const uint8_t *random,
                    tw_bytes content, uint8_t *signature, size_t *len);
tw_err tw_ossl_verify(tw_provider *provider, const tw_signature *scheme, tw_bytes public_key, tw_bytes content,
                      tw_bytes signature);
/* x509.c */
tw_err tw_ossl_x509_public_key(tw_provider *provider, const tw_signature *scheme, tw_bytes certificate,
                               uint8_t *public_key);

#endif

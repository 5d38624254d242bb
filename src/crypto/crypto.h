/* What the protocols need of cryptography, by cipher suite. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CRYPTO_CRYPTO_H
#define TW_CRYPTO_CRYPTO_H

#include <treewire/env.h>

#include "base/secret.h"

enum {
  TW_HASH_MAX = 64, /* SHA-512 */
  TW_AEAD_KEY_MAX = 32,
  TW_AEAD_NONCE = 12,       /* of every AEAD here */
  TW_AEAD_TAG = 16,         /* of every AEAD here */
  TW_KEM_PUBLIC_MAX = 1665, /* MLKEM1024-P384 */
  TW_KEM_OUTPUT_MAX = 1665,
  TW_SIGN_PUBLIC_MAX = 2592, /* ML-DSA-87 */
  TW_SIGNATURE_MAX = 4627
};

typedef struct tw_hash {
  uint8_t id;      /* which of the provider's hashes */
  uint16_t kdf_id; /* HPKE KDF with this hash, RFC 9180 section 7.2 */
  uint8_t size;    /* Nh */
  uint8_t block;   /* of the compression function, for HMAC */
  const char *name;
} tw_hash;

typedef struct tw_aead {
  uint16_t id;      /* HPKE AEAD id, RFC 9180 section 7.3 */
  uint8_t key_size; /* Nk */
  const char *name;
} tw_aead;

typedef struct tw_kem {
  uint16_t id;             /* HPKE KEM id */
  uint16_t public_size;    /* Npk */
  uint16_t output_size;    /* Nenc */
  uint8_t private_size;    /* Nsk: scalar or seed */
  uint8_t secret_size;     /* Nsecret */
  uint8_t encap_seed_size; /* random bytes that one encapsulation draws */
  const char *name;
} tw_kem;

typedef struct tw_signature {
  uint16_t id; /* TLS SignatureScheme */
  uint16_t public_size;
  uint16_t signature_max;
  uint8_t private_size; /* scalar or seed */
  uint8_t sign_random;  /* random bytes that one signature draws */
  const char *name;
} tw_signature;

struct tw_suite {
  uint16_t id;      /* RFC 9420's number; for PQ suites 0, see pq_index */
  uint8_t pq_index; /* 1 … 11 for TBD1 … TBD11, else 0 */
  const char *name;
  const tw_kem *kem;
  const tw_hash *hash; /* of the KDF and of the transcript */
  const tw_aead *aead;
  const tw_signature *signature;
};

/* Randomness of env's callback, else of the provider. TW_ERR_RANDOM. */
TW_MUST_USE tw_err tw_random(const tw_env *env, uint8_t *out, size_t len);

/* Hash and HMAC of the concatenation of `parts` into `out` (suite->hash->size bytes). */
TW_MUST_USE tw_err tw_hash_parts(const tw_env *env, const tw_suite *suite, const tw_bytes *parts, size_t count,
                                 uint8_t *out);
TW_MUST_USE tw_err tw_hmac_parts(const tw_env *env, const tw_suite *suite, tw_bytes key, const tw_bytes *parts,
                                 size_t count, uint8_t *out);
/*
 * A key for many HMACs: keeps the hash states after the padded key, which saves two compressions of the hash for each
 * further use. Holds a secret: the owner wipes it (tw_wipe).
 */
typedef struct tw_hmac_key {
  const tw_hash *hash;
  uint64_t inner[8];
  uint64_t outer[8];
} tw_hmac_key;
void tw_hmac_key_init(const tw_env *env, const tw_suite *suite, tw_bytes key, tw_hmac_key *out);
TW_MUST_USE tw_err tw_hmac_key_parts(const tw_env *env, const tw_hmac_key *key, const tw_bytes *parts, size_t count,
                                     uint8_t *out);
/* HKDF-Extract and HKDF-Expand (RFC 5869) with the suite's hash; `info` is the concatenation of its parts,
 * at most TW_HKDF_INFO_PARTS of them; `len` <= 255 * Nh. `out` of the extraction may hold `salt` or `ikm`. */
enum { TW_HKDF_INFO_PARTS = 12 };
TW_MUST_USE tw_err tw_hkdf_extract(const tw_env *env, const tw_suite *suite, tw_bytes salt, tw_bytes ikm,
                                   tw_secret *out);
/* HKDF-Expand again, by a key made of prk once for several. */
TW_MUST_USE tw_err tw_hkdf_expand_with_key(const tw_env *env, const tw_hmac_key *prk, const tw_bytes *info,
                                           size_t count, uint8_t *out, size_t len);
TW_MUST_USE tw_err tw_hkdf_expand(const tw_env *env, const tw_suite *suite, tw_bytes prk, const tw_bytes *info,
                                  size_t count, uint8_t *out, size_t len);

/*
 * AEAD, one message. `out` has room for plaintext.len + TW_AEAD_TAG (seal) or ciphertext.len - TW_AEAD_TAG (open) and
 * may be the input itself. Opening: TW_ERR_DECRYPT, `out` zeroed.
 */
TW_MUST_USE tw_err tw_aead_seal(const tw_env *env, const tw_suite *suite, tw_bytes key,
                                const uint8_t nonce[TW_AEAD_NONCE], tw_bytes aad, tw_bytes plaintext, uint8_t *out);
TW_MUST_USE tw_err tw_aead_open(const tw_env *env, const tw_suite *suite, tw_bytes key,
                                const uint8_t nonce[TW_AEAD_NONCE], tw_bytes aad, tw_bytes ciphertext, uint8_t *out);

/* An AEAD key set up once for many messages: the packet and record path. No allocation per message. One thread at a
 * time, which need not be that of its provider. */
typedef struct tw_aead_key tw_aead_key;
TW_MUST_USE tw_err tw_aead_key_new(const tw_env *env, const tw_suite *suite, tw_bytes key, tw_aead_key **out);
void tw_aead_key_free(tw_aead_key *key);
TW_MUST_USE tw_err tw_aead_key_seal(tw_aead_key *key, const uint8_t nonce[TW_AEAD_NONCE], tw_bytes aad,
                                    tw_bytes plaintext, uint8_t *out);
TW_MUST_USE tw_err tw_aead_key_open(tw_aead_key *key, const uint8_t nonce[TW_AEAD_NONCE], tw_bytes aad,
                                    tw_bytes ciphertext, uint8_t *out);
/*
 * Let go of what a key takes beside its own bytes, some kilobyte, while it is not used. It is taken again when the key
 * is used, and sealing and opening may fail with TW_ERR_NO_MEMORY then; or before, by tw_aead_key_wake: after TW_OK
 * they do not. NULL: nothing.
 */
void tw_aead_key_rest(tw_aead_key *key);
TW_MUST_USE tw_err tw_aead_key_wake(tw_aead_key *key);

/*
 * KEM key pairs (HPKE DeriveKeyPair, RFC 9180 section 7.1.3, draft-ietf-hpke-pq). `public_key` has room for
 * suite->kem->public_size bytes. tw_kem_generate draws Nsk random bytes and derives.
 */
TW_MUST_USE tw_err tw_kem_derive_key_pair(const tw_env *env, const tw_suite *suite, tw_bytes ikm,
                                          tw_secret *private_key, uint8_t *public_key);
TW_MUST_USE tw_err tw_kem_generate(const tw_env *env, const tw_suite *suite, tw_secret *private_key,
                                   uint8_t *public_key);
/*
 * TW_ERR_KEY when length or encoding is wrong (or the point is not on the curve, or of low order where that is
 * detectable).
 */
TW_MUST_USE tw_err tw_kem_check_public(const tw_env *env, const tw_suite *suite, tw_bytes public_key);
/* The public key of a private one. TW_ERR_KEY. */
TW_MUST_USE tw_err tw_kem_public_key(const tw_env *env, const tw_suite *suite, tw_bytes private_key,
                                     uint8_t *public_key);

/*
 * HPKE base mode, single shot (RFC 9180 section 6.1). Outputs are appended to the buffers.
 * Seal: TW_ERR_KEY for a bad public key, TW_ERR_RANDOM. Open: TW_ERR_DECRYPT whatever is wrong with the message.
 * `public_key` is that of `private_key` (saves computing it).
 */
TW_MUST_USE tw_err tw_hpke_seal(const tw_env *env, const tw_suite *suite, tw_bytes public_key, tw_bytes info,
                                tw_bytes aad, tw_bytes plaintext, tw_buf *kem_output, tw_buf *ciphertext);
/*
 * The same for many messages with one `info`, which is hashed once: the concatenation of `parts`. Its hash is not
 * secret if `info` is not.
 */
typedef struct tw_hpke_info {
  uint8_t hash[TW_HASH_MAX];
} tw_hpke_info;
TW_MUST_USE tw_err tw_hpke_info_of(const tw_env *env, const tw_suite *suite, const tw_bytes *parts, size_t count,
                                   tw_hpke_info *out);
TW_MUST_USE tw_err tw_hpke_seal_with(const tw_env *env, const tw_suite *suite, tw_bytes public_key,
                                     const tw_hpke_info *info, tw_bytes aad, tw_bytes plaintext, tw_buf *kem_output,
                                     tw_buf *ciphertext);
TW_MUST_USE tw_err tw_hpke_open_with(const tw_env *env, const tw_suite *suite, tw_bytes private_key,
                                     tw_bytes public_key, tw_bytes kem_output, const tw_hpke_info *info, tw_bytes aad,
                                     tw_bytes ciphertext, tw_buf *plaintext);
TW_MUST_USE tw_err tw_hpke_open(const tw_env *env, const tw_suite *suite, tw_bytes private_key, tw_bytes public_key,
                                tw_bytes kem_output, tw_bytes info, tw_bytes aad, tw_bytes ciphertext,
                                tw_buf *plaintext);
/* HPKE secret export (RFC 9180 section 6.2), `len` <= TW_SECRET_MAX bytes into `out`. */
TW_MUST_USE tw_err tw_hpke_send_export(const tw_env *env, const tw_suite *suite, tw_bytes public_key, tw_bytes info,
                                       tw_bytes exporter_context, size_t len, tw_buf *kem_output, tw_secret *out);
TW_MUST_USE tw_err tw_hpke_receive_export(const tw_env *env, const tw_suite *suite, tw_bytes private_key,
                                          tw_bytes public_key, tw_bytes kem_output, tw_bytes info,
                                          tw_bytes exporter_context, size_t len, tw_secret *out);

/* The signature over `content`, appended to `signature`. TW_ERR_RANDOM. */
TW_MUST_USE tw_err tw_sign(const tw_env *env, const tw_signer *signer, tw_bytes content, tw_buf *signature);
/* TW_ERR_KEY for an invalid public key, TW_ERR_SIGNATURE when it does not verify. */
TW_MUST_USE tw_err tw_verify(const tw_env *env, const tw_suite *suite, tw_bytes public_key, tw_bytes content,
                             tw_bytes signature);
/* The suite's signature scheme of a signer, to check that it fits a suite. */
const tw_signature *tw_signer_scheme(const tw_signer *signer);
/*
 * The subject public key of a DER certificate in the form of LeafNode.signature_key, appended to `out`.
 * TW_ERR_ENCODING when it does not parse, TW_ERR_KEY when the key is not of the suite's scheme (RFC 9420 section 5.3).
 */
TW_MUST_USE tw_err tw_x509_public_key(const tw_env *env, const tw_suite *suite, tw_bytes certificate, tw_buf *out);

/* Limits, code points and allocator of env or the defaults. */
const tw_limits *tw_env_limits(const tw_env *env);
const tw_code_points *tw_env_code_points(const tw_env *env);
const tw_alloc *tw_env_alloc(const tw_env *env);
/* Whose AES-GCM it is that a tw_aead_key seals and opens with, for people: "libcrypto", "libipsec-mb". */
const char *tw_env_aes_gcm(const tw_env *env);

#endif

/* What a provider of algorithms implements. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CRYPTO_PROVIDER_H
#define TW_CRYPTO_PROVIDER_H

#include "crypto/suites.h"

/* Groups of Diffie-Hellman. */
typedef enum tw_dh_group { TW_GROUP_X25519, TW_GROUP_X448, TW_GROUP_P256, TW_GROUP_P384, TW_GROUP_P521 } tw_dh_group;
enum { TW_DH_SCALAR_MAX = 66, TW_DH_PUBLIC_MAX = 133, TW_DH_SHARED_MAX = 66 };

/* Parameter sets of ML-KEM. */
typedef enum tw_mlkem_id { TW_MLKEM_768, TW_MLKEM_1024 } tw_mlkem_id;
enum { TW_MLKEM_SEED = 64, TW_MLKEM_RANDOM = 32, TW_MLKEM_SHARED = 32 };

/*
 * The functions of a provider. Lengths of fixed-size arguments are checked by the callers in this room. Errors:
 * TW_ERR_NO_MEMORY and TW_ERR_INTERNAL for what only the library itself can cause, and those named.
 * All outputs are public or become the caller's secret; nothing secret stays behind in the provider's scratch state.
 */
typedef struct tw_provider_ops {
  void (*free)(tw_provider *provider);
  /* TW_ERR_RANDOM */
  tw_err (*random)(tw_provider *provider, uint8_t *out, size_t len);

  tw_err (*hash)(tw_provider *provider, const tw_hash *hash, const tw_bytes *parts, size_t count, uint8_t *out);
  void (*hmac_key)(tw_provider *provider, const tw_hash *hash, tw_bytes key, tw_hmac_key *out);
  tw_err (*hmac)(tw_provider *provider, const tw_hmac_key *key, const tw_bytes *parts, size_t count, uint8_t *out);
  /* SHA3-256 into 32 bytes, SHAKE256 into `len`. */
  tw_err (*sha3_256)(tw_provider *provider, const tw_bytes *parts, size_t count, uint8_t *out);
  tw_err (*shake256)(tw_provider *provider, const tw_bytes *parts, size_t count, uint8_t *out, size_t len);

  /* One message under `key`. Open: TW_ERR_DECRYPT. */
  tw_err (*aead_seal)(tw_provider *provider, const tw_aead *aead, tw_bytes key, const uint8_t *nonce, tw_bytes aad,
                      tw_bytes plaintext, uint8_t *out);
  tw_err (*aead_open)(tw_provider *provider, const tw_aead *aead, tw_bytes key, const uint8_t *nonce, tw_bytes aad,
                      tw_bytes ciphertext, uint8_t *out);
  /* A key for many. */
  tw_err (*aead_key_new)(tw_provider *provider, const tw_alloc *alloc, const tw_aead *aead, tw_bytes key,
                         tw_aead_key **out);
  void (*aead_key_free)(tw_aead_key *key);
  tw_err (*aead_key_seal)(tw_aead_key *key, const uint8_t *nonce, tw_bytes aad, tw_bytes plaintext, uint8_t *out);
  tw_err (*aead_key_open)(tw_aead_key *key, const uint8_t *nonce, tw_bytes aad, tw_bytes ciphertext, uint8_t *out);
  void (*aead_key_rest)(tw_aead_key *key);
  tw_err (*aead_key_wake)(tw_aead_key *key);

  /* TW_ERR_KEY for a point that is not on the curve. X25519 and X448: nothing to check. */
  tw_err (*dh_check)(tw_provider *provider, tw_dh_group group, tw_bytes public_key);
  /* The public key of a valid scalar. */
  tw_err (*dh_public)(tw_provider *provider, tw_dh_group group, tw_bytes scalar, uint8_t *public_key);
  /*
   * The shared secret (x coordinate). TW_ERR_KEY for an invalid peer or a result of zero. `public_key` is the scalar's:
   * given if `know_public`, else computed into it.
   */
  tw_err (*dh)(tw_provider *provider, tw_dh_group group, tw_bytes scalar, uint8_t *public_key, bool know_public,
               tw_bytes peer, uint8_t *shared);

  tw_err (*mlkem_public)(tw_provider *provider, tw_mlkem_id id, tw_bytes seed, uint8_t *public_key);
  /* TW_ERR_KEY for an invalid encapsulation key. */
  tw_err (*mlkem_encap)(tw_provider *provider, tw_mlkem_id id, tw_bytes public_key, const uint8_t *random,
                        uint8_t *output, uint8_t *shared);
  /* TW_ERR_DECRYPT for a ciphertext of wrong length; any other one has a shared secret, by implicit rejection if need
   * be. */
  tw_err (*mlkem_decap)(tw_provider *provider, tw_mlkem_id id, tw_bytes seed, tw_bytes output, uint8_t *shared);

  /* A parsed signature key pair; `public_key` is written. TW_ERR_KEY. */
  tw_err (*sign_key_new)(tw_provider *provider, const tw_alloc *alloc, const tw_signature *scheme, tw_bytes private_key,
                         uint8_t *public_key, void **key);
  void (*sign_key_free)(void *key);
  /* `random` has scheme->sign_random bytes; `signature` has room for scheme->signature_max, `*len` is written. */
  tw_err (*sign)(tw_provider *provider, const tw_signature *scheme, void *key, const uint8_t *random, tw_bytes content,
                 uint8_t *signature, size_t *len);
  /* TW_ERR_KEY, TW_ERR_SIGNATURE */
  tw_err (*verify)(tw_provider *provider, const tw_signature *scheme, tw_bytes public_key, tw_bytes content,
                   tw_bytes signature);
  /* TW_ERR_ENCODING, TW_ERR_KEY; `public_key` has room for scheme->public_size. */
  tw_err (*x509_public_key)(tw_provider *provider, const tw_signature *scheme, tw_bytes certificate,
                            uint8_t *public_key);
} tw_provider_ops;

/*
 * The head of every provider, with what HPKE keeps so as not to compute it again for each message; none of it is
 * secret.
 */
struct tw_provider {
  const tw_provider_ops *ops;
  const char *aes_gcm;                        /* tw_env_aes_gcm */
  tw_hmac_key empty_key[TW_HASHES];           /* HMAC with an empty key, by tw_hash.id */
  uint8_t empty_hash[TW_HASHES][TW_HASH_MAX]; /* of no bytes: exporters without a context ask for it each time */
  uint8_t hpke_suite_id[10];                  /* of psk_id_hash below; of the suite used last */
  uint8_t psk_id_hash[TW_HASH_MAX];
};
/* To be called by the constructor of a provider once its operations work. */
TW_MUST_USE tw_err tw_provider_ready(tw_provider *provider, const tw_provider_ops *ops);

/* The head of every AEAD key. */
struct tw_aead_key {
  const tw_provider_ops *ops;
};

#endif

/* Ed25519, Ed448, ECDSA and ML-DSA. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/core_names.h>
#include <string.h>

#include "base/alloc.h"
#include "crypto/openssl/ossl.h"

typedef struct ossl_sign_key {
  tw_alloc alloc;
  EVP_PKEY *key;
  EVP_PKEY_CTX *ctx; /* set up for signing, used again and again */
} ossl_sign_key;

typedef struct scheme_row {
  uint16_t id;
  tw_ossl_type type;
  tw_dh_group group;   /* of ECDSA */
  const tw_hash *hash; /* of ECDSA; the others take the content itself */
} scheme_row;

static const scheme_row rows[] = {
    {TW_SIGN_ED25519, TW_OSSL_ED25519, TW_GROUP_X25519, NULL},
    {TW_SIGN_ED448, TW_OSSL_ED448, TW_GROUP_X25519, NULL},
    {TW_SIGN_P256, TW_OSSL_EC, TW_GROUP_P256, &tw_hash_sha256},
    {TW_SIGN_P384, TW_OSSL_EC, TW_GROUP_P384, &tw_hash_sha384},
    {TW_SIGN_P521, TW_OSSL_EC, TW_GROUP_P521, &tw_hash_sha512},
    {TW_SIGN_MLDSA44, TW_OSSL_MLDSA44, TW_GROUP_X25519, NULL},
    {TW_SIGN_MLDSA65, TW_OSSL_MLDSA65, TW_GROUP_X25519, NULL},
    {TW_SIGN_MLDSA87, TW_OSSL_MLDSA87, TW_GROUP_X25519, NULL},
};

static const scheme_row *row_of(const tw_signature *scheme) {
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
    if (rows[i].id == scheme->id) return &rows[i];
  return NULL;
}

/*
 * The parsed key pair and its public key. Length and range are checked by the caller, so that every private key is
 * one.
 */
static tw_err make_pair(tw_ossl *ossl, const scheme_row *row, const tw_signature *scheme, tw_bytes private_key,
                        uint8_t *public_key, EVP_PKEY **key) {
  const tw_group *group = tw_group_of(row->group);
  if (row->hash != NULL) TW_TRY(tw_ossl_ec_public(ossl, group, private_key, public_key));
  tw_ossl_begin();
  bool ok;
  if (row->hash != NULL) {
    *key = tw_ossl_ec_key(ossl, group, TW_BYTES(public_key, scheme->public_size), private_key);
    ok = *key != NULL;
  } else {
    *key = tw_ossl_key(ossl, row->type, TW_NO_BYTES, private_key);
    ok = *key != NULL && tw_ossl_public(*key, public_key, scheme->public_size);
  }
  return tw_ossl_end(ok, TW_ERR_INTERNAL);
}

/* ECDSA nonces are those of RFC 6979: without randomness there is none to go wrong, and vectors can be reproduced. */
static bool init_sign(tw_ossl *ossl, const scheme_row *row, EVP_PKEY_CTX *ctx) {
  EVP_SIGNATURE *algorithm = ossl->signatures[row->type];
  if (row->hash == NULL) return EVP_PKEY_sign_message_init(ctx, algorithm, NULL) == 1;
  unsigned nonce_type = 1;
  char *digest = (char *)row->hash->name; /* OSSL_PARAM asks for char *, and only reads */
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_uint(OSSL_SIGNATURE_PARAM_NONCE_TYPE, &nonce_type),
                               OSSL_PARAM_construct_end()};
  return EVP_PKEY_sign_init_ex2(ctx, algorithm, params) == 1;
}

tw_err tw_ossl_sign_key_new(tw_provider *provider, const tw_alloc *alloc, const tw_signature *scheme,
                            tw_bytes private_key, uint8_t *public_key, void **key) {
  tw_ossl *ossl = tw_ossl_of(provider);
  const scheme_row *row = row_of(scheme);
  if (row == NULL) return TW_ERR_UNSUPPORTED;
  ossl_sign_key *made = tw_alloc_zero(alloc, sizeof(*made));
  if (made == NULL) return TW_ERR_NO_MEMORY;
  made->alloc = *alloc;
  tw_err err = make_pair(ossl, row, scheme, private_key, public_key, &made->key);
  if (err == TW_OK) {
    tw_ossl_begin();
    made->ctx = EVP_PKEY_CTX_new_from_pkey(ossl->lib, made->key, NULL);
    err = tw_ossl_end(made->ctx != NULL && init_sign(ossl, row, made->ctx), TW_ERR_INTERNAL);
  }
  if (err != TW_OK) {
    tw_ossl_sign_key_free(made);
    return err;
  }
  *key = made;
  return TW_OK;
}

void tw_ossl_sign_key_free(void *key) {
  ossl_sign_key *own = key;
  EVP_PKEY_CTX_free(own->ctx);
  EVP_PKEY_free(own->key);
  const tw_alloc alloc = own->alloc;
  tw_alloc_free(&alloc, own);
}

/* ML-DSA's hedging randomness comes from the caller, who has it from the environment. */
static bool set_random(EVP_PKEY_CTX *ctx, const uint8_t *random, size_t len) {
  uint8_t copy[32];
  if (len > sizeof(copy)) return false;
  memcpy(copy, random, len);
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(OSSL_SIGNATURE_PARAM_TEST_ENTROPY, copy, len),
                               OSSL_PARAM_construct_end()};
  const bool ok = EVP_PKEY_CTX_set_params(ctx, params) == 1;
  tw_wipe(copy, sizeof(copy));
  return ok;
}

tw_err tw_ossl_sign(tw_provider *provider, const tw_signature *scheme, void *key, const uint8_t *random,
                    tw_bytes content, uint8_t *signature, size_t *len) {
  const scheme_row *row = row_of(scheme);
  ossl_sign_key *own = key;
  uint8_t digest[TW_HASH_MAX];
  if (row->hash != NULL) {
    TW_TRY(tw_ossl_hash(provider, row->hash, &content, 1, digest));
    content = TW_BYTES(digest, row->hash->size);
  }
  *len = scheme->signature_max;
  tw_ossl_begin();
  const bool ok = (scheme->sign_random == 0 || set_random(own->ctx, random, scheme->sign_random)) &&
                  EVP_PKEY_sign(own->ctx, signature, len, content.ptr, content.len) == 1 && tw_ossl_clean();
  return tw_ossl_end(ok, TW_ERR_INTERNAL);
}

static bool init_verify(tw_ossl *ossl, const scheme_row *row, EVP_PKEY_CTX *ctx) {
  EVP_SIGNATURE *algorithm = ossl->signatures[row->type];
  return (row->hash == NULL ? EVP_PKEY_verify_message_init(ctx, algorithm, NULL)
                            : EVP_PKEY_verify_init_ex2(ctx, algorithm, NULL)) == 1;
}

tw_err tw_ossl_verify(tw_provider *provider, const tw_signature *scheme, tw_bytes public_key, tw_bytes content,
                      tw_bytes signature) {
  tw_ossl *ossl = tw_ossl_of(provider);
  const scheme_row *row = row_of(scheme);
  if (row == NULL) return TW_ERR_UNSUPPORTED;
  uint8_t digest[TW_HASH_MAX];
  if (row->hash != NULL) {
    TW_TRY(tw_ossl_hash(provider, row->hash, &content, 1, digest));
    content = TW_BYTES(digest, row->hash->size);
  }
  tw_ossl_begin();
  EVP_PKEY *key = row->hash != NULL ? tw_ossl_ec_key(ossl, tw_group_of(row->group), public_key, TW_NO_BYTES)
                                    : tw_ossl_key(ossl, row->type, public_key, TW_NO_BYTES);
  EVP_PKEY_CTX *ctx = key == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(ossl->lib, key, NULL);
  const bool ready = ctx != NULL && init_verify(ossl, row, ctx);
  const bool ok = ready && EVP_PKEY_verify(ctx, signature.ptr, signature.len, content.ptr, content.len) == 1 &&
                  tw_ossl_clean();
  EVP_PKEY_CTX_free(ctx);
  tw_err otherwise = TW_ERR_SIGNATURE;
  if (!ready) otherwise = key == NULL ? TW_ERR_KEY : TW_ERR_INTERNAL;
  EVP_PKEY_free(key);
  return tw_ossl_end(ok, otherwise);
}

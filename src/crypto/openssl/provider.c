/* The provider over OpenSSL: set up and torn down. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/core_names.h>
#include <openssl/obj_mac.h>
#include <openssl/rand.h>

#include "base/alloc.h"
#include "crypto/openssl/ossl.h"

static const char *const type_names[TW_OSSL_TYPES] = {
    [TW_OSSL_X25519] = "X25519",
    [TW_OSSL_X448] = "X448",
    [TW_OSSL_MLKEM768] = "ML-KEM-768",
    [TW_OSSL_MLKEM1024] = "ML-KEM-1024",
    [TW_OSSL_EC] = "EC",
    [TW_OSSL_ED25519] = "ED25519",
    [TW_OSSL_ED448] = "ED448",
    [TW_OSSL_MLDSA44] = "ML-DSA-44",
    [TW_OSSL_MLDSA65] = "ML-DSA-65",
    [TW_OSSL_MLDSA87] = "ML-DSA-87",
};
static const char *const cipher_names[3] = {"AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"};
static const int curve_nids[TW_OSSL_CURVES] = {NID_X9_62_prime256v1, NID_secp384r1, NID_secp521r1};

tw_err tw_ossl_end(bool ok, tw_err otherwise) {
  tw_err err = ok ? TW_OK : otherwise;
  while (!ok && ERR_count_to_mark() > 0) {
    if (ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE) {
      err = TW_ERR_NO_MEMORY;
      break;
    }
    if (!ERR_pop()) break;
  }
  (void)ERR_pop_to_mark();
  return err;
}

static tw_err ossl_random(tw_provider *provider, uint8_t *out, size_t len) {
  tw_ossl_begin();
  return tw_ossl_end(RAND_priv_bytes_ex(tw_ossl_of(provider)->lib, out, len, 0) == 1, TW_ERR_RANDOM);
}

static void ossl_free(tw_provider *provider) {
  tw_ossl *ossl = tw_ossl_of(provider);
  tw_ossl_begin();
  BN_CTX_free(ossl->bn);
  for (size_t i = 0; i < TW_OSSL_CURVES; i++) EC_GROUP_free(ossl->curves[i]);
  for (size_t i = 0; i < TW_OSSL_TYPES; i++) {
    EVP_SIGNATURE_free(ossl->signatures[i]);
    EVP_PKEY_CTX_free(ossl->makers[i]);
  }
  tw_ipsec_mb_free(&ossl->alloc, ossl->mb);
  EVP_CIPHER_CTX_free(ossl->cipher);
  for (size_t i = 0; i < 3; i++) EVP_CIPHER_free(ossl->ciphers[i]);
  EVP_MD_CTX_free(ossl->md);
  EVP_MD_free(ossl->shake256);
  EVP_MD_free(ossl->sha3_256);
  if (ossl->provider != NULL) OSSL_PROVIDER_unload(ossl->provider);
  OSSL_LIB_CTX_free(ossl->lib);
  (void)ERR_pop_to_mark();
  const tw_alloc alloc = ossl->alloc;
  tw_wipe(ossl, sizeof(*ossl));
  tw_alloc_free(&alloc, ossl);
}

static const tw_provider_ops ops = {
    .free = ossl_free,
    .random = ossl_random,
    .hash = tw_ossl_hash,
    .hmac_key = tw_ossl_hmac_key,
    .hmac = tw_ossl_hmac,
    .sha3_256 = tw_ossl_sha3_256,
    .shake256 = tw_ossl_shake256,
    .aead_seal = tw_ossl_aead_seal,
    .aead_open = tw_ossl_aead_open,
    .aead_key_new = tw_ossl_aead_key_new,
    .aead_key_free = tw_ossl_aead_key_free,
    .aead_key_seal = tw_ossl_aead_key_seal,
    .aead_key_open = tw_ossl_aead_key_open,
    .aead_key_rest = tw_ossl_aead_key_rest,
    .aead_key_wake = tw_ossl_aead_key_wake,
    .dh_check = tw_ossl_dh_check,
    .dh_public = tw_ossl_dh_public,
    .dh = tw_ossl_dh,
    .mlkem_public = tw_ossl_mlkem_public,
    .mlkem_encap = tw_ossl_mlkem_encap,
    .mlkem_decap = tw_ossl_mlkem_decap,
    .sign_key_new = tw_ossl_sign_key_new,
    .sign_key_free = tw_ossl_sign_key_free,
    .sign = tw_ossl_sign,
    .verify = tw_ossl_verify,
    .x509_public_key = tw_ossl_x509_public_key,
};

/*
 * OpenSSL tests each imported ML-KEM key with an encapsulation and a decapsulation. Our private keys are seeds, from
 * which both halves of the pair are computed: there is nothing to test, and it would more than double the cost of
 * opening.
 */
static OSSL_PROVIDER *load_default(OSSL_LIB_CTX *lib) {
  char none[] = "none";
  OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_ML_KEM_IMPORT_PCT_TYPE, none, 0),
                         OSSL_PARAM_construct_end()};
  return OSSL_PROVIDER_load_ex(lib, "default", params);
}

/* Everything that later calls need, fetched once. */
static bool fetch(tw_ossl *ossl) {
  ossl->lib = OSSL_LIB_CTX_new();
  if (ossl->lib == NULL) return false;
  ossl->provider = load_default(ossl->lib);
  ossl->sha3_256 = EVP_MD_fetch(ossl->lib, "SHA3-256", NULL);
  ossl->shake256 = EVP_MD_fetch(ossl->lib, "SHAKE256", NULL);
  ossl->md = EVP_MD_CTX_new();
  ossl->cipher = EVP_CIPHER_CTX_new();
  ossl->bn = BN_CTX_new_ex(ossl->lib);
  if (ossl->provider == NULL || ossl->sha3_256 == NULL || ossl->shake256 == NULL || ossl->md == NULL ||
      ossl->cipher == NULL || ossl->bn == NULL)
    return false;
  for (size_t i = 0; i < 3; i++) {
    ossl->ciphers[i] = EVP_CIPHER_fetch(ossl->lib, cipher_names[i], NULL);
    if (ossl->ciphers[i] == NULL) return false;
  }
  for (size_t i = 0; i < TW_OSSL_TYPES; i++) {
    ossl->makers[i] = EVP_PKEY_CTX_new_from_name(ossl->lib, type_names[i], NULL);
    if (ossl->makers[i] == NULL || EVP_PKEY_fromdata_init(ossl->makers[i]) != 1) return false;
    if (i < TW_OSSL_FIRST_SIGNATURE) continue;
    ossl->signatures[i] = EVP_SIGNATURE_fetch(ossl->lib, i == TW_OSSL_EC ? "ECDSA" : type_names[i], NULL);
    if (ossl->signatures[i] == NULL) return false;
  }
  for (size_t i = 0; i < TW_OSSL_CURVES; i++) {
    ossl->curves[i] = EC_GROUP_new_by_curve_name_ex(ossl->lib, NULL, curve_nids[i]);
    if (ossl->curves[i] == NULL) return false;
  }
  return true;
}

tw_err tw_provider_openssl_new(const tw_alloc *alloc, tw_provider **provider) {
  *provider = NULL;
  if (alloc == NULL) alloc = &tw_alloc_default;
  tw_ossl *ossl = tw_alloc_zero(alloc, sizeof(*ossl));
  if (ossl == NULL) return TW_ERR_NO_MEMORY;
  ossl->head.ops = &ops;
  ossl->alloc = *alloc;
  tw_ossl_begin();
  tw_err err = fetch(ossl) ? tw_ossl_find_ipsec_mb(ossl) : TW_ERR_UNSUPPORTED;
  err = tw_ossl_end(err == TW_OK, err);
  if (err == TW_OK) err = tw_provider_ready(&ossl->head, &ops);
  ossl->head.aes_gcm = ossl->mb != NULL ? "libipsec-mb" : "libcrypto";
  if (err != TW_OK) {
    ossl_free(&ossl->head);
    return err;
  }
  *provider = &ossl->head;
  return TW_OK;
}

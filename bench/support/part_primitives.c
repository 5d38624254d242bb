/* Our provider's operations on raw keys against EVP with its keys set up before. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <string.h>

#include "bench.h"
#include "crypto/provider.h"

enum { CONTENT = 300 }; /* bytes that are signed, as many as a small commit has */

typedef struct key_work {
  tw_provider *provider;
  uint8_t scalar[32], public_key[32], peer[32], shared[32];
  uint8_t seed[TW_MLKEM_SEED], kem_public[1184], output[1088];
  uint8_t sign_public[32], signature[64], content[CONTENT];
  void *sign_key;
  EVP_PKEY *dh, *dh_peer, *signing, *verifying, *kem;
  EVP_PKEY_CTX *derive, *encaps, *decaps;
  EVP_MD_CTX *md;
} key_work;

#define OPS(work) ((work)->provider->ops)

static void our_dh_public(void *ctx) {
  key_work *w = ctx;
  BENCH_OK(OPS(w)->dh_public(w->provider, TW_GROUP_X25519, TW_ARRAY(w->scalar), w->public_key));
}

static void evp_dh_public(void *ctx) {
  key_work *w = ctx;
  EVP_PKEY *key = EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, w->scalar, sizeof w->scalar);
  size_t len = sizeof w->public_key;
  BENCH_TRUE(key != NULL && EVP_PKEY_get_raw_public_key(key, w->public_key, &len) == 1);
  EVP_PKEY_free(key);
}

static void our_dh(void *ctx) {
  key_work *w = ctx;
  BENCH_OK(
      OPS(w)->dh(w->provider, TW_GROUP_X25519, TW_ARRAY(w->scalar), w->public_key, true, TW_ARRAY(w->peer), w->shared));
}

static void evp_dh(void *ctx) {
  key_work *w = ctx;
  size_t len = sizeof w->shared;
  BENCH_TRUE(EVP_PKEY_derive(w->derive, w->shared, &len) == 1);
}

static void our_sign(void *ctx) {
  key_work *w = ctx;
  size_t len;
  BENCH_OK(
      OPS(w)->sign(w->provider, &tw_signature_ed25519, w->sign_key, NULL, TW_ARRAY(w->content), w->signature, &len));
}

static void evp_sign(void *ctx) {
  key_work *w = ctx;
  size_t len = sizeof w->signature;
  BENCH_TRUE(EVP_DigestSignInit(w->md, NULL, NULL, NULL, w->signing) == 1 &&
             EVP_DigestSign(w->md, w->signature, &len, w->content, CONTENT) == 1);
}

static void our_verify(void *ctx) {
  key_work *w = ctx;
  BENCH_OK(OPS(w)->verify(w->provider, &tw_signature_ed25519, TW_ARRAY(w->sign_public), TW_ARRAY(w->content),
                          TW_ARRAY(w->signature)));
}

static void evp_verify(void *ctx) {
  key_work *w = ctx;
  BENCH_TRUE(EVP_DigestVerifyInit(w->md, NULL, NULL, NULL, w->verifying) == 1 &&
             EVP_DigestVerify(w->md, w->signature, sizeof w->signature, w->content, CONTENT) == 1);
}

static void our_kem_public(void *ctx) {
  key_work *w = ctx;
  BENCH_OK(OPS(w)->mlkem_public(w->provider, TW_MLKEM_768, TW_ARRAY(w->seed), w->kem_public));
}

static void evp_kem_public(void *ctx) {
  (void)ctx;
  EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ML-KEM-768");
  BENCH_TRUE(key != NULL);
  EVP_PKEY_free(key);
}

static void our_encaps(void *ctx) {
  key_work *w = ctx;
  BENCH_OK(OPS(w)->mlkem_encap(w->provider, TW_MLKEM_768, TW_ARRAY(w->kem_public), w->scalar, w->output, w->shared));
}

static void evp_encaps(void *ctx) {
  key_work *w = ctx;
  size_t output = sizeof w->output;
  size_t shared = sizeof w->shared;
  BENCH_TRUE(EVP_PKEY_encapsulate(w->encaps, w->output, &output, w->shared, &shared) == 1);
}

static void our_decaps(void *ctx) {
  key_work *w = ctx;
  BENCH_OK(OPS(w)->mlkem_decap(w->provider, TW_MLKEM_768, TW_ARRAY(w->seed), TW_ARRAY(w->output), w->shared));
}

static void evp_decaps(void *ctx) {
  key_work *w = ctx;
  size_t shared = sizeof w->shared;
  BENCH_TRUE(EVP_PKEY_decapsulate(w->decaps, w->shared, &shared, w->output, sizeof w->output) == 1);
}

static EVP_PKEY *kem_of_seed(key_work *w) {
  EVP_PKEY *key = NULL;
  EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "ML-KEM-768", NULL);
  OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_ML_KEM_SEED, w->seed, sizeof w->seed),
                         OSSL_PARAM_construct_end()};
  BENCH_TRUE(EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) == 1);
  EVP_PKEY_CTX_free(ctx);
  return key;
}

static void prepare(key_work *w) {
  uint8_t key[32];
  const tw_alloc *alloc = &tw_alloc_default;
  BENCH_OK(tw_provider_openssl_new(NULL, &w->provider));
  for (size_t i = 0; i < 32; i++) {
    w->scalar[i] = (uint8_t)(i + 1);
    key[i] = (uint8_t)(i + 2);
    w->seed[i] = (uint8_t)(i + 3);
  }
  BENCH_OK(OPS(w)->dh_public(w->provider, TW_GROUP_X25519, TW_ARRAY(key), w->peer));
  BENCH_OK(
      OPS(w)->sign_key_new(w->provider, alloc, &tw_signature_ed25519, TW_ARRAY(key), w->sign_public, &w->sign_key));
  our_dh_public(w);
  our_kem_public(w);
  our_encaps(w);
  our_sign(w);
  w->dh = EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, w->scalar, 32);
  w->dh_peer = EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, w->peer, 32);
  w->signing = EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, key, 32);
  w->verifying = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, w->sign_public, 32);
  w->kem = kem_of_seed(w);
  w->md = EVP_MD_CTX_new();
  w->derive = EVP_PKEY_CTX_new_from_pkey(NULL, w->dh, NULL);
  w->encaps = EVP_PKEY_CTX_new_from_pkey(NULL, w->kem, NULL);
  w->decaps = EVP_PKEY_CTX_new_from_pkey(NULL, w->kem, NULL);
  BENCH_TRUE(EVP_PKEY_derive_init(w->derive) == 1 && EVP_PKEY_derive_set_peer(w->derive, w->dh_peer) == 1 &&
             EVP_PKEY_encapsulate_init(w->encaps, NULL) == 1 && EVP_PKEY_decapsulate_init(w->decaps, NULL) == 1);
}

static void clear(key_work *w) {
  EVP_PKEY *keys[] = {w->dh, w->dh_peer, w->signing, w->verifying, w->kem};
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) EVP_PKEY_free(keys[i]);
  EVP_PKEY_CTX_free(w->derive);
  EVP_PKEY_CTX_free(w->encaps);
  EVP_PKEY_CTX_free(w->decaps);
  EVP_MD_CTX_free(w->md);
  OPS(w)->sign_key_free(w->sign_key);
  tw_provider_free(w->provider);
}

void bench_part_primitives(void) {
  static key_work w;
  static const struct {
    const char *name;
    bench_work ours, evp;
  } rows[] = {{"X25519, public of private", our_dh_public, evp_dh_public},
              {"X25519, shared secret", our_dh, evp_dh},
              {"Ed25519, sign 300 bytes", our_sign, evp_sign},
              {"Ed25519, verify 300 bytes", our_verify, evp_verify},
              {"ML-KEM-768, public of seed (EVP: generate)", our_kem_public, evp_kem_public},
              {"ML-KEM-768, encapsulate", our_encaps, evp_encaps},
              {"ML-KEM-768, decapsulate by seed (EVP: by parsed key)", our_decaps, evp_decaps}};
  bench_title(
      "What the primitives are: the provider's operations on raw keys, against EVP with its keys set up before");
  prepare(&w);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char name[96];
    const bench_compared got = bench_compare(rows[i].ours, &w, rows[i].evp, &w, 0.2);
    snprintf(name, sizeof name, "provider / EVP, %s", rows[i].name);
    bench_row(name, got.ratio, "x", BENCH_INFO, 0);
    bench_note("%.1f us of %.1f us", got.seconds * 1e6, got.reference * 1e6);
  }
  clear(&w);
}

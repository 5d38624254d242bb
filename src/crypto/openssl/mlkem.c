/* ML-KEM-768 and ML-KEM-1024, FIPS 203. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/core_names.h>

#include "crypto/openssl/ossl.h"

static tw_ossl_type type_of(tw_mlkem_id id) { return id == TW_MLKEM_768 ? TW_OSSL_MLKEM768 : TW_OSSL_MLKEM1024; }

static size_t public_size(tw_mlkem_id id) { return id == TW_MLKEM_768 ? 1184 : 1568; }

static size_t output_size(tw_mlkem_id id) { return id == TW_MLKEM_768 ? 1088 : 1568; }

tw_err tw_ossl_mlkem_public(tw_provider *provider, tw_mlkem_id id, tw_bytes seed, uint8_t *public_key) {
  tw_ossl_begin();
  EVP_PKEY *key = tw_ossl_key(tw_ossl_of(provider), type_of(id), TW_NO_BYTES, seed);
  const bool ok = key != NULL && tw_ossl_public(key, public_key, public_size(id));
  EVP_PKEY_free(key);
  return tw_ossl_end(ok, TW_ERR_INTERNAL);
}

tw_err tw_ossl_mlkem_encap(tw_provider *provider, tw_mlkem_id id, tw_bytes public_key, const uint8_t *random,
                           uint8_t *output, uint8_t *shared) {
  tw_ossl *ossl = tw_ossl_of(provider);
  uint8_t ikm[TW_MLKEM_RANDOM];
  for (size_t i = 0; i < sizeof(ikm); i++) ikm[i] = random[i];
  OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(OSSL_KEM_PARAM_IKME, ikm, sizeof(ikm)),
                         OSSL_PARAM_construct_end()};
  size_t output_len = output_size(id);
  size_t shared_len = TW_MLKEM_SHARED;
  tw_ossl_begin();
  EVP_PKEY *key = tw_ossl_key(ossl, type_of(id), public_key, TW_NO_BYTES);
  EVP_PKEY_CTX *ctx = key == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(ossl->lib, key, NULL);
  const bool ok = ctx != NULL && EVP_PKEY_encapsulate_init(ctx, params) == 1 &&
                  EVP_PKEY_encapsulate(ctx, output, &output_len, shared, &shared_len) == 1 &&
                  output_len == output_size(id) && shared_len == TW_MLKEM_SHARED && tw_ossl_clean();
  EVP_PKEY_CTX_free(ctx);
  EVP_PKEY_free(key);
  tw_wipe(ikm, sizeof(ikm));
  if (!ok) tw_wipe(shared, TW_MLKEM_SHARED);
  return tw_ossl_end(ok, TW_ERR_KEY);
}

tw_err tw_ossl_mlkem_decap(tw_provider *provider, tw_mlkem_id id, tw_bytes seed, tw_bytes output, uint8_t *shared) {
  tw_ossl *ossl = tw_ossl_of(provider);
  size_t shared_len = TW_MLKEM_SHARED;
  if (output.len != output_size(id)) return TW_ERR_DECRYPT;
  tw_ossl_begin();
  EVP_PKEY *key = tw_ossl_key(ossl, type_of(id), TW_NO_BYTES, seed);
  EVP_PKEY_CTX *ctx = key == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(ossl->lib, key, NULL);
  /* A failure within the decapsulation is answered by implicit rejection and success: only the queue tells them apart.
   */
  const bool ok = ctx != NULL && EVP_PKEY_decapsulate_init(ctx, NULL) == 1 &&
                  EVP_PKEY_decapsulate(ctx, shared, &shared_len, output.ptr, output.len) == 1 &&
                  shared_len == TW_MLKEM_SHARED && tw_ossl_clean();
  EVP_PKEY_CTX_free(ctx);
  EVP_PKEY_free(key);
  if (!ok) tw_wipe(shared, TW_MLKEM_SHARED);
  return tw_ossl_end(ok, TW_ERR_INTERNAL);
}

/* SHA3-256 and SHAKE256. SPDX-License-Identifier: Apache-2.0 */
#include "crypto/openssl/ossl.h"

static bool absorb(EVP_MD_CTX *ctx, const EVP_MD *md, const tw_bytes *parts, size_t count) {
  if (EVP_DigestInit_ex2(ctx, md, NULL) != 1) return false;
  for (size_t i = 0; i < count; i++)
    if (parts[i].len > 0 && EVP_DigestUpdate(ctx, parts[i].ptr, parts[i].len) != 1) return false;
  return true;
}

/* The context is reset after each use: its state would tell the last message. */
tw_err tw_ossl_sha3_256(tw_provider *provider, const tw_bytes *parts, size_t count, uint8_t *out) {
  tw_ossl *ossl = tw_ossl_of(provider);
  tw_ossl_begin();
  const bool ok = absorb(ossl->md, ossl->sha3_256, parts, count) && EVP_DigestFinal_ex(ossl->md, out, NULL) == 1;
  (void)EVP_MD_CTX_reset(ossl->md);
  if (!ok) tw_wipe(out, 32);
  return tw_ossl_end(ok, TW_ERR_INTERNAL);
}

tw_err tw_ossl_shake256(tw_provider *provider, const tw_bytes *parts, size_t count, uint8_t *out, size_t len) {
  tw_ossl *ossl = tw_ossl_of(provider);
  tw_ossl_begin();
  const bool ok = absorb(ossl->md, ossl->shake256, parts, count) && EVP_DigestFinalXOF(ossl->md, out, len) == 1;
  (void)EVP_MD_CTX_reset(ossl->md);
  if (!ok) tw_wipe(out, len);
  return tw_ossl_end(ok, TW_ERR_INTERNAL);
}

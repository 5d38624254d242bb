/* Signature key pairs, signing and verifying by suite. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "crypto/group.h"

struct tw_signer {
  tw_alloc alloc;
  tw_provider *provider;
  const tw_signature *scheme;
  void *key; /* the provider's parsed key pair */
  size_t references;
  tw_secret private_key;
  uint8_t public_key[]; /* scheme->public_size */
};

/* The group of an ECDSA scheme, NULL for the others. */
static const tw_group *ecdsa_group(const tw_signature *scheme) {
  if (scheme->id == TW_SIGN_P256) return tw_group_of(TW_GROUP_P256);
  if (scheme->id == TW_SIGN_P384) return tw_group_of(TW_GROUP_P384);
  if (scheme->id == TW_SIGN_P521) return tw_group_of(TW_GROUP_P521);
  return NULL;
}

/* A uniform private key. Generators that yield no scalar in 255 draws are broken. */
static tw_err random_private_key(const tw_env *env, const tw_signature *scheme, uint8_t *out) {
  const tw_group *group = ecdsa_group(scheme);
  if (group == NULL) return tw_random(env, out, scheme->private_size);
  for (int i = 0; i < 255; i++) {
    TW_TRY(tw_random(env, out, scheme->private_size));
    out[0] &= group->top_mask;
    if (tw_group_scalar_valid(group, out)) return TW_OK;
  }
  return TW_ERR_RANDOM;
}

tw_err tw_signer_import(const tw_env *env, const tw_suite *suite, tw_bytes private_key, tw_signer **signer) {
  *signer = NULL;
  const tw_signature *scheme = suite->signature;
  if (private_key.len != scheme->private_size) return TW_ERR_KEY;
  const tw_group *group = ecdsa_group(scheme);
  if (group != NULL && !tw_group_scalar_valid(group, private_key.ptr)) return TW_ERR_KEY;
  const tw_alloc *alloc = tw_env_alloc(env);
  tw_signer *made = tw_alloc_zero(alloc, sizeof(*made) + scheme->public_size);
  if (made == NULL) return TW_ERR_NO_MEMORY;
  made->alloc = *alloc;
  made->provider = env->provider;
  made->scheme = scheme;
  made->references = 1;
  tw_err err = env->provider->ops->sign_key_new(env->provider, alloc, scheme, private_key, made->public_key,
                                                &made->key);
  if (err == TW_OK) err = tw_secret_set(&made->private_key, private_key);
  if (err != TW_OK) {
    tw_signer_free(made);
    return err;
  }
  *signer = made;
  return TW_OK;
}

tw_err tw_signer_generate(const tw_env *env, const tw_suite *suite, tw_signer **signer) {
  *signer = NULL;
  uint8_t private_key[TW_SECRET_MAX];
  tw_err err = random_private_key(env, suite->signature, private_key);
  if (err == TW_OK) err = tw_signer_import(env, suite, TW_BYTES(private_key, suite->signature->private_size), signer);
  tw_wipe(private_key, sizeof(private_key));
  return err;
}

tw_err tw_signer_export(const tw_signer *signer, tw_buf *out) {
  return tw_buf_append(out, tw_secret_bytes(&signer->private_key));
}

tw_bytes tw_signer_public_key(const tw_signer *signer) {
  return TW_BYTES(signer->public_key, signer->scheme->public_size);
}

const tw_signature *tw_signer_scheme(const tw_signer *signer) { return signer->scheme; }

tw_signer *tw_signer_ref(tw_signer *signer) {
  if (signer != NULL) signer->references++;
  return signer;
}

void tw_signer_free(tw_signer *signer) {
  if (signer == NULL || --signer->references > 0) return;
  if (signer->key != NULL) signer->provider->ops->sign_key_free(signer->key);
  const tw_alloc alloc = signer->alloc;
  tw_wipe(signer, sizeof(*signer));
  tw_alloc_free(&alloc, signer);
}

tw_err tw_sign(const tw_env *env, const tw_signer *signer, tw_bytes content, tw_buf *signature) {
  const tw_signature *scheme = signer->scheme;
  TW_TRY(tw_buf_reserve(signature, scheme->signature_max));
  uint8_t random[32] = {0};
  if (scheme->sign_random > sizeof(random)) return TW_ERR_INTERNAL;
  TW_TRY(tw_random(env, random, scheme->sign_random));
  uint8_t *out = signature->ptr + signature->len;
  size_t len = 0;
  const tw_err err = signer->provider->ops->sign(signer->provider, scheme, signer->key, random, content, out, &len);
  tw_wipe(random, sizeof(random));
  if (err == TW_OK) {
    signature->len += len;
  } else {
    tw_wipe(out, scheme->signature_max);
  }
  return err;
}

tw_err tw_verify(const tw_env *env, const tw_suite *suite, tw_bytes public_key, tw_bytes content, tw_bytes signature) {
  const tw_signature *scheme = suite->signature;
  if (public_key.len != scheme->public_size) return TW_ERR_KEY;
  const tw_group *group = ecdsa_group(scheme);
  if (group != NULL && !tw_group_public_plausible(group, public_key)) return TW_ERR_KEY;
  if (signature.len == 0 || signature.len > scheme->signature_max) return TW_ERR_SIGNATURE;
  return env->provider->ops->verify(env->provider, scheme, public_key, content, signature);
}

tw_err tw_x509_public_key(const tw_env *env, const tw_suite *suite, tw_bytes certificate, tw_buf *out) {
  const tw_signature *scheme = suite->signature;
  TW_TRY(tw_buf_reserve(out, scheme->public_size));
  const tw_err err = env->provider->ops->x509_public_key(env->provider, scheme, certificate, out->ptr + out->len);
  if (err == TW_OK) out->len += scheme->public_size;
  return err;
}

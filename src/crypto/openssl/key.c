/* EVP_PKEYs of raw keys. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/core_names.h>
#include <string.h>

#include "crypto/openssl/ossl.h"

/* ML-KEM and ML-DSA keep their private keys as seeds. */
static const char *private_name(tw_ossl_type type) {
  if (type == TW_OSSL_MLKEM768 || type == TW_OSSL_MLKEM1024) return OSSL_PKEY_PARAM_ML_KEM_SEED;
  if (type == TW_OSSL_MLDSA44 || type == TW_OSSL_MLDSA65 || type == TW_OSSL_MLDSA87) return OSSL_PKEY_PARAM_ML_DSA_SEED;
  return OSSL_PKEY_PARAM_PRIV_KEY;
}

/* OSSL_PARAM is not const-correct: fromdata only reads. */
static OSSL_PARAM octets(const char *name, tw_bytes bytes) {
  union {
    const uint8_t *in;
    void *out;
  } pointer = {.in = bytes.ptr};
  return OSSL_PARAM_construct_octet_string(name, pointer.out, bytes.len);
}

static EVP_PKEY *from_data(EVP_PKEY_CTX *maker, bool private_too, OSSL_PARAM *params) {
  EVP_PKEY *key = NULL;
  if (EVP_PKEY_fromdata(maker, &key, private_too ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) == 1) return key;
  EVP_PKEY_free(key);
  return NULL;
}

EVP_PKEY *tw_ossl_key(tw_ossl *ossl, tw_ossl_type type, tw_bytes public_key, tw_bytes private_key) {
  OSSL_PARAM params[3];
  size_t n = 0;
  if (public_key.ptr != NULL) params[n++] = octets(OSSL_PKEY_PARAM_PUB_KEY, public_key);
  if (private_key.ptr != NULL) params[n++] = octets(private_name(type), private_key);
  params[n] = OSSL_PARAM_construct_end();
  return from_data(ossl->makers[type], private_key.ptr != NULL, params);
}

static const char *curve_name(const tw_group *group) {
  if (group->id == TW_GROUP_P256) return "P-256";
  return group->id == TW_GROUP_P384 ? "P-384" : "P-521";
}

EVP_PKEY *tw_ossl_ec_key(tw_ossl *ossl, const tw_group *group, tw_bytes public_key, tw_bytes private_key) {
  char *name = (char *)curve_name(group); /* OSSL_PARAM asks for char *, and only reads */
  uint8_t scalar[TW_DH_SCALAR_MAX];
  OSSL_PARAM params[4];
  size_t n = 0;
  params[n++] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name, 0);
  params[n++] = octets(OSSL_PKEY_PARAM_PUB_KEY, public_key);
  if (private_key.ptr != NULL) {
    /* Integers are in the machine's order. */
    const uint16_t probe = 1;
    uint8_t first;
    memcpy(&first, &probe, 1);
    for (size_t i = 0; i < private_key.len; i++) scalar[i] = private_key.ptr[first == 1 ? private_key.len - 1 - i : i];
    params[n++] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, scalar, private_key.len);
  }
  params[n] = OSSL_PARAM_construct_end();
  EVP_PKEY *key = from_data(ossl->makers[TW_OSSL_EC], private_key.ptr != NULL, params);
  tw_wipe(scalar, sizeof(scalar));
  return key;
}

bool tw_ossl_public(const EVP_PKEY *key, uint8_t *out, size_t len) {
  size_t got = 0;
  return EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, out, len, &got) == 1 && got == len;
}

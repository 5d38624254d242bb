/* AES-GCM and ChaCha20-Poly1305. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/core_names.h>
#include <string.h>

#include "base/alloc.h"
#include "crypto/openssl/ossl.h"

typedef struct ossl_aead_key {
  tw_aead_key head;
  tw_alloc alloc;
  EVP_CIPHER_CTX *ctx;     /* this or the next one; both NULL: the key rests */
  tw_ipsec_mb_key *mb_key; /* of `mb` */
  const EVP_CIPHER *cipher;
  const tw_ipsec_mb *mb; /* NULL: for EVP */
  size_t raw_len;
  uint8_t raw[TW_AEAD_KEY_MAX];
} ossl_aead_key;

/* EVP counts in int. */
enum { CHUNK = 1 << 30 };

/* One or more updates; `out` NULL for additional data. */
static bool update(EVP_CIPHER_CTX *ctx, uint8_t *out, tw_bytes in) {
  size_t done = 0;
  while (done < in.len) {
    const size_t left = in.len - done;
    const int take = left < CHUNK ? (int)left : CHUNK;
    int made = 0;
    if (EVP_CipherUpdate(ctx, out == NULL ? NULL : out + done, &made, in.ptr + done, take) != 1) return false;
    if (out != NULL && made != take) return false;
    done += (size_t)take;
  }
  return true;
}

/* Asked for by a parameter, which takes half the time of EVP_CIPHER_CTX_ctrl: with packets that shows. */
static bool get_tag(EVP_CIPHER_CTX *ctx, uint8_t *tag) {
  OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, TW_AEAD_TAG),
                         OSSL_PARAM_construct_end()};
  return EVP_CIPHER_CTX_get_params(ctx, params) == 1;
}

static bool seal(EVP_CIPHER_CTX *ctx, tw_bytes aad, tw_bytes plaintext, uint8_t *out) {
  uint8_t rest[TW_AEAD_TAG]; /* nothing is left over in these modes, but EVP wants a place for it */
  int made = 0;
  return update(ctx, NULL, aad) && update(ctx, out, plaintext) && EVP_CipherFinal_ex(ctx, rest, &made) == 1 &&
         made == 0 && get_tag(ctx, out + plaintext.len);
}

/* The tag is copied first, since `out` may be the input. */
static bool decrypt(EVP_CIPHER_CTX *ctx, tw_bytes aad, tw_bytes ciphertext, uint8_t *out) {
  const size_t len = ciphertext.len - TW_AEAD_TAG;
  uint8_t tag[TW_AEAD_TAG];
  memcpy(tag, ciphertext.ptr + len, TW_AEAD_TAG);
  return EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TW_AEAD_TAG, tag) == 1 && update(ctx, NULL, aad) &&
         update(ctx, out, TW_BYTES(ciphertext.ptr, len));
}

static bool is_genuine(EVP_CIPHER_CTX *ctx) {
  uint8_t rest[TW_AEAD_TAG];
  int made = 0;
  return EVP_CipherFinal_ex(ctx, rest, &made) == 1 && made == 0;
}

static tw_err seal_end(bool ok, tw_bytes plaintext, uint8_t *out) {
  if (!ok) tw_wipe(out, plaintext.len + TW_AEAD_TAG);
  return tw_ossl_end(ok, TW_ERR_INTERNAL);
}

static tw_err open_end(bool ok, tw_bytes ciphertext, uint8_t *out) {
  if (!ok && ciphertext.len > TW_AEAD_TAG) tw_wipe(out, ciphertext.len - TW_AEAD_TAG);
  return tw_ossl_end(ok, TW_ERR_DECRYPT);
}

static const EVP_CIPHER *cipher_of(const tw_ossl *ossl, const tw_aead *aead) { return ossl->ciphers[aead->id - 1]; }

tw_err tw_ossl_aead_seal(tw_provider *provider, const tw_aead *aead, tw_bytes key, const uint8_t *nonce, tw_bytes aad,
                         tw_bytes plaintext, uint8_t *out) {
  tw_ossl *ossl = tw_ossl_of(provider);
  tw_ossl_begin();
  const bool ok = EVP_CipherInit_ex2(ossl->cipher, cipher_of(ossl, aead), key.ptr, nonce, 1, NULL) == 1 &&
                  seal(ossl->cipher, aad, plaintext, out);
  (void)EVP_CIPHER_CTX_reset(ossl->cipher);
  return seal_end(ok, plaintext, out);
}

tw_err tw_ossl_aead_open(tw_provider *provider, const tw_aead *aead, tw_bytes key, const uint8_t *nonce, tw_bytes aad,
                         tw_bytes ciphertext, uint8_t *out) {
  tw_ossl *ossl = tw_ossl_of(provider);
  tw_ossl_begin();
  const bool ok = EVP_CipherInit_ex2(ossl->cipher, cipher_of(ossl, aead), key.ptr, nonce, 0, NULL) == 1 &&
                  decrypt(ossl->cipher, aad, ciphertext, out) && is_genuine(ossl->cipher);
  (void)EVP_CIPHER_CTX_reset(ossl->cipher);
  return open_end(ok, ciphertext, out);
}

enum { SAMPLE = 333 }; /* bytes: whole vectors of each size, and a rest */

/* Whether `key` seals and opens the sample as libcrypto does under `raw`. */
static bool agrees(tw_ossl *ossl, const tw_aead *aead, tw_bytes raw, tw_ipsec_mb_key *key,
                   const uint8_t sample[SAMPLE]) {
  static const uint8_t nonce[TW_AEAD_NONCE] = {0xfe, 0xed};
  const tw_bytes text = TW_BYTES(sample, SAMPLE);
  const tw_bytes aad = TW_BYTES(sample, 12);
  uint8_t evp[SAMPLE + TW_AEAD_TAG];
  uint8_t other[SAMPLE + TW_AEAD_TAG];
  const bool sealed = EVP_CipherInit_ex2(ossl->cipher, cipher_of(ossl, aead), raw.ptr, nonce, 1, NULL) == 1 &&
                      seal(ossl->cipher, aad, text, evp);
  (void)EVP_CIPHER_CTX_reset(ossl->cipher);
  if (!sealed) return false;
  tw_ipsec_mb_seal(key, nonce, aad, text, other);
  return memcmp(evp, other, sizeof evp) == 0 && tw_ipsec_mb_open(key, nonce, aad, TW_ARRAY(other), other) &&
         memcmp(other, sample, SAMPLE) == 0;
}

/* It is taken only if it computes the same: of two ends with one wrong cipher nobody would notice. */
tw_err tw_ossl_find_ipsec_mb(tw_ossl *ossl) {
  static const tw_aead *const aeads[] = {&tw_aead_aes128gcm, &tw_aead_aes256gcm};
  uint8_t sample[SAMPLE];
  for (size_t i = 0; i < SAMPLE; i++) sample[i] = (uint8_t)(i * 5);
  TW_TRY(tw_ipsec_mb_new(&ossl->alloc, &ossl->mb));
  for (size_t i = 0; i < 2 && ossl->mb != NULL; i++) {
    const tw_bytes raw = TW_BYTES(sample, aeads[i]->key_size);
    tw_ipsec_mb_key *key = tw_ipsec_mb_key_new(ossl->mb, &ossl->alloc, raw);
    if (key == NULL) return TW_ERR_NO_MEMORY; /* the provider's end frees the rest */
    if (!agrees(ossl, aeads[i], raw, key, sample)) {
      tw_ipsec_mb_free(&ossl->alloc, ossl->mb);
      ossl->mb = NULL;
    }
    tw_ipsec_mb_key_free(&ossl->alloc, key);
  }
  return TW_OK;
}

static bool rests(const ossl_aead_key *key) { return key->mb_key == NULL && key->ctx == NULL; }

void tw_ossl_aead_key_rest(tw_aead_key *key) {
  ossl_aead_key *own = (ossl_aead_key *)(void *)key;
  EVP_CIPHER_CTX_free(own->ctx); /* wipes */
  own->ctx = NULL;
  tw_ipsec_mb_key_free(&own->alloc, own->mb_key);
  own->mb_key = NULL;
}

tw_err tw_ossl_aead_key_wake(tw_aead_key *key) {
  ossl_aead_key *own = (ossl_aead_key *)(void *)key;
  if (!rests(own)) return TW_OK;
  if (own->mb != NULL) {
    own->mb_key = tw_ipsec_mb_key_new(own->mb, &own->alloc, TW_BYTES(own->raw, own->raw_len));
    return own->mb_key != NULL ? TW_OK : TW_ERR_NO_MEMORY;
  }
  tw_ossl_begin();
  own->ctx = EVP_CIPHER_CTX_new();
  const bool ok = own->ctx != NULL && EVP_CipherInit_ex2(own->ctx, own->cipher, own->raw, NULL, 1, NULL) == 1;
  if (!ok) tw_ossl_aead_key_rest(key);
  return tw_ossl_end(ok, TW_ERR_INTERNAL);
}

tw_err tw_ossl_aead_key_new(tw_provider *provider, const tw_alloc *alloc, const tw_aead *aead, tw_bytes key,
                            tw_aead_key **out) {
  tw_ossl *ossl = tw_ossl_of(provider);
  ossl_aead_key *made = tw_alloc_zero(alloc, sizeof(*made));
  if (made == NULL) return TW_ERR_NO_MEMORY;
  made->head.ops = provider->ops;
  made->alloc = *alloc;
  made->cipher = cipher_of(ossl, aead);
  made->mb = aead->id == tw_aead_chacha20poly1305.id ? NULL : ossl->mb;
  made->raw_len = key.len;
  memcpy(made->raw, key.ptr, key.len);
  const tw_err err = tw_ossl_aead_key_wake(&made->head);
  if (err != TW_OK) {
    tw_ossl_aead_key_free(&made->head);
    return err;
  }
  *out = &made->head;
  return TW_OK;
}

void tw_ossl_aead_key_free(tw_aead_key *key) {
  ossl_aead_key *own = (ossl_aead_key *)(void *)key;
  tw_ossl_aead_key_rest(key);
  const tw_alloc alloc = own->alloc;
  tw_wipe(own, sizeof *own);
  tw_alloc_free(&alloc, own);
}

/*
 * With kept keys there is no mark set for each packet (tw_ossl_begin), which would take a twelfth of its time. A tag
 * that is wrong is not reported in the thread's queue; what else may go wrong, EVP and its providers report, and that
 * is taken out again from the queue's end.
 */
static void forget_reports(void) {
  for (;;) {
    const int from = ERR_GET_LIB(ERR_peek_last_error());
    if ((from != ERR_LIB_EVP && from != ERR_LIB_PROV) || !ERR_pop()) return;
  }
}

tw_err tw_ossl_aead_key_seal(tw_aead_key *key, const uint8_t *nonce, tw_bytes aad, tw_bytes plaintext, uint8_t *out) {
  const ossl_aead_key *own = (const ossl_aead_key *)(const void *)key;
  if (rests(own)) TW_TRY(tw_ossl_aead_key_wake(key));
  if (own->mb_key != NULL) {
    tw_ipsec_mb_seal(own->mb_key, nonce, aad, plaintext, out);
    return TW_OK;
  }
  EVP_CIPHER_CTX *ctx = own->ctx;
  if (EVP_CipherInit_ex2(ctx, NULL, NULL, nonce, 1, NULL) == 1 && seal(ctx, aad, plaintext, out)) return TW_OK;
  forget_reports();
  tw_wipe(out, plaintext.len + TW_AEAD_TAG);
  return TW_ERR_INTERNAL;
}

static bool evp_open(EVP_CIPHER_CTX *ctx, const uint8_t *nonce, tw_bytes aad, tw_bytes ciphertext, uint8_t *out) {
  const bool ok = EVP_CipherInit_ex2(ctx, NULL, NULL, nonce, 0, NULL) == 1 && decrypt(ctx, aad, ciphertext, out);
  if (ok) return is_genuine(ctx);
  forget_reports();
  return false;
}

tw_err tw_ossl_aead_key_open(tw_aead_key *key, const uint8_t *nonce, tw_bytes aad, tw_bytes ciphertext, uint8_t *out) {
  const ossl_aead_key *own = (const ossl_aead_key *)(const void *)key;
  if (rests(own)) TW_TRY(tw_ossl_aead_key_wake(key));
  if (own->mb_key != NULL) {
    if (tw_ipsec_mb_open(own->mb_key, nonce, aad, ciphertext, out)) return TW_OK;
  } else if (evp_open(own->ctx, nonce, aad, ciphertext, out)) {
    return TW_OK;
  }
  if (ciphertext.len > TW_AEAD_TAG) tw_wipe(out, ciphertext.len - TW_AEAD_TAG);
  return TW_ERR_DECRYPT;
}

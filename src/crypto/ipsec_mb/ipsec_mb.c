/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/ipsec_mb/ipsec_mb.h"

#include "base/alloc.h"

#ifdef TW_IPSEC_MB
#include <intel-ipsec-mb.h>
#include <string.h>

/* AES of one length of keys. */
typedef struct mb_cipher {
  aes_gcm_pre_t expand;
  aes_gcm_enc_dec_t seal;
  aes_gcm_enc_dec_t open;
} mb_cipher;

struct tw_ipsec_mb {
  mb_cipher aes128;
  mb_cipher aes256;
};

/* Its code loads keys from whole cache lines, and an allocator need not give such. */
enum { LINE = 64 };

struct tw_ipsec_mb_key {
  mb_cipher cipher;
  struct gcm_key_data *expanded; /* in `room` */
  struct gcm_context_data work;  /* of the message in hand: here, so that it goes when the key goes */
  uint8_t room[sizeof(struct gcm_key_data) + LINE - 1];
};

/* Without these it has nothing that libcrypto has not, or emulates what is missing. */
static bool is_worth_it(const IMB_MGR *manager) {
  const uint64_t wanted = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ | IMB_FEATURE_AVX2;
  return (manager->features & wanted) == wanted;
}

/* A manager is for queues of jobs, which are not used here: its functions are all that is kept of it. */
tw_err tw_ipsec_mb_new(const tw_alloc *alloc, tw_ipsec_mb **out) {
  *out = NULL;
  IMB_MGR *manager = alloc_mb_mgr(0);
  if (manager == NULL) return TW_ERR_NO_MEMORY;
  init_mb_mgr_auto(manager, NULL);
  tw_err err = TW_OK;
  if (imb_get_errno(manager) == 0 && is_worth_it(manager)) {
    tw_ipsec_mb *mb = tw_alloc_zero(alloc, sizeof *mb);
    if (mb != NULL)
      *mb = (tw_ipsec_mb){.aes128 = {manager->gcm128_pre, manager->gcm128_enc, manager->gcm128_dec},
                          .aes256 = {manager->gcm256_pre, manager->gcm256_enc, manager->gcm256_dec}};
    else
      err = TW_ERR_NO_MEMORY;
    *out = mb;
  }
  free_mb_mgr(manager);
  return err;
}

void tw_ipsec_mb_free(const tw_alloc *alloc, tw_ipsec_mb *mb) { tw_alloc_free(alloc, mb); }

tw_ipsec_mb_key *tw_ipsec_mb_key_new(const tw_ipsec_mb *mb, const tw_alloc *alloc, tw_bytes raw) {
  tw_ipsec_mb_key *key = tw_alloc_zero(alloc, sizeof *key);
  if (key == NULL) return NULL;
  key->cipher = raw.len == 16 ? mb->aes128 : mb->aes256;
  const size_t past = (uintptr_t)key->room % LINE;
  key->expanded = (struct gcm_key_data *)(void *)(key->room + (past == 0 ? 0 : LINE - past));
  key->cipher.expand(raw.ptr, key->expanded);
  return key;
}

void tw_ipsec_mb_key_free(const tw_alloc *alloc, tw_ipsec_mb_key *key) {
  if (key == NULL) return;
  tw_wipe(key, sizeof *key);
  tw_alloc_free(alloc, key);
}

void tw_ipsec_mb_seal(tw_ipsec_mb_key *key, const uint8_t *nonce, tw_bytes aad, tw_bytes plaintext, uint8_t *out) {
  key->cipher.seal(key->expanded, &key->work, out, plaintext.ptr, plaintext.len, nonce, aad.ptr, aad.len,
                   out + plaintext.len, TW_AEAD_TAG);
}

/* The tag that came is copied first, since `out` may be the input. What is expected is another one until it is
 * computed. */
bool tw_ipsec_mb_open(tw_ipsec_mb_key *key, const uint8_t *nonce, tw_bytes aad, tw_bytes ciphertext, uint8_t *out) {
  const size_t len = ciphertext.len - TW_AEAD_TAG;
  uint8_t tag[TW_AEAD_TAG];
  uint8_t expected[TW_AEAD_TAG];
  memcpy(tag, ciphertext.ptr + len, TW_AEAD_TAG);
  for (size_t i = 0; i < TW_AEAD_TAG; i++) expected[i] = (uint8_t)~tag[i];
  key->cipher.open(key->expanded, &key->work, out, ciphertext.ptr, len, nonce, aad.ptr, aad.len, expected, TW_AEAD_TAG);
  return tw_secret_equal(TW_ARRAY(tag), TW_ARRAY(expected));
}

#else

tw_err tw_ipsec_mb_new(const tw_alloc *alloc, tw_ipsec_mb **out) {
  (void)alloc;
  *out = NULL;
  return TW_OK;
}

void tw_ipsec_mb_free(const tw_alloc *alloc, tw_ipsec_mb *mb) { tw_alloc_free(alloc, mb); }

/* Nobody has a `tw_ipsec_mb` that the rest could be called with. */
tw_ipsec_mb_key *tw_ipsec_mb_key_new(const tw_ipsec_mb *mb, const tw_alloc *alloc, tw_bytes raw) {
  (void)mb;
  (void)alloc;
  (void)raw;
  return NULL;
}

void tw_ipsec_mb_key_free(const tw_alloc *alloc, tw_ipsec_mb_key *key) { tw_alloc_free(alloc, key); }

void tw_ipsec_mb_seal(tw_ipsec_mb_key *key, const uint8_t *nonce, tw_bytes aad, tw_bytes plaintext, uint8_t *out) {
  (void)key;
  (void)nonce;
  (void)aad;
  (void)plaintext;
  (void)out;
}

bool tw_ipsec_mb_open(tw_ipsec_mb_key *key, const uint8_t *nonce, tw_bytes aad, tw_bytes ciphertext, uint8_t *out) {
  (void)key;
  (void)nonce;
  (void)aad;
  (void)ciphertext;
  (void)out;
  return false;
}

#endif

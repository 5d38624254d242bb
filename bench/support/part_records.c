/* Record protection against EVP alone. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>
#include <string.h>

#include "bench.h"
#include "crypto/crypto.h"
#include "record/record.h"

enum { CONTENT = 16384 };
static const double must_ratio = 0.95;

typedef struct record_work {
  tw_record_key key;
  EVP_CIPHER_CTX *evp;
  uint8_t record[CONTENT + TW_RECORD_OVERHEAD]; /* sealed here */
  uint8_t sealed[CONTENT + TW_RECORD_OVERHEAD]; /* opened from here */
  uint8_t out[CONTENT + TW_RECORD_OVERHEAD];
  uint64_t counter;
} record_work;

static void do_seal(void *ctx) {
  record_work *work = ctx;
  BENCH_OK(tw_record_seal(&work->key, TW_RECORD_APPLICATION_DATA, work->record, CONTENT, 0));
}

static void do_open(void *ctx) {
  record_work *work = ctx;
  tw_record_content content;
  work->key.sequence = 0;
  BENCH_OK(tw_record_open(&work->key, work->sealed, sizeof work->sealed, work->out, &content));
}

/* The same bytes by EVP: header, nonce and content type stand there already. */
static void evp_seal(void *ctx) {
  record_work *work = ctx;
  uint8_t nonce[12] = {0};
  int len;
  memcpy(nonce, &work->counter, sizeof work->counter);
  work->counter++;
  uint8_t *content = work->record + TW_RECORD_HEADER;
  BENCH_TRUE(EVP_EncryptInit_ex2(work->evp, NULL, NULL, nonce, NULL) == 1 &&
             EVP_EncryptUpdate(work->evp, NULL, &len, work->record, TW_RECORD_HEADER) == 1 &&
             EVP_EncryptUpdate(work->evp, content, &len, content, CONTENT + 1) == 1 &&
             EVP_EncryptFinal_ex(work->evp, content + CONTENT + 1, &len) == 1 &&
             EVP_CIPHER_CTX_ctrl(work->evp, EVP_CTRL_AEAD_GET_TAG, 16, content + CONTENT + 1) == 1);
}

static void evp_open(void *ctx) {
  record_work *work = ctx;
  uint8_t nonce[12];
  int len;
  memcpy(nonce, work->key.iv, sizeof nonce); /* sequence 0 */
  uint8_t *content = work->sealed + TW_RECORD_HEADER;
  BENCH_TRUE(EVP_DecryptInit_ex2(work->evp, NULL, NULL, nonce, NULL) == 1 &&
             EVP_CIPHER_CTX_ctrl(work->evp, EVP_CTRL_AEAD_SET_TAG, 16, content + CONTENT + 1) == 1 &&
             EVP_DecryptUpdate(work->evp, NULL, &len, work->sealed, TW_RECORD_HEADER) == 1 &&
             EVP_DecryptUpdate(work->evp, work->out, &len, content, CONTENT + 1) == 1 &&
             EVP_DecryptFinal_ex(work->evp, work->out + CONTENT + 1, &len) == 1);
}

static const char *const evp_names[] = {"AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"}; /* by HPKE AEAD id */

static void measure(const tw_env *env, const tw_suite *suite, bool has_must) {
  static record_work work;
  static const uint8_t secret[TW_HASH_MAX] = {1, 2, 3};
  uint8_t key[TW_AEAD_KEY_MAX];
  char name[96];
  const tw_bytes traffic = TW_BYTES(secret, suite->hash->size);
  memset(&work, 0, sizeof work);
  BENCH_OK(tw_record_key_init(env, suite, traffic, &work.key));
  BENCH_OK(tw_hkdf_expand_label(env, suite, traffic, "key", TW_NO_BYTES, key, suite->aead->key_size));
  EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, evp_names[suite->aead->id - 1], NULL);
  work.evp = EVP_CIPHER_CTX_new();
  BENCH_TRUE(cipher != NULL && work.evp != NULL && EVP_EncryptInit_ex2(work.evp, cipher, key, NULL, NULL) == 1);
  BENCH_OK(tw_record_seal(&work.key, TW_RECORD_APPLICATION_DATA, work.sealed, CONTENT, 0));
  const bench_bound bound = has_must ? BENCH_AT_LEAST : BENCH_INFO;
  const bench_compared seal = bench_compare(do_seal, &work, evp_seal, &work, 0.6);
  snprintf(name, sizeof name, "seal 16 KiB / EVP, %s", evp_names[suite->aead->id - 1]);
  bench_row(name, 1 / seal.ratio, "x", bound, must_ratio);
  bench_note("%.0f MB/s", CONTENT / seal.seconds * 1e-6);
  const bench_compared open = bench_compare(do_open, &work, evp_open, &work, 0.6);
  snprintf(name, sizeof name, "open 16 KiB / EVP, %s", evp_names[suite->aead->id - 1]);
  bench_row(name, 1 / open.ratio, "x", bound, must_ratio);
  bench_note("%.0f MB/s", CONTENT / open.seconds * 1e-6);
  EVP_CIPHER_CTX_free(work.evp);
  EVP_CIPHER_free(cipher);
  tw_record_key_clear(&work.key);
}

void bench_part_records(void) {
  tw_env env = {0};
  bench_title(
      "Records of 16 KiB: speed against EVP alone with the same key, in place (seal) and from place to place (open)");
  BENCH_OK(tw_provider_openssl_new(NULL, &env.provider));
  measure(&env, tw_suite_default(), true);
  measure(&env, tw_suite_at(0), false);
  measure(&env, tw_suite_at(2), false);
  tw_provider_free(env.provider);
}

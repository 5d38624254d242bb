/* ESP packets against EVP alone. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

#include "bench.h"
#include "esp/esp.h"

enum { DATAGRAM = 1400, INNER = DATAGRAM + 2 + TW_ESP_TRAILER, AAD = 12 };
static const double must_ratio = 0.6;

typedef struct esp_work {
  tw_esp_out sender;
  tw_esp_in receiver;
  EVP_CIPHER_CTX *evp_sender;
  EVP_CIPHER_CTX *evp_receiver;
  uint64_t number;
  uint8_t packet[DATAGRAM + TW_ESP_OVERHEAD_MAX];
} esp_work;

static void do_seal(void *ctx) {
  esp_work *work = ctx;
  BENCH_OK(tw_esp_seal(&work->sender, TW_ESP_NEXT_IPV4, work->packet, DATAGRAM, 0));
}

static void do_seal_and_open(void *ctx) {
  esp_work *work = ctx;
  tw_esp_opened opened;
  BENCH_OK(tw_esp_seal(&work->sender, TW_ESP_NEXT_IPV4, work->packet, DATAGRAM, 0));
  BENCH_OK(tw_esp_open(&work->receiver, work->packet, tw_esp_size(DATAGRAM, 0), &opened));
}

/* The AEAD alone, of as many bytes: the nonce counts, the header and the trailer stand there. */
static void evp_seal(void *ctx) {
  esp_work *work = ctx;
  uint8_t nonce[12] = {0};
  int len;
  work->number++;
  memcpy(nonce + 4, &work->number, sizeof work->number);
  uint8_t *inner = work->packet + TW_ESP_HEADER;
  BENCH_TRUE(EVP_EncryptInit_ex2(work->evp_sender, NULL, NULL, nonce, NULL) == 1 &&
             EVP_EncryptUpdate(work->evp_sender, NULL, &len, nonce, AAD) == 1 &&
             EVP_EncryptUpdate(work->evp_sender, inner, &len, inner, INNER) == 1 &&
             EVP_EncryptFinal_ex(work->evp_sender, inner + INNER, &len) == 1 &&
             EVP_CIPHER_CTX_ctrl(work->evp_sender, EVP_CTRL_AEAD_GET_TAG, 16, inner + INNER) == 1);
}

static void evp_seal_and_open(void *ctx) {
  esp_work *work = ctx;
  uint8_t nonce[12] = {0};
  int len;
  evp_seal(ctx);
  memcpy(nonce + 4, &work->number, sizeof work->number);
  uint8_t *inner = work->packet + TW_ESP_HEADER;
  BENCH_TRUE(EVP_DecryptInit_ex2(work->evp_receiver, NULL, NULL, nonce, NULL) == 1 &&
             EVP_CIPHER_CTX_ctrl(work->evp_receiver, EVP_CTRL_AEAD_SET_TAG, 16, inner + INNER) == 1 &&
             EVP_DecryptUpdate(work->evp_receiver, NULL, &len, nonce, AAD) == 1 &&
             EVP_DecryptUpdate(work->evp_receiver, inner, &len, inner, INNER) == 1 &&
             EVP_DecryptFinal_ex(work->evp_receiver, inner + INNER, &len) == 1);
}

static const char *const evp_names[] = {"AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"}; /* by HPKE AEAD id */

static void prepare(esp_work *work, const tw_env *env, const tw_suite *suite) {
  const tw_esp_keys keys = {.suite = suite, .spi = 0x12345678, .key = {1, 2, 3}, .salt = {4, 5, 6, 7}};
  memset(work, 0, sizeof *work);
  BENCH_OK(tw_esp_out_init(env, &keys, TW_ESP_MARK_FRESH, &work->sender));
  BENCH_OK(tw_esp_out_extend(&work->sender, tw_esp_out_reserve(&work->sender, UINT64_MAX)));
  BENCH_OK(tw_esp_in_init(env, &keys, 0, &work->receiver));
  EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, evp_names[suite->aead->id - 1], NULL);
  work->evp_sender = EVP_CIPHER_CTX_new();
  work->evp_receiver = EVP_CIPHER_CTX_new();
  BENCH_TRUE(cipher != NULL && work->evp_sender != NULL && work->evp_receiver != NULL &&
             EVP_EncryptInit_ex2(work->evp_sender, cipher, keys.key, NULL, NULL) == 1 &&
             EVP_DecryptInit_ex2(work->evp_receiver, cipher, keys.key, NULL, NULL) == 1);
  EVP_CIPHER_free(cipher);
}

static void row(const char *what, const char *cipher, bench_compared compared, bool has_must) {
  char name[96];
  snprintf(name, sizeof name, "%s / EVP, %s", what, cipher);
  bench_row(name, 1 / compared.ratio, "x", has_must ? BENCH_AT_LEAST : BENCH_INFO, must_ratio);
  bench_note("%.0f packets/s, %.2f Gbit/s; EVP %.0f packets/s", 1 / compared.seconds,
             8 * DATAGRAM / compared.seconds * 1e-9, 1 / compared.reference);
}

static void measure(const tw_env *env, const tw_suite *suite) {
  static esp_work work;
  const char *cipher = evp_names[suite->aead->id - 1];
  prepare(&work, env, suite);
  row("seal", cipher, bench_compare(do_seal, &work, evp_seal, &work, 0.6), true);
  row("seal and open", cipher, bench_compare(do_seal_and_open, &work, evp_seal_and_open, &work, 0.6), true);
  EVP_CIPHER_CTX_free(work.evp_sender);
  EVP_CIPHER_CTX_free(work.evp_receiver);
  tw_esp_out_clear(&work.sender);
  tw_esp_in_clear(&work.receiver);
}

/* ---- several threads ---- */

enum { SEALERS = 2, TURNS = 9, AT_ONCE = 64 };
static const double turn_seconds = 0.1;

/* One thread's work; its packets per second. */
typedef struct sealer {
  tw_esp_out *sa;
  unsigned index; /* among those of this SA */
  double rate;
  uint8_t packet[DATAGRAM + TW_ESP_OVERHEAD_MAX];
} sealer;

static void *seal_on(void *arg) {
  sealer *s = arg;
  uint64_t count = 0;
  const double begin = bench_wall_seconds();
  double now = begin;
  while (now < begin + turn_seconds) {
    for (int i = 0; i < AT_ONCE; i++) {
      uint64_t number;
      BENCH_OK(tw_esp_take(s->sa, DATAGRAM, 0, &number));
      BENCH_OK(tw_esp_seal_numbered(s->sa, s->index, number, TW_ESP_NEXT_IPV4, s->packet, DATAGRAM, 0));
    }
    count += AT_ONCE;
    now = bench_wall_seconds();
  }
  s->rate = (double)count / (now - begin);
  return NULL;
}

static double rate_of(sealer *sealers, unsigned count) {
  pthread_t threads[SEALERS];
  double rate = 0;
  for (unsigned i = 0; i < count; i++) BENCH_TRUE(pthread_create(&threads[i], NULL, seal_on, &sealers[i]) == 0);
  for (unsigned i = 0; i < count; i++) BENCH_TRUE(pthread_join(threads[i], NULL) == 0);
  for (unsigned i = 0; i < count; i++) rate += sealers[i].rate;
  return rate;
}

/* By wall clock, and on a machine with other work as that lets them. */
static void measure_threads(const tw_env *env, const tw_suite *suite) {
  static sealer apart[SEALERS], together[SEALERS];
  const tw_esp_keys keys = {.suite = suite, .spi = 0x12345678, .key = {1, 2, 3}, .salt = {4, 5, 6, 7}};
  tw_esp_out sas[SEALERS + 1] = {{0}};
  double one[TURNS], own[TURNS], common[TURNS];
  for (unsigned i = 0; i <= SEALERS; i++) {
    BENCH_OK(tw_esp_out_init(env, &keys, TW_ESP_MARK_FRESH, &sas[i]));
    BENCH_OK(tw_esp_out_share(env, &keys, i == SEALERS ? SEALERS : 1, &sas[i]));
    BENCH_OK(tw_esp_out_extend(&sas[i], tw_esp_out_reserve(&sas[i], UINT64_MAX)));
    if (i == SEALERS) continue;
    apart[i].sa = &sas[i];
    together[i].sa = &sas[SEALERS];
    together[i].index = i;
  }
  for (unsigned i = 0; i < TURNS; i++) {
    const double alone = rate_of(apart, 1);
    own[i] = rate_of(apart, SEALERS);
    common[i] = rate_of(together, SEALERS) / own[i];
    one[i] = own[i] / alone;
  }
  bench_row("seal, two threads with an SA each / one thread, AES-256-GCM", bench_median(one, TURNS), "x", BENCH_INFO,
            0);
  bench_row("seal, two threads under one SA / with an SA each", bench_median(common, TURNS), "x", BENCH_INFO, 0);
  for (unsigned i = 0; i <= SEALERS; i++) tw_esp_out_clear(&sas[i]);
}

void bench_part_esp(void) {
  tw_env env = {0};
  bench_title("ESP packets of 1,400 bytes, in place: speed against EVP alone of the same bytes");
  BENCH_OK(tw_provider_openssl_new(NULL, &env.provider));
  measure(&env, tw_suite_default());
  measure(&env, tw_suite_at(0));
  measure(&env, tw_suite_at(2));
  measure_threads(&env, tw_suite_default());
  tw_provider_free(env.provider);
}

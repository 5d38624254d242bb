/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_env.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t random_state;

/* splitmix64 */
static tw_err repeatable_random(void *ctx, uint8_t *out, size_t len) {
  (void)ctx;
  for (size_t i = 0; i < len; i++) {
    uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    out[i] = (uint8_t)(z ^ (z >> 31));
  }
  return TW_OK;
}

const tw_env *tw_fuzz_env(void) {
  static tw_env env;
  if (env.provider == NULL) {
    if (tw_provider_openssl_new(NULL, &env.provider) != TW_OK) abort();
    env.random = repeatable_random;
  }
  return &env;
}

void tw_fuzz_restart(void) { random_state = 0; }

void tw_fuzz_restart_apart(void) { random_state = UINT64_C(1) << 63; }

tw_signer *tw_fuzz_signer(const tw_suite *suite) {
  static struct {
    const tw_suite *suite;
    tw_signer *signer;
  } known[32];
  size_t i = 0;
  while (i < 31 && known[i].suite != NULL && known[i].suite != suite) i++;
  if (known[i].suite == NULL) {
    tw_fuzz_restart();
    if (tw_signer_generate(tw_fuzz_env(), suite, &known[i].signer) != TW_OK) abort();
    known[i].suite = suite;
  }
  return known[i].signer;
}

const char *tw_fuzz_seed_folder(void) {
  const char *folder = getenv("TW_FUZZ_SEEDS");
  return folder != NULL && folder[0] != '\0' ? folder : NULL;
}

void tw_fuzz_write_seed(const char *name, tw_bytes seed) {
  char path[4096];
  (void)snprintf(path, sizeof path, "%s/%s", tw_fuzz_seed_folder(), name);
  FILE *file = fopen(path, "wb");
  if (file == NULL || fwrite(seed.ptr, 1, seed.len, file) != seed.len || fclose(file) != 0) {
    perror(path);
    exit(1);
  }
}

void tw_fuzz_seeds_done(void) { exit(0); }

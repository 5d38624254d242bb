/* Peers files and key files: whatever they hold, they are read or refused. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "cli/peers.h"
#include "keys/key_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const tw_env *shared_env(void) {
  static tw_env env;
  if (env.provider == NULL && tw_provider_openssl_new(NULL, &env.provider) != TW_OK) abort();
  return &env;
}

/* What was accepted is found again, and its text form means the same. */
static void check_peers(const tw_env *env, tw_bytes text) {
  tw_peers peers = {0};
  tw_report report = {""};
  const tw_err err = tw_peers_parse(env, "fuzz", text, &peers, &report);
  if (err != TW_OK && report.text[0] == '\0') abort();
  for (size_t i = 0; err == TW_OK && i < peers.count; i++) {
    char shown[TW_FINGERPRINT_TEXT];
    tw_fingerprint back;
    tw_fingerprint_format(&peers.list[i].fingerprint, shown);
    if (tw_fingerprint_parse(TW_BYTES((const uint8_t *)shown, TW_FINGERPRINT_TEXT - 1), &back, NULL) != TW_OK) abort();
    if (tw_peers_find(&peers, &back) != &peers.list[i]) abort();
  }
  tw_peers_clear(&peers);
}

static void check_private_key(const tw_env *env, tw_bytes text) {
  const tw_suite *suite = NULL;
  tw_signer *signer = NULL;
  tw_report report = {""};
  tw_buf again = {0};
  if (tw_private_key_parse(env, text, &suite, &signer, &report) != TW_OK) {
    if (signer != NULL || report.text[0] == '\0') abort();
    return;
  }
  if (tw_private_key_format(suite, signer, &again) != TW_OK) abort();
  tw_buf_clear(&again);
  tw_signer_free(signer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const tw_env *env = shared_env();
  check_peers(env, TW_BYTES(data, size));
  check_private_key(env, TW_BYTES(data, size));
  return 0;
}

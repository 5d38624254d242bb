/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/suite.h"

#include "crypto/suites.h"

static const tw_suite suites[] = {
    {.id = 0x1302, .name = "TLS_AES_256_GCM_SHA384", .hash = &tw_hash_sha384, .aead = &tw_aead_aes256gcm},
    {.id = 0x1301, .name = "TLS_AES_128_GCM_SHA256", .hash = &tw_hash_sha256, .aead = &tw_aead_aes128gcm},
    {.id = 0x1303, .name = "TLS_CHACHA20_POLY1305_SHA256", .hash = &tw_hash_sha256, .aead = &tw_aead_chacha20poly1305},
};
enum { SUITES = sizeof suites / sizeof suites[0] };

const tw_suite *tw_tls_suite_at(size_t index) { return index < SUITES ? &suites[index] : NULL; }

const tw_suite *tw_tls_suite_by_id(uint16_t id) {
  for (size_t i = 0; i < SUITES; i++) {
    if (suites[i].id == id) return &suites[i];
  }
  return NULL;
}

const tw_suite *tw_tls_suite_of(const tw_suite *mls_suite) {
  for (size_t i = 0; i < SUITES; i++) {
    if (suites[i].aead == mls_suite->aead) return &suites[i];
  }
  return NULL;
}

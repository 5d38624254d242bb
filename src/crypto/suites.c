/* The cipher suites: RFC 9420 section 17.1 and draft-ietf-mls-pq-ciphersuites. SPDX-License-Identifier: Apache-2.0 */
#include "crypto/suites.h"

const tw_hash tw_hash_sha256 = {TW_HASH_SHA256, 0x0001, 32, 64, "SHA256"};
const tw_hash tw_hash_sha384 = {TW_HASH_SHA384, 0x0002, 48, 128, "SHA384"};
const tw_hash tw_hash_sha512 = {TW_HASH_SHA512, 0x0003, 64, 128, "SHA512"};

const tw_aead tw_aead_aes128gcm = {0x0001, 16, "AES128GCM"};
const tw_aead tw_aead_aes256gcm = {0x0002, 32, "AES256GCM"};
const tw_aead tw_aead_chacha20poly1305 = {0x0003, 32, "CHACHA20POLY1305"};

/* id, Npk, Nenc, Nsk, Nsecret, bytes drawn by one encapsulation */
const tw_kem tw_kem_p256 = {TW_KEM_P256, 65, 65, 32, 32, 32, "DHKEMP256"};
const tw_kem tw_kem_p384 = {TW_KEM_P384, 97, 97, 48, 48, 48, "DHKEMP384"};
const tw_kem tw_kem_p521 = {TW_KEM_P521, 133, 133, 66, 64, 66, "DHKEMP521"};
const tw_kem tw_kem_x25519 = {TW_KEM_X25519, 32, 32, 32, 32, 32, "DHKEMX25519"};
const tw_kem tw_kem_x448 = {TW_KEM_X448, 56, 56, 56, 64, 56, "DHKEMX448"};
const tw_kem tw_kem_mlkem768 = {TW_KEM_MLKEM768, 1184, 1088, 64, 32, 32, "MLKEM768"};
const tw_kem tw_kem_mlkem1024 = {TW_KEM_MLKEM1024, 1568, 1568, 64, 32, 32, "MLKEM1024"};
/* Hybrids draw 32 bytes for ML-KEM and the group's Nseed for the ephemeral scalar. */
const tw_kem tw_kem_mlkem768_p256 = {TW_KEM_MLKEM768_P256, 1249, 1153, 32, 32, 32 + 128, "MLKEM768P256"};
const tw_kem tw_kem_mlkem1024_p384 = {TW_KEM_MLKEM1024_P384, 1665, 1665, 32, 32, 32 + 48, "MLKEM1024P384"};
const tw_kem tw_kem_mlkem768_x25519 = {TW_KEM_MLKEM768_X25519, 1216, 1120, 32, 32, 32 + 32, "MLKEM768X25519"};

/* id, public key, longest signature, private key, bytes drawn by one signature */
const tw_signature tw_signature_ed25519 = {TW_SIGN_ED25519, 32, 64, 32, 0, "Ed25519"};
const tw_signature tw_signature_ed448 = {TW_SIGN_ED448, 57, 114, 57, 0, "Ed448"};
/* DER: two integers of n bytes and perhaps a leading zero each */
const tw_signature tw_signature_p256 = {TW_SIGN_P256, 65, 72, 32, 0, "P256"};
const tw_signature tw_signature_p384 = {TW_SIGN_P384, 97, 104, 48, 0, "P384"};
const tw_signature tw_signature_p521 = {TW_SIGN_P521, 133, 139, 66, 0, "P521"};
const tw_signature tw_signature_mldsa44 = {TW_SIGN_MLDSA44, 1312, 2420, 32, 32, "MLDSA44"};
const tw_signature tw_signature_mldsa65 = {TW_SIGN_MLDSA65, 1952, 3309, 32, 32, "MLDSA65"};
const tw_signature tw_signature_mldsa87 = {TW_SIGN_MLDSA87, 2592, 4627, 32, 32, "MLDSA87"};

/* The registry name is the level and then what the algorithms are called in it, hence the macro. */
#define SUITE(id_, pq_, level_, kem_name_, kem_, aead_name_, aead_, hash_name_, hash_, sign_name_, sign_)              \
  {                                                                                                                    \
    .id = (id_), .pq_index = (pq_), .name = "MLS_" level_ "_" kem_name_ "_" aead_name_ "_" hash_name_ "_" sign_name_,  \
    .kem = &tw_kem_##kem_, .hash = &tw_hash_##hash_, .aead = &tw_aead_##aead_, .signature = &tw_signature_##sign_      \
  }
#define AES128 "AES128GCM", aes128gcm
#define AES256 "AES256GCM", aes256gcm
#define CHACHA "CHACHA20POLY1305", chacha20poly1305
#define SHA_256 "SHA256", sha256
#define SHA_384 "SHA384", sha384
#define SHA_512 "SHA512", sha512
#define SUITE_OF(...) SUITE(__VA_ARGS__)

static const tw_suite suites[] = {
    SUITE_OF(1, 0, "128", "DHKEMX25519", x25519, AES128, SHA_256, "Ed25519", ed25519),
    SUITE_OF(2, 0, "128", "DHKEMP256", p256, AES128, SHA_256, "P256", p256),
    SUITE_OF(3, 0, "128", "DHKEMX25519", x25519, CHACHA, SHA_256, "Ed25519", ed25519),
    SUITE_OF(4, 0, "256", "DHKEMX448", x448, AES256, SHA_512, "Ed448", ed448),
    SUITE_OF(5, 0, "256", "DHKEMP521", p521, AES256, SHA_512, "P521", p521),
    SUITE_OF(6, 0, "256", "DHKEMX448", x448, CHACHA, SHA_512, "Ed448", ed448),
    SUITE_OF(7, 0, "256", "DHKEMP384", p384, AES256, SHA_384, "P384", p384),
    SUITE_OF(0, 1, "128", "MLKEM768X25519", mlkem768_x25519, AES128, SHA_256, "Ed25519", ed25519),
    SUITE_OF(0, 2, "128", "MLKEM768X25519", mlkem768_x25519, AES256, SHA_384, "Ed25519", ed25519),
    SUITE_OF(0, 3, "128", "MLKEM768P256", mlkem768_p256, AES128, SHA_256, "P256", p256),
    SUITE_OF(0, 4, "128", "MLKEM768P256", mlkem768_p256, AES256, SHA_384, "P256", p256),
    SUITE_OF(0, 5, "192", "MLKEM1024P384", mlkem1024_p384, AES256, SHA_384, "P384", p384),
    SUITE_OF(0, 6, "128", "MLKEM768", mlkem768, AES256, SHA_384, "Ed25519", ed25519),
    SUITE_OF(0, 7, "128", "MLKEM768", mlkem768, AES256, SHA_384, "P256", p256),
    SUITE_OF(0, 8, "192", "MLKEM1024", mlkem1024, AES256, SHA_384, "P384", p384),
    SUITE_OF(0, 9, "128", "MLKEM768X25519", mlkem768_x25519, CHACHA, SHA_384, "MLDSA44", mldsa44),
    SUITE_OF(0, 10, "192", "MLKEM768", mlkem768, AES256, SHA_384, "MLDSA65", mldsa65),
    SUITE_OF(0, 11, "256", "MLKEM1024", mlkem1024, AES256, SHA_384, "MLDSA87", mldsa87),
};

enum { SUITE_COUNT = sizeof(suites) / sizeof(suites[0]), FIRST_PQ = SUITE_COUNT - TW_PQ_SUITES };

const tw_suite *tw_suite_at(size_t index) { return index < SUITE_COUNT ? &suites[index] : NULL; }

const tw_suite *tw_suite_default(void) { return &suites[FIRST_PQ + 1]; }

const char *tw_suite_name(const tw_suite *suite) { return suite->name; }

uint16_t tw_suite_id(const tw_env *env, const tw_suite *suite) {
  return suite->pq_index == 0 ? suite->id : tw_env_code_points(env)->pq_suites[suite->pq_index - 1];
}

const tw_suite *tw_suite_by_id(const tw_env *env, uint16_t id) {
  if (id == 0) return NULL; /* reserved, also where a code point is switched off by setting it to 0 */
  for (size_t i = 0; i < SUITE_COUNT; i++)
    if (tw_suite_id(env, &suites[i]) == id) return &suites[i];
  return NULL;
}

static char lower(char c) { return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); }

static bool same_name(const char *a, const char *b) {
  while (*a != '\0' && lower(*a) == lower(*b)) {
    a++;
    b++;
  }
  return *a == *b;
}

enum { LEVEL_PREFIX = 8 }; /* "MLS_128_" */

const tw_suite *tw_suite_by_name(const char *name) {
  for (size_t i = 0; name != NULL && i < SUITE_COUNT; i++)
    if (same_name(name, suites[i].name) || same_name(name, suites[i].name + LEVEL_PREFIX)) return &suites[i];
  return NULL;
}

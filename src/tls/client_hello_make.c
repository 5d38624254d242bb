/* Our ClientHello: one that any TLS 1.3 server takes for an ordinary one. SPDX-License-Identifier: Apache-2.0 */
#include "crypto/crypto.h"
#include "crypto/suites.h"
#include "tls/client_hello.h"

/* Those of tw_tls_make_share, the one of the first share in front. */
static const uint16_t groups[] = {TW_TLS_X25519, TW_TLS_SECP256R1, TW_TLS_SECP384R1};
enum { GROUPS = sizeof groups / sizeof groups[0] };

/* What a server without MLS may sign with (section 4.2.3); the last three for its certificates. */
static const uint16_t signature_algorithms[] = {0x0807, 0x0403, 0x0503, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601};
enum { SIGNATURE_ALGORITHMS = sizeof signature_algorithms / sizeof signature_algorithms[0] };

/* RFC 8701: the n-th value of a seed, different from the others where types must be. */
static uint16_t grease(const uint8_t *seed, size_t n) {
  const unsigned high = seed[n] >> 4;
  return (uint16_t)(0x0a0au + high * 0x1010u);
}

static void write_suites(tw_writer *w, const tw_tls_hello_parts *parts) {
  const tw_vector_mark list = tw_tls_open16(w);
  tw_write_u16(w, grease(parts->grease, 0));
  tw_write_u16(w, parts->suite->id);
  for (size_t i = 0; tw_tls_suite_at(i) != NULL; i++) {
    if (tw_tls_suite_at(i) != parts->suite) tw_write_u16(w, tw_tls_suite_at(i)->id);
  }
  tw_tls_close16(w, list);
}

static void write_groups(tw_writer *w, const tw_tls_hello_parts *parts) {
  uint16_t list[1 + GROUPS];
  list[0] = grease(parts->grease, 1);
  for (size_t i = 0; i < GROUPS; i++) list[1 + i] = groups[i];
  tw_tls_write_u16_list(w, TW_TLS_EXT_SUPPORTED_GROUPS, list, 1 + GROUPS);
}

static void write_extensions(tw_writer *w, const tw_env *env, const tw_tls_hello_parts *parts) {
  const uint16_t versions[] = {grease(parts->grease, 2), TW_TLS_VERSION_13};
  tw_tls_write_extension(w, grease(parts->grease, 3), TW_NO_BYTES);
  if (parts->server_name.len > 0) tw_tls_write_server_name(w, parts->server_name);
  tw_tls_write_versions(w, versions, 2);
  write_groups(w, parts);
  tw_tls_write_u16_list(w, TW_TLS_EXT_SIGNATURE_ALGORITHMS, signature_algorithms, SIGNATURE_ALGORITHMS);
  tw_tls_write_shares(w, &parts->share, 1);
  if (parts->protocol_count > 0) tw_tls_write_protocols(w, parts->protocols, parts->protocol_count);
  if (parts->record_size_limit > 0) {
    tw_tls_write_one_u16(w, TW_TLS_EXT_RECORD_SIZE_LIMIT, parts->record_size_limit);
  }
  tw_tls_write_extension(w, tw_env_code_points(env)->tls_using_mls_handshake, parts->key_package);
}

/* The structure stands above tw_tls_client_hello_decode. */
tw_err tw_tls_client_hello_make(const tw_env *env, const tw_tls_hello_parts *parts, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  const tw_vector_mark message = tw_tls_open_message(&w, TW_TLS_CLIENT_HELLO);
  tw_write_u16(&w, TW_TLS_VERSION_12);
  tw_write_fixed(&w, TW_BYTES(parts->random, TW_TLS_RANDOM));
  tw_write_vector8(&w, TW_BYTES(parts->session_id, TW_TLS_SESSION_ID_MAX));
  write_suites(&w, parts);
  tw_write_vector8(&w, TW_LITERAL("\0"));
  const tw_vector_mark block = tw_tls_open16(&w);
  write_extensions(&w, env, parts);
  tw_tls_close16(&w, block);
  tw_tls_close_message(&w, message);
  return tw_writer_end(&w);
}

/* The groups are also those of KEMs whose public key is a key_exchange: a suite with that KEM makes a pair of keys. */
static const tw_suite share_suites[GROUPS] = {
    {.name = "x25519", .kem = &tw_kem_x25519, .hash = &tw_hash_sha256},
    {.name = "secp256r1", .kem = &tw_kem_p256, .hash = &tw_hash_sha256},
    {.name = "secp384r1", .kem = &tw_kem_p384, .hash = &tw_hash_sha384},
};

tw_err tw_tls_make_share(const tw_env *env, uint16_t group, tw_buf *out) {
  size_t n = 0;
  while (n < GROUPS && groups[n] != group) n++;
  if (n == GROUPS) return TW_ERR_UNSUPPORTED;
  uint8_t public_key[TW_KEM_PUBLIC_MAX];
  tw_secret private_key = {0};
  TW_TRY(tw_kem_generate(env, &share_suites[n], &private_key, public_key));
  tw_secret_clear(&private_key);
  return tw_buf_append(out, TW_BYTES(public_key, share_suites[n].kem->public_size));
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/cookie.h"

#include <string.h>

#include "base/secret.h"
#include "codec/reader.h"
#include "codec/writer.h"

enum { FIELDS_MAX = 8 + 2 * TW_HASH_MAX };

static tw_err compute_mac(const tw_tls_cookie_keeper *keeper, tw_bytes fields, uint8_t *mac) {
  uint8_t suite[2];
  tw_put_u16(suite, keeper->suite->id);
  const tw_bytes parts[] = {TW_LITERAL("treewire tls cookie"), TW_ARRAY(suite), fields, keeper->context};
  return tw_hmac_parts(keeper->env, keeper->suite, keeper->key, parts, sizeof parts / sizeof parts[0], mac);
}

/*
 * struct { uint64 made_ms; opaque hello_hash[Hash.length]; opaque digest[Hash.length]; opaque mac[Hash.length]; } of
 * ours: nobody but its maker reads it. The mac is an HMAC of "treewire tls cookie", the cipher suite, the other fields
 * and the context.
 */
tw_err tw_tls_cookie_make(const tw_tls_cookie_keeper *keeper, const tw_tls_remembered *remembered, tw_buf *out) {
  const size_t size = keeper->suite->hash->size;
  uint8_t fields[FIELDS_MAX];
  uint8_t mac[TW_HASH_MAX];
  tw_put_u64(fields, keeper->now_ms);
  memcpy(fields + 8, remembered->hello_hash, size);
  memcpy(fields + 8 + size, remembered->digest, size);
  const tw_bytes all = TW_BYTES(fields, 8 + 2 * size);
  TW_TRY(compute_mac(keeper, all, mac));
  tw_writer w = tw_writer_to(out);
  tw_write_fixed(&w, all);
  tw_write_fixed(&w, TW_BYTES(mac, size));
  return tw_writer_end(&w);
}

tw_err tw_tls_cookie_open(const tw_tls_cookie_keeper *keeper, tw_bytes cookie, tw_tls_remembered *out) {
  const size_t size = keeper->suite->hash->size;
  uint8_t expected[TW_HASH_MAX];
  if (cookie.len != 8 + 3 * size) return TW_ERR_FORBIDDEN;
  const tw_bytes fields = TW_BYTES(cookie.ptr, 8 + 2 * size);
  TW_TRY(compute_mac(keeper, fields, expected));
  if (!tw_secret_equal(TW_BYTES(cookie.ptr + fields.len, size), TW_BYTES(expected, size))) return TW_ERR_FORBIDDEN;
  tw_reader r = tw_reader_of(fields);
  const uint64_t made_ms = tw_read_u64(&r);
  if (made_ms > keeper->now_ms || keeper->now_ms - made_ms > TW_TLS_COOKIE_LIFE_MS) return TW_ERR_FORBIDDEN;
  memcpy(out->hello_hash, fields.ptr + 8, size);
  memcpy(out->digest, fields.ptr + 8 + size, size);
  return TW_OK;
}

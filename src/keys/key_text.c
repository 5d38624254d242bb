/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/key_text.h"

#include <string.h>

#include "crypto/crypto.h"
#include "keys/base64.h"

enum { SUITE_NAME_MAX = 80 };
static const tw_bytes fingerprint_mark = {(const uint8_t *)"sha256:", 7};

static bool starts_with(tw_bytes text, tw_bytes prefix) {
  return text.len >= prefix.len && memcmp(text.ptr, prefix.ptr, prefix.len) == 0;
}

static bool is_blank(uint8_t c) { return c == ' ' || c == '\t'; }

static tw_bytes rest_of(tw_bytes text, size_t from) { return TW_BYTES(text.ptr + from, text.len - from); }

/* The first word; `*rest` is what follows the blanks after it. */
static tw_bytes first_word(tw_bytes text, tw_bytes *rest) {
  size_t end = 0;
  while (end < text.len && !is_blank(text.ptr[end])) end++;
  size_t next = end;
  while (next < text.len && is_blank(text.ptr[next])) next++;
  *rest = rest_of(text, next);
  return TW_BYTES(text.ptr, end);
}

static const tw_suite *find_suite(tw_bytes name) {
  char text[SUITE_NAME_MAX];
  if (name.len == 0 || name.len >= sizeof text || memchr(name.ptr, '\0', name.len) != NULL) return NULL;
  memcpy(text, name.ptr, name.len);
  text[name.len] = '\0';
  return tw_suite_by_name(text);
}

tw_err tw_public_key_format(const tw_suite *suite, tw_bytes key, tw_buf *text) {
  const char *name = tw_suite_name(suite);
  const size_t before = text->len;
  tw_err err = tw_buf_append(text, TW_BYTES((const uint8_t *)name, strlen(name)));
  if (err == TW_OK) err = tw_buf_append(text, TW_LITERAL(":"));
  if (err == TW_OK) err = tw_base64_encode(key, text);
  if (err != TW_OK) text->len = before;
  return err;
}

tw_err tw_public_key_parse(tw_bytes text, const tw_suite **suite, tw_buf *key, tw_report *report) {
  const int shown = text.len < 60 ? (int)text.len : 60;
  const char *words = text.len == 0 ? "" : (const char *)text.ptr;
  if (starts_with(text, TW_LITERAL(TW_PRIVATE_KEY_MARK)))
    return tw_report_fail(report, TW_ERR_ENCODING, "this is a private key; `treewire pubkey` makes the public one");
  const uint8_t *colon = text.len == 0 ? NULL : memchr(text.ptr, ':', text.len);
  if (colon == NULL || text.len > TW_KEY_TEXT_MAX)
    return tw_report_fail(report, TW_ERR_ENCODING,
                          "'%.*s' is neither a public key (SUITE:BASE64) nor a fingerprint (sha256:HEX)", shown, words);
  const size_t name_len = (size_t)(colon - text.ptr);
  const tw_suite *found = find_suite(TW_BYTES(text.ptr, name_len));
  if (found == NULL)
    return tw_report_fail(report, TW_ERR_ENCODING, "'%.*s' names no cipher suite known here (see `treewire suites`)",
                          (int)(name_len < 60 ? name_len : 60), words);
  tw_buf bytes = {0};
  tw_err err = tw_base64_decode(rest_of(text, name_len + 1), &bytes);
  if (err == TW_ERR_ENCODING)
    err = tw_report_fail(report, err, "the public key of suite %s is not valid base64", tw_suite_name(found));
  else if (err == TW_OK && bytes.len != found->signature->public_size)
    err = tw_report_fail(report, TW_ERR_ENCODING, "a public key of suite %s has %u bytes, this one has %zu",
                         tw_suite_name(found), (unsigned)found->signature->public_size, bytes.len);
  if (err == TW_OK) err = tw_buf_assign(key, tw_buf_bytes(&bytes));
  if (err == TW_OK) *suite = found;
  tw_buf_clear(&bytes);
  return err;
}

tw_err tw_fingerprint_of(const tw_env *env, const tw_suite *suite, tw_bytes key, tw_fingerprint *fingerprint) {
  const tw_suite *sha256 = tw_suite_by_id(env, 1); /* MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519 */
  if (sha256 == NULL || sha256->hash->size != TW_FINGERPRINT_SIZE) return TW_ERR_INTERNAL;
  tw_buf text = {0};
  tw_err err = tw_public_key_format(suite, key, &text);
  const tw_bytes part = tw_buf_bytes(&text);
  if (err == TW_OK) err = tw_hash_parts(env, sha256, &part, 1, fingerprint->digest);
  tw_buf_clear(&text);
  return err;
}

static int hex_value(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

tw_err tw_fingerprint_parse(tw_bytes text, tw_fingerprint *fingerprint, tw_report *report) {
  tw_fingerprint parsed;
  bool good = starts_with(text, fingerprint_mark) && text.len == TW_FINGERPRINT_TEXT - 1;
  for (size_t i = 0; good && i < TW_FINGERPRINT_SIZE; i++) {
    const int high = hex_value(text.ptr[fingerprint_mark.len + 2 * i]);
    const int low = hex_value(text.ptr[fingerprint_mark.len + 2 * i + 1]);
    good = high >= 0 && low >= 0;
    if (good) parsed.digest[i] = (uint8_t)(high << 4 | low);
  }
  if (!good) return tw_report_fail(report, TW_ERR_ENCODING, "a fingerprint is 'sha256:' and 64 hexadecimal digits");
  *fingerprint = parsed;
  return TW_OK;
}

void tw_fingerprint_format(const tw_fingerprint *fingerprint, char *out) {
  static const char digits[] = "0123456789abcdef";
  memcpy(out, fingerprint_mark.ptr, fingerprint_mark.len);
  out += fingerprint_mark.len;
  for (size_t i = 0; i < TW_FINGERPRINT_SIZE; i++) {
    *out++ = digits[fingerprint->digest[i] >> 4];
    *out++ = digits[fingerprint->digest[i] & 15];
  }
  *out = '\0';
}

tw_err tw_peer_key_parse(const tw_env *env, tw_bytes text, const tw_suite **suite, tw_fingerprint *fingerprint,
                         tw_report *report) {
  if (starts_with(text, fingerprint_mark)) {
    TW_TRY(tw_fingerprint_parse(text, fingerprint, report));
    *suite = NULL;
    return TW_OK;
  }
  tw_buf key = {0};
  const tw_suite *found = NULL;
  tw_err err = tw_public_key_parse(text, &found, &key, report);
  if (err == TW_OK) err = tw_fingerprint_of(env, found, tw_buf_bytes(&key), fingerprint);
  if (err == TW_OK) *suite = found;
  tw_buf_clear(&key);
  return err;
}

tw_err tw_private_key_format(const tw_suite *suite, const tw_signer *signer, tw_buf *text) {
  const char *name = tw_suite_name(suite);
  const size_t before = text->len;
  tw_buf key = {0};
  tw_err err = tw_signer_export(signer, &key);
  if (err == TW_OK) err = tw_buf_append(text, TW_LITERAL(TW_PRIVATE_KEY_MARK " "));
  if (err == TW_OK) err = tw_buf_append(text, TW_BYTES((const uint8_t *)name, strlen(name)));
  if (err == TW_OK) err = tw_buf_append(text, TW_LITERAL(" "));
  if (err == TW_OK) err = tw_base64_encode(tw_buf_bytes(&key), text);
  if (err == TW_OK) err = tw_buf_append(text, TW_LITERAL("\n"));
  if (err != TW_OK) text->len = before;
  tw_buf_clear(&key);
  return err;
}

tw_err tw_private_key_parse(const tw_env *env, tw_bytes text, const tw_suite **suite, tw_signer **signer,
                            tw_report *report) {
  while (text.len > 0 && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r')) text.len--;
  tw_bytes rest;
  if (!tw_bytes_equal(first_word(text, &rest), TW_LITERAL(TW_PRIVATE_KEY_MARK)))
    return tw_report_fail(report, TW_ERR_ENCODING, "not a private key (a line '" TW_PRIVATE_KEY_MARK " SUITE BASE64')");
  const tw_bytes name = first_word(rest, &rest);
  const tw_suite *found = find_suite(name);
  if (found == NULL)
    return tw_report_fail(report, TW_ERR_ENCODING, "a key of cipher suite '%.*s', which is not known here",
                          (int)(name.len < 60 ? name.len : 60), name.len == 0 ? "" : (const char *)name.ptr);
  tw_buf key = {0};
  tw_err err = tw_base64_decode(rest, &key);
  if (err == TW_OK) err = tw_signer_import(env, found, tw_buf_bytes(&key), signer);
  if (err == TW_OK)
    *suite = found;
  else
    err = tw_report_fail(report, err, "damaged private key of suite %s", tw_suite_name(found));
  tw_buf_clear(&key);
  return err;
}

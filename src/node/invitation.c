/* SPDX-License-Identifier: Apache-2.0 */
#include "node/invitation.h"

#include <string.h>

#include "codec/reader.h"
#include "codec/writer.h"
#include "keys/base64.h"
#include "mls/label.h"
#include "node/ini.h"

enum { VERSION = 1, CHECK = 4, TRIES = 255, P521_PRIVATE = 66 };

/* ---- as bytes ---- */

static tw_bytes text_of(const char *text) { return TW_BYTES((const uint8_t *)text, strlen(text)); }

/*
 * struct {
 *   uint8 version = 1; opaque relay_host<V>; uint16 relay_port; opaque relay_key[32];
 *   opaque group<V>; opaque suite<V>; ClientId inviter; uint64 until;
 * } InvitationTerms;
 * struct { InvitationTerms terms; opaque secret[32]; opaque check[4]; } Invitation
 * `check` is the beginning of SHA-256 of all before it: for mistakes in copying.
 */
static tw_err write_terms(const tw_invitation *invitation, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  tw_write_u8(&w, VERSION);
  tw_write_vector(&w, text_of(invitation->relay.host));
  tw_write_u16(&w, invitation->relay.port);
  tw_write_fixed(&w, TW_ARRAY(invitation->relay_key.digest));
  tw_write_vector(&w, text_of(invitation->group));
  tw_write_vector(&w, text_of(tw_suite_name(invitation->suite)));
  tw_control_write_client(&w, &invitation->inviter);
  tw_write_u64(&w, invitation->until);
  return tw_writer_end(&w);
}

static tw_err check_of(const tw_env *env, tw_bytes content, uint8_t check[CHECK]) {
  const tw_suite *sha256 = tw_suite_by_id(env, 1);
  uint8_t digest[TW_HASH_MAX];
  if (sha256 == NULL) return TW_ERR_INTERNAL;
  TW_TRY(tw_hash_parts(env, sha256, &content, 1, digest));
  memcpy(check, digest, CHECK);
  return TW_OK;
}

bool tw_invitation_is_host(tw_bytes host) {
  if (host.len == 0 || host.len > TW_HOST_MAX) return false;
  for (size_t i = 0; i < host.len; i++) {
    const uint8_t c = host.ptr[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool other = c == '.' || c == '-' || c == '_' || c == ':';
    if (!letter && !(c >= '0' && c <= '9') && !other) return false;
  }
  return true;
}

static bool is_group(tw_bytes group) {
  return group.len > 0 && group.len <= TW_NODE_GROUP_MAX && tw_ini_is_printable(group);
}

static bool read_string(tw_reader *r, bool (*is_good)(tw_bytes text), char *out) {
  const tw_bytes text = tw_read_vector(r);
  if (tw_reader_err(r) != TW_OK || !is_good(text)) return false;
  memcpy(out, text.ptr, text.len);
  return true;
}

static bool is_suite(tw_bytes name) { return name.len > 0 && name.len < 100; }

static tw_err decode(tw_bytes bytes, tw_invitation *out, tw_report *report) {
  tw_reader r = tw_reader_of(bytes);
  char suite[100] = {0};
  if (tw_read_u8(&r) != VERSION)
    return tw_report_fail(report, TW_ERR_UNSUPPORTED, "the token is of another version of the program");
  bool good = read_string(&r, tw_invitation_is_host, out->relay.host);
  out->relay.port = tw_read_u16(&r);
  const tw_bytes relay_key = tw_read_fixed(&r, sizeof out->relay_key.digest);
  good = good && read_string(&r, is_group, out->group) && read_string(&r, is_suite, suite);
  const tw_bytes inviter = tw_read_fixed(&r, sizeof out->inviter.digest);
  out->until = tw_read_u64(&r);
  const tw_bytes secret = tw_read_fixed(&r, TW_INVITATION_SECRET);
  if (!good || tw_reader_end(&r) != TW_OK || out->relay.port == 0)
    return tw_report_fail(report, TW_ERR_ENCODING, "this is no token of an invitation");
  memcpy(out->relay_key.digest, relay_key.ptr, relay_key.len);
  memcpy(out->inviter.digest, inviter.ptr, inviter.len);
  memcpy(out->secret, secret.ptr, secret.len);
  out->suite = tw_suite_by_name(suite);
  if (out->suite == NULL || strcmp(tw_suite_name(out->suite), suite) != 0) /* a token has one spelling */
    return tw_report_fail(report, TW_ERR_UNSUPPORTED, "the token's network has a suite that is not known: '%.80s'",
                          suite);
  return TW_OK;
}

/* ---- as text ---- */

/* All bits set where they are the same; without a branch, as in base64.c. */
static uint8_t same(uint8_t a, uint8_t b) { return (uint8_t)(((unsigned)(a ^ b) - 1u) >> 8 & 0xffu); }

static void swap_characters(uint8_t *text, size_t len, const char *from, const char *to) {
  for (size_t i = 0; i < len; i++) {
    const uint8_t first = same(text[i], (uint8_t)from[0]);
    const uint8_t second = same(text[i], (uint8_t)from[1]);
    text[i] = (uint8_t)((text[i] & (uint8_t) ~(first | second)) | (first & (uint8_t)to[0]) | (second & (uint8_t)to[1]));
  }
}

tw_err tw_invitation_format(const tw_env *env, const tw_invitation *invitation, tw_buf *text) {
  tw_buf bytes = TW_BUF_INIT(tw_env_alloc(env));
  const size_t start = text->len;
  uint8_t check[CHECK];
  if (!tw_invitation_is_host(text_of(invitation->relay.host)) || !is_group(text_of(invitation->group)) ||
      invitation->relay.port == 0)
    return TW_ERR_ARGUMENT;
  tw_err err = write_terms(invitation, &bytes);
  if (err == TW_OK) err = tw_buf_append(&bytes, TW_ARRAY(invitation->secret));
  if (err == TW_OK) err = check_of(env, tw_buf_bytes(&bytes), check);
  if (err == TW_OK) err = tw_buf_append(&bytes, TW_ARRAY(check));
  if (err == TW_OK) err = tw_base64_encode(tw_buf_bytes(&bytes), text);
  tw_buf_clear(&bytes);
  if (err != TW_OK) return err;
  swap_characters(text->ptr + start, text->len - start, "+/", "-_");
  while (text->len > start && text->ptr[text->len - 1] == '=') text->len--;
  return TW_OK;
}

/* The bytes in front of a right checksum. */
static tw_err unwrap(const tw_env *env, tw_bytes text, tw_buf *bytes) {
  tw_buf padded = TW_BUF_INIT(tw_env_alloc(env));
  uint8_t check[CHECK];
  if (text.len == 0 || text.len > TW_INVITATION_TEXT_MAX || memchr(text.ptr, '+', text.len) != NULL ||
      memchr(text.ptr, '/', text.len) != NULL || memchr(text.ptr, '=', text.len) != NULL)
    return TW_ERR_ENCODING;
  tw_err err = tw_buf_append(&padded, text);
  while (err == TW_OK && padded.len % 4 != 0) err = tw_buf_append(&padded, TW_LITERAL("="));
  if (err == TW_OK) swap_characters(padded.ptr, padded.len, "-_", "+/");
  if (err == TW_OK) err = tw_base64_decode(tw_buf_bytes(&padded), bytes);
  tw_buf_clear(&padded);
  if (err == TW_OK && bytes->len <= CHECK) err = TW_ERR_ENCODING;
  if (err == TW_OK) err = check_of(env, TW_BYTES(bytes->ptr, bytes->len - CHECK), check);
  if (err == TW_OK && memcmp(check, bytes->ptr + bytes->len - CHECK, CHECK) != 0) err = TW_ERR_ENCODING;
  return err;
}

tw_err tw_invitation_parse(const tw_env *env, tw_bytes text, tw_invitation *out, tw_report *report) {
  tw_buf bytes = TW_BUF_INIT(tw_env_alloc(env));
  tw_invitation parsed = {.until = 0};
  tw_err err = unwrap(env, text, &bytes);
  if (err == TW_OK)
    err = decode(TW_BYTES(bytes.ptr, bytes.len - CHECK), &parsed, report);
  else if (err == TW_ERR_ENCODING)
    err = tw_report_fail(report, err, "this is no token of an invitation, or not all of it, or it is mistyped");
  else
    err = tw_report_fail(report, err, "%s", tw_err_text(err));
  tw_buf_clear(&bytes);
  if (err == TW_OK) *out = parsed;
  tw_invitation_clear(&parsed);
  return err;
}

void tw_invitation_clear(tw_invitation *invitation) { tw_wipe(invitation, sizeof *invitation); }

/* ---- the keys ---- */

/* A scalar has to be in its range: by a counter at the context's end, as in RFC 9180 section 7.1.3. */
static tw_err make_signer(const tw_env *env, const tw_suite *suite, tw_bytes prk, tw_buf *context, tw_signer **signer) {
  uint8_t private_key[TW_SECRET_MAX];
  const size_t size = suite->signature->private_size;
  tw_err err = TW_ERR_KEY;
  if (size > sizeof private_key) return TW_ERR_INTERNAL;
  for (unsigned n = 0; err == TW_ERR_KEY && n < TRIES; n++) {
    context->ptr[context->len - 1] = (uint8_t)n;
    err = tw_expand_with_label(env, suite, prk, TW_LITERAL("treewire invitation signature"), tw_buf_bytes(context),
                               private_key, size);
    if (size == P521_PRIVATE) private_key[0] &= 1;
    if (err == TW_OK) err = tw_signer_import(env, suite, TW_BYTES(private_key, size), signer);
  }
  tw_wipe(private_key, sizeof private_key);
  context->ptr[context->len - 1] = 0;
  return err;
}

static tw_err derive(const tw_env *env, const tw_invitation *invitation, tw_bytes prk, tw_buf *context,
                     tw_invitation_keys *out) {
  const tw_suite *suite = invitation->suite;
  const tw_bytes terms = tw_buf_bytes(context);
  TW_TRY(tw_expand_with_label(env, suite, prk, TW_LITERAL("treewire invitation id"), terms, out->id, sizeof out->id));
  TW_TRY(tw_expand_with_label(env, suite, prk, TW_LITERAL("treewire invitation request"), terms, out->request,
                              suite->aead->key_size));
  TW_TRY(tw_expand_with_label(env, suite, prk, TW_LITERAL("treewire invitation reply"), terms, out->reply,
                              suite->aead->key_size));
  TW_TRY(make_signer(env, suite, prk, context, &out->signer));
  return tw_fingerprint_of(env, suite, tw_signer_public_key(out->signer), &out->guest);
}

tw_err tw_invitation_keys_of(const tw_env *env, const tw_invitation *invitation, tw_invitation_keys *out) {
  tw_buf context = TW_BUF_INIT(tw_env_alloc(env));
  tw_invitation_keys keys = {.signer = NULL};
  tw_secret prk = {0};
  tw_err err = write_terms(invitation, &context);
  if (err == TW_OK) err = tw_buf_append(&context, TW_LITERAL("\0"));
  if (err == TW_OK)
    err = tw_hkdf_extract(env, invitation->suite, TW_LITERAL("treewire invitation"), TW_ARRAY(invitation->secret),
                          &prk);
  if (err == TW_OK) err = derive(env, invitation, tw_secret_bytes(&prk), &context, &keys);
  tw_secret_clear(&prk);
  tw_buf_clear(&context);
  if (err == TW_OK)
    *out = keys;
  else
    tw_invitation_keys_clear(&keys);
  return err;
}

void tw_invitation_keys_clear(tw_invitation_keys *keys) {
  tw_signer_free(keys->signer);
  tw_wipe(keys, sizeof *keys);
}

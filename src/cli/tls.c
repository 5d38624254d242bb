/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tls.h"

#include <string.h>
#include <time.h>

#include "codec/writer.h"
#include "crypto/crypto.h"
#include "mls/extension.h"

enum { X509_CREDENTIAL = 2, ALPN_NAME_MAX = 255 };

/* ---- options ---- */

static tw_err take_protocol(tw_tls_options *options, const char *value, tw_report *report) {
  options->used = strcmp(value, "tls") == 0;
  if (options->used || strcmp(value, "mls-tls") == 0) return TW_OK;
  return tw_report_fail(report, TW_ERR_ARGUMENT, "--proto %.60s: either mls-tls or tls", value);
}

static tw_err add_alpn(tw_tls_options *options, const char *value, tw_report *report) {
  const size_t len = strlen(value);
  if (len == 0 || len > ALPN_NAME_MAX)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "--alpn: a name has 1 to %d bytes", ALPN_NAME_MAX);
  if (options->alpn_count == TW_ALPN_MAX)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "more than %d --alpn", TW_ALPN_MAX);
  options->alpn[options->alpn_count++] = TW_BYTES((const uint8_t *)value, len);
  return TW_OK;
}

tw_err tw_tls_option(tw_tls_options *options, int which, const char *value, tw_report *report) {
  switch (which) {
  case TW_TLS_PROTO: return take_protocol(options, value, report);
  case TW_TLS_ALPN: return add_alpn(options, value, report);
  case TW_TLS_STANDARD: options->standard = true; return TW_OK;
  default: return tw_report_fail(report, TW_ERR_INTERNAL, "option %d has no meaning", which);
  }
}

static const char *missing_for_standard(const tw_tls_options *options, const tw_identity *identity) {
  const tw_certificates *certificates = &identity->certificates;
  if (identity->connecting)
    return certificates->ca_path == NULL ? "--tls-standard needs --ca FILE, by which the listener's certificate is good"
                                         : NULL;
  if (certificates->cert_path == NULL) return "--tls-standard needs --cert FILE and --cert-key FILE";
  if (certificates->ca_path == NULL && !options->anyone)
    return "--tls-standard needs --ca FILE, whose clients are let in, or --tls-standard-anyone";
  return NULL;
}

tw_err tw_tls_options_check(const tw_tls_options *options, const tw_identity *identity, tw_report *report) {
  const char *missing = NULL;
  if (!options->used && options->alpn_count > 0) missing = "--alpn needs --proto tls";
  if (!options->used && options->retry_given) missing = "--retry-above needs --proto tls";
  if (!options->used && options->standard) missing = "--tls-standard needs --proto tls";
  if (!options->standard && options->anyone) missing = "--tls-standard-anyone needs --tls-standard";
  if (missing == NULL && options->standard) missing = missing_for_standard(options, identity);
  return missing == NULL ? TW_OK : tw_report_fail(report, TW_ERR_ARGUMENT, "%s", missing);
}

/* ---- names ---- */

static void add_name(tw_tls_options *options, const char *name) {
  options->names[options->name_count++] = TW_BYTES((const uint8_t *)name, strlen(name));
}

/* The one that the listener's certificate is to be for, else where we connect to; an address is no server_name. */
static void choose_name(tw_tls_options *options, const tw_certificates *certificates, const char *host) {
  char *name = options->name_texts[0];
  const char *wanted = certificates->name_count > 0 ? certificates->names[0] : host;
  if (tw_x509_name_parse(wanted, TW_X509_NAME_ASKED, name, NULL) == TW_OK && !tw_x509_name_is_address(name))
    add_name(options, name);
}

/* Those of our certificate; without one, any. */
static tw_err take_own_names(tw_tls_options *options, const tw_certificates *certificates) {
  size_t count;
  if (certificates->cert_path == NULL) return TW_OK;
  TW_TRY(tw_x509_dns_names(certificates->x509, tw_buf_bytes(&certificates->chain), options->name_texts, TW_NAMES_MAX,
                           &count));
  for (size_t i = 0; i < count; i++) add_name(options, options->name_texts[i]);
  return TW_OK;
}

/* ---- opening ---- */

static tw_err on_certificates(void *ctx, tw_bytes certificates) {
  const tw_suite *suite;
  tw_acquaintance known;
  return tw_tls_judge(ctx, certificates, false, &suite, &known);
}

static tw_err open_standard(tw_tls_options *options, tw_identity *identity, const tw_channel_options *limits,
                            tw_report *report) {
  const tw_certificates *certificates = &identity->certificates;
  const tw_standard_config config = {
      .lib = tw_x509_lib(certificates->x509),
      .connecting = identity->connecting,
      .certificates = tw_buf_bytes(&certificates->chain),
      .key = certificates->key,
      .server_names = options->names,
      .server_name_count = options->name_count,
      .protocols = options->alpn,
      .protocol_count = options->alpn_count,
      .judge = options->anyone ? NULL : on_certificates,
      .ctx = identity,
      .extension = tw_env_code_points(identity->env)->tls_using_mls_handshake,
      .handshake_timeout_ms = limits->handshake_timeout_ms,
      .output_high_water = limits->output_high_water,
  };
  return tw_standard_context_new(&config, &options->context, report);
}

tw_err tw_tls_options_open(tw_tls_options *options, tw_identity *identity, const char *host,
                           const tw_channel_options *limits, tw_report *report) {
  if (!options->used) return TW_OK;
  if (host != NULL)
    choose_name(options, &identity->certificates, host);
  else
    TW_TRY(take_own_names(options, &identity->certificates));
  tw_err err = tw_random(identity->env, options->cookie_key, sizeof options->cookie_key);
  if (err != TW_OK) return tw_report_fail(report, err, "%s", tw_err_text(err));
  options->channel = (tw_channel_tls){
      .server_names = options->names,
      .server_name_count = options->name_count,
      .protocols = options->alpn,
      .protocol_count = options->alpn_count,
      .cookie_key = TW_ARRAY(options->cookie_key),
  };
  return options->standard ? open_standard(options, identity, limits, report) : TW_OK;
}

void tw_tls_options_clear(tw_tls_options *options) {
  tw_standard_context_free(options->context);
  options->context = NULL;
  tw_wipe(options->cookie_key, sizeof options->cookie_key);
}

tw_err tw_tls_session_words(const tw_tls_options *options, tw_buf *words) {
  if (!options->used) return TW_OK;
  tw_writer w = tw_writer_to(words);
  tw_write_vector(&w, TW_LITERAL("tls"));
  tw_write_vector(&w, options->name_count > 0 ? options->names[0] : TW_NO_BYTES);
  for (size_t i = 0; i < options->alpn_count; i++) tw_write_vector(&w, options->alpn[i]);
  return tw_writer_end(&w);
}

/* ---- who has a certificate ---- */

static tw_err ask(tw_identity *identity, const tw_stranger *stranger, bool recall, tw_acquaintance *known) {
  return recall ? tw_identity_recalls(identity, stranger, known) : tw_identity_accepts(identity, stranger, known);
}

/*
 * One key, and a fingerprint for each suite that it fits: the one that is among the peers, else the first. Who is known
 * by none has to have a good certificate.
 */
static tw_err suite_of(const tw_identity *identity, tw_bytes certificates, const tw_suite **suite, tw_buf *key) {
  uint16_t scheme = 0;
  tw_reader walk = tw_reader_of(certificates);
  tw_bytes der;
  tw_fingerprint fingerprint;
  *suite = NULL;
  if (!tw_certificate_next(&walk, &der)) return TW_ERR_CERTIFICATE;
  if (tw_x509_scheme(identity->certificates.x509, certificates, &scheme) == TW_ERR_CERTIFICATE)
    return TW_ERR_CERTIFICATE;
  for (size_t i = 0; i < identity->count; i++) {
    const tw_suite *ours = identity->keys[i].suite;
    if (ours->signature->id != scheme) continue;
    key->len = 0;
    TW_TRY(tw_x509_public_key(identity->env, ours, der, key));
    TW_TRY(tw_fingerprint_of(identity->env, ours, tw_buf_bytes(key), &fingerprint));
    const bool is_peer = tw_peers_find(&identity->peers, &fingerprint) != NULL;
    if (*suite == NULL || is_peer) *suite = ours;
    if (is_peer) return TW_OK;
  }
  key->len = 0;
  if (*suite != NULL) return tw_x509_public_key(identity->env, *suite, der, key);
  return tw_x509_spki(identity->certificates.x509, certificates, key);
}

tw_err tw_tls_judge(tw_identity *identity, tw_bytes certificates, bool recall, const tw_suite **suite,
                    tw_acquaintance *known) {
  tw_buf key = {0};
  tw_err err = suite_of(identity, certificates, suite, &key);
  if (err == TW_OK) {
    const tw_stranger stranger = {
        *suite, {.type = X509_CREDENTIAL, .identity = certificates}, tw_buf_bytes(&key), (uint64_t)time(NULL)};
    err = ask(identity, &stranger, recall, known);
  }
  tw_buf_clear(&key);
  return err;
}

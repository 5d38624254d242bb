/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/certificates.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/key_file.h"
#include "cli/passphrase.h"
#include "crypto/suites.h"
#include "mls/extension.h"

/* ---- options ---- */

static tw_err add_crl(tw_certificates *certificates, const char *path, tw_report *report) {
  if (certificates->crl_count == TW_CRL_FILES_MAX)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "more than %d --crl", TW_CRL_FILES_MAX);
  certificates->crl_paths[certificates->crl_count++] = path;
  return TW_OK;
}

static tw_err add_suite(tw_certificates *certificates, const char *name, tw_report *report) {
  const tw_suite *suite = tw_suite_by_name(name);
  if (suite == NULL)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "--suite %.60s: not known; `treewire suites` lists them", name);
  if (certificates->suite_count == TW_CERTIFICATE_SUITES_MAX)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "more than %d --suite", TW_CERTIFICATE_SUITES_MAX);
  certificates->suites[certificates->suite_count++] = suite;
  return TW_OK;
}

tw_err tw_certificates_add_name(tw_certificates *certificates, const char *name, tw_report *report) {
  if (certificates->name_count == TW_NAMES_MAX)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "more than %d --name", TW_NAMES_MAX);
  char *text = certificates->name_texts[certificates->name_count];
  tw_report why = {""};
  if (tw_x509_name_parse(name, TW_X509_NAME_ASKED, text, &why) != TW_OK)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "--name: %s", why.text);
  certificates->names[certificates->name_count++] = text;
  return TW_OK;
}

tw_err tw_certificates_option(tw_certificates *certificates, int which, const char *value, tw_report *report) {
  switch (which) {
  case TW_CERTIFICATE_CERT: certificates->cert_path = value; return TW_OK;
  case TW_CERTIFICATE_KEY: certificates->key_path = value; return TW_OK;
  case TW_CERTIFICATE_KEY_PASS: certificates->pass_path = value; return TW_OK;
  case TW_CERTIFICATE_SUITE: return add_suite(certificates, value, report);
  case TW_CERTIFICATE_CA: certificates->ca_path = value; return TW_OK;
  case TW_CERTIFICATE_CRL: return add_crl(certificates, value, report);
  case TW_CERTIFICATE_NAME: return tw_certificates_add_name(certificates, value, report);
  default: return tw_report_fail(report, TW_ERR_INTERNAL, "option %d has no meaning", which);
  }
}

tw_err tw_certificates_check(const tw_certificates *certificates, tw_report *report) {
  const tw_certificates *c = certificates;
  const char *missing = NULL;
  if (c->cert_path != NULL && c->key_path == NULL) missing = "--cert needs --cert-key FILE, its private key";
  if (c->cert_path == NULL && c->key_path != NULL) missing = "--cert-key needs --cert FILE, its certificate";
  if (c->cert_path == NULL && c->pass_path != NULL) missing = "--cert-key-pass needs --cert and --cert-key";
  if (c->cert_path == NULL && c->suite_count > 0) missing = "--suite needs --cert (the suite of --key is in the key)";
  if (c->ca_path == NULL && c->crl_count > 0) missing = "--crl needs --ca FILE";
  if (c->ca_path == NULL && c->name_count > 0) missing = "--name needs --ca FILE";
  return missing == NULL ? TW_OK : tw_report_fail(report, TW_ERR_ARGUMENT, "%s", missing);
}

/* ---- whom we trust ---- */

static tw_err add_file(const tw_certificates *certificates, tw_x509_trust *trust, const char *path, bool is_crl,
                       tw_report *report) {
  const char *option = certificates->from_file ? "" : is_crl ? "--crl " : "--ca ";
  tw_buf text = {0};
  tw_report why = {"out of memory"};
  tw_err err = tw_file_read(path, TW_X509_FILE_MAX, &text, &why);
  if (err == TW_OK && is_crl)
    err = tw_x509_trust_add_crls(trust, path, tw_buf_bytes(&text), (uint64_t)time(NULL), &why);
  else if (err == TW_OK)
    err = tw_x509_trust_add_anchors(trust, path, tw_buf_bytes(&text), &why);
  tw_buf_clear(&text);
  return err == TW_OK ? TW_OK : tw_report_fail(report, err, "%s%s", option, why.text);
}

tw_err tw_certificates_read_trust(const tw_certificates *certificates, tw_x509_trust **trust, tw_report *report) {
  tw_x509_trust *made = NULL;
  TW_TRY(tw_x509_trust_new(certificates->x509, &made));
  tw_err err = add_file(certificates, made, certificates->ca_path, false, report);
  for (size_t i = 0; err == TW_OK && i < certificates->crl_count; i++)
    err = add_file(certificates, made, certificates->crl_paths[i], true, report);
  if (err != TW_OK) {
    tw_x509_trust_free(made);
    return err;
  }
  *trust = made;
  return TW_OK;
}

tw_err tw_certificates_open(tw_certificates *certificates, tw_report *report) {
  if (certificates->cert_path == NULL && certificates->ca_path == NULL) return TW_OK;
  TW_TRY(tw_x509_new(&certificates->x509));
  if (certificates->ca_path == NULL) return TW_OK;
  return tw_certificates_read_trust(certificates, &certificates->trust, report);
}

/* ---- our own ---- */

static tw_err read_chain(tw_certificates *certificates, tw_report *report) {
  tw_buf pem = {0};
  tw_err err = tw_file_read(certificates->cert_path, TW_X509_PEM_MAX, &pem, report);
  if (err == TW_OK)
    err = tw_x509_chain_read(certificates->x509, certificates->cert_path, tw_buf_bytes(&pem), &certificates->chain,
                             report);
  tw_buf_clear(&pem);
  return err;
}

static tw_err say_passphrase(void *ctx, tw_buf *passphrase, tw_report *report) {
  const tw_certificates *certificates = ctx;
  if (certificates->pass_path != NULL) return tw_passphrase_file_read(certificates->pass_path, passphrase, report);
  if (certificates->from_file)
    return tw_report_fail(report, TW_ERR_STATE, "it is encrypted, and there is nobody to ask for its passphrase");
  return tw_passphrase_ask(certificates->key_path, "--cert-key-pass", passphrase, report);
}

static tw_err read_key(tw_certificates *certificates, uint16_t *scheme, tw_buf *key, tw_report *report) {
  tw_buf pem = {0};
  tw_err err = tw_secret_file_read(certificates->key_path, TW_X509_PEM_MAX, &pem, report);
  EVP_PKEY *opened = NULL;
  if (err == TW_OK)
    err = tw_x509_key_open(certificates->x509, certificates->key_path, tw_buf_bytes(&pem), say_passphrase, certificates,
                           &opened, report);
  tw_buf_clear(&pem);
  if (err == TW_OK) err = tw_x509_key_export(opened, certificates->key_path, scheme, key, report);
  if (err != TW_OK || !certificates->keep_key) {
    EVP_PKEY_free(opened);
    return err;
  }
  certificates->key = opened;
  return TW_OK;
}

/* Post-quantum key agreement where there is a suite with it. */
static const tw_suite *suite_for(uint16_t scheme) {
  static const struct {
    uint16_t scheme;
    const char *suite;
  } rows[] = {
      {TW_SIGN_P256, "MLKEM768P256_AES256GCM_SHA384_P256"},
      {TW_SIGN_P384, "MLKEM1024P384_AES256GCM_SHA384_P384"},
      {TW_SIGN_P521, "DHKEMP521_AES256GCM_SHA512_P521"},
      {TW_SIGN_ED448, "DHKEMX448_AES256GCM_SHA512_Ed448"},
      {TW_SIGN_MLDSA44, "MLKEM768X25519_CHACHA20POLY1305_SHA384_MLDSA44"},
      {TW_SIGN_MLDSA65, "MLKEM768_AES256GCM_SHA384_MLDSA65"},
      {TW_SIGN_MLDSA87, "MLKEM1024_AES256GCM_SHA384_MLDSA87"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    if (rows[i].scheme == scheme) return tw_suite_by_name(rows[i].suite);
  return tw_suite_default();
}

static tw_err choose_suites(tw_certificates *certificates, uint16_t scheme, tw_report *report) {
  if (certificates->suite_count == 0) certificates->suites[certificates->suite_count++] = suite_for(scheme);
  for (size_t i = 0; i < certificates->suite_count; i++)
    if (certificates->suites[i]->signature->id != scheme)
      return tw_report_fail(report, TW_ERR_ARGUMENT, "%.200s: its key is not one for suite %s", certificates->key_path,
                            tw_suite_name(certificates->suites[i]));
  return TW_OK;
}

static tw_err check_pair(const tw_certificates *certificates, const tw_env *env, const tw_signer *signer,
                         tw_report *report) {
  tw_reader walk = tw_reader_of(tw_buf_bytes(&certificates->chain));
  tw_bytes certificate;
  tw_buf key = {0};
  if (!tw_certificate_next(&walk, &certificate)) return TW_ERR_INTERNAL;
  const tw_err err = tw_x509_public_key(env, certificates->suites[0], certificate, &key);
  const bool same = err == TW_OK && tw_bytes_equal(tw_buf_bytes(&key), tw_signer_public_key(signer));
  tw_buf_clear(&key);
  if (same) return TW_OK;
  return tw_report_fail(report, err == TW_ERR_NO_MEMORY ? err : TW_ERR_KEY,
                        "%.200s: its first certificate has another key than %.200s", certificates->cert_path,
                        certificates->key_path);
}

static void look_at_dates(const tw_certificates *certificates, tw_report *warning) {
  tw_x509_holder holder;
  const uint64_t now = (uint64_t)time(NULL);
  warning->text[0] = '\0';
  if (tw_x509_describe(certificates->x509, tw_buf_bytes(&certificates->chain), &holder) != TW_OK) return;
  if (holder.not_before <= now && now < holder.not_after) return;
  (void)snprintf(warning->text, sizeof warning->text, "%.200s: our certificate %s", certificates->cert_path,
                 now < holder.not_before ? "is not valid yet" : "has expired");
}

tw_err tw_certificates_read_own(tw_certificates *certificates, const tw_env *env, tw_signer **signer,
                                tw_report *warning, tw_report *report) {
  tw_buf key = {0};
  uint16_t scheme = 0;
  tw_signer *made = NULL;
  tw_err err = read_chain(certificates, report);
  if (err == TW_OK) err = read_key(certificates, &scheme, &key, report);
  if (err == TW_OK) err = choose_suites(certificates, scheme, report);
  if (err == TW_OK) {
    err = tw_signer_import(env, certificates->suites[0], tw_buf_bytes(&key), &made);
    if (err != TW_OK) err = tw_report_fail(report, err, "%.200s: damaged private key", certificates->key_path);
  }
  tw_buf_clear(&key);
  if (err == TW_OK) err = check_pair(certificates, env, made, report);
  if (err != TW_OK) {
    tw_signer_free(made);
    return err;
  }
  look_at_dates(certificates, warning);
  *signer = made;
  return TW_OK;
}

static tw_err public_key_of(const tw_certificates *certificates, const tw_env *env, const tw_suite **suite, tw_buf *key,
                            tw_report *report) {
  uint16_t scheme = 0;
  tw_bytes certificate;
  const tw_bytes chain = tw_buf_bytes(&certificates->chain);
  tw_reader walk = tw_reader_of(chain);
  if (tw_x509_scheme(certificates->x509, chain, &scheme) != TW_OK || !tw_certificate_next(&walk, &certificate))
    return tw_report_fail(report, TW_ERR_UNSUPPORTED, "%.200s: a key that no cipher suite has",
                          certificates->cert_path);
  const tw_suite *found = *suite == NULL ? suite_for(scheme) : *suite;
  if (found->signature->id != scheme)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "%.200s: its key is not one for suite %s", certificates->cert_path,
                          tw_suite_name(found));
  TW_TRY(tw_x509_public_key(env, found, certificate, key));
  *suite = found;
  return TW_OK;
}

tw_err tw_certificate_public_key(const tw_env *env, const char *path, const tw_suite **suite, tw_buf *key,
                                 tw_report *report) {
  tw_certificates one = {.cert_path = path};
  tw_err err = tw_x509_new(&one.x509);
  if (err == TW_OK) err = read_chain(&one, report);
  if (err == TW_OK) err = public_key_of(&one, env, suite, key, report);
  tw_certificates_clear(&one);
  return err;
}

void tw_certificates_clear(tw_certificates *certificates) {
  EVP_PKEY_free(certificates->key);
  certificates->key = NULL;
  tw_x509_trust_free(certificates->trust);
  certificates->trust = NULL;
  tw_x509_free(certificates->x509);
  certificates->x509 = NULL;
  tw_buf_clear(&certificates->chain);
}

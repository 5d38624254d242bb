/* X.509 on the command line: our own certificate, and whose certificates are good. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_CERTIFICATES_H
#define TW_CLI_CERTIFICATES_H

#include <treewire/env.h>

#include "cli/options.h"
#include "x509/tls.h"

/* Options of listen and connect: their table has TW_CERTIFICATE_OPTIONS after TW_SERVE_OPTIONS. */
enum {
  TW_CERTIFICATE_CERT,
  TW_CERTIFICATE_KEY,
  TW_CERTIFICATE_KEY_PASS,
  TW_CERTIFICATE_SUITE,
  TW_CERTIFICATE_CA,
  TW_CERTIFICATE_CRL,
  TW_CERTIFICATE_NAME,
  TW_CERTIFICATE_OPTION_COUNT
};

#define TW_CERTIFICATE_OPTIONS                                                                                         \
  {"cert", 0, "FILE"}, {"cert-key", 0, "FILE"}, {"cert-key-pass", 0, "FILE"}, {"suite", 's', "NAME"},                  \
      {"ca", 0, "FILE"}, {"crl", 0, "FILE"}, {                                                                         \
    "name", 'n', "NAME"                                                                                                \
  }

#define TW_CERTIFICATE_HELP                                                                                            \
  "      --cert FILE           our certificate and its chain (PEM), in place of --key\n"                               \
  "      --cert-key FILE       its private key (PEM), mode 0600\n"                                                     \
  "      --cert-key-pass FILE  that key's passphrase, mode 0600 (else a terminal is asked)\n"                          \
  "  -s, --suite NAME          the cipher suite for that key (default: a post-quantum one that fits)\n"                \
  "      --ca FILE             CAs (PEM) whose certificates are good\n"                                                \
  "      --crl FILE            their revocation lists (PEM or DER); may be repeated\n"

enum { TW_CRL_FILES_MAX = 16, TW_NAMES_MAX = 32, TW_CERTIFICATE_SUITES_MAX = 8 };

/** Zero-initialised: no certificates. Does not move once names were added. */
typedef struct tw_certificates {
  const char *cert_path;
  const char *key_path;
  const char *pass_path;
  const char *ca_path; /* NULL: certificates do not count */
  const char *crl_paths[TW_CRL_FILES_MAX];
  size_t crl_count;
  const tw_suite *suites[TW_CERTIFICATE_SUITES_MAX];
  size_t suite_count;
  char name_texts[TW_NAMES_MAX][TW_X509_NAME];
  const char *names[TW_NAMES_MAX]; /* the other side's certificate is for one of them; none: any */
  size_t name_count;

  tw_x509 *x509;
  tw_x509_trust *trust; /* NULL without --ca */
  tw_buf chain;         /* our own */
  bool from_file;       /* paths are out of a configuration file: reports name no options, and nobody can be asked for a
                           passphrase */
  bool keep_key;        /* libssl needs it */
  EVP_PKEY *key;        /* that one; NULL: it was not kept */
} tw_certificates;

/** Take an option. TW_ERR_ARGUMENT with a report. */
TW_MUST_USE tw_err tw_certificates_option(tw_certificates *certificates, int which, const char *value,
                                          tw_report *report);
/** One more name to ask for. TW_ERR_ARGUMENT with a report. */
TW_MUST_USE tw_err tw_certificates_add_name(tw_certificates *certificates, const char *name, tw_report *report);
/** Whether the options fit together. TW_ERR_ARGUMENT with a report. */
TW_MUST_USE tw_err tw_certificates_check(const tw_certificates *certificates, tw_report *report);
/** Read the CAs and CRLs, if there are any options for them. Errors with a report. */
TW_MUST_USE tw_err tw_certificates_open(tw_certificates *certificates, tw_report *report);
/** Read them anew: `*trust` is the caller's to free or to put in the place of the old one. Errors with a report. */
TW_MUST_USE tw_err tw_certificates_read_trust(const tw_certificates *certificates, tw_x509_trust **trust,
                                              tw_report *report);
/**
 * Read our certificate and key, which have to fit each other and the suites asked for. The chain goes to
 * certificates->chain, the suite that fits to `suites` where none was asked for. Errors with a report; a certificate
 * that is out of date is none, `warning` tells ("" for nothing).
 */
TW_MUST_USE tw_err tw_certificates_read_own(tw_certificates *certificates, const tw_env *env, tw_signer **signer,
                                            tw_report *warning, tw_report *report);
/**
 * The public key of a certificate in a PEM file, appended, and `*suite`, which is chosen as above where it is NULL.
 * Errors with a report.
 */
TW_MUST_USE tw_err tw_certificate_public_key(const tw_env *env, const char *path, const tw_suite **suite, tw_buf *key,
                                             tw_report *report);
void tw_certificates_clear(tw_certificates *certificates);

#endif

/* treewire pubkey. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "cli/certificates.h"
#include "cli/cli.h"
#include "cli/harden.h"
#include "cli/key_file.h"

enum { FINGERPRINT, CERT, SUITE, OPTION_COUNT };
static const tw_option options[OPTION_COUNT] = {
    {"fingerprint", 'f', NULL}, {"cert", 0, "FILE"}, {"suite", 's', "NAME"}};

typedef struct wanted {
  bool fingerprint;
  const char *cert;
  const tw_suite *suite;
} wanted;

static tw_err take(void *ctx, int which, const char *value, tw_report *report) {
  wanted *want = ctx;
  switch (which) {
  case FINGERPRINT: want->fingerprint = true; return TW_OK;
  case CERT: want->cert = value; return TW_OK;
  case SUITE:
    want->suite = tw_suite_by_name(value);
    if (want->suite != NULL) return TW_OK;
    return tw_report_fail(report, TW_ERR_ARGUMENT, "--suite %.60s: not known; `treewire suites` lists them", value);
  default:
    return tw_report_fail(report, TW_ERR_ARGUMENT, "pubkey reads standard input: treewire pubkey < %.60s", value);
  }
}

static tw_exit parse(const char *const *words, wanted *want) {
  const tw_exit code = tw_cli_options(words, options, OPTION_COUNT, take, want);
  if (code != TW_EXIT_OK) return code;
  if (want->suite == NULL || want->cert != NULL) return TW_EXIT_OK;
  return tw_cli_fail(TW_EXIT_USAGE, "--suite needs --cert (the suite of a private key is in the key)");
}

static tw_err make_text(const tw_env *env, bool as_fingerprint, const tw_suite *suite, tw_bytes key, tw_buf *text) {
  if (!as_fingerprint) {
    TW_TRY(tw_public_key_format(suite, key, text));
  } else {
    tw_fingerprint fingerprint;
    char shown[TW_FINGERPRINT_TEXT];
    TW_TRY(tw_fingerprint_of(env, suite, key, &fingerprint));
    tw_fingerprint_format(&fingerprint, shown);
    TW_TRY(tw_buf_append(text, TW_BYTES((const uint8_t *)shown, strlen(shown))));
  }
  return tw_buf_append(text, TW_LITERAL("\n"));
}

/* Of the private key on standard input, or of a certificate. */
static tw_err read_public(const tw_env *env, const wanted *want, const tw_suite **suite, tw_buf *key,
                          tw_report *report) {
  if (want->cert != NULL) {
    *suite = want->suite;
    return tw_certificate_public_key(env, want->cert, suite, key, report);
  }
  tw_signer *signer = NULL;
  TW_TRY(tw_key_descriptor_read(env, STDIN_FILENO, "standard input", suite, &signer, report));
  const tw_err err = tw_buf_append(key, tw_signer_public_key(signer));
  tw_signer_free(signer);
  return err;
}

static tw_exit write_public(const tw_env *env, const wanted *want) {
  const tw_suite *suite = NULL;
  tw_report report = {"out of memory"};
  tw_buf key = {0};
  tw_buf text = {0};
  if (read_public(env, want, &suite, &key, &report) != TW_OK) {
    tw_buf_clear(&key);
    return tw_cli_report(TW_EXIT_LOCAL, &report);
  }
  const tw_err err = make_text(env, want->fingerprint, suite, tw_buf_bytes(&key), &text);
  const tw_exit code = err == TW_OK ? tw_cli_print_bytes(tw_buf_bytes(&text))
                                    : tw_cli_fail(TW_EXIT_LOCAL, "cannot make the public key: %s", tw_err_text(err));
  tw_buf_clear(&key);
  tw_buf_clear(&text);
  return code;
}

static tw_exit run(const char *const *words) {
  wanted want = {0};
  tw_exit code = parse(words, &want);
  if (code != TW_EXIT_OK) return code;
  tw_harden_process();
  tw_env env;
  code = tw_cli_env_init(&env);
  if (code == TW_EXIT_OK) code = write_public(&env, &want);
  tw_cli_env_clear(&env);
  return code;
}

const tw_verb tw_verb_pubkey = {
    "pubkey", run,
    "treewire pubkey [--fingerprint] < me.key\n"
    "treewire pubkey [--fingerprint] --cert FILE [--suite NAME]\n"
    "\n"
    "Writes the public key that belongs to the private key on standard input: one token, SUITE:BASE64. It goes into\n"
    "the other side's peers file or after its --peer.\n"
    "\n"
    "  -f, --fingerprint   sha256:HEX in place of the key, which is long in suites with ML-DSA. It is the SHA-256\n"
    "                      of the public key's text and stands for it in a peers file and after --peer.\n"
    "      --cert FILE     the key of a certificate (PEM) in place of standard input\n"
    "  -s, --suite NAME    the cipher suite that it is used with (default: as in `listen` and `connect`)\n"};

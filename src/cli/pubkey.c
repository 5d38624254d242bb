/* treewire pubkey. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/harden.h"
#include "cli/key_file.h"

static const tw_option options[] = {{"fingerprint", 'f', NULL}};

static tw_exit parse(const char *const *words, bool *fingerprint) {
  tw_option_scan scan = {words, options, 1, false};
  tw_report report;
  int which;
  const char *value;
  for (;;) {
    if (tw_option_next(&scan, &which, &value, &report) != TW_OK) return tw_cli_report(TW_EXIT_USAGE, &report);
    if (which == TW_OPTION_END) return TW_EXIT_OK;
    if (which == TW_OPTION_OPERAND)
      return tw_cli_fail(TW_EXIT_USAGE, "pubkey reads standard input: treewire pubkey < %.60s", value);
    *fingerprint = true;
  }
}

static tw_err make_text(const tw_env *env, bool as_fingerprint, const tw_suite *suite, const tw_signer *signer,
                        tw_buf *text) {
  const tw_bytes key = tw_signer_public_key(signer);
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

static tw_exit write_public(const tw_env *env, bool as_fingerprint) {
  const tw_suite *suite = NULL;
  tw_signer *signer = NULL;
  tw_report report = {"out of memory"};
  tw_buf text = {0};
  if (tw_key_descriptor_read(env, STDIN_FILENO, "standard input", &suite, &signer, &report) != TW_OK)
    return tw_cli_report(TW_EXIT_LOCAL, &report);
  const tw_err err = make_text(env, as_fingerprint, suite, signer, &text);
  const tw_exit code = err == TW_OK ? tw_cli_print_bytes(tw_buf_bytes(&text))
                                    : tw_cli_fail(TW_EXIT_LOCAL, "cannot make the public key: %s", tw_err_text(err));
  tw_buf_clear(&text);
  tw_signer_free(signer);
  return code;
}

static tw_exit run(const char *const *words) {
  bool as_fingerprint = false;
  tw_exit code = parse(words, &as_fingerprint);
  if (code != TW_EXIT_OK) return code;
  tw_harden_process();
  tw_env env;
  code = tw_cli_env_init(&env);
  if (code == TW_EXIT_OK) code = write_public(&env, as_fingerprint);
  tw_cli_env_clear(&env);
  return code;
}

const tw_verb tw_verb_pubkey = {
    "pubkey", run,
    "treewire pubkey [--fingerprint] < me.key\n"
    "\n"
    "Writes the public key that belongs to the private key on standard input: one token, SUITE:BASE64. It goes into\n"
    "the other side's peers file or after its --peer.\n"
    "\n"
    "  -f, --fingerprint   sha256:HEX in place of the key, which is long in suites with ML-DSA. It is the SHA-256\n"
    "                      of the public key's text and stands for it in a peers file and after --peer.\n"};

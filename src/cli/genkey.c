/* treewire genkey. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/harden.h"
#include "keys/key_text.h"

static const tw_option options[] = {{"suite", 's', "NAME"}};

static tw_err take(void *ctx, int which, const char *value, tw_report *report) {
  const tw_suite **suite = ctx;
  if (which == TW_OPTION_OPERAND)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "genkey takes no argument (found '%.60s')", value);
  *suite = tw_suite_by_name(value);
  if (*suite != NULL) return TW_OK;
  return tw_report_fail(report, TW_ERR_ARGUMENT, "--suite %.60s: not known; `treewire suites` lists them", value);
}

/* `genkey > me.key` under the usual umask makes a file that everyone reads and that `listen` would then refuse. */
static tw_exit make_private(void) {
  struct stat status;
  if (fstat(STDOUT_FILENO, &status) != 0 || !S_ISREG(status.st_mode)) return TW_EXIT_OK;
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) == 0) return TW_EXIT_OK;
  if (fchmod(STDOUT_FILENO, S_IRUSR | S_IWUSR) == 0) return TW_EXIT_OK;
  return tw_cli_fail(TW_EXIT_LOCAL,
                     "others could read the file and its mode cannot be made 0600 (%s): set umask 077 first",
                     strerror(errno));
}

static tw_exit write_key(const tw_env *env, const tw_suite *suite) {
  tw_signer *signer = NULL;
  tw_buf text = {0};
  tw_exit code = TW_EXIT_OK;
  tw_err err = tw_signer_generate(env, suite, &signer);
  if (err == TW_OK) err = tw_private_key_format(suite, signer, &text);
  if (err != TW_OK) code = tw_cli_fail(TW_EXIT_LOCAL, "cannot make a key: %s", tw_err_text(err));
  if (code == TW_EXIT_OK) code = make_private();
  if (code == TW_EXIT_OK) code = tw_cli_print_bytes(tw_buf_bytes(&text));
  tw_buf_clear(&text);
  tw_signer_free(signer);
  return code;
}

static tw_exit run(const char *const *words) {
  const tw_suite *suite = tw_suite_default();
  tw_exit code = tw_cli_options(words, options, 1, take, &suite);
  if (code != TW_EXIT_OK) return code;
  if (isatty(STDOUT_FILENO) == 1)
    return tw_cli_fail(TW_EXIT_USAGE, "a private key does not belong on a terminal: treewire genkey > me.key");
  tw_harden_process();
  tw_env env;
  code = tw_cli_env_init(&env);
  if (code == TW_EXIT_OK) code = write_key(&env, suite);
  tw_cli_env_clear(&env);
  return code;
}

const tw_verb tw_verb_genkey = {
    "genkey", run,
    "treewire genkey [--suite NAME] > me.key\n"
    "\n"
    "Makes a private key and writes it to standard output as one line of text. Where that is a file which others may\n"
    "read, its mode is made 0600 first, since `listen` and `connect` refuse keys that others can read.\n"
    "\n"
    "  -s, --suite NAME   the cipher suite (see `treewire suites`); both sides of a channel have the same one\n"};

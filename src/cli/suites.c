/* treewire suites. SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cli/cli.h"

static tw_exit run(const char *const *words) {
  if (*words != NULL) return tw_cli_fail(TW_EXIT_USAGE, "suites takes no argument (found '%.60s')", *words);
  const tw_env env = {0};
  const tw_suite *suite;
  for (size_t i = 0; (suite = tw_suite_at(i)) != NULL; i++) {
    char line[160];
    (void)snprintf(line, sizeof line, "0x%04x  %s%s\n", (unsigned)tw_suite_id(&env, suite), tw_suite_name(suite),
                   suite == tw_suite_default() ? "  (default)" : "");
    const tw_exit code = tw_cli_print(line);
    if (code != TW_EXIT_OK) return code;
  }
  return TW_EXIT_OK;
}

const tw_verb tw_verb_suites = {
    "suites", run,
    "treewire suites\n"
    "\n"
    "Lists the cipher suites: their numbers on the wire and their names. --suite takes a name, with or without\n"
    "its MLS_128_ or the like, in any case of letters.\n"};

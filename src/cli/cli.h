/* What the verbs share. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_CLI_H
#define TW_CLI_CLI_H

#include <treewire/env.h>

#include "cli/exit.h"
#include "cli/options.h"

/** A verb: its name, and what runs it with the words that follow it (NULL at the end). */
typedef struct tw_verb {
  const char *name;
  tw_exit (*run)(const char *const *words);
  const char *help; /* for `treewire VERB --help` */
} tw_verb;

extern const tw_verb tw_verb_genkey;
extern const tw_verb tw_verb_pubkey;
extern const tw_verb tw_verb_suites;
extern const tw_verb tw_verb_listen;
extern const tw_verb tw_verb_connect;
extern const tw_verb tw_verb_relay;
extern const tw_verb tw_verb_ca;
extern const tw_verb tw_verb_up;
extern const tw_verb tw_verb_down;
extern const tw_verb tw_verb_status;
extern const tw_verb tw_verb_sync;
extern const tw_verb tw_verb_rekey;
extern const tw_verb tw_verb_remove;
extern const tw_verb tw_verb_invite;
extern const tw_verb tw_verb_join;
extern const tw_verb tw_verb_check;

/** "treewire: …" on stderr, one line; returns `code`. */
tw_exit tw_cli_fail(tw_exit code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** The report of a failed call likewise. */
tw_exit tw_cli_report(tw_exit code, const tw_report *report);
/** What a verb makes of an option's value, or of a word (TW_OPTION_OPERAND). TW_ERR_ARGUMENT with a report. */
typedef tw_err (*tw_cli_take)(void *ctx, int which, const char *value, tw_report *report);
/** Has `take` have all `words` (NULL at the end) in turn; reports the first that is wrong. */
tw_exit tw_cli_options(const char *const *words, const tw_option *options, int count, tw_cli_take take, void *ctx);
/** All of `bytes` to a descriptor; false with errno set. */
bool tw_cli_write(int fd, tw_bytes bytes);
/** Text to stdout; an exit code, since even that can fail. */
tw_exit tw_cli_print(const char *text);
tw_exit tw_cli_print_bytes(tw_bytes text);
/** The surroundings of library calls: `env` is zeroed and gets a provider, which tw_cli_env_clear frees. Reports
 * itself. */
tw_exit tw_cli_env_init(tw_env *env);
void tw_cli_env_clear(tw_env *env);

#endif

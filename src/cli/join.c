/* treewire join. SPDX-License-Identifier: Apache-2.0 */
#include "cli/join.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/file_write.h"
#include "cli/harden.h"
#include "cli/key_file.h"

enum { NAME, CONFIG, KEY, WAIT, OPTION_COUNT, WAIT_DEFAULT_S = 600 };
static const tw_option options[OPTION_COUNT] = {
    {"name", 'n', "NAME"}, {"config", 0, "FILE"}, {"key", 'k', "FILE"}, {"wait", 'w', "SECONDS"}};

typedef struct wanted {
  const char *token; /* "": none yet */
  const char *file;  /* NAME or FILE; NULL: by the network's name */
  const char *key;   /* NULL: beside the configuration */
  uint64_t wait_s;
} wanted;

/* ---- options ---- */

static tw_err take(void *ctx, int which, const char *value, tw_report *report) {
  wanted *w = ctx;
  switch (which) {
  case NAME:
  case CONFIG:
    if (w->file != NULL) return tw_report_fail(report, TW_ERR_ARGUMENT, "one of --name and --config is enough");
    w->file = value;
    if ((which == CONFIG) == (strchr(value, '/') != NULL || strstr(value, ".conf") != NULL)) return TW_OK;
    return tw_report_fail(
        report, TW_ERR_ARGUMENT,
        which == NAME ? "--name: '%.60s' is a file's (--config)" : "--config: '%.60s' is not NAME.conf", value);
  case KEY: w->key = value; return TW_OK;
  case WAIT: return tw_option_number("wait", value, 0, 31536000, false, &w->wait_s, report);
  default: break;
  }
  if (w->token[0] != '\0') return tw_report_fail(report, TW_ERR_ARGUMENT, "join takes one token (found another)");
  w->token = value;
  return TW_OK;
}

static tw_exit parse(wanted *w, const char *const *words) {
  const tw_exit code = tw_cli_options(words, options, OPTION_COUNT, take, w);
  if (code != TW_EXIT_OK) return code;
  return w->token[0] != '\0' ? TW_EXIT_OK : tw_cli_fail(TW_EXIT_USAGE, "join needs the TOKEN of an invitation");
}

/* ---- files ---- */

static tw_exit find_file(const wanted *w, const tw_invitation *invitation, tw_node_file *file) {
  tw_report report;
  const char *word = w->file != NULL ? w->file : invitation->group;
  if (w->file == NULL && !tw_node_name_is_valid(word))
    return tw_cli_fail(TW_EXIT_USAGE,
                       "the network is called '%.60s', which cannot be an interface: give it one by --name", word);
  if (tw_node_file_of(word, file, &report) != TW_OK) return tw_cli_report(TW_EXIT_USAGE, &report);
  if (access(file->path, F_OK) == 0)
    return tw_cli_fail(TW_EXIT_LOCAL, "%.200s is there already, and is not replaced (--name gives another)",
                       file->path);
  if (strncmp(file->path, TW_NODE_FOLDER "/", sizeof TW_NODE_FOLDER) == 0 && mkdir(TW_NODE_FOLDER, 0755) != 0 &&
      errno != EEXIST)
    return tw_cli_fail(TW_EXIT_LOCAL, TW_NODE_FOLDER ": %s", strerror(errno));
  return TW_EXIT_OK;
}

/* Beside the configuration, with another end: what that says of it is then its name alone. */
static tw_err beside(const tw_node_file *file, const char *end, char path[PATH_MAX], char name[PATH_MAX],
                     tw_report *report) {
  const char *slash = strrchr(file->path, '/');
  const int folder = slash == NULL ? 0 : (int)(slash + 1 - file->path);
  const int len = snprintf(path, PATH_MAX, "%.*s%s%s", folder, file->path, file->name, end);
  (void)snprintf(name, PATH_MAX, "%s%s", file->name, end);
  return len > 0 && len < PATH_MAX ? TW_OK : tw_report_fail(report, TW_ERR_ARGUMENT, "too long for a file's name");
}

static tw_err make_key(const tw_env *env, const tw_suite *suite, const char *path, tw_report *report) {
  tw_signer *signer = NULL;
  tw_buf text = {0};
  tw_err err = tw_signer_generate(env, suite, &signer);
  if (err == TW_OK) err = tw_private_key_format(suite, signer, &text);
  if (err != TW_OK)
    err = tw_report_fail(report, err, "cannot make a key: %s", tw_err_text(err));
  else
    err = tw_file_write(path, TW_WRITE_NEW, 0600, tw_buf_bytes(&text), report);
  tw_buf_clear(&text);
  tw_signer_free(signer);
  return err;
}

/* One that is there is used: of an earlier try, or one's own. */
static tw_err take_key(const tw_env *env, const tw_suite *suite, const char *path, tw_signer **signer,
                       tw_report *report) {
  const tw_suite *found = NULL;
  if (access(path, F_OK) != 0) TW_TRY(make_key(env, suite, path, report));
  TW_TRY(tw_key_file_read(env, path, &found, signer, report));
  if (found == suite) return TW_OK;
  return tw_report_fail(report, TW_ERR_ARGUMENT, "%.200s: a key of suite %s, and the network's is %s", path,
                        tw_suite_name(found), tw_suite_name(suite));
}

static tw_err find_key(const wanted *w, const tw_env *env, const tw_suite *suite, const tw_node_file *file,
                       char identity[PATH_MAX], tw_signer **signer, tw_report *report) {
  char path[PATH_MAX];
  if (w->key == NULL) {
    TW_TRY(beside(file, ".key", path, identity, report));
    return take_key(env, suite, path, signer, report);
  }
  TW_TRY(take_key(env, suite, w->key, signer, report));
  if (realpath(w->key, identity) != NULL) return TW_OK;
  return tw_report_fail(report, TW_ERR_STATE, "%.200s: %s", w->key, strerror(errno));
}

/* ---- the verb ---- */

static tw_exit ask(const wanted *w, const tw_env *env, const tw_invitation *invitation,
                   const tw_invitation_keys *keys) {
  tw_join join = {.joiner = {.env = env, .invitation = invitation, .keys = keys}, .wait_s = w->wait_s};
  char identity[PATH_MAX];
  char ca[PATH_MAX];
  tw_report report = {"out of memory"};
  tw_exit code = find_file(w, invitation, &join.file);
  if (code != TW_EXIT_OK) return code;
  tw_signer *signer = NULL;
  tw_err err = find_key(w, env, invitation->suite, &join.file, identity, &signer, &report);
  if (err == TW_OK) err = tw_fingerprint_of(env, invitation->suite, tw_signer_public_key(signer), &join.joiner.self);
  join.joiner.signer = signer;
  if (err == TW_OK) err = tw_joiner_begin(&join.joiner);
  if (err == TW_OK) err = beside(&join.file, ".ca.pem", join.ca_path, ca, &report);
  join.identity = identity;
  join.ca = ca;
  code = err == TW_OK ? tw_join_run(&join) : tw_cli_report(TW_EXIT_LOCAL, &report);
  tw_joiner_end(&join.joiner);
  tw_signer_free(signer);
  if (code != TW_EXIT_OK) return code;
  const bool in_folder = strncmp(join.file.path, TW_NODE_FOLDER "/", sizeof TW_NODE_FOLDER) == 0;
  return tw_cli_fail(TW_EXIT_OK, "%.300s is written; now: treewire up %.300s", join.file.path,
                     in_folder ? join.file.name : join.file.path);
}

/* "-": from standard input, since others may see a process's words. */
static tw_err read_token(const char *word, tw_buf *token, tw_report *report) {
  if (strcmp(word, "-") != 0) return tw_buf_append(token, TW_BYTES((const uint8_t *)word, strlen(word)));
  TW_TRY(tw_file_read("/dev/stdin", TW_INVITATION_TEXT_MAX + 1, token, report));
  while (token->len > 0 && (token->ptr[token->len - 1] == '\n' || token->ptr[token->len - 1] == '\r')) token->len--;
  return TW_OK;
}

static tw_exit run_with(const wanted *w, const tw_env *env) {
  tw_invitation invitation = {.until = 0};
  tw_invitation_keys keys = {.signer = NULL};
  tw_report report = {"out of memory"};
  tw_exit code = TW_EXIT_OK;
  tw_buf token = {0};
  if (read_token(w->token, &token, &report) != TW_OK ||
      tw_invitation_parse(env, tw_buf_bytes(&token), &invitation, &report) != TW_OK)
    code = tw_cli_report(TW_EXIT_USAGE, &report);
  else if (invitation.until <= (uint64_t)time(NULL))
    code = tw_cli_fail(TW_EXIT_REFUSED, "the invitation is over: ask for another one");
  else if (tw_invitation_keys_of(env, &invitation, &keys) != TW_OK)
    code = tw_cli_report(TW_EXIT_LOCAL, &report);
  tw_buf_clear(&token);
  if (code == TW_EXIT_OK) code = ask(w, env, &invitation, &keys);
  tw_invitation_keys_clear(&keys);
  tw_invitation_clear(&invitation);
  return code;
}

static tw_exit run(const char *const *words) {
  wanted w = {.token = "", .wait_s = WAIT_DEFAULT_S};
  tw_env env;
  tw_exit code = parse(&w, words);
  if (code != TW_EXIT_OK) return code;
  tw_harden_process();
  code = tw_cli_env_init(&env);
  if (code == TW_EXIT_OK) code = run_with(&w, &env);
  tw_cli_env_clear(&env);
  return code;
}

const tw_verb tw_verb_join = {
    "join", run,
    "treewire join TOKEN|- [--name NAME | --config FILE] [--key FILE] [--wait SECONDS]\n"
    "\n"
    "Makes this machine a node of the network that the token invites to (treewire invite): makes a key, has the node "
    "that\n"
    "invites enrol it, and writes the configuration, and beside it the network's CAs, if it has any, as NAME.ca.pem. "
    "That node\n"
    "may be away: join waits, and the same command again goes on. With - the token is read from standard input.\n"
    "\n"
    "  -n, --name NAME           what the node is called here: /etc/treewire/NAME.conf (default: as the network)\n"
    "      --config FILE         where to write the configuration, NAME.conf\n"
    "  -k, --key FILE            our private key, made where it is not there, mode 0600 (default: NAME.key beside the\n"
    "                            configuration)\n"
    "  -w, --wait SECONDS        for an answer; 0: without end (default 600)\n"};

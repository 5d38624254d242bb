/* treewire check. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/check_relay.h"
#include "cli/cli.h"
#include "cli/file_write.h"
#include "cli/harden.h"
#include "cli/node_file.h"
#include "cli/node_identity.h"
#include "net/address.h"
#include "net/text.h"
#include "node/config_value.h"

enum { PEERS_SHOWN = 20, PREFIXES_SHOWN = 8, STATE_ROOM = 256 * 1024 /* what a new state takes, and a bit more */ };

/* What is looked at; each part finds what the parts before it left here. */
typedef struct check {
  tw_env env;
  tw_node_file file;
  tw_problems problems;
  tw_node_config config; /* what could be read of it, when there are problems */
  tw_node_identity identity;
  tw_buf summary;
  bool online;
  tw_check_relay relay;
} check;

static void tell(void *ctx, const tw_report *problem) {
  (void)ctx;
  (void)tw_cli_report(TW_EXIT_LOCAL, problem);
}

/* ---- parts ---- */

static tw_err check_configuration(check *c) { return tw_node_file_survey(&c->env, &c->file, &c->config, &c->problems); }

static tw_err check_identity(check *c) {
  const tw_err err = tw_node_identity_load(&c->env, &c->config, &c->identity, &c->problems);
  if (c->identity.warning.text[0] != '\0') (void)tw_cli_fail(TW_EXIT_OK, "warning: %s", c->identity.warning.text);
  return err;
}

/* The folder that is there already, of those that `path` lies in. */
static void find_ground(const char *path, char ground[PATH_MAX]) {
  struct stat status;
  (void)snprintf(ground, PATH_MAX, "%s", path);
  while (stat(ground, &status) != 0) {
    char *slash = strrchr(ground, '/');
    if (slash == NULL || slash == ground) {
      (void)snprintf(ground, PATH_MAX, "%s", slash == NULL ? "." : "/");
      return;
    }
    *slash = '\0';
  }
}

/* The node may be run by somebody who may do more than we. */
static void try_state(check *c, const char *path) {
  tw_report why = {""};
  char ground[PATH_MAX];
  find_ground(path, ground);
  const tw_err err = tw_folder_try(ground, STATE_ROOM, &why);
  if (err != TW_OK && (err != TW_ERR_FORBIDDEN || geteuid() == 0)) tw_problems_take(&c->problems, &why);
}

static tw_err check_state(check *c) {
  const char *path = c->config.interface.state;
  struct stat status;
  if (path == NULL) return TW_OK;
  if (stat(path, &status) != 0) {
    if (errno == ENOENT)
      try_state(c, path); /* `up` makes it, and what it lies in */
    else
      tw_problems_add(&c->problems, path, 0, "%s", strerror(errno));
    return TW_OK;
  }
  if (!S_ISDIR(status.st_mode))
    tw_problems_add(&c->problems, path, 0, "State is not a folder");
  else if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    tw_problems_add(&c->problems, path, 0, "its mode %04o lets others at the node's secrets (chmod 700 it)",
                    (unsigned)(status.st_mode & 07777));
  else
    try_state(c, path);
  return TW_OK;
}

static tw_err check_relay(check *c) {
  if (!c->online || c->problems.count > 0) return TW_OK;
  return tw_check_relay_ask(&c->env, c->file.name, &c->config, &c->identity, &c->problems, &c->relay);
}

/* In this order. TW_ERR_ENCODING: there are problems, which were told, and the next part may find more. */
typedef struct part {
  tw_err (*run)(check *c);
  tw_exit code; /* when it is the first that has problems */
} part;
static const part parts[] = {
    {check_configuration, TW_EXIT_LOCAL},
    {check_identity, TW_EXIT_LOCAL},
    {check_state, TW_EXIT_LOCAL},
    {check_relay, TW_EXIT_NETWORK},
};

static tw_exit run_parts(check *c) {
  tw_exit code = TW_EXIT_OK;
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    const size_t before = c->problems.count;
    const tw_err err = parts[i].run(c);
    if (err == TW_ERR_NO_MEMORY && c->problems.count == before)
      return tw_cli_fail(TW_EXIT_LOCAL, "%s", tw_err_text(err));
    if (code == TW_EXIT_OK && c->problems.count > before) code = parts[i].code;
    if (err != TW_OK && err != TW_ERR_ENCODING) break; /* nothing to go on with */
  }
  if (c->problems.count > TW_PROBLEMS_TOLD)
    (void)tw_cli_fail(code, "%.200s: and %zu problems more", c->file.path, c->problems.count - TW_PROBLEMS_TOLD);
  return code;
}

/* ---- the summary ---- */

static tw_err say_prefixes(check *c, const tw_node_prefixes *prefixes, const char *none) {
  for (size_t i = 0; i < prefixes->count && i < PREFIXES_SHOWN; i++) {
    char shown[TW_PREFIX_TEXT];
    tw_prefix_format(&prefixes->list[i].prefix, shown);
    TW_TRY(tw_text_append(&c->summary, "%s%s", i == 0 ? "" : ", ", shown));
  }
  if (prefixes->count == 0) return tw_text_append(&c->summary, "%s", none);
  return prefixes->count <= PREFIXES_SHOWN
             ? TW_OK
             : tw_text_append(&c->summary, " and %zu more", prefixes->count - PREFIXES_SHOWN);
}

static tw_err say_relay(check *c) {
  const tw_node_relay *relay = &c->config.relay;
  char shown[TW_FINGERPRINT_TEXT];
  const bool brackets = strchr(relay->endpoint.host, ':') != NULL;
  TW_TRY(tw_text_append(&c->summary, brackets ? "  relay      [%s]:%u" : "  relay      %s:%u", relay->endpoint.host,
                        (unsigned)relay->endpoint.port));
  tw_fingerprint_format(&relay->key.fingerprint, shown);
  if (relay->key.given) TW_TRY(tw_text_append(&c->summary, ", its key %s", shown));
  if (relay->name != NULL) TW_TRY(tw_text_append(&c->summary, ", its certificate for %s", relay->name));
  if (c->online && c->relay.connected) TW_TRY(tw_text_append(&c->summary, "; the node that runs is connected there"));
  if (c->online && !c->relay.connected)
    TW_TRY(tw_text_append(&c->summary, "; answered in %llu ms", (unsigned long long)c->relay.took_ms));
  if (c->relay.knows_way)
    TW_TRY(tw_text_append(&c->summary, "; the way there has MTU %u, ours may be %u", (unsigned)c->relay.mtu,
                          (unsigned)c->relay.inner));
  return tw_text_append(&c->summary, "\n");
}

static tw_err say_network(check *c) {
  const tw_node_network *network = &c->config.network;
  char after[TW_VALUE_UNITS_TEXT];
  char bytes[TW_VALUE_UNITS_TEXT];
  char packets[TW_VALUE_UNITS_TEXT];
  char grace[TW_VALUE_UNITS_TEXT];
  char keepalive[TW_VALUE_UNITS_TEXT];
  tw_value_format_seconds(network->rekey_after, after);
  tw_value_format_amount(network->rekey_bytes, bytes);
  tw_value_format_amount(network->rekey_packets, packets);
  tw_value_format_seconds(network->grace, grace);
  tw_value_format_seconds(network->keepalive, keepalive);
  TW_TRY(tw_text_append(&c->summary, "  group      %s\n", network->group));
  TW_TRY(tw_text_append(&c->summary, "  keys       after time %s, bytes %s, packets %s; grace %s; keepalive %s\n",
                        after, bytes, packets, grace, keepalive));
  if (network->certified)
    TW_TRY(tw_text_append(&c->summary, "  members    also by certificates of CA%s\n",
                          network->admit_count > 0 ? ", for" : ""));
  for (size_t i = 0; i < network->admit_count; i++) TW_TRY(tw_text_append(&c->summary, "    %s\n", network->admit[i]));
  if (network->admin_count == 0) return tw_text_append(&c->summary, "  admins     every member\n");
  return tw_text_append(&c->summary, "  admins     %zu\n", network->admin_count);
}

static tw_err say_peers(check *c) {
  const tw_node_config *config = &c->config;
  const size_t others = config->peer_count - (config->self != TW_NODE_NONE);
  TW_TRY(tw_text_append(&c->summary, "  peers      %zu%s\n", others,
                        config->self != TW_NODE_NONE ? ", and this node in the list" : ""));
  size_t shown = 0;
  for (size_t i = 0; i < config->peer_count && shown < PEERS_SHOWN; i++) {
    char label[TW_FINGERPRINT_TEXT];
    if (i == config->self) continue;
    shown++;
    TW_TRY(tw_text_append(&c->summary, "    %s  ", tw_node_peer_label(&config->peers[i], label)));
    TW_TRY(say_prefixes(c, &config->peers[i].allowed, "no addresses"));
    TW_TRY(tw_text_append(&c->summary, "\n"));
  }
  return others <= PEERS_SHOWN ? TW_OK : tw_text_append(&c->summary, "    and %zu more\n", others - PEERS_SHOWN);
}

static tw_err summarise(check *c) {
  const tw_node_interface *interface = &c->config.interface;
  const tw_node_multicast *multicast = &c->config.multicast;
  char fingerprint[TW_FINGERPRINT_TEXT];
  tw_fingerprint_format(&c->identity.fingerprint, fingerprint);
  TW_TRY(tw_text_append(&c->summary, "%s (%s)\n  address    ", c->config.name, c->config.source));
  TW_TRY(say_prefixes(c, &interface->addresses, ""));
  char threads[8] = "auto";
  if (interface->packet_threads > 0) (void)snprintf(threads, sizeof threads, "%u", (unsigned)interface->packet_threads);
  TW_TRY(tw_text_append(&c->summary, "; MTU %u; UDP port %u; packet threads %s\n", (unsigned)interface->mtu,
                        (unsigned)interface->listen_port, threads));
  TW_TRY(
      tw_text_append(&c->summary, "  identity   %s\n  suite      %s\n", fingerprint, tw_suite_name(c->identity.suite)));
  TW_TRY(tw_text_append(&c->summary, "  state      %.900s\n", interface->state));
  TW_TRY(say_relay(c));
  TW_TRY(say_network(c));
  TW_TRY(tw_text_append(&c->summary, "  multicast  "));
  TW_TRY(say_prefixes(c, &multicast->groups, "none"));
  TW_TRY(tw_text_append(&c->summary, "%s%s\n", multicast->broadcast ? ", broadcast" : "",
                        c->config.network.sign ? "; signed" : ""));
  return say_peers(c);
}

static tw_exit print_summary(check *c) {
  const tw_err err = summarise(c);
  if (err != TW_OK) return tw_cli_fail(TW_EXIT_LOCAL, "%s", tw_err_text(err));
  return tw_cli_print_bytes(tw_buf_bytes(&c->summary));
}

/* ---- the verb ---- */

enum { QUIET, ONLINE, OPTION_COUNT };
static const tw_option options[OPTION_COUNT] = {{"quiet", 'q', NULL}, {"online", 'o', NULL}};

static tw_exit parse(const char *const *words, tw_node_file *file, bool *quiet, bool *online) {
  tw_option_scan scan = {words, options, OPTION_COUNT, false};
  tw_report report;
  const char *word = NULL;
  int which;
  const char *value;
  for (;;) {
    if (tw_option_next(&scan, &which, &value, &report) != TW_OK) return tw_cli_report(TW_EXIT_USAGE, &report);
    if (which == TW_OPTION_END) break;
    if (which >= 0) {
      *(which == QUIET ? quiet : online) = true;
      continue;
    }
    if (word != NULL) return tw_cli_fail(TW_EXIT_USAGE, "one NAME or FILE at a time (found '%.60s')", value);
    word = value;
  }
  if (word == NULL) return tw_cli_fail(TW_EXIT_USAGE, "check needs a NAME or a FILE");
  return tw_node_file_of(word, file, &report) == TW_OK ? TW_EXIT_OK : tw_cli_report(TW_EXIT_USAGE, &report);
}

static tw_exit run(const char *const *words) {
  check c = {.problems = {.tell = tell}};
  bool quiet = false;
  tw_exit code = parse(words, &c.file, &quiet, &c.online);
  if (code != TW_EXIT_OK) return code;
  tw_harden_process();
  code = tw_cli_env_init(&c.env);
  if (code == TW_EXIT_OK) code = run_parts(&c);
  if (code == TW_EXIT_OK && !quiet) code = print_summary(&c);
  tw_buf_clear(&c.summary);
  tw_node_identity_clear(&c.identity);
  tw_node_config_clear(&c.config);
  tw_cli_env_clear(&c.env);
  return code;
}

const tw_verb tw_verb_check = {
    "check", run,
    "treewire check [--online] [--quiet] NAME|FILE\n"
    "\n"
    "Reads a node's configuration (/etc/treewire/NAME.conf, or FILE, which is called NAME.conf) and what it names: "
    "the\n"
    "key or certificate, CAs and their lists, the folder for the state. All problems are told, one a line, with the\n"
    "file and where there is one the line; if there are none, a summary of what would be run.\n"
    "\n"
    "  -o, --online  shake hands with the relay, too, and look whether the MTU fits the way to it\n"
    "  -q, --quiet   no summary\n"};

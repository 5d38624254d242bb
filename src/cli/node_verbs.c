/* treewire down, status, sync, rekey, remove: what is asked of a node that runs. SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/node_file.h"
#include "cli/node_socket.h"
#include "cli/node_status.h"

enum { WAIT_STEPS = 1200 /* a minute: disks can be slow */, WAIT_STEP_US = 50000 };

/* NAME-or-FILE, then up to one word more where that is allowed. */
static tw_exit parse_words(const char *verb, tw_option_scan *scan, tw_node_file *file, const char **more, int *flags) {
  tw_report report;
  int which;
  const char *value;
  bool named = false;
  for (;;) {
    if (tw_option_next(scan, &which, &value, &report) != TW_OK) return tw_cli_report(TW_EXIT_USAGE, &report);
    if (which == TW_OPTION_END) break;
    if (which >= 0) {
      *flags |= 1 << which;
    } else if (!named) {
      named = true;
      if (tw_node_file_of(value, file, &report) != TW_OK) return tw_cli_report(TW_EXIT_USAGE, &report);
    } else if (more != NULL && *more == NULL) {
      *more = value;
    } else {
      return tw_cli_fail(TW_EXIT_USAGE, "%s: one argument too many ('%.60s')", verb, value);
    }
  }
  return named ? TW_EXIT_OK : tw_cli_fail(TW_EXIT_USAGE, "%s needs the NAME of a node", verb);
}

static tw_exit ask(const tw_node_file *file, const char *line, tw_buf *answer) {
  tw_report report = {"out of memory"};
  if (tw_node_ask(file->name, line, answer, &report) == TW_OK) return TW_EXIT_OK;
  return tw_cli_report(TW_EXIT_LOCAL, &report);
}

/* A verb whose answer is nothing, an error, or a word on what it has not done. */
static tw_exit run_plain(const char *verb, const char *const *words, bool takes_peer, bool needs_peer) {
  tw_option_scan scan = {words, NULL, 0, false};
  tw_node_file file;
  const char *peer = NULL;
  int flags = 0;
  char line[TW_NODE_LINE];
  tw_buf answer = {0};
  tw_exit code = parse_words(verb, &scan, &file, takes_peer ? &peer : NULL, &flags);
  if (code != TW_EXIT_OK) return code;
  if (needs_peer && peer == NULL) return tw_cli_fail(TW_EXIT_USAGE, "%s needs the name of a peer", verb);
  const int len = peer == NULL ? snprintf(line, sizeof line, "%s", verb)
                               : snprintf(line, sizeof line, "%s %s", verb, peer);
  if (len < 0 || (size_t)len >= sizeof line || strchr(line, '\n') != NULL)
    return tw_cli_fail(TW_EXIT_USAGE, "%s: that is no name of a peer", verb);
  code = ask(&file, line, &answer);
  if (code == TW_EXIT_OK && answer.len > 0) code = tw_cli_fail(code, "%.*s", (int)answer.len, (const char *)answer.ptr);
  tw_buf_clear(&answer);
  return code;
}

static tw_exit run_rekey(const char *const *words) { return run_plain("rekey", words, true, false); }
static tw_exit run_remove(const char *const *words) { return run_plain("remove", words, true, true); }
static tw_exit run_sync(const char *const *words) { return run_plain("sync", words, false, false); }

static tw_exit run_down(const char *const *words) {
  tw_option_scan scan = {words, NULL, 0, false};
  tw_node_file file;
  int flags = 0;
  char path[TW_NODE_SOCKET_PATH];
  tw_report report;
  tw_buf answer = {0};
  tw_exit code = parse_words("down", &scan, &file, NULL, &flags);
  if (code != TW_EXIT_OK) return code;
  if (tw_node_socket_path(file.name, path, &report) != TW_OK) return tw_cli_report(TW_EXIT_LOCAL, &report);
  code = ask(&file, "down", &answer);
  tw_buf_clear(&answer);
  if (code != TW_EXIT_OK) return code;
  /* The path goes last: then its device and its state are free. */
  for (int i = 0; i < WAIT_STEPS; i++) {
    if (access(path, F_OK) != 0) return TW_EXIT_OK;
    (void)usleep(WAIT_STEP_US);
  }
  return tw_cli_fail(TW_EXIT_LOCAL, "%s has not ended yet: it goes on doing so", file.name);
}

/* ---- status ---- */

enum { STATUS_JSON, STATUS_WATCH, STATUS_OPTIONS };
static const tw_option status_options[STATUS_OPTIONS] = {{"json", 'j', NULL}, {"watch", 'w', NULL}};

static tw_exit show(const tw_node_file *file, bool as_json, bool clear) {
  tw_buf answer = {0};
  tw_buf text = {0};
  tw_exit code = ask(file, "status", &answer);
  if (code == TW_EXIT_OK && as_json) {
    code = tw_cli_print_bytes(tw_buf_bytes(&answer));
    if (code == TW_EXIT_OK) code = tw_cli_print("\n");
  } else if (code == TW_EXIT_OK) {
    json_t *status = json_loadb((const char *)answer.ptr, answer.len, 0, NULL);
    if (clear) (void)tw_cli_print("\033[H\033[2J");
    if (status == NULL || tw_node_status_text(status, &text) != TW_OK)
      code = tw_cli_fail(TW_EXIT_LOCAL, "the node's answer cannot be read");
    else
      code = tw_cli_print_bytes(tw_buf_bytes(&text));
    json_decref(status);
  }
  tw_buf_clear(&answer);
  tw_buf_clear(&text);
  return code;
}

static tw_exit run_status(const char *const *words) {
  tw_option_scan scan = {words, status_options, STATUS_OPTIONS, false};
  tw_node_file file;
  int flags = 0;
  tw_exit code = parse_words("status", &scan, &file, NULL, &flags);
  const bool watch = (flags & 1 << STATUS_WATCH) != 0;
  const bool as_json = (flags & 1 << STATUS_JSON) != 0;
  if (code == TW_EXIT_OK) code = show(&file, as_json, watch && !as_json);
  while (code == TW_EXIT_OK && watch) {
    (void)sleep(1);
    code = show(&file, as_json, !as_json);
  }
  return code;
}

const tw_verb tw_verb_down = {"down", run_down,
                              "treewire down NAME|FILE\n\nEnds a node; its device goes, its memberships stay.\n"};
const tw_verb tw_verb_status = {
    "status", run_status,
    "treewire status NAME|FILE [--json] [--watch]\n"
    "\n"
    "How a node stands: relay, network, and each peer with its keys, its way and its packets.\n"
    "\n"
    "  -j, --json                for programs (docs/network.md has the fields)\n"
    "  -w, --watch               again every second\n"};
const tw_verb tw_verb_sync = {"sync", run_sync,
                              "treewire sync NAME|FILE\n\nHas a node read its configuration again, without dropping "
                              "anyone (as SIGHUP does).\n"};
const tw_verb tw_verb_rekey = {"rekey", run_rekey,
                               "treewire rekey NAME|FILE [PEER]\n\nHas a node renew its keys now: with one peer, or "
                               "with all and in the network's group.\n"};
const tw_verb tw_verb_remove = {
    "remove", run_remove,
    "treewire remove NAME|FILE PEER\n\nCuts a peer off: its keys with this node end at once, and its removal from the "
    "network's group goes out;\nwith Admins in the configuration, only one of them removes it there. Take it out of "
    "the "
    "configurations, too.\n\nIt stays so, over restarts, until the configuration does not list it: to undo it, take "
    "its "
    "[Peer] out, `treewire sync`,\nput it in again, `treewire sync`.\n"};

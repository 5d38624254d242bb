/* treewire invite. SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/harden.h"
#include "cli/node_file.h"
#include "cli/node_invite.h"
#include "cli/node_socket.h"
#include "node/config_value.h"

enum { EXPIRES, OPTION_COUNT };
static const tw_option options[OPTION_COUNT] = {{"expires", 'e', "TIME"}};
enum { EXPIRES_DEFAULT = 3600, WAIT_STEPS = 200, WAIT_STEP_US = 50000 };

typedef struct inviting {
  tw_node_file file;
  const char *peer;
  const char *addresses[TW_ENROL_ADDRESSES_MAX];
  size_t address_count;
  uint64_t expires;
} inviting;

static tw_exit take_operand(inviting *i, const char *value, int place) {
  tw_report report;
  tw_prefix prefix;
  const tw_bytes text = TW_BYTES((const uint8_t *)value, strlen(value));
  if (strchr(value, ' ') != NULL || strchr(value, '\n') != NULL)
    return tw_cli_fail(TW_EXIT_USAGE, "invite: '%.60s' has a blank in it", value);
  if (place == 0)
    return tw_node_file_of(value, &i->file, &report) == TW_OK ? TW_EXIT_OK : tw_cli_report(TW_EXIT_USAGE, &report);
  if (place == 1) {
    i->peer = value;
    return TW_EXIT_OK;
  }
  if (!tw_prefix_parse(text, &prefix))
    return tw_cli_fail(TW_EXIT_USAGE, "invite: '%.60s' is no ADDRESS/LEN, such as 10.7.0.3/24", value);
  const char *why = tw_value_unfit_address(&prefix);
  if (why != NULL) return tw_cli_fail(TW_EXIT_USAGE, "invite: '%.60s' %s", value, why);
  if (i->address_count == TW_ENROL_ADDRESSES_MAX)
    return tw_cli_fail(TW_EXIT_USAGE, "invite: more than %d addresses", TW_ENROL_ADDRESSES_MAX);
  i->addresses[i->address_count++] = value;
  return TW_EXIT_OK;
}

static tw_exit parse(const char *const *words, inviting *i) {
  tw_option_scan scan = {words, options, OPTION_COUNT, false};
  tw_report report;
  int which;
  const char *value;
  tw_exit code = TW_EXIT_OK;
  for (int place = 0; code == TW_EXIT_OK;) {
    if (tw_option_next(&scan, &which, &value, &report) != TW_OK) return tw_cli_report(TW_EXIT_USAGE, &report);
    if (which == TW_OPTION_END) break;
    if (which == TW_OPTION_OPERAND) {
      code = take_operand(i, value, place++);
    } else if (!tw_value_seconds(TW_BYTES((const uint8_t *)value, strlen(value)), TW_ENROL_UNTIL_MAX, &i->expires) ||
               i->expires == 0) {
      return tw_cli_fail(TW_EXIT_USAGE, "--expires: '%.60s' is no time from 1s to 366d", value);
    }
  }
  if (code == TW_EXIT_OK && i->address_count == 0)
    return tw_cli_fail(TW_EXIT_USAGE, "invite needs the NAME of a node, the new node's name, and its ADDRESS/LEN");
  return code;
}

static tw_err ask(const inviting *i, const char *line, tw_buf *answer, tw_report *report) {
  tw_buf_clear(answer);
  TW_TRY(tw_node_ask(i->file.name, line, answer, report));
  return tw_buf_append(answer, TW_BYTES((const uint8_t *)"", 1));
}

/* Until the relay knows: else whoever has the token is refused there. */
static tw_exit wait_until_open(const inviting *i, const char *id) {
  char line[TW_NODE_LINE];
  tw_report report = {"out of memory"};
  tw_buf answer = {0};
  bool open = false;
  (void)snprintf(line, sizeof line, TW_NODE_INVITATION "%s", id);
  for (int n = 0; !open && n < WAIT_STEPS; n++) {
    if (n > 0) (void)usleep(WAIT_STEP_US);
    if (ask(i, line, &answer, &report) != TW_OK) {
      if (strstr(report.text, "busy") != NULL) continue; /* it takes up another configuration */
      tw_buf_clear(&answer);
      return tw_cli_report(TW_EXIT_LOCAL, &report);
    }
    open = strcmp((const char *)answer.ptr, "new") != 0;
  }
  tw_buf_clear(&answer);
  if (!open)
    (void)tw_cli_fail(TW_EXIT_OK,
                      "the relay has not been told yet: the token is of use when `treewire status %s` has it up",
                      i->file.name);
  return TW_EXIT_OK;
}

static tw_exit show(const inviting *i, char *answer) {
  char *token = strchr(answer, ' ');
  if (token == NULL) return tw_cli_fail(TW_EXIT_LOCAL, "the node's answer cannot be read");
  *token++ = '\0';
  const tw_exit code = wait_until_open(i, answer);
  if (code != TW_EXIT_OK) return code;
  (void)tw_cli_fail(TW_EXIT_OK, "whoever has this token can be %s, until it is used: treewire join TOKEN", i->peer);
  const tw_exit printed = tw_cli_print(token);
  return printed == TW_EXIT_OK ? tw_cli_print("\n") : printed;
}

static tw_exit run(const char *const *words) {
  inviting i = {.expires = EXPIRES_DEFAULT};
  char line[TW_NODE_LINE];
  tw_report report = {"out of memory"};
  tw_buf answer = {0};
  tw_exit code = parse(words, &i);
  if (code != TW_EXIT_OK) return code;
  tw_harden_process();
  int len = snprintf(line, sizeof line, TW_NODE_INVITE "%s %llu", i.peer,
                     (unsigned long long)time(NULL) + (unsigned long long)i.expires);
  for (size_t k = 0; k < i.address_count && len > 0 && (size_t)len < sizeof line; k++)
    len += snprintf(line + len, sizeof line - (size_t)len, " %s", i.addresses[k]);
  if (len < 0 || (size_t)len >= sizeof line) return tw_cli_fail(TW_EXIT_USAGE, "invite: that is too long");
  if (ask(&i, line, &answer, &report) != TW_OK)
    code = tw_cli_report(TW_EXIT_LOCAL, &report);
  else
    code = show(&i, (char *)answer.ptr);
  tw_buf_clear(&answer);
  return code;
}

const tw_verb tw_verb_invite = {
    "invite", run,
    "treewire invite NAME|FILE PEER ADDRESS/LEN... [--expires TIME]\n"
    "\n"
    "Has a running node, one of its network's Admins, invite another one: writes a token to standard output. Who has "
    "it can\n"
    "be PEER in the network, with these addresses, by `treewire join TOKEN`; once. All other nodes learn of it by the "
    "admin's\n"
    "signature. The relay has to allow it (treewire relay --invites). `treewire remove NAME PEER` withdraws it.\n"
    "\n"
    "  -e, --expires TIME        how long the token is good: 90s, 1h, 7d (default 1h)\n"};

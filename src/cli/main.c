/* treewire: the program. SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static const tw_verb *const verbs[] = {&tw_verb_genkey,  &tw_verb_pubkey, &tw_verb_suites, &tw_verb_listen,
                                       &tw_verb_connect, &tw_verb_ca,     &tw_verb_check,  &tw_verb_up,
                                       &tw_verb_down,    &tw_verb_status, &tw_verb_sync,   &tw_verb_rekey,
                                       &tw_verb_remove,  &tw_verb_invite, &tw_verb_join,   &tw_verb_relay};
enum { VERBS = sizeof verbs / sizeof verbs[0] };

static const char help[] = "treewire " TW_VERSION ": TCP connections through channels whose keys MLS "
                           "(RFC 9420) renews while they run\n"
                           "\n"
                           "  treewire genkey [--suite S] > me.key        make a private key\n"
                           "  treewire pubkey < me.key                    its public key, for the "
                           "other side\n"
                           "  treewire suites                             the cipher suites that are "
                           "known\n"
                           "  treewire listen  --key me.key --peers FILE [--bind ADDR:PORT] "
                           "(--forward HOST:PORT | --stdio)\n"
                           "  treewire connect --key me.key --peer PUB HOST[:PORT] (--listen "
                           "ADDR:PORT | --stdio)\n"
                           "  treewire ca init|issue|revoke|crl|show DIR  a small CA, for --cert and --ca "
                           "in place of --key and --peers\n"
                           "  treewire relay --key me.key --peers FILE --state DIR   the relay of private networks\n"
                           "  treewire check NAME|FILE                    look at a node's configuration\n"
                           "  treewire up|down|status|sync NAME|FILE      a node of a private network: IP between "
                           "its members\n"
                           "  treewire rekey NAME [PEER], remove NAME PEER   its keys now; cut a peer off\n"
                           "  treewire invite NAME PEER ADDRESS/LEN, join TOKEN   one more node, by a token\n"
                           "\n"
                           "`treewire VERB --help` tells more, and so does treewire(1).\n"
                           "\n"
                           "Exit codes: 0 ok, 1 usage, 2 local file, key or resource, 3 network or "
                           "connection lost, 4 peer or\n"
                           "key refused, 5 the peer broke the protocol, 70 a defect of this "
                           "program.\n";

/* So that no file that is opened later takes the place of a standard stream
 * that the caller closed. */
static void keep_standard_streams(void) {
  int fd;
  do fd = open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) (void)close(fd);
}

static bool is_help(const char *word) { return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0; }

static bool asks_for_help(const char *const *words) {
  for (; *words != NULL && strcmp(*words, "--") != 0; words++)
    if (is_help(*words)) return true;
  return false;
}

int main(int argc, char **argv) {
  keep_standard_streams();
  const char *const *words = (const char *const *)(argv + (argc < 2 ? argc : 2));
  (void)signal(SIGPIPE, SIG_IGN);
  if (argc < 2)
    return (int)tw_cli_fail(
        TW_EXIT_USAGE,
        "a verb is missing (genkey, pubkey, suites, "
        "listen, connect, relay, ca, check, up, down, status, sync, rekey, remove, invite, join); see treewire --help");
  if (is_help(argv[1]) || strcmp(argv[1], "help") == 0) return (int)tw_cli_print(help);
  if (strcmp(argv[1], "--version") == 0) return (int)tw_cli_print("treewire " TW_VERSION "\n");
  for (size_t i = 0; i < VERBS; i++) {
    if (strcmp(argv[1], verbs[i]->name) != 0) continue;
    if (asks_for_help(words)) return (int)tw_cli_print(verbs[i]->help);
    return (int)verbs[i]->run(words);
  }
  return (int)tw_cli_fail(TW_EXIT_USAGE, "'%.60s' is not a verb; see treewire --help", argv[1]);
}

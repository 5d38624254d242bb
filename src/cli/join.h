/* Coming into a network by an invitation. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_JOIN_H
#define TW_CLI_JOIN_H

#include <limits.h>

#include "cli/cli.h"
#include "cli/node_file.h"
#include "node/joiner.h"

typedef struct tw_join {
  tw_joiner joiner;
  tw_node_file file;      /* that is written, when the inviter has answered */
  const char *identity;   /* what it says of the key's file */
  const char *ca;         /* what it says of the file with the network's CAs, if there are any */
  char ca_path[PATH_MAX]; /* of that one */
  uint64_t wait_s;        /* for the inviter; 0: without end */
} tw_join;

/**
 * Asks the inviter by the relay and waits for its answer, then writes the file, with that of the CAs (both or none)
 * and says that it has come. Until SIGTERM
 * or SIGINT, or `wait_s`: TW_EXIT_NETWORK; TW_EXIT_REFUSED: the relay or the inviter refuses. Reports itself.
 */
tw_exit tw_join_run(const tw_join *join);

#endif

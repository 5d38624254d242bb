/* A node that runs: its loop, its signals, what the other verbs ask of it. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_NODE_RUN_H
#define TW_CLI_NODE_RUN_H

#include "cli/exit.h"
#include "cli/node_file.h"

typedef struct tw_node_run {
  tw_node_file file;
  bool verbose;
  bool no_offload;
  int told_fd; /* gets a byte when the node is ready for the first time; -1: nobody waits */
  bool to_syslog;
} tw_node_run;

/** Until SIGTERM, SIGINT or `treewire down`. Reports itself. */
tw_exit tw_node_run_all(const tw_node_run *run);

#endif

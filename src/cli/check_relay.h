/* What `treewire check --online` asks the network. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_CHECK_RELAY_H
#define TW_CLI_CHECK_RELAY_H

#include "cli/node_identity.h"

/** What was found, for the summary. */
typedef struct tw_check_relay {
  bool connected;   /* the node that runs is: nobody shook hands */
  uint64_t took_ms; /* to shake hands with the relay, else */
  bool knows_way;   /* the next two are known */
  uint32_t mtu;     /* of the way to the relay */
  uint32_t inner;   /* the largest MTU of ours that fits it, by the relay */
} tw_check_relay;

/**
 * Shake hands with the relay of the configuration, and look at the way to it; where a node of this name runs and is
 * connected there, its word is taken: the relay would end its connection for ours. Problems are told: it cannot be
 * reached, is somebody else, does not take us; our MTU does not fit; the clock cannot be right. TW_ERR_ENCODING when
 * there were some.
 */
TW_MUST_USE tw_err tw_check_relay_ask(const tw_env *env, const char *name, const tw_node_config *config,
                                      const tw_node_identity *identity, tw_problems *problems, tw_check_relay *found);

#endif

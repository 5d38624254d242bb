/* The network device of a node: addresses, routes. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_NODE_DEVICE_H
#define TW_CLI_NODE_DEVICE_H

#include "net/tun.h"
#include "node/config.h"

/**
 * Make the device of the configuration, with `queues` of them where the kernel can do that, else with one; with its
 * addresses, MTU and the routes to its peers, and bring it up. It goes with the process. TW_ERR_STATE with a report
 * that says what to do.
 */
TW_MUST_USE tw_err tw_node_device_open(const tw_node_config *config, unsigned queues, bool no_offload, tw_tun *tun,
                                       tw_report *report);
/** After a change of the configuration: addresses and routes that are missing are added, others of ours removed. */
TW_MUST_USE tw_err tw_node_device_change(const tw_node_config *old, const tw_node_config *config, const tw_tun *tun,
                                         tw_report *report);

#endif

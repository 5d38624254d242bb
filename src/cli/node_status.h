/* How a node stands, for programs and for people. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_NODE_STATUS_H
#define TW_CLI_NODE_STATUS_H

#include <jansson.h>

#include "node/node.h"

/** All of it; docs/network.md has the fields. NULL: out of memory. The caller's to json_decref. */
json_t *tw_node_status_json(tw_node *node, const tw_node_config *config, const tw_tun *tun, uint64_t now_ms);
/** Whether it says, as such JSON, that the relay of this configuration is reached. */
bool tw_node_status_has_relay(tw_bytes status, const tw_node_config *config);
enum { TW_NODE_MISSING = 360 };
/** What a node that is not ready waits for, by such JSON, in a few words; "" where that cannot be said. */
void tw_node_status_missing(tw_bytes status, char out[TW_NODE_MISSING]);
/** The same for people, from that. Appended; TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_node_status_text(const json_t *status, tw_buf *out);

#endif

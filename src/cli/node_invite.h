/* Invitations, as they are asked of a node that runs. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_NODE_INVITE_H
#define TW_CLI_NODE_INVITE_H

#include "node/node.h"

/** What asks for one, and what asks how it is, behind its verb: "PEER UNTIL ADDRESS/LEN…" and "ID". */
#define TW_NODE_INVITE "invite "
#define TW_NODE_INVITATION "invitation "
/** Answers: "ID TOKEN"; "new", "open", "enrolled" or "unknown"; or '!' and words. The caller wipes the answer. */
void tw_node_invite(tw_node *node, const char *words, uint64_t now_ms, tw_buf *answer);
void tw_node_invitation(tw_node *node, const char *id, tw_buf *answer);

#endif

/* Peers that are not in the file. SPDX-License-Identifier: Apache-2.0 */
#include "node/node_internal.h"

static void relearn(const tw_node *node) {
  if (node->setup.relearn != NULL) node->setup.relearn(node->setup.ctx);
}

tw_err tw_node_learn(const tw_node *node, const tw_learned_peer *peer, const tw_fingerprint *instead_of) {
  char room[TW_FINGERPRINT_TEXT];
  tw_report report = {""};
  const char *label = tw_node_peer_label(&peer->peer, room);
  const tw_err err = tw_learned_put(node->setup.learned, peer, instead_of, &report);
  if (err != TW_OK) {
    tw_node_tell(node, TW_NODE_ERROR, "%s cannot be kept as a peer: %s", label, report.text);
    return err;
  }
  tw_node_tell(node, TW_NODE_NOTE, "%s is a peer now", label);
  relearn(node);
  return TW_OK;
}

tw_err tw_node_unlearn(const tw_node *node, const tw_fingerprint *key) {
  tw_report report = {""};
  const tw_err err = tw_learned_remove(node->setup.learned, key, &report);
  if (err != TW_OK)
    tw_node_tell(node, TW_NODE_ERROR, "a peer cannot be forgotten: %s", report.text);
  else
    relearn(node);
  return err;
}

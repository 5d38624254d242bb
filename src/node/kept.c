/* SPDX-License-Identifier: Apache-2.0 */
#include "node/kept.h"

#include <string.h>

#include "base/alloc.h"
#include "node/node_internal.h"

const tw_node_kept_peer *tw_node_kept_find(const tw_node_kept *kept, const tw_client_id *id) {
  for (uint32_t i = 0; i < kept->count; i++) {
    if (memcmp(&kept->list[i].id, id, sizeof *id) == 0) return &kept->list[i];
  }
  return NULL;
}

void tw_node_kept_clear(tw_node_kept *kept) {
  tw_alloc_free(kept->alloc, kept->list);
  *kept = (tw_node_kept){0};
}

/* ---- the node that ends ---- */

/* Packets' threads may be a moment ahead of the node. */
static uint64_t ago(uint64_t then_ms, uint64_t now_ms) { return then_ms < now_ms ? now_ms - then_ms : 0; }

static tw_node_kept_peer peer_of(const tw_node *node, uint32_t i, uint64_t now_ms) {
  const tw_plane_peer *seen = &node->seen[i];
  tw_node_kept_peer kept = {
      .id = node->peers[i].id, .heard_ago_ms = UINT64_MAX, .sent = seen->sent, .received = seen->received};
  if (seen->heard_ms != 0) kept.heard_ago_ms = ago(seen->heard_ms, now_ms);
  if (seen->path.is_direct) {
    kept.direct = seen->path.direct;
    kept.answered_ago_ms = ago(seen->path.answered_ms, now_ms);
  }
  return kept;
}

void tw_node_keep(tw_node *node, tw_node_kept *kept) {
  const tw_alloc *alloc = tw_env_alloc(node->setup.env);
  const uint64_t now = tw_node_now(node);
  tw_node_kept_clear(kept);
  if (node->peer_count == 0 || node->clock_is_off) return;
  kept->alloc = alloc;
  kept->list = tw_alloc_array(alloc, node->peer_count, sizeof *kept->list);
  if (kept->list == NULL) return;
  tw_node_look_at_packets(node);
  for (uint32_t i = 0; i < node->peer_count; i++) {
    if (node->peers[i].is_peer && !node->peers[i].removed) kept->list[kept->count++] = peer_of(node, i, now);
  }
}

/* ---- the one that begins ---- */

/* Where there is no way to the relay yet, or it has gone away, packets go on straight meanwhile. */
static void take_over(tw_plane *plane, uint64_t now_ms, void *arg) {
  const tw_node *node = arg;
  for (uint32_t i = 0; i < node->peer_count; i++) {
    const tw_node_kept_peer *kept = node->peers[i].is_peer ? tw_node_kept_find(node->setup.kept, &node->peers[i].id)
                                                           : NULL;
    if (kept == NULL) continue;
    tw_plane_peer *peer = tw_plane_peer_of(plane, i);
    const bool is_direct = kept->direct.any.sa_family != 0 && kept->answered_ago_ms < TW_PATH_LAPSE_MS;
    if (tw_plane_index(plane) > 0) {
      tw_plane_set_way(plane, i, is_direct ? &kept->direct : NULL);
      continue;
    }
    if (is_direct) tw_path_resume(&peer->path, &kept->direct, now_ms - kept->answered_ago_ms, now_ms);
    if (kept->heard_ago_ms < now_ms) peer->heard_ms = now_ms - kept->heard_ago_ms;
    peer->sent = kept->sent;
    peer->received = kept->received;
  }
}

void tw_node_take_over(tw_node *node) {
  if (node->setup.kept != NULL) tw_packet_threads_run_all(node->packets, take_over, node);
}

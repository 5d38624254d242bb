/* Where peers are by our configuration: names are looked up one after the other. SPDX-License-Identifier: Apache-2.0 */
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "node/node_internal.h"

/* Names are looked up again: what they stand for may change, or could not be told. */
enum { AGAIN_MS = 300000, FAILED_MS = 15000 };

/* Where we cannot send to another family, it does not matter what is found there. */
static void take(tw_node *node, uint32_t peer, const struct addrinfo *found) {
  tw_node_whereabouts where = {.peer = peer, .source = TW_PATH_FROM_FILE};
  while (found != NULL && node->setup.udp->family == AF_INET && found->ai_family != AF_INET) found = found->ai_next;
  if (found == NULL || found->ai_addrlen > sizeof where.address || node->peers[peer].removed) return;
  memcpy(&where.address, found->ai_addr, found->ai_addrlen);
  tw_node_note_whereabouts(node, &where, 1);
}

/* What was found for a peer, which is freed; NULL: nothing. */
static void found_for(tw_node *node, uint32_t peer, struct addrinfo *found) {
  node->peers[peer].look_up_ms = tw_node_now(node) + (found != NULL ? AGAIN_MS : FAILED_MS);
  if (found == NULL) return;
  take(node, peer, found);
  freeaddrinfo(found);
}

static void on_found(uv_getaddrinfo_t *request, int status, struct addrinfo *found) {
  tw_node *node = request->data;
  node->is_resolving = false;
  node->open_handles--;
  if (!node->closing)
    found_for(node, node->resolving_peer, status == 0 ? found : NULL);
  else if (status == 0)
    freeaddrinfo(found);
  tw_node_after(node);
}

/* False: it could not be asked. */
static bool look_up(tw_node *node, uint32_t peer) {
  const tw_node_endpoint *endpoint = &node->setup.config->peers[peer].endpoint;
  struct addrinfo *in_figures = tw_address_in_figures(endpoint->host, endpoint->port, SOCK_DGRAM);
  if (in_figures != NULL) {
    found_for(node, peer, in_figures);
    return true;
  }
  const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
  char port[8];
  (void)snprintf(port, sizeof port, "%u", (unsigned)endpoint->port);
  node->resolving.data = node;
  node->resolving_peer = peer;
  if (uv_getaddrinfo(node->setup.loop, &node->resolving, on_found, endpoint->host, port, &hints) != 0) return false;
  node->is_resolving = true;
  node->open_handles++;
  return true;
}

void tw_node_endpoints_tick(tw_node *node, uint64_t now_ms) {
  for (uint32_t i = 0; i < node->peer_count && !node->is_resolving; i++) {
    tw_node_peer_state *peer = &node->peers[i];
    if (!tw_node_has_peer(node, i) || node->setup.config->peers[i].endpoint.host == NULL) continue;
    if (peer->look_up_ms <= now_ms && !look_up(node, i)) peer->look_up_ms = now_ms + FAILED_MS;
  }
}

void tw_node_endpoints_renew(tw_node *node) {
  for (uint32_t i = 0; i < node->peer_count; i++) node->peers[i].look_up_ms = 0;
}

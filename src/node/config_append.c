/* Peers that the file does not have. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "node/config_parts.h"
#include "node/config_value.h"

/* ---- copies ---- */

static tw_err copy_text(const tw_alloc *alloc, const char *from, char **to) {
  return from == NULL ? TW_OK : tw_value_copy(alloc, TW_BYTES((const uint8_t *)from, strlen(from)), to);
}

static tw_err copy_prefixes(const tw_alloc *alloc, const tw_node_prefixes *from, tw_node_prefixes *to) {
  if (from->count == 0) return TW_OK;
  to->list = tw_alloc_array(alloc, from->count, sizeof *to->list);
  if (to->list == NULL) return TW_ERR_NO_MEMORY;
  memcpy(to->list, from->list, from->count * sizeof *to->list);
  to->count = to->room = from->count;
  return TW_OK;
}

tw_err tw_node_peer_copy(const tw_alloc *alloc, const tw_node_peer *from, tw_node_peer *to) {
  tw_node_peer made = {.origin = from->origin, .key = from->key, .line = from->line};
  made.endpoint.port = from->endpoint.port;
  tw_err err = copy_text(alloc, from->name, &made.name);
  if (err == TW_OK) err = copy_text(alloc, from->certificate, &made.certificate);
  if (err == TW_OK) err = copy_text(alloc, from->endpoint.host, &made.endpoint.host);
  if (err == TW_OK) err = copy_prefixes(alloc, &from->allowed, &made.allowed);
  if (err != TW_OK) tw_node_peer_clear(alloc, &made);
  *to = made;
  return err;
}

/* ---- what is taken already ---- */

static bool same_key(const tw_node_key *a, const tw_fingerprint *b) {
  return a->given && memcmp(&a->fingerprint, b, sizeof *b) == 0;
}

static const tw_node_peer *find_key(const tw_node_config *config, const tw_fingerprint *key) {
  for (size_t i = 0; i < config->peer_count; i++)
    if (same_key(&config->peers[i].key, key)) return &config->peers[i];
  return NULL;
}

/* The [Peer] of that certificate's name. */
static tw_node_peer *find_certificate(tw_node_config *config, const char *name) {
  for (size_t i = 0; name != NULL && i < config->peer_count; i++) {
    tw_node_peer *peer = &config->peers[i];
    if (peer->origin == TW_NODE_FROM_FILE && peer->certificate != NULL && strcmp(peer->certificate, name) == 0)
      return peer;
  }
  return NULL;
}

static bool has_label(const tw_node_config *config, const char *name) {
  char room[TW_FINGERPRINT_TEXT];
  for (size_t i = 0; i < config->peer_count; i++)
    if (strcmp(tw_node_peer_label(&config->peers[i], room), name) == 0) return true;
  return false;
}

static const char *why_not_theirs(const tw_node_config *config, const tw_prefix *prefix) {
  const tw_node_prefixes *own = &config->interface.addresses;
  for (size_t i = 0; i < own->count; i++) {
    const tw_prefix host = tw_prefix_host(&own->list[i].prefix);
    const tw_prefix last = tw_prefix_last(&own->list[i].prefix);
    if (tw_prefix_compare(&host, prefix) == 0) return "our own Address";
    if (config->multicast.broadcast && last.family == 4 && own->list[i].prefix.length <= 30 &&
        tw_prefix_compare(&last, prefix) == 0)
      return "a broadcast address";
  }
  for (size_t i = 0; i < config->peer_count; i++) {
    const tw_node_prefixes *allowed = &config->peers[i].allowed;
    for (size_t k = 0; k < allowed->count; k++)
      if (tw_prefix_compare(&allowed->list[k].prefix, prefix) == 0) return "another peer's already";
  }
  return NULL;
}

/* ---- one more ---- */

static void leave_out(const tw_node_config *config, tw_node_peer *peer, const char *label, tw_problems *told) {
  size_t kept = 0;
  if (peer->name != NULL && has_label(config, peer->name)) {
    tw_problems_add(told, config->source, 0, "'%s' is another peer's Name already", peer->name);
    tw_alloc_free(config->alloc, peer->name);
    peer->name = NULL;
  }
  for (size_t i = 0; i < peer->allowed.count; i++) {
    const tw_prefix *prefix = &peer->allowed.list[i].prefix;
    const char *why = why_not_theirs(config, prefix);
    char shown[TW_PREFIX_TEXT];
    tw_prefix_format(prefix, shown);
    if (why == NULL)
      peer->allowed.list[kept++] = peer->allowed.list[i];
    else
      tw_problems_add(told, config->source, 0, "%s cannot have %s: it is %s", label, shown, why);
  }
  peer->allowed.count = kept;
}

static tw_err append(tw_node_config *config, const tw_node_peer *peer, const char *label, tw_problems *told) {
  tw_node_peer *added = NULL;
  tw_node_peer copy;
  TW_TRY(tw_node_peer_copy(config->alloc, peer, &copy));
  leave_out(config, &copy, label, told);
  const tw_err err = tw_config_add_peer(config, &added);
  if (err == TW_OK) {
    *added = copy;
    return TW_OK;
  }
  tw_node_peer_clear(config->alloc, &copy);
  if (err != TW_ERR_LIMIT) return err;
  tw_problems_add(told, config->source, 0, "%s is left out: there are %d peers", label, TW_NODE_PEERS_MAX);
  return TW_OK;
}

tw_err tw_node_config_append_peer(tw_node_config *config, const tw_fingerprint *own, const tw_node_peer *peer,
                                  tw_problems *told) {
  char room[TW_FINGERPRINT_TEXT];
  const char *label = tw_node_peer_label(peer, room);
  if (!peer->key.given) return TW_ERR_ARGUMENT;
  if (same_key(&peer->key, own)) return TW_OK;
  const tw_node_peer *there = find_key(config, &peer->key.fingerprint);
  if (there != NULL) {
    char other[TW_FINGERPRINT_TEXT];
    const char *name = tw_node_peer_label(there, other);
    if (strcmp(name, label) != 0)
      tw_problems_add(told, config->source, there->line, "%s is left out: its key is that of %s", label, name);
    return TW_OK;
  }
  tw_node_peer *listed = find_certificate(config, peer->certificate);
  if (listed == NULL) return append(config, peer, label, told);
  if (listed == (config->self == TW_NODE_NONE ? NULL : &config->peers[config->self]) || listed->key.given)
    tw_problems_add(told, config->source, listed->line, "%s is left out: there is another key for that name", label);
  else
    listed->key = peer->key;
  return TW_OK;
}

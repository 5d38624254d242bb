/* Peers that the file does not have. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "node/config_index.h"
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

static size_t find_text(const tw_config_index *index, tw_config_trait trait, const char *text) {
  if (text == NULL) return TW_NODE_NONE;
  return tw_config_index_find(index, trait, TW_BYTES((const uint8_t *)text, strlen(text)));
}

static const char *why_not_theirs(const tw_config_index *index, const tw_prefix *prefix) {
  const tw_node_config *config = index->config;
  const tw_node_prefixes *own = &config->interface.addresses;
  for (size_t i = 0; i < own->count; i++) {
    const tw_prefix host = tw_prefix_host(&own->list[i].prefix);
    const tw_prefix last = tw_prefix_last(&own->list[i].prefix);
    if (tw_prefix_compare(&host, prefix) == 0) return "our own Address";
    if (config->multicast.broadcast && last.family == 4 && own->list[i].prefix.length <= 30 &&
        tw_prefix_compare(&last, prefix) == 0)
      return "a broadcast address";
  }
  const tw_bytes bytes = TW_BYTES((const uint8_t *)prefix, sizeof *prefix);
  return tw_config_index_find(index, TW_CONFIG_TRAIT_PREFIX, bytes) == TW_NODE_NONE ? NULL : "another peer's already";
}

/* ---- one more ---- */

static void leave_out(const tw_config_index *index, tw_node_peer *peer, const char *label, tw_problems *told) {
  const tw_node_config *config = index->config;
  size_t kept = 0;
  if (find_text(index, TW_CONFIG_TRAIT_LABEL, peer->name) != TW_NODE_NONE) {
    tw_problems_add(told, config->source, 0, "'%s' is another peer's Name already", peer->name);
    tw_alloc_free(config->alloc, peer->name);
    peer->name = NULL;
  }
  for (size_t i = 0; i < peer->allowed.count; i++) {
    const tw_prefix *prefix = &peer->allowed.list[i].prefix;
    const char *why = why_not_theirs(index, prefix);
    char shown[TW_PREFIX_TEXT];
    tw_prefix_format(prefix, shown);
    if (why == NULL)
      peer->allowed.list[kept++] = peer->allowed.list[i];
    else
      tw_problems_add(told, config->source, 0, "%s cannot have %s: it is %s", label, shown, why);
  }
  peer->allowed.count = kept;
}

static tw_err append(tw_config_index *index, const tw_node_peer *peer, const char *label, tw_problems *told) {
  tw_node_config *config = index->config;
  tw_node_peer *added = NULL;
  tw_node_peer copy;
  TW_TRY(tw_config_index_reserve(index, peer));
  TW_TRY(tw_node_peer_copy(config->alloc, peer, &copy));
  leave_out(index, &copy, label, told);
  const tw_err err = tw_config_add_peer(config, &added);
  if (err == TW_OK) {
    *added = copy;
    tw_config_index_add(index, config->peer_count - 1);
    return TW_OK;
  }
  tw_node_peer_clear(config->alloc, &copy);
  if (err != TW_ERR_LIMIT) return err;
  tw_problems_add(told, config->source, 0, "%s is left out: there are %d peers", label, TW_NODE_PEERS_MAX);
  return TW_OK;
}

/* A [Peer] of the certificate's name gets the key, unless it has one. */
static tw_err give_key(tw_config_index *index, size_t listed, const tw_node_peer *peer, const char *label,
                       tw_problems *told) {
  tw_node_config *config = index->config;
  tw_node_peer *there = &config->peers[listed];
  if (listed == config->self || there->key.given) {
    tw_problems_add(told, config->source, there->line, "%s is left out: there is another key for that name", label);
    return TW_OK;
  }
  TW_TRY(tw_config_index_reserve(index, there));
  there->key = peer->key;
  tw_config_index_add(index, listed);
  return TW_OK;
}

tw_err tw_config_index_append(tw_config_index *index, const tw_fingerprint *own, const tw_node_peer *peer,
                              tw_problems *told) {
  const tw_node_config *config = index->config;
  char room[TW_FINGERPRINT_TEXT];
  const char *label = tw_node_peer_label(peer, room);
  if (!peer->key.given) return TW_ERR_ARGUMENT;
  if (same_key(&peer->key, own)) return TW_OK;
  const size_t there = tw_config_index_find(index, TW_CONFIG_TRAIT_KEY, TW_ARRAY(peer->key.fingerprint.digest));
  if (there != TW_NODE_NONE) {
    char other[TW_FINGERPRINT_TEXT];
    const char *name = tw_node_peer_label(&config->peers[there], other);
    if (strcmp(name, label) != 0)
      tw_problems_add(told, config->source, config->peers[there].line, "%s is left out: its key is that of %s", label,
                      name);
    return TW_OK;
  }
  const size_t listed = find_text(index, TW_CONFIG_TRAIT_CERTIFICATE, peer->certificate);
  return listed == TW_NODE_NONE ? append(index, peer, label, told) : give_key(index, listed, peer, label, told);
}

tw_err tw_node_config_append_peer(tw_node_config *config, const tw_fingerprint *own, const tw_node_peer *peer,
                                  tw_problems *told) {
  tw_config_index index;
  TW_TRY(tw_config_index_open(config, &index));
  const tw_err err = tw_config_index_append(&index, own, peer, told);
  tw_config_index_close(&index);
  return err;
}

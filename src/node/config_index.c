/* SPDX-License-Identifier: Apache-2.0 */
#include "node/config_index.h"

#include <string.h>

#include "base/alloc.h"

enum { FIRST_ROOM = 16, TRAITS = 3 /* without prefixes */ };

static tw_bytes text_of(const char *text) { return TW_BYTES((const uint8_t *)text, strlen(text)); }

/* Peers move when there are more, so that a place has no pointer to them. A fingerprint's text is in `room`. */
static tw_bytes value_of(const tw_config_index *index, const tw_config_place *place, char room[TW_FINGERPRINT_TEXT]) {
  const tw_node_peer *peer = &index->config->peers[place->peer];
  switch (place->trait) {
  case TW_CONFIG_TRAIT_KEY: return TW_ARRAY(peer->key.fingerprint.digest);
  case TW_CONFIG_TRAIT_LABEL: return text_of(tw_node_peer_label(peer, room));
  case TW_CONFIG_TRAIT_CERTIFICATE: return text_of(peer->certificate);
  default:
    return TW_BYTES((const uint8_t *)&peer->allowed.list[place->prefix].prefix, sizeof(tw_prefix)); /* bytes alone */
  }
}

/* FNV-1a. */
static uint64_t hash_of(tw_config_trait trait, tw_bytes value) {
  uint64_t hash = (UINT64_C(0xcbf29ce484222325) ^ (uint64_t)trait) * UINT64_C(0x100000001b3);
  for (size_t i = 0; i < value.len; i++) hash = (hash ^ value.ptr[i]) * UINT64_C(0x100000001b3);
  return hash;
}

/* Where it is, or belongs. There is a free place. */
static tw_config_place *place_of(const tw_config_index *index, tw_config_trait trait, uint64_t hash, tw_bytes value) {
  char room[TW_FINGERPRINT_TEXT];
  for (size_t at = (size_t)hash;; at++) {
    tw_config_place *place = &index->places[at & (index->room - 1)];
    if (place->trait == 0) return place;
    if (place->hash == hash && place->trait == trait && tw_bytes_equal(value_of(index, place, room), value))
      return place;
  }
}

static tw_err grow(tw_config_index *index, size_t room) {
  tw_config_place *places = tw_alloc_array(index->config->alloc, room, sizeof *places);
  if (places == NULL) return TW_ERR_NO_MEMORY;
  for (size_t i = 0; i < index->room; i++) {
    if (index->places[i].trait == 0) continue;
    size_t at = (size_t)index->places[i].hash;
    while (places[at & (room - 1)].trait != 0) at++;
    places[at & (room - 1)] = index->places[i];
  }
  tw_alloc_free(index->config->alloc, index->places);
  index->places = places;
  index->room = room;
  return TW_OK;
}

tw_err tw_config_index_reserve(tw_config_index *index, const tw_node_peer *peer) {
  size_t room = index->room == 0 ? FIRST_ROOM : index->room;
  while (room / 2 < index->used + TRAITS + peer->allowed.count) room *= 2;
  return room == index->room ? TW_OK : grow(index, room);
}

static void put(tw_config_index *index, tw_config_place wanted) {
  char room[TW_FINGERPRINT_TEXT];
  const tw_bytes value = value_of(index, &wanted, room);
  wanted.hash = hash_of(wanted.trait, value);
  tw_config_place *place = place_of(index, wanted.trait, wanted.hash, value);
  if (place->trait != 0) return;
  *place = wanted;
  index->used++;
}

void tw_config_index_add(tw_config_index *index, size_t peer) {
  const tw_node_peer *p = &index->config->peers[peer];
  if (p->key.given) put(index, (tw_config_place){.trait = TW_CONFIG_TRAIT_KEY, .peer = peer});
  put(index, (tw_config_place){.trait = TW_CONFIG_TRAIT_LABEL, .peer = peer});
  if (p->certificate != NULL && p->origin == TW_NODE_FROM_FILE)
    put(index, (tw_config_place){.trait = TW_CONFIG_TRAIT_CERTIFICATE, .peer = peer});
  for (size_t i = 0; i < p->allowed.count; i++)
    put(index, (tw_config_place){.trait = TW_CONFIG_TRAIT_PREFIX, .peer = peer, .prefix = i});
}

size_t tw_config_index_find(const tw_config_index *index, tw_config_trait trait, tw_bytes value) {
  if (index->room == 0) return TW_NODE_NONE;
  const tw_config_place *place = place_of(index, trait, hash_of(trait, value), value);
  return place->trait != 0 ? place->peer : TW_NODE_NONE;
}

tw_err tw_config_index_open(tw_node_config *config, tw_config_index *index) {
  *index = (tw_config_index){.config = config};
  for (size_t i = 0; i < config->peer_count; i++) {
    const tw_err err = tw_config_index_reserve(index, &config->peers[i]);
    if (err != TW_OK) {
      tw_config_index_close(index);
      return err;
    }
    tw_config_index_add(index, i);
  }
  return TW_OK;
}

void tw_config_index_close(tw_config_index *index) {
  if (index->config != NULL) tw_alloc_free(index->config->alloc, index->places);
  *index = (tw_config_index){0};
}

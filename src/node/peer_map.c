/* SPDX-License-Identifier: Apache-2.0 */
#include "node/peer_map.h"

#include <string.h>

#include "base/alloc.h"

enum { FIRST_ROOM = 16 };

/* Where an id is, or belongs. There is a free place. */
static tw_peer_place *place_of(const tw_peer_map *map, const tw_client_id *id) {
  size_t at;
  memcpy(&at, id->digest, sizeof at);
  for (;; at++) {
    tw_peer_place *place = &map->places[at & (map->room - 1)];
    if (!place->used || memcmp(&place->id, id, sizeof *id) == 0) return place;
  }
}

static tw_err grow(tw_peer_map *map) {
  tw_peer_map next = {.alloc = map->alloc, .room = map->room == 0 ? FIRST_ROOM : 2 * map->room, .used = map->used};
  next.places = tw_alloc_array(map->alloc, next.room, sizeof *next.places);
  if (next.places == NULL) return TW_ERR_NO_MEMORY;
  for (size_t i = 0; i < map->room; i++)
    if (map->places[i].used) *place_of(&next, &map->places[i].id) = map->places[i];
  tw_alloc_free(map->alloc, map->places);
  *map = next;
  return TW_OK;
}

tw_err tw_peer_map_put(tw_peer_map *map, const tw_client_id *id, uint32_t number) {
  if (2 * map->used >= map->room) TW_TRY(grow(map));
  tw_peer_place *place = place_of(map, id);
  if (!place->used) map->used++;
  *place = (tw_peer_place){true, *id, number};
  return TW_OK;
}

uint32_t tw_peer_map_find(const tw_peer_map *map, const tw_client_id *id) {
  if (map->room == 0) return UINT32_MAX;
  const tw_peer_place *place = place_of(map, id);
  return place->used ? place->number : UINT32_MAX;
}

void tw_peer_map_clear(tw_peer_map *map) {
  tw_alloc_free(map->alloc, map->places);
  *map = (tw_peer_map){.alloc = map->alloc};
}

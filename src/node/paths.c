/* SPDX-License-Identifier: Apache-2.0 */
#include "node/paths.h"

#include <string.h>

bool tw_path_offer(tw_path *path, tw_path_source source, const tw_udp_address *address) {
  tw_path_candidate *candidate = &path->candidates[source];
  for (size_t i = 0; i < TW_PATH_CANDIDATES; i++) {
    if (path->candidates[i].given && tw_udp_address_equal(&path->candidates[i].address, address)) return false;
  }
  *candidate = (tw_path_candidate){.address = *address, .given = true};
  path->probe_at_ms = 0;
  path->rounds = 0;
  return true;
}

bool tw_path_is_due(const tw_path *path, uint64_t now_ms) {
  if (path->used_ms == 0 || now_ms > path->used_ms + TW_PATH_QUIET_MS) return false;
  if (now_ms < path->probe_at_ms) return false;
  for (size_t i = 0; i < TW_PATH_CANDIDATES; i++) {
    if (path->candidates[i].given) return true;
  }
  return false;
}

bool tw_path_used(tw_path *path, uint64_t now_ms) {
  path->used_ms = now_ms;
  return tw_path_is_due(path, now_ms);
}

bool tw_path_probe(tw_path *path, size_t index, const uint8_t nonce[8], tw_udp_address *to) {
  tw_path_candidate *candidate = &path->candidates[index];
  if (!candidate->given) return false;
  /* While a way works, it alone is probed. */
  if (path->is_direct && !tw_udp_address_equal(&candidate->address, &path->direct)) return false;
  memcpy(candidate->nonce, nonce, sizeof candidate->nonce);
  candidate->probed = true;
  *to = candidate->address;
  return true;
}

/* 0.25 s, 0.5 s, … a minute: both sides have to be at it at the same time. */
static uint64_t pause_after(uint32_t rounds) {
  const uint64_t pause = UINT64_C(250) << (rounds < 8 ? rounds : 8);
  return pause < 60000 ? pause : 60000;
}

void tw_path_probed(tw_path *path, uint64_t now_ms) {
  path->probe_at_ms = now_ms + (path->is_direct ? TW_PATH_REFRESH_MS : pause_after(path->rounds));
  path->rounds++;
}

bool tw_path_answered(tw_path *path, const uint8_t nonce[8], const tw_udp_address *from, uint64_t now_ms) {
  for (size_t i = 0; i < TW_PATH_CANDIDATES; i++) {
    tw_path_candidate *candidate = &path->candidates[i];
    if (!candidate->probed || memcmp(candidate->nonce, nonce, sizeof candidate->nonce) != 0) continue;
    if (!tw_udp_address_equal(&candidate->address, from)) return false; /* it tells nothing of where the probe went */
    const bool changed = !path->is_direct || !tw_udp_address_equal(&path->direct, from);
    candidate->probed = false;
    path->is_direct = true;
    path->direct = *from;
    path->answered_ms = now_ms;
    path->probe_at_ms = now_ms + TW_PATH_REFRESH_MS;
    path->rounds = 0;
    path->changes += changed;
    return changed;
  }
  return false;
}

bool tw_path_tick(tw_path *path, uint64_t now_ms) {
  if (!path->is_direct || now_ms < path->answered_ms + TW_PATH_LAPSE_MS) return false;
  path->is_direct = false;
  path->probe_at_ms = 0;
  path->rounds = 0;
  path->changes++;
  return true;
}

void tw_path_reset(tw_path *path) {
  path->probe_at_ms = 0;
  path->rounds = 0;
  if (!path->is_direct) return;
  path->is_direct = false;
  path->changes++;
}

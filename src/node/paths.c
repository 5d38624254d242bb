/* SPDX-License-Identifier: Apache-2.0 */
#include "node/paths.h"

#include <string.h>

/* There is something new to try: at once, but a peer whose packets come from many places does not make us probe with
 * each of them. */
static void try_soon(tw_path *path) {
  path->rounds = 0;
  path->probe_at_ms = path->probed_ms == 0 ? 0 : path->probed_ms + TW_PATH_ROUND_MS;
}

bool tw_path_offer(tw_path *path, tw_path_source source, const tw_udp_address *address) {
  tw_path_candidate *candidate = &path->candidates[source];
  if (candidate->given && tw_udp_address_equal(&candidate->address, address)) return false;
  const bool in_use = path->is_direct && tw_udp_address_equal(&path->direct, address);
  bool known = in_use;
  *candidate = (tw_path_candidate){.address = *address};
  for (size_t i = 0; i < TW_PATH_CANDIDATES; i++) {
    tw_path_candidate *at = &path->candidates[i];
    if (!at->given || !tw_udp_address_equal(&at->address, address)) continue;
    known = true;
    at->tries = 0; /* it may have been left alone since another one works */
  }
  candidate->given = true;
  if (!known || (path->is_direct && !in_use)) try_soon(path);
  return !known;
}

/* Whether probes are to go out, once their time has come. */
static bool is_looked_after(const tw_path *path, uint64_t now_ms) {
  if (path->used_ms == 0 || now_ms > path->used_ms + TW_PATH_QUIET_MS) return false;
  for (size_t i = 0; i < TW_PATH_CANDIDATES; i++) {
    if (path->candidates[i].given) return true;
  }
  return false;
}

bool tw_path_is_due(const tw_path *path, uint64_t now_ms) {
  return path->probe_at_ms <= now_ms && is_looked_after(path, now_ms);
}

uint64_t tw_path_deadline(const tw_path *path, uint64_t now_ms) {
  const uint64_t lapse = path->is_direct ? path->answered_ms + TW_PATH_LAPSE_MS : UINT64_MAX;
  return is_looked_after(path, now_ms) && path->probe_at_ms < lapse ? path->probe_at_ms : lapse;
}

bool tw_path_used(tw_path *path, uint64_t now_ms) {
  path->used_ms = now_ms;
  return tw_path_is_due(path, now_ms);
}

/* The same address by an earlier place. */
static bool is_double(const tw_path *path, size_t index) {
  for (size_t i = 0; i < index; i++) {
    if (path->candidates[i].given &&
        tw_udp_address_equal(&path->candidates[i].address, &path->candidates[index].address))
      return true;
  }
  return false;
}

bool tw_path_probe(tw_path *path, size_t index, uint8_t nonce[8], tw_udp_address *to) {
  tw_path_candidate *candidate = &path->candidates[index];
  if (!candidate->given || is_double(path, index)) return false;
  const bool in_use = path->is_direct && tw_udp_address_equal(&candidate->address, &path->direct);
  if (path->is_direct && !in_use && candidate->tries >= TW_PATH_TRIES) return false;
  if (candidate->tries < TW_PATH_TRIES) candidate->tries++;
  if (!candidate->probed) memcpy(candidate->nonce, nonce, sizeof candidate->nonce);
  memcpy(nonce, candidate->nonce, sizeof candidate->nonce);
  candidate->probed = true;
  *to = candidate->address;
  return true;
}

/* 0.25 s, 0.5 s, … a minute: both sides have to be at it at the same time. */
static uint64_t pause_after(uint32_t rounds) {
  const uint64_t pause = (uint64_t)TW_PATH_ROUND_MS << (rounds < 8 ? rounds : 8);
  return pause < TW_PATH_ROUNDS_MS ? pause : TW_PATH_ROUNDS_MS;
}

/* Whether there is an address beside the one in use that was not tried often. */
static bool has_fresh(const tw_path *path) {
  for (size_t i = 0; i < TW_PATH_CANDIDATES; i++) {
    const tw_path_candidate *c = &path->candidates[i];
    if (c->given && c->tries < TW_PATH_TRIES && !tw_udp_address_equal(&c->address, &path->direct)) return true;
  }
  return false;
}

void tw_path_probed(tw_path *path, uint64_t now_ms) {
  uint64_t pause = pause_after(path->rounds);
  /* An answer will put it off. */
  if (path->is_direct && (pause > TW_PATH_ANSWER_MS || !has_fresh(path))) pause = TW_PATH_ANSWER_MS;
  path->probed_ms = now_ms;
  path->probe_at_ms = now_ms + pause;
  path->rounds++;
}

/* Whether an address that has answered takes the place of the one in use. */
static bool takes_over(const tw_path *path, const tw_udp_address *from, uint64_t now_ms) {
  if (!path->is_direct) return true;
  const tw_path_candidate *heard = &path->candidates[TW_PATH_FROM_PEER];
  if (heard->given && tw_udp_address_equal(&heard->address, from)) return true;
  return now_ms >= path->answered_ms + TW_PATH_REFRESH_MS + 2 * TW_PATH_ANSWER_MS;
}

static void use(tw_path *path, const tw_udp_address *address, uint64_t now_ms) {
  path->is_direct = true;
  path->direct = *address;
  path->candidates[TW_PATH_IN_USE] = (tw_path_candidate){.address = *address, .given = true};
  path->answered_ms = now_ms;
  path->rounds = 0;
  path->probe_at_ms = now_ms + TW_PATH_REFRESH_MS;
  /* Others go on being tried for a while. */
  if (has_fresh(path) && path->probed_ms + TW_PATH_ANSWER_MS < path->probe_at_ms)
    path->probe_at_ms = path->probed_ms + TW_PATH_ANSWER_MS;
}

bool tw_path_answered(tw_path *path, const uint8_t nonce[8], const tw_udp_address *from, uint64_t now_ms) {
  tw_path_candidate *candidate = NULL;
  for (size_t i = 0; i < TW_PATH_CANDIDATES && candidate == NULL; i++) {
    tw_path_candidate *at = &path->candidates[i];
    if (at->probed && memcmp(at->nonce, nonce, sizeof at->nonce) == 0) candidate = at;
  }
  /* From elsewhere: it tells nothing of where the probe went. */
  if (candidate == NULL || !tw_udp_address_equal(&candidate->address, from)) return false;
  const bool is_other = !path->is_direct || !tw_udp_address_equal(&path->direct, from);
  candidate->probed = false;
  if (is_other && !takes_over(path, from, now_ms)) return false;
  use(path, from, now_ms);
  path->changes += is_other;
  return is_other;
}

void tw_path_resume(tw_path *path, const tw_udp_address *direct, uint64_t answered_ms, uint64_t now_ms) {
  use(path, direct, answered_ms);
  path->used_ms = now_ms;
  path->probe_at_ms = 0;
}

static void give_up(tw_path *path) {
  path->is_direct = false;
  path->changes++;
  for (size_t i = 0; i < TW_PATH_CANDIDATES; i++) {
    path->candidates[i].tries = 0;
    path->candidates[i].probed = false;
  }
  try_soon(path);
}

bool tw_path_failed(tw_path *path, const tw_udp_address *to) {
  if (!path->is_direct || !tw_udp_address_equal(&path->direct, to)) return false;
  give_up(path);
  return true;
}

bool tw_path_tick(tw_path *path, uint64_t now_ms) {
  if (!path->is_direct || now_ms < path->answered_ms + TW_PATH_LAPSE_MS) return false;
  give_up(path);
  return true;
}

bool tw_path_reset(tw_path *path) {
  const bool was_direct = path->is_direct;
  if (was_direct) give_up(path);
  path->probed_ms = 0;
  try_soon(path);
  return was_direct;
}

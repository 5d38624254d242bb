/* SPDX-License-Identifier: Apache-2.0 */
#include "node/keepalive.h"

enum { FIRST_WAIT_MS = 500, DOUBLINGS_MAX = 6, DOUBT_DOUBLINGS_MAX = 4 };

static uint64_t doubled(uint64_t ms, uint32_t times, uint32_t most) { return ms << (times < most ? times : most); }

void tw_keepalive_up(tw_keepalive *keepalive) { *keepalive = (tw_keepalive){0}; }

void tw_keepalive_bound(tw_keepalive *keepalive, uint64_t now_ms) {
  const uint32_t doubts = keepalive->doubts;
  *keepalive = (tw_keepalive){
      .bound = true, .bound_ms = now_ms, .bind_at_ms = UINT64_MAX, .sure_ms = now_ms, .doubts = doubts};
}

void tw_keepalive_peers(tw_keepalive *keepalive, bool answer, uint64_t now_ms) {
  if (!keepalive->bound || keepalive->bind_tries > 0) return;
  if (answer) {
    keepalive->doubts = 0;
    return;
  }
  const uint64_t pause = doubled(TW_KEEPALIVE_SILENCE_MS, keepalive->doubts, DOUBT_DOUBLINGS_MAX);
  if (now_ms < keepalive->bound_ms + pause || keepalive->bind_at_ms <= now_ms) return;
  keepalive->bind_at_ms = now_ms;
  keepalive->doubts++;
}

static tw_keepalive_act ask_binding(tw_keepalive *keepalive, uint64_t now_ms) {
  keepalive->asked_ms = 0;
  keepalive->bind_at_ms = now_ms + doubled(FIRST_WAIT_MS, keepalive->bind_tries, DOUBLINGS_MAX);
  if (++keepalive->bind_tries > TW_KEEPALIVE_BIND_TRIES) keepalive->bound = false;
  return TW_KEEPALIVE_BIND;
}

bool tw_keepalive_waits(const tw_keepalive *keepalive) {
  return keepalive->asked_ms != 0 ||
         (keepalive->bind_at_ms != UINT64_MAX && keepalive->bind_tries <= TW_KEEPALIVE_BIND_TRIES);
}

bool tw_keepalive_is_due(const tw_keepalive *keepalive, uint64_t every_ms, uint64_t now_ms) {
  return keepalive->bound && keepalive->bind_tries == 0 && keepalive->asked_ms == 0 &&
         now_ms >= keepalive->sure_ms + every_ms;
}

tw_keepalive_act tw_keepalive_tick(tw_keepalive *keepalive, uint64_t every_ms, uint64_t heard, uint64_t now_ms) {
  if (keepalive->bind_at_ms <= now_ms) return ask_binding(keepalive, now_ms);
  if (!keepalive->bound || keepalive->bind_tries > 0) return TW_KEEPALIVE_REST;
  if (keepalive->asked_ms != 0 && heard != keepalive->heard) {
    keepalive->sure_ms = keepalive->asked_ms;
    keepalive->asked_ms = 0;
    keepalive->echoes++;
  }
  if (keepalive->asked_ms != 0) {
    if (now_ms < keepalive->asked_ms + TW_KEEPALIVE_ECHO_MS) return TW_KEEPALIVE_REST;
    return ask_binding(keepalive, now_ms);
  }
  if (!tw_keepalive_is_due(keepalive, every_ms, now_ms)) return TW_KEEPALIVE_REST;
  if (keepalive->echoes == TW_KEEPALIVE_ECHOES) return ask_binding(keepalive, now_ms);
  keepalive->asked_ms = now_ms;
  keepalive->heard = heard;
  return TW_KEEPALIVE_ASK;
}

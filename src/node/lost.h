/* How often a relay is believed that says that it has lost our mailbox. No sockets, no clock. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_LOST_H
#define TW_NODE_LOST_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Whoever is told that reads its mailbox from the beginning, and tells the relay again whom to let in. One that says so
 * all the time is asked for mail less and less often.
 */
enum {
  TW_LOST_FIRST_MS = 1000,
  TW_LOST_MOST_MS = 64000,
  TW_LOST_FORGIVEN_MS = 3600 * 1000 /* since it was said last: as if it had never been */
};

/** Zero: nothing was lost yet. */
typedef struct tw_lost {
  uint64_t said_ms; /* when it was said last */
  uint64_t wait_ms;
} tw_lost;

/** It was said now. */
static inline void tw_lost_said(tw_lost *lost, uint64_t now_ms) {
  const bool again = lost->wait_ms != 0 && now_ms < lost->said_ms + TW_LOST_FORGIVEN_MS;
  lost->wait_ms = again ? 2 * lost->wait_ms : TW_LOST_FIRST_MS;
  if (lost->wait_ms > TW_LOST_MOST_MS) lost->wait_ms = TW_LOST_MOST_MS;
  lost->said_ms = now_ms;
}

/** Whether mail may be asked for. A clock that was put back holds that up for no longer than the wait. */
static inline bool tw_lost_may_ask(const tw_lost *lost, uint64_t now_ms) {
  return now_ms < lost->said_ms || now_ms >= lost->said_ms + lost->wait_ms;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "net/twins.h"

#include <netinet/in.h>
#include <string.h>

#include "control/message.h"
#include "net/udp.h"

void tw_twins_came(tw_twins_all *all, tw_twins *twins, tw_twins *former, uint64_t now_ms) {
  *twins = (tw_twins){.number = ++all->last_number, .came_ms = now_ms};
  if (former == NULL) return;
  former->displaced_by = twins->number;
  if (!former->answered || now_ms - former->came_ms > TW_TWINS_GAP_MS) return;
  twins->turns = former->turns < TW_TWINS_TURNS ? former->turns + 1 : former->turns;
  twins->said_ms = former->said_ms;
}

void tw_twins_answered(tw_twins *twins, const tw_twins *displaced) {
  if (displaced->displaced_by == twins->number) twins->answered = true;
}

static bool is_over(uint64_t since_ms, uint64_t ms, uint64_t now_ms) {
  return since_ms == 0 || now_ms - since_ms >= ms;
}

bool tw_twins_may_say(tw_twins_all *all, tw_twins *twins, uint64_t now_ms) {
  if (!is_over(twins->said_ms, TW_TWINS_SAY_MS, now_ms) || !is_over(all->said_ms, TW_TWINS_SAY_OTHERS_MS, now_ms))
    return false;
  twins->said_ms = all->said_ms = now_ms;
  return true;
}

static tw_control_address address_of(const tw_stream *stream) {
  tw_udp_address from = {0};
  socklen_t len = sizeof from;
  tw_control_address out = {0};
  if (tw_stream_remote_address(stream, &from.any, &len) != TW_OK) return out;
  tw_udp_address_unmap(&from);
  if (from.any.sa_family == AF_INET) {
    out = (tw_control_address){.family = 4, .port = ntohs(from.in4.sin_port)};
    memcpy(out.ip, &from.in4.sin_addr, 4);
  } else if (from.any.sa_family == AF_INET6) {
    out = (tw_control_address){.family = 6, .port = ntohs(from.in6.sin6_port)};
    memcpy(out.ip, &from.in6.sin6_addr, 16);
  }
  return out;
}

void tw_twins_tell(tw_stream *displaced, const tw_stream *by) {
  const tw_control_push push = {.type = TW_CONTROL_DISPLACED, .body.displaced = address_of(by)};
  tw_buf frame = {0};
  tw_err err = tw_control_push_encode(&push, &frame);
  if (err == TW_OK) err = tw_stream_send(displaced, tw_buf_bytes(&frame));
  (void)err; /* its connection ends in any case */
  tw_buf_clear(&frame);
}

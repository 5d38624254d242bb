/* What comes in: who sent it, and whether it may go on. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/secret.h"
#include "codec/reader.h"
#include "codec/writer.h"
#include "relay/forward_parts.h"

enum { REASON_NONE = TW_FORWARD_REASONS, SECOND_NS = 1000000000, AHEAD = 6 /* segments */ };

/* A datagram on its way through, and the run that is being collected. */
typedef struct intake {
  tw_forward *forward;
  const tw_forward_address *source;
  uint8_t tos;
  uint64_t now_us;
  tw_forward_run run; /* count 0: none */
  tw_forward_peer *from;
  uint32_t replicas;
  unsigned reason; /* why it is dropped; REASON_NONE: it is not */
} intake;

static bool same_host(const tw_forward_address *a, const tw_forward_address *b) {
  return a->family == b->family && a->scope == b->scope && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

static bool same_place(const tw_forward_address *a, const tw_forward_address *b) {
  return a->port == b->port && same_host(a, b);
}

/* The socket may differ: sockets that share a port get their datagrams by the system's choice. */
static bool is_from(const tw_forward_peer *peer, const tw_forward_address *source) {
  return peer->bound && same_place(&peer->address, source);
}

/* ---- tokens ---- */

/* The nonce goes to where the token came from. */
static void challenge(tw_forward *forward, tw_forward_peer *peer, tw_forward_pending_token *pending,
                      const tw_forward_address *source) {
  pending->from = *source;
  pending->used = true;
  pending->challenging = true;
  if (peer->challenging) return;
  peer->challenging = true;
  peer->next_challenging = forward->challenging;
  forward->challenging = peer;
}

typedef enum token_use { TOKEN_BAD, TOKEN_CHALLENGED, TOKEN_BINDS } token_use;

/* A token, or the nonce that was sent for one. All are compared, in constant time: how far a guess came is nobody's
 * business. */
static token_use use_token(tw_forward *forward, tw_forward_peer *peer, tw_bytes given, const tw_forward_address *source,
                           uint64_t now_us) {
  token_use use = TOKEN_BAD;
  for (unsigned i = 0; i < TW_FORWARD_TOKENS; i++) {
    tw_forward_pending_token *pending = &peer->tokens[i];
    const tw_bytes wanted = pending->used ? TW_ARRAY(pending->nonce) : TW_ARRAY(pending->token);
    if (!tw_secret_equal(wanted, given) || pending->until_us == 0) continue;
    if (!pending->used && pending->from.family != 0 && !same_host(&pending->from, source)) continue;
    if (pending->used && !same_place(&pending->from, source)) continue;
    const bool in_time = now_us < pending->until_us;
    if (in_time && !pending->used && !forward->options.no_challenge) {
      challenge(forward, peer, pending, source);
      use = TOKEN_CHALLENGED;
      continue;
    }
    if (in_time) use = TOKEN_BINDS;
    tw_wipe(pending, sizeof *pending);
  }
  return use;
}

static void bind_peer(tw_forward *forward, tw_forward_peer *peer, const tw_forward_address *source, uint64_t now_us) {
  if (!is_from(peer, source)) peer->moved = true;
  peer->bound = true;
  peer->address = *source;
  peer->heard_us = now_us;
  forward->totals.bound++;
  if (peer->telling) return;
  peer->telling = true;
  peer->next_telling = NULL;
  if (forward->telling_last != NULL)
    forward->telling_last->next_telling = peer;
  else
    forward->telling_first = peer;
  forward->telling_last = peer;
}

/* ---- runs ---- */

static uint64_t ns_of(const tw_forward_options *options, uint64_t bytes) {
  return bytes / options->rate * SECOND_NS + bytes % options->rate * SECOND_NS / options->rate;
}

/* How many of `count` packets that cost `cost` bytes each the client's rate allows; the last one may overdraw it, so
 * that what costs more than the burst gets through at times. */
static uint16_t within_rate(const tw_forward *forward, tw_forward_peer *from, uint16_t count, uint64_t cost,
                            uint64_t now_us) {
  const tw_forward_options *options = &forward->options;
  if (options->rate == 0) return count;
  const uint64_t now_ns = now_us * 1000;
  const uint64_t burst_ns = ns_of(options, options->burst);
  const uint64_t each_ns = ns_of(options, cost) > 0 ? ns_of(options, cost) : 1;
  if (from->full_ns < now_ns) from->full_ns = now_ns;
  if (from->full_ns - now_ns >= burst_ns) return 0;
  const uint64_t allowed = (burst_ns - (from->full_ns - now_ns) + each_ns - 1) / each_ns;
  const uint16_t taken = allowed < count ? (uint16_t)allowed : count;
  from->full_ns += taken * each_ns;
  return taken;
}

/* The run goes into its sender's queue, as much of it as the rate allows. */
static void admit(intake *in) {
  tw_forward_run *run = &in->run;
  const uint64_t each = run->segment - (uint64_t)TW_FORWARD_HEADER + TW_FORWARD_OVERHEAD;
  const uint32_t bytes = tw_forward_run_bytes(run);
  const uint16_t count = run->count;
  const uint16_t kept = within_rate(in->forward, in->from, count, each * in->replicas, in->now_us);
  uint32_t kept_bytes = 0;
  if (kept > 0) {
    if (kept < count) run->last = run->segment;
    run->count = kept;
    kept_bytes = tw_forward_run_bytes(run);
    if (tw_forward_queue_add(in->forward, in->from, run)) {
      tw_forward_add(&in->from->in, kept, kept_bytes);
      tw_forward_add(&in->forward->totals.in, kept, kept_bytes);
    } else {
      tw_forward_drop(in->forward, in->from, TW_FORWARD_OVER_SHARE, kept, kept_bytes);
    }
  }
  if (kept < count)
    tw_forward_drop(in->forward, in->from, TW_FORWARD_OVER_RATE, (uint64_t)(count - kept), bytes - kept_bytes);
}

static void end_run(intake *in) {
  if (in->run.count == 0) return;
  if (in->reason == REASON_NONE)
    admit(in);
  else
    tw_forward_drop(in->forward, in->from, (tw_forward_reason)in->reason, in->run.count,
                    tw_forward_run_bytes(&in->run));
  in->run.count = 0;
}

/* Where to; REASON_NONE or why not. */
static unsigned find_destination(intake *in, uint32_t destination) {
  const tw_forward *forward = in->forward;
  if ((destination & TW_FORWARD_GROUP_BIT) != 0) {
    const tw_forward_group *group = tw_forward_group_of(forward, destination);
    if (group == NULL) return TW_FORWARD_NO_DESTINATION;
    if (!tw_forward_group_has(group, in->from->number)) return TW_FORWARD_NOT_MEMBER;
    in->replicas = group->count > 1 ? group->count - 1 : 1;
    return REASON_NONE;
  }
  tw_forward_peer *to = tw_forward_peer_of(forward, destination);
  if (to == NULL || to == in->from || !tw_forward_reachable(forward, to, in->now_us)) return TW_FORWARD_NO_DESTINATION;
  in->run.to = to;
  in->replicas = 1;
  return REASON_NONE;
}

/* ---- what is for the relay ---- */

/* A keepalive becomes its own answer, which waits for its turn among the client's packets and costs as much as one of
 * its length. */
static void answer(intake *in, tw_forward_peer *from, uint8_t *at, uint32_t slot) {
  tw_forward *forward = in->forward;
  const tw_forward_run run = {.at = at,
                              .to = from,
                              .destination = from->number,
                              .slot = slot,
                              .segment = TW_FORWARD_ECHO,
                              .last = TW_FORWARD_ECHO,
                              .count = 1};
  tw_put_u32(at, 0);
  tw_put_u64(at + 4, from->session);
  if (within_rate(forward, from, 1, tw_forward_run_cost(&run), in->now_us) == 0)
    tw_forward_drop(forward, from, TW_FORWARD_OVER_RATE, 1, 0);
  else if (!tw_forward_queue_add(forward, from, &run))
    tw_forward_drop(forward, from, TW_FORWARD_OVER_SHARE, 1, 0);
  else
    forward->totals.keepalives++;
}

/* Destination 0. */
static void take_for_relay(intake *in, tw_forward_peer *from, uint8_t *at, tw_bytes rest, uint32_t slot) {
  tw_forward *forward = in->forward;
  if (rest.len == TW_FORWARD_TOKEN) {
    const bool somewhere = in->source->family != 0 && in->source->port != 0;
    const token_use use = somewhere ? use_token(forward, from, rest, in->source, in->now_us) : TOKEN_BAD;
    if (use == TOKEN_BINDS) bind_peer(forward, from, in->source, in->now_us);
    if (use == TOKEN_CHALLENGED) forward->totals.challenged++;
    if (use == TOKEN_BAD) tw_forward_drop(forward, from, TW_FORWARD_BAD_TOKEN, 1, rest.len);
    return;
  }
  if (!is_from(from, in->source)) {
    tw_forward_drop(forward, from, TW_FORWARD_WRONG_SOURCE, 1, rest.len);
  } else if (rest.len > 0) {
    tw_forward_drop(forward, from, TW_FORWARD_MALFORMED, 1, rest.len);
  } else {
    from->heard_us = in->now_us;
    answer(in, from, at, slot);
  }
}

static void begin_run(intake *in, uint8_t *at, size_t len, uint32_t slot) {
  tw_reader r = tw_reader_of(TW_BYTES(at, len));
  const uint64_t session = tw_read_u64(&r);
  const uint32_t destination = tw_read_u32(&r);
  const tw_bytes rest = tw_read_rest(&r);
  if (tw_reader_err(&r) != TW_OK) {
    tw_forward_drop(in->forward, NULL, TW_FORWARD_MALFORMED, 1, 0);
    return;
  }
  tw_forward_peer *from = tw_forward_table_get(&in->forward->sessions, session);
  if (from != NULL && destination == 0) {
    take_for_relay(in, from, at, rest, slot);
    return;
  }
  in->from = from;
  in->run = (tw_forward_run){.destination = destination,
                             .slot = slot,
                             .segment = (uint16_t)len,
                             .last = (uint16_t)len,
                             .count = 1,
                             .header = TW_FORWARD_HEADER,
                             .tos = in->tos};
  in->run.at = at;
  if (from == NULL) {
    in->reason = TW_FORWARD_NO_SESSION;
  } else if (!is_from(from, in->source)) {
    in->reason = TW_FORWARD_WRONG_SOURCE;
  } else if (rest.len < TW_FORWARD_PACKET_MIN) {
    in->reason = TW_FORWARD_MALFORMED;
  } else {
    from->heard_us = in->now_us;
    in->reason = find_destination(in, destination);
  }
}

/* Most segments go the way of the one before: nothing is looked up for them. All of a datagram but the last are of one
 * size. */
static bool continues(const intake *in, tw_bytes segment) {
  const tw_forward_run *run = &in->run;
  return run->count > 0 && run->count < TW_FORWARD_SEGMENTS_MAX &&
         segment.len >= TW_FORWARD_HEADER + TW_FORWARD_PACKET_MIN &&
         memcmp(segment.ptr, run->at, TW_FORWARD_HEADER) == 0;
}

tw_err tw_forward_take(tw_forward *forward, uint32_t slot, const tw_forward_datagram *datagram,
                       const tw_forward_address *source, uint64_t now_us) {
  intake in = {.forward = forward, .source = source, .tos = datagram->tos, .now_us = now_us};
  const size_t len = datagram->len;
  if (slot >= forward->options.slots || forward->slots[slot].refs > 0) return TW_ERR_ARGUMENT;
  if (len > TW_FORWARD_DATAGRAM_MAX) return TW_ERR_ARGUMENT;
  if (len == 0) tw_forward_drop(forward, NULL, TW_FORWARD_MALFORMED, 1, 0);
  const size_t segment = datagram->segment == 0 || datagram->segment > len ? len : datagram->segment;
  for (size_t at = 0; at < len; at += segment) {
    uint8_t *one = datagram->data + at;
    const size_t size = len - at < segment ? len - at : segment;
    /* Headers lie too far apart for the processor to guess where the next ones are. */
    if (len - at > AHEAD * segment) __builtin_prefetch(one + AHEAD * segment);
    if (continues(&in, TW_BYTES(one, size))) {
      in.run.last = (uint16_t)size;
      in.run.count++;
      continue;
    }
    end_run(&in);
    begin_run(&in, one, size, slot);
  }
  end_run(&in);
  return TW_OK;
}

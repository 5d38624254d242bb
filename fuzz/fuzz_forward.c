/* The packet relay: datagrams from anybody, and whatever control connections ask for. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "codec/reader.h"
#include "codec/writer.h"
#include "fuzz_env.h"
#include "relay/forward.h"

enum { SLOTS = 16, CLIENTS = 4, PLACES = 6, SIZE_MAX_ = 4096 };
#define GROUP (TW_FORWARD_GROUP_BIT | 1)

typedef struct world {
  tw_forward *forward;
  uint64_t now_us;
  uint64_t sessions[CLIENTS + 1];
  uint8_t tokens[CLIENTS + 1][TW_FORWARD_TOKEN];
  bool given[PLACES];        /* a token went from here to the relay, and it was one that was given */
  uint8_t *datagrams[SLOTS]; /* each in memory of its own size */
  uint64_t received, sent;   /* packets */
} world;

static tw_forward_address place(uint8_t n) {
  return (tw_forward_address){.ip = {192, 0, 2, (uint8_t)(n % PLACES)}, .port = 9420, .family = 4};
}

/* Forms of a datagram: raw as the input has it, or with headers that mean something. */
static void take(world *w, tw_reader *r) {
  uint32_t slot;
  const tw_forward_address source = place(tw_read_u8(r));
  const uint8_t form = tw_read_u8(r);
  uint32_t segment = tw_read_u8(r);
  tw_bytes body = tw_read_fixed(r, r->left < 200 ? r->left : tw_read_u8(r));
  uint8_t made[SIZE_MAX_];
  size_t size = 0;
  if (tw_forward_free_slots(w->forward, &slot, 1) == 0) return;
  if (form % 4 == 0) {
    if (body.len > 0) memcpy(made, body.ptr, body.len);
    size = body.len;
  } else {
    /* Each byte of the body is a packet: who, where to. */
    if (segment < TW_FORWARD_HEADER) segment += TW_FORWARD_HEADER;
    for (size_t i = 0; i < body.len && size + segment <= sizeof made; i++) {
      const uint8_t from = body.ptr[i] % (CLIENTS + 1), to = (body.ptr[i] / 8) % (CLIENTS + 3);
      memset(made + size, body.ptr[i], segment);
      tw_put_u64(made + size, w->sessions[from]);
      tw_put_u32(made + size + 8, to > CLIENTS ? GROUP + to - CLIENTS - 1 : to);
      if (to == 0 && segment == TW_FORWARD_HEADER + TW_FORWARD_TOKEN) {
        memcpy(made + size + TW_FORWARD_HEADER, w->tokens[from], TW_FORWARD_TOKEN);
        w->given[source.ip[3]] = true;
      }
      size += segment;
    }
    if (form % 4 == 1 && size > 0) size -= form % segment; /* a shorter one at the end */
    if (form % 4 == 2 && size > 0) made[form % size] ^= (uint8_t)(1 + segment);
  }
  free(w->datagrams[slot]);
  w->datagrams[slot] = malloc(size > 0 ? size : 1);
  if (w->datagrams[slot] == NULL) abort();
  memcpy(w->datagrams[slot], made, size);
  const uint32_t by = form % 8 == 7 ? 0 : segment;
  const tw_forward_datagram datagram = {w->datagrams[slot], size, by, form % 16};
  TW_FUZZ_ASSERT(tw_forward_take(w->forward, slot, &datagram, &source, w->now_us) == TW_OK);
  w->received += size == 0 || by == 0 ? 1 : (size + by - 1) / by;
}

/* The answer to a keepalive is in the keepalive's place: a zero and the session. */
static void look_at_answer(const tw_forward_message *m) {
  TW_FUZZ_ASSERT(m->bytes == m->packets * (uint32_t)TW_FORWARD_ECHO && m->tos == 0);
  for (uint32_t i = 0; i < m->packets; i++) {
    const struct iovec packet = tw_forward_packet(m, i);
    tw_reader r = tw_reader_of(TW_BYTES(packet.iov_base, packet.iov_len));
    TW_FUZZ_ASSERT(packet.iov_len == TW_FORWARD_ECHO && tw_read_u32(&r) == 0);
  }
}

/* All that goes out goes to where a token came from, and may be read. */
static void send(world *w, uint8_t how) {
  int64_t budget = 1 + how * INT64_C(16);
  tw_forward_message *messages;
  const uint32_t count = tw_forward_batch(w->forward, &budget, w->now_us, &messages);
  for (uint32_t i = 0; i < count; i++) {
    const tw_forward_message *m = &messages[i];
    uint32_t bytes = 0;
    volatile uint8_t sum = 0;
    TW_FUZZ_ASSERT(m->to.family == 4 && m->to.ip[3] < PLACES && w->given[m->to.ip[3]]);
    TW_FUZZ_ASSERT(m->part_count > 0 && m->part_count <= m->packets && m->packets <= TW_FORWARD_SEGMENTS_MAX);
    TW_FUZZ_ASSERT((m->segment != 0) == (m->packets > 1) && m->bytes <= m->packets * UINT64_C(65535));
    TW_FUZZ_ASSERT(m->segment == 0 || (m->bytes + m->segment - 1) / m->segment == m->packets);
    for (uint32_t p = 0; p < m->part_count; p++) {
      TW_FUZZ_ASSERT(m->parts[p].iov_len >= TW_FORWARD_PACKET_MIN);
      TW_FUZZ_ASSERT(p + 1 == m->part_count || (m->segment != 0 && m->parts[p].iov_len % m->segment == 0));
      for (size_t b = 0; b < m->parts[p].iov_len; b++)
        sum = (uint8_t)(sum + ((const uint8_t *)m->parts[p].iov_base)[b]);
      bytes += (uint32_t)m->parts[p].iov_len;
    }
    TW_FUZZ_ASSERT(bytes == m->bytes && bytes <= TW_FORWARD_MESSAGE_MAX);
    if (m->destination == m->client_number && m->from == m->client) look_at_answer(m);
    w->sent += m->packets;
  }
  if (how % 3 == 0) tw_forward_sent(w->forward, count / 2);
  if (how % 3 == 1) tw_forward_unsent(w->forward);
  if (how % 3 == 2) tw_forward_sent(w->forward, count);
}

static void step(world *w, tw_reader *r) {
  const uint8_t what = tw_read_u8(r), which = tw_read_u8(r);
  const uint32_t client = 1 + which % CLIENTS;
  const tw_forward_address only = place(which);
  uint32_t members[8];
  tw_forward_bound bound;
  tw_forward_challenge challenge;
  switch (what % 12) {
  case 0:
    TW_FUZZ_ASSERT(tw_forward_grant(w->forward, client, which > 200 ? &only : NULL, w->now_us, &w->sessions[client],
                                    w->tokens[client]) == TW_OK);
    break;
  case 1: tw_forward_unbind(w->forward, client); break;
  case 2: tw_forward_remove(w->forward, client); break;
  case 3:
    for (uint32_t i = 0; i < 8; i++) members[i] = 1 + (which >> i) % 5;
    TW_FUZZ_ASSERT(tw_forward_group_set(w->forward, GROUP + what % 2, members, which % 9) == TW_OK);
    break;
  case 4: tw_forward_group_remove(w->forward, GROUP + what % 2); break;
  case 5: w->now_us += (uint64_t)which << (what % 16); break;
  case 6:
  case 7: send(w, which); break;
  case 8:
    while (tw_forward_next_challenge(w->forward, &challenge)) {
      TW_FUZZ_ASSERT(w->given[challenge.to.ip[3]]);
      memcpy(w->tokens[client], challenge.datagram + TW_FORWARD_CHALLENGE - TW_FORWARD_TOKEN, TW_FORWARD_TOKEN);
    }
    while (tw_forward_next_bound(w->forward, &bound)) TW_FUZZ_ASSERT(w->given[bound.address.ip[3]]);
    break;
  default: take(w, r);
  }
}

/* Every packet is somewhere. */
static void check(const world *w) {
  tw_forward_totals totals;
  tw_forward_total(w->forward, &totals);
  uint64_t seen = totals.in.packets + totals.challenged + totals.bound + totals.keepalives;
  for (unsigned i = 0; i < TW_FORWARD_REASONS; i++)
    if (i != TW_FORWARD_GONE && i != TW_FORWARD_UNSENT && i != TW_FORWARD_PUSHED_OUT) seen += totals.dropped[i].packets;
  TW_FUZZ_ASSERT(seen == w->received);
  TW_FUZZ_ASSERT(totals.out.packets <= w->sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  world w = {0};
  uint32_t slots[SLOTS];
  tw_reader r = tw_reader_of(TW_BYTES(data, size));
  const uint8_t options = tw_read_u8(&r);
  tw_fuzz_restart();
  TW_FUZZ_ASSERT(tw_forward_new(tw_fuzz_env(),
                                &(tw_forward_options){.slots = SLOTS,
                                                      .messages = 1 + options % 8U,
                                                      .runs = options & 8 ? 24 : 0,
                                                      .rate = options & 16 ? 20000 : 0,
                                                      .quantum = options & 32 ? 1500 : 0,
                                                      .no_challenge = (options & 64) == 0},
                                &w.forward) == TW_OK);
  while (tw_reader_more(&r)) step(&w, &r);
  check(&w);
  for (unsigned i = 0; tw_forward_waiting(w.forward); i++) {
    TW_FUZZ_ASSERT(i < 100000);
    send(&w, 254); /* 254 % 3 == 2 */
  }
  TW_FUZZ_ASSERT(tw_forward_free_slots(w.forward, slots, SLOTS) == SLOTS);
  check(&w);
  tw_forward_free(w.forward);
  for (unsigned i = 0; i < SLOTS; i++) free(w.datagrams[i]);
  return 0;
}

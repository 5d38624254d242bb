/* A packet relay with receive slots, clients that have addresses, and what it sends. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_RELAY_FORWARD_KIT_H
#define TW_TESTS_RELAY_FORWARD_KIT_H

#include "tw_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "codec/writer.h"
#include "relay/forward.h"
#include "tw_test_env.h"

enum {
  KIT_SLOTS = 64,
  KIT_SLOTS_MAX = 128,
  KIT_SLOT_SIZE = 65536,
  KIT_CLIENTS = 300,
  KIT_DELIVERIES = 8192,
  KIT_SECOND = 1000000
};
#define KIT_GROUP (TW_FORWARD_GROUP_BIT | 7)

typedef struct kit_client {
  uint64_t session;
  uint8_t token[TW_FORWARD_TOKEN];
  tw_forward_address address;
} kit_client;

/* A datagram that was sent; the head of its packet says which one it is. */
typedef struct kit_delivery {
  tw_forward_address to;
  uint32_t len;
  uint64_t tag;
  uint8_t tos;
} kit_delivery;

/* The answer to a keepalive. */
typedef struct kit_echo {
  tw_forward_address to;
  uint64_t session;
} kit_echo;

typedef struct kit {
  tw_test_env test;
  tw_forward *forward;
  uint64_t now_us;
  uint32_t slots;
  uint8_t tos; /* of what comes in */
  uint8_t (*memory)[KIT_SLOT_SIZE];
  kit_client clients[KIT_CLIENTS]; /* by number */
  kit_delivery deliveries[KIT_DELIVERIES];
  uint32_t delivered;
  kit_echo echoes[KIT_DELIVERIES];
  uint32_t echoed;
  uint32_t messages;
} kit;

static inline tw_forward_address kit_address(uint32_t n) {
  return (tw_forward_address){
      .ip = {10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}, .port = (uint16_t)(1000 + n), .family = 4};
}

static inline bool kit_same_address(const tw_forward_address *a, const tw_forward_address *b) {
  return a->family == b->family && a->port == b->port && a->socket == b->socket && a->scope == b->scope &&
         memcmp(a->ip, b->ip, sizeof a->ip) == 0 && memcmp(a->local, b->local, sizeof a->local) == 0;
}

/* With KIT_SLOTS slots unless the options have another number. */
static inline kit *kit_open_with(tw_forward_options chosen) {
  kit *k = calloc(1, sizeof *k);
  assert_non_null(k);
  k->slots = chosen.slots = chosen.slots != 0 ? chosen.slots : KIT_SLOTS;
  assert_true(k->slots <= KIT_SLOTS_MAX);
  tw_test_env_init(&k->test, 1);
  k->memory = malloc((size_t)k->slots * KIT_SLOT_SIZE);
  assert_non_null(k->memory);
  k->now_us = 77 * (uint64_t)KIT_SECOND;
  assert_int_equal(tw_forward_new(&k->test.env, &chosen, &k->forward), TW_OK);
  for (uint32_t n = 0; n < KIT_CLIENTS; n++) k->clients[n].address = kit_address(n);
  return k;
}

/* Tokens bind at once: what is not about challenges goes without them. */
static inline kit *kit_open(const tw_forward_options *options) {
  tw_forward_options chosen = options != NULL ? *options : (tw_forward_options){0};
  chosen.no_challenge = true;
  return kit_open_with(chosen);
}

static inline void kit_close(kit *k) {
  tw_forward_free(k->forward);
  tw_test_env_clear(&k->test);
  free(k->memory);
  free(k);
}

/* ---- what comes in ---- */

/* Into a slot; `segment` 0: one datagram. */
static inline void kit_take(kit *k, tw_forward_address source, tw_bytes datagram, uint32_t segment) {
  uint32_t slot;
  assert_int_equal(tw_forward_free_slots(k->forward, &slot, 1), 1);
  assert_true(datagram.len <= KIT_SLOT_SIZE);
  if (datagram.len > 0) memcpy(k->memory[slot], datagram.ptr, datagram.len);
  const tw_forward_datagram taken = {k->memory[slot], datagram.len, segment, k->tos};
  assert_int_equal(tw_forward_take(k->forward, slot, &taken, &source, k->now_us), TW_OK);
}

/* Header and packet of `len` bytes that begins with `tag`; returns the size of both. */
static inline size_t kit_put(uint8_t *out, uint64_t session, uint32_t destination, uint64_t tag, size_t len) {
  memset(out + TW_FORWARD_HEADER, (int)(tag & 0xff), len);
  tw_put_u64(out, session);
  tw_put_u32(out + 8, destination);
  if (len >= 8) tw_put_u64(out + TW_FORWARD_HEADER, tag);
  return TW_FORWARD_HEADER + len;
}

static inline void kit_send_from(kit *k, tw_forward_address source, uint64_t session, uint32_t destination,
                                 uint64_t tag, size_t len) {
  static uint8_t datagram[KIT_SLOT_SIZE];
  kit_take(k, source, TW_BYTES(datagram, kit_put(datagram, session, destination, tag, len)), 0);
}

static inline void kit_send(kit *k, uint32_t from, uint32_t destination, uint64_t tag, size_t len) {
  kit_send_from(k, k->clients[from].address, k->clients[from].session, destination, tag, len);
}

/* `count` packets in one datagram, tags rising by 1. */
static inline void kit_send_many(kit *k, uint32_t from, uint32_t destination, uint64_t tag, size_t len, size_t count) {
  static uint8_t datagram[KIT_SLOT_SIZE];
  size_t size = 0;
  for (size_t i = 0; i < count; i++)
    size += kit_put(datagram + size, k->clients[from].session, destination, tag + i, len);
  kit_take(k, k->clients[from].address, TW_BYTES(datagram, size), (uint32_t)(TW_FORWARD_HEADER + len));
}

static inline void kit_send_token(kit *k, uint64_t session, const uint8_t *token, tw_forward_address source) {
  uint8_t datagram[TW_FORWARD_HEADER + TW_FORWARD_TOKEN];
  tw_put_u64(datagram, session);
  tw_put_u32(datagram + 8, 0);
  memcpy(datagram + TW_FORWARD_HEADER, token, TW_FORWARD_TOKEN);
  kit_take(k, source, TW_ARRAY(datagram), 0);
}

static inline void kit_grant(kit *k, uint32_t client) {
  assert_int_equal(
      tw_forward_grant(k->forward, client, NULL, k->now_us, &k->clients[client].session, k->clients[client].token),
      TW_OK);
}

static inline void kit_bind(kit *k, uint32_t client) {
  tw_forward_bound bound;
  kit_grant(k, client);
  kit_send_token(k, k->clients[client].session, k->clients[client].token, k->clients[client].address);
  assert_true(tw_forward_next_bound(k->forward, &bound));
  assert_int_equal(bound.client, client);
  assert_true(bound.session == k->clients[client].session);
  assert_true(kit_same_address(&bound.address, &k->clients[client].address));
  assert_false(tw_forward_next_bound(k->forward, &bound));
}

static inline void kit_bind_all(kit *k, uint32_t last) {
  for (uint32_t n = 1; n <= last; n++) kit_bind(k, n);
}

static inline void kit_set_group(kit *k, uint32_t last) {
  uint32_t members[KIT_CLIENTS];
  for (uint32_t n = 1; n <= last; n++) members[n - 1] = n;
  assert_int_equal(tw_forward_group_set(k->forward, KIT_GROUP, members, last), TW_OK);
}

/* ---- what goes out ---- */

static inline uint64_t kit_u64(const uint8_t *at) {
  uint64_t value = 0;
  for (unsigned i = 0; i < 8; i++) value = value << 8 | at[i];
  return value;
}

/* Packets as kit_put makes them end otherwise than a session. */
static inline bool kit_note_echo(kit *k, const tw_forward_message *message, const uint8_t *at, size_t len) {
  const uint8_t last[4] = {at[7], at[7], at[7], at[7]};
  if (len != TW_FORWARD_ECHO || kit_u64(at) >> 32 != 0 || memcmp(at + 8, last, 4) == 0) return false;
  assert_true(k->echoed < KIT_DELIVERIES);
  k->echoes[k->echoed++] = (kit_echo){message->to, kit_u64(at + 4)};
  assert_int_equal(message->tos, 0);
  return true;
}

static inline void kit_note(kit *k, const tw_forward_message *message) {
  size_t bytes = 0;
  size_t in_parts = 0;
  assert_in_range(message->packets, 1, TW_FORWARD_SEGMENTS_MAX);
  assert_in_range(message->part_count, 1, message->packets);
  assert_true((message->segment != 0) == (message->packets > 1));
  for (uint32_t i = 0; i < message->part_count; i++) {
    in_parts += message->parts[i].iov_len;
    if (i + 1 < message->part_count) assert_int_equal(message->parts[i].iov_len % message->segment, 0);
  }
  for (uint32_t i = 0; i < message->packets; i++) {
    const struct iovec packet = tw_forward_packet(message, i);
    const uint8_t *at = packet.iov_base;
    if (message->segment != 0 && i + 1 < message->packets) assert_int_equal(packet.iov_len, message->segment);
    assert_true(packet.iov_len >= TW_FORWARD_PACKET_MIN);
    bytes += packet.iov_len;
    if (kit_note_echo(k, message, at, packet.iov_len)) continue;
    const uint64_t tag = kit_u64(at);
    for (size_t j = 8; j < packet.iov_len; j++) assert_int_equal(at[j], tag & 0xff); /* as kit_put made it */
    assert_true(k->delivered < KIT_DELIVERIES);
    k->deliveries[k->delivered++] = (kit_delivery){message->to, (uint32_t)packet.iov_len, tag, message->tos};
  }
  assert_int_equal(bytes, message->bytes);
  assert_int_equal(bytes, in_parts);
  assert_true(bytes <= TW_FORWARD_MESSAGE_MAX);
  k->messages++;
}

/* Sends until the budget is spent or nothing is left; what was sent is in k->deliveries. */
static inline void kit_flush(kit *k, int64_t budget) {
  k->delivered = k->echoed = k->messages = 0;
  while (budget > 0 && tw_forward_waiting(k->forward)) {
    tw_forward_message *messages;
    const uint32_t count = tw_forward_batch(k->forward, &budget, k->now_us, &messages);
    for (uint32_t i = 0; i < count; i++) kit_note(k, &messages[i]);
    tw_forward_sent(k->forward, count);
  }
}

static inline void kit_flush_all(kit *k) {
  kit_flush(k, INT64_MAX);
  assert_false(tw_forward_waiting(k->forward));
  /* Every slot is free again. */
  uint32_t slots[KIT_SLOTS_MAX];
  bool seen[KIT_SLOTS_MAX] = {false};
  assert_int_equal(tw_forward_free_slots(k->forward, slots, KIT_SLOTS_MAX), k->slots);
  for (uint32_t i = 0; i < k->slots; i++) {
    assert_false(seen[slots[i]]);
    seen[slots[i]] = true;
  }
}

/* Whether exactly one packet with this tag went to this client's address. */
static inline bool kit_got(const kit *k, uint32_t client, uint64_t tag) {
  unsigned found = 0;
  for (uint32_t i = 0; i < k->delivered; i++)
    found += k->deliveries[i].tag == tag && kit_same_address(&k->deliveries[i].to, &k->clients[client].address);
  assert_true(found <= 1);
  return found == 1;
}

/* How many answers to this client's keepalives went to its address. */
static inline uint32_t kit_echoes(const kit *k, uint32_t client) {
  uint32_t found = 0;
  for (uint32_t i = 0; i < k->echoed; i++)
    found += k->echoes[i].session == k->clients[client].session &&
             kit_same_address(&k->echoes[i].to, &k->clients[client].address);
  return found;
}

static inline uint64_t kit_dropped(const kit *k, tw_forward_reason reason) {
  tw_forward_totals totals;
  tw_forward_total(k->forward, &totals);
  return totals.dropped[reason].packets;
}

static inline tw_forward_totals kit_totals(const kit *k) {
  tw_forward_totals totals;
  tw_forward_total(k->forward, &totals);
  return totals;
}

static inline tw_forward_client_stats kit_stats(const kit *k, uint32_t client) {
  tw_forward_client_stats stats = {0};
  assert_true(tw_forward_client(k->forward, client, k->now_us, &stats));
  return stats;
}

#endif

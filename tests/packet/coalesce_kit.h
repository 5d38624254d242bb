/* A batch whose packets lie in slots, and checks of what comes out. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_COALESCE_KIT_H
#define TW_TESTS_COALESCE_KIT_H

#include "tw_cmocka.h"

#include <string.h>

#include "packet/coalesce.h"
#include "packet_kit.h"

enum { BOTH = TW_COALESCE_TCP | TW_COALESCE_UDP, SLOT = 2048 };

static tw_coalesce batch;
static tw_bytes pieces[TW_COALESCE_PIECES];
static uint8_t slots[TW_COALESCE_BATCH][SLOT]; /* where packets lie */
static size_t lens[TW_COALESCE_BATCH];         /* as they came */
static uint8_t originals[TW_COALESCE_BATCH][SLOT];
static size_t used;
static uint8_t joined[PACKET_ROOM];
static uint8_t expected[PACKET_ROOM];

static inline void begin(unsigned what) {
  used = 0;
  tw_coalesce_begin(&batch, what);
}

/* tw_coalesce_add or tw_coalesce_add_ack */
typedef tw_err (*add_by)(tw_coalesce *batch, uint8_t *packet, const tw_ip *ip);

static inline tw_err add_slot_by(add_by by) {
  tw_ip ip;
  uint8_t *slot = slots[used];
  assert_int_equal(tw_ip_parse(TW_BYTES(slot, SLOT), &ip), TW_OK);
  lens[used] = ip.len;
  memcpy(originals[used], slot, ip.len);
  used++;
  return by(&batch, slot, &ip);
}

static inline tw_err add_slot(void) { return add_slot_by(tw_coalesce_add); }

static inline void add(const packet_spec *spec) {
  (void)packet_write(spec, slots[used]);
  assert_int_equal(add_slot(), TW_OK);
}

static inline size_t take(size_t index, tw_offload *offload) {
  const size_t count = tw_coalesce_take(&batch, index, offload, pieces);
  size_t len = 0;
  assert_in_range(count, 1, TW_COALESCE_PIECES);
  for (size_t i = 0; i < count; i++) {
    assert_true(len + pieces[i].len <= sizeof joined);
    memcpy(joined + len, pieces[i].ptr, pieces[i].len);
    len += pieces[i].len;
  }
  return len;
}

/* What came out is the packet that `super` describes, its checksum left open, in pieces of `size`. */
static inline void check_super(size_t index, const packet_spec *super, size_t size) {
  tw_offload offload;
  const size_t len = take(index, &offload);
  assert_int_equal(len, packet_write(super, expected));
  packet_leave_checksum(super, expected);
  assert_memory_equal(joined, expected, len);
  assert_int_equal(offload.flags, TW_OFFLOAD_NEEDS_CSUM);
  unsigned type = super->version == 4 ? TW_OFFLOAD_TCP4 : TW_OFFLOAD_TCP6;
  if ((super->flags & 0x80) != 0) type |= TW_OFFLOAD_ECN;
  assert_int_equal(offload.gso_type, super->protocol == PACKET_UDP ? TW_OFFLOAD_UDP : type);
  assert_int_equal(offload.gso_size, size);
  assert_int_equal(offload.hdr_len, packet_headers(super));
  assert_int_equal(offload.csum_start, packet_transport(super));
  assert_int_equal(offload.csum_start + offload.csum_offset, packet_checksum_at(super));
}

/* It came out alone, not a bit changed. */
static inline void check_alone(size_t index, size_t slot) {
  static const tw_offload none = {0};
  tw_offload offload;
  assert_int_equal(take(index, &offload), lens[slot]);
  assert_memory_equal(&offload, &none, sizeof none);
  assert_memory_equal(joined, originals[slot], lens[slot]);
}

#endif

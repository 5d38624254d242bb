/* Batches of packets of a few flows, damaged here and there, and of raw bytes. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "../tests/support/packet_kit.h"
#include "fuzz_env.h"
#include "fuzz_party.h"
#include "packet/ack.h"
#include "packet/checksum.h"
#include "packet/coalesce.h"
#include "packet/split.h"

enum { FLOWS = 4, PACKETS = 64, ROOM = 512 };

static tw_coalesce batch;
static tw_bytes pieces[TW_COALESCE_PIECES];
static uint8_t slots[PACKETS][ROOM];
static uint8_t originals[PACKETS][ROOM];
static size_t lens[PACKETS];
static bool is_out[PACKETS];
static bool may_give_way[PACKETS];
static uint8_t joined[TW_COALESCE_LEN_MAX];
static uint8_t segment[ROOM];
static size_t used;

/*
 * struct { uint8 what; select (what & 3) { 3: opaque packet<0..2^8-1>; default: uint8 payload, flags; } }, with (what &
 * 2) edits of it; (what >> 2) % 4 is the flow, and with (what & 16) checksums are right in spite of the edits; with
 * (what & 32) more is acknowledged from here on, and with (what & 64) it is added by tw_coalesce_add_ack.
 */
static void read_packet(tw_reader *r, packet_spec *flows) {
  const uint8_t what = tw_read_u8(r);
  uint8_t *slot = slots[used];
  size_t len;
  if ((what & 3) == 3) {
    const tw_bytes raw = tw_fuzz_chunk(r);
    len = raw.len < ROOM ? raw.len : ROOM;
    if (len > 0) memcpy(slot, raw.ptr, len);
  } else {
    packet_spec *spec = &flows[(what >> 2) % FLOWS];
    if ((what & 32) != 0) spec->acknowledgment += 0x20000000;
    spec->payload = tw_read_u8(r);
    spec->flags = 0x10 ^ tw_read_u8(r);
    len = packet_write(spec, slot);
    if ((what & 2) != 0) (void)tw_fuzz_edit(r, slot, len);
    if ((what & 16) != 0) packet_make_checksums(spec, slot); /* of the changed bytes */
    spec->sequence += (uint32_t)spec->payload;
    spec->at += spec->payload;
    spec->id++;
  }
  tw_ip ip;
  if (tw_ip_parse(TW_BYTES(slot, len), &ip) != TW_OK) return;
  lens[used] = ip.len;
  is_out[used] = false;
  memcpy(originals[used], slot, ip.len);
  may_give_way[used] = (what & 64) != 0;
  const tw_err err = may_give_way[used] ? tw_coalesce_add_ack(&batch, slot, &ip) : tw_coalesce_add(&batch, slot, &ip);
  TW_FUZZ_ASSERT(err == TW_OK);
  used++;
}

static size_t slot_of(const uint8_t *ptr) {
  const size_t slot = (size_t)(ptr - slots[0]) / ROOM;
  TW_FUZZ_ASSERT(slot < used && !is_out[slot]);
  is_out[slot] = true;
  return slot;
}

/* What the kernel would hand on again. But for 0 as 0xffff, and identifications that DF makes meaningless. */
static void check_segment(const uint8_t *original, size_t len) {
  tw_ip ip;
  TW_FUZZ_ASSERT(tw_ip_parse(TW_BYTES(segment, len), &ip) == TW_OK && tw_ip_header_is_intact(segment, &ip));
  const uint32_t rest = ip.len - ip.transport;
  const uint64_t pseudo = tw_sum_pseudo(ip.source, ip.destination, ip.protocol, rest);
  TW_FUZZ_ASSERT(tw_checksum(pseudo + tw_sum(segment + ip.transport, rest)) == 0);
  const size_t checksum = ip.transport + (ip.protocol == TW_IP_TCP ? 16u : 6u);
  memcpy(segment + checksum, original + checksum, 2);
  if (ip.version == 4) {
    memcpy(segment + 10, original + 10, 2);
    if ((original[6] & 0x40) != 0) memcpy(segment + 4, original + 4, 2);
  }
  TW_FUZZ_ASSERT(memcmp(segment, original, len) == 0);
}

static void check_out(size_t index) {
  tw_offload offload;
  const size_t count = tw_coalesce_take(&batch, index, &offload, pieces);
  TW_FUZZ_ASSERT(count >= 1 && count <= TW_COALESCE_PIECES);
  size_t from[TW_COALESCE_PIECES];
  size_t len = 0;
  for (size_t n = 0; n < count; n++) {
    from[n] = slot_of(pieces[n].ptr);
    TW_FUZZ_ASSERT(n == 0 || from[n] > from[n - 1]);
    TW_FUZZ_ASSERT(len + pieces[n].len <= sizeof joined);
    memcpy(joined + len, pieces[n].ptr, pieces[n].len);
    len += pieces[n].len;
  }
  if (count == 1) {
    TW_FUZZ_ASSERT(offload.flags == 0 && offload.gso_type == 0 && len == lens[from[0]]);
    TW_FUZZ_ASSERT(memcmp(joined, originals[from[0]], len) == 0);
    return;
  }
  tw_ip ip;
  tw_split split;
  TW_FUZZ_ASSERT(tw_ip_parse(TW_BYTES(joined, len), &ip) == TW_OK && ip.len == len);
  TW_FUZZ_ASSERT(tw_split_begin(&split, joined, &ip, &offload) == TW_OK && split.count == count);
  for (size_t n = 0; n < count; n++) {
    TW_FUZZ_ASSERT(tw_split_next(&split, segment) == lens[from[n]]);
    check_segment(originals[from[n]], lens[from[n]]);
  }
}

/* The slot's packet did not come out: the next one of its flow says all that it says, from the same hosts. */
static bool gave_way(size_t slot) {
  tw_ip gone, next;
  if (!may_give_way[slot] || tw_ip_parse(TW_BYTES(slots[slot], lens[slot]), &gone) != TW_OK) return false;
  for (size_t i = slot + 1; i < used; i++) {
    if (!may_give_way[i] || lens[i] != lens[slot]) continue;
    if (tw_ip_parse(TW_BYTES(slots[i], lens[i]), &next) != TW_OK || next.version != gone.version ||
        next.protocol != gone.protocol)
      continue;
    if (!tw_bytes_equal(gone.source, next.source) || !tw_bytes_equal(gone.destination, next.destination)) continue;
    if (memcmp(slots[slot] + gone.transport, slots[i] + next.transport, 4) != 0) continue;
    return tw_ack_is_plain(slots[slot], &gone) && tw_ack_is_plain(slots[i], &next) &&
           tw_ack_says_all(slots[slot] + gone.transport, slots[i] + next.transport);
  }
  return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  packet_spec flows[FLOWS];
  for (unsigned i = 0; i < FLOWS; i++) {
    flows[i] = packet_plain(i % 2 == 0 ? 4 : 6, i < 2 ? PACKET_TCP : PACKET_UDP, 0);
    flows[i].tcp_options = i == 0 ? 4 : 0;
    flows[i].tcp_option = 1;
    flows[i].may_fragment = i % 3 == 0;
  }
  tw_reader r = tw_reader_of(TW_BYTES(data, size));
  used = 0;
  tw_coalesce_begin(&batch, tw_read_u8(&r));
  while (used < PACKETS && tw_reader_more(&r)) read_packet(&r, flows);
  for (size_t i = 0; i < batch.count; i++) check_out(i);
  for (size_t i = 0; i < used; i++) TW_FUZZ_ASSERT(is_out[i] || gave_way(i));
  return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  if (tw_fuzz_seed_folder() == NULL) return 0;
  static const uint8_t flows[] = {3,  0, 100, 0,  0, 100, 0,  4, 50, 0,  0, 100, 0, 4,
                                  50, 8, 8,   60, 0, 8,   60, 0, 12, 10, 0, 12,  9, 0};
  static const uint8_t odd[] = {3, 0,  100, 0x80, 0, 100,  0, 2, 100, 0, 1, 45, 1,
                                0, 30, 0,   3,    4, 0x45, 0, 0, 4,   0, 0, 0};
  static const uint8_t acks[] = {3, 68, 0, 0, 100, 0, 0, 100, 0, 0, 4, 50, 0, 100, 0, 0, 100, 0, 0, 68, 0, 0};
  tw_fuzz_write_seed("flows", TW_ARRAY(flows));
  tw_fuzz_write_seed("acks", TW_ARRAY(acks));
  tw_fuzz_write_seed("odd", TW_ARRAY(odd));
  tw_fuzz_seeds_done();
  return 0;
}

/* A packet and its offload, as a TUN device would give them: split, finished, lowered, too big. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "../tests/support/packet_kit.h"
#include "fuzz_env.h"
#include "packet/checksum.h"
#include "packet/split.h"
#include "packet/too_big.h"

enum { SEGMENTS_LOOKED_AT = 300 };

static uint8_t slot[TW_IP_PACKET_MAX];
static uint8_t error[TW_TOO_BIG_ROOM];

static bool is_intact(const uint8_t *packet, const tw_ip *ip) {
  const uint32_t len = ip->len - ip->transport;
  const uint64_t pseudo = tw_sum_pseudo(ip->source, ip->destination, ip->protocol, len);
  return tw_checksum(pseudo + tw_sum(packet + ip->transport, len)) == 0;
}

static void check_segments(const uint8_t *packet, const tw_ip *ip, const tw_offload *offload) {
  tw_split split;
  if (tw_split_begin(&split, packet, ip, offload) != TW_OK) return;
  TW_FUZZ_ASSERT(split.count >= 1 && split.largest <= ip->len);
  const bool whole = offload->gso_type == TW_OFFLOAD_NONE;
  for (uint32_t n = 0; n < split.count && n < SEGMENTS_LOOKED_AT; n++) {
    tw_ip segment;
    const size_t len = tw_split_next(&split, slot);
    TW_FUZZ_ASSERT(len > 0 && len <= split.largest);
    if (whole) continue; /* NEEDS_CSUM may put its checksum where it likes */
    TW_FUZZ_ASSERT(tw_ip_parse(TW_BYTES(slot, len), &segment) == TW_OK);
    TW_FUZZ_ASSERT(segment.len == len && segment.transport == ip->transport && segment.protocol == ip->protocol);
    TW_FUZZ_ASSERT(tw_ip_header_is_intact(slot, &segment));
    const bool none = segment.protocol == TW_IP_UDP && slot[segment.transport + 6] == 0 &&
                      slot[segment.transport + 7] == 0;
    if ((offload->flags & TW_OFFLOAD_NEEDS_CSUM) == 0) TW_FUZZ_ASSERT(none || is_intact(slot, &segment));
  }
  if (split.count <= SEGMENTS_LOOKED_AT) TW_FUZZ_ASSERT(tw_split_next(&split, slot) == 0);
}

static void check_error(const uint8_t *packet, const tw_ip *ip) {
  tw_ip made;
  size_t len;
  if (tw_too_big_make(packet, ip, 1280, TW_NO_BYTES, error, &len) != TW_OK) return;
  TW_FUZZ_ASSERT(len <= sizeof error);
  TW_FUZZ_ASSERT(tw_ip_parse(TW_BYTES(error, len), &made) == TW_OK && made.len == len && !made.options);
}

/* A right checksum stays right, a wrong one wrong. */
static void check_lowered(uint8_t *packet, const tw_ip *ip) {
  if (ip->protocol != TW_IP_TCP || ip->part == TW_IP_LATER_FRAGMENT) return;
  const bool before = is_intact(packet, ip);
  const bool lowered = tw_mss_lower(packet, ip, 1000);
  TW_FUZZ_ASSERT(is_intact(packet, ip) == before);
  if (lowered) TW_FUZZ_ASSERT(!tw_mss_lower(packet, ip, 1000));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < TW_OFFLOAD_SIZE) return 0;
  const tw_offload offload = tw_offload_get(data);
  const size_t len = size - TW_OFFLOAD_SIZE;
  uint8_t *packet = malloc(len + 1); /* ends with the packet, so that reading on shows */
  if (packet == NULL) return 0;
  memcpy(packet + 1, data + TW_OFFLOAD_SIZE, len);
  tw_ip ip;
  if (tw_ip_parse(TW_BYTES(packet + 1, len), &ip) == TW_OK) {
    TW_FUZZ_ASSERT(ip.len <= len && ip.transport <= ip.len);
    check_segments(packet + 1, &ip, &offload);
    check_error(packet + 1, &ip);
    check_lowered(packet + 1, &ip);
    tw_ip_set_dscp(packet + 1, &ip, data[0]);
    (void)!tw_ip_decapsulate_ecn(packet + 1, &ip, (tw_ecn)(data[1] & 3));
    const tw_err err = tw_offload_finish(packet + 1, ip.len, &offload);
    TW_FUZZ_ASSERT(err == TW_OK || err == TW_ERR_ENCODING);
  }
  free(packet);
  return 0;
}

static void write_seed(const char *name, const packet_spec *spec, uint8_t type, uint16_t size) {
  static uint8_t seed[TW_OFFLOAD_SIZE + PACKET_ROOM];
  const tw_offload offload = {
      type == 0 ? 0 : TW_OFFLOAD_NEEDS_CSUM, type,
      (uint16_t)packet_headers(spec),        size,
      (uint16_t)packet_transport(spec),      (uint16_t)(packet_checksum_at(spec) - packet_transport(spec))};
  const size_t len = packet_write(spec, seed + TW_OFFLOAD_SIZE);
  tw_offload_put(&offload, seed);
  if (type != 0) packet_leave_checksum(spec, seed + TW_OFFLOAD_SIZE);
  tw_fuzz_write_seed(name, TW_BYTES(seed, TW_OFFLOAD_SIZE + len));
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  if (tw_fuzz_seed_folder() == NULL) return 0;
  packet_spec spec = packet_plain(4, PACKET_TCP, 50);
  spec.tcp_options = 12;
  spec.tcp_option = 1;
  spec.flags = 0x99;
  write_seed("tcp4", &spec, TW_OFFLOAD_TCP4 | TW_OFFLOAD_ECN, 20);
  spec.version = 6;
  spec.ip_options = 8;
  write_seed("tcp6", &spec, TW_OFFLOAD_TCP6, 20);
  spec = packet_plain(6, PACKET_UDP, 50);
  write_seed("udp6", &spec, TW_OFFLOAD_UDP, 20);
  spec.version = 4;
  write_seed("udp4", &spec, TW_OFFLOAD_UDP, 20);
  spec = packet_plain(4, PACKET_TCP, 0);
  spec.flags = 2;
  spec.tcp_options = 4;
  spec.tcp_option = 4; /* the kind, the length, and 1,028 */
  write_seed("syn", &spec, TW_OFFLOAD_NONE, 0);
  tw_fuzz_seeds_done();
  return 0;
}

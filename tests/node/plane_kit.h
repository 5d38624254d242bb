/* Packet paths of nodes against each other: the wire, the devices, and packets by hand. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_PLANE_KIT_H
#define TW_TESTS_PLANE_KIT_H

#include "plane_world.h"

/* ---- the wire ---- */

static inline void kit_send_raw(const tw_udp *from, const tw_udp_address *to, const uint8_t *bytes, size_t len) {
  assert_int_equal(sendto(from->fd, bytes, len, 0, &to->any, tw_udp_address_len(to)), (ssize_t)len);
}

static inline void kit_relay_to(uint32_t node, const uint8_t *packet, size_t len) {
  kit_send_raw(&world.relay, &world.nodes[node].address, packet, len);
  world.relayed++;
  world.relayed_len = len;
}

static inline void kit_relay_one(const tw_udp_address *from, const uint8_t *datagram, size_t len) {
  if (world.relay_loses_all || len <= 12) return;
  tw_reader r = tw_reader_of(TW_BYTES(datagram, 12));
  const uint64_t session = tw_read_u64(&r);
  const uint32_t destination = tw_read_u32(&r);
  const uint32_t sender = (uint32_t)(session - KIT_SESSION(0));
  assert_true(sender < NODES);
  assert_true(tw_udp_address_equal(from, &world.nodes[sender].address));
  for (uint32_t i = 0; i < NODES; i++) {
    if (destination == i + 1 || (destination == (KIT_GROUP | 0x80000000u) && i != sender))
      kit_relay_to(i, datagram + 12, len - 12);
  }
}

static inline bool kit_run_relay(void) {
  assert_int_equal(tw_udp_receive(&world.relay, &world.relay_intake), TW_OK);
  for (size_t i = 0; i < world.relay_intake.count; i++) {
    const tw_udp_slot *slot = &world.relay_intake.slots[i];
    for (size_t k = 0; k < slot->datagrams; k++) {
      size_t len;
      const uint8_t *datagram = tw_udp_datagram(slot, k, &len);
      kit_relay_one(&slot->peer, datagram, len);
    }
  }
  return world.relay_intake.count > 0;
}

/* Until nothing happens any more. */
static inline void kit_run(void) {
  for (int quiet = 0; quiet < 2;) {
    struct pollfd fds[2 * NODES + 1];
    for (uint32_t i = 0; i < NODES; i++) {
      const bool blocked = tw_plane_is_blocked(world.nodes[i].plane);
      fds[2 * i] = (struct pollfd){.fd = blocked ? -1 : world.nodes[i].tun.queues[0], .events = POLLIN};
      const short writable = blocked && world.sends_left > 0 ? POLLOUT : 0;
      fds[2 * i + 1] = (struct pollfd){.fd = world.nodes[i].udp.fd, .events = (short)(POLLIN | writable)};
    }
    fds[2 * NODES] = (struct pollfd){.fd = world.relay.fd, .events = POLLIN};
    quiet = poll(fds, 2 * NODES + 1, 1) > 0 ? 0 : quiet + 1;
    for (uint32_t i = 0; i < NODES; i++) {
      const short udp = fds[2 * i + 1].revents;
      if (fds[2 * i].revents != 0 || (udp & POLLOUT) != 0)
        assert_int_equal(tw_plane_from_tun(world.nodes[i].plane, world.now), TW_OK);
      if ((udp & POLLIN) != 0) assert_int_equal(tw_plane_from_udp(world.nodes[i].plane, world.now), TW_OK);
    }
    (void)kit_run_relay();
  }
}

static inline void kit_tick(uint64_t ms) {
  world.now += ms;
  for (uint32_t i = 0; i < NODES; i++) {
    tw_sas_tick(world.nodes[i].sas, world.now);
    tw_plane_tick(world.nodes[i].plane, world.now);
  }
  kit_run();
}

/* ---- devices ---- */

static inline void kit_put_raw(uint32_t node, const tw_offload *header, const uint8_t *packet, size_t len) {
  const struct iovec parts[2] = {{(void *)(uintptr_t)header, sizeof *header}, {(void *)(uintptr_t)packet, len}};
  assert_int_equal(writev(world.nodes[node].device, parts, 2), (ssize_t)(sizeof *header + len));
}

/* A packet as it is on a wire. */
static inline void kit_put(uint32_t node, const packet_spec *spec) {
  const tw_offload header = {0};
  const size_t len = packet_write(spec, world.scratch);
  kit_put_raw(node, &header, world.scratch, len);
}

/* A large one that is to be split. */
static inline void kit_put_large(uint32_t node, const packet_spec *spec, uint16_t segment) {
  const size_t len = packet_write(spec, world.scratch);
  packet_leave_checksum(spec, world.scratch);
  const bool tcp = spec->protocol == PACKET_TCP;
  const tw_offload header = {.flags = TW_OFFLOAD_NEEDS_CSUM,
                             .gso_type = !tcp                 ? TW_OFFLOAD_UDP
                                         : spec->version == 4 ? TW_OFFLOAD_TCP4
                                                              : TW_OFFLOAD_TCP6,
                             .hdr_len = (uint16_t)packet_headers(spec),
                             .gso_size = segment,
                             .csum_start = (uint16_t)packet_transport(spec),
                             .csum_offset = (uint16_t)(packet_checksum_at(spec) - packet_transport(spec))};
  kit_put_raw(node, &header, world.scratch, len);
}

/* What the device was given; false: nothing. */
static inline bool kit_got(uint32_t node, kit_packet *packet) {
  struct iovec parts[2] = {{&packet->header, sizeof packet->header}, {packet->bytes, sizeof packet->bytes}};
  const ssize_t got = readv(world.nodes[node].device, parts, 2);
  if (got < 0) return false;
  assert_true((size_t)got >= sizeof packet->header);
  packet->len = (size_t)got - sizeof packet->header;
  return true;
}

static inline void kit_got_none(uint32_t node) {
  static kit_packet packet;
  assert_false(kit_got(node, &packet));
}

/* The very packet, complete. */
static inline void kit_got_this(uint32_t node, const packet_spec *spec) {
  static kit_packet packet;
  static const tw_offload complete;
  if (!kit_got(node, &packet)) fail_msg("node %u was given nothing", node);
  const size_t len = packet_write(spec, world.scratch);
  assert_memory_equal(&packet.header, &complete, sizeof complete);
  assert_int_equal(packet.len, len);
  assert_memory_equal(packet.bytes, world.scratch, len);
}

/* A packet of `from`'s for `to`. */
static inline packet_spec kit_packet_of(uint32_t from, uint32_t to, unsigned version, unsigned protocol,
                                        size_t payload) {
  packet_spec spec = packet_plain(version, protocol, payload);
  spec.from = (uint8_t)(from + 1);
  spec.to = (uint8_t)(to + 1);
  return spec;
}

/* ---- ESP by hand ---- */

/* Seals `inner` as `from` would for `to` under the pair's keys, with a number of its own. */
static inline size_t kit_seal(uint32_t from, uint32_t owner, uint8_t next_header, const uint8_t *inner, size_t len,
                              uint8_t *packet) {
  tw_esp_out *sa = tw_sas_out(world.nodes[from].sas, owner);
  assert_non_null(sa);
  if (len > 0) memcpy(packet + TW_ESP_HEADER, inner, len);
  assert_int_equal(tw_esp_seal(sa, next_header, packet, len, 0), TW_OK);
  return tw_esp_size(len, 0);
}

static inline void kit_inject(uint32_t from, uint32_t to, const uint8_t *packet, size_t len) {
  kit_send_raw(&world.nodes[from].udp, &world.nodes[to].address, packet, len);
  kit_run();
}

static inline void kit_inject_sealed(uint32_t from, uint32_t to, uint32_t owner, uint8_t next_header,
                                     const uint8_t *inner, size_t len) {
  static uint8_t packet[PACKET_ROOM + 64];
  kit_inject(from, to, packet, kit_seal(from, owner, next_header, inner, len, packet));
}

#endif

/* What is left to be done to a packet between the kernel and a TUN device: struct virtio_net_hdr (VIRTIO 1.2, section
 * 5.1.6). SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_PACKET_OFFLOAD_H
#define TW_PACKET_OFFLOAD_H

#include <treewire/bytes.h>

enum {
  TW_OFFLOAD_SIZE = 10, /* bytes in front of each packet with IFF_VNET_HDR */

  TW_OFFLOAD_NEEDS_CSUM = 1, /* flags: the checksum is to be made; its field holds the pseudo header's sum */
  TW_OFFLOAD_DATA_VALID = 2, /* the checksum was looked at */

  TW_OFFLOAD_NONE = 0, /* gso_type */
  TW_OFFLOAD_TCP4 = 1,
  TW_OFFLOAD_TCP6 = 4,
  TW_OFFLOAD_UDP = 5,   /* USO, "UDP_L4": datagrams, not fragments of one */
  TW_OFFLOAD_ECN = 0x80 /* a bit beside TCP4 and TCP6: CWR is set, and goes with the first segment alone */
};

/**
 * All zero is a packet that is complete. Offsets count from the IP header.
 *
 * NEEDS_CSUM: the Internet checksum (RFC 1071) from csum_start to the packet's end, its field included, goes to
 * csum_start + csum_offset. gso_type is not NONE: each payload of gso_size bytes is a packet of its own, with lengths,
 * identification (IPv4), sequence number and flags (TCP) and checksums of its own; NEEDS_CSUM is set then.
 */
typedef struct tw_offload {
  uint8_t flags;
  uint8_t gso_type;
  uint16_t hdr_len;     /* bytes of headers; a hint that is not relied on */
  uint16_t gso_size;    /* payload bytes of each segment but the last */
  uint16_t csum_start;  /* where what the checksum covers begins; it goes to the packet's end */
  uint16_t csum_offset; /* of the checksum from there */
} tw_offload;

/**
 * struct { uint8 flags, gso_type; uint16 hdr_len, gso_size, csum_start, csum_offset; } in the machine's byte order, as
 * a TUN device has it unless TUNSETVNETLE or TUNSETVNETBE was asked for.
 */
tw_offload tw_offload_get(const uint8_t in[TW_OFFLOAD_SIZE]);
void tw_offload_put(const tw_offload *offload, uint8_t out[TW_OFFLOAD_SIZE]);

/** TW_ERR_ENCODING: NEEDS_CSUM names a place outside of a packet of `len` bytes. */
TW_MUST_USE tw_err tw_offload_check(const tw_offload *offload, size_t len);

/**
 * Makes the checksum that was left to us (NEEDS_CSUM), in place; nothing is done without that flag. `len` is the
 * packet's own length (tw_ip's). Errors as of tw_offload_check; the packet is as before then.
 */
TW_MUST_USE tw_err tw_offload_finish(uint8_t *packet, size_t len, const tw_offload *offload);

#endif

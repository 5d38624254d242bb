/* Packets of a flow into super-packets for a TUN device: GRO. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_PACKET_COALESCE_H
#define TW_PACKET_COALESCE_H

#include "packet/ip.h"
#include "packet/offload.h"

/*
 * Nothing is copied here. A packet that is appended to another gives only its payload, where it lies; a super-packet is
 * a list of pieces in scattered buffers that the caller hands to one writev, behind the offload's ten bytes. So a
 * buffer of 64 KiB that UDP GRO has filled with ESP packets is decrypted in place, each packet where it came, and the
 * kernel's own copy is the only one. The other way, decrypting each packet so that its payload comes to lie behind the
 * one before, saves the kernel a list of some 45 pieces, but has to guess the inner headers' length before the tag is
 * verified, and to put back what headers and forged packets have overwritten.
 */

enum {
  TW_COALESCE_BATCH = 256,           /* packets between tw_coalesce_begin and the next */
  TW_COALESCE_FLOWS = 32,            /* that are open at once; the one opened first gives way */
  TW_COALESCE_PIECES = 128,          /* packets in one super-packet */
  TW_COALESCE_UDP_PIECES = 64,       /* as Linux (UDP_GRO_CNT_MAX) */
  TW_COALESCE_LEN_MAX = 65535,       /* bytes of one super-packet, with its headers */
  TW_COALESCE_TCP_PAYLOAD_LEAST = 8, /* bytes of the first: TW_SPLIT_TCP_SIZE_LEAST */

  TW_COALESCE_TCP = 1, /* what is coalesced; the device has to take it: TUN_F_TSO4 and TUN_F_TSO6 */
  TW_COALESCE_UDP = 2  /* TUN_F_USO4 and TUN_F_USO6 */
};

/* One packet that comes out: the first one's headers and payload, and what was appended. This room's own. */
typedef struct tw_coalesced {
  uint8_t *packet;
  uint32_t first_len; /* of the first packet */
  uint32_t len;       /* of all of it */
  uint16_t header;    /* bytes of the first one's headers */
  uint16_t transport; /* offset */
  uint16_t count;     /* packets in it */
  uint16_t last;      /* index of the piece appended last */
  uint16_t next;      /* index of the first appended piece */
  uint8_t version;
  uint8_t protocol;
  uint8_t end;    /* FIN and PSH of the last one */
  bool open;      /* may have more appended */
  bool ack;       /* a plain acknowledgment that was added as one */
  bool gives_way; /* it may, to one that says all that this one says */
  bool verified;  /* the first one's checksums were */
} tw_coalesced;

typedef struct tw_coalesce_piece {
  const uint8_t *ptr;
  uint32_t len;
  uint16_t next;
} tw_coalesce_piece;

/** A batch. Some 20 KiB; needs no clearing. The fields are this room's, but `count`. */
typedef struct tw_coalesce {
  uint32_t count; /* packets that come out so far */

  unsigned what;
  uint32_t piece_count, flow_count, flow_next, recent;
  struct {
    uint32_t hash;
    uint16_t packet; /* index into packets */
  } flows[TW_COALESCE_FLOWS];
  tw_coalesced packets[TW_COALESCE_BATCH];
  tw_coalesce_piece pieces[TW_COALESCE_BATCH];
} tw_coalesce;

/** An empty batch. `what`: TW_COALESCE_TCP, TW_COALESCE_UDP, both or 0. */
void tw_coalesce_begin(tw_coalesce *batch, unsigned what);

/**
 * Add a packet that was parsed as `ip`; its buffer has to stay until the batch is written, and its headers are written
 * to then. Appended to another one is what continues it: same addresses, ports, DSCP, ECN, hop limit, DF and flow
 * label; IPv4 identification one higher, or DF (RFC 6864 section 4.1: then it means nothing); no IPv4 options, no
 * extension headers, no fragment; for TCP the next sequence number, equal acknowledgment, window, flags and options;
 * for UDP a length field that fits the packet; payload not larger than the first one's, and all checksums are there and
 * right (only then: a super-packet says of its payload that it is right). A smaller payload, PSH or FIN end it. All
 * else comes out as it is. What comes out is in the order of its first packets, and nothing of a flow overtakes what
 * came before in it, fragments included.
 * TW_ERR_LIMIT: TW_COALESCE_BATCH packets are in it; write them and begin anew.
 */
TW_MUST_USE tw_err tw_coalesce_add(tw_coalesce *batch, uint8_t *packet, const tw_ip *ip);

/**
 * The same of a plain acknowledgment (tw_ack_is_plain), which takes the place of one before it that was added by this
 * function, where it leaves it nothing to say (tw_ack_says_all), that does not itself repeat one before it in the batch
 * (tw_ack_repeats: duplicates are counted), no other packet of the flow has come between them,
 * the IP headers agree as above, identification aside, and its checksums are right: ACK filtering, RFC 3449 section
 * 5.2.1. What gives way does not come out. Who sends by such acknowledgments has fewer of them to go through, and
 * should count the bytes that are acknowledged (RFC 3465), as Linux does: for others use tw_coalesce_add. Without
 * TW_COALESCE_TCP it is the same as that.
 */
TW_MUST_USE tw_err tw_coalesce_add_ack(tw_coalesce *batch, uint8_t *packet, const tw_ip *ip);

/**
 * The packet `index` < count: its offload, and its bytes as pieces, whose number is returned. The first piece's headers
 * are rewritten in place: lengths, flags, checksums with the transport's left to the kernel. To be called once all is
 * added.
 */
size_t tw_coalesce_take(tw_coalesce *batch, size_t index, tw_offload *offload, tw_bytes pieces[TW_COALESCE_PIECES]);

#endif

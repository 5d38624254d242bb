/* The inside of the packet relay's sockets. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_RELAY_UDP_PARTS_H
#define TW_RELAY_UDP_PARTS_H

#include "net/accept.h"
#include "net/udp.h"
#include "relay/udp.h"

enum {
  TW_RELAY_BATCH = 64, /* datagrams, messages, or segments of one message, by one system call */
  TW_RELAY_CONTROL = 128
};

typedef struct tw_relay_socket {
  tw_relay_udp *owner;
  tw_watch watch;
  tw_udp udp;
  uint16_t index;
  bool anywhere; /* bound to no address of ours: datagrams tell theirs */
} tw_relay_socket;

typedef union tw_relay_cmsg {
  struct cmsghdr header; /* so that it is aligned */
  uint8_t bytes[TW_RELAY_CONTROL];
} tw_relay_cmsg;

struct tw_relay_udp {
  tw_relay_udp_config config;
  tw_relay_socket sockets[TW_ACCEPT_SOCKETS];
  unsigned count;
  unsigned closing;
  uint16_t port;
  uint8_t *slots;           /* TW_UDP_SLOT_SIZE bytes each */
  tw_relay_socket *blocked; /* takes nothing more: its message is the next one */
  uint64_t first;           /* the serial of the next message, of which are these, unless it was dropped meanwhile: */
  bool apart;               /* it goes segment by segment */
  uint32_t segments_sent;
  void (*freed)(void *ctx);

  struct mmsghdr headers[TW_RELAY_BATCH];
  struct iovec parts[TW_RELAY_BATCH];
  tw_udp_address names[TW_RELAY_BATCH];
  tw_relay_cmsg controls[TW_RELAY_BATCH];
};

/* Once into free slots. `*more`: there may be others. 0, or errno of a socket that is of no use any more. */
int tw_relay_udp_receive(tw_relay_socket *sock, uint64_t now_us, bool *more);
/* Send the challenges, as far as the sockets take them; their clients ask again for what is lost. */
void tw_relay_udp_challenge(tw_relay_udp *udp);
/* What is queued, up to so many bytes; or until a socket is full, which is `blocked` then. */
void tw_relay_udp_send(tw_relay_udp *udp, int64_t budget, uint64_t now_us);

#endif

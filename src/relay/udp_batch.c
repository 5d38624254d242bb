/* The packet relay's sockets: batches. SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

#include "net/wire.h"
#include "relay/udp_parts.h"

/* ---- addresses: IPv4 in IPv6 is IPv4 to forward ---- */

static tw_forward_address address_of(const tw_udp_address *name, uint16_t socket_index) {
  tw_forward_address out = {.socket = socket_index, .family = 4, .port = ntohs(name->in4.sin_port)};
  if (name->any.sa_family == AF_INET) {
    memcpy(out.ip, &name->in4.sin_addr, 4);
  } else if (IN6_IS_ADDR_V4MAPPED(&name->in6.sin6_addr)) {
    memcpy(out.ip, name->in6.sin6_addr.s6_addr + 12, 4);
  } else {
    out.family = 6;
    out.scope = name->in6.sin6_scope_id;
    memcpy(out.ip, &name->in6.sin6_addr, sizeof out.ip);
  }
  return out;
}

static void name_of(const tw_forward_address *address, int family, tw_udp_address *out) {
  memset(out, 0, sizeof *out);
  if (family == AF_INET) {
    out->in4.sin_family = AF_INET;
    out->in4.sin_port = htons(address->port);
    memcpy(&out->in4.sin_addr, address->ip, 4);
    return;
  }
  out->in6.sin6_family = AF_INET6;
  out->in6.sin6_port = htons(address->port);
  if (address->family == 4) {
    out->in6.sin6_addr.s6_addr[10] = out->in6.sin6_addr.s6_addr[11] = 0xff;
    memcpy(out->in6.sin6_addr.s6_addr + 12, address->ip, 4);
  } else {
    out->in6.sin6_scope_id = address->scope;
    memcpy(&out->in6.sin6_addr, address->ip, sizeof address->ip);
  }
}

/* ---- receiving ---- */

static uint32_t segment_of(struct msghdr *header) {
  int segment = 0;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c))
    if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) memcpy(&segment, CMSG_DATA(c), sizeof segment);
  return segment > 0 ? (uint32_t)segment : 0;
}

int tw_relay_udp_receive(tw_relay_socket *sock, uint64_t now_us, bool *more) {
  tw_relay_udp *udp = sock->owner;
  uint32_t slots[TW_RELAY_BATCH];
  const uint32_t room = tw_forward_free_slots(udp->config.forward, slots, TW_RELAY_BATCH);
  for (uint32_t i = 0; i < room; i++) {
    udp->parts[i] = (struct iovec){udp->slots + (size_t)slots[i] * TW_UDP_SLOT_SIZE, TW_UDP_SLOT_SIZE};
    udp->headers[i].msg_hdr = (struct msghdr){.msg_name = &udp->names[i],
                                              .msg_namelen = sizeof udp->names[i],
                                              .msg_iov = &udp->parts[i],
                                              .msg_iovlen = 1,
                                              .msg_control = udp->controls[i].bytes,
                                              .msg_controllen = sizeof udp->controls[i].bytes};
  }
  int count;
  do count = recvmmsg(sock->udp.fd, udp->headers, room, MSG_DONTWAIT, NULL);
  while (count < 0 && errno == EINTR);
  *more = count == (int)room && room > 0;
  /* Other errors are of a moment, such as a device that went down. */
  if (count < 0) return errno == EBADF || errno == ENOTSOCK || errno == EINVAL || errno == EFAULT ? errno : 0;
  for (int i = 0; i < count; i++) {
    struct msghdr *header = &udp->headers[i].msg_hdr;
    if ((header->msg_flags & MSG_TRUNC) != 0) continue;
    const tw_forward_address source = address_of(&udp->names[i], sock->index);
    const tw_forward_datagram datagram = {udp->parts[i].iov_base, udp->headers[i].msg_len, segment_of(header)};
    (void)!tw_forward_take(udp->config.forward, slots[i], &datagram, &source, now_us);
  }
  return 0;
}

/* ---- sending ---- */

static void put_segment(tw_relay_udp *udp, uint32_t at, uint32_t segment) {
  const uint16_t size = (uint16_t)segment;
  struct msghdr *header = &udp->headers[at].msg_hdr;
  memset(&udp->controls[at], 0, sizeof udp->controls[at]);
  header->msg_control = udp->controls[at].bytes;
  header->msg_controllen = CMSG_SPACE(sizeof size);
  struct cmsghdr *c = CMSG_FIRSTHDR(header);
  c->cmsg_level = SOL_UDP;
  c->cmsg_type = UDP_SEGMENT;
  c->cmsg_len = CMSG_LEN(sizeof size);
  memcpy(CMSG_DATA(c), &size, sizeof size);
}

static tw_relay_socket *socket_of(tw_relay_udp *udp, const tw_forward_message *message) {
  return &udp->sockets[message->to.socket < udp->count ? message->to.socket : 0];
}

static bool goes_apart(const tw_relay_socket *sock, const tw_forward_message *message) {
  return message->segment != 0 && !sock->udp.send_offload;
}

static int send_headers(tw_relay_udp *udp, const tw_relay_socket *sock, uint32_t count) {
  int sent;
  do sent = sendmmsg(sock->udp.fd, udp->headers, count, MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  return sent;
}

/* False: the socket is full. What cannot be sent otherwise is given up, segment by segment. */
static bool send_apart(tw_relay_udp *udp, tw_relay_socket *sock, const tw_forward_message *message) {
  name_of(&message->to, sock->udp.family, &udp->names[0]);
  while (udp->segments_sent < message->packets) {
    const uint32_t left = message->packets - udp->segments_sent;
    const uint32_t count = left < TW_RELAY_BATCH ? left : TW_RELAY_BATCH;
    for (uint32_t i = 0; i < count; i++) {
      udp->parts[i] = tw_forward_packet(message, udp->segments_sent + i);
      udp->headers[i].msg_hdr = (struct msghdr){.msg_name = &udp->names[0],
                                                .msg_namelen = tw_udp_address_len(&udp->names[0]),
                                                .msg_iov = &udp->parts[i],
                                                .msg_iovlen = 1};
    }
    const int sent = send_headers(udp, sock, count);
    if (sent < 0 && tw_wire_would_block(errno)) {
      udp->blocked = sock;
      return false;
    }
    udp->segments_sent += sent > 0 ? (uint32_t)sent : 1;
  }
  udp->segments_sent = 0;
  udp->apart = false;
  return true;
}

/*
 * UDP_SEGMENT was refused: by the device for good (EIO, it cannot compute checksums), or since these segments are too
 * large for the route, which is one client's and may be another one with the next message.
 */
static bool learns(tw_relay_udp *udp, tw_udp *its, const tw_forward_message *message, int error) {
  if (message->segment == 0 || (error != EIO && error != EINVAL && error != EMSGSIZE)) return false;
  if (error == EIO) its->send_offload = false;
  udp->apart = true;
  return true;
}

/* The messages of one socket from the first on; how many were done. 0: the socket is full, or it is to be tried again.
 */
static uint32_t send_some(tw_relay_udp *udp, const tw_forward_message *messages, uint32_t count) {
  tw_relay_socket *sock = socket_of(udp, &messages[0]);
  if (udp->apart || goes_apart(sock, &messages[0])) {
    if (!send_apart(udp, sock, &messages[0])) return 0;
    tw_forward_sent(udp->config.forward, 1);
    return 1;
  }
  uint32_t made = 0;
  for (; made < count && made < TW_RELAY_BATCH; made++) {
    const tw_forward_message *message = &messages[made];
    if (socket_of(udp, message) != sock || goes_apart(sock, message)) break;
    name_of(&message->to, sock->udp.family, &udp->names[made]);
    udp->headers[made].msg_hdr = (struct msghdr){.msg_name = &udp->names[made],
                                                 .msg_namelen = tw_udp_address_len(&udp->names[made]),
                                                 .msg_iov = message->parts,
                                                 .msg_iovlen = message->part_count};
    if (message->segment != 0) put_segment(udp, made, message->segment);
  }
  const int sent = send_headers(udp, sock, made);
  if (sent > 0) {
    tw_forward_sent(udp->config.forward, (uint32_t)sent);
    return (uint32_t)sent;
  }
  if (tw_wire_would_block(errno)) {
    udp->blocked = sock;
    return 0;
  }
  if (learns(udp, &sock->udp, &messages[0], errno)) return 0;
  tw_forward_unsent(udp->config.forward);
  return 1;
}

void tw_relay_udp_challenge(tw_relay_udp *udp) {
  tw_forward_challenge challenge;
  tw_udp_address to;
  while (tw_forward_next_challenge(udp->config.forward, &challenge)) {
    const tw_relay_socket *sock = &udp->sockets[challenge.to.socket < udp->count ? challenge.to.socket : 0];
    name_of(&challenge.to, sock->udp.family, &to);
    if (sendto(sock->udp.fd, challenge.datagram, sizeof challenge.datagram, MSG_DONTWAIT, &to.any,
               tw_udp_address_len(&to)) < 0)
      continue;
  }
}

void tw_relay_udp_send(tw_relay_udp *udp, int64_t budget, uint64_t now_us) {
  while (udp->blocked == NULL && tw_forward_waiting(udp->config.forward)) {
    tw_forward_message *messages;
    const uint32_t count = tw_forward_batch(udp->config.forward, &budget, now_us, &messages);
    if (count == 0) return;
    for (uint32_t done = 0; done < count && udp->blocked == NULL;)
      done += send_some(udp, messages + done, count - done);
  }
}

/* The packet relay's sockets: batches. SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

#include "net/wire.h"
#include "relay/udp_parts.h"

/* ---- addresses: IPv4 in IPv6 is IPv4 to forward ---- */

static tw_forward_address address_of(const tw_udp_address *name, const tw_relay_socket *sock) {
  tw_forward_address out = {.socket = sock->index, .family = 4, .port = ntohs(name->in4.sin_port)};
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

static void map(const uint8_t four[4], struct in6_addr *out) {
  out->s6_addr[10] = out->s6_addr[11] = 0xff;
  memcpy(out->s6_addr + 12, four, 4);
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
    map(address->ip, &out->in6.sin6_addr);
  } else {
    out->in6.sin6_scope_id = address->scope;
    memcpy(&out->in6.sin6_addr, address->ip, sizeof address->ip);
  }
}

/* ---- receiving ---- */

/* Our own address that it came to, as far as one can send from it: with a link-local one goes its scope. */
static void take_own(const struct cmsghdr *c, tw_forward_address *source) {
  struct in_pktinfo four;
  struct in6_pktinfo six;
  if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
    memcpy(&four, CMSG_DATA(c), sizeof four);
    memcpy(source->local, &four.ipi_spec_dst, 4);
  } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
    memcpy(&six, CMSG_DATA(c), sizeof six);
    const struct in6_addr *own = &six.ipi6_addr;
    if (source->family == 4)
      memcpy(source->local, own->s6_addr + 12, 4);
    else if (!IN6_IS_ADDR_LINKLOCAL(own) && !IN6_IS_ADDR_MULTICAST(own))
      memcpy(source->local, own, sizeof *own);
  }
}

static void take_control(struct msghdr *header, tw_forward_datagram *datagram, tw_forward_address *source) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
    int number = 0;
    if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
      memcpy(&number, CMSG_DATA(c), sizeof number);
      datagram->segment = number > 0 ? (uint32_t)number : 0;
    } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
      datagram->tos = *CMSG_DATA(c);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
      memcpy(&number, CMSG_DATA(c), sizeof number);
      datagram->tos = (uint8_t)number;
    } else {
      take_own(c, source);
    }
  }
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
    tw_forward_address source = address_of(&udp->names[i], sock);
    tw_forward_datagram datagram = {.data = udp->parts[i].iov_base, .len = udp->headers[i].msg_len};
    take_control(header, &datagram, &source);
    (void)!tw_forward_take(udp->config.forward, slots[i], &datagram, &source, now_us);
  }
  return 0;
}

/* ---- sending ---- */

static void put_control(struct msghdr *header, int level, int type, const void *value, size_t len) {
  struct cmsghdr *c = (struct cmsghdr *)(void *)((uint8_t *)header->msg_control + header->msg_controllen);
  memset(c, 0, CMSG_SPACE(len));
  c->cmsg_level = level;
  c->cmsg_type = type;
  c->cmsg_len = CMSG_LEN(len);
  memcpy(CMSG_DATA(c), value, len);
  header->msg_controllen += CMSG_SPACE(len);
}

static void put_own(const tw_relay_socket *sock, struct msghdr *header, const tw_forward_address *to) {
  static const uint8_t unknown[sizeof to->local] = {0};
  if (!sock->anywhere || memcmp(to->local, unknown, sizeof unknown) == 0) return;
  if (sock->udp.family == AF_INET) {
    struct in_pktinfo four = {0};
    memcpy(&four.ipi_spec_dst, to->local, 4);
    put_control(header, IPPROTO_IP, IP_PKTINFO, &four, sizeof four);
    return;
  }
  struct in6_pktinfo six = {0};
  if (to->family == 4)
    map(to->local, &six.ipi6_addr);
  else
    memcpy(&six.ipi6_addr, to->local, sizeof six.ipi6_addr);
  put_control(header, IPPROTO_IPV6, IPV6_PKTINFO, &six, sizeof six);
}

/* A message's header in the place `n`: all but what is to be sent. `segment` 0: one datagram. */
static struct msghdr *put_header(tw_relay_udp *udp, const tw_relay_socket *sock, uint32_t n,
                                 const tw_forward_address *to, uint8_t tos, uint32_t segment) {
  struct msghdr *header = &udp->headers[n].msg_hdr;
  name_of(to, sock->udp.family, &udp->names[n]);
  *header = (struct msghdr){.msg_name = &udp->names[n],
                            .msg_namelen = tw_udp_address_len(&udp->names[n]),
                            .msg_control = udp->controls[n].bytes};
  const uint16_t size = (uint16_t)segment;
  const int octet = tos;
  const bool four = to->family == 4;
  if (size != 0) put_control(header, SOL_UDP, UDP_SEGMENT, &size, sizeof size);
  if (octet != 0)
    put_control(header, four ? IPPROTO_IP : IPPROTO_IPV6, four ? IP_TOS : IPV6_TCLASS, &octet, sizeof octet);
  put_own(sock, header, to);
  if (header->msg_controllen == 0) header->msg_control = NULL;
  return header;
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
  while (udp->segments_sent < message->packets) {
    const uint32_t left = message->packets - udp->segments_sent;
    const uint32_t count = left < TW_RELAY_BATCH ? left : TW_RELAY_BATCH;
    for (uint32_t i = 0; i < count; i++) {
      udp->parts[i] = tw_forward_packet(message, udp->segments_sent + i);
      struct msghdr *header = put_header(udp, sock, i, &message->to, message->tos, 0);
      header->msg_iov = &udp->parts[i];
      header->msg_iovlen = 1;
    }
    const int sent = send_headers(udp, sock, count);
    if (sent < 0 && tw_wire_would_block(errno)) {
      udp->blocked = sock;
      return false;
    }
    udp->segments_sent += sent > 0 ? (uint32_t)sent : 1;
  }
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

/* What is known of the first message is of this one: that of before was sent, or dropped with its client. */
static void begin_with(tw_relay_udp *udp, const tw_forward_message *message) {
  if (udp->first == message->serial) return;
  udp->first = message->serial;
  udp->apart = false;
  udp->segments_sent = 0;
}

/* The messages of one socket from the first on; how many were done. 0: the socket is full, or it is to be tried again.
 */
static uint32_t send_some(tw_relay_udp *udp, const tw_forward_message *messages, uint32_t count) {
  tw_relay_socket *sock = socket_of(udp, &messages[0]);
  begin_with(udp, &messages[0]);
  if (udp->apart || goes_apart(sock, &messages[0])) {
    if (!send_apart(udp, sock, &messages[0])) return 0;
    tw_forward_sent(udp->config.forward, 1);
    return 1;
  }
  uint32_t made = 0;
  for (; made < count && made < TW_RELAY_BATCH; made++) {
    const tw_forward_message *message = &messages[made];
    if (socket_of(udp, message) != sock || goes_apart(sock, message)) break;
    struct msghdr *header = put_header(udp, sock, made, &message->to, message->tos, message->segment);
    header->msg_iov = message->parts;
    header->msg_iovlen = message->part_count;
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
  while (tw_forward_next_challenge(udp->config.forward, &challenge)) {
    const tw_relay_socket *sock = &udp->sockets[challenge.to.socket < udp->count ? challenge.to.socket : 0];
    struct msghdr *header = put_header(udp, sock, 0, &challenge.to, 0, 0);
    header->msg_iov = &(struct iovec){challenge.datagram, sizeof challenge.datagram};
    header->msg_iovlen = 1;
    if (send_headers(udp, sock, 1) < 0) continue;
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

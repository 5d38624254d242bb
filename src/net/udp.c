/* UDP socket: opening, options, addresses. SPDX-License-Identifier: Apache-2.0 */
#include "net/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const tw_udp_calls system_calls = {recvmmsg, sendmmsg, setsockopt};

bool tw_udp_address_equal(const tw_udp_address *a, const tw_udp_address *b) {
  if (a->any.sa_family != b->any.sa_family) return false;
  if (a->any.sa_family == AF_INET)
    return a->in4.sin_port == b->in4.sin_port && a->in4.sin_addr.s_addr == b->in4.sin_addr.s_addr;
  return a->in6.sin6_port == b->in6.sin6_port && a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
         memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof a->in6.sin6_addr) == 0;
}

socklen_t tw_udp_address_len(const tw_udp_address *address) {
  return address->any.sa_family == AF_INET ? (socklen_t)sizeof address->in4 : (socklen_t)sizeof address->in6;
}

void tw_udp_address_unmap(tw_udp_address *address) {
  if (address->any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&address->in6.sin6_addr)) return;
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = address->in6.sin6_port};
  memcpy(&four.sin_addr, &address->in6.sin6_addr.s6_addr[12], sizeof four.sin_addr);
  address->in4 = four;
}

void tw_udp_address_text(const tw_udp_address *address, char *out) {
  char host[INET6_ADDRSTRLEN] = "?";
  const bool six = address->any.sa_family == AF_INET6;
  const void *from = six ? (const void *)&address->in6.sin6_addr : (const void *)&address->in4.sin_addr;
  (void)inet_ntop(six ? AF_INET6 : AF_INET, from, host, sizeof host);
  (void)snprintf(out, TW_UDP_ADDRESS_TEXT, six ? "[%s]:%u" : "%s:%u", host, (unsigned)ntohs(address->in4.sin_port));
}

static bool set_option(const tw_udp *udp, int level, int name, int value) {
  return udp->calls->set_option(udp->fd, level, name, &value, sizeof value) == 0;
}

/* IP options of a socket for both families are set for each. */
static bool set_ip_option(const tw_udp *udp, int name4, int name6, int value) {
  if (udp->family == AF_INET) return set_option(udp, IPPROTO_IP, name4, value);
  return set_option(udp, IPPROTO_IPV6, name6, value) && set_option(udp, IPPROTO_IP, name4, value);
}

tw_err tw_udp_set_df(const tw_udp *udp, tw_udp_df df) {
  int value = IP_PMTUDISC_DONT;
  switch (df) {
  case TW_UDP_DF_SYSTEM: value = IP_PMTUDISC_WANT; break;
  case TW_UDP_DF_NEVER: break;
  case TW_UDP_DF_PROBE: value = IP_PMTUDISC_PROBE; break;
  case TW_UDP_DF_ALWAYS: value = IP_PMTUDISC_DO; break;
  }
  return set_ip_option(udp, IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, value) ? TW_OK : TW_ERR_STATE;
}

/* The limit of ordinary users (net.core.rmem_max) is often 208 KiB: two milliseconds at a gigabit. */
static void enlarge_buffers(const tw_udp *udp, int bytes) {
  if (!set_option(udp, SOL_SOCKET, SO_RCVBUFFORCE, bytes)) (void)set_option(udp, SOL_SOCKET, SO_RCVBUF, bytes);
  if (!set_option(udp, SOL_SOCKET, SO_SNDBUFFORCE, bytes)) (void)set_option(udp, SOL_SOCKET, SO_SNDBUF, bytes);
}

/* A size of 0 changes nothing, but a kernel that does not know the option refuses it. */
static void probe_offloads(tw_udp *udp, const tw_udp_config *config) {
  udp->receive_offload = !config->no_receive_offload && set_option(udp, SOL_UDP, UDP_GRO, 1);
  udp->send_offload = !config->no_send_offload && set_option(udp, SOL_UDP, UDP_SEGMENT, 0);
  udp->segment_limit = TW_UDP_DATAGRAM_MAX;
}

/* What fails, for the report; NULL when nothing does. */
static const char *prepare(tw_udp *udp, const tw_udp_config *config) {
  if (udp->family == AF_INET6 && !set_option(udp, IPPROTO_IPV6, IPV6_V6ONLY, config->both_families ? 0 : 1))
    return "cannot be for both families";
  if (config->mark != 0 && !set_option(udp, SOL_SOCKET, SO_MARK, (int)config->mark))
    return "cannot have a mark (that takes CAP_NET_ADMIN)";
  if (config->df != TW_UDP_DF_SYSTEM && tw_udp_set_df(udp, config->df) != TW_OK) return "cannot set Don't Fragment";
  udp->tos = config->tos && set_ip_option(udp, IP_RECVTOS, IPV6_RECVTCLASS, 1);
  if (config->buffer > 0) enlarge_buffers(udp, config->buffer);
  probe_offloads(udp, config);
  return NULL;
}

static tw_err open_at(tw_udp *udp, const tw_udp_config *config, bool is_further, tw_report *report) {
  *udp = (tw_udp){.fd = -1, .family = config->local.any.sa_family};
  udp->calls = config->calls != NULL ? config->calls : &system_calls;
  char text[TW_UDP_ADDRESS_TEXT];
  tw_udp_address_text(&config->local, text);
  udp->fd = socket(udp->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
  if (udp->fd < 0) return tw_report_fail(report, TW_ERR_STATE, "no UDP socket for %s: %s", text, strerror(errno));
  udp->is_open = true;
  const char *what = prepare(udp, config);
  if (what == NULL && is_further && !set_option(udp, SOL_SOCKET, SO_REUSEPORT, 1)) what = "cannot share its port";
  if (what == NULL && bind(udp->fd, &config->local.any, tw_udp_address_len(&config->local)) != 0)
    what = "cannot be bound";
  if (what != NULL) {
    const int error = errno;
    tw_udp_close(udp);
    return tw_report_fail(report, TW_ERR_STATE, "the UDP socket for %s %s: %s", text, what, strerror(error));
  }
  socklen_t len = sizeof udp->receive_buffer;
  (void)getsockopt(udp->fd, SOL_SOCKET, SO_RCVBUF, &udp->receive_buffer, &len);
  return TW_OK;
}

tw_err tw_udp_open(tw_udp *udp, const tw_udp_config *config, tw_report *report) {
  return open_at(udp, config, false, report);
}

/* ---- several at one address ---- */

/* Where there are not four bytes, the load ends the program, with 0. */
static bool steer(const tw_udp *first, unsigned count) {
  struct sock_filter code[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 3),
                               BPF_STMT(BPF_ALU | BPF_AND | BPF_K, TW_UDP_SHARE_MAX - 1),
                               BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, count), BPF_STMT(BPF_RET | BPF_A, 0)};
  const struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
  return first->calls->set_option(first->fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) == 0;
}

/*
 * The first one is bound before it may be shared: so it is refused where another program has the port, of the same user
 * and with SO_REUSEPORT, too. The others are added in order, and a datagram's place is its socket's.
 */
static tw_err open_further(tw_udp *sockets, unsigned count, const tw_udp_config *config, unsigned *opened,
                           tw_report *report) {
  tw_udp_config same = *config;
  if (!set_option(&sockets[0], SOL_SOCKET, SO_REUSEPORT, 1))
    return tw_report_fail(report, TW_ERR_STATE, "the UDP socket cannot share its port: %s", strerror(errno));
  TW_TRY(tw_udp_local(&sockets[0], &same.local));
  while (*opened < count) {
    TW_TRY(open_at(&sockets[*opened], &same, true, report));
    ++*opened;
  }
  if (steer(&sockets[0], count)) return TW_OK;
  return tw_report_fail(report, TW_ERR_STATE, "datagrams cannot be shared out among UDP sockets: %s", strerror(errno));
}

tw_err tw_udp_open_shared(tw_udp *sockets, unsigned count, const tw_udp_config *config, unsigned *opened,
                          tw_report *report) {
  *opened = 0;
  if (count == 0 || count > TW_UDP_SHARE_MAX) return TW_ERR_ARGUMENT;
  TW_TRY(tw_udp_open(&sockets[0], config, report));
  *opened = 1;
  if (count == 1 || open_further(sockets, count, config, opened, report) == TW_OK) return TW_OK;
  while (*opened > 1) tw_udp_close(&sockets[--*opened]);
  (void)set_option(&sockets[0], SOL_SOCKET, SO_REUSEPORT, 0);
  return TW_OK;
}

void tw_udp_close(tw_udp *udp) {
  if (udp == NULL || !udp->is_open) return;
  (void)close(udp->fd);
  udp->is_open = false;
  udp->fd = -1;
}

tw_err tw_udp_local(const tw_udp *udp, tw_udp_address *local) {
  tw_udp_address found = {.in6 = {0}};
  socklen_t len = sizeof found;
  if (getsockname(udp->fd, &found.any, &len) != 0) return TW_ERR_STATE;
  *local = found;
  return TW_OK;
}

uint8_t *tw_udp_datagram(const tw_udp_slot *slot, size_t n, size_t *len) {
  const size_t at = n * slot->segment;
  *len = n + 1 < slot->datagrams ? slot->segment : slot->len - at;
  return slot->data + at;
}

/* The kernel tells the MTU of connected sockets alone; connecting sends nothing. */
tw_err tw_udp_path_mtu(const tw_udp_address *to, uint32_t *mtu) {
  const bool six = to->any.sa_family == AF_INET6;
  int value = 0;
  socklen_t len = sizeof value;
  const int fd = socket(to->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
  if (fd < 0) return TW_ERR_STATE;
  const bool ok = connect(fd, &to->any, tw_udp_address_len(to)) == 0 &&
                  getsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_MTU : IP_MTU, &value, &len) == 0;
  (void)close(fd);
  if (!ok || value <= 0) return TW_ERR_STATE;
  *mtu = (uint32_t)value;
  return TW_OK;
}

tw_err tw_udp_source(const tw_udp_address *to, tw_udp_address *from) {
  socklen_t len = sizeof *from;
  const int fd = socket(to->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
  if (fd < 0) return TW_ERR_STATE;
  memset(from, 0, sizeof *from);
  const bool ok = connect(fd, &to->any, tw_udp_address_len(to)) == 0 && getsockname(fd, &from->any, &len) == 0;
  (void)close(fd);
  if (!ok) return TW_ERR_STATE;
  if (from->any.sa_family == AF_INET6)
    from->in6.sin6_port = 0;
  else
    from->in4.sin_port = 0;
  return TW_OK;
}

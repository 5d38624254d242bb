/* The packet relay's sockets: opening and the rounds. SPDX-License-Identifier: Apache-2.0 */
#include "relay/udp.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "relay/udp_parts.h"

enum {
  ROUNDS = 8,            /* before others have their turn */
  ROUND_BYTES = 1 << 20, /* sent in one, before something is received again */
  BUFFER = 4 << 20       /* of the kernel's, each way, where it lets us */
};

uint64_t tw_relay_udp_now(void) { return uv_hrtime() / 1000; }

/* ---- rounds ---- */

static void want(tw_relay_udp *udp) {
  const bool waiting = tw_forward_waiting(udp->config.forward);
  for (unsigned i = 0; i < udp->count; i++)
    tw_watch_want(&udp->sockets[i].watch, true, waiting && (udp->blocked == NULL || udp->blocked == &udp->sockets[i]));
}

static void break_down(tw_relay_udp *udp, int why) {
  for (unsigned i = 0; i < udp->count; i++) tw_watch_want(&udp->sockets[i].watch, false, false);
  udp->config.broke(udp->config.ctx, why);
}

/* Whatever is ready, what comes is taken first: what is too much is then dropped by whose fault it is. */
static void on_ready(void *ctx, bool readable, bool writable) {
  tw_relay_socket *sock = ctx;
  tw_relay_udp *udp = sock->owner;
  if (writable && udp->blocked == sock) udp->blocked = NULL;
  bool more = readable;
  for (int round = 0; round < ROUNDS; round++) {
    const uint64_t now_us = tw_relay_udp_now();
    const bool received = more;
    if (more) {
      const int why = tw_relay_udp_receive(sock, now_us, &more);
      if (why != 0) {
        break_down(udp, why);
        return;
      }
    }
    if (received) {
      tw_relay_udp_challenge(udp);
      udp->config.received(udp->config.ctx);
    }
    if (udp->blocked == NULL) tw_relay_udp_send(udp, ROUND_BYTES, now_us);
    if (!more && (udp->blocked != NULL || !tw_forward_waiting(udp->config.forward))) break;
    if (udp->config.is_wanted != NULL && udp->config.is_wanted(udp->config.ctx)) break;
  }
  want(udp);
}

/* ---- opening ---- */

static bool is_any(const tw_udp_address *address) {
  if (address->any.sa_family == AF_INET) return address->in4.sin_addr.s_addr == htonl(INADDR_ANY);
  return IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr);
}

/* Which of our addresses a datagram came to: where there are several the system would answer from the one that its
 * routes prefer, and who is behind a NAT would never hear that. */
static bool tell_own_addresses(const tw_udp *udp) {
  const int one = 1;
  const bool six = udp->family == AF_INET6;
  return setsockopt(udp->fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_RECVPKTINFO : IP_PKTINFO, &one, sizeof one) ==
         0;
}

static tw_err open_socket(tw_relay_udp *udp, const struct sockaddr *address, bool both, tw_report *report) {
  tw_udp_config config = {.both_families = both,
                          .buffer = BUFFER,
                          .tos = true,
                          .no_receive_offload = udp->config.no_offload,
                          .no_send_offload = udp->config.no_offload};
  if (address->sa_family == AF_INET)
    memcpy(&config.local.in4, address, sizeof config.local.in4);
  else
    memcpy(&config.local.in6, address, sizeof config.local.in6);
  config.local.in4.sin_port = htons(udp->port); /* the port has the same place in both */
  tw_relay_socket *sock = &udp->sockets[udp->count];
  TW_TRY(tw_udp_open(&sock->udp, &config, report));
  sock->anywhere = is_any(&config.local) && tell_own_addresses(&sock->udp);
  tw_udp_address local;
  if (tw_udp_local(&sock->udp, &local) == TW_OK) udp->port = ntohs(local.in4.sin_port);
  if (tw_watch_open(&sock->watch, udp->config.loop, sock->udp.fd, on_ready, sock) != 0) {
    tw_udp_close(&sock->udp);
    return tw_report_fail(report, TW_ERR_STATE, "cannot watch a UDP socket");
  }
  sock->owner = udp;
  sock->index = (uint16_t)udp->count;
  udp->count++;
  return TW_OK;
}

static tw_err open_any(tw_relay_udp *udp, tw_report *report) {
  const struct sockaddr_in6 any6 = {.sin6_family = AF_INET6};
  const struct sockaddr_in any4 = {.sin_family = AF_INET};
  if (open_socket(udp, (const struct sockaddr *)&any6, true, report) == TW_OK) return TW_OK;
  return open_socket(udp, (const struct sockaddr *)&any4, false, report); /* a system without IPv6 */
}

static tw_err open_all(tw_relay_udp *udp, tw_report *report) {
  const tw_address *at = &udp->config.at;
  if (at->host[0] == '\0') return open_any(udp, report);
  const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_PASSIVE};
  struct addrinfo *list = NULL;
  const int failed = getaddrinfo(at->host, NULL, &hints, &list);
  if (failed != 0)
    return tw_report_fail(report, TW_ERR_STATE, "cannot bind to %.253s: %s", at->host, gai_strerror(failed));
  tw_err err = TW_OK;
  for (const struct addrinfo *one = list; one != NULL && udp->count < TW_ACCEPT_SOCKETS; one = one->ai_next) {
    err = open_socket(udp, one->ai_addr, false, report);
    if (err != TW_OK && errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL) break;
    err = TW_OK; /* families that this machine does not have are passed over */
  }
  freeaddrinfo(list);
  return err == TW_OK && udp->count == 0 ? TW_ERR_STATE : err;
}

tw_err tw_relay_udp_open(const tw_relay_udp_config *config, tw_relay_udp **udp, tw_report *report) {
  tw_relay_udp *made = tw_alloc_zero(NULL, sizeof *made);
  if (made != NULL) made->slots = tw_alloc_room(NULL, config->slots, TW_UDP_SLOT_SIZE);
  if (made == NULL || made->slots == NULL) {
    tw_alloc_free(NULL, made);
    return tw_report_fail(report, TW_ERR_NO_MEMORY, "out of memory");
  }
  made->config = *config;
  made->port = config->at.port;
  const tw_err err = open_all(made, report);
  if (err != TW_OK) {
    tw_relay_udp_close(made, NULL);
    return err;
  }
  want(made);
  *udp = made;
  return TW_OK;
}

uint16_t tw_relay_udp_port(const tw_relay_udp *udp) { return udp->port; }

/* ---- the end ---- */

static void free_udp(tw_relay_udp *udp) {
  if (udp->freed != NULL) udp->freed(udp->config.ctx);
  tw_alloc_free(NULL, udp->slots);
  tw_alloc_free(NULL, udp);
}

static void on_closed(void *ctx) {
  const tw_relay_socket *sock = ctx;
  tw_relay_udp *udp = sock->owner;
  if (--udp->closing == 0) free_udp(udp);
}

void tw_relay_udp_close(tw_relay_udp *udp, void (*freed)(void *ctx)) {
  if (udp == NULL) return;
  udp->freed = freed;
  udp->closing = udp->count;
  for (unsigned i = 0; i < udp->count; i++) {
    tw_watch_close(&udp->sockets[i].watch, on_closed);
    tw_udp_close(&udp->sockets[i].udp);
  }
  if (udp->count == 0) free_udp(udp);
}

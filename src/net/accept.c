/* SPDX-License-Identifier: Apache-2.0 */
#include "net/accept.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  BACKLOG = 1024,
  BATCH = 64,     /* connections taken before others have their turn */
  PAUSE_MS = 200, /* before accepting is tried again */
  QUIET_MS = 60000
};

static void want_all(tw_acceptor *acceptor) {
  const bool accept_now = !acceptor->pausing && !acceptor->limited;
  for (int i = 0; i < acceptor->count; i++) tw_watch_want(&acceptor->sockets[i].watch, accept_now, false);
}

static void on_pause_over(uv_timer_t *timer) {
  tw_acceptor *acceptor = timer->data;
  acceptor->pausing = false;
  want_all(acceptor);
}

/* Without a pause the waiting connection would wake the loop again and again. */
static void fall_short(tw_acceptor *acceptor, int why) {
  if (acceptor->pausing) return;
  acceptor->pausing = true;
  want_all(acceptor);
  (void)uv_timer_start(&acceptor->pause, on_pause_over, PAUSE_MS, 0);
  if (acceptor->fell_short == NULL || uv_now(acceptor->loop) < acceptor->quiet_until) return;
  acceptor->quiet_until = uv_now(acceptor->loop) + QUIET_MS;
  acceptor->fell_short(acceptor->ctx, why);
}

static void on_ready(void *ctx, bool readable, bool writable) {
  (void)readable;
  (void)writable;
  struct tw_accept_socket *sock = ctx;
  tw_acceptor *acceptor = sock->owner;
  for (int i = 0; i < BATCH && acceptor->is_open && !acceptor->limited; i++) {
    const int fd = accept4(sock->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      tw_socket_prepare(fd);
      acceptor->accepted(acceptor->ctx, fd);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      fall_short(acceptor, errno);
      return;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return;
    } /* else that one connection failed before it was taken */
  }
}

static int make_socket(const struct addrinfo *address) {
  const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  const int off = 0;
  (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address->ai_family == AF_INET6) {
    /* "any" means both families by one socket; a named IPv6 address means that one. */
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)address->ai_addr;
    const int *only = IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr) ? &off : &on;
    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, only, sizeof *only);
  }
  if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) return fd;
  const int error = errno;
  (void)close(fd);
  errno = error;
  return -1;
}

static int add_socket(tw_acceptor *acceptor, int fd) {
  struct tw_accept_socket *sock = &acceptor->sockets[acceptor->count];
  const int status = tw_watch_open(&sock->watch, acceptor->loop, fd, on_ready, sock);
  if (status != 0) {
    (void)close(fd);
    return status;
  }
  sock->owner = acceptor;
  sock->fd = fd;
  acceptor->count++;
  return 0;
}

/* Errors of families that this machine does not have are passed over, as long as one address works. */
static int bind_list(tw_acceptor *acceptor, const struct addrinfo *list, bool first_is_enough) {
  int error = EADDRNOTAVAIL;
  for (const struct addrinfo *at = list; at != NULL && acceptor->count < TW_ACCEPT_SOCKETS; at = at->ai_next) {
    const int fd = make_socket(at);
    if (fd < 0) {
      error = errno;
      if (error == EAFNOSUPPORT || error == EADDRNOTAVAIL) continue;
      return error;
    }
    const int status = add_socket(acceptor, fd);
    if (status != 0) return -status;
    if (first_is_enough) return 0;
  }
  return acceptor->count > 0 ? 0 : error;
}

static int resolve(const tw_address *address, struct addrinfo **list) {
  const bool any = address->host[0] == '\0';
  char port[8];
  (void)snprintf(port, sizeof port, "%u", (unsigned)address->port);
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
  hints.ai_family = any ? AF_INET6 : AF_UNSPEC;
  return getaddrinfo(any ? NULL : address->host, port, &hints, list);
}

static int bind_any4(tw_acceptor *acceptor, uint16_t port) {
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_ANY)}};
  const struct addrinfo address = {
      .ai_family = AF_INET, .ai_addr = (struct sockaddr *)(void *)&any, .ai_addrlen = sizeof any};
  return bind_list(acceptor, &address, true);
}

tw_err tw_acceptor_open(tw_acceptor *acceptor, uv_loop_t *loop, const tw_address *address, tw_accept_new accepted,
                        tw_accept_short fell_short, void *ctx, tw_report *report) {
  *acceptor = (tw_acceptor){.loop = loop, .accepted = accepted, .fell_short = fell_short, .ctx = ctx};
  char text[TW_ADDRESS_TEXT];
  tw_address_format(address, text);
  const bool any = address->host[0] == '\0';
  struct addrinfo *list = NULL;
  const int failed = resolve(address, &list);
  if (failed != 0 && !any)
    return tw_report_fail(report, TW_ERR_STATE, "cannot bind to %s: %s", text, gai_strerror(failed));
  (void)uv_timer_init(loop, &acceptor->pause);
  acceptor->pause.data = acceptor;
  acceptor->is_open = true;
  int error = failed == 0 ? bind_list(acceptor, list, any) : EAFNOSUPPORT;
  if (list != NULL) freeaddrinfo(list);
  if (any && (error == EAFNOSUPPORT || error == EADDRNOTAVAIL)) error = bind_any4(acceptor, address->port);
  if (error != 0) {
    tw_acceptor_close(acceptor);
    return tw_report_fail(report, TW_ERR_STATE, "cannot bind to %s: %s", text, strerror(error));
  }
  want_all(acceptor);
  return TW_OK;
}

bool tw_acceptor_address(const tw_acceptor *acceptor, int index, char *out) {
  if (index >= acceptor->count) return false;
  tw_socket_local_text(acceptor->sockets[index].fd, out);
  return true;
}

void tw_acceptor_pause(tw_acceptor *acceptor, bool pause) {
  if (!acceptor->is_open) return;
  acceptor->limited = pause;
  want_all(acceptor);
}

void tw_acceptor_close(tw_acceptor *acceptor) {
  if (!acceptor->is_open) return;
  acceptor->is_open = false;
  for (int i = 0; i < acceptor->count; i++) {
    tw_watch_close(&acceptor->sockets[i].watch, NULL);
    (void)close(acceptor->sockets[i].fd);
  }
  acceptor->count = 0;
  uv_close((uv_handle_t *)&acceptor->pause, NULL);
}

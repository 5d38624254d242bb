/* Options and names of sockets. SPDX-License-Identifier: Apache-2.0 */
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/dial.h"

/* A peer that vanished is noticed after about two minutes, whether or not there is something to send. */
enum { KEEPALIVE_IDLE_S = 60, KEEPALIVE_INTERVAL_S = 10, KEEPALIVE_PROBES = 6, UNACKNOWLEDGED_MS = 120000 };

static void set_option(int fd, int level, int name, int value) {
  (void)setsockopt(fd, level, name, &value, sizeof value);
}

void tw_socket_prepare(int fd) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS);
}

typedef int (*name_of)(int fd, struct sockaddr *address, socklen_t *len);

static void socket_text(int fd, name_of ask, char *out) {
  struct sockaddr_storage storage = {0};
  socklen_t len = sizeof storage;
  tw_address address = {0};
  char port[8];
  if (ask(fd, (struct sockaddr *)&storage, &len) != 0 ||
      getnameinfo((const struct sockaddr *)&storage, len, address.host, sizeof address.host, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    (void)snprintf(out, TW_ADDRESS_TEXT, "?");
    return;
  }
  /* IPv4 over an IPv6 socket is IPv4 to people. */
  if (strncmp(address.host, "::ffff:", 7) == 0 && strchr(address.host, '.') != NULL)
    memmove(address.host, address.host + 7, strlen(address.host + 7) + 1);
  address.port = (uint16_t)strtoul(port, NULL, 10);
  tw_address_format(&address, out);
}

void tw_socket_peer_text(int fd, char *out) { socket_text(fd, getpeername, out); }
void tw_socket_local_text(int fd, char *out) { socket_text(fd, getsockname, out); }

/*
 * label: shared
 * Datagrams for the tests of networks.
 *
 *   udp reflect ADDRESS PORT [PORT…]     answers each datagram with its source as it is seen here: "ADDRESS PORT"
 *   udp talk ADDRESS PORT FIFO [GROUP DEVICE]   sends for each line "ADDRESS PORT TEXT" of the FIFO a datagram, and
 * prints each that comes, in the same form; GROUP: is in that multicast group on DEVICE udp pour ADDRESS PORT TO
 * TO_PORT COUNT SIZE RATE   numbered datagrams of SIZE bytes, so many a second (0: no pauses) marked ECT(0) udp count
 * ADDRESS PORT QUIET_MS      takes those, until none came for so long after the first; prints what came of them Each
 * prints `ready` when its sockets are there. Addresses are IPv4 or IPv6, also of any host: 0.0.0.0 and ::.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "shared/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  SOCKETS_MAX = 8,
  DATAGRAM_MAX = 65536,
  NUMBERS_MAX = 1 << 24,
  RECEIVE_BUFFER = 4 << 20,
  QUIET_NS = 200000000,
  HEAD = 8
};

struct address {
  struct sockaddr_storage is;
  socklen_t len;
};

static char bytes[DATAGRAM_MAX];

__attribute__((noreturn)) static void fail(const char *what) {
  perror(what);
  exit(1);
}

static bool parse(const char *host, const char *port, struct address *address) {
  const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM};
  struct addrinfo *found;
  if (getaddrinfo(host, port, &hints, &found) != 0) return false;
  memcpy(&address->is, found->ai_addr, found->ai_addrlen);
  address->len = found->ai_addrlen;
  freeaddrinfo(found);
  return true;
}

static void parse_or_fail(const char *host, const char *port, struct address *address) {
  if (parse(host, port, address)) return;
  (void)fprintf(stderr, "udp: no address: %s %s\n", host, port);
  exit(1);
}

static struct sockaddr *generic(struct address *address) { return (struct sockaddr *)(void *)&address->is; }

static int socket_at(const char *host, const char *port) {
  struct address address;
  const int one = 1;
  const int size = RECEIVE_BUFFER;
  parse_or_fail(host, port, &address);
  const int fd = socket(address.is.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  if (address.is.ss_family == AF_INET6) (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  (void)setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof one);
  if (bind(fd, generic(&address), address.len) != 0) fail("bind");
  return fd;
}

static void say_ready(void) {
  (void)printf("ready\n");
  (void)fflush(stdout);
}

/* "ADDRESS PORT" */
static const char *text_of(struct address *address) {
  static char text[INET6_ADDRSTRLEN + 32];
  char host[INET6_ADDRSTRLEN + 16];
  char port[8];
  if (getnameinfo(generic(address), address->len, host, sizeof host, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return "? ?";
  (void)snprintf(text, sizeof text, "%s %s", host, port);
  return text;
}

/* -1: nothing came, or word of an error that ICMP brought. */
static ssize_t receive(int fd, struct address *from) {
  from->len = sizeof from->is;
  const ssize_t got = recvfrom(fd, bytes, sizeof bytes - 1, 0, generic(from), &from->len);
  if (got >= 0) bytes[got] = 0;
  return got;
}

/* ---- reflect ---- */

static int reflect(const char *host, char **ports, int count) {
  struct pollfd ready[SOCKETS_MAX];
  struct address from;
  if (count > SOCKETS_MAX) return 1;
  for (int i = 0; i < count; i++) ready[i] = (struct pollfd){.fd = socket_at(host, ports[i]), .events = POLLIN};
  say_ready();
  for (;;) {
    if (poll(ready, (nfds_t)count, -1) < 0) fail("poll");
    for (int i = 0; i < count; i++) {
      if (ready[i].revents == 0 || receive(ready[i].fd, &from) < 0) continue;
      const char *text = text_of(&from);
      (void)sendto(ready[i].fd, text, strlen(text), 0, generic(&from), from.len);
    }
  }
}

/* ---- talk ---- */

static void join(int fd, const char *group, const char *device) {
  struct address address;
  const unsigned index = if_nametoindex(device);
  parse_or_fail(group, "0", &address);
  if (index == 0) fail(device);
  struct group_req request = {.gr_interface = index};
  memcpy(&request.gr_group, &address.is, address.len);
  const bool six = address.is.ss_family == AF_INET6;
  if (setsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, MCAST_JOIN_GROUP, &request, sizeof request) != 0) fail("join");
  const struct ip_mreqn out = {.imr_ifindex = (int)index};
  if (six)
    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof index);
  else
    (void)setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &out, sizeof out);
}

static void say(int fd, char *line) {
  struct address to;
  char *rest = NULL;
  const char *host = strtok_r(line, " ", &rest);
  const char *port = strtok_r(NULL, " ", &rest);
  if (host == NULL || port == NULL || !parse(host, port, &to)) {
    (void)printf("no address\n");
  } else if (sendto(fd, rest, strlen(rest), 0, generic(&to), to.len) < 0) {
    (void)printf("not sent: %s\n", strerror(errno));
  }
  (void)fflush(stdout);
}

static int talk(int fd, const char *fifo) {
  static char lines[DATAGRAM_MAX];
  static size_t len;
  struct address from;
  const int in = open(fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (in < 0) fail(fifo);
  struct pollfd ready[2] = {{.fd = fd, .events = POLLIN}, {.fd = in, .events = POLLIN}};
  say_ready();
  for (;;) {
    if (poll(ready, 2, -1) < 0) fail("poll");
    if (ready[0].revents != 0 && receive(fd, &from) >= 0) {
      (void)printf("%s %s\n", text_of(&from), bytes);
      (void)fflush(stdout);
    }
    if (ready[1].revents == 0) continue;
    const ssize_t got = read(in, lines + len, sizeof lines - 1 - len);
    if (got > 0) len += (size_t)got;
    lines[len] = 0;
    for (char *end; (end = strchr(lines, '\n')) != NULL;) {
      *end = 0;
      const size_t line = (size_t)(end + 1 - lines);
      say(fd, lines);
      len -= line;
      memmove(lines, lines + line, len + 1);
    }
  }
}

/* ---- pour and count: a number of eight bytes, then a pattern that depends on it ---- */

static void put_number(uint64_t number) {
  for (unsigned i = 0; i < HEAD; i++) bytes[i] = (char)(number >> (8 * i));
}
static uint64_t get_number(void) {
  uint64_t number = 0;
  for (unsigned i = 0; i < HEAD; i++) number |= (uint64_t)(uint8_t)bytes[i] << (8 * i);
  return number;
}
static char pattern(uint64_t number, size_t at) { return (char)((number * 31 + at * 7) & 0xff); }

static void wait_until(uint64_t when) {
  const struct timespec until = {.tv_sec = (time_t)(when / 1000000000U), .tv_nsec = (long)(when % 1000000000U)};
  if (when > link_now()) (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/* The bits of ECN for what is sent, or to be told those of what comes. */
static void want_ecn(int fd, bool sending) {
  const int value = sending ? 2 : 1; /* ECT(0); on */
  (void)setsockopt(fd, IPPROTO_IP, sending ? IP_TOS : IP_RECVTOS, &value, sizeof value);
  (void)setsockopt(fd, IPPROTO_IPV6, sending ? IPV6_TCLASS : IPV6_RECVTCLASS, &value, sizeof value);
}

static int pour(int fd, struct address *to, uint64_t count, size_t size, uint64_t rate) {
  uint64_t refused = 0;
  if (size < HEAD || size > DATAGRAM_MAX - 64) return 1;
  want_ecn(fd, true);
  say_ready();
  const uint64_t began = link_now();
  for (uint64_t number = 0; number < count; number++) {
    if (rate != 0) wait_until(began + number * 1000000000U / rate);
    put_number(number);
    for (size_t i = HEAD; i < size; i++) bytes[i] = pattern(number, i);
    if (sendto(fd, bytes, size, 0, generic(to), to->len) < 0) refused++; /* also for what ICMP said of an earlier one */
  }
  (void)printf("sent=%lu refused=%lu\n", (unsigned long)(count - refused), (unsigned long)refused);
  return 0;
}

/* As receive, with what ECN says. */
static ssize_t receive_marked(int fd, bool *marked) {
  union {
    char bytes[256];
    struct cmsghdr aligned;
  } control;
  struct iovec part = {.iov_base = bytes, .iov_len = sizeof bytes};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  const ssize_t got = recvmsg(fd, &message, 0);
  *marked = false;
  if (got < 0) return got;
  for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at != NULL; at = CMSG_NXTHDR(&message, at)) {
    const bool four = at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_TOS;
    const bool six = at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_TCLASS;
    if (four || six) *marked = (*CMSG_DATA(at) & 3) == 3; /* a byte, or the first of an int in little-endian */
  }
  return got;
}

static bool is_whole(uint64_t number, size_t len) {
  if (number >= NUMBERS_MAX) return false;
  for (size_t i = HEAD; i < len; i++)
    if (bytes[i] != pattern(number, i)) return false;
  return true;
}

static int count_them(int fd) {
  static uint8_t seen[NUMBERS_MAX];
  unsigned long got = 0;
  unsigned long twice = 0;
  unsigned long late = 0;
  unsigned long damaged = 0;
  unsigned long marks = 0;
  bool marked;
  uint64_t next = 0;
  uint64_t last = 0;
  uint64_t longest = 0;
  struct pollfd ready = {.fd = fd, .events = POLLIN};
  sigset_t while_polling;
  const struct timespec a_while = {.tv_nsec = QUIET_NS};
  link_signals(&while_polling);
  want_ecn(fd, false);
  say_ready();
  for (;;) {
    const int come = ppoll(&ready, 1, link_told_to_stop ? &a_while : NULL, &while_polling);
    if (come < 0 && errno != EINTR) fail("poll");
    if (come == 0) break;
    if (come < 0) continue;
    const ssize_t len = receive_marked(fd, &marked);
    if (len < HEAD) continue;
    marks += marked;
    const uint64_t now = link_now();
    const uint64_t number = get_number();
    if (last != 0 && now - last > longest) longest = now - last;
    last = now;
    if (!is_whole(number, (size_t)len)) {
      damaged++;
    } else if (seen[number]++ != 0) {
      twice++;
    } else {
      got++;
      late += number < next;
      if (number >= next) next = number + 1;
    }
  }
  (void)printf("got=%lu twice=%lu late=%lu damaged=%lu marked=%lu last=%lu longest_pause_us=%lu\n", got, twice, late,
               damaged, marks, (unsigned long)next, (unsigned long)(longest / 1000));
  return 0;
}

static uint64_t number(const char *text) { return strtoull(text, NULL, 10); }

int main(int argc, char **argv) {
  const char *verb = argc > 3 ? argv[1] : "";
  if (strcmp(verb, "reflect") == 0) return reflect(argv[2], argv + 3, argc - 3);
  if (strcmp(verb, "talk") == 0 && (argc == 5 || argc == 7)) {
    const int fd = socket_at(argv[2], argv[3]);
    if (argc == 7) join(fd, argv[5], argv[6]);
    return talk(fd, argv[4]);
  }
  if (strcmp(verb, "pour") == 0 && argc == 9) {
    struct address to;
    parse_or_fail(argv[4], argv[5], &to);
    return pour(socket_at(argv[2], argv[3]), &to, number(argv[6]), (size_t)number(argv[7]), number(argv[8]));
  }
  if (strcmp(verb, "count") == 0 && argc == 4) return count_them(socket_at(argv[2], argv[3]));
  (void)fprintf(stderr, "udp: unknown use; see its first lines\n");
  return 1;
}

/*
 * Many connections that come to nothing, and what an honest one notices of them. Everything is on 127.0.0.0/8, and
 * bounded in number and time.
 *
 *   flood capture FILE              prints its port, takes one connection and writes what it says first to FILE
 *   flood flood PORT SOURCE SPREAD FILE SECONDS   connects again and again, from SPREAD addresses from SOURCE on, says
 *                                   what is in FILE (- for nothing) and waits; at the latest after SECONDS, or on
 *                                   SIGTERM, prints how many there were and how many of them the other side closed
 *   flood meter PORT                one connection to something that echoes; for each line that it reads, a byte there
 *                                   and back, many times: median and 99th percentile in microseconds; then as much as
 *                                   goes: megabytes a second
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  CHUNK = 64 * 1024,
  KEPT = 2000,
  PINGS = 500,
  PINGS_MAX = PINGS,
  POUR_MS = 1500,
  PAUSE_US = 200,
  CONNECTIONS_MAX = 200000
};
static uint8_t chunk[CHUNK];

__attribute__((noreturn)) static void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t now_us(void) {
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) fail("clock_gettime");
  return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static unsigned number(const char *text) { return (unsigned)strtoul(text, NULL, 10); }

static struct sockaddr_in address_of(uint32_t host, unsigned port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(host);
  return address;
}

/* From `source`, 0 for any; -1: it did not come about. */
static int dial(uint32_t source, unsigned port) {
  const struct sockaddr_in to = address_of(INADDR_LOOPBACK, port);
  const struct sockaddr_in from = address_of(source, 0);
  const int one = 1;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  if (source != 0 && bind(fd, (const struct sockaddr *)(const void *)&from, sizeof from) != 0) fail("bind");
  if (connect(fd, (const struct sockaddr *)(const void *)&to, sizeof to) == 0) return fd;
  (void)close(fd);
  return -1;
}

static int dial_or_fail(unsigned port) {
  const int fd = dial(0, port);
  if (fd < 0) fail("connect");
  return fd;
}

/* ---- capture ---- */

static int capture(const char *path) {
  struct sockaddr_in address = address_of(INADDR_LOOPBACK, 0);
  socklen_t len = sizeof address;
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)(void *)&address, len) != 0 || listen(listener, 1) != 0)
    fail("listen");
  if (getsockname(listener, (struct sockaddr *)(void *)&address, &len) != 0) fail("getsockname");
  (void)printf("%u\n", (unsigned)ntohs(address.sin_port));
  (void)fflush(stdout);
  const int fd = accept(listener, NULL, NULL);
  const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0 || file < 0) fail(path);
  struct pollfd ready = {.fd = fd, .events = POLLIN};
  while (poll(&ready, 1, 500) > 0) {
    const ssize_t got = read(fd, chunk, sizeof chunk);
    if (got <= 0) break;
    if (write(file, chunk, (size_t)got) != got) fail("write");
  }
  (void)close(file);
  (void)close(fd);
  return 0;
}

/* ---- flood ---- */

static size_t load(const char *path) {
  if (strcmp(path, "-") == 0) return 0;
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  const ssize_t got = file < 0 ? -1 : read(file, chunk, sizeof chunk);
  if (got < 0) fail(path);
  (void)close(file);
  return (size_t)got;
}

static void raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static bool is_closed(int fd) {
  struct pollfd ready = {.fd = fd, .events = POLLIN};
  uint8_t byte;
  if (poll(&ready, 1, 0) <= 0) return false;
  const ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN);
}

static volatile sig_atomic_t told_to_stop;
static void on_term(int number_of_it) { told_to_stop = number_of_it; }

static int flood(unsigned port, const char *source, unsigned spread, const char *path, unsigned seconds) {
  static int kept[KEPT];
  struct in_addr first;
  const size_t len = load(path);
  raise_descriptor_limit();
  if (inet_pton(AF_INET, source, &first) != 1 || spread == 0) return 1;
  memset(kept, -1, sizeof kept);
  const uint64_t end = now_us() + (uint64_t)seconds * 1000000;
  unsigned count = 0;
  unsigned closed = 0;
  for (; count < CONNECTIONS_MAX && now_us() < end && !told_to_stop; count++) {
    int *place = &kept[count % KEPT];
    if (*place >= 0) {
      closed += is_closed(*place);
      (void)close(*place);
    }
    *place = dial(ntohl(first.s_addr) + count % spread, port);
    if (*place < 0) continue;
    if (len > 0) (void)!send(*place, chunk, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count % 8 == 0) (void)usleep(PAUSE_US); /* on one processor, others want to run, too */
  }
  for (unsigned i = 0; i < KEPT; i++)
    if (kept[i] >= 0) closed += is_closed(kept[i]);
  (void)printf("%u connections, %u closed by the other side\n", count, closed);
  return 0;
}

/* ---- what an honest one notices ---- */

static int by_size(const void *a, const void *b) {
  const uint32_t left = *(const uint32_t *)a;
  const uint32_t right = *(const uint32_t *)b;
  return (left > right) - (left < right);
}

/* A byte there and back, so many times. */
static void ping(int fd, unsigned count) {
  static uint32_t took[PINGS_MAX];
  for (unsigned i = 0; i < count; i++) {
    const uint64_t began = now_us();
    if (write(fd, "x", 1) != 1 || read(fd, chunk, 1) != 1) fail("ping");
    took[i] = (uint32_t)(now_us() - began);
  }
  qsort(took, count, sizeof took[0], by_size);
  (void)printf("%u %u ", took[count / 2], took[count - 1 - count / 100]);
}

/* As much as goes, and then until all of it is back. */
static void pour(int fd, unsigned milliseconds) {
  const uint64_t began = now_us();
  const uint64_t end = began + (uint64_t)milliseconds * 1000;
  uint64_t sent = 0;
  uint64_t back = 0;
  while (now_us() < end || back < sent) {
    const bool more = now_us() < end;
    struct pollfd ready = {.fd = fd, .events = (short)(more ? POLLIN | POLLOUT : POLLIN)};
    if (poll(&ready, 1, 20000) <= 0) fail("pour");
    if ((ready.revents & POLLOUT) != 0 && more) {
      const ssize_t put = send(fd, chunk, sizeof chunk, MSG_DONTWAIT);
      if (put < 0 && errno != EAGAIN) fail("write");
      if (put > 0) sent += (uint64_t)put;
    }
    if ((ready.revents & POLLIN) == 0) continue;
    const ssize_t got = recv(fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN)) fail("read");
    if (got > 0) back += (uint64_t)got;
  }
  (void)printf("%.1f\n", (double)back / (double)(now_us() - began));
  (void)fflush(stdout);
}

static int meter(unsigned port) {
  const int fd = dial_or_fail(port);
  int byte;
  ping(fd, 1);
  (void)printf("ready\n");
  (void)fflush(stdout);
  while ((byte = getchar()) != EOF) {
    if (byte != '\n') continue;
    ping(fd, PINGS);
    pour(fd, POUR_MS);
  }
  (void)close(fd);
  return 0;
}

int main(int argc, char **argv) {
  (void)signal(SIGPIPE, SIG_IGN);
  (void)signal(SIGTERM, on_term);
  const char *verb = argc > 1 ? argv[1] : "";
  if (strcmp(verb, "capture") == 0 && argc == 3) return capture(argv[2]);
  if (strcmp(verb, "flood") == 0 && argc == 7)
    return flood(number(argv[2]), argv[3], number(argv[4]), argv[5], number(argv[6]));
  if (strcmp(verb, "meter") == 0 && argc == 3) return meter(number(argv[2]));
  (void)fprintf(stderr, "flood: unknown use; see its first lines\n");
  return 1;
}

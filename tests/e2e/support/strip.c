/*
 * Somebody in the middle who takes the extension of TLS+MLS out of the hellos. Addresses are on 127.0.0.1.
 *
 *   strip hello PORT    prints its own port, takes one connection, connects to PORT, and takes the extension out of the
 *                       ClientHello
 *   strip answer PORT   likewise, out of the ServerHello
 *
 * Everything else goes through as it came. Exit status: 0 when an extension was taken out and the connection has
 * ended, 1 for what went wrong, 3 when there was none. SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SECONDS_MAX = 30, EXTENSION = 0xFF4D, MESSAGE_MAX = 1 << 17, RECORD_MAX = 16384, HEADER = 5, HANDSHAKE = 22 };

__attribute__((noreturn)) static void fail(const char *what) {
  perror(what);
  exit(1);
}

static bool read_all(int fd, uint8_t *out, size_t len) {
  while (len > 0) {
    const ssize_t got = read(fd, out, len);
    if (got <= 0) return false;
    out += got;
    len -= (size_t)got;
  }
  return true;
}

static void write_all(int fd, const uint8_t *bytes, size_t len) {
  while (len > 0) {
    const ssize_t done = write(fd, bytes, len);
    if (done <= 0) fail("write");
    bytes += done;
    len -= (size_t)done;
  }
}

static size_t number(const uint8_t *at, int bytes) {
  size_t value = 0;
  for (int i = 0; i < bytes; i++) value = value << 8 | at[i];
  return value;
}

static void put(uint8_t *at, int bytes, size_t value) {
  for (int i = bytes - 1; i >= 0; i--, value >>= 8) at[i] = (uint8_t)value;
}

/* Where the extensions' length stands in a hello. */
static size_t extensions_at(const uint8_t *message) {
  size_t at = 4 + 2 + 32;
  at += 1 + (size_t)message[at];
  if (message[0] == 2) return at + 2 + 1; /* ServerHello */
  at += 2 + number(message + at, 2);
  return at + 1 + (size_t)message[at];
}

/* The message's new length; 0: there is no such extension. */
static size_t take_out(uint8_t *message, size_t len) {
  const size_t list = extensions_at(message);
  size_t at = list + 2;
  while (at + 4 <= len) {
    const size_t size = 4 + number(message + at + 2, 2);
    if (number(message + at, 2) != EXTENSION) {
      at += size;
      continue;
    }
    memmove(message + at, message + at + size, len - at - size);
    put(message + 1, 3, len - 4 - size);
    put(message + list, 2, number(message + list, 2) - size);
    return len - size;
  }
  return 0;
}

/* The first handshake message, which ends its record. False where there is none. */
static bool take_hello(int from, uint8_t *message, size_t *len) {
  uint8_t header[HEADER];
  *len = 0;
  while (*len < 4 || *len < 4 + number(message + 1, 3)) {
    if (!read_all(from, header, HEADER) || header[0] != HANDSHAKE) return false;
    const size_t size = number(header + 3, 2);
    if (*len + size > MESSAGE_MAX || !read_all(from, message + *len, size)) return false;
    *len += size;
  }
  return true;
}

static void send_hello(int to, const uint8_t *message, size_t len) {
  for (size_t at = 0; at < len; at += RECORD_MAX) {
    const size_t now = len - at < RECORD_MAX ? len - at : RECORD_MAX;
    uint8_t header[HEADER] = {HANDSHAKE, 3, message[0] == 1 ? 1 : 3};
    put(header + 3, 2, now);
    write_all(to, header, HEADER);
    write_all(to, message + at, now);
  }
}

/* True when an extension is gone. */
static bool strip(int from, int to) {
  static uint8_t message[MESSAGE_MAX];
  size_t len;
  if (!take_hello(from, message, &len)) return false;
  const size_t left = take_out(message, len);
  send_hello(to, message, left > 0 ? left : len);
  return left > 0;
}

static void forward(int client, int server) {
  struct pollfd ends[2] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
  static uint8_t bytes[65536];
  while (ends[0].fd >= 0 || ends[1].fd >= 0) {
    if (poll(ends, 2, -1) < 0) fail("poll");
    for (int i = 0; i < 2; i++) {
      if (ends[i].revents == 0) continue;
      const int other = i == 0 ? server : client;
      const ssize_t got = read(ends[i].fd, bytes, sizeof bytes);
      if (got > 0) {
        if (send(other, bytes, (size_t)got, MSG_NOSIGNAL) < 0) return;
        continue;
      }
      (void)shutdown(other, SHUT_WR);
      ends[i].fd = -1;
    }
  }
}

static struct sockaddr_in local(unsigned port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static int take_connection(void) {
  struct sockaddr_in address = local(0);
  socklen_t len = sizeof address;
  const int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listening < 0 || bind(listening, (const struct sockaddr *)(const void *)&address, sizeof address) != 0 ||
      listen(listening, 1) != 0 || getsockname(listening, (struct sockaddr *)(void *)&address, &len) != 0)
    fail("listen");
  printf("%u\n", ntohs(address.sin_port));
  (void)fflush(stdout);
  const int fd = accept(listening, NULL, NULL);
  if (fd < 0) fail("accept");
  return fd;
}

int main(int argc, char **argv) {
  (void)alarm(SECONDS_MAX);
  (void)signal(SIGPIPE, SIG_IGN);
  const bool hello = argc == 3 && strcmp(argv[1], "hello") == 0;
  if (argc != 3 || (!hello && strcmp(argv[1], "answer") != 0)) {
    (void)fputs("usage: strip hello|answer PORT\n", stderr);
    return 2;
  }
  const struct sockaddr_in address = local((unsigned)strtoul(argv[2], NULL, 10));
  const int client = take_connection();
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (server < 0 || connect(server, (const struct sockaddr *)(const void *)&address, sizeof address) != 0)
    fail("connect");
  bool gone = hello && strip(client, server);
  if (!hello) {
    static uint8_t message[MESSAGE_MAX];
    size_t len;
    if (!take_hello(client, message, &len)) return 3;
    send_hello(server, message, len);
    gone = strip(server, client);
  }
  if (gone) forward(client, server);
  return gone ? 0 : 3;
}

/*
 * Plain TCP for the scripts: servers and clients that behave in ways that a channel has to cope with. Addresses are on
 * 127.0.0.1.
 *
 *   tcp serve echo|sink|stall|reset|source:BYTES   prints its port, then serves each connection in a process of its own
 *   tcp send PORT                                  standard input to it, end of file, the answer to standard output
 *   tcp many PORT COUNT BYTES                      COUNT connections at once, BYTES echoed on each and compared
 *   tcp slow PORT BYTES_PER_SECOND SECONDS         reads that slowly, that long, then goes away
 *   tcp hold PORT SECONDS                          connects and says nothing
 *   tcp gate PORT FILE                             prints its port, then relays one connection to PORT; what the client
 * says after the first answer waits until FILE is there
 *
 * Exit status: 0; 3 when the other side reset the connection; 1 for everything else. SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024, EXIT_RESET = 3, CONNECTIONS_MAX = 4096 };
static uint8_t chunk[CHUNK];

__attribute__((noreturn)) static void fail(const char *what) {
  const int error = errno;
  perror(what);
  exit(error == ECONNRESET || error == EPIPE ? EXIT_RESET : 1);
}

static void write_all(int fd, const uint8_t *bytes, size_t len) {
  while (len > 0) {
    const ssize_t done = write(fd, bytes, len);
    if (done < 0) fail("write");
    bytes += done;
    len -= (size_t)done;
  }
}

static size_t read_some(int fd, uint8_t *bytes, size_t len) {
  const ssize_t got = read(fd, bytes, len);
  if (got < 0) fail("read");
  return (size_t)got;
}

static struct sockaddr_in address_of(unsigned port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static int dial(unsigned port) {
  const struct sockaddr_in address = address_of(port);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (const struct sockaddr *)(const void *)&address, sizeof address) != 0) fail("connect");
  return fd;
}

static void send_pattern(int fd, uint64_t bytes) {
  for (size_t i = 0; i < sizeof chunk; i++) chunk[i] = (uint8_t)(i * 31 + i / 251);
  while (bytes > 0) {
    const size_t now = bytes < sizeof chunk ? (size_t)bytes : sizeof chunk;
    write_all(fd, chunk, now);
    bytes -= now;
  }
}

/* ---- servers ---- */

static void serve_one(const char *how, int fd) {
  size_t got;
  if (strcmp(how, "echo") == 0) {
    while ((got = read_some(fd, chunk, sizeof chunk)) > 0) write_all(fd, chunk, got);
  } else if (strcmp(how, "sink") == 0) {
    do got = read_some(fd, chunk, sizeof chunk);
    while (got > 0);
  } else if (strcmp(how, "stall") == 0) {
    for (;;) pause();
  } else if (strcmp(how, "reset") == 0) {
    (void)read_some(fd, chunk, sizeof chunk);
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  } else if (strncmp(how, "source:", 7) == 0) {
    send_pattern(fd, strtoull(how + 7, NULL, 10));
  }
  (void)close(fd);
}

/* At a port of the system's choice, which is printed. */
static int listen_somewhere(void) {
  struct sockaddr_in address = address_of(0);
  socklen_t len = sizeof address;
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)(void *)&address, len) != 0 || listen(listener, 1024) != 0)
    fail("listen");
  if (getsockname(listener, (struct sockaddr *)(void *)&address, &len) != 0) fail("getsockname");
  (void)printf("%u\n", (unsigned)ntohs(address.sin_port));
  (void)fflush(stdout);
  return listener;
}

static int serve(const char *how) {
  const int listener = listen_somewhere();
  (void)signal(SIGCHLD, SIG_IGN);
  const pid_t parent = getpid();
  for (;;) {
    const int fd = accept(listener, NULL, NULL);
    if (fd < 0) continue;
    if (fork() == 0) {
      /* Whoever stalls goes when the server goes. */
      (void)close(listener);
      (void)signal(SIGCHLD, SIG_DFL);
      if (strcmp(how, "stall") == 0)
        while (getppid() == parent) (void)usleep(100000);
      else
        serve_one(how, fd);
      _exit(0);
    }
    (void)close(fd);
  }
}

/* ---- clients ---- */

static int send_input(unsigned port) {
  const int fd = dial(port);
  struct pollfd ready[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
  for (;;) {
    if (poll(ready, 2, -1) < 0) fail("poll");
    if (ready[0].revents != 0) {
      const size_t got = read_some(STDIN_FILENO, chunk, sizeof chunk);
      write_all(fd, chunk, got);
      if (got == 0) {
        (void)shutdown(fd, SHUT_WR);
        ready[0].fd = -1;
      }
    }
    if (ready[1].revents != 0) {
      const size_t got = read_some(fd, chunk, sizeof chunk);
      if (got == 0) return 0;
      write_all(STDOUT_FILENO, chunk, got);
    }
  }
}

static int many(unsigned port, unsigned count, size_t bytes) {
  static int fds[CONNECTIONS_MAX];
  if (count > CONNECTIONS_MAX || bytes > CHUNK) return 1;
  for (unsigned i = 0; i < count; i++) fds[i] = dial(port);
  for (unsigned i = 0; i < count; i++) {
    (void)memset(chunk, (int)(i & 0xff), bytes);
    write_all(fds[i], chunk, bytes);
  }
  for (unsigned i = 0; i < count; i++) {
    (void)shutdown(fds[i], SHUT_WR);
    size_t seen = 0;
    size_t got;
    while ((got = read_some(fds[i], chunk, sizeof chunk)) > 0) {
      for (size_t at = 0; at < got; at++)
        if (chunk[at] != (uint8_t)i) return 1;
      seen += got;
    }
    if (seen != bytes) return 1;
    (void)close(fds[i]);
  }
  return 0;
}

static int slow(unsigned port, unsigned rate, unsigned seconds) {
  const int fd = dial(port);
  for (unsigned i = 0; i < seconds * 10; i++) {
    unsigned left = rate / 10;
    while (left > 0) {
      const size_t got = read_some(fd, chunk, left < sizeof chunk ? left : sizeof chunk);
      if (got == 0) return 0;
      left -= (unsigned)got;
    }
    (void)usleep(100000);
  }
  return 0;
}

/* One piece from one side to the other; false at the end. */
static bool pass(int from, int to) {
  const size_t got = read_some(from, chunk, sizeof chunk);
  write_all(to, chunk, got);
  if (got == 0) (void)shutdown(to, SHUT_WR);
  return got > 0;
}

static int gate(unsigned port, const char *file) {
  const int listener = listen_somewhere();
  const int client = accept(listener, NULL, NULL);
  if (client < 0) fail("accept");
  const int server = dial(port);
  struct pollfd ready[2] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
  bool answered = false;
  while (ready[0].fd >= 0 || ready[1].fd >= 0) {
    if (poll(ready, 2, 100) < 0) fail("poll");
    const bool open = !answered || access(file, F_OK) == 0;
    if (open && ready[0].revents != 0 && !pass(client, server)) ready[0].fd = -1;
    if (!open) (void)usleep(20000);
    if (ready[1].revents == 0) continue;
    answered = true;
    if (!pass(server, client)) ready[1].fd = -1;
  }
  return 0;
}

static unsigned number(const char *text) { return (unsigned)strtoul(text, NULL, 10); }

int main(int argc, char **argv) {
  (void)signal(SIGPIPE, SIG_IGN);
  const char *verb = argc > 1 ? argv[1] : "";
  if (strcmp(verb, "serve") == 0 && argc == 3) return serve(argv[2]);
  if (strcmp(verb, "send") == 0 && argc == 3) return send_input(number(argv[2]));
  if (strcmp(verb, "many") == 0 && argc == 5) return many(number(argv[2]), number(argv[3]), number(argv[4]));
  if (strcmp(verb, "slow") == 0 && argc == 5) return slow(number(argv[2]), number(argv[3]), number(argv[4]));
  if (strcmp(verb, "gate") == 0 && argc == 4) return gate(number(argv[2]), argv[3]);
  if (strcmp(verb, "hold") == 0 && argc == 4) {
    const int fd = dial(number(argv[2]));
    (void)sleep(number(argv[3]));
    (void)close(fd);
    return 0;
  }
  (void)fprintf(stderr, "tcp: unknown use; see its first lines\n");
  return 1;
}

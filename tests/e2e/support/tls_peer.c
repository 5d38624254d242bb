/*
 * Standard TLS 1.3 by libssl, for peers that know nothing of MLS. Addresses are on 127.0.0.1.
 *
 *   tls_peer client PORT CA [CERT KEY]   standard input to it, close_notify, the answer to standard output, to its
 *                                        close_notify
 *   tls_peer echo CERT KEY               prints its port, serves each connection in a process of its own
 *
 * Exit status: 0; 3 when the connection was cut or reset; 1 for everything else. label: libssl.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SECONDS_MAX = 120, CHUNK = 65536, EXIT_CUT = 3 };
static uint8_t chunk[CHUNK];

__attribute__((noreturn)) static void fail(const char *what) {
  perror(what);
  exit(1);
}

__attribute__((noreturn)) static void fail_tls(const SSL *ssl, int result) {
  const int error = SSL_get_error(ssl, result);
  const bool cut = (error == SSL_ERROR_SYSCALL && (errno == ECONNRESET || errno == EPIPE)) ||
                   ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  ERR_print_errors_fp(stderr);
  exit(cut ? EXIT_CUT : 1);
}

static SSL_CTX *make_context(const SSL_METHOD *method, const char *ca, const char *certificate, const char *key) {
  SSL_CTX *context = SSL_CTX_new(method);
  if (context == NULL) fail("SSL_CTX_new");
  (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  bool good = SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1;
  if (ca != NULL) {
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    good = good && SSL_CTX_load_verify_file(context, ca) == 1;
  }
  if (certificate != NULL)
    good = good && SSL_CTX_use_certificate_chain_file(context, certificate) == 1 &&
           SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1;
  if (good) return context;
  ERR_print_errors_fp(stderr);
  exit(1);
}

static struct sockaddr_in local(unsigned port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/* ---- the client ---- */

static void write_out(const uint8_t *bytes, size_t len) {
  while (len > 0) {
    const ssize_t done = write(STDOUT_FILENO, bytes, len);
    if (done <= 0) fail("standard output");
    bytes += done;
    len -= (size_t)done;
  }
}

static bool must_wait(const SSL *ssl, int result) {
  const int error = SSL_get_error(ssl, result);
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

typedef struct sending {
  uint8_t bytes[CHUNK];
  size_t at, len;
  bool ended;
} sending;

static void read_in(SSL *ssl, sending *send) {
  const ssize_t got = read(STDIN_FILENO, send->bytes, sizeof send->bytes);
  if (got < 0) fail("standard input");
  send->at = 0;
  send->len = (size_t)got;
  send->ended = got == 0;
  if (send->ended && SSL_shutdown(ssl) < 0) fail_tls(ssl, -1);
}

static void send_some(SSL *ssl, sending *send) {
  size_t done = 0;
  const int result = SSL_write_ex(ssl, send->bytes + send->at, send->len - send->at, &done);
  if (result != 1 && !must_wait(ssl, result)) fail_tls(ssl, result);
  send->at += done;
}

/* False at the end. */
static bool receive_some(SSL *ssl, bool *more) {
  size_t got = 0;
  const int result = SSL_read_ex(ssl, chunk, sizeof chunk, &got);
  *more = result == 1;
  if (result == 1) write_out(chunk, got);
  if (result == 1 || must_wait(ssl, result)) return true;
  if (SSL_get_error(ssl, result) == SSL_ERROR_ZERO_RETURN) return false;
  fail_tls(ssl, result);
}

static void exchange(SSL *ssl, int fd) {
  static sending send;
  for (bool more = true;;) {
    const bool has_some = send.at < send.len;
    struct pollfd ends[2] = {{.fd = fd, .events = (short)(POLLIN | (has_some ? POLLOUT : 0))},
                             {.fd = send.ended || has_some ? -1 : STDIN_FILENO, .events = POLLIN}};
    if (poll(ends, 2, -1) < 0) fail("poll");
    if (ends[1].revents != 0) read_in(ssl, &send);
    if (send.at < send.len) send_some(ssl, &send);
    do
      if (!receive_some(ssl, &more)) return;
    while (more);
  }
}

static void be_client(unsigned port, const char *ca, const char *certificate, const char *key) {
  SSL_CTX *context = make_context(TLS_client_method(), ca, certificate, key);
  SSL *ssl = SSL_new(context);
  const struct sockaddr_in address = local(port);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (const struct sockaddr *)(const void *)&address, sizeof address) != 0) fail("connect");
  if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 || SSL_set_tlsext_host_name(ssl, "localhost") != 1 ||
      SSL_set1_host(ssl, "localhost") != 1)
    fail("SSL_new");
  const int result = SSL_connect(ssl);
  if (result != 1) fail_tls(ssl, result);
  (void)fcntl(fd, F_SETFL, O_NONBLOCK);
  exchange(ssl, fd);
  SSL_free(ssl);
  SSL_CTX_free(context);
  (void)close(fd);
}

/* ---- the server ---- */

__attribute__((noreturn)) static void echo(SSL_CTX *context, int fd) {
  SSL *ssl = SSL_new(context);
  size_t got = 0;
  if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) fail("SSL_new");
  int result = SSL_accept(ssl);
  if (result != 1) fail_tls(ssl, result);
  while ((result = SSL_read_ex(ssl, chunk, sizeof chunk, &got)) == 1) {
    for (size_t at = 0, done; at < got; at += done) {
      const int written = SSL_write_ex(ssl, chunk + at, got - at, &done);
      if (written != 1) fail_tls(ssl, written);
    }
  }
  if (SSL_get_error(ssl, result) != SSL_ERROR_ZERO_RETURN) fail_tls(ssl, result);
  (void)SSL_shutdown(ssl);
  exit(0);
}

static void serve_echo(const char *certificate, const char *key) {
  SSL_CTX *context = make_context(TLS_server_method(), NULL, certificate, key);
  struct sockaddr_in address = local(0);
  socklen_t len = sizeof address;
  const int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listening < 0 || bind(listening, (const struct sockaddr *)(const void *)&address, sizeof address) != 0 ||
      listen(listening, 8) != 0 || getsockname(listening, (struct sockaddr *)(void *)&address, &len) != 0)
    fail("listen");
  printf("%u\n", ntohs(address.sin_port));
  (void)fflush(stdout);
  (void)signal(SIGCHLD, SIG_IGN);
  for (;;) {
    const int fd = accept(listening, NULL, NULL);
    if (fd < 0) fail("accept");
    const pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
      (void)alarm(SECONDS_MAX);
      echo(context, fd);
    }
    (void)close(fd);
  }
}

int main(int argc, char **argv) {
  (void)signal(SIGPIPE, SIG_IGN);
  (void)alarm(SECONDS_MAX * 2);
  if ((argc == 4 || argc == 6) && argv[1][0] == 'c')
    be_client((unsigned)strtoul(argv[2], NULL, 10), argv[3], argc == 6 ? argv[4] : NULL, argc == 6 ? argv[5] : NULL);
  else if (argc == 4 && argv[1][0] == 'e')
    serve_echo(argv[2], argv[3]);
  else {
    (void)fputs("usage: tls_peer client PORT CA [CERT KEY] | echo CERT KEY\n", stderr);
    return 2;
  }
  return 0;
}

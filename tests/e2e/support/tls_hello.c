/*
 * The hellos of TLS+MLS against other TLS implementations. Addresses are on 127.0.0.1.
 *
 *   tls_hello client PORT SUITE [FRAGMENT]   sends our ClientHello, in records of FRAGMENT bytes of it (default: whole
 *                                            ones), and a second one if asked for; says what came back:
 *                                            "standard SUITE", the server's answer is a ServerHello of TLS 1.3 in which
 *                                            only our extension is missing, or "alert N", or "refused ALERT: ERROR"
 *   tls_hello server                         prints its port, takes one connection, and says what the ClientHello
 *                                            that comes is: "standard BYTES", "mls BYTES" or "refused ALERT: ERROR"
 *
 * Exit status: 0 when it said something. label: library. SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "record/record.h"
#include "tls/tls.h"

enum { SECONDS_MAX = 20 };

static tw_env env;
static tw_client client;
static const tw_client *clients[] = {&client};
static const tw_bytes names[] = {TW_LITERAL("localhost")};
static const tw_bytes protocols[] = {TW_LITERAL("http/1.1")};
static tw_buf handshake; /* what has come of a message */
static size_t fragment_max = TW_RECORD_PLAINTEXT_MAX;
static unsigned hellos; /* sent */

__attribute__((noreturn)) static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void must(tw_err err) {
  if (err == TW_OK) return;
  (void)fprintf(stderr, "tls_hello: %s\n", tw_err_text(err));
  exit(1);
}

static tw_err accept_anyone(void *ctx, const tw_credential_use *use) {
  (void)ctx;
  (void)use;
  return TW_OK;
}

static void make_client(const char *suite_name) {
  must(tw_provider_openssl_new(NULL, &env.provider));
  client.env = &env;
  client.suite = suite_name == NULL ? tw_suite_default() : tw_suite_by_name(suite_name);
  if (client.suite == NULL) must(TW_ERR_UNSUPPORTED);
  client.credential = (tw_credential){.type = 1, .identity = TW_LITERAL("hello")};
  client.policy.credential = accept_anyone;
  must(tw_signer_generate(&env, client.suite, &client.signer));
}

static void write_all(int fd, const uint8_t *bytes, size_t len) {
  while (len > 0) {
    const ssize_t done = write(fd, bytes, len);
    if (done <= 0) fail("write");
    bytes += done;
    len -= (size_t)done;
  }
}

/* False at the end of the stream. */
static bool read_all(int fd, uint8_t *bytes, size_t len) {
  while (len > 0) {
    const ssize_t got = read(fd, bytes, len);
    if (got < 0) fail("read");
    if (got == 0) return false;
    bytes += got;
    len -= (size_t)got;
  }
  return true;
}

static void send_message(int fd, tw_bytes message) {
  for (size_t at = 0; at < message.len; at += fragment_max) {
    const size_t left = message.len - at;
    const size_t now = left < fragment_max ? left : fragment_max;
    uint8_t header[TW_RECORD_HEADER];
    tw_record_put_plain_header(header, TW_RECORD_HANDSHAKE, now);
    if (hellos == 0) header[2] = 1; /* section 5.1: 0x0301 for the first ClientHello */
    write_all(fd, header, sizeof header);
    write_all(fd, message.ptr + at, now);
  }
}

/* What the server would say (fd -1) stays unsaid. */
static void do_steps(int fd, tw_tls *tls) {
  static const uint8_t ccs[] = {TW_RECORD_CHANGE_CIPHER_SPEC, 3, 3, 0, 1, 1};
  tw_tls_step step;
  while (tw_tls_next_step(tls, &step)) {
    if (fd >= 0 && step.kind == TW_TLS_STEP_SEND_CCS) write_all(fd, ccs, sizeof ccs);
    if (fd >= 0 && step.kind == TW_TLS_STEP_SEND) {
      send_message(fd, step.message);
      hellos++;
    }
    tw_secret_clear(&step.secret);
  }
}

/* One record; false at the end, and after an alert, which it says. */
static bool read_record(int fd) {
  static uint8_t record[TW_RECORD_SIZE_MAX];
  tw_record_header header;
  if (!read_all(fd, record, TW_RECORD_HEADER)) {
    puts("closed");
    return false;
  }
  must(tw_record_peek(TW_BYTES(record, TW_RECORD_HEADER), true, &header));
  if (!read_all(fd, record + TW_RECORD_HEADER, header.size - TW_RECORD_HEADER)) {
    puts("cut");
    return false;
  }
  if (header.type == TW_RECORD_ALERT) {
    printf("alert %d\n", record[TW_RECORD_HEADER + 1]);
    return false;
  }
  if (header.type == TW_RECORD_HANDSHAKE) {
    must(tw_buf_append(&handshake, TW_BYTES(record + TW_RECORD_HEADER, header.size - TW_RECORD_HEADER)));
  }
  return true;
}

/* The machine is given each message that is whole; false once it wants no more. */
static bool take_messages(int fd, tw_tls *tls, tw_err *err) {
  uint8_t type;
  size_t size;
  while (tw_tls_message_peek(tw_buf_bytes(&handshake), &type, &size) == TW_OK && size <= handshake.len) {
    *err = tw_tls_receive(tls, TW_TLS_PLAIN, TW_BYTES(handshake.ptr, size), size == handshake.len, 1800000000000u);
    if (*err != TW_OK || tw_tls_state_of(tls) == TW_TLS_STANDARD) return false;
    tw_buf_consume(&handshake, size);
    do_steps(fd, tls);
  }
  return true;
}

static unsigned cipher_suite(void) { /* of the ServerHello in `handshake` */
  const size_t at = 4 + 2 + 32 + 1 + (size_t)handshake.ptr[38];
  return (unsigned)handshake.ptr[at] << 8 | handshake.ptr[at + 1];
}

static void be_client(unsigned port) {
  const tw_tls_config config = {.clients = clients,
                                .client_count = 1,
                                .server_names = names,
                                .server_name_count = 1,
                                .protocols = protocols,
                                .protocol_count = 1,
                                .record_size_limit = TW_TLS_RECORD_SIZE_LIMIT_MAX};
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (const struct sockaddr *)(const void *)&address, sizeof address) != 0) fail("connect");
  tw_tls *tls;
  tw_err err = TW_OK;
  must(tw_tls_client_new(&config, 1800000000000u, &tls));
  must(tw_tls_client_start(tls, TW_NO_BYTES));
  do_steps(fd, tls);
  while (read_record(fd)) {
    if (take_messages(fd, tls, &err)) continue;
    /* handshake_failure is what a ServerHello gets that is right but for our extension. */
    if (err == TW_ERR_UNSUPPORTED && tw_tls_alert_told(tls) == TW_ALERT_HANDSHAKE_FAILURE) {
      printf("standard %04x, %u ClientHello\n", cipher_suite(), hellos);
    } else {
      printf("refused %u: %s\n", tw_tls_alert_told(tls), tw_err_text(err));
    }
    break;
  }
  tw_tls_free(tls);
  (void)close(fd);
}

static int take_connection(void) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t len = sizeof address;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listening < 0 || bind(listening, (const struct sockaddr *)(const void *)&address, sizeof address) != 0 ||
      listen(listening, 1) != 0 || getsockname(listening, (struct sockaddr *)(void *)&address, &len) != 0) {
    fail("listen");
  }
  printf("%u\n", ntohs(address.sin_port));
  (void)fflush(stdout);
  const int fd = accept(listening, NULL, NULL);
  if (fd < 0) fail("accept");
  return fd;
}

static void be_server(void) {
  const tw_tls_config config = {.clients = clients, .client_count = 1};
  const int fd = take_connection();
  tw_tls *tls;
  tw_err err = TW_OK;
  must(tw_tls_server_new(&config, &tls));
  while (read_record(fd)) {
    if (take_messages(-1, tls, &err) && tw_tls_state_of(tls) == TW_TLS_WAIT_CLIENT_HELLO) continue;
    if (err != TW_OK) {
      printf("refused %u: %s\n", tw_tls_alert_told(tls), tw_err_text(err));
    } else {
      printf("%s %zu\n", tw_tls_state_of(tls) == TW_TLS_STANDARD ? "standard" : "mls", handshake.len);
    }
    break;
  }
  tw_tls_free(tls);
  (void)close(fd);
}

int main(int argc, char **argv) {
  (void)alarm(SECONDS_MAX);
  (void)signal(SIGPIPE, SIG_IGN);
  if (argc >= 4 && strcmp(argv[1], "client") == 0) {
    if (argc > 4) fragment_max = strtoul(argv[4], NULL, 10);
    if (fragment_max == 0 || fragment_max > TW_RECORD_PLAINTEXT_MAX) return 2;
    make_client(argv[3]);
    be_client((unsigned)strtoul(argv[2], NULL, 10));
  } else if (argc == 2 && strcmp(argv[1], "server") == 0) {
    make_client(NULL);
    be_server();
  } else {
    (void)fputs("usage: tls_hello client PORT SUITE [FRAGMENT] | server\n", stderr);
    return 2;
  }
  tw_buf_clear(&handshake);
  tw_signer_free(client.signer);
  tw_provider_free(env.provider);
  return 0;
}

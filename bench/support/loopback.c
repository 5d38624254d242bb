/* SPDX-License-Identifier: Apache-2.0 */
#include "loopback.h"

#include <arpa/inet.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

uint64_t loopback_ms(void) {
  struct timespec now;
  BENCH_TRUE(clock_gettime(CLOCK_REALTIME, &now) == 0);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

double loopback_cpu(int who) {
  struct rusage usage;
  BENCH_TRUE(getrusage(who, &usage) == 0);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

int loopback_listen(struct sockaddr_in *address) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  socklen_t len = sizeof *address;
  *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  BENCH_TRUE(fd >= 0 && bind(fd, (struct sockaddr *)address, sizeof *address) == 0 && listen(fd, 4) == 0 &&
             getsockname(fd, (struct sockaddr *)address, &len) == 0);
  return fd;
}

int loopback_connect(const struct sockaddr_in *address) {
  for (unsigned i = 0; i < 500; i++) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    BENCH_TRUE(fd >= 0);
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0) return fd;
    close(fd);
    (void)usleep(10000);
  }
  bench_die(__FILE__, __LINE__, "no connection");
}

static void self_signed(SSL_CTX *ctx) {
  EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
  X509 *certificate = X509_new();
  BENCH_TRUE(key != NULL && certificate != NULL && X509_set_version(certificate, X509_VERSION_3) == 1 &&
             ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
             X509_gmtime_adj(X509_getm_notBefore(certificate), 0) != NULL &&
             X509_gmtime_adj(X509_getm_notAfter(certificate), 3600) != NULL && X509_set_pubkey(certificate, key) == 1 &&
             X509_sign(certificate, key, NULL) > 0 && SSL_CTX_use_certificate(ctx, certificate) == 1 &&
             SSL_CTX_use_PrivateKey(ctx, key) == 1);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

SSL *loopback_tls(bool server, int fd) {
  SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
  BENCH_TRUE(ctx != NULL && SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
             SSL_CTX_set_ciphersuites(ctx, "TLS_AES_256_GCM_SHA384") == 1);
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_default_read_buffer_len(ctx, LOOPBACK_PIECE);
  if (server) {
    BENCH_TRUE(SSL_CTX_set_num_tickets(ctx, 0) == 1);
    self_signed(ctx);
  }
  SSL *ssl = SSL_new(ctx);
  BENCH_TRUE(ssl != NULL && SSL_set_fd(ssl, fd) == 1);
  BENCH_TRUE((server ? SSL_accept(ssl) : SSL_connect(ssl)) == 1);
  SSL_CTX_free(ctx);
  return ssl;
}

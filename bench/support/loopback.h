/* What measurements over loopback TCP share. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_BENCH_LOOPBACK_H
#define TW_BENCH_LOOPBACK_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/resource.h>

#include "bench.h"

enum { LOOPBACK_PIECE = 65536 }; /* bytes that programs write and read at once */

uint64_t loopback_ms(void); /* wall clock */
/* Seconds of processor time, RUSAGE_SELF or RUSAGE_CHILDREN. */
double loopback_cpu(int who);
/* A listening socket on a free port of 127.0.0.1. */
int loopback_listen(struct sockaddr_in *address);
/* A connection to it; tries for a while. */
int loopback_connect(const struct sockaddr_in *address);
/* TLS 1.3 over `fd`, shaken hands: TLS_AES_256_GCM_SHA384, a server with a certificate of its own and no tickets. */
SSL *loopback_tls(bool server, int fd);

#endif

/* TLS 1.3 by libssl between two ends in memory, to compare with. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_BENCH_TLS_PAIR_H
#define TW_BENCH_TLS_PAIR_H

#include <openssl/ssl.h>

#include "bench.h"

/*
 * Both contexts are set up once, as a server's and a client's that has many connections would be: Ed25519 certificates
 * of one CA in both, each side demands and checks the other's.
 */
typedef struct tls_world {
  SSL_CTX *ctx[2];      /* the client's first */
  SSL_SESSION *session; /* of the ticket that came last */
} tls_world;

typedef struct tls_options {
  const char *group;  /* "X25519" */
  const char *cipher; /* "TLS_AES_128_GCM_SHA256" */
  bool pinned;        /* certificates signed by themselves and compared with the ones expected, no chain */
  unsigned tickets;   /* of the server, for each handshake */
  bool early_data;    /* tickets allow it, once each: the server keeps them */
} tls_options;

void tls_world_init(tls_world *world, const tls_options *options);
void tls_world_clear(tls_world *world);

typedef struct tls_pair {
  SSL *end[2];
  BIO *wire[2]; /* what the client sends, what the server sends */
} tls_pair;

/*
 * A handshake until both sides have finished and tickets are taken; with `resume`, by the world's session. `early` goes
 * with the first flight and has to be taken from it.
 */
void tls_pair_open(tls_pair *pair, tls_world *world, bool resume, tw_bytes early);
void tls_pair_close(tls_pair *pair);
uint64_t tls_pair_wire(const tls_pair *pair);

#endif

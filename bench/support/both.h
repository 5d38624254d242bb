/* Two channels back to back, in memory. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_BENCH_BOTH_H
#define TW_BENCH_BOTH_H

#include "world.h"

static const uint64_t both_ms = (uint64_t)BENCH_NOW * 1000;

typedef struct both {
  tw_channel *end[2]; /* the connecting one first */
} both;

typedef struct both_options {
  tw_channel_protocol protocol;
  bool durable;   /* each change is saved to memory before it leaves */
  tw_buf *saved;  /* [2], with durable: the session of each side, the last one */
  bool resume;    /* from `saved` */
  tw_bytes early; /* written by the connecting side before anything has come back */
} both_options;

/* Makes the two, and writes `early`; nothing is carried yet. */
void both_ask(both *pair, const bench_person *people, const both_options *options);
/* One side's session, as a caller with a store saves it, but for the disk. */
void both_save(both *pair, unsigned who, const both_options *options);
/* Opens the two, and carries until both are at rest. NULL: MLS-TLS, not durable. The peer's data stays to be taken. */
void both_open(both *pair, const bench_person *people, const both_options *options);
/* Bytes to and fro until none are left; all of them are counted by the channels. */
void both_settle(both *pair, const both_options *options);
void both_rekey(both *pair, unsigned who);
/* Time passes without traffic: buffers go. */
void both_rest(both *pair, uint64_t now_ms);
void both_close(both *pair);
/* What both have sent. */
uint64_t both_wire(const both *pair);

#endif

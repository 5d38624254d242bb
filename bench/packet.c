/*
 * What inner packets cost: bench_packet. Each row is one pass over the packets of a super-packet of 64 KB, 1,400 bytes
 * of payload in each, beside memcpy of the same bytes in turns. SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "bench.h"
#include "packet/checksum.h"
#include "packet/coalesce.h"
#include "packet/split.h"

enum {
  COUNT = 46,
  PAYLOAD = 1400,
  HEADER = 40,
  PACKET = HEADER + PAYLOAD,
  SLOT = 1536,
  SUPER = HEADER + COUNT * PAYLOAD
};
static const double seconds = 0.5;

static uint8_t super[SUPER];
static uint8_t slots[COUNT][SLOT]; /* the segments, each for itself */
static uint8_t copies[COUNT][SLOT];
static uint8_t apart[COUNT][SLOT];   /* each of another flow */
static uint8_t heads[COUNT][HEADER]; /* as they were before coalescing */
static tw_offload offload = {TW_OFFLOAD_NEEDS_CSUM, TW_OFFLOAD_TCP4, HEADER, PAYLOAD, 20, 16};
static tw_coalesce batch;
static volatile uint32_t sink;

/* An IPv4 TCP packet of data, as the kernel hands it over: the checksum is left to us. */
static void make_super(void) {
  static const uint8_t head[HEADER] = {0x45, 0,    SUPER >> 8, SUPER & 0xff,
                                       1,    2,    0x40,       0,
                                       64,   6,    0,          0,
                                       10,   0,    0,          1,
                                       10,   0,    0,          2,
                                       1,    1,    2,          2,
                                       0,    0,    0,          1,
                                       0,    0,    0,          1,
                                       0x50, 0x10, 1,          1};
  memcpy(super, head, sizeof head);
  for (size_t i = HEADER; i < SUPER; i++) super[i] = (uint8_t)(i * 0x9e3779b1u >> 13);
  const uint32_t pseudo = tw_sum_pseudo(TW_BYTES(super + 12, 4), TW_BYTES(super + 16, 4), 6, SUPER - 20);
  super[36] = (uint8_t)(pseudo >> 8);
  super[37] = (uint8_t)pseudo;
}

static void run_split(void *ctx) {
  (void)ctx;
  tw_ip ip;
  tw_split split;
  BENCH_OK(tw_ip_parse(TW_ARRAY(super), &ip));
  BENCH_OK(tw_split_begin(&split, super, &ip, &offload));
  for (size_t n = 0; tw_split_next(&split, slots[n]) > 0 && n + 1 < COUNT; n++) {}
}

static void run_sum(void *ctx) {
  (void)ctx;
  uint32_t sum = 0;
  for (size_t n = 0; n < COUNT; n++) sum += tw_sum(slots[n], PACKET);
  sink = sum;
}

static void run_sum_copy(void *ctx) {
  (void)ctx;
  uint32_t sum = 0;
  for (size_t n = 0; n < COUNT; n++) sum += tw_sum_copy(copies[n], slots[n], PACKET);
  sink = sum;
}

static void run_parse(void *ctx) {
  (void)ctx;
  tw_ip ip;
  for (size_t n = 0; n < COUNT; n++) BENCH_OK(tw_ip_parse(TW_BYTES(slots[n], PACKET), &ip));
}

/* The heads that were written to are put back, as new packets would have come. */
static void run_coalesce(void *ctx) {
  (void)ctx;
  tw_bytes pieces[TW_COALESCE_PIECES];
  tw_offload made;
  tw_ip ip;
  memcpy(slots[0], heads[0], HEADER);
  tw_coalesce_begin(&batch, TW_COALESCE_TCP | TW_COALESCE_UDP);
  for (size_t n = 0; n < COUNT; n++) {
    BENCH_OK(tw_ip_parse(TW_BYTES(slots[n], PACKET), &ip));
    BENCH_OK(tw_coalesce_add(&batch, slots[n], &ip));
  }
  BENCH_TRUE(batch.count == 1 && tw_coalesce_take(&batch, 0, &made, pieces) == COUNT);
}

/* Nothing to append: each packet has other ports than the one before. */
static void run_apart(void *ctx) {
  (void)ctx;
  tw_bytes pieces[TW_COALESCE_PIECES];
  tw_offload made;
  tw_ip ip;
  tw_coalesce_begin(&batch, TW_COALESCE_TCP | TW_COALESCE_UDP);
  for (size_t n = 0; n < COUNT; n++) {
    BENCH_OK(tw_ip_parse(TW_BYTES(apart[n], PACKET), &ip));
    BENCH_OK(tw_coalesce_add(&batch, apart[n], &ip));
  }
  BENCH_TRUE(batch.count == COUNT);
  for (size_t n = 0; n < COUNT; n++) BENCH_TRUE(tw_coalesce_take(&batch, n, &made, pieces) == 1);
}

static void run_copy(void *ctx) {
  (void)ctx;
  for (size_t n = 0; n < COUNT; n++) memcpy(copies[n], super + n * PAYLOAD, PACKET);
}

static void row(const char *name, bench_work work) {
  const bench_compared result = bench_compare(work, NULL, run_copy, NULL, seconds);
  char text[128];
  (void)snprintf(text, sizeof text, "%s, 1,400 bytes", name);
  bench_row(text, result.seconds / COUNT * 1e9, "ns", BENCH_INFO, 0);
  bench_note("%.1f GB/s; memcpy in the same run %.1f GB/s, this takes %.2f times as long",
             (double)COUNT * PAYLOAD / result.seconds / 1e9, (double)COUNT * PAYLOAD / result.reference / 1e9,
             result.ratio);
}

int main(void) {
  make_super();
  run_split(NULL);
  for (size_t n = 0; n < COUNT; n++) memcpy(heads[n], slots[n], HEADER);
  bench_title("Inner packets, for each");
  row("checksum", run_sum);
  row("checksum and copy", run_sum_copy);
  row("view", run_parse);
  row("split, copied and with checksums", run_split);
  row("coalesce, checksums verified", run_coalesce);
  for (size_t n = 0; n < COUNT; n++) {
    memcpy(apart[n], slots[n], SLOT);
    memcpy(apart[n], heads[n], HEADER);
    apart[n][21] = (uint8_t)n;
  }
  row("coalesce, of as many flows", run_apart);
  return (int)bench_finish(NULL);
}

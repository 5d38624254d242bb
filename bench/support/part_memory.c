/* Ten thousand idle channels, and the bytes of handshakes. SPDX-License-Identifier: Apache-2.0 */
#include <malloc.h>

#include "both.h"

enum { ENDS = 10000, PAIRS = ENDS / 2, REKEYED = 500 /* pairs of them */, DURABLE = 1000 /* pairs */ };
static const double must_classical = 24;
static const double must_pq = 40;

/* ---- memory ---- */

typedef struct usage {
  double own; /* by the channels' allocator */
  double heap;
  double resident;
} usage;

static usage usage_now(const bench_memory *memory) {
  malloc_trim(0);
  return (usage){(double)memory->now, (double)bench_heap(), (double)bench_resident()};
}

/* What `ends` channels have come to between the two. */
static usage usage_each(usage from, usage to, double ends) {
  const double kib = 1024 * ends;
  return (usage){(to.own - from.own) / kib, (to.heap - from.heap) / kib, (to.resident - from.resident) / kib};
}

static void report_memory(const char *suite, const char *state, usage each, double must) {
  char name[96];
  snprintf(name, sizeof name, "%s, %s: heap with OpenSSL's, per channel", suite, state);
  bench_row(name, each.heap, "KiB", BENCH_AT_MOST, must);
  bench_note("by the channels' own allocator %.1f KiB, resident set %.1f KiB", each.own, each.resident);
}

/* With a state, in which the session is kept: what the channel itself still has. */
static void measure_durable(both *pairs, const bench_person *people, const bench_memory *memory, const char *name,
                            double must) {
  tw_buf saved[2] = {TW_BUF_INIT(NULL), TW_BUF_INIT(NULL)};
  const both_options options = {.durable = true, .saved = saved};
  both_open(&pairs[0], people, &options);
  both_close(&pairs[0]);
  const usage before = usage_now(memory);
  for (unsigned i = 0; i < DURABLE; i++) {
    both_open(&pairs[i], people, &options);
    both_rest(&pairs[i], both_ms);
  }
  report_memory(name, "durable, established", usage_each(before, usage_now(memory), 2.0 * DURABLE), must);
  for (unsigned i = 0; i < DURABLE; i++) both_close(&pairs[i]);
  for (unsigned i = 0; i < 2; i++) tw_buf_clear(&saved[i]);
}

static void measure_pairs(both *pairs, const bench_person *people, const bench_memory *memory, const char *name,
                          double must) {
  const usage before = usage_now(memory);
  const double start = bench_cpu_seconds();
  for (unsigned i = 0; i < PAIRS; i++) {
    both_open(&pairs[i], people, NULL);
    both_rest(&pairs[i], both_ms);
  }
  const double handshakes = bench_cpu_seconds() - start;
  const usage between = usage_now(memory);
  const usage fresh = usage_each(before, between, ENDS);
  report_memory(name, "established", fresh, must);
  bench_note("%.0f handshakes a second, both ends on one core", PAIRS / handshakes);
  for (unsigned i = 0; i < REKEYED; i++) {
    both_rekey(&pairs[i], 0);
    both_rekey(&pairs[i], 1);
    both_rest(&pairs[i], both_ms + 20000);
  }
  const usage more = usage_each(between, usage_now(memory), 2.0 * REKEYED);
  const usage rekeyed = {fresh.own + more.own, fresh.heap + more.heap, fresh.resident + more.resident};
  report_memory(name, "after 2 rekeys", rekeyed, must);
}

static void measure_memory(const tw_suite *suite, const char *name, double must) {
  bench_memory memory;
  bench_memory_init(&memory);
  tw_env env = {.alloc = &memory.alloc};
  bench_person people[2];
  BENCH_OK(tw_provider_openssl_new(NULL, &env.provider));
  for (unsigned i = 0; i < 2; i++) bench_person_init(&people[i], &env, suite, i);
  both *pairs = calloc(PAIRS, sizeof *pairs);
  BENCH_TRUE(pairs != NULL);
  both_open(&pairs[0], people, NULL); /* warm */
  both_close(&pairs[0]);
  const size_t own = memory.now;
  measure_pairs(pairs, people, &memory, name, must);
  for (unsigned i = 0; i < PAIRS; i++) both_close(&pairs[i]);
  measure_durable(pairs, people, &memory, name, must);
  BENCH_TRUE(memory.now == own);
  for (unsigned i = 0; i < 2; i++) bench_person_clear(&people[i]);
  free(pairs);
  tw_provider_free(env.provider);
}

void bench_part_memory(void) {
  bench_title("Memory of an idle channel, one end: 10,000 in one process, 5,000 pairs back to back");
  measure_memory(tw_suite_at(0), "classical (suite 1)", must_classical);
  measure_memory(tw_suite_default(), "post-quantum (default suite)", must_pq);
}

/* ---- bytes ---- */

void bench_part_bytes(void) {
  tw_env env = {0};
  bench_title("Bytes on the wire, both ways, of a handshake with the record that confirms it, and of one rekey");
  BENCH_OK(tw_provider_openssl_new(NULL, &env.provider));
  for (size_t i = 0; tw_suite_at(i) != NULL; i++) {
    bench_person people[2];
    both pair;
    char name[128];
    for (unsigned j = 0; j < 2; j++) bench_person_init(&people[j], &env, tw_suite_at(i), j);
    both_open(&pair, people, NULL);
    const uint64_t handshake = both_wire(&pair);
    both_rekey(&pair, 0);
    const uint64_t before = both_wire(&pair);
    both_rekey(&pair, 0);
    snprintf(name, sizeof name, "handshake, %s", tw_suite_name(tw_suite_at(i)));
    bench_row(name, (double)handshake, "bytes", BENCH_INFO, 0);
    snprintf(name, sizeof name, "rekey, %s", tw_suite_name(tw_suite_at(i)));
    bench_row(name, (double)(both_wire(&pair) - before), "bytes", BENCH_INFO, 0);
    both_close(&pair);
    for (unsigned j = 0; j < 2; j++) bench_person_clear(&people[j]);
  }
  tw_provider_free(env.provider);
}

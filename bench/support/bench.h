/* What the parts of the benchmark share. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_BENCH_H
#define TW_BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <treewire/env.h>

/* A benchmark that fails in the middle has nothing to say: the first error ends it. */
#define BENCH_OK(expr)                                                                                                 \
  do {                                                                                                                 \
    const tw_err bench_err_ = (expr);                                                                                  \
    if (bench_err_ != TW_OK) bench_die(__FILE__, __LINE__, tw_err_text(bench_err_));                                   \
  } while (0)
#define BENCH_TRUE(expr)                                                                                               \
  do {                                                                                                                 \
    if (!(expr)) bench_die(__FILE__, __LINE__, #expr);                                                                 \
  } while (0)
void bench_die(const char *file, int line, const char *what) __attribute__((noreturn));

/* ---- report.c: rows of the table and of the JSON list ---- */

typedef enum bench_bound { BENCH_INFO, BENCH_AT_MOST, BENCH_AT_LEAST } bench_bound;
void bench_title(const char *title);
void bench_row(const char *name, double value, const char *unit, bench_bound bound, double must);
/* A remark under the row before it; on the terminal only. */
void bench_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Rows that missed; the JSON list is written to `path` unless that is NULL. */
unsigned bench_finish(const char *path);

/* ---- clock.c ---- */

double bench_cpu_seconds(void);  /* of this thread */
double bench_wall_seconds(void); /* monotonic */

typedef void (*bench_work)(void *ctx);
typedef struct bench_compared {
  double seconds; /* one call of the work, in the fastest tenth of the batches */
  double reference;
  double ratio; /* median of the batches' ratios */
} bench_compared;
/*
 * Times `work` against `reference` in turns, batch by batch, by the processor time of this thread: what else the
 * machine does hits both alike. All of it takes about `seconds`.
 */
bench_compared bench_compare(bench_work work, void *ctx, bench_work reference, void *reference_ctx, double seconds);
/* Seconds of one call, in the fastest tenth of the batches. */
double bench_time(bench_work work, void *ctx, double seconds);
double bench_median(double *values, size_t count);

/* ---- memory.c ---- */

/* The C library's allocator, counting what is in use. */
typedef struct bench_memory {
  tw_alloc alloc;
  size_t now;
  size_t peak;
  uint64_t calls;
} bench_memory;
void bench_memory_init(bench_memory *memory);
/* All of the heap that is in use, OpenSSL's part included, and the resident set; bytes. */
size_t bench_heap(void);
size_t bench_resident(void);

/* ---- trace.c: what is asked of the provider ---- */

typedef struct bench_trace bench_trace;
/* A provider that hands everything on to OpenSSL's, and remembers the calls while it records. */
tw_provider *bench_trace_provider(void);
void bench_trace_start(tw_provider *provider);
bench_trace *bench_trace_stop(tw_provider *provider);
/* The same calls with the same arguments, made of the provider itself. */
void bench_trace_replay(void *trace);
/* "2 x25519 key, 1 sign ed25519, …" of the calls with public keys; the others as one count each. */
void bench_trace_describe(const bench_trace *trace, char *out, size_t size);
void bench_trace_free(bench_trace *trace);

/*
 * A row with the time of `work` by the time of the primitives that it needs: those that it asks of the provider,
 * recorded once and then asked again alone. `work` has to ask the same each time.
 */
void bench_against_primitives(tw_provider *provider, bench_work work, void *ctx, const char *name, bench_bound bound,
                              double must, double seconds);

/* ---- the parts ---- */

void bench_part_two_party(void);
void bench_part_primitives(void);
void bench_part_exporter(void);
void bench_part_trees(void);
void bench_part_adding(void);
void bench_part_proposals(void);
void bench_part_records(void);
void bench_part_esp(void);
void bench_part_stream(void);
void bench_part_program(void);
void bench_part_memory(void);
void bench_part_bytes(void);
void bench_part_store(void);
void bench_part_handshake(void);
void bench_part_resumption(void);
void bench_part_delivery(void);
void bench_part_network(void);

#endif

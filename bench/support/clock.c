/* Time, on a machine that does other things too. SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "bench.h"

enum { BATCHES_MAX = 256 };

static double read_clock(clockid_t clock) {
  struct timespec now;
  BENCH_TRUE(clock_gettime(clock, &now) == 0);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

double bench_cpu_seconds(void) { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

double bench_wall_seconds(void) { return read_clock(CLOCK_MONOTONIC); }

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a;
  const double y = *(const double *)b;
  return (x > y) - (x < y);
}

double bench_median(double *values, size_t count) {
  qsort(values, count, sizeof *values, by_value);
  return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* What the fastest tenth takes: as if the machine did nothing else. */
static double undisturbed(double *values, size_t count) {
  qsort(values, count, sizeof *values, by_value);
  return values[count / 10];
}

static double batch(bench_work work, void *ctx, unsigned calls) {
  const double start = bench_cpu_seconds();
  for (unsigned i = 0; i < calls; i++) work(ctx);
  return (bench_cpu_seconds() - start) / calls;
}

/* How often to call in a batch and how many batches to make of it, for all to take about `seconds`. */
static unsigned plan(double one_round, double seconds, unsigned *calls) {
  enum { WANTED = 201, LEAST = 5 };
  const double rounds = seconds / one_round;
  *calls = rounds > 2 * WANTED ? (unsigned)(rounds / WANTED) : 1;
  if (rounds > WANTED) return WANTED;
  return rounds > LEAST ? (unsigned)rounds : LEAST;
}

bench_compared bench_compare(bench_work work, void *ctx, bench_work reference, void *reference_ctx, double seconds) {
  double own[BATCHES_MAX];
  double other[BATCHES_MAX];
  double ratio[BATCHES_MAX];
  unsigned calls;
  (void)batch(work, ctx, 1);
  (void)batch(reference, reference_ctx, 1);
  const unsigned batches = plan(batch(work, ctx, 1) + batch(reference, reference_ctx, 1), seconds, &calls);
  for (unsigned i = 0; i < batches; i++) {
    /* Who goes first changes: the second finds the caches as the first one left them. */
    if (i % 2 == 1) other[i] = batch(reference, reference_ctx, calls);
    own[i] = batch(work, ctx, calls);
    if (i % 2 == 0) other[i] = batch(reference, reference_ctx, calls);
    ratio[i] = own[i] / other[i];
  }
  return (bench_compared){undisturbed(own, batches), undisturbed(other, batches), bench_median(ratio, batches)};
}

double bench_time(bench_work work, void *ctx, double seconds) {
  double own[BATCHES_MAX];
  unsigned calls;
  (void)batch(work, ctx, 1);
  const unsigned batches = plan(batch(work, ctx, 1), seconds, &calls);
  for (unsigned i = 0; i < batches; i++) own[i] = batch(work, ctx, calls);
  return undisturbed(own, batches);
}

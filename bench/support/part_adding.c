/* Many members added by one commit, and the joiner's side of it. SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

enum { SIZES = 4, ROUNDS = 3, REPORTED = 2 };
static const unsigned sizes[SIZES] = {250, 500, 1000, 2000};
static const double must_linear = 1.3;

typedef struct adding {
  bench_memory memory;
  tw_env env;
  bench_person founder;
  bench_person joiner;
  tw_key_package *joiner_package;
  tw_group *alone;
  tw_buf proposals[SIZES];
} adding;

typedef struct measured {
  double commit[ROUNDS];
  double join[ROUNDS];
  size_t commit_peak;
  size_t join_peak;
  size_t group;
  size_t welcome;
} measured;

static void append(adding *a, const tw_key_package *package, unsigned number) {
  for (unsigned i = 0; i < SIZES; i++) {
    if (number < sizes[i]) BENCH_OK(tw_propose_add(&a->proposals[i], tw_key_package_message(package)));
  }
}

static void prepare(adding *a) {
  const tw_suite *suite = tw_suite_at(0);
  bench_memory_init(&a->memory);
  a->env = (tw_env){.alloc = &a->memory.alloc};
  BENCH_OK(tw_provider_openssl_new(NULL, &a->env.provider));
  bench_person_init(&a->founder, &a->env, suite, 1000000);
  bench_person_init(&a->joiner, &a->env, suite, 0);
  BENCH_OK(tw_group_create(&a->founder.client, TW_LITERAL("bench: adding"), TW_NO_BYTES, BENCH_NOW, &a->alone));
  BENCH_OK(tw_key_package_new(&a->joiner.client, NULL, BENCH_NOW, &a->joiner_package));
  append(a, a->joiner_package, 0);
  for (unsigned number = 1; number < sizes[SIZES - 1]; number++) {
    bench_person person;
    tw_key_package *package;
    bench_person_init(&person, &a->env, suite, number);
    BENCH_OK(tw_key_package_new(&person.client, NULL, BENCH_NOW, &package));
    append(a, package, number);
    tw_key_package_free(package);
    bench_person_clear(&person);
  }
}

static void measure(adding *a, unsigned size, unsigned round, measured *m) {
  const tw_commit_options options = {.proposals = tw_buf_bytes(&a->proposals[size])};
  tw_commit_result made = {0};
  tw_group *joined;
  size_t before = a->memory.now;
  a->memory.peak = before;
  double start = bench_cpu_seconds();
  BENCH_OK(tw_group_commit(a->alone, &options, BENCH_NOW, &made));
  m->commit[round] = bench_cpu_seconds() - start;
  m->commit_peak = a->memory.peak - before;
  m->welcome = made.welcome.len;
  before = a->memory.now;
  a->memory.peak = before;
  start = bench_cpu_seconds();
  BENCH_OK(tw_group_join(&a->joiner.client, a->joiner_package, tw_buf_bytes(&made.welcome), NULL, BENCH_NOW, &joined));
  m->join[round] = bench_cpu_seconds() - start;
  m->join_peak = a->memory.peak - before;
  m->group = a->memory.now - before;
  BENCH_TRUE(tw_group_member_count(joined) == sizes[size] + 1);
  BENCH_TRUE(tw_bytes_equal(tw_group_epoch_authenticator(joined), tw_group_epoch_authenticator(made.next)));
  tw_group_free(joined);
  tw_commit_result_clear(&made);
}

/* How much dearer one member is at one size than at another. */
static double spread(const double *per_member) {
  double least = per_member[0];
  double most = per_member[0];
  for (unsigned i = 1; i < SIZES; i++) {
    if (per_member[i] < least) least = per_member[i];
    if (per_member[i] > most) most = per_member[i];
  }
  return most / least;
}

static void report(measured *m) {
  double commit[SIZES];
  double join[SIZES];
  char name[96];
  for (unsigned i = 0; i < SIZES; i++) {
    commit[i] = bench_median(m[i].commit, ROUNDS) / sizes[i];
    join[i] = bench_median(m[i].join, ROUNDS) / sizes[i];
    snprintf(name, sizeof name, "commit that adds %u members", sizes[i]);
    bench_row(name, commit[i] * sizes[i] * 1e3, "ms", BENCH_INFO, 0);
    snprintf(name, sizeof name, "a joiner's validation of %u members", sizes[i]);
    bench_row(name, join[i] * sizes[i] * 1e3, "ms", BENCH_INFO, 0);
    bench_note("per member %.1f us to add, %.1f us to validate; Welcome %zu bytes", commit[i] * 1e6, join[i] * 1e6,
               m[i].welcome);
  }
  bench_row("adding: dearest member / cheapest, 250 to 2,000", spread(commit), "x", BENCH_AT_MOST, must_linear);
  bench_row("joining: dearest member / cheapest, 250 to 2,000", spread(join), "x", BENCH_AT_MOST, must_linear);
  const double kib = 1024.0 * sizes[REPORTED];
  bench_row("memory of the commit at its peak, per added member of 1,000", (double)m[REPORTED].commit_peak / kib, "KiB",
            BENCH_INFO, 0);
  bench_row("memory of the join at its peak, per member of 1,000", (double)m[REPORTED].join_peak / kib, "KiB",
            BENCH_INFO, 0);
  bench_row("memory of the joined group, per member of 1,000", (double)m[REPORTED].group / kib, "KiB", BENCH_INFO, 0);
}

void bench_part_adding(void) {
  static adding a;
  static measured m[SIZES];
  bench_title("One commit that adds many members, and a joiner's validation of the Welcome, suite 1");
  prepare(&a);
  for (unsigned round = 0; round < ROUNDS; round++) {
    for (unsigned size = 0; size < SIZES; size++) measure(&a, size, round, &m[size]);
  }
  report(m);
  for (unsigned i = 0; i < SIZES; i++) tw_buf_clear(&a.proposals[i]);
  tw_group_free(a.alone);
  tw_key_package_free(a.joiner_package);
  bench_person_clear(&a.founder);
  bench_person_clear(&a.joiner);
  tw_provider_free(a.env.provider);
}

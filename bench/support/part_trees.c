/* Commits in large groups. SPDX-License-Identifier: Apache-2.0 */
#include "filled.h"

enum { SIZES = 4, BASE = 1 /* the size that others are compared with */ };
static const uint32_t sizes[SIZES] = {10, 100, 1000, 10000};
static const double must_growth = 2.5;

typedef struct tree_work {
  bench_filled filled;
  tw_buf message;
  unsigned view;
} tree_work;

static void do_commit(void *ctx) {
  tree_work *work = ctx;
  const tw_commit_options options = {.plaintext = true};
  tw_commit_result made = {0};
  BENCH_OK(tw_group_commit(work->filled.group[BENCH_COMMITTER], &options, BENCH_NOW, &made));
  tw_commit_result_clear(&made);
}

static void do_process(void *ctx) {
  tree_work *work = ctx;
  tw_received received = {0};
  BENCH_OK(tw_group_receive(work->filled.group[work->view], tw_buf_bytes(&work->message), BENCH_NOW, &received));
  tw_received_clear(&received);
}

/* The commit that is processed; all views must come out at one epoch. */
static void prepare(tree_work *work, const tw_env *env, uint32_t members) {
  const tw_commit_options options = {.plaintext = true};
  tw_commit_result made = {0};
  work->message = TW_BUF_INIT(NULL);
  bench_filled_init(&work->filled, env, tw_suite_at(0), members);
  BENCH_OK(tw_group_commit(work->filled.group[BENCH_COMMITTER], &options, BENCH_NOW, &made));
  BENCH_OK(tw_buf_append(&work->message, tw_buf_bytes(&made.commit)));
  for (unsigned view = BENCH_NEAR; view <= BENCH_FAR; view++) {
    tw_received received = {0};
    BENCH_OK(tw_group_receive(work->filled.group[view], tw_buf_bytes(&work->message), BENCH_NOW, &received));
    BENCH_TRUE(tw_bytes_equal(tw_group_epoch_authenticator(received.next), tw_group_epoch_authenticator(made.next)));
    tw_received_clear(&received);
  }
  tw_commit_result_clear(&made);
}

static void row(const char *what, uint32_t members, double seconds, size_t bytes) {
  char name[96];
  snprintf(name, sizeof name, "%s, %u members", what, members);
  bench_row(name, seconds * 1e6, "us", BENCH_INFO, 0);
  if (bytes > 0) bench_note("%zu bytes", bytes);
}

static double grown(const char *what, bench_work work, tree_work *works, unsigned view, bool has_must) {
  bench_compared last = {0};
  for (unsigned i = 0; i < SIZES; i++) {
    works[i].view = works[BASE].view = view;
    last = bench_compare(work, &works[i], work, &works[BASE], 0.4);
    row(what, sizes[i], last.seconds, work == do_commit ? works[i].message.len : 0);
  }
  char name[96];
  snprintf(name, sizeof name, "%s, %u members / %u members", what, sizes[SIZES - 1], sizes[BASE]);
  bench_row(name, last.ratio, "x", has_must ? BENCH_AT_MOST : BENCH_INFO, must_growth);
  return last.ratio;
}

void bench_part_trees(void) {
  static tree_work works[SIZES];
  tw_env env = {0};
  bench_title("Filled trees: a commit (PublicMessage with path) of leaf 0, suite 1");
  env.provider = bench_trace_provider();
  for (unsigned i = 0; i < SIZES; i++) prepare(&works[i], &env, sizes[i]);
  grown("commit", do_commit, works, BENCH_FAR, false);
  grown("process in the other half", do_process, works, BENCH_FAR, true);
  grown("process by the neighbour", do_process, works, BENCH_NEAR, true);
  tree_work *largest = &works[SIZES - 1];
  bench_against_primitives(env.provider, do_commit, largest, "commit, 10000 members / primitives", BENCH_INFO, 0, 0.4);
  largest->view = BENCH_FAR;
  bench_against_primitives(env.provider, do_process, largest, "process in the other half, 10000 members / primitives",
                           BENCH_INFO, 0, 0.4);
  largest->view = BENCH_NEAR;
  bench_against_primitives(env.provider, do_process, largest, "process by the neighbour, 10000 members / primitives",
                           BENCH_INFO, 0, 0.4);
  for (unsigned i = 0; i < SIZES; i++) {
    tw_buf_clear(&works[i].message);
    bench_filled_clear(&works[i].filled);
  }
  tw_provider_free(env.provider);
}

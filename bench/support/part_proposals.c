/* Commits of many proposals, and of such as were collected before. SPDX-License-Identifier: Apache-2.0 */
#include "filled.h"

enum { ADDS = 1000, MEMBERS = 10000, SIZES = 2 };
static const unsigned updates[SIZES] = {1000, 10000};
static const double must_linear = 1.3;

/* One group that holds the proposals collected, and the same ones by value. */
typedef struct collected {
  tw_group *group;
  tw_buf proposals;
} collected;

static void commit(tw_group *group, const tw_commit_options *options) {
  tw_commit_result made = {0};
  BENCH_OK(tw_group_commit(group, options, BENCH_NOW, &made));
  tw_commit_result_clear(&made);
}

static void do_collected(void *ctx) {
  const collected *work = ctx;
  commit(work->group, &(tw_commit_options){.plaintext = true, .tree_outside = true});
}

static void do_by_value(void *ctx) {
  const collected *work = ctx;
  const tw_commit_options options = {
      .plaintext = true, .tree_outside = true, .without_collected = true, .proposals = tw_buf_bytes(&work->proposals)};
  commit(work->group, &options);
}

static void propose(collected *work, const tw_env *env, unsigned adds) {
  const tw_message_options options = {.plaintext = true};
  for (unsigned number = 0; number < adds; number++) {
    bench_person person;
    tw_key_package *package;
    tw_buf one = TW_BUF_INIT(NULL);
    tw_buf message = TW_BUF_INIT(NULL);
    bench_person_init(&person, env, tw_suite_at(0), 2000000 + number);
    BENCH_OK(tw_key_package_new(&person.client, NULL, BENCH_NOW, &package));
    BENCH_OK(tw_propose_add(&one, tw_key_package_message(package)));
    BENCH_OK(tw_buf_append(&work->proposals, tw_buf_bytes(&one)));
    BENCH_OK(tw_group_propose(work->group, tw_buf_bytes(&one), &options, BENCH_NOW, &message));
    tw_buf_clear(&one);
    tw_buf_clear(&message);
    tw_key_package_free(package);
    bench_person_clear(&person);
  }
}

static void compare(const char *name, collected *work, double seconds) {
  const bench_compared all = bench_compare(do_collected, work, do_by_value, work, seconds);
  char by_value[96];
  snprintf(by_value, sizeof by_value, "%s / by value", name);
  bench_row(name, all.seconds * 1e3, "ms", BENCH_INFO, 0);
  bench_row(by_value, all.ratio, "x", BENCH_INFO, 0);
}

static void measure_adds(const tw_env *env) {
  bench_person founder;
  collected work = {.proposals = TW_BUF_INIT(NULL)};
  bench_person_init(&founder, env, tw_suite_at(0), 1000000);
  BENCH_OK(tw_group_create(&founder.client, TW_LITERAL("bench: proposals"), TW_NO_BYTES, BENCH_NOW, &work.group));
  propose(&work, env, ADDS);
  compare("commit of 1,000 collected Adds", &work, 5);
  tw_buf_clear(&work.proposals);
  tw_group_free(work.group);
  bench_person_clear(&founder);
}

static void measure_one_in_many(const tw_env *env) {
  bench_filled filled;
  collected work = {.proposals = TW_BUF_INIT(NULL)};
  bench_filled_init(&filled, env, tw_suite_at(0), MEMBERS);
  work.group = filled.group[BENCH_COMMITTER];
  propose(&work, env, 1);
  compare("commit of one collected Add, 10,000 members", &work, 2);
  tw_buf_clear(&work.proposals);
  bench_filled_clear(&filled);
}

/* ---- AppDataUpdate ---- */

static tw_err take_update(void *ctx, uint16_t component_id, bool has_old, tw_bytes old, tw_bytes update, tw_buf *data) {
  (void)ctx;
  (void)component_id;
  (void)has_old;
  (void)old;
  return tw_buf_append(data, update);
}

static tw_group *commit_all(tw_group *group, const tw_buf *proposals) {
  const tw_commit_options options = {.plaintext = true, .without_path = true, .proposals = tw_buf_bytes(proposals)};
  tw_commit_result made = {0};
  BENCH_OK(tw_group_commit(group, &options, BENCH_NOW, &made));
  tw_group *next = tw_group_ref(made.next);
  tw_commit_result_clear(&made);
  return next;
}

/* Seconds of an update, of `count` on a dictionary that has as many entries. */
static double measure_updates(const tw_env *env, unsigned count) {
  enum { ROUNDS = 3 };
  double seconds[ROUNDS];
  bench_person founder;
  tw_group *group;
  tw_buf proposals = TW_BUF_INIT(NULL);
  bench_person_init(&founder, env, tw_suite_at(0), 1000000);
  founder.client.policy.app_data_update = take_update;
  BENCH_OK(tw_group_create(&founder.client, TW_LITERAL("bench: updates"), TW_NO_BYTES, BENCH_NOW, &group));
  for (unsigned i = 0; i < count; i++) {
    BENCH_OK(tw_propose_app_data_update(&proposals, (uint16_t)(0x8000 + i), TW_LITERAL("one component")));
  }
  tw_group *full = commit_all(group, &proposals);
  for (unsigned i = 0; i < ROUNDS; i++) {
    const double start = bench_cpu_seconds();
    tw_group *next = commit_all(full, &proposals);
    seconds[i] = bench_cpu_seconds() - start;
    tw_group_free(next);
  }
  tw_group_free(full);
  tw_group_free(group);
  tw_buf_clear(&proposals);
  bench_person_clear(&founder);
  return bench_median(seconds, ROUNDS) / count;
}

void bench_part_proposals(void) {
  tw_env env = {0};
  double each[SIZES];
  bench_title("Many proposals in one commit, collected ones too; suite 1");
  BENCH_OK(tw_provider_openssl_new(NULL, &env.provider));
  measure_adds(&env);
  measure_one_in_many(&env);
  for (unsigned i = 0; i < SIZES; i++) {
    char name[96];
    each[i] = measure_updates(&env, updates[i]);
    snprintf(name, sizeof name, "commit of %u AppDataUpdates, dictionary of as many", updates[i]);
    bench_row(name, each[i] * updates[i] * 1e3, "ms", BENCH_INFO, 0);
  }
  bench_row("AppDataUpdates: one of 10,000 / one of 1,000", each[1] / each[0], "x", BENCH_AT_MOST, must_linear);
  tw_provider_free(env.provider);
}

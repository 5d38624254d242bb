/* Commits of two parties, key packages and exporters against their primitives. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "world.h"

static const double short_run = 0.15; /* seconds */
static const double long_run = 0.6;
static const double must_ratio = 1.15;
static const double must_exporter = 1.5;

/* ---- the work ---- */

typedef struct two_work {
  bench_two two;
  tw_buf message;
  uint64_t random;
} two_work;

/* The same bytes each time: how often ML-DSA has to try depends on them, and so what is recorded is what is measured.
 */
static tw_err same_random(void *ctx, uint8_t *out, size_t len) {
  two_work *work = ctx;
  for (size_t i = 0; i < len; i++) {
    work->random = work->random * 6364136223846793005u + 1442695040888963407u;
    out[i] = (uint8_t)(work->random >> 56);
  }
  return TW_OK;
}

enum { SEED_OF_GROUPS = 1, SEED_OF_WORK = 2 };

static void do_commit(void *ctx) {
  two_work *work = ctx;
  const tw_commit_options options = {.plaintext = true};
  tw_commit_result made = {0};
  work->random = SEED_OF_WORK;
  BENCH_OK(tw_group_commit(work->two.group[0], &options, BENCH_NOW, &made));
  tw_commit_result_clear(&made);
}

static void do_process(void *ctx) {
  two_work *work = ctx;
  tw_received received = {0};
  BENCH_OK(tw_group_receive(work->two.group[1], tw_buf_bytes(&work->message), BENCH_NOW, &received));
  BENCH_TRUE(received.kind == TW_RECEIVED_COMMIT);
  tw_received_clear(&received);
}

static void do_key_package(void *ctx) {
  tw_key_package *package;
  two_work *work = ctx;
  work->random = SEED_OF_WORK;
  BENCH_OK(tw_key_package_new(&work->two.person[0].client, NULL, BENCH_NOW, &package));
  tw_key_package_free(package);
}

/* ---- measuring ---- */

static void against_primitives(tw_provider *provider, bench_work work, two_work *ctx, const char *what, bool has_must) {
  const tw_suite *suite = ctx->two.person[0].client.suite;
  const bool chosen = suite == tw_suite_at(0) || suite == tw_suite_default();
  const char *suite_name = tw_suite_name(suite);
  char name[128];
  snprintf(name, sizeof name, "%s / primitives, %s", what, strchr(suite_name + 4, '_') + 1);
  bench_against_primitives(provider, work, ctx, name, has_must ? BENCH_AT_MOST : BENCH_INFO, must_ratio,
                           chosen ? long_run : short_run);
}

static void measure_suite(tw_provider *provider, const tw_suite *suite) {
  two_work work = {.message = TW_BUF_INIT(NULL), .random = SEED_OF_GROUPS};
  const tw_env env = {.provider = provider, .random = same_random, .random_ctx = &work};
  const tw_commit_options options = {.plaintext = true};
  const bool x25519 = suite == tw_suite_at(0);
  tw_commit_result made = {0};
  bench_two_init(&work.two, &env, suite);
  BENCH_OK(tw_group_commit(work.two.group[0], &options, BENCH_NOW, &made));
  BENCH_OK(tw_buf_append(&work.message, tw_buf_bytes(&made.commit)));
  tw_commit_result_clear(&made);
  against_primitives(provider, do_commit, &work, "commit", true);
  against_primitives(provider, do_process, &work, "process", true);
  against_primitives(provider, do_key_package, &work, "key package", x25519);
  tw_buf_clear(&work.message);
  bench_two_clear(&work.two);
}

/* ---- 2PMLS ---- */

typedef struct pair_work {
  bench_person person[2];
  tw_pair *pair[2];
} pair_work;

static const uint64_t now_ms = (uint64_t)BENCH_NOW * 1000;

/* connection_update there, epoch_key_update back. */
static void do_update(void *ctx) {
  pair_work *work = ctx;
  tw_buf message = TW_BUF_INIT(NULL);
  tw_buf reply = TW_BUF_INIT(NULL);
  tw_pair_event event;
  BENCH_OK(tw_pair_update(work->pair[0], now_ms, &message));
  BENCH_OK(tw_pair_receive(work->pair[1], tw_buf_bytes(&message), now_ms, &reply, &event));
  tw_buf_clear(&message);
  BENCH_OK(tw_pair_receive(work->pair[0], tw_buf_bytes(&reply), now_ms, &message, &event));
  BENCH_TRUE(event.outcome == TW_PAIR_OWN_UPDATED);
  tw_buf_clear(&message);
  tw_buf_clear(&reply);
}

static void open_pair(pair_work *work, const tw_env *env, const tw_suite *suite) {
  tw_buf hello = TW_BUF_INIT(NULL);
  tw_buf answer = TW_BUF_INIT(NULL);
  tw_buf nothing = TW_BUF_INIT(NULL);
  tw_pair_event event;
  const tw_client *clients[2][1];
  tw_pair_config config[2];
  for (unsigned i = 0; i < 2; i++) {
    bench_person_init(&work->person[i], env, suite, i);
    clients[i][0] = &work->person[i].client;
    config[i] = (tw_pair_config){.clients = clients[i], .client_count = 1, .label = TW_LITERAL("bench")};
  }
  BENCH_OK(tw_pair_initiate(&config[0], now_ms, &work->pair[0], &hello));
  BENCH_OK(tw_pair_respond(&config[1], tw_buf_bytes(&hello), now_ms, &work->pair[1], &answer));
  BENCH_OK(tw_pair_receive(work->pair[0], tw_buf_bytes(&answer), now_ms, &nothing, &event));
  tw_pair_confirm(work->pair[1]);
  tw_buf_clear(&hello);
  tw_buf_clear(&answer);
  tw_buf_clear(&nothing);
}

static void measure_pair(tw_provider *provider, const tw_suite *suite) {
  const tw_env env = {.provider = provider};
  const char *suite_name = tw_suite_name(suite);
  char name[128];
  pair_work work;
  open_pair(&work, &env, suite);
  snprintf(name, sizeof name, "whole update of a pair / primitives, %s", strchr(suite_name + 4, '_') + 1);
  bench_against_primitives(provider, do_update, &work, name, BENCH_AT_MOST, must_ratio, long_run);
  for (unsigned i = 0; i < 2; i++) {
    tw_pair_free(work.pair[i]);
    bench_person_clear(&work.person[i]);
  }
}

void bench_part_two_party(void) {
  tw_provider *provider = bench_trace_provider();
  bench_title(
      "Two parties: a commit (PublicMessage with path), its processing, a key package, against the same calls of "
      "the provider alone");
  for (size_t i = 0; tw_suite_at(i) != NULL; i++) measure_suite(provider, tw_suite_at(i));
  measure_pair(provider, tw_suite_at(0));
  measure_pair(provider, tw_suite_default());
  tw_provider_free(provider);
}

/* ---- exporter ---- */

typedef struct export_work {
  const tw_group *group;
  unsigned labels; /* how many are asked for in turns */
  unsigned turn;
} export_work;

static void do_export(void *ctx) {
  const tw_bytes labels[] = {TW_LITERAL("MLS-TLS c ap traffic"), TW_LITERAL("MLS-TLS s ap traffic"),
                             TW_LITERAL("MLS-TLS x ap traffic")};
  export_work *work = ctx;
  uint8_t out[32];
  if (++work->turn >= work->labels) work->turn = 0;
  BENCH_OK(tw_group_export(work->group, labels[work->turn], TW_NO_BYTES, out, sizeof out));
}

void bench_part_exporter(void) {
  const tw_suite *suites[] = {tw_suite_at(0), tw_suite_default()};
  const char *names[] = {"exporter, 32 bytes, SHA-256", "exporter, 32 bytes, SHA-384"};
  tw_env env = {0};
  bench_title("Exporter: MLS-Exporter(label, \"\", 32)");
  BENCH_OK(tw_provider_openssl_new(NULL, &env.provider));
  for (size_t i = 0; i < 2; i++) {
    char name[64];
    bench_two two;
    bench_two_init(&two, &env, suites[i]);
    export_work work = {.group = two.group[0], .labels = 1};
    bench_row(names[i], bench_time(do_export, &work, 0.1) * 1e6, "us", BENCH_AT_MOST, must_exporter);
    work.labels = 2;
    snprintf(name, sizeof name, "%s, two labels in turns", names[i]);
    bench_row(name, bench_time(do_export, &work, 0.1) * 1e6, "us", BENCH_AT_MOST, must_exporter);
    work.labels = 3;
    snprintf(name, sizeof name, "%s, a label that is not kept", names[i]);
    bench_row(name, bench_time(do_export, &work, 0.1) * 1e6, "us", BENCH_INFO, 0);
    bench_two_clear(&two);
  }
  tw_provider_free(env.provider);
}

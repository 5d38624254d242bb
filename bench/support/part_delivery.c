/* The delivery service: what batches save, and what clients cost. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "relay/delivery.h"

/*
 * A store in /var/tmp, on a disk. Sends of 1 KiB from a thousand clients to others, of which each then fetches and
 * acknowledges what it got: half of the requests are sends. Wall time, since waiting for the disk is most of it, in
 * turns: one flush for each request, and one for each batch.
 */
enum { CLIENTS = 10000, ACTIVE = 1000, MESSAGE = 1024, ROUNDS = 5, SINGLE = 200, BATCH = 256, BATCHES = 20 };
#define NOW_MS UINT64_C(1800000000000)

typedef struct service {
  tw_env env;
  bench_memory memory;
  tw_relay_store *store;
  tw_delivery *delivery;
  char parent[64];
  char dir[80];
  tw_delivery_peer *peers;
  uint64_t *after;
  uint64_t answers;
  uint32_t next;
} service;

static void on_answer(void *ctx, uint64_t tag, const tw_control_answer *answer) {
  service *s = ctx;
  BENCH_TRUE(answer->status == TW_CONTROL_DONE);
  s->answers++;
  if (answer->to != TW_CONTROL_FETCH) return;
  tw_reader walk = tw_reader_of(answer->body.fetch.entries);
  for (tw_control_entry entry; tw_control_entry_next(&walk, &entry);) s->after[tag] = entry.number;
}

static void on_mail(void *ctx, uint32_t number) {
  (void)ctx;
  (void)number;
}

static uint64_t file_size(const service *s, const char *name) {
  char path[128];
  struct stat status;
  (void)snprintf(path, sizeof path, "%s/%s", s->dir, name);
  return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

static void service_init(service *s, tw_provider *provider) {
  tw_report report = {""};
  *s = (service){.env = {.provider = provider}};
  bench_memory_init(&s->memory);
  s->env.alloc = &s->memory.alloc;
  s->peers = calloc(CLIENTS, sizeof *s->peers);
  s->after = calloc(CLIENTS, sizeof *s->after);
  BENCH_TRUE(s->peers != NULL && s->after != NULL);
  for (uint32_t i = 0; i < CLIENTS; i++) {
    const uint32_t spread = i * UINT32_C(2654435769);
    memcpy(s->peers[i].id.digest, &spread, sizeof spread);
    memcpy(s->peers[i].id.digest + 4, &i, sizeof i);
  }
  (void)snprintf(s->parent, sizeof s->parent, "/var/tmp/treewire-bench.XXXXXX");
  BENCH_TRUE(mkdtemp(s->parent) != NULL);
  (void)snprintf(s->dir, sizeof s->dir, "%s/relay", s->parent);
  if (tw_relay_store_open(&s->env, s->dir, &s->store, &report) != TW_OK) bench_die(__FILE__, __LINE__, report.text);
  tw_delivery_limits limits = tw_delivery_limits_default;
  limits.requests_per_second = limits.requests_at_once = 1000000;
  const tw_delivery_config config = {
      .env = &s->env, .store = s->store, .limits = &limits, .events = {.ctx = s, .answer = on_answer, .mail = on_mail}};
  BENCH_OK(tw_delivery_new(&config, &s->delivery));
}

static void service_clear(service *s) {
  static const char *const names[] = {"state.db", "lock"};
  char path[128];
  tw_delivery_free(s->delivery);
  tw_relay_store_close(s->store);
  BENCH_TRUE(s->memory.now == 0);
  for (size_t i = 0; i < 2; i++) {
    (void)snprintf(path, sizeof path, "%s/%s", s->dir, names[i]);
    BENCH_TRUE(unlink(path) == 0);
  }
  BENCH_TRUE(rmdir(s->dir) == 0 && rmdir(s->parent) == 0);
  free(s->peers);
  free(s->after);
}

static void ask(service *s, uint32_t peer, const tw_control_request *request) {
  BENCH_OK(tw_delivery_ask(s->delivery, &s->peers[peer], peer, request, NOW_MS));
}

/* A send, and a fetch of the one who got it, in turns. */
static void ask_next(service *s) {
  static uint8_t message[MESSAGE];
  const uint32_t to = s->next / 2 * 7 % ACTIVE;
  tw_control_request request = {.type = TW_CONTROL_SEND, .number = 1};
  request.body.send = (tw_control_send){.to = s->peers[to].id, .message = TW_ARRAY(message)};
  if (s->next % 2 == 1) {
    request.type = TW_CONTROL_FETCH;
    request.body.fetch = (tw_control_fetch){.after = s->after[to], .most = 100};
  }
  ask(s, s->next % 2 == 1 ? to : (to + 1) % ACTIVE, &request);
  s->next++;
}

static double requests_per_second(service *s, unsigned batch, unsigned batches) {
  const double start = bench_wall_seconds();
  for (unsigned i = 0; i < batches; i++) {
    for (unsigned n = 0; n < batch; n++) ask_next(s);
    BENCH_OK(tw_delivery_flush(s->delivery));
  }
  return batch * batches / (bench_wall_seconds() - start);
}

/* All clients get a record and a mailbox with one entry. */
static void fill(service *s) {
  static uint8_t message[MESSAGE];
  const size_t resident = bench_resident();
  for (uint32_t i = 0; i < 2 * CLIENTS; i++) {
    tw_control_request request = {.type = TW_CONTROL_BIND, .number = 1};
    if (i >= CLIENTS) {
      request.type = TW_CONTROL_SEND;
      request.body.send = (tw_control_send){.to = s->peers[i % CLIENTS].id, .message = TW_ARRAY(message)};
    }
    ask(s, i % CLIENTS, &request);
    if (i % 1000 == 999) BENCH_OK(tw_delivery_flush(s->delivery));
  }
  bench_row("10,000 clients with one entry of 1 KiB each: memory", (double)s->memory.now / 1024, "KiB", BENCH_AT_MOST,
            256);
  bench_note("resident set %+.1f MiB with SQLite's cache of 16 MiB",
             ((double)bench_resident() - (double)resident) / 1048576);
  bench_row("the same: on the disk, for each client",
            (double)(file_size(s, "state.db") + file_size(s, "state.db-wal")) / CLIENTS, "bytes", BENCH_INFO, 0);
}

static tw_err reach(void *ctx, uint32_t number) {
  (void)ctx;
  (void)number;
  return TW_OK;
}

/* One group of all: a commit to 9,999 mailboxes. */
static void fan_out(service *s) {
  static uint8_t id[16] = {1};
  tw_relay_commit commit = {.group = 0};
  uint8_t hash[TW_RELAY_HASH] = {0};
  uint8_t *members = malloc((size_t)CLIENTS * TW_FINGERPRINT_SIZE);
  static uint8_t message[20 << 10];
  BENCH_TRUE(members != NULL);
  /* In ascending order: the spread of the ids decides, so they are sorted here by counting. */
  for (uint32_t i = 0; i < CLIENTS; i++) {
    uint32_t before = 0;
    for (uint32_t n = 0; n < CLIENTS; n++)
      before += memcmp(s->peers[n].id.digest, s->peers[i].id.digest, TW_FINGERPRINT_SIZE) < 0;
    memcpy(members + (size_t)before * TW_FINGERPRINT_SIZE, s->peers[i].id.digest, TW_FINGERPRINT_SIZE);
  }
  const tw_bytes all = TW_BYTES(members, (size_t)CLIENTS * TW_FINGERPRINT_SIZE);
  const tw_relay_opening opening = {
      .name = TW_LITERAL("all"), .group_id = TW_ARRAY(id), .opener = s->peers[0].id, .opened = hash, .members = all};
  bool done;
  BENCH_OK(s->store->ops->group_open(s->store, &opening, &commit.group, &done));
  BENCH_OK(s->store->ops->flush(s->store));
  commit.commit = (tw_relay_mail){
      .kind = TW_CONTROL_KIND_COMMIT, .from = s->peers[0].id, .group_id = TW_ARRAY(id), .message = TW_ARRAY(message)};
  commit.hash = hash;
  commit.members = all;
  commit.remembered = 64;
  commit.remembered_bytes = 4 << 20;
  double seconds[ROUNDS];
  for (unsigned i = 0; i < ROUNDS; i++) {
    const tw_relay_room room = {UINT64_C(1) << 40, 1 << 20};
    const double start = bench_wall_seconds();
    BENCH_OK(s->store->ops->group_commit(s->store, &commit, &room, NOW_MS, reach, NULL, &done));
    BENCH_OK(s->store->ops->flush(s->store));
    seconds[i] = bench_wall_seconds() - start;
    BENCH_TRUE(done);
    commit.commit.epoch++;
  }
  bench_row("a commit of 20 KiB to 9,999 mailboxes", 1e3 * bench_median(seconds, ROUNDS), "ms", BENCH_INFO, 0);
  free(members);
}

void bench_part_delivery(void) {
  tw_provider *provider = NULL;
  service s;
  double single[ROUNDS];
  double batched[ROUNDS];
  double ratios[ROUNDS];
  bench_title("delivery service: a store in /var/tmp");
  BENCH_OK(tw_provider_openssl_new(NULL, &provider));
  service_init(&s, provider);
  fill(&s);
  for (uint32_t i = 0; i < CLIENTS; i++) s.after[i] = 0;
  for (unsigned i = 0; i < ROUNDS; i++) {
    single[i] = requests_per_second(&s, 1, SINGLE);
    batched[i] = requests_per_second(&s, BATCH, BATCHES);
    ratios[i] = batched[i] / single[i];
  }
  bench_row("requests a second, one flush for each", bench_median(single, ROUNDS), "/s", BENCH_INFO, 0);
  bench_row("requests a second, one flush for 256", bench_median(batched, ROUNDS), "/s", BENCH_INFO, 0);
  bench_row("batches of 256 / single requests", bench_median(ratios, ROUNDS), "", BENCH_AT_LEAST, 3);
  fan_out(&s);
  service_clear(&s);
  tw_provider_free(provider);
}

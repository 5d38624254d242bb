/* What a durable save costs, by what the disk itself needs for it. SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "both.h"
#include "crypto/crypto.h"
#include "store/store.h"

/*
 * Wall time, since waiting is most of it, in turns: a save by the store, and the same number of bytes written over a
 * file that is there, with one fdatasync; in the first case the store is tidied after each, outside of the time. The
 * median of the turns' ratios counts: other users of the disk make single turns take ten times as long.
 */
enum { VALUE = 10200, MANY = 100, ROUNDS_MAX = 200 }; /* a pair of the default suite has about 10 KiB */

typedef struct bench_place {
  tw_env env;
  tw_store *store;
  int file;
  char parent[64];
  char dir[80];
  char path[80];
  uint8_t *bytes; /* MANY * VALUE */
} bench_place;

static void place_init(bench_place *at, tw_provider *provider) {
  *at = (bench_place){.env = {.provider = provider}};
  (void)snprintf(at->parent, sizeof at->parent, "/var/tmp/treewire-bench.XXXXXX"); /* on a disk, unlike /tmp perhaps */
  BENCH_TRUE(mkdtemp(at->parent) != NULL);
  (void)snprintf(at->dir, sizeof at->dir, "%s/state", at->parent);
  (void)snprintf(at->path, sizeof at->path, "%s/raw", at->parent);
  at->bytes = malloc((size_t)MANY * VALUE);
  BENCH_TRUE(at->bytes != NULL);
  BENCH_OK(tw_random(&at->env, at->bytes, (size_t)MANY * VALUE));
  at->file = open(at->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  BENCH_TRUE(at->file >= 0 && write(at->file, at->bytes, (size_t)MANY * VALUE) == (ssize_t)MANY * VALUE);
  BENCH_TRUE(fsync(at->file) == 0);
}

static void open_store(bench_place *at, tw_bytes passphrase) {
  const tw_store_config config = {.dir = at->dir, .key = {.passphrase = passphrase}};
  tw_report report = {""};
  if (tw_store_open(&config, &at->env, &at->store, &report) != TW_OK) bench_die(__FILE__, __LINE__, report.text);
}

static void remove_store(bench_place *at) {
  char path[128];
  tw_store_close(at->store);
  (void)snprintf(path, sizeof path, "%s/state.db", at->dir);
  BENCH_TRUE(unlink(path) == 0);
  (void)snprintf(path, sizeof path, "%s/lock", at->dir);
  BENCH_TRUE(unlink(path) == 0 && rmdir(at->dir) == 0);
}

static void place_clear(bench_place *at) {
  BENCH_TRUE(close(at->file) == 0 && unlink(at->path) == 0 && rmdir(at->parent) == 0);
  free(at->bytes);
}

static double raw_seconds(bench_place *at, size_t len) {
  const double start = bench_wall_seconds();
  BENCH_TRUE(pwrite(at->file, at->bytes, len, 0) == (ssize_t)len && fdatasync(at->file) == 0);
  return bench_wall_seconds() - start;
}

static double apply_seconds(bench_place *at, unsigned count) {
  tw_store_change changes[MANY];
  uint8_t ids[MANY][23] = {{0}};
  for (size_t i = 0; i < (size_t)count * VALUE; i += 512) at->bytes[i]++; /* all pages of a value change */
  for (unsigned i = 0; i < count; i++) {
    ids[i][22] = (uint8_t)i;
    changes[i] = (tw_store_change){
        .kind = TW_STORE_SESSION,
        .id = TW_ARRAY(ids[i]),
        .value = TW_BYTES(at->bytes + (size_t)i * VALUE, (size_t)(VALUE - 40 * (at->bytes[0] % 2)))};
  }
  const double start = bench_wall_seconds();
  BENCH_OK(tw_store_apply(at->store, changes, count, NULL));
  return bench_wall_seconds() - start;
}

static double tidy_seconds(bench_place *at) {
  const double start = bench_wall_seconds();
  BENCH_OK(tw_store_tidy(at->store, NULL));
  return bench_wall_seconds() - start;
}

static void measure(bench_place *at, const char *kind, unsigned count, unsigned rounds) {
  double saves[ROUNDS_MAX];
  double raws[ROUNDS_MAX];
  double tidies[ROUNDS_MAX];
  double ratios[ROUNDS_MAX];
  char name[128];
  (void)apply_seconds(at, count);
  (void)tidy_seconds(at);
  for (unsigned i = 0; i < rounds; i++) {
    if (i % 2 == 1) raws[i] = raw_seconds(at, (size_t)count * VALUE);
    saves[i] = apply_seconds(at, count);
    if (i % 2 == 0) raws[i] = raw_seconds(at, (size_t)count * VALUE);
    ratios[i] = saves[i] / raws[i];
    tidies[i] = tidy_seconds(at);
  }
  (void)snprintf(name, sizeof name, "%s: durable save of %u / pwrite and fdatasync of the bytes", kind, count);
  bench_row(name, bench_median(ratios, rounds), "", count == 1 ? BENCH_AT_MOST : BENCH_INFO, 2);
  (void)snprintf(name, sizeof name, "%s: durable save of %u", kind, count);
  bench_row(name, 1e6 * bench_median(saves, rounds), "us", BENCH_INFO, 0);
  (void)snprintf(name, sizeof name, "%s: tidying after it", kind);
  bench_row(name, 1e6 * bench_median(tidies, rounds), "us", BENCH_INFO, 0);
  const double raw = bench_median(raws, rounds); /* which sorts them, and the saves are sorted too by now */
  bench_note("pwrite and fdatasync: %.0f us; in the fastest tenth: %.0f us and %.0f us", 1e6 * raw,
             1e6 * saves[rounds / 10], 1e6 * raws[rounds / 10]);
}

/* ---- a whole adoption ---- */

/*
 * The peer's update has come in and was applied: the session has to be on the disk before the answer leaves. What is
 * timed is that, from the channel that says so to the bytes that may leave, against one flush of as many bytes.
 */
typedef struct adoption {
  both pair;
  both_options options;
  tw_buf saved[2];
  tw_buf value;
} adoption;

static double take_update(adoption *a) {
  size_t taken;
  BENCH_OK(tw_channel_rekey(a->pair.end[0], both_ms));
  both_save(&a->pair, 0, &a->options);
  const tw_bytes update = tw_channel_output(a->pair.end[0]);
  const double start = bench_wall_seconds();
  BENCH_OK(tw_channel_input(a->pair.end[1], update, both_ms, &taken));
  const double seconds = bench_wall_seconds() - start;
  BENCH_TRUE(taken == update.len && tw_channel_unsaved(a->pair.end[1]));
  tw_channel_output_sent(a->pair.end[0], taken);
  return seconds;
}

static double adopt_seconds(bench_place *at, adoption *a) {
  tw_channel *channel = a->pair.end[1];
  const double start = bench_wall_seconds();
  tw_store_change change = {.kind = TW_STORE_SESSION, .id = tw_group_id(tw_channel_group(channel))};
  tw_buf_clear(&a->value);
  BENCH_OK(tw_channel_save(channel, &a->value));
  change.value = tw_buf_bytes(&a->value);
  BENCH_OK(tw_store_apply(at->store, &change, 1, NULL));
  BENCH_OK(tw_channel_saved(channel));
  BENCH_TRUE(tw_channel_output(channel).len > 0);
  return bench_wall_seconds() - start;
}

static void measure_adoption(bench_place *at, const tw_suite *suite, const char *what) {
  double adoptions[ROUNDS_MAX];
  double raws[ROUNDS_MAX];
  double ratios[ROUNDS_MAX];
  double whole[ROUNDS_MAX];
  char name[128];
  bench_person people[2];
  adoption a = {.saved = {TW_BUF_INIT(NULL), TW_BUF_INIT(NULL)}, .value = TW_BUF_INIT(NULL)};
  a.options = (both_options){.durable = true, .saved = a.saved};
  for (unsigned i = 0; i < 2; i++) bench_person_init(&people[i], &at->env, suite, i);
  both_open(&a.pair, people, &a.options);
  for (unsigned i = 0; i < ROUNDS_MAX; i++) {
    const double processing = take_update(&a);
    if (i % 2 == 1) raws[i] = raw_seconds(at, a.value.len);
    adoptions[i] = adopt_seconds(at, &a);
    if (i % 2 == 0) raws[i] = raw_seconds(at, a.value.len);
    ratios[i] = adoptions[i] / raws[i];
    whole[i] = (processing + adoptions[i]) / raws[i];
    both_settle(&a.pair, &a.options);
    (void)tidy_seconds(at);
  }
  (void)snprintf(name, sizeof name, "%s: adoption with durable save / pwrite and fdatasync of the bytes", what);
  bench_row(name, bench_median(ratios, ROUNDS_MAX), "", BENCH_AT_MOST, 2);
  bench_note("%zu bytes; %.0f us of %.0f us; with the update's processing in front of it %.2f", a.value.len,
             1e6 * bench_median(adoptions, ROUNDS_MAX), 1e6 * bench_median(raws, ROUNDS_MAX),
             bench_median(whole, ROUNDS_MAX));
  both_close(&a.pair);
  for (unsigned i = 0; i < 2; i++) {
    bench_person_clear(&people[i]);
    tw_buf_clear(&a.saved[i]);
  }
  tw_buf_clear(&a.value);
}

void bench_part_store(void) {
  tw_provider *provider = NULL;
  bench_place at;
  BENCH_OK(tw_provider_openssl_new(NULL, &provider));
  bench_title("state on disk: values of 10 KiB in /var/tmp");
  place_init(&at, provider);
  open_store(&at, TW_NO_BYTES);
  measure(&at, "in clear", 1, ROUNDS_MAX);
  measure(&at, "in clear", MANY, ROUNDS_MAX / 10);
  measure_adoption(&at, tw_suite_at(0), "classical");
  measure_adoption(&at, tw_suite_default(), "default suite");
  remove_store(&at);
  open_store(&at, TW_LITERAL("passphrase"));
  measure(&at, "sealed", 1, ROUNDS_MAX);
  measure(&at, "sealed", MANY, ROUNDS_MAX / 10);
  remove_store(&at);
  place_clear(&at);
  tw_provider_free(provider);
}

/*
 * Either process is killed at any write, flush or send; after each kill the two come to one epoch and carry data, and
 * the session goes on wherever both have it. No key is ever used for two streams, over all processes and restarts.
 *
 * The listener and the connector are the program itself, forked instead of executed. TREEWIRE_KILLS=N goes over every
 * point instead of some, and on at random up to N kills. Losses of power are not kills: the store's own tests have
 * them.
 * label: slow label: no-valgrind SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kill/world.h"
#include "store/store.h"
#include "tw_cmocka.h"
#include "tw_test_env.h"

enum {
  PIECE = 300,
  MUCH = 2500,
  UPDATE = 400,
  TRIES = 20,
  KILLS_IN_A_ROW = 500,
  TIDY_MS = 60,
  PATH = 192,
  PHASES = 6,
  REPORT_EVERY = 2000
};

typedef struct trial {
  world w;
  tw_test_env test;
  bool confirmed;       /* both have the session for good: from now on it is resumed always */
  bool failed;          /* a test did: what is left of the world is good for nothing */
  bool connector_had;   /* a session when it began */
  unsigned replays;     /* to this listener, of requests that it may find to be old */
  unsigned fresh_since; /* sessions begun at the listener before the kill */
  uint64_t resumed, fresh, anew, ties, tries, verified, points[PHASES];
  uint64_t plain; /* kills at no call, only to begin a process anew */
  uint64_t most;  /* TREEWIRE_KILLS; 0: in CI */
} trial;

/* ---- waiting ---- */

typedef struct wanted {
  int near;
  size_t n;
} wanted;

static bool far_has(const world *w, const void *ctx) {
  const wanted *want = ctx;
  const app *far = world_far(w, want->near);
  return far != NULL && far->got >= want->n;
}

static bool near_has(const world *w, const void *ctx) {
  const wanted *want = ctx;
  return w->near[want->near].got >= want->n;
}

static bool near_has_or_ended(const world *w, const void *ctx) {
  const wanted *want = ctx;
  return near_has(w, ctx) || w->near[want->near].ended;
}

static bool far_has_or_ended(const world *w, const void *ctx) {
  const wanted *want = ctx;
  return far_has(w, ctx) || w->near[want->near].ended;
}

static bool both_listen(const world *w, const void *ctx) {
  (void)ctx;
  return w->side[CONNECTOR].port != 0 && w->side[LISTENER].port != 0;
}

static bool has_ended(const world *w, const void *ctx) { return w->side[*(const int *)ctx].pid == 0; }

static bool both_sent_much(const world *w, const void *ctx) {
  const wire *x = ctx;
  (void)w;
  return x->from[CONNECTOR].len >= MUCH && x->from[LISTENER].len >= MUCH;
}

/* ---- what has to hold ---- */

static unsigned begun(const process *p) { return p->established - p->resumed; }

/* Before a process' counts begin anew, and after each proof. */
static void check_sessions(const trial *t) {
  const process *connector = &t->w.side[CONNECTOR];
  const process *listener = &t->w.side[LISTENER];
  const unsigned fresh = begun(connector);
  if (t->confirmed && (fresh > 0 || begun(listener) > t->fresh_since || connector->anew > 0))
    fail_msg("a session that both sides had did not go on: %s", connector->last);
  if (fresh > connector->anew + (t->connector_had ? 0 : 1))
    fail_msg("%u sessions begun, %u said to be lost", fresh, connector->anew);
  if (listener->apart > t->replays) fail_msg("two sides that were never restored came apart: %s", listener->last);
}

static void add_up(trial *t) {
  const process *connector = &t->w.side[CONNECTOR];
  t->resumed += connector->resumed;
  t->fresh += begun(connector);
  t->anew += connector->anew;
}

/* Before a process begins anew. */
static void count(trial *t, int side) {
  process *p = &t->w.side[side];
  check_sessions(t);
  if (side == CONNECTOR) add_up(t);
  p->established = p->resumed = p->anew = p->apart = 0;
  if (side == CONNECTOR) return;
  t->replays = 0;
  t->fresh_since = 0;
}

/* From here on no session may be begun. */
static void confirm(trial *t) {
  process *connector = &t->w.side[CONNECTOR];
  check_sessions(t);
  add_up(t);
  connector->established = connector->resumed = connector->anew = 0;
  t->fresh_since = begun(&t->w.side[LISTENER]);
  t->connector_had = true;
  t->confirmed = true;
}

/* ---- a look into the state of the dead ---- */

static void copy_file(const char *from, const char *to) {
  char bytes[8192];
  const int in = open(from, O_RDONLY);
  const int out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  assert_true(in >= 0 && out >= 0);
  for (ssize_t got; (got = read(in, bytes, sizeof bytes)) > 0;) assert_int_equal(write(out, bytes, (size_t)got), got);
  (void)close(in);
  (void)close(out);
}

static void each_file(const char *dir, const char *copy) {
  DIR *entries = opendir(dir);
  if (entries == NULL) return;
  for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
    char from[PATH * 3];
    char to[PATH * 3];
    if (entry->d_name[0] == '.') continue;
    (void)snprintf(from, sizeof from, "%s/%s", dir, entry->d_name);
    (void)snprintf(to, sizeof to, "%s/%s", copy == NULL ? "" : copy, entry->d_name);
    if (copy != NULL)
      copy_file(from, to);
    else
      (void)unlink(from);
  }
  (void)closedir(entries);
}

static tw_err count_one(void *ctx, tw_bytes id, tw_bytes value) {
  (void)id;
  (void)value;
  ++*(unsigned *)ctx;
  return TW_OK;
}

/* The sessions that a process would find if it began now. */
static unsigned sessions_of(trial *t, int side) {
  char dir[PATH];
  char copy[PATH];
  unsigned sessions = 0;
  tw_store *store = NULL;
  tw_report report = {""};
  (void)snprintf(dir, sizeof dir, "%s/state-%s", t->w.dir, side == LISTENER ? "a" : "b");
  (void)snprintf(copy, sizeof copy, "%s/copy", t->w.dir);
  if (access(dir, F_OK) != 0) return 0;
  assert_int_equal(mkdir(copy, 0700), 0);
  each_file(dir, copy);
  const tw_store_config config = {.dir = copy};
  if (tw_store_open(&config, &t->test.env, &store, &report) != TW_OK) fail_msg("%s", report.text);
  assert_int_equal(tw_store_each(store, TW_STORE_SESSION, count_one, &sessions, &report), TW_OK);
  tw_store_close(store);
  each_file(copy, NULL);
  assert_int_equal(rmdir(copy), 0);
  return sessions;
}

/* ---- what the two do ---- */

static void start(trial *t, int side, uint32_t at, kill_how how) {
  if (side == CONNECTOR && !t->confirmed) t->connector_had = sessions_of(t, side) > 0;
  if (t->confirmed) t->connector_had = true;
  world_start(&t->w, side, at, how);
}

static void arm(trial *t, int side, uint32_t at, kill_how how) {
  kill_shared *shared = t->w.side[side].shared;
  atomic_store(&shared->at, 0);
  atomic_store(&shared->how, (uint32_t)how);
  atomic_store(&shared->passed, 0);
  atomic_store(&shared->at, at);
}

/* Nobody is to die any more; who has come to its call meanwhile is dead when this returns. */
static void disarm(trial *t) {
  world *w = &t->w;
  for (int side = 0; side < SIDES; side++) {
    kill_shared *shared = w->side[side].shared;
    const uint32_t at = atomic_exchange(&shared->at, 0);
    if (at == 0 || atomic_load(&shared->passed) < at) continue;
    while (w->side[side].pid != 0) (void)world_pump(w, 100);
  }
}

static void kill_plainly(trial *t, int side) {
  const uint64_t before = t->w.kills;
  world_kill(&t->w, side);
  t->plain += t->w.kills - before;
}

/* Both up, nothing going on; whoever is dead begins again. */
static void settle(trial *t) {
  world *w = &t->w;
  world_hang_up_all(w);
  do {
    for (int side = 0; side < SIDES; side++) {
      if (w->side[side].pid != 0) continue;
      count(t, side);
      start(t, side, 0, KILL_BEFORE);
    }
  } while (!world_until(w, both_listen, NULL, "both to listen") ||
           !world_until(w, world_is_quiet, NULL, "all channels to be closed"));
}

static bool exchange(trial *t, int near, size_t there, size_t back) {
  world *w = &t->w;
  const app *a = &w->near[near];
  const wanted far = {near, a->sent + there};
  const wanted home = {near, a->got + back};
  world_send(w, near, there);
  if (!world_until(w, far_has, &far, "bytes to arrive")) return false;
  world_answer(w, near, back);
  return world_until(w, near_has, &home, "bytes to come back");
}

/* Both sides send enough to update, and neither hears of the other before it has. */
static bool tie(trial *t, int near) {
  world *w = &t->w;
  wire *x = w->wires;
  while (x < w->wires + WIRES - 1 && (!x->used || x->late)) x++;
  const wanted far = {near, w->near[near].sent + MUCH};
  const wanted home = {near, w->near[near].got + MUCH};
  x->held = true;
  world_send(w, near, MUCH);
  world_answer(w, near, MUCH);
  if (!world_until(w, both_sent_much, x, "both sides to send") || !world_pause(w, 2)) return false;
  if (x->from[CONNECTOR].len > MUCH + UPDATE && x->from[LISTENER].len > MUCH + UPDATE) t->ties++;
  x->held = false;
  return world_until(w, far_has, &far, "bytes to arrive") && world_until(w, near_has, &home, "bytes to come back");
}

/* A connection with everything in it; false: somebody died. */
static bool talk(trial *t) {
  world *w = &t->w;
  const int near = world_app(w);
  if (!exchange(t, near, PIECE, PIECE) || !exchange(t, near, MUCH, PIECE) || !exchange(t, near, PIECE, MUCH) ||
      !tie(t, near))
    return false;
  world_hang_up(w, near);
  return world_until(w, world_is_quiet, NULL, "both ends to be closed") && world_alive(w);
}

/* One try to get bytes through and back; on `keep` the connection stays. */
static bool gets_through(trial *t, int *kept) {
  world *w = &t->w;
  const int near = world_app(w);
  const wanted piece = {near, PIECE};
  *kept = near;
  world_send(w, near, PIECE);
  assert_true(world_until(w, far_has_or_ended, &piece, "bytes to arrive"));
  world_answer(w, near, PIECE);
  assert_true(world_until(w, near_has_or_ended, &piece, "bytes to come back"));
  return w->near[near].got >= PIECE;
}

/* What this is all about. */
static void prove(trial *t) {
  world *w = &t->w;
  int near;
  unsigned tries = 1;
  while (!gets_through(t, &near)) {
    world_hang_up(w, near);
    if (tries == TRIES / 2) t->replays += world_release(w);
    if (tries++ == TRIES) fail_msg("no way through: the listener said %s", w->side[LISTENER].last);
    assert_true(world_until(w, world_is_quiet, NULL, "a failed connection to end"));
  }
  t->tries += tries;
  t->verified++;
  if (world_random(w, 4) == 0) {
    world_replay(w);
    t->replays++;
  }
  t->replays += world_release(w);
  assert_true(exchange(t, near, PIECE, PIECE));
  world_hang_up(w, near);
  assert_true(world_until(w, world_is_quiet, NULL, "both ends to be closed"));
  check_sessions(t);
  if (!t->confirmed) confirm(t);
}

/* ---- phases: true when nobody was killed ---- */

typedef struct at_point {
  int victim;
  uint32_t at;
  kill_how how;
} at_point;

/* Whether the listener has the session before any of this has been proved. */
static bool listener_has(trial *t) {
  if (t->w.side[LISTENER].pid == 0) return sessions_of(t, LISTENER) > 0;
  if (t->w.side[CONNECTOR].pid == 0)
    assert_true(world_until(&t->w, world_is_quiet, NULL, "the dead one's channel to end"));
  return t->w.side[LISTENER].established > 0;
}

static bool first(trial *t, const at_point *point) {
  world *w = &t->w;
  for (int side = 0; side < SIDES; side++) {
    count(t, side);
    kill_plainly(t, side);
  }
  (void)world_release(w);
  world_forget_states(w);
  t->confirmed = false;
  t->connector_had = false;
  settle(t);
  arm(t, point->victim, point->at, point->how);
  const bool whole = talk(t);
  if (whole) return true;
  world_hang_up_all(w);
  if (listener_has(t)) confirm(t);
  return false;
}

static bool later(trial *t, const at_point *point) {
  arm(t, point->victim, point->at, point->how);
  return talk(t);
}

static bool restart(trial *t, const at_point *point) {
  kill_plainly(t, point->victim);
  count(t, point->victim);
  start(t, point->victim, point->at, point->how);
  return world_until(&t->w, both_listen, NULL, "both to listen");
}

static bool tidy(trial *t, const at_point *point) {
  int near;
  assert_true(gets_through(t, &near));
  world_hang_up(&t->w, near);
  arm(t, point->victim, point->at, point->how);
  return world_pause(&t->w, TIDY_MS);
}

static bool stop(trial *t, const at_point *point) {
  world *w = &t->w;
  const int near = world_app(w);
  assert_true(exchange(t, near, PIECE, PIECE));
  arm(t, point->victim, point->at, point->how);
  assert_int_equal(kill(w->side[point->victim].pid, SIGTERM), 0);
  const int64_t before = (int64_t)w->kills;
  while (!has_ended(w, &point->victim)) (void)world_pump(w, 100);
  return (int64_t)w->kills == before;
}

typedef bool (*phase)(trial *t, const at_point *point);

/* Each point of a phase, until it is over before the next one; in CI each `stride`th. */
static void enumerate(trial *t, phase run, unsigned index, uint32_t stride) {
  world *w = &t->w;
  if (t->failed) skip();
  t->failed = true;
  if (t->most > 0) stride = 1;
  for (int how = 0; how < KILL_HOWS; how++)
    for (int victim = 0; victim < SIDES; victim++) {
      uint32_t at = 1 + world_random(w, stride);
      w->early_data = world_random(w, 2) == 0;
      kill_plainly(t, CONNECTOR);
      settle(t);
      for (bool over = false; !over; at += stride) {
        w->fate = (fate)world_random(w, FATES);
        (void)run(t, &(at_point){victim, at, (kill_how)how});
        disarm(t);
        over = w->side[victim].shared->passed < at;
        if (!over) t->points[index]++;
        settle(t);
        prove(t);
      }
    }
  t->failed = false;
}

static void killed_at_any_call_of_the_first_connection(void **state) { enumerate(*state, first, 0, 4); }
static void killed_at_any_call_of_a_later_connection(void **state) { enumerate(*state, later, 1, 3); }
static void killed_at_any_call_of_a_restart(void **state) { enumerate(*state, restart, 2, 2); }
static void killed_at_any_call_of_tidying(void **state) { enumerate(*state, tidy, 3, 2); }
static void killed_at_any_call_of_the_end(void **state) { enumerate(*state, stop, 4, 3); }

static unsigned long long big(uint64_t n) { return n; }

static void report(const trial *t) {
  static const char *const names[PHASES] = {"first connection", "later", "restart", "tidying", "end", "in a row"};
  print_message("%llu kills:", big(t->w.kills - t->plain));
  for (int i = 0; i < PHASES; i++) print_message(" %s %llu,", names[i], big(t->points[i]));
  print_message(" %llu proofs by %llu connections; the connector's sessions: %llu resumed, %llu begun, %llu said to "
                "be lost; %llu ties; %llu seals, %llu record keys\n",
                big(t->verified), big(t->tries), big(t->resumed), big(t->fresh), big(t->anew), big(t->ties),
                big(kill_keys_seals(t->w.keys)), big(kill_keys_count(t->w.keys)));
}

/* Again and again before anything is proved, both at once, in the middle of restarts. */
static void killed_many_times_in_a_row(void **state) {
  trial *t = *state;
  world *w = &t->w;
  if (t->failed) skip();
  settle(t);
  prove(t);
  const uint64_t done = w->kills - t->plain;
  const uint64_t most = t->most > done ? t->most : done + KILLS_IN_A_ROW;
  uint64_t next = done + REPORT_EVERY;
  while (w->kills - t->plain < most) {
    t->points[5] = w->kills - t->plain - done;
    if (w->kills - t->plain >= next) {
      report(t);
      next += REPORT_EVERY;
    }
    w->fate = world_random(w, 2) == 0 ? FATE_LATE : (fate)world_random(w, FATES);
    w->early_data = world_random(w, 2) == 0;
    const uint32_t span = world_random(w, 2) == 0 ? 30 : 90; /* often while the session is being resumed */
    const uint32_t victims = 1 + world_random(w, 3);
    for (int side = 0; side < SIDES; side++)
      if (victims >> side & 1) arm(t, side, 1 + world_random(w, span), (kill_how)world_random(w, KILL_HOWS));
    (void)talk(t);
    disarm(t);
    for (int side = 0; side < SIDES; side++) {
      if (w->side[side].pid != 0 || world_random(w, 3) != 0) continue;
      count(t, side);
      start(t, side, 1 + world_random(w, 40), (kill_how)world_random(w, KILL_HOWS));
    }
    settle(t);
    disarm(t);
    settle(t);
    if (world_random(w, 3) == 0) prove(t);
  }
  settle(t);
  prove(t);
  t->points[5] = w->kills - t->plain - done;
}

static int begin(void **state) {
  trial *t = calloc(1, sizeof *t);
  assert_non_null(t);
  tw_test_env_init(&t->test, 1);
  world_open(&t->w);
  const char *most = getenv("TREEWIRE_KILLS");
  if (most != NULL) t->most = strtoull(most, NULL, 10);
  const char *seed = getenv("TREEWIRE_SEED");
  t->w.random = seed == NULL ? 1 : strtoull(seed, NULL, 10);
  *state = t;
  return 0;
}

static int end(void **state) {
  trial *t = *state;
  report(t);
  world_close(&t->w);
  tw_test_env_clear(&t->test);
  free(t);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(killed_at_any_call_of_the_first_connection),
      cmocka_unit_test(killed_at_any_call_of_a_later_connection),
      cmocka_unit_test(killed_at_any_call_of_a_restart),
      cmocka_unit_test(killed_at_any_call_of_tidying),
      cmocka_unit_test(killed_at_any_call_of_the_end),
      cmocka_unit_test(killed_many_times_in_a_row),
  };
  return cmocka_run_group_tests(tests, begin, end);
}

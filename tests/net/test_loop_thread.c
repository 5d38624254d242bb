/* A thread with a loop, and calls into it. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_cmocka.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "net/loop_thread.h"
#include "support/tw_test_no_threads.h"

enum { TICK_MS = 1, CALLS = 2000, PATIENCE_MS = 20000 /* only a test that fails comes to this */ };

/* `ticks`, `acts` and `calls` are the thread's; its owner sees them by `run`. */
typedef struct world {
  uv_loop_t loop;
  uv_timer_t watchdog;
  tw_loop_thread thread;
  uv_timer_t timer;
  int open_fails; /* libuv's error */
  bool is_open;
  pthread_t seen;
  char name[16];
  unsigned ticks, acts, calls;
  bool tells;
  unsigned news, stopped; /* the owner's */
  atomic_uint loud;       /* ticks, for all to see */
} world;

static void on_watchdog(uv_timer_t *timer) {
  (void)timer;
  fail_msg("waited in vain");
}

#define UNTIL(w_, condition)                                                                                           \
  do {                                                                                                                 \
    (void)uv_timer_start(&(w_)->watchdog, on_watchdog, PATIENCE_MS, 0);                                                \
    while (!(condition)) (void)uv_run(&(w_)->loop, UV_RUN_ONCE);                                                       \
    (void)uv_timer_stop(&(w_)->watchdog);                                                                              \
  } while (0)

static void on_tick(uv_timer_t *timer) {
  world *w = timer->data;
  w->ticks++;
  atomic_fetch_add(&w->loud, 1);
  if (w->tells) tw_loop_thread_tell(&w->thread);
}

static int open_timer(void *ctx, uv_loop_t *loop) {
  world *w = ctx;
  (void)uv_timer_init(loop, &w->timer);
  w->timer.data = w;
  w->is_open = true;
  (void)uv_timer_start(&w->timer, on_tick, TICK_MS, TICK_MS);
  return w->open_fails;
}

static void on_closed(uv_handle_t *handle) { ((world *)handle->data)->is_open = false; }
static void close_timer(void *ctx) { uv_close((uv_handle_t *)&((world *)ctx)->timer, on_closed); }
static void on_called(void *ctx) { ((world *)ctx)->calls++; }
static void on_news(void *ctx) { ((world *)ctx)->news++; }
static void on_stopped(void *ctx) { ((world *)ctx)->stopped++; }

static void world_init(world *w) {
  memset(w, 0, sizeof *w);
  assert_int_equal(uv_loop_init(&w->loop), 0);
  (void)uv_timer_init(&w->loop, &w->watchdog);
  tw_loop_thread_init(&w->thread, &(tw_loop_thread_config){.loop = &w->loop,
                                                           .name = "test loop",
                                                           .open = open_timer,
                                                           .close = close_timer,
                                                           .called = on_called,
                                                           .news = on_news,
                                                           .ctx = w});
}

/* Nothing is left in the owner's loop. */
static void world_clear(world *w) {
  uv_close((uv_handle_t *)&w->watchdog, NULL);
  (void)uv_run(&w->loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&w->loop), 0);
}

static void stop(world *w) {
  const unsigned stopped = w->stopped;
  assert_true(tw_loop_thread_stop(&w->thread, on_stopped, w));
  assert_int_equal(w->stopped, stopped);
  UNTIL(w, w->stopped > stopped);
}

static void look(void *arg) {
  world *w = arg;
  w->acts++;
  w->seen = pthread_self();
  (void)pthread_getname_np(w->seen, w->name, sizeof w->name);
}

static void what_is_asked_is_done_in_the_thread_at_once(void **state) {
  (void)state;
  world w;
  world_init(&w);
  tw_loop_thread_run(&w.thread, look, &w); /* there is none yet */
  assert_int_equal(w.acts, 1);
  assert_true(pthread_equal(w.seen, pthread_self()));
  assert_ptr_equal(tw_loop_thread_loop(&w.thread), &w.loop);
  assert_int_equal(tw_loop_thread_start(&w.thread), 0);
  assert_ptr_not_equal(tw_loop_thread_loop(&w.thread), &w.loop);
  for (unsigned i = 2; i < CALLS; i++) {
    tw_loop_thread_run(&w.thread, look, &w);
    assert_int_equal(w.acts, i);
    assert_false(pthread_equal(w.seen, pthread_self()));
  }
  assert_string_equal(w.name, "test loop");
  stop(&w);
  assert_false(w.is_open);
  assert_in_range(w.calls, 1, CALLS);
  tw_loop_thread_run(&w.thread, look, &w); /* nor any more */
  assert_true(pthread_equal(w.seen, pthread_self()));
  world_clear(&w);
}

static void its_loop_goes_on_between(void **state) {
  (void)state;
  world w;
  world_init(&w);
  assert_int_equal(tw_loop_thread_start(&w.thread), 0);
  while (atomic_load(&w.loud) < 5) (void)uv_run(&w.loop, UV_RUN_NOWAIT);
  stop(&w);
  assert_true(w.ticks >= 5);
  const unsigned ticks = w.ticks;
  (void)usleep(5 * TICK_MS * 1000);
  assert_int_equal(atomic_load(&w.loud), ticks);
  world_clear(&w);
}

static void nothing_moves_while_it_rests(void **state) {
  (void)state;
  world w;
  world_init(&w);
  assert_int_equal(tw_loop_thread_start(&w.thread), 0);
  for (int i = 0; i < 3; i++) {
    tw_loop_thread_rest(&w.thread);
    const unsigned ticks = w.ticks; /* ours meanwhile */
    (void)usleep(5 * TICK_MS * 1000);
    assert_int_equal(w.ticks, ticks);
    tw_loop_thread_go_on(&w.thread);
    while (atomic_load(&w.loud) == ticks) (void)uv_run(&w.loop, UV_RUN_NOWAIT);
  }
  stop(&w);
  world_clear(&w);
}

static void set_tells(void *arg) { ((world *)arg)->tells = true; }

/* By the start and by the end once each, too. */
static void news_come_in_the_owners_loop(void **state) {
  (void)state;
  world w;
  world_init(&w);
  tw_loop_thread_tell(&w.thread);
  (void)uv_run(&w.loop, UV_RUN_NOWAIT);
  assert_int_equal(w.news, 0);
  assert_int_equal(tw_loop_thread_start(&w.thread), 0);
  UNTIL(&w, w.news == 1);
  tw_loop_thread_run(&w.thread, set_tells, &w);
  UNTIL(&w, w.news >= 4);
  const unsigned news = w.news;
  assert_true(tw_loop_thread_stop(&w.thread, on_stopped, &w));
  assert_int_equal(w.news, news + 1);
  UNTIL(&w, w.stopped == 1);
  (void)uv_run(&w.loop, UV_RUN_NOWAIT);
  assert_int_equal(w.news, news + 1);
  world_clear(&w);
}

static void a_call_of_anybodys_is_heard(void **state) {
  (void)state;
  world w;
  world_init(&w);
  assert_int_equal(tw_loop_thread_start(&w.thread), 0);
  for (unsigned i = 0; i < 10; i++) tw_loop_thread_rouse(&w.thread);
  const unsigned ticks = atomic_load(&w.loud);
  while (atomic_load(&w.loud) < ticks + 2) (void)uv_run(&w.loop, UV_RUN_NOWAIT);
  stop(&w);
  assert_in_range(w.calls, 1, 11); /* and one to stop it */
  world_clear(&w);
}

static void what_cannot_be_opened_is_told_and_closed(void **state) {
  (void)state;
  world w;
  world_init(&w);
  w.open_fails = UV_EMFILE;
  assert_int_equal(tw_loop_thread_start(&w.thread), UV_EMFILE);
  assert_false(w.is_open);
  tw_loop_thread_run(&w.thread, look, &w);
  assert_true(pthread_equal(w.seen, pthread_self()));
  stop(&w);
  assert_int_equal(w.news, 0);
  world_clear(&w);
}

static void without_a_thread_nothing_is_left_open(void **state) {
  (void)state;
  world w;
  world_init(&w);
  tw_test_threads_left = 0;
  assert_int_equal(tw_loop_thread_start(&w.thread), UV_EAGAIN);
  tw_test_threads_left = UINT_MAX;
  assert_false(w.is_open);
  tw_loop_thread_run(&w.thread, look, &w);
  assert_true(pthread_equal(w.seen, pthread_self()));
  assert_ptr_equal(tw_loop_thread_loop(&w.thread), &w.loop);
  stop(&w);
  assert_int_equal(w.news, 0);
  world_clear(&w);
}

static void what_never_began_ends_at_once(void **state) {
  (void)state;
  world w;
  world_init(&w);
  assert_false(tw_loop_thread_stop(&w.thread, on_stopped, &w));
  world_clear(&w);
  assert_int_equal(w.stopped, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_asked_is_done_in_the_thread_at_once),
      cmocka_unit_test(its_loop_goes_on_between),
      cmocka_unit_test(nothing_moves_while_it_rests),
      cmocka_unit_test(news_come_in_the_owners_loop),
      cmocka_unit_test(a_call_of_anybodys_is_heard),
      cmocka_unit_test(what_cannot_be_opened_is_told_and_closed),
      cmocka_unit_test(without_a_thread_nothing_is_left_open),
      cmocka_unit_test(what_never_began_ends_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

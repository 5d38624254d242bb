/* A relay that is killed at any time: what it has answered is there when it runs again. SPDX-License-Identifier: Apache-2.0 */
/* label: no-valgrind */
#include "whole_kit.h"

#include <sys/wait.h>

enum { ROUNDS = 12 };

/* The relay's process, which is this program anew: says its port, and serves until it is killed. */
static void serve(const char *dir, uint16_t port, int tell) {
  whole w;
  whole_init(&w, 1);
  (void)rmdir(w.at.parent); /* another one's place is used */
  (void)snprintf(w.at.dir, sizeof w.at.dir, "%s", dir);
  w.port = port;
  whole_start(&w);
  assert_int_equal(write(tell, &w.port, sizeof w.port), sizeof w.port);
  (void)uv_run(&w.loop, UV_RUN_DEFAULT);
}

/* Clients may have threads that look names up, and a lock that one of them holds at a fork is held for ever in the
   child: so the child runs this program from its beginning. */
static pid_t start(whole *w) {
  int fds[2];
  char port[8];
  char tell[16];
  assert_int_equal(pipe(fds), 0);
  (void)snprintf(port, sizeof port, "%u", (unsigned)w->port);
  (void)snprintf(tell, sizeof tell, "%d", fds[1]);
  (void)fflush(NULL);
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    (void)execl("/proc/self/exe", "test_relay_kill", w->at.dir, port, tell, NULL);
    _exit(127);
  }
  (void)close(fds[1]);
  assert_int_equal(read(fds[0], &w->port, sizeof w->port), sizeof w->port);
  (void)close(fds[0]);
  return child;
}

static void kill_it(pid_t child) {
  int status = 0;
  assert_int_equal(kill(child, SIGKILL), 0);
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status));
}

/* Numbered messages, some of which are under way when it dies: those that were answered are there, each in order. */
static void what_was_answered_survives_kill(void **state) {
  (void)state;
  whole w;
  whole_client a;
  whole_client b;
  whole_init(&w, 1);
  pid_t child = start(&w);
  tw_test_env_reseed(&w.at.test, 2); /* the relay's process draws from 1 */
  client_init(&a, &w);
  client_init(&b, &w);
  client_start(&a);
  client_start(&b);
  assert_int_equal(CLIENT_DOES(&b, TW_CONTROL_STOCK, .stock = TW_CONTROL_POOL_PAIR), TW_CONTROL_DONE);
  uint32_t next = 0;
  uint32_t known = 0; /* up to this one all were answered, or read by b */
  uint64_t after = 0;
  for (unsigned round = 0; round < ROUNDS; round++) {
    const size_t answered = a.answered;
    const uint32_t first = next;
    const size_t ups[2] = {a.ups, b.ups};
    char text[16];
    for (unsigned i = 0; i < 8; i++) {
      (void)snprintf(text, sizeof text, "%u", next++);
      client_ask(&a, (tw_control_request){.type = TW_CONTROL_SEND, .body.send = {b.id, kit_text(text)}});
    }
    whole_until(&w, a.answered >= answered + round % 9 || a.answered == answered + 8);
    kill_it(child);
    whole_until(&w, tw_control_client_open(a.client) == 0 && !tw_control_client_is_up(b.client));
    known = first + (uint32_t)(a.answered - answered);
    child = start(&w);
    whole_until(&w, a.ups > ups[0] && b.ups > ups[1]);
    assert_int_equal(CLIENT_DOES(&b, TW_CONTROL_FETCH, .fetch = {after, 100}), TW_CONTROL_DONE);
    tw_reader walk = tw_reader_of(tw_buf_bytes(&b.list));
    uint32_t expected = first;
    for (tw_control_entry entry; tw_control_entry_next(&walk, &entry); after = entry.number, expected++) {
      (void)snprintf(text, sizeof text, "%u", expected);
      tw_test_same(entry.message, kit_text(text));
    }
    assert_in_range(expected, known, next);
    if (expected < next) next = expected; /* what has not come is sent again */
  }
  kill_it(child);
  client_clear(&a);
  client_clear(&b);
  whole_clear(&w);
}

int main(int argc, char **argv) {
  if (argc == 4) {
    serve(argv[1], (uint16_t)strtoul(argv[2], NULL, 10), (int)strtol(argv[3], NULL, 10));
    return 1;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_was_answered_survives_kill),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

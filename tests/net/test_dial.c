/* Connecting to a host. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_cmocka.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/dial.h"

enum { PATIENCE_MS = 20000 /* only a test that fails comes to this */, LABEL_MAX = 63 /* RFC 1035 section 2.3.4 */ };

typedef struct world {
  uv_loop_t loop;
  int listener;
  tw_address at;
  unsigned done;
  int fd;
  tw_report report;
} world;

static void world_init(world *w) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof at;
  *w = (world){.fd = -1, .at = {.host = "127.0.0.1"}};
  assert_int_equal(uv_loop_init(&w->loop), 0);
  w->listener = socket(AF_INET, SOCK_STREAM, 0);
  assert_true(w->listener >= 0);
  assert_int_equal(bind(w->listener, (const struct sockaddr *)&at, len), 0);
  assert_int_equal(listen(w->listener, 4), 0);
  assert_int_equal(getsockname(w->listener, (struct sockaddr *)&at, &len), 0);
  w->at.port = ntohs(at.sin_port);
}

/* Nothing of the dial is left in the loop. */
static void world_clear(world *w) {
  assert_int_equal(uv_loop_close(&w->loop), 0);
  if (w->listener >= 0) (void)close(w->listener);
  if (w->fd >= 0) (void)close(w->fd);
}

static void on_done(void *ctx, int fd, const tw_report *report) {
  world *w = ctx;
  w->done++;
  w->fd = fd;
  w->report = *report;
}

static void run(world *w) {
  tw_dial *dial = NULL;
  assert_int_equal(tw_dial_start(&w->loop, &w->at, PATIENCE_MS, on_done, w, &dial), TW_OK);
  assert_int_equal(w->done, 0); /* not before the loop runs */
  assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
  assert_int_equal(w->done, 1);
}

static unsigned threads(void) {
  DIR *tasks = opendir("/proc/self/task");
  unsigned count = 0;
  assert_non_null(tasks);
  for (const struct dirent *task = readdir(tasks); task != NULL; task = readdir(tasks)) count += task->d_name[0] != '.';
  (void)closedir(tasks);
  return count;
}

static void an_address_in_figures_is_reached_without_another_thread(void **state) {
  (void)state;
  world w;
  const unsigned before = threads();
  world_init(&w);
  run(&w);
  assert_true(w.fd >= 0);
  assert_int_equal(threads(), before);
  char text[TW_ADDRESS_TEXT];
  tw_socket_peer_text(w.fd, text);
  char wanted[TW_ADDRESS_TEXT];
  tw_address_format(&w.at, wanted);
  assert_string_equal(text, wanted);
  world_clear(&w);
}

static void nobody_there_is_told(void **state) {
  (void)state;
  world w;
  world_init(&w);
  (void)close(w.listener);
  w.listener = -1;
  run(&w);
  assert_int_equal(w.fd, -1);
  char wanted[2 * TW_ADDRESS_TEXT];
  char at[TW_ADDRESS_TEXT];
  tw_address_format(&w.at, at);
  (void)snprintf(wanted, sizeof wanted, "cannot connect to %s: %s", at, strerror(ECONNREFUSED));
  assert_string_equal(w.report.text, wanted);
  world_clear(&w);
}

static void what_is_not_wanted_any_more_says_nothing(void **state) {
  (void)state;
  static const char *const hosts[] = {"127.0.0.1", "localhost"};
  for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++)
    for (unsigned turns = 0; turns < 2; turns++) {
      world w;
      tw_dial *dial = NULL;
      world_init(&w);
      (void)snprintf(w.at.host, sizeof w.at.host, "%s", hosts[i]);
      assert_int_equal(tw_dial_start(&w.loop, &w.at, PATIENCE_MS, on_done, &w, &dial), TW_OK);
      if (turns == 1 && i == 0) (void)uv_run(&w.loop, UV_RUN_NOWAIT);
      if (w.done == 0) tw_dial_cancel(dial);
      const unsigned done = w.done;
      assert_int_equal(uv_run(&w.loop, UV_RUN_DEFAULT), 0);
      assert_int_equal(w.done, done);
      world_clear(&w);
    }
}

/* Names still are looked up; this machine's own may be ::1 first, where nobody listens. */
static void a_name_is_looked_up(void **state) {
  (void)state;
  world w;
  world_init(&w);
  (void)snprintf(w.at.host, sizeof w.at.host, "localhost");
  run(&w);
  assert_true(w.fd >= 0);
  world_clear(&w);
  world_init(&w);
  memset(w.at.host, 0, sizeof w.at.host);
  memset(w.at.host, 'a', LABEL_MAX + 1); /* no resolver is asked for such a name */
  run(&w);
  assert_int_equal(w.fd, -1);
  assert_non_null(strstr(w.report.text, "cannot connect to aaa"));
  world_clear(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_address_in_figures_is_reached_without_another_thread), /* first: a name brings threads */
      cmocka_unit_test(nobody_there_is_told),
      cmocka_unit_test(what_is_not_wanted_any_more_says_nothing),
      cmocka_unit_test(a_name_is_looked_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

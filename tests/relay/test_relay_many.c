/* What a client that does nothing costs the relay, beside the store. SPDX-License-Identifier: Apache-2.0 */
/* label: slow */
#include "whole_kit.h"

#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { CLIENTS = 300, BYTES_EACH = 16384, IDLE_MS = 100 };

static bool has_descriptors(rlim_t count) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  if (limit.rlim_cur < count && limit.rlim_max >= count) {
    limit.rlim_cur = count;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
  }
  return limit.rlim_cur >= count;
}

/* Its allocator tells nothing of use. */
static bool is_sanitized(void) {
#if defined(__SANITIZE_ADDRESS__)
  return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
  return true;
#else
  return false;
#endif
#else
  return false;
#endif
}

static size_t in_use(void) {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

static tw_channel_options options_of_the_idle(void) {
  tw_channel_options options = tw_channel_options_default;
  options.rekey_after_ms = 0;
  options.handshake_timeout_ms = WHOLE_PATIENCE_MS;
  options.idle_release_ms = IDLE_MS;
  return options;
}

/* The clients' process: all are bound, members of one group, and watch some of the others, until `until` says so. */
static void be_clients(uint16_t port, int ready, int until) {
  whole w;
  whole_init(&w, 2); /* the relay's process draws from 1 */
  w.port = port;
  const tw_channel_options options = options_of_the_idle();
  whole_client *clients = calloc(CLIENTS, sizeof *clients);
  tw_buf members = {0};
  tw_writer writer = tw_writer_to(&members);
  assert_non_null(clients);
  for (size_t i = 0; i < CLIENTS; i++) {
    client_init(&clients[i], &w);
    clients[i].channel.options = &options;
    tw_control_write_client(&writer, &clients[i].id);
  }
  assert_int_equal(tw_writer_end(&writer), TW_OK);
  for (size_t i = 0; i < CLIENTS; i++) {
    client_start(&clients[i]);
    client_binds(&clients[i]);
    (void)client_locates(&clients[i], &clients[(i + 1) % CLIENTS]);
  }
  assert_int_equal(
      client_do(&clients[0], relay_open_of(w.messages, "net", TW_LITERAL("group"), 0, tw_buf_bytes(&members))),
      TW_CONTROL_DONE);
  uint8_t byte = 1;
  assert_int_equal(write(ready, &byte, 1), 1);
  if (read(until, &byte, 1) != 1) _exit(1); /* the relay's process has failed */
  tw_buf_clear(&members);
  for (size_t i = 0; i < CLIENTS; i++) client_clear(&clients[i]);
  free(clients);
  whole_clear(&w);
}

/* What is on its way out goes: buffers of the idle, and sockets of ports that were tried in vain, with their slots. */
static void settle(whole *w) {
  const uint64_t from = uv_hrtime();
  while (uv_hrtime() - from < (uint64_t)5 * IDLE_MS * 1000000) {
    (void)uv_run(&w->loop, UV_RUN_NOWAIT);
    (void)usleep(10000);
  }
}

static void an_idle_client_takes_16_kib_at_most(void **state) {
  (void)state;
  if (!has_descriptors(2 * CLIENTS + 64)) skip();
  whole w;
  whole_init(&w, 1);
  const tw_channel_options options = options_of_the_idle();
  w.channel.options = &options;
  whole_start(&w);
  settle(&w);
  int until[2];
  int ready[2];
  assert_int_equal(pipe(until), 0);
  assert_int_equal(pipe(ready), 0);
  (void)fflush(NULL);
  char words[3][16];
  (void)snprintf(words[0], sizeof words[0], "%u", (unsigned)w.port);
  (void)snprintf(words[1], sizeof words[1], "%d", ready[1]);
  (void)snprintf(words[2], sizeof words[2], "%d", until[0]);
  const pid_t child = fork(); /* and this program anew: the relay has threads, whose locks a child would inherit */
  assert_true(child >= 0);
  if (child == 0) {
    (void)close(until[1]);
    (void)execl("/proc/self/exe", "test_relay_many", words[0], words[1], words[2], NULL);
    _exit(127);
  }
  (void)close(until[0]);
  const size_t before = in_use();
  uint8_t byte = 1;
  assert_int_equal(fcntl(ready[0], F_SETFL, O_NONBLOCK), 0);
  whole_until(&w, read(ready[0], &byte, 1) == 1);
  settle(&w);
  assert_int_equal(tw_relay_count(w.relay), CLIENTS);
  const size_t each = (in_use() - before) / CLIENTS; /* SQLite's cache included */
  print_message("bytes for an idle client, bound, member of a group, watching another: %zu\n", each);
  if (!is_sanitized()) assert_in_range(each, 1, BYTES_EACH);
  assert_int_equal(write(until[1], &byte, 1), 1);
  whole_until(&w, tw_relay_count(w.relay) == 0);
  int status = -1;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  whole_clear(&w);
}

int main(int argc, char **argv) {
  if (argc == 4) {
    be_clients((uint16_t)strtoul(argv[1], NULL, 10), (int)strtol(argv[2], NULL, 10), (int)strtol(argv[3], NULL, 10));
    return 0;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_idle_client_takes_16_kib_at_most),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

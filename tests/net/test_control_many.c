/* A thousand nodes at one relay, and what each costs it. SPDX-License-Identifier: Apache-2.0 */
/* label: slow */
#include "control_kit.h"

#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NODES = 1000, NODES_WEIGHED = 300, BYTES_EACH = 16384 };

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
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
  return true;
#endif
#endif
  return false;
}

static size_t in_use(void) {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

static tw_channel_options options_without_rekey(void) {
  tw_channel_options options = tw_channel_options_default;
  options.rekey_after_ms = 0;
  options.handshake_timeout_ms = KIT_PATIENCE_MS;
  options.idle_release_ms = 100;
  return options;
}

static node *start_nodes(kit *k, const tw_channel_options *options, size_t count) {
  node *nodes = calloc(count, sizeof *nodes);
  assert_non_null(nodes);
  for (size_t i = 0; i < count; i++) {
    node_init(&nodes[i], k);
    nodes[i].channel.options = options;
    node_start(&nodes[i]);
  }
  return nodes;
}

static void close_nodes(node *nodes, size_t count) {
  for (size_t i = 0; i < count; i++) tw_control_client_close(nodes[i].client);
  for (size_t i = 0; i < count; i++) {
    kit_until(nodes[i].owner, nodes[i].freed == 1);
    tw_test_party_clear(&nodes[i].party);
  }
  free(nodes);
}

static void a_thousand_nodes_ask_and_are_told(void **state) {
  (void)state;
  if (!has_descriptors(2 * NODES + 64)) skip();
  kit k;
  kit_init(&k);
  const tw_channel_options options = options_without_rekey();
  k.relay_channel.options = &options;
  kit_start_server(&k);
  node *nodes = start_nodes(&k, &options, NODES);
  kit_until(&k, tw_control_server_count(k.server) == NODES);
  for (size_t i = 0; i < NODES; i++) {
    kit_until(&k, tw_control_client_is_up(nodes[i].client));
    nodes[i].expected = 1;
    assert_int_equal(node_ask(&nodes[i], TW_CONTROL_STOCK), TW_OK);
  }
  for (size_t i = 0; i < NODES; i++) kit_until(&k, nodes[i].answered == 1);
  for (size_t i = 0; i < NODES; i++) {
    const tw_client_id id = node_id(&nodes[i]);
    tw_control_caller *caller = tw_control_server_find(k.server, &id);
    assert_non_null(caller);
    tw_control_caller_push(caller, &(tw_control_push){.type = TW_CONTROL_MAIL});
  }
  for (size_t i = 0; i < NODES; i++) kit_until(&k, nodes[i].pushes == 1);
  kit_stop_server(&k, true);
  for (size_t i = 0; i < NODES; i++) kit_until(&k, !tw_control_client_is_up(nodes[i].client));
  close_nodes(nodes, NODES);
  assert_int_equal(k.gone, NODES);
  kit_clear(&k);
}

/* The nodes' process: another key for the relay is none of its business here. Ends when the pipe does. */
static void be_nodes(uint16_t port, int until) {
  kit k;
  kit_init(&k);
  k.port = port;
  k.any_relay = true;
  tw_test_env_reseed(&k.test, 2); /* the relay's process draws from 1 */
  const tw_channel_options options = options_without_rekey();
  node *nodes = start_nodes(&k, &options, NODES_WEIGHED);
  for (size_t i = 0; i < NODES_WEIGHED; i++) kit_until(&k, tw_control_client_is_up(nodes[i].client));
  uint8_t byte;
  ssize_t got = -1;
  for (; got != 0; got = read(until, &byte, 1)) {}
  close_nodes(nodes, NODES_WEIGHED);
  kit_clear(&k);
}

static void an_idle_node_costs_the_relay_little_memory(void **state) {
  (void)state;
  if (!has_descriptors(NODES_WEIGHED + 64)) skip();
  kit k;
  kit_init(&k);
  const tw_channel_options options = options_without_rekey();
  k.relay_channel.options = &options;
  kit_start_server(&k);
  int until[2];
  assert_int_equal(pipe(until), 0);
  (void)fflush(NULL);
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    (void)close(until[1]);
    be_nodes(k.port, until[0]);
    _exit(0);
  }
  (void)close(until[0]);
  const size_t before = in_use();
  kit_until(&k, tw_control_server_count(k.server) == NODES_WEIGHED);
  const uint64_t from = uv_hrtime();
  while (uv_hrtime() - from < (uint64_t)5 * options.idle_release_ms * 1000000) { /* buffers go */
    (void)uv_run(&k.loop, UV_RUN_NOWAIT);
    (void)usleep(10000);
  }
  const size_t each = (in_use() - before) / NODES_WEIGHED;
  print_message("bytes for an idle node: %zu\n", each);
  if (!is_sanitized()) assert_in_range(each, 1, BYTES_EACH);
  (void)close(until[1]);
  kit_until(&k, tw_control_server_count(k.server) == 0);
  int status = -1;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  kit_clear(&k);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_thousand_nodes_ask_and_are_told),
      cmocka_unit_test(an_idle_node_costs_the_relay_little_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Nodes that are connected to a relay and do nothing: bench_nodes ADDR:PORT COUNT [classical], until the standard input
 * ends. "up" is printed once all are, bound as far as TCP goes. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "net/control_client.h"
#include "world.h"

/* As `treewire up` has them, but for what a node is beside its control connection. */
typedef struct hanger {
  bench_person person;
  const tw_client *clients[1];
  tw_channel_config channel;
  tw_control_client *client;
} hanger;

static size_t waited_for;

static void on_bound(void *ctx, const tw_control_answer *answer) {
  (void)ctx;
  BENCH_TRUE(answer != NULL && answer->status == TW_CONTROL_DONE);
  waited_for--;
}

static void on_up(void *ctx, const tw_member *relay, bool resumed) {
  hanger *h = ctx;
  (void)relay;
  (void)resumed;
  BENCH_OK(tw_control_client_ask(h->client, &(tw_control_request){.type = TW_CONTROL_BIND}, on_bound, h));
}

static void on_down(void *ctx, const tw_control_down *down) {
  (void)ctx;
  fprintf(stderr, "bench_nodes: %s\n", down->text != NULL ? down->text : "a connection is lost");
  exit(1);
}

static void on_push(void *ctx, const tw_control_push *push) {
  (void)ctx;
  (void)push;
}

static void start(hanger *h, uv_loop_t *loop, const tw_env *env, const tw_suite *suite, const tw_address *relay,
                  unsigned number) {
  bench_person_init(&h->person, env, suite, number);
  h->clients[0] = &h->person.client;
  h->channel = (tw_channel_config){.clients = h->clients, .client_count = 1};
  const tw_control_client_config config = {.loop = loop,
                                           .relay = *relay,
                                           .channel = &h->channel,
                                           .dial_timeout_ms = 60000,
                                           .up = on_up,
                                           .down = on_down,
                                           .push = on_push,
                                           .ctx = h};
  BENCH_OK(tw_control_client_start(&config, &h->client));
}

static void on_input(uv_poll_t *poll, int status, int events) {
  char byte;
  (void)poll;
  (void)events;
  if (status != 0 || read(STDIN_FILENO, &byte, 1) <= 0) exit(0);
}

enum { AT_ONCE = 20 };

int main(int argc, char **argv) {
  tw_env env = {0};
  tw_address relay;
  tw_report report = {""};
  uv_loop_t loop;
  uv_poll_t input;
  const unsigned count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
  if (count == 0 || tw_address_parse(argv[1], TW_ADDRESS_REMOTE, TW_PORT_DEFAULT, &relay, &report) != TW_OK) {
    fprintf(stderr, "usage: bench_nodes ADDR:PORT COUNT [classical]\n");
    return 2;
  }
  const struct rlimit files = {count + 64, count + 64};
  (void)setrlimit(RLIMIT_NOFILE, &files);
  BENCH_OK(tw_provider_openssl_new(NULL, &env.provider));
  BENCH_TRUE(uv_loop_init(&loop) == 0);
  hanger *hangers = calloc(count, sizeof *hangers);
  BENCH_TRUE(hangers != NULL);
  for (unsigned i = 0; i < count; i++) {
    start(&hangers[i], &loop, &env, argc > 3 ? tw_suite_at(0) : tw_suite_default(), &relay, i);
    waited_for++;
    while (waited_for >= AT_ONCE || (i + 1 == count && waited_for > 0)) (void)uv_run(&loop, UV_RUN_ONCE);
  }
  puts("up");
  fflush(stdout);
  BENCH_TRUE(uv_poll_init(&loop, &input, STDIN_FILENO) == 0 && uv_poll_start(&input, UV_READABLE, on_input) == 0);
  return uv_run(&loop, UV_RUN_DEFAULT);
}

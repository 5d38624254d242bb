/* All nodes, and their loop. SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>

#include "net/wire.h"
#include "node/many/parts.h"

enum { TURN_MS = 20, PAIRS_EVERY = 10, KEYS_EVERY = 50 };

void *many_grow(void *list, size_t count, size_t size) {
  if (count != 0 && (count & (count - 1)) != 0) return list; /* doubled at powers of two */
  void *grown = realloc(list, (count == 0 ? 1 : 2 * count) * size);
  assert_non_null(grown);
  return grown;
}

uint64_t many_now(const many_world *world) { return world->wall_offset_ms + uv_now(&world->loop); }

uint32_t many_roll(many_world *world, uint32_t n) {
  world->dice = world->dice * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(world->dice >> 33) % n;
}

uint32_t many_find(const many_world *world, const tw_client_id *id) {
  uint32_t low = 0;
  uint32_t high = world->count;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    const int order = memcmp(&world->nodes[world->by_id[middle]].id, id, sizeof *id);
    if (order == 0) return world->by_id[middle];
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return MANY_NETWORK;
}

void many_unwant(many_node *n, uint32_t index) {
  n->unwanted[index] = true;
  for (uint32_t i = 0; i < n->roster_count; i++) {
    if (n->roster[i] != index) continue;
    n->roster[i] = n->roster[--n->roster_count];
    return;
  }
}

/* ---- nodes ---- */

/* As a node judges: by its roster. */
static tw_err judge_member(void *ctx, const tw_credential_use *use) {
  const many_node *n = ctx;
  tw_client_id id;
  if (use->event == TW_CREDENTIAL_EXTERNAL) return TW_ERR_CREDENTIAL;
  assert_int_equal(tw_fingerprint_of(n->client.env, n->client.suite, use->signature_key, &id), TW_OK);
  const uint32_t index = many_find(n->world, &id);
  return index != MANY_NETWORK && !n->unwanted[index] ? TW_OK : TW_ERR_CREDENTIAL;
}

/* Who the relay is: other tests' business. */
static tw_err judge_relay(void *ctx, const tw_credential_use *use) {
  (void)ctx;
  (void)use;
  return TW_OK;
}

static void init_node(many_world *world, uint32_t index) {
  many_node *n = &world->nodes[index];
  tw_signer *signer = NULL;
  const tw_suite *suite = tw_suite_by_name(MANY_SUITE);
  n->world = world;
  n->index = index;
  assert_int_equal(tw_signer_generate(&world->test.env, suite, &signer), TW_OK);
  n->client = (tw_client){.env = &world->test.env,
                          .suite = suite,
                          .signer = signer,
                          .credential = {.type = 1, .identity = TW_LITERAL("node")},
                          .policy = {.ctx = n, .credential = judge_member}};
  n->relay_client = n->client;
  n->relay_client.policy = (tw_policy){.ctx = n, .credential = judge_relay};
  n->clients[0] = &n->client;
  n->relay_clients[0] = &n->relay_client;
  n->channel = (tw_channel_config){.clients = n->relay_clients, .client_count = 1, .options = &world->options};
  assert_int_equal(tw_fingerprint_of(&world->test.env, suite, tw_signer_public_key(signer), &n->id), TW_OK);
  n->roster = calloc(world->count, sizeof *n->roster);
  n->unwanted = calloc(world->count, sizeof *n->unwanted);
  assert_true(n->roster != NULL && n->unwanted != NULL);
  for (uint32_t i = 0; i < world->count; i++) {
    if (i != index) n->roster[n->roster_count++] = i;
  }
  many_node_wire(n);
}

static void clear_node(many_node *n) {
  many_node_lose_values(n);
  free(n->values);
  free(n->keys);
  free(n->sending);
  free(n->roster);
  free(n->unwanted);
  free(n->to_cut_off);
  tw_signer_free(n->client.signer);
}

/* By insertion into what is in order already. */
static void order_ids(many_world *world) {
  for (uint32_t i = 0; i < world->count; i++) {
    uint32_t at = i;
    for (; at > 0 && memcmp(&world->nodes[world->by_id[at - 1]].id, &world->nodes[i].id, sizeof(tw_client_id)) > 0;
         at--)
      world->by_id[at] = world->by_id[at - 1];
    world->by_id[at] = i;
  }
}

/* ---- the loop ---- */

static void on_timer(uv_timer_t *timer) {
  many_world *world = timer->data;
  world->turns++;
  for (uint32_t i = 0; i < world->count; i++) {
    many_node_tick(&world->nodes[i], (world->turns + i) % PAIRS_EVERY == 0);
    if ((world->turns + i) % KEYS_EVERY == 0) many_keys_tick(&world->nodes[i]);
  }
}

void many_begin(many_world *world, uint32_t count, uint64_t seed) {
  memset(world, 0, sizeof *world);
  (void)signal(SIGPIPE, SIG_IGN);
  many_relay_start(&world->relay, MANY_SUITE);
  tw_test_env_init(&world->test, seed);
  many_verify_once(world->test.env.provider);
  world->dice = seed;
  world->count = count;
  world->tells = getenv("TREEWIRE_TELL") != NULL;
  world->options = tw_channel_options_default;
  world->options.handshake_timeout_ms = 60000;
  world->nodes = calloc(count, sizeof *world->nodes);
  world->by_id = calloc(count, sizeof *world->by_id);
  assert_true(world->nodes != NULL && world->by_id != NULL);
  for (uint32_t i = 0; i < count; i++) init_node(world, i);
  order_ids(world);
  assert_int_equal(uv_loop_init(&world->loop), 0);
  world->wall_offset_ms = tw_wall_ms() - uv_now(&world->loop);
  (void)uv_timer_init(&world->loop, &world->timer);
  world->timer.data = world;
  (void)uv_timer_start(&world->timer, on_timer, TURN_MS, TURN_MS);
}

bool many_run(many_world *world, uint64_t ms, bool (*done)(many_world *world)) {
  uv_update_time(&world->loop);
  const uint64_t until_ms = uv_now(&world->loop) + ms;
  uint64_t asked = world->turns;
  while (uv_now(&world->loop) < until_ms) {
    (void)uv_run(&world->loop, UV_RUN_ONCE);
    if (done == NULL || world->turns == asked) continue;
    asked = world->turns;
    if (done(world)) return true;
  }
  return false;
}

static bool all_gone(many_world *world) {
  for (uint32_t i = 0; i < world->count; i++) {
    if (world->nodes[i].closing > 0) return false;
  }
  return true;
}

void many_end(many_world *world) {
  for (uint32_t i = 0; i < world->count; i++) many_node_stop(&world->nodes[i]);
  assert_true(many_run(world, 60000, all_gone));
  uv_close((uv_handle_t *)&world->timer, NULL);
  (void)uv_run(&world->loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&world->loop), 0);
  for (uint32_t i = 0; i < world->count; i++) clear_node(&world->nodes[i]);
  free(world->nodes);
  free(world->by_id);
  tw_test_env_clear(&world->test);
  many_forget_verified();
  many_relay_stop(&world->relay);
}

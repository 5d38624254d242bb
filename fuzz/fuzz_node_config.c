/* A node's configuration: whatever the file holds, it is read or refused with words, and what was read holds together.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "fuzz_env.h"
#include "node/config_diff.h"
#include "node/routes.h"

typedef struct told {
  size_t count;
} told;

static void hear(void *ctx, const tw_report *problem) {
  told *all = ctx;
  TW_FUZZ_ASSERT(strncmp(problem->text, "f.conf:", 7) == 0);
  all->count++;
}

static tw_route find(const tw_routes *routes, const tw_prefix *prefix) {
  return prefix->family == 4 ? tw_routes_find4(routes, prefix->address) : tw_routes_find6(routes, prefix->address);
}

/* A peer's prefix of all bits leads to it, or is our own. */
static void check_routes(const tw_node_config *config) {
  tw_routes routes = {0};
  TW_FUZZ_ASSERT(tw_routes_of(NULL, config, &routes) == TW_OK);
  for (size_t i = 0; i < config->peer_count; i++)
    for (size_t k = 0; k < config->peers[i].allowed.count; k++) {
      const tw_prefix *prefix = &config->peers[i].allowed.list[k].prefix;
      const tw_route route = find(&routes, prefix);
      if (prefix->length != tw_prefix_bits(prefix)) continue;
      TW_FUZZ_ASSERT(route.kind == TW_ROUTE_SELF || route.kind == TW_ROUTE_GROUP || route.peer == i);
    }
  for (size_t i = 0; i < config->interface.addresses.count; i++)
    TW_FUZZ_ASSERT(find(&routes, &config->interface.addresses.list[i].prefix).kind == TW_ROUTE_SELF);
  tw_routes_clear(&routes);
}

static void check_config(const tw_node_config *config) {
  TW_FUZZ_ASSERT(config->interface.addresses.count > 0 && config->relay.endpoint.host != NULL);
  TW_FUZZ_ASSERT(config->network.group != NULL && config->network.suite != NULL && config->interface.state != NULL);
  TW_FUZZ_ASSERT(config->interface.mtu >= TW_NODE_MTU_MIN && config->interface.mtu <= TW_NODE_MTU_MAX);
  for (size_t i = 0; i < config->peer_count; i++)
    TW_FUZZ_ASSERT(config->peers[i].key.given != (config->peers[i].certificate != NULL));
  for (size_t i = 0; i < config->network.admin_count; i++)
    TW_FUZZ_ASSERT(config->network.admins[i].peer == TW_NODE_NONE ||
                   config->network.admins[i].peer < config->peer_count);
  tw_config_diff diff = {0};
  TW_FUZZ_ASSERT(tw_config_diff_make(NULL, config, config, &diff) == TW_OK);
  TW_FUZZ_ASSERT(diff.settings == 0 && diff.peer_count == 0);
  tw_config_diff_clear(&diff);
  check_routes(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const tw_env *env = tw_fuzz_env();
  const tw_bytes text = TW_BYTES(data, size);
  told all = {0};
  tw_problems problems = {.tell = hear, .ctx = &all};
  tw_node_config config = {0};
  tw_node_config seen = {0};
  const tw_err err = tw_node_config_parse(env, "f", "f.conf", text, &config, &problems);
  TW_FUZZ_ASSERT(err == TW_OK || err == TW_ERR_ENCODING);
  TW_FUZZ_ASSERT((err == TW_OK) == (problems.count == 0));
  TW_FUZZ_ASSERT(all.count == (problems.count < TW_PROBLEMS_TOLD ? problems.count : TW_PROBLEMS_TOLD));
  if (err == TW_OK) check_config(&config);
  problems = (tw_problems){0};
  TW_FUZZ_ASSERT(tw_node_config_survey(env, "f", "f.conf", text, &seen, &problems) == TW_OK);
  tw_node_config_clear(&seen);
  tw_node_config_clear(&config);
  return 0;
}

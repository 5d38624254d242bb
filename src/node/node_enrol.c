/* Enrolment in a node: what it asks of its surroundings. SPDX-License-Identifier: Apache-2.0 */
#include "node/node_internal.h"

static tw_err learn(void *ctx, const tw_learned_peer *peer) {
  tw_learned_peer now = *peer;
  now.learned_at = tw_node_now(ctx) / 1000;
  TW_TRY(tw_node_learn(ctx, &now, NULL));
  ((tw_node *)ctx)->enrolled = true;
  return TW_OK;
}
static tw_err unlearn(void *ctx, const tw_fingerprint *key) { return tw_node_unlearn(ctx, key); }
static void tell(void *ctx, const char *line) { tw_node_tell(ctx, TW_NODE_NOTE, "%s", line); }

static bool is_removed(void *ctx, uint32_t peer) {
  const tw_node *node = ctx;
  return node->peers[peer].removed;
}

tw_err tw_node_make_enrol(tw_node *node) {
  const tw_node_setup *setup = &node->setup;
  const tw_enrol_config config = {.env = setup->env,
                                  .signer = setup->signer,
                                  .self = setup->self,
                                  .config = setup->config,
                                  .learned = setup->learned,
                                  .trust = setup->certified.trust,
                                  .port = &node->port,
                                  .network = node->network,
                                  .learn = learn,
                                  .unlearn = unlearn,
                                  .is_removed = is_removed,
                                  .tell = tell,
                                  .ctx = node};
  return tw_enrol_new(&config, &node->enrol);
}

tw_enrol *tw_node_enrol(const tw_node *node) { return node->enrol; }

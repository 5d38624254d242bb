/* Nodes whose packets to all are signed. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_PLANE_SIGN_KIT_H
#define TW_TESTS_PLANE_SIGN_KIT_H

#include "plane_kit.h"

/* Node 0 sends to all, node 1 takes it, node 2 is a member who would like to be node 0. */
enum { SENDER = 0, RECEIVER = 1, FORGER = 2, ALL = 0x07 };

static inline void begin_with(uint32_t signing, uint32_t keyed) {
  kit_signing = signing;
  kit_keyed = keyed;
  kit_begin(0);
  kit_make_network();
  kit_use_network();
  kit_by_relay();
}

static inline int begin(void **state) {
  (void)state;
  begin_with(ALL, ALL);
  return 0;
}

static inline int begin_without_a_key(void **state) {
  (void)state;
  begin_with(ALL, 1u << RECEIVER | 1u << FORGER);
  return 0;
}

static inline int end(void **state) {
  (void)state;
  kit_end();
  return 0;
}

static inline packet_spec to_all(uint32_t from, unsigned version, size_t payload) {
  return kit_packet_of(from, 254, version, PACKET_UDP, payload);
}

static inline void put(uint32_t from, const packet_spec *spec) {
  kit_put(from, spec);
  kit_run();
}

static inline void the_sender_itself_is_heard(void) {
  const packet_spec spec = to_all(SENDER, 4, 100);
  put(SENDER, &spec);
  kit_got_this(RECEIVER, &spec);
  assert_int_not_equal(tw_plane_peer_of(world.nodes[RECEIVER].plane, SENDER)->heard_ms, 0);
}

static inline void next_epoch(uint32_t by, bool with_fresh_key) {
  kit_node *n = &world.nodes[by];
  tw_test_member *others[NODES];
  size_t count = 0;
  for (uint32_t i = 0; i < NODES; i++) {
    if (i != by) others[count++] = &world.nodes[i].network;
  }
  if (with_fresh_key) kit_fresh_packet_key(n);
  const tw_commit_options options = {.client = &n->network.client};
  tw_test_commit(&n->network, &options, others, count, NULL);
}

#endif

/* Members of the network's group that do what their engines would not. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_NETWORK_HOSTILE_H
#define TW_TESTS_NETWORK_HOSTILE_H

#include "node/network_kit.h"

#include "control/patch.h"
#include "mls/group.h"
#include "node/network_internal.h"
#include "pair/binding.h"

static inline tw_group *group_of(uint32_t i) { return world.nodes[i].network->epoch.group; }

/* What the relay has of the group, as node `i` is told; its GroupInfo in `info`, its tree in `tree`, unless NULL. */
static inline tw_control_group find_both_as(uint32_t i, tw_buf *info, tw_buf *tree) {
  const tw_control_request find = {.type = TW_CONTROL_GROUP_FIND, .number = 1, .body.group_find = {KIT_NAME, true}};
  tw_control_answer answer;
  kit_serve_request(&world.nodes[i], &find, &answer);
  assert_int_equal(answer.status, TW_CONTROL_DONE);
  if (info != NULL) assert_int_equal(tw_buf_assign(info, answer.body.group_find.group_info), TW_OK);
  if (tree != NULL) assert_int_equal(tw_buf_assign(tree, answer.body.group_find.tree), TW_OK);
  return answer.body.group_find;
}
static inline tw_control_group find_as(uint32_t i, tw_buf *info) { return find_both_as(i, info, NULL); }

/* The patch that fits whatever there is. */
static inline tw_buf whole(tw_bytes all) {
  tw_buf patch = {0};
  assert_int_equal(tw_control_patch_make(&world.test.env, TW_NO_BYTES, all, &patch), TW_OK);
  return patch;
}

static inline void tree_of(const tw_group *group, tw_buf *out) {
  out->len = 0;
  assert_int_equal(tw_group_ratchet_tree(group, out), TW_OK);
}

#define CONNECTED 0x1f

static inline uint32_t leaf_of(uint32_t by, uint32_t i) {
  return tw_network_find_member(&world.nodes[by].network->epoch, &world.nodes[i].id)->leaf;
}

/* Nodes in `wanted` want each other; the others think that they are wanted, too. */
static inline void set_rosters(uint32_t wanted) {
  for (uint32_t i = 0; i < NODES; i++) world.nodes[i].wanted = wanted | 1u << i;
}

static inline void rosters_changed(void) {
  for (uint32_t i = 0; i < NODES; i++) tw_network_roster_changed(world.nodes[i].network, world.now_ms);
}

/* Only those are there, and come together. */
static inline void begin_with(uint64_t seed, uint32_t admins, uint32_t members) {
  begin_world(seed, admins, 0);
  set_rosters(members);
  for (uint32_t i = 0; i < NODES; i++) {
    if ((members >> i & 1) != 0) connect(&world.nodes[i]);
  }
  expect_agreement(members, 60000, "at first");
}

/* The first three, all together. */
static inline void begin_three(uint64_t seed) {
  begin_world(seed, 0, 0x07);
  set_rosters(0x07);
  expect_agreement(0x07, 60000, "at first");
}

/* It has lost its store. */
static inline void restart_relay(void) {
  tw_delivery_free(world.delivery);
  tw_relay_store_close(world.store);
  tw_report report;
  assert_int_equal(tw_relay_store_memory(&world.relay.env, &world.store, &report), TW_OK);
  open_relay();
  for (uint32_t i = 0; i < NODES; i++) {
    kit_node *n = &world.nodes[i];
    break_link(n);
    n->read = n->read_durably = 0; /* as the relay tells a node that has read further than there is */
    n->peer = (tw_delivery_peer){.id = n->id};
  }
}

/* Its record of an epoch of before, in which all of `members` were. */
static inline void record_epoch(uint32_t opener, uint32_t members, tw_bytes group_id, uint64_t epoch,
                                const tw_buf *info, const tw_buf *tree) {
  tw_buf ids = {0};
  tw_writer w = tw_writer_to(&ids);
  for (uint32_t i = 0; i < NODES; i++)
    if ((members >> i & 1) != 0) tw_control_write_client(&w, &world.nodes[i].id);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  const tw_control_request open = {
      .type = TW_CONTROL_GROUP_OPEN,
      .number = 1,
      .body.group_open = {KIT_NAME, group_id, epoch, tw_buf_bytes(&ids), tw_buf_bytes(info), tw_buf_bytes(tree)}};
  tw_control_answer answer;
  kit_serve_request(&world.nodes[opener], &open, &answer);
  assert_int_equal(answer.status, TW_CONTROL_DONE);
  tw_buf_clear(&ids);
}

static inline void much_later(int minutes) {
  for (int i = 0; i < minutes; i++) {
    pass_time(60000);
    tick_all();
    calm();
  }
}

static inline void drop_requests(kit_node *n) {
  while (n->request_count > 0) tw_buf_clear(&n->requests[--n->request_count].frame);
}

/* It has to come back, and finds the group as `there` says, but with these bytes for GroupInfo and tree: no join is
 * made of them. */
static inline void expect_useless(kit_node *n, tw_control_group there, tw_bytes info, tw_bytes tree) {
  tw_control_answer answer = {.to = TW_CONTROL_GROUP_FIND, .request = 1, .status = TW_CONTROL_DONE};
  answer.body.group_find = there;
  answer.body.group_find.group_id = tw_group_id(group_of(0));
  answer.body.group_find.group_info = info;
  answer.body.group_find.tree = tree;
  pass_time(UINT64_C(4) * 3600 * 1000);
  n->network->finding = n->network->asked_tree = true;
  tw_network_found(n->network, &answer, world.now_ms);
  assert_int_not_equal(n->network->pending.kind, TW_NETWORK_PENDING_JOIN);
  drop_requests(n);
}

/* A key package of node `i`, as it would leave it at the relay. */
static inline tw_buf package_made_at(uint32_t i, uint64_t now_ms) {
  tw_buf published = {0};
  tw_buf secret = {0};
  uint8_t ref[TW_STOCK_REF];
  assert_int_equal(tw_network_make_package(world.nodes[i].network, false, now_ms, &published, &secret, ref), TW_OK);
  tw_buf_clear(&secret);
  return published;
}
static inline tw_buf package_of(uint32_t i) { return package_made_at(i, world.now_ms); }

static inline void members_of(const tw_group *group, tw_buf *out) {
  tw_member member;
  tw_writer w = tw_writer_to(out);
  for (uint32_t leaf = 0; tw_group_next_member(group, &leaf, &member); leaf++) {
    tw_client_id id;
    assert_int_equal(tw_fingerprint_of(&world.test.env, tw_group_suite(group), member.signature_key, &id), TW_OK);
    tw_control_write_client(&w, &id);
  }
  assert_int_equal(tw_writer_end(&w), TW_OK);
}

/* What node `by` makes of its group goes to the relay in its name, whatever its engine would think of it, with this for
 * its tree. */
static inline tw_control_status give_with_tree(uint32_t by, const tw_commit_result *made, tw_bytes tree,
                                               tw_bytes welcomes) {
  tw_buf members = {0};
  tw_buf info = {0};
  members_of(made->next, &members);
  assert_int_equal(tw_group_info_message(made->next, false, TW_NO_BYTES, &info), TW_OK);
  tw_buf tree_patch = whole(tree);
  tw_buf members_patch = whole(tw_buf_bytes(&members));
  const tw_control_request request = {.type = TW_CONTROL_GROUP_COMMIT,
                                      .number = 1,
                                      .body.group_commit = {.group_id = tw_group_id(made->next),
                                                            .epoch = tw_group_epoch(made->next) - 1,
                                                            .commit = tw_buf_bytes(&made->commit),
                                                            .group_info = tw_buf_bytes(&info),
                                                            .tree = tw_buf_bytes(&tree_patch),
                                                            .members = tw_buf_bytes(&members_patch),
                                                            .welcomes = welcomes}};
  tw_control_answer answer;
  kit_serve_request(&world.nodes[by], &request, &answer);
  tw_buf_clear(&tree_patch);
  tw_buf_clear(&members_patch);
  tw_buf_clear(&members);
  tw_buf_clear(&info);
  return answer.status;
}

static inline tw_control_status give_to_relay(uint32_t by, const tw_commit_result *made, tw_bytes welcomes) {
  tw_buf tree = {0};
  tree_of(made->next, &tree);
  const tw_control_status status = give_with_tree(by, made, tw_buf_bytes(&tree), welcomes);
  tw_buf_clear(&tree);
  return status;
}

static inline void commit_as(uint32_t by, tw_bytes proposals, uint32_t welcomed, bool names) {
  const tw_commit_options options = {.proposals = proposals, .names_key_packages = names};
  tw_commit_result made = {0};
  tw_buf welcomes = {0};
  assert_int_equal(tw_group_commit(group_of(by), &options, world.now_ms / 1000, &made), TW_OK);
  if (welcomed < NODES) {
    tw_writer w = tw_writer_to(&welcomes);
    const tw_control_welcome welcome = {TW_ARRAY(world.nodes[welcomed].id.digest), tw_buf_bytes(&made.welcome)};
    tw_control_write_welcome(&w, &welcome);
    assert_int_equal(tw_writer_end(&w), TW_OK);
  }
  assert_int_equal(give_to_relay(by, &made, tw_buf_bytes(&welcomes)), TW_CONTROL_DONE);
  tw_buf_clear(&welcomes);
  tw_commit_result_clear(&made);
  world.nodes[by].online = false; /* its engine knows nothing of it */
}

static inline void add_as(uint32_t by, uint32_t joiner) {
  tw_buf proposals = {0};
  tw_buf package = package_of(joiner);
  assert_int_equal(tw_propose_add(&proposals, tw_buf_bytes(&package)), TW_OK);
  commit_as(by, tw_buf_bytes(&proposals), NODES, true);
  tw_buf_clear(&package);
  tw_buf_clear(&proposals);
}

static inline void remove_as(uint32_t by, uint32_t whom) {
  tw_buf proposals = {0};
  assert_int_equal(tw_propose_remove(&proposals, leaf_of(by, whom)), TW_OK);
  commit_as(by, tw_buf_bytes(&proposals), NODES, false);
  tw_buf_clear(&proposals);
}

static inline void expect_stuck(uint32_t who, uint64_t epoch) {
  for (uint32_t i = 0; i < NODES; i++) {
    if ((who >> i & 1) == 0) continue;
    const tw_network_status s = status_of(i);
    assert_int_equal(s.state, TW_NETWORK_STUCK);
    assert_int_equal(s.epoch, epoch);
    assert_true(s.refused > 0);
    for (uint32_t k = 0; k < NODES; k++) { /* they go on talking as before */
      if (k != i && (who >> k & 1) != 0) assert_true(is_understood(i, k));
    }
  }
}

/* Past the relay's own rules. */
static inline void mail_commit(uint32_t to, uint32_t from, tw_bytes commit) {
  const tw_control_entry entry = {.number = 1,
                                  .kind = TW_CONTROL_KIND_COMMIT,
                                  .from = world.nodes[from].id,
                                  .group_id = tw_group_id(group_of(to)),
                                  .epoch = tw_group_epoch(group_of(to)),
                                  .message = commit};
  tw_network_mail(world.nodes[to].network, &entry, world.now_ms);
}

#endif

/* What the relay is asked to accept: saved before it is sent, and sent until there is an answer. SPDX-License-Identifier: Apache-2.0 */
#include "control/patch.h"
#include "node/network_internal.h"

static void move(tw_buf *to, tw_buf *from) {
  if (from == NULL) return;
  tw_buf_clear(to);
  *to = *from;
  *from = (tw_buf){0};
}

/* ---- tree and members ---- */

/* The ClientIds of all, in ascending order. */
static tw_err write_members(const tw_network_epoch *epoch, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  for (size_t i = 0; i < epoch->count; i++) tw_control_write_client(&w, &epoch->members[i].id);
  return tw_writer_end(&w);
}

static tw_err describe(const tw_network_epoch *epoch, tw_buf *tree, tw_buf *members) {
  const tw_err err = tw_group_ratchet_tree(epoch->group, tree);
  return err == TW_OK ? write_members(epoch, members) : err;
}

/* What the relay gets, though it had nothing of before, has to go into one frame. */
static tw_err check_size(const tw_network_pending *pending, size_t tree, size_t members) {
  const size_t size = pending->commit.len + pending->group_info.len + pending->welcomes.len + tree + members;
  return size > TW_CONTROL_FRAME_MAX - 4096 ? TW_ERR_LIMIT : TW_OK;
}

/* As patches of those of before; a group that is opened has them as they are. */
static tw_err put_changes(const tw_network *network, tw_network_pending *pending, tw_bytes old_tree,
                          tw_bytes old_members) {
  const tw_alloc *alloc = tw_env_alloc(network->env);
  tw_buf tree = TW_BUF_INIT(alloc);
  tw_buf members = TW_BUF_INIT(alloc);
  tw_buf changes[2] = {TW_BUF_INIT(alloc), TW_BUF_INIT(alloc)};
  const bool opens = pending->kind == TW_NETWORK_PENDING_OPEN;
  tw_err err = describe(pending->reopens ? &network->epoch : &pending->next, &tree, &members);
  if (err == TW_OK) err = check_size(pending, tree.len, members.len);
  if (err == TW_OK && !opens) err = tw_control_patch_make(network->env, old_tree, tw_buf_bytes(&tree), &changes[0]);
  if (err == TW_OK && !opens)
    err = tw_control_patch_make(network->env, old_members, tw_buf_bytes(&members), &changes[1]);
  if (err == TW_OK) {
    move(&pending->tree, opens ? &tree : &changes[0]);
    move(&pending->members, opens ? &members : &changes[1]);
  }
  tw_buf_clear(&changes[0]);
  tw_buf_clear(&changes[1]);
  tw_buf_clear(&tree);
  tw_buf_clear(&members);
  return err;
}

tw_err tw_network_make_whole(const tw_network *network, tw_network_pending *pending) {
  TW_TRY(put_changes(network, pending, TW_NO_BYTES, TW_NO_BYTES));
  pending->whole = true;
  return TW_OK;
}

/* What the relay has of the epoch that ends. Who puts itself back changes no member, and has no other list of them. */
static tw_err make_changes(const tw_network *network, tw_network_pending *pending, tw_bytes relays_tree) {
  const bool joins = pending->kind == TW_NETWORK_PENDING_JOIN;
  if (pending->kind == TW_NETWORK_PENDING_OPEN || (joins && relays_tree.len == 0))
    return tw_network_make_whole(network, pending);
  tw_buf tree = TW_BUF_INIT(tw_env_alloc(network->env));
  tw_buf members = TW_BUF_INIT(tw_env_alloc(network->env));
  tw_err err = joins ? tw_buf_append(&tree, relays_tree) : tw_group_ratchet_tree(network->epoch.group, &tree);
  if (err == TW_OK) err = write_members(joins ? &pending->next : &network->epoch, &members);
  if (err == TW_OK) err = put_changes(network, pending, tw_buf_bytes(&tree), tw_buf_bytes(&members));
  tw_buf_clear(&tree);
  tw_buf_clear(&members);
  return err;
}

/* ---- sending ---- */

tw_err tw_network_begin(tw_network *network, const tw_network_beginning *beginning, uint64_t now_ms) {
  tw_network_pending pending = {.kind = beginning->kind, .since_ms = now_ms, .send_at_ms = UINT64_MAX};
  pending.next = *beginning->next;
  *beginning->next = (tw_network_epoch){0};
  pending.next.leaf_made_ms = now_ms;
  const uint64_t epoch = tw_group_epoch(pending.next.group);
  pending.epoch = epoch == 0 ? 0 : epoch - 1;
  move(&pending.commit, beginning->commit);
  move(&pending.welcomes, beginning->welcomes);
  tw_err err = tw_group_info_message(pending.next.group, false, TW_NO_BYTES, &pending.group_info);
  if (err == TW_OK) err = make_changes(network, &pending, beginning->tree);
  if (err == TW_OK) err = tw_network_save(network, &network->epoch, &pending, network->refusal, NULL);
  if (err != TW_OK) {
    tw_network_pending_clear(&pending, network->env);
    return err;
  }
  network->pending = pending;
  network->sequence++;
  tw_network_use_keys(network, now_ms);
  tw_network_send_pending(network, now_ms);
  return TW_OK;
}

void tw_network_send_pending(tw_network *network, uint64_t now_ms) {
  tw_network_pending *pending = &network->pending;
  if (pending->kind == TW_NETWORK_PENDING_NONE || pending->in_flight) return;
  const tw_group *group = pending->reopens ? network->epoch.group : pending->next.group;
  tw_control_request request = {.type = TW_CONTROL_GROUP_COMMIT,
                                .body.group_commit = {.group_id = tw_group_id(group),
                                                      .epoch = pending->epoch,
                                                      .commit = tw_buf_bytes(&pending->commit),
                                                      .group_info = tw_buf_bytes(&pending->group_info),
                                                      .tree = tw_buf_bytes(&pending->tree),
                                                      .members = tw_buf_bytes(&pending->members),
                                                      .welcomes = tw_buf_bytes(&pending->welcomes)}};
  if (pending->kind == TW_NETWORK_PENDING_OPEN) {
    request.type = TW_CONTROL_GROUP_OPEN;
    request.body.group_open = (tw_control_group_open){.name = tw_buf_bytes(&network->name),
                                                      .group_id = tw_group_id(group),
                                                      .epoch = tw_group_epoch(group),
                                                      .members = tw_buf_bytes(&pending->members),
                                                      .group_info = tw_buf_bytes(&pending->group_info),
                                                      .tree = tw_buf_bytes(&pending->tree)};
  }
  pending->in_flight = tw_network_ask_relay(network, &request, TW_NETWORK_ASK_PENDING, network->sequence & 0xffff);
  pending->send_at_ms = pending->in_flight ? UINT64_MAX : now_ms + network->config.repeat_ms;
}

/* ---- answers ---- */

static void accepted(tw_network *network, const tw_control_answer *answer, uint64_t now_ms) {
  tw_network_pending *pending = &network->pending;
  const bool opened = pending->kind == TW_NETWORK_PENDING_OPEN;
  const bool reopened = pending->reopens;
  if (reopened) {
    network->refusal = TW_NETWORK_REFUSED_NOTHING;
    tw_network_pending_clear(pending, network->env);
  } else {
    tw_network_epoch next = pending->next;
    const tw_err err = tw_network_adopt(network, &next, NULL, now_ms);
    if (err != TW_OK) { /* asked again, it says the same again */
      tw_network_tell(network, "the new epoch could not be saved", err);
      pending->send_at_ms = now_ms + TW_NETWORK_SECOND;
      return;
    }
  }
  network->state = TW_NETWORK_MEMBER;
  network->adds_max = TW_NETWORK_ADDS_MAX;
  if (opened) network->number = answer->body.group_open;
  if (opened) tw_network_tell(network, reopened ? "the relay has our group again" : "we have founded the group", TW_OK);
  tw_network_sooner(&network->find_at_ms, network->number == 0 ? now_ms : now_ms + TW_NETWORK_WAIT_MAX_MS);
  tw_network_take_held(network, now_ms);
  tw_network_look_around(network, now_ms);
}

/* Somebody was first. */
static void lost(tw_network *network, const tw_control_answer *answer, uint64_t now_ms) {
  const tw_network_pending_kind kind = network->pending.kind;
  if (kind == TW_NETWORK_PENDING_COMMIT) {
    network->duty_at_ms = UINT64_MAX;
    tw_network_take_commit(network, answer->body.taken, now_ms); /* with it, ours is dropped */
    /* Not, if it could not be made use of: then it is not known what the relay has. */
    if (network->pending.kind == TW_NETWORK_PENDING_COMMIT && network->held_at_ms == UINT64_MAX) {
      tw_network_drop_pending(network);
      tw_network_is_behind(network, now_ms);
    }
    return;
  }
  tw_network_drop_pending(network);
  network->state = TW_NETWORK_FINDING;
  tw_network_sooner(&network->find_at_ms, now_ms + tw_network_roll(network, TW_NETWORK_SECOND));
}

static void refused(tw_network *network, const tw_control_answer *answer, uint64_t now_ms) {
  tw_network_pending *pending = &network->pending;
  const bool adds = pending->welcomes.len > 0;
  switch (answer->status) {
  case TW_CONTROL_BUSY: pending->send_at_ms = now_ms + network->config.repeat_ms; return;
  case TW_CONTROL_FULL:
    if (!adds) {
      pending->send_at_ms = now_ms + network->config.repeat_ms;
      return;
    }
    break;
  default: break;
  }
  tw_network_tell(network, "the relay refuses a change of the group", TW_ERR_STATE);
  if (adds) tw_network_put_off_joiners(network, pending, now_ms);
  tw_network_drop_pending(network);
  if (network->state != TW_NETWORK_MEMBER) network->state = TW_NETWORK_FINDING;
  tw_network_sooner(&network->find_at_ms, tw_network_back_off(network, now_ms));
}

/* The relay has not what the patches were made of. The same commit goes there again, with all; once. */
static void does_not_fit(tw_network *network, uint64_t now_ms) {
  tw_network_pending *pending = &network->pending;
  const tw_err err = tw_network_make_whole(network, pending);
  if (err != TW_OK) {
    tw_network_tell(network, "the tree of the network's group could not be sent", err);
    pending->send_at_ms = now_ms + TW_NETWORK_SECOND;
    return;
  }
  tw_network_send_pending(network, now_ms);
}

void tw_network_pending_answered(tw_network *network, const tw_control_answer *answer, uint64_t now_ms) {
  network->pending.in_flight = false;
  if (answer == NULL) {
    network->pending.send_at_ms = now_ms + network->config.repeat_ms;
  } else if (answer->status == TW_CONTROL_DONE) {
    accepted(network, answer, now_ms);
  } else if (answer->status == TW_CONTROL_TAKEN) {
    lost(network, answer, now_ms);
  } else if (answer->status == TW_CONTROL_UNFIT && !network->pending.whole) {
    does_not_fit(network, now_ms);
  } else {
    refused(network, answer, now_ms);
  }
}

/* What the relay is asked to accept: saved before it is sent, and sent until there is an answer. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "node/network_internal.h"

tw_err tw_network_write_members(const tw_network_epoch *epoch, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  for (size_t i = 0; i < epoch->count; i++) tw_control_write_client(&w, &epoch->members[i].id);
  return tw_writer_end(&w);
}

static void move(tw_buf *to, tw_buf *from) {
  *to = *from;
  *from = (tw_buf){0};
}

tw_err tw_network_begin(tw_network *network, tw_network_pending_kind kind, uint64_t epoch, tw_commit_result *made,
                        tw_network_epoch *next, tw_buf *welcomes, uint64_t now_ms) {
  tw_network_pending pending = {.kind = kind, .epoch = epoch, .since_ms = now_ms, .send_at_ms = UINT64_MAX};
  pending.next = *next;
  *next = (tw_network_epoch){0};
  pending.next.leaf_made_ms = now_ms;
  move(&pending.commit, &made->commit);
  move(&pending.group_info, &made->group_info);
  if (welcomes != NULL) move(&pending.welcomes, welcomes);
  tw_err err = tw_network_write_members(&pending.next, &pending.members);
  /* What goes to the relay in one frame. */
  const size_t size = pending.commit.len + pending.group_info.len + pending.members.len + pending.welcomes.len;
  if (err == TW_OK && size > TW_CONTROL_FRAME_MAX - 4096) err = TW_ERR_LIMIT;
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
                                                      .members = tw_buf_bytes(&pending->members),
                                                      .welcomes = tw_buf_bytes(&pending->welcomes)}};
  if (pending->kind == TW_NETWORK_PENDING_OPEN) {
    request.type = TW_CONTROL_GROUP_OPEN;
    request.body.group_open = (tw_control_group_open){.name = tw_buf_bytes(&network->name),
                                                      .group_id = tw_group_id(group),
                                                      .epoch = tw_group_epoch(group),
                                                      .members = tw_buf_bytes(&pending->members),
                                                      .group_info = tw_buf_bytes(&pending->group_info)};
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

void tw_network_pending_answered(tw_network *network, const tw_control_answer *answer, uint64_t now_ms) {
  network->pending.in_flight = false;
  if (answer == NULL) {
    network->pending.send_at_ms = now_ms + network->config.repeat_ms;
  } else if (answer->status == TW_CONTROL_DONE) {
    accepted(network, answer, now_ms);
  } else if (answer->status == TW_CONTROL_TAKEN) {
    lost(network, answer, now_ms);
  } else {
    refused(network, answer, now_ms);
  }
}

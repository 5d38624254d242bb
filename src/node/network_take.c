/* Other members' commits. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "mls/framing.h"
#include "mls/group.h"
#include "mls/protocol.h"
#include "node/network_internal.h"

/* ---- those that have to wait ---- */

static void drop_one(tw_network *network, size_t at) {
  tw_buf_clear(&network->held[at].message);
  memmove(&network->held[at], &network->held[at + 1], (--network->held_count - at) * sizeof network->held[0]);
}

void tw_network_drop_held(tw_network *network) {
  while (network->held_count > 0) drop_one(network, 0);
  network->held_at_ms = UINT64_MAX;
}

static void hold(tw_network *network, uint64_t epoch, tw_bytes message) {
  for (size_t i = 0; i < network->held_count; i++) {
    if (tw_bytes_equal(tw_buf_bytes(&network->held[i].message), message)) return;
  }
  if (network->held_count == TW_NETWORK_HELD_MAX) return;
  tw_network_held *held = &network->held[network->held_count];
  *held = (tw_network_held){.epoch = epoch, .message = TW_BUF_INIT(tw_env_alloc(network->env))};
  if (tw_buf_append(&held->message, message) == TW_OK) network->held_count++;
}

/* ---- one that follows on our epoch ---- */

static void refuse(tw_network *network, tw_network_refusal refusal) {
  network->refused++;
  network->refusal = refusal;
  tw_network_sum_roster(network, network->refused_by);
  network->state = TW_NETWORK_STUCK;
  tw_network_drop_pending(network);
  const tw_err err = tw_network_save(network, &network->epoch, NULL, refusal, NULL);
  if (err != TW_OK) tw_network_tell(network, "the network's group could not be saved", err);
  tw_network_tell(network,
                  refusal == TW_NETWORK_REFUSED_MEMBER ? "a member was added that is not wanted here: we do not follow"
                                                       : "a member did what it may not do: we do not follow",
                  TW_ERR_FORBIDDEN);
}

static tw_err follow(tw_network *network, tw_received *received, uint64_t now_ms) {
  tw_network_epoch next = {0};
  if (received->kind == TW_RECEIVED_COMMIT) {
    tw_group *group = received->next;
    received->next = NULL;
    TW_TRY(tw_network_epoch_of(network, group, &next));
    next.leaf_made_ms = network->epoch.leaf_made_ms;
    next.packet_key = network->epoch.packet_key;
  }
  const tw_network_refusal refusal = tw_network_judge(network, received, &next);
  tw_err err = TW_OK;
  if (refusal != TW_NETWORK_REFUSED_NOTHING) {
    refuse(network, refusal);
    err = TW_ERR_FORBIDDEN;
  } else if (received->kind == TW_RECEIVED_REMOVED) {
    tw_network_leave(network, "we were removed from the network's group", now_ms);
  } else {
    err = tw_network_adopt(network, &next, NULL, now_ms);
  }
  tw_network_epoch_clear(&next, network->env);
  return err;
}

/* An external commit of our own, that was accepted before we lost what we had then. */
static bool is_from_another_life(const tw_network *network, const tw_received *received, tw_bytes message) {
  tw_mls_message decoded;
  if (received->kind != TW_RECEIVED_REMOVED || received->sender_type != TW_SENDER_NEW_MEMBER_COMMIT) return false;
  if (tw_mls_message_decode(network->env, message, &decoded) != TW_OK) return false;
  return decoded.wire_format == TW_WIRE_PUBLIC_MESSAGE &&
         tw_bytes_equal(decoded.u.public_message.content.commit.path.leaf_node.signature_key,
                        tw_signer_public_key(network->client.signer));
}

/* TW_ERR_FORBIDDEN with a refusal, and errors of the class resource, are to be tried again; others are of no use. */
static tw_err process(tw_network *network, tw_bytes message, uint64_t now_ms) {
  tw_received received = {0};
  tw_err err = tw_group_receive_to_adopt(network->epoch.group, message, now_ms / 1000, &received);
  if (err == TW_OK && received.kind != TW_RECEIVED_COMMIT && received.kind != TW_RECEIVED_REMOVED)
    err = TW_ERR_UNEXPECTED;
  if (err == TW_OK)
    err = is_from_another_life(network, &received, message) ? TW_ERR_APART : follow(network, &received, now_ms);
  tw_received_clear(&received);
  /* The Authentication Service does not know somebody who is added. */
  if (err == TW_ERR_CREDENTIAL) {
    refuse(network, TW_NETWORK_REFUSED_MEMBER);
    err = TW_ERR_FORBIDDEN;
  }
  return err;
}

static bool is_worth_another_try(const tw_network *network, tw_err err) {
  return tw_err_class_of(err) == TW_CLASS_RESOURCE || err == TW_ERR_STATE ||
         network->refusal != TW_NETWORK_REFUSED_NOTHING;
}

static void take(tw_network *network, tw_bytes message, uint64_t now_ms) {
  const tw_err err = process(network, message, now_ms);
  if (err == TW_OK) return;
  if (is_worth_another_try(network, err)) {
    hold(network, tw_group_epoch(network->epoch.group), message);
    if (network->refusal == TW_NETWORK_REFUSED_NOTHING) {
      tw_network_tell(network, "a commit could not be taken yet", err);
      network->held_at_ms = now_ms + TW_NETWORK_SECOND;
    } else {
      tw_network_sooner(&network->find_at_ms, tw_network_back_off(network, now_ms));
    }
    return;
  }
  const tw_err_class what = tw_err_class_of(err);
  const bool ours = what == TW_CLASS_DUPLICATE && network->pending.kind == TW_NETWORK_PENDING_COMMIT;
  if (what == TW_CLASS_STALE || ours || err == TW_ERR_WRONG_GROUP) return;
  tw_network_tell(network, "a commit is of no use", err);
  if (err == TW_ERR_APART) tw_network_drop_pending(network);
  tw_network_is_behind(network, now_ms); /* a branch of its own, or garbage */
}

/* Nothing is processed before it is known what becomes of our external commit, or while we do not follow. */
static bool has_to_wait(const tw_network *network) {
  return network->pending.kind == TW_NETWORK_PENDING_JOIN || network->refusal != TW_NETWORK_REFUSED_NOTHING;
}

void tw_network_take_held(tw_network *network, uint64_t now_ms) {
  network->held_at_ms = UINT64_MAX;
  for (size_t i = 0; i < network->held_count;) {
    if (network->epoch.group == NULL || has_to_wait(network)) return;
    const uint64_t epoch = tw_group_epoch(network->epoch.group);
    if (network->held[i].epoch > epoch) {
      i++;
      continue;
    }
    tw_buf message = network->held[i].message; /* taken out: it may be held again */
    const bool follows = network->held[i].epoch == epoch;
    network->held[i].message = (tw_buf){0};
    drop_one(network, i);
    if (follows) take(network, tw_buf_bytes(&message), now_ms);
    tw_buf_clear(&message);
    if (network->held_at_ms != UINT64_MAX) return;
    i = 0;
  }
  tw_network_pending *pending = &network->pending; /* of one that lost, if what won was of no use */
  if (pending->kind != TW_NETWORK_PENDING_NONE && !pending->in_flight)
    tw_network_sooner(&pending->send_at_ms, now_ms + network->config.repeat_ms);
  if (network->held_count > 0) tw_network_is_behind(network, now_ms);
}

void tw_network_reconsider(tw_network *network, uint64_t now_ms) {
  uint8_t sum[TW_FINGERPRINT_SIZE];
  tw_network_sum_roster(network, sum);
  if (network->refusal == TW_NETWORK_REFUSED_NOTHING || memcmp(sum, network->refused_by, sizeof sum) == 0) return;
  /* What may not be done may still not be done; but people have looked at it. */
  if (network->refusal == TW_NETWORK_REFUSED_ACT) tw_network_drop_held(network);
  network->refusal = TW_NETWORK_REFUSED_NOTHING;
  network->state = TW_NETWORK_FINDING;
  network->overdue = true;
  network->rejoin_not_before_ms = now_ms;
  const tw_err err = tw_network_save(network, &network->epoch, &network->pending, network->refusal, NULL);
  if (err != TW_OK) tw_network_tell(network, "the network's group could not be saved", err);
  tw_network_take_held(network, now_ms);
}

void tw_network_take_commit(tw_network *network, tw_bytes message, uint64_t now_ms) {
  tw_bytes group_id;
  uint64_t epoch;
  if (network->epoch.group == NULL || tw_message_peek(network->env, message, &group_id, &epoch) != TW_OK) return;
  if (!tw_bytes_equal(group_id, tw_group_id(network->epoch.group))) return;
  const uint64_t ours = tw_group_epoch(network->epoch.group);
  if (epoch < ours) return;
  if (epoch > ours || has_to_wait(network)) {
    hold(network, epoch, message);
    if (epoch > ours) tw_network_is_behind(network, now_ms);
    return;
  }
  take(network, message, now_ms);
  tw_network_take_held(network, now_ms);
  tw_network_look_around(network, now_ms);
}

/* How we come in: founding the group, waiting for a Welcome, putting ourselves back. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "mls/framing.h"
#include "mls/group.h"
#include "mls/protocol.h"
#include "node/network_internal.h"
#include "pair/binding.h"

void tw_network_find(tw_network *network, uint64_t now_ms) {
  if (network->finding) return;
  const tw_control_request request = {.type = TW_CONTROL_GROUP_FIND,
                                      .body.group_find = {tw_buf_bytes(&network->name), network->wants_tree}};
  network->asked_tree = network->wants_tree;
  network->wants_tree = false;
  network->finding = tw_network_ask_relay(network, &request, TW_NETWORK_ASK_FIND, 0);
  network->find_at_ms = network->finding ? UINT64_MAX : tw_network_back_off(network, now_ms);
}

uint64_t tw_network_back_off(tw_network *network, uint64_t now_ms) {
  const uint64_t wait_ms = network->wait_ms;
  if (network->wait_ms < TW_NETWORK_WAIT_MAX_MS) network->wait_ms *= 2;
  return now_ms + wait_ms + tw_network_roll(network, wait_ms / 4 + 1);
}

void tw_network_is_behind(tw_network *network, uint64_t now_ms) {
  if (network->behind_at_ms != UINT64_MAX || network->overdue) return;
  network->behind_at_ms = now_ms + network->config.repeat_ms + tw_network_roll(network, network->config.repeat_ms);
}

/* ---- there is none ---- */

static tw_err create(tw_network *network, uint64_t now_ms) {
  tw_group *group = NULL;
  tw_network_epoch epoch = {0};
  const tw_network_beginning beginning = {.kind = TW_NETWORK_PENDING_OPEN, .next = &epoch};
  tw_secret packet_key = {0};
  tw_buf id = TW_BUF_INIT(tw_env_alloc(network->env));
  tw_err err = tw_channel_binding_group_id(network->env, TW_LITERAL(TW_NETWORK_LABEL), &id);
  if (err == TW_OK) err = tw_network_fresh_packet_key(network, &packet_key);
  if (err == TW_OK)
    err = tw_group_create(&network->client, tw_buf_bytes(&id), tw_buf_bytes(&network->context), now_ms / 1000, &group);
  if (err == TW_OK) err = tw_network_epoch_of(network, group, &epoch);
  epoch.packet_key = packet_key;
  if (err == TW_OK) err = tw_network_check_epoch(network, &epoch); /* that we could go on with it */
  if (err == TW_OK) err = tw_network_begin(network, &beginning, now_ms);
  tw_network_epoch_clear(&epoch, network->env);
  tw_secret_clear(&packet_key);
  tw_buf_clear(&id);
  return err;
}

/* The relay has lost it, or is behind us: what we have, once more. Not saved, as it changes nothing of ours. */
static tw_err open_again(tw_network *network, uint64_t now_ms) {
  if (now_ms < network->reopen_not_before_ms) return TW_ERR_STATE; /* a relay may want this as often as it likes */
  network->reopen_not_before_ms = tw_network_back_off(network, now_ms);
  tw_network_pending pending = {.kind = TW_NETWORK_PENDING_OPEN, .reopens = true, .since_ms = now_ms};
  tw_err err = tw_group_info_message(network->epoch.group, false, TW_NO_BYTES, &pending.group_info);
  if (err == TW_OK) err = tw_network_make_whole(network, &pending);
  if (err != TW_OK) {
    tw_network_pending_clear(&pending, network->env);
    return err;
  }
  network->pending = pending;
  network->sequence++;
  tw_network_send_pending(network, now_ms);
  return TW_OK;
}

/* Then it is left to others to open it again. */
static bool lacks_something(const tw_network *network) {
  return network->overdue || network->behind_at_ms != UINT64_MAX;
}

static void nothing_there(tw_network *network, uint64_t now_ms) {
  tw_err err = TW_OK;
  network->number = 0;
  network->awaits_another = false;
  if (network->epoch.group != NULL) {
    if (!lacks_something(network)) err = open_again(network, now_ms);
  } else if (tw_network_may(network, &network->config.self)) {
    network->state = TW_NETWORK_OPENING;
    err = create(network, now_ms);
  } else {
    network->state = TW_NETWORK_WAITING; /* nobody could be added by us */
  }
  if (err != TW_OK) tw_network_tell(network, "the network's group could not be opened", err);
  if (network->pending.kind == TW_NETWORK_PENDING_NONE) network->find_at_ms = tw_network_back_off(network, now_ms);
}

/* ---- key packages ---- */

/* struct { opaque key_package<V>; (tw_key_package_save) opaque packet_key<V>; } KeptPackage */
static tw_err write_package(const tw_key_package *key_package, const tw_secret *packet_key, tw_buf *kept) {
  tw_buf saved = {0};
  tw_writer w = tw_writer_to(kept);
  tw_err err = tw_key_package_save(key_package, &saved);
  tw_write_vector(&w, tw_buf_bytes(&saved));
  tw_write_vector(&w, tw_secret_bytes(packet_key));
  if (err == TW_OK) err = tw_writer_end(&w);
  tw_buf_clear(&saved);
  return err;
}

tw_err tw_network_read_package(tw_bytes kept, tw_bytes *key_package, tw_secret *packet_key) {
  tw_reader r = tw_reader_of(kept);
  *key_package = tw_read_vector(&r);
  const tw_bytes key = tw_read_vector(&r);
  TW_TRY(tw_reader_end(&r));
  return key.len == 0 || key.len == TW_PACKET_KEY ? tw_secret_set(packet_key, key) : TW_ERR_ENCODING;
}

tw_err tw_network_make_package(void *ctx, bool last_resort, uint64_t now_ms, tw_buf *published, tw_buf *kept,
                               uint8_t ref[TW_STOCK_REF]) {
  tw_network *network = ctx;
  const tw_key_package_options options = {.last_resort = last_resort};
  tw_key_package *key_package = NULL;
  tw_secret packet_key = {0};
  TW_TRY(tw_network_fresh_packet_key(network, &packet_key));
  tw_err err = tw_key_package_new(&network->client, &options, now_ms / 1000, &key_package);
  if (err == TW_OK) err = tw_buf_append(published, tw_key_package_message(key_package));
  if (err == TW_OK) err = write_package(key_package, &packet_key, kept);
  if (err == TW_OK) memcpy(ref, tw_key_package_reference(key_package).ptr, TW_STOCK_REF);
  tw_key_package_free(key_package);
  tw_secret_clear(&packet_key);
  return err;
}

void tw_network_ask_stock(tw_network *network) {
  if (network->stocking) return;
  const tw_control_request request = {.type = TW_CONTROL_STOCK, .body.stock = TW_CONTROL_POOL_NETWORK};
  network->stocking = tw_network_ask_relay(network, &request, TW_NETWORK_ASK_STOCK, 0);
}

/* Whom it reaches takes a key package at once: so not before there is one. */
static void want_in(tw_network *network) {
  if (network->state != TW_NETWORK_WAITING) return;
  const tw_control_request request = {.type = TW_CONTROL_WANT_IN, .body.want_in = tw_buf_bytes(&network->name)};
  (void)tw_network_ask_relay(network, &request, TW_NETWORK_ASK_WANT_IN, 0); /* again with the next find */
}

void tw_network_stocked(tw_network *network, const tw_control_answer *answer, uint64_t now_ms) {
  network->stocking = false;
  if (answer == NULL || answer->status != TW_CONTROL_DONE) return;
  const tw_err err = tw_stock_publish(&network->packages, answer->body.stock, now_ms,
                                      tw_network_tag(network, TW_NETWORK_ASK_PUBLISH, 0));
  if (err != TW_OK)
    tw_network_tell(network, "our key packages could not be published", err);
  else if (!network->packages.unsure)
    want_in(network);
}

void tw_network_published(tw_network *network, const tw_control_answer *answer, uint64_t now_ms) {
  (void)now_ms;
  if (answer == NULL || answer->status != TW_CONTROL_DONE) return;
  tw_stock_published(&network->packages);
  want_in(network);
}

static void wait_for_welcome(tw_network *network, uint64_t now_ms) {
  network->state = TW_NETWORK_WAITING;
  tw_network_ask_stock(network);
  network->find_at_ms = tw_network_back_off(network, now_ms);
  if (network->config.roster.admits == NULL) return;
  tw_network_sooner(&network->find_at_ms, now_ms + network->ask_again_ms);
  if (network->ask_again_ms < TW_NETWORK_ASK_LATEST_MS) network->ask_again_ms *= 2;
}

/* ---- putting ourselves back ---- */

static bool removes_somebody(const tw_env *env, tw_bytes message) {
  tw_mls_message decoded;
  tw_proposal_or_ref item;
  if (tw_mls_message_decode(env, message, &decoded) != TW_OK || decoded.wire_format != TW_WIRE_PUBLIC_MESSAGE)
    return false;
  tw_reader walk = tw_reader_of(decoded.u.public_message.content.commit.proposals);
  while (tw_proposal_or_ref_next(&walk, &item)) {
    if (item.type == TW_COMMIT_PROPOSAL && item.proposal.type == TW_PROPOSAL_REMOVE) return true;
  }
  return false;
}

/* What the group is to be that we come back into. */
static tw_err check_rejoined(tw_network *network, const tw_commit_result *made, const tw_network_epoch *next) {
  uint64_t epoch;
  const tw_bytes home = tw_network_home(network, &epoch);
  TW_TRY(tw_network_check_epoch(network, next));
  /* Whatever the relay says: who was no member is not to come in like this; nor into another group than the one that it
   * is in: epochs of two groups have no order, and somebody may have secrets of one that there was before. */
  if (!removes_somebody(network->env, tw_buf_bytes(&made->commit))) return TW_ERR_FORBIDDEN;
  if (home.len > 0 && !tw_bytes_equal(home, tw_group_id(next->group))) return TW_ERR_WRONG_GROUP;
  if (home.len > 0 && tw_group_epoch(next->group) <= epoch) return TW_ERR_OLD_EPOCH;
  const tw_err err = tw_network_check_members(network, next);
  if (err != TW_ERR_CREDENTIAL || !tw_network_may(network, &network->config.self)) return err;
  network->at_once = true; /* who is there that we do not want is removed; whoever hears of that does not want him */
  return TW_OK;
}

static tw_err rejoin(tw_network *network, const tw_control_group *there, uint64_t now_ms) {
  const tw_join_options join = {.replaces_self = true, .ratchet_tree = there->tree};
  tw_commit_result made = {0};
  tw_network_epoch next = {0};
  const tw_network_beginning beginning = {
      .kind = TW_NETWORK_PENDING_JOIN, .commit = &made.commit, .next = &next, .tree = there->tree};
  tw_secret packet_key = {0};
  tw_err err = tw_network_fresh_packet_key(network, &packet_key);
  if (err == TW_OK)
    err = tw_group_join_external(&network->client, there->group_info, &join, NULL, now_ms / 1000, &made);
  if (err == TW_OK) {
    tw_group *group = made.next;
    made.next = NULL;
    err = tw_network_epoch_of(network, group, &next);
  }
  next.packet_key = packet_key;
  if (err == TW_OK) err = check_rejoined(network, &made, &next);
  if (err == TW_OK) err = tw_network_begin(network, &beginning, now_ms);
  tw_network_epoch_clear(&next, network->env);
  tw_commit_result_clear(&made);
  tw_secret_clear(&packet_key);
  return err;
}

static void try_to_rejoin(tw_network *network, const tw_control_group *there, uint64_t now_ms) {
  if (now_ms < network->rejoin_not_before_ms) { /* a relay may make us do this as often as it likes */
    network->find_at_ms = network->rejoin_not_before_ms;
    return;
  }
  if (!network->asked_tree) { /* which is large, and of use for this alone */
    network->wants_tree = true;
    tw_network_find(network, now_ms);
    return;
  }
  if (now_ms > network->rejoin_not_before_ms + TW_NETWORK_WAIT_MAX_MS) network->rejoin_wait_ms = TW_NETWORK_SECOND;
  /* Many may be at it at once, and one of them is first each time. */
  network->rejoin_not_before_ms = now_ms + network->rejoin_wait_ms + tw_network_roll(network, network->rejoin_wait_ms);
  if (network->rejoin_wait_ms < TW_NETWORK_WAIT_MAX_MS) network->rejoin_wait_ms *= 2;
  const tw_err err = rejoin(network, there, now_ms);
  if (err == TW_OK) {
    if (network->refusal == TW_NETWORK_REFUSED_NOTHING) network->state = TW_NETWORK_REJOINING;
    tw_network_tell(network, "we put ourselves back into the network's group", TW_OK);
    return;
  }
  if (err == TW_ERR_CREDENTIAL) {
    network->refused++;
    network->state = TW_NETWORK_STUCK;
  }
  tw_network_tell(network,
                  err == TW_ERR_CREDENTIAL ? "the network's group has members that are not wanted here"
                                           : "we could not put ourselves back into the network's group",
                  err);
  network->find_at_ms = tw_network_back_off(network, now_ms);
}

/* ---- there is one ---- */

static bool is_our_epoch(const tw_network *network, tw_bytes group_info) {
  tw_mls_message decoded;
  if (tw_mls_message_decode(network->env, group_info, &decoded) != TW_OK) return false;
  if (decoded.wire_format != TW_WIRE_GROUP_INFO) return false;
  return tw_bytes_equal(decoded.u.group_info.group_context_encoded,
                        tw_buf_bytes(&network->epoch.group->context_encoded));
}

/* As we have it. */
static void in_step(tw_network *network, uint64_t now_ms) {
  if (network->refusal != TW_NETWORK_REFUSED_NOTHING) {
    /* What was refused is not what the relay has. */
    network->refusal = TW_NETWORK_REFUSED_NOTHING;
    tw_network_drop_held(network);
    const tw_err err = tw_network_save(network, &network->epoch, &network->pending, network->refusal, NULL);
    if (err != TW_OK) tw_network_tell(network, "the network's group could not be saved", err);
  }
  network->state = TW_NETWORK_MEMBER;
  if (network->overdue && network->told_ahead) {
    network->forks++;
    tw_network_tell(network, "members are in a later epoch than the relay shows us", TW_ERR_APART);
  }
  network->overdue = network->told_ahead = false;
  network->behind_at_ms = UINT64_MAX;
  network->wait_ms = network->config.repeat_ms;
  network->find_at_ms = now_ms + TW_NETWORK_WAIT_MAX_MS;
  tw_network_plan_rekey(network, now_ms);
  tw_network_look_around(network, now_ms);
}

/*
 * A relay that was put back to an older copy of its store goes on from where we are. One that only says so gets once
 * more what it was given, and no epoch comes back.
 */
static void relay_is_behind(tw_network *network, uint64_t now_ms) {
  tw_err err = TW_ERR_OLD_EPOCH;
  if (network->refusal == TW_NETWORK_REFUSED_NOTHING) {
    network->state = TW_NETWORK_MEMBER;
    if (!lacks_something(network)) err = open_again(network, now_ms);
  }
  tw_network_tell(network, "the relay's record of the network's group is older than ours", err);
  if (network->pending.kind == TW_NETWORK_PENDING_NONE) network->find_at_ms = tw_network_back_off(network, now_ms);
}

static void compare(tw_network *network, const tw_control_group *there, uint64_t now_ms) {
  const uint64_t ours = tw_group_epoch(network->epoch.group);
  if (there->epoch < ours) {
    relay_is_behind(network, now_ms);
  } else if (there->epoch == ours && is_our_epoch(network, there->group_info)) {
    in_step(network, now_ms);
  } else if (there->epoch == ours) {
    network->forks++;
    tw_network_tell(network, "the relay has another branch of the network's group", TW_ERR_APART);
    try_to_rejoin(network, there, now_ms);
  } else if (network->refusal == TW_NETWORK_REFUSED_ACT) {
    network->find_at_ms = now_ms + TW_NETWORK_WAIT_MAX_MS;
  } else if (network->refusal == TW_NETWORK_REFUSED_MEMBER || network->overdue) {
    try_to_rejoin(network, there, now_ms);
  } else {
    network->state = TW_NETWORK_MEMBER;
    tw_network_is_behind(network, now_ms);
  }
}

/*
 * Nobody but one of its members brings us into another group than ours, by a Welcome for a key package that we have
 * made since we know of it: one that was kept from us may be into a group of before. Who is a member there already has
 * lost such a Welcome, and is added anew.
 */
static void another_there(tw_network *network, const tw_control_group *there, uint64_t now_ms) {
  const bool begins = !network->awaits_another;
  const tw_err err = begins ? tw_stock_drop(&network->packages) : TW_OK;
  if (begins)
    tw_network_tell(network, "the relay has another group of the network than ours: only a member of it lets us in",
                    err);
  network->state = TW_NETWORK_WAITING;
  network->awaits_another = err == TW_OK;
  const bool was_added = there->member && !begins && !network->was_there;
  network->was_there = there->member;
  if (err == TW_OK && !was_added)
    wait_for_welcome(network, now_ms);
  else /* a Welcome is on its way */
    network->find_at_ms = tw_network_back_off(network, now_ms);
}

static void something_there(tw_network *network, const tw_control_group *there, uint64_t now_ms) {
  uint64_t epoch;
  const tw_bytes home = tw_network_home(network, &epoch);
  const bool at_home = tw_bytes_equal(there->group_id, home);
  const bool same = network->epoch.group != NULL && at_home;
  network->number = same ? there->number : 0;
  if (home.len > 0 && !at_home) {
    another_there(network, there, now_ms);
    return;
  }
  network->awaits_another = false;
  if (!there->member) {
    wait_for_welcome(network, now_ms);
  } else if (same) {
    compare(network, there, now_ms);
  } else if (network->packages.count > 0 && !network->overdue) {
    network->state = TW_NETWORK_WAITING; /* a Welcome may be on its way */
    tw_network_is_behind(network, now_ms);
  } else {
    try_to_rejoin(network, there, now_ms);
  }
}

void tw_network_found(tw_network *network, const tw_control_answer *answer, uint64_t now_ms) {
  network->finding = false;
  if (answer == NULL) {
    network->find_at_ms = tw_network_back_off(network, now_ms);
  } else if (network->pending.kind != TW_NETWORK_PENDING_NONE) {
    /* It decides. */
  } else if (answer->status == TW_CONTROL_DONE) {
    something_there(network, &answer->body.group_find, now_ms);
  } else if (answer->status == TW_CONTROL_UNKNOWN) {
    nothing_there(network, now_ms);
  } else {
    network->find_at_ms = tw_network_back_off(network, now_ms);
  }
}

/* Our commits: whom to add, whom to remove, and fresh keys. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "node/network_internal.h"
#include "pair/binding.h"

/* ---- who was tried ---- */

static tw_network_tried *find_tried(const tw_network *network, const tw_client_id *id) {
  for (size_t i = 0; i < network->tried_count; i++) {
    if (memcmp(&network->tried[i].id, id, sizeof *id) == 0) return &network->tried[i];
  }
  return NULL;
}

/* In the place of somebody whose time is over, so that the list does not outgrow the roster. */
static tw_network_tried *new_tried(tw_network *network) {
  for (size_t i = 0; i < network->tried_count; i++) {
    if (network->tried[i].again_ms == 0) return &network->tried[i];
  }
  tw_network_tried *grown = tw_alloc_resize_array(tw_env_alloc(network->env), network->tried, network->tried_count + 1,
                                                  sizeof *grown);
  if (grown == NULL) return NULL;
  network->tried = grown;
  return &grown[network->tried_count++];
}

void tw_network_note_tried(tw_network *network, const tw_client_id *id, uint64_t again_ms) {
  tw_network_tried *tried = find_tried(network, id);
  if (tried == NULL && again_ms == 0) return;
  if (tried == NULL) tried = new_tried(network);
  if (tried != NULL) *tried = (tw_network_tried){.id = *id, .again_ms = again_ms}; /* else it is tried too soon */
}

void tw_network_put_off_joiners(tw_network *network, const tw_network_pending *pending, uint64_t now_ms) {
  tw_reader walk = tw_reader_of(tw_buf_bytes(&pending->welcomes));
  tw_control_welcome welcome;
  while (tw_control_welcome_next(&walk, &welcome)) {
    tw_reader joiners = tw_reader_of(welcome.to);
    tw_client_id id;
    while (tw_control_client_next(&joiners, &id)) tw_network_note_tried(network, &id, now_ms + TW_NETWORK_TRY_AGAIN_MS);
  }
  network->adds_max = 1; /* if it is about one of them, the others are not to suffer */
}

/* ---- what there is to do ---- */

/* Those whom we want, and who are no members: as next_wanted. */
static bool next_missing(const tw_network *network, size_t *place, tw_client_id *id) {
  const tw_network_roster *roster = &network->config.roster;
  while (roster->next_wanted(roster->ctx, place, id)) {
    if (memcmp(id, &network->config.self, sizeof *id) == 0) continue;
    if (tw_network_find_member(&network->epoch, id) == NULL) return true;
  }
  return false;
}

/* ---- members who want in ---- */

static size_t returners_due(const tw_network *network) {
  size_t count = 0;
  for (size_t i = 0; i < network->returner_count; i++) count += network->returners[i].due;
  return count;
}

static tw_network_returner *note_returner(tw_network *network, const tw_client_id *id, uint64_t now_ms) {
  size_t at = 0;
  while (at < network->returner_count && memcmp(&network->returners[at].id, id, sizeof *id) != 0) at++;
  if (at < network->returner_count) return &network->returners[at];
  if (at == TW_NETWORK_RETURNERS)
    at = (size_t)tw_network_roll(network, TW_NETWORK_RETURNERS);
  else
    network->returner_count++;
  network->returners[at] = (tw_network_returner){.id = *id, .heard_ms = now_ms};
  return &network->returners[at];
}

/* The first time the relay may only not know that it is a member; and whoever says so, the relay or it, not for ever.
 */
void tw_network_returns(tw_network *network, const tw_client_id *id, uint64_t now_ms) {
  const tw_network_tried *tried = find_tried(network, id);
  if (!tw_network_may(network, &network->config.self) || !tw_network_wants(network, id)) return;
  if (tried != NULL && tried->again_ms > now_ms) return;
  tw_network_returner *returner = note_returner(network, id, now_ms);
  if (now_ms < returner->heard_ms + network->config.repeat_ms) return;
  returner->due = true;
  tw_network_look_around(network, now_ms);
}

/* When one of them can be tried, and how many can be by then. */
static uint64_t earliest_missing(const tw_network *network, uint64_t now_ms, size_t *count) {
  uint64_t at_ms = UINT64_MAX;
  tw_client_id id;
  *count = 0;
  for (size_t place = 0; next_missing(network, &place, &id);) {
    const tw_network_tried *tried = find_tried(network, &id);
    const uint64_t its_ms = tried == NULL ? 0 : tried->again_ms;
    tw_network_sooner(&at_ms, its_ms);
    if (its_ms <= now_ms) ++*count;
  }
  if (network->stranger_count > 0 || returners_due(network) > 0) at_ms = 0;
  return at_ms;
}

/* Our place among those who may, by leaf. */
static uint64_t rank_of(const tw_network *network) {
  const uint32_t own = tw_group_own_leaf(network->epoch.group);
  uint64_t rank = 0;
  for (size_t i = 0; i < network->epoch.count; i++) {
    const tw_network_member *member = &network->epoch.members[i];
    rank += member->leaf < own && tw_network_may(network, &member->id);
  }
  return rank;
}

/* The first few one after the other; the others, of whom there may be hundreds, at random behind them. */
static uint64_t wait_for_turn(const tw_network *network, size_t joiners) {
  const uint64_t rank = rank_of(network);
  const uint64_t turn = rank < TW_NETWORK_TURNS ? rank : TW_NETWORK_TURNS;
  const uint64_t at_once = joiners < TW_NETWORK_ADDS_MAX ? joiners : TW_NETWORK_ADDS_MAX;
  return turn * (TW_NETWORK_TURN_MS + at_once * TW_NETWORK_TAKE_MS) +
         tw_network_roll(network, TW_NETWORK_SECOND * (1 + (rank - turn) / 10));
}

static bool can_act(const tw_network *network) {
  return network->state == TW_NETWORK_MEMBER && network->pending.kind == TW_NETWORK_PENDING_NONE &&
         !network->gathering && network->epoch.group != NULL && !network->overdue;
}

void tw_network_look_around(tw_network *network, uint64_t now_ms) {
  tw_network_look_for_unwanted(network);
  if (!can_act(network) || !tw_network_may(network, &network->config.self)) return;
  size_t joiners = 0;
  uint64_t at_ms = network->unwanted ? now_ms : earliest_missing(network, now_ms, &joiners);
  if (at_ms == UINT64_MAX) {
    network->duty_at_ms = UINT64_MAX;
    network->at_once = false;
    return;
  }
  if (network->at_once) {
    network->duty_at_ms = now_ms;
    return;
  }
  if (at_ms < now_ms) at_ms = now_ms;
  at_ms += wait_for_turn(network, joiners);
  tw_network_sooner(&network->duty_at_ms, at_ms); /* a wait that has begun is not begun anew */
}

/* ---- gathering key packages ---- */

void tw_network_stop_gathering(tw_network *network) {
  for (size_t i = 0; i < network->candidate_count; i++) tw_buf_clear(&network->candidates[i].key_package);
  network->candidate_count = 0;
  network->gathering = false;
}

static bool is_good_for(const tw_network *network, const tw_client_id *owner, const tw_credential *credential) {
  const tw_network_roster *roster = &network->config.roster;
  if (!tw_network_wants(network, owner))
    return roster->admits != NULL && roster->admits(roster->ctx, owner, credential);
  return roster->accepts == NULL || roster->accepts(roster->ctx, owner, credential);
}

/* Whose key package it is, and that its leaf is made for this network. */
static tw_err check_package(const tw_network *network, const tw_client_id *owner, tw_bytes message, uint64_t now_ms) {
  tw_key_package_info info;
  tw_client_id id;
  tw_bytes binding;
  TW_TRY(tw_key_package_inspect(network->env, message, now_ms / 1000, &info));
  if (info.cipher_suite != tw_suite_id(network->env, network->client.suite)) return TW_ERR_UNSUPPORTED;
  TW_TRY(tw_fingerprint_of(network->env, network->client.suite, info.signature_key, &id));
  if (memcmp(&id, owner, sizeof id) != 0) return TW_ERR_CREDENTIAL;
  TW_TRY(tw_channel_binding_check(network->env, info.leaf_extensions, TW_LITERAL(TW_NETWORK_LABEL), &binding, NULL));
  if (!tw_bytes_equal(binding, tw_buf_bytes(&network->binding))) return TW_ERR_BINDING;
  return is_good_for(network, owner, &info.credential) ? TW_OK : TW_ERR_CREDENTIAL;
}

static bool drop_stranger(tw_network *network, const tw_client_id *id) {
  for (size_t i = 0; i < network->stranger_count; i++) {
    if (memcmp(&network->strangers[i], id, sizeof *id) != 0) continue;
    network->strangers[i] = network->strangers[--network->stranger_count];
    return true;
  }
  return false;
}

/* ---- the commit ---- */

bool tw_network_has_own_credential(const tw_network *network, const tw_group *group) {
  tw_member self;
  uint32_t leaf = group == NULL ? 0 : tw_group_own_leaf(group);
  if (group == NULL || !tw_group_next_member(group, &leaf, &self)) return true;
  const tw_credential *ours = &network->client.credential;
  return self.credential.type == ours->type && tw_bytes_equal(self.credential.identity, ours->identity);
}

static tw_err propose_removals(const tw_network *network, tw_buf *proposals) {
  for (size_t i = 0; i < network->epoch.count; i++) {
    const tw_network_member *member = &network->epoch.members[i];
    if (!tw_network_wants(network, &member->id)) TW_TRY(tw_propose_remove(proposals, member->leaf));
  }
  return TW_OK;
}

/* Some time has passed since they were asked for. */
static bool is_to_be_added(const tw_network *network, const tw_network_candidate *candidate) {
  return candidate->key_package.len > 0 && tw_network_wants(network, &candidate->id) &&
         (tw_network_find_member(&network->epoch, &candidate->id) != NULL) == candidate->returns;
}

static tw_err propose_adds(const tw_network *network, tw_buf *proposals, size_t *count) {
  *count = 0;
  for (size_t i = 0; i < network->candidate_count; i++) {
    const tw_network_candidate *candidate = &network->candidates[i];
    if (!is_to_be_added(network, candidate)) continue;
    if (candidate->returns)
      TW_TRY(tw_propose_remove(proposals, tw_network_find_member(&network->epoch, &candidate->id)->leaf));
    TW_TRY(tw_propose_add(proposals, tw_buf_bytes(&candidate->key_package)));
    ++*count;
  }
  return TW_OK;
}

static tw_err address_welcomes(const tw_network *network, tw_bytes welcome, tw_buf *out) {
  tw_buf joiners = TW_BUF_INIT(tw_env_alloc(network->env));
  tw_writer w = tw_writer_to(&joiners);
  for (size_t i = 0; i < network->candidate_count; i++) {
    const tw_network_candidate *candidate = &network->candidates[i];
    if (is_to_be_added(network, candidate)) tw_control_write_client(&w, &candidate->id);
  }
  tw_err err = tw_writer_end(&w);
  if (err == TW_OK) {
    const tw_control_welcome addressed = {.to = tw_buf_bytes(&joiners), .welcome = welcome};
    w = tw_writer_to(out);
    tw_control_write_welcome(&w, &addressed);
    err = tw_writer_end(&w);
  }
  tw_buf_clear(&joiners);
  return err;
}

static tw_err commit(tw_network *network, tw_bytes proposals, size_t adds, uint64_t now_ms) {
  /* What goes into our leaf: a certificate that was renewed, another packet key, or none any more. */
  const bool renewed = !tw_network_has_own_credential(network, network->epoch.group) || network->config.sign ||
                       network->epoch.packet_key.len > 0;
  const tw_commit_options options = {.proposals = proposals,
                                     .without_collected = true,
                                     .names_key_packages = adds > 0,
                                     .tree_outside = true, /* the relay gives it to whom we add */
                                     .client = renewed ? &network->client : NULL};
  tw_commit_result made = {0};
  tw_secret packet_key = {0};
  tw_network_epoch next = {0};
  tw_buf welcomes = TW_BUF_INIT(tw_env_alloc(network->env));
  const tw_network_beginning beginning = {
      .kind = TW_NETWORK_PENDING_COMMIT, .commit = &made.commit, .welcomes = &welcomes, .next = &next};
  tw_err err = tw_network_fresh_packet_key(network, &packet_key);
  if (err == TW_OK) err = tw_group_commit(network->epoch.group, &options, now_ms / 1000, &made);
  if (err == TW_OK) {
    tw_group *group = made.next;
    made.next = NULL;
    err = tw_network_epoch_of(network, group, &next);
  }
  next.packet_key = packet_key;
  if (err == TW_OK) err = tw_network_check_epoch(network, &next);
  if (err == TW_OK && adds > 0) err = address_welcomes(network, tw_buf_bytes(&made.welcome), &welcomes);
  if (err == TW_OK) err = tw_network_begin(network, &beginning, now_ms);
  tw_network_epoch_clear(&next, network->env);
  tw_commit_result_clear(&made);
  tw_secret_clear(&packet_key);
  tw_buf_clear(&welcomes);
  return err;
}

/* It failed, and perhaps because of one of those that were to be added. */
static void blame_candidates(tw_network *network, size_t adds, uint64_t now_ms) {
  if (adds > 1) {
    network->adds_max = 1;
    return;
  }
  for (size_t i = 0; i < network->candidate_count; i++)
    tw_network_note_tried(network, &network->candidates[i].id, now_ms + TW_NETWORK_TRY_AGAIN_MS);
}

/* Not again for an hour, whatever the relay says. */
static void note_readded(tw_network *network, uint64_t now_ms) {
  for (size_t i = 0; i < network->candidate_count; i++) {
    const tw_network_candidate *candidate = &network->candidates[i];
    if (candidate->returns && is_to_be_added(network, candidate))
      tw_network_note_tried(network, &candidate->id, now_ms + TW_NETWORK_WAIT_MAX_MS);
  }
}

static void commit_changes(tw_network *network, uint64_t now_ms) {
  tw_buf proposals = TW_BUF_INIT(tw_env_alloc(network->env));
  size_t adds = 0;
  network->gathering = false;
  if (!can_act(network)) {
    tw_network_stop_gathering(network);
    return;
  }
  tw_err err = propose_removals(network, &proposals);
  if (err == TW_OK) err = propose_adds(network, &proposals, &adds);
  if (err == TW_OK && proposals.len > 0) err = commit(network, tw_buf_bytes(&proposals), adds, now_ms);
  if (err != TW_OK) {
    tw_network_tell(network, "members could not be added or removed", err);
    if (adds > 0) blame_candidates(network, adds, now_ms);
    network->duty_at_ms = now_ms + network->config.repeat_ms;
  }
  if (err == TW_OK && adds > 0) note_readded(network, now_ms);
  tw_buf_clear(&proposals);
  tw_network_stop_gathering(network);
  if (err == TW_OK) tw_network_look_around(network, now_ms);
}

/* ---- key packages ---- */

static size_t gathered_bytes(const tw_network *network) {
  size_t bytes = 0;
  for (size_t i = 0; i < network->candidate_next; i++) bytes += network->candidates[i].key_package.len;
  return bytes;
}

static bool has_enough(const tw_network *network) {
  return network->candidate_next == network->candidate_count || gathered_bytes(network) >= TW_NETWORK_ADDS_BYTES;
}

static uint32_t take_detail(const tw_network *network, size_t index) {
  return (uint32_t)network->gathered << 16 | (uint32_t)index;
}

/* Several are on their way at once, and their answers come in order. */
static void take_next(tw_network *network, uint64_t now_ms) {
  if (has_enough(network)) {
    commit_changes(network, now_ms);
    return;
  }
  while (network->candidate_asked < network->candidate_count &&
         network->candidate_asked - network->candidate_next < TW_NETWORK_TAKES) {
    const tw_client_id *id = &network->candidates[network->candidate_asked].id;
    const tw_control_request request = {.type = TW_CONTROL_TAKE, .body.take = {*id, TW_CONTROL_POOL_NETWORK}};
    if (!tw_network_ask_relay(network, &request, TW_NETWORK_ASK_TAKE, take_detail(network, network->candidate_asked))) {
      tw_network_stop_gathering(network); /* when the relay is there again */
      network->duty_at_ms = now_ms + network->config.repeat_ms;
      return;
    }
    network->candidate_asked++;
  }
}

bool tw_network_awaits(const tw_network *network, uint32_t detail) {
  return network->gathering && detail == take_detail(network, network->candidate_next);
}

void tw_network_took(tw_network *network, const tw_control_answer *answer, uint64_t now_ms) {
  if (!network->gathering) return;
  if (answer == NULL || answer->status == TW_CONTROL_BUSY) { /* which is no word about key packages */
    if (answer != NULL && gathered_bytes(network) > 0) {     /* the others later */
      commit_changes(network, now_ms);
      return;
    }
    tw_network_stop_gathering(network);
    const uint64_t wait_ms = answer != NULL ? TW_NETWORK_TURN_MS : network->config.repeat_ms;
    network->duty_at_ms = now_ms + wait_ms;
    return;
  }
  tw_network_candidate *candidate = &network->candidates[network->candidate_next++];
  const bool strange = drop_stranger(network, &candidate->id); /* once for each time that it wants in */
  tw_err err = TW_ERR_STATE;                                   /* it has left none */
  if (answer->status == TW_CONTROL_DONE) {
    err = check_package(network, &candidate->id, answer->body.take.key_package, now_ms);
    if (err == TW_OK) err = tw_buf_assign(&candidate->key_package, answer->body.take.key_package);
    if (err != TW_OK) tw_network_tell(network, "a key package is of no use", err);
  }
  /* Who takes turns later asks less often. */
  const uint64_t rank = network->epoch.group == NULL ? 0 : rank_of(network);
  const uint64_t turns = 1 + (rank < 6 ? rank : 6);
  if (err != TW_OK && !strange)
    tw_network_note_tried(network, &candidate->id, now_ms + turns * TW_NETWORK_TRY_AGAIN_MS);
  take_next(network, now_ms);
}

static void add_candidate(tw_network *network, const tw_client_id *id) {
  if (network->candidate_count == network->adds_max) return;
  network->candidates[network->candidate_count++] = (tw_network_candidate){
      .id = *id,
      .returns = tw_network_find_member(&network->epoch, id) != NULL,
      .key_package = TW_BUF_INIT(tw_env_alloc(network->env))};
}

static tw_err choose_candidates(tw_network *network, uint64_t now_ms) {
  tw_client_id id;
  if (network->candidates == NULL) {
    network->candidates = tw_alloc_array(tw_env_alloc(network->env), TW_NETWORK_ADDS_MAX, sizeof *network->candidates);
    if (network->candidates == NULL) return TW_ERR_NO_MEMORY;
  }
  for (size_t place = 0; network->candidate_count < network->adds_max && next_missing(network, &place, &id);) {
    const tw_network_tried *tried = find_tried(network, &id);
    if (tried != NULL && tried->again_ms > now_ms) continue;
    add_candidate(network, &id);
  }
  for (size_t i = 0; i < network->stranger_count; i++) {
    if (tw_network_find_member(&network->epoch, &network->strangers[i]) == NULL)
      add_candidate(network, &network->strangers[i]);
    else
      network->strangers[i--] = network->strangers[--network->stranger_count];
  }
  for (size_t i = 0; i < network->returner_count; i++) {
    tw_network_returner *returner = &network->returners[i];
    if (!returner->due || network->candidate_count == network->adds_max) continue;
    returner->due = false;
    add_candidate(network, &returner->id);
  }
  return TW_OK;
}

void tw_network_do_duties(tw_network *network, uint64_t now_ms) {
  network->duty_at_ms = UINT64_MAX;
  if (!can_act(network) || !tw_network_may(network, &network->config.self)) return;
  network->candidate_count = network->candidate_asked = network->candidate_next = 0;
  /* Whoever is to go goes first, and does not wait for those who come. */
  if (!network->unwanted && choose_candidates(network, now_ms) != TW_OK) {
    network->duty_at_ms = now_ms + network->config.repeat_ms;
    return;
  }
  network->at_once = network->at_once && network->unwanted; /* until they are gone: somebody else may be first */
  network->gathering = true;
  network->gathered++;
  take_next(network, now_ms);
}

/* ---- fresh keys ---- */

void tw_network_plan_rekey(tw_network *network, uint64_t now_ms) {
  const uint64_t after_ms = network->config.rekey_after_ms;
  const uint64_t made_ms = network->epoch.leaf_made_ms;
  network->rekey_at_ms = UINT64_MAX;
  if (network->epoch.group == NULL) return;
  if (after_ms != 0) network->rekey_at_ms = made_ms + after_ms - tw_network_roll(network, after_ms / 8 + 1);
  /* After somebody else's commit: that not all of the others come at once. */
  const uint64_t wait_ms = network->epoch.known_ms == now_ms ? tw_network_roll(network, TW_NETWORK_SECOND) : 0;
  const bool lacks_packet_key = network->config.sign && network->epoch.packet_key.len == 0;
  if (network->rekey_wanted_ms > made_ms || lacks_packet_key)
    network->rekey_at_ms = now_ms + wait_ms;
  else
    network->rekey_wanted_ms = 0;
}

void tw_network_renew(tw_network *network, uint64_t now_ms) {
  network->rekey_at_ms = UINT64_MAX; /* what comes of a commit plans the next, as does being a member again */
  if (network->epoch.group == NULL) return;
  const tw_err err = can_act(network) ? commit(network, TW_NO_BYTES, 0, now_ms) : TW_OK;
  if (err != TW_OK) tw_network_tell(network, "our keys in the network's group could not be renewed", err);
  if (network->pending.kind == TW_NETWORK_PENDING_NONE) network->rekey_at_ms = now_ms + network->config.repeat_ms;
}

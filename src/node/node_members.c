/* Who is good, and who is learned to be. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "node/node_internal.h"

enum {
  X509_CREDENTIAL = 2,
  KEEP_AGAIN_MS = 10000,   /* after the disk refused it */
  REVIEW_AGAIN_MS = 60000, /* at the soonest after the last review that changed nothing */
  TELL_AGAIN_MS = 10000,
  WAIT_MS = 10000 /* that a newcomer's mail waits for the configuration */
};

/* Also one that was cut off. UINT32_MAX: none. */
static uint32_t find_any(const tw_node *node, const tw_client_id *id) {
  const uint32_t peer = tw_peer_map_find(&node->numbers, id);
  return peer != UINT32_MAX && node->peers[peer].is_peer ? peer : UINT32_MAX;
}

uint32_t tw_node_find_peer(const tw_node *node, const tw_client_id *id) {
  const uint32_t peer = find_any(node, id);
  return peer != UINT32_MAX && !node->peers[peer].removed ? peer : UINT32_MAX;
}

tw_err tw_node_set_peers(tw_node *node) {
  const tw_node_config *config = node->setup.config;
  node->peer_count = (uint32_t)config->peer_count;
  node->peers = tw_alloc_array(tw_env_alloc(node->setup.env), config->peer_count + 1, sizeof *node->peers);
  node->numbers.alloc = tw_env_alloc(node->setup.env);
  if (node->peers == NULL) return TW_ERR_NO_MEMORY;
  for (uint32_t i = 0; i < node->peer_count; i++) {
    if (i == config->self || !config->peers[i].key.given) continue; /* it may be learned by its certificate */
    node->peers[i].is_peer = true;
    node->peers[i].id = config->peers[i].key.fingerprint;
    TW_TRY(tw_peer_map_put(&node->numbers, &node->peers[i].id, i));
  }
  return TW_OK;
}

void tw_node_clear_peers(tw_node *node) {
  tw_peer_map_clear(&node->numbers);
  tw_alloc_free(tw_env_alloc(node->setup.env), node->peers);
  node->peers = NULL;
  node->peer_count = 0;
}

/* ---- newcomers ---- */

static tw_learned_peer *find_newcomer(const tw_node *node, const tw_client_id *id) {
  for (size_t i = 0; i < node->newcomer_count; i++) {
    if (memcmp(&node->newcomers[i].peer.key.fingerprint, id, sizeof *id) == 0) return &node->newcomers[i];
  }
  return NULL;
}

bool tw_node_is_newcomer(const tw_node *node, const tw_client_id *id) {
  const tw_learned_peer *newcomer = find_newcomer(node, id);
  return newcomer != NULL && tw_node_find_peer(node, id) == UINT32_MAX &&
         tw_node_now(node) < newcomer->learned_at * 1000 + WAIT_MS;
}

void tw_node_members_clear(tw_node *node) {
  const tw_alloc *alloc = node->setup.config->alloc;
  for (size_t i = 0; i < node->newcomer_count; i++) tw_learned_peer_clear(alloc, &node->newcomers[i]);
  tw_alloc_free(alloc, node->newcomers);
  tw_learned_peer_clear(alloc, &node->own);
  node->newcomers = NULL;
  node->newcomer_count = node->newcomers_kept = 0;
}

/* `*newcomer` is handed over on TW_OK. */
static tw_err add_newcomer(tw_node *node, const tw_learned_peer *newcomer) {
  if (node->newcomer_count == TW_LEARNED_MAX) return TW_ERR_LIMIT;
  tw_learned_peer *list = tw_alloc_resize_array(node->setup.config->alloc, node->newcomers, node->newcomer_count + 1,
                                                sizeof *list);
  if (list == NULL) return TW_ERR_NO_MEMORY;
  node->newcomers = list;
  list[node->newcomer_count++] = *newcomer;
  return TW_OK;
}

/* ---- two keys for one name ---- */

/*
 * Whoever has got a second certificate for somebody's name would take his place by an older one that was kept, and
 * nobody could come back from a stolen key if the first one counted: so the later one counts, by its begin. (CAs date
 * that back, and not beyond their own: then by its end, and by the smaller key at last, which is the same at all
 * nodes.)
 */
static bool is_later(const tw_learned_peer *a, const tw_learned_peer *b) {
  if (a->not_before != b->not_before) return a->not_before > b->not_before;
  if (a->not_after != b->not_after) return a->not_after > b->not_after;
  const tw_fingerprint *one = &a->peer.key.fingerprint;
  const tw_fingerprint *other = &b->peer.key.fingerprint;
  return memcmp(one, other, sizeof *one) < 0;
}

static bool is_same_key(const tw_learned_peer *a, const tw_learned_peer *b) {
  return memcmp(&a->peer.key.fingerprint, &b->peer.key.fingerprint, sizeof a->peer.key.fingerprint) == 0;
}

/* Somebody else has the name, and keeps it. */
static bool is_taken(const tw_node *node, const tw_learned_peer *newcomer) {
  const char *name = newcomer->peer.certificate;
  const tw_learned_peer *known = tw_learned_find_certificate(node->setup.learned, name);
  if (known != NULL && !is_same_key(known, newcomer) && !is_later(newcomer, known)) return true;
  for (size_t i = 0; i < node->newcomer_count; i++) {
    known = &node->newcomers[i];
    if (strcmp(known->peer.certificate, name) == 0 && !is_same_key(known, newcomer) && !is_later(newcomer, known))
      return true;
  }
  return false;
}

/* Whoever else has our name, with an older certificate or a later one: others see to it which of us goes. */
static bool is_our_name(const tw_node *node, const char *name) {
  return node->own.peer.certificate != NULL && strcmp(node->own.peer.certificate, name) == 0;
}

/* Cut off by `treewire remove`, or by a member who may: not to come back by another key. */
static bool is_cut_off(const tw_node *node, const char *name) {
  for (uint32_t i = 0; i < node->peer_count; i++) {
    const char *certificate = node->setup.config->peers[i].certificate;
    if (node->peers[i].removed && certificate != NULL && strcmp(certificate, name) == 0) return true;
  }
  return false;
}

/* ---- who is good ---- */

static bool is_self(const tw_node *node, const tw_client_id *id) {
  return memcmp(id, &node->setup.self, sizeof *id) == 0;
}

/* A newcomer from `first` on has the name, by a later certificate: who comes in by that and who goes do so at once. */
static bool is_superseded(const tw_node *node, const char *name, const tw_client_id *id, size_t first) {
  for (size_t i = first; name != NULL && i < node->newcomer_count; i++) {
    const tw_node_peer *newcomer = &node->newcomers[i].peer;
    if (strcmp(newcomer->certificate, name) == 0 && memcmp(&newcomer->key.fingerprint, id, sizeof *id) != 0)
      return true;
  }
  return false;
}

static bool wants_peer(const tw_node *node, uint32_t peer) {
  return tw_node_has_peer(node, peer) &&
         !is_superseded(node, node->setup.config->peers[peer].certificate, &node->peers[peer].id, 0);
}

static bool wants_newcomer(const tw_node *node, size_t at) {
  const tw_node_peer *newcomer = &node->newcomers[at].peer;
  return !is_superseded(node, newcomer->certificate, &newcomer->key.fingerprint, at + 1);
}

/* An admin's list names it, and the configuration is not made anew yet. */
static bool is_just_enrolled(const tw_node *node, const tw_client_id *id) {
  if (!node->relearning || find_any(node, id) != UINT32_MAX) return false;
  const tw_learned_peer *known = tw_learned_find(node->setup.learned, id);
  return known != NULL && known->peer.origin == TW_NODE_FROM_ENROLMENT;
}

static bool wants(void *ctx, const tw_client_id *id) {
  const tw_node *node = ctx;
  const uint32_t peer = tw_node_find_peer(node, id);
  const tw_learned_peer *newcomer = find_newcomer(node, id);
  if (is_self(node, id) || (peer != UINT32_MAX && wants_peer(node, peer)) || is_just_enrolled(node, id)) return true;
  return newcomer != NULL && wants_newcomer(node, (size_t)(newcomer - node->newcomers));
}

/* Places are peers, then newcomers. */
static bool next_wanted(void *ctx, size_t *place, tw_client_id *id) {
  const tw_node *node = ctx;
  while (*place < node->peer_count) {
    const uint32_t peer = (uint32_t)(*place)++;
    if (!wants_peer(node, peer)) continue;
    *id = node->peers[peer].id;
    return true;
  }
  while (*place - node->peer_count < node->newcomer_count) {
    const size_t at = (*place)++ - node->peer_count;
    const tw_fingerprint *key = &node->newcomers[at].peer.key.fingerprint;
    if (tw_node_find_peer(node, key) != UINT32_MAX || !wants_newcomer(node, at)) continue;
    *id = *key;
    return true;
  }
  return false;
}

/* By the certificate that an admin is known by, before the configuration has its key. */
static bool is_admin_to_be(const tw_node *node, const tw_node_peer *admin, const tw_client_id *id) {
  const tw_learned_peer *newcomer = find_newcomer(node, id);
  return newcomer != NULL && admin->certificate != NULL && strcmp(newcomer->peer.certificate, admin->certificate) == 0;
}

static bool is_admin(void *ctx, const tw_client_id *id) {
  const tw_node *node = ctx;
  const tw_node_network *network = &node->setup.config->network;
  for (size_t i = 0; i < network->admin_count; i++) {
    const tw_node_admin *admin = &network->admins[i];
    if (admin->peer == TW_NODE_NONE) {
      if (memcmp(&admin->fingerprint, id, sizeof *id) == 0) return true;
      continue;
    }
    const tw_node_peer *peer = &node->setup.config->peers[admin->peer];
    if (peer->key.given && memcmp(&peer->key.fingerprint, id, sizeof *id) == 0) return true;
    if ((admin->peer == node->setup.config->self && is_self(node, id)) || is_admin_to_be(node, peer, id)) return true;
  }
  return network->admin_count == 0;
}

/* The relay can have us look at the same one again and again. */
static tw_err refuse(tw_node *node, const tw_client_id *id, const char *why) {
  const uint64_t now = tw_node_now(node);
  char room[TW_FINGERPRINT_TEXT];
  const bool often = now < node->refused_ms + TELL_AGAIN_MS;
  tw_fingerprint_format(id, room);
  tw_node_tell(node, often ? TW_NODE_DETAIL : TW_NODE_NOTE, "%s is not let in: %s", room, why);
  if (!often) node->refused_ms = now;
  return TW_ERR_CREDENTIAL;
}

/* Whether a certificate makes somebody a peer: it is one of the newcomers then. */
static tw_err meet(tw_node *node, const tw_client_id *id, const tw_credential *credential, uint64_t now_s) {
  const tw_node_config *config = node->setup.config;
  tw_report why = {""};
  tw_learned_peer newcomer;
  if (credential->type != X509_CREDENTIAL || node->setup.certified.trust == NULL) return TW_ERR_CREDENTIAL;
  if (find_any(node, id) != UINT32_MAX) return TW_ERR_CREDENTIAL; /* who was cut off */
  tw_err err = tw_certified_judge(&node->setup.certified, config, id, credential->identity, now_s, &newcomer, &why);
  if (err == TW_ERR_NO_MEMORY) return err;
  if (err != TW_OK) return refuse(node, id, why.text);
  const char *name = newcomer.peer.certificate;
  if (is_our_name(node, name))
    err = refuse(node, id, "it has our own name");
  else if (is_cut_off(node, name))
    err = refuse(node, id, "who has that name was cut off");
  else if (is_taken(node, &newcomer))
    err = refuse(node, id, "there is a later certificate for that name, with another key");
  else
    err = add_newcomer(node, &newcomer);
  if (err != TW_OK) tw_learned_peer_clear(config->alloc, &newcomer);
  return err;
}

/* Who it is, if it can be anybody at all. */
static tw_err identify(const tw_node *node, const tw_credential_use *use, tw_client_id *id) {
  if (use->event == TW_CREDENTIAL_EXTERNAL) return TW_ERR_CREDENTIAL;
  if (use->event == TW_CREDENTIAL_UPDATED && !tw_bytes_equal(use->signature_key, use->old_signature_key))
    return TW_ERR_CREDENTIAL;
  return tw_fingerprint_of(node->setup.env, node->client.suite, use->signature_key, id);
}

tw_err tw_node_judge_member(void *ctx, const tw_credential_use *use) {
  tw_node *node = ctx;
  tw_client_id id;
  TW_TRY(identify(node, use, &id));
  if (use->event == TW_CREDENTIAL_UPDATED || wants(node, &id)) return TW_OK;
  return meet(node, &id, &use->credential, tw_node_now(node) / 1000) == TW_ERR_NO_MEMORY ? TW_ERR_NO_MEMORY : TW_OK;
}

tw_err tw_node_judge_peer(void *ctx, const tw_credential_use *use) {
  const tw_node *node = ctx;
  tw_client_id id;
  TW_TRY(identify(node, use, &id));
  return wants(ctx, &id) ? TW_OK : TW_ERR_CREDENTIAL;
}

tw_err tw_node_judge_relay(void *ctx, const tw_credential_use *use) {
  const tw_node *node = ctx;
  tw_client_id id;
  TW_TRY(tw_fingerprint_of(node->setup.env, node->client.suite, use->signature_key, &id));
  if (is_self(node, &id)) return TW_OK; /* our own leaf */
  return tw_certified_relay(&node->setup.certified, &node->setup.config->relay, &id, &use->credential,
                            tw_node_now(node) / 1000);
}

/* What our own certificate says, if it makes somebody a peer. */
tw_err tw_node_look_at_own(tw_node *node) {
  const tw_node_setup *setup = &node->setup;
  if (setup->credential.type != X509_CREDENTIAL) return TW_OK;
  const tw_err err = tw_certified_judge(&setup->certified, setup->config, &setup->self, setup->credential.identity,
                                        tw_node_now(node) / 1000, &node->own, NULL);
  return err == TW_ERR_NO_MEMORY ? err : TW_OK;
}

/* The network asks about somebody who has left a key package there. */
static bool admits(void *ctx, const tw_client_id *id, const tw_credential *credential) {
  tw_node *node = ctx;
  return wants(node, id) || meet(node, id, credential, tw_node_now(node) / 1000) == TW_OK;
}

/* Somebody who is known by a certificate. NULL: not, or by something else. */
static const tw_learned_peer *find_certified(const tw_node *node, const tw_client_id *id) {
  const tw_learned_peer *newcomer = find_newcomer(node, id);
  const tw_learned_peer *known = newcomer != NULL ? newcomer : tw_learned_find(node->setup.learned, id);
  return known != NULL && known->peer.origin == TW_NODE_FROM_CERTIFICATE ? known : NULL;
}

/* That was good when it was learned, and has not ended. */
static bool is_known_one(const tw_learned_peer *known, tw_bytes certificates, uint64_t now_s) {
  return now_s <= known->not_after && tw_bytes_equal(tw_buf_bytes(&known->certificates), certificates);
}

/*
 * Others may have nothing but this credential to know it by: with a bad one they would refuse the commit that adds it.
 * Where we lack the means to judge (a CRL), the one that we know it by will do.
 */
static bool accepts(void *ctx, const tw_client_id *id, const tw_credential *credential) {
  tw_node *node = ctx;
  const uint64_t now_s = tw_node_now(node) / 1000;
  const tw_learned_peer *known = find_certified(node, id);
  tw_report why = {""};
  tw_learned_peer seen = {0};
  if (known == NULL) return true;
  if (credential->type != X509_CREDENTIAL) return refuse(node, id, "its key package has no certificate") == TW_OK;
  const tw_bytes certificates = credential->identity;
  const tw_err err = tw_certified_judge(&node->setup.certified, node->setup.config, id, certificates, now_s, &seen,
                                        &why);
  if (err == TW_OK) tw_learned_peer_clear(node->setup.config->alloc, &seen);
  if (err == TW_OK || (err == TW_ERR_CREDENTIAL && is_known_one(known, certificates, now_s))) return true;
  return refuse(node, id, why.text) == TW_OK;
}

tw_network_roster tw_node_roster(tw_node *node) {
  const bool judges = node->setup.certified.trust != NULL;
  return (tw_network_roster){.ctx = node,
                             .wants = wants,
                             .next_wanted = next_wanted,
                             .is_admin = is_admin,
                             .admits = judges ? admits : NULL,
                             .accepts = judges ? accepts : NULL};
}

/* ---- keeping them ---- */

void tw_node_relearn(tw_node *node) {
  node->relearning = true;
  if (node->setup.relearn != NULL) node->setup.relearn(node->setup.ctx);
}

tw_err tw_node_learn(tw_node *node, const tw_learned_peer *peer, const tw_fingerprint *instead_of) {
  char room[TW_FINGERPRINT_TEXT];
  tw_report report = {""};
  const char *label = tw_node_peer_label(&peer->peer, room);
  const tw_err err = tw_learned_put(node->setup.learned, peer, instead_of, &report);
  if (err != TW_OK) {
    tw_node_tell(node, TW_NODE_ERROR, "%s cannot be kept as a peer: %s", label, report.text);
    return err;
  }
  tw_node_tell(node, TW_NODE_NOTE, "%s is a peer now", label);
  tw_node_relearn(node);
  return TW_OK;
}

tw_err tw_node_unlearn(tw_node *node, const tw_fingerprint *key) {
  tw_report report = {""};
  const tw_err err = tw_learned_remove(node->setup.learned, key, &report);
  if (err != TW_OK)
    tw_node_tell(node, TW_NODE_ERROR, "a peer cannot be forgotten: %s", report.text);
  else
    tw_node_relearn(node);
  return err;
}

static bool same_prefixes(const tw_node_prefixes *a, const tw_node_prefixes *b) {
  for (size_t i = 0; i < a->count && a->count == b->count; i++)
    if (tw_prefix_compare(&a->list[i].prefix, &b->list[i].prefix) != 0) return false;
  return a->count == b->count;
}

/* Nothing that the configuration has of it is another. */
static tw_err keep_renewed(const tw_node *node, const tw_learned_peer *renewed) {
  tw_report report = {""};
  const tw_err err = tw_learned_put(node->setup.learned, renewed, NULL, &report);
  if (err == TW_OK)
    tw_node_tell(node, TW_NODE_DETAIL, "%s has a later certificate", renewed->peer.certificate);
  else
    tw_node_tell(node, TW_NODE_ERROR, "%s: its certificate cannot be kept: %s", renewed->peer.certificate, report.text);
  return err;
}

static tw_err keep_instead(tw_node *node, const tw_learned_peer *newcomer, const tw_learned_peer *known) {
  char room[TW_FINGERPRINT_TEXT];
  const tw_fingerprint old = known->peer.key.fingerprint;
  tw_learned_peer instead = *newcomer;
  instead.learned_at = known->learned_at; /* its addresses stay its own */
  TW_TRY(tw_node_learn(node, &instead, &old));
  tw_fingerprint_format(&old, room);
  tw_node_tell(node, TW_NODE_NOTE, "%s has a later certificate with another key; %s is its key no more",
               newcomer->peer.certificate, room);
  return TW_OK;
}

static bool is_listed(const tw_node_config *config, const char *name) {
  for (size_t i = 0; i < config->peer_count; i++) {
    const tw_node_peer *peer = &config->peers[i];
    if (peer->origin == TW_NODE_FROM_FILE && peer->certificate != NULL && strcmp(peer->certificate, name) == 0)
      return true;
  }
  return false;
}

static tw_err keep(tw_node *node, const tw_learned_peer *newcomer) {
  const char *name = newcomer->peer.certificate;
  const tw_learned_peer *known = tw_learned_find_certificate(node->setup.learned, name);
  if (known != NULL && !is_same_key(known, newcomer))
    return is_later(newcomer, known) ? keep_instead(node, newcomer, known) : TW_OK; /* another newcomer was later */
  if (known != NULL && same_prefixes(&known->peer.allowed, &newcomer->peer.allowed))
    return keep_renewed(node, newcomer);
  TW_TRY(tw_node_learn(node, newcomer, NULL));
  if (newcomer->peer.allowed.count == 0 && !is_listed(node->setup.config, name))
    tw_node_tell(node, TW_NODE_NOTE, "%s has no address in our subnets: it is there for multicast alone", name);
  return TW_OK;
}

/* ---- members of the group ---- */

/* The certificate that a member has in its leaf now: somebody whom we do not know yet, or a renewed one. */
static void look_at_member(tw_node *node, const tw_member *member, uint64_t now_s) {
  tw_client_id id;
  if (member->credential.type != X509_CREDENTIAL) return;
  if (tw_fingerprint_of(node->setup.env, node->client.suite, member->signature_key, &id) != TW_OK) return;
  if (is_self(node, &id) || find_newcomer(node, &id) != NULL) return;
  const tw_learned_peer *known = tw_learned_find(node->setup.learned, &id);
  if (known == NULL) {
    if (!wants(node, &id)) (void)!meet(node, &id, &member->credential, now_s);
    return;
  }
  if (known->peer.origin != TW_NODE_FROM_CERTIFICATE ||
      tw_bytes_equal(tw_buf_bytes(&known->certificates), member->credential.identity))
    return;
  tw_learned_peer renewed;
  if (tw_certified_judge(&node->setup.certified, node->setup.config, &id, member->credential.identity, now_s, &renewed,
                         NULL) != TW_OK)
    return;
  renewed.learned_at = known->learned_at;
  if (strcmp(renewed.peer.certificate, known->peer.certificate) != 0 || renewed.not_before <= known->not_before ||
      add_newcomer(node, &renewed) != TW_OK)
    tw_learned_peer_clear(node->setup.config->alloc, &renewed);
}

static void look_at_members(tw_node *node, uint64_t now_ms) {
  tw_member member;
  node->look_at_members = false;
  if (node->setup.certified.trust == NULL) return;
  for (uint32_t leaf = 0; tw_network_member_at_leaf(node->network, &leaf, &member); leaf++)
    look_at_member(node, &member, now_ms / 1000);
}

void tw_node_learn_members(tw_node *node) {
  const uint64_t now = tw_node_now(node);
  if (node->look_at_members) look_at_members(node, now);
  if (now < node->keep_at_ms) return;
  while (node->newcomers_kept < node->newcomer_count) {
    if (keep(node, &node->newcomers[node->newcomers_kept]) != TW_OK) {
      node->keep_at_ms = now + KEEP_AGAIN_MS;
      return;
    }
    node->newcomers_kept++;
  }
}

/* ---- the end of a certificate ---- */

void tw_node_members_tick(tw_node *node, uint64_t now_ms) {
  if (now_ms < node->review_at_ms) return;
  node->review_at_ms = now_ms + REVIEW_AGAIN_MS;
  const tw_learned *learned = node->setup.learned;
  bool over = node->relearning; /* it could not be done */
  for (size_t i = 0; i < learned->count; i++)
    over = over || (learned->list[i].not_after != 0 && learned->list[i].not_after * 1000 < now_ms);
  if (over) tw_node_relearn(node);
}

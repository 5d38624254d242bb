/* SPDX-License-Identifier: Apache-2.0 */
#include "node/config_diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

const char *tw_setting_name(tw_setting setting) {
  static const char *const names[TW_SETTING_COUNT] = {"Address",
                                                      "Identity, Certificate",
                                                      "CA, CRL",
                                                      "MTU",
                                                      "ListenPort",
                                                      "State",
                                                      "Table, Metric",
                                                      "[Relay]",
                                                      "Group",
                                                      "Suite",
                                                      "RekeyAfter, RekeyBytes, RekeyPackets, Grace",
                                                      "Keepalive",
                                                      "Sign",
                                                      "Admins, ListsAfter",
                                                      "[Multicast]",
                                                      "Members, Admit",
                                                      "PacketThreads"};
  for (unsigned i = 0; i < TW_SETTING_COUNT; i++)
    if ((unsigned)setting == 1u << i) return names[i];
  return "?";
}

void tw_setting_names(unsigned settings, char *out, size_t size) {
  size_t len = 0;
  out[0] = '\0';
  for (unsigned i = 0; i < TW_SETTING_COUNT; i++) {
    if ((settings & 1u << i) == 0) continue;
    (void)snprintf(out + len, size - len, "%s%s", len == 0 ? "" : ", ", tw_setting_name((tw_setting)(1u << i)));
    len += strlen(out + len);
  }
}

/* ---- values ---- */

static bool same_text(const char *a, const char *b) {
  if (a == NULL || b == NULL) return a == b;
  return strcmp(a, b) == 0;
}

static bool same_endpoint(const tw_node_endpoint *a, const tw_node_endpoint *b) {
  return same_text(a->host, b->host) && (a->host == NULL || a->port == b->port);
}

static bool same_fingerprint(const tw_fingerprint *a, const tw_fingerprint *b) {
  return memcmp(a->digest, b->digest, TW_FINGERPRINT_SIZE) == 0;
}

static bool same_key(const tw_node_key *a, const tw_node_key *b) {
  return a->given == b->given && (!a->given || same_fingerprint(&a->fingerprint, &b->fingerprint));
}

static int by_prefix(const void *left, const void *right) {
  const tw_node_prefix *a = left;
  const tw_node_prefix *b = right;
  return tw_prefix_compare(&a->prefix, &b->prefix);
}

static tw_err sorted_copy(const tw_alloc *alloc, const tw_node_prefixes *from, tw_node_prefix **out) {
  tw_node_prefix *list = tw_alloc_array(alloc, from->count == 0 ? 1 : from->count, sizeof *list);
  if (list == NULL) return TW_ERR_NO_MEMORY;
  if (from->count > 0) {
    memcpy(list, from->list, from->count * sizeof *list);
    qsort(list, from->count, sizeof *list, by_prefix);
  }
  *out = list;
  return TW_OK;
}

static bool in_order_same(const tw_node_prefix *a, const tw_node_prefix *b, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (by_prefix(&a[i], &b[i]) != 0) return false;
  return true;
}

/* As sets: a configuration has no prefix twice. */
static tw_err compare_prefixes(const tw_alloc *alloc, const tw_node_prefixes *a, const tw_node_prefixes *b,
                               bool *same) {
  tw_node_prefix *left = NULL;
  tw_node_prefix *right = NULL;
  *same = a->count == b->count;
  if (!*same || in_order_same(a->list, b->list, a->count)) return TW_OK;
  tw_err err = sorted_copy(alloc, a, &left);
  if (err == TW_OK) err = sorted_copy(alloc, b, &right);
  if (err == TW_OK) *same = in_order_same(left, right, a->count);
  tw_alloc_free(alloc, left);
  tw_alloc_free(alloc, right);
  return err;
}

/* ---- settings ---- */

static bool same_crls(const tw_node_interface *a, const tw_node_interface *b) {
  if (a->crl_count != b->crl_count) return false;
  for (size_t i = 0; i < a->crl_count; i++)
    if (!same_text(a->crls[i], b->crls[i])) return false;
  return true;
}

static bool same_admin(const tw_node_config *a, const tw_node_admin *left, const tw_node_config *b,
                       const tw_node_admin *right) {
  const char *one = left->peer == TW_NODE_NONE ? NULL : a->peers[left->peer].certificate;
  const char *other = right->peer == TW_NODE_NONE ? NULL : b->peers[right->peer].certificate;
  return same_text(one, other) && (one != NULL || same_fingerprint(&left->fingerprint, &right->fingerprint));
}

static bool same_lists_after(const tw_node_network *a, const tw_node_network *b) {
  if (a->lists_after_count != b->lists_after_count) return false;
  for (size_t i = 0; i < a->lists_after_count; i++)
    if (!same_fingerprint(&a->lists_after[i].admin, &b->lists_after[i].admin) ||
        a->lists_after[i].version != b->lists_after[i].version)
      return false;
  return true;
}

/* As sets: a configuration has no admin twice. */
static bool same_admins(const tw_node_config *a, const tw_node_config *b) {
  if (a->network.admin_count != b->network.admin_count) return false;
  for (size_t i = 0; i < a->network.admin_count; i++) {
    bool found = false;
    for (size_t k = 0; k < b->network.admin_count && !found; k++)
      found = same_admin(a, &a->network.admins[i], b, &b->network.admins[k]);
    if (!found) return false;
  }
  return true;
}

/* As sets, but for names that are there twice. */
static bool same_members(const tw_node_network *a, const tw_node_network *b) {
  if (a->certified != b->certified || a->admit_count != b->admit_count) return false;
  for (size_t i = 0; i < a->admit_count; i++) {
    bool found = false;
    for (size_t k = 0; k < b->admit_count && !found; k++) found = same_text(a->admit[i], b->admit[k]);
    if (!found) return false;
  }
  return true;
}

static bool same_rekey(const tw_node_network *a, const tw_node_network *b) {
  return a->rekey_after == b->rekey_after && a->rekey_bytes == b->rekey_bytes && a->rekey_packets == b->rekey_packets &&
         a->grace == b->grace;
}

static bool same_relay(const tw_node_relay *a, const tw_node_relay *b) {
  return same_endpoint(&a->endpoint, &b->endpoint) && same_key(&a->key, &b->key) && same_text(a->name, b->name);
}

static unsigned interface_settings(const tw_node_interface *a, const tw_node_interface *b) {
  unsigned settings = 0;
  if (!same_text(a->identity, b->identity) || !same_text(a->certificate, b->certificate) ||
      !same_text(a->certificate_key, b->certificate_key))
    settings |= TW_SETTING_IDENTITY;
  if (!same_text(a->ca, b->ca) || !same_crls(a, b)) settings |= TW_SETTING_TRUST;
  if (a->mtu != b->mtu) settings |= TW_SETTING_MTU;
  if (a->listen_port != b->listen_port) settings |= TW_SETTING_LISTEN_PORT;
  if (a->packet_threads != b->packet_threads) settings |= TW_SETTING_PACKET_THREADS;
  if (!same_text(a->state, b->state)) settings |= TW_SETTING_STATE;
  if (a->routing != b->routing || a->table != b->table || a->metric != b->metric) settings |= TW_SETTING_ROUTING;
  return settings;
}

static tw_err compare_settings(const tw_alloc *alloc, const tw_node_config *a, const tw_node_config *b,
                               unsigned *settings) {
  bool addresses = true;
  bool groups = true;
  TW_TRY(compare_prefixes(alloc, &a->interface.addresses, &b->interface.addresses, &addresses));
  TW_TRY(compare_prefixes(alloc, &a->multicast.groups, &b->multicast.groups, &groups));
  unsigned found = interface_settings(&a->interface, &b->interface);
  if (!addresses) found |= TW_SETTING_ADDRESS;
  if (!same_relay(&a->relay, &b->relay)) found |= TW_SETTING_RELAY;
  if (!same_text(a->network.group, b->network.group)) found |= TW_SETTING_GROUP;
  if (a->network.suite != b->network.suite) found |= TW_SETTING_SUITE;
  if (!same_rekey(&a->network, &b->network)) found |= TW_SETTING_REKEY;
  if (a->network.keepalive != b->network.keepalive) found |= TW_SETTING_KEEPALIVE;
  if (a->network.sign != b->network.sign) found |= TW_SETTING_SIGN;
  if (!same_admins(a, b) || !same_lists_after(&a->network, &b->network)) found |= TW_SETTING_ADMINS;
  if (!same_members(&a->network, &b->network)) found |= TW_SETTING_MEMBERS;
  if (!groups || a->multicast.broadcast != b->multicast.broadcast) found |= TW_SETTING_MULTICAST;
  *settings = found;
  return TW_OK;
}

/* ---- peers ---- */

/* Those with keys first. */
static int compare_identity(const tw_node_peer *a, const tw_node_peer *b) {
  if (a->key.given != b->key.given) return a->key.given ? -1 : 1;
  if (a->key.given) return memcmp(a->key.fingerprint.digest, b->key.fingerprint.digest, TW_FINGERPRINT_SIZE);
  return strcmp(a->certificate, b->certificate);
}

/* For putting peers in order without moving them. */
typedef struct peer_ref {
  const tw_node_peer *peer;
} peer_ref;

static int by_identity(const void *left, const void *right) {
  return compare_identity(((const peer_ref *)left)->peer, ((const peer_ref *)right)->peer);
}

static tw_err order_peers(const tw_alloc *alloc, const tw_node_config *config, peer_ref **out, size_t *count) {
  peer_ref *order = tw_alloc_array(alloc, config->peer_count + 1, sizeof *order);
  if (order == NULL) return TW_ERR_NO_MEMORY;
  *count = 0;
  for (size_t i = 0; i < config->peer_count; i++)
    if (i != config->self) order[(*count)++].peer = &config->peers[i];
  if (*count > 1) qsort(order, *count, sizeof *order, by_identity);
  *out = order;
  return TW_OK;
}

typedef struct sides {
  const tw_node_config *before;
  const tw_node_config *after;
  peer_ref *old;
  peer_ref *new;
  size_t old_count;
  size_t new_count;
} sides;

static void note(tw_config_diff *diff, const sides *s, const tw_node_peer *old, const tw_node_peer *new,
                 unsigned changed) {
  tw_peer_change change = {TW_NODE_NONE, TW_NODE_NONE, changed};
  if (old != NULL) change.before = (size_t)(old - s->before->peers);
  if (new != NULL) change.after = (size_t)(new - s->after->peers);
  diff->came += old == NULL;
  diff->went += new == NULL;
  diff->peers[diff->peer_count++] = change;
}

static tw_err compare_peer(const tw_alloc *alloc, const tw_node_peer *old, const tw_node_peer *new, unsigned *changed) {
  bool same = true;
  TW_TRY(compare_prefixes(alloc, &old->allowed, &new->allowed, &same));
  *changed = same ? 0 : TW_PEER_CHANGED_ALLOWED;
  if (!same_text(old->name, new->name)) *changed |= TW_PEER_CHANGED_NAME;
  if (!same_endpoint(&old->endpoint, &new->endpoint)) *changed |= TW_PEER_CHANGED_ENDPOINT;
  return TW_OK;
}

static tw_err merge(tw_config_diff *diff, const sides *s) {
  size_t i = 0;
  size_t k = 0;
  while (i < s->old_count || k < s->new_count) {
    const int order = i == s->old_count ? 1 : k == s->new_count ? -1 : compare_identity(s->old[i].peer, s->new[k].peer);
    unsigned changed = 0;
    if (order < 0) {
      note(diff, s, s->old[i++].peer, NULL, 0);
    } else if (order > 0) {
      note(diff, s, NULL, s->new[k++].peer, 0);
    } else {
      TW_TRY(compare_peer(diff->alloc, s->old[i].peer, s->new[k].peer, &changed));
      if (changed != 0) note(diff, s, s->old[i].peer, s->new[k].peer, changed);
      i++;
      k++;
    }
  }
  return TW_OK;
}

tw_err tw_config_diff_make(const tw_alloc *alloc, const tw_node_config *before, const tw_node_config *after,
                           tw_config_diff *diff) {
  tw_config_diff made = {.alloc = alloc};
  sides s = {.before = before, .after = after};
  tw_err err = compare_settings(alloc, before, after, &made.settings);
  if (err == TW_OK) err = order_peers(alloc, before, &s.old, &s.old_count);
  if (err == TW_OK) err = order_peers(alloc, after, &s.new, &s.new_count);
  if (err == TW_OK) {
    made.peers = tw_alloc_array(alloc, s.old_count + s.new_count + 1, sizeof *made.peers);
    err = made.peers == NULL ? TW_ERR_NO_MEMORY : merge(&made, &s);
  }
  tw_alloc_free(alloc, s.old);
  tw_alloc_free(alloc, s.new);
  if (err != TW_OK) {
    tw_config_diff_clear(&made);
    return err;
  }
  tw_config_diff_clear(diff);
  *diff = made;
  return TW_OK;
}

void tw_config_diff_clear(tw_config_diff *diff) {
  tw_alloc_free(diff->alloc, diff->peers);
  *diff = (tw_config_diff){0};
}

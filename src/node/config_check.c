/* What a file says as a whole. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "node/config_parts.h"
#include "node/config_value.h"
#include "x509/x509.h"

#define PROBLEM(parse_, line_, ...) tw_problems_add((parse_)->problems, (parse_)->source, (line_), __VA_ARGS__)

/* ---- what is missing ---- */

static void check_interface(tw_config_parse *parse) {
  const tw_node_interface *interface = &parse->config->interface;
  const size_t line = parse->section_lines[TW_CONFIG_INTERFACE];
  const char *missing = NULL;
  if (line == 0) {
    PROBLEM(parse, 0, "[Interface] is missing");
    return;
  }
  if (interface->addresses.count == 0) PROBLEM(parse, line, "[Interface] has no Address");
  if (interface->identity != NULL && interface->certificate != NULL)
    missing = "either Identity or Certificate, not both";
  else if (interface->identity == NULL && interface->certificate == NULL)
    missing = "no Identity, and no Certificate with its CertificateKey";
  else if (interface->certificate != NULL && interface->certificate_key == NULL)
    missing = "Certificate needs CertificateKey";
  else if (interface->certificate == NULL && interface->certificate_key != NULL)
    missing = "CertificateKey needs Certificate";
  if (missing != NULL) PROBLEM(parse, line, "[Interface]: %s", missing);
  if (interface->ca == NULL && interface->crl_count > 0) PROBLEM(parse, line, "[Interface]: CRL needs CA");
}

/* As for `connect`: where nothing else says who the relay is, its certificate is for the host. */
static tw_err name_relay(tw_config_parse *parse) {
  tw_node_relay *relay = &parse->config->relay;
  char name[TW_X509_NAME];
  if (relay->key.given || relay->name != NULL || relay->endpoint.host == NULL) return TW_OK;
  if (parse->config->interface.ca == NULL) return TW_OK;
  if (tw_x509_name_parse(relay->endpoint.host, TW_X509_NAME_ASKED, name, NULL) != TW_OK) return TW_OK;
  return tw_value_copy(parse->config->alloc, TW_BYTES((const uint8_t *)name, strlen(name)), &relay->name);
}

static void check_relay(tw_config_parse *parse) {
  const tw_node_relay *relay = &parse->config->relay;
  const size_t line = parse->section_lines[TW_CONFIG_RELAY];
  if (line == 0) {
    PROBLEM(parse, 0, "[Relay] is missing");
    return;
  }
  if (relay->endpoint.host == NULL) PROBLEM(parse, line, "[Relay] has no Endpoint");
  if (!relay->key.given && relay->name == NULL)
    PROBLEM(parse, line, "[Relay] has neither PublicKey nor (with CA in [Interface]) Name");
  if (relay->name != NULL && parse->config->interface.ca == NULL)
    PROBLEM(parse, line, "[Relay]: Name needs CA in [Interface]");
}

static void check_peer(tw_config_parse *parse, const tw_node_peer *peer) {
  if (!peer->key.given && peer->certificate == NULL)
    PROBLEM(parse, peer->line, "[Peer] has neither PublicKey nor Certificate");
  if (peer->key.given && peer->certificate != NULL)
    PROBLEM(parse, peer->line, "[Peer]: either PublicKey or Certificate, not both");
  if (peer->certificate != NULL && parse->config->interface.ca == NULL)
    PROBLEM(parse, peer->line, "[Peer]: Certificate needs CA in [Interface]");
}

/* A key signs in one suite: its fingerprint is made with the suite's name. */
static void check_suite(tw_config_parse *parse, size_t line, const char *section, const tw_node_key *key) {
  const tw_suite *suite = parse->config->network.suite;
  if (!key->given || key->suite == NULL || key->suite == suite) return;
  PROBLEM(parse, line, "[%s]: PublicKey is one of suite %s, and the network's is %s", section,
          tw_suite_name(key->suite), tw_suite_name(suite));
}

static void check_network(tw_config_parse *parse, size_t line) {
  const tw_node_network *network = &parse->config->network;
  if (line == 0)
    PROBLEM(parse, 0, "[Network] is missing");
  else if (network->group == NULL)
    PROBLEM(parse, line, "[Network] has no Group");
  if (network->certified && parse->config->interface.ca == NULL)
    PROBLEM(parse, line, "[Network]: Members = certified needs CA in [Interface]");
  if (!network->certified && network->admit_count > 0)
    PROBLEM(parse, line, "[Network]: Admit needs Members = certified");
}

tw_err tw_config_check_whole(tw_config_parse *parse) {
  const tw_node_config *config = parse->config;
  TW_TRY(name_relay(parse));
  check_interface(parse);
  check_relay(parse);
  check_suite(parse, parse->section_lines[TW_CONFIG_RELAY], "Relay", &config->relay.key);
  check_network(parse, parse->section_lines[TW_CONFIG_NETWORK]);
  for (size_t i = 0; i < config->peer_count; i++) {
    check_peer(parse, &config->peers[i]);
    check_suite(parse, config->peers[i].line, "Peer", &config->peers[i].key);
  }
  return TW_OK;
}

/* ---- what is there twice ---- */

static int by_line(size_t a, size_t b) { return a == b ? 0 : (a < b ? -1 : 1); }

/* For putting peers in order without moving them. */
typedef struct peer_ref {
  const tw_node_peer *peer;
} peer_ref;

static const tw_node_peer *peer_at(const void *slot) { return ((const peer_ref *)slot)->peer; }

/* Of those that have one; the others are left out before. */
static int by_key(const void *left, const void *right) {
  const tw_node_peer *a = peer_at(left);
  const tw_node_peer *b = peer_at(right);
  const int order = memcmp(&a->key.fingerprint, &b->key.fingerprint, sizeof a->key.fingerprint);
  return order != 0 ? order : by_line(a->line, b->line);
}

static int by_certificate(const void *left, const void *right) {
  const tw_node_peer *a = peer_at(left);
  const tw_node_peer *b = peer_at(right);
  const int order = strcmp(a->certificate, b->certificate);
  return order != 0 ? order : by_line(a->line, b->line);
}

/* A certificate's name stands in for a name that is not given. */
static const char *name_of(const tw_node_peer *peer) { return peer->name != NULL ? peer->name : peer->certificate; }

static int by_name(const void *left, const void *right) {
  const tw_node_peer *a = peer_at(left);
  const tw_node_peer *b = peer_at(right);
  const int order = strcmp(name_of(a), name_of(b));
  return order != 0 ? order : by_line(a->line, b->line);
}

static bool has_key(const tw_node_peer *peer) { return peer->key.given; }
static bool has_certificate(const tw_node_peer *peer) { return peer->certificate != NULL; }
static bool has_name(const tw_node_peer *peer) { return name_of(peer) != NULL; }

typedef struct trait {
  const char *word;
  bool (*has)(const tw_node_peer *peer);
  int (*order)(const void *left, const void *right);
} trait;

static size_t put_in_order(const tw_node_config *config, const trait *by, peer_ref *order) {
  size_t count = 0;
  for (size_t i = 0; i < config->peer_count; i++)
    if (by->has(&config->peers[i])) order[count++].peer = &config->peers[i];
  if (count > 1) qsort(order, count, sizeof *order, by->order);
  return count;
}

static bool differ(const trait *by, const tw_node_peer *a, const tw_node_peer *b) {
  if (by->order == by_key) return memcmp(&a->key.fingerprint, &b->key.fingerprint, sizeof a->key.fingerprint) != 0;
  if (by->order == by_certificate) return strcmp(a->certificate, b->certificate) != 0;
  /* Two that have only the same certificate's name have been told of already. */
  return (a->name == NULL && b->name == NULL) || strcmp(name_of(a), name_of(b)) != 0;
}

static void check_peers_twice(tw_config_parse *parse, peer_ref *order) {
  static const trait traits[] = {
      {"PublicKey", has_key, by_key}, {"Certificate", has_certificate, by_certificate}, {"Name", has_name, by_name}};
  for (size_t k = 0; k < sizeof traits / sizeof traits[0]; k++) {
    const size_t count = put_in_order(parse->config, &traits[k], order);
    for (size_t i = 1; i < count; i++)
      if (!differ(&traits[k], order[i - 1].peer, order[i].peer))
        PROBLEM(parse, order[i].peer->line, "[Peer]: the same %s as the peer in line %zu", traits[k].word,
                order[i - 1].peer->line);
  }
}

static int by_prefix(const void *left, const void *right) {
  const tw_node_prefix *a = left;
  const tw_node_prefix *b = right;
  const int order = tw_prefix_compare(&a->prefix, &b->prefix);
  return order != 0 ? order : by_line(a->line, b->line);
}

/* Puts the list in order. */
static void check_prefixes(tw_config_parse *parse, tw_node_prefix *list, size_t count, const char *key) {
  if (count > 1) qsort(list, count, sizeof *list, by_prefix);
  for (size_t i = 1; i < count; i++) {
    char shown[TW_PREFIX_TEXT];
    if (tw_prefix_compare(&list[i - 1].prefix, &list[i].prefix) != 0) continue;
    tw_prefix_format(&list[i].prefix, shown);
    PROBLEM(parse, list[i].line, "%s: %s a second time; the first is in line %u", key, shown,
            (unsigned)list[i - 1].line);
  }
}

static void copy_prefixes(const tw_node_prefixes *from, bool hosts, tw_node_prefix *to) {
  for (size_t i = 0; i < from->count; i++) {
    to[i] = from->list[i];
    if (hosts) to[i].prefix = tw_prefix_host(&to[i].prefix);
  }
}

/* The last addresses of our subnets go to the network's group, not to a peer. */
static void check_broadcast(tw_config_parse *parse, const tw_node_prefix *allowed, size_t count) {
  const tw_node_prefixes *own = &parse->config->interface.addresses;
  if (!parse->config->multicast.broadcast || count == 0) return;
  for (size_t i = 0; i < own->count; i++) {
    const tw_prefix *subnet = &own->list[i].prefix;
    char shown[TW_PREFIX_TEXT];
    if (subnet->family != 4 || subnet->length > 30) continue;
    const tw_node_prefix wanted = {tw_prefix_last(subnet), 0};
    size_t low = 0;
    for (size_t high = count; low < high;) {
      const size_t middle = low + (high - low) / 2;
      if (tw_prefix_compare(&allowed[middle].prefix, &wanted.prefix) < 0)
        low = middle + 1;
      else
        high = middle;
    }
    if (low == count || tw_prefix_compare(&allowed[low].prefix, &wanted.prefix) != 0) continue;
    tw_prefix_format(subnet, shown);
    PROBLEM(parse, allowed[low].line, "AllowedIPs: the broadcast address of Address %s is no peer's", shown);
  }
}

static tw_err check_prefixes_twice(tw_config_parse *parse) {
  const tw_node_config *config = parse->config;
  const tw_node_prefixes *own = &config->interface.addresses;
  const tw_node_prefixes *groups = &config->multicast.groups;
  size_t room = 1;
  room = parse->prefixes > room ? parse->prefixes : room;
  room = own->count > room ? own->count : room;
  room = groups->count > room ? groups->count : room;
  tw_node_prefix *list = tw_alloc_array(config->alloc, room, sizeof *list);
  if (list == NULL) return TW_ERR_NO_MEMORY;
  copy_prefixes(own, true, list);
  check_prefixes(parse, list, own->count, "Address");
  copy_prefixes(groups, false, list);
  check_prefixes(parse, list, groups->count, "Groups");
  size_t count = 0;
  for (size_t i = 0; i < config->peer_count; i++) {
    copy_prefixes(&config->peers[i].allowed, false, list + count);
    count += config->peers[i].allowed.count;
  }
  check_prefixes(parse, list, count, "AllowedIPs");
  check_broadcast(parse, list, count);
  tw_alloc_free(config->alloc, list);
  return TW_OK;
}

/* ---- who the admins are ---- */

static size_t find_named(const tw_node_config *config, const peer_ref *order, size_t count, tw_bytes name) {
  size_t low = 0;
  for (size_t high = count; low < high;) {
    const size_t middle = low + (high - low) / 2;
    const char *text = name_of(order[middle].peer);
    const size_t len = strlen(text);
    int sign = memcmp(text, name.ptr, len < name.len ? len : name.len);
    if (sign == 0) sign = by_line(len, name.len);
    if (sign == 0) return (size_t)(order[middle].peer - config->peers);
    if (sign < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return TW_NODE_NONE;
}

static bool is_same_admin(const tw_node_admin *a, const tw_node_admin *b) {
  if (a->peer != TW_NODE_NONE || b->peer != TW_NODE_NONE) return a->peer == b->peer;
  return memcmp(&a->fingerprint, &b->fingerprint, sizeof a->fingerprint) == 0;
}

static size_t find_by_key(const tw_node_config *config, const tw_fingerprint *fingerprint) {
  for (size_t i = 0; i < config->peer_count; i++)
    if (config->peers[i].key.given && memcmp(&config->peers[i].key.fingerprint, fingerprint, sizeof *fingerprint) == 0)
      return i;
  return TW_NODE_NONE;
}

static tw_err take_admin(tw_config_parse *parse, const peer_ref *order, size_t count, const tw_config_admin *admin) {
  tw_node_network *network = &parse->config->network;
  tw_node_admin made = {.peer = TW_NODE_NONE};
  parse->line = admin->line;
  parse->key = "Admins";
  if (memchr(admin->text.ptr, ':', admin->text.len) != NULL) {
    tw_node_key key = {0};
    TW_TRY(tw_config_take_key(parse, admin->text, &key));
    if (!key.given) return TW_OK;
    made.fingerprint = key.fingerprint;
    made.peer = find_by_key(parse->config, &key.fingerprint);
  } else {
    made.peer = find_named(parse->config, order, count, admin->text);
    if (made.peer == TW_NODE_NONE) {
      TW_CONFIG_WRONG(parse, "no [Peer] has the Name '%.*s' (others, and this node, are named by key)",
                      (int)(admin->text.len < 60 ? admin->text.len : 60), (const char *)admin->text.ptr);
      return TW_OK;
    }
    if (parse->config->peers[made.peer].key.given) made.fingerprint = parse->config->peers[made.peer].key.fingerprint;
  }
  for (size_t i = 0; i < network->admin_count; i++)
    if (is_same_admin(&network->admins[i], &made)) {
      TW_CONFIG_WRONG(parse, "'%.*s' a second time", (int)(admin->text.len < 60 ? admin->text.len : 60),
                      (const char *)admin->text.ptr);
      return TW_OK;
    }
  network->admins[network->admin_count++] = made;
  return TW_OK;
}

static tw_err find_admins(tw_config_parse *parse, peer_ref *order) {
  static const trait by = {"Name", has_name, by_name};
  tw_node_network *network = &parse->config->network;
  if (parse->admin_count == 0) return TW_OK;
  network->admins = tw_alloc_array(parse->config->alloc, parse->admin_count, sizeof *network->admins);
  if (network->admins == NULL) return TW_ERR_NO_MEMORY;
  const size_t count = put_in_order(parse->config, &by, order);
  for (size_t i = 0; i < parse->admin_count; i++) TW_TRY(take_admin(parse, order, count, &parse->admins[i]));
  return TW_OK;
}

tw_err tw_config_check_twice(tw_config_parse *parse) {
  const size_t count = parse->config->peer_count;
  peer_ref *order = tw_alloc_array(parse->config->alloc, count == 0 ? 1 : count, sizeof *order);
  if (order == NULL) return TW_ERR_NO_MEMORY;
  check_peers_twice(parse, order);
  tw_err err = check_prefixes_twice(parse);
  if (err == TW_OK) err = find_admins(parse, order);
  tw_alloc_free(parse->config->alloc, order);
  return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/config.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "node/config_parts.h"
#include "node/config_value.h"

bool tw_node_name_is_valid(const char *name) {
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_=+.-";
  const size_t len = strlen(name);
  if (len == 0 || len > TW_NODE_NAME_MAX || strspn(name, allowed) != len) return false;
  return name[0] != '-' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

const char *tw_node_peer_label(const tw_node_peer *peer, char *out) {
  if (peer->name != NULL) return peer->name;
  if (peer->certificate != NULL) return peer->certificate;
  tw_fingerprint_format(&peer->key.fingerprint, out);
  return out;
}

/* ---- taking a file apart ---- */

tw_err tw_config_add_peer(tw_node_config *config, tw_node_peer **peer) {
  if (config->peer_count == TW_NODE_PEERS_MAX) return TW_ERR_LIMIT;
  if (config->peer_count == config->peer_room) {
    const size_t room = config->peer_room == 0 ? 8 : config->peer_room * 2;
    tw_node_peer *peers = tw_alloc_resize_array(config->alloc, config->peers, room, sizeof *peers);
    if (peers == NULL) return TW_ERR_NO_MEMORY;
    config->peers = peers;
    config->peer_room = room;
  }
  *peer = &config->peers[config->peer_count++];
  **peer = (tw_node_peer){0};
  return TW_OK;
}

static tw_err begin_peer(tw_config_parse *parse) {
  TW_TRY(tw_config_add_peer(parse->config, &parse->peer));
  parse->peer->line = parse->line;
  return TW_OK;
}

static tw_err take_item(tw_config_parse *parse, const tw_config_section *const *sections, const tw_ini_item *item) {
  parse->line = item->line;
  if (item->kind == TW_INI_SECTION) {
    parse->peer = NULL;
    return item->section == TW_CONFIG_PEER ? begin_peer(parse) : TW_OK;
  }
  const tw_config_section *section = sections[item->section];
  parse->key = section->ini.keys[item->key].name;
  return section->setters[item->key](parse, item->value);
}

static tw_err take_lines(tw_config_parse *parse, tw_ini *ini, const tw_config_section *const *sections) {
  for (;;) {
    tw_ini_item item;
    tw_report why = {""};
    if (tw_ini_next(ini, &item, &why) != TW_OK) {
      tw_problems_take(parse->problems, &why);
      continue;
    }
    if (item.kind == TW_INI_END) return TW_OK;
    const tw_err err = take_item(parse, sections, &item);
    if (err == TW_ERR_LIMIT) {
      tw_problems_add(parse->problems, parse->source, item.line, "more than %d [Peer]", TW_NODE_PEERS_MAX);
      return TW_OK;
    }
    TW_TRY(err);
  }
}

static tw_err take_defaults(tw_config_parse *parse, const char *name) {
  static const tw_prefix all4 = {.family = 4, .length = 4, .address = {224}};
  static const tw_prefix all6 = {.family = 6, .length = 8, .address = {0xff}};
  tw_node_config *config = parse->config;
  if (config->interface.state == NULL) {
    char path[32 + TW_NODE_NAME_MAX];
    const int len = snprintf(path, sizeof path, "/var/lib/treewire/%s", name);
    TW_TRY(tw_value_copy(config->alloc, TW_BYTES((const uint8_t *)path, len < 0 ? 0 : (size_t)len),
                         &config->interface.state));
  }
  if (parse->groups_given) return TW_OK;
  config->multicast.broadcast = true;
  parse->line = 0;
  TW_TRY(tw_config_add_prefix(parse, &all4, &config->multicast.groups));
  return tw_config_add_prefix(parse, &all6, &config->multicast.groups);
}

static tw_err take_file(tw_config_parse *parse, const char *name, tw_bytes text) {
  static const tw_config_section *const sections[TW_CONFIG_SECTIONS] = {
      [TW_CONFIG_INTERFACE] = &tw_config_interface_section, [TW_CONFIG_RELAY] = &tw_config_relay_section,
      [TW_CONFIG_NETWORK] = &tw_config_network_section,     [TW_CONFIG_PEER] = &tw_config_peer_section,
      [TW_CONFIG_MULTICAST] = &tw_config_multicast_section,
  };
  tw_ini_section schema[TW_CONFIG_SECTIONS];
  for (size_t i = 0; i < TW_CONFIG_SECTIONS; i++) schema[i] = sections[i]->ini;
  tw_ini ini = tw_ini_of(parse->source, text, schema, TW_CONFIG_SECTIONS);
  const size_t before = parse->problems->count;
  parse->section_lines = ini.section_lines;
  tw_err err = take_lines(parse, &ini, sections);
  if (err == TW_OK) err = take_defaults(parse, name);
  if (err == TW_OK && parse->problems->count == before) err = tw_config_check_whole(parse);
  if (err == TW_OK) err = tw_config_check_twice(parse);
  parse->section_lines = NULL;
  return err;
}

tw_err tw_node_config_survey(const tw_env *env, const char *name, const char *path, tw_bytes text,
                             tw_node_config *config, tw_problems *problems) {
  tw_node_config made = {
      .alloc = env->alloc,
      .interface = {.mtu = TW_NODE_MTU_DEFAULT, .listen_port = TW_NODE_PORT_DEFAULT},
      .network = {.suite = tw_suite_default(),
                  .rekey_after = TW_NODE_REKEY_AFTER_DEFAULT,
                  .rekey_bytes = TW_NODE_REKEY_BYTES_DEFAULT,
                  .rekey_packets = TW_NODE_REKEY_PACKETS_DEFAULT,
                  .grace = TW_NODE_GRACE_DEFAULT,
                  .keepalive = TW_NODE_KEEPALIVE_DEFAULT},
      .self = TW_NODE_NONE,
  };
  tw_config_parse parse = {.env = env, .source = path, .problems = problems, .config = &made};
  if (!tw_node_name_is_valid(name)) return TW_ERR_ARGUMENT;
  (void)snprintf(made.name, sizeof made.name, "%s", name);
  tw_err err = tw_value_copy(made.alloc, TW_BYTES((const uint8_t *)path, strlen(path)), &made.source);
  if (err == TW_OK && text.len > TW_NODE_CONFIG_MAX)
    tw_problems_add(problems, path, 0, "larger than %d bytes", TW_NODE_CONFIG_MAX);
  else if (err == TW_OK && tw_ini_is_utf16(text))
    tw_problems_add(problems, path, 0, "is written in UTF-16: save it as UTF-8");
  else if (err == TW_OK)
    err = take_file(&parse, name, text);
  tw_alloc_free(made.alloc, parse.admins);
  if (err != TW_OK) {
    tw_node_config_clear(&made);
    return err;
  }
  tw_node_config_clear(config);
  *config = made;
  return TW_OK;
}

tw_err tw_node_config_parse(const tw_env *env, const char *name, const char *path, tw_bytes text,
                            tw_node_config *config, tw_problems *problems) {
  tw_node_config made = {0};
  const size_t before = problems->count;
  TW_TRY(tw_node_config_survey(env, name, path, text, &made, problems));
  if (problems->count > before) {
    tw_node_config_clear(&made);
    return TW_ERR_ENCODING;
  }
  tw_node_config_clear(config);
  *config = made;
  return TW_OK;
}

/* ---- this node among the peers ---- */

static bool is_one_of(const char *name, const char *const *names, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(name, names[i]) == 0) return true;
  return false;
}

static void find_own_addresses(const tw_node_config *config, const tw_node_peer *peer, tw_problems *problems) {
  const tw_node_prefixes *own = &config->interface.addresses;
  for (size_t i = 0; i < peer->allowed.count; i++) {
    const tw_node_prefix *allowed = &peer->allowed.list[i];
    if (allowed->prefix.length != tw_prefix_bits(&allowed->prefix)) continue;
    for (size_t k = 0; k < own->count; k++) {
      const tw_prefix host = tw_prefix_host(&own->list[k].prefix);
      char shown[TW_PREFIX_TEXT];
      if (tw_prefix_compare(&host, &allowed->prefix) != 0) continue;
      tw_prefix_format(&host, shown);
      tw_problems_add(problems, config->source, allowed->line, "AllowedIPs: %s is our own Address", shown);
    }
  }
}

tw_err tw_node_config_settle(tw_node_config *config, const tw_fingerprint *own, const char *const *own_names,
                             size_t own_name_count, tw_problems *problems) {
  const size_t before = problems->count;
  config->self = TW_NODE_NONE;
  for (size_t i = 0; i < config->peer_count; i++) {
    const tw_node_peer *peer = &config->peers[i];
    const bool mine = (peer->key.given && memcmp(&peer->key.fingerprint, own, sizeof *own) == 0) ||
                      (peer->certificate != NULL && is_one_of(peer->certificate, own_names, own_name_count));
    if (!mine)
      find_own_addresses(config, peer, problems);
    else if (config->self == TW_NODE_NONE)
      config->self = i;
    else
      tw_problems_add(problems, config->source, peer->line,
                      "this node is [Peer] a second time; the first is in line %zu", config->peers[config->self].line);
  }
  return problems->count == before ? TW_OK : TW_ERR_ENCODING;
}

/* ---- the end ---- */

void tw_node_peer_clear(const tw_alloc *alloc, tw_node_peer *peer) {
  tw_alloc_free(alloc, peer->name);
  tw_alloc_free(alloc, peer->certificate);
  tw_alloc_free(alloc, peer->allowed.list);
  tw_alloc_free(alloc, peer->endpoint.host);
  *peer = (tw_node_peer){0};
}

void tw_node_config_clear(tw_node_config *config) {
  const tw_alloc *alloc = config->alloc;
  tw_node_interface *interface = &config->interface;
  char *const strings[] = {
      config->source,   interface->identity,         interface->certificate, interface->certificate_key, interface->ca,
      interface->state, config->relay.endpoint.host, config->relay.name,     config->network.group};
  for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) tw_alloc_free(alloc, strings[i]);
  for (size_t i = 0; i < interface->crl_count; i++) tw_alloc_free(alloc, interface->crls[i]);
  for (size_t i = 0; i < config->peer_count; i++) tw_node_peer_clear(alloc, &config->peers[i]);
  tw_alloc_free(alloc, config->peers);
  tw_alloc_free(alloc, interface->addresses.list);
  tw_alloc_free(alloc, config->multicast.groups.list);
  tw_alloc_free(alloc, config->network.admins);
  tw_alloc_free(alloc, config->network.lists_after);
  for (size_t i = 0; i < config->network.admit_count; i++) tw_alloc_free(alloc, config->network.admit[i]);
  tw_alloc_free(alloc, config->network.admit);
  *config = (tw_node_config){.self = TW_NODE_NONE};
}

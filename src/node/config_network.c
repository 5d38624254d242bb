/* [Relay], [Network], [Multicast]. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "node/config_parts.h"
#include "node/config_value.h"
#include "x509/x509.h"

enum {
  SHOWN = 60,
  REKEY_AFTER_MOST = 30 * 86400, /* seconds */
  GRACE_MOST = 3600,
  KEEPALIVE_MOST = 65535
};
#define REKEY_BYTES_LEAST (UINT64_C(1) << 16)
#define REKEY_BYTES_MOST (UINT64_C(1) << 40)
#define REKEY_PACKETS_LEAST UINT64_C(1000)
#define REKEY_PACKETS_MOST (UINT64_C(1) << 32)

static int shown(tw_bytes text) { return text.len < SHOWN ? (int)text.len : SHOWN; }
static const char *words(tw_bytes text) { return text.len == 0 ? "" : (const char *)text.ptr; }

/* ---- [Relay] ---- */

static tw_err set_endpoint(tw_config_parse *parse, tw_bytes value) {
  return tw_config_take_endpoint(parse, value, &parse->config->relay.endpoint);
}

static tw_err set_public_key(tw_config_parse *parse, tw_bytes value) {
  return tw_config_take_key(parse, value, &parse->config->relay.key);
}

static tw_err set_name(tw_config_parse *parse, tw_bytes value) {
  return tw_config_take_certificate_name(parse, value, &parse->config->relay.name);
}

static const tw_ini_key relay_keys[] = {
    {"Endpoint", TW_INI_ONCE, NULL}, {"PublicKey", TW_INI_ONCE, NULL}, {"Name", TW_INI_ONCE, NULL}};
static const tw_config_setter relay_setters[] = {set_endpoint, set_public_key, set_name};
const tw_config_section tw_config_relay_section = {
    {"Relay", false, relay_keys, sizeof relay_keys / sizeof relay_keys[0]}, relay_setters};

/* ---- [Network] ---- */

static tw_err set_group(tw_config_parse *parse, tw_bytes value) {
  if (value.len > TW_NODE_GROUP_MAX) {
    TW_CONFIG_WRONG(parse, "a name of %zu bytes; %d are the most", value.len, TW_NODE_GROUP_MAX);
    return TW_OK;
  }
  return tw_value_copy(parse->config->alloc, value, &parse->config->network.group);
}

static tw_err set_suite(tw_config_parse *parse, tw_bytes value) {
  char name[80];
  const tw_suite *suite = NULL;
  if (value.len < sizeof name) {
    memcpy(name, value.ptr, value.len);
    name[value.len] = '\0';
    suite = tw_suite_by_name(name);
  }
  if (suite == NULL)
    TW_CONFIG_WRONG(parse, "'%.*s' is not known; `treewire suites` lists them", shown(value), words(value));
  else
    parse->config->network.suite = suite;
  return TW_OK;
}

static tw_err set_rekey_after(tw_config_parse *parse, tw_bytes value) {
  uint64_t *seconds = &parse->config->network.rekey_after;
  if (!tw_value_seconds(value, REKEY_AFTER_MOST, seconds))
    TW_CONFIG_WRONG(parse, "'%.*s' is not a time up to 30d (90, 90s, 30m, 2h, 1d; off)", shown(value), words(value));
  return TW_OK;
}

/* An amount from `least` to `most`, or 0. */
static void take_amount(tw_config_parse *parse, tw_bytes value, uint64_t least, uint64_t most, uint64_t *out) {
  char from[TW_VALUE_UNITS_TEXT];
  char to[TW_VALUE_UNITS_TEXT];
  uint64_t amount = 0;
  if (tw_value_amount(value, most, &amount) && (amount == 0 || amount >= least)) {
    *out = amount;
    return;
  }
  tw_value_format_amount(least, from);
  tw_value_format_amount(most, to);
  TW_CONFIG_WRONG(parse, "'%.*s' is not a number from %s to %s (K, M, G, T may follow; off)", shown(value),
                  words(value), from, to);
}

static tw_err set_rekey_bytes(tw_config_parse *parse, tw_bytes value) {
  take_amount(parse, value, REKEY_BYTES_LEAST, REKEY_BYTES_MOST, &parse->config->network.rekey_bytes);
  return TW_OK;
}

static tw_err set_rekey_packets(tw_config_parse *parse, tw_bytes value) {
  take_amount(parse, value, REKEY_PACKETS_LEAST, REKEY_PACKETS_MOST, &parse->config->network.rekey_packets);
  return TW_OK;
}

static tw_err set_grace(tw_config_parse *parse, tw_bytes value) {
  uint64_t seconds = 0;
  if (tw_value_seconds(value, GRACE_MOST, &seconds) && seconds > 0)
    parse->config->network.grace = (uint32_t)seconds;
  else
    TW_CONFIG_WRONG(parse, "'%.*s' is not a time from 1 s to 1h", shown(value), words(value));
  return TW_OK;
}

static tw_err set_keepalive(tw_config_parse *parse, tw_bytes value) {
  uint64_t seconds = 0;
  if (tw_value_seconds(value, KEEPALIVE_MOST, &seconds))
    parse->config->network.keepalive = (uint32_t)seconds;
  else
    TW_CONFIG_WRONG(parse, "'%.*s' is not a time up to 65535 s, or off", shown(value), words(value));
  return TW_OK;
}

static tw_err set_sign(tw_config_parse *parse, tw_bytes value) {
  if (!tw_value_flag(value, &parse->config->network.sign))
    TW_CONFIG_WRONG(parse, "'%.*s' is neither yes nor no", shown(value), words(value));
  return TW_OK;
}

static tw_err add_admin(tw_config_parse *parse, tw_bytes text) {
  if (parse->admin_count == parse->admin_room) {
    const size_t room = parse->admin_room == 0 ? 8 : parse->admin_room * 2;
    tw_config_admin *admins = tw_alloc_resize_array(parse->config->alloc, parse->admins, room, sizeof *admins);
    if (admins == NULL) return TW_ERR_NO_MEMORY;
    parse->admins = admins;
    parse->admin_room = room;
  }
  parse->admins[parse->admin_count++] = (tw_config_admin){text, parse->line};
  return TW_OK;
}

static tw_err set_admins(tw_config_parse *parse, tw_bytes value) {
  tw_bytes item;
  if (value.len == 0) return TW_OK;
  while (tw_value_next(&value, &item)) {
    if (item.len == 0)
      TW_CONFIG_WRONG(parse, "%s", "an empty item in the list");
    else if (parse->admin_count == TW_NODE_ADMINS_MAX)
      TW_CONFIG_WRONG(parse, "more than %d", TW_NODE_ADMINS_MAX);
    else
      TW_TRY(add_admin(parse, item));
  }
  return TW_OK;
}

/* KEY VERSION */
static tw_err add_list_after(tw_config_parse *parse, tw_bytes value) {
  tw_node_network *network = &parse->config->network;
  tw_node_key key = {0};
  uint64_t version = 0;
  size_t number = value.len;
  while (number > 0 && value.ptr[number - 1] != ' ') number--;
  size_t end = number; /* of the key */
  while (end > 0 && value.ptr[end - 1] == ' ') end--;
  if (end == 0 || !tw_value_number(TW_BYTES(value.ptr + number, value.len - number), 0, UINT64_MAX, &version)) {
    TW_CONFIG_WRONG(parse, "'%.*s' is not an admin's public key or fingerprint, a blank, and a version", shown(value),
                    words(value));
    return TW_OK;
  }
  TW_TRY(tw_config_take_key(parse, TW_BYTES(value.ptr, end), &key));
  if (!key.given) return TW_OK;
  if (network->lists_after_count == TW_NODE_ADMINS_MAX) {
    TW_CONFIG_WRONG(parse, "more than %d", TW_NODE_ADMINS_MAX);
    return TW_OK;
  }
  const size_t count = network->lists_after_count;
  if ((count & (count - 1)) == 0) { /* full: there is room for powers of 2 */
    tw_node_list_after *list = tw_alloc_resize_array(parse->config->alloc, network->lists_after,
                                                     count == 0 ? 1 : 2 * count, sizeof *list);
    if (list == NULL) return TW_ERR_NO_MEMORY;
    network->lists_after = list;
  }
  network->lists_after[network->lists_after_count++] = (tw_node_list_after){key.fingerprint, version};
  return TW_OK;
}

static tw_err set_members(tw_config_parse *parse, tw_bytes value) {
  parse->config->network.certified = tw_value_is(value, "certified");
  if (!parse->config->network.certified && !tw_value_is(value, "listed"))
    TW_CONFIG_WRONG(parse, "'%.*s' is neither listed nor certified", shown(value), words(value));
  return TW_OK;
}

static tw_err add_admitted(tw_config_parse *parse, tw_bytes item) {
  tw_node_network *network = &parse->config->network;
  const tw_alloc *alloc = parse->config->alloc;
  char text[TW_X509_NAME];
  char name[TW_X509_NAME];
  tw_report why = {"too long for a name"};
  const bool fits = item.len < sizeof text;
  if (fits && item.len > 0) memcpy(text, item.ptr, item.len);
  text[fits ? item.len : 0] = '\0';
  if (!fits || tw_x509_name_parse(text, TW_X509_NAME_GIVEN, name, &why) != TW_OK) {
    TW_CONFIG_WRONG(parse, "%s", why.text);
    return TW_OK;
  }
  if (tw_x509_name_is_address(name) || network->admit_count == TW_NODE_ADMIT_MAX) {
    TW_CONFIG_WRONG(parse, "'%s' %s", name, tw_x509_name_is_address(name) ? "is an address" : "is one too many");
    return TW_OK;
  }
  if (network->admit == NULL) network->admit = tw_alloc_array(alloc, TW_NODE_ADMIT_MAX, sizeof *network->admit);
  if (network->admit == NULL) return TW_ERR_NO_MEMORY;
  TW_TRY(tw_value_copy(alloc, TW_BYTES((const uint8_t *)name, strlen(name)), &network->admit[network->admit_count]));
  network->admit_count++;
  return TW_OK;
}

static tw_err set_admit(tw_config_parse *parse, tw_bytes value) {
  tw_bytes item;
  while (tw_value_next(&value, &item)) TW_TRY(add_admitted(parse, item));
  return TW_OK;
}

static const tw_ini_key network_keys[] = {
    {"Group", TW_INI_ONCE, NULL},
    {"Suite", TW_INI_ONCE, NULL},
    {"RekeyAfter", TW_INI_ONCE, NULL},
    {"RekeyBytes", TW_INI_ONCE, NULL},
    {"RekeyPackets", TW_INI_ONCE, NULL},
    {"Grace", TW_INI_ONCE, NULL},
    {"Keepalive", TW_INI_ONCE, NULL},
    {"Sign", TW_INI_ONCE, NULL},
    {"Admins", TW_INI_MANY | TW_INI_EMPTY, NULL},
    {"Members", TW_INI_ONCE, NULL},
    {"Admit", TW_INI_MANY, NULL},
    {"ListsAfter", TW_INI_MANY, NULL},
};
static const tw_config_setter network_setters[] = {set_group,         set_suite,   set_rekey_after, set_rekey_bytes,
                                                   set_rekey_packets, set_grace,   set_keepalive,   set_sign,
                                                   set_admins,        set_members, set_admit,       add_list_after};
const tw_config_section tw_config_network_section = {
    {"Network", false, network_keys, sizeof network_keys / sizeof network_keys[0]}, network_setters};

/* ---- [Multicast] ---- */

static tw_err add_group(tw_config_parse *parse, tw_bytes item) {
  static const tw_prefix all4 = {.family = 4, .length = 4, .address = {224}};
  static const tw_prefix all6 = {.family = 6, .length = 8, .address = {0xff}};
  tw_node_multicast *multicast = &parse->config->multicast;
  tw_prefix group;
  const char *why = NULL;
  if (tw_value_is(item, "broadcast")) {
    multicast->broadcast = true;
    return TW_OK;
  }
  if (!tw_prefix_parse(item, &group))
    why = "is neither a multicast address or prefix nor 'broadcast'";
  else if (!tw_prefix_contains(&all4, &group) && !tw_prefix_contains(&all6, &group))
    why = "is not multicast (224.0.0.0/4, ff00::/8)";
  else if (multicast->groups.count == TW_NODE_PREFIXES_MAX)
    why = "is one too many";
  if (why != NULL) {
    TW_CONFIG_WRONG(parse, "'%.*s' %s", shown(item), words(item), why);
    return TW_OK;
  }
  const tw_prefix network = tw_prefix_network(&group);
  if (tw_prefix_compare(&network, &group) == 0) return tw_config_add_prefix(parse, &group, &multicast->groups);
  char right[TW_PREFIX_TEXT];
  tw_prefix_format(&network, right);
  TW_CONFIG_WRONG(parse, "'%.*s' has bits behind its prefix; %s is the prefix", shown(item), words(item), right);
  return TW_OK;
}

static tw_err set_groups(tw_config_parse *parse, tw_bytes value) {
  tw_bytes item;
  parse->groups_given = true;
  if (value.len == 0) return TW_OK;
  while (tw_value_next(&value, &item)) TW_TRY(add_group(parse, item));
  return TW_OK;
}

static const tw_ini_key multicast_keys[] = {{"Groups", TW_INI_MANY | TW_INI_EMPTY, NULL}};
static const tw_config_setter multicast_setters[] = {set_groups};
const tw_config_section tw_config_multicast_section = {
    {"Multicast", false, multicast_keys, sizeof multicast_keys / sizeof multicast_keys[0]}, multicast_setters};

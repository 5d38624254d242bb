/* [Peer]. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "node/config_parts.h"
#include "node/config_value.h"

enum { SHOWN = 60 };

static int shown(tw_bytes text) { return text.len < SHOWN ? (int)text.len : SHOWN; }
static const char *words(tw_bytes text) { return text.len == 0 ? "" : (const char *)text.ptr; }

static tw_err set_name(tw_config_parse *parse, tw_bytes value) {
  if (tw_value_is_peer_name(value)) return tw_value_copy(parse->config->alloc, value, &parse->peer->name);
  TW_CONFIG_WRONG(parse, "'%.*s' is not a name: at most %d bytes, letters, digits, and behind the first '.', '_', '-'",
                  shown(value), words(value), TW_NODE_PEER_NAME_MAX);
  return TW_OK;
}

static tw_err set_public_key(tw_config_parse *parse, tw_bytes value) {
  return tw_config_take_key(parse, value, &parse->peer->key);
}

static tw_err set_certificate(tw_config_parse *parse, tw_bytes value) {
  return tw_config_take_certificate_name(parse, value, &parse->peer->certificate);
}

static tw_err set_endpoint(tw_config_parse *parse, tw_bytes value) {
  return tw_config_take_endpoint(parse, value, &parse->peer->endpoint);
}

static tw_err add_allowed(tw_config_parse *parse, tw_bytes item) {
  static const tw_prefix multicast4 = {.family = 4, .length = 4, .address = {224}};
  static const tw_prefix multicast6 = {.family = 6, .length = 8, .address = {0xff}};
  tw_prefix allowed;
  const char *why = NULL;
  if (!tw_prefix_parse(item, &allowed))
    why = "is not an IP address or prefix (10.7.0.0/24)";
  else if (tw_prefix_contains(&multicast4, &allowed) || tw_prefix_contains(&multicast6, &allowed))
    why = "is multicast; those go to [Multicast] Groups";
  else if (parse->prefixes == TW_NODE_PREFIXES_MAX)
    why = "is one too many";
  if (why != NULL) {
    TW_CONFIG_WRONG(parse, "'%.*s' %s", shown(item), words(item), why);
    return TW_OK;
  }
  const tw_prefix network = tw_prefix_network(&allowed);
  if (tw_prefix_compare(&network, &allowed) == 0) {
    parse->prefixes++;
    return tw_config_add_prefix(parse, &allowed, &parse->peer->allowed);
  }
  char right[TW_PREFIX_TEXT];
  tw_prefix_format(&network, right);
  TW_CONFIG_WRONG(parse, "'%.*s' has bits behind its prefix; %s is the prefix", shown(item), words(item), right);
  return TW_OK;
}

static tw_err set_allowed_ips(tw_config_parse *parse, tw_bytes value) {
  tw_bytes item;
  if (value.len == 0) return TW_OK;
  while (tw_value_next(&value, &item)) TW_TRY(add_allowed(parse, item));
  return TW_OK;
}

static const tw_ini_key keys[] = {
    {"Name", TW_INI_ONCE, NULL},
    {"PublicKey", TW_INI_ONCE, NULL},
    {"Certificate", TW_INI_ONCE, NULL},
    {"AllowedIPs", TW_INI_MANY | TW_INI_EMPTY, NULL},
    {"Endpoint", TW_INI_ONCE, NULL},
    /* Of wg-quick's. */
    {"PresharedKey", TW_INI_ONCE, "members agree on all secrets by MLS"},
    {"PersistentKeepalive", TW_INI_ONCE, "it is Keepalive in [Network]"},
};
static const tw_config_setter setters[] = {set_name, set_public_key, set_certificate, set_allowed_ips, set_endpoint};
const tw_config_section tw_config_peer_section = {{"Peer", true, keys, sizeof keys / sizeof keys[0]}, setters};

/* [Interface]. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "node/config_parts.h"
#include "node/config_value.h"

enum { SHOWN = 60, TABLE_MAIN = 254 };

static int shown(tw_bytes text) { return text.len < SHOWN ? (int)text.len : SHOWN; }
static const char *words(tw_bytes text) { return text.len == 0 ? "" : (const char *)text.ptr; }

static tw_err set_address(tw_config_parse *parse, tw_bytes value) {
  tw_node_prefixes *addresses = &parse->config->interface.addresses;
  tw_bytes item;
  while (tw_value_next(&value, &item)) {
    tw_prefix address;
    const bool good = tw_prefix_parse(item, &address);
    const char *why = good ? tw_value_unfit_address(&address)
                           : "is not an IP address with the length of its prefix (10.7.0.1/24)";
    if (why == NULL && addresses->count == TW_NODE_PREFIXES_MAX) why = "is one too many";
    if (why != NULL)
      TW_CONFIG_WRONG(parse, "'%.*s' %s", shown(item), words(item), why);
    else
      TW_TRY(tw_config_add_prefix(parse, &address, addresses));
  }
  return TW_OK;
}

/* Relative to the folder that the file is in. */
static tw_err take_path(tw_config_parse *parse, tw_bytes value, char **path) {
  char joined[2 * TW_NODE_PATH_MAX + 2];
  const char *slash = strrchr(parse->source, '/');
  size_t folder = value.ptr[0] == '/' || slash == NULL ? 0 : (size_t)(slash - parse->source) + 1;
  if (folder > TW_NODE_PATH_MAX || value.len > TW_NODE_PATH_MAX) {
    TW_CONFIG_WRONG(parse, "a path has at most %d bytes", TW_NODE_PATH_MAX);
    return TW_OK;
  }
  memcpy(joined, parse->source, folder);
  memcpy(joined + folder, value.ptr, value.len);
  return tw_value_copy(parse->config->alloc, TW_BYTES((const uint8_t *)joined, folder + value.len), path);
}

static tw_err set_identity(tw_config_parse *parse, tw_bytes value) {
  return take_path(parse, value, &parse->config->interface.identity);
}

static tw_err set_certificate(tw_config_parse *parse, tw_bytes value) {
  return take_path(parse, value, &parse->config->interface.certificate);
}

static tw_err set_certificate_key(tw_config_parse *parse, tw_bytes value) {
  return take_path(parse, value, &parse->config->interface.certificate_key);
}

static tw_err set_ca(tw_config_parse *parse, tw_bytes value) {
  return take_path(parse, value, &parse->config->interface.ca);
}

static tw_err set_crl(tw_config_parse *parse, tw_bytes value) {
  tw_node_interface *interface = &parse->config->interface;
  if (interface->crl_count == TW_NODE_CRLS_MAX) {
    TW_CONFIG_WRONG(parse, "more than %d", TW_NODE_CRLS_MAX);
    return TW_OK;
  }
  TW_TRY(take_path(parse, value, &interface->crls[interface->crl_count]));
  if (interface->crls[interface->crl_count] != NULL) interface->crl_count++;
  return TW_OK;
}

static tw_err set_state(tw_config_parse *parse, tw_bytes value) {
  return take_path(parse, value, &parse->config->interface.state);
}

static tw_err set_mtu(tw_config_parse *parse, tw_bytes value) {
  uint64_t number = 0;
  if (tw_config_take_number(parse, value, TW_NODE_MTU_MIN, TW_NODE_MTU_MAX, &number))
    parse->config->interface.mtu = (uint32_t)number;
  return TW_OK;
}

static tw_err set_listen_port(tw_config_parse *parse, tw_bytes value) {
  uint64_t number = 0;
  if (tw_config_take_number(parse, value, 0, UINT16_MAX, &number))
    parse->config->interface.listen_port = (uint16_t)number;
  return TW_OK;
}

static tw_err set_packet_threads(tw_config_parse *parse, tw_bytes value) {
  uint64_t number = 0;
  if (tw_value_is(value, "auto"))
    parse->config->interface.packet_threads = 0;
  else if (tw_value_number(value, 1, TW_NODE_PACKET_THREADS_MAX, &number))
    parse->config->interface.packet_threads = (uint16_t)number;
  else
    TW_CONFIG_WRONG(parse, "'%.*s' is neither auto nor a number from 1 to %d", shown(value), words(value),
                    TW_NODE_PACKET_THREADS_MAX);
  return TW_OK;
}

static tw_err set_table(tw_config_parse *parse, tw_bytes value) {
  tw_node_interface *interface = &parse->config->interface;
  uint64_t number = 0;
  if (tw_value_is(value, "auto") || tw_value_is(value, "off")) {
    interface->routing = tw_value_is(value, "off") ? TW_NODE_ROUTES_OFF : TW_NODE_ROUTES_AUTO;
    interface->table = 0;
  } else if (tw_value_is(value, "main") || tw_value_number(value, 1, UINT32_MAX, &number)) {
    interface->routing = TW_NODE_ROUTES_TABLE;
    interface->table = number == 0 ? TABLE_MAIN : (uint32_t)number;
  } else {
    TW_CONFIG_WRONG(parse, "'%.*s' is none of auto, off, main, or a table's number from 1 to %u", shown(value),
                    words(value), UINT32_MAX);
  }
  return TW_OK;
}

static tw_err set_metric(tw_config_parse *parse, tw_bytes value) {
  uint64_t number = 0;
  if (tw_config_take_number(parse, value, 0, UINT32_MAX, &number)) parse->config->interface.metric = (uint32_t)number;
  return TW_OK;
}

#define NO_HOOKS "commands are not run; let units of systemd do it, After=treewire@NAME.service"
static const tw_ini_key keys[] = {
    {"Address", TW_INI_MANY, NULL},
    {"Identity", TW_INI_ONCE, NULL},
    {"Certificate", TW_INI_ONCE, NULL},
    {"CertificateKey", TW_INI_ONCE, NULL},
    {"CA", TW_INI_ONCE, NULL},
    {"CRL", TW_INI_MANY, NULL},
    {"MTU", TW_INI_ONCE, NULL},
    {"ListenPort", TW_INI_ONCE, NULL},
    {"PacketThreads", TW_INI_ONCE, NULL},
    {"State", TW_INI_ONCE, NULL},
    {"Table", TW_INI_ONCE, NULL},
    {"Metric", TW_INI_ONCE, NULL},
    /* Of wg-quick's. */
    {"PrivateKey", TW_INI_ONCE, "the key is in a file of its own, which Identity names"},
    {"DNS", TW_INI_ONCE, "name servers are left as they are"},
    {"FwMark", TW_INI_ONCE, "marks are left to Table"},
    {"SaveConfig", TW_INI_ONCE, "the file is never written"},
    {"PreUp", TW_INI_MANY, NO_HOOKS},
    {"PostUp", TW_INI_MANY, NO_HOOKS},
    {"PreDown", TW_INI_MANY, NO_HOOKS},
    {"PostDown", TW_INI_MANY, NO_HOOKS},
};
static const tw_config_setter setters[] = {set_address, set_identity, set_certificate, set_certificate_key, set_ca,
                                           set_crl,     set_mtu,      set_listen_port, set_packet_threads,  set_state,
                                           set_table,   set_metric};
const tw_config_section tw_config_interface_section = {{"Interface", false, keys, sizeof keys / sizeof keys[0]},
                                                       setters};

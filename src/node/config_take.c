/* Kinds of values that several sections have. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "net/address.h"
#include "node/config_parts.h"
#include "node/config_value.h"
#include "x509/x509.h"

/* As a string; false where it is longer than `size` allows. */
static bool to_string(tw_bytes value, char *out, size_t size) {
  if (value.len >= size) return false;
  if (value.len > 0) memcpy(out, value.ptr, value.len);
  out[value.len] = '\0';
  return true;
}

tw_err tw_config_take_key(tw_config_parse *parse, tw_bytes value, tw_node_key *key) {
  tw_report why = {"out of memory"};
  tw_node_key taken = {.given = true};
  const tw_err err = tw_peer_key_parse(parse->env, value, &taken.suite, &taken.fingerprint, &why);
  if (err == TW_ERR_NO_MEMORY) return err;
  if (err == TW_OK)
    *key = taken;
  else
    TW_CONFIG_WRONG(parse, "%s", why.text);
  return TW_OK;
}

tw_err tw_config_take_endpoint(tw_config_parse *parse, tw_bytes value, tw_node_endpoint *endpoint) {
  char text[TW_ADDRESS_TEXT + 1];
  tw_address address;
  tw_report why = {""};
  if (!to_string(value, text, sizeof text)) {
    TW_CONFIG_WRONG(parse, "%s", "too long for an address");
    return TW_OK;
  }
  if (tw_address_parse(text, TW_ADDRESS_REMOTE, TW_NODE_PORT_DEFAULT, &address, &why) != TW_OK) {
    TW_CONFIG_WRONG(parse, "%s", why.text);
    return TW_OK;
  }
  TW_TRY(tw_value_copy(parse->config->alloc, TW_BYTES((const uint8_t *)address.host, strlen(address.host)),
                       &endpoint->host));
  endpoint->port = address.port;
  return TW_OK;
}

tw_err tw_config_take_certificate_name(tw_config_parse *parse, tw_bytes value, char **name) {
  char text[TW_X509_NAME + 2]; /* an address may have brackets */
  char parsed[TW_X509_NAME];
  tw_report why = {""};
  if (!to_string(value, text, sizeof text)) {
    TW_CONFIG_WRONG(parse, "%s", "too long for a name");
    return TW_OK;
  }
  if (tw_x509_name_parse(text, TW_X509_NAME_ASKED, parsed, &why) != TW_OK) {
    TW_CONFIG_WRONG(parse, "%s", why.text);
    return TW_OK;
  }
  return tw_value_copy(parse->config->alloc, TW_BYTES((const uint8_t *)parsed, strlen(parsed)), name);
}

tw_err tw_config_add_prefix(tw_config_parse *parse, const tw_prefix *prefix, tw_node_prefixes *prefixes) {
  if (prefixes->count == prefixes->room) {
    const size_t room = prefixes->room == 0 ? 2 : prefixes->room * 2;
    tw_node_prefix *list = tw_alloc_resize_array(parse->config->alloc, prefixes->list, room, sizeof *list);
    if (list == NULL) return TW_ERR_NO_MEMORY;
    prefixes->list = list;
    prefixes->room = room;
  }
  prefixes->list[prefixes->count++] = (tw_node_prefix){*prefix, (uint32_t)parse->line};
  return TW_OK;
}

bool tw_config_take_number(tw_config_parse *parse, tw_bytes value, uint64_t min, uint64_t max, uint64_t *number) {
  if (tw_value_number(value, min, max, number)) return true;
  TW_CONFIG_WRONG(parse, "'%.*s' is not a number from %llu to %llu", (int)(value.len < 40 ? value.len : 40),
                  (const char *)value.ptr, (unsigned long long)min, (unsigned long long)max);
  return false;
}

/* Inside of node/config: how a file is taken apart. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_CONFIG_PARTS_H
#define TW_NODE_CONFIG_PARTS_H

#include "node/config.h"
#include "node/ini.h"

/** An admin as it is written; found among the peers once all are known. Borrowed from the text. */
typedef struct tw_config_admin {
  tw_bytes text;
  size_t line;
} tw_config_admin;

typedef struct tw_config_parse {
  const tw_env *env;
  const char *source;
  tw_problems *problems;
  tw_node_config *config;
  tw_node_peer *peer; /* whose section we are in */
  size_t line;
  const char *key;
  size_t prefixes;             /* AllowedIPs so far */
  const size_t *section_lines; /* by section, 0: not in the file */
  bool groups_given;
  tw_config_admin *admins;
  size_t admin_count;
  size_t admin_room;
} tw_config_parse;

/** A problem of the value in this line; its words begin with the key. */
#define TW_CONFIG_WRONG(parse_, format_, ...)                                                                          \
  tw_problems_add((parse_)->problems, (parse_)->source, (parse_)->line, "%s: " format_, (parse_)->key, __VA_ARGS__)

/** Take a value: a bad one is a problem and TW_OK. TW_ERR_NO_MEMORY. */
typedef tw_err (*tw_config_setter)(tw_config_parse *parse, tw_bytes value);

typedef struct tw_config_section {
  tw_ini_section ini;
  const tw_config_setter *setters; /* of those keys that are no mistake: they come first */
} tw_config_section;

enum {
  TW_CONFIG_INTERFACE,
  TW_CONFIG_RELAY,
  TW_CONFIG_NETWORK,
  TW_CONFIG_PEER,
  TW_CONFIG_MULTICAST,
  TW_CONFIG_SECTIONS
};
extern const tw_config_section tw_config_interface_section;
extern const tw_config_section tw_config_relay_section;
extern const tw_config_section tw_config_network_section;
extern const tw_config_section tw_config_peer_section;
extern const tw_config_section tw_config_multicast_section;

/* Kinds of values that several sections have. As tw_config_setter. */
TW_MUST_USE tw_err tw_config_take_key(tw_config_parse *parse, tw_bytes value, tw_node_key *key);
TW_MUST_USE tw_err tw_config_take_endpoint(tw_config_parse *parse, tw_bytes value, tw_node_endpoint *endpoint);
TW_MUST_USE tw_err tw_config_take_certificate_name(tw_config_parse *parse, tw_bytes value, char **name);
TW_MUST_USE tw_err tw_config_add_prefix(tw_config_parse *parse, const tw_prefix *prefix, tw_node_prefixes *prefixes);
/** A number in the range, as "… from … to …" says otherwise. */
bool tw_config_take_number(tw_config_parse *parse, tw_bytes value, uint64_t min, uint64_t max, uint64_t *number);

/** An empty one more, borrowed until the next. TW_ERR_LIMIT, TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_config_add_peer(tw_node_config *config, tw_node_peer **peer);

/** What is missing or does not fit together; only of a file whose lines are all good. */
TW_MUST_USE tw_err tw_config_check_whole(tw_config_parse *parse);
/** Who or what is there twice, and who the admins are. */
TW_MUST_USE tw_err tw_config_check_twice(tw_config_parse *parse);

#endif

/* What changed between two configurations: for `sync`. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_CONFIG_DIFF_H
#define TW_NODE_CONFIG_DIFF_H

#include "node/config.h"

/** Settings outside [Peer], as bits. Those of TW_SETTINGS_AT_START take effect when the node is started anew, as does
 * what TW_SETTING_IDENTITY stands for, where it is another key. */
typedef enum tw_setting {
  TW_SETTING_ADDRESS = 1 << 0,
  TW_SETTING_IDENTITY = 1 << 1, /* also Certificate, CertificateKey: the paths; what the files hold is not looked at */
  TW_SETTING_TRUST = 1 << 2,    /* CA, CRL: likewise */
  TW_SETTING_MTU = 1 << 3,
  TW_SETTING_LISTEN_PORT = 1 << 4,
  TW_SETTING_STATE = 1 << 5,
  TW_SETTING_ROUTING = 1 << 6, /* Table, Metric */
  TW_SETTING_RELAY = 1 << 7,
  TW_SETTING_GROUP = 1 << 8,
  TW_SETTING_SUITE = 1 << 9,
  TW_SETTING_REKEY = 1 << 10, /* RekeyAfter, RekeyBytes, RekeyPackets, Grace */
  TW_SETTING_KEEPALIVE = 1 << 11,
  TW_SETTING_SIGN = 1 << 12,
  TW_SETTING_ADMINS = 1 << 13, /* also ListsAfter */
  TW_SETTING_MULTICAST = 1 << 14,
  TW_SETTING_MEMBERS = 1 << 15, /* Members, Admit */
  TW_SETTING_PACKET_THREADS = 1 << 16,
} tw_setting;

enum {
  TW_SETTING_COUNT = 17,
  TW_SETTINGS_AT_START = TW_SETTING_MTU | TW_SETTING_LISTEN_PORT | TW_SETTING_STATE | TW_SETTING_GROUP |
                         TW_SETTING_SUITE | TW_SETTING_PACKET_THREADS
};

/** What is different about a peer that stayed. */
enum { TW_PEER_CHANGED_NAME = 1, TW_PEER_CHANGED_ALLOWED = 2, TW_PEER_CHANGED_ENDPOINT = 4 };

typedef struct tw_peer_change {
  size_t before;    /* index in the old configuration; TW_NODE_NONE: it came */
  size_t after;     /* in the new one; TW_NODE_NONE: it went */
  unsigned changed; /* TW_PEER_CHANGED_…; 0 for those that came or went */
} tw_peer_change;

/** Zero-initialised is the empty one: nothing changed. */
typedef struct tw_config_diff {
  const tw_alloc *alloc;
  unsigned settings;     /* of tw_setting */
  tw_peer_change *peers; /* only those that changed, ordered by key, then by certificate */
  size_t peer_count;
  size_t came;
  size_t went;
} tw_config_diff;

/**
 * From `before` to `after`. A peer is the same one when its key, or its certificate's name, is: where that changes, one
 * went and another came. The order of peers and lists does not matter. This node (config->self) is no peer. On success
 * `*diff` is replaced; TW_ERR_NO_MEMORY leaves it as it was.
 */
TW_MUST_USE tw_err tw_config_diff_make(const tw_alloc *alloc, const tw_node_config *before, const tw_node_config *after,
                                       tw_config_diff *diff);
/** The keys of the file that a setting stands for, as "Table, Metric"; static. */
const char *tw_setting_name(tw_setting setting);
/** Those of several, as "MTU, State"; cut to fit. */
void tw_setting_names(unsigned settings, char *out, size_t size);
void tw_config_diff_clear(tw_config_diff *diff);

#endif

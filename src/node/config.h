/* What a node is to do: /etc/treewire/NAME.conf. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_CONFIG_H
#define TW_NODE_CONFIG_H

#include <treewire/env.h>

#include "keys/key_text.h"
#include "node/prefix.h"
#include "node/problems.h"

/* The keys of the file are in docs/treewire.conf.5, with what they default to. */
enum {
  TW_NODE_NAME_MAX = 15,                 /* bytes of an interface's name (IFNAMSIZ - 1) */
  TW_NODE_CONFIG_MAX = 64 * 1024 * 1024, /* bytes of the file */
  TW_NODE_PEERS_MAX = 65536,
  TW_NODE_PREFIXES_MAX = 1 << 20, /* AllowedIPs of all peers; addresses and groups have the same limit each */
  TW_NODE_ADMINS_MAX = 4096,
  TW_NODE_CRLS_MAX = 16,
  TW_NODE_ADMIT_MAX = 256,
  TW_NODE_GROUP_MAX = 255,    /* bytes of the network's name */
  TW_NODE_PEER_NAME_MAX = 63, /* bytes */
  TW_NODE_PATH_MAX = 4095,

  TW_NODE_PORT_DEFAULT = 9420, /* of the relay, of peers, and of our own UDP socket */
  TW_NODE_MTU_MIN = 1280,      /* RFC 8200 section 5 */
  TW_NODE_MTU_MAX = 65520,
  /* 1500 less IPv6 (40), UDP (8), the relay's header (12), ESP's header, trailer and ICV (8 + 2 + 3 + 16), rounded */
  TW_NODE_MTU_DEFAULT = 1400,
  TW_NODE_REKEY_AFTER_DEFAULT = 3600, /* seconds */
  TW_NODE_GRACE_DEFAULT = 60,         /* seconds */
  TW_NODE_PACKET_THREADS_MAX = 16,
  TW_NODE_PACKET_THREADS_AUTO = 4, /* at most, where the number is not given */
  TW_NODE_KEEPALIVE_DEFAULT = 25,  /* seconds: NATs forget UDP after 30 and more */
};
#define TW_NODE_REKEY_BYTES_DEFAULT (UINT64_C(64) << 30)
#define TW_NODE_REKEY_PACKETS_DEFAULT (UINT64_C(1) << 30)
#define TW_NODE_NONE SIZE_MAX /* no index */

/** A prefix and the line that it stands in. */
typedef struct tw_node_prefix {
  tw_prefix prefix;
  uint32_t line;
} tw_node_prefix;

typedef struct tw_node_prefixes {
  tw_node_prefix *list;
  size_t count;
  size_t room;
} tw_node_prefixes;

/** A public key or a fingerprint; `suite` is NULL for the latter. */
typedef struct tw_node_key {
  bool given;
  tw_fingerprint fingerprint;
  const tw_suite *suite;
} tw_node_key;

/** Where somebody is to be reached: a name or an address as tw_address has it, not resolved. host NULL: nowhere. */
typedef struct tw_node_endpoint {
  char *host;
  uint16_t port;
} tw_node_endpoint;

/** Who has told of a peer. The numbers are in the store. */
typedef enum tw_node_origin {
  TW_NODE_FROM_FILE = 0,
  TW_NODE_FROM_CERTIFICATE = 1, /* learned while the node runs: see node/learned.h */
  TW_NODE_FROM_ENROLMENT = 2,
  TW_NODE_FROM_LAST = TW_NODE_FROM_ENROLMENT
} tw_node_origin;

/** Known by its key or by its certificate's name: in the file by one of the two; a learned one may have both. */
typedef struct tw_node_peer {
  tw_node_origin origin;
  char *name; /* NULL: has none */
  tw_node_key key;
  char *certificate; /* as tw_x509_name_parse gives it, or NULL */
  tw_node_prefixes allowed;
  tw_node_endpoint endpoint;
  size_t line; /* of its [Peer]; 0: it has none */
} tw_node_peer;

/** A peer, or (peer TW_NODE_NONE) somebody by key: this node itself, for instance. */
typedef struct tw_node_admin {
  size_t peer;
  tw_fingerprint fingerprint;
} tw_node_admin;

/** Of the lists that an admin signs (node/enrol.h) none counts up to this version. */
typedef struct tw_node_list_after {
  tw_fingerprint admin;
  uint64_t version;
} tw_node_list_after;

typedef enum tw_node_routing {
  TW_NODE_ROUTES_AUTO = 0, /* to the main table; a default route as wg-quick does it */
  TW_NODE_ROUTES_OFF = 1,
  TW_NODE_ROUTES_TABLE = 2
} tw_node_routing;

/** [Interface]. Paths are absolute, or relative to the working directory when the file's own was. NULL: not given. */
typedef struct tw_node_interface {
  tw_node_prefixes addresses; /* our own: host bits are the address, the length is that of the subnet */
  char *identity;             /* this one, */
  char *certificate;          /* or these two */
  char *certificate_key;
  char *ca;
  char *crls[TW_NODE_CRLS_MAX];
  size_t crl_count;
  uint32_t mtu;
  uint16_t listen_port;    /* UDP; 0: any free one */
  uint16_t packet_threads; /* 0: as many as there are processors, TW_NODE_PACKET_THREADS_AUTO at most */
  char *state;
  tw_node_routing routing;
  uint32_t table; /* for TW_NODE_ROUTES_TABLE */
  uint32_t metric;
} tw_node_interface;

/** [Relay]. It is known by its key, by its certificate's name, or has to have both. */
typedef struct tw_node_relay {
  tw_node_endpoint endpoint;
  tw_node_key key;
  char *name; /* as tw_x509_name_parse gives it, or NULL */
} tw_node_relay;

/** [Network]. */
typedef struct tw_node_network {
  char *group;
  const tw_suite *suite;
  uint64_t rekey_after;   /* seconds; 0: not by time */
  uint64_t rekey_bytes;   /* 0: by the cipher's own limits alone */
  uint64_t rekey_packets; /* likewise */
  uint32_t grace;         /* seconds that old keys stay for receiving */
  uint32_t keepalive;     /* seconds; 0: none */
  bool sign;              /* multicast */
  tw_node_admin *admins;  /* none: every member is one */
  size_t admin_count;
  tw_node_list_after *lists_after; /* of whoever, also the same twice: the greatest counts */
  size_t lists_after_count;
  bool certified; /* Members: also whoever has a certificate of our CA for a name that is admitted */
  char **admit;   /* such names, as tw_x509_name_parse gives them, "*." at their begin included; none: all */
  size_t admit_count;
} tw_node_network;

/** [Multicast]. */
typedef struct tw_node_multicast {
  tw_node_prefixes groups; /* in 224.0.0.0/4 and ff00::/8 */
  bool broadcast;          /* 255.255.255.255 and the last addresses of our IPv4 subnets */
} tw_node_multicast;

/** The whole file. Owns its memory; zero-initialised is empty. */
typedef struct tw_node_config {
  const tw_alloc *alloc;
  char *source; /* the file's path, for words */
  char name[TW_NODE_NAME_MAX + 1];
  tw_node_interface interface;
  tw_node_relay relay;
  tw_node_network network;
  tw_node_multicast multicast;
  tw_node_peer *peers; /* as they stand in the file; learned ones behind them */
  size_t peer_count;
  size_t peer_room;
  size_t self; /* which of them is this node (tw_node_config_settle); TW_NODE_NONE: none, or not known yet */
} tw_node_config;

/** Whether `name` can be an interface's and a file's: 1 … 15 of letters, digits, "_=+.-"; neither "." nor "..". */
bool tw_node_name_is_valid(const char *name);

/**
 * Parse the file `path` of the node `name` (valid as above). On success `*config` is replaced. TW_ERR_ENCODING: the
 * file has problems, of which problems->first is one and all were told; TW_ERR_NO_MEMORY; `*config` is then as before.
 */
TW_MUST_USE tw_err tw_node_config_parse(const tw_env *env, const char *name, const char *path, tw_bytes text,
                                        tw_node_config *config, tw_problems *problems);
/**
 * The same for those who look for further problems: success also with problems (problems->count grows), and `*config`
 * has what could be read, with defaults and NULL in place of the rest. Not for running a node.
 */
TW_MUST_USE tw_err tw_node_config_survey(const tw_env *env, const char *name, const char *path, tw_bytes text,
                                         tw_node_config *config, tw_problems *problems);
/**
 * Once our own key is known: find this node among the peers (config->self), where it may stand, so that nodes can
 * share one list. It is then neither a peer nor routed to. `own_names` are those of our certificate (`own_name_count`
 * may be 0). Problems: another peer's AllowedIPs are exactly one of our own addresses; TW_ERR_ENCODING then.
 */
TW_MUST_USE tw_err tw_node_config_settle(tw_node_config *config, const tw_fingerprint *own,
                                         const char *const *own_names, size_t own_name_count, tw_problems *problems);
/**
 * One more peer than the file has, copied; after tw_node_config_settle, whose `own` it is. The file wins, then who was
 * there before: who is this node, or is there by key already, is passed over; a name, or prefixes that are another's,
 * our own or broadcast, are left out. Where a [Peer] has the certificate's name and no key, it gets the key and stays
 * as it is otherwise. `told` gets a word on each thing that is not as wanted. TW_ERR_NO_MEMORY leaves `*config` as it
 * was.
 */
TW_MUST_USE tw_err tw_node_config_append_peer(tw_node_config *config, const tw_fingerprint *own,
                                              const tw_node_peer *peer, tw_problems *told);
/** A deep copy; `*to` is empty before, and after an error. TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_node_peer_copy(const tw_alloc *alloc, const tw_node_peer *from, tw_node_peer *to);
/** May be called twice. */
void tw_node_peer_clear(const tw_alloc *alloc, tw_node_peer *peer);
/** What to call a peer: its name, its certificate's, or its fingerprint, for which `out` has TW_FINGERPRINT_TEXT. */
const char *tw_node_peer_label(const tw_node_peer *peer, char *out);
/** May be called twice. */
void tw_node_config_clear(tw_node_config *config);

#endif

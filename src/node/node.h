/* A node of a private network: everything between its configuration, the relay, UDP and the device. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_NODE_H
#define TW_NODE_NODE_H

#include <uv.h>

#include "net/tun.h"
#include "net/udp.h"
#include "node/certified.h"
#include "node/config.h"
#include "node/enrol.h"
#include "node/kept.h"
#include "node/learned.h"
#include "node/network.h"
#include "node/pairs.h"
#include "node/plane.h"

typedef struct tw_node tw_node;

/** What is worth a line to people. */
typedef enum tw_node_level { TW_NODE_ERROR = 1, TW_NODE_NOTE = 2, TW_NODE_DETAIL = 3 } tw_node_level;

/** Borrowed as long as the node is, with all that it points to; copied itself. */
typedef struct tw_node_setup {
  const tw_env *env;
  uv_loop_t *loop;
  const tw_node_config *config; /* settled (tw_node_config_settle) */
  tw_signer *signer;
  tw_credential credential;
  tw_fingerprint self;
  tw_certified certified; /* whose certificates are good */
  tw_store *store;
  tw_learned *learned; /* of that store; the configuration has them already */
  tw_udp *udp;         /* open, with `tos`; used by threads of the node's (packet_threads.h) alone, as long as it is */
  tw_tun *tun;         /* open and up; likewise */
  unsigned threads;    /* for packets: as many sockets, at one address, and queues there are; 0 is 1 */
  const tw_node_kept *kept; /* of a node before (tw_node_keep); NULL: nothing. Only until tw_node_start returns */
  bool anew; /* keys were lost that peers go on with (tw_node_claim_state): pairs are made with all at once */
  /** One line without its end. */
  void (*tell)(void *ctx, tw_node_level level, const char *line);
  /** The relay is there, its packets come through, and the network's group has us; or one of these is so no more. */
  void (*ready)(void *ctx, bool is);
  /**
   * `learned` has changed: the configuration is to be made anew, and the node with it (tw_node_close, tw_node_start),
   * but not before this has returned. Until then the node goes on with the one that it has.
   */
  void (*relearn)(void *ctx);
  /** The device or the socket is of no use any more, as was told: the node is to be ended, once this has returned. */
  void (*broke)(void *ctx);
  /** After tw_node_close: it is gone. */
  void (*freed)(void *ctx);
  void *ctx;
} tw_node_setup;

/**
 * Takes up what the store has and begins to work. Of peers without a key the certificate is waited for.
 * TW_ERR_UNSUPPORTED with a report (Sign); TW_ERR_ENCODING (the store's values), TW_ERR_NO_MEMORY, TW_ERR_STATE.
 */
TW_MUST_USE tw_err tw_node_start(const tw_node_setup *setup, tw_node **node, tw_report *report);
/** Ends it in good order: nothing of the setup is used any more when `freed` is called. NULL is fine. */
void tw_node_close(tw_node *node);

/**
 * What the next node is to go on with, in the place of what `kept` has: to be asked for before tw_node_close. Nothing,
 * where the clock was set meanwhile, or memory is short.
 */
void tw_node_keep(tw_node *node, tw_node_kept *kept);

/** Keys with a peer (index in the configuration; UINT32_MAX: all, and the network's) are renewed now. */
void tw_node_rekey(tw_node *node, uint32_t peer);
/**
 * A peer is cut off: its pair ends now, and its removal from the network's group goes out. So it is with one whom
 * another member has removed. It stays so, over restarts, until a configuration does not list it any more.
 */
void tw_node_remove(tw_node *node, uint32_t peer);

/** Whether this node may add to the network's group and remove from it: it is one of its Admins, or there are none. */
bool tw_node_is_admin(tw_node *node);

/** Invitations, and the lists of enrolled nodes; of it tw_enrol_invite, tw_enrol_look, tw_enrol_next, tw_enrol_withdraw
 * and tw_enrol_version may be called. */
tw_enrol *tw_node_enrol(const tw_node *node);

/* ---- how it stands ---- */

typedef struct tw_node_status {
  bool relay_up;          /* the control connection */
  const char *relay_why;  /* why it does not stand; "": it does, or no try has ended. Borrowed from the node */
  uint64_t twin_ms;       /* when the relay has said last that another machine has our key; 0: not lately */
  tw_udp_address twin;    /* where that is; family 0: not known */
  bool relay_bound;       /* packets for us reach us by the relay */
  tw_udp_address seen_at; /* where the relay sees us; family 0: not known */
  uint64_t mail_read;     /* number of the last mailbox entry */
  bool signs;             /* what goes to all, and takes nothing else */
  const char *aes_gcm;    /* of packets: tw_env_aes_gcm */
  tw_network_status network;
  const tw_plane_drops *drops;
} tw_node_status;
/** Of packets, what tw_node_get_peer_status says is as of the last call of this. */
void tw_node_get_status(tw_node *node, tw_node_status *status);

typedef struct tw_node_peer_status {
  bool removed;
  bool is_member; /* of the network's group */
  bool can_sign;  /* there is a packet key in its leaf */
  tw_pairs_status pair;
  const tw_plane_peer *plane;
  size_t receiving_sas;
  const char *last_words; /* what was told of the peer last; "" nothing */
} tw_node_peer_status;
/** False: no such peer, or ourselves. Borrowed until the next call. */
bool tw_node_get_peer_status(const tw_node *node, uint32_t peer, tw_node_peer_status *status);

#endif

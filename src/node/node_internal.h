/* The inside of a node. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_NODE_INTERNAL_H
#define TW_NODE_NODE_INTERNAL_H

#include "net/control_client.h"
#include "net/watch.h"
#include "node/certified.h"
#include "node/enrol.h"
#include "node/keepalive.h"
#include "node/lost.h"
#include "node/node.h"
#include "node/packet_threads.h"
#include "node/peer_map.h"

enum { TW_NODE_LAST_WORDS = 160, TW_NODE_WHY = 320, TW_NODE_IDLE_MS = 5000, TW_NODE_FETCH = 64 };
/* Tags of the node's own requests; pairs have 1 and the network 2 in the top byte. */
#define TW_NODE_TAG (UINT64_C(3) << 56)

typedef enum tw_node_ask { TW_NODE_ASK_FETCH = 1, TW_NODE_ASK_LOCATE = 2, TW_NODE_ASK_BIND = 3 } tw_node_ask;

/* A request that waits for its answer. */
typedef struct tw_node_question {
  tw_node *node;
  uint64_t tag;
  uint32_t generation; /* of the connection */
} tw_node_question;

typedef struct tw_node_peer_state {
  bool is_peer; /* not ourselves */
  bool removed;
  bool to_cut_off; /* somebody has removed it */
  tw_client_id id;
  uint64_t look_up_ms; /* when its Endpoint is looked up next */
  char last_words[TW_NODE_LAST_WORDS];
} tw_node_peer_state;

/* What the plane was told last. */
typedef struct tw_node_told {
  uint32_t group_number;
  uint64_t sas_added;
  size_t tail_len;
  uint8_t tail[TW_PROBE_TAIL];
} tw_node_told;

struct tw_node {
  tw_node_setup setup;
  tw_client client; /* with our policy: for pairs and the network */
  const tw_client *clients[1];
  tw_client network_client; /* the same, but whom it wants the network says itself */
  tw_client relay_client;   /* the same, but who may be at the other end is the relay */
  const tw_client *relay_clients[1];
  tw_channel_options channel_options;
  tw_channel_config channel;
  tw_routes routes;
  tw_node_port port;
  tw_sas *sas;
  tw_pairs *pairs;
  tw_network *network;
  bool network_changed; /* and `enrol` has not been told */
  bool follows;         /* the network's group, when it was told last */
  tw_enrol *enrol;
  tw_env packet_env;          /* with a provider of its own, which packets use */
  tw_packet_threads *packets; /* with the planes */
  tw_node_told told;
  tw_plane_drops seen_drops; /* of the planes, when they were looked at last */
  uint64_t seen_echoes;      /* likewise */
  tw_plane_peer *seen;       /* likewise */
  tw_control_client *control;
  tw_node_peer_state *peers; /* as in the configuration */
  uint32_t peer_count;
  tw_peer_map numbers;        /* of those who are peers, removed ones included */
  tw_learned_peer own;        /* what our certificate says; zero: nothing, or we have none */
  tw_learned_peer *newcomers; /* found to be peers by their certificates: not in the configuration yet */
  size_t newcomer_count;
  size_t newcomers_kept; /* of these, as many are in the store */
  uint64_t keep_at_ms;   /* the others could not be kept: again */
  bool look_at_members;
  bool enrolled;         /* somebody was learned from an admin's list, and `network` has not been told */
  bool clock_is_off;     /* by more than we go on with */
  bool relearning;       /* a new configuration was asked for, and with it this node's end */
  uint64_t refused_ms;   /* when it was told last that somebody is not let in */
  uint64_t review_at_ms; /* when learned peers are looked at again */

  uint64_t wall_offset_ms;
  uv_timer_t timer;
  uint64_t lively_until_ms;
  uv_getaddrinfo_t resolving; /* a peer's Endpoint */
  bool is_resolving;
  uint32_t resolving_peer;
  unsigned open_handles; /* that have to be closed before it is gone */
  bool closing;

  uint64_t cursor;       /* of the mailbox: all up to it has been taken */
  uint64_t saved_cursor; /* the same, on the disk */
  tw_err disk_err;       /* what the last save, or a load since then, has come to, as its users were told */
  tw_report disk_why;
  uint64_t reading; /* the entry that is being taken; 0: none */
  bool fetching;
  bool mail_waits;
  tw_lost lost; /* the mailbox, as the relay says */
  uint32_t generation;
  bool up;
  char relay_why[TW_NODE_WHY]; /* why it is not reached; "": it is, or no try has ended */
  tw_udp_address twin;         /* of another machine with our key, as the relay has said last; family 0: not told */
  uint64_t twin_ms;            /* when it has said so; 0: never */

  tw_udp_address relay_address; /* where the control connection has found it */
  tw_udp_address source;        /* where we send to it from; family 0: not known, or there is no way */
  uint64_t look_ms;             /* when to look for that again */
  bool has_binding;
  uint64_t session;
  uint8_t token[TW_CONTROL_TOKEN];
  tw_keepalive keepalive;
  uint64_t greet_at_ms; /* without a control connection: the relay may still be there for packets */
  tw_udp_address seen_at;
  bool looked;         /* for ways, since our address has changed, of which seen_at does not tell yet */
  uint64_t located_ms; /* when it was asked last where peers are */
  bool ready;
};

uint64_t tw_node_now(const tw_node *node);
void tw_node_tell(const tw_node *node, tw_node_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What a peer is called. */
const char *tw_node_name_of(const tw_node *node, uint32_t peer, char *room);
/* Whether there is a peer at this place that was not removed. */
static inline bool tw_node_has_peer(const tw_node *node, uint32_t peer) {
  return peer < node->peer_count && node->peers[peer].is_peer && !node->peers[peer].removed;
}
/* UINT32_MAX: none of our peers, or one that was removed. */
uint32_t tw_node_find_peer(const tw_node *node, const tw_client_id *id);
/* As the configuration has them. TW_ERR_NO_MEMORY; tw_node_clear_peers in any case. */
TW_MUST_USE tw_err tw_node_set_peers(tw_node *node);
void tw_node_clear_peers(tw_node *node);
/* Something happened that may have brought keys, or a new deadline. */
void tw_node_after(tw_node *node);
/* There may be a new deadline. */
void tw_node_time(tw_node *node);
/* Packets pass: ways are looked after four times a second for a while, else once; from the next tw_node_time on. */
void tw_node_stir(tw_node *node);
bool tw_node_is_lively(const tw_node *node);

/* ---- node_packets.c: between the node and its planes ---- */

/* The first of all. TW_ERR_NO_MEMORY, TW_ERR_UNSUPPORTED. */
TW_MUST_USE tw_err tw_node_make_packet_env(tw_node *node);
/* TW_ERR_NO_MEMORY; tw_node_free_packets in any case. */
TW_MUST_USE tw_err tw_node_make_packets(tw_node *node);
void tw_node_free_packets(tw_node *node);
/* For the SAs: tw_sas_config.between and ready. */
void tw_node_between(void *ctx, void (*act)(void *arg), void *arg);
void tw_node_keys_ready(void *ctx, uint32_t owner, bool nudge);
/* `seen` and `seen_drops` are as it is now. */
void tw_node_look_at_packets(tw_node *node);
/* kept.c: ways and counts of `setup.kept`, before the planes' threads begin. */
void tw_node_take_over(tw_node *node);
/* The session and its token to the relay. */
void tw_node_bind_packets(tw_node *node);
/* A packet to the relay. */
void tw_node_keep_alive(tw_node *node);
/* Ways that were found may lead nowhere from here. */
void tw_node_reset_paths(tw_node *node);

/* Where a peer may be found. */
typedef struct tw_node_whereabouts {
  uint32_t peer;
  tw_path_source source;
  uint32_t relay_number;  /* from the relay: as in tw_path */
  bool online;            /* likewise */
  tw_udp_address address; /* family 0: not known */
} tw_node_whereabouts;
void tw_node_note_whereabouts(tw_node *node, const tw_node_whereabouts *list, size_t count);

/* Nothing of a peer's is taken for its own any more. */
void tw_node_mark_removed(tw_node *node, uint32_t peer);
void tw_node_forget_packets_of(tw_node *node, uint32_t peer);
/* What it is to know, where that has changed: the number, what probes tell, whether there are keys that packets waited
 * for. */
void tw_node_tell_plane(tw_node *node, uint32_t group_number);

/* ---- node_port.c: what engines ask ---- */

void tw_node_port_init(tw_node *node);
/* The mailbox has been read up to the cursor, though nothing of it changed anything. */
TW_MUST_USE tw_err tw_node_save_cursor(tw_node *node);
/* That a peer was removed. */
TW_MUST_USE tw_err tw_node_save_removed(tw_node *node, uint32_t peer);
/* What the store has, to the engines. */
TW_MUST_USE tw_err tw_node_load(tw_node *node, tw_report *report);

/* ---- node_members.c: who is good, and who is learned to be ---- */

/*
 * The Authentication Service of the network's group. Members are known by their keys; which of them are wanted the
 * network sees to itself, epoch by epoch: one who is to go may renew its keys before it is gone. Who is not known is
 * looked at here, and may be wanted from then on by its certificate.
 */
TW_MUST_USE tw_err tw_node_judge_member(void *ctx, const tw_credential_use *use);
/* The same of pairs, where nobody is who is not wanted. */
TW_MUST_USE tw_err tw_node_judge_peer(void *ctx, const tw_credential_use *use);
/* The same of the control connection, where nobody but the relay may be. */
TW_MUST_USE tw_err tw_node_judge_relay(void *ctx, const tw_credential_use *use);
tw_network_roster tw_node_roster(tw_node *node);
/* Kept (tw_learned_put, of which the errors are and which is told), and the configuration is made anew soon. */
TW_MUST_USE tw_err tw_node_learn(tw_node *node, const tw_learned_peer *peer, const tw_fingerprint *instead_of);
/* Likewise. */
TW_MUST_USE tw_err tw_node_unlearn(tw_node *node, const tw_fingerprint *key);
/* What has come of judging since the last time; and members of the network's group by their certificates. */
void tw_node_learn_members(tw_node *node);
/* Whether a message is to wait until the configuration has its sender. */
bool tw_node_is_newcomer(const tw_node *node, const tw_client_id *id);
/* TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_node_look_at_own(tw_node *node);
void tw_node_members_clear(tw_node *node);
/* All is to be taken up anew, with what has been learned: by another node in this one's place. */
void tw_node_relearn(tw_node *node);
/* Certificates end. */
void tw_node_members_tick(tw_node *node, uint64_t now_ms);

/* ---- node_enrol.c ---- */

TW_MUST_USE tw_err tw_node_make_enrol(tw_node *node);

/* ---- node_relay.c: the control connection ---- */

TW_MUST_USE tw_err tw_node_relay_start(tw_node *node, tw_report *report);
/* As tw_node_status.twin_ms. */
uint64_t tw_node_twin_ms(const tw_node *node);
void tw_node_fetch(tw_node *node);
void tw_node_relay_tick(tw_node *node, uint64_t now_ms);
void tw_node_answered(tw_node *node, uint64_t tag, const tw_control_answer *answer);

/* ---- node_endpoints.c: where peers are by the configuration ---- */

void tw_node_endpoints_tick(tw_node *node, uint64_t now_ms);
/* All are looked up again. */
void tw_node_endpoints_renew(tw_node *node);

#endif

/* Many nodes in one process, and the program as their relay. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_NODE_MANY_H
#define TW_TESTS_NODE_MANY_H

#include "tw_cmocka.h"

#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "net/control_client.h"
#include "node/network.h"
#include "node/pairs.h"
#include "support/tw_test_env.h"

/*
 *   this process, one loop                                 another one
 *   node 0: pairs, network ── control connection ──┐
 *   node 1: pairs, network ── control connection ──┼── TCP ── treewire relay --state DIR
 *   …                                              ┘
 *
 * A node is the engines and what src/node/node.c has around them, but for device, packets and disk: values are kept in
 * memory, and of keys a secret is noted that tells them apart.
 */

/* ---- the relay ---- */

typedef struct many_relay {
  char dir[64];
  pid_t pid;
  uint16_t port;
} many_relay;

/** What it has used so far. */
typedef struct many_use {
  size_t resident; /* bytes */
  double seconds;  /* of processor time */
  size_t written;  /* bytes given to the disk */
} many_use;

/** Skips the test where the program is not built. */
void many_relay_start(many_relay *relay, const char *suite);
many_use many_relay_use(const many_relay *relay);
/** In good order; what it kept goes. */
void many_relay_stop(many_relay *relay);

/* ---- nodes ---- */

typedef struct many_value {
  tw_store_kind kind;
  tw_buf id;
  tw_buf bytes;
} many_value;

/* By a secret of the exporter: what one side sends under and the other takes. */
typedef struct many_key {
  uint8_t secret[16];
  uint32_t peer;
  uint64_t stamp;
  bool opened;
  uint64_t until_ms; /* given up then; 0: not yet */
} many_key;

typedef struct many_world many_world;

typedef struct many_node {
  many_world *world;
  uint32_t index;
  tw_client client;       /* of pairs and the network */
  tw_client relay_client; /* of the control connection */
  const tw_client *clients[1];
  const tw_client *relay_clients[1];
  tw_channel_config channel;
  tw_client_id id;
  tw_node_port port;
  tw_node_keys sink;
  tw_pairs *pairs; /* with the network, NULL: it does not run */
  tw_network *network;
  tw_control_client *control;
  size_t closing; /* connections that are not gone yet */

  uint32_t *roster; /* indices of those whom it wants */
  uint32_t roster_count;
  bool *unwanted; /* by index */
  uint32_t *to_cut_off;
  uint32_t to_cut_off_count;

  many_value *values; /* what outlives it */
  size_t value_count;
  uint64_t saved_cursor;

  uint64_t cursor, reading;
  bool fetching, mail_waits, up;
  uint32_t generation;

  many_key *keys;
  size_t key_count;
  many_key *sending; /* one a peer that there is any for */
  size_t sending_count;
  uint64_t last_stamp;

  uint64_t sent, received; /* bytes on the wire, of connections before this one */
  uint64_t busy;           /* requests that the relay had no time for */
} many_node;

struct many_world {
  tw_test_env test;
  uv_loop_t loop;
  uv_timer_t timer;
  uint64_t turns; /* of the timer */
  uint64_t wall_offset_ms;
  uint64_t dice;
  many_relay relay;
  tw_channel_options options;
  many_node *nodes;
  uint32_t count;
  uint32_t *by_id; /* indices, in ascending order of ids */
  bool tells;
};

enum { MANY_NETWORK = 0xffffffff }; /* whose keys: the network's */
#define MANY_SUITE "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"

uint64_t many_now(const many_world *world);
uint32_t many_roll(many_world *world, uint32_t n);
/** With a relay of its own; nobody runs. */
void many_begin(many_world *world, uint32_t count, uint64_t seed);
void many_end(many_world *world);
/** Runs the loop for so long, or until `done` says so; false: it never did. */
bool many_run(many_world *world, uint64_t ms, bool (*done)(many_world *world));

/** From what it has kept. */
void many_node_start(many_node *node);
/** As if killed. */
void many_node_stop(many_node *node);
void many_node_lose_values(many_node *node);
/** It is set up without that one. */
void many_unwant(many_node *node, uint32_t index);
/** It removes `other` from the network, and wants it no more. */
void many_node_remove(many_node *node, const many_node *other);
/** A packet from one node to another; false: there are no keys for it yet, or it would not be understood. */
bool many_packet(many_node *from, many_node *to);
/** Bytes to and from the relay so far. */
void many_node_traffic(const many_node *node, uint64_t *sent, uint64_t *received);

#endif

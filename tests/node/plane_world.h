/* Nodes with packet paths, real sockets and keys, and what the paths ask and tell. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_PLANE_WORLD_H
#define TW_TESTS_PLANE_WORLD_H

#include "tw_cmocka.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/reader.h"
#include "codec/writer.h"
#include "esp/keys.h"
#include "keys/key_text.h"
#include "node/plane.h"
#include "packet/ip.h"
#include "packet/offload.h"
#include "support/packet_kit.h"
#include "support/tw_test_member.h"

/*
 *   device 0 ── plane 0 ─┬─ UDP on loopback ─┬─ plane 1 ── device 1
 *   device 2 ── plane 2 ─┘         └ relay ──┘
 *
 * A device is one end of a socket pair: what the test writes to the other one comes from the kernel, and what it reads
 * there went to it. Node n has the inner addresses that end in n + 1, and is peer n of the others.
 */
enum { NODES = 3, EVENTS_MAX = 4096, VALUES_MAX = 64, KIT_MTU = 1400, KIT_GROUP = 77, KIT_ROOM = 10 + PACKET_ROOM };
#define KIT_SESSION(n) (UINT64_C(0x1122334455667700) + (n))

typedef struct kit_value {
  bool used;
  tw_store_kind kind;
  tw_buf id;
  tw_buf bytes;
} kit_value;

typedef struct kit_events {
  uint32_t want[NODES];
  uint32_t opened; /* how often, and the last one's */
  uint32_t opened_owner;
  uint64_t opened_stamp;
  uint32_t rekey[NODES + 1]; /* the last one: of the network */
  uint32_t numbers;
  uint32_t moved[NODES];
  uint32_t stirred[NODES];
  uint32_t told[NODES];
  uint8_t tail[TW_PROBE_TAIL];
  size_t tail_len;
} kit_events;

typedef struct kit_node {
  uint32_t index;
  tw_test_member network;
  tw_test_member pairs[NODES];
  tw_client_id id; /* by the key in the network's group */
  bool sign;
  tw_buf leaf_extensions; /* of the network's group */
  tw_secret packet_key;
  tw_node_port port;
  kit_value values[VALUES_MAX];
  bool disk_fails;
  uint32_t saves;
  tw_sas *sas;
  tw_routes routes;
  tw_udp udp;
  tw_udp_address address;
  tw_tun tun;
  int device; /* the test's end */
  tw_plane *plane;
  kit_events events;
  void (*on_opened)(struct kit_node *node);
  void (*on_rekey)(struct kit_node *node);
  void (*on_want)(struct kit_node *node);
} kit_node;

typedef struct kit_packet {
  tw_offload header;
  uint8_t bytes[PACKET_ROOM];
  size_t len;
} kit_packet;

static struct kit_world {
  tw_test_env test;
  kit_node nodes[NODES];
  uint64_t now;
  tw_udp relay;
  tw_udp_address relay_address;
  tw_udp_intake relay_intake;
  uint32_t relayed;     /* packets */
  size_t relayed_len;   /* bytes of the last one */
  bool relay_loses_all; /* it is gone */
  uint32_t sends_left;  /* messages that sockets take before they are full; UINT32_MAX: all */
  uint32_t full_calls;  /* calls that find them full first */
  int sends_fail;       /* the errno of each send to `fails_to` instead */
  tw_udp_address fails_to;
  uint8_t scratch[KIT_ROOM];
} world;

/* Of a world that begins, a bit for each node: who has Sign = yes, and in whose leaf there is a packet key. */
static uint32_t kit_signing, kit_keyed;

/* ---- sockets that are full ---- */

static inline int kit_send(int fd, struct mmsghdr *messages, unsigned count, int flags) {
  if (world.sends_left == 0 || world.full_calls > 0) {
    if (world.full_calls > 0) world.full_calls--;
    errno = EAGAIN;
    return -1;
  }
  if (world.sends_fail != 0) {
    for (unsigned i = 0; i < count; i++) {
      const tw_udp_address *to = messages[i].msg_hdr.msg_name;
      if (!tw_udp_address_equal(to, &world.fails_to)) continue;
      if (i > 0) return sendmmsg(fd, messages, i, flags);
      errno = world.sends_fail;
      return -1;
    }
  }
  const unsigned most = count < world.sends_left ? count : world.sends_left;
  const int done = sendmmsg(fd, messages, most, flags);
  if (done > 0 && world.sends_left != UINT32_MAX) world.sends_left -= (uint32_t)done;
  return done;
}

static inline int kit_receive(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout) {
  return recvmmsg(fd, messages, count, flags, timeout);
}

static inline int kit_set_option(int fd, int level, int name, const void *value, socklen_t len) {
  return setsockopt(fd, level, name, value, len);
}

static const tw_udp_calls kit_calls = {kit_receive, kit_send, kit_set_option};

/* ---- a node's surroundings ---- */

static inline kit_value *kit_find(kit_node *n, tw_store_kind kind, tw_bytes id) {
  for (size_t i = 0; i < VALUES_MAX; i++) {
    if (n->values[i].used && n->values[i].kind == kind && tw_bytes_equal(tw_buf_bytes(&n->values[i].id), id))
      return &n->values[i];
  }
  return NULL;
}

static inline tw_err kit_save(void *ctx, const tw_store_change *changes, size_t count) {
  kit_node *n = ctx;
  n->saves++;
  if (n->disk_fails) return TW_ERR_LIMIT;
  for (size_t i = 0; i < count; i++) {
    kit_value *v = kit_find(n, changes[i].kind, changes[i].id);
    if (changes[i].remove) {
      if (v != NULL) v->used = false;
      continue;
    }
    for (size_t k = 0; v == NULL && k < VALUES_MAX; k++) {
      if (!n->values[k].used) v = &n->values[k];
    }
    assert_non_null(v);
    v->used = true;
    v->kind = changes[i].kind;
    assert_int_equal(tw_buf_assign(&v->id, changes[i].id), TW_OK);
    assert_int_equal(tw_buf_assign(&v->bytes, changes[i].value), TW_OK);
  }
  return TW_OK;
}

static inline tw_err kit_load(void *ctx, tw_store_kind kind, tw_bytes id, tw_buf *out, bool *found) {
  const kit_value *v = kit_find(ctx, kind, id);
  *found = v != NULL;
  return v == NULL ? TW_OK : tw_buf_append(out, tw_buf_bytes(&v->bytes));
}

static inline size_t kit_value_count(const kit_node *n, uint8_t first) {
  size_t count = 0;
  for (size_t i = 0; i < VALUES_MAX; i++) count += n->values[i].used && n->values[i].id.ptr[0] == first;
  return count;
}

static inline void kit_ready(void *ctx, uint32_t owner, bool nudge) {
  kit_node *n = ctx;
  if (n->plane != NULL) tw_plane_ready(n->plane, owner, nudge, world.now);
}

static inline uint32_t kit_peer_of(void *ctx, const tw_client_id *id) {
  const kit_node *n = ctx;
  for (uint32_t i = 0; i < NODES; i++) {
    if (i != n->index && memcmp(id, &world.nodes[i].id, sizeof *id) == 0) return i;
  }
  return UINT32_MAX;
}

static inline void kit_told(kit_node *n, const tw_plane_event *event) {
  n->events.told[event->owner]++;
  n->events.tail_len = event->len;
  memcpy(n->events.tail, event->tail, event->len);
}

static inline void kit_opened(kit_node *n, const tw_plane_event *event) {
  n->events.opened++;
  n->events.opened_owner = event->owner;
  n->events.opened_stamp = event->stamp;
}

static inline void kit_tell(void *ctx, const tw_plane_event *event) {
  kit_node *n = ctx;
  void (*then)(kit_node * node) = NULL;
  switch (event->kind) {
  case TW_PLANE_WANT:
    n->events.want[event->owner]++;
    then = n->on_want;
    break;
  case TW_PLANE_OPENED:
    kit_opened(n, event);
    then = n->on_opened;
    break;
  case TW_PLANE_REKEY:
    n->events.rekey[event->owner == TW_SAS_NETWORK ? NODES : event->owner]++;
    then = n->on_rekey;
    break;
  case TW_PLANE_NUMBERS:
    n->events.numbers++;
    (void)!tw_sas_used(n->sas, event->owner);
    break;
  case TW_PLANE_MOVED: n->events.moved[event->owner]++; break;
  case TW_PLANE_TOLD: kit_told(n, event); break;
  case TW_PLANE_STIRRED: n->events.stirred[event->owner]++; break;
  case TW_PLANE_USED:
  case TW_PLANE_HEARD:
  case TW_PLANE_PROBED:
  case TW_PLANE_FAILED: fail_msg("the only plane has nobody to tell of ways"); break;
  }
  if (then != NULL) then(n);
}

/* ---- keys ---- */

/* Node `n` takes what the other sends under this group's keys; the stamp. */
static inline uint64_t kit_take_keys(kit_node *n, uint32_t owner, tw_group *group) {
  uint64_t stamp = 0;
  const tw_node_keys *keys = tw_sas_keys(n->sas);
  assert_int_equal(keys->receive(keys->ctx, owner, group, TW_NO_BYTES, &stamp), TW_OK);
  assert_int_not_equal(stamp, 0);
  return stamp;
}

static inline void kit_send_under(kit_node *n, uint32_t owner, tw_group *group, bool nudge) {
  const tw_node_keys *keys = tw_sas_keys(n->sas);
  assert_int_equal(keys->send(keys->ctx, owner, group, TW_NO_BYTES, tw_secret_bytes(&n->packet_key), nudge), TW_OK);
}

/* The pair of two nodes as a group of two. */
static inline void kit_make_pair(uint32_t a, uint32_t b) {
  tw_test_member *one = &world.nodes[a].pairs[b];
  tw_test_member *two = &world.nodes[b].pairs[a];
  const tw_suite *suite = tw_suite_by_id(&world.test.env, 1);
  tw_test_member_init(one, &world.test, suite, "one");
  tw_test_member_init(two, &world.test, suite, "two");
  tw_test_found(one, TW_NO_BYTES);
  tw_test_add(one, two, NULL, 0);
}

static inline void kit_use_pair(uint32_t a, uint32_t b) {
  kit_node *one = &world.nodes[a];
  kit_node *two = &world.nodes[b];
  (void)kit_take_keys(one, b, one->pairs[b].group);
  (void)kit_take_keys(two, a, two->pairs[a].group);
  kit_send_under(one, b, one->pairs[b].group, false);
  kit_send_under(two, a, two->pairs[a].group, false);
}

/* The next epoch of a pair, which neither uses yet. */
static inline void kit_next_epoch(uint32_t a, uint32_t b) {
  tw_test_member *others[1] = {&world.nodes[b].pairs[a]};
  tw_test_commit(&world.nodes[a].pairs[b], NULL, others, 1, NULL);
}

/* For the leaf that is made next. */
static inline void kit_fresh_packet_key(kit_node *n) {
  assert_int_equal(tw_packet_key_make(&world.test.env, &n->leaf_extensions, &n->packet_key), TW_OK);
  n->network.client.leaf_extensions = tw_buf_bytes(&n->leaf_extensions);
}

static inline void kit_make_network(void) {
  const tw_suite *suite = tw_suite_by_id(&world.test.env, 1);
  for (uint32_t i = 0; i < NODES; i++) {
    kit_node *n = &world.nodes[i];
    tw_test_member_init(&n->network, &world.test, suite, "member");
    (void)snprintf(n->network.name, sizeof n->network.name, "member %u", i);
    if ((kit_keyed >> i & 1) != 0) kit_fresh_packet_key(n);
  }
  tw_test_found(&world.nodes[0].network, TW_NO_BYTES);
  tw_test_member *others[1] = {&world.nodes[1].network};
  tw_test_add(&world.nodes[0].network, &world.nodes[1].network, NULL, 0);
  tw_test_add(&world.nodes[0].network, &world.nodes[2].network, others, 1);
  for (uint32_t i = 0; i < NODES; i++) {
    kit_node *n = &world.nodes[i];
    tw_member member;
    uint32_t leaf = tw_group_own_leaf(n->network.group);
    assert_true(tw_group_next_member(n->network.group, &leaf, &member));
    assert_int_equal(tw_fingerprint_of(&world.test.env, suite, member.signature_key, &n->id), TW_OK);
  }
}

static inline void kit_use_network(void) {
  for (uint32_t i = 0; i < NODES; i++)
    (void)kit_take_keys(&world.nodes[i], TW_SAS_NETWORK, world.nodes[i].network.group);
  for (uint32_t i = 0; i < NODES; i++)
    kit_send_under(&world.nodes[i], TW_SAS_NETWORK, world.nodes[i].network.group, false);
}

/* ---- nodes ---- */

static inline void kit_open_udp(tw_udp *udp, tw_udp_address *address) {
  tw_report report = {""};
  tw_udp_config config = {.tos = true, .buffer = 8 << 20, .calls = &kit_calls};
  config.local.in4.sin_family = AF_INET;
  config.local.in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  assert_int_equal(tw_udp_open(udp, &config, &report), TW_OK);
  assert_int_equal(tw_udp_local(udp, address), TW_OK);
}

static inline void kit_open_device(kit_node *n, unsigned offloads) {
  int ends[2];
  const int bytes = 4 << 20;
  assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
  for (int i = 0; i < 2; i++) {
    if (setsockopt(ends[i], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0)
      (void)setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  }
  n->tun = (tw_tun){.queues = {ends[0]}, .queue_count = 1, .offloads = offloads};
  n->device = ends[1];
}

static inline void kit_make_routes(kit_node *n) {
  tw_route_entry entries[2 * NODES + 4];
  size_t count = 0;
  for (uint32_t i = 0; i < NODES; i++) {
    const tw_route route = {i == n->index ? TW_ROUTE_SELF : TW_ROUTE_PEER, i};
    tw_route_entry *four = &entries[count++];
    *four = (tw_route_entry){.prefix = {.family = 4, .length = 32, .address = {10, 66, 0, (uint8_t)(i + 1)}},
                             .route = route};
    tw_route_entry *six = &entries[count++];
    *six = (tw_route_entry){.prefix = {.family = 6, .length = 128, .address = {0xfd, 0x42, 0x33, 0x01}},
                            .route = route};
    six->prefix.address[15] = (uint8_t)(i + 1);
  }
  const tw_route group = {TW_ROUTE_GROUP, 0};
  entries[count++] = (tw_route_entry){.prefix = {.family = 4, .length = 4, .address = {224}}, .route = group};
  entries[count++] = (tw_route_entry){.prefix = {.family = 4, .length = 32, .address = {10, 66, 0, 255}},
                                      .route = group};
  entries[count++] = (tw_route_entry){.prefix = {.family = 6, .length = 8, .address = {0xff}}, .route = group};
  tw_route_entry *all = &entries[count++]; /* which packet_spec can name */
  *all = (tw_route_entry){.prefix = {.family = 6, .length = 128, .address = {0xfd, 0x42, 0x33, 0x01}}, .route = group};
  all->prefix.address[15] = 255;
  assert_int_equal(tw_routes_make(&world.test.alloc, entries, count, &n->routes), TW_OK);
}

static inline tw_err kit_try_plane(kit_node *n) {
  const tw_plane_config plane = {.env = &world.test.env,
                                 .sas = n->sas,
                                 .routes = &n->routes,
                                 .udp = &n->udp,
                                 .tun = &n->tun,
                                 .peers = NODES,
                                 .mtu = KIT_MTU,
                                 .tell = kit_tell,
                                 .peer_of = kit_peer_of,
                                 .ctx = n};
  const tw_err err = tw_plane_new(&plane, &n->plane);
  if (err == TW_OK) {
    uint8_t tail[40];
    memset(tail, 0xe0 + (int)n->index, sizeof tail);
    tw_plane_set_tail(n->plane, TW_ARRAY(tail));
  }
  return err;
}

static inline tw_err kit_try_sas(kit_node *n) {
  const tw_sas_config sas = {.env = &world.test.env,
                             .port = &n->port,
                             .grace_ms = 30000,
                             .owners = NODES,
                             .sign = n->sign,
                             .ready = kit_ready,
                             .ctx = n};
  const tw_err err = tw_sas_new(&sas, &n->sas);
  if (err == TW_OK) tw_sas_set_time(n->sas, world.now);
  return err;
}

static inline void kit_start_node(kit_node *n) {
  assert_int_equal(kit_try_sas(n), TW_OK);
  assert_int_equal(kit_try_plane(n), TW_OK);
}

static inline void kit_stop_node(kit_node *n) {
  tw_plane_free(n->plane);
  tw_sas_free(n->sas);
  n->plane = NULL;
  n->sas = NULL;
}

static inline void kit_begin(unsigned offloads) {
  memset(&world, 0, sizeof world);
  tw_test_env_init(&world.test, 1);
  world.now = 1000000;
  world.sends_left = UINT32_MAX;
  kit_open_udp(&world.relay, &world.relay_address);
  assert_int_equal(tw_udp_intake_open(&world.relay_intake, &world.test.alloc, 4, TW_UDP_SLOT_SIZE), TW_OK);
  for (uint32_t i = 0; i < NODES; i++) {
    kit_node *n = &world.nodes[i];
    n->index = i;
    n->sign = (kit_signing >> i & 1) != 0;
    n->port = (tw_node_port){.ctx = n, .save = kit_save, .load = kit_load};
    kit_open_udp(&n->udp, &n->address);
    kit_open_device(n, offloads);
    kit_make_routes(n);
    kit_start_node(n);
  }
}

static inline void kit_end(void) {
  for (uint32_t i = 0; i < NODES; i++) {
    kit_node *n = &world.nodes[i];
    kit_stop_node(n);
    tw_routes_clear(&n->routes);
    tw_udp_close(&n->udp);
    tw_tun_close(&n->tun);
    (void)close(n->device);
    for (size_t k = 0; k < VALUES_MAX; k++) {
      tw_buf_clear(&n->values[k].id);
      tw_buf_clear(&n->values[k].bytes);
    }
    tw_test_member_clear(&n->network);
    tw_buf_clear(&n->leaf_extensions);
    for (uint32_t k = 0; k < NODES; k++) tw_test_member_clear(&n->pairs[k]);
  }
  tw_udp_intake_close(&world.relay_intake);
  tw_udp_close(&world.relay);
  tw_test_env_clear(&world.test);
}

/* All know the relay, and each other's numbers there. */
static inline void kit_by_relay(void) {
  for (uint32_t i = 0; i < NODES; i++) {
    kit_node *n = &world.nodes[i];
    tw_plane_set_relay(n->plane, &world.relay_address, KIT_SESSION(i));
    tw_plane_set_group_number(n->plane, KIT_GROUP);
    for (uint32_t k = 0; k < NODES; k++) tw_plane_peer_of(n->plane, k)->path.relay_number = k + 1;
  }
}

/* Two nodes know where the other is, from their files. */
static inline void kit_know(uint32_t a, uint32_t b) {
  (void)tw_path_offer(&tw_plane_peer_of(world.nodes[a].plane, b)->path, TW_PATH_FROM_FILE, &world.nodes[b].address);
  (void)tw_path_offer(&tw_plane_peer_of(world.nodes[b].plane, a)->path, TW_PATH_FROM_FILE, &world.nodes[a].address);
}

static inline const tw_path *kit_path(uint32_t of, uint32_t to) {
  return &tw_plane_peer_of(world.nodes[of].plane, to)->path;
}

static inline const tw_plane_drops *kit_drops(uint32_t of) { return tw_plane_get_drops(world.nodes[of].plane); }

/* Nothing was dropped but what the caller has counted. */
static inline void kit_no_drops(uint32_t of) {
  static const tw_plane_drops none;
  assert_memory_equal(kit_drops(of), &none, sizeof none);
}

#endif

/* Nodes of one network in one process: their disks, keys and rosters. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_NETWORK_KIT_NODE_H
#define TW_TESTS_NETWORK_KIT_NODE_H

#include "tw_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/writer.h"
#include "node/network.h"
#include "node/packet_key.h"
#include "relay/delivery.h"
#include "support/tw_test_member.h"

/*
 *   node 0 … 4, each with a disk and a queue of requests
 *      │ control requests, in order; answers may get lost
 *   the delivery service, over its store in memory
 */
enum { NODES = 5, KEYS_MAX = 4096, VALUES_MAX = 64, QUEUE_MAX = 128, EPOCHS_MAX = 4096, GRACE_MS = 30000 };
#define KIT_NAME TW_LITERAL("test.example")

typedef struct kit_value {
  bool used;
  tw_store_kind kind;
  tw_buf id;
  tw_buf bytes;
} kit_value;

typedef struct kit_request {
  tw_buf frame;
  uint64_t tag;
} kit_request;

/* By a secret of the exporter: what one member sends under and all others take. */
typedef struct kit_key {
  uint8_t secret[16];
  uint64_t epoch;
  uint64_t stamp;
  uint64_t until_ms; /* given up then; 0: not yet */
  uint32_t members;  /* of what is sent under: a bit for each node */
} kit_key;

typedef struct kit_node {
  uint32_t index;
  tw_test_member member;
  tw_client_id id;
  tw_network *network;
  bool sign; /* from the next start on */
  tw_node_port port;
  tw_node_keys sink;
  kit_value store[VALUES_MAX];
  bool disk_fails;
  uint64_t read, read_durably; /* of the mailbox */
  kit_request requests[QUEUE_MAX];
  size_t request_count;
  bool online;
  kit_key keys[KEYS_MAX];
  size_t key_count;
  uint64_t last_stamp;
  kit_key sending;                   /* stamp 1: there is one */
  uint8_t packet_key[TW_PACKET_KEY]; /* the public one of what it sends under; zeros: none */
  uint32_t wanted;                   /* its roster: a bit for each node */
  uint32_t wanted_by;                /* a member of the relay's group told us of those: not given to the engine yet */
  tw_delivery_peer peer;
  tw_buf last_letter; /* an encoded entry */
} kit_node;

static struct kit_world {
  tw_test_env test;
  tw_test_env relay;
  tw_relay_store *store;
  tw_delivery *delivery;
  kit_node nodes[NODES];
  uint64_t now_ms;
  uint64_t dice;
  uint32_t admins; /* a bit for each node; 0: everybody may */
  tw_buf answer;   /* of the delivery service, as a frame */
  bool tells;
  /* A relay that lies: what it makes of an answer, or of an entry of a mailbox, before the node gets it. May be NULL.
   * False: the node gets nothing. */
  bool (*bend_answer)(kit_node *n, const tw_control_request *asked, tw_control_answer *answer);
  bool (*bend_entry)(kit_node *n, tw_control_entry *entry);
} world;

static uint64_t kit_rekey_after_ms = 600000;
static uint32_t kit_signers = (1u << 0 | 1u << 2 | 1u << 3); /* of a world that begins: a bit for each node */
/* A bit for each node whose credential is good enough to be let in; 0: nobody is asked about credentials. */
static uint32_t kit_credible;
static uint32_t kit_judged;  /* how often that was asked */
static uint32_t kit_refused; /* whose credentials are not accepted, though they are wanted; 0: that is not asked */

static inline uint32_t roll(uint32_t n) {
  world.dice = world.dice * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(world.dice >> 33) % n;
}

/* ---- a node's surroundings ---- */

static inline kit_value *kit_find_value(kit_node *n, tw_store_kind kind, tw_bytes id) {
  for (size_t i = 0; i < VALUES_MAX; i++) {
    if (n->store[i].used && n->store[i].kind == kind && tw_bytes_equal(tw_buf_bytes(&n->store[i].id), id))
      return &n->store[i];
  }
  return NULL;
}

static inline tw_err kit_save(void *ctx, const tw_store_change *changes, size_t count) {
  kit_node *n = ctx;
  if (n->disk_fails) return TW_ERR_LIMIT;
  n->read_durably = n->read;
  for (size_t i = 0; i < count; i++) {
    kit_value *v = kit_find_value(n, changes[i].kind, changes[i].id);
    if (changes[i].remove) {
      if (v != NULL) v->used = false;
      continue;
    }
    for (size_t k = 0; v == NULL && k < VALUES_MAX; k++) {
      if (!n->store[k].used) v = &n->store[k];
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
  const kit_value *v = kit_find_value(ctx, kind, id);
  *found = v != NULL;
  return v == NULL ? TW_OK : tw_buf_append(out, tw_buf_bytes(&v->bytes));
}

static inline tw_err kit_ask(void *ctx, const tw_control_request *asked, uint64_t tag) {
  kit_node *n = ctx;
  assert_true(tw_network_is_tag(tag));
  if (!n->online) return TW_ERR_STATE;
  assert_true(n->request_count < QUEUE_MAX);
  kit_request *r = &n->requests[n->request_count++];
  *r = (kit_request){.tag = tag};
  tw_control_request copy = *asked;
  copy.number = 1;
  assert_int_equal(tw_control_request_encode(&copy, &r->frame), TW_OK);
  return TW_OK;
}

static inline kit_key kit_derive(const tw_group *group, uint32_t leaf) {
  kit_key k = {.epoch = tw_group_epoch(group)};
  uint8_t context[4];
  tw_put_u32(context, leaf);
  assert_int_equal(tw_group_export(group, TW_LITERAL("test"), TW_ARRAY(context), k.secret, 16), TW_OK);
  return k;
}

static inline kit_key *kit_find_key(kit_node *n, const uint8_t secret[16]) {
  for (size_t i = 0; i < n->key_count; i++) {
    if (memcmp(n->keys[i].secret, secret, 16) == 0) return &n->keys[i];
  }
  return NULL;
}

static inline tw_err kit_receive(void *ctx, uint32_t owner, tw_group *group, tw_bytes context, uint64_t *stamp) {
  kit_node *n = ctx;
  uint64_t made = 0;
  tw_member member;
  assert_int_equal(owner, 77);
  assert_int_equal(context.len, 0);
  for (uint32_t leaf = 0; tw_group_next_member(group, &leaf, &member); leaf++) {
    if (leaf == tw_group_own_leaf(group)) continue;
    kit_key k = kit_derive(group, leaf);
    const kit_key *there = kit_find_key(n, k.secret);
    if (there != NULL) {
      made = there->stamp;
      continue;
    }
    if (made == 0) made = ++n->last_stamp;
    assert_true(n->key_count < KEYS_MAX);
    k.stamp = made;
    n->keys[n->key_count++] = k;
  }
  *stamp = made != 0 ? made : ++n->last_stamp;
  return TW_OK;
}

static inline uint32_t kit_members(const tw_group *group) {
  uint32_t members = 0;
  tw_member member;
  for (uint32_t leaf = 0; tw_group_next_member(group, &leaf, &member); leaf++) {
    for (uint32_t i = 0; i < NODES; i++) {
      if (tw_bytes_equal(member.signature_key, tw_signer_public_key(world.nodes[i].member.client.signer)))
        members |= 1u << i;
    }
  }
  return members;
}

/* What is sent under is signed by the key in our leaf, if there is one. The memory for it is not what may fail. */
static inline void kit_check_packet_key(kit_node *n, const tw_group *group, tw_bytes packet_key) {
  uint32_t leaf = tw_group_own_leaf(group);
  tw_member own;
  tw_bytes there;
  tw_signer *signer = NULL;
  assert_true(tw_group_next_member(group, &leaf, &own));
  assert_int_equal(tw_packet_key_find(&world.test.env, own.leaf_extensions, &there), packet_key.len > 0);
  memset(n->packet_key, 0, sizeof n->packet_key);
  if (packet_key.len == 0) return;
  assert_int_equal(tw_signer_import(&world.relay.env, tw_suite_at(0), packet_key, &signer), TW_OK);
  assert_true(tw_bytes_equal(tw_signer_public_key(signer), there));
  memcpy(n->packet_key, there.ptr, there.len);
  tw_signer_free(signer);
}

static inline tw_err kit_send(void *ctx, uint32_t owner, tw_group *group, tw_bytes context, tw_bytes packet_key,
                              bool nudge) {
  kit_node *n = ctx;
  kit_check_packet_key(n, group, packet_key);
  (void)nudge;
  assert_int_equal(owner, 77);
  assert_int_equal(context.len, 0);
  n->sending = kit_derive(group, tw_group_own_leaf(group));
  n->sending.stamp = 1;
  n->sending.members = kit_members(group);
  return TW_OK;
}

static inline void kit_settle(void *ctx, uint32_t owner, uint64_t stamp) {
  kit_node *n = ctx;
  (void)owner;
  for (size_t i = 0; i < n->key_count; i++) {
    kit_key *k = &n->keys[i];
    if (k->stamp < stamp && k->until_ms == 0) k->until_ms = world.now_ms + GRACE_MS;
  }
}

static inline void kit_withdraw(void *ctx, uint32_t owner, uint64_t stamp) {
  kit_node *n = ctx;
  (void)owner;
  for (size_t i = n->key_count; i-- > 0;) {
    if (n->keys[i].stamp == stamp) n->keys[i] = n->keys[--n->key_count];
  }
}

static inline void kit_forget(void *ctx, uint32_t owner) {
  kit_node *n = ctx;
  (void)owner;
  n->key_count = 0;
  n->sending.stamp = 0;
}

static inline bool kit_wants(void *ctx, const tw_client_id *id) {
  const kit_node *n = ctx;
  for (uint32_t i = 0; i < NODES; i++) {
    if (memcmp(&world.nodes[i].id, id, sizeof *id) == 0) return (n->wanted >> i & 1) != 0;
  }
  return false;
}

static inline bool kit_next_wanted(void *ctx, size_t *place, tw_client_id *id) {
  const kit_node *n = ctx;
  while (*place < NODES) {
    const size_t i = (*place)++;
    if (i == n->index || (n->wanted >> i & 1) == 0) continue;
    *id = world.nodes[i].id;
    return true;
  }
  return false;
}

static inline bool kit_is_admin(void *ctx, const tw_client_id *id) {
  (void)ctx;
  for (uint32_t i = 0; i < NODES; i++) {
    if (memcmp(&world.nodes[i].id, id, sizeof *id) == 0) return (world.admins >> i & 1) != 0;
  }
  return false;
}

static inline bool kit_admits(void *ctx, const tw_client_id *id, const tw_credential *credential) {
  kit_node *n = ctx;
  assert_int_not_equal(credential->identity.len, 0);
  kit_judged++;
  for (uint32_t i = 0; i < NODES; i++) {
    if ((kit_credible >> i & 1) == 0 || memcmp(&world.nodes[i].id, id, sizeof *id) != 0) continue;
    n->wanted |= 1u << i;
    return true;
  }
  return false;
}

static inline bool kit_accepts(void *ctx, const tw_client_id *id, const tw_credential *credential) {
  (void)ctx;
  assert_int_not_equal(credential->identity.len, 0);
  for (uint32_t i = 0; i < NODES; i++)
    if (memcmp(&world.nodes[i].id, id, sizeof *id) == 0) return (kit_refused >> i & 1) == 0;
  return false;
}

static inline void kit_tell(void *ctx, const char *what, tw_err err) {
  const kit_node *n = ctx;
  if (!world.tells) return;
  tw_network_status s;
  tw_network_get_status(n->network, &s);
  print_message("%8u %u: epoch %u: %s: %s\n", (unsigned)(world.now_ms % 100000000), n->index, (unsigned)s.epoch, what,
                tw_err_text(err));
}

#endif

/* SAs of two members, and a disk for the first one. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_SAS_KIT_H
#define TW_TESTS_SAS_KIT_H

#include "tw_cmocka.h"

#include <string.h>

#include "esp/keys.h"
#include "node/sas.h"
#include "support/tw_test_member.h"

enum { MEMBERS = 3, VALUES_MAX = 512, GRACE_MS = 30000, OWNERS = 4 };

typedef struct value {
  bool used;
  uint8_t id[TW_STORE_ID_MAX];
  size_t id_len;
  uint8_t bytes[64];
  size_t len;
} value;

static tw_test_env test;
static tw_test_member members[MEMBERS];
static value disk[VALUES_MAX];
static bool disk_fails, disk_cannot_be_read;
static unsigned saves;
static uint64_t now_ms;
static tw_sas *ours;   /* of member 0 */
static tw_sas *theirs; /* of member 1 */
static unsigned ready_calls;
static bool was_nudged;

/* ---- the store: of member 0 alone; the other one's is not looked at ---- */

static inline value *find(tw_bytes id) {
  for (size_t i = 0; i < VALUES_MAX; i++) {
    if (disk[i].used && tw_bytes_equal(TW_BYTES(disk[i].id, disk[i].id_len), id)) return &disk[i];
  }
  return NULL;
}

static inline tw_err save(void *ctx, const tw_store_change *changes, size_t count) {
  if (ctx != NULL) return TW_OK;
  if (disk_fails) return TW_ERR_LIMIT;
  saves++;
  for (size_t i = 0; i < count; i++) {
    value *v = find(changes[i].id);
    assert_int_equal(changes[i].kind, TW_STORE_NODE);
    if (changes[i].remove) {
      if (v != NULL) v->used = false;
      continue;
    }
    for (size_t k = 0; v == NULL && k < VALUES_MAX; k++) {
      if (!disk[k].used) v = &disk[k];
    }
    assert_non_null(v);
    assert_true(changes[i].value.len <= sizeof v->bytes);
    v->used = true;
    v->id_len = changes[i].id.len;
    memcpy(v->id, changes[i].id.ptr, v->id_len);
    v->len = changes[i].value.len;
    memcpy(v->bytes, changes[i].value.ptr, v->len);
  }
  return TW_OK;
}

static inline tw_err load(void *ctx, tw_store_kind kind, tw_bytes id, tw_buf *out, bool *found) {
  const value *v = ctx == NULL ? find(id) : NULL;
  assert_int_equal(kind, TW_STORE_NODE);
  if (ctx == NULL && disk_cannot_be_read) return TW_ERR_LIMIT;
  *found = v != NULL;
  return v == NULL ? TW_OK : tw_buf_append(out, TW_BYTES(v->bytes, v->len));
}

static inline size_t marks(void) {
  size_t count = 0;
  for (size_t i = 0; i < VALUES_MAX; i++) count += disk[i].used && disk[i].id[0] == 's';
  return count;
}

static const tw_node_port our_port = {.save = save, .load = load};
static const tw_node_port their_port = {.ctx = &disk, .save = save, .load = load};

static inline void ready(void *ctx, uint32_t owner, bool nudge) {
  (void)ctx;
  (void)owner;
  ready_calls++;
  was_nudged = nudge;
}

/* ---- two sides ---- */

static inline tw_sas *new_sas(const tw_node_port *port) {
  const tw_sas_config config = {
      .env = &test.env, .port = port, .grace_ms = GRACE_MS, .owners = OWNERS, .ready = ready, .ctx = NULL};
  tw_sas *sas;
  assert_int_equal(tw_sas_new(&config, &sas), TW_OK);
  tw_sas_set_time(sas, now_ms);
  return sas;
}

static inline tw_err receive(tw_sas *sas, uint32_t owner, tw_group *group, const char *context, uint64_t *stamp) {
  const tw_node_keys *keys = tw_sas_keys(sas);
  return keys->receive(keys->ctx, owner, group, TW_BYTES((const uint8_t *)context, strlen(context)), stamp);
}

static inline tw_err send_under(tw_sas *sas, uint32_t owner, tw_group *group, const char *context) {
  const tw_node_keys *keys = tw_sas_keys(sas);
  return keys->send(keys->ctx, owner, group, TW_BYTES((const uint8_t *)context, strlen(context)), TW_NO_BYTES, true);
}

static inline void settle(tw_sas *sas, uint32_t owner, uint64_t stamp) {
  const tw_node_keys *keys = tw_sas_keys(sas);
  keys->settle(keys->ctx, owner, stamp);
}

static inline void withdraw(tw_sas *sas, uint32_t owner, uint64_t stamp) {
  const tw_node_keys *keys = tw_sas_keys(sas);
  keys->withdraw(keys->ctx, owner, stamp);
}

static inline void forget(tw_sas *sas, uint32_t owner) {
  const tw_node_keys *keys = tw_sas_keys(sas);
  keys->forget(keys->ctx, owner);
}

/* The number of a packet from one to the other; 0: it was not understood. */
static inline uint64_t packet(tw_sas *from, tw_sas *to, uint32_t owner) {
  uint8_t bytes[64] = {0};
  tw_esp_out *out = tw_sas_out(from, owner);
  if (out == NULL) return 0;
  const size_t size = tw_esp_size(4, 0);
  assert_int_equal(tw_esp_seal(out, TW_ESP_NEXT_DUMMY, bytes, 4, 0), TW_OK);
  assert_int_equal(tw_sas_used(from, owner), TW_OK);
  uint32_t spi;
  tw_esp_opened opened;
  assert_int_equal(tw_esp_peek(TW_BYTES(bytes, size), &spi), TW_OK);
  tw_sa_in *in = tw_sas_in(to, spi);
  if (in == NULL || in->refused) return 0;
  assert_int_equal(in->owner, owner);
  return tw_esp_open(&in->esp, bytes, size, &opened) == TW_OK ? opened.number : 0;
}

/* A commit without anything by one of them; all of them follow. */
static inline void next_epoch(size_t by) {
  tw_test_member *others[MEMBERS];
  size_t count = 0;
  for (size_t i = 0; i < MEMBERS; i++) {
    if (i != by && members[i].group != NULL) others[count++] = &members[i];
  }
  tw_test_commit(&members[by], NULL, others, count, NULL);
}

static inline void begin(size_t count) {
  static const char *const names[MEMBERS] = {"anna", "berta", "carla"};
  tw_test_env_init(&test, 7);
  memset(disk, 0, sizeof disk);
  memset(members, 0, sizeof members);
  disk_fails = disk_cannot_be_read = false;
  saves = 0;
  now_ms = UINT64_C(1800000000000);
  for (size_t i = 0; i < count; i++)
    tw_test_member_init(&members[i], &test, tw_suite_by_name("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"), names[i]);
  tw_test_found(&members[0], TW_NO_BYTES);
  for (size_t i = 1; i < count; i++) {
    tw_test_member *others[MEMBERS] = {&members[1]};
    tw_test_add(&members[0], &members[i], others, i - 1);
  }
  ours = new_sas(&our_port);
  theirs = new_sas(&their_port);
}

static inline void end(void) {
  tw_sas_free(ours);
  tw_sas_free(theirs);
  for (size_t i = 0; i < MEMBERS; i++) {
    if (members[i].client.signer != NULL) tw_test_member_clear(&members[i]);
  }
  tw_test_env_clear(&test);
}

static inline void pass_time(uint64_t ms) {
  now_ms += ms;
  tw_sas_tick(ours, now_ms);
  tw_sas_tick(theirs, now_ms);
}

#endif

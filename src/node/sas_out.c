/* SAs that packets are sent under. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "base/secret.h"
#include "codec/reader.h"
#include "codec/writer.h"
#include "esp/keys.h"
#include "node/sas_internal.h"

/* When so few reserved numbers are left, more are: packets go on while the disk writes that. */
#define LOW_WATER (TW_SAS_BLOCK / 2)
enum { RESERVE_AGAIN_MS = 1000 };

/* ---- numbers and the disk ---- */

/* 's', the random part of the group's id, epoch, leaf, SPI (another branch of a group has the same before it),
 * connection */
static void put_mark_id(tw_sa_out *out, const tw_group *group, uint32_t spi, tw_bytes context) {
  const tw_bytes id = tw_group_id(group);
  const size_t random = id.len < TW_SAS_GROUP_RANDOM ? id.len : TW_SAS_GROUP_RANDOM;
  memset(out->id, 0, sizeof out->id);
  out->id[0] = 's';
  memcpy(out->id + 1, id.ptr + id.len - random, random);
  tw_put_u64(out->id + 1 + TW_SAS_GROUP_RANDOM, tw_group_epoch(group));
  tw_put_u32(out->id + 1 + TW_SAS_GROUP_RANDOM + 8, tw_group_own_leaf(group));
  tw_put_u32(out->id + 1 + TW_SAS_GROUP_RANDOM + 12, spi);
  if (context.len > 0) memcpy(out->id + 1 + TW_SAS_GROUP_RANDOM + 16, context.ptr, context.len);
  out->id_len = 1 + TW_SAS_GROUP_RANDOM + 16 + context.len;
}

static tw_err load_mark(const tw_sas *sas, const tw_sa_out *out, tw_esp_mark *mark) {
  tw_buf value = {0};
  *mark = TW_ESP_MARK_FRESH;
  const tw_node_port *port = sas->config.port;
  bool found;
  tw_err err = port->load(port->ctx, TW_STORE_NODE, TW_BYTES(out->id, out->id_len), &value, &found);
  if (err == TW_OK && found) {
    tw_reader r = tw_reader_of(tw_buf_bytes(&value));
    mark->next = tw_read_u64(&r);
    mark->bytes = tw_read_u64(&r);
    err = tw_reader_end(&r);
  }
  tw_buf_clear(&value);
  return err;
}

static bool same_mark(const tw_sa_out *a, const tw_sa_out *b) {
  return a->id_len == b->id_len && memcmp(a->id, b->id, a->id_len) == 0;
}

/* On the disk; what `old` had is not needed there any more. */
static tw_err save_mark(const tw_sas *sas, const tw_sa_out *out, const tw_sa_out *old, tw_esp_mark mark) {
  uint8_t value[16];
  tw_put_u64(value, mark.next);
  tw_put_u64(value + 8, mark.bytes);
  tw_store_change changes[2] = {
      {.kind = TW_STORE_NODE, .id = TW_BYTES(out->id, out->id_len), .value = TW_ARRAY(value)}};
  size_t count = 1;
  if (old != NULL && old->id_len > 0 && !same_mark(old, out))
    changes[count++] = (tw_store_change){.kind = TW_STORE_NODE, .id = TW_BYTES(old->id, old->id_len), .remove = true};
  return sas->config.port->save(sas->config.port->ctx, changes, count);
}

/* The first block of an SA that nobody has used yet. */
static tw_err reserve_first(const tw_sas *sas, tw_sa_out *out, const tw_sa_out *old) {
  const tw_esp_mark mark = tw_esp_out_reserve(&out->esp, TW_SAS_BLOCK);
  TW_TRY(save_mark(sas, out, old, mark));
  return tw_esp_out_extend(&out->esp, mark);
}

/* More numbers for an SA in use. */
typedef struct reservation {
  tw_sa_out *out;
  bool is_low;
  tw_esp_mark mark;
  tw_err err;
} reservation;

static bool is_low(const tw_sa_out *out) {
  return tw_esp_out_left(&out->esp) < LOW_WATER && !tw_esp_out_is_used_up(&out->esp);
}

static void look_at_numbers(void *arg) {
  reservation *r = arg;
  r->is_low = is_low(r->out);
  r->mark = tw_esp_out_reserve(&r->out->esp, TW_SAS_BLOCK);
}

static void extend(void *arg) {
  reservation *r = arg;
  r->err = tw_esp_out_extend(&r->out->esp, r->mark);
}

static void lower_limits(const tw_sas *sas, tw_esp_limits *limits) {
  const tw_sas_config *config = &sas->config;
  if (config->rekey_packets != 0 && config->rekey_packets < limits->rekey_packets)
    limits->rekey_packets = config->rekey_packets;
  if (config->rekey_bytes != 0 && config->rekey_bytes < limits->rekey_bytes) limits->rekey_bytes = config->rekey_bytes;
}

/* ---- keys ---- */

/* What is made or given up with the provider of packets. */
typedef struct making {
  const tw_sas *sas;
  const tw_esp_keys *keys;
  const tw_group *group;
  tw_bytes packet_key;
  bool is_signed;
  tw_esp_mark mark;
  tw_sa_out *out;
  tw_err err;
} making;

static void clear_signers(const tw_sas *sas, tw_sa_out *out) {
  for (unsigned i = 0; out->signers != NULL && i < tw_sas_threads(sas); i++) tw_packet_signer_clear(&out->signers[i]);
  tw_alloc_free(tw_env_alloc(tw_sas_packet_env(sas)), out->signers);
  out->signers = NULL;
}

static void clear(const tw_sas *sas, tw_sa_out *out) {
  tw_esp_out_clear(&out->esp);
  clear_signers(sas, out);
}

/* A key signs on one thread alone. Without one that fits, there are none. */
static tw_err make_signers(const making *m, const tw_env *env) {
  tw_sa_out *out = m->out;
  tw_err err = TW_OK;
  out->signers = tw_alloc_array(tw_env_alloc(env), tw_sas_threads(m->sas), sizeof *out->signers);
  if (out->signers == NULL) return TW_ERR_NO_MEMORY;
  for (unsigned i = 0; err == TW_OK && i < tw_sas_threads(m->sas); i++)
    err = tw_packet_signer_init(env, m->group, m->keys->spi, m->packet_key, &out->signers[i]);
  if (err != TW_OK || out->signers[0].key == NULL) clear_signers(m->sas, out);
  return err;
}

static void make(void *arg) {
  making *m = arg;
  const tw_env *env = tw_sas_packet_env(m->sas);
  m->err = tw_esp_out_init(env, m->keys, m->mark, &m->out->esp);
  if (m->err == TW_OK) m->err = tw_esp_out_share(env, m->keys, tw_sas_threads(m->sas), &m->out->esp);
  if (m->err == TW_OK && m->is_signed) m->err = make_signers(m, env);
  if (m->err != TW_OK) clear(m->sas, m->out);
}

typedef struct clearing {
  const tw_sas *sas;
  tw_sa_out *out;
} clearing;

static void clear_one(void *arg) {
  const clearing *c = arg;
  clear(c->sas, c->out);
}

typedef struct exchange {
  const tw_sas *sas;
  tw_sa_out *at;
  const tw_sa_out *next;
} exchange;

static void put(void *arg) {
  const exchange *e = arg;
  clear(e->sas, e->at);
  *e->at = *e->next;
}

/* `out` has its mark's id; what it gets is on the disk as in use. */
static tw_err make_out(making *m, const tw_sa_out *old) {
  TW_TRY(load_mark(m->sas, m->out, &m->mark));
  tw_sas_between(m->sas, make, m);
  if (m->err != TW_OK) return m->err;
  lower_limits(m->sas, &m->out->esp.limits);
  const tw_err err = reserve_first(m->sas, m->out, old);
  if (err != TW_OK) tw_sas_between(m->sas, clear_one, &(clearing){m->sas, m->out});
  return err;
}

tw_err tw_sas_send(void *ctx, uint32_t owner, tw_group *group, tw_bytes context, tw_bytes packet_key, bool nudge) {
  tw_sas *sas = ctx;
  tw_sa_out *at = tw_sas_out_of(sas, owner);
  tw_esp_keys keys;
  if (at == NULL || context.len > TW_ESP_CONNECTION_MAX) return TW_ERR_ARGUMENT;
  TW_TRY(tw_esp_keys_derive(group, tw_group_own_leaf(group), 0, context, &keys));
  tw_sa_out next = {.stale = at->stale};
  put_mark_id(&next, group, keys.spi, context);
  tw_err err = TW_OK;
  if (at->esp.aead == NULL || !same_mark(at, &next)) {
    making m = {.sas = sas,
                .keys = &keys,
                .group = group,
                .packet_key = packet_key,
                .is_signed = tw_sas_has_to_be_signed(sas, owner),
                .out = &next};
    err = make_out(&m, at);
    /* Where there was none, the mark counts as in use, so that it is there when this is tried again. */
    if (err == TW_OK || at->esp.aead == NULL) tw_sas_between(sas, put, &(exchange){sas, at, &next});
  }
  tw_esp_keys_clear(&keys);
  if (err == TW_OK && sas->config.ready != NULL) sas->config.ready(sas->config.ctx, owner, nudge);
  return err;
}

/* The mark is swept at the next start. */
void tw_sas_forget_out(tw_sas *sas, uint32_t owner) {
  tw_sa_out *out = tw_sas_out_of(sas, owner);
  if (out == NULL) return;
  tw_sas_between(sas, clear_one, &(clearing){sas, out});
  out->id_len = 0;
}

void tw_sas_clear_out(tw_sas *sas) {
  for (uint32_t i = 0; sas->outs != NULL && i <= sas->config.owners; i++) clear(sas, &sas->outs[i]);
}

bool tw_sas_is_stale_out(const tw_sas *sas, tw_bytes id) {
  if (id.len == 0 || id.ptr[0] != 's') return false;
  for (uint32_t i = 0; i <= sas->config.owners; i++) {
    if (tw_bytes_equal(id, TW_BYTES(sas->outs[i].id, sas->outs[i].id_len))) return false;
  }
  return true;
}

/* ---- for packets ---- */

tw_esp_out *tw_sas_out(tw_sas *sas, uint32_t owner) {
  tw_sa_out *out = tw_sas_out_of(sas, owner);
  if (out == NULL || out->esp.aead == NULL) return NULL;
  return tw_sas_has_to_be_signed(sas, owner) && out->signers == NULL ? NULL : &out->esp;
}

const tw_packet_signer *tw_sas_signer(tw_sas *sas, uint32_t owner, unsigned thread) {
  const tw_sa_out *out = tw_sas_out_of(sas, owner);
  return out != NULL && out->signers != NULL ? &out->signers[thread] : NULL;
}

bool tw_sas_is_low(const tw_sas *sas, uint32_t owner) {
  const tw_sa_out *out = tw_sas_out_of(sas, owner);
  return out != NULL && out->esp.aead != NULL && is_low(out);
}

tw_err tw_sas_used(tw_sas *sas, uint32_t owner) {
  reservation r = {.out = tw_sas_out_of(sas, owner)};
  if (r.out == NULL || r.out->esp.aead == NULL) return TW_ERR_STATE;
  if (sas->now_ms < r.out->reserve_at_ms) return TW_OK;
  tw_sas_between(sas, look_at_numbers, &r);
  if (!r.is_low) return TW_OK;
  const tw_err err = save_mark(sas, r.out, NULL, r.mark);
  if (err != TW_OK) {
    r.out->reserve_at_ms = sas->now_ms + RESERVE_AGAIN_MS; /* and not with each packet */
    return err;
  }
  tw_sas_between(sas, extend, &r);
  return r.err;
}

bool tw_sas_wants_rekey(const tw_sas *sas, uint32_t owner) {
  const tw_sa_out *out = tw_sas_out_of(sas, owner);
  return out != NULL && out->esp.aead != NULL && tw_esp_out_wants_rekey(&out->esp);
}

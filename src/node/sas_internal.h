/* The inside of the SAs. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_SAS_INTERNAL_H
#define TW_NODE_SAS_INTERNAL_H

#include "esp/keys.h"
#include "node/sas.h"

enum { TW_SAS_GROUP_RANDOM = 16, TW_SAS_MARK_ID = 1 + TW_SAS_GROUP_RANDOM + 8 + 4 + 4 + TW_ESP_CONNECTION_MAX };

typedef struct tw_sa_out {
  tw_esp_out esp;
  uint64_t reserve_at_ms;     /* not before: the disk did not take the last one */
  bool stale;                 /* receiving keys of the owner could not be taken up */
  tw_packet_signer *signers;  /* of the network's alone: one for each thread; NULL: none */
  uint8_t id[TW_SAS_MARK_ID]; /* of its mark in the store; the length 0: there is none */
  size_t id_len;
} tw_sa_out;

struct tw_sas {
  tw_sas_config config;
  tw_node_keys keys;
  tw_sa_in **buckets;
  size_t bucket_count; /* a power of two */
  size_t count;
  tw_sa_out *outs; /* config.owners + 1, the network's is the last */
  uint64_t last_stamp;
  uint64_t added;
  uint64_t now_ms;
  bool loading;
};

static inline const tw_alloc *tw_sas_alloc(const tw_sas *sas) { return tw_env_alloc(sas->config.env); }

static inline unsigned tw_sas_threads(const tw_sas *sas) { return sas->config.threads > 1 ? sas->config.threads : 1; }

static inline const tw_env *tw_sas_packet_env(const tw_sas *sas) {
  return sas->config.packet_env != NULL ? sas->config.packet_env : sas->config.env;
}

/* NULL: there is no such owner. */
static inline tw_sa_out *tw_sas_out_of(const tw_sas *sas, uint32_t owner) {
  if (owner == TW_SAS_NETWORK) return &sas->outs[sas->config.owners];
  return owner < sas->config.owners ? &sas->outs[owner] : NULL;
}

static inline bool tw_sas_has_to_be_signed(const tw_sas *sas, uint32_t owner) {
  return sas->config.sign && owner == TW_SAS_NETWORK;
}

/* What packets would notice, and all that uses their provider. */
void tw_sas_between(const tw_sas *sas, void (*act)(void *arg), void *arg);

/* ---- sas_in.c, sas_out.c: tw_node_keys, of which `ctx` are the SAs ---- */

tw_err tw_sas_receive(void *ctx, uint32_t owner, tw_group *group, tw_bytes context, uint64_t *stamp);
void tw_sas_settle(void *ctx, uint32_t owner, uint64_t stamp);
void tw_sas_withdraw(void *ctx, uint32_t owner, uint64_t stamp);
tw_err tw_sas_send(void *ctx, uint32_t owner, tw_group *group, tw_bytes context, tw_bytes packet_key, bool nudge);
/* Of `forget`, either half. */
void tw_sas_forget_in(tw_sas *sas, uint32_t owner);
void tw_sas_forget_out(tw_sas *sas, uint32_t owner);
/* All SAs of a half. */
void tw_sas_clear_in(tw_sas *sas);
void tw_sas_clear_out(tw_sas *sas);
/* Whether an id is of the mark of a window, or of a sending SA that is there. */
bool tw_sas_is_window(tw_bytes id);
bool tw_sas_is_stale_out(const tw_sas *sas, tw_bytes id);

#endif

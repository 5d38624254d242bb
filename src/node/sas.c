/* SPDX-License-Identifier: Apache-2.0 */
#include "node/sas.h"

#include "base/alloc.h"
#include "node/sas_internal.h"

enum { BUCKETS_MIN = 64 };

void tw_sas_between(const tw_sas *sas, void (*act)(void *arg), void *arg) {
  if (sas->config.between != NULL)
    sas->config.between(sas->config.ctx, act, arg);
  else
    act(arg);
}

static void forget(void *ctx, uint32_t owner) {
  tw_sas_forget_in(ctx, owner);
  tw_sas_forget_out(ctx, owner);
}

void tw_sas_begin_load(tw_sas *sas) { sas->loading = true; }

bool tw_sas_is_stale(const tw_sas *sas, uint32_t owner) {
  const tw_sa_out *out = tw_sas_out_of(sas, owner);
  return out != NULL && out->stale;
}

/* A window is of keys that nobody has any more. */
bool tw_sas_is_stale_mark(const tw_sas *sas, tw_bytes id) {
  return tw_sas_is_window(id) || tw_sas_is_stale_out(sas, id);
}

/* ---- all of it ---- */

tw_err tw_sas_new(const tw_sas_config *config, tw_sas **out) {
  const tw_alloc *alloc = tw_env_alloc(config->env);
  tw_sas *sas = tw_alloc_zero(alloc, sizeof *sas);
  if (sas == NULL) return TW_ERR_NO_MEMORY;
  sas->config = *config;
  sas->bucket_count = BUCKETS_MIN;
  sas->buckets = tw_alloc_array(alloc, BUCKETS_MIN, sizeof(tw_sa_in *));
  sas->outs = tw_alloc_array(alloc, (size_t)config->owners + 1, sizeof *sas->outs);
  sas->keys = (tw_node_keys){.ctx = sas,
                             .receive = tw_sas_receive,
                             .send = tw_sas_send,
                             .settle = tw_sas_settle,
                             .withdraw = tw_sas_withdraw,
                             .forget = forget};
  if (sas->buckets == NULL || sas->outs == NULL) {
    tw_sas_free(sas);
    return TW_ERR_NO_MEMORY;
  }
  *out = sas;
  return TW_OK;
}

void tw_sas_free(tw_sas *sas) {
  if (sas == NULL) return;
  const tw_alloc *alloc = tw_sas_alloc(sas);
  tw_sas_clear_in(sas);
  tw_sas_clear_out(sas);
  tw_alloc_free(alloc, sas->buckets);
  tw_alloc_free(alloc, sas->outs);
  tw_alloc_free(alloc, sas);
}

const tw_node_keys *tw_sas_keys(tw_sas *sas) { return &sas->keys; }

void tw_sas_set_time(tw_sas *sas, uint64_t now_ms) { sas->now_ms = now_ms; }

bool tw_sas_signs(const tw_sas *sas) { return sas->config.sign; }

/* AppEphemeral and AppDataUpdate in a commit: draft-ietf-mls-extensions. SPDX-License-Identifier: Apache-2.0 */
#include "mls/app_data.h"
#include "mls/proposal_list.h"

enum { COMPONENTS = 1 << 16 };

/* Which components a list has updated and removed: both, or two removals, make it invalid. */
typedef struct seen {
  uint8_t updated[COMPONENTS / 8];
  uint8_t removed[COMPONENTS / 8];
} seen;

static bool has(const uint8_t *bits, uint16_t component_id) {
  return (bits[component_id / 8] >> (component_id % 8)) & 1;
}
static void set(uint8_t *bits, uint16_t component_id) { bits[component_id / 8] |= (uint8_t)(1u << (component_id % 8)); }

static tw_err note(seen *components, uint16_t component_id, uint8_t op) {
  if (has(components->removed, component_id)) return TW_ERR_PROPOSAL;
  if (op == TW_APP_DATA_REMOVE && has(components->updated, component_id)) return TW_ERR_PROPOSAL;
  set(op == TW_APP_DATA_REMOVE ? components->removed : components->updated, component_id);
  return TW_OK;
}

static tw_err apply_ephemeral(const tw_policy *policy, const tw_proposal_list *list) {
  for (uint32_t i = 0; i < list->count; i++) {
    const tw_proposal *proposal = &list->items[i].proposal;
    if (proposal->type != TW_PROPOSAL_APP_EPHEMERAL) continue;
    if (policy->app_ephemeral == NULL) return TW_ERR_PROPOSAL;
    TW_TRY(tw_policy_err(
        policy->app_ephemeral(policy->ctx, proposal->u.app_ephemeral.component_id, proposal->u.app_ephemeral.data),
        TW_ERR_PROPOSAL));
  }
  return TW_OK;
}

static tw_err replace_extensions(tw_draft *draft, tw_buf *next) {
  const tw_err err = tw_buf_assign(&draft->extensions, tw_buf_bytes(next));
  tw_buf_clear(next);
  return err;
}

static tw_err apply_update(const tw_policy *policy, uint16_t component_id, tw_bytes update, tw_draft *draft) {
  const tw_alloc *alloc = tw_env_alloc(draft->from->env);
  tw_buf data = TW_BUF_INIT(alloc);
  tw_buf next = TW_BUF_INIT(alloc);
  tw_bytes old = TW_NO_BYTES;
  if (policy->app_data_update == NULL) return TW_ERR_PROPOSAL;
  const bool has_old = tw_extensions_component(tw_buf_bytes(&draft->extensions), component_id, &old);
  tw_err err = tw_policy_err(policy->app_data_update(policy->ctx, component_id, has_old, old, update, &data),
                             TW_ERR_PROPOSAL);
  if (err == TW_OK)
    err = tw_extensions_set_component(alloc, tw_buf_bytes(&draft->extensions), component_id, tw_buf_bytes(&data),
                                      &next);
  tw_buf_clear(&data);
  if (err == TW_OK) return replace_extensions(draft, &next);
  tw_buf_clear(&next);
  return err;
}

static tw_err apply_remove(uint16_t component_id, tw_draft *draft) {
  const tw_alloc *alloc = tw_env_alloc(draft->from->env);
  tw_buf next = TW_BUF_INIT(alloc);
  const tw_err err = tw_extensions_remove_component(alloc, tw_buf_bytes(&draft->extensions), component_id, &next);
  if (err == TW_OK) return replace_extensions(draft, &next);
  tw_buf_clear(&next);
  return err;
}

static tw_err apply_updates(const tw_proposal_list *list, seen *components, tw_draft *draft) {
  const tw_policy *policy = &draft->from->client->policy;
  for (uint32_t i = 0; i < list->count; i++) {
    const tw_proposal *proposal = &list->items[i].proposal;
    if (proposal->type != TW_PROPOSAL_APP_DATA_UPDATE) continue;
    const uint16_t component_id = proposal->u.app_data_update.component_id;
    TW_TRY(note(components, component_id, proposal->u.app_data_update.op));
    if (proposal->u.app_data_update.op == TW_APP_DATA_REMOVE) {
      TW_TRY(apply_remove(component_id, draft));
    } else {
      TW_TRY(apply_update(policy, component_id, proposal->u.app_data_update.update, draft));
    }
  }
  return TW_OK;
}

tw_err tw_app_data_apply(const tw_proposal_list *list, tw_draft *draft) {
  const tw_alloc *alloc = tw_env_alloc(draft->from->env);
  TW_TRY(apply_ephemeral(&draft->from->client->policy, list));
  if (tw_proposal_list_first(list, TW_PROPOSAL_APP_DATA_UPDATE) == NULL) return TW_OK;
  seen *components = tw_alloc_zero(alloc, sizeof *components);
  if (components == NULL) return TW_ERR_NO_MEMORY;
  const tw_err err = apply_updates(list, components, draft);
  tw_alloc_free(alloc, components);
  return err;
}

/* AppEphemeral and AppDataUpdate in a commit: draft-ietf-mls-extensions. SPDX-License-Identifier: Apache-2.0 */
#include "mls/app_data.h"
#include "mls/proposal_list.h"

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

/* ---- the components that a list of AppDataUpdates names ---- */

/* What the list has done to a component so far; its data are those that `changes` show. */
typedef struct trail {
  bool is_updated;
  bool is_removed;
  tw_buf data;
} trail;

/*
 * The updates are applied in their order, each on top of what the one before left, and written into the dictionary in
 * one pass at the end: a list may hold as many of them as the dictionary has entries.
 */
typedef struct dictionary_work {
  const tw_alloc *alloc;
  tw_component_change *changes; /* sorted by component_id; has and data: as it stands now */
  trail *trails;                /* one for each change */
  uint32_t count;
} dictionary_work;

static void clear(dictionary_work *work) {
  for (uint32_t i = 0; i < work->count; i++) tw_buf_clear(&work->trails[i].data);
  tw_alloc_free(work->alloc, work->changes);
  tw_alloc_free(work->alloc, work->trails);
}

enum { COMPONENTS = 1 << 16 };

static uint32_t mark_named(const tw_proposal_list *list, uint8_t *named) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < list->count; i++) {
    const tw_proposal *proposal = &list->items[i].proposal;
    if (proposal->type != TW_PROPOSAL_APP_DATA_UPDATE) continue;
    const uint16_t component_id = proposal->u.app_data_update.component_id;
    const uint8_t bit = (uint8_t)(1u << (component_id % 8));
    count += (named[component_id / 8] & bit) == 0;
    named[component_id / 8] |= bit;
  }
  return count;
}

static tw_err list_named(dictionary_work *work, const uint8_t *named, uint32_t count) {
  work->changes = tw_alloc_array(work->alloc, count, sizeof *work->changes);
  work->trails = tw_alloc_array(work->alloc, count, sizeof *work->trails);
  if (work->changes == NULL || work->trails == NULL) return TW_ERR_NO_MEMORY;
  for (uint32_t id = 0; id < COMPONENTS; id++) {
    if (((named[id / 8] >> (id % 8)) & 1) == 0) continue;
    work->changes[work->count].component_id = (uint16_t)id;
    work->trails[work->count++].data = TW_BUF_INIT(work->alloc);
  }
  return TW_OK;
}

static tw_err name_components(dictionary_work *work, const tw_proposal_list *list) {
  uint8_t *named = tw_alloc_zero(work->alloc, COMPONENTS / 8);
  if (named == NULL) return TW_ERR_NO_MEMORY;
  const uint32_t count = mark_named(list, named);
  const tw_err err = list_named(work, named, count);
  tw_alloc_free(work->alloc, named);
  return err;
}

/* What the dictionary holds of them. */
static tw_err look_up(dictionary_work *work, tw_bytes extensions) {
  tw_bytes dictionary;
  tw_bytes entries;
  tw_component_data entry;
  if (!tw_extension_find(extensions, TW_EXTENSION_APP_DATA_DICTIONARY, &dictionary)) return TW_OK;
  TW_TRY(tw_component_entries_decode(dictionary, &entries));
  tw_reader walk = tw_reader_of(entries);
  uint32_t at = 0;
  while (tw_component_next(&walk, &entry)) {
    while (at < work->count && work->changes[at].component_id < entry.component_id) at++;
    if (at == work->count) return TW_OK;
    if (work->changes[at].component_id != entry.component_id) continue;
    work->changes[at].has = true;
    work->changes[at].data = entry.data;
  }
  return TW_OK;
}

/* Where a component stands that the list names. */
static uint32_t place_of(const dictionary_work *work, uint16_t component_id) {
  uint32_t low = 0;
  for (uint32_t count = work->count; count > 1;) {
    const uint32_t half = count / 2;
    if (work->changes[low + half].component_id <= component_id) low += half;
    count -= half;
  }
  return low;
}

/* ---- applying ---- */

static tw_err apply_update(const tw_policy *policy, tw_bytes update, tw_component_change *change, trail *before) {
  tw_buf data = TW_BUF_INIT(before->data.alloc);
  if (policy->app_data_update == NULL) return TW_ERR_PROPOSAL;
  const tw_err err = tw_policy_err(
      policy->app_data_update(policy->ctx, change->component_id, change->has, change->data, update, &data),
      TW_ERR_PROPOSAL);
  if (err != TW_OK) {
    tw_buf_clear(&data);
    return err;
  }
  tw_buf_clear(&before->data);
  *before = (trail){.is_updated = true, .data = data};
  change->has = true;
  change->data = tw_buf_bytes(&before->data);
  return TW_OK;
}

static tw_err apply_remove(tw_component_change *change, trail *before) {
  if (before->is_updated || !change->has) return TW_ERR_PROPOSAL;
  before->is_removed = true;
  change->has = false;
  return TW_OK;
}

/* A component that a list updates and removes, or removes twice, makes it invalid. */
static tw_err apply_updates(const tw_policy *policy, const tw_proposal_list *list, dictionary_work *work) {
  for (uint32_t i = 0; i < list->count; i++) {
    const tw_proposal *proposal = &list->items[i].proposal;
    if (proposal->type != TW_PROPOSAL_APP_DATA_UPDATE) continue;
    const uint32_t place = place_of(work, proposal->u.app_data_update.component_id);
    if (work->trails[place].is_removed) return TW_ERR_PROPOSAL;
    if (proposal->u.app_data_update.op == TW_APP_DATA_REMOVE) {
      TW_TRY(apply_remove(&work->changes[place], &work->trails[place]));
    } else {
      TW_TRY(apply_update(policy, proposal->u.app_data_update.update, &work->changes[place], &work->trails[place]));
    }
  }
  return TW_OK;
}

static tw_err write_extensions(const dictionary_work *work, tw_draft *draft) {
  tw_buf next = TW_BUF_INIT(work->alloc);
  tw_err err = tw_extensions_change_components(work->alloc, tw_buf_bytes(&draft->extensions), work->changes,
                                               work->count, &next);
  if (err == TW_OK) err = tw_buf_assign(&draft->extensions, tw_buf_bytes(&next));
  tw_buf_clear(&next);
  return err;
}

tw_err tw_app_data_apply(const tw_proposal_list *list, tw_draft *draft) {
  const tw_policy *policy = &draft->from->client->policy;
  TW_TRY(apply_ephemeral(policy, list));
  if (tw_proposal_list_first(list, TW_PROPOSAL_APP_DATA_UPDATE) == NULL) return TW_OK;
  dictionary_work work = {.alloc = tw_env_alloc(draft->from->env)};
  tw_err err = name_components(&work, list);
  if (err == TW_OK) err = look_up(&work, tw_buf_bytes(&draft->extensions));
  if (err == TW_OK) err = apply_updates(policy, list, &work);
  if (err == TW_OK) err = write_extensions(&work, draft);
  clear(&work);
  return err;
}

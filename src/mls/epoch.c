/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/epoch.h"

#include <string.h>

tw_err tw_group_new(const tw_client *client, tw_group **out) {
  const tw_env *env = client->env;
  tw_group *group = tw_alloc_zero(tw_env_alloc(env), sizeof *group);
  if (group == NULL) return TW_ERR_NO_MEMORY;
  group->exporter_cache = tw_alloc_zero(tw_env_alloc(env), sizeof *group->exporter_cache);
  if (group->exporter_cache == NULL) {
    tw_alloc_free(tw_env_alloc(env), group);
    return TW_ERR_NO_MEMORY;
  }
  group->refs = 1;
  group->client = client;
  group->env = env;
  group->suite = client->suite;
  group->context_encoded = TW_BUF_INIT(tw_env_alloc(env));
  group->reinit = TW_BUF_INIT(tw_env_alloc(env));
  *out = group;
  return TW_OK;
}

tw_err tw_group_set_context(tw_group *group, const tw_group_context *context) {
  tw_writer w = tw_writer_to(&group->context_encoded);
  tw_write_group_context(&w, context);
  TW_TRY(tw_writer_end(&w));
  tw_reader r = tw_reader_of(tw_buf_bytes(&group->context_encoded));
  group->context = tw_read_group_context(&r);
  return tw_reader_end(&r);
}

tw_err tw_group_set_secrets(tw_group *group, tw_bytes joiner_secret, tw_bytes psk_secret) {
  TW_TRY(tw_epoch_secrets_derive(group->env, group->suite, joiner_secret, psk_secret,
                                 tw_buf_bytes(&group->context_encoded), &group->secrets));
  return tw_group_plant_trees(group);
}

tw_err tw_group_plant_trees(tw_group *group) {
  const tw_env *env = group->env;
  const tw_suite *suite = group->suite;
  TW_TRY(tw_secret_tree_new(env, suite, tw_secret_bytes(&group->secrets.encryption_secret),
                            tw_tree_leaf_count(group->tree), &group->secret_tree));
  TW_TRY(
      tw_export_tree_new(env, suite, tw_secret_bytes(&group->secrets.application_export_secret), &group->export_tree));
  /* Kept here too, they would undo the deletion schedule of section 9.2. */
  tw_secret_clear(&group->secrets.encryption_secret);
  tw_secret_clear(&group->secrets.application_export_secret);
  tw_hmac_key_init(env, suite, tw_secret_bytes(&group->secrets.exporter_secret), &group->exporter_key);
  return TW_OK;
}

tw_err tw_group_confirm(tw_group *group) {
  const tw_bytes confirmed = group->context.confirmed_transcript_hash;
  TW_TRY(tw_confirmation_tag(group->env, group->suite, tw_secret_bytes(&group->secrets.confirmation_key), confirmed,
                             group->confirmation_tag));
  return tw_interim_transcript_hash(group->env, group->suite, confirmed,
                                    tw_group_hash_bytes(group, group->confirmation_tag),
                                    group->interim_transcript_hash);
}

/* ---- PSKs ---- */

/* PSKs of a commit or a Welcome with their secrets, in order. */
typedef struct psk_set {
  tw_psk *items; /* ids are views into the proposals or GroupSecrets, secrets into `memory` */
  uint32_t count;
  tw_buf memory;
} psk_set;

static const tw_secret *own_resumption_psk(const tw_group *group, const tw_psk_id *id) {
  if (group == NULL || id->type != TW_PSK_RESUMPTION || !tw_bytes_equal(id->group_id, group->context.group_id))
    return NULL;
  /* An external joiner has none of the epoch that it knows by its GroupInfo. */
  if (id->epoch == group->context.epoch)
    return group->secrets.resumption_psk.len > 0 ? &group->secrets.resumption_psk : NULL;
  for (uint32_t i = 0; i < group->past_psk_count; i++) {
    if (group->past_psks[i].epoch == id->epoch) return &group->past_psks[i].secret;
  }
  return NULL;
}

static tw_err append_psk(const tw_client *client, const tw_group *group, const tw_psk_id *id, tw_buf *memory) {
  const tw_secret *own = own_resumption_psk(group, id);
  if (own != NULL) return tw_buf_append(memory, tw_secret_bytes(own));
  if (client->policy.psk == NULL) return TW_ERR_MISSING_PSK;
  const tw_psk_query query = {
      .type = id->type,
      .psk_id = id->id,
      .component_id = id->component_id,
      .usage = id->usage,
      .psk_group_id = id->group_id,
      .psk_epoch = id->epoch,
  };
  return client->policy.psk(client->policy.ctx, &query, memory);
}

static uint32_t count_psk_ids(tw_bytes ids) {
  uint32_t count = 0;
  tw_reader r = tw_reader_of(ids);
  while (tw_reader_more(&r)) {
    (void)tw_read_psk_id(&r);
    count++;
  }
  return count;
}

static tw_err look_up(const tw_client *client, const tw_group *group, tw_bytes ids, psk_set *set) {
  tw_reader r = tw_reader_of(ids);
  for (uint32_t i = 0; tw_reader_more(&r); i++) {
    set->items[i].id = tw_read_psk_id(&r);
    TW_TRY(tw_reader_err(&r));
    const size_t before = set->memory.len;
    TW_TRY(append_psk(client, group, &set->items[i].id, &set->memory));
    /* The length for now: the memory may still move. */
    set->items[i].secret.len = set->memory.len - before;
  }
  const uint8_t *at = set->memory.ptr;
  for (uint32_t i = 0; i < set->count; i++) {
    set->items[i].secret.ptr = at;
    if (set->items[i].secret.len > 0) at += set->items[i].secret.len;
  }
  return tw_reader_end(&r);
}

tw_err tw_psk_secret_resolve(const tw_client *client, const tw_group *group, tw_bytes ids, tw_secret *psk_secret) {
  const tw_env *env = client->env;
  const tw_alloc *alloc = tw_env_alloc(env);
  psk_set set = {.count = count_psk_ids(ids), .memory = TW_BUF_INIT(alloc)};
  if (set.count > tw_env_limits(env)->psks) return TW_ERR_LIMIT;
  if (set.count == 0) {
    tw_secret_clear(psk_secret);
    return TW_OK;
  }
  set.items = tw_alloc_array(alloc, set.count, sizeof *set.items);
  if (set.items == NULL) return TW_ERR_NO_MEMORY;
  tw_err err = look_up(client, group, ids, &set);
  if (err == TW_OK) err = tw_psk_secret(env, client->suite, set.items, set.count, psk_secret);
  tw_alloc_free(alloc, set.items);
  tw_buf_clear(&set.memory);
  return err;
}

tw_err tw_proposal_list_psk_ids(const tw_proposal_list *list, tw_buf *ids) {
  tw_writer w = tw_writer_to(ids);
  for (uint32_t i = 0; i < list->count; i++) {
    if (list->items[i].proposal.type == TW_PROPOSAL_PSK) tw_write_fixed(&w, list->items[i].proposal.u.psk.encoded);
  }
  return tw_writer_end(&w);
}

/* ---- advancing ---- */

static tw_err next_context(const tw_draft *draft, uint8_t *tree_hash, tw_group_context *context) {
  TW_TRY(tw_tree_hash(draft->tree, tree_hash));
  *context = draft->from->context;
  context->epoch++;
  context->tree_hash = tw_group_hash_bytes(draft->from, tree_hash);
  context->extensions = tw_buf_bytes(&draft->extensions);
  return context->epoch != 0 ? TW_OK : TW_ERR_LIMIT;
}

tw_err tw_provisional_context(const tw_draft *draft, tw_buf *out) {
  uint8_t tree_hash[TW_HASH_MAX];
  tw_group_context context;
  TW_TRY(next_context(draft, tree_hash, &context));
  tw_writer w = tw_writer_to(out);
  tw_write_group_context(&w, &context);
  return tw_writer_end(&w);
}

/* The epoch that ends joins the kept ones; the oldest falls out (section 8.6). */
static tw_err keep_past_psks(const tw_group *from, tw_group *next) {
  const uint32_t limit = tw_env_limits(from->env)->past_epochs;
  if (limit == 0 || from->secrets.resumption_psk.len == 0) return TW_OK;
  const uint32_t count = from->past_psk_count + 1 < limit ? from->past_psk_count + 1 : limit;
  next->past_psks = tw_alloc_array(tw_env_alloc(from->env), count, sizeof *next->past_psks);
  if (next->past_psks == NULL) return TW_ERR_NO_MEMORY;
  next->past_psk_count = count;
  next->past_psks[0] = (tw_past_psk){from->context.epoch, from->secrets.resumption_psk};
  if (count > 1) memcpy(&next->past_psks[1], from->past_psks, (count - 1) * sizeof *next->past_psks);
  return TW_OK;
}

static tw_err fill(tw_group *next, const tw_draft *draft, const tw_commit_input *input, tw_secret *joiner_secret) {
  const tw_group *from = draft->from;
  const tw_env *env = from->env;
  const tw_suite *suite = from->suite;
  uint8_t tree_hash[TW_HASH_MAX];
  uint8_t confirmed[TW_HASH_MAX];
  tw_group_context context;
  TW_TRY(next_context(draft, tree_hash, &context));
  TW_TRY(tw_confirmed_transcript_hash(env, suite, tw_group_hash_bytes(from, from->interim_transcript_hash),
                                      input->wire_format, input->framed_content, input->signature, confirmed));
  context.confirmed_transcript_hash = tw_group_hash_bytes(from, confirmed);
  TW_TRY(tw_group_set_context(next, &context));
  const tw_secret *init = draft->external_init.len > 0 ? &draft->external_init : &from->secrets.init_secret;
  TW_TRY(tw_joiner_secret(env, suite, tw_secret_bytes(init), input->commit_secret, tw_buf_bytes(&next->context_encoded),
                          joiner_secret));
  TW_TRY(tw_group_set_secrets(next, tw_secret_bytes(joiner_secret), input->psk_secret));
  TW_TRY(tw_group_confirm(next));
  TW_TRY(keep_past_psks(from, next));
  return input->reinit == NULL ? TW_OK : tw_buf_assign(&next->reinit, input->reinit->proposal.encoded);
}

tw_err tw_epoch_advance(tw_draft *draft, const tw_client *client, const tw_commit_input *input,
                        tw_secret *joiner_secret, tw_group **next) {
  tw_group *group;
  TW_TRY(tw_group_new(client, &group));
  group->tree = draft->tree;
  group->priv = draft->priv;
  group->signer = draft->signer;
  draft->tree = NULL;
  draft->priv = (tw_tree_private){0};
  draft->signer = NULL;
  /* next_context reads the tree through the draft: lend it for the time. */
  tw_draft lent = *draft;
  lent.tree = group->tree;
  const tw_err err = fill(group, &lent, input, joiner_secret);
  tw_wipe(&lent, sizeof lent);
  if (err != TW_OK) {
    tw_secret_clear(joiner_secret);
    tw_group_free(group);
    return err;
  }
  *next = group;
  return TW_OK;
}

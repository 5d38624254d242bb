/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/commit_process.h"

#include "mls/tree_node.h"

typedef struct process_work {
  const tw_group *group;
  const tw_verified_content *content;
  const tw_commit *commit;
  uint64_t now;
  tw_proposal_list list;
  tw_draft draft;
  tw_secret commit_secret;
  tw_secret psk_secret;
  tw_secret joiner_secret;
} process_work;

static void clear(process_work *work) {
  const tw_env *env = work->group->env;
  tw_proposal_list_clear(env, &work->list);
  tw_draft_clear(env, &work->draft);
  tw_secret_clear(&work->commit_secret);
  tw_secret_clear(&work->psk_secret);
  tw_secret_clear(&work->joiner_secret);
}

static bool is_external(const process_work *work) {
  return work->content->content.sender.type == TW_SENDER_NEW_MEMBER_COMMIT;
}

/* ProposalOrRef of section 12.4: references are looked up among what was received in this epoch. */
static tw_err read_list(process_work *work) {
  const tw_group *group = work->group;
  tw_reader walk = tw_reader_of(work->commit->proposals);
  tw_proposal_or_ref item;
  if (work->commit->proposal_count > tw_env_limits(group->env)->proposals) return TW_ERR_LIMIT;
  while (tw_proposal_or_ref_next(&walk, &item)) {
    const tw_cached_proposal *cached = NULL;
    tw_sender sender = work->content->content.sender;
    if (item.type == TW_COMMIT_REFERENCE) {
      cached = tw_proposal_cache_find(&group->proposals, group->suite, item.reference);
      if (cached == NULL) return TW_ERR_MISSING_PROPOSAL;
      TW_TRY(tw_proposal_decode(tw_buf_bytes(&cached->encoded), &item.proposal));
      sender = cached->sender;
    }
    TW_TRY(tw_proposal_list_append(group->env, &work->list, &item.proposal, sender, cached));
  }
  return tw_reader_end(&walk);
}

static tw_err receive_external_init(process_work *work) {
  const tw_listed_proposal *item = tw_proposal_list_first(&work->list, TW_PROPOSAL_EXTERNAL_INIT);
  if (item == NULL) return TW_OK;
  const tw_group *group = work->group;
  const tw_err err = tw_external_init_receive(group->env, group->suite,
                                              tw_secret_bytes(&group->secrets.external_secret),
                                              item->proposal.u.external_init, &work->draft.external_init);
  /* A kem_output that cannot be opened is the sender's doing. */
  return err == TW_ERR_DECRYPT || err == TW_ERR_KEY ? TW_ERR_PROPOSAL : err;
}

/* The leaf that stood where the path's sender is: its own, or in a resync the one that it removes (section 12.2). */
static const tw_leaf_node *former_leaf(const process_work *work) {
  if (!is_external(work)) return tw_tree_leaf(work->group->tree, work->content->content.sender.index);
  const tw_listed_proposal *removed = tw_proposal_list_first(&work->list, TW_PROPOSAL_REMOVE);
  return removed == NULL ? NULL : tw_tree_leaf(work->group->tree, removed->proposal.u.remove);
}

static tw_err check_path_leaf(process_work *work, uint32_t sender) {
  const tw_group *group = work->group;
  const tw_leaf_node *leaf = &work->commit->path.leaf_node;
  const tw_leaf_node *old = former_leaf(work);
  const uint32_t except = is_external(work) ? UINT32_MAX : sender;
  if (leaf->source != TW_LEAF_COMMIT) return TW_ERR_TREE;
  if (old != NULL && tw_bytes_equal(old->encryption_key, leaf->encryption_key)) return TW_ERR_KEY_REUSED;
  TW_TRY(tw_leaf_node_check(group->env, group->suite, leaf, tw_buf_bytes(&work->draft.extensions), work->now));
  if (tw_tree_has_signature_key(work->draft.tree, leaf->signature_key, except)) return TW_ERR_KEY_REUSED;
  TW_TRY(tw_leaf_node_verify(group->env, group->suite, leaf, group->context.group_id, sender));
  const tw_credential_event event = old != NULL ? TW_CREDENTIAL_UPDATED : TW_CREDENTIAL_JOINS;
  return tw_client_accepts(group->client, event, group->context.group_id, sender, leaf, old, work->now);
}

static tw_err apply_path(process_work *work) {
  const tw_update_path *path = &work->commit->path;
  const tw_group *group = work->group;
  uint32_t sender = work->content->content.sender.index;
  if (is_external(work)) {
    sender = tw_tree_next_free(work->draft.tree);
    TW_TRY(check_path_leaf(work, sender));
    uint32_t index;
    if (tw_tree_has_encryption_key(work->draft.tree, path->leaf_node.encryption_key, UINT32_MAX))
      return TW_ERR_KEY_REUSED;
    TW_TRY(tw_tree_add_leaf(work->draft.tree, path->leaf_node.encoded, &index));
    if (index != sender) return TW_ERR_INTERNAL;
  } else {
    TW_TRY(check_path_leaf(work, sender));
  }
  TW_TRY(tw_path_apply(work->draft.tree, sender, path));
  TW_TRY(tw_draft_check_leaf(&work->draft, sender));
  if (work->draft.self_removed) return TW_OK;
  tw_buf context = TW_BUF_INIT(tw_env_alloc(group->env));
  tw_err err = tw_provisional_context(&work->draft, &context);
  if (err == TW_OK)
    err = tw_path_decrypt(work->draft.tree, &work->draft.priv, sender, path, work->draft.added, work->draft.added_count,
                          tw_buf_bytes(&context), &work->commit_secret);
  tw_buf_clear(&context);
  return err;
}

static tw_err derive_psks(process_work *work) {
  const tw_group *group = work->group;
  tw_buf ids = TW_BUF_INIT(tw_env_alloc(group->env));
  tw_err err = tw_proposal_list_psk_ids(&work->list, &ids);
  if (err == TW_OK) err = tw_psk_secret_resolve(group->client, group, tw_buf_bytes(&ids), &work->psk_secret);
  tw_buf_clear(&ids);
  return err;
}

static tw_err advance(process_work *work, tw_group **next) {
  const tw_group *group = work->group;
  const tw_commit_input input = {
      .wire_format = work->content->wire_format,
      .framed_content = work->content->content.encoded,
      .signature = work->content->auth.signature,
      .commit_secret = tw_secret_bytes(&work->commit_secret),
      .psk_secret = tw_secret_bytes(&work->psk_secret),
      .reinit = tw_proposal_list_first(&work->list, TW_PROPOSAL_REINIT),
  };
  tw_group *made;
  TW_TRY(tw_epoch_advance(&work->draft, group->client, &input, &work->joiner_secret, &made));
  if (!tw_secret_equal(tw_group_hash_bytes(made, made->confirmation_tag), work->content->auth.confirmation_tag)) {
    tw_group_free(made);
    return TW_ERR_MAC;
  }
  *next = made;
  return TW_OK;
}

static tw_err process(process_work *work, tw_group **next) {
  TW_TRY(read_list(work));
  if (!work->commit->has_path && (is_external(work) || tw_proposal_list_needs_path(&work->list)))
    return TW_ERR_PROPOSAL;
  TW_TRY(tw_draft_begin(work->group, &work->draft));
  TW_TRY(tw_proposal_list_apply(&work->list, work->content->content.sender, work->now, &work->draft));
  if (work->commit->has_path) TW_TRY(apply_path(work));
  if (work->draft.self_removed) {
    *next = NULL;
    return TW_OK;
  }
  TW_TRY(receive_external_init(work));
  TW_TRY(derive_psks(work));
  return advance(work, next);
}

tw_err tw_commit_process(const tw_group *group, const tw_verified_content *content, uint64_t now, tw_group **next) {
  process_work work = {.group = group, .content = content, .commit = &content->content.commit, .now = now};
  const tw_err err = process(&work, next);
  clear(&work);
  return err;
}

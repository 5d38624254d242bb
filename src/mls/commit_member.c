/* A member's commit, and which collected proposals go into it. RFC 9420 sections 12.2 and 12.4.1. SPDX-License-Identifier: Apache-2.0 */
#include "mls/commit_make.h"
#include "mls/leaf_make.h"

static tw_err append_cached(tw_commit_work *work, const tw_cached_proposal *cached) {
  tw_proposal proposal;
  TW_TRY(tw_proposal_decode(tw_buf_bytes(&cached->encoded), &proposal));
  return tw_proposal_list_append(work->from->env, &work->list, &proposal, cached->sender, cached);
}

tw_err tw_commit_work_append_collected(tw_commit_work *work) {
  const tw_proposal_cache *cache = &work->from->proposals;
  for (uint32_t i = 0; i < cache->count; i++) TW_TRY(append_cached(work, &cache->items[i]));
  return TW_OK;
}

/* Ours that only others can commit, and a ReInit beside anything else (section 12.2), stay behind. */
static bool is_for_others(const tw_commit_work *work, const tw_cached_proposal *cached, const tw_proposal *proposal) {
  const bool ours = cached->sender.type == TW_SENDER_MEMBER && cached->sender.index == work->committer.index;
  switch (proposal->type) {
  case TW_PROPOSAL_UPDATE:
  case TW_PROPOSAL_SELF_REMOVE: return ours;
  case TW_PROPOSAL_REMOVE: return proposal->u.remove == work->committer.index;
  case TW_PROPOSAL_REINIT: return work->list.count > 0 || work->from->proposals.count > 1;
  default: return false;
  }
}

/* Whether the list as it stands could be committed. */
static tw_err try_list(tw_commit_work *work) {
  tw_draft draft = {0};
  TW_TRY(tw_draft_begin(work->from, &draft));
  const tw_err err = tw_proposal_list_apply(&work->list, work->committer, work->now, &draft);
  tw_draft_clear(work->from->env, &draft);
  return err;
}

static bool is_our_failure(tw_err err) {
  return tw_err_class_of(err) == TW_CLASS_RESOURCE || tw_err_class_of(err) == TW_CLASS_INTERNAL;
}

/*
 * Section 12.4: a committer should take all valid proposals. Usually all fit together; where they do not, they are
 * tried one by one, removals first and later updates before earlier ones (section 12.2), and those that do not fit stay
 * behind.
 */
static tw_err append_one_by_one(tw_commit_work *work, uint32_t by_value) {
  const tw_proposal_cache *cache = &work->from->proposals;
  work->list.count = by_value;
  for (int pass = 0; pass < 2; pass++) {
    for (uint32_t i = cache->count; i-- > 0;) {
      const tw_cached_proposal *cached = &cache->items[i];
      tw_proposal proposal;
      TW_TRY(tw_proposal_decode(tw_buf_bytes(&cached->encoded), &proposal));
      const bool removes = proposal.type == TW_PROPOSAL_REMOVE || proposal.type == TW_PROPOSAL_SELF_REMOVE;
      if (removes != (pass == 0) || is_for_others(work, cached, &proposal)) continue;
      TW_TRY(append_cached(work, cached));
      const tw_err err = try_list(work);
      if (is_our_failure(err)) return err;
      if (err != TW_OK) work->list.count--;
    }
  }
  return TW_OK;
}

static tw_err append_collected(tw_commit_work *work) {
  const tw_proposal_cache *cache = &work->from->proposals;
  const uint32_t by_value = work->list.count;
  if (cache->count == 0) return TW_OK;
  for (uint32_t i = 0; i < cache->count; i++) {
    tw_proposal proposal;
    TW_TRY(tw_proposal_decode(tw_buf_bytes(&cache->items[i].encoded), &proposal));
    if (!is_for_others(work, &cache->items[i], &proposal)) TW_TRY(append_cached(work, &cache->items[i]));
  }
  const tw_err err = try_list(work);
  if (err == TW_OK || is_our_failure(err)) return err;
  return append_one_by_one(work, by_value);
}

tw_err tw_group_commit(tw_group *group, const tw_commit_options *options, uint64_t now, tw_commit_result *result) {
  static const tw_commit_options defaults = {0};
  TW_TRY(tw_group_check_open(group));
  if (options == NULL) options = &defaults;
  if (options->client != NULL) {
    TW_TRY(tw_client_check(options->client));
    if (options->client->suite != group->suite || options->client->env != group->env) return TW_ERR_ARGUMENT;
  }
  tw_commit_work work = {
      .from = group,
      .client = options->client,
      .options = options,
      .committer = {TW_SENDER_MEMBER, group->priv.leaf_index},
      .now = now,
  };
  tw_err err = tw_commit_work_append(&work, options->proposals);
  if (err == TW_OK && !options->without_collected) err = append_collected(&work);
  if (err == TW_OK) err = tw_commit_work_run(&work, result);
  tw_commit_work_clear(&work);
  return err;
}

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

/* A limit that is passed is no failure here: others may propose as much as they like. */
static bool is_our_failure(tw_err err) {
  return (tw_err_class_of(err) == TW_CLASS_RESOURCE && err != TW_ERR_LIMIT) ||
         tw_err_class_of(err) == TW_CLASS_INTERNAL;
}

/* The collected ones that could go in, removals first and later ones before earlier ones (section 12.2). */
static tw_err order_collected(const tw_commit_work *work, uint32_t *order, uint32_t *count) {
  const tw_proposal_cache *cache = &work->from->proposals;
  for (int pass = 0; pass < 2; pass++) {
    for (uint32_t i = cache->count; i-- > 0;) {
      tw_proposal proposal;
      TW_TRY(tw_proposal_decode(tw_buf_bytes(&cache->items[i].encoded), &proposal));
      const bool removes = proposal.type == TW_PROPOSAL_REMOVE || proposal.type == TW_PROPOSAL_SELF_REMOVE;
      if (removes == (pass == 0) && !is_for_others(work, &cache->items[i], &proposal)) order[(*count)++] = i;
    }
  }
  return TW_OK;
}

/* Part of the order that is to be tried as a whole. */
typedef struct stretch {
  uint32_t from;
  uint32_t count;
} stretch;

/*
 * Halves what does not fit until single ones stay behind; a PSK that somebody else wants and that we do not hold is
 * such a one too. What was tried last and fits stays applied, so that it is not applied again for the commit. Each try
 * costs as much as a commit of the list, and who wants may send proposals that exclude each other: so the tries are
 * bounded, and what is left then stays behind too.
 */
enum { TRIES = 256, HALVINGS = 33 };

static tw_err append_what_fits(tw_commit_work *work, const uint32_t *order, uint32_t count) {
  stretch waiting[HALVINGS] = {{0, count}};
  size_t depth = 1;
  for (uint32_t tries = 0; depth > 0 && tries < TRIES; tries++) {
    const stretch next = waiting[--depth];
    const uint32_t before = work->list.count;
    tw_err err = TW_OK;
    for (uint32_t i = 0; err == TW_OK && i < next.count; i++) {
      err = append_cached(work, &work->from->proposals.items[order[next.from + i]]);
    }
    if (err == TW_OK) err = tw_commit_work_apply(work);
    if (is_our_failure(err)) return err;
    if (err == TW_OK) continue;
    work->list.count = before;
    if (next.count < 2) continue;
    const uint32_t half = next.count / 2;
    waiting[depth++] = (stretch){next.from + half, next.count - half};
    waiting[depth++] = (stretch){next.from, half};
  }
  return TW_OK;
}

/*
 * Section 12.4: a committer should take all valid proposals. Usually all fit together; where they do not, as many as
 * do are found.
 */
static tw_err append_some(tw_commit_work *work, uint32_t by_value) {
  const tw_alloc *alloc = tw_env_alloc(work->from->env);
  uint32_t count = 0;
  work->list.count = by_value;
  TW_TRY(tw_commit_work_apply(work)); /* no choice among the collected ones mends what the caller gave */
  uint32_t *order = tw_alloc_array(alloc, work->from->proposals.count, sizeof *order);
  if (order == NULL) return TW_ERR_NO_MEMORY;
  tw_err err = order_collected(work, order, &count);
  if (err == TW_OK && count > 0) err = append_what_fits(work, order, count);
  tw_alloc_free(alloc, order);
  return err;
}

static tw_err append_collected(tw_commit_work *work) {
  const tw_proposal_cache *cache = &work->from->proposals;
  const uint32_t by_value = work->list.count;
  if (cache->count == 0) return TW_OK;
  tw_err err = TW_OK;
  for (uint32_t i = 0; err == TW_OK && i < cache->count; i++) {
    tw_proposal proposal;
    TW_TRY(tw_proposal_decode(tw_buf_bytes(&cache->items[i].encoded), &proposal));
    if (!is_for_others(work, &cache->items[i], &proposal)) err = append_cached(work, &cache->items[i]);
  }
  if (err == TW_OK) err = tw_commit_work_apply(work);
  if (err == TW_OK || is_our_failure(err)) return err;
  return append_some(work, by_value);
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

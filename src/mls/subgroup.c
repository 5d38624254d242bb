/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/subgroup.h"

#include <string.h>

#include "mls/commit_make.h"
#include "mls/leaf_make.h"

static bool is_linking(const tw_psk_id *id) {
  return id->type == TW_PSK_RESUMPTION && (id->usage == TW_RESUMPTION_REINIT || id->usage == TW_RESUMPTION_BRANCH);
}

/* The PSK that links to the group of origin; false when there is none. `count` of them. */
static uint32_t find_link(const tw_group_secrets *secrets, tw_psk_id *link) {
  uint32_t count = 0;
  tw_reader walk = tw_reader_of(secrets->psks);
  while (tw_reader_more(&walk)) {
    const tw_psk_id id = tw_read_psk_id(&walk);
    if (!is_linking(&id)) continue;
    *link = id;
    count++;
  }
  return count;
}

tw_err tw_subgroup_check_psks(const tw_group_secrets *secrets) {
  tw_psk_id link;
  return find_link(secrets, &link) <= 1 ? TW_OK : TW_ERR_FORBIDDEN;
}

/* ---- members by what identifies them to the application: the credential ---- */

static int compare(tw_bytes a, tw_bytes b) {
  if (a.len != b.len) return a.len < b.len ? -1 : 1;
  return a.len == 0 ? 0 : memcmp(a.ptr, b.ptr, a.len);
}

static void sift_down(tw_bytes *items, uint32_t root, uint32_t count) {
  for (uint32_t child; (child = 2 * root + 1) < count; root = child) {
    if (child + 1 < count && compare(items[child], items[child + 1]) < 0) child++;
    if (compare(items[root], items[child]) >= 0) return;
    const tw_bytes above = items[root];
    items[root] = items[child];
    items[child] = above;
  }
}

/* Heap sort: no memory, no recursion, and no order of members makes it slow. */
static void sort(tw_bytes *items, uint32_t count) {
  for (uint32_t i = count / 2; i-- > 0;) sift_down(items, i, count);
  for (uint32_t end = count; end-- > 1;) {
    const tw_bytes largest = items[0];
    items[0] = items[end];
    items[end] = largest;
    sift_down(items, 0, end);
  }
}

static bool has(const tw_bytes *sorted, uint32_t count, tw_bytes wanted) {
  uint32_t low = 0;
  while (count > 0) {
    const uint32_t half = count / 2;
    const int order = compare(sorted[low + half], wanted);
    if (order == 0) return true;
    if (order < 0) low += half + 1;
    count = order < 0 ? count - half - 1 : half;
  }
  return false;
}

/*
 * Two leaves match if their credentials are equal; an application with looser rules decides in its policy callback,
 * which has seen every member before. `otherwise` when a member of `inner` matches none of `outer`.
 */
static tw_err members_within(const tw_group *inner, const tw_group *outer, tw_err otherwise) {
  const tw_alloc *alloc = tw_env_alloc(outer->env);
  uint32_t count = 0;
  tw_bytes *credentials = tw_alloc_array(alloc, tw_tree_member_count(outer->tree), sizeof *credentials);
  if (credentials == NULL) return TW_ERR_NO_MEMORY;
  for (uint32_t i = 0; tw_tree_next_leaf(outer->tree, &i); i++) {
    credentials[count++] = tw_tree_leaf(outer->tree, i)->credential.encoded;
  }
  sort(credentials, count);
  tw_err err = TW_OK;
  for (uint32_t i = 0; err == TW_OK && tw_tree_next_leaf(inner->tree, &i); i++) {
    if (!has(credentials, count, tw_tree_leaf(inner->tree, i)->credential.encoded)) err = otherwise;
  }
  tw_alloc_free(alloc, credentials);
  return err;
}

static tw_err check_reinit(const tw_group *joined, const tw_group *origin, const tw_psk_id *link) {
  tw_proposal reinit;
  if (origin->reinit.len == 0 || link->epoch != origin->context.epoch) return TW_ERR_FORBIDDEN;
  TW_TRY(tw_proposal_decode(tw_buf_bytes(&origin->reinit), &reinit));
  if (joined->context.version != reinit.u.reinit.version ||
      joined->context.cipher_suite != reinit.u.reinit.cipher_suite ||
      !tw_bytes_equal(joined->context.group_id, reinit.u.reinit.group_id) ||
      !tw_bytes_equal(joined->context.extensions, reinit.u.reinit.extensions))
    return TW_ERR_FORBIDDEN;
  return members_within(origin, joined, TW_ERR_FORBIDDEN);
}

static tw_err check_branch(const tw_group *joined, const tw_group *origin) {
  if (joined->context.version != origin->context.version ||
      joined->context.cipher_suite != origin->context.cipher_suite)
    return TW_ERR_FORBIDDEN;
  return members_within(joined, origin, TW_ERR_FORBIDDEN);
}

tw_err tw_subgroup_check_join(const tw_group *joined, const tw_group_secrets *secrets, const tw_group *origin) {
  tw_psk_id link;
  /* Who names a group of origin asks for its branch or successor and nothing else. */
  if (find_link(secrets, &link) == 0) return origin == NULL ? TW_OK : TW_ERR_FORBIDDEN;
  if (origin == NULL || !tw_bytes_equal(link.group_id, origin->context.group_id)) return TW_ERR_FORBIDDEN;
  if (joined->context.epoch != 1) return TW_ERR_FORBIDDEN;
  return link.usage == TW_RESUMPTION_REINIT ? check_reinit(joined, origin, &link) : check_branch(joined, origin);
}

/* ---- making ---- */

/* The first commit of the new group: everybody's Add, and the PSK that links it to the old one. */
static tw_err append_members(tw_commit_work *work, tw_buf *proposals, const tw_bytes *key_packages, size_t count) {
  for (size_t i = 0; i < count; i++) TW_TRY(tw_propose_add(proposals, key_packages[i]));
  return tw_commit_work_append(work, tw_buf_bytes(proposals));
}

static tw_err append_link(tw_commit_work *work, tw_buf *encoded, const tw_group *origin, uint8_t usage) {
  uint8_t nonce[TW_HASH_MAX];
  const tw_suite *suite = work->from->suite;
  TW_TRY(tw_random(work->from->env, nonce, suite->hash->size));
  const tw_psk_id id = {
      .type = TW_PSK_RESUMPTION,
      .usage = usage,
      .group_id = origin->context.group_id,
      .epoch = origin->context.epoch,
      .nonce = TW_BYTES(nonce, suite->hash->size),
  };
  tw_writer w = tw_writer_to(encoded);
  tw_write_proposal_psk(&w, &id);
  TW_TRY(tw_writer_end(&w));
  return tw_commit_work_append(work, tw_buf_bytes(encoded));
}

static tw_err commit_members(tw_group *fresh, const tw_group *origin, uint8_t usage, const tw_bytes *key_packages,
                             size_t count, uint64_t now, tw_commit_result *result) {
  static const tw_commit_options options = {0};
  const tw_alloc *alloc = tw_env_alloc(fresh->env);
  tw_buf proposals = TW_BUF_INIT(alloc);
  tw_buf link = TW_BUF_INIT(alloc);
  tw_commit_work work = {.from = fresh,
                         .options = &options,
                         .committer = {TW_SENDER_MEMBER, fresh->priv.leaf_index},
                         .now = now,
                         .origin = origin};
  tw_err err = append_members(&work, &proposals, key_packages, count);
  if (err == TW_OK) err = append_link(&work, &link, origin, usage);
  if (err == TW_OK) err = tw_commit_work_run(&work, result);
  tw_commit_work_clear(&work);
  tw_buf_clear(&proposals);
  tw_buf_clear(&link);
  return err;
}

static tw_err found(const tw_group *origin, uint8_t usage, const tw_client *client, tw_bytes group_id,
                    tw_bytes extensions, const tw_bytes *key_packages, size_t count, uint64_t now,
                    tw_commit_result *result) {
  tw_group *fresh;
  TW_TRY(tw_group_create(client, group_id, extensions, now, &fresh));
  tw_err err = commit_members(fresh, origin, usage, key_packages, count, now, result);
  if (err == TW_OK) {
    const bool reinit = usage == TW_RESUMPTION_REINIT;
    err = members_within(reinit ? origin : result->next, reinit ? result->next : origin, TW_ERR_ARGUMENT);
    if (err != TW_OK) tw_commit_result_clear(result);
  }
  tw_group_free(fresh);
  return err;
}

tw_err tw_group_branch(tw_group *group, const tw_client *client, tw_bytes group_id, const tw_bytes *key_packages,
                       size_t count, uint64_t now, tw_commit_result *result) {
  TW_TRY(tw_client_check(client));
  TW_TRY(tw_group_check_open(group));
  if (client->suite != group->suite) return TW_ERR_ARGUMENT;
  return found(group, TW_RESUMPTION_BRANCH, client, group_id, group->context.extensions, key_packages, count, now,
               result);
}

tw_err tw_group_reinit(tw_group *closed, const tw_client *client, const tw_bytes *key_packages, size_t count,
                       uint64_t now, tw_commit_result *result) {
  tw_proposal reinit;
  TW_TRY(tw_client_check(client));
  if (!tw_group_is_closed(closed)) return TW_ERR_STATE;
  TW_TRY(tw_proposal_decode(tw_buf_bytes(&closed->reinit), &reinit));
  if (reinit.u.reinit.version != TW_MLS10) return TW_ERR_UNSUPPORTED;
  if (reinit.u.reinit.cipher_suite != tw_suite_id(client->env, client->suite)) return TW_ERR_ARGUMENT;
  return found(closed, TW_RESUMPTION_REINIT, client, reinit.u.reinit.group_id, reinit.u.reinit.extensions, key_packages,
               count, now, result);
}

/* The list of proposals of a commit: RFC 9420 sections 12.2 and 12.3. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_PROPOSAL_LIST_H
#define TW_MLS_PROPOSAL_LIST_H

#include "mls/group.h"

typedef struct tw_listed_proposal {
  tw_proposal proposal;             /* views into the commit, the cache or the caller's bytes */
  tw_sender sender;                 /* the committer where it is given by value */
  const tw_cached_proposal *cached; /* by reference, else NULL */
  uint32_t added_leaf;              /* Add: where it went */
} tw_listed_proposal;

/* Zero-initialised is empty. */
typedef struct tw_proposal_list {
  tw_listed_proposal *items;
  uint32_t count;
  uint32_t cap;
} tw_proposal_list;

void tw_proposal_list_clear(const tw_env *env, tw_proposal_list *list);
/* A proposal by value from `committer`, or one from the cache (`cached`). TW_ERR_LIMIT above limits.proposals. */
TW_MUST_USE tw_err tw_proposal_list_append(const tw_env *env, tw_proposal_list *list, const tw_proposal *proposal,
                                           tw_sender sender, const tw_cached_proposal *cached);
/* Whether the commit needs a path: an empty list, or one with a type that does. */
bool tw_proposal_list_needs_path(const tw_proposal_list *list);
/* The first proposal of a type, NULL if there is none. */
const tw_listed_proposal *tw_proposal_list_first(const tw_proposal_list *list, uint16_t type);

/* The epoch in the making: what applying the proposals yields. */
typedef struct tw_draft {
  const tw_group *from; /* the current epoch (of an external joiner: one that holds what GroupInfo says) */
  tw_tree *tree;
  tw_tree_private priv;
  tw_signer *signer;
  tw_buf extensions; /* of the new GroupContext */
  uint32_t *added;   /* leaves added by this commit, ascending */
  uint32_t added_count;
  tw_secret external_init; /* init_secret of an external commit */
  bool self_removed;
  bool founding; /* the first commit of a branch or successor, where a linking PSK belongs (sections 11.2 and 11.3) */
} tw_draft;

TW_MUST_USE tw_err tw_draft_begin(const tw_group *from, tw_draft *draft);
void tw_draft_clear(const tw_env *env, tw_draft *draft);

/*
 * Validates the list for a commit of `committer` and applies it to the draft in the order of section 12.3. An external
 * commit is one whose committer.type is new_member_commit. TW_ERR_PROPOSAL and the errors of leaf and key package
 * validation.
 */
TW_MUST_USE tw_err tw_proposal_list_apply(tw_proposal_list *list, tw_sender committer, uint64_t now, tw_draft *draft);

/* The rules that a proposal can break by itself, for those sent alone (section 12.1); checks signatures too. */
TW_MUST_USE tw_err tw_proposal_check(const tw_group *group, const tw_proposal *proposal, tw_sender sender,
                                     uint64_t now);

/* "A client MUST NOT issue more than one SelfRemove proposal per epoch": TW_ERR_PROPOSAL for another one. */
TW_MUST_USE tw_err tw_proposal_check_single(const tw_group *group, const tw_proposal *proposal, tw_sender sender);

/*
 * AppEphemeral proposals, then AppDataUpdate ones in the order of the list (draft-ietf-mls-extensions), through the
 * policy's callbacks. TW_ERR_PROPOSAL.
 */
TW_MUST_USE tw_err tw_app_data_apply(const tw_proposal_list *list, tw_draft *draft);

/* What section 7.3 asks of new leaves against all members, once the draft's tree is complete. */
TW_MUST_USE tw_err tw_draft_check_leaf(const tw_draft *draft, uint32_t leaf_index);

#endif

/* Making commits: RFC 9420 section 12.4.1. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_COMMIT_MAKE_H
#define TW_MLS_COMMIT_MAKE_H

#include "mls/epoch.h"

/* The work of one commit; who makes it fills the first part. */
typedef struct tw_commit_work {
  tw_group *from;          /* of an external committer: a value that holds what GroupInfo says */
  const tw_client *client; /* identity of the new leaf; NULL: as the leaf is */
  const tw_commit_options *options;
  tw_sender committer;
  uint64_t now;
  const tw_group *origin;     /* the first commit of a branch or a successor: the group that it comes from */
  tw_proposal_list list;      /* in the order of the Commit */
  tw_buf external_kem_output; /* memory of the ExternalInit proposal */

  bool is_applied; /* draft, psk_ids and psk_secret are those of the list as it stands */
  tw_draft draft;
  tw_buf psk_ids;
  tw_secret psk_secret;

  tw_bytes authenticated_data;
  tw_path_secrets path;
  bool has_path;
  tw_buf body;
  tw_buf framed_content;
  tw_buf signature;
  tw_secret joiner_secret;
} tw_commit_work;

void tw_commit_work_clear(tw_commit_work *work);
/* Validates the list as it stands and applies it to a new draft, PSKs included. On error there is no draft. */
TW_MUST_USE tw_err tw_commit_work_apply(tw_commit_work *work);
/* Runs the work whose list is complete, applied or not. */
TW_MUST_USE tw_err tw_commit_work_run(tw_commit_work *work, tw_commit_result *result);
/* Welcome for the leaves that the work's draft added: section 12.4.3.1. */
TW_MUST_USE tw_err tw_welcome_make(const tw_commit_work *work, const tw_group *next, tw_buf *out);
/* Decodes the caller's encoded proposals into the list. */
TW_MUST_USE tw_err tw_commit_work_append(tw_commit_work *work, tw_bytes proposals);

/* All proposals that `from` has collected, by reference, whether they fit together or not. */
TW_MUST_USE tw_err tw_commit_work_append_collected(tw_commit_work *work);

/* Encoded GroupInfo of an epoch; `external_pub`: with the key for external joins. */
TW_MUST_USE tw_err tw_group_info_build(const tw_group *group, bool with_tree, bool external_pub, tw_bytes extensions,
                                       tw_buf *out);

#endif

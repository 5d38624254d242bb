/* Members that break the rules: messages made by hand with a member's real keys. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_TEST_BENT_H
#define TW_TESTS_TEST_BENT_H

#include "mls/group.h"
#include "tw_test_member.h"

enum { TW_TEST_MANY = 6 };

/* alice, bob, charlie, dora, emil, frida */
typedef struct tw_test_people {
  tw_test_env test;
  tw_test_member member[TW_TEST_MANY];
  tw_test_member *all[TW_TEST_MANY];
} tw_test_people;

void tw_test_people_init(tw_test_people *p, uint16_t suite_id);
void tw_test_people_clear(tw_test_people *p);
/* A group of the first `count`, each added by the one before. */
void tw_test_gather(tw_test_people *p, size_t count, tw_bytes extensions);
/* An empty commit by each of the first `count` in turn, then talk: the group is whole. */
void tw_test_goes_on(tw_test_people *p, size_t count);

/* A Commit: proposals by value, then references, then `path` (an encoded UpdatePath; empty: none). Replaces `body`. */
void tw_test_commit_body(tw_bytes values, const tw_bytes *references, size_t count, tw_bytes path, tw_buf *body);
/* The encoded UpdatePath of an empty commit that `by` makes. */
void tw_test_path(const tw_test_member *by, tw_buf *path);
/* The same with another leaf and other nodes. */
void tw_test_path_of(tw_bytes leaf_node, tw_bytes nodes, tw_buf *path);
/* The commit in an MLSMessage(PublicMessage): views into it. */
tw_public_message tw_test_public(const tw_test_env *test, tw_bytes message);

/* What a bent message is made of. */
typedef struct tw_test_bent {
  tw_sender sender;     /* type 0: the member itself */
  uint8_t content_type; /* enum tw_content_type */
  tw_bytes body;        /* Proposal, Commit, or application data with its length */
  tw_bytes authenticated_data;
  tw_bytes confirmation_tag; /* empty: a wrong one, for commits */
  tw_signer *signer;         /* NULL: the member's */
  bool is_private;
  uint64_t epoch_more; /* added to the epoch */
  tw_bytes group_id;   /* empty: the group's */
} tw_test_bent;
/* Signed and protected as it should be, under the keys of `by`'s epoch. Replaces `message`. */
void tw_test_bend(const tw_test_member *by, const tw_test_bent *bent, tw_buf *message);
/* A commit by a member with this body. */
void tw_test_bend_commit(const tw_test_member *by, tw_bytes body, tw_buf *message);

/* `at` refuses the message with this error, and is in the same state afterwards to the byte. */
void tw_test_refused(const tw_test_member *at, tw_bytes message, tw_err expected);

#endif

/* Members of groups for tests. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_TEST_MEMBER_H
#define TW_TESTS_TEST_MEMBER_H

#include <treewire/mls.h>

#include "tw_test_env.h"

/* A client, what it is asked to decide, and the group that it is in. Must not move. */
typedef struct tw_test_member {
  tw_client client;
  char name[24];
  tw_group *group;
  /* policy */
  const char *refuse;     /* refuse credentials with this identity */
  uint32_t asked;         /* how often the Authentication Service was asked */
  const char *psk;        /* the secret of every external and application PSK; NULL: none is known */
  const tw_group *origin; /* resumption PSKs of this group are known too */
  bool components;        /* AppDataUpdate (appending) and AppEphemeral are accepted */
  uint32_t ephemerals;
} tw_test_member;

#define TW_TEST_NOW 1800000000u

/* Every function fails the running test when something goes wrong. */
void tw_test_member_init(tw_test_member *member, const tw_test_env *test, const tw_suite *suite, const char *name);
void tw_test_member_clear(tw_test_member *member);
/* Take the next epoch. */
void tw_test_adopt(tw_test_member *member, tw_group *next);
tw_key_package *tw_test_key_package(const tw_test_member *member);

/* The first makes a group of one with these GroupContext extensions. */
void tw_test_found(tw_test_member *founder, tw_bytes extensions);
/* `by` adds `joiner` by value, the others process it, the joiner joins. */
void tw_test_add(tw_test_member *by, tw_test_member *joiner, tw_test_member *const *others, size_t count);
/* `by` commits with `options`; everybody in `others` processes. The Welcome, if any, is left in `welcome` (may be
 * NULL). */
void tw_test_commit(tw_test_member *by, const tw_commit_options *options, tw_test_member *const *others, size_t count,
                    tw_buf *welcome);
/* A message that everybody in `others` receives as `kind`; commits are adopted. */
void tw_test_deliver(tw_bytes message, tw_received_kind kind, tw_test_member *const *others, size_t count);
/* Epoch, authenticator, tree hash and an exported secret are the same. */
void tw_test_agree(tw_test_member *const *members, size_t count);
/* Each one sends, all others read. */
void tw_test_talk(tw_test_member *const *members, size_t count);

#endif

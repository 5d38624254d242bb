/* A member that breaks the rules about lists of proposals, and one that refuses. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_BENDER_H
#define TW_TESTS_BENDER_H

#include "tw_test_bent.h"

/*
 * alice, bob, charlie and dora are a group; charlie breaks the rules and bob refuses. `list` is the encoded proposals,
 * `path` a path of charlie's that fits an empty commit.
 */
typedef struct bender {
  tw_test_people p;
  tw_test_member *alice;
  tw_test_member *bob;
  tw_test_member *charlie;
  tw_test_member *dora;
  tw_test_member *emil;
  tw_buf list;
  tw_buf path;
  tw_buf body;
  tw_buf message;
} bender;

/* The group with these GroupContext extensions; all four know the PSK "psk". */
void bender_begin(bender *b, tw_bytes extensions);
/* Everybody commits once more, which shows that the group is whole; then it is gone. */
void bender_end(bender *b);

/* ---- lists ---- */

void bender_add(bender *b, const tw_test_member *who);
void bender_remove(bender *b, uint32_t leaf);
void bender_psk(bender *b, const tw_psk_id *id);
/* GroupContextExtensions, appended to the list. */
void bender_extensions(bender *b, const tw_buf *extensions);
/* required_capabilities with one type of each kind, 0: none; appended to `extensions`. */
void tw_test_required_capabilities(tw_buf *extensions, uint16_t extension, uint16_t proposal, uint16_t credential);

/* Made as `from` would, with these changes to the leaf. */
typedef struct bent_leaf {
  tw_bytes encryption_key; /* empty: a fresh one */
  uint8_t source;
  tw_signer *signer;
  tw_bytes extensions;
  uint32_t leaf_index_more;
  bool bad_signature;
} bent_leaf;

/* An Update of `from`, appended to the list. */
void bender_write_update(bender *b, const tw_test_member *from, const bent_leaf *bent);

typedef struct bent_key_package {
  uint16_t cipher_suite;
  bool other_version;
  bool same_init_key;
  bool bad_signature;
  bool bad_leaf_signature;
  uint8_t source;
  uint64_t not_before;
  uint64_t not_after;
  tw_bytes extensions;
  bool few_proposals; /* capabilities without the extensions' proposals */
  bool no_basic;      /* capabilities without the credential type basic */
} bent_key_package;

/* A key package of emil's, signed anew after each change. */
void bender_add_bent(bender *b, const bent_key_package *bent);

/* ---- proposals alone ---- */

/* The list (emptied here) as a proposal by `from`, collected by all; its reference. */
tw_bytes bender_propose(bender *b, tw_test_member *from);
tw_bytes bender_propose_update(bender *b, tw_test_member *from);
/* `from` proposes the list alone; alice, bob and charlie collect it. The reference comes from charlie. */
tw_bytes bender_collect(bender *b, tw_test_member *from, tw_bytes message);
/* Everybody forgets what was collected. */
void bender_forget(bender *b);

/* ---- refusals ---- */

/* charlie commits the list (emptied here) and references; bob answers with `expected`. */
void bender_refused_with(bender *b, const tw_bytes *references, size_t count, bool with_path, tw_err expected);
/* The usual case: no references, with a path. */
void bender_refused(bender *b, tw_err expected);
/* The same list in charlie's own library is refused there, too. */
void bender_refused_on_both_sides(bender *b, tw_err expected);
/* dora sends the list as a proposal of hers; bob refuses it at once. */
void bender_refused_alone(bender *b, tw_err expected);

#endif

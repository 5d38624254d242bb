/* A tree that has grown by paths, with one late member, beside its plain twin. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_PATH_KIT_H
#define TW_TESTS_PATH_KIT_H

#include "mls/tree_node.h"
#include "tree_kit.h"
#include "tw_test_env.h"

extern const tw_bytes path_kit_group_id;

enum { PATH_KIT_LATE = 7 }; /* the member who came after all paths */

typedef struct path_kit {
  tw_test_env test;
  const tw_suite *suite;
  kit_member member[9];
  tw_tree *tree;
  kit_tree plain;
} path_kit;

/* Seven members, paths of 0 and 4, then an eighth one who is unmerged at nodes 7, the root, and 11; 5 and 13 are blank.
 */
void path_kit_init(path_kit *f);
void path_kit_clear(path_kit *f);
/* One more at the next leaf, in both trees. */
void path_kit_add_member(path_kit *f, uint32_t index);

/* A path of `sender` over `tree`, whose private keys become `priv`'s. */
void path_kit_make(path_kit *f, tw_tree *tree, uint32_t sender, tw_tree_private *priv, tw_bytes context, tw_buf *out);
tw_update_path path_kit_read(tw_bytes encoded);

#endif

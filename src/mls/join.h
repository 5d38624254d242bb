/* What joining by Welcome and by external commit share: RFC 9420 sections 12.4.3.1 and 12.4.3.2. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_JOIN_H
#define TW_MLS_JOIN_H

#include "mls/epoch.h"

/*
 * A group value with the tree and the context of a GroupInfo, everything public in it verified: suite, extensions,
 * signature, the tree (section 12.4.3.1) and every member's credential through the policy. No secrets in it, own leaf
 * not known yet. `own_leaf`: as tw_tree_validate_joining.
 */
TW_MUST_USE tw_err tw_group_from_info(const tw_client *client, const tw_group_info *info, tw_bytes ratchet_tree,
                                      tw_bytes own_leaf, uint64_t now, tw_group **out);

#endif

/* Writing decoded messages again from the fields of their views. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_REENCODE_H
#define TW_TESTS_REENCODE_H

#include "mls/framing.h"

/*
 * Each writes the structure field by field, lists entry by entry, and looks at no `encoded`, `content` or `body`: what
 * comes out equals what was decoded only if every field was understood.
 */
void tw_reencode_extensions(tw_writer *w, tw_bytes list);
void tw_reencode_leaf_node(tw_writer *w, const tw_leaf_node *leaf);
void tw_reencode_key_package(tw_writer *w, const tw_key_package_view *key_package);
/* Without and with its type. */
void tw_reencode_proposal_body(tw_writer *w, const tw_proposal *proposal);
void tw_reencode_proposal(tw_writer *w, const tw_proposal *proposal);
void tw_reencode_commit(tw_writer *w, const tw_commit *commit);
void tw_reencode_group_info(tw_writer *w, const tw_group_info *info);
void tw_reencode_group_secrets(tw_writer *w, const tw_group_secrets *secrets);
void tw_reencode_welcome(tw_writer *w, const tw_welcome *welcome);
void tw_reencode_message(tw_writer *w, const tw_mls_message *message);
/* optional<Node> ratchet_tree<V>: reads it and writes it again. */
TW_MUST_USE tw_err tw_reencode_ratchet_tree(tw_writer *w, tw_bytes encoded);

#endif

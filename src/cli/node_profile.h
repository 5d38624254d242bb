/* A node's configuration with what it names. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_NODE_PROFILE_H
#define TW_CLI_NODE_PROFILE_H

#include "cli/node_file.h"
#include "cli/node_identity.h"
#include "node/certified.h"

/** Does not change while a node uses it: a change makes a new one. */
typedef struct tw_node_profile {
  tw_node_config config; /* learned peers included (tw_node_profile_add_learned) */
  tw_node_identity identity;
  tw_buf text; /* of the file, as it was */
} tw_node_profile;

/**
 * Read the file, or, unless it is NULL, take the text that `as` had of it; the files that it names are read in either
 * case. TW_ERR_ENCODING and others: problems were told.
 */
TW_MUST_USE tw_err tw_node_profile_read(const tw_env *env, const tw_node_file *file, const tw_node_profile *as,
                                        tw_node_profile **profile, tw_problems *problems);
/**
 * Once: with those of `learned` who are still good by this configuration; the others are forgotten. Where it is the one
 * that `as` has (unless NULL), and so are its CAs and CRLs, those who were good then are good until their certificates
 * end. `told` gets what cannot be as it was learned. TW_ERR_NO_MEMORY, and the store's errors, with a report.
 */
TW_MUST_USE tw_err tw_node_profile_add_learned(tw_node_profile *profile, const tw_node_profile *as, tw_learned *learned,
                                               tw_problems *told, tw_report *report);
/** Whose certificates are good: borrowed from the profile. */
tw_certified tw_node_profile_certified(const tw_node_profile *profile);
/** NULL is fine. */
void tw_node_profile_free(tw_node_profile *profile);

#endif

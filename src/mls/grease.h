/* GREASE: RFC 9420 section 13.5 and draft-ietf-mls-extensions. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_GREASE_H
#define TW_MLS_GREASE_H

#include <treewire/env.h>

#include "mls/extension.h"

/*
 * Random code points in what we send, so that peers that cannot bear unknown ones are found early. Only for what others
 * see: our own idea of what we support never has them. All choices come from env's randomness: TW_ERR_RANDOM.
 */

/* One of 0x0A0A, 0x1A1A … 0xEAEA: for capabilities and extensions. */
TW_MUST_USE tw_err tw_grease_value(const tw_env *env, uint16_t *value);
/* One of 0x0A0A … 0x7A7A: the component ids above are for private use. */
TW_MUST_USE tw_err tw_grease_component_id(const tw_env *env, uint16_t *component_id);
/* The first GREASE value in a list of uint16; 0 when there is none. */
uint16_t tw_grease_in(tw_bytes values);

/* A list of uint16 with a GREASE value (one that it lacks) inserted somewhere, appended to `out`. */
TW_MUST_USE tw_err tw_grease_values(const tw_env *env, tw_bytes values, tw_buf *out);
/*
 * Appends an extension of the GREASE value `type` with a few random bytes to a list of extensions; nothing when it is
 * there or `type` is 0. Extensions of a leaf and of its KeyPackage have to stand in the leaf's capabilities
 * (sections 7.2 and 10), so take their type with tw_grease_in from there; those of a GroupInfo need not.
 */
TW_MUST_USE tw_err tw_grease_extension(const tw_env *env, uint16_t type, tw_buf *extensions);
/*
 * Where a list of extensions has an app_data_dictionary (of a LeafNode, KeyPackage or GroupInfo): a GREASE component is
 * added to it, and its id to the lists app_components and safe_aad where those are.
 */
TW_MUST_USE tw_err tw_grease_components(const tw_env *env, tw_buf *extensions);

#endif

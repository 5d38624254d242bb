/* Reinitialisation and branches: RFC 9420 sections 11.2 and 11.3. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_SUBGROUP_H
#define TW_MLS_SUBGROUP_H

#include "mls/group.h"

/* Section 12.4.3.1: a resumption PSK of usage reinit or branch is the only one of these. TW_ERR_FORBIDDEN. */
TW_MUST_USE tw_err tw_subgroup_check_psks(const tw_group_secrets *secrets);
/*
 * What a joiner verifies of a group that says to come from `origin` (NULL: we know none; then such a PSK is refused).
 */
TW_MUST_USE tw_err tw_subgroup_check_join(const tw_group *joined, const tw_group_secrets *secrets,
                                          const tw_group *origin);

#endif

/* Processing commits: RFC 9420 section 12.4.2. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_COMMIT_PROCESS_H
#define TW_MLS_COMMIT_PROCESS_H

#include "mls/epoch.h"

/* `next` is NULL when the commit removes us. */
TW_MUST_USE tw_err tw_commit_process(const tw_group *group, const tw_verified_content *content, uint64_t now,
                                     tw_group **next);

#endif

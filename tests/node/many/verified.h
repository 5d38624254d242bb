/* Signatures that many nodes verify are verified once in this process. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_NODE_VERIFIED_H
#define TW_TESTS_NODE_VERIFIED_H

#include <treewire/env.h>

/**
 * A provider that verifies no signature twice. Who joins verifies all leaves, and every member each new one: of n nodes
 * n * n, which n machines do side by side, and one process does for a minute.
 */
void many_verify_once(tw_provider *provider);
/** What it knows goes. */
void many_forget_verified(void);

#endif

/* What keeps secrets inside this process. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_HARDEN_H
#define TW_CLI_HARDEN_H

#include <stdbool.h>

/** No core dumps and no ptrace by others of the same user: before any secret is read. */
void tw_harden_process(void);

/**
 * Lock the writable private memory that is mapped now, so that a long-term key in it does not reach a swap device:
 * after the key was read. False when the system does not let us (RLIMIT_MEMLOCK).
 */
bool tw_harden_lock_memory(void);

#endif

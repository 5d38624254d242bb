/* No key for two streams, no nonce for two plaintexts. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_KILL_KEYS_H
#define TW_TESTS_KILL_KEYS_H

#include "points.h"

/*
 * All seals of all processes, ever. A record key belongs to one stream of one process. A key of MLS may come twice: a
 * commit that was made and not saved has not left the process, and the next one has the same place in the ratchet; its
 * reuse guard makes another nonce (RFC 9420 section 6.3.1).
 */
typedef struct kill_keys kill_keys;
kill_keys *kill_keys_new(void);
void kill_keys_free(kill_keys *keys);
/* Takes what a process has noted; `dead`: what it began to note is not waited for. Fails the test at a repeat. */
void kill_keys_take(kill_keys *keys, kill_shared *shared, bool dead);
uint64_t kill_keys_seals(const kill_keys *keys);
/* Of records. */
uint64_t kill_keys_count(const kill_keys *keys);

#endif

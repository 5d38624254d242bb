/* A disk that loses power: SQLite's files with what would be left of them. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_RELAY_DISK_H
#define TW_TESTS_RELAY_DISK_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Between relay_disk_use and relay_disk_leave SQLite works on the files through this. The n-th write, truncation or
 * flush from relay_disk_fail_in on fails, and (for good, unless `once`) every one behind it. Afterwards the files can
 * be put to what a loss of power leaves: of each file what was flushed, and of what was written since then some, by
 * dice; a write may be torn within.
 */
void relay_disk_use(void);
void relay_disk_leave(void);
/* 0: never. `error` is SQLite's, e.g. SQLITE_FULL or SQLITE_IOERR_WRITE. */
void relay_disk_fail_in(size_t n, int error, bool once);
bool relay_disk_has_failed(void);
/* Writes, truncations and flushes so far. */
size_t relay_disk_calls(void);
/* Of the files that are there; nothing may have them open. `seed` 0: all that was written is there (the process died).
 */
void relay_disk_lose_power(uint64_t seed);

#endif

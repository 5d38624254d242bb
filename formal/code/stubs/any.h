/* Values that the analysis knows nothing about. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_FORMAL_ANY_H
#define TW_FORMAL_ANY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <treewire/bytes.h>

/* What these have no body for is what their contract allows: everything else about the result is open. */

/*@ assigns \result \from \nothing; */
uint8_t any_byte(void);
static inline bool any_bool(void) { return any_byte() > 127; }
/*@ assigns \result \from \nothing; */
uint32_t any_u32(void);
/*@ assigns \result \from \nothing; */
uint64_t any_u64(void);
/*@ requires least <= most;
    assigns \result \from least, most;
    ensures least <= \result <= most; */
size_t any_size(size_t least, size_t most);
/*@ assigns \result \from \nothing;
    ensures \result != TW_OK; */
tw_err any_error(void);
/*@ requires size == 0 || \valid(out + (0 .. size - 1));
    assigns out[0 .. size - 1] \from \nothing;
    ensures size == 0 || \initialized(out + (0 .. size - 1)); */
void any_bytes(uint8_t *out, size_t size);

/*
 * `size` bytes that lie at the start or at the end of `memory`: what reads before them or behind them leaves the array
 * in one of the two cases.
 */
#define AT_EITHER_END(memory_, size_) (any_bool() ? (memory_) : (memory_) + (sizeof(memory_) - (size_)))

#endif

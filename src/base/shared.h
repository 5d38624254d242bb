/* Numbers that several threads count up. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_BASE_SHARED_H
#define TW_BASE_SHARED_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Nothing else becomes known to another thread with such a number (no order with other memory). A thread that counts
 * alone pays for no locked instruction. Analysers of one thread see plain accesses.
 */
#ifdef __FRAMAC__
#define TW_SHARED_LOAD(number) (*(number))
#define TW_SHARED_ADD(number, more) ((*(number) += (more)) - (more))
#else
#define TW_SHARED_LOAD(number) __atomic_load_n(number, __ATOMIC_RELAXED)
#define TW_SHARED_ADD(number, more) __atomic_fetch_add(number, more, __ATOMIC_RELAXED)
#endif

/* What it was before. `shared` false: no other thread counts. */
static inline uint64_t tw_shared_add(bool shared, uint64_t *number, uint64_t more) {
  if (shared) return TW_SHARED_ADD(number, more);
  const uint64_t before = *number;
  *number = before + more;
  return before;
}

#endif

/* Groups whose tree has no blanks and no unmerged leaves. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_BENCH_FILLED_H
#define TW_BENCH_FILLED_H

#include "world.h"

/* Who is looked through: leaf 0, which commits; leaf 1, its neighbour; and the last leaf. */
enum { BENCH_COMMITTER, BENCH_NEAR, BENCH_FAR, BENCH_FILLED_VIEWS };

typedef struct bench_filled {
  const tw_suite *suite;
  bench_person person[BENCH_FILLED_VIEWS];
  tw_group *group[BENCH_FILLED_VIEWS];
} bench_filled;

/* `members` >= 3. Does not move once initialised. */
void bench_filled_init(bench_filled *filled, const tw_env *env, const tw_suite *suite, uint32_t members);
void bench_filled_clear(bench_filled *filled);

#endif

/* People and groups to measure with. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_BENCH_WORLD_H
#define TW_BENCH_WORLD_H

#include <treewire/channel.h>

#include "bench.h"

enum { BENCH_NOW = 1800000000 }; /* seconds */

/* Someone with a basic credential who trusts everybody. Does not move once initialised. */
typedef struct bench_person {
  char name[24];
  tw_client client;
} bench_person;
void bench_person_init(bench_person *person, const tw_env *env, const tw_suite *suite, unsigned number);
void bench_person_clear(bench_person *person);

/* A group of two in which both have committed; updates as 2PMLS has them, in PublicMessages. */
typedef struct bench_two {
  bench_person person[2];
  tw_group *group[2];
} bench_two;
void bench_two_init(bench_two *two, const tw_env *env, const tw_suite *suite);
void bench_two_clear(bench_two *two);

#endif

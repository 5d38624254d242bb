/* The built program, run beside the benchmark. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_BENCH_PROGRAM_H
#define TW_BENCH_PROGRAM_H

#include <sys/types.h>

#include "bench.h"

/* NULL where there is no program beside this one. */
const char *bench_program(void);
/* Started with these arguments, of which the first is bench_program() and the last NULL; streams NULL: /dev/null. */
pid_t bench_program_run(const char *const *arguments, const char *input, const char *output);

#endif

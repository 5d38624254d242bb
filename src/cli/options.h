/* Command line options. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_OPTIONS_H
#define TW_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "net/report.h"

typedef struct tw_option {
  const char *name;  /* without "--" */
  char letter;       /* short form, or 0 */
  const char *value; /* what --help calls its value; NULL: takes none */
} tw_option;

typedef struct tw_option_scan {
  const char *const *words; /* what follows the verb, NULL at its end */
  const tw_option *options;
  int count;
  bool only_operands; /* "--" was seen */
} tw_option_scan;

enum { TW_OPTION_OPERAND = -1, TW_OPTION_END = -2 };

/**
 * The next word: `*which` is an option's index with its value (NULL when it takes none), or TW_OPTION_OPERAND with the
 * word, or TW_OPTION_END. Understands "--name VALUE", "--name=VALUE", "-x VALUE", "--". TW_ERR_ARGUMENT with a report
 * for an unknown option, a missing value, a value where none is taken.
 */
TW_MUST_USE tw_err tw_option_next(tw_option_scan *scan, int *which, const char **value, tw_report *report);

/** A number between `min` and `max`; with `units` it may end in K, M or G (powers of 1024). TW_ERR_ARGUMENT with a
 * report. */
TW_MUST_USE tw_err tw_option_number(const char *name, const char *value, uint64_t min, uint64_t max, bool units,
                                    uint64_t *number, tw_report *report);

#endif

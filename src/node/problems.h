/* All that is wrong with a file, not only the first of it. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_PROBLEMS_H
#define TW_NODE_PROBLEMS_H

#include <stddef.h>

#include "net/report.h"

enum { TW_PROBLEMS_TOLD = 50 }; /* past that they are only counted */

/** Where problems go. Zero-initialised: the first one is kept, the others are counted. */
typedef struct tw_problems {
  void (*tell)(void *ctx, const tw_report *problem); /* NULL, or called with each as it is found */
  void *ctx;
  size_t count;
  tw_report first;
} tw_problems;

/** One more. */
void tw_problems_take(tw_problems *problems, const tw_report *problem);
/** One more in words: "SOURCE:LINE: words", without the line where it is 0. */
void tw_problems_add(tw_problems *problems, const char *source, size_t line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void tw_problems_take(tw_problems *problems, const tw_report *problem) {
  if (problems->count == 0) problems->first = *problem;
  problems->count++;
  if (problems->tell != NULL && problems->count <= TW_PROBLEMS_TOLD) problems->tell(problems->ctx, problem);
}

void tw_problems_add(tw_problems *problems, const char *source, size_t line, const char *format, ...) {
  char words[TW_REPORT_MAX];
  char all[2 * TW_REPORT_MAX];
  char place[24] = "";
  tw_report problem = {""};
  va_list args;
  va_start(args, format);
  const int written = vsnprintf(words, sizeof words, format, args);
  va_end(args);
  if (written < 0) words[0] = '\0';
  if (line > 0) (void)snprintf(place, sizeof place, ":%zu", line);
  (void)snprintf(all, sizeof all, "%.200s%s: %s", source, place, words);
  tw_report_printable(problem.text, sizeof problem.text, all, strlen(all));
  tw_problems_take(problems, &problem);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "net/report.h"

#include <stdio.h>
#include <string.h>

void tw_report_printable(char *out, size_t size, const char *text, size_t len) {
  if (size == 0) return;
  size_t used = len < size - 1 ? len : size - 1;
  for (size_t i = 0; i < used; i++) {
    const unsigned char c = (unsigned char)text[i];
    out[i] = (char)(c < 0x20 || c >= 0x7f ? '?' : c);
  }
  out[used] = '\0';
}

tw_err tw_report_fail(tw_report *report, tw_err err, const char *format, ...) {
  if (report == NULL) return err;
  char raw[TW_REPORT_MAX];
  va_list args;
  va_start(args, format);
  const int written = vsnprintf(raw, sizeof raw, format, args);
  va_end(args);
  if (written < 0) raw[0] = '\0';
  tw_report_printable(report->text, sizeof report->text, raw, strlen(raw));
  return err;
}

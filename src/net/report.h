/* One line that tells a person what went wrong. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_REPORT_H
#define TW_NET_REPORT_H

#include <stdarg.h>
#include <stddef.h>

#include <treewire/err.h>

enum { TW_REPORT_MAX = 512 };

/** Filled by whatever fails; the words are for stderr, without the program's name and without a line's end. */
typedef struct tw_report {
  char text[TW_REPORT_MAX];
} tw_report;

/**
 * Set the text and return `err`, so that a failure is reported and returned in one statement. Control characters that
 * came in by an argument (a file's content, a peer's words) are shown as '?'. `report` may be NULL.
 */
TW_MUST_USE tw_err tw_report_fail(tw_report *report, tw_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** A printable copy of `text` in `out`: what is not printable ASCII shows as '?'; cut to fit. */
void tw_report_printable(char *out, size_t size, const char *text, size_t len);

#endif

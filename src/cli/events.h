/* The event log: one JSON object a line. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_EVENTS_H
#define TW_CLI_EVENTS_H

#include <jansson.h>

#include "cli/cli.h"

typedef struct tw_event_log {
  int fd; /* -1: no file */
} tw_event_log;

/** Append to `path`, which may be NULL. TW_ERR_STATE with a report. */
TW_MUST_USE tw_err tw_event_log_open(tw_event_log *log, const char *path, tw_report *report);
void tw_event_log_close(tw_event_log *log);

/** A new object with "time" (RFC 3339, milliseconds, UTC) and "event"; NULL where there is no log or no memory, which
 * is fine below. */
json_t *tw_event_new(const tw_event_log *log, const char *name);
/** "2026-11-28T03:20:22Z" for seconds since 1970. */
void tw_event_time_text(uint64_t seconds, char *out, size_t size);
void tw_event_text(json_t *event, const char *key, const char *value);
void tw_event_number(json_t *event, const char *key, uint64_t value);
void tw_event_flag(json_t *event, const char *key, bool value);
/** Writes the line in one call and frees the object. */
void tw_event_write(const tw_event_log *log, json_t *event);

#endif

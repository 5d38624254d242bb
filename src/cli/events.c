/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOG_MODE = 0644 };

tw_err tw_event_log_open(tw_event_log *log, const char *path, tw_report *report) {
  log->fd = -1;
  if (path == NULL) return TW_OK;
  log->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, LOG_MODE);
  if (log->fd < 0) return tw_report_fail(report, TW_ERR_STATE, "%.200s: %s", path, strerror(errno));
  return TW_OK;
}

void tw_event_log_close(tw_event_log *log) {
  if (log->fd >= 0) (void)close(log->fd);
  log->fd = -1;
}

void tw_event_time_text(uint64_t seconds, char *out, size_t size) {
  const time_t time = (time_t)seconds;
  struct tm parts;
  if (gmtime_r(&time, &parts) == NULL || strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) out[0] = '\0';
}

static void format_time(char *out, size_t size) {
  struct timespec now = {0};
  struct tm parts = {0};
  char seconds[32];
  (void)clock_gettime(CLOCK_REALTIME, &now);
  (void)gmtime_r(&now.tv_sec, &parts);
  if (strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &parts) == 0) seconds[0] = '\0';
  (void)snprintf(out, size, "%s.%03ldZ", seconds, now.tv_nsec / 1000000);
}

json_t *tw_event_new(const tw_event_log *log, const char *name) {
  if (log->fd < 0) return NULL;
  json_t *event = json_object();
  char now[48];
  format_time(now, sizeof now);
  tw_event_text(event, "time", now);
  tw_event_text(event, "event", name);
  return event;
}

/* A failure means no memory: the event then lacks that field. */
void tw_event_text(json_t *event, const char *key, const char *value) {
  if (event != NULL) (void)json_object_set_new(event, key, json_string(value));
}

void tw_event_number(json_t *event, const char *key, uint64_t value) {
  if (event != NULL) (void)json_object_set_new(event, key, json_integer((json_int_t)value));
}

void tw_event_flag(json_t *event, const char *key, bool value) {
  if (event != NULL) (void)json_object_set_new(event, key, json_boolean(value));
}

void tw_event_write(const tw_event_log *log, json_t *event) {
  if (event == NULL) return;
  char *text = json_dumps(event, JSON_COMPACT);
  json_decref(event);
  if (text == NULL) return;
  const size_t len = strlen(text);
  text[len] = '\n'; /* in the place of its end, so that the line goes out in one piece */
  (void)tw_cli_write(log->fd, TW_BYTES((const uint8_t *)text, len + 1));
  free(text);
}

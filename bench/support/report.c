/* The table and build/bench.json. SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdarg.h>

#include "bench.h"

static json_t *rows;
static unsigned missed;

void bench_die(const char *file, int line, const char *what) {
  fprintf(stderr, "bench: %s:%d: %s\n", file, line, what);
  exit(2);
}

void bench_title(const char *title) {
  printf("\n%s\n", title);
  fflush(stdout);
}

static const char *must_text(bench_bound bound, double must, char *out, size_t size) {
  if (bound == BENCH_INFO) return "";
  snprintf(out, size, "%s %g", bound == BENCH_AT_MOST ? "<=" : ">=", must);
  return out;
}

void bench_row(const char *name, double value, const char *unit, bench_bound bound, double must) {
  char text[32];
  const bool ok = bound == BENCH_INFO || (bound == BENCH_AT_MOST ? value <= must : value >= must);
  if (!ok) missed++;
  const char *verdict = bound == BENCH_INFO ? "" : ok ? "ok" : "MISSED";
  const int decimals = value < 10 ? 3 : value < 1000 ? 1 : 0;
  printf("  %-74s %8.*f %-6s %-8s %s\n", name, decimals, value, unit, must_text(bound, must, text, sizeof text),
         verdict);
  fflush(stdout);
  if (rows == NULL) rows = json_array();
  json_t *row = json_pack("{s:s, s:f, s:s, s:o, s:b}", "name", name, "value", value, "unit", unit, "must",
                          bound == BENCH_INFO ? json_null() : json_string(must_text(bound, must, text, sizeof text)),
                          "ok", (int)ok);
  if (row == NULL || json_array_append_new(rows, row) != 0) bench_die(__FILE__, __LINE__, "no memory");
}

void bench_note(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("      ", stdout);
  vprintf(format, arguments);
  fputc('\n', stdout);
  va_end(arguments);
}

unsigned bench_finish(const char *path) {
  if (path != NULL && json_dump_file(rows, path, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) != 0)
    bench_die(__FILE__, __LINE__, path);
  json_decref(rows);
  return missed;
}

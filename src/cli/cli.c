/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

tw_exit tw_cli_report(tw_exit code, const tw_report *report) {
  (void)fprintf(stderr, "treewire: %s\n", report->text);
  return code;
}

tw_exit tw_cli_fail(tw_exit code, const char *format, ...) {
  char raw[TW_REPORT_MAX];
  va_list args;
  va_start(args, format);
  const int written = vsnprintf(raw, sizeof raw, format, args);
  va_end(args);
  tw_report report = {""};
  tw_report_printable(report.text, sizeof report.text, raw, written < 0 ? 0 : strlen(raw));
  return tw_cli_report(code, &report);
}

tw_exit tw_cli_options(const char *const *words, const tw_option *options, int count, tw_cli_take take, void *ctx) {
  tw_option_scan scan = {words, options, count, false};
  tw_report report = {"out of memory"};
  int which;
  const char *value;
  for (;;) {
    tw_err err = tw_option_next(&scan, &which, &value, &report);
    if (err == TW_OK && which == TW_OPTION_END) return TW_EXIT_OK;
    if (err == TW_OK) err = take(ctx, which, value, &report);
    if (err != TW_OK) return tw_cli_report(TW_EXIT_USAGE, &report);
  }
}

bool tw_cli_write(int fd, tw_bytes bytes) {
  while (bytes.len > 0) {
    const ssize_t written = write(fd, bytes.ptr, bytes.len);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes = TW_BYTES(bytes.ptr + written, bytes.len - (size_t)written);
  }
  return true;
}

tw_exit tw_cli_print(const char *text) { return tw_cli_print_bytes(TW_BYTES((const uint8_t *)text, strlen(text))); }

tw_exit tw_cli_print_bytes(tw_bytes text) {
  if (tw_cli_write(STDOUT_FILENO, text)) return TW_EXIT_OK;
  return tw_cli_fail(TW_EXIT_LOCAL, "cannot write to standard output: %s", strerror(errno));
}

tw_exit tw_cli_env_init(tw_env *env) {
  *env = (tw_env){0};
  const tw_err err = tw_provider_openssl_new(NULL, &env->provider);
  if (err == TW_OK) return TW_EXIT_OK;
  return tw_cli_fail(TW_EXIT_LOCAL, "cannot set up cryptography: %s", tw_err_text(err));
}

void tw_cli_env_clear(tw_env *env) {
  tw_provider_free(env->provider);
  *env = (tw_env){0};
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/keylog.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "cli/cli.h"

enum { LOG_MODE = 0600, LINE_MAX = 512 };

static tw_err check(int fd, const char *path, tw_report *report) {
  struct stat status = {0};
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
    return tw_report_fail(report, TW_ERR_STATE, "%.200s: not a file", path);
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) == 0) return TW_OK;
  return tw_report_fail(report, TW_ERR_FORBIDDEN, "%.200s: its mode %04o lets others at the secrets (chmod 600 it)",
                        path, (unsigned)(status.st_mode & 07777));
}

tw_err tw_keylog_open(tw_keylog *keylog, const char *path, tw_report *report) {
  keylog->fd = -1;
  if (path == NULL || path[0] == '\0')
    return tw_report_fail(report, TW_ERR_ARGUMENT, "the environment's SSLKEYLOGFILE has to name a file");
  const int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, LOG_MODE);
  if (fd < 0) return tw_report_fail(report, TW_ERR_STATE, "%.200s: %s", path, strerror(errno));
  const tw_err err = check(fd, path, report);
  if (err != TW_OK) {
    (void)close(fd);
    return err;
  }
  keylog->fd = fd;
  return TW_OK;
}

void tw_keylog_close(tw_keylog *keylog) {
  if (keylog->fd >= 0) (void)close(keylog->fd);
  keylog->fd = -1;
}

/* In one piece, since others may append to the same file. A full disk is no reason to end a channel. */
void tw_keylog_line(void *ctx, tw_bytes line) {
  const tw_keylog *keylog = ctx;
  uint8_t text[LINE_MAX];
  if (line.len >= sizeof text) return;
  memcpy(text, line.ptr, line.len);
  text[line.len] = '\n';
  (void)tw_cli_write(keylog->fd, TW_BYTES(text, line.len + 1));
  tw_wipe(text, sizeof text);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/file_write.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

static tw_err tell_errno(const char *path, int error, tw_report *report) {
  const bool full = error == ENOSPC || error == EDQUOT;
  return tw_report_fail(report,
                        full                                ? TW_ERR_LIMIT
                        : error == EACCES || error == EPERM ? TW_ERR_FORBIDDEN
                                                            : TW_ERR_STATE,
                        "%.300s: cannot be written to: %s", path,
                        full ? "no space left: the disk is full" : strerror(error));
}

tw_err tw_folder_flush(const char *path, tw_report *report) {
  const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool good = fd >= 0 && fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) (void)close(fd);
  return good ? TW_OK : tw_report_fail(report, TW_ERR_STATE, "%.200s: %s", path, strerror(error));
}

tw_err tw_folder_try(const char *path, size_t size, tw_report *report) {
  static const uint8_t piece[4096] = {1};
  char name[PATH_MAX];
  const int len = snprintf(name, sizeof name, "%s/try.XXXXXX", path);
  if (len < 0 || (size_t)len >= sizeof name)
    return tw_report_fail(report, TW_ERR_STATE, "%.200s: %s", path, strerror(ENAMETOOLONG));
  const int fd = mkostemp(name, O_CLOEXEC);
  if (fd < 0) return tell_errno(path, errno, report);
  bool good = unlink(name) == 0; /* nothing of it is left, whatever ends us */
  for (size_t done = 0; good && done < size; done += sizeof piece) good = tw_cli_write(fd, TW_ARRAY(piece));
  good = good && fsync(fd) == 0;
  const int error = errno;
  (void)close(fd);
  return good ? TW_OK : tell_errno(path, error, report);
}

/* A folder that is there already may lie in one that cannot be written to, or is an automounter's. */
static tw_err make_folder(const char *path, tw_report *report) {
  struct stat status;
  if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) return TW_OK;
  if (mkdir(path, 0755) == 0) return TW_OK;
  const int error = errno;
  if (error == EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode)) return TW_OK;
  return tw_report_fail(report, TW_ERR_STATE, "%.300s: %s", path, strerror(error == EEXIST ? ENOTDIR : error));
}

tw_err tw_folder_make_parents(const char *path, tw_report *report) {
  char folder[PATH_MAX];
  if (strlen(path) >= sizeof folder)
    return tw_report_fail(report, TW_ERR_STATE, "%.200s: %s", path, strerror(ENAMETOOLONG));
  (void)snprintf(folder, sizeof folder, "%s", path);
  size_t len = strlen(folder);
  while (len > 1 && folder[len - 1] == '/') folder[--len] = '\0'; /* "a/b/" lies in a, as "a/b" does */
  for (char *slash = strchr(folder + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    TW_TRY(make_folder(folder, report));
    *slash = '/';
  }
  return TW_OK;
}

static tw_err flush_folder_of(const char *path, tw_report *report) {
  char folder[PATH_MAX];
  const char *slash = strrchr(path, '/');
  const int len = slash == NULL ? 0 : (int)(slash - path);
  (void)snprintf(folder, sizeof folder, "%.*s", len, path);
  if (folder[0] == '\0') (void)snprintf(folder, sizeof folder, "%s", slash == NULL ? "." : "/");
  return tw_folder_flush(folder, report);
}

/* Not every file system can rename without replacing. */
static int take_name(const char *from, const char *to, tw_write_rule rule) {
  if (rule == TW_WRITE_REPLACE) return rename(from, to);
  if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return -1;
  if (link(from, to) != 0) return -1;
  return unlink(from);
}

tw_err tw_file_write(const char *path, tw_write_rule rule, mode_t mode, tw_bytes content, tw_report *report) {
  char temporary[PATH_MAX];
  const int len = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
  if (len < 0 || (size_t)len >= sizeof temporary)
    return tw_report_fail(report, TW_ERR_STATE, "%.200s: too long for a file's name", path);
  const int fd = mkostemp(temporary, O_CLOEXEC);
  if (fd < 0) return tw_report_fail(report, TW_ERR_STATE, "%.200s: %s", path, strerror(errno));
  bool good = fchmod(fd, mode) == 0 && tw_cli_write(fd, content) && fsync(fd) == 0;
  int error = errno;
  if (close(fd) != 0 && good) {
    good = false;
    error = errno;
  }
  if (good && take_name(temporary, path, rule) != 0) {
    good = false;
    error = errno;
  }
  if (good) return flush_folder_of(path, report);
  (void)unlink(temporary);
  return tw_report_fail(report, TW_ERR_STATE, "%.200s: %s", path, strerror(error));
}

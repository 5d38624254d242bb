/* The directory of a state: ours alone, and held by one. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/database.h"

static tw_err fail_errno(const char *dir, const char *name, tw_report *report) {
  return tw_report_fail(report, TW_ERR_STATE, "%.200s%s%s: %s", dir, name[0] == '\0' ? "" : "/", name, strerror(errno));
}

/* `name` empty: the directory itself. */
static tw_err check_rights(const struct stat *status, const char *dir, const char *name, tw_report *report) {
  const char *slash = name[0] == '\0' ? "" : "/";
  if (status->st_uid != geteuid())
    return tw_report_fail(report, TW_ERR_FORBIDDEN, "%.200s%s%s: belongs to another user (uid %lu)", dir, slash, name,
                          (unsigned long)status->st_uid);
  if ((status->st_mode & (S_IRWXG | S_IRWXO)) != 0)
    return tw_report_fail(report, TW_ERR_FORBIDDEN, "%.200s%s%s: its mode %04o lets others at the state (chmod %s it)",
                          dir, slash, name, (unsigned)(status->st_mode & 07777), name[0] == '\0' ? "700" : "600");
  return TW_OK;
}

tw_err tw_store_place_has(const tw_store_place *place, const char *name, bool *found, tw_report *report) {
  struct stat status;
  if (fstatat(place->dir, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
    *found = false;
    return errno == ENOENT ? TW_OK : fail_errno(place->path, name, report);
  }
  if (!S_ISREG(status.st_mode))
    return tw_report_fail(report, TW_ERR_FORBIDDEN, "%.200s/%s: not a regular file", place->path, name);
  TW_TRY(check_rights(&status, place->path, name, report));
  *found = true;
  return TW_OK;
}

/* The entry of a directory that was just made is durable when its parent is. */
static tw_err flush_parent(const char *path, tw_report *report) {
  char *parent = strdup(path);
  if (parent == NULL) return tw_report_fail(report, TW_ERR_NO_MEMORY, "out of memory");
  char *slash = strrchr(parent, '/');
  if (slash == parent) slash++;
  *slash = '\0';
  const int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool flushed = fd >= 0 && fsync(fd) == 0;
  const tw_err err = flushed ? TW_OK : fail_errno(parent, "", report);
  if (fd >= 0) (void)close(fd);
  free(parent);
  return err;
}

static tw_err enter(const char *dir, tw_store_place *place, tw_report *report) {
  const bool made = mkdir(dir, S_IRWXU) == 0;
  if (!made && errno != EEXIST) return fail_errno(dir, "", report);
  place->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (place->dir < 0) return fail_errno(dir, "", report);
  struct stat status;
  if (fstat(place->dir, &status) != 0) return fail_errno(dir, "", report);
  TW_TRY(check_rights(&status, dir, "", report));
  place->path = realpath(dir, NULL);
  if (place->path == NULL) return fail_errno(dir, "", report);
  return made ? flush_parent(place->path, report) : TW_OK;
}

/* The lock is one of the open file: two of this process exclude each other too, and it goes with its holder. */
static tw_err lock(tw_store_place *place, tw_report *report) {
  place->lock = openat(place->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
  if (place->lock < 0) return fail_errno(place->path, "lock", report);
  while (flock(place->lock, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return fail_errno(place->path, "lock", report);
    return tw_report_fail(report, TW_ERR_STATE, "%.200s: in use, another process holds this state", place->path);
  }
  return TW_OK;
}

tw_err tw_store_place_take(const char *dir, tw_store_place *place, tw_report *report) {
  static const char *const names[] = {"lock",
                                      TW_STORE_DB,
                                      TW_STORE_LOG,
                                      TW_STORE_DB "-shm",
                                      TW_STORE_DB "-journal",
                                      TW_STORE_NEW,
                                      TW_STORE_NEW "-journal"};
  tw_store_place taken = {NULL, -1, -1};
  tw_err err = enter(dir, &taken, report);
  for (size_t i = 0; i < sizeof names / sizeof names[0] && err == TW_OK; i++) {
    bool found;
    err = tw_store_place_has(&taken, names[i], &found, report);
  }
  if (err == TW_OK) err = lock(&taken, report);
  if (err != TW_OK) {
    tw_store_place_leave(&taken);
    return err;
  }
  *place = taken;
  return TW_OK;
}

void tw_store_place_leave(tw_store_place *place) {
  if (place->lock >= 0) (void)close(place->lock);
  if (place->dir >= 0) (void)close(place->dir);
  free(place->path);
  *place = (tw_store_place){NULL, -1, -1};
}

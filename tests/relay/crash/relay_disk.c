/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/relay_disk.h"

#include <stdlib.h>
#include <string.h>

#include "relay/relay_kit.h"

enum { FILES = 8 };

/* A write, or a truncation to `at` (then bytes are none). */
typedef struct change {
  bool cut;
  uint64_t at;
  tw_buf bytes;
} change;

typedef struct image {
  char path[KIT_PATH];
  tw_buf durable;
  change *pending;
  size_t pending_count;
} image;

/* SQLite's file behind ours. */
typedef struct disk_file {
  sqlite3_file base;
  image *image; /* NULL: not looked after */
  sqlite3_file *real;
} disk_file;

static struct {
  sqlite3_vfs vfs;
  sqlite3_vfs *real;
  sqlite3_io_methods methods;
  image images[FILES];
  size_t calls, fail_in;
  int error;
  bool once, failed;
} disk;

static disk_file *of(sqlite3_file *file) { return (disk_file *)file; }

static bool fails(void) {
  disk.calls++;
  if (disk.failed && !disk.once) return true;
  if (disk.fail_in == 0 || --disk.fail_in > 0) return false;
  disk.failed = true;
  return true;
}

static void apply(tw_buf *to, const change *c, size_t len) {
  if (c->cut) {
    if (to->len > c->at) to->len = c->at;
    return;
  }
  if (to->len < c->at + len) {
    const size_t more = c->at + len - to->len;
    assert_int_equal(tw_buf_reserve(to, more), TW_OK);
    memset(to->ptr + to->len, 0, more);
    to->len += more;
  }
  memcpy(to->ptr + c->at, c->bytes.ptr, len);
}

static void forget(image *i) {
  for (size_t n = 0; n < i->pending_count; n++) tw_buf_clear(&i->pending[n].bytes);
  free(i->pending);
  i->pending = NULL;
  i->pending_count = 0;
}

static void note(image *i, bool cut, uint64_t at, tw_bytes bytes) {
  if (i == NULL) return;
  i->pending = realloc(i->pending, (i->pending_count + 1) * sizeof *i->pending);
  assert_non_null(i->pending);
  change *c = &i->pending[i->pending_count++];
  *c = (change){.cut = cut, .at = at};
  assert_int_equal(tw_buf_append(&c->bytes, bytes), TW_OK);
}

/* ---- what SQLite calls ---- */

static int disk_close(sqlite3_file *file) {
  sqlite3_file *real = of(file)->real;
  return real->pMethods == NULL ? SQLITE_OK : real->pMethods->xClose(real);
}
static int disk_read(sqlite3_file *file, void *out, int len, sqlite3_int64 at) {
  return of(file)->real->pMethods->xRead(of(file)->real, out, len, at);
}
static int disk_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at) {
  if (fails()) return disk.error;
  note(of(file)->image, false, (uint64_t)at, TW_BYTES(bytes, (size_t)len));
  return of(file)->real->pMethods->xWrite(of(file)->real, bytes, len, at);
}
static int disk_truncate(sqlite3_file *file, sqlite3_int64 size) {
  if (fails()) return disk.error;
  note(of(file)->image, true, (uint64_t)size, TW_NO_BYTES);
  return of(file)->real->pMethods->xTruncate(of(file)->real, size);
}
static int disk_sync(sqlite3_file *file, int flags) {
  if (fails()) return disk.error;
  image *i = of(file)->image;
  if (i != NULL) {
    for (size_t n = 0; n < i->pending_count; n++) apply(&i->durable, &i->pending[n], i->pending[n].bytes.len);
    forget(i);
  }
  return of(file)->real->pMethods->xSync(of(file)->real, flags);
}
static int disk_size(sqlite3_file *file, sqlite3_int64 *size) {
  return of(file)->real->pMethods->xFileSize(of(file)->real, size);
}
static int disk_lock(sqlite3_file *file, int level) { return of(file)->real->pMethods->xLock(of(file)->real, level); }
static int disk_unlock(sqlite3_file *file, int level) {
  return of(file)->real->pMethods->xUnlock(of(file)->real, level);
}
static int disk_reserved(sqlite3_file *file, int *out) {
  return of(file)->real->pMethods->xCheckReservedLock(of(file)->real, out);
}
static int disk_control(sqlite3_file *file, int op, void *arg) {
  return of(file)->real->pMethods->xFileControl(of(file)->real, op, arg);
}
static int disk_sector(sqlite3_file *file) { return of(file)->real->pMethods->xSectorSize(of(file)->real); }
static int disk_traits(sqlite3_file *file) { return of(file)->real->pMethods->xDeviceCharacteristics(of(file)->real); }

static image *image_of(const char *path) {
  for (size_t i = 0; i < FILES; i++) {
    image *at = &disk.images[i];
    if (at->path[0] != '\0' && strcmp(at->path, path) != 0) continue;
    if (at->path[0] == '\0') {
      (void)snprintf(at->path, sizeof at->path, "%s", path);
      if (access(path, F_OK) == 0) kit_slurp(path, &at->durable);
    }
    return at;
  }
  fail_msg("more files than expected");
  return NULL;
}

static int disk_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out) {
  (void)vfs;
  disk_file *f = of(file);
  f->real = (sqlite3_file *)(void *)(f + 1);
  f->image = name == NULL ? NULL : image_of(name);
  const int result = disk.real->xOpen(disk.real, name, f->real, flags, out);
  f->base.pMethods = f->real->pMethods == NULL ? NULL : &disk.methods;
  return result;
}

/* ---- the test's side ---- */

void relay_disk_use(void) {
  memset(&disk, 0, sizeof disk);
  disk.real = sqlite3_vfs_find(NULL);
  disk.vfs = *disk.real;
  disk.vfs.pNext = NULL;
  disk.vfs.zName = "power";
  disk.vfs.xOpen = disk_open;
  disk.vfs.szOsFile = (int)sizeof(disk_file) + disk.real->szOsFile;
  disk.methods = (sqlite3_io_methods){.iVersion = 1, /* no shared memory: the log's index is the process' own */
                                      .xClose = disk_close,
                                      .xRead = disk_read,
                                      .xWrite = disk_write,
                                      .xTruncate = disk_truncate,
                                      .xSync = disk_sync,
                                      .xFileSize = disk_size,
                                      .xLock = disk_lock,
                                      .xUnlock = disk_unlock,
                                      .xCheckReservedLock = disk_reserved,
                                      .xFileControl = disk_control,
                                      .xSectorSize = disk_sector,
                                      .xDeviceCharacteristics = disk_traits};
  assert_int_equal(sqlite3_vfs_register(&disk.vfs, 1), SQLITE_OK);
}

void relay_disk_leave(void) {
  assert_int_equal(sqlite3_vfs_unregister(&disk.vfs), SQLITE_OK);
  for (size_t i = 0; i < FILES; i++) {
    forget(&disk.images[i]);
    tw_buf_clear(&disk.images[i].durable);
  }
}

void relay_disk_fail_in(size_t n, int error, bool once) {
  disk.fail_in = n;
  disk.error = error;
  disk.once = once;
  disk.failed = false;
}

bool relay_disk_has_failed(void) { return disk.failed; }
size_t relay_disk_calls(void) { return disk.calls; }

void relay_disk_lose_power(uint64_t seed) {
  uint64_t dice = seed;
  for (size_t i = 0; i < FILES; i++) {
    image *at = &disk.images[i];
    if (at->path[0] == '\0') continue;
    for (size_t n = 0; n < at->pending_count; n++) {
      const change *c = &at->pending[n];
      dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
      const unsigned face = (unsigned)(dice >> 33) % 4;
      if (seed == 0 || face < 2) apply(&at->durable, c, c->bytes.len);
      if (seed != 0 && face == 2) apply(&at->durable, c, (size_t)(dice >> 40) % (c->bytes.len + 1));
    }
    forget(at);
    if (access(at->path, F_OK) == 0) kit_spill(at->path, tw_buf_bytes(&at->durable));
  }
}

/* Disks that fail, or lose power. SPDX-License-Identifier: Apache-2.0 */
#include <sqlite3.h>

#include "store/store_kit.h"

/* ---- a layer under SQLite that counts writes, cuts and flushes, and can make one fail or be the last ---- */

enum { SECTOR = 512, FILES = 8 };

/* A file as the disk is sure to have it: as of its last flush. */
typedef struct image {
  char path[KIT_PATH];
  tw_buf durable;
} image;

static struct {
  sqlite3_vfs vfs;
  sqlite3_vfs *real;
  unsigned steps;   /* so far */
  unsigned fail_at; /* this step fails, once; 0 none */
  int result;       /* with which result */
  unsigned off_at;  /* this one and everything after it does not happen */
  bool is_off;
  bool failed;
  image images[FILES];
} disk;

typedef struct layer_file {
  sqlite3_file base;
  image *image;
  sqlite3_file *real; /* behind this structure */
} layer_file;

static layer_file *of(sqlite3_file *file) { return (layer_file *)(void *)file; }
static sqlite3_file *real(sqlite3_file *file) { return of(file)->real; }

/* What a step yields in place of doing it, or SQLITE_OK. */
static int step(int result) {
  disk.steps++;
  if (disk.steps == disk.off_at) disk.is_off = true;
  if (disk.is_off) return SQLITE_IOERR;
  if (disk.steps != disk.fail_at) return SQLITE_OK;
  disk.failed = true;
  return disk.result != 0 ? disk.result : result;
}

static void take_image(layer_file *file) {
  sqlite3_int64 size = 0;
  assert_int_equal(file->real->pMethods->xFileSize(file->real, &size), SQLITE_OK);
  tw_buf_clear(&file->image->durable);
  assert_int_equal(tw_buf_reserve(&file->image->durable, (size_t)size + 1), TW_OK);
  assert_int_equal(file->real->pMethods->xRead(file->real, file->image->durable.ptr, (int)size, 0), SQLITE_OK);
  file->image->durable.len = (size_t)size;
}

static int layer_close(sqlite3_file *file) { return real(file)->pMethods->xClose(real(file)); }

static int layer_read(sqlite3_file *file, void *out, int len, sqlite3_int64 at) {
  return disk.is_off ? SQLITE_IOERR_READ : real(file)->pMethods->xRead(real(file), out, len, at);
}

static int layer_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at) {
  const int result = step(SQLITE_IOERR_WRITE);
  return result != SQLITE_OK ? result : real(file)->pMethods->xWrite(real(file), bytes, len, at);
}

static int layer_truncate(sqlite3_file *file, sqlite3_int64 size) {
  const int result = step(SQLITE_IOERR_TRUNCATE);
  return result != SQLITE_OK ? result : real(file)->pMethods->xTruncate(real(file), size);
}

static int layer_sync(sqlite3_file *file, int flags) {
  const int result = step(SQLITE_IOERR_FSYNC);
  if (result != SQLITE_OK) return result;
  (void)flags; /* the real one would only take time */
  if (of(file)->image != NULL) take_image(of(file));
  return SQLITE_OK;
}

static int layer_size(sqlite3_file *file, sqlite3_int64 *size) {
  return real(file)->pMethods->xFileSize(real(file), size);
}
static int layer_lock(sqlite3_file *file, int lock) { return real(file)->pMethods->xLock(real(file), lock); }
static int layer_unlock(sqlite3_file *file, int lock) { return real(file)->pMethods->xUnlock(real(file), lock); }
static int layer_is_reserved(sqlite3_file *file, int *out) {
  return real(file)->pMethods->xCheckReservedLock(real(file), out);
}
static int layer_control(sqlite3_file *file, int what, void *arg) {
  return real(file)->pMethods->xFileControl(real(file), what, arg);
}
static int layer_sector(sqlite3_file *file) { return real(file)->pMethods->xSectorSize(real(file)); }
static int layer_device(sqlite3_file *file) { return real(file)->pMethods->xDeviceCharacteristics(real(file)); }

/* No shared memory: with one holder there is none. */
static const sqlite3_io_methods methods = {.iVersion = 1,
                                           .xClose = layer_close,
                                           .xRead = layer_read,
                                           .xWrite = layer_write,
                                           .xTruncate = layer_truncate,
                                           .xSync = layer_sync,
                                           .xFileSize = layer_size,
                                           .xLock = layer_lock,
                                           .xUnlock = layer_unlock,
                                           .xCheckReservedLock = layer_is_reserved,
                                           .xFileControl = layer_control,
                                           .xSectorSize = layer_sector,
                                           .xDeviceCharacteristics = layer_device};

static image *image_of(const char *path) {
  for (size_t i = 0; i < FILES; i++) {
    if (disk.images[i].path[0] == '\0') assert_true(snprintf(disk.images[i].path, KIT_PATH, "%s", path) < KIT_PATH);
    if (strcmp(disk.images[i].path, path) == 0) return &disk.images[i];
  }
  fail_msg("more files than expected: %s", path);
  return NULL;
}

static int layer_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out_flags) {
  (void)vfs;
  layer_file *made = of(file);
  made->base.pMethods = NULL;
  made->real = (sqlite3_file *)(void *)(made + 1);
  made->image = NULL;
  if (disk.is_off) return SQLITE_IOERR;
  const int result = disk.real->xOpen(disk.real, path, made->real, flags, out_flags);
  if (result != SQLITE_OK) return result;
  made->base.pMethods = &methods;
  if (path == NULL) return SQLITE_OK;
  made->image = image_of(path);
  take_image(made);
  return SQLITE_OK;
}

static int layer_delete(sqlite3_vfs *vfs, const char *path, int dir) {
  (void)vfs;
  if (disk.is_off) return SQLITE_IOERR_DELETE;
  const int result = disk.real->xDelete(disk.real, path, dir);
  if (result == SQLITE_OK) tw_buf_clear(&image_of(path)->durable);
  return result;
}

static void disk_put_in(void) {
  memset(&disk, 0, sizeof disk);
  disk.real = sqlite3_vfs_find(NULL);
  disk.vfs = *disk.real;
  disk.vfs.zName = "layer";
  disk.vfs.pNext = NULL;
  disk.vfs.szOsFile = (int)sizeof(layer_file) + disk.real->szOsFile;
  disk.vfs.xOpen = layer_open;
  disk.vfs.xDelete = layer_delete;
  assert_int_equal(sqlite3_vfs_register(&disk.vfs, 1), SQLITE_OK);
}

static void disk_take_out(void) {
  assert_int_equal(sqlite3_vfs_unregister(&disk.vfs), SQLITE_OK);
  assert_int_equal(sqlite3_vfs_register(disk.real, 1), SQLITE_OK);
  for (size_t i = 0; i < FILES; i++) tw_buf_clear(&disk.images[i].durable);
}

static uint32_t draw(uint64_t *random, uint32_t bound) {
  *random = *random * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*random >> 33) % bound;
}

/* Of what was not flushed when the power went, each sector is there or not. */
static void lose_power(uint64_t *random) {
  for (size_t i = 0; i < FILES; i++) {
    image *at = &disk.images[i];
    if (at->path[0] == '\0' || access(at->path, F_OK) != 0) continue;
    tw_buf now = {0};
    kit_slurp(at->path, &now);
    const size_t longer = now.len > at->durable.len ? now.len : at->durable.len;
    const size_t len = draw(random, 2) == 0 ? now.len : at->durable.len;
    uint8_t *left = calloc(1, longer + 1);
    assert_non_null(left);
    for (size_t from = 0; from < longer; from += SECTOR) {
      const tw_bytes source = tw_buf_bytes(draw(random, 2) == 0 ? &now : &at->durable);
      if (from >= source.len) continue;
      memcpy(left + from, source.ptr + from, source.len - from < SECTOR ? source.len - from : SECTOR);
    }
    kit_spill(at->path, TW_BYTES(left, len));
    free(left);
    tw_buf_clear(&now);
  }
}

/* ---- a state that counts ---- */

enum { LENGTH_MAX = KIT_PIECE * 800 };

static size_t length_of(uint32_t number) { return KIT_PIECE * (1 + (number * 2654435761u) % 800); }

static tw_err write_number(kit *k, tw_store *store, uint32_t number) {
  static uint8_t value[LENGTH_MAX];
  const tw_bytes bytes = TW_BYTES(value, length_of(number));
  kit_fill(value, bytes.len, number);
  const tw_store_change changes[] = {{.kind = TW_STORE_SESSION, .id = kit_text("a"), .value = bytes},
                                     {.kind = TW_STORE_GROUP, .id = kit_text("b"), .value = bytes}};
  return tw_store_apply(store, changes, 2, &k->report);
}

static uint32_t read_number(kit *k, tw_store *store) {
  static uint8_t expected[LENGTH_MAX];
  tw_buf a = {0};
  tw_buf b = {0};
  uint32_t number;
  bool found_a = false;
  bool found_b = false;
  if (tw_store_get(store, TW_STORE_SESSION, kit_text("a"), &a, &found_a, &k->report) != TW_OK ||
      tw_store_get(store, TW_STORE_GROUP, kit_text("b"), &b, &found_b, &k->report) != TW_OK)
    fail_msg("%s", k->report.text);
  assert_int_equal(found_a, found_b);
  if (!found_a) return 0;
  tw_test_same(tw_buf_bytes(&a), tw_buf_bytes(&b));
  memcpy(&number, a.ptr + 4, sizeof number);
  kit_fill(expected, length_of(number), number);
  tw_test_same(tw_buf_bytes(&a), TW_BYTES(expected, length_of(number)));
  tw_buf_clear(&a);
  tw_buf_clear(&b);
  return number;
}

static bool is_number(void *ctx, uint32_t number) { return number == *(const uint32_t *)ctx; }

/* Opened on a sound disk: the number, with nothing left of older ones. */
static uint32_t look(kit *k) {
  disk.fail_at = 0;
  disk.off_at = 0;
  disk.is_off = false;
  tw_store *store = kit_open(k, NULL);
  uint32_t number = read_number(k, store);
  assert_int_equal(kit_remains(k, is_number, &number), 0);
  tw_store_close(store);
  return number;
}

/* ---- the tests ---- */

static void after_a_loss_of_power_the_last_durable_state_is_there(void **state) {
  (void)state;
  kit k;
  uint64_t random = 5;
  uint32_t number = 0;
  kit_init(&k, 1);
  disk_put_in();
  (void)look(&k);
  for (unsigned round = 0; round < tw_test_rounds(250, 6); round++) {
    tw_store *store = NULL;
    uint32_t said = number;
    uint32_t tried = number;
    disk.steps = 0;
    disk.off_at = 1 + draw(&random, 120);
    if (kit_try(&k, NULL, &store) == TW_OK) {
      while (!disk.is_off) {
        tried = said + 1;
        if (write_number(&k, store, tried) == TW_OK) said = tried;
        if (draw(&random, 2) == 0) (void)!tw_store_tidy(store, &k.report);
      }
      tw_store_close(store);
    }
    lose_power(&random);
    number = look(&k);
    if (number != said && number != tried) fail_msg("%u was said to be durable, %u is there", said, number);
  }
  assert_true(number > 10 || tw_test_rounds(0, 1) == 1);
  disk_take_out();
  kit_clear(&k);
}

/* Three changes and two times tidying; what the state says at the end. A failure in between is told, and no more. */
static void work_with_failure(kit *k, tw_store *store, uint32_t *said) {
  for (unsigned i = 0; i < 5; i++) {
    k->report.text[0] = '\0';
    const bool failed_before = disk.failed;
    const tw_err err = i % 2 == 0 ? write_number(k, store, *said + 1) : tw_store_tidy(store, &k->report);
    if (err == TW_OK && i % 2 == 0) (*said)++;
    if (err != TW_OK) {
      assert_true(disk.failed && !failed_before);
      assert_true(err == (disk.result == SQLITE_FULL ? TW_ERR_LIMIT : TW_ERR_STATE));
      assert_true(k->report.text[0] != '\0');
      assert_true(i % 2 == 0 || tw_store_is_untidy(store));
    }
    assert_int_equal(read_number(k, store), *said);
    if (i % 2 == 1 && err == TW_OK) assert_int_equal(kit_remains(k, is_number, said), 0);
  }
}

static void any_write_or_flush_may_fail(void **state) {
  (void)state;
  static const int results[] = {0, SQLITE_FULL};
  kit k;
  uint32_t number = 0;
  kit_init(&k, 2);
  disk_put_in();
  (void)look(&k);
  for (size_t i = 0; i < 2; i++) {
    for (unsigned n = 1;; n += tw_test_rounds(1, 23)) {
      tw_store *store = NULL;
      disk.result = results[i];
      disk.steps = 0;
      disk.fail_at = n;
      disk.failed = false;
      const tw_err err = kit_try(&k, NULL, &store);
      assert_true(err == TW_OK || disk.failed);
      if (err == TW_OK) {
        work_with_failure(&k, store, &number);
        tw_store_close(store);
      }
      const bool failed = disk.failed;
      assert_int_equal(look(&k), number);
      if (!failed) break;
      assert_true(n < 1000);
    }
  }
  disk_take_out();
  kit_clear(&k);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(after_a_loss_of_power_the_last_durable_state_is_there),
      cmocka_unit_test(any_write_or_flush_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

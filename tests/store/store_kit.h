/* A directory for a state, and a look into its files. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_STORE_KIT_H
#define TW_TESTS_STORE_KIT_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store.h"
#include "tw_cmocka.h"
#include "tw_test_env.h"

enum { KIT_PATH = 512 };

/* A place of its own for one test: `dir` is not there yet, its parent is. */
typedef struct kit {
  tw_test_env test;
  char parent[64];
  char dir[KIT_PATH];
  tw_report report;
} kit;

static inline void kit_init(kit *k, uint64_t seed) {
  memset(k, 0, sizeof *k);
  tw_test_env_init(&k->test, seed);
  /* Where flushes cost nothing, if there is such a place: what a crash of the process leaves is the same. */
  const char *where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  (void)snprintf(k->parent, sizeof k->parent, "%s/treewire-store.XXXXXX", where);
  assert_non_null(mkdtemp(k->parent));
  (void)snprintf(k->dir, sizeof k->dir, "%s/state", k->parent);
}

static inline const char *kit_file(const kit *k, const char *name, char path[KIT_PATH]) {
  assert_true(snprintf(path, KIT_PATH, "%.200s/%s", k->dir, name) < KIT_PATH);
  return path;
}

/* Whatever lies directly in a directory, and the directory. */
static inline void kit_remove(const char *dir) {
  DIR *entries = opendir(dir);
  if (entries == NULL) return;
  for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
    char path[KIT_PATH * 2];
    (void)snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) (void)unlink(path);
  }
  (void)closedir(entries);
  (void)rmdir(dir);
}

static inline void kit_clear(kit *k) {
  kit_remove(k->dir);
  kit_remove(k->parent);
  assert_int_not_equal(access(k->parent, F_OK), 0);
  tw_test_env_clear(&k->test);
}

static inline tw_err kit_try(kit *k, const tw_store_key *key, tw_store **store) {
  tw_store_config config = {.dir = k->dir};
  if (key != NULL) config.key = *key;
  k->report.text[0] = '\0';
  const tw_err err = tw_store_open(&config, &k->test.env, store, &k->report);
  /* One line for a person with each error, and none without. */
  assert_true((err == TW_OK) == (k->report.text[0] == '\0'));
  assert_true((err == TW_OK) == (*store != NULL));
  assert_null(strchr(k->report.text, '\n'));
  return err;
}

static inline tw_store *kit_open(kit *k, const tw_store_key *key) {
  tw_store *store;
  const tw_err err = kit_try(k, key, &store);
  if (err != TW_OK) fail_msg("%s", k->report.text);
  return store;
}

static inline void kit_refuses(kit *k, const tw_store_key *key, tw_err expected, const char *words) {
  tw_store *store;
  const tw_err err = kit_try(k, key, &store);
  if (err != expected || strstr(k->report.text, words) == NULL)
    fail_msg("%s (%s), expected %s and '%s'", tw_err_text(err), k->report.text, tw_err_text(expected), words);
}

static inline tw_bytes kit_text(const char *text) { return TW_BYTES((const uint8_t *)text, strlen(text)); }

static inline tw_store_change kit_set(tw_store_kind kind, const char *id, const char *value) {
  return (tw_store_change){.kind = kind, .id = kit_text(id), .value = kit_text(value)};
}

static inline void kit_put(kit *k, tw_store *store, tw_store_kind kind, const char *id, const char *value) {
  const tw_store_change change = kit_set(kind, id, value);
  if (tw_store_apply(store, &change, 1, &k->report) != TW_OK) fail_msg("%s", k->report.text);
}

static inline void kit_delete(kit *k, tw_store *store, tw_store_kind kind, const char *id) {
  const tw_store_change change = {.kind = kind, .id = kit_text(id), .remove = true};
  if (tw_store_apply(store, &change, 1, &k->report) != TW_OK) fail_msg("%s", k->report.text);
}

/* NULL for `value`: there is none. */
static inline void kit_expect(kit *k, tw_store *store, tw_store_kind kind, const char *id, const char *value) {
  tw_buf got = {0};
  bool found;
  if (tw_store_get(store, kind, kit_text(id), &got, &found, &k->report) != TW_OK) fail_msg("%s", k->report.text);
  assert_int_equal(found, value != NULL);
  if (value != NULL) tw_test_same(tw_buf_bytes(&got), kit_text(value));
  tw_buf_clear(&got);
}

static inline uint64_t kit_count(kit *k, tw_store *store, tw_store_kind kind) {
  uint64_t count = UINT64_MAX;
  if (tw_store_count(store, kind, &count, &k->report) != TW_OK) fail_msg("%s", k->report.text);
  return count;
}

static inline void kit_slurp(const char *path, tw_buf *out) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat status;
  assert_true(fd >= 0);
  assert_int_equal(fstat(fd, &status), 0);
  assert_int_equal(tw_buf_reserve(out, (size_t)status.st_size + 1), TW_OK);
  assert_int_equal(read(fd, out->ptr + out->len, (size_t)status.st_size), status.st_size);
  out->len += (size_t)status.st_size;
  assert_int_equal(close(fd), 0);
}

static inline void kit_spill(const char *path, tw_bytes bytes) {
  const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, bytes.ptr, bytes.len), bytes.len);
  assert_int_equal(close(fd), 0);
}

/* All bytes of all files of the directory, one after the other. */
static inline void kit_slurp_all(const kit *k, tw_buf *out) {
  tw_buf_clear(out);
  DIR *entries = opendir(k->dir);
  assert_non_null(entries);
  for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
    char path[KIT_PATH];
    if (entry->d_name[0] != '.') kit_slurp(kit_file(k, entry->d_name, path), out);
  }
  assert_int_equal(closedir(entries), 0);
}

static inline bool kit_holds(const kit *k, tw_bytes wanted) {
  tw_buf all = {0};
  kit_slurp_all(k, &all);
  const bool found = memmem(all.ptr, all.len, wanted.ptr, wanted.len) != NULL;
  tw_buf_clear(&all);
  return found;
}

/*
 * Values that are told from each other in the files: made of pieces of a mark, the value's number, and its complement,
 * which tells whole pieces from those that are cut where a page ends. Wherever 23 bytes of a value are left in a file,
 * there is a whole piece.
 */
enum { KIT_PIECE = 12 };
static const uint8_t kit_mark[4] = {0xA7, 0x5E, 0xC3, 0x91};

/* `len` is a multiple of KIT_PIECE. */
static inline void kit_fill(uint8_t *out, size_t len, uint32_t number) {
  const uint32_t complement = ~number;
  for (size_t at = 0; at < len; at += KIT_PIECE) {
    memcpy(out + at, kit_mark, 4);
    memcpy(out + at + 4, &number, 4);
    memcpy(out + at + 8, &complement, 4);
  }
}

/* How many pieces of values that should be gone stand in the files. */
static inline size_t kit_remains(const kit *k, bool (*is_live)(void *ctx, uint32_t number), void *ctx) {
  tw_buf all = {0};
  size_t count = 0;
  kit_slurp_all(k, &all);
  for (size_t at = 0; at + KIT_PIECE <= all.len; at++) {
    uint32_t number;
    uint32_t complement;
    if (memcmp(all.ptr + at, kit_mark, 4) != 0) continue;
    memcpy(&number, all.ptr + at + 4, 4);
    memcpy(&complement, all.ptr + at + 8, 4);
    if (complement == ~number && !is_live(ctx, number)) count++;
  }
  tw_buf_clear(&all);
  return count;
}

/* A key file beside the directory, filled with `byte`. */
static inline tw_store_key kit_key_file(const kit *k, char path[KIT_PATH], uint8_t byte) {
  uint8_t key[TW_STORE_KEY_SIZE];
  memset(key, byte, sizeof key);
  assert_true(snprintf(path, KIT_PATH, "%s/key%u", k->parent, (unsigned)byte) < KIT_PATH);
  kit_spill(path, TW_ARRAY(key));
  return (tw_store_key){.file = path};
}

/* A passphrase at a cost for tests. */
static inline tw_store_key kit_passphrase(const char *text) {
  return (tw_store_key){.passphrase = kit_text(text), .cost = {.memory_kib = 64, .passes = 1, .lanes = 1}};
}

#endif

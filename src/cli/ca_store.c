/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ca_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/file_write.h"
#include "cli/key_file.h"

enum { EARLY_S = 3600 }; /* for clocks that are slow */

static tw_err path_of(const char *folder, const char *name, char out[TW_CA_PATH], tw_report *report) {
  const int len = snprintf(out, TW_CA_PATH, "%s/%s", folder, name);
  if (len > 0 && len < TW_CA_PATH - 16) return TW_OK;
  return tw_report_fail(report, TW_ERR_ARGUMENT, "%.100s: too long for a folder's name", folder);
}

/* ---- reading ---- */

static tw_err lock(tw_ca_store *store, tw_report *report) {
  struct stat status;
  store->lock = open(store->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (store->lock < 0 || fstat(store->lock, &status) != 0)
    return tw_report_fail(report, TW_ERR_STATE, "%.200s: %s (treewire ca init makes it)", store->folder,
                          strerror(errno));
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    return tw_report_fail(report, TW_ERR_FORBIDDEN, "%.200s: its mode %04o lets others at the CA (chmod 700 it)",
                          store->folder, (unsigned)(status.st_mode & 07777));
  if (flock(store->lock, LOCK_EX | LOCK_NB) == 0) return TW_OK;
  return tw_report_fail(report, TW_ERR_STATE, "%.200s: another `treewire ca` is at work there", store->folder);
}

static tw_err read_key(tw_ca_store *store, tw_report *report) {
  char path[TW_CA_PATH];
  tw_buf pem = {0};
  TW_TRY(path_of(store->folder, "ca.key", path, report));
  tw_err err = tw_secret_file_read(path, TW_X509_PEM_MAX, &pem, report);
  if (err == TW_OK) err = tw_x509_key_load(store->x509, path, tw_buf_bytes(&pem), &store->key, report);
  tw_buf_clear(&pem);
  return err;
}

static tw_err read_certificate(tw_ca_store *store, tw_report *report) {
  char path[TW_CA_PATH];
  tw_buf chain = {0};
  TW_TRY(path_of(store->folder, "ca.pem", path, report));
  TW_TRY(tw_file_read(path, TW_X509_PEM_MAX, &store->certificate, report));
  tw_err err = tw_x509_chain_read(store->x509, path, tw_buf_bytes(&store->certificate), &chain, report);
  if (err == TW_OK) err = tw_x509_describe(store->x509, tw_buf_bytes(&chain), &store->holder);
  tw_buf_clear(&chain);
  TW_TRY(err);
  const tw_x509_issuer itself = {.key = store->key};
  if (tw_x509_is_issued_by(store->x509, tw_buf_bytes(&store->certificate), &itself)) return TW_OK;
  return tw_report_fail(report, TW_ERR_KEY, "%.200s: not the certificate of the key in ca.key", path);
}

static tw_err read_index(tw_ca_store *store, tw_report *report) {
  char path[TW_CA_PATH];
  tw_buf text = {0};
  TW_TRY(path_of(store->folder, "index", path, report));
  tw_err err = tw_file_read(path, TW_CA_INDEX_MAX, &text, report);
  if (err == TW_OK) err = tw_ca_index_parse(path, tw_buf_bytes(&text), &store->index, report);
  tw_buf_clear(&text);
  return err;
}

tw_err tw_ca_store_open(tw_ca_store *store, const char *folder, tw_report *report) {
  store->folder = folder;
  store->lock = -1;
  TW_TRY(tw_x509_new(&store->x509));
  TW_TRY(lock(store, report));
  TW_TRY(read_key(store, report));
  TW_TRY(read_certificate(store, report));
  return read_index(store, report);
}

void tw_ca_store_close(tw_ca_store *store) {
  tw_ca_index_clear(&store->index);
  tw_buf_clear(&store->certificate);
  tw_x509_key_free(store->key);
  tw_x509_free(store->x509);
  if (store->folder != NULL && store->lock >= 0) (void)close(store->lock);
  *store = (tw_ca_store){.lock = -1};
}

/* ---- writing ---- */

tw_err tw_ca_store_save(const tw_ca_store *store, tw_report *report) {
  char path[TW_CA_PATH];
  tw_buf text = {0};
  TW_TRY(path_of(store->folder, "index", path, report));
  tw_err err = tw_ca_index_format(&store->index, &text);
  if (err == TW_OK) err = tw_file_write(path, TW_WRITE_REPLACE, 0600, tw_buf_bytes(&text), report);
  tw_buf_clear(&text);
  return err;
}

/* Numbers go up, also when the last CRL has been lost. */
static uint64_t next_number(const tw_ca_store *store, const char *path, uint64_t now) {
  tw_buf pem = {0};
  uint64_t number = 0;
  if (tw_file_read(path, TW_X509_FILE_MAX, &pem, NULL) == TW_OK)
    number = tw_x509_crl_number(store->x509, tw_buf_bytes(&pem));
  tw_buf_clear(&pem);
  return number >= now ? number + 1 : now;
}

static tw_err make_crl(const tw_ca_store *store, const tw_x509_crl_wish *wish, tw_buf *pem) {
  const tw_x509_issuer issuer = {tw_buf_bytes(&store->certificate), store->key};
  return tw_x509_make_crl(store->x509, &issuer, wish, pem);
}

tw_err tw_ca_store_write_crl(const tw_ca_store *store, uint64_t seconds, tw_report *report) {
  typedef uint8_t serial_bytes[TW_X509_SERIAL / 2];
  char path[TW_CA_PATH];
  const uint64_t now = (uint64_t)time(NULL);
  tw_buf pem = {0};
  TW_TRY(path_of(store->folder, "crl.pem", path, report));
  const size_t room = store->index.count + 1;
  tw_x509_revocation *list = tw_alloc_array(NULL, room, sizeof *list);
  serial_bytes *serials = tw_alloc_array(NULL, room, sizeof *serials);
  tw_x509_crl_wish wish = {
      .list = list, .number = next_number(store, path, now), .from = now - EARLY_S, .until = now + seconds};
  for (size_t i = 0; list != NULL && serials != NULL && i < store->index.count; i++) {
    const tw_ca_entry *entry = &store->index.list[i];
    if (entry->revoked == 0) continue;
    const size_t len = tw_ca_serial_bytes(entry->serial, serials[wish.count]);
    list[wish.count] = (tw_x509_revocation){TW_BYTES(serials[wish.count], len), entry->revoked};
    wish.count++;
  }
  tw_err err = list == NULL || serials == NULL ? TW_ERR_NO_MEMORY : make_crl(store, &wish, &pem);
  if (err == TW_OK) err = tw_file_write(path, TW_WRITE_REPLACE, 0644, tw_buf_bytes(&pem), report);
  tw_alloc_free(NULL, list);
  tw_alloc_free(NULL, serials);
  tw_buf_clear(&pem);
  return err;
}

/* ---- a new one ---- */

static tw_err fill_key(tw_ca_store *store, const char *algorithm, tw_report *report) {
  char path[TW_CA_PATH];
  tw_buf pem = {0};
  TW_TRY(path_of(store->folder, "ca.key", path, report));
  tw_err err = tw_x509_key_generate(store->x509, algorithm, &store->key, report);
  if (err == TW_OK) err = tw_x509_key_save(store->key, &pem);
  if (err == TW_OK) err = tw_file_write(path, TW_WRITE_NEW, 0600, tw_buf_bytes(&pem), report);
  tw_buf_clear(&pem);
  return err;
}

static tw_err fill_certificate(tw_ca_store *store, const char *name, uint64_t seconds, tw_report *report) {
  char path[TW_CA_PATH];
  uint8_t serial[TW_X509_SERIAL_SIZE];
  const uint64_t now = (uint64_t)time(NULL);
  TW_TRY(path_of(store->folder, "ca.pem", path, report));
  TW_TRY(tw_x509_make_serial(store->x509, serial));
  const tw_x509_wish wish = {
      .subject = name, .serial = TW_ARRAY(serial), .not_before = now - EARLY_S, .not_after = now + seconds};
  const tw_x509_issuer itself = {.key = store->key};
  TW_TRY(tw_x509_certify(store->x509, &itself, store->key, &wish, &store->certificate));
  return tw_file_write(path, TW_WRITE_NEW, 0644, tw_buf_bytes(&store->certificate), report);
}

static tw_err fill(tw_ca_store *store, const char *name, const char *algorithm, uint64_t seconds, uint64_t crl_seconds,
                   tw_report *report) {
  TW_TRY(tw_x509_new(&store->x509));
  TW_TRY(fill_key(store, algorithm, report));
  TW_TRY(fill_certificate(store, name, seconds, report));
  TW_TRY(tw_ca_store_save(store, report));
  return tw_ca_store_write_crl(store, crl_seconds, report);
}

static void remove_all(const char *folder) {
  static const char *const names[] = {"ca.key", "ca.pem", "index", "crl.pem"};
  char path[TW_CA_PATH];
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (path_of(folder, names[i], path, NULL) == TW_OK) (void)unlink(path);
  (void)rmdir(folder);
}

/* It is filled under another name: a folder that is there is whole. An empty one is replaced by rename itself. */
tw_err tw_ca_store_create(const char *folder, const char *name, const char *algorithm, uint64_t seconds,
                          uint64_t crl_seconds, tw_report *report) {
  char temporary[TW_CA_PATH];
  tw_ca_store store = {.lock = -1};
  size_t len = strlen(folder);
  while (len > 1 && folder[len - 1] == '/') len--;
  const int written = snprintf(temporary, sizeof temporary, "%.*s.XXXXXX", (int)(len < TW_CA_PATH ? len : TW_CA_PATH),
                               folder);
  if (written < 0 || written >= TW_CA_PATH - 16)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "%.100s: too long for a folder's name", folder);
  if (mkdtemp(temporary) == NULL) return tw_report_fail(report, TW_ERR_STATE, "%.200s: %s", folder, strerror(errno));
  store.folder = temporary;
  tw_err err = fill(&store, name, algorithm, seconds, crl_seconds, report);
  if (err == TW_OK && rename(temporary, folder) != 0)
    err = tw_report_fail(report, TW_ERR_STATE, "%.200s: %s", folder,
                         errno == EEXIST || errno == ENOTEMPTY ? "something is there already" : strerror(errno));
  if (err != TW_OK) remove_all(temporary);
  tw_ca_store_close(&store);
  return err;
}

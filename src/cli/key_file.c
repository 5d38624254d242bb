/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"

enum { READ_SIZE = 64 * 1024 };

static tw_err read_all(int fd, const char *source, size_t max, tw_buf *out, tw_report *report) {
  for (;;) {
    const size_t room = max - out->len < READ_SIZE ? max - out->len : READ_SIZE;
    if (tw_buf_reserve(out, room + 1) != TW_OK) return tw_report_fail(report, TW_ERR_NO_MEMORY, "out of memory");
    const ssize_t got = read(fd, out->ptr + out->len, room + 1);
    if (got == 0) return TW_OK;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return tw_report_fail(report, TW_ERR_STATE, "%.200s: %s", source, strerror(errno));
    out->len += (size_t)got;
    if (out->len > max) return tw_report_fail(report, TW_ERR_LIMIT, "%.200s: larger than %zu bytes", source, max);
  }
}

static tw_err open_file(const char *path, int *fd, struct stat *status, tw_report *report) {
  const int opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (opened < 0) return tw_report_fail(report, TW_ERR_STATE, "%.200s: %s", path, strerror(errno));
  if (fstat(opened, status) != 0 || S_ISDIR(status->st_mode)) {
    (void)close(opened);
    return tw_report_fail(report, TW_ERR_STATE, "%.200s: not a file", path);
  }
  *fd = opened;
  return TW_OK;
}

tw_err tw_file_read(const char *path, size_t max, tw_buf *out, tw_report *report) {
  int fd = -1;
  struct stat status = {0};
  TW_TRY(open_file(path, &fd, &status, report));
  const tw_err err = read_all(fd, path, max, out, report);
  (void)close(fd);
  return err;
}

tw_err tw_key_descriptor_read(const tw_env *env, int fd, const char *source, const tw_suite **suite, tw_signer **signer,
                              tw_report *report) {
  tw_buf text = {0};
  tw_err err = read_all(fd, source, TW_KEY_TEXT_MAX, &text, report);
  if (err == TW_OK) {
    tw_report why = {""};
    err = tw_private_key_parse(env, tw_buf_bytes(&text), suite, signer, &why);
    if (err != TW_OK) err = tw_report_fail(report, err, "%.200s: %s", source, why.text);
  }
  tw_buf_clear(&text);
  return err;
}

static tw_err open_secret(const char *path, int *fd, tw_report *report) {
  struct stat status = {0};
  TW_TRY(open_file(path, fd, &status, report));
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) == 0) return TW_OK;
  (void)close(*fd);
  return tw_report_fail(report, TW_ERR_FORBIDDEN, "%.200s: its mode %04o lets others at the private key (chmod 600 it)",
                        path, (unsigned)(status.st_mode & 07777));
}

tw_err tw_secret_file_read(const char *path, size_t max, tw_buf *out, tw_report *report) {
  int fd = -1;
  TW_TRY(open_secret(path, &fd, report));
  const tw_err err = read_all(fd, path, max, out, report);
  (void)close(fd);
  return err;
}

tw_err tw_key_file_read(const tw_env *env, const char *path, const tw_suite **suite, tw_signer **signer,
                        tw_report *report) {
  int fd = -1;
  TW_TRY(open_secret(path, &fd, report));
  const tw_err err = tw_key_descriptor_read(env, fd, path, suite, signer, report);
  (void)close(fd);
  return err;
}

tw_err tw_peers_file_read(const tw_env *env, const char *path, tw_peers *peers, tw_report *report) {
  tw_buf text = {0};
  tw_err err = tw_file_read(path, TW_PEERS_FILE_MAX, &text, report);
  if (err == TW_OK) err = tw_peers_parse(env, path, tw_buf_bytes(&text), peers, report);
  tw_buf_clear(&text);
  return err;
}

tw_err tw_peer_argument(const tw_env *env, const char *argument, tw_peers *peers, tw_report *report) {
  tw_peers parsed = {0};
  tw_err err;
  if (argument[0] == '@') {
    err = tw_peers_file_read(env, argument + 1, &parsed, report);
    if (err == TW_OK && parsed.count != 1)
      err = tw_report_fail(report, TW_ERR_ENCODING, "%.200s: holds %zu public keys, --peer takes one", argument + 1,
                           parsed.count);
  } else {
    tw_fingerprint fingerprint;
    const tw_suite *suite = NULL;
    tw_report why = {"out of memory"};
    err = tw_peer_key_parse(env, TW_BYTES((const uint8_t *)argument, strlen(argument)), &suite, &fingerprint, &why);
    if (err == TW_OK)
      err = tw_peers_set(&parsed, &fingerprint, suite, "");
    else
      err = tw_report_fail(report, TW_ERR_ARGUMENT, "--peer: %s; a file is @FILE", why.text);
  }
  if (err != TW_OK) {
    tw_peers_clear(&parsed);
    return err;
  }
  tw_peers_clear(peers);
  *peers = parsed;
  return TW_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/secret.h"
#include "cli/cli.h"
#include "cli/key_file.h"

tw_err tw_passphrase_file_read(const char *path, tw_buf *passphrase, tw_report *report) {
  tw_buf text = {0};
  tw_err err = tw_secret_file_read(path, TW_PASSPHRASE_MAX, &text, report);
  if (err == TW_OK) {
    const uint8_t *end = text.len == 0 ? NULL : memchr(text.ptr, '\n', text.len);
    const size_t len = end == NULL ? text.len : (size_t)(end - text.ptr);
    err = len == 0 ? tw_report_fail(report, TW_ERR_ENCODING, "%.200s: no passphrase in it", path)
                   : tw_buf_append(passphrase, TW_BYTES(text.ptr, len));
  }
  tw_buf_clear(&text);
  return err;
}

static bool read_line(int fd, char *line, size_t size, size_t *len) {
  for (*len = 0; *len < size;) {
    char c;
    const ssize_t got = read(fd, &c, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || c == '\n') return got > 0;
    line[(*len)++] = c;
  }
  return false;
}

tw_err tw_passphrase_ask(const char *what, const char *option, tw_buf *passphrase, tw_report *report) {
  struct termios before;
  const int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (fd < 0 || tcgetattr(fd, &before) != 0) {
    if (fd >= 0) (void)close(fd);
    return tw_report_fail(report, TW_ERR_STATE, "the key is encrypted, and no terminal is there to ask at (see %s)",
                          option);
  }
  struct termios quiet = before;
  quiet.c_lflag &= ~(tcflag_t)ECHO;
  char words[256];
  char line[TW_PASSPHRASE_MAX];
  size_t len = 0;
  const int shown = snprintf(words, sizeof words, "Passphrase of %.200s: ", what);
  (void)tcsetattr(fd, TCSAFLUSH, &quiet);
  bool good = tw_cli_write(fd, TW_BYTES((const uint8_t *)words, shown < 0 ? 0 : strlen(words)));
  good = good && read_line(fd, line, sizeof line, &len);
  (void)tcsetattr(fd, TCSAFLUSH, &before);
  (void)tw_cli_write(fd, TW_LITERAL("\n"));
  (void)close(fd);
  const tw_err err = good ? tw_buf_append(passphrase, TW_BYTES((const uint8_t *)line, len))
                          : tw_report_fail(report, TW_ERR_STATE, "no passphrase was given");
  tw_wipe(line, sizeof line);
  return err;
}

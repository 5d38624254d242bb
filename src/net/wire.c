/* SPDX-License-Identifier: Apache-2.0 */
#include "net/wire.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

bool tw_wire_would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

ssize_t tw_wire_read(int fd, uint8_t *ptr, size_t len) {
  ssize_t got;
  do got = read(fd, ptr, len);
  while (got < 0 && errno == EINTR);
  return got;
}

ssize_t tw_wire_write(int fd, tw_bytes bytes) {
  ssize_t written;
  do written = write(fd, bytes.ptr, bytes.len);
  while (written < 0 && errno == EINTR);
  return written;
}

int tw_wire_flush(const tw_link *link, int fd) {
  for (;;) {
    const tw_bytes output = tw_link_output(link);
    if (output.len == 0) return 0;
    const ssize_t sent = tw_wire_write(fd, output);
    if (sent < 0) return tw_wire_would_block(errno) ? 0 : errno;
    tw_link_output_sent(link, (size_t)sent);
    if ((size_t)sent < output.len) return 0;
  }
}

bool tw_wire_drain(int fd) {
  uint8_t dropped[4096];
  for (int round = 0; round < TW_WIRE_ROUNDS; round++) {
    const ssize_t got = tw_wire_read(fd, dropped, sizeof dropped);
    if (got < 0 && tw_wire_would_block(errno)) return true;
    if (got <= 0) return false;
  }
  return true;
}

void tw_wire_reset_at_close(int fd) {
  const struct linger now = {.l_onoff = 1, .l_linger = 0};
  (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

uint64_t tw_wall_ms(void) {
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return 0;
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t tw_backoff_ms(uint64_t first_ms, uint64_t most_ms, unsigned tries) {
  uint64_t most = first_ms;
  for (unsigned i = 0; i < tries && most < most_ms; i++) most *= 2;
  if (most > most_ms) most = most_ms;
  uint16_t drawn = 0;
  if (getrandom(&drawn, sizeof drawn, GRND_NONBLOCK) != (ssize_t)sizeof drawn) drawn = 0;
  return most / 2 + most / 2 * drawn / UINT16_MAX;
}

/* The relay. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tw_cmocka.h"
#include "world_parts.h"

void wire_prepare(int fd) {
  const int on = 1;
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

int wire_connect(uint16_t port) {
  const struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_true(fd >= 0);
  if (connect(fd, (const struct sockaddr *)&to, sizeof to) == 0) {
    wire_prepare(fd);
    return fd;
  }
  (void)close(fd);
  return -1;
}

static void close_end(wire *x, int side, bool reset) {
  const struct linger now = {.l_onoff = 1, .l_linger = 0};
  if (x->end[side] < 0) return;
  if (reset) (void)setsockopt(x->end[side], SOL_SOCKET, SO_LINGER, &now, sizeof now);
  (void)close(x->end[side]);
  x->end[side] = -1;
}

static void drop(wire *x) {
  close_end(x, CONNECTOR, true);
  close_end(x, LISTENER, true);
  x->used = x->late = false;
}

void wire_accept(world *w) {
  const int fd = accept(w->relay, NULL, NULL);
  if (fd < 0) return;
  wire_prepare(fd);
  for (int i = 0; i < WIRES; i++) {
    wire *x = &w->wires[i];
    if (x->used) continue;
    for (int side = 0; side < SIDES; side++) x->from[side].len = x->from[side].ended = x->from[side].shut = false;
    x->used = true;
    x->held = x->late = false;
    x->end[CONNECTOR] = fd;
    x->end[LISTENER] = -1;
    w->flight_len = 0;
    return;
  }
  fail_msg("more than %d connections", WIRES);
}

void wire_meet(world *w, wire *x) {
  process *listener = &w->side[LISTENER];
  if (!x->used || x->late || x->end[LISTENER] >= 0 || listener->port == 0) return;
  x->end[LISTENER] = wire_connect(listener->port);
  if (x->end[LISTENER] >= 0) listener->opened++;
}

static void read_from(world *w, wire *x, int side) {
  flow *f = &x->from[side];
  while (x->end[side] >= 0 && !f->ended && f->len < sizeof f->bytes) {
    const ssize_t got = recv(x->end[side], f->bytes + f->len, sizeof f->bytes - f->len, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
      f->ended = true;
      return;
    }
    const size_t room = FLIGHT - w->flight_len;
    if (side == CONNECTOR && room > 0) {
      const size_t kept = (size_t)got < room ? (size_t)got : room;
      memcpy(w->flight + w->flight_len, f->bytes + f->len, kept);
      w->flight_len += kept;
    }
    f->len += (size_t)got;
  }
}

/* What came from the other side, to this one. */
static void write_to(wire *x, int side) {
  flow *f = &x->from[1 - side];
  if (x->held || x->end[side] < 0) return;
  while (f->len > 0) {
    const ssize_t sent = send(x->end[side], f->bytes, f->len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) return;
    if (sent <= 0) {
      f->len = 0;
      f->ended = true;
      x->from[side].ended = true;
      break;
    }
    f->len -= (size_t)sent;
    memmove(f->bytes, f->bytes + sent, f->len);
  }
  if (f->ended && !f->shut) {
    f->shut = true;
    (void)shutdown(x->end[side], SHUT_WR);
  }
}

/* It has come to its call: what it sent with that is not passed on before its end is seen. */
static bool is_dying(const world *w, int side) {
  const kill_shared *shared = w->side[side].shared;
  const uint32_t at = atomic_load(&shared->at);
  return w->side[side].pid != 0 && at != 0 && atomic_load(&shared->passed) >= at;
}

void wire_move(world *w, wire *x, int side) {
  read_from(w, x, side);
  if (!is_dying(w, side)) write_to(x, 1 - side);
  if (!is_dying(w, 1 - side)) write_to(x, side);
  const bool over = x->from[CONNECTOR].ended && x->from[LISTENER].ended;
  if (over && !x->held && x->from[CONNECTOR].len == 0 && x->from[LISTENER].len == 0) {
    close_end(x, CONNECTOR, false);
    close_end(x, LISTENER, false);
    x->used = false;
  }
}

/* The dead took nothing more; what it had sent is at the mercy of the fate. */
void wire_orphaned(world *w, wire *x, int side) {
  if (x->late) { /* the survivor of before is dead, too */
    if (side == LISTENER) drop(x);
    return;
  }
  if (side == LISTENER && x->end[LISTENER] < 0) return; /* waits for the next one */
  flow *f = &x->from[side];
  read_from(w, x, side);
  f->ended = true;
  close_end(x, side, true);
  x->from[1 - side].len = 0;
  x->held = false;
  if (w->fate == FATE_DROP || x->end[1 - side] < 0) {
    drop(x);
    return;
  }
  if (w->fate == FATE_LATE && side == CONNECTOR) {
    x->late = true;
    return;
  }
  if (w->fate == FATE_CUT && f->len > 0) f->len = world_random(w, (uint32_t)f->len + 1);
  write_to(x, 1 - side);
  close_end(x, 1 - side, false);
  x->used = false;
}

unsigned world_release(world *w) {
  unsigned released = 0;
  for (int i = 0; i < WIRES; i++) {
    wire *x = &w->wires[i];
    if (!x->used || !x->late) continue;
    write_to(x, LISTENER);
    close_end(x, LISTENER, false);
    x->used = x->late = false;
    released++;
  }
  return released;
}

void world_replay(world *w) {
  process *listener = &w->side[LISTENER];
  if (w->flight_len == 0 || listener->port == 0) return;
  const int fd = wire_connect(listener->port);
  if (fd < 0) return;
  listener->opened++;
  (void)send(fd, w->flight, w->flight_len, MSG_DONTWAIT | MSG_NOSIGNAL);
  struct pollfd answered = {.fd = fd, .events = POLLIN};
  (void)poll(&answered, 1, 1000);
  (void)close(fd);
}

/* The applications: each byte says whose it is. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tw_cmocka.h"
#include "world_parts.h"

enum { NAME = 4, CHUNK = 8192, IDS = 1 << 22 };

/* Bytes of connection `id`; those of the near application begin with that number. */
static uint8_t byte_of(uint32_t id, bool far, size_t at) {
  if (!far && at < NAME) return (uint8_t)(id >> (8 * at));
  const uint64_t mixed = ((uint64_t)id << 33 ^ (uint64_t)at << 1 ^ (far ? 1 : 0)) * 0x9e3779b97f4a7c15u;
  return (uint8_t)(mixed >> 56);
}

int world_app(world *w) {
  for (int i = 0; i < APPS; i++) {
    app *a = &w->near[i];
    if (a->fd >= 0) continue;
    *a = (app){.fd = wire_connect(w->side[CONNECTOR].port), .id = ++w->last_id};
    if (a->fd >= 0) w->side[CONNECTOR].opened++;
    assert_true(w->last_id < IDS);
    return i;
  }
  fail_msg("more than %d applications", APPS);
  return -1;
}

static void send_from(app *a, bool far, size_t n) {
  uint8_t bytes[CHUNK];
  assert_true(n <= CHUNK);
  if (a->fd < 0) return;
  for (size_t i = 0; i < n; i++) bytes[i] = byte_of(a->id, far, a->sent + i);
  const ssize_t sent = send(a->fd, bytes, n, MSG_NOSIGNAL);
  if (sent > 0) a->sent += (size_t)sent;
}

void world_send(world *w, int near, size_t n) { send_from(&w->near[near], false, n); }

app *world_far(const world *w, int near) {
  for (int i = 0; i < APPS; i++)
    if (w->far[i].fd >= 0 && w->far[i].id == w->near[near].id) return (app *)&w->far[i];
  return NULL;
}

void world_answer(world *w, int near, size_t n) {
  app *far = world_far(w, near);
  if (far != NULL) send_from(far, true, n);
}

void app_accept(world *w) {
  const int fd = accept(w->target, NULL, NULL);
  if (fd < 0) return;
  wire_prepare(fd);
  for (int i = 0; i < APPS; i++) {
    if (w->far[i].fd >= 0) continue;
    w->far[i] = (app){.fd = fd};
    return;
  }
  fail_msg("more than %d connections to the target", APPS);
}

/* A connection's first bytes came twice: early data was repeated, or a tunnel sent again what it had sent. */
static void take_name(world *w, const app *a) {
  uint8_t *at = &w->delivered[a->id / 8 % (IDS / 8)];
  const uint8_t bit = (uint8_t)(1u << a->id % 8);
  if (a->id == 0 || a->id > w->last_id) fail_msg("bytes of a connection that never was: %08x", a->id);
  if (*at & bit) fail_msg("connection %u came twice", a->id);
  *at |= bit;
}

static void take_bytes(world *w, app *a, bool far, const uint8_t *bytes, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (far && a->got < NAME) {
      a->id |= (uint32_t)bytes[i] << (8 * a->got);
      if (++a->got == NAME) take_name(w, a);
      continue;
    }
    if (bytes[i] != byte_of(a->id, !far, a->got)) fail_msg("byte %zu of connection %u is another one", a->got, a->id);
    a->got++;
  }
}

void app_read(world *w, app *a, bool far) {
  uint8_t bytes[CHUNK];
  const ssize_t got = recv(a->fd, bytes, sizeof bytes, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got > 0) {
    take_bytes(w, a, far, bytes, (size_t)got);
    return;
  }
  a->ended = true;
  if (!far) return;
  (void)close(a->fd);
  a->fd = -1;
}

void world_hang_up(world *w, int near) {
  app *a = &w->near[near];
  if (a->fd < 0) return;
  (void)close(a->fd);
  a->fd = -1;
}

void world_hang_up_all(world *w) {
  for (int i = 0; i < APPS; i++) world_hang_up(w, i);
}

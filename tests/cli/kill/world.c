/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "tw_cmocka.h"
#include "world_parts.h"

enum { IDS = 1 << 22, PATH = 128, WORDS = 24 };

static int64_t now_ms(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint32_t world_random(world *w, uint32_t below) {
  w->random = w->random * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(w->random >> 33) % below;
}

/* ---- the processes ---- */

static void be_program(const world *w, int side) {
  static char port[SIDES][32], state[PATH], key[PATH], other[PATH];
  (void)snprintf(key, sizeof key, "%s/%s.key", w->dir, side == LISTENER ? "a" : "b");
  (void)snprintf(state, sizeof state, "%s/state-%s", w->dir, side == LISTENER ? "a" : "b");
  (void)snprintf(other, sizeof other, side == LISTENER ? "%s/peers" : "@%s/a.pub", w->dir);
  (void)snprintf(port[LISTENER], sizeof port[0], "127.0.0.1:%u", w->target_port);
  (void)snprintf(port[CONNECTOR], sizeof port[0], "127.0.0.1:%u", w->relay_port);
  const char *const shared[] = {
      "--key", key, "--state", state, "--events", "/proc/self/fd/2", "--rekey-bytes", "2000", "--handshake-timeout",
      "1200"};
  const char *words[WORDS] = {0};
  size_t n = 0;
  for (; n < sizeof shared / sizeof shared[0]; n++) words[n] = shared[n];
  if (side == LISTENER) {
    const char *const more[] = {"--peers", other, "--bind", "127.0.0.1:0", "--forward", port[LISTENER]};
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) words[n++] = more[i];
    _exit((int)tw_verb_listen.run(words));
  }
  const char *const more[] = {"--peer", other, "--listen", "127.0.0.1:0", "--retry", "1200", port[CONNECTOR]};
  for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) words[n++] = more[i];
  if (w->early_data) words[n++] = "--early-data";
  _exit((int)tw_verb_connect.run(words));
}

void world_start(world *w, int side, uint32_t at, kill_how how) {
  process *p = &w->side[side];
  assert_int_equal(p->pid, 0);
  kill_shared *shared = p->shared;
  p->line_len = 0;
  p->port = 0;
  p->opened = p->closed = p->established = p->resumed = p->rekeyed = p->anew = p->apart = 0;
  atomic_store(&shared->at, at);
  atomic_store(&shared->how, (uint32_t)how);
  atomic_store(&shared->passed, 0);
  shared->incarnation += SIDES;
  int fds[2];
  assert_int_equal(pipe(fds), 0);
  p->pid = fork();
  assert_true(p->pid >= 0);
  if (p->pid == 0) {
    (void)dup2(fds[1], STDERR_FILENO);
    (void)syscall(SYS_close_range, 3, ~0u, 0);
    kill_become_victim(shared);
    be_program(w, side);
  }
  (void)close(fds[1]);
  p->out = fds[0];
}

static void take_line(world *w, int side) {
  process *p = &w->side[side];
  const char *line = p->line;
  memcpy(p->last, line, p->line_len + 1);
  const char *at = strstr(line, "\"event\":\"");
  if (at == NULL) {
    if (strstr(line, "a new session begins") != NULL) p->anew++;
    return;
  }
  at += strlen("\"event\":\"");
  if (strncmp(at, "listening", 9) == 0) {
    const char *port = strstr(line, "127.0.0.1:");
    assert_non_null(port);
    p->port = (uint16_t)strtoul(port + 10, NULL, 10);
  }
  if (strncmp(at, "established", 11) == 0) p->established++;
  if (strstr(at, "\"resumed\":true") != NULL) p->resumed++;
  if (strncmp(at, "rekeyed", 7) == 0) p->rekeyed++;
  if (strncmp(at, "closed", 6) == 0) p->closed++;
  if (strstr(at, "do not fit together") != NULL) p->apart++;
  if (strncmp(at, "error", 5) == 0 && strstr(at, "alert unknown_psk_identity") != NULL) p->anew++;
  if (getenv("TREEWIRE_KILLS_TELL") != NULL) (void)fprintf(stderr, "%s %s\n", side == LISTENER ? "L" : "C", line);
}

static void take_dead(world *w, int side) {
  process *p = &w->side[side];
  assert_int_equal(waitpid(p->pid, &p->status, 0), p->pid);
  p->pid = 0;
  p->port = 0;
  (void)close(p->out);
  p->out = -1;
  kill_keys_take(w->keys, p->shared, true);
  const bool killed = WIFSIGNALED(p->status) && WTERMSIG(p->status) == SIGKILL;
  if (killed) w->kills++;
  if (!killed && p->status != 0) fail_msg("a process ended with status %x after '%s'", (unsigned)p->status, p->last);
  for (int i = 0; i < WIRES; i++)
    if (w->wires[i].used) wire_orphaned(w, &w->wires[i], side);
}

/* True when it said something, or is dead. */
static void hear(world *w, int side) {
  process *p = &w->side[side];
  char heard[4096];
  const ssize_t got = read(p->out, heard, sizeof heard);
  for (ssize_t i = 0; i < got; i++) {
    if (heard[i] != '\n') {
      if (p->line_len < LINE - 1) p->line[p->line_len++] = heard[i];
      continue;
    }
    p->line[p->line_len] = '\0';
    take_line(w, side);
    p->line_len = 0;
  }
  if (got <= 0) take_dead(w, side);
}

bool world_alive(const world *w) { return w->side[CONNECTOR].pid != 0 && w->side[LISTENER].pid != 0; }

void world_kill(world *w, int side) {
  const pid_t pid = w->side[side].pid;
  if (pid == 0) return;
  assert_int_equal(kill(pid, SIGKILL), 0);
  while (w->side[side].pid == pid) (void)world_pump(w, 100);
}

/* ---- all together ---- */

enum { POLLED = SIDES + 2 + WIRES * SIDES + APPS * 2 };

typedef struct watched {
  struct pollfd fds[POLLED];
  size_t count;
} watched;

static void watch(watched *all, int fd, bool to_read, bool to_write) {
  const int events = (to_read ? POLLIN : 0) | (to_write ? POLLOUT : 0);
  if (fd >= 0 && events != 0) all->fds[all->count++] = (struct pollfd){.fd = fd, .events = (short)events};
}

static bool is_ready(const watched *all, int fd) {
  for (size_t i = 0; fd >= 0 && i < all->count; i++)
    if (all->fds[i].fd == fd) return all->fds[i].revents != 0;
  return false;
}

static void watch_all(const world *w, watched *all) {
  all->count = 0;
  for (int side = 0; side < SIDES; side++) watch(all, w->side[side].out, w->side[side].pid != 0, false);
  watch(all, w->relay, true, false);
  watch(all, w->target, true, false);
  for (int i = 0; i < WIRES; i++) {
    const wire *x = &w->wires[i];
    if (!x->used || x->late) continue;
    for (int side = 0; side < SIDES; side++)
      watch(all, x->end[side], !x->from[side].ended && x->from[side].len < sizeof x->from[side].bytes,
            !x->held && (x->from[1 - side].len > 0 || (x->from[1 - side].ended && !x->from[1 - side].shut)));
  }
  for (int i = 0; i < APPS; i++) {
    watch(all, w->near[i].fd, !w->near[i].ended, false);
    watch(all, w->far[i].fd, !w->far[i].ended, false);
  }
}

bool world_pump(world *w, int ms) {
  static watched all;
  for (int i = 0; i < WIRES; i++) wire_meet(w, &w->wires[i]);
  watch_all(w, &all);
  const int ready = poll(all.fds, (nfds_t)all.count, ms);
  /* Deaths first: what a process sent last is then still on its way. */
  for (int side = 0; side < SIDES; side++)
    if (w->side[side].pid != 0 && is_ready(&all, w->side[side].out)) hear(w, side);
  for (int side = 0; side < SIDES; side++) kill_keys_take(w->keys, w->side[side].shared, false);
  if (is_ready(&all, w->relay)) wire_accept(w);
  if (is_ready(&all, w->target)) app_accept(w);
  for (int i = 0; i < WIRES; i++)
    for (int side = 0; side < SIDES; side++)
      if (w->wires[i].used && !w->wires[i].late && is_ready(&all, w->wires[i].end[side]))
        wire_move(w, &w->wires[i], side);
  for (int i = 0; i < APPS; i++) {
    if (is_ready(&all, w->near[i].fd)) app_read(w, &w->near[i], false);
    if (is_ready(&all, w->far[i].fd)) app_read(w, &w->far[i], true);
  }
  return ready > 0;
}

bool world_until(world *w, bool (*done)(const world *w, const void *ctx), const void *ctx, const char *what) {
  const int64_t last = now_ms() + PATIENCE_MS;
  const bool lived[SIDES] = {w->side[CONNECTOR].pid != 0, w->side[LISTENER].pid != 0};
  for (;;) {
    for (int side = 0; side < SIDES; side++)
      if (lived[side] && w->side[side].pid == 0) return false;
    if (done(w, ctx)) return true;
    if (now_ms() > last)
      fail_msg("waited in vain for %s; the connector said '%s', the listener '%s'", what, w->side[CONNECTOR].last,
               w->side[LISTENER].last);
    (void)world_pump(w, 100);
  }
}

bool world_pause(world *w, int ms) {
  const int64_t last = now_ms() + ms;
  while (world_alive(w)) {
    const int64_t left = last - now_ms();
    if (left <= 0) return true;
    (void)world_pump(w, (int)left);
  }
  return false;
}

bool world_is_quiet(const world *w, const void *ctx) {
  (void)ctx;
  unsigned late = 0;
  for (int i = 0; i < WIRES; i++) {
    const wire *x = &w->wires[i];
    if (x->used && x->late && x->end[LISTENER] >= 0) late++;
    if (x->used && !x->late) return false;
  }
  for (int side = 0; side < SIDES; side++) {
    const process *p = &w->side[side];
    if (p->pid != 0 && p->opened > p->closed + (side == LISTENER ? late : 0)) return false;
  }
  return true;
}

/* ---- the beginning and the end ---- */

static int listening_socket(uint16_t *port) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t len = sizeof at;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  assert_true(fd >= 0);
  assert_int_equal(bind(fd, (const struct sockaddr *)&at, len), 0);
  assert_int_equal(listen(fd, 64), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
  *port = ntohs(at.sin_port);
  return fd;
}

static void run_verb(const world *w, const tw_verb *verb, const char *const *words, const char *in, const char *out) {
  char path[PATH];
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    (void)snprintf(path, sizeof path, "%s/%s", w->dir, in == NULL ? "" : in);
    if (in != NULL && freopen(path, "r", stdin) == NULL) _exit(99);
    (void)snprintf(path, sizeof path, "%s/%s", w->dir, out);
    if (freopen(path, "w", stdout) == NULL) _exit(99);
    _exit((int)verb->run(words));
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
}

static void make_keys(const world *w) {
  static const char *const suite[] = {"--suite", "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519", NULL};
  static const char *const none[] = {NULL};
  const mode_t mask = umask(077);
  run_verb(w, &tw_verb_genkey, suite, NULL, "a.key");
  run_verb(w, &tw_verb_genkey, suite, NULL, "b.key");
  run_verb(w, &tw_verb_pubkey, none, "a.key", "a.pub");
  run_verb(w, &tw_verb_pubkey, none, "b.key", "peers");
  (void)umask(mask);
}

void world_open(world *w) {
  memset(w, 0, sizeof *w);
  (void)signal(SIGPIPE, SIG_IGN);
  (void)snprintf(w->dir, sizeof w->dir, "%s/treewire-kill-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
  assert_non_null(mkdtemp(w->dir));
  for (int side = 0; side < SIDES; side++) {
    process *p = &w->side[side];
    p->out = -1;
    p->shared = mmap(NULL, sizeof *p->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(p->shared != MAP_FAILED);
    p->shared->incarnation = (uint32_t)side;
  }
  w->keys = kill_keys_new();
  w->relay = listening_socket(&w->relay_port);
  w->target = listening_socket(&w->target_port);
  for (int i = 0; i < APPS; i++) w->near[i].fd = w->far[i].fd = -1;
  w->delivered = calloc(IDS / 8, 1);
  assert_non_null(w->delivered);
  make_keys(w);
}

static void remove_state(const world *w, const char *name) {
  static const char *const files[] = {"state.db", "state.db-wal", "state.db-shm", "state.db-journal", "lock"};
  char path[2 * PATH];
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    (void)snprintf(path, sizeof path, "%s/%s/%s", w->dir, name, files[i]);
    (void)unlink(path);
  }
  (void)snprintf(path, sizeof path, "%s/%s", w->dir, name);
  if (rmdir(path) != 0) assert_int_equal(errno, ENOENT);
}

void world_forget_states(world *w) {
  remove_state(w, "state-a");
  remove_state(w, "state-b");
}

void world_close(world *w) {
  world_kill(w, CONNECTOR);
  world_kill(w, LISTENER);
  world_hang_up_all(w);
  (void)world_release(w);
  world_forget_states(w);
  static const char *const files[] = {"a.key", "b.key", "a.pub", "peers"};
  char path[PATH];
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    (void)snprintf(path, sizeof path, "%s/%s", w->dir, files[i]);
    (void)unlink(path);
  }
  assert_int_equal(rmdir(w->dir), 0);
  (void)close(w->relay);
  (void)close(w->target);
  for (int side = 0; side < SIDES; side++) (void)munmap(w->side[side].shared, sizeof(kill_shared));
  kill_keys_free(w->keys);
  free(w->delivered);
}

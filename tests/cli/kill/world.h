/*
 * A listener and a connector, each the whole program in a process of its own with a state directory, a relay between
 * them, and the applications at both ends; all but the two processes is the test. SPDX-License-Identifier: Apache-2.0
 */
#ifndef TW_TESTS_KILL_WORLD_H
#define TW_TESTS_KILL_WORLD_H

#include <stddef.h>
#include <sys/types.h>

#include "keys.h"

enum { CONNECTOR, LISTENER, SIDES, WIRES = 16, APPS = 16, PATIENCE_MS = 30000, LINE = 1024, FLIGHT = 8192 };

/* What becomes of the bytes that a process sent before it was killed, and of its connection. */
typedef enum fate {
  FATE_DELIVER, /* all of them come, then the end */
  FATE_CUT,     /* some of them, then the end */
  FATE_DROP,    /* none, and a reset */
  FATE_LATE,    /* nothing for now, not even the end: both come after the next connection's bytes */
  FATES
} fate;

typedef struct process {
  pid_t pid; /* 0: none */
  int out;   /* its events and its standard error */
  char line[LINE];
  size_t line_len;
  char last[LINE]; /* that it said */
  kill_shared *shared;
  uint16_t port;           /* where it listens, 0: not yet */
  int status;              /* of its end */
  unsigned opened, closed; /* channels of this incarnation */
  unsigned established, resumed, rekeyed;
  unsigned anew, apart; /* sessions that were said to be lost; that do not fit together */
} process;

/* One direction of a connection: read from one end, not yet written to the other. */
typedef struct flow {
  uint8_t bytes[65536];
  size_t len;
  bool ended, shut;
} flow;

typedef struct wire {
  bool used, held, late;
  int end[SIDES]; /* sockets to the processes, -1: closed */
  flow from[SIDES];
} wire;

/* An application's connection, at the connector or behind the listener. */
typedef struct app {
  int fd; /* -1: none */
  uint32_t id;
  size_t sent, got;
  bool ended;
} app;

typedef struct world {
  char dir[64];
  process side[SIDES];
  kill_keys *keys;
  int relay, target; /* listening */
  uint16_t relay_port, target_port;
  wire wires[WIRES];
  app near[APPS], far[APPS];
  uint32_t last_id;
  uint8_t *delivered;     /* ids that the far application has seen a connection of, one bit each */
  uint8_t flight[FLIGHT]; /* what the connector sent first on its last connection */
  size_t flight_len;
  bool early_data;
  fate fate;
  uint64_t random;
  uint64_t kills;
} world;

void world_open(world *w);
void world_close(world *w);
uint32_t world_random(world *w, uint32_t below);

/* New keys are not made; both states are. Nothing may run. */
void world_forget_states(world *w);
/* Begin a process; `at`: it dies at this call of its, 0: it does not. */
void world_start(world *w, int side, uint32_t at, kill_how how);
/* SIGKILL, and what world_pump does with the dead. */
void world_kill(world *w, int side);

/* Moves bytes for up to `ms`, once at least; true when something happened. */
bool world_pump(world *w, int ms);
/* Pumps until `done` (true) or until a process is dead that lived when it was called (false). Fails after PATIENCE_MS.
 */
bool world_until(world *w, bool (*done)(const world *w, const void *ctx), const void *ctx, const char *what);
/* Lets `ms` pass: false when a process died. */
bool world_pause(world *w, int ms);
bool world_alive(const world *w);

/* An application connects: its place in `near`. */
int world_app(world *w);
/* `n` more bytes from there, or from its other end. */
void world_send(world *w, int near, size_t n);
void world_answer(world *w, int near, size_t n);
/* The other end of it, NULL: there is none yet. */
app *world_far(const world *w, int near);
void world_hang_up(world *w, int near);
void world_hang_up_all(world *w);
/* Whether each process has closed all of its channels, but those whose end comes late. */
bool world_is_quiet(const world *w, const void *ctx);
/* What came too late comes now: of how many connections. */
unsigned world_release(world *w);
/* The first flight of the connector's last connection, once more, by somebody else. */
void world_replay(world *w);

#endif

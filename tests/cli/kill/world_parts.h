/* The inside of a world: wires.c and apps.c. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_KILL_WORLD_PARTS_H
#define TW_TESTS_KILL_WORLD_PARTS_H

#include "world.h"

/* The connector has connected. */
void wire_accept(world *w);
/* Connects the other end, once there is a listener. */
void wire_meet(world *w, wire *x);
/* What can be read from a side is, and what can be written to it. */
void wire_move(world *w, wire *x, int side);
/* The process on this side is dead. */
void wire_orphaned(world *w, wire *x, int side);
/* Non-blocking, and without waiting for more to send. */
void wire_prepare(int fd);
/* A connection to this port, non-blocking; -1: refused. */
int wire_connect(uint16_t port);

void app_accept(world *w);
void app_read(world *w, app *a, bool far);

#endif

/* All threads of a node that handle packets. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_PACKET_THREADS_H
#define TW_NODE_PACKET_THREADS_H

#include "node/packet_thread.h"

/*
 *                  socket 0    socket 1    socket 2      at one address: by SPI % 16 % 3 (tw_udp_open_shared)
 *                     │           │           │
 *                  plane 0 ◄──►plane 1 ◄──►plane 2       strays.h
 *                     │           │           │
 *                  queue 0     queue 1     queue 2       of one device: by flow, the kernel sees to that
 *
 * Each has a thread, a loop and a provider of its own. Sending SAs are common to all (tw_esp_out_share), a receiving
 * one is that plane's to which its SPI leads. The first plane looks after ways, and hears from here what the others
 * notice; they hear where packets go.
 */
enum { TW_PACKET_THREADS_MAX = 16 };

typedef struct tw_packet_threads tw_packet_threads;

typedef struct tw_packet_threads_config {
  /** For the first one. Its plane's `udp` are as many sockets as there are threads, its device has as many queues;
   * `env` has a provider of packets' own. `lost` is called once at most for each of its reasons. */
  tw_packet_thread_config thread;
  unsigned count; /* 1 … TW_PACKET_THREADS_MAX */
} tw_packet_threads_config;

/** Nothing moves yet. TW_ERR_NO_MEMORY, TW_ERR_UNSUPPORTED (a provider). */
TW_MUST_USE tw_err tw_packet_threads_new(const tw_packet_threads_config *config, tw_packet_threads **all);
/** They begin to work. TW_ERR_STATE with a report: they do not all, and have to be stopped all the same. */
TW_MUST_USE tw_err tw_packet_threads_start(tw_packet_threads *all, tw_report *report);
/** As tw_packet_thread_stop, of all. */
bool tw_packet_threads_stop(tw_packet_threads *all, void (*stopped)(void *ctx), void *ctx);
/** NULL is fine. Not between stop and `stopped`. */
void tw_packet_threads_free(tw_packet_threads *all);

/** tw_packet_thread_run on the first one, which looks after ways. */
void tw_packet_threads_run(tw_packet_threads *all, void (*act)(tw_plane *plane, uint64_t now_ms, void *arg), void *arg);
/** On each of them, one after the other, the first one first. */
void tw_packet_threads_run_all(tw_packet_threads *all, void (*act)(tw_plane *plane, uint64_t now_ms, void *arg),
                               void *arg);
/** tw_plane_ready on each of them: for tw_sas_config.ready. */
void tw_packet_threads_ready(tw_packet_threads *all, uint32_t owner, bool nudge);
/** tw_sas_config.between: on the first one, while the others rest. */
void tw_packet_threads_between(tw_packet_threads *all, void (*act)(void *arg), void *arg);

#endif

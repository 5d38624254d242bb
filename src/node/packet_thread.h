/* Where packets are handled: on a thread of its own. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_PACKET_THREAD_H
#define TW_NODE_PACKET_THREAD_H

#include <uv.h>

#include "node/plane.h"

/*
 *            the node's thread                     │            the packet thread
 *   relay, pairs, network, store: keys are made,   │   TUN ◄──► plane ◄──► UDP, and its clock
 *   and the disk is waited for                     │
 *                tw_packet_thread_run ─── act ─────┼──► done between two turns of packets
 *                        tell ◄─────── news ───────┼─── what the plane has to tell
 *
 * The plane, and of the SAs what packets need, belong to the packet thread; the node's thread changes them only by
 * tw_packet_thread_run, and waits until that is done. The way of packets takes no lock, and no disk, signature of a
 * commit or answer of the relay holds it up.
 *
 * A node may have several of these (packet_threads.h).
 *
 * Before its start and after its end `run` calls at once.
 */
typedef struct tw_packet_thread tw_packet_thread;

/** What is of no use any more. */
typedef enum tw_packet_loss { TW_PACKET_DEVICE_GONE = 1, TW_PACKET_SOCKET_GONE = 2 } tw_packet_loss;

typedef struct tw_packet_thread_config {
  uv_loop_t *loop;         /* the node's, where `tell` and `lost` are called */
  uint64_t wall_offset_ms; /* uv_now and this: ms since 1970 */
  /** Borrowed as long as this is. `has_news` is set here, and `tell` is called in the node's loop. */
  tw_plane_config plane;
  void (*lost)(void *ctx, tw_packet_loss what); /* each at most once; with the plane's ctx */
} tw_packet_thread_config;

/** The plane, and nothing moves yet. TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_packet_thread_new(const tw_packet_thread_config *config, tw_packet_thread **thread);
/** It begins to work. TW_ERR_STATE with a report: it does not, and has to be stopped all the same. */
TW_MUST_USE tw_err tw_packet_thread_start(tw_packet_thread *thread, tw_report *report);
/**
 * It ends: nothing moves when this returns, what was to be told has been, and `run` calls at once from now on.
 * `stopped` is called later, then it may be freed. False: at once, and it is not called.
 */
bool tw_packet_thread_stop(tw_packet_thread *thread, void (*stopped)(void *ctx), void *ctx);
/** NULL is fine. Not between stop and `stopped`. */
void tw_packet_thread_free(tw_packet_thread *thread);

/**
 * `act` is called with the plane where it belongs, and has been when this returns. By the node's thread alone; not by
 * `act` itself. It waits for the turn of packets to end: a few ms at most.
 */
void tw_packet_thread_run(tw_packet_thread *thread, void (*act)(tw_plane *plane, uint64_t now_ms, void *arg),
                          void *arg);
/** The same for what needs no plane: tw_sas_config.between. */
void tw_packet_thread_between(tw_packet_thread *thread, void (*act)(void *arg), void *arg);
/** It rests when this returns, until tw_packet_thread_go_on: neither `run` nor `stop` meanwhile. By the node's thread.
 */
void tw_packet_thread_rest(tw_packet_thread *thread);
void tw_packet_thread_go_on(tw_packet_thread *thread);
/** By any thread, between start and stop: another one has passed on datagrams to it. */
void tw_packet_thread_rouse(tw_packet_thread *thread);

#endif

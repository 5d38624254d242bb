/* Frames between this process and a peer: a channel over TCP whose application is here. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_STREAM_H
#define TW_NET_STREAM_H

#include <sys/socket.h>

#include <treewire/channel.h>
#include <uv.h>

#include "control/split.h"
#include "net/address.h"
#include "net/report.h"

/*
 *   wire (TCP, TLS records) <──> tw_channel <──> frames of control/split.h <──> callbacks
 *
 * What is sent waits in one queue, bounded, until tw_stream_push or the end of a callback of this stream; a peer that
 * takes none of it for a while ends the stream. While the owner does not want frames (tw_stream_pause), nothing is read
 * from the wire, so that the peer has to wait.
 *
 * Callbacks may call everything here for their stream; what they ask for happens after they have returned. Ending one
 * stream in the callback of another is fine, too.
 */
typedef struct tw_stream tw_stream;

/** Why a stream has ended. */
typedef struct tw_stream_end {
  tw_err reason;       /* TW_OK: close_notify of both sides, or tw_stream_close and nothing went wrong */
  uint8_t alert;       /* received or sent, 0 for none */
  bool established;    /* it was, before */
  bool resuming;       /* it began with a session */
  bool close_answered; /* we closed, and the peer's close_notify came after that */
  const char *text;    /* for people; borrowed for the call */
  /* Where it came from, as tw_stream_remote gave it when it was accepted, borrowed likewise; of a control server's
   * connections, else NULL. */
  const char *remote;
} tw_stream_end;

/** What many streams share; outlives them. All callbacks get the stream's owner first. */
typedef struct tw_stream_setup {
  uv_loop_t *loop;
  size_t frame_max;   /* bytes of a frame that is taken, without its length */
  size_t queue_max;   /* bytes that may wait to be sent; at least a frame and its length */
  uint64_t linger_ms; /* for the peer to close its side, and to take what was sent before tw_stream_close */
  uint64_t stall_ms;  /* that what is to be sent may wait without any of it being taken; 0: for ever */
  /** The peer is who the policy accepted; `peer` is borrowed for the call. */
  void (*established)(void *owner, tw_stream *stream, const tw_member *peer, const tw_channel_event *event);
  /** One frame without its length, borrowed for the call. */
  void (*frame)(void *owner, tw_stream *stream, tw_bytes frame);
  /** Some of what waited has gone: all of it, or enough for the largest frame where one was refused. NULL: nothing. */
  void (*sent)(void *owner, tw_stream *stream);
  /** A new epoch. NULL: nothing. */
  void (*rekeyed)(void *owner, tw_stream *stream, const tw_channel_event *event);
  /** The channel's session is to be saved: then tw_stream_saved, now or later. NULL where channels are not durable. */
  void (*unsaved)(void *owner, tw_stream *stream);
  /** The end, in all cases but tw_stream_drop. The stream frees itself afterwards. */
  void (*closed)(void *owner, tw_stream *stream, const tw_stream_end *end);
} tw_stream_setup;

/**
 * A stream on a connected TCP socket, which it takes over, on error too. `config` is copied, and what it points to has
 * the lives that tw_channel_connect and tw_channel_accept want; the protocol is TW_CHANNEL_MLS_TLS. Callbacks come from
 * the loop, later. Errors: those of the two.
 */
TW_MUST_USE tw_err tw_stream_start(const tw_stream_setup *setup, const tw_channel_config *config, bool connecting,
                                   int fd, void *owner, tw_stream **stream);

/**
 * Sends a frame, given with its length, or several; a copy is taken. TW_ERR_LIMIT: it does not fit into the queue now,
 * `sent` tells when to try again. TW_ERR_STATE before the stream is established, TW_ERR_CLOSED after tw_stream_close or
 * the end, TW_ERR_NO_MEMORY.
 */
TW_MUST_USE tw_err tw_stream_send(tw_stream *stream, tw_bytes frames);
/** What waits goes out now as far as it can; at the end of a callback of this stream that happens anyway. */
void tw_stream_push(tw_stream *stream);
/** Bytes that wait: not sealed yet, and sealed but not taken by the kernel. */
size_t tw_stream_waiting(const tw_stream *stream);
/** Whether frames are wanted: not, until told otherwise. */
void tw_stream_pause(tw_stream *stream, bool pause);

/** Send what waits, then close_notify; end with the peer's or after linger_ms. */
void tw_stream_close(tw_stream *stream);
/** End it with an alert for `reason`. */
void tw_stream_abort(tw_stream *stream, tw_err reason);
/** End it now, without a word to anybody, `closed` included. NULL is fine. */
void tw_stream_drop(tw_stream *stream);
/** What `unsaved` asked for is done, or has failed, which ends the stream. */
void tw_stream_saved(tw_stream *stream, tw_err err);

/** To ask about the session, the peer and the status; what changes a channel is the stream's to call, but for
 * tw_channel_save. */
const tw_channel *tw_stream_channel(const tw_stream *stream);
void *tw_stream_owner(const tw_stream *stream);
bool tw_stream_is_established(const tw_stream *stream);
/** The other end's address and port as text; `out` has room for TW_ADDRESS_TEXT. "?" if it cannot be told. */
void tw_stream_remote(const tw_stream *stream, char *out);
/** The same for programs; `address` has room for `len` bytes, which become those of the address. TW_ERR_STATE. */
TW_MUST_USE tw_err tw_stream_remote_address(const tw_stream *stream, struct sockaddr *address, socklen_t *len);

#endif

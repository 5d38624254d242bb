/* The relay's side of control connections. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_CONTROL_SERVER_H
#define TW_NET_CONTROL_SERVER_H

#include "control/message.h"
#include "net/gate.h"
#include "net/stream.h"

/*
 * Accepts connections, learns who is at their other ends, hands over requests and sends answers in the same order. What
 * is to be sent in one turn of the loop, answers and pushes, is held back until all requests that were read in it were
 * handed over and `flush` has succeeded: the place for one durable write for all of them.
 *
 * A client has one connection: a newer one takes the place of the older. If machines take turns by that, both are told.
 * Who has many answers waiting is not read until they have gone; who does not take them at all loses the connection
 * after a while.
 */
typedef struct tw_control_server tw_control_server;
/** A client that is connected. */
typedef struct tw_control_caller tw_control_caller;

/** Zero stands for the default everywhere but in what has none. */
typedef struct tw_control_server_config {
  uv_loop_t *loop;
  tw_address listen_at;
  /** Clients, policy and options; sessions and parameters are the server's business. Borrowed, with what it points to,
   * until `freed`. The policy says who is served. */
  const tw_channel_config *channel;
  const tw_admission_limits *limits; /* for connections before they are established; NULL: the defaults */
  size_t sessions;                   /* of clients that are away, kept in memory; default 1024 */
  bool without_sessions; /* none is kept, of those who are there neither: each connection begins with hellos; spares as
                            much as a session takes (1 to 4 KiB by suite) for each */
  size_t backlog_max;    /* bytes of answers waiting above which a client is not read; default 262144 */
  uint64_t linger_ms;    /* for a close in good order; default 2000 */
  uint64_t stall_ms;     /* for a client that takes nothing of what waits for it; default 60000 */
  /** A client is there. Another error than TW_OK ends its connection with the alert for it, without `gone`. */
  tw_err (*came)(void *ctx, tw_control_caller *caller);
  /** It is not there any more: the last call for it. Ends no other connection. */
  void (*gone)(void *ctx, tw_control_caller *caller);
  /**
   * A request, borrowed for the call. It is answered by tw_control_caller_answer, at once or until the next `flush`
   * returns; after that its connection ends, since nobody would know what became of it. So it does where answers that
   * came late are more than two of the largest frames.
   */
  void (*request)(void *ctx, tw_control_caller *caller, const tw_control_request *request);
  /** Make durable what was answered or pushed since the last call. Otherwise the connections that wait for it end
   * without these answers, and the clients repeat their requests. */
  tw_err (*flush)(void *ctx);
  /** A connection that came to nothing, or broke: for the log. `client` is NULL where it is not known. NULL: nothing.
   */
  void (*ended)(void *ctx, const tw_client_id *client, const tw_stream_end *end);
  /** Two machines use this client's key: `caller` comes, before `came` is called for it, and `former` goes. As rarely
   * as people want to hear it (net/twins.h). NULL: nothing. */
  void (*twins)(void *ctx, const tw_control_caller *caller, const tw_control_caller *former);
  /** As in tw_gate_open and tw_acceptor_open; NULL: nothing. */
  void (*strangers)(void *ctx, const tw_gate_tally *tally);
  void (*fell_short)(void *ctx, int why);
  /** After tw_control_server_close: it is gone. NULL: nothing. */
  void (*freed)(void *ctx);
  void *ctx;
} tw_control_server_config;

/** Listens; the configuration is copied. TW_ERR_STATE with a report, TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_control_server_start(const tw_control_server_config *config, tw_control_server **server,
                                           tw_report *report);
/** The address that the n-th socket is bound to, as text; false past the last. `out` has room for TW_ADDRESS_TEXT. */
bool tw_control_server_address(const tw_control_server *server, int index, char *out);
/** The connection of a client; NULL: it has none. */
tw_control_caller *tw_control_server_find(const tw_control_server *server, const tw_client_id *client);
/** Clients that are connected. */
size_t tw_control_server_count(const tw_control_server *server);
/**
 * End it: nobody is accepted any more; connections get what waits for them and close_notify, or with `at_once` nothing.
 * `gone` is called for each client, and nothing after that but `freed`. NULL is fine. It frees itself.
 */
void tw_control_server_close(tw_control_server *server, bool at_once);

const tw_client_id *tw_control_caller_id(const tw_control_caller *caller);
/** The address that it comes from; `out` has room for TW_ADDRESS_TEXT. */
void tw_control_caller_remote(const tw_control_caller *caller, char *out);
/** The channel, to ask about the session and the peer. */
const tw_channel *tw_control_caller_channel(const tw_control_caller *caller);
/** The owner's: NULL at first. */
void **tw_control_caller_user(tw_control_caller *caller);
/**
 * Answer the client's oldest request that is not answered yet, with what else it gets in this turn of the loop; the
 * answer is copied. Its type and number are the request's. Where there is no memory, the connection ends after this.
 */
void tw_control_caller_answer(tw_control_caller *caller, const tw_control_answer *answer);
/**
 * Push something to a client, with what else it gets in this turn of the loop; `mail` once for all in it. Where there
 * is no room for it, its connection ends after this, so that it asks for what it missed when it is back.
 */
void tw_control_caller_push(tw_control_caller *caller, const tw_control_push *push);
/** End its connection, e.g. when it is not served any more, with the alert for `reason`, at the end of the turn. */
void tw_control_caller_end(tw_control_caller *caller, tw_err reason);
/** For every client, in any order; `each` may end the one that it gets. */
void tw_control_server_each(tw_control_server *server, void (*each)(void *ctx, tw_control_caller *caller), void *ctx);

#endif

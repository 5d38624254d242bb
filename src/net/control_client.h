/* A node's connection to the relay, kept up. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_CONTROL_CLIENT_H
#define TW_NET_CONTROL_CLIENT_H

#include <treewire/channel.h>
#include <uv.h>

#include "control/message.h"
#include "net/address.h"
#include "net/udp.h"

/*
 * Dials, shakes hands, and after a loss begins again: with the session that was kept in memory if the relay has it,
 * else anew; at once at first, then after waits that double, with a random part. Requests are answered in their order.
 * What was open when the connection broke is lost: whether the relay has done it is not known, so that the caller
 * repeats what has to be repeated.
 */
typedef struct tw_control_client tw_control_client;

/** The answer, borrowed for the call; NULL: the request was lost with its connection. */
typedef void (*tw_control_done)(void *ctx, const tw_control_answer *answer);

/** Why there is no connection. */
typedef struct tw_control_down {
  bool was_up;
  tw_err err; /* TW_OK: the relay closed it in good order; TW_ERR_STATE: it cannot be reached */
  uint8_t alert;
  bool displaced;   /* the relay has said that another machine has our place, by our key, again and again */
  const char *text; /* for people; borrowed for the call */
  uint64_t wait_ms; /* until the next try */
} tw_control_down;

/** Zero stands for the default everywhere but in what has none. */
typedef struct tw_control_client_config {
  uv_loop_t *loop;
  tw_address relay;
  /** Clients, policy, parameters and options; the session is this client's business. Borrowed, with what it points to,
   * until `freed`. The policy says who the relay may be; that it is one, and no other service, is
   * seen by its parameters (TW_ERR_BINDING). */
  const tw_channel_config *channel;
  uint64_t dial_timeout_ms;   /* for one address; default 10000 */
  uint64_t answer_timeout_ms; /* without a byte from the relay while a request is open: then the connection is given up,
                                 after twice that at the latest; default 30000 */
  uint64_t first_wait_ms;     /* between tries, at first and at most; drawn from the upper half of each */
  uint64_t most_wait_ms;      /* default 1000 and 60000 */
  uint64_t displaced_wait_ms; /* likewise, at most, for who was displaced as above; default 30000 */
  uint64_t steady_ms;         /* that a connection has to live for the waits to begin anew; default 10000 */
  uint64_t linger_ms;         /* for a close in good order; default 2000 */
  uint32_t open_max;          /* requests open at a time; default 256 */
  uint32_t queue_max;         /* bytes of requests that wait to be sent; default two of the largest frames */
  /** There is a connection; `relay` is borrowed for the call. */
  void (*up)(void *ctx, const tw_member *relay, bool resumed);
  /** There is none: it was lost, which those with open requests were told before, or could not be made. */
  void (*down)(void *ctx, const tw_control_down *down);
  void (*push)(void *ctx, const tw_control_push *push);
  /** After tw_control_client_close: it is gone. NULL: nothing. */
  void (*freed)(void *ctx);
  void *ctx;
} tw_control_client_config;

/** Begins to dial; the configuration is copied. TW_ERR_NO_MEMORY, TW_ERR_ARGUMENT. */
TW_MUST_USE tw_err tw_control_client_start(const tw_control_client_config *config, tw_control_client **client);
/**
 * Send a request, whose number is chosen here. `done` is called once, later. TW_ERR_CLOSED: there is no connection,
 * wait for `up`. TW_ERR_LIMIT: too many are open or wait to be sent, try again after an answer; or the request is too
 * long by itself. TW_ERR_ARGUMENT: it cannot be encoded. TW_ERR_NO_MEMORY. With an error `done` is not called.
 */
TW_MUST_USE tw_err tw_control_client_ask(tw_control_client *client, const tw_control_request *request,
                                         tw_control_done done, void *ctx);
/** Try again now where it waits to: the network has changed. */
void tw_control_client_retry(tw_control_client *client);
/**
 * Our address has changed, so that what there is leads nowhere, though it may take TCP minutes to see it: begin again
 * now, as after a loss. Not to be called within this client's callbacks.
 */
void tw_control_client_renew(tw_control_client *client);
/** Where the relay is reached; TW_ERR_STATE: there is no connection. */
TW_MUST_USE tw_err tw_control_client_remote(const tw_control_client *client, tw_udp_address *address);
bool tw_control_client_is_up(const tw_control_client *client);
/** Requests that wait for their answers. */
size_t tw_control_client_open(const tw_control_client *client);
/** The channel, for telling how it stands; NULL while there is none. */
const tw_channel *tw_control_client_channel(const tw_control_client *client);
/**
 * End it: what is open is told lost, in this call; what was sent before leaves, then close_notify. `down` and `push`
 * are not called any more. NULL is fine. It frees itself.
 */
void tw_control_client_close(tw_control_client *client);

#endif

/* What the engines of a node ask of their surroundings. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_PORT_H
#define TW_NODE_PORT_H

#include <treewire/mls.h>

#include "control/message.h"
#include "store/store.h"

/*
 * Adopt, save, send: an engine changes its own state, has it saved, and then asks the relay and puts keys to use. All
 * calls return at once; answers come back by the engine's own function for them, with the tag of the request.
 */
typedef struct tw_node_port {
  void *ctx;
  /**
   * All of the changes durably, in one write, together with how far the mailbox has been read. An error, of the class
   * resource, is the end of what the engine was doing: it says so and tries again later.
   */
  tw_err (*save)(void *ctx, const tw_store_change *changes, size_t count);
  /**
   * The saved value of an id: `*found` says whether there is one, which is appended then. An error, of the class
   * resource: nobody knows.
   */
  tw_err (*load)(void *ctx, tw_store_kind kind, tw_bytes id, tw_buf *value, bool *found);
  /** The relay is asked; `number` is set by the callee. TW_ERR_STATE: there is no connection. */
  tw_err (*request)(void *ctx, const tw_control_request *request, uint64_t tag);
  /** What an error of `save` or `load` was, in words that name the place; NULL: nothing more than tw_err_text. */
  const char *(*why)(void *ctx, tw_err err);
} tw_node_port;

/** An error in words, of what may have come from the port. Valid until the port is used again. */
static inline const char *tw_node_port_why(const tw_node_port *port, tw_err err) {
  const char *why = port->why == NULL ? NULL : port->why(port->ctx, err);
  return why == NULL ? tw_err_text(err) : why;
}

/**
 * What is done with the keys of an epoch: `peer` is whose it is (the engine's caller gave the number), `context` goes
 * into the exporter. A stamp is never 0 and names the keys of one call of `receive`; later ones are greater.
 */
typedef struct tw_node_keys {
  void *ctx;
  /** Packets under these keys are taken from now on. The same keys again: the same stamp. */
  tw_err (*receive)(void *ctx, uint32_t peer, tw_group *group, tw_bytes context, uint64_t *stamp);
  /**
   * Our packets go under these keys from now on. `packet_key`: the private half of the packet key in our leaf (D23),
   * empty where there is none. `nudge`: one at once, even an empty one (D13).
   */
  tw_err (*send)(void *ctx, uint32_t peer, tw_group *group, tw_bytes context, tw_bytes packet_key, bool nudge);
  /** The other side sends under the keys of `stamp` now: older ones are given up after their grace. */
  void (*settle)(void *ctx, uint32_t peer, uint64_t stamp);
  /** These keys were never used by the other side and never will be. */
  void (*withdraw)(void *ctx, uint32_t peer, uint64_t stamp);
  /** All keys are given up at once. */
  void (*forget)(void *ctx, uint32_t peer);
} tw_node_keys;

#endif

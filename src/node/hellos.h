/* client_hellos at the relay, for others to begin a pair with us while we are away. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_HELLOS_H
#define TW_NODE_HELLOS_H

#include <treewire/pair.h>

#include "node/mail.h"
#include "node/port.h"

enum {
  TW_HELLOS_WANTED = 8,     /* at the relay, beside the last resort */
  TW_HELLOS_KEPT = 64,      /* of ours that may still be answered, in all */
  TW_HELLOS_JOINED_MAX = 64 /* groups that were joined with one last resort: then it is replaced */
};
/** After this a last resort is replaced, and what nobody has answered is thrown away after twice as long. */
#define TW_HELLOS_AGE_MS (UINT64_C(28) * 24 * 3600 * 1000)

typedef struct tw_hello {
  uint8_t ref[TW_MAIL_REF];
  bool last_resort;
  uint64_t made_ms;
} tw_hello;

/** Zero-initialise and set the first three, which are borrowed. The hellos themselves are in the store alone. */
typedef struct tw_hellos {
  const tw_node_port *port;
  const tw_pair_config *pair;
  const tw_env *env;
  tw_hello list[TW_HELLOS_KEPT];
  size_t count;
  bool unsure; /* the relay may not have got the last ones: it is told to replace all that it has */
} tw_hellos;

/** One of the store's values of kind TW_STORE_KEY_PACKAGE that begins with 'p'. Errors: not such a value. */
TW_MUST_USE tw_err tw_hellos_load(tw_hellos *hellos, tw_bytes id, tw_bytes value);
/** Whether an id is one of theirs. */
bool tw_hellos_is_id(tw_bytes id);

/**
 * The relay has `stock` of ours: make what is missing, save it and ask the relay to publish it, with `tag`. `*asked`:
 * whether it was asked.
 */
TW_MUST_USE tw_err tw_hellos_publish(tw_hellos *hellos, uint32_t stock, uint64_t now_ms, uint64_t tag, bool *asked);

/** The relay has confirmed what it was asked to publish. */
void tw_hellos_published(tw_hellos *hellos);

/**
 * A server_hello that answers the one with `ref`: `*pair` is the new pair, and `change` what has to be saved with it
 * (its value, if any, in `value`, which is the caller's to clear). tw_hellos_joined is called once that has been done.
 * TW_ERR_STATE: there is no such hello, or the group was joined before; otherwise as tw_pair_receive.
 */
TW_MUST_USE tw_err tw_hellos_join(tw_hellos *hellos, const uint8_t ref[TW_MAIL_REF], tw_bytes server_hello,
                                  uint64_t now_ms, tw_pair **pair, tw_store_change *change, tw_buf *id, tw_buf *value);
void tw_hellos_joined(tw_hellos *hellos, const uint8_t ref[TW_MAIL_REF], const tw_store_change *change);

/** The reference of a client_hello. */
TW_MUST_USE tw_err tw_hello_ref(const tw_env *env, tw_bytes client_hello, uint8_t ref[TW_MAIL_REF]);

#endif

/* The parts of the delivery service. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_RELAY_DELIVERY_PARTS_H
#define TW_RELAY_DELIVERY_PARTS_H

#include <string.h>

#include "relay/delivery.h"
#include "relay/watch.h"

/* An answer that waits for the flush. Its bytes are in the batch's; `lengths` part the views of a group. */
typedef struct tw_delivery_waiting {
  uint64_t tag;
  tw_control_answer answer;
  size_t at;
  tw_relay_lengths lengths;
  size_t len;
} tw_delivery_waiting;

/* Somebody has wanted in. */
typedef struct tw_delivery_wish {
  uint32_t group; /* 0: none */
  uint32_t client;
  uint64_t at_ms;
} tw_delivery_wish;

enum { TW_DELIVERY_WISHES = 64 }; /* the last ones */

struct tw_delivery {
  const tw_env *env;
  tw_relay_store *store;
  tw_delivery_limits limits;
  tw_delivery_events events;
  tw_watches watches;
  tw_delivery_waiting *waiting;
  size_t waiting_count;
  size_t waiting_capacity;
  tw_buf bytes;
  tw_buf mail;      /* uint32_t each: who has some */
  tw_buf groups;    /* uint32_t each: whose members are to be told */
  tw_buf members;   /* uint32_t each: for each of them its number, how many, and those */
  tw_buf dismissed; /* tw_fingerprint each: who is to be told of */
  tw_buf scratch;   /* members in order, welcomes: of one request */
  tw_delivery_wish wishes[TW_DELIVERY_WISHES];
  unsigned next_wish;
  uint32_t swept_client;
  uint32_t swept_group; /* both: the last one of the round, 0 between rounds */
  bool clients_swept;   /* of this round */
};

/* One request while it is done. */
typedef struct tw_delivery_asking {
  tw_delivery *delivery;
  tw_delivery_peer *peer;
  tw_relay_client client;
  const tw_control_request *request;
  uint64_t now_ms;
  tw_delivery_waiting *waiting;
} tw_delivery_asking;

/*
 * Each does one type of request, and sets the answer's body and, where it is not DONE, its status. An error is the
 * store's, or TW_ERR_NO_MEMORY: answered by BUSY.
 */
tw_err tw_delivery_publish_key_packages(tw_delivery_asking *asking);
tw_err tw_delivery_take_key_package(tw_delivery_asking *asking);
tw_err tw_delivery_send_message(tw_delivery_asking *asking);
tw_err tw_delivery_fetch_mail(tw_delivery_asking *asking);
tw_err tw_delivery_locate_clients(tw_delivery_asking *asking);
tw_err tw_delivery_open_group(tw_delivery_asking *asking);
tw_err tw_delivery_find_group(tw_delivery_asking *asking);
tw_err tw_delivery_commit(tw_delivery_asking *asking);
tw_err tw_delivery_send_to_group(tw_delivery_asking *asking);
tw_err tw_delivery_want_in(tw_delivery_asking *asking);
tw_err tw_delivery_bind(tw_delivery_asking *asking);
tw_err tw_delivery_admit(tw_delivery_asking *asking);
tw_err tw_delivery_dismiss(tw_delivery_asking *asking);

/* Whether a client that stands as it does may ask this at all. */
bool tw_delivery_may(const tw_delivery_asking *asking);

/* What a request costs, in requests: more than one where it is more work. */
uint32_t tw_delivery_units(uint64_t things, uint32_t unit);
/* Pay for what turns out to be that much. */
void tw_delivery_charge(const tw_delivery_limits *limits, tw_delivery_peer *peer, uint32_t units);

/* Refuse, with words for people; gives TW_OK. */
tw_err tw_delivery_refuse(tw_delivery_asking *asking, tw_control_status status, const char *words);
/* A tw_relay_reach of the delivery service: note that this client has mail. */
tw_err tw_delivery_note_mail(void *ctx, uint32_t number);
/* The same for groups whose members are to be told. */
tw_err tw_delivery_note_group(void *ctx, uint32_t number);
/* What a client is watched by, of its ClientId, which is a hash: who shares it with another one is told of that, too,
 * and does not know it. */
static inline uint32_t tw_delivery_watched(const tw_fingerprint *id) {
  uint32_t key;
  memcpy(&key, id->digest, sizeof key);
  return key;
}
/* What may wait for a direct message to be taken. */
bool tw_delivery_has_room(const tw_delivery *delivery, const tw_relay_client *client, size_t message, size_t more);

/* ---- look.c: what is read of MLS messages ---- */

typedef struct tw_delivery_look {
  tw_bytes group_id;
  uint64_t epoch;
  bool commit;
  bool external_join; /* a PublicMessage by new_member_commit, who may be a member that lost its state */
  bool member;        /* by its own account: the sender of a PublicMessage, or a PrivateMessage */
} tw_delivery_look;

/* TW_ERR_UNEXPECTED, or of the class malformed: not a PublicMessage or PrivateMessage. */
TW_MUST_USE tw_err tw_delivery_look_at(const tw_env *env, tw_bytes message, tw_delivery_look *look);
bool tw_delivery_is_welcome(const tw_env *env, tw_bytes message);
/* A GroupInfo of this group and epoch; or nothing, where external joins are not wanted. */
bool tw_delivery_is_group_info(const tw_env *env, tw_bytes message, tw_bytes group_id, uint64_t epoch);
/* By its first bytes. */
bool tw_delivery_is_key_package(tw_control_pool pool, tw_bytes message);

#endif

/* Requests and answers of the delivery service, in the words of control/message.h, field for field. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_RELAY_REQUEST_H
#define TW_RELAY_REQUEST_H

#include "codec/reader.h"
#include "codec/writer.h"
#include "keys/key_text.h"

/*
 * Views. Lists are encoded as on the wire: ClientIds one after the other, key packages opaque each<V>, a welcome as
 * ClientId and opaque<V>, entries and locations as written at the end. Who decodes them has found them well-formed.
 */
typedef enum tw_delivery_type {
  TW_DELIVERY_PUBLISH = 1,
  TW_DELIVERY_STOCK = 2,
  TW_DELIVERY_TAKE = 3,
  TW_DELIVERY_SEND = 4,
  TW_DELIVERY_GROUP_OPEN = 5,
  TW_DELIVERY_GROUP_FIND = 6,
  TW_DELIVERY_GROUP_COMMIT = 7,
  TW_DELIVERY_GROUP_SEND = 8,
  TW_DELIVERY_FETCH = 9,
  TW_DELIVERY_LOCATE = 10,
  TW_DELIVERY_BIND = 11,
  TW_DELIVERY_WANT_IN = 12
} tw_delivery_type;

typedef enum tw_delivery_status {
  TW_DELIVERY_DONE = 0,
  TW_DELIVERY_TAKEN = 1,
  TW_DELIVERY_UNKNOWN = 2,
  TW_DELIVERY_FORBIDDEN = 3,
  TW_DELIVERY_FULL = 4,
  TW_DELIVERY_TOO_FAR = 5,
  TW_DELIVERY_MALFORMED = 6,
  TW_DELIVERY_BUSY = 7
} tw_delivery_status;

typedef enum tw_delivery_pool { TW_DELIVERY_POOL_PAIR = 1, TW_DELIVERY_POOL_NETWORK = 2 } tw_delivery_pool;

typedef enum tw_delivery_kind {
  TW_DELIVERY_KIND_SEND = 1,
  TW_DELIVERY_KIND_COMMIT = 2,
  TW_DELIVERY_KIND_GROUP_SEND = 3,
  TW_DELIVERY_KIND_WELCOME = 4
} tw_delivery_kind;

typedef struct tw_delivery_address {
  uint8_t family; /* 0: none, 4, 6 */
  uint8_t ip[16];
  uint16_t port;
} tw_delivery_address;

typedef struct tw_delivery_location {
  uint32_t number; /* 0: not known */
  bool online;
  tw_delivery_address address;
} tw_delivery_location;

typedef struct tw_delivery_publish {
  tw_delivery_pool pool;
  tw_bytes key_packages;
  tw_bytes last_resort;
} tw_delivery_publish;

typedef struct tw_delivery_take {
  tw_fingerprint owner;
  tw_delivery_pool pool;
} tw_delivery_take;

typedef struct tw_delivery_send {
  tw_fingerprint to;
  tw_bytes message;
} tw_delivery_send;

typedef struct tw_delivery_group_open {
  tw_bytes name;
  tw_bytes group_id;
  uint64_t epoch;
  tw_bytes members;
  tw_bytes group_info;
} tw_delivery_group_open;

typedef struct tw_delivery_group_commit {
  tw_bytes group_id;
  uint64_t epoch;
  tw_bytes commit;
  tw_bytes group_info;
  tw_bytes members;
  tw_bytes welcomes;
} tw_delivery_group_commit;

typedef struct tw_delivery_group_send {
  tw_bytes group_id;
  tw_bytes message;
} tw_delivery_group_send;

typedef struct tw_delivery_fetch {
  uint64_t after;
  uint32_t most;
} tw_delivery_fetch;

typedef struct tw_delivery_request {
  tw_delivery_type type;
  uint32_t number;
  union {
    tw_delivery_publish publish;
    tw_delivery_pool stock;
    tw_delivery_take take;
    tw_delivery_send send;
    tw_delivery_group_open group_open;
    tw_bytes group_find;
    tw_delivery_group_commit group_commit;
    tw_delivery_group_send group_send;
    tw_delivery_fetch fetch;
    tw_bytes locate;
    tw_bytes want_in;
  } body;
} tw_delivery_request;

typedef struct tw_delivery_taken {
  bool last_resort;
  tw_bytes key_package;
} tw_delivery_taken;

typedef struct tw_delivery_group {
  tw_bytes group_id;
  uint64_t epoch;
  uint32_t number;
  bool member;
  tw_bytes group_info;
} tw_delivery_group;

typedef struct tw_delivery_fetched {
  tw_bytes entries;
  bool more;
} tw_delivery_fetched;

typedef struct tw_delivery_answer {
  tw_delivery_type to;
  uint32_t request;
  tw_delivery_status status;
  union {
    tw_bytes words; /* a failure other than TAKEN */
    tw_bytes taken; /* TAKEN: the group id of that name, or the commit that took the place */
    uint32_t stock;
    tw_delivery_taken take;
    uint32_t group_open;
    tw_delivery_group group_find;
    tw_delivery_fetched fetch;
    tw_bytes locate;
  } body;
} tw_delivery_answer;

/** `uint64 number; uint8 kind; ClientId from; opaque group_id<V>; uint64 epoch; opaque message<V>` */
typedef struct tw_delivery_entry {
  uint64_t number;
  tw_delivery_kind kind;
  tw_fingerprint from;
  tw_bytes group_id;
  uint64_t epoch;
  tw_bytes message;
} tw_delivery_entry;

bool tw_delivery_client_next(tw_reader *walk, tw_fingerprint *out);
bool tw_delivery_entry_next(tw_reader *walk, tw_delivery_entry *out);
bool tw_delivery_location_next(tw_reader *walk, tw_delivery_location *out);
void tw_delivery_write_entry(tw_writer *w, const tw_delivery_entry *entry);
void tw_delivery_write_location(tw_writer *w, const tw_delivery_location *location);

#endif

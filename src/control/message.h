/* Messages between a node and the relay, docs/protocols.md "The private network: control". SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CONTROL_MESSAGE_H
#define TW_CONTROL_MESSAGE_H

#include "codec/reader.h"
#include "codec/writer.h"
#include "keys/key_text.h"

/*
 * Decoded messages are views of the frame: nothing is allocated, and lists stay encoded, to be walked by the functions
 * at the end. Decoding is strict, lists included, so that walking what was decoded cannot fail. What encodes takes the
 * same structures, with lists that the writers at the end have made, and appends a whole frame with its length.
 *
 * Errors of decoding are of the class malformed, and end the connection. Errors of encoding: TW_ERR_NO_MEMORY;
 * TW_ERR_LIMIT: the frame would be longer than TW_CONTROL_FRAME_MAX; TW_ERR_ARGUMENT: nobody would take it. The buffer
 * is then as it was.
 */
enum {
  TW_CONTROL_HEADER = 4,                                /* bytes of a frame's length */
  TW_CONTROL_FRAME_MIN = 5,                             /* bytes that follow it: type and request number */
  TW_CONTROL_FRAME_MAX = 1 << 22,                       /* and at most */
  TW_CONTROL_MESSAGE_MAX = TW_CONTROL_FRAME_MAX - 1024, /* of an MLS message: an answer has room for it and its like */
  TW_CONTROL_NAME_MAX = 255,                            /* of a group's name and id, 1 at least */
  TW_CONTROL_WORDS_MAX = 1024,
  TW_CONTROL_TOKEN = 16
};

/** The parameters of a relay's side of the channel: whoever is accepted by nodes for something else is not a relay. */
#define TW_CONTROL_RELAY "relay"

/** Who a client is: the fingerprint of the signature key in its leaf. */
typedef tw_fingerprint tw_client_id;

typedef enum tw_control_type {
  TW_CONTROL_PUBLISH = 1,
  TW_CONTROL_STOCK = 2,
  TW_CONTROL_TAKE = 3,
  TW_CONTROL_SEND = 4,
  TW_CONTROL_GROUP_OPEN = 5,
  TW_CONTROL_GROUP_FIND = 6,
  TW_CONTROL_GROUP_COMMIT = 7,
  TW_CONTROL_GROUP_SEND = 8,
  TW_CONTROL_FETCH = 9,
  TW_CONTROL_LOCATE = 10,
  TW_CONTROL_BIND = 11,
  TW_CONTROL_WANT_IN = 12,
  TW_CONTROL_ADMIT = 13,
  TW_CONTROL_DISMISS = 14,
  TW_CONTROL_REQUEST_LAST = TW_CONTROL_DISMISS,
  TW_CONTROL_ANSWER = 64,
  TW_CONTROL_MAIL = 65,
  TW_CONTROL_BOUND = 66,
  TW_CONTROL_MOVED = 67,
  TW_CONTROL_WANTS_IN = 68,
  TW_CONTROL_DISPLACED = 69,
  TW_CONTROL_PUSH_LAST = TW_CONTROL_DISPLACED
} tw_control_type;

typedef enum tw_control_status {
  TW_CONTROL_DONE = 0,
  TW_CONTROL_TAKEN = 1,     /* group_open and group_commit alone: somebody was first */
  TW_CONTROL_UNKNOWN = 2,   /* no such client, group or key package */
  TW_CONTROL_FORBIDDEN = 3, /* not a member, or not allowed */
  TW_CONTROL_FULL = 4,      /* a quota: try later */
  TW_CONTROL_TOO_FAR = 5,   /* the epoch is ahead of or behind what can be served */
  TW_CONTROL_MALFORMED = 6,
  TW_CONTROL_BUSY = 7,
  TW_CONTROL_UNFIT = 8, /* group_commit alone: tree or members of before are others here; again, with all of both */
  TW_CONTROL_STATUS_LAST = TW_CONTROL_UNFIT
} tw_control_status;

typedef enum tw_control_pool {
  TW_CONTROL_POOL_PAIR = 1,   /* TwoPartyMLSMessages with a client_hello */
  TW_CONTROL_POOL_NETWORK = 2 /* MLSMessages with a KeyPackage */
} tw_control_pool;

typedef enum tw_control_kind {
  TW_CONTROL_KIND_SEND = 1,
  TW_CONTROL_KIND_COMMIT = 2,
  TW_CONTROL_KIND_GROUP_SEND = 3,
  TW_CONTROL_KIND_WELCOME = 4
} tw_control_kind;

/** Where a client's UDP packets come from. */
typedef struct tw_control_address {
  uint8_t family; /* 0: none known, then the rest is 0; 4; 6 */
  uint8_t ip[16]; /* the first 4 bytes, or all */
  uint16_t port;  /* not 0 */
} tw_control_address;

/** One of the `welcomes` of a commit: it is the same for all whom the commit adds. */
typedef struct tw_control_welcome {
  tw_bytes to; /* ClientIds, one at least: tw_control_client_next */
  tw_bytes welcome;
} tw_control_welcome;

/** The message of an entry of kind welcome: the relay has the tree, so that who commits need not send it with each. */
typedef struct tw_control_welcomed {
  tw_bytes welcome;
  tw_bytes tree; /* the ratchet_tree of the entry's epoch; may be empty: it is in the Welcome */
} tw_control_welcomed;

/** One entry of a mailbox. */
typedef struct tw_control_entry {
  uint64_t number;
  tw_control_kind kind;
  tw_client_id from;
  tw_bytes group_id; /* empty where the kind has none */
  uint64_t epoch;    /* of a commit: the one that it ends; 0 where the kind has none */
  tw_bytes message;
} tw_control_entry;

/** One answer to `locate`. */
typedef struct tw_control_location {
  uint32_t number; /* for packets by the relay; 0: the relay does not know that client */
  bool online;
  tw_control_address address;
} tw_control_location;

/* ---- client to relay ---- */

typedef struct tw_control_publish {
  tw_control_pool pool;
  bool replace;          /* what is there is of no use any more: their private keys were lost */
  tw_bytes key_packages; /* opaque each<V>: tw_control_opaque_next */
  tw_bytes last_resort;  /* empty: what is there stays */
} tw_control_publish;

typedef struct tw_control_take {
  tw_client_id owner;
  tw_control_pool pool;
} tw_control_take;

typedef struct tw_control_send {
  tw_client_id to;
  tw_bytes message;
} tw_control_send;

typedef struct tw_control_group_open {
  tw_bytes name;
  tw_bytes group_id;
  uint64_t epoch;
  tw_bytes members;    /* ClientIds: tw_control_client_next */
  tw_bytes group_info; /* without its tree */
  tw_bytes tree;       /* the ratchet_tree, nothing to the relay; may be empty: it is in the GroupInfo */
} tw_control_group_open;

typedef struct tw_control_group_find {
  tw_bytes name;
  bool tree; /* it is wanted in the answer: it is most of what there is */
} tw_control_group_find;

typedef struct tw_control_group_commit {
  tw_bytes group_id;
  uint64_t epoch; /* that the commit ends */
  tw_bytes commit;
  tw_bytes group_info; /* of the next epoch, as are the others; without its tree */
  tw_bytes tree;       /* a patch (patch.h) of that of the epoch that ends */
  tw_bytes members;    /* a patch of the list of ClientIds in ascending order */
  tw_bytes welcomes;   /* tw_control_welcome_next */
} tw_control_group_commit;

typedef struct tw_control_group_send {
  tw_bytes group_id;
  tw_bytes message;
} tw_control_group_send;

typedef struct tw_control_fetch {
  uint64_t after; /* entries up to this one were taken durably */
  uint32_t most;  /* entries to answer with, at most */
} tw_control_fetch;

/** Let somebody in whom the relay's operator does not list. */
typedef struct tw_control_admit {
  tw_client_id client;
  uint64_t until; /* seconds since 1970; 0: for good */
  bool guest;     /* it may write to whoever asks this, read its mail, and do nothing else */
} tw_control_admit;

typedef struct tw_control_request {
  tw_control_type type; /* PUBLISH … REQUEST_LAST; it says what below is in use, nothing for bind */
  uint32_t number;      /* the client's choice, not 0 */
  union {
    tw_control_publish publish;
    tw_control_pool stock;
    tw_control_take take;
    tw_control_send send;
    tw_control_group_open group_open;
    tw_control_group_find group_find;
    tw_control_group_commit group_commit;
    tw_control_group_send group_send;
    tw_control_fetch fetch;
    tw_bytes locate;  /* ClientIds */
    tw_bytes want_in; /* a name */
    tw_control_admit admit;
    tw_client_id dismiss;
  } body;
} tw_control_request;

/** `frame` is what follows the length. */
TW_MUST_USE tw_err tw_control_request_decode(tw_bytes frame, tw_control_request *out);
TW_MUST_USE tw_err tw_control_request_encode(const tw_control_request *request, tw_buf *out);

/* ---- relay to client ---- */

typedef struct tw_control_taken {
  bool last_resort;
  tw_bytes key_package;
} tw_control_taken;

typedef struct tw_control_group {
  tw_bytes group_id;
  uint64_t epoch;
  uint32_t number; /* of the group, for packets to all of it */
  bool member;     /* whoever asked is one */
  tw_bytes group_info;
  tw_bytes tree; /* empty: it was not asked for, there is none, or it is in the GroupInfo */
} tw_control_group;

typedef struct tw_control_fetched {
  tw_bytes entries; /* tw_control_entry_next */
  bool more;        /* there are others behind them */
} tw_control_fetched;

typedef struct tw_control_binding {
  uint64_t session;
  uint8_t token[TW_CONTROL_TOKEN];
} tw_control_binding;

/** Status and type say what is in use; nothing for what succeeded and is not named below. */
typedef struct tw_control_answer {
  tw_control_type to; /* the type of the request; not on the wire */
  uint32_t request;   /* its number */
  tw_control_status status;
  union {
    tw_bytes words;        /* a failure other than TAKEN: for people, UTF-8, from the relay as it is */
    tw_bytes taken;        /* TAKEN: the group id of that name, or the commit that took the place */
    uint32_t stock;        /* how many there are */
    tw_control_taken take; /* a key package */
    uint32_t group_open;   /* the group's number */
    tw_control_group group_find;
    tw_control_fetched fetch;
    tw_bytes locate; /* tw_control_location_next, in the order of the request */
    tw_control_binding bind;
  } body;
} tw_control_answer;

/** What an answer and a push begin with, to find the request that is answered: type and number. */
TW_MUST_USE tw_err tw_control_peek(tw_bytes frame, tw_control_type *type, uint32_t *request);
/** To a request of type `to`, which says what the body is. */
TW_MUST_USE tw_err tw_control_answer_decode(tw_bytes frame, tw_control_type to, tw_control_answer *out);
TW_MUST_USE tw_err tw_control_answer_encode(const tw_control_answer *answer, tw_buf *out);

typedef struct tw_control_bound {
  uint64_t session;
  tw_control_address seen;
} tw_control_bound;

typedef struct tw_control_moved {
  tw_client_id client;
  tw_control_location location;
} tw_control_moved;

typedef struct tw_control_wants_in {
  tw_bytes name;
  tw_client_id client;
} tw_control_wants_in;

typedef struct tw_control_push {
  tw_control_type type; /* MAIL … PUSH_LAST */
  union {
    tw_control_bound bound;
    tw_control_moved moved;
    tw_control_wants_in wants_in;
    tw_control_address displaced; /* of another connection by our key, which takes this one's place, again and again */
  } body;
} tw_control_push;

TW_MUST_USE tw_err tw_control_push_decode(tw_bytes frame, tw_control_push *out);
TW_MUST_USE tw_err tw_control_push_encode(const tw_control_push *push, tw_buf *out);

/** An address's parts as a socket address has them are the caller's business; here, whether two are the same. */
bool tw_control_address_equal(const tw_control_address *a, const tw_control_address *b);

/* ---- lists: walked by a reader of the list's bytes, false at the end; written one after the other ---- */

bool tw_control_opaque_next(tw_reader *walk, tw_bytes *out);
bool tw_control_client_next(tw_reader *walk, tw_client_id *out);
bool tw_control_welcome_next(tw_reader *walk, tw_control_welcome *out);
bool tw_control_entry_next(tw_reader *walk, tw_control_entry *out);
bool tw_control_location_next(tw_reader *walk, tw_control_location *out);

TW_MUST_USE tw_err tw_control_welcomed_decode(tw_bytes message, tw_control_welcomed *out);
void tw_control_write_welcomed(tw_writer *w, const tw_control_welcomed *welcomed);

/** How many are in a list of ClientIds. */
static inline size_t tw_control_client_count(tw_bytes list) { return list.len / TW_FINGERPRINT_SIZE; }

/* An element of `key_packages` is written by tw_write_vector. */
void tw_control_write_client(tw_writer *w, const tw_client_id *client);
void tw_control_write_welcome(tw_writer *w, const tw_control_welcome *welcome);
void tw_control_write_entry(tw_writer *w, const tw_control_entry *entry);
void tw_control_write_location(tw_writer *w, const tw_control_location *location);
/** Bytes that an entry takes in `entries`; the bytes that all entries of one answer may take together. */
size_t tw_control_entry_size(const tw_control_entry *entry);
enum { TW_CONTROL_ENTRIES_MAX = TW_CONTROL_FRAME_MAX - 16 };

#endif

/* The delivery service: mailboxes, groups and key packages, by requests and answers, without sockets. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_RELAY_DELIVERY_H
#define TW_RELAY_DELIVERY_H

#include "control/message.h"
#include "relay/store.h"

/*
 * What it promises and to whom: docs/network.md "The delivery service". How a caller uses it:
 *
 *   tw_delivery_ask     for each request that came in, whoever sent it: done at once, but not answered
 *   tw_delivery_flush   when there is nothing more to read, or tw_delivery_is_full: one flush of the store for all of
 *                       them, then the answers, in the order of asking, and who has mail
 *   tw_delivery_sweep   now and then: what is too old goes
 *
 * So many requests share one flush. Nothing of what was asked is visible to anybody before it is durable. When a flush
 * fails, whatever was asked since the last one is answered by `busy` and may or may not have happened; each request may
 * be made again (a commit and a group_open by the very same bytes, a fetch anyhow; a send then may come twice, and a
 * take costs one more key package).
 *
 * In memory is, beside the store: the batch, and who asked to locate whom (32 bytes for each pair, while the one who
 * asked is connected). A client that is not connected costs nothing. Time is Unix time in ms. One thread.
 */

typedef struct tw_delivery tw_delivery;

enum {
  TW_DELIVERY_LOCATES_UNIT = 64,    /* clients */
  TW_DELIVERY_RECEIVERS_UNIT = 256, /* members of a group */
  TW_DELIVERY_WISH_MS = 2000        /* `want_in` again within it is told to nobody */
};

/** Quotas and limits; zero is a limit too. */
typedef struct tw_delivery_limits {
  /* of a request; beyond them: malformed */
  uint32_t message_bytes;     /* of a message, commit, Welcome, GroupInfo; default 4 MiB - 1 KiB, as frames allow */
  uint32_t key_package_bytes; /* default 64 KiB */
  /* of a client; beyond them: full */
  uint32_t key_packages; /* one-time ones in a pool; default 100 */
  uint32_t groups;       /* opened by one client; default 16 */
  uint32_t members;      /* of a group; default 16384 */
  uint32_t locates;      /* clients that one asks for, over a connection; default 1024 */
  uint32_t admissions;   /* whom an inviter lets in, at a time; default 0: nobody may let others in */
  /* waiting in a mailbox. Direct messages and Welcomes may fill half of it: the sender gets `full`. Commits and
   * messages to a group may fill all of it; then its owner misses them, and sees it by the numbers. */
  uint64_t mailbox_bytes;   /* messages and 128 for each; default 32 MiB */
  uint64_t mailbox_entries; /* default 8192 */
  /* requests of a client; beyond them: busy. One that is more work than others counts as several, the last one that
   * is done may overdraw what there is, by as much at most: `locate` as one for each TW_DELIVERY_LOCATES_UNIT, what
   * goes to a group or makes one as one for each TW_DELIVERY_RECEIVERS_UNIT members. */
  uint32_t requests_per_second; /* in the long run; default 50 */
  uint32_t requests_at_once;    /* after a rest; default 200 */
  /* of an answer */
  uint32_t fetch_entries; /* default 256 */
  uint32_t fetch_bytes;   /* unless the first entry alone is more; default 1 MiB */
  /* of a group's history */
  uint32_t remembered_commits; /* that can be repeated, and told of as taken; default 64 */
  uint64_t remembered_bytes;   /* of those beyond the newest that are told of; default 4 MiB */
  uint32_t epochs_behind;      /* how old the epoch of a group message may be; default 1 */
  /* ages in ms */
  uint64_t mail_ms;     /* of an entry; default 60 days */
  uint64_t packages_ms; /* of a one-time key package; default 90 days */
  uint64_t unseen_ms;   /* of a client since its last request; default 180 days */
} tw_delivery_limits;

extern const tw_delivery_limits tw_delivery_limits_default;

/** What a client may do, by how it comes to be one. */
typedef enum tw_delivery_standing {
  TW_DELIVERY_LISTED = 0,   /* by the operator's own list: all, and let others in as far as `admissions` goes */
  TW_DELIVERY_ADMITTED = 1, /* by another client: all but that */
  TW_DELIVERY_GUEST = 2     /* likewise, for a start: read its mail, and write to its inviter */
} tw_delivery_standing;

/** One connection of a client, in the caller's memory. Begin: `id` set, and how it stands, the rest zero. */
typedef struct tw_delivery_peer {
  tw_fingerprint id;
  uint32_t number;   /* of the client, 0 before its first request; told to nobody before the flush */
  uint64_t spent_us; /* the time until which its requests are paid for; by other connections of the same client, too */
  tw_delivery_standing standing;
  tw_fingerprint inviter; /* of a guest */
} tw_delivery_peer;

/** What the caller is told. None of them may call back, but tw_delivery_is_full. What they get is borrowed. */
typedef struct tw_delivery_events {
  void *ctx;
  /** The answer to what was asked with `tag`; for `bind` only that it may be done. */
  void (*answer)(void *ctx, uint64_t tag, const tw_control_answer *answer);
  /** This client has something to fetch; online or not. */
  void (*mail)(void *ctx, uint32_t number);
  /** To client `number`, a member of the group; online or not. */
  void (*wants_in)(void *ctx, uint32_t number, tw_bytes name, const tw_fingerprint *client);
  /** To client `watcher`, who asked for `client`. */
  void (*moved)(void *ctx, uint32_t watcher, const tw_fingerprint *client, const tw_control_location *location);
  /** It is not let in any more by the one who did so: told after the flush. May be NULL. */
  void (*dismissed)(void *ctx, const tw_fingerprint *client);
  /** What the client's connection before has spent (tw_delivery_peer), as far as that is known, else 0: asked once for
   * each connection, with its first request. NULL: nothing is known. */
  uint64_t (*spent)(void *ctx, uint32_t number);
  /** Fill in where clients are: `online` and `address`, zero at first. `number` is set, 0: nobody knows that one. Once
   * for a request, and not for none. */
  void (*locate)(void *ctx, tw_control_location *locations, size_t count);
  /**
   * For the packet relay: the members of a group that have a record, by their numbers. Told after the flush when they
   * are others, and when one binds of whom has_member says that it is not known. Both may be NULL.
   */
  void (*members)(void *ctx, uint32_t group, const uint32_t *numbers, size_t count);
  bool (*has_member)(void *ctx, uint32_t group, uint32_t client);
  /** For the log: the store, or memory, failed a request or a flush. May be NULL. */
  void (*failed)(void *ctx, tw_err err, const char *words);
} tw_delivery_events;

typedef struct tw_delivery_config {
  const tw_env *env;                /* borrowed, outlives it */
  tw_relay_store *store;            /* likewise; nobody else uses it */
  const tw_delivery_limits *limits; /* copied; NULL: the defaults */
  tw_delivery_events events;        /* copied */
} tw_delivery_config;

TW_MUST_USE tw_err tw_delivery_new(const tw_delivery_config *config, tw_delivery **delivery);
/** What was not flushed is lost, and not answered. NULL is fine. */
void tw_delivery_free(tw_delivery *delivery);

/**
 * Do what a client asks; views of `request` are not needed afterwards. It is answered by the next flush, always, and
 * once. TW_ERR_NO_MEMORY: there is no memory to answer, nothing was done, try again or end the connection.
 */
TW_MUST_USE tw_err tw_delivery_ask(tw_delivery *delivery, tw_delivery_peer *peer, uint64_t tag,
                                   const tw_control_request *request, uint64_t now_ms);
/** Time to flush, whatever else there is to read: the answers hold 4 MiB, or there are 1024 of them. */
bool tw_delivery_is_full(const tw_delivery *delivery);
/**
 * Make all of it durable, and tell. The store's error: all were answered by `busy`. After TW_ERR_STATE and
 * TW_ERR_ENCODING open the store anew, or end.
 */
TW_MUST_USE tw_err tw_delivery_flush(tw_delivery *delivery);

/** A client has come, gone on- or offline, or got another address: those who asked for it are told, at once, also when
 * it was not known to the relay then. */
void tw_delivery_moved(tw_delivery *delivery, const tw_fingerprint *client, const tw_control_location *location);
/** A connection has ended: what it asked for by `locate` is forgotten. Answers to it still come, with its tags. */
void tw_delivery_gone(tw_delivery *delivery, const tw_delivery_peer *peer);

/**
 * Whether others have let a client in: the `index`-th who does, those first that do not make it a guest. Errors of the
 * store. Not while a batch could not be written down: what it says may not last.
 */
TW_MUST_USE tw_err tw_delivery_admitted(tw_delivery *delivery, const tw_fingerprint *client, uint64_t now_ms,
                                        uint32_t index, tw_relay_admission *admission, bool *found);

/**
 * Delete what is too old, of some clients and groups, in the batch at hand. `*more`: the round is not over. Whole
 * rounds once an hour are enough. On error (the store's) the next call goes on where this one was.
 */
TW_MUST_USE tw_err tw_delivery_sweep(tw_delivery *delivery, uint64_t now_ms, bool *more);

#endif

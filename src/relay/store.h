/* What the delivery service keeps, as a table of functions. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_RELAY_STORE_H
#define TW_RELAY_STORE_H

#include <treewire/env.h>

#include "keys/key_text.h"

/*
 * Clients with their numbers, one-time key packages, mailboxes (one ordered stream for each client), and for each group
 * a record that a compare-and-set on its epoch replaces. Nothing more, so that a distributed store can stand behind
 * many relays: each operation is atomic alone, and none needs another one to be right but where it says so.
 *
 * Durable is what was done before a flush that returned TW_OK: what an operation gave or did is told to nobody before.
 * A batch is what lies between two flushes. On error an operation has done nothing; but when a batch cannot go on
 * (no space, a failed write), all of its operations may or may not have happened, its further ones fail, and so does
 * its flush; the next batch begins where the store stands. One thread; operations may take as long as a disk does.
 *
 * Errors, with words for people in `why`: TW_ERR_STATE (input or output failed: after one of a flush close the store
 * and open it again), TW_ERR_LIMIT (no space, no number left), TW_ERR_ENCODING (damaged), TW_ERR_NO_MEMORY.
 */

enum {
  TW_RELAY_NUMBER_MAX = 0x7fffffff,            /* of a client, and of a group; never 0 */
  TW_RELAY_SEEN_GRAIN_MS = 6 * 60 * 60 * 1000, /* how exactly is known when a client was seen last */
  TW_RELAY_ENTRY_COST = 128,                   /* bytes that an entry counts besides its message */
  TW_RELAY_HASH = 32
};

typedef struct tw_relay_client {
  uint32_t number; /* its own while there is a record of it; never given to another one */
  uint64_t last;   /* the number of the newest entry of its mailbox, whether it is still there or not */
  uint64_t bytes;  /* what waits: messages and TW_RELAY_ENTRY_COST each */
  uint64_t entries;
  uint64_t
      gap_after; /* numbers between these two were never given: before its mailbox began, or until the last start */
  uint64_t gap_before;
} tw_relay_client;

/** What may wait in a mailbox. */
typedef struct tw_relay_room {
  uint64_t bytes;
  uint64_t entries;
} tw_relay_room;

/** What goes into mailboxes. Borrowed. */
typedef struct tw_relay_mail {
  uint8_t kind;
  tw_fingerprint from;
  tw_bytes group_id; /* 0 … 255 bytes */
  uint64_t epoch;
  tw_bytes message;
} tw_relay_mail;

typedef struct tw_relay_group {
  uint32_t number;
  uint64_t epoch; /* below 2^62 */
  tw_fingerprint opener;
  uint8_t opened[TW_RELAY_HASH]; /* of the request that opened it */
} tw_relay_group;

/** Borrowed. Clients in lists are fingerprints, one after the other, in ascending order, each once. */
typedef struct tw_relay_opening {
  tw_bytes name;     /* 1 … 255 bytes */
  tw_bytes group_id; /* likewise */
  uint64_t epoch;
  tw_fingerprint opener;
  const uint8_t *opened; /* TW_RELAY_HASH bytes */
  tw_bytes members;
  tw_bytes group_info;
  tw_bytes tree; /* kept beside it; nothing is known of it here. May be empty */
} tw_relay_opening;

/** What is read of a group's record: bytes of each, one behind the other. */
typedef struct tw_relay_lengths {
  size_t group_id;
  size_t group_info;
  size_t tree;
} tw_relay_lengths;

typedef struct tw_relay_welcome {
  uint32_t to; /* a client's number */
  tw_bytes message;
} tw_relay_welcome;

typedef struct tw_relay_commit {
  uint32_t group;
  tw_relay_mail commit; /* its epoch is the one that it ends */
  const uint8_t *hash;  /* of the commit; TW_RELAY_HASH bytes */
  tw_bytes group_info;  /* of the next epoch, as are the others */
  tw_bytes tree;
  tw_bytes members;
  const tw_relay_welcome *welcomes; /* those with the same bytes, at the same place, one after the other: kept once */
  size_t welcome_count;
  uint8_t welcome_kind;      /* of their entries, which have the next epoch */
  uint32_t remembered;       /* commits, this one included, that `past` is asked for later; the ones before go */
  uint64_t remembered_bytes; /* of their messages with TW_RELAY_ENTRY_COST each, this one's left out: of older ones
                                beyond that the messages are not kept for `past`, and the rest is */
} tw_relay_commit;

/** A commit that was accepted. */
typedef struct tw_relay_past {
  uint8_t hash[TW_RELAY_HASH];
  tw_fingerprint from;
  bool has_message; /* else there was no room to keep it */
} tw_relay_past;

/** Somebody whom a client has let in. */
typedef struct tw_relay_admission {
  tw_fingerprint inviter;
  uint64_t until; /* seconds since 1970; 0: for good */
  bool guest;
} tw_relay_admission;

/** What is too old, in ms of Unix time. */
typedef struct tw_relay_ages {
  uint64_t mail_ms;     /* entries from before go */
  uint64_t packages_ms; /* likewise key packages, but those of last resort */
  uint64_t seen_ms;     /* clients that were not seen since: all of theirs goes */
  uint64_t now_ms;      /* admissions that end before go */
} tw_relay_ages;

/** A client whose mailbox got something, or who is a member, by its number; or a group's. */
typedef tw_err (*tw_relay_reach)(void *ctx, uint32_t number);
/** An entry; borrowed for the call. `*stop` ends the round, the entry is then not counted as given. */
typedef tw_err (*tw_relay_visit)(void *ctx, uint64_t number, const tw_relay_mail *mail, bool *stop);

typedef struct tw_relay_store tw_relay_store;

typedef struct tw_relay_store_ops {
  /** Waits for nothing: what was not flushed is lost. */
  void (*close)(tw_relay_store *store);
  tw_err (*flush)(tw_relay_store *store);

  /* ---- clients ---- */

  /**
   * The record of a client, made where there is none, and that it was seen. Entries of a new mailbox begin at a number
   * that is higher than those of any earlier one of the same client, as long as the clock is not put back and no
   * mailbox gets 2^20 entries a second: at 1 + (seconds of now << 20). Likewise those of all mailboxes after the store
   * was opened, at the time when somebody entered first: else one that was put back to an older copy would give numbers
   * again.
   */
  tw_err (*enter)(tw_relay_store *store, const tw_fingerprint *id, uint64_t now_ms, tw_relay_client *client);
  tw_err (*find)(tw_relay_store *store, const tw_fingerprint *id, tw_relay_client *client, bool *found);

  /* ---- key packages ---- */

  /** Add `key_packages` (opaque each<V>, well-formed) to a pool, with `replace` in the place of all that are there;
   * `last_resort`, unless empty, replaces that one. */
  tw_err (*publish)(tw_relay_store *store, uint32_t number, uint8_t pool, bool replace, tw_bytes key_packages,
                    tw_bytes last_resort, uint64_t now_ms);
  tw_err (*stock)(tw_relay_store *store, uint32_t number, uint8_t pool, uint32_t *count);
  /** The oldest one, which is gone then, or else the last resort, appended to `out`. */
  tw_err (*take)(tw_relay_store *store, uint32_t number, uint8_t pool, tw_buf *out, bool *last_resort, bool *found);

  /* ---- mailboxes ---- */

  tw_err (*send)(tw_relay_store *store, uint32_t number, const tw_relay_mail *mail, uint64_t now_ms);
  /** Delete the entries up to `upto`. */
  tw_err (*acknowledge)(tw_relay_store *store, uint32_t number, uint64_t upto);
  /** Those after `after`, in order. */
  tw_err (*read)(tw_relay_store *store, uint32_t number, uint64_t after, tw_relay_visit visit, void *ctx);

  /* ---- groups ---- */

  /** `*taken`: the name or the id is in use, nothing was done. */
  tw_err (*group_open)(tw_relay_store *store, const tw_relay_opening *opening, uint32_t *number, bool *taken);
  /**
   * The group of this number is in another epoch than the record says, which was put back to an older copy: check that
   * its epoch is still `epoch`, and replace epoch, members, group info and tree by those of `opening`, whose epoch is
   * higher; who opened it stays. `*applied` false: the epoch is another one, nothing was done.
   */
  tw_err (*group_forward)(tw_relay_store *store, uint32_t group, uint64_t epoch, const tw_relay_opening *opening,
                          bool *applied);
  /** By its name, or else (`name` empty) by its id. */
  tw_err (*group_find)(tw_relay_store *store, tw_bytes name, tw_bytes group_id, tw_relay_group *group, bool *found);
  /** Its id, its group info and, if that is wanted, its tree, which is most of it: appended to `out`. */
  tw_err (*group_read)(tw_relay_store *store, uint32_t group, bool tree, tw_buf *out, tw_relay_lengths *lengths);
  /** Its members' fingerprints, appended to `out`, in ascending order. */
  tw_err (*member_list)(tw_relay_store *store, uint32_t group, tw_buf *out);
  tw_err (*group_count)(tw_relay_store *store, const tw_fingerprint *opener, uint32_t *count);
  tw_err (*member_count)(tw_relay_store *store, uint32_t group, uint32_t *count);
  tw_err (*is_member)(tw_relay_store *store, uint32_t group, const tw_fingerprint *id, bool *member);
  /** All members that have a record. */
  tw_err (*members)(tw_relay_store *store, uint32_t group, tw_relay_reach reach, void *ctx);
  /** The numbers of the groups that somebody is a member of. */
  tw_err (*groups_of)(tw_relay_store *store, const tw_fingerprint *id, tw_relay_reach reach, void *ctx);
  /**
   * In one: check that the group's epoch is the commit's, replace its record by the next epoch's, append the commit to
   * the mailboxes of all members of before but its sender, and the welcomes to theirs. A mailbox without room is passed
   * over, but the number that its entry would have had is used up: its owner sees that something is missing.
   * `*applied` false: the epoch is another one, nothing was done.
   */
  tw_err (*group_commit)(tw_relay_store *store, const tw_relay_commit *commit, const tw_relay_room *room,
                         uint64_t now_ms, tw_relay_reach reach, void *ctx, bool *applied);
  /** To all members but its sender; mailboxes without room as above. */
  tw_err (*group_send)(tw_relay_store *store, uint32_t group, const tw_relay_mail *mail, const tw_relay_room *room,
                       uint64_t now_ms, tw_relay_reach reach, void *ctx);
  /** The commit that ended `epoch`, as long as it is remembered: its message, if it has one, is appended to `out`,
   * unless NULL. */
  tw_err (*past)(tw_relay_store *store, uint32_t group, uint64_t epoch, tw_relay_past *past, tw_buf *out, bool *found);

  /* ---- who was let in by others ---- */

  /** In place of what the same inviter has said of this client. */
  tw_err (*admit)(tw_relay_store *store, const tw_fingerprint *id, const tw_relay_admission *admission);
  /** `*found`: this inviter had admitted it. */
  tw_err (*dismiss)(tw_relay_store *store, const tw_fingerprint *id, const tw_fingerprint *inviter, bool *found);
  /** The `index`-th of its admissions that hold at `now` (seconds since 1970): those that are no guest's come first. */
  tw_err (*admitted)(tw_relay_store *store, const tw_fingerprint *id, uint64_t now, uint32_t index,
                     tw_relay_admission *admission, bool *found);
  /** Whom an inviter lets in at `now`, `except` not counted. */
  tw_err (*admitted_count)(tw_relay_store *store, const tw_fingerprint *inviter, const tw_fingerprint *except,
                           uint64_t now, uint32_t *count);

  /* ---- what is too old ---- */

  /**
   * Go over up to `most` clients whose numbers are above `*after`, and delete what is too old. `*after` is the last
   * one, or 0 when there are no more.
   */
  tw_err (*sweep_clients)(tw_relay_store *store, const tw_relay_ages *ages, uint32_t most, uint32_t *after);
  /** The same for groups: those go none of whose members has a record. With the last ones go admissions that are over.
   */
  tw_err (*sweep_groups)(tw_relay_store *store, const tw_relay_ages *ages, uint32_t most, uint32_t *after);
} tw_relay_store_ops;

struct tw_relay_store {
  const tw_relay_store_ops *ops;
  tw_report why; /* of the last error */
};

/** NULL is fine. */
static inline void tw_relay_store_close(tw_relay_store *store) {
  if (store != NULL) store->ops->close(store);
}

/**
 * Over SQLite, in `dir` (mode 0700, made if it is not there): `state.db`, its log, and `lock`, as in store/store.h. A
 * flush is one transaction with one flush of the log. Errors as tw_store_open's, without those of keys.
 */
TW_MUST_USE tw_err tw_relay_store_open(const tw_env *env, const char *dir, tw_relay_store **store, tw_report *report);
/** The same in memory, gone when it is closed: for simulations. TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_relay_store_memory(const tw_env *env, tw_relay_store **store, tw_report *report);

#endif

/* The inside of the network's group. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_NETWORK_INTERNAL_H
#define TW_NODE_NETWORK_INTERNAL_H

#include "crypto/crypto.h"
#include "node/network.h"
#include "node/packet_key.h"
#include "node/stock.h"

enum {
  TW_NETWORK_PACKAGES = 2,           /* key packages at the relay, while we are no member */
  TW_NETWORK_ADDS_MAX = 128,         /* in one commit */
  TW_NETWORK_TAKES = 16,             /* key packages that are asked for at once */
  TW_NETWORK_ADDS_BYTES = 256 << 10, /* of their key packages; the one that passes it is the last */
  TW_NETWORK_TURNS = 8,              /* of members, for what all of them could do */
  TW_NETWORK_STRANGERS = 16,         /* who want in, and are not known yet */
  TW_NETWORK_RETURNERS = 16,         /* members who say that they want in */
  TW_NETWORK_HELD_MAX = 16,          /* commits that cannot be processed yet */
  TW_NETWORK_SWITCHES = 8,           /* epochs that are known, but not sent under yet */
  TW_NETWORK_HASTE = 3               /* so many times sooner where there is a hurry */
};
#define TW_NETWORK_TAG (UINT64_C(2) << 56)
#define TW_NETWORK_SECOND UINT64_C(1000)
#define TW_NETWORK_WAIT_MAX_MS (UINT64_C(3600) * 1000)
/* Where members may not know us yet, and so cannot ask for us, we ask to be let in ever less often, but so often. */
#define TW_NETWORK_ASK_FIRST_MS (UINT64_C(2) * 1000)
#define TW_NETWORK_ASK_LATEST_MS (UINT64_C(64) * 1000)
/* By rank: members take turns in what all of them could do. */
#define TW_NETWORK_TURN_MS UINT64_C(3000)
/* And so much for each key package that whoever is first may have to ask for. */
#define TW_NETWORK_TAKE_MS UINT64_C(50)
/* Who had no key package is asked for again. */
#define TW_NETWORK_TRY_AGAIN_MS (UINT64_C(600) * 1000)

/* What a request was for: in its tag. */
typedef enum tw_network_ask {
  TW_NETWORK_ASK_FIND = 1,
  TW_NETWORK_ASK_PENDING = 2, /* the tag's low half: which one */
  TW_NETWORK_ASK_STOCK = 3,
  TW_NETWORK_ASK_PUBLISH = 4,
  TW_NETWORK_ASK_WANT_IN = 5,
  TW_NETWORK_ASK_TAKE = 6
} tw_network_ask;

typedef struct tw_network_member {
  tw_client_id id;
  uint32_t leaf;
} tw_network_member;

/* An epoch, and who is in it. Zero-initialised is none. */
typedef struct tw_network_epoch {
  tw_group *group;
  tw_network_member *members; /* in ascending order of ids */
  size_t count;
  uint64_t known_ms;     /* since when it is ours; 0: it was loaded */
  uint64_t leaf_made_ms; /* when the key in our leaf was made */
  tw_secret packet_key;  /* the private half of the one in our leaf; empty: there is none */
  uint64_t stamp;        /* of its receiving keys; 0: they are not in use yet */
  bool queued;           /* sending under them is done, or planned */
  bool hurries;          /* to be sent under soon: see network_epoch.c */
  bool shuts_out;        /* somebody was removed by it: nothing goes under older keys any more */
} tw_network_epoch;

typedef enum tw_network_pending_kind {
  TW_NETWORK_PENDING_NONE = 0, /* the numbers are in the store */
  TW_NETWORK_PENDING_OPEN = 1,
  TW_NETWORK_PENDING_COMMIT = 2,
  TW_NETWORK_PENDING_JOIN = 3, /* an external commit */
  TW_NETWORK_PENDING_LAST = TW_NETWORK_PENDING_JOIN
} tw_network_pending_kind;

/* What the relay is asked to accept, and the epoch that we are in then. */
typedef struct tw_network_pending {
  tw_network_pending_kind kind;
  uint64_t epoch; /* that it ends */
  uint64_t since_ms;
  tw_buf commit;
  tw_buf group_info;
  tw_buf tree;     /* as in the request: OPEN: as it is, else a patch */
  tw_buf members;  /* likewise */
  tw_buf welcomes; /* as in the request */
  tw_network_epoch next;
  bool whole;   /* the patches have all in them; not saved: after a restart the relay may have to ask for that again */
  bool reopens; /* OPEN: what we have, for a relay that has lost it; not saved */
  bool in_flight;
  uint64_t send_at_ms;
} tw_network_pending;

/* Why there is no going on. The numbers are in the store. */
typedef enum tw_network_refusal {
  TW_NETWORK_REFUSED_NOTHING = 0,
  TW_NETWORK_REFUSED_MEMBER = 1, /* somebody whom we do not want was added */
  TW_NETWORK_REFUSED_ACT = 2,    /* something was done that nobody, or not that member, may do */
  TW_NETWORK_REFUSED_LAST = TW_NETWORK_REFUSED_ACT
} tw_network_refusal;

typedef struct tw_network_held {
  uint64_t epoch;
  tw_buf message;
} tw_network_held;

typedef struct tw_network_switch {
  tw_group *group;
  tw_secret packet_key; /* as in its epoch */
  uint64_t stamp;
  uint64_t at_ms;
} tw_network_switch;

typedef struct tw_network_tried {
  tw_client_id id;
  uint64_t again_ms;
} tw_network_tried;

/* A member who says that it wants in: it has lost its Welcome, and is in another group. */
typedef struct tw_network_returner {
  tw_client_id id;
  uint64_t heard_ms;
  bool due; /* to be added anew, in the place of its leaf */
} tw_network_returner;

/* Whom we are about to add. */
typedef struct tw_network_candidate {
  tw_client_id id;
  bool returns;
  tw_buf key_package; /* empty: there is none */
} tw_network_candidate;

struct tw_network {
  tw_network_config config;
  const tw_env *env;
  tw_client client; /* with the binding in its leaves */
  tw_buf name;
  tw_buf binding;         /* ChannelBinding */
  tw_buf leaf_extensions; /* of the client */
  tw_buf context;         /* the GroupContext's extensions: these and no others */
  tw_stock packages;

  tw_network_state state;
  tw_network_epoch epoch;
  tw_buf left_id; /* the group that we were removed from last, and the epoch that we were removed by; empty: none */
  uint64_t left_epoch;
  tw_network_pending pending;
  tw_network_refusal refusal;
  uint8_t refused_by[TW_FINGERPRINT_SIZE]; /* the roster of then, see tw_network_sum_roster */
  tw_network_switch switches[TW_NETWORK_SWITCHES];
  size_t switch_count;
  bool sends;
  uint64_t sending_epoch;
  tw_network_held held[TW_NETWORK_HELD_MAX];
  size_t held_count;
  tw_buf welcome; /* and tree, of a group whose members we did not all want: again when the roster is another one */

  uint64_t connected_ms; /* since when */
  uint32_t generation;   /* of the connection: answers to an earlier one's requests do not count */
  uint32_t number;       /* of the group at the relay */
  uint32_t sequence;     /* of what was pending */
  bool finding;
  bool asked_tree; /* by the last find */
  bool wants_tree; /* by the next one */
  bool stocking;
  bool overdue;        /* what we lack has not come by mail: put ourselves back */
  bool told_ahead;     /* a member says that it is in a later epoch */
  bool awaits_another; /* the relay has another group than ours; key packages from before it said so are gone */
  bool was_there;      /* then, as of the last find: a member of that */
  uint64_t wait_ms;
  uint64_t ask_again_ms;
  uint64_t find_at_ms;
  uint64_t stock_at_ms;
  uint64_t behind_at_ms; /* then it is overdue */
  uint64_t rejoin_not_before_ms;
  uint64_t reopen_not_before_ms;
  uint64_t rejoin_wait_ms;
  uint64_t keys_at_ms; /* keys could not be put to use: again */
  uint64_t held_at_ms; /* a commit could not be processed or saved: again */
  uint64_t rekey_at_ms;
  uint64_t rekey_wanted_ms; /* when that was asked for; 0: it was not */
  uint64_t duty_at_ms;
  uint64_t compare_not_before_ms;
  uint64_t call_not_before_ms;
  bool at_once;  /* duties are not to wait for others */
  bool unwanted; /* there are members whom we do not want */

  tw_network_tried *tried;
  size_t tried_count;
  tw_client_id strangers[TW_NETWORK_STRANGERS];
  size_t stranger_count;
  tw_network_returner returners[TW_NETWORK_RETURNERS];
  size_t returner_count;
  tw_network_candidate *candidates;
  size_t candidate_count;
  size_t candidate_asked, candidate_next; /* key packages that were asked for; whose answer comes next */
  bool gathering;
  uint16_t gathered; /* how often so far: answers to an earlier time do not count */
  size_t adds_max;

  uint64_t forks;
  uint64_t refused;
};

/* ---- network.c ---- */

void tw_network_tell(const tw_network *network, const char *what, tw_err err);
/* False: it could not be asked. */
bool tw_network_ask_relay(tw_network *network, const tw_control_request *request, tw_network_ask what, uint32_t detail);
uint64_t tw_network_tag(const tw_network *network, tw_network_ask what, uint32_t detail);
/* A random number below n > 0; of bad randomness, 0. */
uint64_t tw_network_roll(const tw_network *network, uint64_t n);
static inline void tw_network_sooner(uint64_t *at_ms, uint64_t ms) {
  if (ms < *at_ms) *at_ms = ms;
}

/* ---- network_members.c: who is in, and who may do what ---- */

void tw_network_epoch_clear(tw_network_epoch *epoch, const tw_env *env);
/* The next leaf that our client makes gets another packet key, if it is to have one: the private half. */
TW_MUST_USE tw_err tw_network_fresh_packet_key(tw_network *network, tw_secret *private_key);
/* With a group that becomes the epoch's, on error too. */
TW_MUST_USE tw_err tw_network_epoch_of(const tw_network *network, tw_group *group, tw_network_epoch *epoch);
const tw_network_member *tw_network_find_member(const tw_network_epoch *epoch, const tw_client_id *id);
const tw_network_member *tw_network_member_at(const tw_network_epoch *epoch, uint32_t leaf);
bool tw_network_may(const tw_network *network, const tw_client_id *id);
bool tw_network_wants(const tw_network *network, const tw_client_id *id);
/* Looks whether there are members whom we do not want. */
void tw_network_look_for_unwanted(tw_network *network);
/* Tells rosters apart: what was refused under one is looked at anew under another one. */
void tw_network_sum_roster(const tw_network *network, uint8_t sum[TW_FINGERPRINT_SIZE]);
/* The group that we are in, or were removed from, by its id, and the epoch there. Empty: none. */
tw_bytes tw_network_home(const tw_network *network, uint64_t *epoch);
/* What holds of every epoch: id, GroupContext, leaves, ourselves. TW_ERR_BINDING, TW_ERR_WRONG_GROUP, TW_ERR_FORBIDDEN.
 */
TW_MUST_USE tw_err tw_network_check_epoch(const tw_network *network, const tw_network_epoch *epoch);
/* TW_ERR_CREDENTIAL: there are members whom we do not want, and who were not in the epoch that we have. */
TW_MUST_USE tw_err tw_network_check_members(const tw_network *network, const tw_network_epoch *epoch);
/* Whether a commit that leads from our epoch to `next` may do so. */
tw_network_refusal tw_network_judge(const tw_network *network, const tw_received *received,
                                    const tw_network_epoch *next);

/* ---- network_record.c: what is saved ---- */

#define TW_NETWORK_RECORD_ID TW_LITERAL("network")
#define TW_NETWORK_WELCOME_ID TW_LITERAL("welcome") /* see `welcome` */
#define TW_NETWORK_LEFT_ID TW_LITERAL("left")       /* see `left_id` */
/* The record that says: this epoch, this pending one (NULL: none), this refusal (by the roster noted). With `more`, in
 * one write. */
TW_MUST_USE tw_err tw_network_save(const tw_network *network, const tw_network_epoch *epoch,
                                   const tw_network_pending *pending, tw_network_refusal refusal,
                                   const tw_store_change *more);
/* Into a network that has nothing. */
TW_MUST_USE tw_err tw_network_load_record(tw_network *network, tw_bytes value);
/* The value that says which group we were removed from: appended. */
TW_MUST_USE tw_err tw_network_write_left(const tw_network *network, tw_buf *out);
TW_MUST_USE tw_err tw_network_load_left(tw_network *network, tw_bytes value);
void tw_network_pending_clear(tw_network_pending *pending, const tw_env *env);

/* ---- network_epoch.c: from one epoch to the next ---- */

/* `next` becomes ours, saved together with `more` (may be NULL), and nothing is pending any more. On success `next` is
 * none, on error all is as it was. */
TW_MUST_USE tw_err tw_network_adopt(tw_network *network, tw_network_epoch *next, const tw_store_change *more,
                                    uint64_t now_ms);
/* Epoch, pending one and keys, in memory. */
void tw_network_forget(tw_network *network);
/* Not a member any more. */
void tw_network_leave(tw_network *network, const char *why, uint64_t now_ms);
/* What is pending will never be accepted. */
void tw_network_drop_pending(tw_network *network);
void tw_network_stop_switches(tw_network *network);
/* Receive under all keys that we know. */
TW_MUST_USE tw_err tw_network_receive_keys(tw_network *network, uint64_t now_ms);
/* That, again later if it fails, and send under the newest ones when it is time. */
void tw_network_use_keys(tw_network *network, uint64_t now_ms);
void tw_network_switch_keys(tw_network *network, uint64_t now_ms);

/* ---- network_find.c: how we come in ---- */

void tw_network_find(tw_network *network, uint64_t now_ms);
void tw_network_found(tw_network *network, const tw_control_answer *answer, uint64_t now_ms);
/* There is something that we have not: it may come by mail yet. */
void tw_network_is_behind(tw_network *network, uint64_t now_ms);
/* The time of the next try, each one later. */
uint64_t tw_network_back_off(tw_network *network, uint64_t now_ms);
tw_err tw_network_make_package(void *ctx, bool last_resort, uint64_t now_ms, tw_buf *published, tw_buf *kept,
                               uint8_t ref[TW_STOCK_REF]);
void tw_network_ask_stock(tw_network *network);
void tw_network_stocked(tw_network *network, const tw_control_answer *answer, uint64_t now_ms);
void tw_network_published(tw_network *network, const tw_control_answer *answer, uint64_t now_ms);
/* What is kept of a key package: `key_package` borrows from it. */
TW_MUST_USE tw_err tw_network_read_package(tw_bytes kept, tw_bytes *key_package, tw_secret *packet_key);
/* The message of an entry of kind welcome. */
void tw_network_welcomed(tw_network *network, tw_bytes message, uint64_t now_ms);
/* Once more the one that was refused for its members. */
void tw_network_try_welcome(tw_network *network, uint64_t now_ms);

/* ---- network_pending.c: what the relay is asked to accept ---- */

/* What there is to begin with: what is NULL or empty is none. The buffers and `next` are taken. */
typedef struct tw_network_beginning {
  tw_network_pending_kind kind;
  tw_buf *commit;
  tw_buf *welcomes;
  tw_network_epoch *next;
  tw_bytes tree; /* JOIN: that of the epoch that it ends, as the relay has it apart */
} tw_network_beginning;

/* It is saved, and sent. TW_ERR_LIMIT: it does not go into one frame. */
TW_MUST_USE tw_err tw_network_begin(tw_network *network, const tw_network_beginning *beginning, uint64_t now_ms);
/* Tree and members as they are sent where the relay has none, or others, in the place of what there is. */
TW_MUST_USE tw_err tw_network_make_whole(const tw_network *network, tw_network_pending *pending);
void tw_network_send_pending(tw_network *network, uint64_t now_ms);
void tw_network_pending_answered(tw_network *network, const tw_control_answer *answer, uint64_t now_ms);

/* ---- network_take.c: other members' commits ---- */

void tw_network_take_commit(tw_network *network, tw_bytes message, uint64_t now_ms);
/* The roster is another one than that by which we refused to follow. */
void tw_network_reconsider(tw_network *network, uint64_t now_ms);
/* Those that were held, as far as they follow on our epoch. */
void tw_network_take_held(tw_network *network, uint64_t now_ms);
void tw_network_drop_held(tw_network *network);

/* ---- network_commit.c: our commits ---- */

/* Whether there is something to do, and when. */
void tw_network_look_around(tw_network *network, uint64_t now_ms);
void tw_network_do_duties(tw_network *network, uint64_t now_ms);
void tw_network_took(tw_network *network, const tw_control_answer *answer, uint64_t now_ms);
void tw_network_stop_gathering(tw_network *network);
/* Whether our leaf in a group has the credential that we have now; also of no group. */
bool tw_network_has_own_credential(const tw_network *network, const tw_group *group);
void tw_network_renew(tw_network *network, uint64_t now_ms);
/* When our leaf is to be renewed. */
void tw_network_plan_rekey(tw_network *network, uint64_t now_ms);
/* An answer with this detail in its tag is waited for. */
bool tw_network_awaits(const tw_network *network, uint32_t detail);
/* A member wants in. */
void tw_network_returns(tw_network *network, const tw_client_id *id, uint64_t now_ms);
/* A commit that adds was refused: those are not tried at once again. */
void tw_network_put_off_joiners(tw_network *network, const tw_network_pending *pending, uint64_t now_ms);
/* One that was tried is not tried again before `again_ms`; 0: it may be. */
void tw_network_note_tried(tw_network *network, const tw_client_id *id, uint64_t again_ms);

#endif

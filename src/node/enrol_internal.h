/* The inside of enrolment. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_ENROL_INTERNAL_H
#define TW_NODE_ENROL_INTERNAL_H

#include <string.h>

#include "base/alloc.h"
#include "codec/reader.h"
#include "codec/writer.h"
#include "node/enrol.h"
#include "node/mail.h"

#define TW_ENROL_TAG (UINT64_C(6) << 56)
enum {
  TW_ENROL_AGAIN_MS = 10000,          /* what the relay could not do is asked for again */
  TW_ENROL_ASK_MS = 24 * 3600 * 1000, /* lists may have been missed; an admin that is away has the question waiting */
  TW_ENROL_ASK_SOON_MS = 15000,       /* the same at first while we lack one; doubles */
  TW_ENROL_REFUSALS = 8,
  TW_ENROL_ID_SIZE = 1 + TW_INVITATION_ID,
  TW_ENROL_KEY_ID_SIZE = 1 + TW_FINGERPRINT_SIZE
};
/* What the ids of our values begin with: an invitation, an admin's list, who is to be dismissed, whom to send lists,
 * that the relay is to be told again of all on our list. */
enum {
  TW_ENROL_INVITATION = 'i',
  TW_ENROL_LIST = 'e',
  TW_ENROL_DISMISSAL = 'd',
  TW_ENROL_QUEUE = 'q',
  TW_ENROL_READMISSION = 'r'
};

typedef struct tw_enrol_invitation {
  uint8_t id[TW_INVITATION_ID];
  char name[TW_ENROLMENT_NAME_MAX + 1];
  tw_buf addresses; /* Prefix each */
  uint64_t until;
  tw_client_id guest;
  uint8_t request[TW_AEAD_KEY_MAX];
  uint8_t reply[TW_AEAD_KEY_MAX];
  bool enrolled;
  tw_fingerprint joiner; /* then: whose it is */
  tw_buf answer_key;     /* and what the reply to it is sealed to; empty: it has to ask again */
  /* not saved */
  bool told;     /* the relay knows the guest, or once it is enrolled the joiner */
  bool answered; /* the reply is with the relay */
  bool outdated; /* the reply that is on its way there is to an earlier request */
} tw_enrol_invitation;

/* A reply to somebody who is not let in. */
typedef struct tw_enrol_refusal {
  tw_client_id guest;
  tw_buf mail;
} tw_enrol_refusal;

typedef struct tw_enrol_known {
  tw_client_id admin;
  uint64_t version; /* of the list; while there is none, of the last that is not taken (ListsAfter) */
  tw_buf list;      /* as it was signed; empty: none yet */
  bool ask;         /* whether it has a newer one */
  bool again;       /* that was asked for the second time, since what came could not be opened */
} tw_enrol_known;

/* What is asked of the relay, one at a time. */
typedef enum tw_enrol_duty {
  TW_ENROL_NOTHING = 0,
  TW_ENROL_DISMISS = 1,
  TW_ENROL_ADMIT_GUEST = 2,
  TW_ENROL_ADMIT_JOINER = 3,
  TW_ENROL_REPLY = 4,
  TW_ENROL_REFUSE = 5,
  TW_ENROL_READMIT = 6,
  TW_ENROL_SEND_LIST = 7,
  TW_ENROL_ASK_LIST = 8
} tw_enrol_duty;

struct tw_enrol {
  tw_enrol_config config;
  const tw_env *env;
  const tw_alloc *alloc;
  tw_bytes group;                   /* the network's name */
  tw_enrol_invitation *invitations; /* TW_ENROL_INVITATIONS_MAX */
  size_t invitation_count;
  tw_enrol_known *known; /* Admins' lists; ours among them */
  size_t known_count;
  bool unmatched;    /* there was no memory to compare them with what was learned: again */
  tw_buf dismissals; /* ClientIds; as in the store */
  tw_buf queue;      /* ClientIds: whom our list goes to */
  bool queue_saved;  /* a queue is in the store */
  tw_buf members;    /* ClientIds of the network's group, as it was looked at last */
  tw_enrol_refusal refusals[TW_ENROL_REFUSALS];
  size_t refusal_count;
  uint8_t refused_id[TW_INVITATION_ID]; /* the invitation that the relay refused last, and why */
  tw_report refused_why;
  size_t readmit; /* the next entry of our list; SIZE_MAX: nothing to do */

  bool up;
  bool asking;       /* a request is open: `duty`, for `about` */
  bool outdated;     /* and what it tells is of before a change: it does not count as told */
  bool waits;        /* it could not be asked now */
  uint32_t sequence; /* of it */
  tw_enrol_duty duty;
  uint8_t about[TW_FINGERPRINT_SIZE]; /* whom it is about, or an invitation's id */
  uint64_t again_ms;                  /* nothing before that; 0: at once */
  uint64_t ask_ms;                    /* when we ask for lists */
  uint64_t ask_wait_ms;               /* between two such questions, while we lack one */
  bool lacks_list;                    /* we do not follow the network's group, perhaps for one */
};

void tw_enrol_tell(const tw_enrol *enrol, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline bool tw_enrol_same(const tw_client_id *a, const tw_client_id *b) { return memcmp(a, b, sizeof *a) == 0; }
bool tw_enrol_is_admin(const tw_enrol *enrol, const tw_client_id *id);
/* By an index into the configuration's Admins; NULL: its certificate was not seen yet. */
const tw_fingerprint *tw_enrol_admin_key(const tw_enrol *enrol, size_t index);
/* Go on with what is to be done, if nothing is open. */
void tw_enrol_go_on(tw_enrol *enrol, uint64_t now_ms);

/* What is being told of our list is of the one before: once more. */
void tw_enrol_list_changed(tw_enrol *enrol);

/* ---- sets of ClientIds in buffers ---- */

bool tw_enrol_has(const tw_buf *set, const tw_client_id *id);
/* Also one that is there. */
TW_MUST_USE tw_err tw_enrol_add(tw_buf *set, const tw_client_id *id);
void tw_enrol_drop(tw_buf *set, const tw_client_id *id);

/* ---- enrol_record.c ---- */

void tw_enrol_put_id(uint8_t kind, const uint8_t *bytes, size_t len, uint8_t *id);
TW_MUST_USE tw_err tw_enrol_invitation_encode(const tw_enrol *enrol, const tw_enrol_invitation *invitation,
                                              tw_buf *value);
/* Of the store; errors were told. */
TW_MUST_USE tw_err tw_enrol_mark(tw_enrol *enrol, uint8_t kind);
TW_MUST_USE tw_err tw_enrol_delete(tw_enrol *enrol, uint8_t kind, const uint8_t *bytes, size_t len);

/* ---- enrol_invite.c ---- */

tw_enrol_invitation *tw_enrol_find(const tw_enrol *enrol, const uint8_t id[TW_INVITATION_ID]);
void tw_enrol_invitation_clear(tw_enrol_invitation *invitation);
/* It goes, from the store, too; with `dismiss` the relay is told. */
void tw_enrol_end(tw_enrol *enrol, tw_enrol_invitation *invitation, bool dismiss);
void tw_enrol_requested(tw_enrol *enrol, const tw_mail *mail, uint64_t now_ms);
/* The whole mail with the reply to whom an invitation has let in. */
TW_MUST_USE tw_err tw_enrol_reply_mail(const tw_enrol *enrol, const tw_enrol_invitation *invitation, tw_buf *mail);
TW_MUST_USE tw_err tw_enrol_seal_reply(const tw_enrol *enrol, const tw_enrol_invitation *invitation,
                                       const tw_enrolment_reply *reply, tw_bytes answer_key, tw_buf *mail);

/* ---- enrol_settings.c ---- */

TW_MUST_USE tw_err tw_enrol_settings(const tw_enrol *enrol, const tw_enrol_invitation *invitation, tw_buf *out);
/* The CAs that joiners get, appended: nothing where Members are listed. TW_ERR_LIMIT: too large. */
TW_MUST_USE tw_err tw_enrol_ca(const tw_enrol *enrol, tw_buf *out, tw_report *report);

/* ---- enrol_list.c ---- */

tw_enrol_known *tw_enrol_known_of(const tw_enrol *enrol, const tw_client_id *admin);
/* Of a list as it is kept; of an empty one none. */
tw_bytes tw_enrol_entries(const tw_buf *list);
/* The entries of our own list. */
tw_bytes tw_enrol_own_entries(const tw_enrol *enrol);
/* Our next list, with one more (unless NULL) and without one (likewise), in one step with `more` changes of the store;
 * it goes to all members. */
TW_MUST_USE tw_err tw_enrol_change_list(tw_enrol *enrol, const tw_enrolled *added, const tw_fingerprint *without,
                                        const tw_store_change *more, size_t more_count, uint64_t now_ms);
void tw_enrol_got_list(tw_enrol *enrol, const tw_mail *mail);
void tw_enrol_list_wanted(tw_enrol *enrol, const tw_client_id *from, const tw_mail *mail);
/* TW_ERR_STATE: it is no member. */
TW_MUST_USE tw_err tw_enrol_list_mail(const tw_enrol *enrol, const tw_client_id *member, tw_buf *mail);
/* Peers as the lists have them. */
void tw_enrol_match_learned(tw_enrol *enrol);

#endif

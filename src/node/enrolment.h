/* What is said when a node is enrolled: requests, replies, and the lists that admins sign. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_ENROLMENT_H
#define TW_NODE_ENROLMENT_H

#include "node/invitation.h"
#include "node/prefix.h"
#include "x509/x509.h"

/*
 * Decoded messages are views of their input; lists stay encoded and are walked by the functions below. Decoding is
 * strict, lists included, so that walking what was decoded cannot fail. docs/protocols.md "Enrolment" has the formats.
 */
enum {
  TW_ENROLMENT_NAME_MAX = TW_NODE_PEER_NAME_MAX,
  TW_ENROLMENT_PREFIXES_MAX = 64, /* of a node */
  TW_ENROLMENT_WORDS_MAX = 255,
  TW_ENROLMENT_CA_MAX = 16 * 1024, /* bytes of all CAs in settings */
  TW_ENROLMENT_LIST_MAX = 4096,    /* entries of a list */
  TW_ENROLMENT_VERSION = 64        /* of settings */
};

/* ---- nodes, in settings and in lists ---- */

/** Somebody, by key. */
typedef struct tw_enrolled {
  tw_bytes name; /* as a configuration's; empty: none */
  tw_fingerprint key;
  tw_bytes allowed; /* prefixes: tw_enrolled_prefix_next */
  tw_bytes host;    /* of its Endpoint; empty: none */
  uint16_t port;
} tw_enrolled;

/** The next one of a list; false at its end. */
bool tw_enrolled_next(tw_reader *walk, tw_enrolled *out);
bool tw_enrolled_prefix_next(tw_reader *walk, tw_prefix *out);
void tw_write_enrolled(tw_writer *w, const tw_enrolled *node);
void tw_write_enrolled_prefix(tw_writer *w, const tw_prefix *prefix);

/* ---- sealing ---- */

/**
 * A message of an invitation, by one of its keys, appended: its kind and id are authenticated. TW_ERR_NO_MEMORY,
 * TW_ERR_RANDOM.
 */
TW_MUST_USE tw_err tw_enrolment_seal(const tw_env *env, const tw_suite *suite, const uint8_t *key,
                                     const uint8_t id[TW_INVITATION_ID], tw_bytes plaintext, tw_buf *out);
/** Appended. TW_ERR_DECRYPT, or of the class malformed; TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_enrolment_open(const tw_env *env, const tw_suite *suite, const uint8_t *key,
                                     const uint8_t id[TW_INVITATION_ID], tw_bytes sealed, tw_buf *plaintext);

/* ---- the key that replies are sealed to besides ---- */

/**
 * Of one try to join, and kept nowhere: who has the token later, or what the inviter keeps of it, cannot read a reply
 * that the relay has kept; and a reply to an earlier try does not open. Zero-initialised is none.
 */
typedef struct tw_enrolment_answer_key {
  tw_secret private_key;
  tw_buf public_key; /* of the suite's KEM */
} tw_enrolment_answer_key;

/** TW_ERR_NO_MEMORY, TW_ERR_RANDOM. */
TW_MUST_USE tw_err tw_enrolment_answer_key_make(const tw_env *env, const tw_suite *suite, tw_enrolment_answer_key *key);
/** Wipes; also none. */
void tw_enrolment_answer_key_clear(tw_enrolment_answer_key *key);
/** Sealed to a public key, appended. TW_ERR_KEY: it is none; TW_ERR_NO_MEMORY, TW_ERR_RANDOM. */
TW_MUST_USE tw_err tw_enrolment_wrap(const tw_env *env, const tw_suite *suite, tw_bytes public_key,
                                     const uint8_t id[TW_INVITATION_ID], tw_bytes plaintext, tw_buf *out);
/** Appended. TW_ERR_DECRYPT, or of the class malformed; TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_enrolment_unwrap(const tw_env *env, const tw_suite *suite, const tw_enrolment_answer_key *key,
                                       const uint8_t id[TW_INVITATION_ID], tw_bytes wrapped, tw_buf *plaintext);

/* ---- the request, from who joins ---- */

/** The numbers are on the wire. */
typedef enum tw_enrolment_act {
  TW_ENROLMENT_JOIN = 1, /* let this key in */
  TW_ENROLMENT_DONE = 2  /* the reply has come, and is kept: the invitation is of no more use */
} tw_enrolment_act;

/** By its proof whoever asks has the private key, and asks for this invitation. */
typedef struct tw_enrolment_request {
  tw_enrolment_act act;
  tw_bytes signature_key; /* the joiner's */
  tw_bytes answer_key;    /* of JOIN: what the reply is sealed to; else empty */
  tw_bytes proof;
} tw_enrolment_request;

/** With signature_key and `proof` made by the signer. TW_ERR_NO_MEMORY, TW_ERR_RANDOM. */
TW_MUST_USE tw_err tw_enrolment_request_make(const tw_env *env, tw_signer *signer, tw_enrolment_act act,
                                             tw_bytes answer_key, const uint8_t id[TW_INVITATION_ID], tw_buf *out);
/** Malformed errors; TW_ERR_KEY, TW_ERR_SIGNATURE: not by this key, for this invitation. `key` is its fingerprint. */
TW_MUST_USE tw_err tw_enrolment_request_read(const tw_env *env, const tw_suite *suite,
                                             const uint8_t id[TW_INVITATION_ID], tw_bytes encoded,
                                             tw_enrolment_request *out, tw_fingerprint *key);

/* ---- the reply ---- */

/** The numbers are on the wire. */
typedef enum tw_enrolment_status {
  TW_ENROLMENT_IN = 0,
  TW_ENROLMENT_USED = 1,   /* by another key */
  TW_ENROLMENT_OVER = 2,   /* its time */
  TW_ENROLMENT_REFUSED = 3 /* for what `words` say */
} tw_enrolment_status;

typedef struct tw_enrolment_reply {
  tw_enrolment_status status;
  tw_fingerprint joiner; /* whom it answers */
  tw_bytes content;      /* settings, or else words: for people, UTF-8 */
} tw_enrolment_reply;

/** Signed by the inviter. TW_ERR_NO_MEMORY, TW_ERR_RANDOM. */
TW_MUST_USE tw_err tw_enrolment_reply_make(const tw_env *env, tw_signer *signer, const uint8_t id[TW_INVITATION_ID],
                                           const tw_enrolment_reply *reply, tw_buf *out);
/** Malformed errors; TW_ERR_KEY, TW_ERR_SIGNATURE, TW_ERR_CREDENTIAL: not signed by the inviter. */
TW_MUST_USE tw_err tw_enrolment_reply_read(const tw_env *env, const tw_suite *suite, const tw_fingerprint *inviter,
                                           const uint8_t id[TW_INVITATION_ID], tw_bytes encoded,
                                           tw_enrolment_reply *out);

/** What a joiner has to know to write its configuration. */
typedef struct tw_enrolment_settings {
  tw_bytes name;      /* its own; not empty */
  tw_bytes addresses; /* its own, with the lengths of their subnets: tw_enrolled_prefix_next; one at least */
  tw_bytes peers;     /* all but itself: tw_enrolled_next */
  tw_bytes admins;    /* 1 to TW_NODE_ADMINS_MAX: tw_enrolled_admin_next */
  tw_bytes groups;    /* multicast: tw_enrolled_prefix_next */
  bool broadcast;
  bool sign;
  uint32_t mtu;
  uint64_t rekey_after;
  uint64_t rekey_bytes;
  uint64_t rekey_packets;
  uint32_t grace;
  uint32_t keepalive;
  tw_bytes ca;    /* certificates as x509/x509.h has them, not parsed; empty: Members are listed, else certified */
  tw_bytes admit; /* names for that: tw_enrolled_admit_next; empty: any */
} tw_enrolment_settings;

/** One of the network's Admins. */
typedef struct tw_enrolled_admin {
  tw_fingerprint key;
  uint64_t version; /* of its list that `peers` are of, and so the last that a joiner does not take any more; 0: none */
} tw_enrolled_admin;

/** The next one; false at the end of the list. */
bool tw_enrolled_admin_next(tw_reader *walk, tw_enrolled_admin *out);
void tw_write_enrolled_admin(tw_writer *w, const tw_enrolled_admin *admin);

/** The next name of Admit, as a configuration has it, with its end; false at the end of the list. */
bool tw_enrolled_admit_next(tw_reader *walk, char name[TW_X509_NAME]);

TW_MUST_USE tw_err tw_enrolment_settings_encode(const tw_enrolment_settings *settings, tw_buf *out);
/** Malformed errors; TW_ERR_UNSUPPORTED: of another version. */
TW_MUST_USE tw_err tw_enrolment_settings_decode(tw_bytes encoded, tw_enrolment_settings *out);

/* ---- lists ---- */

/** Whom one admin has enrolled: it is as good as its signature, and as new as its version. */
typedef struct tw_enrolment_list {
  tw_bytes group;   /* the network's name */
  uint64_t version; /* grows with each change */
  tw_bytes entries; /* tw_enrolled_next, each key once, without Endpoints */
  tw_bytes signature_key;
  tw_bytes signature;
} tw_enrolment_list;

/** Signed by the signer: signature_key and signature of `list` are not looked at. TW_ERR_NO_MEMORY, TW_ERR_RANDOM. */
TW_MUST_USE tw_err tw_enrolment_list_make(const tw_env *env, tw_signer *signer, const tw_enrolment_list *list,
                                          tw_buf *out);
/** Malformed errors; TW_ERR_KEY, TW_ERR_SIGNATURE. `admin` is the fingerprint of the key that has signed it. */
TW_MUST_USE tw_err tw_enrolment_list_read(const tw_env *env, const tw_suite *suite, tw_bytes encoded,
                                          tw_enrolment_list *out, tw_fingerprint *admin);

#endif

/* Who we are and whom we accept. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_IDENTITY_H
#define TW_CLI_IDENTITY_H

#include <treewire/mls.h>

#include "cli/certificates.h"
#include "cli/peers.h"

enum {
  TW_KEYS_MAX = 18, /* one for each suite */
  TW_MEMORIES = 8
};

typedef struct tw_identity tw_identity;

/** A key of ours with its suite. */
typedef struct tw_own_key {
  tw_identity *identity;
  const tw_suite *suite;
  tw_signer *signer;
  tw_client client;
} tw_own_key;

/** Somebody whom another one has let in, at a relay. */
typedef struct tw_admitted {
  bool given;
  bool guest;
  uint64_t until; /* seconds since 1970; 0: for good */
  tw_fingerprint inviter;
} tw_admitted;

/** What is known of the other side of a channel. */
typedef struct tw_acquaintance {
  tw_fingerprint fingerprint;
  const tw_peer *peer; /* whom it is among the peers; NULL: not, or no more, among them */
  bool certified;      /* it was accepted by its certificate, of which `holder` tells */
  tw_x509_holder holder;
  tw_admitted admitted; /* given: it was accepted for that alone */
} tw_acquaintance;

/** Who was accepted by a certificate a moment ago. */
typedef struct tw_memory {
  tw_fingerprint credential; /* digest of the certificates */
  tw_acquaintance known;
} tw_memory;

/** Who was refused, for those who are told. */
typedef struct tw_refusal {
  bool given;
  tw_fingerprint key;
  tw_report why; /* "" where the key is just not known */
} tw_refusal;

/** Does not move once a key was added: clients point into it. */
struct tw_identity {
  const tw_env *env;
  bool connecting; /* which leaf is ours: the initiator's is 1, the responder's 0 */
  bool anyone;     /* listening: whoever has a key */
  bool pinned;     /* connecting: the peer has to be the one in `peers`, whatever its certificate says */
  tw_own_key keys[TW_KEYS_MAX];
  const tw_client *clients[TW_KEYS_MAX];
  size_t count;
  tw_peers peers;
  tw_certificates certificates;
  /** Listening: whether somebody else has let in who is not among the peers. NULL: nobody has. */
  tw_admitted (*admits)(void *ctx, const tw_fingerprint *key);
  void *admits_ctx;
  tw_refusal refusal;
  tw_memory memories[TW_MEMORIES];
  size_t next_memory;
};

/** Add the key in a file. TW_ERR_ARGUMENT for a second one of the same suite; else as tw_key_file_read. */
TW_MUST_USE tw_err tw_identity_add_key(tw_identity *identity, const char *path, tw_report *report);
/** Add our certificate with its key, once for each suite. As tw_certificates_read_own, and TW_ERR_ARGUMENT as above. */
TW_MUST_USE tw_err tw_identity_add_certificate(tw_identity *identity, tw_report *warning, tw_report *report);
/** Whether one of our keys has this suite. NULL (not known): true. */
bool tw_identity_has_suite(const tw_identity *identity, const tw_suite *suite);

/** The other side of a channel. */
typedef struct tw_stranger {
  const tw_suite *suite; /* NULL: its key is for none of ours */
  tw_credential credential;
  tw_bytes
      signature_key; /* of the suite; without one the SubjectPublicKeyInfo, of which the fingerprint is then made */
  uint64_t now;      /* seconds since 1970 */
} tw_stranger;

/**
 * Whether to accept it. Listening: who is among the peers or has a good certificate; connecting: who is the peer that
 * was named, has a good certificate, or both, as was asked for. TW_ERR_CREDENTIAL or the error of a bad certificate:
 * then identity->refusal tells of it. TW_ERR_NO_MEMORY.
 */
TW_MUST_USE tw_err tw_identity_accepts(tw_identity *identity, const tw_stranger *stranger, tw_acquaintance *known);
/**
 * Who it is, of somebody who has been accepted: without a second look at a certificate that has just been verified. For
 * telling, not for deciding. As tw_identity_accepts.
 */
TW_MUST_USE tw_err tw_identity_recalls(tw_identity *identity, const tw_stranger *stranger, tw_acquaintance *known);
/** Whether an error says that somebody was not accepted. */
bool tw_identity_is_refusal(tw_err err);
void tw_identity_clear(tw_identity *identity);

#endif

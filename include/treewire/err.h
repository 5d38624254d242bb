/* Errors of libtreewire. SPDX-License-Identifier: Apache-2.0 */
#ifndef TREEWIRE_ERR_H
#define TREEWIRE_ERR_H

#include <treewire/api.h>

/*
 * Each error belongs to exactly one class, and the class tells the caller what to do: tw_err_class_of(e), the value's
 * second byte. Unless a function says otherwise, an error has changed nothing.
 */
typedef enum tw_err_class {
  TW_CLASS_OK = 0,
  TW_CLASS_MALFORMED = 1, /* the bytes do not parse: drop the message; on a reliable link, close */
  TW_CLASS_FORBIDDEN = 2, /* well-formed, but the protocol or the policy forbids it: drop; on a reliable link, close */
  TW_CLASS_CRYPTO = 3,    /* a signature, tag or decryption failed: treat as an attack */
  TW_CLASS_STATE = 4,     /* this call or message does not fit the state that the object is in */
  TW_CLASS_STALE = 5,     /* belongs to an epoch or generation that is gone: ignore */
  TW_CLASS_DUPLICATE = 6, /* was processed before, or is our own: ignore */
  TW_CLASS_RESYNC = 7,    /* we lack something that the sender has: fetch it, or rejoin */
  TW_CLASS_RESOURCE = 8,  /* memory, randomness or a configured limit ran out: try again or raise it */
  TW_CLASS_CALLER = 9,    /* the caller's own mistake: fix the program */
  TW_CLASS_INTERNAL = 10  /* a defect of the library; no peer can cause it: report it */
} tw_err_class;

#define TW_ERR_VALUE(class_, number) (((class_) << 8) | (number))

typedef enum tw_err {
  TW_OK = 0,

  TW_ERR_TRUNCATED = TW_ERR_VALUE(TW_CLASS_MALFORMED, 1), /* the input ends before the structure does */
  TW_ERR_TRAILING = TW_ERR_VALUE(TW_CLASS_MALFORMED, 2),  /* bytes are left after the structure */
  TW_ERR_ENCODING = TW_ERR_VALUE(TW_CLASS_MALFORMED, 3),  /* a value that the structure does not allow */

  TW_ERR_FORBIDDEN = TW_ERR_VALUE(TW_CLASS_FORBIDDEN, 1),    /* a rule of the protocol that has no error of its own */
  TW_ERR_UNSUPPORTED = TW_ERR_VALUE(TW_CLASS_FORBIDDEN, 2),  /* version, suite, extension or type not supported here */
  TW_ERR_CREDENTIAL = TW_ERR_VALUE(TW_CLASS_FORBIDDEN, 3),   /* the Authentication Service refused a credential */
  TW_ERR_LIFETIME = TW_ERR_VALUE(TW_CLASS_FORBIDDEN, 4),     /* a key package outside its lifetime */
  TW_ERR_CAPABILITY = TW_ERR_VALUE(TW_CLASS_FORBIDDEN, 5),   /* a member would lack a required capability */
  TW_ERR_TREE = TW_ERR_VALUE(TW_CLASS_FORBIDDEN, 6),         /* an invalid ratchet tree or update path */
  TW_ERR_PROPOSAL = TW_ERR_VALUE(TW_CLASS_FORBIDDEN, 7),     /* an invalid proposal or proposal list */
  TW_ERR_SENDER = TW_ERR_VALUE(TW_CLASS_FORBIDDEN, 8),       /* this sender may not send this */
  TW_ERR_KEY_REUSED = TW_ERR_VALUE(TW_CLASS_FORBIDDEN, 9),   /* a public key that must be unique or fresh is not */
  TW_ERR_WRONG_GROUP = TW_ERR_VALUE(TW_CLASS_FORBIDDEN, 10), /* for another group, or for somebody else */
  TW_ERR_BINDING = TW_ERR_VALUE(TW_CLASS_FORBIDDEN, 11),     /* channel binding is missing or of another protocol */
  TW_ERR_REMOVED = TW_ERR_VALUE(TW_CLASS_FORBIDDEN, 12),     /* reserved: a removal is told by TW_RECEIVED_REMOVED */
  TW_ERR_UNEXPECTED = TW_ERR_VALUE(TW_CLASS_FORBIDDEN, 13),  /* a message that this state does not allow */
  TW_ERR_CERTIFICATE = TW_ERR_VALUE(TW_CLASS_FORBIDDEN, 14), /* a certificate or its chain is not valid */
  TW_ERR_CERTIFICATE_USE = TW_ERR_VALUE(TW_CLASS_FORBIDDEN, 15),     /* a certificate is not for this use */
  TW_ERR_CERTIFICATE_EXPIRED = TW_ERR_VALUE(TW_CLASS_FORBIDDEN, 16), /* a certificate has expired or is not valid yet */
  TW_ERR_CERTIFICATE_REVOKED = TW_ERR_VALUE(TW_CLASS_FORBIDDEN, 17), /* a certificate was revoked */
  TW_ERR_UNKNOWN_CA = TW_ERR_VALUE(TW_CLASS_FORBIDDEN, 18),          /* a chain leads to no CA that is trusted */

  TW_ERR_SIGNATURE = TW_ERR_VALUE(TW_CLASS_CRYPTO, 1), /* a signature does not verify */
  TW_ERR_MAC = TW_ERR_VALUE(TW_CLASS_CRYPTO, 2),       /* a tag does not verify: membership, confirmation, mail */
  TW_ERR_DECRYPT = TW_ERR_VALUE(TW_CLASS_CRYPTO, 3),   /* AEAD or HPKE opening failed */
  TW_ERR_KEY = TW_ERR_VALUE(TW_CLASS_CRYPTO, 4),       /* a key is not a valid one (encoding, low order, length) */

  TW_ERR_STATE = TW_ERR_VALUE(TW_CLASS_STATE, 1),   /* the object's state does not allow this call */
  TW_ERR_PENDING = TW_ERR_VALUE(TW_CLASS_STATE, 2), /* a commit of ours is outstanding; wait for its end */
  TW_ERR_CLOSED = TW_ERR_VALUE(TW_CLASS_STATE, 3),  /* the channel or group is closed */
  TW_ERR_ALERT = TW_ERR_VALUE(TW_CLASS_STATE, 4),   /* the peer ended the channel with an error alert */

  TW_ERR_OLD_EPOCH = TW_ERR_VALUE(TW_CLASS_STALE, 1),      /* for an epoch that is gone */
  TW_ERR_OLD_GENERATION = TW_ERR_VALUE(TW_CLASS_STALE, 2), /* its key was dropped as too old */

  TW_ERR_DUPLICATE = TW_ERR_VALUE(TW_CLASS_DUPLICATE, 1),   /* processed before: its key is used up */
  TW_ERR_OWN_MESSAGE = TW_ERR_VALUE(TW_CLASS_DUPLICATE, 2), /* sent by ourselves */

  TW_ERR_FUTURE_EPOCH = TW_ERR_VALUE(TW_CLASS_RESYNC, 1),     /* for an epoch that we have not reached */
  TW_ERR_MISSING_PSK = TW_ERR_VALUE(TW_CLASS_RESYNC, 2),      /* a PSK that we do not hold */
  TW_ERR_MISSING_PROPOSAL = TW_ERR_VALUE(TW_CLASS_RESYNC, 3), /* a proposal by reference that we have not seen */
  TW_ERR_MISSING_TREE = TW_ERR_VALUE(TW_CLASS_RESYNC, 4),     /* the ratchet tree has to come out of band */
  TW_ERR_TRUNCATION = TW_ERR_VALUE(TW_CLASS_RESYNC, 5),       /* the stream ended without close_notify */
  TW_ERR_NO_SESSION = TW_ERR_VALUE(TW_CLASS_RESYNC, 6),       /* a resumption of a session that is not kept here */
  TW_ERR_APART = TW_ERR_VALUE(TW_CLASS_RESYNC, 7), /* a resumption from an epoch that we have left or not reached: a
                                                       replay, or one side's state is an old copy */

  TW_ERR_NO_MEMORY = TW_ERR_VALUE(TW_CLASS_RESOURCE, 1), /* the allocator returned NULL */
  TW_ERR_RANDOM = TW_ERR_VALUE(TW_CLASS_RESOURCE, 2),    /* the source of randomness failed */
  TW_ERR_LIMIT = TW_ERR_VALUE(TW_CLASS_RESOURCE, 3),     /* a limit of tw_limits was passed */
  TW_ERR_KEY_LIMIT = TW_ERR_VALUE(TW_CLASS_RESOURCE, 4), /* a traffic key is used up; rekey first */
  TW_ERR_TIMEOUT = TW_ERR_VALUE(TW_CLASS_RESOURCE, 5),   /* the peer did not answer in time */

  TW_ERR_ARGUMENT = TW_ERR_VALUE(TW_CLASS_CALLER, 1), /* an argument breaks the function's contract */
  TW_ERR_BUFFER = TW_ERR_VALUE(TW_CLASS_CALLER, 2),   /* reserved: an output buffer is too small */

  TW_ERR_INTERNAL = TW_ERR_VALUE(TW_CLASS_INTERNAL, 1) /* libcrypto or the library contradicts itself */
} tw_err;

/** The class of `err`: what the caller should do about it. */
TW_API tw_err_class tw_err_class_of(tw_err err);

/** A short English phrase for `err`, for logs and people; static storage, never NULL. */
TW_API const char *tw_err_text(tw_err err);

/** The name of a class: "malformed", "forbidden", …; static storage, never NULL. */
TW_API const char *tw_err_class_name(tw_err_class err_class);

/** The one control-flow macro: return the error of `expr` if it has one. */
#define TW_TRY(expr)                                                                                                   \
  do {                                                                                                                 \
    const tw_err tw_try_err_ = (expr);                                                                                 \
    if (tw_try_err_ != TW_OK) return tw_try_err_;                                                                      \
  } while (0)

#endif

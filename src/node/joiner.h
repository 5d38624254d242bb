/* The joiner's side of an enrolment: its mail, and the configuration that comes of it. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_JOINER_H
#define TW_NODE_JOINER_H

#include "node/enrolment.h"

/** Borrowed while it is used, but for the answer's key: tw_joiner_begin and tw_joiner_end. */
typedef struct tw_joiner {
  const tw_env *env;
  const tw_invitation *invitation;
  const tw_invitation_keys *keys;
  tw_signer *signer; /* of the key that is to be enrolled */
  tw_fingerprint self;
  tw_enrolment_answer_key answer_key; /* of this try */
} tw_joiner;

/** What is asked from now on has an answer that nothing else opens than this. TW_ERR_NO_MEMORY, TW_ERR_RANDOM. */
TW_MUST_USE tw_err tw_joiner_begin(tw_joiner *joiner);
/** Also without a begin. */
void tw_joiner_end(tw_joiner *joiner);

/** What goes to the inviter, appended. TW_ERR_STATE: to join, without a begin; TW_ERR_NO_MEMORY, TW_ERR_RANDOM. */
TW_MUST_USE tw_err tw_joiner_mail(const tw_joiner *joiner, tw_enrolment_act act, tw_buf *mail);
/**
 * A message of the invitation's mailbox: the reply to us, a view into `plain`, which is replaced. Any other error than
 * TW_ERR_NO_MEMORY: it is none, and is to be passed over.
 */
TW_MUST_USE tw_err tw_joiner_take(const tw_joiner *joiner, tw_bytes message, tw_buf *plain, tw_enrolment_reply *reply);
/** What the configuration says. Borrowed. */
typedef struct tw_joiner_names {
  const char *node;
  const char *identity; /* the key's file */
  const char *ca;       /* the file with the network's CAs, if there are any */
} tw_joiner_names;
/**
 * The text of a configuration file by the settings of a reply, appended, and to `ca` that of the file with the CAs by
 * whose certificates others are members, PEM: nothing where there are none. The configuration has been read again, and
 * means what the settings say. With a report: TW_ERR_ENCODING, they cannot be those of a network;
 * TW_ERR_UNSUPPORTED, they are of another version; TW_ERR_CERTIFICATE, the CAs are no certificates; TW_ERR_NO_MEMORY;
 * TW_ERR_LIMIT. Nothing is appended then.
 */
TW_MUST_USE tw_err tw_joiner_config(const tw_joiner *joiner, tw_bytes settings, const tw_joiner_names *names,
                                    tw_buf *text, tw_buf *ca, tw_report *report);

#endif

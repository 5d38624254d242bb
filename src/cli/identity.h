/* Who we are and whom we accept. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_IDENTITY_H
#define TW_CLI_IDENTITY_H

#include <treewire/mls.h>

#include "cli/peers.h"

enum { TW_KEYS_MAX = 18 }; /* one for each suite */

typedef struct tw_identity tw_identity;

/** A key of ours with its suite. */
typedef struct tw_own_key {
  tw_identity *identity;
  const tw_suite *suite;
  tw_signer *signer;
  tw_client client;
} tw_own_key;

/** Does not move once a key was added: clients point into it. */
struct tw_identity {
  const tw_env *env;
  bool connecting; /* which leaf is ours: the initiator's is 1, the responder's 0 */
  tw_own_key keys[TW_KEYS_MAX];
  const tw_client *clients[TW_KEYS_MAX];
  size_t count;
  tw_peers peers;
  bool refused; /* a key was refused: this one */
  tw_fingerprint refused_key;
};

/** Add the key in a file. TW_ERR_ARGUMENT for a second one of the same suite; else as tw_key_file_read. */
TW_MUST_USE tw_err tw_identity_add_key(tw_identity *identity, const char *path, tw_report *report);
/** Whether one of our keys has this suite. NULL (not known): true. */
bool tw_identity_has_suite(const tw_identity *identity, const tw_suite *suite);
/** The fingerprint of the other side's leaf, and the peer that it stands for: NULL when it is not, or no more, among
 * them. */
TW_MUST_USE tw_err tw_identity_lookup(const tw_identity *identity, const tw_suite *suite, tw_bytes signature_key,
                                      tw_fingerprint *fingerprint, const tw_peer **peer);
void tw_identity_clear(tw_identity *identity);

#endif

/* Who a node is, by its configuration. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_NODE_IDENTITY_H
#define TW_CLI_NODE_IDENTITY_H

#include <treewire/mls.h>

#include "cli/certificates.h"
#include "node/config.h"

/** Our key, and whose certificates are good. Zero-initialised is empty; does not move once it was loaded. */
typedef struct tw_node_identity {
  const tw_suite *suite; /* the network's */
  tw_signer *signer;
  tw_fingerprint fingerprint;             /* of our public key: the ClientId at the relay */
  tw_certificates certificates;           /* `chain` is ours, empty where it is a bare key; `trust` NULL without CA */
  char names[TW_NAMES_MAX][TW_X509_NAME]; /* DNS names of our certificate */
  const char *name_list[TW_NAMES_MAX];
  size_t name_count;
  tw_report warning; /* "": nothing to warn of */
} tw_node_identity;

/**
 * Read the files that [Interface] names, and see that they fit each other and the suite; then tw_node_config_settle.
 * All problems are told; TW_ERR_ENCODING when there were some. What the configuration lacks is passed over, so that
 * one which has problems of its own can be looked at, too. TW_ERR_NO_MEMORY.
 */
TW_MUST_USE tw_err tw_node_identity_load(const tw_env *env, tw_node_config *config, tw_node_identity *identity,
                                         tw_problems *problems);
/** What its leaves say who it is: its certificates, or nothing but the key. Borrowed. */
tw_credential tw_node_identity_credential(const tw_node_identity *identity);
void tw_node_identity_clear(tw_node_identity *identity);

#endif

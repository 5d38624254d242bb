/* Who somebody is by a certificate, as a node's configuration has it. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_CERTIFIED_H
#define TW_NODE_CERTIFIED_H

#include <treewire/mls.h>

#include "node/learned.h"
#include "x509/x509.h"

/** Whose certificates are good. Borrowed. */
typedef struct tw_certified {
  tw_x509 *x509;
  const tw_x509_trust *trust; /* NULL: nobody's */
} tw_certified;

/**
 * Whether a certificate makes the holder of `key` (of which the caller knows that it is in there) a peer: the chain is
 * good now, for a client, and it is for the Certificate of a [Peer]; or, where Members are certified, for a DNS name
 * that Admit has (a wildcard in a certificate is no such name). On success `*peer` is filled, to be cleared: with the
 * addresses (iPAddress) in one of our subnets as AllowedIPs. Errors with a report: those of tw_x509_verify,
 * TW_ERR_FORBIDDEN (not for a name that is admitted).
 */
TW_MUST_USE tw_err tw_certified_judge(const tw_certified *certified, const tw_node_config *config,
                                      const tw_fingerprint *key, tw_bytes certificates, uint64_t now,
                                      tw_learned_peer *peer, tw_report *report);
/**
 * Look again at all that were learned by a certificate, for a configuration. Whose certificate is no good any more, or
 * is not admitted, is forgotten, with a word to `told`; where we lack the means to judge (a CRL), all stays. TW_ERR_-
 * NO_MEMORY, and the store's errors with a report.
 */
TW_MUST_USE tw_err tw_certified_review(const tw_certified *certified, const tw_node_config *config, tw_learned *learned,
                                       uint64_t now, tw_problems *told, tw_report *report);
/** An address of a certificate, as the prefix of that host alone. */
tw_prefix tw_certified_prefix(const tw_x509_address *address);
/** Whether it is the relay: it has the key, or a certificate for the name, or both if the configuration has both. */
TW_MUST_USE tw_err tw_certified_relay(const tw_certified *certified, const tw_node_relay *relay,
                                      const tw_fingerprint *key, const tw_credential *credential, uint64_t now);

#endif

/* Commit and UpdatePath, RFC 9420 sections 12.4 and 7.6. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_COMMIT_H
#define TW_MLS_COMMIT_H

#include "mls/proposal.h"

/* struct UpdatePathNode { HPKEPublicKey encryption_key; HPKECiphertext encrypted_path_secret<V>; } */
typedef struct tw_update_path_node {
  tw_bytes encryption_key;
  tw_bytes encrypted_path_secrets; /* list of HPKECiphertext */
} tw_update_path_node;

/* struct HPKECiphertext { opaque kem_output<V>; opaque ciphertext<V>; } */
typedef struct tw_hpke_ciphertext {
  tw_bytes kem_output;
  tw_bytes ciphertext;
} tw_hpke_ciphertext;

typedef struct tw_update_path {
  tw_leaf_node leaf_node;
  tw_bytes nodes; /* list of UpdatePathNode, checked to be well-formed */
  uint32_t node_count;
} tw_update_path;

tw_hpke_ciphertext tw_read_hpke_ciphertext(tw_reader *r);
/* The next one of UpdatePathNode.encrypted_path_secrets. */
bool tw_hpke_ciphertext_next(tw_reader *walk, tw_hpke_ciphertext *out);
void tw_write_hpke_ciphertext(tw_writer *w, const tw_hpke_ciphertext *ciphertext);
tw_update_path tw_read_update_path(tw_reader *r);
bool tw_update_path_node_next(tw_reader *walk, tw_update_path_node *out);

/* struct ProposalOrRef, section 12.4 */
typedef struct tw_proposal_or_ref {
  uint8_t type; /* enum tw_proposal_or_ref_type */
  tw_proposal proposal;
  tw_bytes reference; /* ProposalRef */
} tw_proposal_or_ref;

typedef struct tw_commit {
  tw_bytes proposals; /* list of ProposalOrRef, checked to be well-formed */
  uint32_t proposal_count;
  bool has_path;
  tw_update_path path;
} tw_commit;

tw_commit tw_read_commit(tw_reader *r);
bool tw_proposal_or_ref_next(tw_reader *walk, tw_proposal_or_ref *out);

#endif

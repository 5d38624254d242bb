/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/commit.h"

/* struct HPKECiphertext { opaque kem_output<V>; opaque ciphertext<V>; }, section 7.6 */
tw_hpke_ciphertext tw_read_hpke_ciphertext(tw_reader *r) {
  tw_hpke_ciphertext out;
  out.kem_output = tw_read_vector(r);
  out.ciphertext = tw_read_vector(r);
  if (tw_reader_err(r) != TW_OK) return (tw_hpke_ciphertext){0};
  return out;
}

void tw_write_hpke_ciphertext(tw_writer *w, const tw_hpke_ciphertext *ciphertext) {
  tw_write_vector(w, ciphertext->kem_output);
  tw_write_vector(w, ciphertext->ciphertext);
}

/* struct UpdatePathNode { opaque encryption_key<V>; HPKECiphertext encrypted_path_secret<V>; }, section 7.6 */
static tw_update_path_node read_update_path_node(tw_reader *r) {
  tw_update_path_node out;
  out.encryption_key = tw_read_vector(r);
  out.encrypted_path_secrets = tw_read_vector(r);
  return out;
}

bool tw_update_path_node_next(tw_reader *walk, tw_update_path_node *out) {
  if (!tw_reader_more(walk)) return false;
  const tw_update_path_node next = read_update_path_node(walk);
  if (tw_reader_err(walk) != TW_OK) return false;
  *out = next;
  return true;
}

bool tw_hpke_ciphertext_next(tw_reader *walk, tw_hpke_ciphertext *out) {
  if (!tw_reader_more(walk)) return false;
  const tw_hpke_ciphertext next = tw_read_hpke_ciphertext(walk);
  if (tw_reader_err(walk) != TW_OK) return false;
  *out = next;
  return true;
}

static tw_err check_ciphertexts(tw_bytes list) {
  tw_reader walk = tw_reader_of(list);
  tw_hpke_ciphertext ciphertext;
  while (tw_hpke_ciphertext_next(&walk, &ciphertext)) {}
  return tw_reader_err(&walk);
}

/* struct UpdatePath { LeafNode leaf_node; UpdatePathNode nodes<V>; }, section 7.6 */
tw_update_path tw_read_update_path(tw_reader *r) {
  tw_update_path out = {0};
  out.leaf_node = tw_read_leaf_node(r);
  out.nodes = tw_read_vector(r);
  tw_reader walk = tw_reader_of(out.nodes);
  tw_update_path_node node;
  while (tw_update_path_node_next(&walk, &node)) {
    const tw_err err = check_ciphertexts(node.encrypted_path_secrets);
    if (err != TW_OK) tw_reader_fail(&walk, err);
    out.node_count++;
  }
  if (tw_reader_err(&walk) != TW_OK) tw_reader_fail(r, tw_reader_err(&walk));
  if (tw_reader_err(r) != TW_OK) return (tw_update_path){0};
  return out;
}

/*
 * struct ProposalOrRef { uint8 type; select: proposal 1: Proposal; reference 2: opaque ProposalRef<V>; }, section 12.4
 */
static void read_proposal_or_ref(tw_reader *r, tw_proposal_or_ref *out) {
  out->type = tw_read_u8(r);
  out->reference = TW_NO_BYTES;
  if (out->type == TW_COMMIT_PROPOSAL) {
    out->proposal = tw_read_proposal(r);
  } else if (out->type == TW_COMMIT_REFERENCE) {
    out->proposal = (tw_proposal){0};
    out->reference = tw_read_vector(r);
  } else {
    tw_reader_fail(r, TW_ERR_ENCODING);
  }
}

bool tw_proposal_or_ref_next(tw_reader *walk, tw_proposal_or_ref *out) {
  if (!tw_reader_more(walk)) return false;
  tw_proposal_or_ref next;
  read_proposal_or_ref(walk, &next);
  if (tw_reader_err(walk) != TW_OK) return false;
  *out = next;
  return true;
}

/* struct Commit { ProposalOrRef proposals<V>; optional<UpdatePath> path; }, section 12.4 */
tw_commit tw_read_commit(tw_reader *r) {
  tw_commit out = {0};
  out.proposals = tw_read_vector(r);
  tw_reader walk = tw_reader_of(out.proposals);
  tw_proposal_or_ref proposal;
  while (tw_proposal_or_ref_next(&walk, &proposal)) out.proposal_count++;
  if (tw_reader_err(&walk) != TW_OK) tw_reader_fail(r, tw_reader_err(&walk));
  out.has_path = tw_read_present(r);
  if (out.has_path) out.path = tw_read_update_path(r);
  if (tw_reader_err(r) != TW_OK) return (tw_commit){0};
  return out;
}

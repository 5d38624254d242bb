/* Proposals, RFC 9420 section 12.1 and draft-ietf-mls-extensions; PreSharedKeyID, section 8.4. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_PROPOSAL_H
#define TW_MLS_PROPOSAL_H

#include "mls/key_package.h"

typedef struct tw_psk_id {
  uint8_t type;          /* enum tw_psk_type */
  tw_bytes id;           /* external: psk_id; application: psk_id */
  uint16_t component_id; /* application */
  uint8_t usage;         /* resumption: enum tw_resumption_usage */
  tw_bytes group_id;     /* resumption: psk_group_id */
  uint64_t epoch;        /* resumption: psk_epoch */
  tw_bytes nonce;        /* psk_nonce */
  tw_bytes encoded;
} tw_psk_id;

tw_psk_id tw_read_psk_id(tw_reader *r);
/* The next one of a list, as in GroupSecrets. */
bool tw_psk_id_next(tw_reader *walk, tw_psk_id *out);
void tw_write_psk_id(tw_writer *w, const tw_psk_id *id);
/* The same key, whatever the nonce. */
bool tw_psk_id_same(const tw_psk_id *a, const tw_psk_id *b);

typedef struct tw_proposal {
  uint16_t type; /* enum tw_proposal_type */
  union {
    tw_key_package_view add;
    tw_leaf_node update;
    uint32_t remove; /* leaf index */
    tw_psk_id psk;
    struct {
      tw_bytes group_id;
      uint16_t version;
      uint16_t cipher_suite;
      tw_bytes extensions; /* list */
    } reinit;
    tw_bytes external_init;            /* kem_output */
    tw_bytes group_context_extensions; /* list */
    struct {
      uint16_t component_id;
      uint8_t op; /* enum tw_app_data_operation */
      tw_bytes update;
    } app_data_update;
    struct {
      uint16_t component_id;
      tw_bytes data;
    } app_ephemeral;
  } u;
  tw_bytes encoded; /* with its type */
} tw_proposal;

/* An unknown type is TW_ERR_UNSUPPORTED: its end cannot be found. */
tw_proposal tw_read_proposal(tw_reader *r);
TW_MUST_USE tw_err tw_proposal_decode(tw_bytes encoded, tw_proposal *out);
/* Whether a commit that contains this type needs a path (section 12.4 and the extensions' registry). */
bool tw_proposal_needs_path(uint16_t type);

void tw_write_proposal_add(tw_writer *w, tw_bytes key_package);
void tw_write_proposal_update(tw_writer *w, tw_bytes leaf_node);
void tw_write_proposal_remove(tw_writer *w, uint32_t leaf_index);
void tw_write_proposal_psk(tw_writer *w, const tw_psk_id *id);
void tw_write_proposal_reinit(tw_writer *w, tw_bytes group_id, uint16_t cipher_suite, tw_bytes extensions);
void tw_write_proposal_external_init(tw_writer *w, tw_bytes kem_output);
void tw_write_proposal_group_context_extensions(tw_writer *w, tw_bytes extensions);
void tw_write_proposal_app_data_update(tw_writer *w, uint16_t component_id, tw_bytes update);
void tw_write_proposal_app_data_remove(tw_writer *w, uint16_t component_id);
void tw_write_proposal_app_ephemeral(tw_writer *w, uint16_t component_id, tw_bytes data);
void tw_write_proposal_self_remove(tw_writer *w);

#endif

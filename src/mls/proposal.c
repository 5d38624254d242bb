/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/proposal.h"

/*
 * struct AppDataUpdate { uint16 component_id; uint8 op; select: update 1: opaque update<V>; remove 2: nothing; },
 * extensions draft
 */
static void read_app_data_update(tw_reader *r, tw_proposal *out) {
  out->u.app_data_update.component_id = tw_read_u16(r);
  out->u.app_data_update.op = tw_read_u8(r);
  if (out->u.app_data_update.op == TW_APP_DATA_UPDATE) {
    out->u.app_data_update.update = tw_read_vector(r);
  } else if (out->u.app_data_update.op != TW_APP_DATA_REMOVE) {
    tw_reader_fail(r, TW_ERR_ENCODING);
  }
}

/*
 * struct ReInit { opaque group_id<V>; uint16 version; uint16 cipher_suite; Extension extensions<V>; }, section 12.1.5
 */
static void read_reinit(tw_reader *r, tw_proposal *out) {
  out->u.reinit.group_id = tw_read_vector(r);
  out->u.reinit.version = tw_read_u16(r);
  out->u.reinit.cipher_suite = tw_read_u16(r);
  out->u.reinit.extensions = tw_read_extensions(r);
}

/* struct AppEphemeral { uint16 component_id; opaque data<V>; }, extensions draft */
static void read_app_ephemeral(tw_reader *r, tw_proposal *out) {
  out->u.app_ephemeral.component_id = tw_read_u16(r);
  out->u.app_ephemeral.data = tw_read_vector(r);
}

static void read_body(tw_reader *r, tw_proposal *out) {
  switch (out->type) {
  case TW_PROPOSAL_ADD: out->u.add = tw_read_key_package(r); break;
  case TW_PROPOSAL_UPDATE: out->u.update = tw_read_leaf_node(r); break;
  case TW_PROPOSAL_REMOVE: out->u.remove = tw_read_u32(r); break;
  case TW_PROPOSAL_PSK: out->u.psk = tw_read_psk_id(r); break;
  case TW_PROPOSAL_REINIT: read_reinit(r, out); break;
  case TW_PROPOSAL_EXTERNAL_INIT: out->u.external_init = tw_read_vector(r); break;
  case TW_PROPOSAL_GROUP_CONTEXT_EXTENSIONS: out->u.group_context_extensions = tw_read_extensions(r); break;
  case TW_PROPOSAL_APP_DATA_UPDATE: read_app_data_update(r, out); break;
  case TW_PROPOSAL_APP_EPHEMERAL: read_app_ephemeral(r, out); break;
  case TW_PROPOSAL_SELF_REMOVE: break;
  default: tw_reader_fail(r, TW_ERR_UNSUPPORTED); break;
  }
}

/*
 * struct Proposal { uint16 proposal_type; select by type: the structure of section 12.1.x or of the extensions draft;
 * }
 */
tw_proposal tw_read_proposal(tw_reader *r) {
  const uint8_t *start = r->ptr;
  tw_proposal out = {0};
  out.type = tw_read_u16(r);
  read_body(r, &out);
  out.encoded = tw_reader_since(r, start);
  if (tw_reader_err(r) != TW_OK) return (tw_proposal){0};
  return out;
}

tw_err tw_proposal_decode(tw_bytes encoded, tw_proposal *out) {
  tw_reader r = tw_reader_of(encoded);
  const tw_proposal proposal = tw_read_proposal(&r);
  TW_TRY(tw_reader_end(&r));
  *out = proposal;
  return TW_OK;
}

bool tw_proposal_needs_path(uint16_t type) {
  switch (type) {
  case TW_PROPOSAL_ADD:
  case TW_PROPOSAL_PSK:
  case TW_PROPOSAL_REINIT:
  case TW_PROPOSAL_APP_DATA_UPDATE:
  case TW_PROPOSAL_APP_EPHEMERAL: return false;
  default: return true;
  }
}

void tw_write_proposal_add(tw_writer *w, tw_bytes key_package) {
  tw_write_u16(w, TW_PROPOSAL_ADD);
  tw_write_fixed(w, key_package);
}

void tw_write_proposal_update(tw_writer *w, tw_bytes leaf_node) {
  tw_write_u16(w, TW_PROPOSAL_UPDATE);
  tw_write_fixed(w, leaf_node);
}

void tw_write_proposal_remove(tw_writer *w, uint32_t leaf_index) {
  tw_write_u16(w, TW_PROPOSAL_REMOVE);
  tw_write_u32(w, leaf_index);
}

void tw_write_proposal_psk(tw_writer *w, const tw_psk_id *id) {
  tw_write_u16(w, TW_PROPOSAL_PSK);
  tw_write_psk_id(w, id);
}

void tw_write_proposal_reinit(tw_writer *w, tw_bytes group_id, uint16_t cipher_suite, tw_bytes extensions) {
  tw_write_u16(w, TW_PROPOSAL_REINIT);
  tw_write_vector(w, group_id);
  tw_write_u16(w, TW_MLS10);
  tw_write_u16(w, cipher_suite);
  tw_write_vector(w, extensions);
}

void tw_write_proposal_external_init(tw_writer *w, tw_bytes kem_output) {
  tw_write_u16(w, TW_PROPOSAL_EXTERNAL_INIT);
  tw_write_vector(w, kem_output);
}

void tw_write_proposal_group_context_extensions(tw_writer *w, tw_bytes extensions) {
  tw_write_u16(w, TW_PROPOSAL_GROUP_CONTEXT_EXTENSIONS);
  tw_write_vector(w, extensions);
}

void tw_write_proposal_app_data_update(tw_writer *w, uint16_t component_id, tw_bytes update) {
  tw_write_u16(w, TW_PROPOSAL_APP_DATA_UPDATE);
  tw_write_u16(w, component_id);
  tw_write_u8(w, TW_APP_DATA_UPDATE);
  tw_write_vector(w, update);
}

void tw_write_proposal_app_data_remove(tw_writer *w, uint16_t component_id) {
  tw_write_u16(w, TW_PROPOSAL_APP_DATA_UPDATE);
  tw_write_u16(w, component_id);
  tw_write_u8(w, TW_APP_DATA_REMOVE);
}

void tw_write_proposal_app_ephemeral(tw_writer *w, uint16_t component_id, tw_bytes data) {
  tw_write_u16(w, TW_PROPOSAL_APP_EPHEMERAL);
  tw_write_u16(w, component_id);
  tw_write_vector(w, data);
}

void tw_write_proposal_self_remove(tw_writer *w) { tw_write_u16(w, TW_PROPOSAL_SELF_REMOVE); }

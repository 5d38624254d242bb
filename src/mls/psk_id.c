/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/proposal.h"

/*
 * struct PreSharedKeyID {
 *   uint8 psktype;
 *   select: external 1: opaque psk_id<V>; resumption 2: uint8 usage; opaque psk_group_id<V>; uint64 psk_epoch;
 *           application 3: uint16 component_id; opaque psk_id<V>;
 *   opaque psk_nonce<V>;
 * }                                                                          section 8.4, draft-ietf-mls-extensions
 */
tw_psk_id tw_read_psk_id(tw_reader *r) {
  const uint8_t *start = r->ptr;
  tw_psk_id out = {0};
  out.type = tw_read_u8(r);
  switch (out.type) {
  case TW_PSK_EXTERNAL: out.id = tw_read_vector(r); break;
  case TW_PSK_RESUMPTION:
    out.usage = tw_read_u8(r);
    if (out.usage < TW_RESUMPTION_APPLICATION || out.usage > TW_RESUMPTION_BRANCH) tw_reader_fail(r, TW_ERR_ENCODING);
    out.group_id = tw_read_vector(r);
    out.epoch = tw_read_u64(r);
    break;
  case TW_PSK_APPLICATION:
    out.component_id = tw_read_u16(r);
    out.id = tw_read_vector(r);
    break;
  case 0: tw_reader_fail(r, TW_ERR_ENCODING); break;
  default: tw_reader_fail(r, TW_ERR_UNSUPPORTED); break;
  }
  out.nonce = tw_read_vector(r);
  out.encoded = tw_reader_since(r, start);
  if (tw_reader_err(r) != TW_OK) return (tw_psk_id){0};
  return out;
}

bool tw_psk_id_next(tw_reader *walk, tw_psk_id *out) {
  if (!tw_reader_more(walk)) return false;
  const tw_psk_id next = tw_read_psk_id(walk);
  if (tw_reader_err(walk) != TW_OK) return false;
  *out = next;
  return true;
}

void tw_write_psk_id(tw_writer *w, const tw_psk_id *id) {
  tw_write_u8(w, id->type);
  switch (id->type) {
  case TW_PSK_EXTERNAL: tw_write_vector(w, id->id); break;
  case TW_PSK_RESUMPTION:
    tw_write_u8(w, id->usage);
    tw_write_vector(w, id->group_id);
    tw_write_u64(w, id->epoch);
    break;
  case TW_PSK_APPLICATION:
    tw_write_u16(w, id->component_id);
    tw_write_vector(w, id->id);
    break;
  default: tw_writer_fail(w, TW_ERR_ARGUMENT); break;
  }
  tw_write_vector(w, id->nonce);
}

bool tw_psk_id_same(const tw_psk_id *a, const tw_psk_id *b) {
  return a->type == b->type && a->component_id == b->component_id && a->usage == b->usage && a->epoch == b->epoch &&
         tw_bytes_equal(a->id, b->id) && tw_bytes_equal(a->group_id, b->group_id);
}

/* Proposals that a caller collects: RFC 9420 section 12.1. SPDX-License-Identifier: Apache-2.0 */
#include "mls/group.h"

tw_err tw_propose_add(tw_buf *proposals, tw_bytes key_package_message) {
  tw_reader r = tw_reader_of(key_package_message);
  if (tw_read_u16(&r) != TW_MLS10) tw_reader_fail(&r, TW_ERR_UNSUPPORTED);
  if (tw_read_u16(&r) != TW_WIRE_KEY_PACKAGE) tw_reader_fail(&r, TW_ERR_UNEXPECTED);
  const tw_bytes key_package = tw_read_rest(&r);
  TW_TRY(tw_reader_end(&r));
  tw_key_package_view view;
  TW_TRY(tw_key_package_decode(key_package, &view));
  tw_writer w = tw_writer_to(proposals);
  tw_write_proposal_add(&w, key_package);
  return tw_writer_end(&w);
}

tw_err tw_propose_remove(tw_buf *proposals, uint32_t leaf_index) {
  tw_writer w = tw_writer_to(proposals);
  tw_write_proposal_remove(&w, leaf_index);
  return tw_writer_end(&w);
}

tw_err tw_propose_psk(const tw_group *group, tw_buf *proposals, const tw_psk_query *psk) {
  if (psk->type < TW_PSK_EXTERNAL || psk->type > TW_PSK_APPLICATION) return TW_ERR_ARGUMENT;
  if (psk->type == TW_PSK_RESUMPTION && psk->usage != TW_RESUMPTION_APPLICATION) return TW_ERR_ARGUMENT;
  uint8_t nonce[TW_HASH_MAX];
  TW_TRY(tw_random(group->env, nonce, group->suite->hash->size));
  const tw_psk_id id = {
      .type = psk->type,
      .id = psk->psk_id,
      .component_id = psk->component_id,
      .usage = psk->usage,
      .group_id = psk->psk_group_id,
      .epoch = psk->psk_epoch,
      .nonce = tw_group_hash_bytes(group, nonce),
  };
  tw_writer w = tw_writer_to(proposals);
  tw_write_proposal_psk(&w, &id);
  return tw_writer_end(&w);
}

tw_err tw_propose_reinit(const tw_group *group, tw_buf *proposals, tw_bytes new_group_id, const tw_suite *suite,
                         tw_bytes extensions) {
  tw_writer w = tw_writer_to(proposals);
  tw_write_proposal_reinit(&w, new_group_id, tw_suite_id(group->env, suite), extensions);
  return tw_writer_end(&w);
}

tw_err tw_propose_extensions(tw_buf *proposals, tw_bytes extensions) {
  tw_writer w = tw_writer_to(proposals);
  tw_write_proposal_group_context_extensions(&w, extensions);
  return tw_writer_end(&w);
}

tw_err tw_propose_app_data_update(tw_buf *proposals, uint16_t component_id, tw_bytes update) {
  tw_writer w = tw_writer_to(proposals);
  tw_write_proposal_app_data_update(&w, component_id, update);
  return tw_writer_end(&w);
}

tw_err tw_propose_app_data_remove(tw_buf *proposals, uint16_t component_id) {
  tw_writer w = tw_writer_to(proposals);
  tw_write_proposal_app_data_remove(&w, component_id);
  return tw_writer_end(&w);
}

tw_err tw_propose_app_ephemeral(tw_buf *proposals, uint16_t component_id, tw_bytes data) {
  tw_writer w = tw_writer_to(proposals);
  tw_write_proposal_app_ephemeral(&w, component_id, data);
  return tw_writer_end(&w);
}

tw_err tw_propose_self_remove(tw_buf *proposals) {
  tw_writer w = tw_writer_to(proposals);
  tw_write_proposal_self_remove(&w);
  return tw_writer_end(&w);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "pair/binding.h"

#include "codec/reader.h"
#include "codec/writer.h"
#include "crypto/crypto.h"

/* struct { opaque label<V>; opaque parameters<V>; } ChannelBinding, docs/protocols.md (D7) */
tw_err tw_channel_binding_decode(tw_bytes data, tw_channel_binding *out) {
  tw_reader r = tw_reader_of(data);
  tw_channel_binding binding;
  binding.label = tw_read_vector(&r);
  binding.parameters = tw_read_vector(&r);
  if (tw_reader_end(&r) != TW_OK) return TW_ERR_BINDING;
  if (binding.label.len == 0 || binding.label.len > TW_PAIR_LABEL_MAX) return TW_ERR_BINDING;
  if (binding.parameters.len > TW_PAIR_PARAMETERS_MAX) return TW_ERR_BINDING;
  *out = binding;
  return TW_OK;
}

tw_err tw_channel_binding_encode(const tw_channel_binding *binding, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  tw_write_vector(&w, binding->label);
  tw_write_vector(&w, binding->parameters);
  return tw_writer_end(&w);
}

tw_err tw_channel_binding_check(const tw_env *env, tw_bytes extensions, tw_bytes label, tw_bytes *data,
                                tw_channel_binding *out) {
  const uint16_t component = tw_env_code_points(env)->channel_binding_component;
  tw_bytes found;
  if (!tw_component_lookup(extensions, component, &found)) return TW_ERR_BINDING;
  tw_channel_binding binding;
  TW_TRY(tw_channel_binding_decode(found, &binding));
  if (!tw_bytes_equal(binding.label, label)) return TW_ERR_BINDING;
  if (data != NULL) *data = found;
  if (out != NULL) *out = binding;
  return TW_OK;
}

/* struct { ChannelBinding responder; opaque key_package_ref<V>; } GroupBinding (D7) */
tw_err tw_group_binding_encode(tw_bytes responder, tw_bytes key_package_ref, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  tw_write_fixed(&w, responder);
  tw_write_vector(&w, key_package_ref);
  return tw_writer_end(&w);
}

tw_err tw_group_binding_check(const tw_env *env, tw_bytes extensions, tw_bytes responder, tw_bytes *key_package_ref) {
  tw_bytes found;
  if (!tw_component_lookup(extensions, tw_env_code_points(env)->channel_binding_component, &found))
    return TW_ERR_BINDING;
  tw_reader r = tw_reader_of(found);
  const tw_bytes of_context = tw_read_fixed(&r, responder.len);
  const tw_bytes reference = tw_read_vector(&r);
  if (tw_reader_end(&r) != TW_OK || !tw_bytes_equal(of_context, responder)) return TW_ERR_BINDING;
  *key_package_ref = reference;
  return TW_OK;
}

tw_err tw_channel_binding_group_id(const tw_env *env, tw_bytes label, tw_buf *out) {
  uint8_t drawn[TW_PAIR_GROUP_ID_RANDOM];
  TW_TRY(tw_random(env, drawn, sizeof drawn));
  tw_writer w = tw_writer_to(out);
  tw_write_fixed(&w, label);
  tw_write_fixed(&w, TW_ARRAY(drawn));
  return tw_writer_end(&w);
}

tw_err tw_channel_binding_check_group_id(tw_bytes group_id, tw_bytes label) {
  if (group_id.len != label.len + TW_PAIR_GROUP_ID_RANDOM) return TW_ERR_BINDING;
  return tw_bytes_equal(TW_BYTES(group_id.ptr, label.len), label) ? TW_OK : TW_ERR_BINDING;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/extension.h"

/*
 * struct Capabilities {
 *   uint16 versions<V>; uint16 cipher_suites<V>; uint16 extensions<V>; uint16 proposals<V>; uint16 credentials<V>;
 * }                                                                                                     section 7.2
 */
tw_capabilities tw_read_capabilities(tw_reader *r) {
  tw_capabilities out;
  out.versions = tw_read_u16_list(r);
  out.cipher_suites = tw_read_u16_list(r);
  out.extensions = tw_read_u16_list(r);
  out.proposals = tw_read_u16_list(r);
  out.credentials = tw_read_u16_list(r);
  if (tw_reader_err(r) != TW_OK) return (tw_capabilities){0};
  return out;
}

void tw_write_capabilities(tw_writer *w, const tw_capabilities *capabilities) {
  tw_write_vector(w, capabilities->versions);
  tw_write_vector(w, capabilities->cipher_suites);
  tw_write_vector(w, capabilities->extensions);
  tw_write_vector(w, capabilities->proposals);
  tw_write_vector(w, capabilities->credentials);
}

/*
 * struct RequiredCapabilities { uint16 extension_types<V>; uint16 proposal_types<V>; uint16 credential_types<V>; },
 * section 11.1
 */
tw_err tw_required_capabilities_decode(tw_bytes data, tw_required_capabilities *out) {
  tw_reader r = tw_reader_of(data);
  tw_required_capabilities required;
  required.extensions = tw_read_u16_list(&r);
  required.proposals = tw_read_u16_list(&r);
  required.credentials = tw_read_u16_list(&r);
  TW_TRY(tw_reader_end(&r));
  *out = required;
  return TW_OK;
}

void tw_write_required_capabilities(tw_writer *w, const tw_required_capabilities *required) {
  tw_write_vector(w, required->extensions);
  tw_write_vector(w, required->proposals);
  tw_write_vector(w, required->credentials);
}

tw_err tw_capabilities_meet(const tw_capabilities *capabilities, tw_bytes group_context_extensions) {
  if (!tw_u16_list_covers_extensions(capabilities->extensions, group_context_extensions)) return TW_ERR_CAPABILITY;
  tw_bytes data;
  if (!tw_extension_find(group_context_extensions, TW_EXTENSION_REQUIRED_CAPABILITIES, &data)) return TW_OK;
  tw_required_capabilities required;
  TW_TRY(tw_required_capabilities_decode(data, &required));
  const bool met = tw_u16_list_covers(capabilities->extensions, required.extensions, tw_extension_is_default) &&
                   tw_u16_list_covers(capabilities->proposals, required.proposals, tw_proposal_is_default) &&
                   tw_u16_list_covers(capabilities->credentials, required.credentials, NULL);
  return met ? TW_OK : TW_ERR_CAPABILITY;
}

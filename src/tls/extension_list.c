/* Extensions that are numbers and lists of numbers. SPDX-License-Identifier: Apache-2.0 */
#include "tls/extension.h"

/* struct { ProtocolVersion versions<2..254>; } SupportedVersions in ClientHello, section 4.2.1 */
tw_err tw_tls_read_versions(tw_bytes data, tw_bytes *versions) {
  tw_reader r = tw_reader_of(data);
  const tw_bytes list = tw_read_vector8(&r);
  TW_TRY(tw_reader_end(&r));
  if (list.len < 2 || list.len % 2 != 0) return TW_ERR_ENCODING;
  *versions = list;
  return TW_OK;
}

void tw_tls_write_versions(tw_writer *w, const uint16_t *versions, size_t count) {
  const tw_vector_mark extension = tw_tls_open_extension(w, TW_TLS_EXT_SUPPORTED_VERSIONS);
  tw_write_u8(w, (uint8_t)(2 * count));
  for (size_t i = 0; i < count; i++) tw_write_u16(w, versions[i]);
  tw_tls_close16(w, extension);
}

/*
 * struct { NamedGroup named_group_list<2..2^16-1>; } NamedGroupList, section 4.2.7
 * struct { SignatureScheme supported_signature_algorithms<2..2^16-2>; } SignatureSchemeList, section 4.2.3
 */
tw_err tw_tls_read_u16_list(tw_bytes data, tw_bytes *list) {
  tw_reader r = tw_reader_of(data);
  const tw_bytes read = tw_tls_read_list16(&r, 2, 2);
  TW_TRY(tw_reader_end(&r));
  *list = read;
  return TW_OK;
}

void tw_tls_write_u16_list(tw_writer *w, uint16_t type, const uint16_t *values, size_t count) {
  const tw_vector_mark extension = tw_tls_open_extension(w, type);
  const tw_vector_mark list = tw_tls_open16(w);
  for (size_t i = 0; i < count; i++) tw_write_u16(w, values[i]);
  tw_tls_close16(w, list);
  tw_tls_close16(w, extension);
}

/*
 * struct { ProtocolVersion selected_version; } SupportedVersions in ServerHello, section 4.2.1
 * uint16 RecordSizeLimit, RFC 8449 section 4
 */
tw_err tw_tls_read_one_u16(tw_bytes data, uint16_t *value) {
  tw_reader r = tw_reader_of(data);
  const uint16_t read = tw_read_u16(&r);
  TW_TRY(tw_reader_end(&r));
  *value = read;
  return TW_OK;
}

void tw_tls_write_one_u16(tw_writer *w, uint16_t type, uint16_t value) {
  const tw_vector_mark extension = tw_tls_open_extension(w, type);
  tw_write_u16(w, value);
  tw_tls_close16(w, extension);
}

bool tw_tls_list_has(tw_bytes list, uint16_t value) {
  tw_reader r = tw_reader_of(list);
  while (tw_reader_more(&r)) {
    if (tw_read_u16(&r) == value && tw_reader_err(&r) == TW_OK) return true;
  }
  return false;
}

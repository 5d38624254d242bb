/* server_name (RFC 6066 section 3) and application_layer_protocol_negotiation (RFC 7301). SPDX-License-Identifier: Apache-2.0 */
#include "tls/extension.h"

enum { HOST_NAME = 0 };

bool tw_tls_name_valid(tw_bytes name) {
  if (name.len == 0 || name.len > TW_TLS_NAME_MAX) return false;
  for (size_t i = 0; i < name.len; i++) {
    if (name.ptr[i] <= 0x20 || name.ptr[i] >= 0x7f) return false;
  }
  return true;
}

/*
 * struct { NameType name_type; select: host_name(0): opaque HostName<1..2^16-1>; } ServerName
 * struct { ServerName server_name_list<1..2^16-1>; } ServerNameList
 * There is no other type than host_name, and no way to skip one of unknown form.
 */
tw_err tw_tls_read_server_name(tw_bytes data, tw_bytes *name) {
  tw_reader outer = tw_reader_of(data);
  tw_reader r = tw_reader_of(tw_tls_read_list16(&outer, 1, 1));
  TW_TRY(tw_reader_end(&outer));
  const uint8_t type = tw_read_u8(&r);
  const tw_bytes host = tw_read_vector16(&r);
  TW_TRY(tw_reader_err(&r));
  if (host.len == 0) return TW_ERR_ENCODING;
  if (type != HOST_NAME || tw_reader_more(&r) || !tw_tls_name_valid(host)) return TW_ERR_FORBIDDEN;
  *name = host;
  return TW_OK;
}

void tw_tls_write_server_name(tw_writer *w, tw_bytes name) {
  const tw_vector_mark extension = tw_tls_open_extension(w, TW_TLS_EXT_SERVER_NAME);
  const tw_vector_mark list = tw_tls_open16(w);
  tw_write_u8(w, HOST_NAME);
  tw_write_vector16(w, name);
  tw_tls_close16(w, list);
  tw_tls_close16(w, extension);
}

static uint8_t lower(uint8_t c) { return (uint8_t)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); }

bool tw_tls_names_equal(tw_bytes a, tw_bytes b) {
  if (a.len != b.len) return false;
  for (size_t i = 0; i < a.len; i++) {
    if (lower(a.ptr[i]) != lower(b.ptr[i])) return false;
  }
  return true;
}

/* opaque ProtocolName<1..2^8-1>; struct { ProtocolName protocol_name_list<2..2^16-1>; } ProtocolNameList, RFC 7301 */
tw_err tw_tls_read_protocols(tw_bytes data, tw_bytes *protocols) {
  tw_reader outer = tw_reader_of(data);
  const tw_bytes list = tw_tls_read_list16(&outer, 2, 1);
  TW_TRY(tw_reader_end(&outer));
  tw_reader r = tw_reader_of(list);
  while (tw_reader_more(&r)) {
    if (tw_read_vector8(&r).len == 0) tw_reader_fail(&r, TW_ERR_ENCODING);
  }
  TW_TRY(tw_reader_end(&r));
  *protocols = list;
  return TW_OK;
}

bool tw_tls_next_protocol(tw_reader *r, tw_bytes *name) {
  if (!tw_reader_more(r)) return false;
  *name = tw_read_vector8(r);
  return tw_reader_err(r) == TW_OK;
}

bool tw_tls_protocols_have(tw_bytes protocols, tw_bytes name) {
  tw_reader r = tw_reader_of(protocols);
  tw_bytes one;
  while (tw_tls_next_protocol(&r, &one)) {
    if (tw_bytes_equal(one, name)) return true;
  }
  return false;
}

void tw_tls_write_protocols(tw_writer *w, const tw_bytes *names, size_t count) {
  const tw_vector_mark extension = tw_tls_open_extension(w, TW_TLS_EXT_ALPN);
  const tw_vector_mark list = tw_tls_open16(w);
  for (size_t i = 0; i < count; i++) tw_write_vector8(w, names[i]);
  tw_tls_close16(w, list);
  tw_tls_close16(w, extension);
}

/* key_share (RFC 8446 section 4.2.8) and cookie (section 4.2.2). SPDX-License-Identifier: Apache-2.0 */
#include "tls/extension.h"

/* struct { NamedGroup group; opaque key_exchange<1..2^16-1>; } KeyShareEntry */
static tw_tls_share read_share(tw_reader *r) {
  tw_tls_share share = {0};
  share.group = tw_read_u16(r);
  share.key_exchange = tw_read_vector16(r);
  if (tw_reader_err(r) == TW_OK && share.key_exchange.len == 0) tw_reader_fail(r, TW_ERR_ENCODING);
  return share;
}

/* struct { KeyShareEntry client_shares<0..2^16-1>; } KeyShareClientHello */
tw_err tw_tls_read_shares(tw_bytes data, tw_bytes *shares) {
  uint8_t seen[65536 / 8] = {0};
  tw_reader outer = tw_reader_of(data);
  const tw_bytes list = tw_read_vector16(&outer);
  TW_TRY(tw_reader_end(&outer));
  tw_reader r = tw_reader_of(list);
  while (tw_reader_more(&r)) {
    const uint16_t group = read_share(&r).group;
    const uint8_t bit = (uint8_t)(1u << (group & 7));
    if (tw_reader_err(&r) == TW_OK && (seen[group >> 3] & bit) != 0) return TW_ERR_FORBIDDEN;
    seen[group >> 3] |= bit;
  }
  TW_TRY(tw_reader_end(&r));
  *shares = list;
  return TW_OK;
}

bool tw_tls_next_share(tw_reader *r, tw_tls_share *share) {
  if (!tw_reader_more(r)) return false;
  *share = read_share(r);
  return tw_reader_err(r) == TW_OK;
}

bool tw_tls_shares_have(tw_bytes shares, uint16_t group) {
  tw_reader r = tw_reader_of(shares);
  tw_tls_share share;
  while (tw_tls_next_share(&r, &share)) {
    if (share.group == group) return true;
  }
  return false;
}

void tw_tls_write_shares(tw_writer *w, const tw_tls_share *shares, size_t count) {
  const tw_vector_mark extension = tw_tls_open_extension(w, TW_TLS_EXT_KEY_SHARE);
  const tw_vector_mark list = tw_tls_open16(w);
  for (size_t i = 0; i < count; i++) {
    tw_write_u16(w, shares[i].group);
    tw_write_vector16(w, shares[i].key_exchange);
  }
  tw_tls_close16(w, list);
  tw_tls_close16(w, extension);
}

/* struct { opaque cookie<1..2^16-1>; } Cookie */
tw_err tw_tls_read_cookie(tw_bytes data, tw_bytes *cookie) {
  tw_reader r = tw_reader_of(data);
  const tw_bytes read = tw_tls_read_list16(&r, 1, 1);
  TW_TRY(tw_reader_end(&r));
  *cookie = read;
  return TW_OK;
}

void tw_tls_write_cookie(tw_writer *w, tw_bytes cookie) {
  const tw_vector_mark extension = tw_tls_open_extension(w, TW_TLS_EXT_COOKIE);
  tw_write_vector16(w, cookie);
  tw_tls_close16(w, extension);
}

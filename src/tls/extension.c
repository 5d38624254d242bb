/* The block of extensions, and where each may stand. SPDX-License-Identifier: Apache-2.0 */
#include "tls/extension.h"

#include "crypto/crypto.h"

/* struct { ExtensionType extension_type; opaque extension_data<0..2^16-1>; } Extension, section 4.2 */
static tw_tls_extension read_extension(tw_reader *r) {
  tw_tls_extension out = {0};
  out.type = tw_read_u16(r);
  out.data = tw_read_vector16(r);
  return out;
}

void tw_tls_write_extension(tw_writer *w, uint16_t type, tw_bytes data) {
  tw_write_u16(w, type);
  tw_write_vector16(w, data);
}

tw_vector_mark tw_tls_open_extension(tw_writer *w, uint16_t type) {
  tw_write_u16(w, type);
  return tw_tls_open16(w);
}

tw_err tw_tls_extensions_check(tw_bytes block) {
  uint8_t seen[65536 / 8] = {0}; /* a block can have 16,383 of them: each against each would take too long */
  tw_reader r = tw_reader_of(block);
  while (tw_reader_more(&r)) {
    const uint16_t type = read_extension(&r).type;
    const uint8_t bit = (uint8_t)(1u << (type & 7));
    if (tw_reader_err(&r) == TW_OK && (seen[type >> 3] & bit) != 0) return TW_ERR_FORBIDDEN;
    seen[type >> 3] |= bit;
  }
  return tw_reader_end(&r);
}

bool tw_tls_next_extension(tw_reader *r, tw_tls_extension *out) {
  if (!tw_reader_more(r)) return false;
  *out = read_extension(r);
  return tw_reader_err(r) == TW_OK;
}

bool tw_tls_find_extension(tw_bytes block, uint16_t type, tw_bytes *data) {
  tw_reader r = tw_reader_of(block);
  tw_tls_extension extension;
  while (tw_tls_next_extension(&r, &extension)) {
    if (extension.type != type) continue;
    *data = extension.data;
    return true;
  }
  return false;
}

#define CH TW_TLS_IN_CLIENT_HELLO
#define SH TW_TLS_IN_SERVER_HELLO
#define RETRY TW_TLS_IN_RETRY
#define EE TW_TLS_IN_ENCRYPTED

/* The table of section 4.2, and max_fragment_length of RFC 6066, which it has no more. */
static const struct {
  uint16_t type;
  uint8_t places;
} places_of[] = {
    {TW_TLS_EXT_SERVER_NAME, CH | EE},
    {TW_TLS_EXT_MAX_FRAGMENT_LENGTH, CH | EE},
    {TW_TLS_EXT_STATUS_REQUEST, CH},
    {TW_TLS_EXT_SUPPORTED_GROUPS, CH | EE},
    {TW_TLS_EXT_SIGNATURE_ALGORITHMS, CH},
    {TW_TLS_EXT_USE_SRTP, CH | EE},
    {TW_TLS_EXT_HEARTBEAT, CH | EE},
    {TW_TLS_EXT_ALPN, CH | EE},
    {TW_TLS_EXT_CLIENT_CERTIFICATE_TYPE, CH | EE},
    {TW_TLS_EXT_SERVER_CERTIFICATE_TYPE, CH | EE},
    {TW_TLS_EXT_PADDING, CH},
    {TW_TLS_EXT_COMPRESS_CERTIFICATE, CH},
    {TW_TLS_EXT_RECORD_SIZE_LIMIT, CH | EE},
    {TW_TLS_EXT_DELEGATED_CREDENTIAL, CH},
    {TW_TLS_EXT_PRE_SHARED_KEY, CH | SH},
    {TW_TLS_EXT_EARLY_DATA, CH | EE},
    {TW_TLS_EXT_SUPPORTED_VERSIONS, CH | SH | RETRY},
    {TW_TLS_EXT_COOKIE, CH | RETRY},
    {TW_TLS_EXT_PSK_KEY_EXCHANGE_MODES, CH},
    {TW_TLS_EXT_CERTIFICATE_AUTHORITIES, CH},
    {TW_TLS_EXT_OID_FILTERS, 0},
    {TW_TLS_EXT_POST_HANDSHAKE_AUTH, CH},
    {TW_TLS_EXT_SIGNATURE_ALGORITHMS_CERT, CH},
    {TW_TLS_EXT_KEY_SHARE, CH | SH | RETRY},
    {TW_TLS_EXT_TRANSPARENCY_INFO, CH},
    {TW_TLS_EXT_QUIC_TRANSPORT_PARAMETERS, CH | EE},
    {TW_TLS_EXT_TICKET_REQUEST, CH | EE},
    {TW_TLS_EXT_ECH_OUTER_EXTENSIONS, 0},
    {TW_TLS_EXT_ENCRYPTED_CLIENT_HELLO, CH | RETRY | EE},
};

#undef CH
#undef SH
#undef RETRY
#undef EE

static tw_tls_place_of judge(unsigned places, tw_tls_place place) {
  return (places & (unsigned)place) != 0 ? TW_TLS_PLACE_RIGHT : TW_TLS_PLACE_WRONG;
}

tw_tls_place_of tw_tls_extension_place(const tw_env *env, uint16_t type, tw_tls_place place) {
  /* draft-housley-tls-using-mls-handshake, section 5: CH and SH, and in no other message. */
  if (type == tw_env_code_points(env)->tls_using_mls_handshake) {
    return judge(TW_TLS_IN_CLIENT_HELLO | TW_TLS_IN_SERVER_HELLO, place);
  }
  for (size_t i = 0; i < sizeof places_of / sizeof places_of[0]; i++) {
    if (places_of[i].type == type) return judge(places_of[i].places, place);
  }
  return TW_TLS_PLACE_UNKNOWN;
}

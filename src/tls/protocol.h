/* Code points of TLS 1.3: RFC 8446 and RFC 9846 sections 4 and B, RFC 8449, RFC 8701. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TLS_PROTOCOL_H
#define TW_TLS_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

/* ProtocolVersion */
enum { TW_TLS_VERSION_12 = 0x0303, TW_TLS_VERSION_13 = 0x0304 };

/* HandshakeType, section 4; mls_handshake is tw_code_points.mls_handshake_type */
enum tw_tls_handshake_type {
  TW_TLS_CLIENT_HELLO = 1,
  TW_TLS_SERVER_HELLO = 2, /* HelloRetryRequest too */
  TW_TLS_NEW_SESSION_TICKET = 4,
  TW_TLS_END_OF_EARLY_DATA = 5,
  TW_TLS_ENCRYPTED_EXTENSIONS = 8,
  TW_TLS_CERTIFICATE = 11,
  TW_TLS_CERTIFICATE_REQUEST = 13,
  TW_TLS_CERTIFICATE_VERIFY = 15,
  TW_TLS_FINISHED = 20,
  TW_TLS_KEY_UPDATE = 24,
  TW_TLS_MESSAGE_HASH = 254
};

/* ExtensionType, section 4.2; tls_using_mls_handshake is tw_code_points.tls_using_mls_handshake */
enum tw_tls_extension_type {
  TW_TLS_EXT_SERVER_NAME = 0,
  TW_TLS_EXT_MAX_FRAGMENT_LENGTH = 1,
  TW_TLS_EXT_STATUS_REQUEST = 5,
  TW_TLS_EXT_SUPPORTED_GROUPS = 10,
  TW_TLS_EXT_SIGNATURE_ALGORITHMS = 13,
  TW_TLS_EXT_USE_SRTP = 14,
  TW_TLS_EXT_HEARTBEAT = 15,
  TW_TLS_EXT_ALPN = 16,
  TW_TLS_EXT_CLIENT_CERTIFICATE_TYPE = 19,
  TW_TLS_EXT_SERVER_CERTIFICATE_TYPE = 20,
  TW_TLS_EXT_PADDING = 21,
  TW_TLS_EXT_COMPRESS_CERTIFICATE = 27,
  TW_TLS_EXT_RECORD_SIZE_LIMIT = 28,
  TW_TLS_EXT_DELEGATED_CREDENTIAL = 34,
  TW_TLS_EXT_PRE_SHARED_KEY = 41,
  TW_TLS_EXT_EARLY_DATA = 42,
  TW_TLS_EXT_SUPPORTED_VERSIONS = 43,
  TW_TLS_EXT_COOKIE = 44,
  TW_TLS_EXT_PSK_KEY_EXCHANGE_MODES = 45,
  TW_TLS_EXT_CERTIFICATE_AUTHORITIES = 47,
  TW_TLS_EXT_OID_FILTERS = 48,
  TW_TLS_EXT_POST_HANDSHAKE_AUTH = 49,
  TW_TLS_EXT_SIGNATURE_ALGORITHMS_CERT = 50,
  TW_TLS_EXT_KEY_SHARE = 51,
  TW_TLS_EXT_TRANSPARENCY_INFO = 52,
  TW_TLS_EXT_QUIC_TRANSPORT_PARAMETERS = 57,
  TW_TLS_EXT_TICKET_REQUEST = 58,
  TW_TLS_EXT_ECH_OUTER_EXTENSIONS = 64768,
  TW_TLS_EXT_ENCRYPTED_CLIENT_HELLO = 65037
};

/* NamedGroup, section 4.2.7: those that our ClientHello offers */
enum tw_tls_group { TW_TLS_SECP256R1 = 0x0017, TW_TLS_SECP384R1 = 0x0018, TW_TLS_X25519 = 0x001d };

enum {
  TW_TLS_RANDOM = 32,
  TW_TLS_SESSION_ID_MAX = 32,
  TW_TLS_RECORD_SIZE_LIMIT_MIN = 64,   /* RFC 8449 section 4 */
  TW_TLS_RECORD_SIZE_LIMIT_MAX = 16385 /* content, its type and padding */
};

/* ServerHello.random of a HelloRetryRequest, section 4.1.3 */
extern const uint8_t tw_tls_retry_random[TW_TLS_RANDOM];

/* RFC 8701: 0x0A0A, 0x1A1A, … 0xFAFA (MLS leaves 0xFAFA out, hence not tw_is_grease). */
static inline bool tw_tls_is_grease(uint16_t value) {
  return (value & 0x0f0f) == 0x0a0a && (value >> 8) == (value & 0xff);
}

#endif

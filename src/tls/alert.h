/* Alerts of a TLS handshake: RFC 8446 section 6. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TLS_ALERT_H
#define TW_TLS_ALERT_H

#include <stdint.h>

#include <treewire/err.h>

/* enum AlertDescription, those that a handshake ends with */
enum tw_tls_alert {
  TW_TLS_ALERT_UNEXPECTED_MESSAGE = 10,
  TW_TLS_ALERT_HANDSHAKE_FAILURE = 40,
  TW_TLS_ALERT_BAD_CERTIFICATE = 42,
  TW_TLS_ALERT_UNSUPPORTED_CERTIFICATE = 43,
  TW_TLS_ALERT_CERTIFICATE_REVOKED = 44,
  TW_TLS_ALERT_CERTIFICATE_EXPIRED = 45,
  TW_TLS_ALERT_ILLEGAL_PARAMETER = 47,
  TW_TLS_ALERT_UNKNOWN_CA = 48,
  TW_TLS_ALERT_ACCESS_DENIED = 49,
  TW_TLS_ALERT_DECODE_ERROR = 50,
  TW_TLS_ALERT_DECRYPT_ERROR = 51,
  TW_TLS_ALERT_PROTOCOL_VERSION = 70,
  TW_TLS_ALERT_INTERNAL_ERROR = 80,
  TW_TLS_ALERT_MISSING_EXTENSION = 109,
  TW_TLS_ALERT_UNSUPPORTED_EXTENSION = 110,
  TW_TLS_ALERT_UNRECOGNIZED_NAME = 112,
  TW_TLS_ALERT_NO_APPLICATION_PROTOCOL = 120
};

/* The alert for an error that names none of its own: what a codec, the pair or a resource reports. */
uint8_t tw_tls_alert_of(tw_err err);

#endif

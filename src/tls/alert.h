/* Alerts: RFC 8446 section 6, RFC 9846 section 6. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TLS_ALERT_H
#define TW_TLS_ALERT_H

#include <stdint.h>

#include <treewire/err.h>

/* enum AlertDescription: those that are sent or told apart, by a handshake or in a channel. */
enum tw_alert {
  TW_ALERT_CLOSE_NOTIFY = 0,
  TW_ALERT_UNEXPECTED_MESSAGE = 10,
  TW_ALERT_BAD_RECORD_MAC = 20,
  TW_ALERT_RECORD_OVERFLOW = 22,
  TW_ALERT_HANDSHAKE_FAILURE = 40,
  TW_ALERT_BAD_CERTIFICATE = 42,
  TW_ALERT_UNSUPPORTED_CERTIFICATE = 43,
  TW_ALERT_CERTIFICATE_REVOKED = 44,
  TW_ALERT_CERTIFICATE_EXPIRED = 45,
  TW_ALERT_ILLEGAL_PARAMETER = 47,
  TW_ALERT_UNKNOWN_CA = 48,
  TW_ALERT_ACCESS_DENIED = 49,
  TW_ALERT_DECODE_ERROR = 50,
  TW_ALERT_DECRYPT_ERROR = 51,
  TW_ALERT_PROTOCOL_VERSION = 70,
  TW_ALERT_INTERNAL_ERROR = 80,
  TW_ALERT_USER_CANCELED = 90,
  TW_ALERT_MISSING_EXTENSION = 109,
  TW_ALERT_UNSUPPORTED_EXTENSION = 110,
  TW_ALERT_UNRECOGNIZED_NAME = 112,
  TW_ALERT_UNKNOWN_PSK_IDENTITY = 115,
  TW_ALERT_NO_APPLICATION_PROTOCOL = 120
};

/* The alert for an error that names none of its own: what a codec, the pair or a resource reports. */
uint8_t tw_tls_alert_of(tw_err err);

#endif

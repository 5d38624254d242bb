/* Errors and alerts: RFC 8446 section 6. SPDX-License-Identifier: Apache-2.0 */
#include "channel/channel_internal.h"

/* What a TLS handshake cannot meet, or means otherwise by it; the rest is as there. */
uint8_t tw_channel_alert_of(tw_err reason) {
  switch (reason) {
  case TW_OK: return TW_ALERT_CLOSE_NOTIFY;
  case TW_ERR_OLD_EPOCH:
  case TW_ERR_FUTURE_EPOCH:
  case TW_ERR_OWN_MESSAGE: return TW_ALERT_UNEXPECTED_MESSAGE;
  case TW_ERR_NO_SESSION: return TW_ALERT_UNKNOWN_PSK_IDENTITY;
  case TW_ERR_APART: return TW_ALERT_HANDSHAKE_FAILURE;
  case TW_ERR_STATE: return TW_ALERT_INTERNAL_ERROR; /* a call of ours, not a message */
  default: return tw_tls_alert_of(reason);
  }
}

const char *tw_channel_alert_name(uint8_t alert) {
  static const struct {
    uint8_t alert;
    const char *name;
  } names[] = {
      {0, "close_notify"},
      {10, "unexpected_message"},
      {20, "bad_record_mac"},
      {22, "record_overflow"},
      {40, "handshake_failure"},
      {42, "bad_certificate"},
      {43, "unsupported_certificate"},
      {44, "certificate_revoked"},
      {45, "certificate_expired"},
      {46, "certificate_unknown"},
      {47, "illegal_parameter"},
      {48, "unknown_ca"},
      {49, "access_denied"},
      {50, "decode_error"},
      {51, "decrypt_error"},
      {70, "protocol_version"},
      {71, "insufficient_security"},
      {80, "internal_error"},
      {86, "inappropriate_fallback"},
      {90, "user_canceled"},
      {109, "missing_extension"},
      {110, "unsupported_extension"},
      {112, "unrecognized_name"},
      {113, "bad_certificate_status_response"},
      {115, "unknown_psk_identity"},
      {116, "certificate_required"},
      {117, "general_error"},
      {120, "no_application_protocol"},
  };
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (names[i].alert == alert) return names[i].name;
  }
  return "unknown";
}

/* Errors and alerts: RFC 8446 section 6.2, docs/protocols.md. SPDX-License-Identifier: Apache-2.0 */
#include "tls/alert.h"

/* Where errors of one class need different alerts; 0: the class decides. */
static uint8_t alert_of_one(tw_err err) {
  switch (err) {
  case TW_ERR_UNEXPECTED:
  case TW_ERR_STATE: return TW_ALERT_UNEXPECTED_MESSAGE;
  case TW_ERR_UNSUPPORTED:
  case TW_ERR_CAPABILITY:
  case TW_ERR_BINDING: return TW_ALERT_HANDSHAKE_FAILURE;
  case TW_ERR_CREDENTIAL: return TW_ALERT_ACCESS_DENIED;
  case TW_ERR_CERTIFICATE: return TW_ALERT_BAD_CERTIFICATE;
  case TW_ERR_CERTIFICATE_USE: return TW_ALERT_UNSUPPORTED_CERTIFICATE;
  case TW_ERR_CERTIFICATE_REVOKED: return TW_ALERT_CERTIFICATE_REVOKED;
  case TW_ERR_UNKNOWN_CA: return TW_ALERT_UNKNOWN_CA;
  case TW_ERR_CERTIFICATE_EXPIRED:
  case TW_ERR_LIFETIME: return TW_ALERT_CERTIFICATE_EXPIRED;
  case TW_ERR_KEY:
  case TW_ERR_LIMIT: return TW_ALERT_ILLEGAL_PARAMETER;
  default: return 0;
  }
}

uint8_t tw_tls_alert_of(tw_err err) {
  const uint8_t one = alert_of_one(err);
  if (one != 0) return one;
  switch (tw_err_class_of(err)) {
  case TW_CLASS_MALFORMED: return TW_ALERT_DECODE_ERROR;
  case TW_CLASS_FORBIDDEN:
  case TW_CLASS_STALE:
  case TW_CLASS_DUPLICATE:
  case TW_CLASS_RESYNC: return TW_ALERT_ILLEGAL_PARAMETER;
  case TW_CLASS_CRYPTO: return TW_ALERT_DECRYPT_ERROR;
  default: return TW_ALERT_INTERNAL_ERROR;
  }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <treewire/err.h>

tw_err_class tw_err_class_of(tw_err err) { return (tw_err_class)((unsigned)err >> 8); }

const char *tw_err_text(tw_err err) {
  switch (err) {
  case TW_OK: return "success";
  case TW_ERR_TRUNCATED: return "message is truncated";
  case TW_ERR_TRAILING: return "message has trailing bytes";
  case TW_ERR_ENCODING: return "message has an invalid value";
  case TW_ERR_FORBIDDEN: return "forbidden by the protocol";
  case TW_ERR_UNSUPPORTED: return "version, cipher suite or type is not supported";
  case TW_ERR_CREDENTIAL: return "credential was refused";
  case TW_ERR_CERTIFICATE: return "certificate is not valid";
  case TW_ERR_CERTIFICATE_USE: return "certificate is for another use";
  case TW_ERR_CERTIFICATE_EXPIRED: return "certificate has expired or is not valid yet";
  case TW_ERR_CERTIFICATE_REVOKED: return "certificate was revoked";
  case TW_ERR_UNKNOWN_CA: return "certificate is from no CA that is trusted";
  case TW_ERR_LIFETIME: return "key package is outside its lifetime";
  case TW_ERR_CAPABILITY: return "a required capability is missing";
  case TW_ERR_TREE: return "ratchet tree or update path is invalid";
  case TW_ERR_PROPOSAL: return "proposal or proposal list is invalid";
  case TW_ERR_SENDER: return "sender may not send this";
  case TW_ERR_KEY_REUSED: return "a key that must be fresh is reused";
  case TW_ERR_WRONG_GROUP: return "message is for another group or client";
  case TW_ERR_BINDING: return "channel binding does not match";
  case TW_ERR_REMOVED: return "removed from the group";
  case TW_ERR_UNEXPECTED: return "unexpected message";
  case TW_ERR_SIGNATURE: return "signature does not verify";
  case TW_ERR_MAC: return "authentication tag does not verify";
  case TW_ERR_DECRYPT: return "decryption failed";
  case TW_ERR_KEY: return "invalid key";
  case TW_ERR_STATE: return "not allowed in this state";
  case TW_ERR_PENDING: return "a commit is outstanding";
  case TW_ERR_CLOSED: return "closed";
  case TW_ERR_ALERT: return "ended by the peer's alert";
  case TW_ERR_OLD_EPOCH: return "message is for an old epoch";
  case TW_ERR_OLD_GENERATION: return "message key is too old";
  case TW_ERR_DUPLICATE: return "message was processed before";
  case TW_ERR_OWN_MESSAGE: return "message is our own";
  case TW_ERR_FUTURE_EPOCH: return "message is for a future epoch";
  case TW_ERR_MISSING_PSK: return "pre-shared key is not known";
  case TW_ERR_MISSING_PROPOSAL: return "proposal is not known";
  case TW_ERR_MISSING_TREE: return "ratchet tree is missing";
  case TW_ERR_TRUNCATION: return "stream ended without close_notify";
  case TW_ERR_NO_SESSION: return "session is not known";
  case TW_ERR_APART: return "the epochs of the two sides do not fit together";
  case TW_ERR_NO_MEMORY: return "out of memory";
  case TW_ERR_RANDOM: return "random generator failed";
  case TW_ERR_LIMIT: return "a limit was exceeded";
  case TW_ERR_KEY_LIMIT: return "key usage limit reached";
  case TW_ERR_TIMEOUT: return "the peer did not answer in time";
  case TW_ERR_ARGUMENT: return "invalid argument";
  case TW_ERR_BUFFER: return "output buffer is too small";
  case TW_ERR_INTERNAL: return "internal error";
  }
  return "unknown error";
}

const char *tw_err_class_name(tw_err_class err_class) {
  switch (err_class) {
  case TW_CLASS_OK: return "ok";
  case TW_CLASS_MALFORMED: return "malformed";
  case TW_CLASS_FORBIDDEN: return "forbidden";
  case TW_CLASS_CRYPTO: return "crypto";
  case TW_CLASS_STATE: return "state";
  case TW_CLASS_STALE: return "stale";
  case TW_CLASS_DUPLICATE: return "duplicate";
  case TW_CLASS_RESYNC: return "resync";
  case TW_CLASS_RESOURCE: return "resource";
  case TW_CLASS_CALLER: return "caller";
  case TW_CLASS_INTERNAL: return "internal";
  }
  return "unknown";
}

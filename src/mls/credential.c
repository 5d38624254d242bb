/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/extension.h"

bool tw_certificate_next(tw_reader *walk, tw_bytes *certificate) {
  if (!tw_reader_more(walk)) return false;
  const tw_bytes next = tw_read_vector(walk);
  if (tw_reader_err(walk) != TW_OK) return false;
  *certificate = next;
  return true;
}

/* Certificate certificates<V>: the end-entity certificate must be there. */
static tw_bytes read_certificates(tw_reader *r) {
  const tw_bytes list = tw_read_vector(r);
  tw_reader walk = tw_reader_of(list);
  tw_bytes certificate;
  while (tw_certificate_next(&walk, &certificate)) {
    if (certificate.len == 0) tw_reader_fail(&walk, TW_ERR_ENCODING);
  }
  if (list.len == 0) tw_reader_fail(&walk, TW_ERR_ENCODING);
  if (tw_reader_err(&walk) != TW_OK) tw_reader_fail(r, tw_reader_err(&walk));
  return list;
}

/*
 * struct Credential {
 *   uint16 credential_type;
 *   select: basic 1: opaque identity<V>; x509 2: Certificate { opaque cert_data<V>; } certificates<V>;
 * }                                                                                                     section 5.3
 * The end of a credential of another type cannot be found.
 */
tw_credential_view tw_read_credential(tw_reader *r) {
  const uint8_t *start = r->ptr;
  tw_credential_view out = {0};
  out.type = tw_read_u16(r);
  switch (out.type) {
  case TW_CREDENTIAL_BASIC: out.identity = tw_read_vector(r); break;
  case TW_CREDENTIAL_X509: out.identity = read_certificates(r); break;
  default: tw_reader_fail(r, TW_ERR_UNSUPPORTED); break;
  }
  if (tw_reader_err(r) != TW_OK) return (tw_credential_view){0};
  out.encoded = tw_reader_since(r, start);
  return out;
}

void tw_write_credential(tw_writer *w, uint16_t type, tw_bytes identity) {
  tw_write_u16(w, type);
  tw_write_vector(w, identity);
}

/* struct ExternalSender { opaque signature_key<V>; Credential credential; }, section 12.1.8.1 */
bool tw_external_sender_next(tw_reader *walk, tw_external_sender *out) {
  if (!tw_reader_more(walk)) return false;
  tw_external_sender next;
  next.signature_key = tw_read_vector(walk);
  next.credential = tw_read_credential(walk);
  if (tw_reader_err(walk) != TW_OK) return false;
  *out = next;
  return true;
}

void tw_write_external_sender(tw_writer *w, const tw_external_sender *sender) {
  tw_write_vector(w, sender->signature_key);
  tw_write_credential(w, sender->credential.type, sender->credential.identity);
}

/* ExternalSender external_senders<V> */
tw_err tw_external_senders_decode(tw_bytes data, tw_bytes *list) {
  tw_reader r = tw_reader_of(data);
  const tw_bytes senders = tw_read_vector(&r);
  TW_TRY(tw_reader_end(&r));
  tw_reader walk = tw_reader_of(senders);
  tw_external_sender sender;
  while (tw_external_sender_next(&walk, &sender)) {}
  TW_TRY(tw_reader_err(&walk));
  *list = senders;
  return TW_OK;
}

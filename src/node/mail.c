/* SPDX-License-Identifier: Apache-2.0 */
#include "node/mail.h"

#include <string.h>

static bool has_request(uint8_t kind) { return kind == TW_MAIL_PAIR_ANSWER; }

tw_err tw_mail_decode(tw_bytes encoded, tw_mail *out) {
  tw_reader r = tw_reader_of(encoded);
  const uint8_t kind = tw_read_u8(&r);
  const tw_bytes ref = tw_read_fixed(&r, TW_MAIL_REF);
  const tw_bytes request = tw_read_fixed(&r, has_request(kind) ? TW_PAIR_NONCE : 0);
  const tw_bytes body = tw_read_vector(&r);
  TW_TRY(tw_reader_end(&r));
  if (kind < TW_MAIL_PAIR || kind > TW_MAIL_LAST) return TW_ERR_UNSUPPORTED;
  *out = (tw_mail){.kind = (tw_mail_kind)kind, .body = body};
  memcpy(out->ref, ref.ptr, TW_MAIL_REF);
  if (request.len > 0) memcpy(out->request, request.ptr, TW_PAIR_NONCE);
  return TW_OK;
}

tw_err tw_mail_encode(const tw_mail *mail, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  tw_write_u8(&w, (uint8_t)mail->kind);
  tw_write_fixed(&w, TW_ARRAY(mail->ref));
  if (has_request((uint8_t)mail->kind)) tw_write_fixed(&w, TW_ARRAY(mail->request));
  tw_write_vector(&w, mail->body);
  return tw_writer_end(&w);
}

/* A HelloRetryRequest at the client: RFC 8446 section 4.1.4. SPDX-License-Identifier: Apache-2.0 */
#include "tls/tls_internal.h"

/* Section 4.2.8: a group that we offered and gave no share of. */
static tw_err note_group(tw_tls *tls, tw_bytes data) {
  tw_tls_client_hello hello;
  tw_tls_offer offer;
  TW_TRY(tw_tls_read_one_u16(data, &tls->retry_group));
  TW_TRY(tw_tls_own_hello(tls, &hello, &offer));
  const bool fits = tw_tls_list_has(offer.groups, tls->retry_group) &&
                    !tw_tls_shares_have(offer.shares, tls->retry_group);
  tls->retry_share = true;
  return fits ? TW_OK : tw_tls_illegal(tls);
}

static tw_err note_retry(tw_tls *tls, const tw_tls_server_hello *retry) {
  tw_bytes data;
  TW_TRY(tw_tls_check_server_hello(tls, retry));
  TW_TRY(tw_tls_check_response(tls, retry->extensions, TW_TLS_IN_RETRY));
  if (tw_tls_find_extension(retry->extensions, TW_TLS_EXT_KEY_SHARE, &data)) TW_TRY(note_group(tls, data));
  if (tw_tls_find_extension(retry->extensions, TW_TLS_EXT_COOKIE, &data)) {
    tw_bytes cookie;
    TW_TRY(tw_tls_read_cookie(data, &cookie));
    TW_TRY(tw_buf_assign(&tls->retry_cookie, cookie));
  }
  if (!tls->retry_share && tls->retry_cookie.len == 0) return tw_tls_illegal(tls); /* it would change nothing */
  tls->retry_suite = retry->cipher_suite;
  tls->retried = true;
  return TW_OK;
}

static tw_err restart_transcript(tw_tls *tls, tw_bytes retry) {
  uint8_t hash[TW_HASH_MAX];
  const tw_suite *suite = tw_tls_suite_by_id(tls->retry_suite);
  if (suite == NULL) return TW_OK; /* not the KeyPackage's: with MLS it cannot go on */
  TW_TRY(tw_tls_transcript_hash(tls->env, suite, &tls->transcript, hash));
  TW_TRY(tw_tls_transcript_restart(suite, hash, &tls->transcript));
  return tw_tls_transcript_add(&tls->transcript, retry);
}

static tw_err make_share(tw_tls *tls, tw_buf *key_exchange) {
  if (!tls->retry_share) return TW_OK;
  const tw_err err = tw_tls_make_share(tls->env, tls->retry_group, key_exchange);
  /* A GREASE group that we offered: nobody can want it, RFC 8701 section 3.1. */
  return err == TW_ERR_UNSUPPORTED ? tw_tls_illegal(tls) : err;
}

/* Our second ClientHello takes the first one's place. */
static tw_err send_second_hello(tw_tls *tls) {
  tw_tls_client_hello first;
  tw_tls_offer offer;
  tw_buf key_exchange = TW_BUF_INIT(tls->alloc);
  tw_err err = tw_tls_own_hello(tls, &first, &offer);
  if (err == TW_OK) err = make_share(tls, &key_exchange);
  if (err == TW_OK) {
    const tw_tls_share share = {tls->retry_group, tw_buf_bytes(&key_exchange)};
    err = tw_tls_client_hello_again(&first, tls->retry_share ? &share : NULL, tw_buf_bytes(&tls->retry_cookie),
                                    &tls->output);
  }
  if (err == TW_OK) err = tw_buf_assign(&tls->hello, tw_buf_bytes(&tls->output));
  if (err == TW_OK) err = tw_tls_transcript_add(&tls->transcript, tw_buf_bytes(&tls->hello));
  tw_buf_clear(&key_exchange);
  if (err != TW_OK) return err;
  tw_tls_queue(tls, TW_TLS_STEP_SEND_CCS, TW_TLS_PLAIN);
  tw_tls_queue_message(tls, TW_TLS_PLAIN, 0);
  return TW_OK;
}

tw_err tw_tls_do_retry(tw_tls *tls, tw_bytes message, tw_bytes body) {
  tw_tls_server_hello retry;
  TW_TRY(tw_tls_server_hello_decode(body, &retry));
  TW_TRY(note_retry(tls, &retry));
  TW_TRY(restart_transcript(tls, message));
  if (!tls->external) return send_second_hello(tls);
  tls->next = TW_TLS_WAIT_SECOND_HELLO;
  tw_tls_queue(tls, TW_TLS_STEP_HELLO_WANTED, TW_TLS_PLAIN);
  return TW_OK;
}

/* ---- a second ClientHello from elsewhere ---- */

static bool share_fits(const tw_tls *tls, tw_bytes shares) {
  tw_reader r = tw_reader_of(shares);
  tw_tls_share share;
  if (!tls->retry_share) return true;
  return tw_tls_next_share(&r, &share) && share.group == tls->retry_group && !tw_tls_next_share(&r, &share);
}

static tw_err check_second(const tw_tls *tls, tw_bytes second) {
  tw_tls_client_hello before;
  tw_tls_client_hello hello;
  tw_tls_offer offer;
  tw_tls_message message;
  uint8_t had[TW_HASH_MAX];
  uint8_t has[TW_HASH_MAX];
  TW_TRY(tw_tls_own_hello(tls, &before, &offer));
  TW_TRY(tw_tls_message_decode(second, &message));
  if (message.type != TW_TLS_CLIENT_HELLO) return TW_ERR_UNEXPECTED;
  TW_TRY(tw_tls_client_hello_decode(message.body, &hello));
  TW_TRY(tw_tls_offer_decode(tls->env, &hello, &offer));
  TW_TRY(tw_tls_client_hello_digest(tls->env, tls->suite, &before, tls->retry_share, had));
  TW_TRY(tw_tls_client_hello_digest(tls->env, tls->suite, &hello, tls->retry_share, has));
  const size_t size = tls->suite->hash->size;
  const bool fits = tw_bytes_equal(TW_BYTES(had, size), TW_BYTES(has, size)) && !offer.has_early_data &&
                    tw_bytes_equal(offer.cookie, tw_buf_bytes(&tls->retry_cookie)) && share_fits(tls, offer.shares);
  return fits ? TW_OK : TW_ERR_FORBIDDEN;
}

tw_err tw_tls_take_second_hello(tw_tls *tls, tw_bytes hello) {
  TW_TRY(check_second(tls, hello));
  TW_TRY(tw_tls_transcript_add(&tls->transcript, hello));
  const tw_err err = tw_buf_assign(&tls->hello, hello);
  if (err != TW_OK) {
    tls->transcript.messages.len -= hello.len;
    return err;
  }
  tls->state = TW_TLS_WAIT_SERVER_HELLO_2;
  return TW_OK;
}

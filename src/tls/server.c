/* The server's side of the handshake. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tls/cookie.h"
#include "tls/encrypted_extensions.h"
#include "tls/envelope.h"
#include "tls/tls_internal.h"

tw_err tw_tls_server_new(const tw_tls_config *config, tw_tls **out) {
  TW_TRY(tw_tls_new(config, false, out));
  (*out)->state = TW_TLS_WAIT_CLIENT_HELLO;
  return TW_OK;
}

/* Section D.4: a client that has a session id wants it to look like TLS 1.2. */
static void queue_change_cipher_spec(tw_tls *tls, const tw_tls_client_hello *hello) {
  if (hello->legacy_session_id.len > 0) tw_tls_queue(tls, TW_TLS_STEP_SEND_CCS, TW_TLS_PLAIN);
}

/* ---- HelloRetryRequest ---- */

static tw_tls_cookie_keeper keeper_of(const tw_tls *tls, uint64_t now_ms) {
  return (tw_tls_cookie_keeper){.env = tls->env,
                                .suite = tls->suite,
                                .key = tls->config.cookie_key,
                                .context = tls->config.cookie_context,
                                .now_ms = now_ms};
}

/* Nothing of the ClientHello is kept: its cookie has it. */
static tw_err ask_again(tw_tls *tls, tw_bytes message, const tw_tls_client_hello *hello, uint64_t now_ms) {
  const tw_tls_cookie_keeper keeper = keeper_of(tls, now_ms);
  tw_tls_remembered remembered = {0};
  tw_buf cookie = TW_BUF_INIT(tls->alloc);
  tw_err err = tw_hash_parts(tls->env, tls->suite, &message, 1, remembered.hello_hash);
  if (err == TW_OK) err = tw_tls_client_hello_digest(tls->env, tls->suite, hello, false, remembered.digest);
  if (err == TW_OK) err = tw_tls_cookie_make(&keeper, &remembered, &cookie);
  if (err == TW_OK) {
    err = tw_tls_retry_make(hello->legacy_session_id, tls->suite, tw_buf_bytes(&cookie), &tls->output);
  }
  tw_buf_clear(&cookie);
  if (err != TW_OK) return err;
  tw_tls_queue_message(tls, TW_TLS_PLAIN, 0);
  queue_change_cipher_spec(tls, hello);
  tls->next = TW_TLS_WAIT_CLIENT_HELLO_2;
  return TW_OK;
}

/* The transcript so far, out of the cookie: its first ClientHello's hash, and the HelloRetryRequest made once more. */
static tw_err take_cookie(tw_tls *tls, const tw_tls_client_hello *hello, tw_bytes cookie, uint64_t now_ms) {
  const tw_tls_cookie_keeper keeper = keeper_of(tls, now_ms);
  tw_tls_remembered remembered = {0};
  uint8_t digest[TW_HASH_MAX];
  if (keeper.key.len == 0) return tw_tls_illegal(tls);
  TW_TRY(tw_tls_cookie_open(&keeper, cookie, &remembered));
  TW_TRY(tw_tls_client_hello_digest(tls->env, tls->suite, hello, false, digest));
  const size_t size = tls->suite->hash->size;
  if (!tw_bytes_equal(TW_BYTES(digest, size), TW_BYTES(remembered.digest, size))) return tw_tls_illegal(tls);
  TW_TRY(tw_tls_transcript_restart(tls->suite, remembered.hello_hash, &tls->transcript));
  tls->retried = true;
  return tw_tls_retry_make(hello->legacy_session_id, tls->suite, cookie, &tls->transcript.messages);
}

/* ---- ServerHello and what follows it ---- */

static tw_err respond(tw_tls *tls, tw_bytes key_package, uint64_t now_ms, tw_buf *welcome) {
  const tw_pair_config config = tw_tls_pair_config(tls);
  tw_buf message = TW_BUF_INIT(tls->alloc);
  tw_buf reply = TW_BUF_INIT(tls->alloc);
  tw_bytes bare;
  tw_err err = tw_tls_wrap(key_package, TW_PAIR_CLIENT_HELLO, &message);
  if (err == TW_OK) err = tw_pair_respond(&config, tw_buf_bytes(&message), now_ms, &tls->pair, &reply);
  if (err == TW_OK) err = tw_tls_unwrap(tw_buf_bytes(&reply), TW_PAIR_SERVER_HELLO, &bare);
  if (err == TW_OK) err = tw_buf_append(welcome, bare);
  tw_buf_clear(&message);
  tw_buf_clear(&reply);
  return err;
}

static tw_err send_message(tw_tls *tls, tw_tls_level level, size_t at) {
  tw_tls_queue_message(tls, level, at);
  return tw_tls_transcript_add(&tls->transcript, TW_BYTES(tls->output.ptr + at, tls->output.len - at));
}

static tw_err send_server_hello(tw_tls *tls, const tw_tls_client_hello *hello, tw_bytes welcome) {
  uint8_t random[TW_TLS_RANDOM];
  TW_TRY(tw_random(tls->env, random, sizeof random));
  const size_t at = tls->output.len;
  TW_TRY(tw_tls_server_hello_make(tls->env, random, hello->legacy_session_id, tls->suite, welcome, &tls->output));
  return send_message(tls, TW_TLS_PLAIN, at);
}

static tw_err send_extensions(tw_tls *tls) {
  const tw_tls_encrypted_extensions extensions = {.name_taken = tls->server_name.len > 0,
                                                  .protocol = tw_buf_bytes(&tls->protocol),
                                                  .record_size_limit = tls->receive_limit};
  const size_t at = tls->output.len;
  TW_TRY(tw_tls_encrypted_extensions_make(&extensions, &tls->output));
  return send_message(tls, TW_TLS_HANDSHAKE, at);
}

/* The client's Finished covers what the transcript has by now: its verify_data is known before it comes. */
static tw_err expect_finished(tw_tls *tls) {
  return tw_tls_verify_data(tls->env, tls->suite, &tls->handshake.client, tls->transcript_hash, tls->client_verify);
}

static tw_err send_flight(tw_tls *tls, const tw_tls_client_hello *hello, tw_bytes welcome) {
  TW_TRY(send_server_hello(tls, hello, welcome));
  TW_TRY(tw_tls_derive_handshake(tls));
  if (!tls->retried) queue_change_cipher_spec(tls, hello);
  tw_tls_queue(tls, TW_TLS_STEP_SEND_KEY, TW_TLS_HANDSHAKE);
  tw_tls_queue(tls, TW_TLS_STEP_RECEIVE_KEY, TW_TLS_HANDSHAKE);
  TW_TRY(send_extensions(tls));
  TW_TRY(tw_tls_send_finished(tls, &tls->handshake.server));
  TW_TRY(tw_tls_derive_epoch(tls));
  TW_TRY(expect_finished(tls));
  tw_tls_queue(tls, TW_TLS_STEP_SEND_KEY, TW_TLS_APPLICATION);
  return TW_OK;
}

static tw_err answer_mls(tw_tls *tls, tw_bytes message, const tw_tls_client_hello *hello, const tw_tls_offer *offer,
                         uint64_t now_ms) {
  memcpy(tls->client_random, hello->random.ptr, TW_TLS_RANDOM);
  tw_buf welcome = TW_BUF_INIT(tls->alloc);
  tw_err err = tw_tls_transcript_add(&tls->transcript, message);
  if (err == TW_OK) err = respond(tls, offer->key_package, now_ms, &welcome);
  if (err == TW_OK) err = send_flight(tls, hello, tw_buf_bytes(&welcome));
  tw_buf_clear(&welcome);
  return err;
}

tw_err tw_tls_do_answer_hello(tw_tls *tls, tw_bytes message, tw_bytes body, uint64_t now_ms) {
  const bool again = tls->state == TW_TLS_WAIT_CLIENT_HELLO_2;
  tw_tls_client_hello hello;
  tw_tls_offer offer;
  tw_bytes data;
  TW_TRY(tw_tls_client_hello_decode(body, &hello));
  if (!tw_tls_find_extension(hello.extensions, tw_env_code_points(tls->env)->tls_using_mls_handshake, &data)) {
    if (again) return tw_tls_illegal(tls);
    tls->next = TW_TLS_STANDARD; /* D12; whatever else is in it */
    return TW_OK;
  }
  TW_TRY(tw_tls_offer_decode(tls->env, &hello, &offer));
  TW_TRY(tw_tls_check_client_hello(tls, &hello, &offer));
  TW_TRY(tw_tls_choose(tls, &hello, &offer));
  if (offer.cookie.len > 0) {
    TW_TRY(take_cookie(tls, &hello, offer.cookie, now_ms));
  } else if (again) {
    return tw_tls_refuse(tls, TW_ERR_FORBIDDEN, TW_ALERT_MISSING_EXTENSION);
  } else if (tls->config.retry) {
    return ask_again(tls, message, &hello, now_ms);
  }
  return answer_mls(tls, message, &hello, &offer, now_ms);
}

tw_err tw_tls_do_finish_server(tw_tls *tls, tw_bytes body) {
  const size_t size = tls->suite->hash->size;
  if (body.len != size) return TW_ERR_ENCODING;
  if (!tw_secret_equal(body, TW_BYTES(tls->client_verify, size))) return TW_ERR_MAC;
  tw_pair_confirm(tls->pair); /* D13 */
  tw_tls_queue(tls, TW_TLS_STEP_RECEIVE_KEY, TW_TLS_APPLICATION);
  return TW_OK;
}

/* The client's side of the handshake. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tls/encrypted_extensions.h"
#include "tls/envelope.h"
#include "tls/tls_internal.h"

/* ---- the start ---- */

static tw_err start_pair(tw_tls *tls, uint64_t now_ms) {
  const tw_pair_config config = tw_tls_pair_config(tls);
  tw_buf message = TW_BUF_INIT(tls->alloc);
  tw_bytes bare;
  tw_err err = tw_pair_initiate(&config, now_ms, &tls->pair, &message);
  if (err == TW_OK) err = tw_tls_unwrap(tw_buf_bytes(&message), TW_PAIR_CLIENT_HELLO, &bare);
  if (err == TW_OK) err = tw_buf_append(&tls->key_package, bare);
  tw_buf_clear(&message);
  return err;
}

tw_err tw_tls_client_new(const tw_tls_config *config, uint64_t now_ms, tw_tls **out) {
  tw_tls *tls;
  TW_TRY(tw_tls_new(config, true, &tls));
  tls->state = TW_TLS_START;
  tls->suite = tw_tls_suite_of(config->clients[0]->suite);
  const tw_err err = start_pair(tls, now_ms);
  if (err != TW_OK) {
    tw_tls_free(tls);
    return err;
  }
  *out = tls;
  return TW_OK;
}

tw_bytes tw_tls_client_extension(const tw_tls *tls) { return tw_buf_bytes(&tls->key_package); }

static tw_err make_hello(const tw_tls *tls, tw_buf *hello) {
  struct {
    uint8_t random[TW_TLS_RANDOM];
    uint8_t session_id[TW_TLS_SESSION_ID_MAX];
    uint8_t grease[TW_TLS_GREASE_SEED];
  } drawn;
  TW_TRY(tw_random(tls->env, drawn.random, sizeof drawn.random));
  TW_TRY(tw_random(tls->env, drawn.session_id, sizeof drawn.session_id));
  TW_TRY(tw_random(tls->env, drawn.grease, sizeof drawn.grease));
  tw_buf share = TW_BUF_INIT(tls->alloc);
  tw_err err = tw_tls_make_share(tls->env, TW_TLS_X25519, &share);
  if (err == TW_OK) {
    const tw_tls_config *config = &tls->config;
    const tw_tls_hello_parts parts = {
        .random = drawn.random,
        .session_id = drawn.session_id,
        .grease = drawn.grease,
        .suite = tls->suite,
        .share = {TW_TLS_X25519, tw_buf_bytes(&share)},
        .server_name = config->server_name_count > 0 ? config->server_names[0] : TW_NO_BYTES,
        .protocols = config->protocols,
        .protocol_count = config->protocol_count,
        .record_size_limit = config->record_size_limit,
        .key_package = tw_buf_bytes(&tls->key_package),
    };
    err = tw_tls_client_hello_make(tls->env, &parts, hello);
  }
  tw_buf_clear(&share);
  return err;
}

static tw_err decode_hello(const tw_tls *tls, tw_bytes encoded, tw_tls_client_hello *hello, tw_tls_offer *offer) {
  tw_tls_message message;
  TW_TRY(tw_tls_message_decode(encoded, &message));
  if (message.type != TW_TLS_CLIENT_HELLO) return TW_ERR_UNEXPECTED;
  TW_TRY(tw_tls_client_hello_decode(message.body, hello));
  return tw_tls_offer_decode(tls->env, hello, offer);
}

tw_err tw_tls_own_hello(const tw_tls *tls, tw_tls_client_hello *hello, tw_tls_offer *offer) {
  return decode_hello(tls, tw_buf_bytes(&tls->hello), hello, offer);
}

/* A ClientHello that was made elsewhere has to be one that MLS can go on from. */
static tw_err check_external(const tw_tls *tls, tw_bytes encoded) {
  tw_tls_client_hello hello;
  tw_tls_offer offer;
  if (decode_hello(tls, encoded, &hello, &offer) != TW_OK) return TW_ERR_ARGUMENT;
  const bool fits = tw_tls_list_has(offer.versions, TW_TLS_VERSION_13) && !offer.has_early_data &&
                    tw_tls_list_has(hello.cipher_suites, tls->suite->id) && offer.cookie.len == 0 &&
                    tw_bytes_equal(offer.key_package, tw_buf_bytes(&tls->key_package));
  return fits ? TW_OK : TW_ERR_ARGUMENT;
}

static tw_err keep_hello(tw_tls *tls) {
  tw_tls_client_hello hello;
  tw_tls_offer offer;
  TW_TRY(tw_tls_own_hello(tls, &hello, &offer));
  TW_TRY(tw_tls_transcript_add(&tls->transcript, tw_buf_bytes(&tls->hello)));
  memcpy(tls->client_random, hello.random.ptr, TW_TLS_RANDOM);
  tls->state = TW_TLS_WAIT_SERVER_HELLO;
  return TW_OK;
}

static tw_err start_own(tw_tls *tls) {
  TW_TRY(make_hello(tls, &tls->hello));
  tls->output.len = 0;
  TW_TRY(tw_buf_append(&tls->output, tw_buf_bytes(&tls->hello)));
  TW_TRY(keep_hello(tls));
  tw_tls_queue_message(tls, TW_TLS_PLAIN, 0);
  return TW_OK;
}

static tw_err start_external(tw_tls *tls, tw_bytes hello) {
  TW_TRY(check_external(tls, hello));
  TW_TRY(tw_buf_assign(&tls->hello, hello));
  TW_TRY(keep_hello(tls));
  tls->external = true;
  return TW_OK;
}

tw_err tw_tls_client_start(tw_tls *tls, tw_bytes hello) {
  if (tls->state == TW_TLS_WAIT_SECOND_HELLO && tls->step_count == 0) return tw_tls_take_second_hello(tls, hello);
  if (!tls->is_client || tls->state != TW_TLS_START) return TW_ERR_STATE;
  const tw_err err = hello.len == 0 ? start_own(tls) : start_external(tls, hello);
  if (err != TW_OK) {
    tls->hello.len = 0;
    tls->transcript.messages.len = 0;
  }
  return err;
}

/* ---- the server's answer ---- */

static bool understood(const tw_env *env, uint16_t type, tw_tls_place place) {
  switch (type) {
  case TW_TLS_EXT_SUPPORTED_VERSIONS:
  case TW_TLS_EXT_COOKIE:
  case TW_TLS_EXT_KEY_SHARE:
  case TW_TLS_EXT_PRE_SHARED_KEY: return place != TW_TLS_IN_ENCRYPTED;
  case TW_TLS_EXT_SERVER_NAME:
  case TW_TLS_EXT_ALPN:
  case TW_TLS_EXT_SUPPORTED_GROUPS:
  case TW_TLS_EXT_RECORD_SIZE_LIMIT: return place == TW_TLS_IN_ENCRYPTED;
  default: return type == tw_env_code_points(env)->tls_using_mls_handshake;
  }
}

/*
 * Section 4.2: what was not offered is unsupported_extension, the cookie apart; what is known and belongs elsewhere is
 * illegal_parameter. What a ClientHello made elsewhere offers and nobody here understands (GREASE, too) is the former.
 */
tw_err tw_tls_check_response(tw_tls *tls, tw_bytes block, tw_tls_place place) {
  tw_tls_client_hello hello;
  tw_tls_offer offer;
  TW_TRY(tw_tls_own_hello(tls, &hello, &offer));
  tw_reader r = tw_reader_of(block);
  tw_tls_extension extension;
  while (tw_tls_next_extension(&r, &extension)) {
    tw_bytes offered;
    const bool unasked = extension.type == TW_TLS_EXT_COOKIE && place == TW_TLS_IN_RETRY;
    const bool known = unasked || tw_tls_find_extension(hello.extensions, extension.type, &offered);
    if (known && tw_tls_extension_place(tls->env, extension.type, place) == TW_TLS_PLACE_WRONG) {
      return tw_tls_illegal(tls);
    }
    if (!known || !understood(tls->env, extension.type, place)) {
      return tw_tls_refuse(tls, TW_ERR_FORBIDDEN, TW_ALERT_UNSUPPORTED_EXTENSION);
    }
  }
  return TW_OK;
}

tw_err tw_tls_check_server_hello(tw_tls *tls, const tw_tls_server_hello *hello) {
  tw_tls_client_hello own;
  tw_tls_offer offer;
  tw_bytes data;
  uint16_t version;
  TW_TRY(tw_tls_own_hello(tls, &own, &offer));
  if (!tw_tls_find_extension(hello->extensions, TW_TLS_EXT_SUPPORTED_VERSIONS, &data)) {
    return tw_tls_refuse(tls, TW_ERR_FORBIDDEN, TW_ALERT_MISSING_EXTENSION);
  }
  TW_TRY(tw_tls_read_one_u16(data, &version));
  if (version != TW_TLS_VERSION_13) return tw_tls_illegal(tls);
  if (hello->legacy_version != TW_TLS_VERSION_12) {
    return tw_tls_refuse(tls, TW_ERR_UNSUPPORTED, TW_ALERT_PROTOCOL_VERSION);
  }
  if (!tw_bytes_equal(hello->legacy_session_id_echo, own.legacy_session_id)) return tw_tls_illegal(tls);
  if (hello->legacy_compression_method != 0) return tw_tls_illegal(tls);
  if (!tw_tls_list_has(own.cipher_suites, hello->cipher_suite)) return tw_tls_illegal(tls);
  /* Of ours it may not be the GREASE one; others may offer what is not known here, for themselves. */
  if (!tls->external && tw_tls_suite_by_id(hello->cipher_suite) == NULL) return tw_tls_illegal(tls);
  if (tls->retried && tls->retry_suite != hello->cipher_suite) return tw_tls_illegal(tls);
  return TW_OK;
}

/* D12: a server without MLS. */
static tw_err answer_standard(tw_tls *tls, uint8_t alert) {
  if (!tls->external || !tls->config.accept_standard) return tw_tls_refuse(tls, TW_ERR_UNSUPPORTED, alert);
  tls->next = TW_TLS_STANDARD;
  return TW_OK;
}

/* A ServerHello without supported_versions is one of TLS 1.2 or before, section 4.1.3. */
static tw_err answer_old_version(tw_tls *tls, const tw_tls_server_hello *hello) {
  static const uint8_t sentinel[] = {'D', 'O', 'W', 'N', 'G', 'R', 'D'}; /* then 0 or 1 */
  const uint8_t *end = hello->random.ptr + TW_TLS_RANDOM - sizeof sentinel - 1;
  if (memcmp(end, sentinel, sizeof sentinel) == 0 && end[sizeof sentinel] <= 1) return tw_tls_illegal(tls);
  if (tls->retried) return tw_tls_illegal(tls);
  return answer_standard(tls, TW_ALERT_PROTOCOL_VERSION);
}

static tw_err join(tw_tls *tls, tw_bytes welcome, uint64_t now_ms) {
  tw_buf message = TW_BUF_INIT(tls->alloc);
  tw_buf reply = TW_BUF_INIT(tls->alloc);
  tw_pair_event event = {0};
  tw_err err = tw_tls_wrap(welcome, TW_PAIR_SERVER_HELLO, &message);
  if (err == TW_OK) err = tw_pair_receive(tls->pair, tw_buf_bytes(&message), now_ms, &reply, &event);
  if (err == TW_OK && event.outcome != TW_PAIR_JOINED) err = TW_ERR_INTERNAL;
  tw_buf_clear(&message);
  tw_buf_clear(&reply);
  return err;
}

/* With the handshake keys at once, so that alerts can be protected from here on (section A.1). */
static tw_err answer_mls(tw_tls *tls, tw_bytes message, tw_bytes welcome, uint64_t now_ms) {
  TW_TRY(join(tls, welcome, now_ms));
  TW_TRY(tw_tls_transcript_add(&tls->transcript, message));
  TW_TRY(tw_tls_derive_handshake(tls));
  /* Not before a second ClientHello, in front of which it went. */
  if (!tls->retried) tw_tls_queue(tls, TW_TLS_STEP_SEND_CCS, TW_TLS_PLAIN);
  tw_tls_queue(tls, TW_TLS_STEP_SEND_KEY, TW_TLS_HANDSHAKE);
  tw_tls_queue(tls, TW_TLS_STEP_RECEIVE_KEY, TW_TLS_HANDSHAKE);
  return TW_OK;
}

tw_err tw_tls_do_join(tw_tls *tls, tw_bytes message, tw_bytes body, uint64_t now_ms) {
  tw_tls_server_hello hello;
  tw_bytes data;
  tw_bytes welcome;
  TW_TRY(tw_tls_server_hello_decode(body, &hello));
  const uint16_t type = tw_env_code_points(tls->env)->tls_using_mls_handshake;
  const bool has_welcome = tw_tls_find_extension(hello.extensions, type, &welcome);
  if (!has_welcome && !tw_tls_find_extension(hello.extensions, TW_TLS_EXT_SUPPORTED_VERSIONS, &data)) {
    return answer_old_version(tls, &hello);
  }
  TW_TRY(tw_tls_check_server_hello(tls, &hello));
  TW_TRY(tw_tls_check_response(tls, hello.extensions, TW_TLS_IN_SERVER_HELLO));
  if (!has_welcome) return answer_standard(tls, TW_ALERT_HANDSHAKE_FAILURE);
  /* One key exchange, and the KeyPackage's suite. */
  if (tw_tls_find_extension(hello.extensions, TW_TLS_EXT_KEY_SHARE, &data)) return tw_tls_illegal(tls);
  if (tw_tls_find_extension(hello.extensions, TW_TLS_EXT_PRE_SHARED_KEY, &data)) return tw_tls_illegal(tls);
  if (hello.cipher_suite != tls->suite->id) return tw_tls_illegal(tls);
  return answer_mls(tls, message, welcome, now_ms);
}

/* ---- its protected messages ---- */

tw_err tw_tls_do_note_extensions(tw_tls *tls, tw_bytes message, tw_bytes body) {
  tw_tls_encrypted_extensions extensions;
  tw_tls_client_hello hello;
  tw_tls_offer offer;
  TW_TRY(tw_tls_encrypted_extensions_decode(body, &extensions));
  TW_TRY(tw_tls_check_response(tls, extensions.extensions, TW_TLS_IN_ENCRYPTED));
  TW_TRY(tw_tls_own_hello(tls, &hello, &offer));
  if (extensions.protocol.len > 0) {
    if (!tw_tls_protocols_have(offer.protocols, extensions.protocol)) return tw_tls_illegal(tls);
    TW_TRY(tw_buf_assign(&tls->protocol, extensions.protocol));
  }
  if (extensions.name_taken) TW_TRY(tw_buf_assign(&tls->server_name, offer.server_name));
  if (extensions.record_size_limit > 0) {
    tls->send_limit = extensions.record_size_limit;
    tls->receive_limit = offer.record_size_limit;
  }
  return tw_tls_transcript_add(&tls->transcript, message);
}

tw_err tw_tls_do_finish_client(tw_tls *tls, tw_bytes message, tw_bytes body) {
  const size_t size = tls->suite->hash->size;
  uint8_t hash[TW_HASH_MAX];
  uint8_t expected[TW_HASH_MAX];
  if (body.len != size) return TW_ERR_ENCODING;
  TW_TRY(tw_tls_transcript_hash(tls->env, tls->suite, &tls->transcript, hash));
  TW_TRY(tw_tls_verify_data(tls->env, tls->suite, &tls->handshake.server, hash, expected));
  if (!tw_secret_equal(body, TW_BYTES(expected, size))) return TW_ERR_MAC;
  TW_TRY(tw_tls_transcript_add(&tls->transcript, message));
  TW_TRY(tw_tls_derive_epoch(tls));
  TW_TRY(tw_tls_send_finished(tls, &tls->handshake.client));
  tw_tls_traffic_clear(&tls->handshake);
  tw_tls_queue(tls, TW_TLS_STEP_SEND_KEY, TW_TLS_APPLICATION);
  tw_tls_queue(tls, TW_TLS_STEP_RECEIVE_KEY, TW_TLS_APPLICATION);
  return TW_OK;
}

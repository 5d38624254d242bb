/*
 * Bodies of TLS handshake messages, chosen by the first byte: ClientHello, ServerHello, EncryptedExtensions. What is
 * taken comes back as it was. SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz_env.h"
#include "tls/client_hello.h"
#include "tls/encrypted_extensions.h"
#include "tls/server_hello.h"

enum { A_CLIENT_HELLO = 0, A_SERVER_HELLO = 1, ENCRYPTED = 2, KINDS = 3 };

static void write_seed(const char *name, uint8_t kind, const tw_buf *message) {
  tw_buf seed = {0};
  tw_writer w = tw_writer_to(&seed);
  tw_write_u8(&w, kind);
  tw_write_fixed(&w, TW_BYTES(message->ptr + TW_TLS_MESSAGE_HEADER, message->len - TW_TLS_MESSAGE_HEADER));
  TW_FUZZ_ASSERT(tw_writer_end(&w) == TW_OK);
  tw_fuzz_write_seed(name, tw_buf_bytes(&seed));
  tw_buf_clear(&seed);
}

static void write_seeds(void) {
  static const uint8_t bytes[32] = {1, 2, 3};
  const tw_bytes protocols[] = {TW_LITERAL("h2"), TW_LITERAL("http/1.1")};
  const tw_suite *suite = tw_tls_suite_at(0);
  const tw_tls_hello_parts parts = {.random = bytes,
                                    .session_id = bytes,
                                    .grease = bytes,
                                    .suite = suite,
                                    .share = {TW_TLS_X25519, TW_ARRAY(bytes)},
                                    .server_name = TW_LITERAL("server.example"),
                                    .protocols = protocols,
                                    .protocol_count = 2,
                                    .record_size_limit = 16385,
                                    .key_package = TW_LITERAL("\0\1\0\1")};
  const tw_tls_encrypted_extensions all = {.name_taken = true, .protocol = protocols[0], .record_size_limit = 64};
  tw_buf message = {0};
  TW_FUZZ_ASSERT(tw_tls_client_hello_make(tw_fuzz_env(), &parts, &message) == TW_OK);
  write_seed("client_hello", A_CLIENT_HELLO, &message);
  message.len = 0;
  TW_FUZZ_ASSERT(
      tw_tls_server_hello_make(tw_fuzz_env(), bytes, TW_ARRAY(bytes), suite, TW_LITERAL("welcome"), &message) == TW_OK);
  write_seed("server_hello", A_SERVER_HELLO, &message);
  message.len = 0;
  TW_FUZZ_ASSERT(tw_tls_retry_make(TW_ARRAY(bytes), suite, TW_LITERAL("cookie"), &message) == TW_OK);
  write_seed("retry", A_SERVER_HELLO, &message);
  message.len = 0;
  TW_FUZZ_ASSERT(tw_tls_encrypted_extensions_make(&all, &message) == TW_OK);
  write_seed("encrypted_extensions", ENCRYPTED, &message);
  tw_buf_clear(&message);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) { /* NOLINT: the prototype that libFuzzer gives */
  (void)argc;
  (void)argv;
  if (tw_fuzz_seed_folder() == NULL) return 0;
  write_seeds();
  tw_fuzz_seeds_done();
  return 0;
}

static void check_error(tw_err err) {
  TW_FUZZ_ASSERT(tw_err_class_of(err) == TW_CLASS_MALFORMED || err == TW_ERR_FORBIDDEN);
}

/* Lists that were read are whole. */
static void walk(const tw_tls_offer *offer) {
  tw_reader shares = tw_reader_of(offer->shares);
  tw_reader protocols = tw_reader_of(offer->protocols);
  tw_tls_share share;
  tw_bytes name;
  while (tw_tls_next_share(&shares, &share)) {
    TW_FUZZ_ASSERT(share.key_exchange.len > 0 && tw_tls_shares_have(offer->shares, share.group));
  }
  while (tw_tls_next_protocol(&protocols, &name)) {
    TW_FUZZ_ASSERT(name.len > 0 && tw_tls_protocols_have(offer->protocols, name));
  }
  TW_FUZZ_ASSERT(tw_reader_end(&shares) == TW_OK && tw_reader_end(&protocols) == TW_OK);
  TW_FUZZ_ASSERT(offer->server_name.len == 0 || tw_tls_name_valid(offer->server_name));
}

static void take_client_hello(tw_bytes body) {
  tw_tls_client_hello hello;
  tw_tls_offer offer;
  tw_buf again = {0};
  tw_err err = tw_tls_client_hello_decode(body, &hello);
  if (err != TW_OK) {
    check_error(err);
    return;
  }
  TW_FUZZ_ASSERT(tw_tls_client_hello_again(&hello, NULL, TW_NO_BYTES, &again) == TW_OK);
  /* A ClientHello without extensions gets an empty block. */
  const bool had_none = hello.before.len == body.len;
  TW_FUZZ_ASSERT(again.len == TW_TLS_MESSAGE_HEADER + body.len + (had_none ? 2 : 0));
  TW_FUZZ_ASSERT(tw_bytes_equal(TW_BYTES(again.ptr + TW_TLS_MESSAGE_HEADER, body.len), body));
  uint8_t digest[TW_HASH_MAX];
  TW_FUZZ_ASSERT(tw_tls_client_hello_digest(tw_fuzz_env(), tw_tls_suite_at(0), &hello, true, digest) == TW_OK);
  err = tw_tls_offer_decode(tw_fuzz_env(), &hello, &offer);
  if (err == TW_OK) {
    walk(&offer);
  } else {
    check_error(err);
  }
  tw_buf_clear(&again);
}

static void take_server_hello(tw_bytes body) {
  tw_tls_server_hello hello;
  const tw_err err = tw_tls_server_hello_decode(body, &hello);
  if (err != TW_OK) {
    check_error(err);
    return;
  }
  TW_FUZZ_ASSERT(hello.is_retry == tw_tls_is_retry(body));
  TW_FUZZ_ASSERT(hello.legacy_session_id_echo.len <= TW_TLS_SESSION_ID_MAX);
}

static void take_encrypted_extensions(tw_bytes body) {
  tw_tls_encrypted_extensions in;
  tw_tls_encrypted_extensions out;
  tw_buf made = {0};
  const tw_err err = tw_tls_encrypted_extensions_decode(body, &in);
  if (err != TW_OK) {
    check_error(err);
    return;
  }
  TW_FUZZ_ASSERT(tw_tls_encrypted_extensions_make(&in, &made) == TW_OK);
  const tw_bytes again = TW_BYTES(made.ptr + TW_TLS_MESSAGE_HEADER, made.len - TW_TLS_MESSAGE_HEADER);
  TW_FUZZ_ASSERT(tw_tls_encrypted_extensions_decode(again, &out) == TW_OK);
  TW_FUZZ_ASSERT(in.name_taken == out.name_taken && in.record_size_limit == out.record_size_limit);
  TW_FUZZ_ASSERT(tw_bytes_equal(in.protocol, out.protocol));
  tw_buf_clear(&made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  const tw_bytes body = TW_BYTES(data + 1, size - 1);
  switch (data[0] % KINDS) {
  case A_CLIENT_HELLO: take_client_hello(body); break;
  case A_SERVER_HELLO: take_server_hello(body); break;
  default: take_encrypted_extensions(body); break;
  }
  return 0;
}

/* What all connections of standard TLS share. SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <openssl/err.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/secret.h"
#include "codec/writer.h"
#include "mls/extension.h"
#include "net/standard_parts.h"

/* ---- libssl's end of the wire ---- */

static int bio_read(BIO *bio, char *out, size_t size, size_t *done) {
  tw_standard *standard = BIO_get_data(bio);
  const size_t have = standard->input.len - standard->input_at;
  BIO_clear_retry_flags(bio);
  *done = have < size ? have : size;
  if (*done == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  memcpy(out, standard->input.ptr + standard->input_at, *done);
  standard->input_at += *done;
  return 1;
}

static int bio_write(BIO *bio, const char *bytes, size_t size, size_t *done) {
  tw_standard *standard = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  *done = 0;
  if (tw_buf_append(&standard->output, TW_BYTES((const uint8_t *)bytes, size)) != TW_OK) return 0;
  *done = size;
  return 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer) {
  (void)bio;
  (void)number;
  (void)pointer;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD *tw_standard_bio_method(void) {
  BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "treewire");
  if (method == NULL) return NULL;
  if (BIO_meth_set_read_ex(method, bio_read) == 1 && BIO_meth_set_write_ex(method, bio_write) == 1 &&
      BIO_meth_set_ctrl(method, bio_control) == 1)
    return method;
  BIO_meth_free(method);
  return NULL;
}

/* ---- whom we talk to ---- */

/* opaque cert_data<V> one after the other, RFC 9420 section 5.3 */
static tw_err take_chain(const STACK_OF(X509) * chain, tw_buf *certificates) {
  tw_writer w = tw_writer_to(certificates);
  for (int i = 0; i < sk_X509_num(chain); i++) {
    unsigned char *der = NULL;
    const int len = i2d_X509(sk_X509_value(chain, i), &der);
    if (len <= 0) return TW_ERR_NO_MEMORY;
    tw_write_vector(&w, TW_BYTES(der, (size_t)len));
    OPENSSL_free(der);
  }
  return tw_writer_end(&w);
}

/* The alert that libssl tells the peer comes from this. It has none that says "not you": that is bad_certificate. */
static int code_of(tw_err err) {
  switch (err) {
  case TW_ERR_CERTIFICATE_USE: return X509_V_ERR_INVALID_PURPOSE;
  case TW_ERR_CERTIFICATE_EXPIRED: return X509_V_ERR_CERT_HAS_EXPIRED;
  case TW_ERR_CERTIFICATE_REVOKED: return X509_V_ERR_CERT_REVOKED;
  case TW_ERR_UNKNOWN_CA: return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
  case TW_ERR_NO_MEMORY: return X509_V_ERR_OUT_OF_MEM;
  default: return X509_V_ERR_CERT_REJECTED;
  }
}

static int on_verify(X509_STORE_CTX *store, void *ctx) {
  const tw_standard_context *context = ctx;
  const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  tw_standard *standard = SSL_get_app_data(ssl);
  tw_buf_clear(&standard->certificates);
  tw_err err = take_chain(X509_STORE_CTX_get0_untrusted(store), &standard->certificates);
  if (err == TW_OK) err = context->config.judge(context->config.ctx, tw_buf_bytes(&standard->certificates));
  standard->refused = err;
  X509_STORE_CTX_set_error(store, err == TW_OK ? X509_V_OK : code_of(err));
  return err == TW_OK ? 1 : 0;
}

/* ---- names and application protocols ---- */

static bool is_name(tw_bytes ours, const char *theirs) {
  return strlen(theirs) == ours.len && strncasecmp((const char *)ours.ptr, theirs, ours.len) == 0;
}

/* As a channel's server does: without names of our own any will do. */
static int on_name(SSL *ssl, int *alert, void *ctx) {
  const tw_standard_config *config = &((const tw_standard_context *)ctx)->config;
  const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (name == NULL) return SSL_TLSEXT_ERR_NOACK;
  if (config->server_name_count == 0) return SSL_TLSEXT_ERR_OK;
  for (size_t i = 0; i < config->server_name_count; i++)
    if (is_name(config->server_names[i], name)) return SSL_TLSEXT_ERR_OK;
  *alert = SSL_AD_UNRECOGNIZED_NAME;
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* The first of ours that the client has, or no_application_protocol. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *offered,
                   unsigned int len, void *ctx) {
  (void)ssl;
  const tw_standard_config *config = &((const tw_standard_context *)ctx)->config;
  for (size_t i = 0; i < config->protocol_count; i++) {
    const tw_bytes ours = config->protocols[i];
    for (unsigned int at = 0; at < len; at += 1u + offered[at]) {
      if (at + 1u + offered[at] > len) return SSL_TLSEXT_ERR_ALERT_FATAL;
      if (!tw_bytes_equal(ours, TW_BYTES(offered + at + 1, offered[at]))) continue;
      *out = offered + at + 1;
      *out_len = offered[at];
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static tw_err encode_protocols(tw_standard_context *context) {
  tw_writer w = tw_writer_to(&context->alpn);
  for (size_t i = 0; i < context->config.protocol_count; i++) {
    tw_write_u8(&w, (uint8_t)context->config.protocols[i].len);
    tw_write_fixed(&w, context->config.protocols[i]);
  }
  return tw_writer_end(&w);
}

/* ---- our extension ---- */

static int add_extension(SSL *ssl, unsigned int type, unsigned int place, const unsigned char **out, size_t *len,
                         X509 *certificate, size_t index, int *alert, void *ctx) {
  (void)type, (void)certificate, (void)index, (void)ctx;
  const tw_standard *standard = SSL_get_app_data(ssl);
  if ((place & SSL_EXT_CLIENT_HELLO) == 0) return 0;
  *out = standard->extension.ptr;
  *len = standard->extension.len;
  if (*len > 0) return 1;
  *alert = SSL_AD_INTERNAL_ERROR; /* a ClientHello that no channel has asked for */
  return -1;
}

/* A ServerHello with it goes to the channel. Here is only what has none, or what somebody put together. */
static int parse_extension(SSL *ssl, unsigned int type, unsigned int place, const unsigned char *in, size_t len,
                           X509 *certificate, size_t index, int *alert, void *ctx) {
  (void)ssl, (void)type, (void)place, (void)in, (void)len, (void)certificate, (void)index, (void)ctx;
  *alert = SSL_AD_ILLEGAL_PARAMETER;
  return 0;
}

/* ---- the context ---- */

static void on_info(const SSL *ssl, int where, int value) {
  tw_standard *standard = SSL_get_app_data(ssl);
  if ((where & SSL_CB_WRITE_ALERT) == SSL_CB_WRITE_ALERT) standard->alert_sent = (uint8_t)(value & 0xff);
}

static tw_err use_certificate(SSL_CTX *ssl, X509 *certificate, bool first) {
  const int used = first ? SSL_CTX_use_certificate(ssl, certificate) : (int)SSL_CTX_add1_chain_cert(ssl, certificate);
  return used == 1 ? TW_OK : TW_ERR_KEY;
}

static tw_err use_chain(const tw_standard_config *config, SSL_CTX *ssl) {
  tw_reader walk = tw_reader_of(config->certificates);
  tw_bytes der;
  for (bool first = true; tw_certificate_next(&walk, &der); first = false) {
    X509 *certificate = der.len > LONG_MAX ? NULL : X509_new_ex(config->lib, NULL);
    const unsigned char *at = der.ptr;
    if (certificate == NULL) return TW_ERR_NO_MEMORY;
    if (d2i_X509(&certificate, &at, (long)der.len) == NULL) return TW_ERR_KEY;
    const tw_err err = use_certificate(ssl, certificate, first);
    X509_free(certificate);
    TW_TRY(err);
  }
  return config->key == NULL || SSL_CTX_use_PrivateKey(ssl, config->key) == 1 ? TW_OK : TW_ERR_KEY;
}

static void set_rules(tw_standard_context *context) {
  const tw_standard_config *config = &context->config;
  SSL_CTX *ssl = context->ssl;
  (void)SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  (void)SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
  (void)SSL_CTX_set_num_tickets(ssl, 0);
  SSL_CTX_set_read_ahead(ssl, 1);
  SSL_CTX_set_info_callback(ssl, on_info);
  const int asks = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  SSL_CTX_set_verify(ssl, config->judge != NULL ? asks : SSL_VERIFY_NONE, NULL);
  if (config->judge != NULL) SSL_CTX_set_cert_verify_callback(ssl, on_verify, context);
  if (config->connecting) return;
  (void)SSL_CTX_set_tlsext_servername_callback(ssl, on_name);
  (void)SSL_CTX_set_tlsext_servername_arg(ssl, context);
  if (config->protocol_count > 0) SSL_CTX_set_alpn_select_cb(ssl, on_alpn, context);
}

static tw_err fill(tw_standard_context *context) {
  const tw_standard_config *config = &context->config;
  (void)OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL); /* no configuration file of the machine has a say */
  context->bio = tw_standard_bio_method();
  context->ssl = SSL_CTX_new_ex(config->lib, NULL, config->connecting ? TLS_client_method() : TLS_server_method());
  if (context->bio == NULL || context->ssl == NULL) return TW_ERR_NO_MEMORY;
  if (SSL_CTX_set_min_proto_version(context->ssl, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(context->ssl, TLS1_3_VERSION) != 1)
    return TW_ERR_NO_MEMORY;
  set_rules(context);
  TW_TRY(use_chain(config, context->ssl));
  if (!config->connecting) return TW_OK;
  TW_TRY(encode_protocols(context));
  const tw_bytes alpn = tw_buf_bytes(&context->alpn);
  if (alpn.len > 0 && SSL_CTX_set_alpn_protos(context->ssl, alpn.ptr, (unsigned int)alpn.len) != 0)
    return TW_ERR_NO_MEMORY;
  const unsigned int places = SSL_EXT_CLIENT_HELLO | SSL_EXT_TLS1_3_SERVER_HELLO;
  return SSL_CTX_add_custom_ext(context->ssl, config->extension, places, add_extension, NULL, NULL, parse_extension,
                                NULL) == 1
             ? TW_OK
             : TW_ERR_NO_MEMORY;
}

tw_err tw_standard_context_new(const tw_standard_config *config, tw_standard_context **out, tw_report *report) {
  tw_standard_context *context = tw_alloc_zero(NULL, sizeof *context);
  if (context == NULL) return tw_report_fail(report, TW_ERR_NO_MEMORY, "out of memory");
  context->config = *config;
  ERR_clear_error();
  const tw_err err = fill(context);
  context->config.certificates = TW_NO_BYTES;
  if (err != TW_OK) {
    const char *why = ERR_reason_error_string(ERR_peek_error());
    tw_standard_context_free(context);
    ERR_clear_error();
    if (err == TW_ERR_NO_MEMORY) return tw_report_fail(report, err, "out of memory");
    return tw_report_fail(report, err, "standard TLS does not take our certificate: %s",
                          why != NULL ? why : "not said why");
  }
  *out = context;
  return TW_OK;
}

void tw_standard_context_free(tw_standard_context *context) {
  if (context == NULL) return;
  SSL_CTX_free(context->ssl);
  BIO_meth_free(context->bio);
  tw_buf_clear(&context->alpn);
  tw_wipe(context->writing, sizeof context->writing);
  tw_alloc_free(NULL, context);
}

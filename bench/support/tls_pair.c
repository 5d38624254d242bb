/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_pair.h"

#include <openssl/x509v3.h>
#include <string.h>

/* ---- certificates ---- */

static EVP_PKEY *new_key(void) {
  EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
  BENCH_TRUE(key != NULL);
  return key;
}

static void add_extension(X509 *to, X509 *issuer, int nid, const char *value) {
  X509V3_CTX ctx;
  X509V3_set_ctx(&ctx, issuer, to, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
  BENCH_TRUE(extension != NULL && X509_add_ext(to, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

/* `issuer` NULL: signed by itself. */
static X509 *new_certificate(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key) {
  X509 *made = X509_new();
  BENCH_TRUE(made != NULL && X509_set_version(made, X509_VERSION_3) == 1 &&
             ASN1_INTEGER_set(X509_get_serialNumber(made), 1 + (issuer != NULL)) == 1 &&
             X509_gmtime_adj(X509_getm_notBefore(made), -60) != NULL &&
             X509_gmtime_adj(X509_getm_notAfter(made), 3600) != NULL && X509_set_pubkey(made, key) == 1);
  X509_NAME *subject = X509_get_subject_name(made);
  BENCH_TRUE(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0) == 1);
  BENCH_TRUE(X509_set_issuer_name(made, issuer != NULL ? X509_get_subject_name(issuer) : subject) == 1);
  add_extension(made, issuer != NULL ? issuer : made, NID_basic_constraints,
                issuer != NULL ? "critical,CA:FALSE" : "critical,CA:TRUE");
  if (issuer != NULL) {
    char names[64];
    (void)snprintf(names, sizeof names, "DNS:%s", name);
    add_extension(made, issuer, NID_subject_alt_name, names);
    add_extension(made, issuer, NID_ext_key_usage, "serverAuth,clientAuth");
  }
  BENCH_TRUE(X509_sign(made, issuer_key, NULL) > 0);
  return made;
}

/* ---- contexts ---- */

/* Pinned: the certificate is the expected one, or not. */
static int compare_pin(X509_STORE_CTX *ctx, void *expected) {
  const X509 *got = X509_STORE_CTX_get0_cert(ctx);
  return got != NULL && X509_cmp(got, expected) == 0;
}

static int keep_session(SSL *ssl, SSL_SESSION *session) {
  tls_world *world = SSL_get_app_data(ssl);
  SSL_SESSION_free(world->session);
  world->session = session;
  return 1;
}

static SSL_CTX *new_context(bool server, const tls_options *options) {
  SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
  BENCH_TRUE(ctx != NULL && SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
             SSL_CTX_set_ciphersuites(ctx, options->cipher) == 1 &&
             SSL_CTX_set1_groups_list(ctx, options->group) == 1 && SSL_CTX_set1_sigalgs_list(ctx, "ed25519") == 1);
  (void)SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN); /* else the chain to send is looked for and checked each time */
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  if (server) {
    static const unsigned char id[] = "bench";
    BENCH_TRUE(SSL_CTX_set_num_tickets(ctx, options->tickets) == 1 &&
               SSL_CTX_set_session_id_context(ctx, id, sizeof id) == 1);
    if (!options->early_data) SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (options->early_data) BENCH_TRUE(SSL_CTX_set_max_early_data(ctx, 16384) == 1);
  } else {
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep_session);
  }
  return ctx;
}

static const char *const names[] = {"client.example", "server.example"};

void tls_world_init(tls_world *world, const tls_options *options) {
  *world = (tls_world){.session = NULL};
  X509 *certificate[2];
  EVP_PKEY *ca_key = new_key();
  X509 *ca = new_certificate("CA", ca_key, NULL, ca_key);
  for (unsigned i = 0; i < 2; i++) {
    EVP_PKEY *key = new_key();
    certificate[i] = options->pinned ? new_certificate(names[i], key, NULL, key)
                                     : new_certificate(names[i], key, ca, ca_key);
    world->ctx[i] = new_context(i == 1, options);
    BENCH_TRUE(SSL_CTX_use_certificate(world->ctx[i], certificate[i]) == 1 &&
               SSL_CTX_use_PrivateKey(world->ctx[i], key) == 1);
    EVP_PKEY_free(key);
  }
  for (unsigned i = 0; i < 2; i++) {
    if (options->pinned) {
      SSL_CTX_set_cert_verify_callback(world->ctx[i], compare_pin, certificate[1 - i]);
      BENCH_TRUE(SSL_CTX_set_app_data(world->ctx[i], certificate[1 - i]) == 1); /* to be freed by */
    } else {
      BENCH_TRUE(X509_STORE_add_cert(SSL_CTX_get_cert_store(world->ctx[i]), ca) == 1);
      X509_free(certificate[1 - i]);
    }
  }
  X509_free(ca);
  EVP_PKEY_free(ca_key);
}

void tls_world_clear(tls_world *world) {
  SSL_SESSION_free(world->session);
  for (unsigned i = 0; i < 2; i++) {
    X509_free(SSL_CTX_get_app_data(world->ctx[i]));
    SSL_CTX_free(world->ctx[i]);
  }
}

/* ---- connections ---- */

static void make_ends(tls_pair *pair, tls_world *world) {
  for (unsigned i = 0; i < 2; i++) {
    pair->end[i] = SSL_new(world->ctx[i]);
    pair->wire[i] = BIO_new(BIO_s_mem());
    BENCH_TRUE(pair->end[i] != NULL && pair->wire[i] != NULL && BIO_set_mem_eof_return(pair->wire[i], -1) == 1 &&
               SSL_set_app_data(pair->end[i], world) == 1);
  }
  for (unsigned i = 0; i < 2; i++) {
    BENCH_TRUE(BIO_up_ref(pair->wire[0]) == 1 && BIO_up_ref(pair->wire[1]) == 1);
    SSL_set_bio(pair->end[i], pair->wire[1 - i], pair->wire[i]);
  }
  SSL_set_connect_state(pair->end[0]);
  SSL_set_accept_state(pair->end[1]);
  if (SSL_get_verify_callback(pair->end[0]) == NULL) BENCH_TRUE(SSL_set1_host(pair->end[0], names[1]) == 1);
}

static void send_early(tls_pair *pair, tw_bytes early) {
  uint8_t got[256];
  size_t len = 0;
  BENCH_TRUE(SSL_write_early_data(pair->end[0], early.ptr, early.len, &len) == 1 && len == early.len);
  BENCH_TRUE(SSL_read_early_data(pair->end[1], got, sizeof got, &len) == SSL_READ_EARLY_DATA_SUCCESS &&
             len == early.len);
  BENCH_TRUE(SSL_read_early_data(pair->end[1], got, sizeof got, &len) != SSL_READ_EARLY_DATA_SUCCESS);
}

static bool finished(const tls_pair *pair) {
  return SSL_is_init_finished(pair->end[0]) && SSL_is_init_finished(pair->end[1]);
}

void tls_pair_open(tls_pair *pair, tls_world *world, bool resume, tw_bytes early) {
  make_ends(pair, world);
  if (resume) BENCH_TRUE(SSL_set_session(pair->end[0], world->session) == 1);
  if (early.len > 0) send_early(pair, early);
  for (unsigned i = 0; i < 8 && !finished(pair); i++) {
    if (early.len > 0 && i % 2 == 1) {
      uint8_t byte;
      size_t len = 0;
      (void)SSL_read_early_data(pair->end[1], &byte, 1, &len); /* to the end of it */
    }
    (void)SSL_do_handshake(pair->end[i % 2]);
  }
  BENCH_TRUE(finished(pair));
  BENCH_TRUE((SSL_session_reused(pair->end[0]) == 1) == resume);
  uint8_t byte;
  if (SSL_get_num_tickets(pair->end[1]) > 0) BENCH_TRUE(SSL_read(pair->end[0], &byte, 1) <= 0); /* takes the tickets */
}

void tls_pair_close(tls_pair *pair) {
  for (unsigned i = 0; i < 2; i++) {
    SSL_set_shutdown(pair->end[i], SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* else the session is held for bad */
    SSL_free(pair->end[i]);
  }
  for (unsigned i = 0; i < 2; i++) BIO_free(pair->wire[i]);
}

uint64_t tls_pair_wire(const tls_pair *pair) {
  return BIO_number_written(pair->wire[0]) + BIO_number_written(pair->wire[1]);
}

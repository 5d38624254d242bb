/*
 * Chains, CRLs, CAs and keys of strangers. The first byte says what the rest is: a chain as it comes from a peer; what
 * is to be signed of a certificate (TBSCertificate), which our CA then signs whatever it says; CRLs; the same of a CRL;
 * a
 * PEM file with CAs, our own chain and a key. SPDX-License-Identifier: Apache-2.0
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "codec/writer.h"
#include "fuzz_env.h"
#include "x509/x509.h"

enum { CHAIN, SIGNED, CRLS, SIGNED_CRL, FILES, KINDS };
enum { SIGNATURE = 64, SIGNED_MAX = 20000, NOW = 1782000000, DAY = 24 * 3600 };
static const uint8_t ca_seed[32] = {1}, peer_seed[32] = {2};

static EVP_PKEY *key_of(const uint8_t seed[32]) {
  EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
  TW_FUZZ_ASSERT(key != NULL);
  return key;
}

/* ---- our CA ---- */

static void extend(X509 *certificate, X509 *issuer, int nid, const char *value) {
  X509V3_CTX ctx;
  X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
  TW_FUZZ_ASSERT(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

/* Of `peer_seed` with our CA as its issuer, or of the CA itself. */
static X509 *certificate_of(bool ca) {
  X509 *certificate = X509_new();
  EVP_PKEY *key = key_of(ca ? ca_seed : peer_seed);
  EVP_PKEY *issuer = key_of(ca_seed);
  X509_NAME *name = X509_NAME_new();
  TW_FUZZ_ASSERT(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"CA", -1, -1, 0) == 1);
  TW_FUZZ_ASSERT(X509_set_version(certificate, X509_VERSION_3) == 1);
  TW_FUZZ_ASSERT(ASN1_INTEGER_set(X509_get_serialNumber(certificate), ca ? 1 : 2) == 1);
  TW_FUZZ_ASSERT(X509_set_issuer_name(certificate, name) == 1);
  if (!ca)
    TW_FUZZ_ASSERT(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const unsigned char *)"p", -1, -1, 0) == 1);
  TW_FUZZ_ASSERT(X509_set_subject_name(certificate, name) == 1);
  TW_FUZZ_ASSERT(ASN1_TIME_set(X509_getm_notBefore(certificate), NOW - DAY) != NULL);
  TW_FUZZ_ASSERT(ASN1_TIME_set(X509_getm_notAfter(certificate), NOW + DAY) != NULL);
  TW_FUZZ_ASSERT(X509_set_pubkey(certificate, key) == 1);
  extend(certificate, certificate, NID_basic_constraints, ca ? "critical,CA:TRUE" : "CA:FALSE");
  extend(certificate, certificate, NID_key_usage, ca ? "keyCertSign,cRLSign" : "digitalSignature");
  if (!ca) extend(certificate, certificate, NID_ext_key_usage, "serverAuth");
  if (!ca) extend(certificate, certificate, NID_subject_alt_name, "DNS:peer.example,IP:192.0.2.1");
  TW_FUZZ_ASSERT(X509_sign(certificate, issuer, NULL) > 0);
  X509_NAME_free(name);
  EVP_PKEY_free(issuer);
  EVP_PKEY_free(key);
  return certificate;
}

static tw_bytes pem_of_ca(void) {
  static uint8_t text[2000];
  static size_t len;
  if (len > 0) return TW_BYTES(text, len);
  X509 *certificate = certificate_of(true);
  BIO *bio = BIO_new(BIO_s_mem());
  char *at = NULL;
  TW_FUZZ_ASSERT(bio != NULL && PEM_write_bio_X509(bio, certificate) == 1);
  const long size = BIO_get_mem_data(bio, &at);
  TW_FUZZ_ASSERT(size > 0 && (size_t)size <= sizeof text);
  memcpy(text, at, (size_t)size);
  len = (size_t)size;
  BIO_free(bio);
  X509_free(certificate);
  return TW_BYTES(text, len);
}

static tw_x509 *shared(void) {
  static tw_x509 *x509;
  if (x509 == NULL) TW_FUZZ_ASSERT(tw_x509_new(&x509) == TW_OK);
  return x509;
}

static tw_x509_trust *new_trust(void) {
  tw_x509_trust *trust = NULL;
  TW_FUZZ_ASSERT(tw_x509_trust_new(shared(), &trust) == TW_OK);
  TW_FUZZ_ASSERT(tw_x509_trust_add_anchors(trust, "ca", pem_of_ca(), NULL) == TW_OK);
  return trust;
}

/* SEQUENCE { tbs, AlgorithmIdentifier Ed25519, BIT STRING signature }: both of certificates and of CRLs. */
static size_t sign(const uint8_t *tbs, size_t len, uint8_t *out) {
  static const uint8_t algorithm[] = {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x41, 0x00};
  const size_t content = len + sizeof algorithm + SIGNATURE;
  EVP_PKEY *key = key_of(ca_seed);
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  size_t size = SIGNATURE;
  out[0] = 0x30;
  out[1] = 0x82;
  out[2] = (uint8_t)(content >> 8);
  out[3] = (uint8_t)content;
  memcpy(out + 4, tbs, len);
  memcpy(out + 4 + len, algorithm, sizeof algorithm);
  TW_FUZZ_ASSERT(EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1);
  TW_FUZZ_ASSERT(EVP_DigestSign(ctx, out + 4 + len + sizeof algorithm, &size, tbs, len) == 1);
  EVP_MD_CTX_free(ctx);
  EVP_PKEY_free(key);
  return content + 4;
}

/* ---- what is looked at ---- */

static void verify(const tw_x509_trust *trust, tw_bytes certificates, tw_x509_side side) {
  static const char *const names[] = {"peer.example", "192.0.2.1"};
  tw_x509_holder holder;
  for (size_t count = 0; count <= 2; count++) {
    tw_report report = {""};
    const tw_x509_question question = {certificates, side, names, count, NOW};
    const tw_err err = tw_x509_verify(trust, &question, &holder, &report);
    TW_FUZZ_ASSERT((err == TW_OK) == (report.text[0] == '\0'));
    TW_FUZZ_ASSERT(err == TW_OK || tw_err_class_of(err) == TW_CLASS_FORBIDDEN);
    if (err == TW_OK) TW_FUZZ_ASSERT(holder.not_before <= NOW && NOW < holder.not_after);
    if (err == TW_OK && count > 0) TW_FUZZ_ASSERT(holder.name[0] != '\0');
  }
  (void)!tw_x509_describe(shared(), certificates, &holder);
}

/* Our CA's own certificate of a peer, as the content of a credential. */
static void peer_chain(tw_buf *chain) {
  X509 *certificate = certificate_of(false);
  unsigned char *der = NULL;
  const int len = i2d_X509(certificate, &der);
  tw_writer w = tw_writer_to(chain);
  tw_write_vector(&w, TW_BYTES(der, (size_t)len));
  TW_FUZZ_ASSERT(len > 0 && tw_writer_end(&w) == TW_OK);
  OPENSSL_free(der);
  X509_free(certificate);
}

static void look_at_signed(const uint8_t *tbs, size_t len) {
  static uint8_t certificate[SIGNED_MAX + 200];
  static tw_x509_trust *trust;
  if (trust == NULL) trust = new_trust();
  tw_buf chain = {0};
  tw_writer w = tw_writer_to(&chain);
  tw_write_vector(&w, TW_BYTES(certificate, sign(tbs, len, certificate)));
  TW_FUZZ_ASSERT(tw_writer_end(&w) == TW_OK);
  verify(trust, tw_buf_bytes(&chain), TW_X509_LISTENER);
  verify(trust, tw_buf_bytes(&chain), TW_X509_CONNECTOR);
  tw_buf_clear(&chain);
}

static void look_at_crls(tw_bytes crls) {
  static tw_buf chain;
  if (chain.len == 0) peer_chain(&chain);
  tw_report report = {""};
  tw_x509_trust *trust = new_trust();
  const tw_err err = tw_x509_trust_add_crls(trust, "crl", crls, NOW, &report);
  TW_FUZZ_ASSERT((err == TW_OK) == (report.text[0] == '\0'));
  if (err == TW_OK) verify(trust, tw_buf_bytes(&chain), TW_X509_LISTENER);
  tw_x509_trust_free(trust);
}

static void look_at_files(tw_bytes text) {
  tw_report report = {""};
  tw_buf out = {0};
  uint16_t scheme = 0;
  tw_x509_trust *trust = NULL;
  TW_FUZZ_ASSERT(tw_x509_trust_new(shared(), &trust) == TW_OK);
  if (tw_x509_trust_add_anchors(trust, "ca", text, &report) != TW_OK) TW_FUZZ_ASSERT(report.text[0] != '\0');
  tw_x509_trust_free(trust);
  if (tw_x509_chain_read(shared(), "cert", text, &out, &report) != TW_OK) TW_FUZZ_ASSERT(out.len == 0);
  tw_buf_clear(&out);
  if (tw_x509_key_read(shared(), "key", text, NULL, NULL, &scheme, &out, &report) != TW_OK)
    TW_FUZZ_ASSERT(out.len == 0);
  tw_buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static uint8_t made[SIGNED_MAX + 200];
  static tw_x509_trust *trust;
  if (size == 0 || data[0] >= KINDS || size > SIGNED_MAX) return -1;
  const tw_bytes rest = TW_BYTES(data + 1, size - 1);
  if (trust == NULL) trust = new_trust();
  switch (data[0]) {
  case CHAIN: verify(trust, rest, TW_X509_LISTENER); break;
  case SIGNED: look_at_signed(rest.ptr, rest.len); break;
  case CRLS: look_at_crls(rest); break;
  case SIGNED_CRL: look_at_crls(TW_BYTES(made, sign(rest.ptr, rest.len, made))); break;
  default: look_at_files(rest); break;
  }
  TW_FUZZ_ASSERT(ERR_peek_error() == 0);
  return 0;
}

/* ---- seeds ---- */

static void write_seed(const char *name, uint8_t kind, tw_bytes content) {
  tw_buf seed = {0};
  TW_FUZZ_ASSERT(tw_buf_append(&seed, TW_BYTES(&kind, 1)) == TW_OK);
  TW_FUZZ_ASSERT(tw_buf_append(&seed, content) == TW_OK);
  tw_fuzz_write_seed(name, tw_buf_bytes(&seed));
  tw_buf_clear(&seed);
}

static X509_CRL *make_crl(void) {
  X509_CRL *crl = X509_CRL_new();
  X509 *ca = certificate_of(true);
  EVP_PKEY *key = key_of(ca_seed);
  ASN1_TIME *time = ASN1_TIME_set(NULL, NOW - DAY);
  ASN1_INTEGER *serial = ASN1_INTEGER_new();
  X509_REVOKED *entry = X509_REVOKED_new();
  TW_FUZZ_ASSERT(X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1);
  TW_FUZZ_ASSERT(X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca)) == 1);
  TW_FUZZ_ASSERT(X509_CRL_set1_lastUpdate(crl, time) == 1 && X509_REVOKED_set_revocationDate(entry, time) == 1);
  TW_FUZZ_ASSERT(ASN1_TIME_set(time, NOW + DAY) != NULL && X509_CRL_set1_nextUpdate(crl, time) == 1);
  TW_FUZZ_ASSERT(ASN1_INTEGER_set(serial, 7) == 1 && X509_REVOKED_set_serialNumber(entry, serial) == 1);
  TW_FUZZ_ASSERT(X509_CRL_add0_revoked(crl, entry) == 1 && X509_CRL_sign(crl, key, NULL) > 0);
  ASN1_INTEGER_free(serial);
  ASN1_TIME_free(time);
  EVP_PKEY_free(key);
  X509_free(ca);
  return crl;
}

/* The first element within a SEQUENCE of DER: what is signed. */
static tw_bytes to_be_signed(const unsigned char *der, int len) {
  const unsigned char *at = der;
  long size;
  int tag;
  int class_of_tag;
  TW_FUZZ_ASSERT((ASN1_get_object(&at, &size, &tag, &class_of_tag, len) & 0x80) == 0);
  const unsigned char *begin = at;
  TW_FUZZ_ASSERT((ASN1_get_object(&at, &size, &tag, &class_of_tag, size) & 0x80) == 0);
  return TW_BYTES(begin, (size_t)(at - begin) + (size_t)size);
}

/* What the seeds begin with is good. */
static void check_seeds(tw_bytes chain, tw_bytes crl) {
  static const char *const name = "peer.example";
  tw_x509_trust *trust = new_trust();
  const tw_x509_question question = {chain, TW_X509_LISTENER, &name, 1, NOW};
  TW_FUZZ_ASSERT(tw_x509_trust_add_crls(trust, "crl", crl, NOW, NULL) == TW_OK);
  TW_FUZZ_ASSERT(tw_x509_verify(trust, &question, NULL, NULL) == TW_OK);
  tw_x509_trust_free(trust);
}

static void write_seeds(void) {
  tw_buf chain = {0};
  unsigned char *der = NULL;
  X509 *certificate = certificate_of(false);
  X509_CRL *crl = make_crl();
  peer_chain(&chain);
  write_seed("chain", CHAIN, tw_buf_bytes(&chain));
  int len = i2d_X509(certificate, &der);
  TW_FUZZ_ASSERT(len > 0);
  write_seed("signed", SIGNED, to_be_signed(der, len));
  OPENSSL_free(der);
  der = NULL;
  len = i2d_X509_CRL(crl, &der);
  TW_FUZZ_ASSERT(len > 0);
  check_seeds(tw_buf_bytes(&chain), TW_BYTES(der, (size_t)len));
  write_seed("crl", CRLS, TW_BYTES(der, (size_t)len));
  write_seed("signed_crl", SIGNED_CRL, to_be_signed(der, len));
  write_seed("file", FILES, pem_of_ca());
  OPENSSL_free(der);
  X509_CRL_free(crl);
  X509_free(certificate);
  tw_buf_clear(&chain);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) { /* NOLINT: the prototype that libFuzzer gives */
  (void)argc;
  (void)argv;
  if (tw_fuzz_seed_folder() == NULL) return 0;
  write_seeds();
  tw_fuzz_seeds_done();
  return 0;
}

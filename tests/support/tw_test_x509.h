/* Certificates and CRLs made while a test runs. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TEST_X509_H
#define TW_TEST_X509_H

#include <openssl/x509.h>
#include <treewire/bytes.h>

/* Noon of a day in 2026; whatever does not say otherwise is valid for ten days around it. */
#define TW_TEST_X509_NOW UINT64_C(1782000000)
enum { TW_TEST_DAY = 24 * 3600 };

/* A certificate with its key; what is made below it is signed by that. */
typedef struct tw_test_cert {
  X509 *certificate;
  EVP_PKEY *key;
} tw_test_cert;

/* Zero-initialised: an end-entity certificate of an Ed25519 key without further extensions. Values of extensions are as
 * in libcrypto's configuration files. */
typedef struct tw_test_cert_spec {
  const char *subject; /* common name; NULL: an empty subject */
  const char *names;   /* "DNS:a.example,IP:192.0.2.1" */
  const char *basic;   /* "critical,CA:TRUE" */
  const char *usage;   /* "digitalSignature" */
  const char *extended;
  const char *constraints;
  const char *type; /* of the key: "ED25519" (NULL), "EC", "ML-DSA-65", "RSA" … */
  const char *curve;
  unsigned bits; /* of RSA */
  long from;     /* seconds against TW_TEST_X509_NOW, 0: five days before */
  long until;    /* the same, 0: five days after */
  long serial;
  const char *digest;      /* NULL: what fits the issuer's key */
  const char *strange_oid; /* a critical extension of this type */
  EVP_PKEY *key;           /* this key in place of a fresh one */
} tw_test_cert_spec;

/* `issuer` NULL: self-signed. Ends the test on failure. */
void tw_test_cert_make(tw_test_cert *out, const tw_test_cert *issuer, const tw_test_cert_spec *spec);
/* A CA with what RFC 5280 wants of one, and a key of that type (NULL: Ed25519). */
void tw_test_ca_make(tw_test_cert *out, const tw_test_cert *issuer, const char *subject, const char *type,
                     const char *curve);
void tw_test_cert_clear(tw_test_cert *cert);

/* PEM, appended. */
void tw_test_cert_pem(const tw_test_cert *cert, tw_buf *out);
/* The content of an x509 credential, ours first; NULL at the end. */
void tw_test_chain(tw_buf *out, const tw_test_cert *const *certs);

/* A CRL of `issuer` signed by `signer`, with one serial number (0: none), valid between two times as above. */
typedef struct tw_test_crl_spec {
  long serial;
  long from;
  long until; /* LONG_MIN: says none */
  bool delta;
  bool strange; /* a critical extension that nobody knows */
} tw_test_crl_spec;
void tw_test_crl(const tw_test_cert *issuer, const tw_test_cert *signer, const tw_test_crl_spec *spec, bool pem,
                 tw_buf *out);

#endif

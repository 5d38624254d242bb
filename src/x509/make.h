/* Making certificates and CRLs: what a small CA needs. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_X509_MAKE_H
#define TW_X509_MAKE_H

#include "x509/x509.h"

/** A key pair in libcrypto's hands. */
typedef struct tw_x509_key tw_x509_key;
/** NULL is fine. The private key is wiped. */
void tw_x509_key_free(tw_x509_key *key);
/**
 * A fresh one: ed25519, ed448, p256, p384, p521, ml-dsa-44, ml-dsa-65, ml-dsa-87, case of letters ignored.
 * TW_ERR_ARGUMENT with a report that lists them.
 */
TW_MUST_USE tw_err tw_x509_key_generate(tw_x509 *x509, const char *algorithm, tw_x509_key **key, tw_report *report);
/** The private key of a PEM file that is not encrypted. TW_ERR_ENCODING with a report. */
TW_MUST_USE tw_err tw_x509_key_load(tw_x509 *x509, const char *source, tw_bytes pem, tw_x509_key **key,
                                    tw_report *report);
/**
 * The public key in a certificate request (PKCS#10), whose signature has to be good, or in a PUBLIC KEY; PEM.
 * TW_ERR_ENCODING, TW_ERR_SIGNATURE, TW_ERR_UNSUPPORTED (an algorithm that no suite has) with a report.
 */
TW_MUST_USE tw_err tw_x509_key_request(tw_x509 *x509, const char *source, tw_bytes pem, tw_x509_key **key,
                                       tw_report *report);
/** PKCS#8, PEM, appended. Secret: `pem` is the caller's to clear. */
TW_MUST_USE tw_err tw_x509_key_save(const tw_x509_key *key, tw_buf *pem);

enum { TW_X509_SERIAL_SIZE = 16 };
/** A serial number that nobody can guess, of 126 random bits. TW_ERR_RANDOM. */
TW_MUST_USE tw_err tw_x509_make_serial(tw_x509 *x509, uint8_t serial[TW_X509_SERIAL_SIZE]);

/** What goes into a certificate. Borrowed. */
typedef struct tw_x509_wish {
  const char *subject;      /* common name of a CA; for others the first name is taken */
  const char *const *names; /* as tw_x509_name_parse gives them */
  size_t name_count;        /* 0: a CA */
  tw_bytes serial;          /* big-endian, positive, at most 20 bytes (RFC 5280 section 4.1.2.2) */
  uint64_t not_before;
  uint64_t not_after;
} tw_x509_wish;

/** Whose certificate signs. */
typedef struct tw_x509_issuer {
  tw_bytes certificate; /* PEM; empty: self-signed */
  const tw_x509_key *key;
} tw_x509_issuer;

/**
 * A certificate of `key`, PEM, appended: of a CA that issues end-entity certificates alone (path length 0), or of a
 * peer (digitalSignature, serverAuth and clientAuth). TW_ERR_ENCODING: the issuer's certificate cannot be read.
 */
TW_MUST_USE tw_err tw_x509_certify(tw_x509 *x509, const tw_x509_issuer *issuer, const tw_x509_key *key,
                                   const tw_x509_wish *wish, tw_buf *pem);

typedef struct tw_x509_revocation {
  tw_bytes serial;
  uint64_t at;
} tw_x509_revocation;

typedef struct tw_x509_crl_wish {
  const tw_x509_revocation *list;
  size_t count;
  uint64_t number; /* more than that of the one before */
  uint64_t from;
  uint64_t until;
} tw_x509_crl_wish;

/** A CRL, PEM, appended. TW_ERR_ENCODING as above. */
TW_MUST_USE tw_err tw_x509_make_crl(tw_x509 *x509, const tw_x509_issuer *issuer, const tw_x509_crl_wish *wish,
                                    tw_buf *pem);
/** The number of a CRL, 0 where it has none or cannot be read. */
uint64_t tw_x509_crl_number(tw_x509 *x509, tw_bytes pem);

/** Whether the first certificate in `pem` is signed by the issuer's key. */
bool tw_x509_is_issued_by(tw_x509 *x509, tw_bytes pem, const tw_x509_issuer *issuer);

#endif

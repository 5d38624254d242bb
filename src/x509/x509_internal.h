/* The inside of the room. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_X509_INTERNAL_H
#define TW_X509_INTERNAL_H

#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/crypto.h"
#include "x509/x509.h"

struct tw_x509 {
  OSSL_LIB_CTX *lib;
  OSSL_PROVIDER *provider;
};

struct tw_x509_trust {
  tw_x509 *x509;
  X509_STORE *store;
  size_t anchors;
  size_t crls;
  uint8_t made_of[32]; /* SHA-256 of this and the next file's content, file by file */
};

/* Each stretch of calls into libcrypto stands between these two: the error queue is afterwards as before. */
static inline void tw_x509_begin(void) { (void)ERR_set_mark(); }
static inline void tw_x509_end(void) { (void)ERR_pop_to_mark(); }
/* Whether the last call failed for want of memory. */
bool tw_x509_short_of_memory(void);

/* One certificate of DER, all of it; NULL when it is none. */
X509 *tw_x509_parse(tw_x509 *x509, tw_bytes der);
/* A memory BIO over bytes; NULL without memory. */
BIO *tw_x509_bio(tw_bytes bytes);

/* ---- text.c: printable, cut to fit ---- */

void tw_x509_name_text(const X509_NAME *name, char *out, size_t size);
/* "DNS:a.example, IP:192.0.2.1, …"; "" for no subjectAltName. */
void tw_x509_alt_names_text(const X509 *certificate, char *out, size_t size);
/* The first DNS name or address. */
void tw_x509_first_name(const X509 *certificate, char *out, size_t size);
void tw_x509_serial_text(const ASN1_INTEGER *serial, char *out, size_t size);
/* Seconds since 1970; 0 for what is before or cannot be read. */
uint64_t tw_x509_time(const ASN1_TIME *time);
enum { TW_X509_TIME = 24 };
/* "2026-11-28T03:20:22Z" */
void tw_x509_time_text(uint64_t time, char *out, size_t size);
void tw_x509_fill_holder(const X509 *certificate, tw_x509_holder *holder);

/* ---- own.c ---- */

/* opaque cert_data<V>, RFC 9420 section 5.3. TW_ERR_LIMIT: of more than TW_X509_CERTIFICATE_MAX; TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_x509_append(const X509 *certificate, tw_buf *certificates);

/* The scheme that a key of libcrypto is for; NULL where no suite has it. */
const tw_signature *tw_x509_scheme_of(const EVP_PKEY *key);

/* ---- names.c ---- */

/* By RFC 9525: DNS-ID or IP-ID, never the subject. */
bool tw_x509_is_for(X509 *certificate, const char *name);

#endif

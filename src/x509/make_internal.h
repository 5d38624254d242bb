/* The inside of making certificates. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_X509_MAKE_INTERNAL_H
#define TW_X509_MAKE_INTERNAL_H

#include "x509/make.h"
#include "x509/x509_internal.h"

struct tw_x509_key {
  EVP_PKEY *pkey;
};

/* What was written to a memory BIO, appended. */
TW_MUST_USE tw_err tw_x509_take_bio(BIO *bio, tw_buf *out);
/* The digest that a key signs certificates with; NULL where it is within the algorithm. */
const EVP_MD *tw_x509_digest_for(const EVP_PKEY *key);
/* The first certificate of a PEM text; NULL when there is none. */
X509 *tw_x509_read_pem(tw_x509 *x509, tw_bytes pem);
/* A number of at most 20 bytes, big-endian; NULL without memory. */
ASN1_INTEGER *tw_x509_integer(tw_bytes number);

#endif

/* What libssl and TLS's names need of certificates. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_X509_TLS_H
#define TW_X509_TLS_H

#include <openssl/evp.h>

#include "x509/x509.h"

/** The room's library context, for SSL_CTX_new_ex. */
OSSL_LIB_CTX *tw_x509_lib(tw_x509 *x509);

/** The private key in a PEM file, the caller's to free. Errors as tw_x509_key_read's. */
TW_MUST_USE tw_err tw_x509_key_open(tw_x509 *x509, const char *source, tw_bytes pem, tw_x509_passphrase passphrase,
                                    void *passphrase_ctx, EVP_PKEY **key, tw_report *report);
/** That key in the form of tw_x509_key_read. Errors likewise. */
TW_MUST_USE tw_err tw_x509_key_export(const EVP_PKEY *key, const char *source, uint16_t *scheme, tw_buf *private_key,
                                      tw_report *report);

/** SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7) of the first certificate, appended. TW_ERR_CERTIFICATE. */
TW_MUST_USE tw_err tw_x509_spki(tw_x509 *x509, tw_bytes certificates, tw_buf *spki);

#endif

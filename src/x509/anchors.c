/* Trust anchors on their way to others. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/pem.h>

#include "mls/extension.h"
#include "x509/x509_internal.h"

tw_err tw_x509_trust_give_anchors(const tw_x509_trust *trust, tw_buf *certificates) {
  const size_t before = certificates->len;
  tw_x509_begin();
  STACK_OF(X509) *anchors = X509_STORE_get1_all_certs(trust->store);
  tw_err err = anchors == NULL ? TW_ERR_NO_MEMORY : TW_OK;
  for (int i = 0; err == TW_OK && i < sk_X509_num(anchors); i++)
    err = tw_x509_append(sk_X509_value(anchors, i), certificates);
  OSSL_STACK_OF_X509_free(anchors);
  tw_x509_end();
  if (err != TW_OK) certificates->len = before;
  return err;
}

static tw_err write_one(tw_x509 *x509, BIO *bio, tw_bytes der, int number, tw_report *report) {
  X509 *certificate = tw_x509_parse(x509, der);
  if (certificate == NULL && tw_x509_short_of_memory()) return TW_ERR_NO_MEMORY;
  if (certificate == NULL)
    return tw_report_fail(report, TW_ERR_CERTIFICATE, "what is sent as the network's CA %d is no certificate", number);
  const bool written = PEM_write_bio_X509(bio, certificate) == 1;
  X509_free(certificate);
  return written ? TW_OK : TW_ERR_NO_MEMORY;
}

static tw_err write_all(tw_x509 *x509, BIO *bio, tw_bytes certificates, tw_report *report) {
  tw_reader walk = tw_reader_of(certificates);
  int number = 0;
  for (tw_bytes der; tw_certificate_next(&walk, &der);) TW_TRY(write_one(x509, bio, der, ++number, report));
  if (tw_reader_err(&walk) == TW_OK && number > 0) return TW_OK;
  return tw_report_fail(report, TW_ERR_CERTIFICATE, "what is sent as the network's CAs is no list of certificates");
}

tw_err tw_x509_anchors_file(tw_x509 *x509, tw_bytes certificates, tw_buf *pem, tw_report *report) {
  char *text = NULL;
  tw_x509_begin();
  BIO *bio = BIO_new(BIO_s_mem());
  tw_err err = bio == NULL ? TW_ERR_NO_MEMORY : write_all(x509, bio, certificates, report);
  if (err == TW_OK) {
    const long len = BIO_get_mem_data(bio, &text);
    err = len <= 0 ? TW_ERR_NO_MEMORY : tw_buf_append(pem, TW_BYTES((const uint8_t *)text, (size_t)len));
  }
  BIO_free(bio);
  tw_x509_end();
  return err == TW_ERR_NO_MEMORY ? tw_report_fail(report, err, "out of memory") : err;
}

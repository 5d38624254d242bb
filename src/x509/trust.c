/* Trust anchors and CRLs. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/pem.h>
#include <string.h>

#include "base/alloc.h"
#include "x509/x509_internal.h"

tw_err tw_x509_trust_new(tw_x509 *x509, tw_x509_trust **trust) {
  tw_x509_trust *made = tw_alloc_zero(NULL, sizeof *made);
  if (made == NULL) return TW_ERR_NO_MEMORY;
  tw_x509_begin();
  made->x509 = x509;
  made->store = X509_STORE_new();
  tw_x509_end();
  if (made->store == NULL) {
    tw_x509_trust_free(made);
    return TW_ERR_NO_MEMORY;
  }
  *trust = made;
  return TW_OK;
}

void tw_x509_trust_free(tw_x509_trust *trust) {
  if (trust == NULL) return;
  X509_STORE_free(trust->store);
  tw_alloc_free(NULL, trust);
}

size_t tw_x509_trust_anchors(const tw_x509_trust *trust) { return trust->anchors; }
size_t tw_x509_trust_crls(const tw_x509_trust *trust) { return trust->crls; }

bool tw_x509_trust_is_same(const tw_x509_trust *a, const tw_x509_trust *b) {
  return a->anchors == b->anchors && a->crls == b->crls && memcmp(a->made_of, b->made_of, sizeof a->made_of) == 0;
}

static tw_err note_content(tw_x509_trust *trust, tw_bytes content) {
  EVP_MD *sha256 = EVP_MD_fetch(trust->x509->lib, "SHA256", NULL);
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  const bool good = sha256 != NULL && ctx != NULL && EVP_DigestInit_ex(ctx, sha256, NULL) == 1 &&
                    EVP_DigestUpdate(ctx, trust->made_of, sizeof trust->made_of) == 1 &&
                    EVP_DigestUpdate(ctx, content.ptr, content.len) == 1 &&
                    EVP_DigestFinal_ex(ctx, trust->made_of, NULL) == 1;
  EVP_MD_CTX_free(ctx);
  EVP_MD_free(sha256);
  return good ? TW_OK : TW_ERR_NO_MEMORY;
}

/* Whether a PEM reader stopped because there is no further block. */
static bool is_end_of_pem(void) {
  const unsigned long error = ERR_peek_last_error();
  return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

static tw_err failed(const char *source, const char *what, size_t number, tw_report *report) {
  if (tw_x509_short_of_memory()) return tw_report_fail(report, TW_ERR_NO_MEMORY, "out of memory");
  return tw_report_fail(report, TW_ERR_ENCODING, "%.200s: %s %zu in it cannot be read", source, what, number);
}

/* ---- anchors ---- */

static tw_err add_anchors(tw_x509_trust *trust, const char *source, BIO *bio, tw_report *report) {
  for (size_t number = 1;; number++) {
    X509 *certificate = X509_new_ex(trust->x509->lib, NULL);
    if (certificate == NULL) return TW_ERR_NO_MEMORY;
    if (PEM_read_bio_X509(bio, &certificate, NULL, NULL) == NULL) {
      X509_free(certificate);
      return is_end_of_pem() ? TW_OK : failed(source, "certificate", number, report);
    }
    const int added = X509_STORE_add_cert(trust->store, certificate);
    X509_free(certificate);
    if (added != 1) return TW_ERR_NO_MEMORY;
    trust->anchors++;
  }
}

tw_err tw_x509_trust_add_anchors(tw_x509_trust *trust, const char *source, tw_bytes pem, tw_report *report) {
  const size_t before = trust->anchors;
  tw_x509_begin();
  BIO *bio = tw_x509_bio(pem);
  tw_err err = bio == NULL ? TW_ERR_NO_MEMORY : add_anchors(trust, source, bio, report);
  if (err == TW_OK) err = note_content(trust, pem);
  BIO_free(bio);
  tw_x509_end();
  if (err == TW_OK && trust->anchors == before)
    err = tw_report_fail(report, TW_ERR_ENCODING, "%.200s: no certificate in it (PEM)", source);
  return err;
}

/* ---- CRLs ---- */

/* By an anchor of the issuer's name, if there is one. */
static bool is_signed(const tw_x509_trust *trust, X509_CRL *crl) {
  STACK_OF(X509) *anchors = X509_STORE_get1_all_certs(trust->store);
  bool named = false;
  bool good = false;
  for (int i = 0; !good && i < sk_X509_num(anchors); i++) {
    X509 *anchor = sk_X509_value(anchors, i);
    if (X509_NAME_cmp(X509_get_subject_name(anchor), X509_CRL_get_issuer(crl)) != 0) continue;
    named = true;
    good = X509_CRL_verify(crl, X509_get0_pubkey(anchor)) == 1;
  }
  OSSL_STACK_OF_X509_free(anchors);
  return good || !named;
}

static tw_err check_crl(const tw_x509_trust *trust, X509_CRL *crl, const char *where, uint64_t now, tw_report *report) {
  char issuer[TW_X509_TEXT];
  char at[TW_X509_TIME];
  tw_x509_name_text(X509_CRL_get_issuer(crl), issuer, sizeof issuer);
  if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0)
    return tw_report_fail(report, TW_ERR_UNSUPPORTED, "%s: a delta CRL, which is not supported here", where);
  const uint64_t from = tw_x509_time(X509_CRL_get0_lastUpdate(crl));
  if (from > now) {
    tw_x509_time_text(from, at, sizeof at);
    return tw_report_fail(report, TW_ERR_LIFETIME, "%s: the CRL of '%s' is not valid before %s", where, issuer, at);
  }
  const uint64_t until = tw_x509_time(X509_CRL_get0_nextUpdate(crl));
  if (X509_CRL_get0_nextUpdate(crl) == NULL)
    return tw_report_fail(report, TW_ERR_LIFETIME, "%s: the CRL of '%s' does not say until when it is valid", where,
                          issuer);
  if (until <= now) {
    tw_x509_time_text(until, at, sizeof at);
    return tw_report_fail(report, TW_ERR_LIFETIME, "%s: the CRL of '%s' is out of date since %s", where, issuer, at);
  }
  if (!is_signed(trust, crl))
    return tw_report_fail(report, TW_ERR_SIGNATURE, "%s: the CRL of '%s' is not signed by that CA", where, issuer);
  return TW_OK;
}

/* The next CRL; NULL with TW_OK at the end. */
static tw_err next_crl(const tw_x509_trust *trust, const char *source, BIO *bio, bool is_pem, X509_CRL **crl,
                       tw_report *report) {
  *crl = NULL;
  if (!is_pem && BIO_pending(bio) == 0) return TW_OK;
  X509_CRL *made = X509_CRL_new_ex(trust->x509->lib, NULL);
  if (made == NULL) return TW_ERR_NO_MEMORY;
  const X509_CRL *read = is_pem ? PEM_read_bio_X509_CRL(bio, &made, NULL, NULL) : d2i_X509_CRL_bio(bio, &made);
  if (read != NULL) {
    *crl = made;
    return TW_OK;
  }
  X509_CRL_free(made);
  return is_pem && is_end_of_pem() ? TW_OK : failed(source, "CRL", trust->crls + 1, report);
}

static tw_err add_crls(tw_x509_trust *trust, const char *source, BIO *bio, bool is_pem, uint64_t now,
                       tw_report *report) {
  for (;;) {
    X509_CRL *crl;
    TW_TRY(next_crl(trust, source, bio, is_pem, &crl, report));
    if (crl == NULL) return TW_OK;
    char where[TW_X509_TEXT];
    (void)BIO_snprintf(where, sizeof where, "%.200s", source);
    tw_err err = check_crl(trust, crl, where, now, report);
    if (err == TW_OK && X509_STORE_add_crl(trust->store, crl) != 1) err = TW_ERR_NO_MEMORY;
    X509_CRL_free(crl);
    TW_TRY(err);
    trust->crls++;
  }
}

static bool looks_like_pem(tw_bytes bytes) {
  static const char mark[] = "-----BEGIN ";
  return bytes.len > 0 && memmem(bytes.ptr, bytes.len, mark, sizeof mark - 1) != NULL;
}

tw_err tw_x509_trust_add_crls(tw_x509_trust *trust, const char *source, tw_bytes crls, uint64_t now,
                              tw_report *report) {
  const size_t before = trust->crls;
  tw_x509_begin();
  BIO *bio = tw_x509_bio(crls);
  tw_err err = bio == NULL ? TW_ERR_NO_MEMORY : add_crls(trust, source, bio, looks_like_pem(crls), now, report);
  if (err == TW_OK) err = note_content(trust, crls);
  BIO_free(bio);
  tw_x509_end();
  if (err == TW_OK && trust->crls == before)
    err = tw_report_fail(report, TW_ERR_ENCODING, "%.200s: no CRL in it", source);
  return err;
}

/* Whether a chain is good. SPDX-License-Identifier: Apache-2.0 */
#include "mls/extension.h"
#include "x509/x509_internal.h"

/* At least 112 bits: RSA from 2048 bits on, no SHA-1 (RFC 9325 section 4.5). */
enum { SECURITY_LEVEL = 2 };

/* What libcrypto says, in our words, which stand after the certificate's subject. */
typedef struct verdict {
  int code;
  tw_err err;
  const char *words;
  bool with_issuer; /* who is named, too */
} verdict;

static const verdict verdicts[] = {
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, TW_ERR_UNKNOWN_CA, "is from a CA that is not trusted here", true},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, TW_ERR_UNKNOWN_CA, "is from a CA that is not trusted here", true},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, TW_ERR_UNKNOWN_CA, "is from a CA that is not trusted here", true},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, TW_ERR_UNKNOWN_CA, "is self-signed and not trusted here", false},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, TW_ERR_UNKNOWN_CA, "is a CA that is not trusted here", false},
    {X509_V_ERR_CERT_UNTRUSTED, TW_ERR_UNKNOWN_CA, "is not trusted here", false},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, TW_ERR_CERTIFICATE, "has a bad signature", true},
    {X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE, TW_ERR_CERTIFICATE, "has a bad signature", true},
    {X509_V_ERR_UNSUPPORTED_SIGNATURE_ALGORITHM, TW_ERR_CERTIFICATE, "is signed by an algorithm that is not known here",
     true},
    {X509_V_ERR_SIGNATURE_ALGORITHM_MISMATCH, TW_ERR_CERTIFICATE, "is signed by another algorithm than its CA's", true},
    {X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY, TW_ERR_CERTIFICATE, "is from a CA whose key cannot be read", true},
    {X509_V_ERR_INVALID_CA, TW_ERR_CERTIFICATE, "has issued a certificate and is no CA that may", false},
    {X509_V_ERR_NO_ISSUER_PUBLIC_KEY, TW_ERR_CERTIFICATE, "is from a CA without a key", true},
    {X509_V_ERR_KEYUSAGE_NO_CERTSIGN, TW_ERR_CERTIFICATE, "is from a CA that may not sign certificates", true},
    {X509_V_ERR_PATH_LENGTH_EXCEEDED, TW_ERR_CERTIFICATE, "has more CAs below it than it allows", false},
    {X509_V_ERR_CERT_CHAIN_TOO_LONG, TW_ERR_CERTIFICATE, "is in a chain that is too long", false},
    {X509_V_ERR_PERMITTED_VIOLATION, TW_ERR_CERTIFICATE, "has a name that a CA above it may not certify", false},
    {X509_V_ERR_EXCLUDED_VIOLATION, TW_ERR_CERTIFICATE, "has a name that a CA above it may not certify", false},
    {X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, TW_ERR_CERTIFICATE, "has a critical extension that is not known here",
     false},
    {X509_V_ERR_INVALID_EXTENSION, TW_ERR_CERTIFICATE, "has an extension that is not valid", false},
    {X509_V_ERR_EE_KEY_TOO_SMALL, TW_ERR_CERTIFICATE, "has a key that is too weak", false},
    {X509_V_ERR_CA_KEY_TOO_SMALL, TW_ERR_CERTIFICATE, "has a key that is too weak", false},
    {X509_V_ERR_CA_MD_TOO_WEAK, TW_ERR_CERTIFICATE, "has a signature that is too weak", false},
    {X509_V_ERR_CERT_REVOKED, TW_ERR_CERTIFICATE_REVOKED, "was revoked", true},
    {X509_V_ERR_UNABLE_TO_GET_CRL, TW_ERR_CREDENTIAL, "cannot be checked: there is no CRL for it", true},
    {X509_V_ERR_CRL_HAS_EXPIRED, TW_ERR_CREDENTIAL, "cannot be checked: the CRL is out of date", true},
    {X509_V_ERR_CRL_NOT_YET_VALID, TW_ERR_CREDENTIAL, "cannot be checked: the CRL is not valid yet", true},
    {X509_V_ERR_CRL_SIGNATURE_FAILURE, TW_ERR_CREDENTIAL, "cannot be checked: the CRL is not signed by its CA", true},
    {X509_V_ERR_KEYUSAGE_NO_CRL_SIGN, TW_ERR_CREDENTIAL, "cannot be checked: its CA may not sign CRLs", true},
    {X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE, TW_ERR_CREDENTIAL,
     "cannot be checked: the CRL is not signed by its CA", true},
    {X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION, TW_ERR_CREDENTIAL,
     "cannot be checked: the CRL has a critical extension that is not known here", true},
    {X509_V_ERR_DIFFERENT_CRL_SCOPE, TW_ERR_CREDENTIAL, "cannot be checked: the CRL is for others", true},
    {X509_V_ERR_CRL_PATH_VALIDATION_ERROR, TW_ERR_CREDENTIAL, "cannot be checked: the CRL is by somebody else", true},
    {X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD, TW_ERR_CREDENTIAL, "cannot be checked: the CRL's time is none", true},
    {X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD, TW_ERR_CREDENTIAL, "cannot be checked: the CRL's time is none", true},
    {X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER, TW_ERR_CREDENTIAL, "cannot be checked: the CRL's issuer is not known", true},
};

static const verdict *verdict_of(int code) {
  for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++)
    if (verdicts[i].code == code) return &verdicts[i];
  return NULL;
}

static void subject_of(const X509 *certificate, char *out, size_t size) {
  tw_x509_name_text(X509_get_subject_name(certificate), out, size);
  if (out[0] == '\0') tw_x509_alt_names_text(certificate, out, size);
}

static tw_err out_of_time(int code, const X509 *certificate, const char *subject, tw_report *report) {
  char at[TW_X509_TIME];
  const bool expired = code == X509_V_ERR_CERT_HAS_EXPIRED;
  tw_x509_time_text(tw_x509_time(expired ? X509_get0_notAfter(certificate) : X509_get0_notBefore(certificate)), at,
                    sizeof at);
  return tw_report_fail(report, TW_ERR_CERTIFICATE_EXPIRED,
                        expired ? "'%s' expired at %s" : "'%s' is not valid before %s", subject, at);
}

static tw_err explain(X509_STORE_CTX *ctx, tw_report *report) {
  const int code = X509_STORE_CTX_get_error(ctx);
  const X509 *certificate = X509_STORE_CTX_get_current_cert(ctx);
  if (code == X509_V_ERR_OUT_OF_MEM) return tw_report_fail(report, TW_ERR_NO_MEMORY, "out of memory");
  char subject[TW_X509_TEXT] = "?";
  char issuer[TW_X509_TEXT] = "?";
  if (certificate != NULL) {
    subject_of(certificate, subject, sizeof subject);
    tw_x509_name_text(X509_get_issuer_name(certificate), issuer, sizeof issuer);
    if (code == X509_V_ERR_CERT_HAS_EXPIRED || code == X509_V_ERR_CERT_NOT_YET_VALID)
      return out_of_time(code, certificate, subject, report);
  }
  const verdict *found = verdict_of(code);
  if (found == NULL)
    return tw_report_fail(report, TW_ERR_CERTIFICATE, "'%.180s': %s", subject, X509_verify_cert_error_string(code));
  if (found->with_issuer)
    return tw_report_fail(report, found->err, "'%.180s' %s; its issuer is '%.180s'", subject, found->words, issuer);
  return tw_report_fail(report, found->err, "'%.180s' %s", subject, found->words);
}

/* An anchor is trusted because we were told so: nobody has to say that it is not revoked. */
static int on_verify(int ok, X509_STORE_CTX *ctx) {
  if (ok == 1 || X509_STORE_CTX_get_error(ctx) != X509_V_ERR_UNABLE_TO_GET_CRL) return ok;
  if (X509_STORE_CTX_get_error_depth(ctx) != sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) - 1) return 0;
  X509_STORE_CTX_set_error(ctx, X509_V_OK);
  return 1;
}

/* ---- what it may be used for ---- */

static bool has_extended_use(X509 *certificate, tw_x509_side side) {
  const uint32_t uses = X509_get_extended_key_usage(certificate); /* UINT32_MAX: no such extension */
  return (uses & ((side == TW_X509_LISTENER ? XKU_SSL_SERVER : XKU_SSL_CLIENT) | XKU_ANYEKU)) != 0;
}

/* Of the CAs between, each has to be one in the words of RFC 5280, and not kept from this use. */
static tw_err check_use(const STACK_OF(X509) * chain, tw_x509_side side, tw_report *report) {
  const int count = sk_X509_num(chain);
  for (int i = 0; i < count && (i == 0 || i < count - 1); i++) {
    X509 *certificate = sk_X509_value(chain, i);
    char subject[TW_X509_TEXT];
    subject_of(certificate, subject, sizeof subject);
    if (i > 0 && X509_check_ca(certificate) != 1)
      return tw_report_fail(report, TW_ERR_CERTIFICATE, "'%s' has issued a certificate and is no CA that may", subject);
    if (i == 0 && X509_check_ca(certificate) == 1)
      return tw_report_fail(report, TW_ERR_CERTIFICATE_USE, "'%s' is a CA's certificate, not one for a peer", subject);
    if (i == 0 && (X509_get_key_usage(certificate) & KU_DIGITAL_SIGNATURE) == 0)
      return tw_report_fail(report, TW_ERR_CERTIFICATE_USE, "'%s' is not for signatures (keyUsage)", subject);
    if (!has_extended_use(certificate, side))
      return tw_report_fail(report, TW_ERR_CERTIFICATE_USE, "'%s' is not for a %s (extendedKeyUsage)", subject,
                            side == TW_X509_LISTENER ? "server" : "client");
  }
  return TW_OK;
}

/* ---- names ---- */

static tw_err check_names(X509 *certificate, const tw_x509_question *question, const char **accepted,
                          tw_report *report) {
  *accepted = NULL;
  for (size_t i = 0; i < question->name_count && *accepted == NULL; i++)
    if (tw_x509_is_for(certificate, question->names[i])) *accepted = question->names[i];
  if (question->name_count == 0 || *accepted != NULL) return TW_OK;
  char subject[TW_X509_TEXT];
  char names[TW_X509_TEXT];
  subject_of(certificate, subject, sizeof subject);
  tw_x509_alt_names_text(certificate, names, sizeof names);
  if (names[0] == '\0') (void)BIO_snprintf(names, sizeof names, "no name at all (subjectAltName)");
  /* Who connects and is nobody that we want has nothing wrong with its certificate. */
  const tw_err err = question->side == TW_X509_CONNECTOR ? TW_ERR_CREDENTIAL : TW_ERR_CERTIFICATE;
  if (question->name_count == 1)
    return tw_report_fail(report, err, "'%.120s' is for %s, not for %s", subject, names, question->names[0]);
  return tw_report_fail(report, err, "'%.120s' is for %s, none of the %zu names that are accepted", subject, names,
                        question->name_count);
}

/* ---- all of it ---- */

static void set_rules(X509_STORE_CTX *ctx, const tw_x509_trust *trust, uint64_t now) {
  X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
  unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST;
  if (trust->crls > 0) flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
  (void)X509_VERIFY_PARAM_set_flags(param, flags);
  X509_VERIFY_PARAM_set_depth(param, TW_X509_CHAIN_MAX - 1);
  X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
  X509_VERIFY_PARAM_set_time(param, (time_t)now);
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  X509_STORE_CTX_set_verify_cb(ctx, on_verify);
}

static tw_err judge(X509_STORE_CTX *ctx, const tw_x509_question *question, tw_x509_holder *holder, tw_report *report) {
  if (X509_verify_cert(ctx) != 1) return explain(ctx, report);
  const STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
  X509 *certificate = sk_X509_value(chain, 0);
  const char *accepted;
  TW_TRY(check_use(chain, question->side, report));
  TW_TRY(check_names(certificate, question, &accepted, report));
  if (holder == NULL) return TW_OK;
  tw_x509_fill_holder(certificate, holder);
  if (accepted != NULL) (void)BIO_snprintf(holder->name, sizeof holder->name, "%s", accepted);
  for (int i = 1; i < sk_X509_num(chain); i++) {
    const uint64_t until = tw_x509_time(X509_get0_notAfter(sk_X509_value(chain, i)));
    if (until < holder->not_after) holder->not_after = until;
  }
  return TW_OK;
}

static tw_err parse_chain(tw_x509 *x509, tw_bytes certificates, STACK_OF(X509) * chain, tw_report *report) {
  tw_reader walk = tw_reader_of(certificates);
  tw_bytes der;
  for (int number = 1; tw_certificate_next(&walk, &der); number++) {
    if (number > TW_X509_CHAIN_MAX)
      return tw_report_fail(report, TW_ERR_CERTIFICATE, "a chain of more than %d certificates", TW_X509_CHAIN_MAX);
    if (der.len > TW_X509_CERTIFICATE_MAX)
      return tw_report_fail(report, TW_ERR_CERTIFICATE, "certificate %d of the chain is larger than %d bytes", number,
                            TW_X509_CERTIFICATE_MAX);
    X509 *certificate = tw_x509_parse(x509, der);
    if (certificate == NULL && tw_x509_short_of_memory()) return TW_ERR_NO_MEMORY;
    if (certificate == NULL)
      return tw_report_fail(report, TW_ERR_CERTIFICATE, "what is sent as certificate %d of the chain is none", number);
    if (sk_X509_push(chain, certificate) <= 0) {
      X509_free(certificate);
      return TW_ERR_NO_MEMORY;
    }
  }
  if (tw_reader_err(&walk) != TW_OK || sk_X509_num(chain) == 0)
    return tw_report_fail(report, TW_ERR_CERTIFICATE, "no chain of certificates");
  return TW_OK;
}

static tw_err verify(const tw_x509_trust *trust, const STACK_OF(X509) * sent, const tw_x509_question *question,
                     tw_x509_holder *holder, tw_report *report) {
  STACK_OF(X509) *others = sk_X509_dup(sent); /* the certificates are shared */
  X509_STORE_CTX *ctx = X509_STORE_CTX_new_ex(trust->x509->lib, NULL);
  tw_err err = TW_ERR_NO_MEMORY;
  if (others != NULL && ctx != NULL && X509_STORE_CTX_init(ctx, trust->store, sk_X509_value(sent, 0), others) == 1) {
    set_rules(ctx, trust, question->now);
    err = judge(ctx, question, holder, report);
  }
  X509_STORE_CTX_free(ctx);
  sk_X509_free(others);
  return err;
}

tw_err tw_x509_verify(const tw_x509_trust *trust, const tw_x509_question *question, tw_x509_holder *holder,
                      tw_report *report) {
  tw_x509_begin();
  STACK_OF(X509) *chain = sk_X509_new_null();
  tw_err err = chain == NULL ? TW_ERR_NO_MEMORY : parse_chain(trust->x509, question->certificates, chain, report);
  if (err == TW_OK) err = verify(trust, chain, question, holder, report);
  OSSL_STACK_OF_X509_free(chain);
  tw_x509_end();
  return err == TW_ERR_NO_MEMORY ? tw_report_fail(report, err, "out of memory") : err;
}

tw_err tw_x509_describe(tw_x509 *x509, tw_bytes certificates, tw_x509_holder *holder) {
  tw_reader walk = tw_reader_of(certificates);
  tw_bytes der;
  if (!tw_certificate_next(&walk, &der)) return TW_ERR_CERTIFICATE;
  tw_x509_begin();
  X509 *certificate = tw_x509_parse(x509, der);
  if (certificate != NULL) tw_x509_fill_holder(certificate, holder);
  X509_free(certificate);
  tw_x509_end();
  return certificate != NULL ? TW_OK : TW_ERR_CERTIFICATE;
}

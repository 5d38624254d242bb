/* SPDX-License-Identifier: Apache-2.0 */
#include "x509/tls.h"

#include <string.h>

#include "mls/extension.h"
#include "x509/x509_internal.h"

OSSL_LIB_CTX *tw_x509_lib(tw_x509 *x509) { return x509->lib; }

static X509 *first_of(tw_x509 *x509, tw_bytes certificates) {
  tw_reader walk = tw_reader_of(certificates);
  tw_bytes der;
  return tw_certificate_next(&walk, &der) ? tw_x509_parse(x509, der) : NULL;
}

static tw_err append_spki(const X509 *certificate, tw_buf *spki) {
  unsigned char *der = NULL;
  const int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (len <= 0) return TW_ERR_NO_MEMORY;
  const tw_err err = tw_buf_append(spki, TW_BYTES(der, (size_t)len));
  OPENSSL_free(der);
  return err;
}

tw_err tw_x509_spki(tw_x509 *x509, tw_bytes certificates, tw_buf *spki) {
  tw_x509_begin();
  X509 *certificate = first_of(x509, certificates);
  const tw_err err = certificate == NULL ? TW_ERR_CERTIFICATE : append_spki(certificate, spki);
  X509_free(certificate);
  tw_x509_end();
  return err;
}

/* ---- names ---- */

/* False for one that stands for many. What is no name for us is passed over. */
static bool take_name(const ASN1_STRING *text, char *out, bool *is_one) {
  char name[TW_X509_NAME];
  const int len = ASN1_STRING_length(text);
  *is_one = false;
  if (len <= 0 || len >= TW_X509_NAME) return true;
  memcpy(name, ASN1_STRING_get0_data(text), (size_t)len);
  name[len] = '\0';
  if (strlen(name) != (size_t)len || tw_x509_name_parse(name, TW_X509_NAME_GIVEN, out, NULL) != TW_OK) return true;
  *is_one = !tw_x509_name_is_address(out);
  return out[0] != '*';
}

static void take_names(const GENERAL_NAMES *all, char (*names)[TW_X509_NAME], size_t max, size_t *count) {
  for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
    const GENERAL_NAME *general = sk_GENERAL_NAME_value(all, i);
    char name[TW_X509_NAME];
    bool is_one;
    if (general->type != GEN_DNS) continue;
    if (!take_name(general->d.dNSName, name, &is_one) || (is_one && *count == max)) {
      *count = 0;
      return;
    }
    if (is_one) memcpy(names[(*count)++], name, sizeof name);
  }
}

/* The alternative names of the first certificate, for the caller to free; NULL: it has none. */
static tw_err read_names(tw_x509 *x509, tw_bytes certificates, GENERAL_NAMES **names) {
  X509 *certificate = first_of(x509, certificates);
  if (certificate == NULL) return TW_ERR_CERTIFICATE;
  *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  X509_free(certificate);
  return TW_OK;
}

tw_err tw_x509_dns_names(tw_x509 *x509, tw_bytes certificates, char (*names)[TW_X509_NAME], size_t max, size_t *count) {
  *count = 0;
  tw_x509_begin();
  GENERAL_NAMES *all = NULL;
  const tw_err err = read_names(x509, certificates, &all);
  if (all != NULL) take_names(all, names, max, count);
  GENERAL_NAMES_free(all);
  tw_x509_end();
  return err;
}

/* ---- addresses ---- */

static void take_addresses(const GENERAL_NAMES *all, tw_x509_address *addresses, size_t max, size_t *count) {
  for (int i = 0; i < sk_GENERAL_NAME_num(all) && *count < max; i++) {
    const GENERAL_NAME *general = sk_GENERAL_NAME_value(all, i);
    if (general->type != GEN_IPADD) continue;
    const int len = ASN1_STRING_length(general->d.iPAddress);
    if (len != 4 && len != 16) continue;
    addresses[*count].len = (uint8_t)len;
    memcpy(addresses[(*count)++].bytes, ASN1_STRING_get0_data(general->d.iPAddress), (size_t)len);
  }
}

tw_err tw_x509_addresses(tw_x509 *x509, tw_bytes certificates, tw_x509_address *addresses, size_t max, size_t *count) {
  *count = 0;
  tw_x509_begin();
  GENERAL_NAMES *all = NULL;
  const tw_err err = read_names(x509, certificates, &all);
  if (all != NULL) take_addresses(all, addresses, max, count);
  GENERAL_NAMES_free(all);
  tw_x509_end();
  return err;
}

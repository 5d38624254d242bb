/* What certificates say, as text. SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "x509/x509_internal.h"

enum { MORE_MAX = 32, ITEM_MAX = 300 };

/* RFC 4514, and of that ASCII alone: everything else is escaped. */
void tw_x509_name_text(const X509_NAME *name, char *out, size_t size) {
  const unsigned long flags = (XN_FLAG_RFC2253 & ~XN_FLAG_SEP_MASK) | XN_FLAG_SEP_COMMA_PLUS | ASN1_STRFLGS_ESC_MSB;
  BIO *bio = BIO_new(BIO_s_mem());
  char *text = NULL;
  out[0] = '\0';
  if (bio == NULL) return;
  if (X509_NAME_print_ex(bio, name, 0, flags) >= 0) {
    const long len = BIO_get_mem_data(bio, &text);
    if (len > 0) tw_report_printable(out, size, text, (size_t)len);
  }
  BIO_free(bio);
}

static void address_text(const ASN1_OCTET_STRING *octets, char *out, size_t size) {
  const int len = ASN1_STRING_length(octets);
  const int family = len == 4 ? AF_INET : AF_INET6;
  if ((len != 4 && len != 16) || inet_ntop(family, ASN1_STRING_get0_data(octets), out, (socklen_t)size) == NULL)
    (void)snprintf(out, size, "?");
}

/* "DNS:a.example" or its like. */
static void item_text(const GENERAL_NAME *item, char *out, size_t size) {
  int type;
  const void *value = GENERAL_NAME_get0_value(item, &type);
  char raw[INET6_ADDRSTRLEN];
  const char *kind = type == GEN_DNS ? "DNS:" : type == GEN_EMAIL ? "email:" : type == GEN_URI ? "URI:" : NULL;
  if (kind != NULL) {
    const ASN1_IA5STRING *string = value;
    (void)snprintf(out, size, "%s", kind);
    tw_report_printable(out + strlen(kind), size - strlen(kind), (const char *)ASN1_STRING_get0_data(string),
                        (size_t)ASN1_STRING_length(string));
  } else if (type == GEN_IPADD) {
    address_text(value, raw, sizeof raw);
    (void)snprintf(out, size, "IP:%s", raw);
  } else {
    (void)snprintf(out, size, "%s", type == GEN_DIRNAME ? "a directory name" : "another name");
  }
}

void tw_x509_alt_names_text(const X509 *certificate, char *out, size_t size) {
  GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  const int count = names == NULL ? 0 : sk_GENERAL_NAME_num(names);
  size_t used = 0;
  out[0] = '\0';
  for (int i = 0; i < count; i++) {
    char item[ITEM_MAX];
    item_text(sk_GENERAL_NAME_value(names, i), item, sizeof item);
    const size_t len = strlen(item);
    const size_t kept = i + 1 < count ? MORE_MAX : 0; /* for the words of the last line here */
    if (used + len + 2 + kept >= size) {
      (void)snprintf(out + used, size - used, "%s%d more", used == 0 ? "" : ", ", count - i);
      break;
    }
    used += (size_t)snprintf(out + used, size - used, "%s%s", used == 0 ? "" : ", ", item);
  }
  GENERAL_NAMES_free(names);
}

void tw_x509_first_name(const X509 *certificate, char *out, size_t size) {
  GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  const int count = names == NULL ? 0 : sk_GENERAL_NAME_num(names);
  out[0] = '\0';
  for (int i = 0; i < count && out[0] == '\0'; i++) {
    char item[ITEM_MAX];
    int type;
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    (void)GENERAL_NAME_get0_value(name, &type);
    if (type != GEN_DNS && type != GEN_IPADD) continue;
    item_text(name, item, sizeof item);
    (void)snprintf(out, size, "%s", strchr(item, ':') + 1);
  }
  GENERAL_NAMES_free(names);
}

void tw_x509_serial_text(const ASN1_INTEGER *serial, char *out, size_t size) {
  const unsigned char *bytes = ASN1_STRING_get0_data(serial);
  const size_t len = (size_t)ASN1_STRING_length(serial);
  out[0] = '\0';
  for (size_t i = 0; i < len && 2 * i + 2 < size; i++) (void)snprintf(out + 2 * i, size - 2 * i, "%02x", bytes[i]);
}

uint64_t tw_x509_time(const ASN1_TIME *time) {
  struct tm parts;
  if (time == NULL || ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  const time_t seconds = timegm(&parts);
  return seconds < 0 ? 0 : (uint64_t)seconds;
}

void tw_x509_time_text(uint64_t time, char *out, size_t size) {
  const time_t seconds = (time_t)time;
  struct tm parts;
  if (gmtime_r(&seconds, &parts) == NULL || strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
    (void)snprintf(out, size, "?");
}

void tw_x509_fill_holder(const X509 *certificate, tw_x509_holder *holder) {
  *holder = (tw_x509_holder){
      .not_before = tw_x509_time(X509_get0_notBefore(certificate)),
      .not_after = tw_x509_time(X509_get0_notAfter(certificate)),
  };
  tw_x509_name_text(X509_get_subject_name(certificate), holder->subject, sizeof holder->subject);
  tw_x509_alt_names_text(certificate, holder->names, sizeof holder->names);
  tw_x509_first_name(certificate, holder->name, sizeof holder->name);
  tw_x509_serial_text(X509_get0_serialNumber(certificate), holder->serial, sizeof holder->serial);
}

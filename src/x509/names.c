/* Names of servers and clients: RFC 9525. SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <string.h>

#include "x509/x509_internal.h"

enum { LABEL_MAX = 63 };

static bool is_address(const char *text, int family) {
  unsigned char bytes[16];
  return inet_pton(family, text, bytes) == 1;
}

bool tw_x509_name_is_address(const char *name) { return is_address(name, AF_INET) || is_address(name, AF_INET6); }

/* The text without the brackets around an IPv6 address. */
static bool take_address(const char *text, char *out) {
  size_t len = strlen(text);
  const bool brackets = len > 2 && text[0] == '[' && text[len - 1] == ']';
  if (brackets) {
    text++;
    len -= 2;
  }
  if (len >= INET6_ADDRSTRLEN) return false;
  memcpy(out, text, len);
  out[len] = '\0';
  return is_address(out, AF_INET6) || (!brackets && is_address(out, AF_INET));
}

static bool is_label_char(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; }

/* One label of a name in lower case, up to its dot or the end; 0 when it is none. */
static size_t label_length(const char *at) {
  size_t len = 0;
  while (is_label_char(at[len])) len++;
  const bool good = len > 0 && len <= LABEL_MAX && at[0] != '-' && at[len - 1] != '-';
  return good && (at[len] == '\0' || at[len] == '.') ? len : 0;
}

static bool is_dns_name(const char *name, tw_x509_name_rule rule) {
  const char *at = name;
  if (rule == TW_X509_NAME_GIVEN && strncmp(at, "*.", 2) == 0) at += 2;
  size_t len;
  while ((len = label_length(at)) > 0) {
    at += len;
    /* A name whose last label is a number would be an address to others. */
    if (*at == '\0') return strspn(at - len, "0123456789") < len;
    at++;
  }
  return false;
}

tw_err tw_x509_name_parse(const char *text, tw_x509_name_rule rule, char *out, tw_report *report) {
  char name[TW_X509_NAME];
  size_t len = strlen(text);
  if (take_address(text, name)) {
    memcpy(out, name, strlen(name) + 1);
    return TW_OK;
  }
  if (len > 1 && text[len - 1] == '.') len--;
  if (len >= sizeof name) return tw_report_fail(report, TW_ERR_ARGUMENT, "'%.60s…' is too long for a name", text);
  for (size_t i = 0; i < len; i++) name[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] - 'A' + 'a' : text[i]);
  name[len] = '\0';
  if (!is_dns_name(name, rule))
    return tw_report_fail(report, TW_ERR_ARGUMENT, "'%.60s' is neither an IP address nor a DNS name%s", text,
                          text[0] == '*' && rule == TW_X509_NAME_ASKED ? " without a wildcard"
                                                                       : " (in ASCII, which is xn-- for others)");
  memcpy(out, name, len + 1);
  return TW_OK;
}

/*
 * RFC 9525 section 6.3: a wildcard is the whole first label and stands for exactly one; section 6.4: addresses are
 * compared with iPAddress alone. libcrypto also wants two labels after a wildcard, which nobody needs less of.
 */
bool tw_x509_is_for(X509 *certificate, const char *name) {
  if (tw_x509_name_is_address(name)) return X509_check_ip_asc(certificate, name, 0) == 1;
  const unsigned flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
  return X509_check_host(certificate, name, strlen(name), flags, NULL) == 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "net/address.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

bool tw_number_parse(const char *text, uint64_t max, uint64_t *number) {
  uint64_t value = 0;
  if (*text == '\0') return false;
  for (const char *at = text; *at != '\0'; at++) {
    if (*at < '0' || *at > '9') return false;
    const uint64_t digit = (uint64_t)(*at - '0');
    if (value > (UINT64_MAX - digit) / 10) return false;
    value = value * 10 + digit;
  }
  if (value > max) return false;
  *number = value;
  return true;
}

/* What a host name, an IPv4 or an IPv6 address with zone can consist of; the resolver judges the rest. */
static bool is_host_character(char c, bool bracketed) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  if (c == '.' || c == '-' || c == '_') return true;
  return bracketed && (c == ':' || c == '%');
}

/* The parts of the text: the host between `host` and `host + host_len`, and what follows the port's colon or NULL. */
typedef struct parts {
  const char *host;
  size_t host_len;
  const char *port;
  bool bracketed;
} parts;

static bool split(const char *text, bool port_optional, parts *out) {
  parts found = {text, 0, NULL, false};
  const char *rest;
  if (*text == '[') {
    const char *close = strchr(text, ']');
    if (close == NULL) return false;
    found.host = text + 1;
    found.host_len = (size_t)(close - found.host);
    found.bracketed = true;
    rest = close + 1;
    if (memchr(found.host, ':', found.host_len) == NULL) return false; /* brackets are for IPv6 */
  } else {
    const char *colon = strchr(text, ':');
    const bool many = colon != NULL && strchr(colon + 1, ':') != NULL;
    if (many && !port_optional) return false; /* "::1:80" could mean two things */
    found.bracketed = many;
    found.host_len = colon == NULL || many ? strlen(text) : (size_t)(colon - text);
    rest = text + found.host_len;
  }
  if (*rest == ':')
    found.port = rest + 1;
  else if (*rest != '\0')
    return false;
  *out = found;
  return true;
}

static bool host_is_valid(const parts *found) {
  if (found->host_len > TW_HOST_MAX) return false;
  for (size_t i = 0; i < found->host_len; i++)
    if (!is_host_character(found->host[i], found->bracketed)) return false;
  return true;
}

static bool is_number(const char *text, size_t len) {
  for (size_t i = 0; i < len; i++)
    if (text[i] < '0' || text[i] > '9') return false;
  return len > 0;
}

tw_err tw_address_parse(const char *text, tw_address_rule rule, uint16_t default_port, tw_address *address,
                        tw_report *report) {
  parts found;
  if (!split(text, default_port != 0, &found))
    return tw_report_fail(report, TW_ERR_ARGUMENT, "'%.80s' is not an address: write HOST:PORT or [IPV6]:PORT", text);
  if (rule == TW_ADDRESS_LOCAL && found.host_len == 1 && found.host[0] == '*') found.host_len = 0;
  if (!host_is_valid(&found)) return tw_report_fail(report, TW_ERR_ARGUMENT, "'%.80s' has no valid host name", text);
  if (found.host_len == 0 && rule == TW_ADDRESS_REMOTE)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "'%.80s' names no host", text);
  if (found.port == NULL && is_number(found.host, found.host_len))
    return tw_report_fail(report, TW_ERR_ARGUMENT, "'%.80s' is a port without a host: write HOST:%.80s", text, text);
  if (found.port == NULL && default_port == 0)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "'%.80s' names no port: write HOST:PORT", text);

  uint64_t port = default_port;
  if (found.port != NULL && !tw_number_parse(found.port, UINT16_MAX, &port))
    return tw_report_fail(report, TW_ERR_ARGUMENT, "'%.80s': the port is not a number from 0 to 65535", text);
  if (port == 0 && rule == TW_ADDRESS_REMOTE)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "'%.80s': nothing can be reached at port 0", text);

  tw_address result = {.port = (uint16_t)port};
  memcpy(result.host, found.host, found.host_len);
  *address = result;
  return TW_OK;
}

struct addrinfo *tw_address_in_figures(const char *host, uint16_t port, int type) {
  const struct addrinfo hints = {.ai_socktype = type, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
  struct addrinfo *list = NULL;
  char service[8];
  (void)snprintf(service, sizeof service, "%u", (unsigned)port);
  return getaddrinfo(host, service, &hints, &list) == 0 ? list : NULL;
}

void tw_address_format(const tw_address *address, char *out) {
  const bool brackets = strchr(address->host, ':') != NULL;
  const char *host = address->host[0] == '\0' ? "*" : address->host;
  (void)snprintf(out, TW_ADDRESS_TEXT, brackets ? "[%s]:%u" : "%s:%u", host, (unsigned)address->port);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/prefix.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* One to three digits without a leading zero. */
static bool parse_length(tw_bytes text, unsigned most, uint8_t *length) {
  if (text.len == 0 || text.len > 3 || (text.len > 1 && text.ptr[0] == '0')) return false;
  unsigned value = 0;
  for (size_t i = 0; i < text.len; i++) {
    if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
    value = 10 * value + (unsigned)(text.ptr[i] - '0');
  }
  if (value > most) return false;
  *length = (uint8_t)value;
  return true;
}

bool tw_prefix_parse(tw_bytes text, tw_prefix *prefix) {
  char address[INET6_ADDRSTRLEN];
  const uint8_t *slash = text.len == 0 ? NULL : memchr(text.ptr, '/', text.len);
  const size_t len = slash == NULL ? text.len : (size_t)(slash - text.ptr);
  if (len == 0 || len >= sizeof address || memchr(text.ptr, '\0', len) != NULL) return false;
  memcpy(address, text.ptr, len);
  address[len] = '\0';
  tw_prefix parsed = {.family = strchr(address, ':') == NULL ? 4 : 6};
  if (inet_pton(parsed.family == 4 ? AF_INET : AF_INET6, address, parsed.address) != 1) return false;
  const unsigned bits = tw_prefix_bits(&parsed);
  parsed.length = (uint8_t)bits;
  if (slash != NULL && !parse_length(TW_BYTES(slash + 1, text.len - len - 1), bits, &parsed.length)) return false;
  *prefix = parsed;
  return true;
}

void tw_prefix_format(const tw_prefix *prefix, char *out) {
  char address[INET6_ADDRSTRLEN] = "?";
  (void)inet_ntop(prefix->family == 4 ? AF_INET : AF_INET6, prefix->address, address, sizeof address);
  (void)snprintf(out, TW_PREFIX_TEXT, "%s/%u", address, (unsigned)prefix->length);
}

/* Byte `i` of the mask of a prefix of that length. */
static uint8_t mask_byte(unsigned length, unsigned i) {
  if (length >= 8 * (i + 1)) return 0xff;
  return length <= 8 * i ? 0 : (uint8_t)(0xff00u >> (length - 8 * i));
}

tw_prefix tw_prefix_network(const tw_prefix *prefix) {
  tw_prefix network = *prefix;
  for (unsigned i = 0; i < sizeof network.address; i++) network.address[i] &= mask_byte(prefix->length, i);
  return network;
}

tw_prefix tw_prefix_last(const tw_prefix *prefix) {
  tw_prefix last = tw_prefix_host(prefix);
  for (unsigned i = 0; i < tw_prefix_bits(prefix) / 8; i++)
    last.address[i] = (uint8_t)(last.address[i] | (0xffu & ~mask_byte(prefix->length, i)));
  return last;
}

tw_prefix tw_prefix_host(const tw_prefix *prefix) {
  tw_prefix host = *prefix;
  host.length = (uint8_t)tw_prefix_bits(prefix);
  return host;
}

bool tw_prefix_contains(const tw_prefix *outer, const tw_prefix *inner) {
  if (outer->family != inner->family || outer->length > inner->length) return false;
  for (unsigned i = 0; 8 * i < outer->length; i++)
    if (((outer->address[i] ^ inner->address[i]) & mask_byte(outer->length, i)) != 0) return false;
  return true;
}

int tw_prefix_compare(const tw_prefix *a, const tw_prefix *b) {
  if (a->family != b->family) return a->family < b->family ? -1 : 1;
  const int order = memcmp(a->address, b->address, sizeof a->address);
  if (order != 0) return order;
  return a->length == b->length ? 0 : (a->length < b->length ? -1 : 1);
}

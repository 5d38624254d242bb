/* SPDX-License-Identifier: Apache-2.0 */
#include "node/config_value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "net/address.h"
#include "node/config.h"

typedef struct unit {
  char letter;
  uint64_t factor;
} unit;

/* The largest last: formatting takes the largest that divides. */
static const unit time_units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
static const unit amount_units[] = {
    {'K', UINT64_C(1) << 10}, {'M', UINT64_C(1) << 20}, {'G', UINT64_C(1) << 30}, {'T', UINT64_C(1) << 40}};
enum { TIME_UNITS = sizeof time_units / sizeof time_units[0], AMOUNT_UNITS = sizeof amount_units / sizeof(unit) };

bool tw_value_is(tw_bytes text, const char *word) {
  return text.len == strlen(word) && strncasecmp((const char *)text.ptr, word, text.len) == 0;
}

bool tw_value_number(tw_bytes text, uint64_t min, uint64_t max, uint64_t *number) {
  char digits[21];
  uint64_t value = 0;
  if (text.len == 0 || text.len >= sizeof digits || memchr(text.ptr, '\0', text.len) != NULL) return false;
  memcpy(digits, text.ptr, text.len);
  digits[text.len] = '\0';
  if (!tw_number_parse(digits, max, &value) || value < min) return false;
  *number = value;
  return true;
}

static bool with_unit(tw_bytes text, const unit *units, size_t count, uint64_t max, uint64_t *number) {
  uint64_t factor = 1;
  uint64_t value = 0;
  if (tw_value_is(text, "off")) {
    *number = 0;
    return true;
  }
  for (size_t i = 0; text.len > 1 && i < count; i++) {
    const tw_bytes last = TW_BYTES(text.ptr + text.len - 1, 1);
    const char word[] = {units[i].letter, '\0'};
    if (!tw_value_is(last, word)) continue;
    factor = units[i].factor;
    text.len--;
    break;
  }
  if (!tw_value_number(text, 0, max / factor, &value)) return false;
  *number = value * factor;
  return true;
}

bool tw_value_seconds(tw_bytes text, uint64_t max, uint64_t *seconds) {
  return with_unit(text, time_units, TIME_UNITS, max, seconds);
}

bool tw_value_amount(tw_bytes text, uint64_t max, uint64_t *amount) {
  return with_unit(text, amount_units, AMOUNT_UNITS, max, amount);
}

bool tw_value_flag(tw_bytes text, bool *flag) {
  static const struct {
    const char *word;
    bool flag;
  } words[] = {{"yes", true}, {"no", false}, {"true", true}, {"false", false}, {"on", true}, {"off", false}};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (!tw_value_is(text, words[i].word)) continue;
    *flag = words[i].flag;
    return true;
  }
  return false;
}

static bool is_blank(uint8_t c) { return c == ' ' || c == '\t'; }

bool tw_value_next(tw_bytes *list, tw_bytes *item) {
  if (list->ptr == NULL) return false;
  const uint8_t *comma = list->len == 0 ? NULL : memchr(list->ptr, ',', list->len);
  const size_t len = comma == NULL ? list->len : (size_t)(comma - list->ptr);
  tw_bytes found = TW_BYTES(list->ptr, len);
  *list = comma == NULL ? TW_NO_BYTES : TW_BYTES(comma + 1, list->len - len - 1);
  while (found.len > 0 && is_blank(found.ptr[0])) found = TW_BYTES(found.ptr + 1, found.len - 1);
  while (found.len > 0 && is_blank(found.ptr[found.len - 1])) found.len--;
  *item = found;
  return true;
}

bool tw_value_is_peer_name(tw_bytes text) {
  if (text.len == 0 || text.len > TW_NODE_PEER_NAME_MAX || strchr("._-", text.ptr[0]) != NULL) return false;
  for (size_t i = 0; i < text.len; i++) {
    const uint8_t c = text.ptr[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter && c < 0x80 && (c == '\0' || strchr("._-", c) == NULL)) return false;
  }
  return true;
}

static void format(uint64_t number, const unit *units, size_t count, const char *plain, char *out) {
  for (size_t i = count; i-- > 0;) {
    if (number == 0 || number % units[i].factor != 0) continue;
    (void)snprintf(out, TW_VALUE_UNITS_TEXT, "%" PRIu64 "%c", number / units[i].factor, units[i].letter);
    return;
  }
  (void)snprintf(out, TW_VALUE_UNITS_TEXT, number == 0 ? "off" : "%" PRIu64 "%s", number, plain);
}

void tw_value_format_seconds(uint64_t seconds, char *out) { format(seconds, time_units, TIME_UNITS, "s", out); }
void tw_value_format_amount(uint64_t amount, char *out) { format(amount, amount_units, AMOUNT_UNITS, "", out); }

tw_err tw_value_copy(const tw_alloc *alloc, tw_bytes text, char **out) {
  char *copy = tw_alloc_zero(alloc, text.len + 1);
  if (copy == NULL) return TW_ERR_NO_MEMORY;
  if (text.len > 0) memcpy(copy, text.ptr, text.len);
  tw_alloc_free(alloc, *out);
  *out = copy;
  return TW_OK;
}

const char *tw_value_unfit_address(const tw_prefix *address) {
  static const tw_prefix nothing4 = {.family = 4, .length = 32};
  static const tw_prefix nothing6 = {.family = 6, .length = 128};
  static const tw_prefix multicast4 = {.family = 4, .length = 4, .address = {224}};
  static const tw_prefix reserved4 = {.family = 4, .length = 4, .address = {240}};
  static const tw_prefix loopback4 = {.family = 4, .length = 8, .address = {127}};
  static const tw_prefix loopback6 = {.family = 6, .length = 128, .address = {[15] = 1}};
  static const tw_prefix multicast6 = {.family = 6, .length = 8, .address = {0xff}};
  const tw_prefix host = tw_prefix_host(address);
  const tw_prefix network = tw_prefix_network(address);
  const tw_prefix last = tw_prefix_last(address);
  if (tw_prefix_contains(&nothing4, &host) || tw_prefix_contains(&nothing6, &host)) return "is no host's address";
  if (tw_prefix_contains(&multicast4, &host) || tw_prefix_contains(&multicast6, &host))
    return "is a multicast address; those go to [Multicast] Groups";
  if (tw_prefix_contains(&reserved4, &host)) return "is a reserved address";
  if (tw_prefix_contains(&loopback4, &host) || tw_prefix_contains(&loopback6, &host)) return "is a loopback address";
  if (address->family != 4 || address->length > 30) return NULL;
  if (memcmp(host.address, network.address, 4) == 0) return "is its subnet's own address, which no host has";
  return memcmp(host.address, last.address, 4) == 0 ? "is its subnet's broadcast address, which no host has" : NULL;
}

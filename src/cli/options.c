/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

#include "net/address.h"

static int find_long(const tw_option_scan *scan, const char *name, size_t len) {
  for (int i = 0; i < scan->count; i++)
    if (strlen(scan->options[i].name) == len && memcmp(scan->options[i].name, name, len) == 0) return i;
  return TW_OPTION_END;
}

static int find_letter(const tw_option_scan *scan, char letter) {
  for (int i = 0; i < scan->count; i++)
    if (scan->options[i].letter != 0 && scan->options[i].letter == letter) return i;
  return TW_OPTION_END;
}

/* The option that `word` names; `*attached` is what follows its '='. */
static int identify(const tw_option_scan *scan, const char *word, const char **attached) {
  *attached = NULL;
  if (word[1] != '-') return word[2] == '\0' ? find_letter(scan, word[1]) : TW_OPTION_END;
  const char *equals = strchr(word, '=');
  if (equals != NULL) *attached = equals + 1;
  return find_long(scan, word + 2, equals == NULL ? strlen(word + 2) : (size_t)(equals - word - 2));
}

tw_err tw_option_next(tw_option_scan *scan, int *which, const char **value, tw_report *report) {
  const char *word = *scan->words;
  *value = NULL;
  *which = TW_OPTION_END;
  if (word == NULL) return TW_OK;
  scan->words++;
  if (!scan->only_operands && strcmp(word, "--") == 0) {
    scan->only_operands = true;
    word = *scan->words;
    if (word == NULL) return TW_OK;
    scan->words++;
  }
  if (scan->only_operands || word[0] != '-' || word[1] == '\0') {
    *which = TW_OPTION_OPERAND;
    *value = word;
    return TW_OK;
  }

  const char *attached;
  const int found = identify(scan, word, &attached);
  if (found < 0) return tw_report_fail(report, TW_ERR_ARGUMENT, "unknown option %.60s", word);
  const tw_option *option = &scan->options[found];
  if (option->value == NULL && attached != NULL)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "--%s takes no value", option->name);
  if (option->value != NULL && attached == NULL) {
    attached = *scan->words;
    if (attached == NULL)
      return tw_report_fail(report, TW_ERR_ARGUMENT, "--%s needs a value: %s", option->name, option->value);
    scan->words++;
  }
  *which = found;
  *value = attached;
  return TW_OK;
}

/* The factor of a unit at the end of `text`, which is cut off; 1 where there is none. */
static uint64_t take_unit(char *text) {
  const size_t len = strlen(text);
  uint64_t factor = 1;
  if (len < 2) return factor;
  switch (text[len - 1]) {
  case 'K': factor = UINT64_C(1) << 10; break;
  case 'M': factor = UINT64_C(1) << 20; break;
  case 'G': factor = UINT64_C(1) << 30; break;
  default: return factor;
  }
  text[len - 1] = '\0';
  return factor;
}

tw_err tw_option_number(const char *name, const char *value, uint64_t min, uint64_t max, bool units, uint64_t *number,
                        tw_report *report) {
  char digits[32];
  const int len = snprintf(digits, sizeof digits, "%s", value);
  uint64_t parsed = 0;
  uint64_t factor = 1;
  bool good = len >= 0 && (size_t)len < sizeof digits;
  if (good && units) factor = take_unit(digits);
  good = good && tw_number_parse(digits, max / factor, &parsed) && parsed * factor >= min;
  if (!good)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "--%s %.40s: not a number from %llu to %llu%s", name, value,
                          (unsigned long long)min, (unsigned long long)max, units ? " (K, M, G may follow)" : "");
  *number = parsed * factor;
  return TW_OK;
}

/* INI files: what is one, and that every mistake has its file and line. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/ini.h"

static const tw_ini_key top_keys[] = {
    {"Colour", TW_INI_ONCE, NULL}, {"Tags", TW_INI_MANY | TW_INI_EMPTY, NULL}, {"Former", TW_INI_ONCE, "use Colour"}};
static const tw_ini_key item_keys[] = {{"Size", TW_INI_ONCE, NULL}};
static const tw_ini_section schema[] = {{"Top", false, top_keys, 3}, {"Item", true, item_keys, 1}};

/* What was read, as "[Top] Colour=red", with '!' and the words of what was refused. */
static void read_all(tw_bytes text, char *out, size_t size) {
  tw_ini ini = tw_ini_of("f", text, schema, 2);
  size_t used = 0;
  out[0] = '\0';
  for (;;) {
    tw_ini_item item;
    tw_report report = {""};
    int len = 0;
    assert_true(used + 300 < size);
    if (tw_ini_next(&ini, &item, &report) != TW_OK) {
      assert_true(report.text[0] != '\0');
      len = snprintf(out + used, size - used, "!%s|", report.text);
    } else if (item.kind == TW_INI_END) {
      return;
    } else if (item.kind == TW_INI_SECTION) {
      len = snprintf(out + used, size - used, "%zu[%s]|", item.line, schema[item.section].name);
    } else {
      len = snprintf(out + used, size - used, "%zu%s=%.*s|", item.line, schema[item.section].keys[item.key].name,
                     (int)(item.value.len < 100 ? item.value.len : 100), (const char *)item.value.ptr);
    }
    assert_true(len > 0);
    used += (size_t)len;
  }
}

static void reads(const char *text, const char *expected) {
  char out[8192];
  read_all(TW_BYTES((const uint8_t *)text, strlen(text)), out, sizeof out);
  assert_string_equal(out, expected);
}

static void sections_keys_and_values_are_read(void **state) {
  (void)state;
  reads("", "");
  reads("\n\n", "");
  reads("[Top]\nColour = red\n[Item]\nSize=1\n[Item]\nSize = 2\n",
        "1[Top]|2Colour=red|3[Item]|4Size=1|5[Item]|6Size=2|");
  reads("[Top]\nColour=a = b==\n", "1[Top]|2Colour=a = b==|");
  reads("\t[ top ] \n  cOLOUR\t=  two words \t\n", "1[Top]|2Colour=two words|");
  reads("[Top]\nTags=a\nTags =\nTags = b", "1[Top]|2Tags=a|3Tags=|4Tags=b|");
  reads("[Item]\n[Top]\nColour = d\303\251j\303\240\n", "1[Item]|2[Top]|3Colour=d\303\251j\303\240|");
}

static void comments_begin_a_line_or_follow_a_blank(void **state) {
  (void)state;
  reads("# one\n ; two\n[Top] # three\nColour = red ; four\nTags = a#b;c\n#[Item]\n",
        "3[Top]|4Colour=red|5Tags=a#b;c|");
  reads("[Top]\nTags = # nothing\n", "1[Top]|2Tags=|");
  reads("[Top]\nColour = # nothing\n", "1[Top]|!f:2: Colour has no value|");
}

static void line_ends_and_the_byte_order_mark_do_not_matter(void **state) {
  (void)state;
  reads("[Top]\r\nColour = red\r\n\r\n[Item]\r\nSize = 1", "1[Top]|2Colour=red|4[Item]|5Size=1|");
  reads("\xef\xbb\xbf[Top]\nColour = red", "1[Top]|2Colour=red|");
  reads("[Top]\nColour = r\red\n", "1[Top]|!f:2: a control character, or bytes that are not UTF-8|");
}

static void mistakes_are_named_and_reading_goes_on(void **state) {
  (void)state;
  reads("Colour = red\n[Top]\nColour = red\n", "!f:1: Colour stands before the first [Section]|2[Top]|3Colour=red|");
  reads("[Top]\nnonsense\nColour = x\n", "1[Top]|!f:2: 'nonsense' is neither [Section] nor Key = value|3Colour=x|");
  reads("[Top\n", "!f:1: '[Top': a section is [Name], alone in its line|");
  reads("[Top] Colour = red\n", "!f:1: '[Top] Colour = red': a section is [Name], alone in its line|");
  reads("[]\n[\n", "!f:1: unknown section []|!f:2: '[': a section is [Name], alone in its line|");
  reads("[Toop]\nColour = x\nrubbish\n[Top]\n", "!f:1: unknown section [Toop]|4[Top]|");
  reads("[Top]\n[Item]\n[Top]\nColour = x\n[Item]\n",
        "1[Top]|2[Item]|!f:3: a second [Top]; the first is in line 1|5[Item]|");
  reads("[Top]\nShape = x\n", "1[Top]|!f:2: unknown key Shape in [Top]|");
  reads("[Top]\n= x\n", "1[Top]|!f:2: a value without a key|");
  reads("[Top]\nColour = a\nTags = x\ncolour = b\n",
        "1[Top]|2Colour=a|3Tags=x|!f:4: Colour a second time in one [Top]; the first is in line 2|");
  reads("[Item]\nSize=1\n[Item]\nSize=1\nSize=2\n",
        "1[Item]|2Size=1|3[Item]|4Size=1|!f:5: Size a second time in one [Item]; the first is in line 4|");
  reads("[Top]\nColour =\nSize = 1\n", "1[Top]|!f:2: Colour has no value|!f:3: unknown key Size in [Top]|");
  reads("[Top]\nFormer = x\n", "1[Top]|!f:2: Former is not a key of [Top]: use Colour|");
}

static void only_text_is_read(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    size_t len;
    bool good;
  } cases[] = {
      {"a\0b", 3, false},
      {"\x01", 1, false},
      {"\x7f", 1, false},
      {"\x1b[1m", 4, false},
      {"a\tb", 3, false},
      {"\xc2\x80", 2, false},
      {"\xc2\xa0", 2, true},
      {"\xc0\x80", 2, false},
      {"\xc1\xbf", 2, false},
      {"\xe0\x9f\xbf", 3, false},
      {"\xe0\xa0\x80", 3, true},
      {"\xed\xa0\x80", 3, false},
      {"\xef\xbf\xbf", 3, true},
      {"\xf0\x8f\xbf\xbf", 4, false},
      {"\xf0\x90\x80\x80", 4, true},
      {"\xf4\x8f\xbf\xbf", 4, true},
      {"\xf4\x90\x80\x80", 4, false},
      {"\xf5\x80\x80\x80", 4, false},
      {"\xe2\x82", 2, false},
      {"\x80", 1, false},
      {"\xc3(", 2, false},
      {"\xff", 1, false},
      {"", 0, true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[64];
    char out[1024];
    const tw_bytes bytes = TW_BYTES((const uint8_t *)cases[i].bytes, cases[i].len);
    assert_int_equal(tw_ini_is_printable(bytes), cases[i].good);
    const int head = snprintf(text, sizeof text, "[Top]\nTags = ");
    assert_true(head > 0);
    memcpy(text + head, bytes.ptr, bytes.len);
    read_all(TW_BYTES((const uint8_t *)text, (size_t)head + bytes.len), out, sizeof out);
    const bool tab = memchr(bytes.ptr, '\t', bytes.len) != NULL; /* a blank in a file */
    assert_int_equal(strchr(out, '!') == NULL, cases[i].good || tab);
  }
}

static void a_line_has_a_longest_length(void **state) {
  (void)state;
  static const char head[] = "[Top]\nTags = ";
  enum { HEAD = sizeof head - 1, KEY = 7 };
  static char text[HEAD + TW_INI_LINE_MAX];
  char out[1024];
  (void)memset(text, 'x', sizeof text);
  memcpy(text, head, HEAD);
  const size_t most = HEAD + TW_INI_LINE_MAX - KEY;
  read_all(TW_BYTES((const uint8_t *)text, most), out, sizeof out);
  assert_null(strchr(out, '!'));
  read_all(TW_BYTES((const uint8_t *)text, most + 1), out, sizeof out);
  assert_non_null(strstr(out, "!f:2: a line of 16385 bytes; 16384 are the most"));
}

/* In a copy of its own size, so that a read past the end shows under the sanitizers. */
static void a_file_cut_anywhere_or_with_any_byte_flipped_is_read_to_its_end(void **state) {
  (void)state;
  static const char text[] = "\xef\xbb\xbf# c\r\n[Top]\nColour = r\303\251d ; x\nTags = a, b\n[Item]\nSize = 1\n";
  char out[8192];
  for (size_t len = 0; len < sizeof text; len++) {
    uint8_t *copy = malloc(len + 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    read_all(TW_BYTES(copy, len), out, sizeof out);
    free(copy);
  }
  for (size_t bit = 0; bit < 8 * (sizeof text - 1); bit++) {
    uint8_t copy[sizeof text];
    memcpy(copy, text, sizeof text);
    copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
    read_all(TW_BYTES(copy, sizeof text - 1), out, sizeof out);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sections_keys_and_values_are_read),
      cmocka_unit_test(comments_begin_a_line_or_follow_a_blank),
      cmocka_unit_test(line_ends_and_the_byte_order_mark_do_not_matter),
      cmocka_unit_test(mistakes_are_named_and_reading_goes_on),
      cmocka_unit_test(only_text_is_read),
      cmocka_unit_test(a_line_has_a_longest_length),
      cmocka_unit_test(a_file_cut_anywhere_or_with_any_byte_flipped_is_read_to_its_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

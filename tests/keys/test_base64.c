/* Base64 both ways. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_cmocka.h"

#include <string.h>

#include "keys/base64.h"

static tw_bytes text_of(const char *text) { return TW_BYTES((const uint8_t *)text, strlen(text)); }

static void known_answers(void **state) {
  (void)state;
  /* RFC 4648 section 10 */
  static const char *const pairs[][2] = {{"", ""},
                                         {"f", "Zg=="},
                                         {"fo", "Zm8="},
                                         {"foo", "Zm9v"},
                                         {"foob", "Zm9vYg=="},
                                         {"fooba", "Zm9vYmE="},
                                         {"foobar", "Zm9vYmFy"}};
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
    tw_buf buf = {0};
    assert_int_equal(tw_base64_encode(text_of(pairs[i][0]), &buf), TW_OK);
    assert_true(tw_bytes_equal(tw_buf_bytes(&buf), text_of(pairs[i][1])));
    buf.len = 0;
    assert_int_equal(tw_base64_decode(text_of(pairs[i][1]), &buf), TW_OK);
    assert_true(tw_bytes_equal(tw_buf_bytes(&buf), text_of(pairs[i][0])));
    tw_buf_clear(&buf);
  }
}

static void every_byte_and_length_survives(void **state) {
  (void)state;
  uint8_t bytes[259];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 7 + i / 256);
  for (size_t len = 0; len <= sizeof bytes; len++) {
    tw_buf text = {0};
    tw_buf back = {0};
    assert_int_equal(tw_base64_encode(TW_BYTES(bytes, len), &text), TW_OK);
    assert_int_equal(text.len, (len + 2) / 3 * 4);
    assert_int_equal(tw_base64_decode(tw_buf_bytes(&text), &back), TW_OK);
    assert_true(tw_bytes_equal(tw_buf_bytes(&back), TW_BYTES(bytes, len)));
    tw_buf_clear(&text);
    tw_buf_clear(&back);
  }
}

static void other_spellings_are_refused(void **state) {
  (void)state;
  static const char *const bad[] = {"Z",    "Zg",   "Zg=",  "Zh==",   "Zm9=", "Zm8=Zm8=", "====",  "Z===",
                                    "Zm 9", "Zm9-", "Zm9_", "Zm9v\n", "Z=g=", "=Zg=",     "Zm9v=", "A==="};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    tw_buf buf = {0};
    assert_int_equal(tw_buf_append(&buf, TW_LITERAL("x")), TW_OK);
    assert_int_equal(tw_base64_decode(text_of(bad[i]), &buf), TW_ERR_ENCODING);
    assert_true(tw_bytes_equal(tw_buf_bytes(&buf), TW_LITERAL("x")));
    tw_buf_clear(&buf);
  }
}

static void only_the_alphabet_is_taken(void **state) {
  (void)state;
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (unsigned c = 0; c < 256; c++) {
    const uint8_t text[4] = {'A', (uint8_t)c, 'A', 'A'};
    const bool known = c != 0 && strchr(alphabet, (int)c) != NULL;
    tw_buf buf = {0};
    assert_int_equal(tw_base64_decode(TW_ARRAY(text), &buf), known ? TW_OK : TW_ERR_ENCODING);
    tw_buf_clear(&buf);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(known_answers),
      cmocka_unit_test(every_byte_and_length_survives),
      cmocka_unit_test(other_spellings_are_refused),
      cmocka_unit_test(only_the_alphabet_is_taken),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

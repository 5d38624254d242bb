/* What nodes write to each other: the outer form. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "node/mail.h"
#include "tw_cmocka.h"
#include "tw_test_env.h"

static const tw_mail samples[] = {
    {.kind = TW_MAIL_PAIR, .ref = "0123456789abcde", .body = {(const uint8_t *)"message", 7}},
    {.kind = TW_MAIL_ENROLMENT, .ref = "an invitation's", .body = {(const uint8_t *)"sealed", 6}},
    {.kind = TW_MAIL_LIST, .ref = "an admin's begi", .body = {(const uint8_t *)"list", 4}},
    {.kind = TW_MAIL_LIST_WANTED, .ref = "an admin's begi", .body = {(const uint8_t *)"version8", 8}},
    {.kind = TW_MAIL_PAIR_ANSWER,
     .ref = "0123456789abcde",
     .request = "a request's own",
     .body = {(const uint8_t *)"response", 8}},
};

static void mail_comes_out_as_it_went_in(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
    tw_buf encoded = {0};
    tw_mail read;
    assert_int_equal(tw_mail_encode(&samples[i], &encoded), TW_OK);
    assert_int_equal(encoded.ptr[0], i + 1); /* the kinds' numbers are on the wire */
    assert_int_equal(tw_mail_decode(tw_buf_bytes(&encoded), &read), TW_OK);
    assert_int_equal(read.kind, samples[i].kind);
    assert_memory_equal(read.ref, samples[i].ref, sizeof read.ref);
    assert_memory_equal(read.request, samples[i].request, sizeof read.request);
    tw_test_same(read.body, samples[i].body);
    for (size_t len = 0; len < encoded.len; len++)
      assert_int_equal(tw_mail_decode(TW_BYTES(encoded.ptr, len), &read), TW_ERR_TRUNCATED);
    assert_int_equal(tw_buf_append(&encoded, TW_LITERAL("x")), TW_OK);
    assert_int_equal(tw_mail_decode(tw_buf_bytes(&encoded), &read), TW_ERR_TRAILING);
    tw_buf_clear(&encoded);
  }
}

static void kinds_that_nobody_knows_are_refused(void **state) {
  (void)state;
  const uint8_t kinds[] = {0, TW_MAIL_LAST + 1, 255};
  for (size_t i = 0; i < sizeof kinds; i++) {
    tw_buf encoded = {0};
    tw_mail read;
    assert_int_equal(tw_mail_encode(&samples[0], &encoded), TW_OK);
    encoded.ptr[0] = kinds[i];
    assert_int_equal(tw_mail_decode(tw_buf_bytes(&encoded), &read), TW_ERR_UNSUPPORTED);
    tw_buf_clear(&encoded);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(mail_comes_out_as_it_went_in),
      cmocka_unit_test(kinds_that_nobody_knows_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

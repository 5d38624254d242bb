/* Tokens of invitations, and the keys that they stand for. SPDX-License-Identifier: Apache-2.0 */
#include "node/invitation.h"

#include "keys/base64.h"
#include "node/enrolment_kit.h"

static tw_test_env test;

static int set_up(void **state) {
  (void)state;
  tw_test_env_init(&test, 9);
  return 0;
}
static int tear_down(void **state) {
  (void)state;
  tw_test_env_clear(&test);
  return 0;
}

static tw_invitation usual(void) { return enrol_invitation(tw_suite_by_name(ENROL_SUITE)); }

static void format(const tw_invitation *invitation, tw_buf *text) {
  tw_buf_clear(text);
  assert_int_equal(tw_invitation_format(&test.env, invitation, text), TW_OK);
}

static tw_err parse(tw_bytes text, tw_invitation *out) {
  tw_report report = {""};
  const tw_err err = tw_invitation_parse(&test.env, text, out, &report);
  assert_int_equal(report.text[0] == '\0', err == TW_OK);
  return err;
}

static void a_token_is_one_word_and_is_read_as_it_was_written(void **state) {
  (void)state;
  tw_buf text = TW_BUF_INIT(test.env.alloc);
  for (size_t i = 0; tw_suite_at(i) != NULL; i++) {
    tw_invitation invitation = enrol_invitation(tw_suite_at(i));
    tw_invitation read;
    format(&invitation, &text);
    assert_true(text.len <= TW_INVITATION_TEXT_MAX);
    for (size_t k = 0; k < text.len; k++)
      assert_non_null(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", text.ptr[k]));
    assert_int_equal(parse(tw_buf_bytes(&text), &read), TW_OK);
    assert_string_equal(read.relay.host, invitation.relay.host);
    assert_int_equal(read.relay.port, invitation.relay.port);
    assert_string_equal(read.group, invitation.group);
    assert_ptr_equal(read.suite, invitation.suite);
    assert_int_equal(read.until, invitation.until);
    assert_memory_equal(&read.relay_key, &invitation.relay_key, sizeof read.relay_key);
    assert_memory_equal(&read.inviter, &invitation.inviter, sizeof read.inviter);
    assert_memory_equal(read.secret, invitation.secret, sizeof read.secret);
    tw_invitation_clear(&read);
  }
  tw_buf_clear(&text);
}

static void the_longest_names_fit(void **state) {
  (void)state;
  tw_buf text = TW_BUF_INIT(test.env.alloc);
  tw_invitation invitation = usual();
  tw_invitation read;
  memset(invitation.relay.host, 'h', TW_HOST_MAX);
  memset(invitation.group, 'g', TW_NODE_GROUP_MAX);
  format(&invitation, &text);
  assert_true(text.len <= TW_INVITATION_TEXT_MAX);
  assert_int_equal(parse(tw_buf_bytes(&text), &read), TW_OK);
  assert_string_equal(read.group, invitation.group);
  tw_buf_clear(&text);
}

static void mistakes_in_copying_are_noticed(void **state) {
  (void)state;
  tw_buf text = TW_BUF_INIT(test.env.alloc);
  const tw_invitation invitation = usual();
  tw_invitation read = {.until = 7};
  format(&invitation, &text);
  for (size_t len = 0; len < text.len; len++) assert_int_equal(parse(TW_BYTES(text.ptr, len), &read), TW_ERR_ENCODING);
  for (size_t i = 0; i < text.len; i++) {
    const uint8_t kept = text.ptr[i];
    static const char wrong[] = "Ab0-_+/= \n";
    for (size_t k = 0; wrong[k] != '\0'; k++) {
      if ((uint8_t)wrong[k] == kept) continue;
      text.ptr[i] = (uint8_t)wrong[k];
      assert_int_equal(parse(tw_buf_bytes(&text), &read), TW_ERR_ENCODING);
    }
    text.ptr[i] = i + 1 < text.len ? text.ptr[i + 1] : kept; /* two that were swapped */
    if (i + 1 < text.len && text.ptr[i + 1] != kept) {
      text.ptr[i + 1] = kept;
      assert_int_equal(parse(tw_buf_bytes(&text), &read), TW_ERR_ENCODING);
      text.ptr[i + 1] = text.ptr[i];
    }
    text.ptr[i] = kept;
  }
  assert_int_equal(tw_buf_append(&text, TW_LITERAL("A")), TW_OK);
  assert_int_equal(parse(tw_buf_bytes(&text), &read), TW_ERR_ENCODING);
  assert_int_equal(read.until, 7);
  tw_buf_clear(&text);
}

/* With a good checksum, so that what is behind it is looked at. */
static tw_err parse_bytes(tw_bytes content, tw_invitation *out) {
  tw_buf bytes = TW_BUF_INIT(test.env.alloc);
  tw_buf text = TW_BUF_INIT(test.env.alloc);
  uint8_t digest[TW_HASH_MAX];
  assert_int_equal(tw_buf_append(&bytes, content), TW_OK);
  assert_int_equal(tw_hash_parts(&test.env, tw_suite_by_id(&test.env, 1), &content, 1, digest), TW_OK);
  assert_int_equal(tw_buf_append(&bytes, TW_BYTES(digest, 4)), TW_OK);
  assert_int_equal(tw_base64_encode(tw_buf_bytes(&bytes), &text), TW_OK);
  while (text.len > 0 && text.ptr[text.len - 1] == '=') text.len--;
  for (size_t i = 0; i < text.len; i++) {
    if (text.ptr[i] == '+') text.ptr[i] = '-';
    if (text.ptr[i] == '/') text.ptr[i] = '_';
  }
  const tw_err err = parse(tw_buf_bytes(&text), out);
  tw_buf_clear(&bytes);
  tw_buf_clear(&text);
  return err;
}

static void encode_parts(tw_buf *out, uint8_t version, const char *host, uint16_t port, const char *group,
                         const char *suite) {
  static const uint8_t zeros[TW_FINGERPRINT_SIZE];
  tw_buf_clear(out);
  tw_writer w = tw_writer_to(out);
  tw_write_u8(&w, version);
  tw_write_vector(&w, enrol_text(host));
  tw_write_u16(&w, port);
  tw_write_fixed(&w, TW_ARRAY(zeros));
  tw_write_vector(&w, enrol_text(group));
  tw_write_vector(&w, enrol_text(suite));
  tw_write_fixed(&w, TW_ARRAY(zeros));
  tw_write_u64(&w, ENROL_UNTIL);
  tw_write_fixed(&w, TW_ARRAY(zeros));
  assert_int_equal(tw_writer_end(&w), TW_OK);
}

static void what_no_node_could_use_is_refused(void **state) {
  (void)state;
  tw_buf bytes = TW_BUF_INIT(test.env.alloc);
  tw_invitation read;
  encode_parts(&bytes, 1, "relay.example", 9420, "office", ENROL_SUITE);
  assert_int_equal(parse_bytes(tw_buf_bytes(&bytes), &read), TW_OK);
  for (size_t len = 1; len < bytes.len; len++)
    assert_int_not_equal(parse_bytes(TW_BYTES(bytes.ptr, len), &read), TW_OK);
  assert_int_equal(tw_buf_append(&bytes, TW_LITERAL("x")), TW_OK);
  assert_int_equal(parse_bytes(tw_buf_bytes(&bytes), &read), TW_ERR_ENCODING);
  encode_parts(&bytes, 2, "relay.example", 9420, "office", ENROL_SUITE);
  assert_int_equal(parse_bytes(tw_buf_bytes(&bytes), &read), TW_ERR_UNSUPPORTED);
  encode_parts(&bytes, 1, "relay.example", 9420, "office", "MLS_OF_TOMORROW");
  assert_int_equal(parse_bytes(tw_buf_bytes(&bytes), &read), TW_ERR_UNSUPPORTED);
  encode_parts(&bytes, 1, "relay.example", 9420, "office", "MLS_128_DHKEMX25519_AES128GCm_SHA256_Ed25519");
  assert_int_equal(parse_bytes(tw_buf_bytes(&bytes), &read), TW_ERR_UNSUPPORTED);
  encode_parts(&bytes, 1, "relay.example", 0, "office", ENROL_SUITE);
  assert_int_equal(parse_bytes(tw_buf_bytes(&bytes), &read), TW_ERR_ENCODING);
  static const char *const hosts[] = {"", "a b", "a\nb", "a#b", "a;b", "a]b"};
  for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
    encode_parts(&bytes, 1, hosts[i], 9420, "office", ENROL_SUITE);
    assert_int_equal(parse_bytes(tw_buf_bytes(&bytes), &read), TW_ERR_ENCODING);
  }
  static const char *const groups[] = {"", "a\nb", "a\x7f", "\xff"};
  for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
    encode_parts(&bytes, 1, "relay.example", 9420, groups[i], ENROL_SUITE);
    assert_int_equal(parse_bytes(tw_buf_bytes(&bytes), &read), TW_ERR_ENCODING);
  }
  tw_buf_clear(&bytes);
}

static void both_sides_make_the_same_keys_of_it(void **state) {
  (void)state;
  for (size_t i = 0; tw_suite_at(i) != NULL; i++) {
    const tw_invitation invitation = enrol_invitation(tw_suite_at(i));
    tw_invitation_keys a;
    tw_invitation_keys b;
    const size_t size = invitation.suite->aead->key_size;
    assert_int_equal(tw_invitation_keys_of(&test.env, &invitation, &a), TW_OK);
    assert_int_equal(tw_invitation_keys_of(&test.env, &invitation, &b), TW_OK);
    assert_memory_equal(a.id, b.id, sizeof a.id);
    assert_memory_equal(&a.guest, &b.guest, sizeof a.guest);
    assert_memory_equal(a.request, b.request, size);
    assert_memory_equal(a.reply, b.reply, size);
    assert_memory_not_equal(a.request, a.reply, size);
    tw_invitation_keys_clear(&a);
    tw_invitation_keys_clear(&a);
    tw_invitation_keys_clear(&b);
  }
}

/* Who changes what a token says of the relay or the network has other keys than the inviter. */
static void any_other_term_makes_all_other_keys(void **state) {
  (void)state;
  const tw_invitation usual_one = usual();
  tw_invitation_keys keys;
  assert_int_equal(tw_invitation_keys_of(&test.env, &usual_one, &keys), TW_OK);
  for (int what = 0; what < 7; what++) {
    tw_invitation bent = usual_one;
    tw_invitation_keys other;
    switch (what) {
    case 0: bent.relay.host[0] = 'R'; break;
    case 1: bent.relay.port++; break;
    case 2: bent.relay_key.digest[31] ^= 1; break;
    case 3: bent.group[5] = 'E'; break;
    case 4: bent.inviter.digest[0] ^= 1; break;
    case 5: bent.until++; break;
    default: bent.secret[31] ^= 1; break;
    }
    assert_int_equal(tw_invitation_keys_of(&test.env, &bent, &other), TW_OK);
    assert_memory_not_equal(keys.id, other.id, sizeof keys.id);
    assert_memory_not_equal(&keys.guest, &other.guest, sizeof keys.guest);
    assert_memory_not_equal(keys.request, other.request, 16);
    assert_memory_not_equal(keys.reply, other.reply, 16);
    tw_invitation_keys_clear(&other);
  }
  tw_invitation_keys_clear(&keys);
}

static void memory_that_fails_is_told_and_leaves_nothing(void **state) {
  (void)state;
  const tw_invitation invitation = usual();
  tw_buf text = TW_BUF_INIT(test.env.alloc);
  tw_invitation read;
  tw_invitation_keys keys;
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&test, n);
    tw_buf_clear(&text);
    tw_err err = tw_invitation_format(&test.env, &invitation, &text);
    if (err == TW_OK) err = parse(tw_buf_bytes(&text), &read);
    if (err == TW_OK) err = tw_invitation_keys_of(&test.env, &invitation, &keys);
    if (err == TW_OK) tw_invitation_keys_clear(&keys);
    assert_int_equal(err, test.alloc_failed ? TW_ERR_NO_MEMORY : TW_OK);
    if (!test.alloc_failed) break;
  }
  tw_test_fail_alloc(&test, 0);
  tw_buf_clear(&text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_token_is_one_word_and_is_read_as_it_was_written),
      cmocka_unit_test(the_longest_names_fit),
      cmocka_unit_test(mistakes_in_copying_are_noticed),
      cmocka_unit_test(what_no_node_could_use_is_refused),
      cmocka_unit_test(both_sides_make_the_same_keys_of_it),
      cmocka_unit_test(any_other_term_makes_all_other_keys),
      cmocka_unit_test(memory_that_fails_is_told_and_leaves_nothing),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* Leaves: each rule of RFC 9420 section 7.3 broken one at a time. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#include "leaf_kit.h"

static void a_valid_leaf_is_accepted(void **state) {
  leaf_kit *f = *state;
  assert_int_equal(leaf_kit_check(f), TW_OK);
  assert_int_equal(leaf_kit_check_package(f), TW_OK);
  /* GREASE and unknown values in capabilities are ignored; without extensions a leaf is valid too. */
  f->fields.extensions = TW_NO_BYTES;
  f->fields.capabilities.proposals = TW_NO_BYTES;
  f->fields.capabilities.extensions = TW_LITERAL("\x12\x34");
  assert_int_equal(leaf_kit_check(f), TW_OK);
}

static void capabilities_hold_what_the_leaf_itself_uses(void **state) {
  leaf_kit *f = *state;
  const tw_leaf_node_fields valid = f->fields;
  f->fields.capabilities.versions = TW_LITERAL("\0\2");
  assert_int_equal(leaf_kit_check(f), TW_ERR_CAPABILITY);
  f->fields = valid;
  f->fields.capabilities.cipher_suites = TW_LITERAL("\0\3");
  assert_int_equal(leaf_kit_check(f), TW_OK); /* no rule of section 7.3, and seen in the wild */
  f->fields = valid;
  f->fields.capabilities.credentials = TW_LITERAL("\0\2");
  assert_int_equal(leaf_kit_check(f), TW_ERR_CAPABILITY);
  f->fields = valid;
  f->fields.capabilities.extensions = TW_LITERAL("\0\6\0\7");
  assert_int_equal(leaf_kit_check(f), TW_ERR_CAPABILITY);
  f->fields = valid;
  f->fields.extensions = TW_LITERAL("\xf0\1\0");
  assert_int_equal(leaf_kit_check(f), TW_ERR_CAPABILITY);
  f->fields.capabilities.extensions = TW_LITERAL("\xf0\1");
  assert_int_equal(leaf_kit_check(f), TW_OK);
}

static void group_context_extensions_are_supported(void **state) {
  leaf_kit *f = *state;
  f->group_context_extensions = TW_LITERAL("\0\6\1\0");
  assert_int_equal(leaf_kit_check(f), TW_OK);
  f->group_context_extensions = TW_LITERAL("\xf0\2\0");
  assert_int_equal(leaf_kit_check(f), TW_ERR_CAPABILITY);
  /* default types need not be listed */
  f->group_context_extensions = TW_LITERAL("\0\5\1\0");
  assert_int_equal(leaf_kit_check(f), TW_OK);
}

static void required_capabilities_are_met(void **state) {
  leaf_kit *f = *state;
  f->group_context_extensions = TW_LITERAL("\0\3\x0f\4\0\1\0\6\4\0\7\0\x8\4\0\1\0\2");
  assert_int_equal(leaf_kit_check(f), TW_OK);
  f->group_context_extensions = TW_LITERAL("\0\3\5\2\0\x8\0\0");
  assert_int_equal(leaf_kit_check(f), TW_ERR_CAPABILITY);
  f->group_context_extensions = TW_LITERAL("\0\3\5\0\2\0\x9\0");
  assert_int_equal(leaf_kit_check(f), TW_ERR_CAPABILITY);
  f->group_context_extensions = TW_LITERAL("\0\3\5\0\0\2\0\3");
  assert_int_equal(leaf_kit_check(f), TW_ERR_CAPABILITY);
  f->group_context_extensions = TW_LITERAL("\0\3\4\0\0\1\0");
  assert_int_equal(leaf_kit_check(f), TW_ERR_ENCODING);
  f->group_context_extensions = TW_LITERAL("\0\3\2\0\0");
  assert_int_equal(leaf_kit_check(f), TW_ERR_TRUNCATED);
}

/* Long lists are compared by another way. */
static void long_lists_of_requirements_are_compared_too(void **state) {
  leaf_kit *f = *state;
  tw_buf have = {0};
  tw_buf required = {0};
  tw_writer h = tw_writer_to(&have);
  for (uint32_t i = 0; i < 60000; i++) tw_write_u16(&h, (uint16_t)(i + 1));
  assert_int_equal(tw_writer_end(&h), TW_OK);
  for (uint32_t last = 60000; last <= 60001; last++) {
    tw_buf_clear(&required);
    tw_writer w = tw_writer_to(&required);
    tw_write_u16(&w, TW_EXTENSION_REQUIRED_CAPABILITIES);
    const tw_vector_mark data = tw_write_open(&w);
    for (int list = 0; list < 2; list++) {
      const tw_vector_mark mark = tw_write_open(&w);
      for (uint32_t i = 0; i < 50000; i++) tw_write_u16(&w, (uint16_t)(last - i));
      tw_write_close(&w, mark);
    }
    tw_write_u8(&w, 0);
    tw_write_close(&w, data);
    assert_int_equal(tw_writer_end(&w), TW_OK);
    f->fields.extensions = TW_NO_BYTES;
    f->fields.capabilities.extensions = tw_buf_bytes(&have);
    f->fields.capabilities.proposals = tw_buf_bytes(&have);
    f->group_context_extensions = tw_buf_bytes(&required);
    assert_int_equal(leaf_kit_check(f), last == 60000 ? TW_OK : TW_ERR_CAPABILITY);
  }
  tw_buf_clear(&have);
  tw_buf_clear(&required);
}

static void required_wire_formats_and_components_are_supported(void **state) {
  leaf_kit *f = *state;
  f->fields.capabilities.extensions = TW_LITERAL("\0\6\0\7\0\x8");
  f->fields.extensions = TW_LITERAL("\0\7\3\2\xf0\1\0\6\x0d\x0c\0\1\5\4\0\1\x80\1\0\2\1\0");
  f->group_context_extensions = TW_LITERAL("\0\x8\5\4\0\1\xf0\1");
  assert_int_equal(leaf_kit_check(f), TW_OK);
  f->group_context_extensions = TW_LITERAL("\0\x8\3\2\xf0\2");
  assert_int_equal(leaf_kit_check(f), TW_ERR_CAPABILITY);
  f->group_context_extensions = TW_LITERAL("\0\x8\2\1\1");
  assert_int_equal(leaf_kit_check(f), TW_ERR_ENCODING);
  f->group_context_extensions = TW_LITERAL("\0\6\7\6\0\1\3\2\x80\1");
  assert_int_equal(leaf_kit_check(f), TW_OK);
  f->group_context_extensions = TW_LITERAL("\0\6\7\6\0\1\3\2\x80\2");
  assert_int_equal(leaf_kit_check(f), TW_ERR_CAPABILITY);
  f->group_context_extensions = TW_LITERAL("\0\6\7\6\0\2\3\2\x80\1");
  assert_int_equal(leaf_kit_check(f), TW_ERR_CAPABILITY);
}

static void known_extensions_are_well_formed(void **state) {
  leaf_kit *f = *state;
  f->fields.extensions = TW_LITERAL("\0\6\0");
  assert_int_equal(leaf_kit_check(f), TW_ERR_TRUNCATED);
  f->fields.extensions = TW_LITERAL("\0\6\7\6\0\2\0\0\1\0");
  assert_int_equal(leaf_kit_check(f), TW_ERR_ENCODING);
  f->fields.extensions = TW_LITERAL("\0\6\7\6\0\2\0\0\2\0");
  assert_int_equal(leaf_kit_check(f), TW_ERR_ENCODING);
  f->fields.extensions = TW_LITERAL("\0\6\6\5\0\1\2\1\0");
  assert_int_equal(leaf_kit_check(f), TW_ERR_ENCODING);
  f->fields.extensions = TW_LITERAL("\0\7\2\1\0");
  assert_int_equal(leaf_kit_check(f), TW_ERR_ENCODING);
}

static void lifetimes_are_checked_at_a_time(void **state) {
  leaf_kit *f = *state;
  f->now = LEAF_KIT_NOT_BEFORE;
  assert_int_equal(leaf_kit_check(f), TW_OK);
  f->now = LEAF_KIT_NOT_AFTER;
  assert_int_equal(leaf_kit_check(f), TW_OK);
  f->now = LEAF_KIT_NOT_BEFORE - 1;
  assert_int_equal(leaf_kit_check(f), TW_ERR_LIFETIME);
  f->now = LEAF_KIT_NOT_AFTER + 1;
  assert_int_equal(leaf_kit_check(f), TW_ERR_LIFETIME);
  assert_int_equal(leaf_kit_check_package(f), TW_ERR_LIFETIME);
  f->now = 0;
  assert_int_equal(leaf_kit_check(f), TW_OK);
  f->now = LEAF_KIT_NOW;
  f->test.limits.lifetime_max = LEAF_KIT_NOT_AFTER - LEAF_KIT_NOT_BEFORE;
  assert_int_equal(leaf_kit_check(f), TW_OK);
  f->test.limits.lifetime_max--;
  assert_int_equal(leaf_kit_check(f), TW_ERR_LIFETIME);
  f->fields.not_before = LEAF_KIT_NOT_AFTER;
  f->fields.not_after = LEAF_KIT_NOT_BEFORE;
  assert_int_equal(leaf_kit_check(f), TW_ERR_LIFETIME);
  f->fields.source = TW_LEAF_UPDATE;
  assert_int_equal(leaf_kit_check(f), TW_OK);
}

static void encryption_keys_have_the_suites_form(void **state) {
  leaf_kit *f = *state;
  const tw_bytes valid = f->fields.encryption_key;
  f->fields.encryption_key = TW_BYTES(valid.ptr, valid.len - 1);
  assert_int_equal(leaf_kit_check(f), TW_ERR_KEY);
  f->fields.encryption_key = TW_NO_BYTES;
  assert_int_equal(leaf_kit_check(f), TW_ERR_KEY);
  f->fields.encryption_key = valid;
  f->encryption_key[valid.len - 1] ^= 1;
  /* Every string of 32 bytes is an X25519 key; on P-256 a changed point is off the curve. */
  assert_int_equal(leaf_kit_check(f), f->suite->id == 2 ? TW_ERR_KEY : TW_OK);
}

static void signature_keys_have_the_suites_length(void **state) {
  leaf_kit *f = *state;
  const tw_suite *other = tw_suite_by_id(&f->test.env, f->suite->id == 1 ? 2 : 1);
  tw_leaf_node leaf = leaf_kit_make(f, TW_NO_BYTES, 0);
  leaf.signature_key.len--;
  assert_int_equal(tw_leaf_node_check(&f->test.env, f->suite, &leaf, TW_NO_BYTES, LEAF_KIT_NOW), TW_ERR_KEY);
  tw_buf out = {0};
  assert_int_equal(tw_leaf_node_make(&f->test.env, other, f->signer, &f->fields, TW_NO_BYTES, 0, &out),
                   TW_ERR_ARGUMENT);
  f->fields.source = 4;
  assert_int_equal(tw_leaf_node_make(&f->test.env, f->suite, f->signer, &f->fields, TW_NO_BYTES, 0, &out),
                   TW_ERR_ARGUMENT);
  assert_int_equal(out.len, 0);
  tw_buf_clear(&out);
}

static void what_is_no_certificate_is_refused(void **state) {
  leaf_kit *f = *state;
  f->fields.credential = TW_LITERAL("\0\2\6\5trust");
  assert_int_equal(leaf_kit_check(f), TW_ERR_CERTIFICATE);
}

/* A self-signed certificate of an Ed25519 key; appended as an x509 credential. */
static void make_certificate(const uint8_t private_key[32], tw_buf *credential) {
  EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private_key, 32);
  X509 *certificate = X509_new();
  assert_non_null(key);
  assert_non_null(certificate);
  assert_int_equal(X509_set_version(certificate, X509_VERSION_3), 1);
  assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1), 1);
  assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), 0));
  assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), 3600));
  X509_NAME *name = X509_get_subject_name(certificate);
  assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"alice", -1, -1, 0), 1);
  assert_int_equal(X509_set_issuer_name(certificate, name), 1);
  assert_int_equal(X509_set_pubkey(certificate, key), 1);
  assert_true(X509_sign(certificate, key, NULL) > 0);
  uint8_t *der = NULL;
  const int size = i2d_X509(certificate, &der);
  assert_true(size > 0);
  tw_writer w = tw_writer_to(credential);
  tw_write_u16(&w, TW_CREDENTIAL_X509);
  const tw_vector_mark list = tw_write_open(&w);
  tw_write_vector(&w, TW_BYTES(der, (size_t)size));
  tw_write_close(&w, list);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  OPENSSL_free(der);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

static void certificates_are_of_the_leafs_own_key(void **state) {
  leaf_kit *f = *state;
  tw_buf private_key = {0};
  tw_buf credential = {0};
  assert_int_equal(tw_signer_export(f->signer, &private_key), TW_OK);
  make_certificate(private_key.ptr, &credential);
  f->fields.credential = tw_buf_bytes(&credential);
  assert_int_equal(leaf_kit_check(f), TW_OK);
  assert_int_equal(leaf_kit_check_package(f), TW_OK);
  tw_buf_clear(&credential);
  private_key.ptr[0] ^= 1;
  make_certificate(private_key.ptr, &credential);
  f->fields.credential = tw_buf_bytes(&credential);
  assert_int_equal(leaf_kit_check(f), TW_ERR_CREDENTIAL);
  tw_buf_clear(&credential);
  tw_buf_clear(&private_key);
}

static void signatures_cover_every_byte_and_the_place_in_the_group(void **state) {
  leaf_kit *f = *state;
  static const uint8_t sources[] = {TW_LEAF_KEY_PACKAGE, TW_LEAF_UPDATE, TW_LEAF_COMMIT};
  for (size_t i = 0; i < sizeof sources; i++) {
    f->fields.source = sources[i];
    f->fields.parent_hash = sources[i] == TW_LEAF_COMMIT ? TW_LITERAL("parent hash") : TW_NO_BYTES;
    const bool in_group = sources[i] != TW_LEAF_KEY_PACKAGE;
    const tw_leaf_node leaf = leaf_kit_make(f, TW_LITERAL("group"), 5);
    const tw_env *env = &f->test.env;
    assert_int_equal(tw_leaf_node_verify(env, f->suite, &leaf, TW_LITERAL("group"), 5), TW_OK);
    const tw_err elsewhere = in_group ? TW_ERR_SIGNATURE : TW_OK;
    assert_int_equal(tw_leaf_node_verify(env, f->suite, &leaf, TW_LITERAL("group"), 6), elsewhere);
    assert_int_equal(tw_leaf_node_verify(env, f->suite, &leaf, TW_LITERAL("groups"), 5), elsewhere);
    for (size_t at = 0; at < f->leaf.len; at++) {
      tw_leaf_node changed;
      f->leaf.ptr[at] ^= 1;
      if (tw_leaf_node_decode(tw_buf_bytes(&f->leaf), &changed) == TW_OK) {
        assert_int_not_equal(tw_leaf_node_verify(env, f->suite, &changed, TW_LITERAL("group"), 5), TW_OK);
      }
      f->leaf.ptr[at] ^= 1;
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      LEAF_TEST(a_valid_leaf_is_accepted),
      P256_TEST(a_valid_leaf_is_accepted),
      LEAF_TEST(capabilities_hold_what_the_leaf_itself_uses),
      LEAF_TEST(group_context_extensions_are_supported),
      LEAF_TEST(required_capabilities_are_met),
      LEAF_TEST(long_lists_of_requirements_are_compared_too),
      LEAF_TEST(required_wire_formats_and_components_are_supported),
      LEAF_TEST(known_extensions_are_well_formed),
      LEAF_TEST(lifetimes_are_checked_at_a_time),
      LEAF_TEST(encryption_keys_have_the_suites_form),
      P256_TEST(encryption_keys_have_the_suites_form),
      LEAF_TEST(signature_keys_have_the_suites_length),
      LEAF_TEST(what_is_no_certificate_is_refused),
      LEAF_TEST(certificates_are_of_the_leafs_own_key),
      LEAF_TEST(signatures_cover_every_byte_and_the_place_in_the_group),
      P256_TEST(signatures_cover_every_byte_and_the_place_in_the_group),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

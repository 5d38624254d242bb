/* Leaves and key packages: each rule of RFC 9420 sections 7.3 and 10.1 broken one at a time. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#include "mls/framing.h"
#include "tw_test_env.h"

enum { NOW = 1750000000, NOT_BEFORE = 1700000000, NOT_AFTER = 1800000000 };

/* What a leaf and a key package are made from, all valid at first; each test changes one thing. */
typedef struct fixture {
  tw_test_env test;
  const tw_suite *suite;
  tw_signer *signer;
  uint8_t init_key[TW_KEM_PUBLIC_MAX];
  uint8_t encryption_key[TW_KEM_PUBLIC_MAX];
  tw_bytes init;
  tw_leaf_node_fields fields;
  tw_bytes extensions; /* of the key package */
  tw_bytes group_context_extensions;
  uint64_t now;
  tw_buf leaf;
  tw_buf key_package;
} fixture;

static void generate_key(fixture *f, uint8_t *public_key) {
  tw_secret private_key = {{0}, 0};
  assert_int_equal(tw_kem_generate(&f->test.env, f->suite, &private_key, public_key), TW_OK);
  tw_secret_clear(&private_key);
}

static int set_up_suite(void **state, uint16_t suite) {
  static fixture one;
  fixture *f = &one;
  memset(f, 0, sizeof *f);
  tw_test_env_init(&f->test, 7);
  f->suite = tw_suite_by_id(&f->test.env, suite);
  assert_non_null(f->suite);
  assert_int_equal(tw_signer_generate(&f->test.env, f->suite, &f->signer), TW_OK);
  generate_key(f, f->init_key);
  generate_key(f, f->encryption_key);
  f->init = TW_BYTES(f->init_key, f->suite->kem->public_size);
  f->fields = (tw_leaf_node_fields){
      .encryption_key = TW_BYTES(f->encryption_key, f->suite->kem->public_size),
      .credential = TW_LITERAL("\0\1\5alice"),
      .capabilities = {.versions = TW_LITERAL("\0\1"),
                       .cipher_suites = suite == 1 ? TW_LITERAL("\x2a\x2a\0\1") : TW_LITERAL("\0\2"),
                       .extensions = TW_LITERAL("\0\6\0\7\x3a\x3a"),
                       .proposals = TW_LITERAL("\0\x8\x4a\x4a"),
                       .credentials = TW_LITERAL("\x5a\x5a\0\1\0\2")},
      .source = TW_LEAF_KEY_PACKAGE,
      .not_before = NOT_BEFORE,
      .not_after = NOT_AFTER,
      .extensions = TW_LITERAL("\0\1\3\2id\x3a\x3a\1x"),
  };
  f->now = NOW;
  f->leaf = TW_BUF_INIT(&f->test.alloc);
  f->key_package = TW_BUF_INIT(&f->test.alloc);
  *state = f;
  return 0;
}

static int set_up(void **state) { return set_up_suite(state, 1); }
static int set_up_p256(void **state) { return set_up_suite(state, 2); }

static int tear_down(void **state) {
  fixture *f = *state;
  tw_buf_clear(&f->leaf);
  tw_buf_clear(&f->key_package);
  tw_signer_free(f->signer);
  tw_test_env_clear(&f->test);
  return 0;
}

static tw_leaf_node make_leaf(fixture *f, tw_bytes group_id, uint32_t leaf_index) {
  tw_leaf_node leaf;
  tw_buf_clear(&f->leaf);
  assert_int_equal(tw_leaf_node_make(&f->test.env, f->suite, f->signer, &f->fields, group_id, leaf_index, &f->leaf),
                   TW_OK);
  assert_int_equal(tw_leaf_node_decode(tw_buf_bytes(&f->leaf), &leaf), TW_OK);
  return leaf;
}

static tw_err check_leaf(fixture *f) {
  const tw_leaf_node leaf = make_leaf(f, TW_NO_BYTES, 0);
  return tw_leaf_node_check(&f->test.env, f->suite, &leaf, f->group_context_extensions, f->now);
}

static tw_key_package_view make_key_package(fixture *f) {
  tw_key_package_view view;
  (void)make_leaf(f, TW_NO_BYTES, 0);
  tw_buf_clear(&f->key_package);
  assert_int_equal(tw_key_package_make(&f->test.env, f->suite, f->signer, f->init, tw_buf_bytes(&f->leaf),
                                       f->extensions, &f->key_package),
                   TW_OK);
  assert_int_equal(tw_key_package_decode(tw_buf_bytes(&f->key_package), &view), TW_OK);
  return view;
}

static tw_err check_key_package(fixture *f) {
  const tw_key_package_view view = make_key_package(f);
  return tw_key_package_check(&f->test.env, f->suite, &view, f->group_context_extensions, f->now);
}

/* ---- leaves ---- */

static void a_valid_leaf_is_accepted(void **state) {
  fixture *f = *state;
  assert_int_equal(check_leaf(f), TW_OK);
  assert_int_equal(check_key_package(f), TW_OK);
  /* GREASE and unknown values in capabilities are ignored; without extensions a leaf is valid too. */
  f->fields.extensions = TW_NO_BYTES;
  f->fields.capabilities.proposals = TW_NO_BYTES;
  f->fields.capabilities.extensions = TW_LITERAL("\x12\x34");
  assert_int_equal(check_leaf(f), TW_OK);
}

static void capabilities_hold_what_the_leaf_itself_uses(void **state) {
  fixture *f = *state;
  const tw_leaf_node_fields valid = f->fields;
  f->fields.capabilities.versions = TW_LITERAL("\0\2");
  assert_int_equal(check_leaf(f), TW_ERR_CAPABILITY);
  f->fields = valid;
  f->fields.capabilities.cipher_suites = TW_LITERAL("\0\3");
  assert_int_equal(check_leaf(f), TW_OK); /* no rule of section 7.3, and seen in the wild */
  f->fields = valid;
  f->fields.capabilities.credentials = TW_LITERAL("\0\2");
  assert_int_equal(check_leaf(f), TW_ERR_CAPABILITY);
  f->fields = valid;
  f->fields.capabilities.extensions = TW_LITERAL("\0\6\0\7");
  assert_int_equal(check_leaf(f), TW_ERR_CAPABILITY);
  f->fields = valid;
  f->fields.extensions = TW_LITERAL("\xf0\1\0");
  assert_int_equal(check_leaf(f), TW_ERR_CAPABILITY);
  f->fields.capabilities.extensions = TW_LITERAL("\xf0\1");
  assert_int_equal(check_leaf(f), TW_OK);
}

static void group_context_extensions_are_supported(void **state) {
  fixture *f = *state;
  f->group_context_extensions = TW_LITERAL("\0\6\1\0");
  assert_int_equal(check_leaf(f), TW_OK);
  f->group_context_extensions = TW_LITERAL("\xf0\2\0");
  assert_int_equal(check_leaf(f), TW_ERR_CAPABILITY);
  /* default types need not be listed */
  f->group_context_extensions = TW_LITERAL("\0\5\1\0");
  assert_int_equal(check_leaf(f), TW_OK);
}

static void required_capabilities_are_met(void **state) {
  fixture *f = *state;
  f->group_context_extensions = TW_LITERAL("\0\3\x0f\4\0\1\0\6\4\0\7\0\x8\4\0\1\0\2");
  assert_int_equal(check_leaf(f), TW_OK);
  f->group_context_extensions = TW_LITERAL("\0\3\5\2\0\x8\0\0");
  assert_int_equal(check_leaf(f), TW_ERR_CAPABILITY);
  f->group_context_extensions = TW_LITERAL("\0\3\5\0\2\0\x9\0");
  assert_int_equal(check_leaf(f), TW_ERR_CAPABILITY);
  f->group_context_extensions = TW_LITERAL("\0\3\5\0\0\2\0\3");
  assert_int_equal(check_leaf(f), TW_ERR_CAPABILITY);
  f->group_context_extensions = TW_LITERAL("\0\3\4\0\0\1\0");
  assert_int_equal(check_leaf(f), TW_ERR_ENCODING);
  f->group_context_extensions = TW_LITERAL("\0\3\2\0\0");
  assert_int_equal(check_leaf(f), TW_ERR_TRUNCATED);
}

/* Long lists are compared by another way. */
static void long_lists_of_requirements_are_compared_too(void **state) {
  fixture *f = *state;
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
    assert_int_equal(check_leaf(f), last == 60000 ? TW_OK : TW_ERR_CAPABILITY);
  }
  tw_buf_clear(&have);
  tw_buf_clear(&required);
}

static void required_wire_formats_and_components_are_supported(void **state) {
  fixture *f = *state;
  f->fields.capabilities.extensions = TW_LITERAL("\0\6\0\7\0\x8");
  f->fields.extensions = TW_LITERAL("\0\7\3\2\xf0\1\0\6\x0d\x0c\0\1\5\4\0\1\x80\1\0\2\1\0");
  f->group_context_extensions = TW_LITERAL("\0\x8\5\4\0\1\xf0\1");
  assert_int_equal(check_leaf(f), TW_OK);
  f->group_context_extensions = TW_LITERAL("\0\x8\3\2\xf0\2");
  assert_int_equal(check_leaf(f), TW_ERR_CAPABILITY);
  f->group_context_extensions = TW_LITERAL("\0\x8\2\1\1");
  assert_int_equal(check_leaf(f), TW_ERR_ENCODING);
  f->group_context_extensions = TW_LITERAL("\0\6\7\6\0\1\3\2\x80\1");
  assert_int_equal(check_leaf(f), TW_OK);
  f->group_context_extensions = TW_LITERAL("\0\6\7\6\0\1\3\2\x80\2");
  assert_int_equal(check_leaf(f), TW_ERR_CAPABILITY);
  f->group_context_extensions = TW_LITERAL("\0\6\7\6\0\2\3\2\x80\1");
  assert_int_equal(check_leaf(f), TW_ERR_CAPABILITY);
}

static void known_extensions_are_well_formed(void **state) {
  fixture *f = *state;
  f->fields.extensions = TW_LITERAL("\0\6\0");
  assert_int_equal(check_leaf(f), TW_ERR_TRUNCATED);
  f->fields.extensions = TW_LITERAL("\0\6\7\6\0\2\0\0\1\0");
  assert_int_equal(check_leaf(f), TW_ERR_ENCODING);
  f->fields.extensions = TW_LITERAL("\0\6\7\6\0\2\0\0\2\0");
  assert_int_equal(check_leaf(f), TW_ERR_ENCODING);
  f->fields.extensions = TW_LITERAL("\0\6\6\5\0\1\2\1\0");
  assert_int_equal(check_leaf(f), TW_ERR_ENCODING);
  f->fields.extensions = TW_LITERAL("\0\7\2\1\0");
  assert_int_equal(check_leaf(f), TW_ERR_ENCODING);
}

static void lifetimes_are_checked_at_a_time(void **state) {
  fixture *f = *state;
  f->now = NOT_BEFORE;
  assert_int_equal(check_leaf(f), TW_OK);
  f->now = NOT_AFTER;
  assert_int_equal(check_leaf(f), TW_OK);
  f->now = NOT_BEFORE - 1;
  assert_int_equal(check_leaf(f), TW_ERR_LIFETIME);
  f->now = NOT_AFTER + 1;
  assert_int_equal(check_leaf(f), TW_ERR_LIFETIME);
  assert_int_equal(check_key_package(f), TW_ERR_LIFETIME);
  f->now = 0;
  assert_int_equal(check_leaf(f), TW_OK);
  f->now = NOW;
  f->test.limits.lifetime_max = NOT_AFTER - NOT_BEFORE;
  assert_int_equal(check_leaf(f), TW_OK);
  f->test.limits.lifetime_max--;
  assert_int_equal(check_leaf(f), TW_ERR_LIFETIME);
  f->fields.not_before = NOT_AFTER;
  f->fields.not_after = NOT_BEFORE;
  assert_int_equal(check_leaf(f), TW_ERR_LIFETIME);
  f->fields.source = TW_LEAF_UPDATE;
  assert_int_equal(check_leaf(f), TW_OK);
}

static void encryption_keys_have_the_suites_form(void **state) {
  fixture *f = *state;
  const tw_bytes valid = f->fields.encryption_key;
  f->fields.encryption_key = TW_BYTES(valid.ptr, valid.len - 1);
  assert_int_equal(check_leaf(f), TW_ERR_KEY);
  f->fields.encryption_key = TW_NO_BYTES;
  assert_int_equal(check_leaf(f), TW_ERR_KEY);
  f->fields.encryption_key = valid;
  f->encryption_key[valid.len - 1] ^= 1;
  /* Every string of 32 bytes is an X25519 key; on P-256 a changed point is off the curve. */
  assert_int_equal(check_leaf(f), f->suite->id == 2 ? TW_ERR_KEY : TW_OK);
}

static void signature_keys_have_the_suites_length(void **state) {
  fixture *f = *state;
  const tw_suite *other = tw_suite_by_id(&f->test.env, f->suite->id == 1 ? 2 : 1);
  tw_leaf_node leaf = make_leaf(f, TW_NO_BYTES, 0);
  leaf.signature_key.len--;
  assert_int_equal(tw_leaf_node_check(&f->test.env, f->suite, &leaf, TW_NO_BYTES, NOW), TW_ERR_KEY);
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
  fixture *f = *state;
  f->fields.credential = TW_LITERAL("\0\2\6\5trust");
  assert_int_equal(check_leaf(f), TW_ERR_CERTIFICATE);
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
  fixture *f = *state;
  tw_buf private_key = {0};
  tw_buf credential = {0};
  assert_int_equal(tw_signer_export(f->signer, &private_key), TW_OK);
  make_certificate(private_key.ptr, &credential);
  f->fields.credential = tw_buf_bytes(&credential);
  assert_int_equal(check_leaf(f), TW_OK);
  assert_int_equal(check_key_package(f), TW_OK);
  tw_buf_clear(&credential);
  private_key.ptr[0] ^= 1;
  make_certificate(private_key.ptr, &credential);
  f->fields.credential = tw_buf_bytes(&credential);
  assert_int_equal(check_leaf(f), TW_ERR_CREDENTIAL);
  tw_buf_clear(&credential);
  tw_buf_clear(&private_key);
}

static void signatures_cover_every_byte_and_the_place_in_the_group(void **state) {
  fixture *f = *state;
  static const uint8_t sources[] = {TW_LEAF_KEY_PACKAGE, TW_LEAF_UPDATE, TW_LEAF_COMMIT};
  for (size_t i = 0; i < sizeof sources; i++) {
    f->fields.source = sources[i];
    f->fields.parent_hash = sources[i] == TW_LEAF_COMMIT ? TW_LITERAL("parent hash") : TW_NO_BYTES;
    const bool in_group = sources[i] != TW_LEAF_KEY_PACKAGE;
    const tw_leaf_node leaf = make_leaf(f, TW_LITERAL("group"), 5);
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

/* ---- key packages ---- */

static void key_packages_are_of_the_suite_and_version(void **state) {
  fixture *f = *state;
  tw_key_package_view view = make_key_package(f);
  const tw_env *env = &f->test.env;
  const tw_suite *other = tw_suite_by_id(env, f->suite->id == 1 ? 2 : 1);
  assert_int_equal(tw_key_package_check(env, other, &view, TW_NO_BYTES, NOW), TW_ERR_UNSUPPORTED);
  view.version = 2;
  assert_int_equal(tw_key_package_check(env, f->suite, &view, TW_NO_BYTES, NOW), TW_ERR_UNSUPPORTED);
}

static void key_packages_hold_leaves_made_for_them(void **state) {
  fixture *f = *state;
  f->fields.source = TW_LEAF_UPDATE;
  assert_int_equal(check_key_package(f), TW_ERR_FORBIDDEN);
  f->fields.source = TW_LEAF_COMMIT;
  assert_int_equal(check_key_package(f), TW_ERR_FORBIDDEN);
}

static void init_keys_are_keys_of_their_own(void **state) {
  fixture *f = *state;
  const tw_bytes valid = f->init;
  f->init = f->fields.encryption_key;
  assert_int_equal(check_key_package(f), TW_ERR_KEY_REUSED);
  f->init = TW_BYTES(valid.ptr, valid.len - 1);
  assert_int_equal(check_key_package(f), TW_ERR_KEY);
}

static void key_package_extensions_stand_in_capabilities(void **state) {
  fixture *f = *state;
  f->extensions = TW_LITERAL("\x3a\x3a\0");
  assert_int_equal(check_key_package(f), TW_OK);
  f->extensions = TW_LITERAL("\x1a\x1a\0");
  assert_int_equal(check_key_package(f), TW_ERR_CAPABILITY);
  f->extensions = TW_LITERAL("\0\6\4\3\0\4\0");
  assert_int_equal(check_key_package(f), TW_OK);
  f->extensions = TW_LITERAL("\0\6\4\3\0\4\1");
  assert_int_equal(check_key_package(f), TW_ERR_TRUNCATED);
}

static void key_packages_meet_the_groups_requirements(void **state) {
  fixture *f = *state;
  f->group_context_extensions = TW_LITERAL("\0\3\5\0\2\0\x9\0");
  assert_int_equal(check_key_package(f), TW_ERR_CAPABILITY);
}

static void both_signatures_are_verified(void **state) {
  fixture *f = *state;
  tw_key_package_view view = make_key_package(f);
  for (size_t at = 0; at < f->key_package.len; at++) {
    f->key_package.ptr[at] ^= 1;
    if (tw_key_package_decode(tw_buf_bytes(&f->key_package), &view) == TW_OK) {
      assert_int_not_equal(tw_key_package_check(&f->test.env, f->suite, &view, TW_NO_BYTES, NOW), TW_OK);
    }
    f->key_package.ptr[at] ^= 1;
  }
  /* A good outer signature over a leaf that somebody else signed. */
  f->leaf.ptr[f->leaf.len - 1] ^= 1;
  tw_buf_clear(&f->key_package);
  assert_int_equal(tw_key_package_make(&f->test.env, f->suite, f->signer, f->init, tw_buf_bytes(&f->leaf), TW_NO_BYTES,
                                       &f->key_package),
                   TW_OK);
  assert_int_equal(tw_key_package_decode(tw_buf_bytes(&f->key_package), &view), TW_OK);
  assert_int_not_equal(tw_key_package_check(&f->test.env, f->suite, &view, TW_NO_BYTES, NOW), TW_OK);
}

/* Key packages that other implementations made. Their lifetimes are long gone. */
static void check_vectors(const char *name) {
  tw_test_env test;
  json_t *vectors = tw_test_vectors(name);
  tw_test_env_init(&test, 1);
  size_t index = 0;
  size_t checked = 0;
  json_t *vector = NULL;
  json_array_foreach(vectors, index, vector) {
    tw_buf message = {0};
    tw_mls_message decoded;
    const tw_suite *suite = tw_suite_by_id(&test.env, (uint16_t)tw_test_number(vector, "cipher_suite"));
    if (suite == NULL) continue;
    tw_test_hex(vector, "key_package", &message);
    assert_int_equal(tw_mls_message_decode(&test.env, tw_buf_bytes(&message), &decoded), TW_OK);
    assert_int_equal(decoded.wire_format, TW_WIRE_KEY_PACKAGE);
    assert_int_equal(tw_key_package_check(&test.env, suite, &decoded.u.key_package, TW_NO_BYTES, 0), TW_OK);
    tw_buf_clear(&message);
    checked++;
  }
  assert_true(checked > 0);
  json_decref(vectors);
  tw_test_env_clear(&test);
}

static void key_packages_of_others_are_valid(void **state) {
  (void)state;
  check_vectors("mls/welcome.json");
  check_vectors("mls/passive-client-welcome.json");
  check_vectors("mls/passive-client-random.json");
  check_vectors("mls/passive-client-handling-commit.json");
}

/* ---- failing surroundings ---- */

static void making_survives_a_failing_allocator(void **state) {
  fixture *f = *state;
  const tw_key_package_view view = make_key_package(f);
  for (size_t n = 1;; n++) {
    tw_buf out = TW_BUF_INIT(&f->test.alloc);
    tw_test_fail_alloc(&f->test, n);
    tw_err err = tw_leaf_node_make(&f->test.env, f->suite, f->signer, &f->fields, TW_NO_BYTES, 0, &out);
    assert_true(err == TW_OK || out.len == 0);
    const size_t before = out.len;
    if (err == TW_OK) {
      err = tw_key_package_make(&f->test.env, f->suite, f->signer, f->init, tw_buf_bytes(&f->leaf), TW_NO_BYTES, &out);
      assert_true(err == TW_OK || out.len == before);
    }
    if (err == TW_OK) err = tw_key_package_check(&f->test.env, f->suite, &view, TW_NO_BYTES, NOW);
    const bool failed = f->test.alloc_failed;
    tw_test_fail_alloc(&f->test, 0);
    tw_buf_clear(&out);
    assert_int_equal(err, failed ? TW_ERR_NO_MEMORY : TW_OK);
    if (!failed) break;
  }
}

static void key_package_references_are_of_the_whole(void **state) {
  fixture *f = *state;
  const tw_key_package_view view = make_key_package(f);
  uint8_t reference[TW_HASH_MAX];
  uint8_t expected[TW_HASH_MAX];
  const size_t size = f->suite->hash->size;
  assert_true(tw_bytes_equal(view.encoded, tw_buf_bytes(&f->key_package)));
  assert_int_equal(tw_key_package_ref(&f->test.env, f->suite, view.encoded, reference), TW_OK);
  tw_buf input = {0};
  tw_writer w = tw_writer_to(&input);
  tw_write_vector(&w, TW_LITERAL("MLS 1.0 KeyPackage Reference"));
  tw_write_vector(&w, view.encoded);
  assert_int_equal(tw_writer_end(&w), TW_OK);
  const tw_bytes whole = tw_buf_bytes(&input);
  assert_int_equal(tw_hash_parts(&f->test.env, f->suite, &whole, 1, expected), TW_OK);
  assert_memory_equal(reference, expected, size);
  tw_buf_clear(&input);
}

#define LEAF_TEST(name_) cmocka_unit_test_setup_teardown(name_, set_up, tear_down)
#define P256_TEST(name_)                                                                                               \
  { #name_ " (P-256)", name_, set_up_p256, tear_down, NULL }

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
      LEAF_TEST(key_packages_are_of_the_suite_and_version),
      LEAF_TEST(key_packages_hold_leaves_made_for_them),
      LEAF_TEST(init_keys_are_keys_of_their_own),
      LEAF_TEST(key_package_extensions_stand_in_capabilities),
      LEAF_TEST(key_packages_meet_the_groups_requirements),
      LEAF_TEST(both_signatures_are_verified),
      cmocka_unit_test(key_packages_of_others_are_valid),
      LEAF_TEST(making_survives_a_failing_allocator),
      LEAF_TEST(key_package_references_are_of_the_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

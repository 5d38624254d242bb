/* Groups with certificates, last-resort key packages, GREASE, and key packages at the limits of their time. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#include "mls/app_data.h"
#include "mls/grease.h"
#include "mls/key_package_make.h"
#include "tw_test_bent.h"

/* ---- X.509 ---- */

/* A self-signed certificate of the signer's key, as opaque cert_data<V>. */
static void certify(const tw_test_member *member, tw_buf *identity) {
  tw_buf private_key = {0};
  unsigned char *der = NULL;
  assert_int_equal(tw_signer_export(member->client.signer, &private_key), TW_OK);
  EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private_key.ptr, private_key.len);
  X509 *certificate = X509_new();
  assert_non_null(key);
  assert_non_null(certificate);
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             (const unsigned char *)member->name, -1, -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  X509_set_pubkey(certificate, key);
  assert_true(X509_sign(certificate, key, NULL) > 0);
  const int len = i2d_X509(certificate, &der);
  assert_true(len > 0);
  tw_writer w = tw_writer_to(identity);
  tw_write_vector(&w, TW_BYTES(der, (size_t)len));
  assert_int_equal(tw_writer_end(&w), TW_OK);
  OPENSSL_free(der);
  X509_free(certificate);
  EVP_PKEY_free(key);
  tw_buf_clear(&private_key);
}

static void a_group_of_certificates(void **state) {
  tw_test_people p;
  tw_buf identity[4] = {{0}};
  tw_buf info = {0};
  (void)state;
  tw_test_people_init(&p, 1);
  for (size_t i = 0; i < 4; i++) {
    certify(p.all[i], &identity[i]);
    p.all[i]->client.credential = (tw_credential){2, tw_buf_bytes(&identity[i])};
  }
  tw_test_gather(&p, 3, TW_NO_BYTES);
  tw_test_goes_on(&p, 3);
  tw_member member;
  uint32_t leaf = 1;
  assert_true(tw_group_next_member(p.all[0]->group, &leaf, &member));
  assert_int_equal(member.credential.type, 2);
  tw_test_same(member.credential.identity, tw_buf_bytes(&identity[1]));
  /* somebody else's certificate: neither made nor taken */
  p.all[4]->client.credential = p.all[3]->client.credential;
  tw_key_package *stolen = NULL;
  tw_buf list = {0};
  tw_commit_result result = {0};
  if (tw_key_package_new(&p.all[4]->client, NULL, TW_TEST_NOW, &stolen) == TW_OK) {
    assert_int_equal(tw_propose_add(&list, tw_key_package_message(stolen)), TW_OK);
    const tw_commit_options options = {.proposals = tw_buf_bytes(&list)};
    assert_int_equal(tw_group_commit(p.all[0]->group, &options, TW_TEST_NOW, &result), TW_ERR_CREDENTIAL);
    tw_key_package_free(stolen);
  }
  /* a certificate that is none */
  p.all[4]->client.credential = (tw_credential){2, TW_LITERAL("\x04none")};
  assert_int_equal(tw_key_package_new(&p.all[4]->client, NULL, TW_TEST_NOW, &stolen), TW_OK);
  list.len = 0;
  assert_int_equal(tw_propose_add(&list, tw_key_package_message(stolen)), TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&list)};
  const tw_err err = tw_group_commit(p.all[0]->group, &options, TW_TEST_NOW, &result);
  assert_int_not_equal(err, TW_OK);
  assert_int_not_equal(tw_err_class_of(err), TW_CLASS_INTERNAL);
  assert_int_not_equal(tw_err_class_of(err), TW_CLASS_CALLER);
  tw_key_package_free(stolen);
  /* and an external joiner with its own */
  assert_int_equal(tw_group_info_message(p.all[0]->group, true, TW_NO_BYTES, &info), TW_OK);
  assert_int_equal(tw_group_join_external(&p.all[3]->client, tw_buf_bytes(&info), NULL, NULL, TW_TEST_NOW, &result),
                   TW_OK);
  tw_test_deliver(tw_buf_bytes(&result.commit), TW_RECEIVED_COMMIT, p.all, 3);
  tw_test_adopt(p.all[3], result.next);
  result.next = NULL;
  tw_test_goes_on(&p, 4);
  tw_commit_result_clear(&result);
  tw_buf_clear(&info);
  tw_buf_clear(&list);
  for (size_t i = 0; i < 4; i++) tw_buf_clear(&identity[i]);
  tw_test_people_clear(&p);
}

/* A member with a certificate cannot come where somebody does not know certificates. */
static void credential_types_that_a_member_does_not_know(void **state) {
  tw_test_people p;
  tw_buf identity = {0};
  tw_buf list = {0};
  tw_buf leaf = {0};
  tw_buf made = {0};
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 2, TW_NO_BYTES);
  /* charlie's leaf lists basic credentials alone */
  tw_key_package *genuine = tw_test_key_package(p.all[2]);
  const tw_leaf_node *view = &genuine->view.leaf_node;
  tw_leaf_node_fields fields = {.encryption_key = view->encryption_key,
                                .credential = view->credential.encoded,
                                .capabilities = view->capabilities,
                                .source = TW_LEAF_KEY_PACKAGE,
                                .not_before = view->not_before,
                                .not_after = view->not_after,
                                .extensions = view->extensions};
  fields.capabilities.credentials = TW_LITERAL("\x00\x01");
  const tw_env *env = &p.test.env;
  const tw_suite *suite = p.all[2]->client.suite;
  assert_int_equal(tw_leaf_node_make(env, suite, p.all[2]->client.signer, &fields, TW_NO_BYTES, 0, &leaf), TW_OK);
  assert_int_equal(tw_key_package_make(env, suite, p.all[2]->client.signer, genuine->view.init_key, tw_buf_bytes(&leaf),
                                       genuine->view.extensions, &made),
                   TW_OK);
  tw_writer w = tw_writer_to(&list);
  tw_write_proposal_add(&w, tw_buf_bytes(&made));
  assert_int_equal(tw_writer_end(&w), TW_OK);
  const tw_commit_options options = {.proposals = tw_buf_bytes(&list)};
  tw_test_commit(p.all[0], &options, &p.all[1], 1, NULL);
  /* dora has a certificate; alice would like one */
  certify(p.all[3], &identity);
  p.all[3]->client.credential = (tw_credential){2, tw_buf_bytes(&identity)};
  tw_key_package *dora = tw_test_key_package(p.all[3]);
  list.len = 0;
  assert_int_equal(tw_propose_add(&list, tw_key_package_message(dora)), TW_OK);
  const tw_commit_options adding = {.proposals = tw_buf_bytes(&list)};
  tw_commit_result result = {0};
  assert_int_equal(tw_group_commit(p.all[0]->group, &adding, TW_TEST_NOW, &result), TW_ERR_CAPABILITY);
  const tw_commit_options changing = {.client = &p.all[3]->client};
  assert_int_equal(tw_group_commit(p.all[0]->group, &changing, TW_TEST_NOW, &result), TW_ERR_CAPABILITY);
  tw_buf path = {0};
  tw_buf body = {0};
  tw_buf message = {0};
  tw_test_path(p.all[0], &path);
  tw_test_commit_body(tw_buf_bytes(&list), NULL, 0, tw_buf_bytes(&path), &body);
  tw_test_bend_commit(p.all[0], tw_buf_bytes(&body), &message);
  tw_test_refused(p.all[1], tw_buf_bytes(&message), TW_ERR_CAPABILITY);
  /* without charlie, all is well */
  assert_int_equal(tw_propose_remove(&list, 2), TW_OK);
  const tw_commit_options without = {.proposals = tw_buf_bytes(&list)};
  tw_test_commit(p.all[0], &without, &p.all[1], 1, NULL);
  tw_test_goes_on(&p, 2);
  tw_key_package_free(genuine);
  tw_key_package_free(dora);
  tw_buf_clear(&identity);
  tw_buf_clear(&list);
  tw_buf_clear(&leaf);
  tw_buf_clear(&made);
  tw_buf_clear(&path);
  tw_buf_clear(&body);
  tw_buf_clear(&message);
  tw_test_people_clear(&p);
}

/* ---- key packages ---- */

static void a_last_resort_key_package_joins_more_than_once(void **state) {
  tw_test_people p;
  tw_key_package *key_package = NULL;
  (void)state;
  tw_test_people_init(&p, 1);
  const tw_key_package_options options = {.last_resort = true};
  assert_int_equal(tw_key_package_new(&p.all[5]->client, &options, TW_TEST_NOW, &key_package), TW_OK);
  tw_key_package_info info;
  assert_int_equal(tw_key_package_inspect(&p.test.env, tw_key_package_message(key_package), TW_TEST_NOW, &info), TW_OK);
  assert_true(tw_is_last_resort(info.extensions));
  for (size_t i = 0; i < 3; i++) {
    tw_buf list = {0};
    tw_commit_result result = {0};
    tw_group *group = NULL;
    tw_group *joined = NULL;
    assert_int_equal(tw_group_create(&p.all[i]->client, TW_BYTES((const uint8_t *)p.all[i]->name, 3), TW_NO_BYTES,
                                     TW_TEST_NOW, &group),
                     TW_OK);
    assert_int_equal(tw_propose_add(&list, tw_key_package_message(key_package)), TW_OK);
    const tw_commit_options adding = {.proposals = tw_buf_bytes(&list)};
    assert_int_equal(tw_group_commit(group, &adding, TW_TEST_NOW, &result), TW_OK);
    assert_int_equal(
        tw_group_join(&p.all[5]->client, key_package, tw_buf_bytes(&result.welcome), NULL, TW_TEST_NOW, &joined),
        TW_OK);
    tw_test_same(tw_group_epoch_authenticator(joined), tw_group_epoch_authenticator(result.next));
    tw_group_free(joined);
    tw_group_free(group);
    tw_commit_result_clear(&result);
    tw_buf_clear(&list);
  }
  tw_key_package_free(key_package);
  tw_test_people_clear(&p);
}

static void lifetimes(void **state) {
  static const struct {
    uint64_t not_before;
    uint64_t not_after;
    uint64_t lifetime_max;
    tw_err expected;
  } cases[] = {
      {TW_TEST_NOW, TW_TEST_NOW, UINT64_MAX, TW_OK},
      {TW_TEST_NOW + 1, TW_TEST_NOW + 2, UINT64_MAX, TW_ERR_LIFETIME},
      {TW_TEST_NOW - 2, TW_TEST_NOW - 1, UINT64_MAX, TW_ERR_LIFETIME},
      {TW_TEST_NOW, TW_TEST_NOW + 100, 100, TW_OK},
      {TW_TEST_NOW, TW_TEST_NOW + 101, 100, TW_ERR_LIFETIME},
      {1, UINT64_MAX, UINT64_MAX, TW_OK},
      {TW_TEST_NOW + 1, TW_TEST_NOW - 1, UINT64_MAX, TW_ERR_LIFETIME},
  };
  tw_test_people p;
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 2, TW_NO_BYTES);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tw_key_package *key_package = NULL;
    tw_key_package_info info;
    tw_buf list = {0};
    tw_commit_result result = {0};
    const tw_key_package_options options = {.not_before = cases[i].not_before, .not_after = cases[i].not_after};
    p.test.limits.lifetime_max = cases[i].lifetime_max;
    assert_int_equal(tw_key_package_new(&p.all[2]->client, &options, TW_TEST_NOW, &key_package), TW_OK);
    const tw_bytes message = tw_key_package_message(key_package);
    assert_int_equal(tw_key_package_inspect(&p.test.env, message, TW_TEST_NOW, &info), cases[i].expected);
    assert_int_equal(tw_key_package_inspect(&p.test.env, message, 0, &info), TW_OK);
    assert_int_equal(tw_propose_add(&list, message), TW_OK);
    const tw_commit_options adding = {.proposals = tw_buf_bytes(&list)};
    assert_int_equal(tw_group_commit(p.all[0]->group, &adding, TW_TEST_NOW, &result), cases[i].expected);
    tw_commit_result_clear(&result);
    tw_buf_clear(&list);
    tw_key_package_free(key_package);
  }
  tw_test_people_clear(&p);
}

/* ---- GREASE ---- */

static bool has_grease(tw_bytes list) {
  for (size_t i = 0; i + 1 < list.len; i += 2) {
    if (tw_is_grease((uint16_t)(list.ptr[i] << 8 | list.ptr[i + 1]))) return true;
  }
  return false;
}

static bool has_grease_extension(tw_bytes extensions) {
  tw_reader walk = tw_reader_of(extensions);
  tw_extension extension;
  while (tw_extension_next(&walk, &extension)) {
    if (tw_is_grease(extension.type)) return true;
  }
  return false;
}

static void grease_is_everywhere_it_may_be(void **state) {
  tw_test_people p;
  tw_buf info = {0};
  tw_mls_message decoded;
  (void)state;
  tw_test_people_init(&p, 1);
  tw_test_gather(&p, 3, TW_NO_BYTES);
  tw_test_goes_on(&p, 3);
  for (uint32_t i = 0; i < 3; i++) {
    const tw_leaf_node *leaf = tw_tree_leaf(p.all[0]->group->tree, i);
    assert_true(has_grease(leaf->capabilities.cipher_suites));
    assert_true(has_grease(leaf->capabilities.extensions));
    assert_true(has_grease(leaf->capabilities.proposals));
    assert_true(has_grease(leaf->capabilities.credentials));
    assert_true(has_grease_extension(leaf->extensions));
  }
  tw_key_package *key_package = tw_test_key_package(p.all[3]);
  assert_true(has_grease_extension(key_package->view.extensions));
  assert_int_equal(tw_group_info_message(p.all[0]->group, false, TW_NO_BYTES, &info), TW_OK);
  assert_int_equal(tw_mls_message_decode(&p.test.env, tw_buf_bytes(&info), &decoded), TW_OK);
  assert_true(has_grease_extension(decoded.u.group_info.extensions));
  assert_false(has_grease_extension(tw_group_extensions(p.all[0]->group)));
  tw_key_package_free(key_package);
  tw_buf_clear(&info);
  tw_test_people_clear(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_group_of_certificates),
      cmocka_unit_test(credential_types_that_a_member_does_not_know),
      cmocka_unit_test(a_last_resort_key_package_joins_more_than_once),
      cmocka_unit_test(lifetimes),
      cmocka_unit_test(grease_is_everywhere_it_may_be),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * KeyPackage and LeafNode. An input is a list of GroupContext extensions as a vector, then a KeyPackage. What decodes
 * is signed again,
 * so that mutations reach the checks behind the signatures. SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "fuzz_env.h"
#include "grammar.h"
#include "mls/key_package.h"

enum { NOW = 1750000000 };

static const tw_suite *suite_of(const tw_key_package_view *view) {
  const tw_suite *suite = tw_suite_by_id(tw_fuzz_env(), view->cipher_suite);
  return suite != NULL && suite->pq_index == 0 ? suite : tw_suite_by_id(tw_fuzz_env(), 1);
}

static tw_err make(const tw_suite *suite, const tw_leaf_node *from, tw_bytes init_key, tw_bytes extensions,
                   tw_buf *out) {
  const tw_leaf_node_fields fields = {.encryption_key = from->encryption_key,
                                      .credential = from->credential.encoded,
                                      .capabilities = from->capabilities,
                                      .source = from->source,
                                      .not_before = from->not_before,
                                      .not_after = from->not_after,
                                      .parent_hash = from->parent_hash,
                                      .extensions = from->extensions};
  tw_signer *signer = tw_fuzz_signer(suite);
  tw_buf leaf = {0};
  tw_err err = tw_leaf_node_make(tw_fuzz_env(), suite, signer, &fields, TW_LITERAL("group"), 1, &leaf);
  if (err == TW_OK)
    err = tw_key_package_make(tw_fuzz_env(), suite, signer, init_key, tw_buf_bytes(&leaf), extensions, out);
  tw_buf_clear(&leaf);
  return err;
}

static void write_seed(uint16_t id, const char *name, tw_bytes credentials, tw_bytes leaf_extensions,
                       tw_bytes group_extensions) {
  const tw_suite *suite = tw_suite_by_id(tw_fuzz_env(), id);
  uint8_t keys[2][TW_KEM_PUBLIC_MAX];
  uint8_t suites[4] = {0x1a, 0x1a, (uint8_t)(id >> 8), (uint8_t)id};
  for (size_t i = 0; i < 2; i++) {
    tw_secret private_key = {{0}, 0};
    TW_FUZZ_ASSERT(tw_kem_generate(tw_fuzz_env(), suite, &private_key, keys[i]) == TW_OK);
  }
  const tw_leaf_node leaf = {.encryption_key = TW_BYTES(keys[0], suite->kem->public_size),
                             .credential = {.encoded = credentials},
                             .capabilities = {.versions = TW_LITERAL("\0\1"),
                                              .cipher_suites = TW_ARRAY(suites),
                                              .extensions = TW_LITERAL("\0\6\0\7\x3a\x3a"),
                                              .proposals = TW_LITERAL("\0\x8\0\x9\0\xa"),
                                              .credentials = TW_LITERAL("\0\1\0\2")},
                             .source = TW_LEAF_KEY_PACKAGE,
                             .not_before = NOW - 1000,
                             .not_after = NOW + 1000,
                             .extensions = leaf_extensions};
  tw_buf seed = {0};
  tw_writer w = tw_writer_to(&seed);
  tw_write_vector(&w, group_extensions);
  TW_FUZZ_ASSERT(tw_writer_end(&w) == TW_OK);
  TW_FUZZ_ASSERT(make(suite, &leaf, TW_BYTES(keys[1], suite->kem->public_size), TW_LITERAL("\x3a\x3a\0"), &seed) ==
                 TW_OK);
  tw_fuzz_write_seed(name, tw_buf_bytes(&seed));
  tw_buf_clear(&seed);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) { /* NOLINT: the prototype that libFuzzer gives */
  (void)argc;
  (void)argv;
  if (tw_fuzz_seed_folder() == NULL) return 0;
  write_seed(1, "x25519", TW_LITERAL("\0\1\5alice"), TW_NO_BYTES, TW_NO_BYTES);
  write_seed(2, "p256", TW_LITERAL("\0\1\0"), TW_LITERAL("\0\1\1\0\x3a\x3a\2xy"), TW_LITERAL("\0\3\7\2\0\6\2\0\x8\0"));
  write_seed(1, "components", TW_LITERAL("\0\1\5alice"),
             TW_LITERAL("\0\6\xd\xc\0\1\5\4\0\1\x80\1\0\2\1\0\0\7\3\2\xf0\1"), TW_LITERAL("\0\6\7\6\0\1\3\2\x80\1"));
  write_seed(1, "x509", TW_LITERAL("\0\2\5\4\x30\x82\1\0"), TW_NO_BYTES, TW_LITERAL("\0\5\7\6\1k\0\1\1s"));
  tw_fuzz_seeds_done();
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed) {
  return tw_fuzz_mutate("XK", 0, data, size, max_size, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const tw_env *env = tw_fuzz_env();
  tw_reader r = tw_reader_of(TW_BYTES(data, size));
  const tw_bytes group_extensions = tw_read_extensions(&r);
  const tw_key_package_view view = tw_read_key_package(&r);
  if (tw_reader_end(&r) != TW_OK) return 0;
  const tw_suite *suite = suite_of(&view);
  tw_fuzz_restart();
  const tw_err as_it_is = tw_key_package_check(env, suite, &view, group_extensions, NOW);
  TW_FUZZ_ASSERT(tw_err_class_of(as_it_is) != TW_CLASS_INTERNAL && tw_err_class_of(as_it_is) != TW_CLASS_CALLER);

  tw_buf again = {0};
  TW_FUZZ_ASSERT(make(suite, &view.leaf_node, view.init_key, view.extensions, &again) == TW_OK);
  tw_key_package_view signed_view;
  TW_FUZZ_ASSERT(tw_key_package_decode(tw_buf_bytes(&again), &signed_view) == TW_OK);
  const tw_err err = tw_key_package_check(env, suite, &signed_view, group_extensions, NOW);
  TW_FUZZ_ASSERT(tw_err_class_of(err) != TW_CLASS_INTERNAL && tw_err_class_of(err) != TW_CLASS_CALLER);
  TW_FUZZ_ASSERT(err != TW_ERR_SIGNATURE);
  uint8_t reference[TW_HASH_MAX];
  TW_FUZZ_ASSERT(tw_key_package_ref(env, suite, signed_view.encoded, reference) == TW_OK);
  tw_buf_clear(&again);
  return 0;
}

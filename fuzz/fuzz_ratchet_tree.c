/* ratchet_tree: what decodes encodes as it came, hashes, and is validated without a crash. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "../tests/support/samples.h"
#include "fuzz_env.h"
#include "grammar.h"
#include "mls/tree.h"

static void write_tree(const char *name, uint32_t leaves, uint32_t removed) {
  const tw_env *env = tw_fuzz_env();
  const tw_suite *suite = tw_suite_by_id(env, 1);
  tw_tree *tree = NULL;
  tw_buf out = {0};
  TW_FUZZ_ASSERT(tw_tree_new(env, suite, &tree) == TW_OK);
  for (uint32_t i = 0; i < leaves; i++) {
    uint8_t key[TW_KEM_PUBLIC_MAX];
    tw_secret private_key = {{0}, 0};
    tw_signer *signer = NULL;
    uint32_t index = 0;
    TW_FUZZ_ASSERT(tw_kem_generate(env, suite, &private_key, key) == TW_OK);
    TW_FUZZ_ASSERT(tw_signer_generate(env, suite, &signer) == TW_OK);
    const tw_leaf_node_fields fields = {.encryption_key = TW_BYTES(key, suite->kem->public_size),
                                        .credential = TW_LITERAL("\0\1\1x"),
                                        .capabilities = {.versions = TW_LITERAL("\0\1"),
                                                         .cipher_suites = TW_LITERAL("\0\1"),
                                                         .credentials = TW_LITERAL("\0\1")},
                                        .source = TW_LEAF_KEY_PACKAGE,
                                        .not_after = UINT64_MAX};
    tw_buf leaf = {0};
    TW_FUZZ_ASSERT(tw_leaf_node_make(env, suite, signer, &fields, TW_NO_BYTES, 0, &leaf) == TW_OK);
    TW_FUZZ_ASSERT(tw_tree_add_leaf(tree, tw_buf_bytes(&leaf), &index) == TW_OK);
    tw_buf_clear(&leaf);
    tw_signer_free(signer);
  }
  if (removed < leaves) TW_FUZZ_ASSERT(tw_tree_remove_leaf(tree, removed) == TW_OK);
  TW_FUZZ_ASSERT(tw_tree_encode(tree, &out) == TW_OK);
  tw_fuzz_write_seed(name, tw_buf_bytes(&out));
  tw_buf_clear(&out);
  tw_tree_free(tree);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) { /* NOLINT: the prototype that libFuzzer gives */
  (void)argc;
  (void)argv;
  if (tw_fuzz_seed_folder() == NULL) return 0;
  tw_fuzz_restart();
  write_tree("one", 1, 1);
  write_tree("three", 3, 3);
  write_tree("five-one-removed", 5, 1);
  tw_buf sample = {0};
  for (size_t i = 0; tw_sample_at(i) != NULL; i++) {
    if (tw_sample_at(i)->name[0] == 'r' && tw_sample_at(i)->name[1] == 'a') {
      TW_FUZZ_ASSERT(tw_sample_at(i)->make(&sample) == TW_OK);
      tw_fuzz_write_seed("with-parent", tw_buf_bytes(&sample));
    }
  }
  tw_buf_clear(&sample);
  tw_fuzz_seeds_done();
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed) {
  return tw_fuzz_mutate("R", 0, data, size, max_size, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const tw_env *env = tw_fuzz_env();
  const tw_suite *suite = tw_suite_by_id(env, 1);
  tw_tree *tree = NULL;
  tw_fuzz_restart();
  if (tw_tree_decode(env, suite, TW_BYTES(data, size), &tree) != TW_OK) return 0;
  tw_buf out = {0};
  uint8_t hash[TW_HASH_MAX];
  TW_FUZZ_ASSERT(tw_tree_encode(tree, &out) == TW_OK);
  TW_FUZZ_ASSERT(tw_bytes_equal(tw_buf_bytes(&out), TW_BYTES(data, size)));
  TW_FUZZ_ASSERT(tw_tree_hash(tree, hash) == TW_OK);
  const tw_err err = tw_tree_validate(tree, TW_LITERAL("group"), TW_NO_BYTES, TW_BYTES(hash, suite->hash->size));
  TW_FUZZ_ASSERT(tw_err_class_of(err) != TW_CLASS_INTERNAL && tw_err_class_of(err) != TW_CLASS_CALLER);
  uint32_t leaf = 0;
  if (tw_tree_next_leaf(tree, &leaf)) {
    tw_tree *clone = NULL;
    TW_FUZZ_ASSERT(tw_tree_clone(tree, &clone) == TW_OK);
    TW_FUZZ_ASSERT(tw_tree_remove_leaf(clone, leaf) == TW_OK);
    tw_tree_free(clone);
    tw_buf_clear(&out);
    TW_FUZZ_ASSERT(tw_tree_encode(tree, &out) == TW_OK);
    TW_FUZZ_ASSERT(tw_bytes_equal(tw_buf_bytes(&out), TW_BYTES(data, size)));
  }
  tw_buf_clear(&out);
  tw_tree_free(tree);
  return 0;
}

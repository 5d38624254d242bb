/* Vectors of type secret-tree. SPDX-License-Identifier: Apache-2.0 */
#include "mls/protect.h"
#include "vectors.h"

static void check_sender_data(tw_vector *v) {
  json_t *o = tw_vector_object(v, v->json, "sender_data");
  const tw_bytes secret = tw_vector_hex(v, o, "sender_data_secret");
  const tw_bytes ciphertext = tw_vector_hex(v, o, "ciphertext");
  const tw_bytes expected_key = tw_vector_hex(v, o, "key");
  const tw_bytes expected_nonce = tw_vector_hex(v, o, "nonce");
  if (!tw_vector_going(v)) return;
  uint8_t key[TW_AEAD_KEY_MAX];
  uint8_t nonce[TW_AEAD_NONCE];
  if (!tw_vector_ok(v, tw_sender_data_key(v->env, v->suite, secret, ciphertext, key, nonce), "sender data key")) return;
  tw_vector_equal(v, TW_BYTES(key, v->suite->aead->key_size), expected_key, "sender data key");
  tw_vector_equal(v, TW_ARRAY(nonce), expected_nonce, "sender data nonce");
}

static void check_key(tw_vector *v, tw_secret_tree *tree, uint32_t leaf, uint8_t content_type, json_t *entry,
                      const char *key_name, const char *nonce_name) {
  const uint32_t generation = (uint32_t)tw_vector_uint(v, entry, "generation", UINT32_MAX);
  const tw_bytes key = tw_vector_hex(v, entry, key_name);
  const tw_bytes nonce = tw_vector_hex(v, entry, nonce_name);
  if (!tw_vector_going(v)) return;
  tw_message_key found = {0};
  if (!tw_vector_ok(v, tw_secret_tree_find(tree, leaf, content_type, generation, &found), key_name)) return;
  tw_vector_equal(v, TW_BYTES(found.key, v->suite->aead->key_size), key, key_name);
  tw_vector_equal(v, TW_ARRAY(found.nonce), nonce, nonce_name);
  tw_secret_tree_used(tree, leaf, content_type, generation);
}

/* Generations may come in any order; a repeated one is not asked again, since its key is gone. */
static void check_leaf(tw_vector *v, tw_secret_tree *tree, uint32_t leaf, json_t *entries) {
  if (!json_is_array(entries)) {
    tw_vector_fail(v, "leaf %u is not an array", leaf);
    return;
  }
  size_t index = 0;
  json_t *entry = NULL;
  json_array_foreach(entries, index, entry) {
    tw_vector_where(v, "leaf %u, entry %zu", leaf, index);
    check_key(v, tree, leaf, TW_CONTENT_PROPOSAL, entry, "handshake_key", "handshake_nonce");
    check_key(v, tree, leaf, TW_CONTENT_APPLICATION, entry, "application_key", "application_nonce");
  }
}

tw_vector_result tw_vector_secret_tree(const tw_env *env, json_t *vector) {
  tw_vector v = tw_vector_begin_with_suite(env, vector);
  /* How far ahead a vector's generations are is its maker's choice, not a sender's. */
  tw_limits limits = env->limits != NULL ? *env->limits : tw_limits_default;
  limits.skipped_generations = 1u << 20;
  tw_env wide = *env;
  wide.limits = &limits;
  check_sender_data(&v);
  const tw_bytes secret = tw_vector_hex(&v, v.json, "encryption_secret");
  json_t *leaves = tw_vector_array(&v, v.json, "leaves");
  tw_secret_tree *tree = NULL;
  if (tw_vector_going(&v)) {
    const uint32_t count = json_array_size(leaves) <= UINT32_MAX ? (uint32_t)json_array_size(leaves) : 0;
    tw_vector_ok(&v, tw_secret_tree_new(&wide, v.suite, secret, count, &tree), "encryption_secret or leaves");
    for (uint32_t i = 0; i < count && tw_vector_going(&v); i++) check_leaf(&v, tree, i, json_array_get(leaves, i));
  }
  tw_secret_tree_free(tree);
  return tw_vector_end(&v);
}

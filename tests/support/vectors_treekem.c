/* treekem: update paths made by others, and by us, applied by each member. SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "mls/path_parts.h"
#include "vectors.h"

typedef struct member {
  tw_tree_private priv;
  tw_bytes signature_key;
} member;

typedef struct treekem {
  tw_vector *v;
  tw_tree *tree;
  member *members; /* one per entry of leaves_private */
  size_t count;
  tw_bytes group_id;
  tw_bytes transcript_hash;
  uint64_t epoch;
} treekem;

/* struct GroupContext, RFC 9420 section 8.1, without extensions */
static tw_err group_context(const treekem *k, tw_tree *tree, tw_buf *out) {
  uint8_t hash[TW_HASH_MAX];
  TW_TRY(tw_tree_hash(tree, hash));
  tw_writer w = tw_writer_to(out);
  tw_write_u16(&w, TW_MLS10);
  tw_write_u16(&w, tw_suite_id(k->v->env, k->v->suite));
  tw_write_vector(&w, k->group_id);
  tw_write_u64(&w, k->epoch);
  tw_write_vector(&w, TW_BYTES(hash, k->v->suite->hash->size));
  tw_write_vector(&w, k->transcript_hash);
  tw_write_vector(&w, TW_NO_BYTES);
  return tw_writer_end(&w);
}

static void read_member(treekem *k, json_t *json, member *m) {
  tw_vector *v = k->v;
  uint8_t public_key[TW_KEM_PUBLIC_MAX];
  m->priv.leaf_index = (uint32_t)tw_vector_uint(v, json, "index", UINT32_MAX);
  m->signature_key = tw_vector_hex(v, json, "signature_priv");
  if (!tw_vector_ok(v, tw_secret_set(&m->priv.leaf_key, tw_vector_hex(v, json, "encryption_priv")), "encryption_priv"))
    return;
  json_t *secrets = tw_vector_array(v, json, "path_secrets");
  const size_t count = json_array_size(secrets);
  m->priv.keys = tw_alloc_array(tw_env_alloc(v->env), count + 1, sizeof *m->priv.keys);
  if (m->priv.keys == NULL) {
    (void)tw_vector_true(v, false, "memory");
    return;
  }
  for (size_t i = 0; i < count && tw_vector_going(v); i++) {
    json_t *entry = json_array_get(secrets, i);
    tw_path_key *key = &m->priv.keys[i];
    tw_secret secret = {0};
    key->node = (uint32_t)tw_vector_uint(v, entry, "node", UINT32_MAX);
    if (!tw_vector_ok(v, tw_secret_set(&secret, tw_vector_hex(v, entry, "path_secret")), "path_secret")) return;
    if (!tw_vector_ok(v, tw_path_node_key(v->env, v->suite, &secret, &key->private_key, public_key), "node key"))
      return;
    m->priv.count++;
  }
  (void)tw_vector_ok(v, tw_tree_private_check(v->env, v->suite, &m->priv, k->tree), "private keys against the tree");
}

static member *member_of(treekem *k, uint32_t leaf) {
  for (size_t i = 0; i < k->count; i++) {
    if (k->members[i].priv.leaf_index == leaf) return &k->members[i];
  }
  return NULL;
}

/* One receiver: gets the commit secret; that the keys fit the new tree is checked on the way. */
static void receive(treekem *k, const tw_tree *after, const member *to, uint32_t sender, const tw_update_path *path,
                    tw_bytes context, tw_bytes expected) {
  tw_vector *v = k->v;
  tw_tree_private priv = {0};
  tw_secret commit_secret = {0};
  if (!tw_vector_ok(v, tw_tree_private_copy(v->env, &to->priv, &priv), "copy")) return;
  if (tw_vector_ok(v, tw_path_decrypt(after, &priv, sender, path, NULL, 0, context, &commit_secret),
                   "decrypting the path")) {
    (void)tw_vector_equal(v, tw_secret_bytes(&commit_secret), expected, "commit_secret");
  }
  tw_tree_private_clear(v->env, &priv);
}

/* The path secret that the vector gives for a receiver is that of the common ancestor: from it follow the same keys. */
static void check_path_secret(treekem *k, const tw_tree *after, const member *to, uint32_t sender, json_t *value) {
  tw_vector *v = k->v;
  tw_tree_private priv = {.leaf_index = to->priv.leaf_index};
  const tw_bytes secret = tw_vector_hex_value(v, value, "path_secrets");
  if (tw_vector_going(v)) (void)tw_vector_ok(v, tw_path_join(after, &priv, sender, secret), "path_secrets");
  tw_tree_private_clear(v->env, &priv);
}

static void receive_all(treekem *k, tw_tree *after, uint32_t sender, const tw_update_path *path, tw_bytes expected,
                        json_t *path_secrets) {
  tw_vector *v = k->v;
  tw_buf context = TW_BUF_INIT(tw_env_alloc(v->env));
  if (tw_vector_ok(v, group_context(k, after, &context), "group context")) {
    for (size_t i = 0; i < k->count && tw_vector_going(v); i++) {
      const member *to = &k->members[i];
      if (to->priv.leaf_index == sender) continue;
      receive(k, after, to, sender, path, tw_buf_bytes(&context), expected);
      if (path_secrets != NULL && tw_vector_going(v))
        check_path_secret(k, after, to, sender, json_array_get(path_secrets, to->priv.leaf_index));
    }
  }
  tw_buf_clear(&context);
}

/* A path that came from outside: merges into a clone of the tree. */
static void check_path(treekem *k, uint32_t sender, tw_bytes encoded, tw_bytes tree_hash, tw_bytes commit_secret,
                       json_t *path_secrets) {
  tw_vector *v = k->v;
  tw_reader r = tw_reader_of(encoded);
  const tw_update_path path = tw_read_update_path(&r);
  tw_tree *after = NULL;
  uint8_t hash[TW_HASH_MAX];
  if (!tw_vector_ok(v, tw_reader_end(&r), "decoding the update path")) return;
  if (!tw_vector_ok(v, tw_leaf_node_verify(v->env, v->suite, &path.leaf_node, k->group_id, sender), "leaf signature"))
    return;
  if (!tw_vector_ok(v, tw_tree_clone(k->tree, &after), "clone")) return;
  if (tw_vector_ok(v, tw_path_apply(after, sender, &path), "applying the update path") &&
      tw_vector_ok(v, tw_tree_hash(after, hash), "tree hash")) {
    if (tree_hash.len > 0) (void)tw_vector_equal(v, TW_BYTES(hash, v->suite->hash->size), tree_hash, "tree_hash_after");
    receive_all(k, after, sender, &path, commit_secret, path_secrets);
    if (tw_vector_going(v)) (void)tw_vector_ok(v, tw_tree_check_parent_hashes(after), "parent hashes of the new tree");
  }
  tw_tree_free(after);
}

/* A path of our own from the same sender. */
static void make_path(treekem *k, uint32_t sender, const member *from) {
  tw_vector *v = k->v;
  tw_tree *after = NULL;
  tw_signer *signer = NULL;
  tw_tree_private priv = {0};
  tw_path_secrets secrets = {0};
  tw_buf context = TW_BUF_INIT(tw_env_alloc(v->env));
  tw_buf path = TW_BUF_INIT(tw_env_alloc(v->env));
  const tw_leaf_node *leaf = tw_tree_leaf(k->tree, sender);
  const tw_leaf_node_fields fields = {
      .credential = leaf->credential.encoded, .capabilities = leaf->capabilities, .extensions = leaf->extensions};
  if (tw_vector_ok(v, tw_tree_clone(k->tree, &after), "clone") &&
      tw_vector_ok(v, tw_tree_private_copy(v->env, &from->priv, &priv), "copy") &&
      tw_vector_ok(v, tw_signer_import(v->env, v->suite, from->signature_key, &signer), "signature_priv") &&
      tw_vector_ok(v, tw_path_generate(after, &priv, signer, &fields, k->group_id, &secrets), "making a path") &&
      tw_vector_ok(v, tw_tree_private_check(v->env, v->suite, &priv, after), "own private keys") &&
      tw_vector_ok(v, group_context(k, after, &context), "group context") &&
      tw_vector_ok(v, tw_path_encrypt(after, &secrets, sender, NULL, 0, tw_buf_bytes(&context), &path),
                   "encrypting a path")) {
    uint8_t hash[TW_HASH_MAX];
    if (tw_vector_ok(v, tw_tree_hash(after, hash), "tree hash"))
      check_path(k, sender, tw_buf_bytes(&path), TW_BYTES(hash, v->suite->hash->size),
                 tw_secret_bytes(&secrets.commit_secret), NULL);
  }
  tw_buf_clear(&context);
  tw_buf_clear(&path);
  tw_tree_private_clear(v->env, &priv);
  tw_path_secrets_clear(v->env, &secrets);
  tw_signer_free(signer);
  tw_tree_free(after);
}

static void check_update_paths(treekem *k) {
  tw_vector *v = k->v;
  json_t *paths = tw_vector_array(v, v->json, "update_paths");
  for (size_t i = 0; tw_vector_going(v) && i < json_array_size(paths); i++) {
    json_t *entry = json_array_get(paths, i);
    tw_vector_where(v, "update path %zu", i);
    const uint32_t sender = (uint32_t)tw_vector_uint(v, entry, "sender", UINT32_MAX);
    const tw_bytes encoded = tw_vector_hex(v, entry, "update_path");
    const tw_bytes tree_hash = tw_vector_hex(v, entry, "tree_hash_after");
    const tw_bytes commit_secret = tw_vector_hex(v, entry, "commit_secret");
    json_t *path_secrets = tw_vector_array(v, entry, "path_secrets");
    if (tw_vector_going(v)) check_path(k, sender, encoded, tree_hash, commit_secret, path_secrets);
    const member *from = member_of(k, sender);
    if (tw_vector_going(v) && from != NULL && tw_tree_leaf(k->tree, sender) != NULL) make_path(k, sender, from);
  }
}

static void check_tree(treekem *k) {
  tw_vector *v = k->v;
  json_t *leaves = tw_vector_array(v, v->json, "leaves_private");
  k->members = tw_vector_alloc(v, (json_array_size(leaves) + 1) * sizeof *k->members);
  for (; tw_vector_going(v) && k->count < json_array_size(leaves); k->count++) {
    tw_vector_where(v, "leaf entry %zu", k->count);
    read_member(k, json_array_get(leaves, k->count), &k->members[k->count]);
  }
  if (tw_vector_going(v)) check_update_paths(k);
  for (size_t i = 0; k->members != NULL && i < k->count; i++) tw_tree_private_clear(v->env, &k->members[i].priv);
}

tw_vector_result tw_vector_treekem(const tw_env *env, json_t *vector) {
  tw_vector v = tw_vector_begin_with_suite(env, vector);
  treekem k = {.v = &v};
  const tw_bytes encoded = tw_vector_hex(&v, v.json, "ratchet_tree");
  k.group_id = tw_vector_hex(&v, v.json, "group_id");
  k.transcript_hash = tw_vector_hex(&v, v.json, "confirmed_transcript_hash");
  k.epoch = tw_vector_uint(&v, v.json, "epoch", UINT64_MAX);
  if (tw_vector_going(&v) && tw_vector_ok(&v, tw_tree_decode(env, v.suite, encoded, &k.tree), "ratchet_tree"))
    check_tree(&k);
  tw_tree_free(k.tree);
  return tw_vector_end(&v);
}

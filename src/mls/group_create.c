/* A group of one: RFC 9420 section 11. SPDX-License-Identifier: Apache-2.0 */
#include "mls/app_data.h"
#include "mls/epoch.h"
#include "mls/key_package_make.h"
#include "mls/leaf_make.h"

static tw_err plant_own_leaf(tw_group *group, tw_bytes group_id, uint64_t now) {
  const tw_client *client = group->client;
  uint8_t public_key[TW_KEM_PUBLIC_MAX];
  tw_own_leaf leaf = {0};
  tw_buf encoded = TW_BUF_INIT(tw_env_alloc(client->env));
  TW_TRY(tw_own_leaf_make(client, &leaf));
  tw_err err = tw_kem_generate(client->env, client->suite, &group->priv.leaf_key, public_key);
  if (err == TW_OK) {
    leaf.fields.encryption_key = TW_BYTES(public_key, client->suite->kem->public_size);
    leaf.fields.source = TW_LEAF_KEY_PACKAGE;
    tw_lifetime_default(now, &leaf.fields.not_before, &leaf.fields.not_after);
    err = tw_leaf_node_make(client->env, client->suite, client->signer, &leaf.fields, group_id, 0, &encoded);
  }
  if (err == TW_OK) err = tw_tree_add_leaf(group->tree, tw_buf_bytes(&encoded), &group->priv.leaf_index);
  tw_buf_clear(&encoded);
  tw_own_leaf_clear(&leaf);
  return err;
}

static tw_err check_extensions(const tw_group *group, tw_bytes extensions) {
  TW_TRY(tw_extensions_check(extensions));
  TW_TRY(tw_group_context_extensions_check(extensions));
  return tw_capabilities_meet(&tw_group_own_leaf_node(group)->capabilities, extensions);
}

/* "a fresh random value of size KDF.Nh" for epoch_secret, section 11 */
static tw_err draw_secrets(tw_group *group) {
  uint8_t epoch_secret[TW_HASH_MAX];
  TW_TRY(tw_random(group->env, epoch_secret, group->suite->hash->size));
  tw_err err = tw_epoch_secrets_expand(group->env, group->suite, tw_group_hash_bytes(group, epoch_secret),
                                       &group->secrets);
  tw_wipe(epoch_secret, sizeof epoch_secret);
  return err == TW_OK ? tw_group_plant_trees(group) : err;
}

static tw_err begin(tw_group *group, tw_bytes group_id, tw_bytes extensions, uint64_t now) {
  const tw_env *env = group->env;
  uint8_t tree_hash[TW_HASH_MAX];
  group->signer = tw_signer_ref(group->client->signer);
  TW_TRY(tw_tree_new(env, group->suite, &group->tree));
  TW_TRY(plant_own_leaf(group, group_id, now));
  TW_TRY(check_extensions(group, extensions));
  TW_TRY(tw_tree_hash(group->tree, tree_hash));
  const tw_group_context context = {
      .version = TW_MLS10,
      .cipher_suite = tw_suite_id(env, group->suite),
      .group_id = group_id,
      .epoch = 0,
      .tree_hash = tw_group_hash_bytes(group, tree_hash),
      .extensions = extensions,
  };
  TW_TRY(tw_group_set_context(group, &context));
  TW_TRY(draw_secrets(group));
  return tw_group_confirm(group);
}

tw_err tw_group_create(const tw_client *client, tw_bytes group_id, tw_bytes extensions, uint64_t now,
                       tw_group **group) {
  TW_TRY(tw_client_check(client));
  tw_group *next;
  TW_TRY(tw_group_new(client, &next));
  const tw_err err = begin(next, group_id, extensions, now);
  if (err != TW_OK) {
    tw_group_free(next);
    return err;
  }
  *group = next;
  return TW_OK;
}

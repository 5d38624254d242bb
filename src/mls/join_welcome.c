/* Joining by a Welcome: RFC 9420 section 12.4.3.1. SPDX-License-Identifier: Apache-2.0 */
#include "mls/join.h"
#include "mls/key_package_make.h"
#include "mls/leaf_make.h"
#include "mls/subgroup.h"

typedef struct join_work {
  const tw_client *client;
  const tw_key_package *key_package;
  const tw_join_options *options;
  uint64_t now;
  tw_welcome welcome;
  tw_buf secrets_plain;
  tw_group_secrets secrets;
  tw_secret psk_secret;
  tw_buf info_plain;
  tw_group_info info;
} join_work;

static void clear(join_work *work) {
  tw_buf_clear(&work->secrets_plain);
  tw_secret_clear(&work->psk_secret);
  tw_buf_clear(&work->info_plain);
}

static tw_err find_our_secrets(const join_work *work, tw_hpke_ciphertext *out) {
  const tw_bytes ours = tw_key_package_reference(work->key_package);
  tw_reader walk = tw_reader_of(work->welcome.secrets);
  tw_encrypted_group_secrets entry;
  while (tw_encrypted_group_secrets_next(&walk, &entry)) {
    if (!tw_bytes_equal(entry.new_member, ours)) continue;
    *out = entry.encrypted_group_secrets;
    return TW_OK;
  }
  return TW_ERR_WRONG_GROUP;
}

static tw_err open_secrets(join_work *work) {
  const tw_key_package *key_package = work->key_package;
  tw_hpke_ciphertext ciphertext;
  TW_TRY(find_our_secrets(work, &ciphertext));
  TW_TRY(tw_decrypt_with_label(work->client->env, work->client->suite, tw_secret_bytes(&key_package->init_key),
                               key_package->view.init_key, TW_LITERAL("Welcome"), work->welcome.encrypted_group_info,
                               ciphertext.kem_output, ciphertext.ciphertext, &work->secrets_plain));
  TW_TRY(tw_group_secrets_decode(tw_buf_bytes(&work->secrets_plain), &work->secrets));
  const size_t size = work->client->suite->hash->size;
  if (work->secrets.joiner_secret.len != size) return TW_ERR_ENCODING;
  return work->secrets.has_path_secret && work->secrets.path_secret.len != size ? TW_ERR_ENCODING : TW_OK;
}

static tw_err derive_psks(join_work *work) {
  if (work->secrets.psk_count > tw_env_limits(work->client->env)->psks) return TW_ERR_LIMIT;
  TW_TRY(tw_subgroup_check_psks(&work->secrets));
  return tw_psk_secret_resolve(work->client, work->options->origin, work->secrets.psks, &work->psk_secret);
}

static tw_err open_info(join_work *work) {
  const tw_env *env = work->client->env;
  const tw_suite *suite = work->client->suite;
  const tw_bytes sealed = work->welcome.encrypted_group_info;
  uint8_t key[TW_AEAD_KEY_MAX];
  uint8_t nonce[TW_AEAD_NONCE];
  if (sealed.len < TW_AEAD_TAG) return TW_ERR_TRUNCATED;
  TW_TRY(tw_buf_reserve(&work->info_plain, sealed.len));
  TW_TRY(tw_welcome_key(env, suite, work->secrets.joiner_secret, tw_secret_bytes(&work->psk_secret), key, nonce));
  const tw_err err = tw_aead_open(env, suite, TW_BYTES(key, suite->aead->key_size), nonce, TW_NO_BYTES, sealed,
                                  work->info_plain.ptr);
  tw_wipe(key, sizeof key);
  TW_TRY(err);
  work->info_plain.len = sealed.len - TW_AEAD_TAG;
  TW_TRY(tw_group_info_decode(tw_buf_bytes(&work->info_plain), &work->info));
  return work->info.group_context.cipher_suite == work->welcome.cipher_suite ? TW_OK : TW_ERR_FORBIDDEN;
}

/* "Identify a leaf whose LeafNode is identical to the one in the KeyPackage." */
static tw_err find_own_leaf(const join_work *work, tw_group *group) {
  uint32_t index;
  if (!tw_tree_find_signature_key(group->tree, work->key_package->view.leaf_node.signature_key, &index))
    return TW_ERR_TREE;
  const tw_leaf_node *leaf = tw_tree_leaf(group->tree, index);
  if (leaf == NULL || !tw_bytes_equal(leaf->encoded, work->key_package->view.leaf_node.encoded)) return TW_ERR_TREE;
  group->priv.leaf_index = index;
  group->priv.leaf_key = work->key_package->leaf_key;
  tw_signer_free(group->signer);
  group->signer = tw_signer_ref(work->key_package->signer);
  return TW_OK;
}

static tw_err check_confirmation(tw_group *group, tw_bytes expected) {
  TW_TRY(tw_group_confirm(group));
  return tw_secret_equal(tw_group_hash_bytes(group, group->confirmation_tag), expected) ? TW_OK : TW_ERR_MAC;
}

/* The signed GroupInfo names our KeyPackage among those that the Welcome was made for. */
static tw_err check_named(const join_work *work) {
  const uint16_t component = tw_env_code_points(work->client->env)->welcome_key_packages_component;
  tw_bytes data;
  if (!tw_component_lookup(work->info.extensions, component, &data)) return TW_ERR_BINDING;
  tw_reader r = tw_reader_of(data);
  tw_reader refs = tw_reader_of(tw_read_vector(&r));
  TW_TRY(tw_reader_end(&r));
  while (tw_reader_more(&refs)) {
    const tw_bytes reference = tw_read_vector(&refs);
    if (tw_bytes_equal(reference, tw_key_package_reference(work->key_package))) return TW_OK;
  }
  return TW_ERR_BINDING;
}

static tw_err enter(const join_work *work, tw_group *group) {
  TW_TRY(find_own_leaf(work, group));
  TW_TRY(tw_capabilities_meet(&work->key_package->view.leaf_node.capabilities, group->context.extensions));
  if (work->secrets.has_path_secret)
    TW_TRY(tw_path_join(group->tree, &group->priv, work->info.signer, work->secrets.path_secret));
  TW_TRY(tw_group_set_secrets(group, work->secrets.joiner_secret, tw_secret_bytes(&work->psk_secret)));
  TW_TRY(check_confirmation(group, work->info.confirmation_tag));
  return tw_subgroup_check_join(group, &work->secrets, work->options->origin);
}

static tw_err join(join_work *work, tw_bytes message, tw_group **out) {
  const tw_client *client = work->client;
  tw_mls_message decoded;
  TW_TRY(tw_mls_message_decode(client->env, message, &decoded));
  if (decoded.wire_format != TW_WIRE_WELCOME) return TW_ERR_UNEXPECTED;
  work->welcome = decoded.u.welcome;
  if (tw_suite_by_id(client->env, work->welcome.cipher_suite) != client->suite) return TW_ERR_UNSUPPORTED;
  TW_TRY(open_secrets(work));
  TW_TRY(derive_psks(work));
  TW_TRY(open_info(work));
  tw_group *group;
  TW_TRY(tw_group_from_info(client, &work->info, work->options->ratchet_tree, work->key_package->view.leaf_node.encoded,
                            work->now, &group));
  tw_err err = work->options->wants_to_be_named ? check_named(work) : TW_OK;
  if (err == TW_OK) err = enter(work, group);
  if (err != TW_OK) {
    tw_group_free(group);
    return err;
  }
  *out = group;
  return TW_OK;
}

tw_err tw_group_join(const tw_client *client, const tw_key_package *key_package, tw_bytes welcome,
                     const tw_join_options *options, uint64_t now, tw_group **group) {
  static const tw_join_options defaults = {0};
  TW_TRY(tw_client_check(client));
  if (key_package->client->suite != client->suite) return TW_ERR_ARGUMENT;
  join_work work = {
      .client = client,
      .key_package = key_package,
      .options = options != NULL ? options : &defaults,
      .now = now,
      .secrets_plain = TW_BUF_INIT(tw_env_alloc(client->env)),
      .info_plain = TW_BUF_INIT(tw_env_alloc(client->env)),
  };
  const tw_err err = join(&work, welcome, group);
  clear(&work);
  return err;
}

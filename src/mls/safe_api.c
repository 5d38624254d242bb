/* The safe application interface: draft-ietf-mls-extensions. SPDX-License-Identifier: Apache-2.0 */
#include "mls/app_data.h"
#include "mls/group.h"
#include "mls/key_package_make.h"

static tw_err operation_label(const tw_env *env, uint16_t component_id, tw_bytes label, tw_buf *out) {
  *out = TW_BUF_INIT(tw_env_alloc(env));
  tw_writer w = tw_writer_to(out);
  tw_write_component_operation_label(&w, component_id, label);
  return tw_writer_end(&w);
}

tw_err tw_group_safe_sign(const tw_group *group, uint16_t component_id, tw_bytes label, tw_bytes content,
                          tw_buf *signature) {
  tw_buf operation;
  TW_TRY(operation_label(group->env, component_id, label, &operation));
  const tw_err err = tw_sign_with_label(group->env, group->signer, tw_buf_bytes(&operation), &content, 1, signature);
  tw_buf_clear(&operation);
  return err;
}

tw_err tw_group_safe_verify(const tw_group *group, uint32_t leaf_index, uint16_t component_id, tw_bytes label,
                            tw_bytes content, tw_bytes signature) {
  const tw_leaf_node *leaf = tw_tree_leaf(group->tree, leaf_index);
  tw_buf operation;
  if (leaf == NULL) return TW_ERR_ARGUMENT;
  TW_TRY(operation_label(group->env, component_id, label, &operation));
  const tw_err err = tw_verify_with_label(group->env, group->suite, leaf->signature_key, tw_buf_bytes(&operation),
                                          &content, 1, signature);
  tw_buf_clear(&operation);
  return err;
}

tw_err tw_group_safe_encrypt(const tw_group *group, uint32_t leaf_index, uint16_t component_id, tw_bytes label,
                             tw_bytes context, tw_bytes plaintext, tw_buf *kem_output, tw_buf *ciphertext) {
  const tw_leaf_node *leaf = tw_tree_leaf(group->tree, leaf_index);
  tw_buf operation;
  if (leaf == NULL) return TW_ERR_ARGUMENT;
  TW_TRY(operation_label(group->env, component_id, label, &operation));
  const tw_err err = tw_encrypt_with_label(group->env, group->suite, leaf->encryption_key, tw_buf_bytes(&operation),
                                           context, plaintext, kem_output, ciphertext);
  tw_buf_clear(&operation);
  return err;
}

tw_err tw_group_safe_decrypt(const tw_group *group, uint16_t component_id, tw_bytes label, tw_bytes context,
                             tw_bytes kem_output, tw_bytes ciphertext, tw_buf *plaintext) {
  tw_buf operation;
  TW_TRY(operation_label(group->env, component_id, label, &operation));
  const tw_err err = tw_decrypt_with_label(group->env, group->suite, tw_secret_bytes(&group->priv.leaf_key),
                                           tw_group_own_leaf_node(group)->encryption_key, tw_buf_bytes(&operation),
                                           context, kem_output, ciphertext, plaintext);
  tw_buf_clear(&operation);
  return err;
}

tw_err tw_key_package_safe_decrypt(const tw_key_package *key_package, uint16_t component_id, tw_bytes label,
                                   tw_bytes context, tw_bytes kem_output, tw_bytes ciphertext, tw_buf *plaintext) {
  const tw_client *client = key_package->client;
  tw_buf operation;
  TW_TRY(operation_label(client->env, component_id, label, &operation));
  const tw_err err = tw_decrypt_with_label(client->env, client->suite, tw_secret_bytes(&key_package->leaf_key),
                                           key_package->view.leaf_node.encryption_key, tw_buf_bytes(&operation),
                                           context, kem_output, ciphertext, plaintext);
  tw_buf_clear(&operation);
  return err;
}

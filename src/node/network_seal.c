/* Messages to one member, by the key in its leaf. SPDX-License-Identifier: Apache-2.0 */
#include "mls/key_package_make.h"
#include "node/network_internal.h"

static uint16_t component(const tw_network *network) {
  return tw_env_code_points(network->env)->channel_binding_component;
}

tw_err tw_network_seal(const tw_network *network, const tw_client_id *id, tw_bytes label, tw_bytes plaintext,
                       tw_buf *kem_output, tw_buf *ciphertext) {
  const tw_network_member *member = tw_network_find_member(&network->epoch, id);
  if (network->epoch.group == NULL || member == NULL) return TW_ERR_STATE;
  return tw_group_safe_encrypt(network->epoch.group, member->leaf, component(network), label,
                               tw_buf_bytes(&network->binding), plaintext, kem_output, ciphertext);
}

/* Who was added and has not come in, since it does not know all members, has the key of its leaf in a key package. */
static tw_err open_by_package(const tw_network *network, const tw_stock_item *item, tw_bytes label, tw_bytes kem_output,
                              tw_bytes ciphertext, tw_buf *plaintext) {
  tw_stock_use use = {0};
  tw_key_package *key_package = NULL;
  tw_secret packet_key = {0};
  tw_bytes saved;
  tw_err err = tw_stock_find(&network->packages, item->ref, &use);
  if (err == TW_OK) err = tw_network_read_package(use.kept, &saved, &packet_key);
  if (err == TW_OK) err = tw_key_package_load(&network->client, saved, &key_package);
  if (err == TW_OK)
    err = tw_key_package_safe_decrypt(key_package, component(network), label, tw_buf_bytes(&network->binding),
                                      kem_output, ciphertext, plaintext);
  tw_key_package_free(key_package);
  tw_secret_clear(&packet_key);
  tw_stock_use_clear(&use);
  return err;
}

tw_err tw_network_open(const tw_network *network, tw_bytes label, tw_bytes kem_output, tw_bytes ciphertext,
                       tw_buf *plaintext) {
  tw_err err = TW_ERR_STATE;
  if (network->epoch.group != NULL)
    return tw_group_safe_decrypt(network->epoch.group, component(network), label, tw_buf_bytes(&network->binding),
                                 kem_output, ciphertext, plaintext);
  for (size_t i = network->packages.count; i > 0 && err != TW_OK && err != TW_ERR_NO_MEMORY; i--)
    err = open_by_package(network, &network->packages.list[i - 1], label, kem_output, ciphertext, plaintext);
  return err;
}

/* Messages to one member, by the key in its leaf. SPDX-License-Identifier: Apache-2.0 */
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

tw_err tw_network_open(const tw_network *network, tw_bytes label, tw_bytes kem_output, tw_bytes ciphertext,
                       tw_buf *plaintext) {
  if (network->epoch.group == NULL) return TW_ERR_STATE;
  return tw_group_safe_decrypt(network->epoch.group, component(network), label, tw_buf_bytes(&network->binding),
                               kem_output, ciphertext, plaintext);
}

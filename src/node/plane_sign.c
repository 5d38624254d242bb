/* Signatures of packets to all. SPDX-License-Identifier: Apache-2.0 */
#include "node/plane_internal.h"

tw_err tw_plane_sign(tw_plane *plane, const tw_packet_signer *signer, uint64_t number, uint8_t next_header,
                     uint8_t *packet, size_t len) {
  const tw_packet_content content = {.number = number, .next_header = next_header, .packet = TW_BYTES(packet, len)};
  return tw_packet_sign(plane->config.env, signer, &content, &plane->signed_room, packet + len);
}

tw_err tw_plane_check(tw_plane *plane, const tw_sa_in *sa, const uint8_t *packet, tw_esp_opened *opened) {
  tw_ip ip;
  const bool is_ip = opened->next_header == TW_ESP_NEXT_IPV4 || opened->next_header == TW_ESP_NEXT_IPV6;
  if (!sa->verifier.has_key || !is_ip || opened->len < TW_PACKET_SIGNATURE) return TW_ERR_SENDER;
  const tw_packet_content content = {.number = opened->number,
                                     .next_header = opened->next_header,
                                     .packet = TW_BYTES(packet + TW_ESP_HEADER, opened->len - TW_PACKET_SIGNATURE)};
  /* The signature is what the packet's own length leaves. */
  if (tw_ip_parse(content.packet, &ip) != TW_OK || ip.len != content.packet.len) return TW_ERR_SENDER;
  if (plane->checks == 0) return TW_ERR_LIMIT;
  plane->checks--;
  TW_TRY(tw_packet_verify(plane->config.env, &sa->verifier, &content, &plane->signed_room,
                          content.packet.ptr + content.packet.len));
  opened->len = content.packet.len;
  return TW_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "packet/offload.h"

#include <string.h>

#include "packet/checksum.h"
#include "packet/fields.h"

tw_offload tw_offload_get(const uint8_t in[TW_OFFLOAD_SIZE]) {
  uint16_t fields[4];
  memcpy(fields, in + 2, sizeof fields);
  return (tw_offload){in[0], in[1], fields[0], fields[1], fields[2], fields[3]};
}

void tw_offload_put(const tw_offload *offload, uint8_t out[TW_OFFLOAD_SIZE]) {
  const uint16_t fields[4] = {offload->hdr_len, offload->gso_size, offload->csum_start, offload->csum_offset};
  out[0] = offload->flags;
  out[1] = offload->gso_type;
  memcpy(out + 2, fields, sizeof fields);
}

tw_err tw_offload_check(const tw_offload *offload, size_t len) {
  if ((offload->flags & TW_OFFLOAD_NEEDS_CSUM) == 0) return TW_OK;
  return (size_t)offload->csum_start + offload->csum_offset + 2 <= len ? TW_OK : TW_ERR_ENCODING;
}

tw_err tw_offload_finish(uint8_t *packet, size_t len, const tw_offload *offload) {
  TW_TRY(tw_offload_check(offload, len));
  if ((offload->flags & TW_OFFLOAD_NEEDS_CSUM) == 0) return TW_OK;
  const uint32_t sum = tw_sum(packet + offload->csum_start, len - offload->csum_start);
  /* 0xffff is as good as 0 for all protocols, and for UDP the only way to say it. */
  tw_put_u16(packet + offload->csum_start + offload->csum_offset, tw_checksum_not_zero(sum));
  return TW_OK;
}

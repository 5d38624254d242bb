/* The lists of requests and answers. SPDX-License-Identifier: Apache-2.0 */
#include "relay/request.h"

#include <string.h>

bool tw_delivery_client_next(tw_reader *walk, tw_fingerprint *out) {
  if (!tw_reader_more(walk)) return false;
  const tw_bytes id = tw_read_fixed(walk, TW_FINGERPRINT_SIZE);
  if (walk->err != TW_OK) return false;
  memcpy(out->digest, id.ptr, TW_FINGERPRINT_SIZE);
  return true;
}

bool tw_delivery_entry_next(tw_reader *walk, tw_delivery_entry *out) {
  if (!tw_reader_more(walk)) return false;
  out->number = tw_read_u64(walk);
  out->kind = (tw_delivery_kind)tw_read_u8(walk);
  const tw_bytes from = tw_read_fixed(walk, TW_FINGERPRINT_SIZE);
  if (walk->err == TW_OK) memcpy(out->from.digest, from.ptr, TW_FINGERPRINT_SIZE);
  out->group_id = tw_read_vector(walk);
  out->epoch = tw_read_u64(walk);
  out->message = tw_read_vector(walk);
  return walk->err == TW_OK;
}

void tw_delivery_write_entry(tw_writer *w, const tw_delivery_entry *entry) {
  tw_write_u64(w, entry->number);
  tw_write_u8(w, (uint8_t)entry->kind);
  tw_write_fixed(w, TW_ARRAY(entry->from.digest));
  tw_write_vector(w, entry->group_id);
  tw_write_u64(w, entry->epoch);
  tw_write_vector(w, entry->message);
}

static size_t ip_size(uint8_t family) { return family == 4 ? 4 : family == 6 ? 16 : 0; }

bool tw_delivery_location_next(tw_reader *walk, tw_delivery_location *out) {
  if (!tw_reader_more(walk)) return false;
  *out = (tw_delivery_location){.number = tw_read_u32(walk)};
  out->online = tw_read_present(walk);
  out->address.family = tw_read_u8(walk);
  const size_t size = ip_size(out->address.family);
  const tw_bytes ip = tw_read_fixed(walk, size);
  if (walk->err == TW_OK && size > 0) memcpy(out->address.ip, ip.ptr, size);
  if (size > 0) out->address.port = tw_read_u16(walk);
  return walk->err == TW_OK;
}

void tw_delivery_write_location(tw_writer *w, const tw_delivery_location *location) {
  const tw_delivery_address *address = &location->address;
  tw_write_u32(w, location->number);
  tw_write_u8(w, location->online ? 1 : 0);
  tw_write_u8(w, address->family);
  tw_write_fixed(w, TW_BYTES(address->ip, ip_size(address->family)));
  if (address->family != 0) tw_write_u16(w, address->port);
}

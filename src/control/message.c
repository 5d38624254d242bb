/* Frames, pushes, and the parts of messages. SPDX-License-Identifier: Apache-2.0 */
#include "control/message.h"

#include <string.h>

#include "control/parts.h"

/* ---- parts ---- */

tw_bytes tw_control_read_opaque(tw_reader *r, size_t least, size_t most) {
  const tw_bytes value = tw_read_vector(r);
  if (value.len < least || value.len > most) tw_reader_fail(r, TW_ERR_ENCODING);
  return value;
}

tw_bytes tw_control_read_name(tw_reader *r) { return tw_control_read_opaque(r, 1, TW_CONTROL_NAME_MAX); }

tw_bytes tw_control_read_message(tw_reader *r) { return tw_control_read_opaque(r, 1, TW_CONTROL_MESSAGE_MAX); }

tw_bytes tw_control_read_tree(tw_reader *r) { return tw_control_read_opaque(r, 0, TW_CONTROL_MESSAGE_MAX); }

/* opaque ClientId[32] */
tw_client_id tw_control_read_client(tw_reader *r) {
  tw_client_id client = {{0}};
  const tw_bytes raw = tw_read_fixed(r, sizeof client.digest);
  if (raw.len > 0) memcpy(client.digest, raw.ptr, raw.len);
  return client;
}

void tw_control_write_client(tw_writer *w, const tw_client_id *client) { tw_write_fixed(w, TW_ARRAY(client->digest)); }

tw_bytes tw_control_read_clients(tw_reader *r) {
  const tw_bytes list = tw_read_vector(r);
  if (list.len % TW_FINGERPRINT_SIZE != 0) tw_reader_fail(r, TW_ERR_ENCODING);
  return list;
}

/*
 * struct {
 *   uint8 family;
 *   select (family) { case 0: ; case 4: opaque ip[4]; uint16 port; case 6: opaque ip[16]; uint16 port; };
 * } Address
 */
static size_t ip_size(uint8_t family) { return family == 4 ? 4 : 16; }

static tw_control_address read_address(tw_reader *r) {
  tw_control_address address = {.family = tw_read_u8(r)};
  if (address.family == 0) return address;
  if (address.family != 4 && address.family != 6) tw_reader_fail(r, TW_ERR_ENCODING);
  const tw_bytes ip = tw_read_fixed(r, ip_size(address.family));
  if (ip.len > 0) memcpy(address.ip, ip.ptr, ip.len);
  address.port = tw_read_u16(r);
  if (address.port == 0) tw_reader_fail(r, TW_ERR_ENCODING);
  return address;
}

static void write_address(tw_writer *w, const tw_control_address *address) {
  tw_write_u8(w, address->family);
  if (address->family == 0) return;
  tw_write_fixed(w, TW_BYTES(address->ip, ip_size(address->family)));
  tw_write_u16(w, address->port);
}

bool tw_control_address_equal(const tw_control_address *a, const tw_control_address *b) {
  if (a->family != b->family) return false;
  return a->family == 0 || (a->port == b->port && memcmp(a->ip, b->ip, ip_size(a->family)) == 0);
}

/* struct { uint32 number; uint8 online; Address address; } Location */
tw_control_location tw_control_read_location(tw_reader *r) {
  tw_control_location location = {0};
  location.number = tw_read_u32(r);
  location.online = tw_read_present(r);
  location.address = read_address(r);
  return location;
}

void tw_control_write_location(tw_writer *w, const tw_control_location *location) {
  tw_write_u32(w, location->number);
  tw_write_u8(w, location->online ? 1 : 0);
  write_address(w, &location->address);
}

/* ---- lists ---- */

bool tw_control_opaque_next(tw_reader *walk, tw_bytes *out) {
  if (!tw_reader_more(walk)) return false;
  const tw_bytes next = tw_control_read_message(walk);
  if (tw_reader_err(walk) != TW_OK) return false;
  *out = next;
  return true;
}

bool tw_control_client_next(tw_reader *walk, tw_client_id *out) {
  if (!tw_reader_more(walk)) return false;
  const tw_client_id next = tw_control_read_client(walk);
  if (tw_reader_err(walk) != TW_OK) return false;
  *out = next;
  return true;
}

/* struct { ClientId to<V>; opaque welcome<V>; } */
bool tw_control_welcome_next(tw_reader *walk, tw_control_welcome *out) {
  if (!tw_reader_more(walk)) return false;
  tw_control_welcome next;
  next.to = tw_control_read_clients(walk);
  if (next.to.len == 0) tw_reader_fail(walk, TW_ERR_ENCODING);
  next.welcome = tw_control_read_message(walk);
  if (tw_reader_err(walk) != TW_OK) return false;
  *out = next;
  return true;
}

void tw_control_write_welcome(tw_writer *w, const tw_control_welcome *welcome) {
  tw_write_vector(w, welcome->to);
  tw_write_vector(w, welcome->welcome);
}

/* struct { opaque welcome<V>; opaque ratchet_tree<V>; } */
tw_err tw_control_welcomed_decode(tw_bytes message, tw_control_welcomed *out) {
  tw_reader r = tw_reader_of(message);
  tw_control_welcomed welcomed;
  welcomed.welcome = tw_control_read_message(&r);
  welcomed.tree = tw_control_read_tree(&r);
  TW_TRY(tw_reader_end(&r));
  *out = welcomed;
  return TW_OK;
}

void tw_control_write_welcomed(tw_writer *w, const tw_control_welcomed *welcomed) {
  tw_write_vector(w, welcomed->welcome);
  tw_write_vector(w, welcomed->tree);
}

/* struct { uint64 number; uint8 kind; ClientId from; opaque group_id<V>; uint64 epoch; opaque message<V>; } Entry */
bool tw_control_entry_next(tw_reader *walk, tw_control_entry *out) {
  if (!tw_reader_more(walk)) return false;
  tw_control_entry next;
  next.number = tw_read_u64(walk);
  const uint8_t kind = tw_read_u8(walk);
  if (kind < TW_CONTROL_KIND_SEND || kind > TW_CONTROL_KIND_WELCOME) tw_reader_fail(walk, TW_ERR_ENCODING);
  next.kind = (tw_control_kind)kind;
  next.from = tw_control_read_client(walk);
  next.group_id = tw_control_read_opaque(walk, 0, TW_CONTROL_NAME_MAX);
  next.epoch = tw_read_u64(walk);
  next.message = tw_control_read_message(walk);
  if (tw_reader_err(walk) != TW_OK) return false;
  *out = next;
  return true;
}

void tw_control_write_entry(tw_writer *w, const tw_control_entry *entry) {
  tw_write_u64(w, entry->number);
  tw_write_u8(w, (uint8_t)entry->kind);
  tw_control_write_client(w, &entry->from);
  tw_write_vector(w, entry->group_id);
  tw_write_u64(w, entry->epoch);
  tw_write_vector(w, entry->message);
}

size_t tw_control_entry_size(const tw_control_entry *entry) {
  return 8 + 1 + TW_FINGERPRINT_SIZE + 8 + tw_varint_size(entry->group_id.len) + entry->group_id.len +
         tw_varint_size(entry->message.len) + entry->message.len;
}

bool tw_control_location_next(tw_reader *walk, tw_control_location *out) {
  if (!tw_reader_more(walk)) return false;
  const tw_control_location next = tw_control_read_location(walk);
  if (tw_reader_err(walk) != TW_OK) return false;
  *out = next;
  return true;
}

/* ---- frames ---- */

/* struct { uint32 length; uint8 type; uint32 request; select (type) { … } body; } Frame */
tw_writer tw_control_begin(tw_buf *out, tw_control_type type, uint32_t request) {
  tw_writer w = tw_writer_to(out);
  tw_write_u32(&w, 0);
  tw_write_u8(&w, (uint8_t)type);
  tw_write_u32(&w, request);
  return w;
}

tw_err tw_control_finish(tw_writer *w) {
  const size_t length = w->err == TW_OK ? w->buf->len - w->start - TW_CONTROL_HEADER : 0;
  if (length > TW_CONTROL_FRAME_MAX) tw_writer_fail(w, TW_ERR_LIMIT);
  TW_TRY(tw_writer_end(w));
  tw_put_u32(w->buf->ptr + w->start, (uint32_t)length);
  return TW_OK;
}

tw_bytes tw_control_written(const tw_buf *out, size_t start) {
  return TW_BYTES(out->ptr + start + TW_CONTROL_HEADER, out->len - start - TW_CONTROL_HEADER);
}

tw_err tw_control_checked(tw_buf *out, size_t start, tw_err err) {
  if (err == TW_OK) return TW_OK;
  out->len = start;
  return TW_ERR_ARGUMENT;
}

tw_err tw_control_peek(tw_bytes frame, tw_control_type *type, uint32_t *request) {
  tw_reader r = tw_reader_of(frame);
  const uint8_t raw = tw_read_u8(&r);
  const uint32_t number = tw_read_u32(&r);
  TW_TRY(tw_reader_err(&r));
  if (raw < TW_CONTROL_ANSWER || raw > TW_CONTROL_PUSH_LAST) return TW_ERR_ENCODING;
  if ((raw == TW_CONTROL_ANSWER) != (number != 0)) return TW_ERR_ENCODING;
  *type = (tw_control_type)raw;
  *request = number;
  return TW_OK;
}

/* ---- pushes ---- */

/* mail: struct { }
 * bound: struct { uint64 session; Address seen; }
 * moved: struct { ClientId client; Location location; }
 * wants_in: struct { opaque name<V>; ClientId client; }
 * displaced: struct { Address by; } */
tw_err tw_control_push_decode(tw_bytes frame, tw_control_push *out) {
  tw_reader r = tw_reader_of(frame);
  tw_control_push push;
  uint32_t request = 0;
  memset(&push, 0, sizeof push);
  TW_TRY(tw_control_peek(frame, &push.type, &request));
  (void)tw_read_fixed(&r, TW_CONTROL_FRAME_MIN);
  switch (push.type) {
  case TW_CONTROL_MAIL: break;
  case TW_CONTROL_BOUND:
    push.body.bound.session = tw_read_u64(&r);
    push.body.bound.seen = read_address(&r);
    break;
  case TW_CONTROL_MOVED:
    push.body.moved.client = tw_control_read_client(&r);
    push.body.moved.location = tw_control_read_location(&r);
    break;
  case TW_CONTROL_WANTS_IN:
    push.body.wants_in.name = tw_control_read_name(&r);
    push.body.wants_in.client = tw_control_read_client(&r);
    break;
  case TW_CONTROL_DISPLACED: push.body.displaced = read_address(&r); break;
  default: return TW_ERR_ENCODING;
  }
  TW_TRY(tw_reader_end(&r));
  *out = push;
  return TW_OK;
}

tw_err tw_control_push_encode(const tw_control_push *push, tw_buf *out) {
  tw_writer w = tw_control_begin(out, push->type, 0);
  switch (push->type) {
  case TW_CONTROL_BOUND:
    tw_write_u64(&w, push->body.bound.session);
    write_address(&w, &push->body.bound.seen);
    break;
  case TW_CONTROL_MOVED:
    tw_control_write_client(&w, &push->body.moved.client);
    tw_control_write_location(&w, &push->body.moved.location);
    break;
  case TW_CONTROL_WANTS_IN:
    tw_write_vector(&w, push->body.wants_in.name);
    tw_control_write_client(&w, &push->body.wants_in.client);
    break;
  case TW_CONTROL_DISPLACED: write_address(&w, &push->body.displaced); break;
  default: break;
  }
  TW_TRY(tw_control_finish(&w));
  tw_control_push check;
  return tw_control_checked(out, w.start, tw_control_push_decode(tw_control_written(out, w.start), &check));
}

/* Requests, client to relay. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "control/parts.h"
#include "control/patch.h"

static tw_control_pool read_pool(tw_reader *r) {
  const uint8_t pool = tw_read_u8(r);
  if (pool != TW_CONTROL_POOL_PAIR && pool != TW_CONTROL_POOL_NETWORK) tw_reader_fail(r, TW_ERR_ENCODING);
  return (tw_control_pool)pool;
}

/* A list whose elements are looked at, so that walking it later cannot fail. */
static void fail_if(tw_reader *r, const tw_reader *walk) {
  if (tw_reader_err(walk) != TW_OK) tw_reader_fail(r, tw_reader_err(walk));
}

/* struct { uint8 pool; uint8 replace; opaque key_packages<V> each opaque<V>; opaque last_resort<V>; } publish */
static void read_publish(tw_reader *r, tw_control_publish *out) {
  out->pool = read_pool(r);
  out->replace = tw_read_present(r);
  out->key_packages = tw_read_vector(r);
  tw_reader walk = tw_reader_of(out->key_packages);
  tw_bytes each;
  while (tw_control_opaque_next(&walk, &each)) {}
  fail_if(r, &walk);
  out->last_resort = tw_control_read_opaque(r, 0, TW_CONTROL_MESSAGE_MAX);
}

static void write_publish(tw_writer *w, const tw_control_publish *publish) {
  tw_write_u8(w, (uint8_t)publish->pool);
  tw_write_u8(w, publish->replace);
  tw_write_vector(w, publish->key_packages);
  tw_write_vector(w, publish->last_resort);
}

/* struct { ClientId owner; uint8 pool; } take */
static void read_take(tw_reader *r, tw_control_take *out) {
  out->owner = tw_control_read_client(r);
  out->pool = read_pool(r);
}

static void write_take(tw_writer *w, const tw_control_take *take) {
  tw_control_write_client(w, &take->owner);
  tw_write_u8(w, (uint8_t)take->pool);
}

/* struct { ClientId to; opaque message<V>; } send */
static void read_send(tw_reader *r, tw_control_send *out) {
  out->to = tw_control_read_client(r);
  out->message = tw_control_read_message(r);
}

static void write_send(tw_writer *w, const tw_control_send *send) {
  tw_control_write_client(w, &send->to);
  tw_write_vector(w, send->message);
}

/* struct { opaque name<V>; opaque group_id<V>; uint64 epoch; ClientId members<V>; opaque group_info<V>; opaque tree<V>;
 * } group_open */
static void read_group_open(tw_reader *r, tw_control_group_open *out) {
  out->name = tw_control_read_name(r);
  out->group_id = tw_control_read_name(r);
  out->epoch = tw_read_u64(r);
  out->members = tw_control_read_clients(r);
  out->group_info = tw_control_read_message(r);
  out->tree = tw_control_read_tree(r);
}

static void write_group_open(tw_writer *w, const tw_control_group_open *open) {
  tw_write_vector(w, open->name);
  tw_write_vector(w, open->group_id);
  tw_write_u64(w, open->epoch);
  tw_write_vector(w, open->members);
  tw_write_vector(w, open->group_info);
  tw_write_vector(w, open->tree);
}

/* opaque patch<V>, which is a Patch. */
static tw_bytes read_patch(tw_reader *r) {
  const tw_bytes patch = tw_control_read_message(r);
  const tw_err err = tw_reader_err(r) == TW_OK ? tw_control_patch_check(patch) : TW_OK;
  if (err != TW_OK) tw_reader_fail(r, err);
  return patch;
}

/*
 * struct {
 *   opaque group_id<V>; uint64 epoch; opaque commit<V>; opaque group_info<V>; opaque tree<V>; opaque members<V>;
 *   struct { ClientId to<V>; opaque welcome<V>; } welcomes<V>;
 * } group_commit
 */
static void read_group_commit(tw_reader *r, tw_control_group_commit *out) {
  out->group_id = tw_control_read_name(r);
  out->epoch = tw_read_u64(r);
  out->commit = tw_control_read_message(r);
  out->group_info = tw_control_read_message(r);
  out->tree = read_patch(r);
  out->members = read_patch(r);
  out->welcomes = tw_read_vector(r);
  tw_reader walk = tw_reader_of(out->welcomes);
  tw_control_welcome each;
  while (tw_control_welcome_next(&walk, &each)) {}
  fail_if(r, &walk);
}

static void write_group_commit(tw_writer *w, const tw_control_group_commit *commit) {
  tw_write_vector(w, commit->group_id);
  tw_write_u64(w, commit->epoch);
  tw_write_vector(w, commit->commit);
  tw_write_vector(w, commit->group_info);
  tw_write_vector(w, commit->tree);
  tw_write_vector(w, commit->members);
  tw_write_vector(w, commit->welcomes);
}

/* struct { opaque group_id<V>; opaque message<V>; } group_send */
static void read_group_send(tw_reader *r, tw_control_group_send *out) {
  out->group_id = tw_control_read_name(r);
  out->message = tw_control_read_message(r);
}

static void write_group_send(tw_writer *w, const tw_control_group_send *send) {
  tw_write_vector(w, send->group_id);
  tw_write_vector(w, send->message);
}

/* struct { uint64 after; uint32 most; } fetch */
static void read_fetch(tw_reader *r, tw_control_fetch *out) {
  out->after = tw_read_u64(r);
  out->most = tw_read_u32(r);
}

static void write_fetch(tw_writer *w, const tw_control_fetch *fetch) {
  tw_write_u64(w, fetch->after);
  tw_write_u32(w, fetch->most);
}

/* struct { ClientId client; uint64 until; uint8 guest; } admit */
static void read_admit(tw_reader *r, tw_control_admit *out) {
  out->client = tw_control_read_client(r);
  out->until = tw_read_u64(r);
  out->guest = tw_read_present(r);
}

static void write_admit(tw_writer *w, const tw_control_admit *admit) {
  tw_control_write_client(w, &admit->client);
  tw_write_u64(w, admit->until);
  tw_write_u8(w, admit->guest ? 1 : 0);
}

/* struct { opaque name<V>; uint8 tree; } group_find */
static void read_group_find(tw_reader *r, tw_control_group_find *out) {
  out->name = tw_control_read_name(r);
  out->tree = tw_read_present(r);
}

static void write_group_find(tw_writer *w, const tw_control_group_find *find) {
  tw_write_vector(w, find->name);
  tw_write_u8(w, find->tree ? 1 : 0);
}

/* stock: struct { uint8 pool; }; want_in: struct { opaque name<V>; }; locate: struct { ClientId of<V>; };
 * bind: struct { }; dismiss: struct { ClientId client; } */
static void read_body(tw_reader *r, tw_control_request *out) {
  switch (out->type) {
  case TW_CONTROL_PUBLISH: read_publish(r, &out->body.publish); break;
  case TW_CONTROL_STOCK: out->body.stock = read_pool(r); break;
  case TW_CONTROL_TAKE: read_take(r, &out->body.take); break;
  case TW_CONTROL_SEND: read_send(r, &out->body.send); break;
  case TW_CONTROL_GROUP_OPEN: read_group_open(r, &out->body.group_open); break;
  case TW_CONTROL_GROUP_FIND: read_group_find(r, &out->body.group_find); break;
  case TW_CONTROL_GROUP_COMMIT: read_group_commit(r, &out->body.group_commit); break;
  case TW_CONTROL_GROUP_SEND: read_group_send(r, &out->body.group_send); break;
  case TW_CONTROL_FETCH: read_fetch(r, &out->body.fetch); break;
  case TW_CONTROL_LOCATE: out->body.locate = tw_control_read_clients(r); break;
  case TW_CONTROL_BIND: break;
  case TW_CONTROL_WANT_IN: out->body.want_in = tw_control_read_name(r); break;
  case TW_CONTROL_ADMIT: read_admit(r, &out->body.admit); break;
  case TW_CONTROL_DISMISS: out->body.dismiss = tw_control_read_client(r); break;
  default: tw_reader_fail(r, TW_ERR_ENCODING); break;
  }
}

static void write_body(tw_writer *w, const tw_control_request *request) {
  switch (request->type) {
  case TW_CONTROL_PUBLISH: write_publish(w, &request->body.publish); break;
  case TW_CONTROL_STOCK: tw_write_u8(w, (uint8_t)request->body.stock); break;
  case TW_CONTROL_TAKE: write_take(w, &request->body.take); break;
  case TW_CONTROL_SEND: write_send(w, &request->body.send); break;
  case TW_CONTROL_GROUP_OPEN: write_group_open(w, &request->body.group_open); break;
  case TW_CONTROL_GROUP_FIND: write_group_find(w, &request->body.group_find); break;
  case TW_CONTROL_GROUP_COMMIT: write_group_commit(w, &request->body.group_commit); break;
  case TW_CONTROL_GROUP_SEND: write_group_send(w, &request->body.group_send); break;
  case TW_CONTROL_FETCH: write_fetch(w, &request->body.fetch); break;
  case TW_CONTROL_LOCATE: tw_write_vector(w, request->body.locate); break;
  case TW_CONTROL_WANT_IN: tw_write_vector(w, request->body.want_in); break;
  case TW_CONTROL_ADMIT: write_admit(w, &request->body.admit); break;
  case TW_CONTROL_DISMISS: tw_control_write_client(w, &request->body.dismiss); break;
  default: break;
  }
}

tw_err tw_control_request_decode(tw_bytes frame, tw_control_request *out) {
  tw_reader r = tw_reader_of(frame);
  tw_control_request request;
  memset(&request, 0, sizeof request);
  request.type = (tw_control_type)tw_read_u8(&r);
  request.number = tw_read_u32(&r);
  if (request.number == 0) tw_reader_fail(&r, TW_ERR_ENCODING);
  if (tw_reader_err(&r) == TW_OK) read_body(&r, &request);
  TW_TRY(tw_reader_end(&r));
  *out = request;
  return TW_OK;
}

tw_err tw_control_request_encode(const tw_control_request *request, tw_buf *out) {
  tw_writer w = tw_control_begin(out, request->type, request->number);
  write_body(&w, request);
  TW_TRY(tw_control_finish(&w));
  tw_control_request check;
  return tw_control_checked(out, w.start, tw_control_request_decode(tw_control_written(out, w.start), &check));
}

/* Answers, relay to client. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "control/parts.h"

/* to take: struct { uint8 last_resort; opaque key_package<V>; } */
static void read_take(tw_reader *r, tw_control_taken *out) {
  out->last_resort = tw_read_present(r);
  out->key_package = tw_control_read_message(r);
}

static void write_take(tw_writer *w, const tw_control_taken *take) {
  tw_write_u8(w, take->last_resort ? 1 : 0);
  tw_write_vector(w, take->key_package);
}

/* to group_find: struct { opaque group_id<V>; uint64 epoch; uint32 number; uint8 member; opaque group_info<V>;
 * opaque tree<V>; } */
static void read_group(tw_reader *r, tw_control_group *out) {
  out->group_id = tw_control_read_name(r);
  out->epoch = tw_read_u64(r);
  out->number = tw_read_u32(r);
  out->member = tw_read_present(r);
  out->group_info = tw_control_read_message(r);
  out->tree = tw_control_read_tree(r);
}

static void write_group(tw_writer *w, const tw_control_group *group) {
  tw_write_vector(w, group->group_id);
  tw_write_u64(w, group->epoch);
  tw_write_u32(w, group->number);
  tw_write_u8(w, group->member ? 1 : 0);
  tw_write_vector(w, group->group_info);
  tw_write_vector(w, group->tree);
}

/* to fetch: struct { Entry entries<V>; uint8 more; } */
static void read_fetched(tw_reader *r, tw_control_fetched *out) {
  out->entries = tw_read_vector(r);
  tw_reader walk = tw_reader_of(out->entries);
  tw_control_entry each;
  while (tw_control_entry_next(&walk, &each)) {}
  if (tw_reader_err(&walk) != TW_OK) tw_reader_fail(r, tw_reader_err(&walk));
  out->more = tw_read_present(r);
}

static void write_fetched(tw_writer *w, const tw_control_fetched *fetched) {
  tw_write_vector(w, fetched->entries);
  tw_write_u8(w, fetched->more ? 1 : 0);
}

/* to locate: struct { Location locations<V>; } */
static tw_bytes read_locations(tw_reader *r) {
  const tw_bytes list = tw_read_vector(r);
  tw_reader walk = tw_reader_of(list);
  tw_control_location each;
  while (tw_control_location_next(&walk, &each)) {}
  if (tw_reader_err(&walk) != TW_OK) tw_reader_fail(r, tw_reader_err(&walk));
  return list;
}

/* to bind: struct { uint64 session; opaque token[16]; } */
static void read_binding(tw_reader *r, tw_control_binding *out) {
  out->session = tw_read_u64(r);
  const tw_bytes token = tw_read_fixed(r, sizeof out->token);
  if (token.len > 0) memcpy(out->token, token.ptr, token.len);
}

static void write_binding(tw_writer *w, const tw_control_binding *binding) {
  tw_write_u64(w, binding->session);
  tw_write_fixed(w, TW_ARRAY(binding->token));
}

static bool may_be(tw_control_status status, tw_control_type to) {
  if (status == TW_CONTROL_UNFIT) return to == TW_CONTROL_GROUP_COMMIT;
  return status != TW_CONTROL_TAKEN || to == TW_CONTROL_GROUP_OPEN || to == TW_CONTROL_GROUP_COMMIT;
}

/* `taken` to group_open: struct { opaque group_id<V>; }, to group_commit: struct { opaque commit<V>; };
 * other failures: struct { opaque words<V>; } */
static void read_failure(tw_reader *r, tw_control_answer *out) {
  if (!may_be(out->status, out->to))
    tw_reader_fail(r, TW_ERR_ENCODING);
  else if (out->status != TW_CONTROL_TAKEN)
    out->body.words = tw_control_read_opaque(r, 0, TW_CONTROL_WORDS_MAX);
  else
    out->body.taken = out->to == TW_CONTROL_GROUP_OPEN ? tw_control_read_name(r) : tw_control_read_message(r);
}

static void write_failure(tw_writer *w, const tw_control_answer *answer) {
  tw_write_vector(w, answer->status == TW_CONTROL_TAKEN ? answer->body.taken : answer->body.words);
}

/* to stock: struct { uint32 count; }; to group_open: struct { uint32 number; }; to the others: struct { } */
static void read_success(tw_reader *r, tw_control_answer *out) {
  switch (out->to) {
  case TW_CONTROL_STOCK: out->body.stock = tw_read_u32(r); break;
  case TW_CONTROL_TAKE: read_take(r, &out->body.take); break;
  case TW_CONTROL_GROUP_OPEN: out->body.group_open = tw_read_u32(r); break;
  case TW_CONTROL_GROUP_FIND: read_group(r, &out->body.group_find); break;
  case TW_CONTROL_FETCH: read_fetched(r, &out->body.fetch); break;
  case TW_CONTROL_LOCATE: out->body.locate = read_locations(r); break;
  case TW_CONTROL_BIND: read_binding(r, &out->body.bind); break;
  default: break;
  }
}

static void write_success(tw_writer *w, const tw_control_answer *answer) {
  switch (answer->to) {
  case TW_CONTROL_STOCK: tw_write_u32(w, answer->body.stock); break;
  case TW_CONTROL_TAKE: write_take(w, &answer->body.take); break;
  case TW_CONTROL_GROUP_OPEN: tw_write_u32(w, answer->body.group_open); break;
  case TW_CONTROL_GROUP_FIND: write_group(w, &answer->body.group_find); break;
  case TW_CONTROL_FETCH: write_fetched(w, &answer->body.fetch); break;
  case TW_CONTROL_LOCATE: tw_write_vector(w, answer->body.locate); break;
  case TW_CONTROL_BIND: write_binding(w, &answer->body.bind); break;
  default: break;
  }
}

/* struct { uint8 status; select (status) { … } body; } answer */
tw_err tw_control_answer_decode(tw_bytes frame, tw_control_type to, tw_control_answer *out) {
  tw_reader r = tw_reader_of(frame);
  tw_control_answer answer;
  tw_control_type type;
  memset(&answer, 0, sizeof answer);
  if (to < TW_CONTROL_PUBLISH || to > TW_CONTROL_REQUEST_LAST) return TW_ERR_ENCODING;
  TW_TRY(tw_control_peek(frame, &type, &answer.request));
  if (type != TW_CONTROL_ANSWER) return TW_ERR_ENCODING;
  (void)tw_read_fixed(&r, TW_CONTROL_FRAME_MIN);
  const uint8_t status = tw_read_u8(&r);
  if (status > TW_CONTROL_STATUS_LAST) tw_reader_fail(&r, TW_ERR_ENCODING);
  answer.to = to;
  answer.status = (tw_control_status)status;
  if (tw_reader_err(&r) == TW_OK && status == TW_CONTROL_DONE)
    read_success(&r, &answer);
  else if (tw_reader_err(&r) == TW_OK)
    read_failure(&r, &answer);
  TW_TRY(tw_reader_end(&r));
  *out = answer;
  return TW_OK;
}

tw_err tw_control_answer_encode(const tw_control_answer *answer, tw_buf *out) {
  tw_writer w = tw_control_begin(out, TW_CONTROL_ANSWER, answer->request);
  tw_write_u8(&w, (uint8_t)answer->status);
  if (answer->status == TW_CONTROL_DONE)
    write_success(&w, answer);
  else
    write_failure(&w, answer);
  TW_TRY(tw_control_finish(&w));
  tw_control_answer check;
  const tw_bytes frame = tw_control_written(out, w.start);
  return tw_control_checked(out, w.start, tw_control_answer_decode(frame, answer->to, &check));
}

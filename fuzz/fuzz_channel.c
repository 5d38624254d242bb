/*
 * Two channels and the pipe between them. An input is a schedule: what the applications do, in what pieces the bytes
 * travel, what is changed on the way, and what one side seals with its own keys although it breaks the protocol.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "channel/channel_internal.h"
#include "channel/wire.h"
#include "codec/writer.h"
#include "mls/protocol.h"
#include "pair/message.h"
#include "pair/pair_internal.h"

enum { ACTIONS = 48 };

static fuzz_wire wire;
static side *const sides = wire.sides;
static bool rogue;         /* one side's keys were in hands that keep to no rules: sessions need not fit any more */
static tw_buf recorded[2]; /* what the opener of an earlier connection sent, and the other side */

/* ---- what applications do ---- */

static void close_side(side *s) {
  if (!tw_channel_established(s->channel)) wire.clean = false; /* gives up */
  side_note(s, tw_channel_close(s->channel));
}

static void end_stream(side *from) {
  side *to = from->other;
  if (!tw_channel_ended(from->channel) && !from->channel->sent_close) wire.clean = false;
  if (from->pipe.len > 0 || tw_channel_output(from->channel).len > 0) wire.clean = false;
  if (!tw_channel_ended(from->channel)) wire.clean = false; /* key updates of the other's get no answer any more */
  from->ended = true;
  side_note(to, tw_channel_input_end(to->channel, wire.now_ms));
}

/* ---- on the way ---- */

static void change(side *s, tw_reader *r) {
  const uint8_t how = tw_read_u8(r);
  const size_t at = tw_read_u16(r);
  tw_buf *pipe = &s->pipe;
  if (pipe->len == 0) return;
  wire.clean = false;
  const size_t place = at % pipe->len;
  if (how % 4 == 0) {
    pipe->ptr[place] ^= (uint8_t)(tw_read_u8(r) | 1);
  } else if (how % 4 == 1) {
    const size_t n = tw_read_u16(r) % (pipe->len - place) + 1;
    memmove(pipe->ptr + place, pipe->ptr + place + n, pipe->len - place - n);
    pipe->len -= n;
  } else {
    /* Something from the input, or what came by earlier. */
    tw_bytes more = tw_fuzz_chunk(r);
    if (how % 4 == 3 && s->genuine.len > 0) {
      const size_t from = at % s->genuine.len;
      more = TW_BYTES(s->genuine.ptr + from,
                      more.len * 8 < s->genuine.len - from ? more.len * 8 : s->genuine.len - from);
    }
    if (more.len == 0) return;
    tw_fuzz_must(tw_buf_reserve(pipe, more.len));
    memmove(pipe->ptr + place + more.len, pipe->ptr + place, pipe->len - place);
    memcpy(pipe->ptr + place, more.ptr, more.len);
    pipe->len += more.len;
  }
}

/* A whole record left out, doubled, or put behind the next one. */
static void change_records(side *s, tw_reader *r) {
  const uint8_t how = tw_read_u8(r);
  tw_buf *pipe = &s->pipe;
  tw_record_header first;
  tw_record_header second;
  if (tw_record_peek(tw_buf_bytes(pipe), true, &first) != TW_OK || first.size > pipe->len) return;
  wire.clean = false;
  const tw_bytes rest = TW_BYTES(pipe->ptr + first.size, pipe->len - first.size);
  if (how % 3 == 0) {
    tw_buf_consume(pipe, first.size);
  } else if (how % 3 == 1) {
    tw_fuzz_must(tw_buf_reserve(pipe, first.size));
    memmove(pipe->ptr + first.size, pipe->ptr, pipe->len);
    pipe->len += first.size;
  } else if (tw_record_peek(rest, true, &second) == TW_OK && second.size <= rest.len) {
    static uint8_t aside[TW_RECORD_SIZE_MAX];
    memcpy(aside, pipe->ptr, first.size);
    memmove(pipe->ptr, rest.ptr, second.size);
    memcpy(pipe->ptr + second.size, aside, first.size);
  }
}

/* ---- one end's keys in hands that keep to no rules ---- */

/* What stands before it goes first, so that numbers are in order. */
static bool may_seal(side *s) {
  side_save(s);
  while (side_send(s, SIZE_MAX)) {}
  rogue = true;
  return !tw_channel_ended(s->channel) && !s->ended && tw_channel_output(s->channel).len == 0 &&
         tw_record_key_is_set(&s->channel->send);
}

/* An inner plaintext of `len` bytes that begins with `content` and ends with its type and zeros. */
static void seal_raw(side *s, uint8_t type, tw_bytes content, size_t len, size_t zeros) {
  static uint8_t record[TW_RECORD_SIZE_MAX + 1024];
  tw_record_key *key = &s->channel->send;
  uint8_t *inner = record + TW_RECORD_HEADER;
  uint8_t nonce[TW_AEAD_NONCE];
  if (len + zeros > TW_RECORD_CIPHERTEXT_MAX - TW_AEAD_TAG - 1)
    len = TW_RECORD_CIPHERTEXT_MAX - TW_AEAD_TAG - 1 - zeros;
  const size_t size = len + 1 + zeros;
  for (size_t i = 0; i < len; i++) inner[i] = content.len == 0 ? (uint8_t)i : content.ptr[i % content.len];
  inner[len] = type;
  memset(inner + len + 1, 0, zeros);
  /* What the receiver will take for the type is the last byte that is not 0. */
  size_t last = size;
  while (last > 0 && inner[last - 1] == 0) last--;
  const uint8_t seen = last == 0 ? 0 : inner[last - 1];
  const bool known = seen == TW_RECORD_APPLICATION_DATA || seen == TW_RECORD_ALERT || seen == TW_RECORD_HANDSHAKE;
  const bool allowed = size <= TW_RECORD_INNER_MAX && known && (last > 1 || seen == TW_RECORD_APPLICATION_DATA);
  if (!allowed && s->barred == SIZE_MAX) s->barred = s->genuine.len;
  if (allowed && seen == TW_RECORD_APPLICATION_DATA)
    tw_fuzz_must(tw_buf_append(&s->written, TW_BYTES(inner, last - 1)));
  tw_record_put_plain_header(record, TW_RECORD_APPLICATION_DATA, size + TW_AEAD_TAG);
  memcpy(nonce, key->iv, sizeof nonce);
  for (unsigned i = 0; i < 8; i++) nonce[TW_AEAD_NONCE - 1 - i] ^= (uint8_t)(key->sequence >> (8 * i));
  tw_fuzz_must(tw_aead_key_seal(key->aead, nonce, TW_BYTES(record, TW_RECORD_HEADER), TW_BYTES(inner, size), inner));
  key->sequence++;
  tw_fuzz_must(tw_buf_append(&s->genuine, TW_BYTES(record, TW_RECORD_HEADER + size + TW_AEAD_TAG)));
  tw_fuzz_must(tw_buf_append(&s->pipe, TW_BYTES(record, TW_RECORD_HEADER + size + TW_AEAD_TAG)));
}

static void rogue_record(side *s, tw_reader *r) {
  static const uint8_t types[] = {23, 22, 21, 20, 0, 24, 255, 23};
  static const size_t sizes[] = {0, 1, 2, 4, 300, 16383, 16384, 16385};
  const uint8_t how = tw_read_u8(r);
  const tw_bytes content = tw_fuzz_chunk(r);
  if (!may_seal(s) || s->written.len > WIRE_DATA_MAX) return;
  wire.clean = false;
  const size_t zeros = how & 64 ? sizes[(how >> 3) % 8] : 0;
  seal_raw(s, types[how % 8], content, how & 128 ? sizes[(how >> 3) % 8] : content.len, zeros);
}

/* A handshake message in records as the input says: cut, with others between, two in one, with something behind it. */
static void rogue_handshake(side *s, tw_bytes message, tw_reader *r) {
  static tw_buf framed;
  const uint8_t how = tw_read_u8(r);
  if (!may_seal(s)) return;
  wire.clean = false;
  framed.len = 0;
  tw_writer w = tw_writer_to(&framed);
  for (size_t i = 0; i < (how & 1 ? 2 : 1); i++) {
    tw_write_u8(&w, how & 2 ? tw_read_u8(r) : 0xf4);
    if (how & 4) {
      tw_write_u8(&w, 0);
      tw_write_u16(&w, tw_read_u16(r));
      tw_write_fixed(&w, message);
    } else {
      tw_write_vector24(&w, message);
    }
  }
  if (how & 8) tw_write_fixed(&w, tw_fuzz_chunk(r));
  tw_fuzz_must(tw_writer_end(&w));
  size_t at = 0;
  while (at < framed.len) {
    size_t n = how & 16 ? (size_t)tw_read_u8(r) * 4 + 1 : framed.len;
    if (n > framed.len - at) n = framed.len - at;
    if (n > TW_RECORD_PLAINTEXT_MAX) n = TW_RECORD_PLAINTEXT_MAX;
    seal_raw(s, TW_RECORD_HANDSHAKE, TW_BYTES(framed.ptr + at, n), n, 0);
    at += n;
    if ((how & 32) && at < framed.len) seal_raw(s, TW_RECORD_APPLICATION_DATA, TW_LITERAL("between"), 7, 0);
  }
}

static void rogue_message(side *s, tw_reader *r) {
  tw_buf message = {0};
  tw_commit_result result = {0};
  const uint8_t what = tw_read_u8(r);
  if (s->channel->pair == NULL || s->channel->pair->group == NULL) return;
  tw_group *group = s->channel->pair->group;
  if (what % 4 == 0) {
    const tw_pair_message m = {.type = TW_PAIR_EPOCH_KEY_UPDATE, .epoch = tw_group_epoch(group) + (what >> 2) % 8 - 1};
    tw_fuzz_must(tw_pair_message_encode(&m, &message));
  } else if (what % 4 == 1) {
    const tw_commit_options options = {
        .proposals = tw_fuzz_chunk(r), .plaintext = (what & 4) == 0, .without_path = (what & 8) != 0};
    const tw_err err = tw_group_commit(group, &options, wire.now_ms / 1000, &result);
    TW_FUZZ_ASSERT(tw_err_class_of(err) != TW_CLASS_INTERNAL);
    const tw_pair_message m = {.type = (uint16_t)(what & 16 ? 1 + (what >> 5) % 6 : TW_PAIR_CONNECTION_UPDATE),
                               .mls = tw_buf_bytes(&result.commit)};
    if (err == TW_OK && m.type != TW_PAIR_EPOCH_KEY_UPDATE) tw_fuzz_must(tw_pair_message_encode(&m, &message));
    if (message.len > 0) tw_fuzz_must(tw_buf_assign(&s->said, tw_buf_bytes(&message)));
  } else if (what % 4 == 2) {
    tw_fuzz_must(tw_buf_assign(&message, tw_buf_bytes(&s->said)));
  } else {
    tw_fuzz_must(tw_buf_assign(&message, tw_fuzz_chunk(r)));
  }
  rogue_handshake(s, tw_buf_bytes(&message), r);
  tw_commit_result_clear(&result);
  tw_buf_clear(&message);
}

/* Numbers are left out, once: nothing that follows may open. */
static void rogue_number(side *s, tw_reader *r) {
  const uint8_t skipped = tw_read_u8(r);
  if (!may_seal(s) || s->barred != SIZE_MAX) return;
  wire.clean = false;
  s->channel->send.sequence += 1 + skipped % 4u;
  s->barred = s->genuine.len;
}

/* ---- the next connection ---- */

static void renew(side *s) {
  tw_channel_free(s->channel);
  s->channel = NULL;
  s->written.len = s->genuine.len = s->pipe.len = s->arrived.len = s->said.len = 0;
  s->received = 0;
  s->barred = SIZE_MAX;
  s->ended = s->heard_established = s->heard_close = s->heard_end = false;
  s->reason = TW_OK;
  s->epoch = 0;
}

/* The connection is lost; on the next one `s` goes on with what it saved. Whatever was lost, all is well then. */
static void reopen(side *s) {
  side *o = s->other;
  tw_channel *channel = NULL;
  if (s->disk.len == 0) return;
  tw_channel_config config = s->config;
  config.resume = tw_buf_bytes(&s->disk);
  tw_err err = tw_channel_connect(&config, wire.now_ms, &channel);
  side_note(s, err);
  if (err != TW_OK) return;
  side *opener = sides[0].channel->connecting ? &sides[0] : &sides[1];
  tw_fuzz_must(tw_buf_assign(&recorded[0], tw_buf_bytes(&opener->genuine)));
  tw_fuzz_must(tw_buf_assign(&recorded[1], tw_buf_bytes(&opener->other->genuine)));
  renew(s);
  renew(o);
  s->channel = channel;
  tw_fuzz_pause(true);
  tw_fuzz_must(tw_channel_accept(&o->config, wire.now_ms, &o->channel));
  tw_fuzz_pause(false);
  wire.resumed = true;
  wire.clean = !rogue && o->disk.len > 0;
  if (!s->slow) side_save(s);
}

/* A request of the bytes of a response. */
static void make_request(tw_buf *bytes) {
  enum { TYPE = TW_RECORD_HEADER + TW_CHANNEL_HANDSHAKE_HEADER + 3, FLAG = TYPE + 1 + TW_PAIR_NONCE };
  if (bytes->len <= FLAG || bytes->ptr[TYPE] != TW_PAIR_RESUMPTION_RESPONSE) return;
  const size_t length = (size_t)bytes->ptr[3] << 8 | bytes->ptr[4];
  if (length + TW_RECORD_HEADER > bytes->len || length <= FLAG) return;
  memmove(bytes->ptr + FLAG, bytes->ptr + FLAG + 1, length + TW_RECORD_HEADER - FLAG - 1);
  bytes->len = length + TW_RECORD_HEADER - 1;
  bytes->ptr[TYPE] = TW_PAIR_RESUMPTION_REQUEST;
  bytes->ptr[3] = (uint8_t)((length - 1) >> 8);
  bytes->ptr[4] = (uint8_t)(length - 1);
  const size_t message = length - 1 - TW_CHANNEL_HANDSHAKE_HEADER;
  bytes->ptr[TW_RECORD_HEADER + 2] = (uint8_t)(message >> 8);
  bytes->ptr[TW_RECORD_HEADER + 3] = (uint8_t)message;
}

/* Somebody who has listened opens a connection to `s`, beside one that is established. It comes to nothing. */
static void attack(side *s, tw_reader *r) {
  static tw_buf bytes;
  tw_channel *channel;
  size_t taken;
  const uint8_t what = tw_read_u8(r);
  const side *opener = sides[0].channel->connecting ? &sides[0] : &sides[1];
  const side *from = what & 1 ? opener : opener->other;
  const tw_buf *source = what & 2 ? &recorded[what & 1] : &from->genuine;
  for (size_t i = 0; i < 2; i++) {
    if (!sides[i].heard_established || sides[i].heard_end || tw_channel_unsaved(sides[i].channel)) return;
  }
  if (rogue || !wire.resumed) return;
  tw_fuzz_must(tw_buf_assign(&bytes, tw_buf_bytes(source)));
  if (what & 4) make_request(&bytes);
  if (what & 8) (void)tw_fuzz_edit(r, bytes.ptr, bytes.len);
  s->in_use = true;
  tw_fuzz_must(tw_channel_accept(&s->config, wire.now_ms, &channel));
  tw_fuzz_check_peer_error(tw_channel_input(channel, tw_buf_bytes(&bytes), wire.now_ms, &taken));
  TW_FUZZ_ASSERT(!tw_channel_established(channel) && !tw_channel_unsaved(channel) && tw_channel_data(channel).len == 0);
  tw_channel_free(channel);
  s->in_use = false;
}

static void load_damaged(side *s, tw_reader *r) {
  static tw_buf saved;
  tw_channel *channel = NULL;
  if (s->disk.len == 0) return;
  tw_fuzz_must(tw_buf_assign(&saved, tw_buf_bytes(&s->disk)));
  (void)tw_fuzz_edit(r, saved.ptr, saved.len < 100 ? saved.len : 100);
  tw_channel_config config = s->config;
  config.resume = tw_buf_bytes(&saved);
  const tw_err err = tw_channel_connect(&config, wire.now_ms, &channel);
  TW_FUZZ_ASSERT(tw_err_class_of(err) != TW_CLASS_INTERNAL && tw_err_class_of(err) != TW_CLASS_CALLER);
  TW_FUZZ_ASSERT((err == TW_OK) == (channel != NULL));
  tw_channel_free(channel);
}

/* ---- the schedule ---- */

static void fail_in(tw_reader *r);

static void act_on(side *s, uint8_t action, tw_reader *r) {
  switch (action) {
  case 0:
  case 1: side_write(s, tw_read_u16(r)); break;
  case 2: side_write_in_place(s, tw_read_u16(r)); break;
  case 3: side_note(s, tw_channel_rekey(s->channel, wire.now_ms)); break;
  case 4: (void)side_send(s, tw_read_u16(r)); break;
  case 5: (void)side_arrive(s, tw_read_u16(r), false); break;
  case 6: (void)side_arrive(s, tw_read_u16(r), true); break;
  case 7: side_take_data(s, tw_read_u16(r)); break;
  case 8:
    wire.now_ms += (uint64_t)tw_read_u8(r) * 500;
    side_note(s, tw_channel_tick(s->channel, wire.now_ms));
    /* What was due is done: whoever waits for the deadline does not spin. */
    TW_FUZZ_ASSERT(tw_channel_deadline(s->channel) > wire.now_ms);
    break;
  case 9:
  case 10: wire_run(&wire, (size_t)tw_read_u16(r) + 1); break;
  case 11: close_side(s); break;
  case 12: change(s, r); break;
  case 13: change_records(s, r); break;
  case 14: rogue_record(s, r); break;
  case 15: rogue_message(s, r); break;
  case 16: rogue_number(s, r); break;
  case 17: fail_in(r); break;
  case 18: end_stream(s); break;
  case 20:
  case 21: reopen(s); break;
  case 22: side_save(s); break;
  case 23: s->slow = !s->slow; break;
  case 24:
  case 25: attack(s, r); break;
  case 26: load_damaged(s, r); break;
  case 27:
    reopen(s);
    side_write(s, tw_read_u16(r));
    break;
  default:
    wire.clean = false;
    tw_channel_abort(s->channel, TW_ERR_CREDENTIAL);
    break;
  }
}

/* One action during which an allocation or a draw fails. */
static void fail_in(tw_reader *r) {
  const uint8_t n = tw_read_u8(r);
  const uint8_t then = tw_read_u8(r);
  tw_fuzz_fail(n & 128 ? 0 : (size_t)n * 2 + 1, n & 128 ? (n & 15) + 1u : 0);
  act_on(&sides[then >> 7], then % 9, r);
  tw_fuzz_fail(0, 0);
}

static void act(tw_reader *r) {
  const uint8_t action = tw_read_u8(r);
  act_on(&sides[action >> 7], action % 28, r);
  for (size_t i = 0; i < 2; i++) {
    side_take_events(&sides[i]);
    if (!sides[i].slow) side_save(&sides[i]);
  }
  wire_check_agreement(&wire);
}

/* Everything still under way arrives, both close, and nothing is left open. */
static void finish(void) {
  sides[0].slow = sides[1].slow = false;
  wire_run(&wire, SIZE_MAX);
  for (size_t i = 0; i < 2; i++) close_side(&sides[i]);
  wire_run(&wire, SIZE_MAX);
  for (size_t i = 0; i < 2; i++) side_check_integrity(&sides[i]);
  for (size_t i = 0; i < 2 && wire.clean; i++) {
    TW_FUZZ_ASSERT(sides[i].heard_end && sides[i].reason == TW_OK);
    TW_FUZZ_ASSERT(sides[i].received == sides[i].other->written.len);
  }
  for (size_t i = 0; i < 2; i++) {
    if (sides[i].ended) continue;
    side_note(sides[i].other, tw_channel_input_end(sides[i].other->channel, wire.now_ms));
    side_take_events(sides[i].other);
  }
}

static void begin(uint8_t settings) {
  static const uint64_t bytes[] = {0, 1, 1000, 20000};
  wire.now_ms = UINT64_C(1750000000000);
  wire.clean = true;
  wire.resumed = rogue = false;
  for (size_t i = 0; i < 2; i++) {
    side *s = &sides[i];
    s->options = tw_channel_options_default;
    s->options.rekey_after_bytes = bytes[settings % 4];
    if (settings & 4) s->options.output_high_water = 2000;
    if (settings & 8) s->options.padding_block = 100;
    if (settings & 16) s->options.input_max = TW_RECORD_WIRE_MAX;
    if (settings & 32) s->options.rekey_after_ms = 700;
    s->options.handshake_timeout_ms = settings & 64 ? 5000 : 0;
    s->config.options = &s->options;
    s->barred = SIZE_MAX;
    tw_fuzz_must(i == 0 ? tw_channel_connect(&s->config, wire.now_ms, &s->channel)
                        : tw_channel_accept(&s->config, wire.now_ms, &s->channel));
  }
  if (settings & 128) return;
  wire_run(&wire, SIZE_MAX);
  TW_FUZZ_ASSERT(sides[0].heard_established && sides[1].heard_established);
}

static void seed(const char *name, tw_bytes actions) { tw_fuzz_write_seed(name, actions); }

/* An action of the first side is its number, of the second its number + 140, a multiple of 28. */
int LLVMFuzzerInitialize(int *argc, char ***argv) { /* NOLINT: the prototype that libFuzzer gives */
  (void)argc;
  (void)argv;
  tw_fuzz_restart_apart();
  wire_init(&wire);
  if (tw_fuzz_seed_folder() == NULL) return 0;
  seed("data", TW_LITERAL("\x00\x00\x10\x00\x8c\x00\x20\x09\x01\x00\x0b\x09\xff\xff\x97"));
  seed("pieces",
       TW_LITERAL(
           "\x80\x04\x00\x40\x05\x00\x20\x04\xff\xff\x05\x00\x03\x06\xff\xff\x90\x00\x10\x91\x00\x07\x09\x00\x05"));
  seed("rekeys", TW_LITERAL("\x00\x03\x09\x00\xff\x8f\x09\xff\xff\x03\x8f\x09\x00\x40\x00\x01\x00\x09\xff\xff"));
  seed("by_bytes", TW_LITERAL("\x0a\x00\x30\x00\x8c\x20\x00\x09\x10\x00\x02\x10\x00\x8e\x08\x00\x09\xff\xff"));
  seed("by_time", TW_LITERAL("\x20\x08\x04\x94\x02\x00\x01\x00\x09\x01\x00\x08\x04\x09\xff\xff"));
  seed("half_closed", TW_LITERAL("\x00\x0b\x8c\x10\x00\x09\x00\x80\x03\x8f\x09\xff\xff\x97\x09\xff\xff"));
  seed("stalled",
       TW_LITERAL("\x14\x00\xff\xff\x04\xff\xff\x05\xff\xff\x93\x00\x10\x05\x10\x00\x00\x80\x00\x09\xff\xff"));
  seed("changed", TW_LITERAL("\x00\x00\x01\x00\x04\xff\xff\x0c\x00\x00\x10\x80\x09\xff\xff"));
  seed("changed_hello", TW_LITERAL("\x80\x04\xff\xff\x0c\x00\x00\x50\x04\x09\xff\xff"));
  seed("cut", TW_LITERAL("\x00\x00\x01\x00\x04\xff\xff\x0c\x01\x00\x10\x00\x09\x09\xff\xff\x12"));
  seed("injected", TW_LITERAL("\x80\x04\xff\xff\x0c\x02\x00\x00\x07\x15\x03\x03\x00\x02\x01\x5a\x09\xff\xff"));
  seed("records", TW_LITERAL("\x00\x00\x01\x00\x00\x01\x00\x04\xff\xff\x0d\x02\x09\xff\xff"));
  seed("dropped_at_rekey", TW_LITERAL("\x00\x8f\x00\x01\x00\x90\xff\xff\x91\xff\xff\x04\xff\xff\x0d\x00\x09\xff\xff"));
  seed("rogue_records", TW_LITERAL("\x00\x0e\x00\x02hi\x0e\x80\x00\x0e\x01\x00\x09\xff\xff"));
  seed("rogue_alert", TW_LITERAL("\x00\x0e\x02\x02\x01\x5a\x0e\x02\x02\x02\x28\x09\xff\xff"));
  seed("rogue_long", TW_LITERAL("\x00\x0e\xb8\x00\x09\xff\xff"));
  seed("rogue_epoch", TW_LITERAL("\x00\x8f\x90\xff\xff\x91\xff\xff\x0f\x08\x00\x09\xff\xff"));
  seed("rogue_update", TW_LITERAL("\x00\x0f\x01\x00\x10\x20\x20\xff\xff\x09\xff\xff\x0f\x02\x00\x09\xff\xff"));
  seed("rogue_two", TW_LITERAL("\x00\x0f\x01\x00\x01\x09\xff\xff"));
  seed("rogue_number", TW_LITERAL("\x00\x10\x00\x00\x00\x10\x09\xff\xff"));
  seed("resumed", TW_LITERAL("\x00\x00\x10\x00\x14\x09\xff\xff\x8c\x20\x00\xa0\x09\xff\xff\x03\x09\xff\xff"));
  seed("early", TW_LITERAL("\x00\x1b\x01\x00\x09\xff\xff\xa7\x01\x00\x09\xff\xff\x00\x01\x00"));
  seed("early_again", TW_LITERAL("\x00\x1b\x01\x00\x04\xff\xff\x05\xff\xff\x1b\x02\x00\x09\xff\xff"));
  seed("slow_disks",
       TW_LITERAL("\x00\x17\xa3\x1b\x01\x00\x09\xff\xff\x16\x09\xff\xff\xa2\x09\xff\xff\x16\x09\xff\xff"));
  seed("crossed", TW_LITERAL("\x00\x03\x8f\xa7\x01\x00\x09\xff\xff\x00\x01\x00\x8c\x01\x00\x09\xff\xff"));
  seed("replayed", TW_LITERAL("\x00\x1b\x01\x00\x09\xff\xff\x18\x01\xa4\x01\x18\x04\xa4\x04\x14\x09\xff\xff\x18\x03"));
  seed("reopened_early_changed", TW_LITERAL("\x00\x1b\x01\x00\x04\xff\xff\x0c\x00\x00\x10\x80\x09\xff\xff\x14"));
  seed("load_damaged", TW_LITERAL("\x00\x1a\x01\x00\x09\x01\x00\x20\x01\x14\x09\xff\xff"));
  seed("failures",
       TW_LITERAL("\x00\x11\x04\x03\x11\x10\x00\x00\x40\x11\x02\x04\xff\xff\x04\xff\xff\x11\x05\x05\xff\xff"));
  tw_fuzz_seeds_done();
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  tw_reader r = tw_reader_of(TW_BYTES(data, size));
  tw_fuzz_restart();
  tw_fuzz_fail(0, 0);
  begin(tw_read_u8(&r));
  for (size_t i = 0; i < ACTIONS && tw_reader_more(&r); i++) act(&r);
  finish();
  wire_clear(&wire);
  for (size_t i = 0; i < 2; i++) tw_buf_clear(&recorded[i]);
  return 0;
}

/*
 * Two nodes whose pair goes on by mail (D19), and a relay that does with their messages whatever an input says. Then it
 * does its duty, and they understand each other before long. SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "pair/message.h"
#include "pair_mail/world.h"

/* ROUNDS: how often somebody has waited for something in vain. MESSAGES: that are sent until both understand. */
enum { ACTIONS = 48, ROUNDS = 100, MESSAGES = 100 };

/* ---- what a relay makes of mail ---- */

static tw_bytes recorded(tw_reader *r) {
  const size_t count = the_world.said < WORLD_HISTORY ? the_world.said : WORLD_HISTORY;
  const size_t back = tw_read_u8(r);
  return count == 0 ? TW_NO_BYTES
                    : tw_buf_bytes(&the_world.history[(the_world.said - 1 - back % count) % WORLD_HISTORY].message);
}

/* Whatever was sent, by either end, to either end, again. */
static void repeat(world_end *to, tw_reader *r) {
  const tw_bytes message = recorded(r);
  if (message.len > 0) world_mail(to, message);
}

static void swap(world_end *to, tw_reader *r) {
  if (to->letter_count < 2) return;
  const size_t with = 1 + tw_read_u8(r) % (to->letter_count - 1);
  const tw_buf first = to->letters[0];
  to->letters[0] = to->letters[with];
  to->letters[with] = first;
}

/* What comes next, or came before. */
static tw_buf source(const world_end *to, tw_reader *r) {
  tw_buf message = {0};
  const uint8_t which = tw_read_u8(r);
  if (which & 1)
    tw_fuzz_must(tw_buf_assign(&message, recorded(r)));
  else if (to->letter_count > 0)
    tw_fuzz_must(tw_buf_assign(&message, tw_buf_bytes(&to->letters[0])));
  return message;
}

static void bend(world_end *to, tw_reader *r) {
  tw_buf message = source(to, r);
  const uint8_t how = tw_read_u8(r);
  switch (message.len == 0 ? 0 : how % 4) {
  case 0: (void)tw_fuzz_edit(r, message.ptr, message.len); break;
  case 1: /* where what MLS does not protect begins and ends */
    (void)tw_fuzz_edit(r, message.ptr, message.len < 64 ? message.len : 64);
    (void)tw_fuzz_edit(r, message.ptr + (message.len < 24 ? 0 : message.len - 24), message.len < 24 ? message.len : 24);
    break;
  case 2: message.len = tw_read_u16(r) % message.len; break;
  default: tw_fuzz_must(tw_buf_append(&message, tw_fuzz_chunk(r))); break;
  }
  world_mail(to, tw_buf_bytes(&message));
  tw_buf_clear(&message);
}

/* The front of one, the end of another. */
static void splice(world_end *to, tw_reader *r) {
  tw_buf message = source(to, r);
  const tw_bytes with = recorded(r);
  const size_t at = message.len == 0 ? 0 : tw_read_u16(r) % message.len;
  if (at < with.len) {
    message.len = at;
    tw_fuzz_must(tw_buf_append(&message, TW_BYTES(with.ptr + at, with.len - at)));
  }
  world_mail(to, tw_buf_bytes(&message));
  tw_buf_clear(&message);
}

enum { HEAD = 4 }; /* of a TwoPartyMLSMessage: its version and type */

/* As another type; what is before MLS's part is dropped, and 0 in its place where the new type has more. */
static void rename_body(tw_bytes body, uint8_t type, tw_buf *out) {
  static const uint8_t zeros[TW_PAIR_NONCE + 1];
  static const size_t heads[] = {0, 0, 0, 0, 0, TW_PAIR_NONCE, TW_PAIR_NONCE + 1, 0};
  const size_t had = heads[body.ptr[3] % 8];
  tw_fuzz_must(tw_buf_append(out, TW_BYTES(body.ptr, HEAD)));
  out->ptr[3] = type;
  tw_fuzz_must(tw_buf_append(out, TW_BYTES(zeros, heads[type % 8])));
  if (HEAD + had <= body.len) tw_fuzz_must(tw_buf_append(out, TW_BYTES(body.ptr + HEAD + had, body.len - HEAD - had)));
}

/* What the relay can say as well as an end can, or better: all of a NodeMail but its body, and the body's type. */
static void relabel(world_end *to, tw_reader *r) {
  tw_buf message = source(to, r);
  tw_buf body = {0};
  tw_buf forged = {0};
  tw_mail mail;
  tw_mail another;
  const uint8_t what = tw_read_u8(r);
  const uint8_t type = tw_read_u8(r) % 8;
  if (tw_mail_decode(tw_buf_bytes(&message), &mail) == TW_OK && mail.body.len >= HEAD) {
    if (what & 1) mail.kind = mail.kind == TW_MAIL_PAIR ? TW_MAIL_PAIR_ANSWER : TW_MAIL_PAIR;
    if ((what & 6) && tw_mail_decode(recorded(r), &another) == TW_OK) {
      if (what & 2) memcpy(mail.ref, another.ref, sizeof mail.ref);
      if (what & 4) memcpy(mail.request, another.request, sizeof mail.request);
      /* As if it answered the request in there. */
      const bool is_request = another.body.len >= HEAD + TW_PAIR_NONCE &&
                              another.body.ptr[3] == TW_PAIR_RESUMPTION_REQUEST;
      if ((what & 8) && is_request) memcpy(mail.request, another.body.ptr + HEAD, sizeof mail.request);
    }
    if (what & 16) {
      rename_body(mail.body, type, &body);
      mail.body = tw_buf_bytes(&body);
    }
    tw_fuzz_must(tw_mail_encode(&mail, &forged));
    world_mail(to, tw_buf_bytes(&forged));
  }
  tw_buf_clear(&message);
  tw_buf_clear(&body);
  tw_buf_clear(&forged);
}

/* That an update is there, which anybody can say but for the tag. */
static void make_up(world_end *to, tw_reader *r) {
  tw_buf body = {0};
  tw_buf forged = {0};
  tw_mail mail = {.kind = TW_MAIL_PAIR};
  tw_mail another;
  const tw_pairs_peer *peer = world_peer(to);
  const uint8_t ahead = tw_read_u8(r);
  if (peer == NULL) return;
  const tw_bytes id = tw_group_id(tw_pair_group(peer->pair));
  memcpy(mail.ref, id.ptr + id.len - TW_MAIL_REF, TW_MAIL_REF);
  const tw_pair_message update = {.type = TW_PAIR_EPOCH_KEY_UPDATE,
                                  .epoch = tw_group_epoch(tw_pair_group(peer->pair)) + ahead % 4};
  tw_fuzz_must(tw_pair_message_encode(&update, &body));
  if ((ahead & 128) && tw_mail_decode(recorded(r), &another) == TW_OK && another.body.len >= TW_PAIR_TAG)
    tw_fuzz_must(tw_buf_append(&body, TW_BYTES(another.body.ptr + another.body.len - TW_PAIR_TAG, TW_PAIR_TAG)));
  else
    tw_fuzz_must(tw_buf_append(&body, tw_fuzz_chunk(r)));
  mail.body = tw_buf_bytes(&body);
  tw_fuzz_must(tw_mail_encode(&mail, &forged));
  world_mail(to, tw_buf_bytes(&forged));
  tw_buf_clear(&body);
  tw_buf_clear(&forged);
}

/* What it hands out next in place of a client_hello: a used one, the asker's own, a bent or a cut one. */
static void lie_with_hello(world_end *owner, tw_reader *r) {
  const uint8_t how = tw_read_u8(r);
  const world_end *of = how & 4 ? world_other(owner) : owner;
  const size_t count = of->hello_count < WORLD_HELLOS ? of->hello_count : WORLD_HELLOS;
  if (count == 0) return;
  tw_buf *hello = &the_world.next_hello;
  tw_fuzz_must(tw_buf_assign(hello, tw_buf_bytes(&of->hellos[tw_read_u8(r) % count])));
  if ((how & 3) == 1) (void)tw_fuzz_edit(r, hello->ptr, hello->len);
  if ((how & 3) == 2) hello->len = 1 + tw_read_u16(r) % (hello->len - 1);
}

/* ---- what happens ---- */

static void pass(tw_reader *r) {
  const uint8_t n = tw_read_u8(r);
  world_pass(n & 128 ? (uint64_t)(n & 127) * 60000 : (uint64_t)n * 1000);
  for (size_t i = 0; i < 2; i++) world_tick(&the_world.ends[i]);
}

/* Both take a client_hello of the other's before they hear of it. */
static void begin_at_once(void) {
  world_end *ends = the_world.ends;
  for (size_t i = 0; i < 2; i++) world_want(&ends[i]);
  for (size_t i = 0; i < 6; i++) world_serve(&ends[i % 2], false);
}

static void do_once(world_end *s, uint8_t what) {
  switch (what % 8) {
  case 0: world_serve(s, false); break;
  case 1: world_deliver(s); break;
  case 2: world_rekey(s); break;
  case 3: world_resume(s); break;
  case 4: (void)world_packet(s); break;
  case 5: world_restart(s, false); break;
  case 6: world_relink(s); break;
  default: world_tick(s); break;
  }
}

/* Something during which an allocation or a draw fails, or the disk. */
static void fail_in(tw_reader *r) {
  const uint8_t n = tw_read_u8(r);
  const uint8_t what = tw_read_u8(r);
  world_end *s = &the_world.ends[what >> 7];
  s->disk_fails = (what & 64) != 0;
  s->disk_is_unreadable = (what & 96) == 96;
  if (!s->disk_fails) tw_fuzz_fail(n & 128 ? 0 : (size_t)n * 2 + 1, n & 128 ? (n & 15) + 1u : 0);
  do_once(s, what);
  tw_fuzz_fail(0, 0);
  s->disk_fails = s->disk_is_unreadable = false;
}

static void act(tw_reader *r) {
  static const tw_control_status refusals[] = {TW_CONTROL_FULL, TW_CONTROL_BUSY, TW_CONTROL_UNKNOWN,
                                               TW_CONTROL_FORBIDDEN};
  const uint8_t action = tw_read_u8(r);
  world_end *s = &the_world.ends[action >> 7];
  switch (action % 32) {
  case 0:
  case 1: world_serve(s, false); break;
  case 2:
  case 3: world_deliver(s); break;
  case 4:
  case 5: (void)world_packet(s); break;
  case 6: world_want(s); break;
  case 7:
  case 8: world_rekey(s); break;
  case 9:
  case 10: world_resume(s); break;
  case 11:
  case 12: pass(r); break;
  case 13: world_serve(s, true); break;
  case 14: world_relink(s); break;
  case 15: world_lose_letter(s); break;
  case 16: swap(s, r); break;
  case 17:
  case 18: repeat(s, r); break;
  case 19:
  case 20: bend(s, r); break;
  case 21: splice(s, r); break;
  case 22:
  case 23: relabel(s, r); break;
  case 24: make_up(s, r); break;
  case 25: lie_with_hello(s, r); break;
  case 26: world_restart(s, false); break;
  case 27: world_restart(s, true); break;
  case 28: fail_in(r); break;
  case 29: the_world.next_status = refusals[tw_read_u8(r) % 4]; break;
  case 30: world_calm(); break;
  default: begin_at_once(); break;
  }
}

/* ---- the end ---- */

static void wait(void) {
  uint64_t at_ms = UINT64_MAX;
  for (size_t i = 0; i < 2; i++) {
    const uint64_t deadline_ms = tw_pairs_deadline(the_world.ends[i].pairs);
    if (deadline_ms < at_ms) at_ms = deadline_ms;
  }
  world_pass(at_ms < the_world.now_ms + 1000 || at_ms == UINT64_MAX ? 1000 : at_ms - the_world.now_ms);
  for (size_t i = 0; i < 2; i++) world_tick(&the_world.ends[i]);
}

/* Mail and packets in turn: what mail has brought is confirmed by packets (D13). */
static bool understand(void) {
  for (size_t i = 0; i < 6; i++) {
    world_end *e = &the_world.ends[i % 2];
    if (!e->sends) world_want(e);
    (void)world_packet(e);
    if (i % 2 == 1) world_calm();
  }
  return world_agrees();
}

/*
 * The relay does its duty from here on, and packets arrive: whatever has happened, both come to one epoch, by what they
 * do by themselves when they wait in vain, and go on from there.
 */
static void finish(void) {
  world_end *ends = the_world.ends;
  tw_buf_clear(&the_world.next_hello);
  the_world.next_status = TW_CONTROL_DONE;
  for (size_t i = 0; i < 2; i++) world_relink(&ends[i]);
  const size_t before = world_count();
  bool agree = understand();
  for (size_t round = 0; round < ROUNDS && !agree; round++) {
    wait();
    agree = understand();
  }
  TW_FUZZ_ASSERT(agree);
  TW_FUZZ_ASSERT(world_count() - before < MESSAGES);
  for (size_t i = 0; i < 2; i++) {
    const uint64_t epoch = tw_group_epoch(tw_pair_group(world_peer(&ends[i])->pair));
    world_rekey(&ends[i]);
    world_calm();
    TW_FUZZ_ASSERT(world_agrees());
    TW_FUZZ_ASSERT(tw_group_epoch(tw_pair_group(world_peer(&ends[i])->pair)) == epoch + 1);
  }
}

static void seed(const char *name, tw_bytes actions) { tw_fuzz_write_seed(name, actions); }

/* An action of the first end is its number, of the second its number + 128. The first byte says whether there is a
 * pair. */
int LLVMFuzzerInitialize(int *argc, char ***argv) { /* NOLINT: the prototype that libFuzzer gives */
  (void)argc;
  (void)argv;
  world_found();
  if (tw_fuzz_seed_folder() == NULL) return 0;
  seed("begin", TW_LITERAL("\x00\x06\x00\x00\x00\x82\x84\x04\x1e"));
  seed("begin_at_once", TW_LITERAL("\x00\x1f\x02\x82\x04\x84\x1e"));
  seed("begin_at_once_late", TW_LITERAL("\x00\x1f\x02\x04\x84\x82\x1e\x04\x84"));
  seed("begin_by_lies", TW_LITERAL("\x00\x19\x00\x00\x86\x80\x80\x80\x02\x19\x01\x01\x00\x00\x10\x01\x0b\x20\x80\x19"
                                   "\x06\x01\x00\x20\x0b\x40\x80"));
  seed("updates", TW_LITERAL("\x01\x1e\x07\x00\x82\x80\x02\x87\x80\x02\x00\x82\x04\x84"));
  seed("tie", TW_LITERAL("\x01\x1e\x07\x87\x00\x80\x02\x82\x00\x80\x02\x82\x04\x84"));
  seed("resumed", TW_LITERAL("\x01\x1e\x09\x00\x82\x80\x02\x04\x84\x89\x80\x02\x00\x82\x84\x04"));
  seed("resumed_both", TW_LITERAL("\x01\x1e\x09\x89\x00\x80\x02\x82\x00\x80\x02\x82\x04\x84"));
  seed("resumed_twice", TW_LITERAL("\x01\x1e\x09\x00\x09\x00\x82\x80\x02\x82\x80\x02\x04\x84"));
  seed("early_update", TW_LITERAL("\x01\x1e\x09\x00\x82\x80\x02\x07\x00\x82\x04\x80\x02\x84"));
  seed("lost", TW_LITERAL("\x01\x1e\x07\x00\x8f\x0b\x0b\x00\x8f\x0b\x15\x00\x82\x80\x02"));
  seed("withheld",
       TW_LITERAL(
           "\x01\x1e\x07\x00\x8f\x0b\x8b\x00\x8f\x0b\x8b\x00\x8f\x0b\x8b\x00\x8f\x0b\x8f\x00\x8f\x0b\x9f\x00\x00"));
  seed("repeated",
       TW_LITERAL("\x01\x1e\x07\x00\x82\x80\x02\x91\x00\x91\x01\x11\x00\x11\x01\x09\x00\x82\x91\x00\x80\x02\x11\x00"));
  seed("reflected", TW_LITERAL("\x01\x1e\x07\x00\x11\x00\x82\x80\x91\x00\x02"));
  seed("bent", TW_LITERAL("\x01\x1e\x07\x00\x93\x00\x00\x00\x00\x20\x01\x93\x00\x01\x00\x00\x14\x01\x00\x00\x01\x80\x93"
                          "\x00\x02\x00\x30\x93\x00\x03\x02xy\x82\x80\x02"));
  seed("spliced", TW_LITERAL("\x01\x1e\x07\x00\x82\x80\x02\x07\x00\x95\x00\x01\x00\x40\x82\x80\x02"));
  seed("relabelled", TW_LITERAL("\x01\x1e\x09\x00\x96\x00\x10\x03\x96\x00\x01\x00\x82\x80\x16\x00\x0c\x00\x01\x02\x07"
                                "\x00\x96\x00\x10\x05\x82"));
  seed("made_up", TW_LITERAL("\x01\x1e\x07\x18\x01\x00\x18\x81\x00\x00\x82\x80\x02\x07\x18\x81\x01"));
  seed("swapped", TW_LITERAL("\x01\x1e\x07\x00\x0b\x14\x00\x90\x00\x82\x82\x80\x80\x02\x02"));
  seed("restarted", TW_LITERAL("\x01\x1a\x07\x9a\x00\x1a\x82\x9a\x80\x02\x1a\x09\x1a\x00\x82\x9a\x80\x02\x1a\x04"));
  seed("disk_lost", TW_LITERAL("\x01\x1e\x9b\x07\x00\x82\x0b\xff\x07\x00\x82\x1e\x9b\x06\x1e\x04"));
  seed("failures", TW_LITERAL("\x01\x1e\x1c\x04\x02\x07\x00\x1c\x10\x81\x82\x1c\x81\x81\x0b\x0b\x00\x82\x80\x1c\x00\x41"
                              "\x02\x1c\x00\x62\x0b\x05\x0b\x05"));
  seed("refused", TW_LITERAL("\x01\x1e\x07\x1d\x00\x00\x0b\x06\x00\x82\x1d\x02\x80\x0b\x0b\x00\x82\x80\x02"));
  tw_fuzz_seeds_done();
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  tw_reader r = tw_reader_of(TW_BYTES(data, size));
  tw_fuzz_restart();
  tw_fuzz_fail(0, 0);
  world_start(tw_read_u8(&r) & 1);
  for (size_t i = 0; i < ACTIONS && tw_reader_more(&r); i++) act(&r);
  finish();
  world_clear();
  return 0;
}

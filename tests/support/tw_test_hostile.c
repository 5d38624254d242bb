/* SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_test_hostile.h"

#include <stdio.h>
#include <string.h>

#include "support/tw_cmocka.h"

#define MLS TW_CHANNEL_MLS_TLS
#define TLS TW_CHANNEL_TLS

const tw_test_stand tw_test_stands[] = {
    {MLS, true, TW_TEST_HELLO},        {MLS, false, TW_TEST_HELLO},     {MLS, false, TW_TEST_CONFIRM},
    {MLS, true, TW_TEST_UP},           {MLS, false, TW_TEST_UP},        {MLS, true, TW_TEST_HALF_CLOSED},
    {MLS, false, TW_TEST_HALF_CLOSED}, {MLS, true, TW_TEST_UPDATING},   {MLS, false, TW_TEST_UPDATING},
    {MLS, true, TW_TEST_SWITCHING},    {MLS, false, TW_TEST_SWITCHING}, {MLS, true, TW_TEST_REQUESTED},
    {MLS, false, TW_TEST_REQUESTED},   {MLS, true, TW_TEST_ASKING},     {MLS, false, TW_TEST_ASKING},
    {MLS, true, TW_TEST_ASKED},        {MLS, false, TW_TEST_ASKED},     {TLS, true, TW_TEST_HELLO},
    {TLS, false, TW_TEST_HELLO},       {TLS, true, TW_TEST_RETRIED},    {TLS, false, TW_TEST_RETRIED},
    {TLS, true, TW_TEST_ENCRYPTED},    {TLS, true, TW_TEST_FINISHED},   {TLS, false, TW_TEST_FINISHED},
    {TLS, true, TW_TEST_UP},           {TLS, false, TW_TEST_UP},        {TLS, true, TW_TEST_HALF_CLOSED},
    {TLS, false, TW_TEST_HALF_CLOSED}, {TLS, true, TW_TEST_UPDATING},   {TLS, false, TW_TEST_UPDATING},
    {TLS, true, TW_TEST_SWITCHING},    {TLS, false, TW_TEST_SWITCHING}, {TLS, true, TW_TEST_REQUESTED},
    {TLS, false, TW_TEST_REQUESTED},   {TLS, true, TW_TEST_ASKING},     {TLS, false, TW_TEST_ASKING},
    {TLS, true, TW_TEST_ASKED},        {TLS, false, TW_TEST_ASKED},
};
const size_t tw_test_stand_count = sizeof tw_test_stands / sizeof tw_test_stands[0];

const char *tw_test_stand_name(const tw_test_stand *stand) {
  static const char *const phases[] = {"hello",       "retried",  "encrypted", "finished",  "confirm", "up",
                                       "half closed", "updating", "switching", "requested", "asking",  "asked"};
  static char name[64];
  (void)snprintf(name, sizeof name, "%s, %s, %s", stand->protocol == TLS ? "TLS+MLS" : "MLS-TLS",
                 stand->by_alice ? "alice" : "bob", phases[stand->phase]);
  return name;
}

/* ---- the way there ---- */

/* Without a word of the other side's, `from` has spoken. */
static void pass(tw_test_hostile *h, tw_test_side *from) {
  tw_test_side *to = from == h->victim ? h->peer : h->victim;
  while (tw_channel_output(from->channel).len > 0) assert_true(tw_test_wire_move(&h->wire, from, to, SIZE_MAX));
}

static size_t record_size(tw_bytes from) {
  assert_true(from.len >= TW_RECORD_HEADER);
  return TW_RECORD_HEADER + (((size_t)from.ptr[3] << 8) | from.ptr[4]);
}

/* Of what the peer has to send, all that is not protected. */
static void pass_plain(tw_test_hostile *h) {
  for (tw_bytes out; out = tw_channel_output(h->peer->channel), out.len > 0;) {
    if (out.ptr[0] == TW_RECORD_APPLICATION_DATA) return;
    assert_true(tw_test_wire_move(&h->wire, h->peer, h->victim, record_size(out)));
  }
}

/* What the peer has to say next: the first handshake message of it, or the content of its first record. */
static void find_next(tw_test_hostile *h) {
  tw_bytes out = tw_channel_output(h->peer->channel);
  if (out.len == 0) return;
  while (out.ptr[0] == TW_RECORD_CHANGE_CIPHER_SPEC) out = TW_BYTES(out.ptr + 6, out.len - 6);
  const size_t size = record_size(out);
  h->next_is_protected = out.ptr[0] == TW_RECORD_APPLICATION_DATA;
  h->next_type = out.ptr[0];
  static uint8_t plain[TW_RECORD_SIZE_MAX];
  size_t len = size - TW_RECORD_HEADER;
  if (h->next_is_protected) {
    tw_record_content content;
    tw_record_key key = h->victim->channel->receive; /* the same AEAD, and numbers of its own */
    tw_err err = tw_record_open(&key, out.ptr, size, plain, &content);
    if (err != TW_OK && tw_record_key_is_set(&h->victim->channel->receive_next)) {
      key = h->victim->channel->receive_next;
      key.sequence = h->victim->channel->receive.sequence;
      err = tw_record_open(&key, out.ptr, size, plain, &content);
    }
    if (err != TW_OK) fail_msg("%s: what comes next does not open", tw_test_stand_name(h->stand));
    h->next_type = content.type;
    len = content.len;
  } else {
    memcpy(plain, out.ptr + TW_RECORD_HEADER, len);
  }
  size_t first = len;
  if (h->next_type == TW_RECORD_HANDSHAKE) first = 4 + (((size_t)plain[1] << 16) | ((size_t)plain[2] << 8) | plain[3]);
  assert_true(first <= len);
  assert_int_equal(tw_buf_append(&h->next, TW_BYTES(plain, first)), TW_OK);
}

static void go_to_hello(tw_test_hostile *h) {
  tw_test_wire_open(&h->wire);
  if (h->stand->by_alice) pass(h, h->victim);
}

static void go_to_retried(tw_test_hostile *h) {
  tw_test_side *alice = &h->wire.alice, *bob = &h->wire.bob;
  h->tls[1].retry = true;
  tw_test_wire_open(&h->wire);
  pass(h, alice);
  pass(h, bob);
  if (h->stand->by_alice) pass(h, alice);
}

static void go_to_finished(tw_test_hostile *h) {
  tw_test_wire_open(&h->wire);
  pass(h, &h->wire.alice);
  if (!h->stand->by_alice) {
    pass(h, &h->wire.bob);
    return;
  }
  pass_plain(h);
  if (h->stand->phase != TW_TEST_FINISHED) return;
  const size_t size = record_size(tw_channel_output(h->peer->channel));
  assert_true(tw_test_wire_move(&h->wire, h->peer, h->victim, size));
}

static void rekey(tw_test_hostile *h, tw_test_side *side) {
  assert_int_equal(tw_channel_rekey(side->channel, h->wire.now_ms), TW_OK);
  tw_test_side_save(side);
}

static void go_from_established(tw_test_hostile *h) {
  tw_test_wire_establish(&h->wire);
  switch (h->stand->phase) {
  case TW_TEST_UP: rekey(h, h->peer); return;
  case TW_TEST_HALF_CLOSED:
    assert_int_equal(tw_channel_close(h->peer->channel), TW_OK);
    pass(h, h->peer);
    rekey(h, h->peer);
    return;
  case TW_TEST_UPDATING:
    rekey(h, h->victim);
    pass(h, h->victim);
    return;
  case TW_TEST_SWITCHING:
    rekey(h, h->peer);
    pass(h, h->peer);
    pass(h, h->victim);
    return;
  case TW_TEST_ASKING:
    tw_test_wire_reopen(&h->wire, h->victim);
    pass(h, h->victim);
    return;
  case TW_TEST_REQUESTED: tw_test_wire_reopen(&h->wire, h->peer); return;
  case TW_TEST_ASKED:
    tw_test_wire_reopen(&h->wire, h->peer);
    pass(h, h->peer);
    pass(h, h->victim);
    return;
  default: fail();
  }
}

static void go(tw_test_hostile *h) {
  switch (h->stand->phase) {
  case TW_TEST_HELLO: go_to_hello(h); return;
  case TW_TEST_RETRIED: go_to_retried(h); return;
  case TW_TEST_ENCRYPTED: go_to_finished(h); return;
  case TW_TEST_FINISHED: go_to_finished(h); return;
  case TW_TEST_CONFIRM: go_to_finished(h); return;
  default: go_from_established(h); return;
  }
}

void tw_test_hostile_init(tw_test_hostile *h) {
  memset(h, 0, sizeof *h);
  tw_test_wire_init(&h->wire, tw_suite_by_id(NULL, 1));
  tw_test_wire_durable(&h->wire);
  h->blocks = h->wire.test.alloc_blocks;
}

void tw_test_hostile_go(tw_test_hostile *h, const tw_test_stand *stand, uint64_t seed) {
  static const uint8_t cookie_key[48] = {7};
  tw_test_env_reseed(&h->wire.test, seed);
  h->wire.now_ms = TW_TEST_NOW_MS;
  h->stand = stand;
  h->next.len = 0;
  tw_test_side *const sides[] = {&h->wire.alice, &h->wire.bob};
  for (size_t i = 0; i < 2; i++) {
    h->tls[i] = (tw_channel_tls){.cookie_key = TW_ARRAY(cookie_key)};
    sides[i]->config.protocol = stand->protocol;
    sides[i]->config.tls = &h->tls[i];
    sides[i]->options = tw_channel_options_default;
  }
  h->victim = sides[stand->by_alice ? 0 : 1];
  h->peer = sides[stand->by_alice ? 1 : 0];
  go(h);
  assert_true(h->victim->last == TW_OK && h->peer->last == TW_OK);
  find_next(h);
}

void tw_test_hostile_done(tw_test_hostile *h) {
  tw_test_side *const sides[] = {&h->wire.alice, &h->wire.bob};
  for (size_t i = 0; i < 2; i++) {
    tw_test_side *side = sides[i];
    tw_channel_free(side->channel);
    side->channel = NULL;
    tw_buf_clear(&side->received);
    tw_buf_clear(&side->disk);
    side->saves = 0;
    side->event_count = 0;
    side->last = TW_OK;
  }
  assert_int_equal(h->wire.test.alloc_blocks, h->blocks);
}

void tw_test_hostile_clear(tw_test_hostile *h) {
  tw_buf_clear(&h->next);
  tw_test_wire_clear(&h->wire);
}

/* ---- throwing ---- */

bool tw_test_has_key(const tw_test_hostile *h) { return tw_record_key_is_set(&h->victim->channel->receive); }

bool tw_test_shakes_hands(const tw_test_hostile *h) { return h->victim->channel->tls != NULL; }

/* Sections 5.2 and 5.3, for contents and types that the record layer would not send. */
static void seal(const tw_record_key *key, uint64_t sequence, uint8_t type, tw_bytes content, tw_buf *out) {
  uint8_t nonce[TW_AEAD_NONCE];
  memcpy(nonce, key->iv, sizeof nonce);
  for (unsigned i = 0; i < 8; i++) nonce[TW_AEAD_NONCE - 1 - i] ^= (uint8_t)(sequence >> (8 * i));
  const size_t len = content.len + 1 + TW_AEAD_TAG;
  const uint8_t header[TW_RECORD_HEADER] = {TW_RECORD_APPLICATION_DATA, 3, 3, (uint8_t)(len >> 8), (uint8_t)len};
  static uint8_t inner[TW_RECORD_SIZE_MAX];
  if (content.len > 0) memcpy(inner, content.ptr, content.len);
  inner[content.len] = type;
  assert_int_equal(tw_aead_key_seal(key->aead, nonce, TW_ARRAY(header), TW_BYTES(inner, content.len + 1), inner),
                   TW_OK);
  assert_int_equal(tw_buf_append(out, TW_ARRAY(header)), TW_OK);
  assert_int_equal(tw_buf_append(out, TW_BYTES(inner, len)), TW_OK);
}

void tw_test_make_record(const tw_test_hostile *h, bool is_protected, uint64_t ahead, uint8_t type, tw_bytes content,
                         tw_buf *out) {
  if (is_protected) {
    const tw_record_key *key = &h->victim->channel->receive;
    seal(key, key->sequence + ahead, type, content, out);
    return;
  }
  const uint8_t header[TW_RECORD_HEADER] = {type, 3, 3, (uint8_t)(content.len >> 8), (uint8_t)content.len};
  assert_int_equal(tw_buf_append(out, TW_ARRAY(header)), TW_OK);
  assert_int_equal(tw_buf_append(out, content), TW_OK);
}

tw_err tw_test_throw(tw_test_hostile *h, bool is_protected, uint8_t type, tw_bytes content) {
  tw_buf record = {0};
  tw_test_make_record(h, is_protected, 0, type, content, &record);
  const tw_err err = tw_test_side_give(&h->wire, h->victim, tw_buf_bytes(&record));
  tw_buf_clear(&record);
  return err;
}

/* ---- what came of it ---- */

void tw_test_assert_ended(const tw_test_hostile *h, tw_err reason, int alert) {
  const tw_channel *channel = h->victim->channel;
  const tw_channel_event *event = tw_test_side_event(h->victim, TW_CHANNEL_CLOSED);
  assert_non_null(event);
  assert_int_equal(event->reason, reason);
  assert_int_equal(event->alert, alert < 0 ? 0 : alert);
  assert_int_equal(tw_test_side_count(h->victim, TW_CHANNEL_CLOSED), 1);
  assert_true(tw_channel_ended(channel));
  assert_false(tw_record_key_is_set(&channel->send));
  assert_false(tw_record_key_is_set(&channel->receive));
  assert_false(tw_record_key_is_set(&channel->receive_next));
  assert_true(channel->pair == NULL && channel->tls == NULL);
  assert_true(channel->input.cap == 0 && channel->handshake.cap == 0 && channel->trial.cap == 0);
  assert_int_equal(tw_channel_deadline(channel), UINT64_MAX);
  size_t taken;
  assert_int_equal(tw_channel_input(h->victim->channel, TW_LITERAL("x"), h->wire.now_ms, &taken), TW_ERR_CLOSED);
}

void tw_test_assert_open(const tw_test_hostile *h) {
  assert_false(tw_channel_ended(h->victim->channel));
  assert_int_equal(tw_test_side_count(h->victim, TW_CHANNEL_CLOSED), 0);
}

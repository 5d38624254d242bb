/*
 * A TLS handshake of MLS in the hands of an attacker. The first byte says how the sides are set up and whether memory
 * or randomness fails; then an action for each message that one side sends the other: pass, edit, replace, drop, double
 * it, or give it back to its sender. Both sides are done only if nobody has changed anything.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz_party.h"
#include "tls/tls.h"

enum { PASS = 0, EDIT = 1, REPLACE = 2, DROP = 3, DOUBLE = 4, RETURN = 5, ACTIONS = 6 };
enum { RETRY = 1, NAMED = 2, FAILING = 4, MESSAGES_MAX = 16 };
#define NOW_MS UINT64_C(1800000000000)

typedef struct side {
  tw_tls *tls;
  tw_tls_level send_level;
  tw_tls_level receive_level;
  tw_err err;
} side;

static tw_fuzz_party alice, bob;
static side client, server;
static bool changed;

int LLVMFuzzerInitialize(int *argc, char ***argv) { /* NOLINT: the prototype that libFuzzer gives */
  (void)argc;
  (void)argv;
  if (tw_fuzz_seed_folder() != NULL) {
    tw_fuzz_write_seed("all_well", TW_LITERAL("\2\0\0\0\0\0"));
    tw_fuzz_write_seed("retry", TW_LITERAL("\3\0\0\0\0\0\0\0"));
    tw_fuzz_write_seed("edited_hello", TW_LITERAL("\2\1\3\0\x10\1"));
    tw_fuzz_write_seed("edited_answer", TW_LITERAL("\2\0\1\3\0\x40\1"));
    tw_fuzz_write_seed("edited_finished", TW_LITERAL("\2\0\0\0\1\3\0\x8\1"));
    tw_fuzz_write_seed("replaced", TW_LITERAL("\2\0\2\x8\2\0\0\4\3\3\0\0"));
    tw_fuzz_write_seed("doubled", TW_LITERAL("\2\4\4\0"));
    tw_fuzz_write_seed("returned", TW_LITERAL("\2\5"));
    tw_fuzz_write_seed("dropped", TW_LITERAL("\2\0\3\0\0"));
    tw_fuzz_write_seed("no_memory", TW_LITERAL("\4\x20\0\0\0\0\0\0"));
    tw_fuzz_seeds_done();
  }
  tw_fuzz_restart_apart();
  tw_fuzz_party_init(&alice, "alice");
  tw_fuzz_party_init(&bob, "bob");
  return 0;
}

/* The steps of one side up to its next message, which is copied; false when there is none. */
static bool next_message(side *from, tw_buf *message) {
  tw_tls_step step;
  while (tw_tls_next_step(from->tls, &step)) {
    const bool has_secret = step.kind == TW_TLS_STEP_SEND_KEY || step.kind == TW_TLS_STEP_RECEIVE_KEY;
    TW_FUZZ_ASSERT((step.secret.len > 0) == has_secret);
    tw_secret_clear(&step.secret);
    if (step.kind == TW_TLS_STEP_SEND_KEY) from->send_level = step.level;
    if (step.kind == TW_TLS_STEP_RECEIVE_KEY) from->receive_level = step.level;
    if (step.kind != TW_TLS_STEP_SEND) continue;
    TW_FUZZ_ASSERT(step.level == from->send_level);
    tw_fuzz_must(tw_buf_append(message, step.message));
    return true;
  }
  return false;
}

static void give(side *to, tw_bytes message) {
  if (to->err != TW_OK || tw_tls_state_of(to->tls) == TW_TLS_STANDARD) return;
  /* What a side says in the midst of a flight is lost. */
  tw_buf lost = {0};
  while (next_message(to, &lost)) changed = true;
  tw_buf_clear(&lost);
  to->err = tw_tls_receive(to->tls, to->receive_level, message, true, NOW_MS);
  if (to->err == TW_OK) return;
  TW_FUZZ_ASSERT(tw_tls_state_of(to->tls) == TW_TLS_FAILED && tw_tls_alert_told(to->tls) != 0);
  if (!tw_fuzz_has_failed()) {
    tw_fuzz_check_peer_error(to->err);
    TW_FUZZ_ASSERT(tw_tls_alert_told(to->tls) != TW_ALERT_INTERNAL_ERROR);
  }
}

static void act(tw_reader *r, side *from, side *to, tw_buf *message) {
  const unsigned action = tw_reader_more(r) ? tw_read_u8(r) % ACTIONS : PASS;
  tw_buf before = {0};
  tw_fuzz_must(tw_buf_append(&before, tw_buf_bytes(message)));
  if (action == EDIT) (void)tw_fuzz_edit(r, message->ptr, message->len);
  if (action == REPLACE) {
    message->len = 0;
    tw_fuzz_must(tw_buf_append(message, tw_fuzz_chunk(r)));
  }
  if (action > REPLACE || !tw_bytes_equal(tw_buf_bytes(&before), tw_buf_bytes(message))) changed = true;
  tw_buf_clear(&before);
  if (action == DROP) return;
  if (action == DOUBLE) give(to, tw_buf_bytes(message));
  give(action == RETURN ? from : to, tw_buf_bytes(message));
}

/* Whole flights, so that steps are taken before anything comes in. */
static bool pass_flight(tw_reader *r, side *from, side *to) {
  tw_buf messages[MESSAGES_MAX] = {0};
  size_t count = 0;
  if (from->err != TW_OK) return false;
  while (count < MESSAGES_MAX && next_message(from, &messages[count])) count++;
  for (size_t i = 0; i < count; i++) {
    act(r, from, to, &messages[i]);
    tw_buf_clear(&messages[i]);
  }
  return count > 0;
}

static bool is_done(const side *one) { return tw_tls_state_of(one->tls) == TW_TLS_DONE; }

static void check_end(void) {
  const bool both = is_done(&client) && is_done(&server);
  if (tw_fuzz_has_failed()) return;
  TW_FUZZ_ASSERT(both == !changed);
  if (!both) return;
  tw_tls_result a;
  tw_tls_result b;
  tw_fuzz_must(tw_tls_take(client.tls, &a));
  tw_fuzz_must(tw_tls_take(server.tls, &b));
  TW_FUZZ_ASSERT(tw_secret_equal(tw_secret_bytes(&a.exporter), tw_secret_bytes(&b.exporter)));
  tw_secret_clear(&a.exporter);
  tw_secret_clear(&b.exporter);
  tw_pair_free(a.pair);
  tw_pair_free(b.pair);
}

static bool start(const tw_tls_config *of_client, const tw_tls_config *of_server) {
  if (tw_tls_client_new(of_client, NOW_MS, &client.tls) != TW_OK) return false;
  if (tw_tls_server_new(of_server, &server.tls) != TW_OK) return false;
  return tw_tls_client_start(client.tls, TW_NO_BYTES) == TW_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const tw_bytes names[] = {TW_LITERAL("server.example")};
  tw_fuzz_restart();
  tw_reader r = tw_reader_of(TW_BYTES(data, size));
  const uint8_t how = tw_read_u8(&r);
  const tw_tls_config of_client = {.clients = alice.clients,
                                   .client_count = 1,
                                   .server_names = names,
                                   .server_name_count = (how & NAMED) != 0,
                                   .protocols = names,
                                   .protocol_count = (how & NAMED) != 0,
                                   .record_size_limit = (how & NAMED) != 0 ? 100 : 0};
  tw_tls_config of_server = of_client;
  of_server.clients = bob.clients;
  of_server.retry = (how & RETRY) != 0;
  of_server.cookie_key = TW_LITERAL("key");
  client = server = (side){0};
  changed = false;
  const bool failing = (how & FAILING) != 0;
  const size_t allocation = failing ? tw_read_u8(&r) : 0;
  const size_t draw = failing ? tw_read_u8(&r) : 0;
  tw_fuzz_fail(allocation, draw);
  if (start(&of_client, &of_server)) {
    bool moved = true;
    while (moved) {
      moved = pass_flight(&r, &client, &server);
      moved = pass_flight(&r, &server, &client) || moved;
    }
    check_end();
  } else {
    TW_FUZZ_ASSERT(tw_fuzz_has_failed());
  }
  tw_tls_free(client.tls);
  tw_tls_free(server.tls);
  tw_fuzz_fail(0, 0);
  return 0;
}

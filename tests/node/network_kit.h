/* Nodes of one network in one process, and the delivery service between them. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_NETWORK_KIT_H
#define TW_TESTS_NETWORK_KIT_H

#include "node/network_kit_node.h"

/* ---- the relay ---- */

static inline void kit_on_answer(void *ctx, uint64_t tag, const tw_control_answer *answer) {
  tw_control_answer copy = *answer;
  (void)ctx;
  (void)tag;
  copy.request = 1;
  if (world.tells && copy.status != TW_CONTROL_DONE && copy.status != TW_CONTROL_TAKEN)
    print_message("         relay: %.*s\n", (int)copy.body.words.len, (const char *)copy.body.words.ptr);
  tw_buf_consume(&world.answer, world.answer.len);
  assert_int_equal(tw_control_answer_encode(&copy, &world.answer), TW_OK);
}

static inline void kit_on_mail(void *ctx, uint32_t number) {
  (void)ctx;
  (void)number;
}

static inline void kit_on_wants_in(void *ctx, uint32_t number, tw_bytes name, const tw_fingerprint *client) {
  (void)ctx;
  (void)name;
  for (uint32_t i = 0; i < NODES; i++) {
    if (world.nodes[i].peer.number != number) continue;
    for (uint32_t k = 0; k < NODES; k++) {
      if (memcmp(&world.nodes[k].id, client, sizeof *client) == 0) world.nodes[i].wanted_by |= 1u << k;
    }
  }
}

static inline void kit_on_moved(void *ctx, uint32_t watcher, const tw_fingerprint *client,
                                const tw_control_location *location) {
  (void)ctx;
  (void)watcher;
  (void)client;
  (void)location;
}

static inline void kit_on_locate(void *ctx, tw_control_location *locations, size_t count) {
  (void)ctx;
  (void)locations;
  (void)count;
}

static inline void kit_on_failed(void *ctx, tw_err err, const char *words) {
  (void)ctx;
  fail_msg("the relay's store: %s: %s", words, tw_err_text(err));
}

/* Done at once: the answer is in world.answer. */
static inline void kit_serve_request(kit_node *n, const tw_control_request *asked, tw_control_answer *answer) {
  assert_int_equal(tw_delivery_ask(world.delivery, &n->peer, 1, asked, world.now_ms), TW_OK);
  assert_int_equal(tw_delivery_flush(world.delivery), TW_OK);
  const tw_bytes frame = TW_BYTES(world.answer.ptr + TW_CONTROL_HEADER, world.answer.len - TW_CONTROL_HEADER);
  assert_int_equal(tw_control_answer_decode(frame, asked->type, answer), TW_OK);
}

/* Answers the oldest request of a node; `lost`: the node does not learn of it. */
static inline void serve(kit_node *n, bool lost) {
  if (n->request_count == 0) return;
  kit_request r = n->requests[0];
  memmove(n->requests, n->requests + 1, --n->request_count * sizeof r);
  tw_control_request asked;
  tw_control_answer answer;
  assert_int_equal(tw_control_request_decode(TW_BYTES(r.frame.ptr + 4, r.frame.len - 4), &asked), TW_OK);
  kit_serve_request(n, &asked, &answer);
  if (!lost) {
    tw_buf kept = world.answer; /* the engine may have it served again */
    world.answer = (tw_buf){0};
    const bool given = world.bend_answer == NULL || world.bend_answer(n, &asked, &answer);
    tw_network_answer(n->network, r.tag, given ? &answer : NULL, world.now_ms);
    tw_buf_clear(&kept);
  }
  tw_buf_clear(&r.frame);
}

static inline void hear_wants(kit_node *n) {
  const uint32_t by = n->wanted_by;
  n->wanted_by = 0;
  for (uint32_t k = 0; k < NODES; k++) {
    if (n->online && (by >> k & 1) != 0) tw_network_wants_in(n->network, KIT_NAME, &world.nodes[k].id, world.now_ms);
  }
}

/* The next entry of its mailbox; `lost`: the relay drops it. False: there is none. */
static inline bool deliver(kit_node *n, bool lost) {
  hear_wants(n);
  const tw_control_request fetch = {.type = TW_CONTROL_FETCH, .number = 1, .body.fetch = {n->read_durably, 256}};
  tw_control_answer answer;
  if (!n->online) return false;
  kit_serve_request(n, &fetch, &answer);
  tw_buf kept = world.answer;
  world.answer = (tw_buf){0};
  tw_reader walk = tw_reader_of(answer.body.fetch.entries);
  tw_control_entry entry;
  bool some = false;
  while (!some && tw_control_entry_next(&walk, &entry)) {
    if (entry.number <= n->read) continue;
    some = true;
    n->read = entry.number;
    const bool given = !lost && (world.bend_entry == NULL || world.bend_entry(n, &entry));
    if (given) tw_network_mail(n->network, &entry, world.now_ms);
    tw_buf_consume(&n->last_letter, n->last_letter.len);
    tw_writer w = tw_writer_to(&n->last_letter);
    tw_control_write_entry(&w, &entry);
    assert_int_equal(tw_writer_end(&w), TW_OK);
  }
  if (!some && !n->disk_fails) n->read_durably = n->read;
  tw_buf_clear(&kept);
  return some;
}

static inline void repeat_letter(kit_node *n) {
  tw_reader walk = tw_reader_of(tw_buf_bytes(&n->last_letter));
  tw_control_entry entry;
  if (tw_control_entry_next(&walk, &entry)) tw_network_mail(n->network, &entry, world.now_ms);
}

/* ---- nodes ---- */

static inline void connect(kit_node *n) {
  n->online = true;
  tw_network_connected(n->network, world.now_ms);
}

static inline void open_node(kit_node *n) {
  const tw_network_config config = {.client = &n->member.client,
                                    .name = KIT_NAME,
                                    .self = n->id,
                                    .port = &n->port,
                                    .keys = &n->sink,
                                    .owner = 77,
                                    .roster = {.ctx = n,
                                               .wants = kit_wants,
                                               .next_wanted = kit_next_wanted,
                                               .is_admin = world.admins != 0 ? kit_is_admin : NULL,
                                               .admits = kit_credible != 0 ? kit_admits : NULL,
                                               .accepts = kit_refused != 0 ? kit_accepts : NULL},
                                    .sign = n->sign,
                                    .rekey_after_ms = kit_rekey_after_ms,
                                    .tell = kit_tell,
                                    .ctx = n};
  assert_int_equal(tw_network_new(&config, &n->network), TW_OK);
  for (size_t i = 0; i < VALUES_MAX; i++) {
    bool ours;
    if (!n->store[i].used) continue;
    assert_int_equal(tw_network_load(n->network, n->store[i].kind, tw_buf_bytes(&n->store[i].id),
                                     tw_buf_bytes(&n->store[i].bytes), world.now_ms, &ours),
                     TW_OK);
    assert_true(ours);
  }
}

static inline void break_link(kit_node *n) {
  while (n->request_count > 0) {
    if (roll(2)) {
      serve(n, true);
    } else {
      tw_buf_clear(&n->requests[0].frame);
      memmove(n->requests, n->requests + 1, --n->request_count * sizeof n->requests[0]);
    }
  }
}

static inline void crash(kit_node *n) {
  break_link(n);
  tw_network_free(n->network);
  n->key_count = 0;
  n->sending.stamp = 0;
  n->read = n->read_durably;
  open_node(n);
  connect(n);
}

static inline void lose_disk(kit_node *n) {
  for (size_t i = 0; i < VALUES_MAX; i++) n->store[i].used = false;
  crash(n);
}

static inline void open_relay(void) {
  static tw_delivery_limits limits;
  limits = tw_delivery_limits_default;
  limits.requests_per_second = 1000000;
  limits.requests_at_once = 1000000;
  limits.admissions = 8;
  const tw_delivery_config config = {.env = &world.relay.env,
                                     .store = world.store,
                                     .limits = &limits,
                                     .events = {.answer = kit_on_answer,
                                                .mail = kit_on_mail,
                                                .wants_in = kit_on_wants_in,
                                                .moved = kit_on_moved,
                                                .locate = kit_on_locate,
                                                .failed = kit_on_failed}};
  assert_int_equal(tw_delivery_new(&config, &world.delivery), TW_OK);
}

/* `connects`: a bit for each node. */
static inline void begin_world(uint64_t seed, uint32_t admins, uint32_t connects) {
  static const char *const names[NODES] = {"anna", "berta", "carla", "dora", "emma"};
  memset(&world, 0, sizeof world);
  tw_test_env_init(&world.test, seed);
  tw_test_env_init(&world.relay, seed + 1);
  tw_report report;
  assert_int_equal(tw_relay_store_memory(&world.relay.env, &world.store, &report), TW_OK);
  open_relay();
  world.dice = seed * 77 + 1;
  world.now_ms = UINT64_C(1800000000000);
  world.admins = admins;
  world.tells = getenv("TREEWIRE_TELL") != NULL;
  for (uint32_t i = 0; i < NODES; i++) {
    kit_node *n = &world.nodes[i];
    n->index = i;
    n->wanted = (1u << NODES) - 1;
    n->sign = (kit_signers >> i & 1) != 0;
    tw_test_member_init(&n->member, &world.test, tw_suite_by_name("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"),
                        names[i]);
    assert_int_equal(tw_fingerprint_of(&world.test.env, n->member.client.suite,
                                       tw_signer_public_key(n->member.client.signer), &n->id),
                     TW_OK);
    n->peer.id = n->id;
    n->port = (tw_node_port){.ctx = n, .save = kit_save, .load = kit_load, .request = kit_ask};
    n->sink = (tw_node_keys){.ctx = n,
                             .receive = kit_receive,
                             .send = kit_send,
                             .settle = kit_settle,
                             .withdraw = kit_withdraw,
                             .forget = kit_forget};
  }
  for (uint32_t i = 0; i < NODES; i++) {
    open_node(&world.nodes[i]);
    if ((connects >> i & 1) != 0) connect(&world.nodes[i]);
  }
}

static inline void end_world(void) {
  for (uint32_t i = 0; i < NODES; i++) {
    kit_node *n = &world.nodes[i];
    tw_network_free(n->network);
    for (size_t k = 0; k < VALUES_MAX; k++) {
      tw_buf_clear(&n->store[k].id);
      tw_buf_clear(&n->store[k].bytes);
    }
    for (size_t k = 0; k < n->request_count; k++) tw_buf_clear(&n->requests[k].frame);
    tw_buf_clear(&n->last_letter);
    tw_test_member_clear(&n->member);
  }
  tw_buf_clear(&world.answer);
  tw_delivery_free(world.delivery);
  tw_relay_store_close(world.store);
  tw_test_env_clear(&world.relay);
  tw_test_env_clear(&world.test);
}

/* ---- time ---- */

static inline void pass_time(uint64_t ms) {
  world.now_ms += ms;
  for (size_t i = 0; i < NODES; i++) {
    kit_node *n = &world.nodes[i];
    for (size_t k = n->key_count; k-- > 0;) {
      if (n->keys[k].until_ms != 0 && n->keys[k].until_ms < world.now_ms) n->keys[k] = n->keys[--n->key_count];
    }
  }
}

static inline tw_network_status status_of(uint32_t i) {
  tw_network_status status;
  tw_network_get_status(world.nodes[i].network, &status);
  return status;
}

/* Whether what node i sends is understood by node k. */
static inline bool is_understood(uint32_t i, uint32_t k) {
  return world.nodes[i].sending.stamp != 0 && kit_find_key(&world.nodes[k], world.nodes[i].sending.secret) != NULL;
}

static inline void tick_all(void) {
  for (uint32_t i = 0; i < NODES; i++) {
    if (tw_network_deadline(world.nodes[i].network) <= world.now_ms)
      tw_network_tick(world.nodes[i].network, world.now_ms);
  }
}

/* Everything that is on its way arrives. */
static inline void calm(void) {
  for (bool some = true; some;) {
    some = false;
    for (uint32_t i = 0; i < NODES; i++) {
      kit_node *n = &world.nodes[i];
      if (!n->online) continue;
      some = some || n->request_count > 0;
      serve(n, false);
      some = deliver(n, false) || some;
    }
  }
}

/* All goes well for so long. */
static inline void live(uint64_t ms) {
  for (uint64_t end_ms = world.now_ms + ms; world.now_ms < end_ms;) {
    pass_time(100);
    tick_all();
    calm();
  }
}

/* Those nodes, and nobody else, are members, of one epoch, and understand each other. */
static inline bool agree(uint32_t members) {
  uint64_t epoch = 0;
  tw_bytes authenticator = TW_NO_BYTES;
  uint32_t count = 0;
  for (uint32_t i = 0; i < NODES; i++) count += members >> i & 1;
  for (uint32_t i = 0; i < NODES; i++) {
    if ((members >> i & 1) == 0) continue;
    const tw_network *network = world.nodes[i].network;
    uint64_t its_epoch;
    const tw_bytes its = tw_network_authenticator(network, &its_epoch);
    const tw_network_status status = status_of(i);
    if (status.state != TW_NETWORK_MEMBER || status.members != count || its.len == 0) return false;
    if (authenticator.len == 0) {
      authenticator = its;
      epoch = its_epoch;
    }
    if (epoch != its_epoch || !tw_bytes_equal(authenticator, its)) return false;
    for (uint32_t k = 0; k < NODES; k++) {
      if (tw_network_has_member(network, &world.nodes[k].id) != ((members >> k & 1) != 0)) return false;
      if (k != i && (members >> k & 1) != 0 && !is_understood(i, k)) return false;
    }
  }
  return true;
}

static inline void show(void) {
  for (uint32_t i = 0; i < NODES; i++) {
    const tw_network_status s = status_of(i);
    print_message(
        "%u: %s state %d, epoch %u, %u members, leaf %u, pending %d, forks %u, refused %u, wants %x; heard by", i,
        world.nodes[i].online ? "on" : "off", s.state, (unsigned)s.epoch, s.members, s.own_leaf,
        s.pending_since_ms != 0, (unsigned)s.forks, (unsigned)s.refused, world.nodes[i].wanted);
    for (uint32_t k = 0; k < NODES; k++) {
      if (k != i && is_understood(i, k)) print_message(" %u", k);
    }
    print_message("\n");
  }
}

/* Nobody who is not a member of what is sent under has its keys; and who has the newest epoch understands it. */
static inline void expect_no_leak_and_no_loss(const char *what) {
  uint64_t newest = 0;
  for (uint32_t i = 0; i < NODES; i++) {
    const tw_network_status s = status_of(i);
    if (s.there && s.epoch > newest) newest = s.epoch;
  }
  for (uint32_t i = 0; i < NODES; i++) {
    const kit_key *sending = &world.nodes[i].sending;
    const tw_network_status s = status_of(i);
    if (s.there) assert_int_equal(s.sends, sending->stamp != 0);
    if (sending->stamp == 0) continue;
    assert_int_equal(s.sending_epoch, sending->epoch);
    for (uint32_t k = 0; k < NODES; k++) {
      if (k == i) continue;
      if ((sending->members >> k & 1) == 0) {
        if (is_understood(i, k)) fail_msg("%s: %u has keys of an epoch of %u's without itself", what, k, i);
      } else {
        uint64_t its;
        uint64_t other;
        const bool same = tw_bytes_equal(tw_network_authenticator(world.nodes[i].network, &its),
                                         tw_network_authenticator(world.nodes[k].network, &other));
        if (same && its == newest && sending->epoch == newest && !is_understood(i, k)) {
          show();
          fail_msg("%s: %u sends what %u cannot read", what, i, k);
        }
      }
    }
  }
}

static inline uint64_t kit_deadline(void) {
  uint64_t at_ms = UINT64_MAX;
  for (uint32_t i = 0; i < NODES; i++) {
    const uint64_t its = tw_network_deadline(world.nodes[i].network);
    if (its < at_ms) at_ms = its;
  }
  return at_ms;
}

static inline void expect_agreement(uint32_t members, uint64_t within_ms, const char *what) {
  calm();
  for (uint64_t end_ms = world.now_ms + within_ms; world.now_ms < end_ms && !agree(members);) {
    const uint64_t at_ms = kit_deadline();
    pass_time(at_ms == UINT64_MAX || at_ms > world.now_ms + 60000 ? 60000
              : at_ms > world.now_ms + 100                        ? at_ms - world.now_ms
                                                                  : 100);
    tick_all();
    calm();
    expect_no_leak_and_no_loss(what);
  }
  if (agree(members)) return;
  show();
  fail_msg("%s: no agreement in the end", what);
}

#endif

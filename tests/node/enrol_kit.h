/* Nodes of one network that enrol others: disks, relay and files of theirs, in one process. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_NODE_ENROL_KIT_H
#define TW_TESTS_NODE_ENROL_KIT_H

#include "node/network_kit.h"

#include "node/enrol.h"
#include "node/enrolment_kit.h"
#include "node/joiner.h"
#include "node/mail.h"

/*
 *   anna   an admin, in everybody's file        carla  has a key, and anna and berta in its file: who comes
 *   berta  a member, in everybody's file        dora, emma: strangers
 */
enum { ANNA = 0, BERTA = 1, CARLA = 2, DORA = 3 };

typedef struct enrol_node {
  tw_enrol *enrol;
  tw_node_config config;
  tw_learned learned; /* in memory alone */
  tw_x509_trust *trust;
  tw_node_port port;
  kit_node disk; /* its store */
  kit_request requests[QUEUE_MAX];
  size_t request_count;
  bool is_full;     /* no more requests may be open */
  char words[512];  /* told last */
  bool are_removed; /* all peers that are not in the file */
} enrol_node;

static enrol_node enrols[NODES];
static bool lists_are_lost;
static tw_buf lost_list; /* the last one */

static inline uint32_t enrol_index(const enrol_node *e) { return (uint32_t)(e - enrols); }

static inline tw_err enrol_save(void *ctx, const tw_store_change *changes, size_t count) {
  return kit_save(&((enrol_node *)ctx)->disk, changes, count);
}

static inline tw_err enrol_load_value(void *ctx, tw_store_kind kind, tw_bytes id, tw_buf *value, bool *found) {
  return kit_load(&((enrol_node *)ctx)->disk, kind, id, value, found);
}

static inline tw_err enrol_request(void *ctx, const tw_control_request *asked, uint64_t tag) {
  enrol_node *e = ctx;
  if (!world.nodes[enrol_index(e)].online) return TW_ERR_STATE;
  if (e->is_full) return TW_ERR_LIMIT;
  assert_true(tw_enrol_is_tag(tag) && e->request_count < QUEUE_MAX);
  kit_request *r = &e->requests[e->request_count++];
  *r = (kit_request){.tag = tag};
  tw_control_request copy = *asked;
  copy.number = 1;
  assert_int_equal(tw_control_request_encode(&copy, &r->frame), TW_OK);
  return TW_OK;
}

static inline void want(enrol_node *e, const tw_fingerprint *key, bool is) {
  kit_node *n = &world.nodes[enrol_index(e)];
  for (uint32_t k = 0; k < NODES; k++) {
    if (memcmp(&world.nodes[k].id, key, sizeof *key) != 0) continue;
    n->wanted = is ? n->wanted | 1u << k : n->wanted & ~(1u << k);
  }
  tw_network_roster_changed(n->network, world.now_ms);
}

static inline void enrol_forget(enrol_node *e, const tw_fingerprint *key) {
  for (size_t i = 0; i < e->learned.count; i++) {
    if (memcmp(&e->learned.list[i].peer.key.fingerprint, key, sizeof *key) != 0) continue;
    tw_node_peer_clear(NULL, &e->learned.list[i].peer);
    e->learned.count--;
    memmove(&e->learned.list[i], &e->learned.list[i + 1], (e->learned.count - i) * sizeof e->learned.list[0]);
  }
}

static inline tw_err enrol_learn(void *ctx, const tw_learned_peer *peer) {
  enrol_node *e = ctx;
  enrol_forget(e, &peer->peer.key.fingerprint);
  e->learned.list = realloc(e->learned.list, (e->learned.count + 1) * sizeof e->learned.list[0]);
  assert_non_null(e->learned.list);
  size_t at = e->learned.count++;
  for (; at > 0 &&
         memcmp(&e->learned.list[at - 1].peer.key.fingerprint, &peer->peer.key.fingerprint, sizeof(tw_fingerprint)) > 0;
       at--)
    e->learned.list[at] = e->learned.list[at - 1];
  e->learned.list[at] = (tw_learned_peer){.learned_at = 1};
  assert_int_equal(tw_node_peer_copy(NULL, &peer->peer, &e->learned.list[at].peer), TW_OK);
  want(e, &peer->peer.key.fingerprint, true);
  return TW_OK;
}

static inline tw_err enrol_unlearn(void *ctx, const tw_fingerprint *key) {
  const tw_fingerprint copy = *key;
  enrol_forget(ctx, &copy);
  want(ctx, &copy, false);
  return TW_OK;
}

static inline void enrol_tell(void *ctx, const char *line) {
  enrol_node *e = ctx;
  (void)snprintf(e->words, sizeof e->words, "%s", line);
  if (world.tells) print_message("%8u %u: %s\n", (unsigned)(world.now_ms % 100000000), enrol_index(e), line);
}

static inline bool enrol_is_removed(void *ctx, uint32_t peer) {
  const enrol_node *e = ctx;
  return e->are_removed && e->config.peers[peer].origin != TW_NODE_FROM_FILE;
}

/* ---- configurations ---- */

static inline void enrol_configure(enrol_node *e, const char *admins, const char *more) {
  char text[4096];
  char keys[NODES][TW_FINGERPRINT_TEXT];
  tw_problems problems = {0};
  const uint32_t index = enrol_index(e);
  for (uint32_t i = 0; i < NODES; i++) tw_fingerprint_format(&world.nodes[i].id, keys[i]);
  (void)snprintf(
      text, sizeof text,
      "[Interface]\nAddress = 10.7.0.%u/24\nIdentity = a.key\nCA = ca.pem\n[Relay]\nEndpoint = relay.example\n"
      "PublicKey = %s\n[Network]\nGroup = test.example\nSuite = %s\n%s%s\n"
      "[Peer]\nName = anna\nPublicKey = %s\nAllowedIPs = 10.7.0.1/32\n"
      "[Peer]\nName = berta\nPublicKey = %s\nAllowedIPs = 10.7.0.2/32\n%s",
      index + 1, keys[4], ENROL_SUITE, admins == NULL ? "" : "Admins = ", admins == NULL ? "" : admins, keys[ANNA],
      keys[BERTA], more);
  tw_node_config_clear(&e->config);
  if (tw_node_config_parse(&world.test.env, "test", "/etc/treewire/test.conf", enrol_text(text), &e->config,
                           &problems) != TW_OK)
    fail_msg("%s", problems.first.text);
  assert_int_equal(tw_node_config_settle(&e->config, &world.nodes[index].id, NULL, 0, &problems), TW_OK);
}

static inline tw_err enrol_try_open(enrol_node *e) {
  const uint32_t index = enrol_index(e);
  const tw_enrol_config config = {.env = &world.test.env,
                                  .signer = world.nodes[index].member.client.signer,
                                  .self = world.nodes[index].id,
                                  .config = &e->config,
                                  .learned = &e->learned,
                                  .trust = e->trust,
                                  .port = &e->port,
                                  .network = world.nodes[index].network,
                                  .learn = enrol_learn,
                                  .unlearn = enrol_unlearn,
                                  .is_removed = enrol_is_removed,
                                  .tell = enrol_tell,
                                  .ctx = e};
  return tw_enrol_new(&config, &e->enrol);
}

static inline void enrol_open(enrol_node *e) {
  assert_int_equal(enrol_try_open(e), TW_OK);
  for (size_t i = 0; i < VALUES_MAX; i++) {
    const kit_value *v = &e->disk.store[i];
    bool ours;
    if (!v->used) continue;
    assert_int_equal(tw_enrol_load(e->enrol, tw_buf_bytes(&v->id), tw_buf_bytes(&v->bytes), &ours), TW_OK);
    assert_true(ours);
  }
  tw_enrol_loaded(e->enrol);
}

static inline void enrol_drop_requests(enrol_node *e) {
  for (size_t i = 0; i < e->request_count; i++) tw_buf_clear(&e->requests[i].frame);
  e->request_count = 0;
}

/* As after a kill: what was not saved is gone, and so is what was on its way. */
static inline void enrol_restart(enrol_node *e) {
  enrol_drop_requests(e);
  tw_enrol_free(e->enrol);
  enrol_open(e);
  if (world.nodes[enrol_index(e)].online) tw_enrol_connected(e->enrol, world.now_ms);
}

/* ---- what goes on ---- */

static inline bool enrol_entry(kit_node *n, tw_control_entry *entry) {
  if (entry->kind != TW_CONTROL_KIND_SEND || !tw_enrol_is_mail(entry->message)) return true;
  if (lists_are_lost && entry->message.ptr[0] == TW_MAIL_LIST)
    assert_int_equal(tw_buf_assign(&lost_list, entry->message), TW_OK);
  else
    tw_enrol_mail(enrols[n->index].enrol, &entry->from, entry->message, world.now_ms);
  return false;
}

static inline bool enrol_serve(enrol_node *e) {
  if (e->request_count == 0) return false;
  kit_request r = e->requests[0];
  memmove(e->requests, e->requests + 1, --e->request_count * sizeof r);
  tw_control_request asked;
  tw_control_answer answer;
  assert_int_equal(tw_control_request_decode(TW_BYTES(r.frame.ptr + 4, r.frame.len - 4), &asked), TW_OK);
  kit_serve_request(&world.nodes[enrol_index(e)], &asked, &answer);
  tw_buf kept = world.answer;
  world.answer = (tw_buf){0};
  tw_enrol_answer(e->enrol, r.tag, &answer, world.now_ms);
  tw_buf_clear(&kept);
  tw_buf_clear(&r.frame);
  return true;
}

static inline void enrol_calm(void) {
  for (bool some = true; some;) {
    some = false;
    calm();
    for (uint32_t i = 0; i < NODES; i++) {
      if (!world.nodes[i].online) continue;
      tw_enrol_network_changed(enrols[i].enrol, world.now_ms);
      some = enrol_serve(&enrols[i]) || some;
    }
  }
}

static inline void enrol_live(uint64_t ms) {
  for (uint64_t end_ms = world.now_ms + ms; world.now_ms < end_ms;) {
    pass_time(250);
    tick_all();
    for (uint32_t i = 0; i < NODES; i++)
      if (tw_enrol_deadline(enrols[i].enrol) <= world.now_ms) tw_enrol_tick(enrols[i].enrol, world.now_ms);
    enrol_calm();
  }
}

static inline void enrol_until(uint32_t members, const char *what) {
  for (int i = 0; i < 600 && !agree(members); i++) enrol_live(1000);
  if (agree(members)) return;
  show();
  fail_msg("%s", what);
}

static inline void enrol_connect(uint32_t i) {
  connect(&world.nodes[i]);
  tw_enrol_connected(enrols[i].enrol, world.now_ms);
}

/* Anna and berta are a network. `admins`: a bit for each node. */
static inline void enrol_begin(uint64_t seed, uint32_t admins) {
  char text[3 * (TW_FINGERPRINT_TEXT + 2)] = "";
  begin_world(seed, admins, 0);
  memset(enrols, 0, sizeof enrols);
  lists_are_lost = false;
  world.bend_entry = enrol_entry;
  for (uint32_t i = 0; i < NODES; i++) {
    char key[TW_FINGERPRINT_TEXT];
    tw_fingerprint_format(&world.nodes[i].id, key);
    if ((admins >> i & 1) == 0) continue;
    (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", text[0] == '\0' ? "" : ", ", key);
  }
  for (uint32_t i = 0; i < NODES; i++) {
    enrol_node *e = &enrols[i];
    e->port = (tw_node_port){.ctx = e, .save = enrol_save, .load = enrol_load_value, .request = enrol_request};
    world.nodes[i].wanted = 1u << ANNA | 1u << BERTA;
    enrol_configure(e, admins == 0 ? NULL : text, "");
    enrol_open(e);
  }
  enrol_connect(ANNA);
  enrol_connect(BERTA);
  enrol_until(1u << ANNA | 1u << BERTA, "no network at the begin");
}

static inline void enrol_end(void) {
  for (uint32_t i = 0; i < NODES; i++) {
    enrol_node *e = &enrols[i];
    enrol_drop_requests(e);
    tw_enrol_free(e->enrol);
    tw_node_config_clear(&e->config);
    while (e->learned.count > 0) {
      const tw_fingerprint key = e->learned.list[0].peer.key.fingerprint;
      enrol_forget(e, &key);
    }
    free(e->learned.list);
    for (size_t k = 0; k < VALUES_MAX; k++) {
      tw_buf_clear(&e->disk.store[k].id);
      tw_buf_clear(&e->disk.store[k].bytes);
    }
  }
  tw_buf_clear(&lost_list);
  end_world();
}

/* ---- who comes ---- */

typedef struct enrol_guest {
  tw_invitation invitation;
  tw_invitation_keys keys;
  tw_joiner joiner;
  kit_node box; /* at the relay */
  uint64_t read;
  tw_enrolment_status status; /* of the last reply */
  tw_buf plain;
  tw_bytes content;
} enrol_guest;

static inline tw_err enrol_try_invite(uint32_t by, const char *name, const char *address, tw_buf *token,
                                      uint8_t id[TW_INVITATION_ID], char *why) {
  tw_prefix prefix;
  tw_report report = {""};
  assert_true(tw_prefix_parse(enrol_text(address), &prefix));
  const tw_enrol_wish wish = {enrol_text(name), &prefix, 1, world.now_ms / 1000 + 3600};
  const tw_err err = tw_enrol_invite(enrols[by].enrol, &wish, world.now_ms, id, token, &report);
  if (why != NULL) (void)snprintf(why, TW_REPORT_MAX, "%s", report.text);
  return err;
}

/* By anna, for `who`, whose key it is that comes. */
static inline void enrol_invited(enrol_guest *g, const char *name, const char *address, uint32_t who) {
  tw_buf token = {0};
  tw_report report = {""};
  uint8_t id[TW_INVITATION_ID];
  memset(g, 0, sizeof *g);
  assert_int_equal(enrol_try_invite(ANNA, name, address, &token, id, report.text), TW_OK);
  enrol_calm();
  assert_int_equal(tw_invitation_parse(&world.test.env, tw_buf_bytes(&token), &g->invitation, &report), TW_OK);
  assert_int_equal(tw_invitation_keys_of(&world.test.env, &g->invitation, &g->keys), TW_OK);
  assert_memory_equal(g->keys.id, id, sizeof id);
  g->joiner = (tw_joiner){&world.test.env,     &g->invitation,     &g->keys, world.nodes[who].member.client.signer,
                          world.nodes[who].id, {.public_key = {0}}};
  assert_int_equal(tw_joiner_begin(&g->joiner), TW_OK);
  g->box.peer = (tw_delivery_peer){
      .id = g->keys.guest, .standing = TW_DELIVERY_GUEST, .inviter = g->invitation.inviter};
  tw_buf_clear(&token);
}

static inline void enrol_guest_clear(enrol_guest *g) {
  tw_joiner_end(&g->joiner);
  tw_invitation_keys_clear(&g->keys);
  tw_invitation_clear(&g->invitation);
  tw_buf_clear(&g->plain);
}

static inline bool relay_lets_in(const tw_client_id *id, bool *guest) {
  tw_relay_admission admission = {.guest = false};
  bool found;
  assert_int_equal(tw_delivery_admitted(world.delivery, id, world.now_ms, 0, &admission, &found), TW_OK);
  *guest = admission.guest;
  return found;
}

static inline void enrol_send_mail(enrol_guest *g, tw_bytes mail) {
  const tw_control_request asked = {.type = TW_CONTROL_SEND, .number = 1, .body.send = {g->invitation.inviter, mail}};
  tw_control_answer answer;
  kit_serve_request(&g->box, &asked, &answer);
  assert_int_equal(answer.status, TW_CONTROL_DONE);
}

static inline void enrol_ask(enrol_guest *g, tw_enrolment_act act) {
  tw_buf mail = {0};
  assert_int_equal(tw_joiner_mail(&g->joiner, act, &mail), TW_OK);
  enrol_send_mail(g, tw_buf_bytes(&mail));
  tw_buf_clear(&mail);
}

/* The newest reply to it; false: there is none that is new. */
static inline bool enrol_reply(enrol_guest *g) {
  const tw_control_request fetch = {.type = TW_CONTROL_FETCH, .number = 1, .body.fetch = {g->read, 64}};
  tw_control_answer answer;
  tw_enrolment_reply reply;
  bool some = false;
  kit_serve_request(&g->box, &fetch, &answer);
  assert_int_equal(answer.status, TW_CONTROL_DONE);
  tw_reader walk = tw_reader_of(answer.body.fetch.entries);
  for (tw_control_entry entry; tw_control_entry_next(&walk, &entry);) {
    g->read = entry.number;
    if (tw_joiner_take(&g->joiner, entry.message, &g->plain, &reply) != TW_OK) continue;
    some = true;
    g->status = reply.status;
    g->content = reply.content;
  }
  return some;
}

static inline bool has_learned(uint32_t who, uint32_t of) {
  return tw_learned_find(&enrols[who].learned, &world.nodes[of].id) != NULL;
}

static inline uint64_t version_at(uint32_t who) { return tw_enrol_version(enrols[who].enrol, &world.nodes[ANNA].id); }

#define TWO (1u << ANNA | 1u << BERTA)
#define THREE (TWO | 1u << CARLA)

/* Asks, and has the answer. */
static inline void enrol_answered(enrol_guest *g) {
  enrol_ask(g, TW_ENROLMENT_JOIN);
  enrol_calm();
  assert_true(enrol_reply(g));
  assert_int_equal(g->status, TW_ENROLMENT_IN);
}

static inline void enrol_carla(enrol_guest *g) {
  enrol_invited(g, "carla", "10.7.0.3/24", CARLA);
  enrol_answered(g);
}

/* ---- lists, as whoever likes brings them ---- */

/* Sealed by one to another's leaf, which gets it as mail in the name of `as`. */
static inline void enrol_give(uint32_t to, uint32_t as, uint32_t by, tw_bytes list) {
  tw_buf parts[3] = {{0}, {0}, {0}};
  tw_buf encoded = {0};
  assert_int_equal(tw_network_seal(world.nodes[by].network, &world.nodes[to].id, TW_LITERAL("treewire enrolment list"),
                                   list, &parts[0], &parts[1]),
                   TW_OK);
  tw_writer w = tw_writer_to(&parts[2]);
  tw_write_vector(&w, tw_buf_bytes(&parts[0]));
  tw_write_vector(&w, tw_buf_bytes(&parts[1]));
  assert_int_equal(tw_writer_end(&w), TW_OK);
  tw_mail mail = {.kind = TW_MAIL_LIST, .body = tw_buf_bytes(&parts[2])};
  memcpy(mail.ref, world.nodes[as].id.digest, sizeof mail.ref);
  assert_int_equal(tw_mail_encode(&mail, &encoded), TW_OK);
  tw_enrol_mail(enrols[to].enrol, &world.nodes[as].id, tw_buf_bytes(&encoded), world.now_ms);
  tw_buf_clear(&encoded);
  for (size_t i = 0; i < 3; i++) tw_buf_clear(&parts[i]);
}

/* A list of `name` alone (NULL: of nobody), signed by one. */
static inline void enrol_make_list(uint32_t by, const char *group, uint64_t version, const char *name, tw_buf *list) {
  tw_buf entries = {0};
  if (name != NULL) enrol_add_node(&entries, name, 0x77, "10.7.0.9/32", "");
  const tw_enrolment_list made = {.group = enrol_text(group), .version = version, .entries = tw_buf_bytes(&entries)};
  assert_int_equal(tw_enrolment_list_make(&world.test.env, world.nodes[by].member.client.signer, &made, list), TW_OK);
  tw_buf_clear(&entries);
}

#endif

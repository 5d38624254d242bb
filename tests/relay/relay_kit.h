/* A delivery service for a test, messages for it, and what it answered. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_RELAY_KIT_H
#define TW_TESTS_RELAY_KIT_H

#include <stdarg.h>

#include "control/patch.h"
#include "mls/framing.h"
#include "mls/protocol.h"
#include "relay/delivery.h"
#include "store/store_kit.h"

enum { RELAY_ANSWERS = 2048, RELAY_CALLS = 4096, RELAY_PEERS = 16 };
#define RELAY_NOW UINT64_C(1800000000000)

/* An answer with its bytes copied. */
typedef struct relay_answer {
  uint64_t tag;
  tw_control_answer answer;
  tw_buf bytes;
} relay_answer;

typedef struct relay_call {
  uint32_t to;
  tw_fingerprint client;
  tw_control_location location;
} relay_call;

typedef struct relay_kit {
  kit at;
  bool on_disk;
  tw_relay_store *store;
  tw_delivery *delivery;
  tw_delivery_limits limits; /* of the next tw_delivery_new */
  uint64_t now_ms;
  tw_delivery_peer peers[RELAY_PEERS];
  relay_answer answers[RELAY_ANSWERS]; /* of the last flush */
  size_t answer_count;
  uint32_t mailed[RELAY_CALLS];
  size_t mailed_count;
  relay_call wanted[RELAY_CALLS], moved[RELAY_CALLS];
  size_t wanted_count, moved_count;
  uint32_t grouped[RELAY_CALLS]; /* for each time: the group, how many, the members in order */
  size_t grouped_count;
  tw_fingerprint dismissed[RELAY_PEERS];
  size_t dismissed_count;
  bool knows_members;
  size_t locates;  /* calls for it */
  uint32_t online; /* a bit for each number below 32 */
  tw_err failed;
  char failure[TW_REPORT_MAX];
  tw_buf made[64]; /* messages of the kit's makers, in turns */
  unsigned next_made;
} relay_kit;

static inline tw_fingerprint relay_id(unsigned n) {
  tw_fingerprint id;
  memset(id.digest, 0xA0, sizeof id.digest);
  id.digest[0] = (uint8_t)(n * 37); /* not in the order of numbers */
  id.digest[1] = (uint8_t)(n >> 8);
  id.digest[31] = (uint8_t)n;
  return id;
}

static inline void relay_copy(tw_bytes *view, tw_buf *to, size_t *at) {
  const size_t len = view->len;
  if (len > 0) memcpy(to->ptr + *at, view->ptr, len);
  *view = TW_BYTES(to->ptr + *at, len);
  *at += len;
}

static inline void relay_on_answer(void *ctx, uint64_t tag, const tw_control_answer *answer) {
  relay_kit *k = ctx;
  assert_true(k->answer_count < RELAY_ANSWERS);
  relay_answer *kept = &k->answers[k->answer_count++];
  kept->tag = tag;
  kept->answer = *answer;
  tw_control_answer *a = &kept->answer;
  tw_bytes *views[3] = {NULL, NULL, NULL};
  if (a->status == TW_CONTROL_TAKEN)
    views[0] = &a->body.taken;
  else if (a->status != TW_CONTROL_DONE)
    views[0] = &a->body.words;
  else if (a->to == TW_CONTROL_TAKE)
    views[0] = &a->body.take.key_package;
  else if (a->to == TW_CONTROL_FETCH)
    views[0] = &a->body.fetch.entries;
  else if (a->to == TW_CONTROL_LOCATE)
    views[0] = &a->body.locate;
  else if (a->to == TW_CONTROL_GROUP_FIND) {
    views[0] = &a->body.group_find.group_id;
    views[1] = &a->body.group_find.group_info;
    views[2] = &a->body.group_find.tree;
  }
  size_t len = 1;
  size_t at = 0;
  for (unsigned i = 0; i < 3; i++) len += views[i] == NULL ? 0 : views[i]->len;
  tw_buf_clear(&kept->bytes);
  assert_int_equal(tw_buf_reserve(&kept->bytes, len), TW_OK);
  for (unsigned i = 0; i < 3; i++)
    if (views[i] != NULL) relay_copy(views[i], &kept->bytes, &at);
}

static inline void relay_on_mail(void *ctx, uint32_t number) {
  relay_kit *k = ctx;
  assert_true(k->mailed_count < RELAY_CALLS);
  k->mailed[k->mailed_count++] = number;
}

static inline void relay_on_wants_in(void *ctx, uint32_t number, tw_bytes name, const tw_fingerprint *client) {
  relay_kit *k = ctx;
  assert_true(name.len > 0 && k->wanted_count < RELAY_CALLS);
  k->wanted[k->wanted_count++] = (relay_call){.to = number, .client = *client};
}

static inline void relay_on_moved(void *ctx, uint32_t watcher, const tw_fingerprint *client,
                                  const tw_control_location *location) {
  relay_kit *k = ctx;
  assert_true(k->moved_count < RELAY_CALLS);
  k->moved[k->moved_count++] = (relay_call){.to = watcher, .client = *client, .location = *location};
}

static inline void relay_on_locate(void *ctx, tw_control_location *locations, size_t count) {
  relay_kit *k = ctx;
  k->locates++;
  for (tw_control_location *location = locations; location < locations + count; location++) {
    location->online = location->number < 32 && (k->online >> location->number & 1) != 0;
    if (!location->online) continue;
    location->address = (tw_control_address){.family = 4, .ip = {127, 0, 0, 1}, .port = 9420};
    location->address.ip[3] = (uint8_t)location->number;
  }
}

static inline void relay_on_members(void *ctx, uint32_t group, const uint32_t *numbers, size_t count) {
  relay_kit *k = ctx;
  assert_true(k->grouped_count + 2 + count <= RELAY_CALLS);
  k->grouped[k->grouped_count++] = group;
  k->grouped[k->grouped_count++] = (uint32_t)count;
  for (size_t i = 0; i < count; i++) {
    size_t at = k->grouped_count++;
    for (; at > k->grouped_count - 1 - i && k->grouped[at - 1] > numbers[i]; at--) k->grouped[at] = k->grouped[at - 1];
    k->grouped[at] = numbers[i];
  }
}

static inline bool relay_has_member(void *ctx, uint32_t group, uint32_t client) {
  const relay_kit *k = ctx;
  assert_true(group != 0 && client != 0);
  return k->knows_members;
}

static inline void relay_on_dismissed(void *ctx, const tw_fingerprint *client) {
  relay_kit *k = ctx;
  assert_true(k->dismissed_count < RELAY_PEERS);
  k->dismissed[k->dismissed_count++] = *client;
}

static inline void relay_on_failed(void *ctx, tw_err err, const char *words) {
  relay_kit *k = ctx;
  assert_true(words[0] != '\0');
  k->failed = err;
  (void)snprintf(k->failure, sizeof k->failure, "%s", words);
}

static inline tw_err relay_try_store(relay_kit *k) {
  return k->on_disk ? tw_relay_store_open(&k->at.test.env, k->at.dir, &k->store, &k->at.report)
                    : tw_relay_store_memory(&k->at.test.env, &k->store, &k->at.report);
}

static inline tw_err relay_try_delivery(relay_kit *k) {
  const tw_delivery_config config = {.env = &k->at.test.env,
                                     .store = k->store,
                                     .limits = &k->limits,
                                     .events = {.ctx = k,
                                                .answer = relay_on_answer,
                                                .mail = relay_on_mail,
                                                .wants_in = relay_on_wants_in,
                                                .moved = relay_on_moved,
                                                .locate = relay_on_locate,
                                                .members = relay_on_members,
                                                .has_member = relay_has_member,
                                                .dismissed = relay_on_dismissed,
                                                .failed = relay_on_failed}};
  return tw_delivery_new(&config, &k->delivery);
}

static inline void relay_open(relay_kit *k) {
  if (relay_try_store(k) != TW_OK) fail_msg("%s", k->at.report.text);
  assert_int_equal(relay_try_delivery(k), TW_OK);
}

static inline void relay_close(relay_kit *k) {
  tw_delivery_free(k->delivery);
  tw_relay_store_close(k->store);
  k->delivery = NULL;
  k->store = NULL;
}

/* With limits as they are set then. */
static inline void relay_reopen(relay_kit *k) {
  if (k->on_disk) {
    relay_close(k);
    relay_open(k);
    return;
  }
  tw_delivery_free(k->delivery);
  assert_int_equal(relay_try_delivery(k), TW_OK);
}

static inline relay_kit *relay_new(bool on_disk, uint64_t seed) {
  relay_kit *k = calloc(1, sizeof *k);
  assert_non_null(k);
  kit_init(&k->at, seed);
  k->on_disk = on_disk;
  k->now_ms = RELAY_NOW;
  k->limits = tw_delivery_limits_default;
  k->limits.requests_per_second = 1000000;
  k->limits.requests_at_once = 1000000;
  for (unsigned i = 0; i < RELAY_PEERS; i++) k->peers[i].id = relay_id(i);
  relay_open(k);
  return k;
}

static inline void relay_free(relay_kit *k) {
  relay_close(k);
  for (size_t i = 0; i < RELAY_ANSWERS; i++) tw_buf_clear(&k->answers[i].bytes);
  for (size_t i = 0; i < sizeof k->made / sizeof k->made[0]; i++) tw_buf_clear(&k->made[i]);
  kit_clear(&k->at);
  free(k);
}

/* ---- messages; each stays until 64 more were made ---- */

static inline tw_writer relay_make(relay_kit *k) {
  tw_buf *buf = &k->made[k->next_made++ % 64];
  buf->len = 0;
  return tw_writer_to(buf);
}

static inline tw_bytes relay_made(tw_writer *w) {
  assert_int_equal(tw_writer_end(w), TW_OK);
  return tw_buf_bytes(w->buf);
}

/* A PrivateMessage whose ciphertext is `text`. */
static inline tw_bytes relay_private(relay_kit *k, tw_bytes group_id, uint64_t epoch, uint8_t content_type,
                                     const char *text) {
  tw_writer w = relay_make(k);
  tw_write_mls_message_header(&w, TW_WIRE_PRIVATE_MESSAGE);
  const tw_private_message message = {.group_id = group_id,
                                      .epoch = epoch,
                                      .content_type = content_type,
                                      .encrypted_sender_data = TW_LITERAL("sender"),
                                      .ciphertext = kit_text(text)};
  tw_write_private_message(&w, &message);
  return relay_made(&w);
}

static inline tw_bytes relay_commit_message(relay_kit *k, tw_bytes group_id, uint64_t epoch, const char *text) {
  return relay_private(k, group_id, epoch, TW_CONTENT_COMMIT, text);
}

/* An empty commit as a PublicMessage, of a member or of a new one. */
static inline tw_bytes relay_public(relay_kit *k, tw_bytes group_id, uint64_t epoch, uint8_t sender_type,
                                    const char *text) {
  tw_writer w = relay_make(k);
  tw_write_mls_message_header(&w, TW_WIRE_PUBLIC_MESSAGE);
  tw_write_vector(&w, group_id);
  tw_write_u64(&w, epoch);
  tw_write_sender(&w, (tw_sender){.type = sender_type, .index = 0});
  tw_write_vector(&w, kit_text(text)); /* authenticated_data */
  tw_write_u8(&w, TW_CONTENT_COMMIT);
  tw_write_vector(&w, TW_NO_BYTES); /* proposals */
  tw_write_u8(&w, 0);               /* no path */
  tw_write_vector(&w, TW_LITERAL("signature"));
  tw_write_vector(&w, TW_LITERAL("confirmation"));
  if (sender_type == TW_SENDER_MEMBER) tw_write_vector(&w, TW_LITERAL("membership"));
  return relay_made(&w);
}

static inline tw_bytes relay_info(relay_kit *k, tw_bytes group_id, uint64_t epoch) {
  tw_writer w = relay_make(k);
  tw_write_mls_message_header(&w, TW_WIRE_GROUP_INFO);
  const tw_group_context context = {.version = TW_MLS10, .cipher_suite = 1, .group_id = group_id, .epoch = epoch};
  tw_write_group_context(&w, &context);
  tw_write_vector(&w, TW_NO_BYTES);
  tw_write_vector(&w, TW_LITERAL("confirmation"));
  tw_write_u32(&w, 0);
  tw_write_vector(&w, TW_LITERAL("signature"));
  return relay_made(&w);
}

/* Nothing to the relay: what belongs to an epoch, most of it like that of the one before. */
static inline tw_bytes relay_tree(relay_kit *k, uint64_t epoch) {
  tw_writer w = relay_make(k);
  for (uint64_t i = 0; i < 10; i++) {
    tw_write_u64(&w, i == epoch % 10 ? epoch : 0);
    tw_write_fixed(&w, TW_LITERAL("is in the tree since then, and nobody asks why"));
  }
  return relay_made(&w);
}

static inline tw_bytes relay_patch(relay_kit *k, tw_bytes before, tw_bytes after) {
  tw_buf *made = &k->made[k->next_made++ % 64];
  made->len = 0;
  assert_int_equal(tw_control_patch_make(&k->at.test.env, before, after, made), TW_OK);
  return tw_buf_bytes(made);
}

/* Fits whatever there is. */
static inline tw_bytes relay_whole(relay_kit *k, tw_bytes all) { return relay_patch(k, TW_NO_BYTES, all); }

static inline tw_bytes relay_welcome(relay_kit *k, const char *text) {
  tw_writer w = relay_make(k);
  tw_write_mls_message_header(&w, TW_WIRE_WELCOME);
  const tw_welcome welcome = {.cipher_suite = 1, .encrypted_group_info = kit_text(text)};
  tw_write_welcome(&w, &welcome);
  return relay_made(&w);
}

static inline tw_bytes relay_key_package(relay_kit *k, const char *text) {
  tw_writer w = relay_make(k);
  tw_write_mls_message_header(&w, TW_WIRE_KEY_PACKAGE);
  tw_write_fixed(&w, kit_text(text));
  return relay_made(&w);
}

/* Lists: of key packages, of peers by their index (ended by -1), of one welcome. */
static inline tw_bytes relay_packages(relay_kit *k, const char *const *texts, size_t count) {
  tw_buf *all = &k->made[k->next_made++ % 64];
  all->len = 0;
  for (size_t i = 0; i < count; i++) {
    tw_writer w = tw_writer_to(all);
    tw_write_vector(&w, relay_key_package(k, texts[i]));
    assert_int_equal(tw_writer_end(&w), TW_OK);
  }
  return tw_buf_bytes(all);
}

static inline tw_bytes relay_ids(relay_kit *k, ...) {
  tw_writer w = relay_make(k);
  va_list args;
  va_start(args, k);
  for (int n; (n = va_arg(args, int)) >= 0;) {
    const tw_fingerprint id = relay_id((unsigned)n);
    tw_write_fixed(&w, TW_ARRAY(id.digest));
  }
  va_end(args);
  return relay_made(&w);
}

static inline tw_bytes relay_welcome_to(relay_kit *k, unsigned to, const char *text) {
  const tw_bytes welcome = relay_welcome(k, text);
  const tw_fingerprint id = relay_id(to);
  tw_writer w = relay_make(k);
  tw_write_vector(&w, TW_ARRAY(id.digest));
  tw_write_vector(&w, welcome);
  return relay_made(&w);
}

/* ---- asking ---- */

static inline void relay_ask(relay_kit *k, unsigned peer, uint64_t tag, const tw_control_request *request) {
  assert_int_equal(tw_delivery_ask(k->delivery, &k->peers[peer], tag, request, k->now_ms), TW_OK);
}

static inline tw_err relay_flush(relay_kit *k) {
  k->answer_count = k->mailed_count = k->grouped_count = 0;
  return tw_delivery_flush(k->delivery);
}

/* One request alone, and its answer. */
static inline const tw_control_answer *relay_do(relay_kit *k, unsigned peer, const tw_control_request *request) {
  k->wanted_count = k->moved_count = k->grouped_count = 0;
  relay_ask(k, peer, 7, request);
  if (relay_flush(k) != TW_OK) fail_msg("%s", k->failure);
  assert_int_equal(k->answer_count, 1);
  assert_int_equal(k->answers[0].tag, 7);
  const tw_control_answer *answer = &k->answers[0].answer;
  assert_int_equal(answer->to, request->type);
  assert_int_equal(answer->request, request->number);
  if (answer->status > TW_CONTROL_TAKEN) assert_true(answer->body.words.len > 0);
  return answer;
}

#define RELAY_REQUEST(type_, ...) ((tw_control_request){.type = (type_), .number = 1, .body = {__VA_ARGS__}})

static inline tw_control_status relay_enter(relay_kit *k, unsigned peer) {
  const tw_control_request request = {.type = TW_CONTROL_BIND, .number = 3};
  return relay_do(k, peer, &request)->status;
}

static inline tw_control_request relay_send_of(unsigned to, tw_bytes message) {
  return RELAY_REQUEST(TW_CONTROL_SEND, .send = {.to = relay_id(to), .message = message});
}

static inline tw_control_status relay_send(relay_kit *k, unsigned from, unsigned to, const char *text) {
  const tw_control_request request = relay_send_of(to, kit_text(text));
  return relay_do(k, from, &request)->status;
}

static inline const tw_control_answer *relay_fetch(relay_kit *k, unsigned peer, uint64_t after, uint32_t most) {
  const tw_control_request request = RELAY_REQUEST(TW_CONTROL_FETCH, .fetch = {.after = after, .most = most});
  return relay_do(k, peer, &request);
}

/* The number before the first entry of a mailbox that is made at RELAY_NOW. */
#define RELAY_BASE (RELAY_NOW / 1000 << 20)

static inline tw_control_request relay_open_of(relay_kit *k, const char *name, tw_bytes group_id, uint64_t epoch,
                                               tw_bytes members) {
  return RELAY_REQUEST(TW_CONTROL_GROUP_OPEN, .group_open = {.name = kit_text(name),
                                                             .group_id = group_id,
                                                             .epoch = epoch,
                                                             .members = members,
                                                             .group_info = relay_info(k, group_id, epoch),
                                                             .tree = relay_tree(k, epoch)});
}

static inline tw_control_request relay_commit_of(relay_kit *k, tw_bytes group_id, uint64_t epoch, const char *text,
                                                 tw_bytes members) {
  return RELAY_REQUEST(TW_CONTROL_GROUP_COMMIT,
                       .group_commit = {.group_id = group_id,
                                        .epoch = epoch,
                                        .commit = relay_commit_message(k, group_id, epoch, text),
                                        .group_info = relay_info(k, group_id, epoch + 1),
                                        .tree = relay_patch(k, relay_tree(k, epoch), relay_tree(k, epoch + 1)),
                                        .members = relay_whole(k, members)});
}

static inline void relay_expects(relay_kit *k, unsigned peer, const tw_control_request *request,
                                 tw_control_status status) {
  const tw_control_answer *answer = relay_do(k, peer, request);
  if (answer->status != status)
    fail_msg("status %d (%.*s), expected %d", answer->status,
             answer->status > TW_CONTROL_TAKEN ? (int)answer->body.words.len : 0,
             answer->status > TW_CONTROL_TAKEN ? (const char *)answer->body.words.ptr : "", status);
}

/* ---- tests on both stores ---- */

static inline int relay_set_up(void **state) {
  *state = relay_new(*state != NULL, 1);
  return 0;
}
static inline int relay_tear_down(void **state) {
  relay_free(*state);
  return 0;
}
/* `#test` is its name in memory. */
#define RELAY_BOTH(test_)                                                                                              \
  {#test_, test_, relay_set_up, relay_tear_down, NULL}, {                                                              \
#test_ " (on disk)", test_, relay_set_up, relay_tear_down, (void *)(uintptr_t)1                                    \
  }

#endif

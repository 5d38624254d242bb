/* One of many nodes: what is around the engines. SPDX-License-Identifier: Apache-2.0 */
#include "node/many/many.h"

#include "crypto/crypto.h"
#include "node/many/parts.h"

enum { FETCH = 64 };
#define TAG_FETCH (UINT64_C(3) << 56)

/* ---- values ---- */

static size_t find_value(const many_node *n, tw_store_kind kind, tw_bytes id) {
  size_t i = 0;
  while (i < n->value_count && (n->values[i].kind != kind || !tw_bytes_equal(tw_buf_bytes(&n->values[i].id), id))) i++;
  return i;
}

static void drop_value(many_node *n, size_t i) {
  tw_buf_clear(&n->values[i].id);
  tw_buf_clear(&n->values[i].bytes);
  n->values[i] = n->values[--n->value_count];
}

static tw_err save(void *ctx, const tw_store_change *changes, size_t count) {
  many_node *n = ctx;
  for (size_t i = 0; i < count; i++) {
    const size_t at = find_value(n, changes[i].kind, changes[i].id);
    if (changes[i].remove) {
      if (at < n->value_count) drop_value(n, at);
      continue;
    }
    if (at == n->value_count) {
      n->values = many_grow(n->values, n->value_count, sizeof *n->values);
      n->values[n->value_count++] = (many_value){.kind = changes[i].kind};
      assert_int_equal(tw_buf_assign(&n->values[at].id, changes[i].id), TW_OK);
    }
    assert_int_equal(tw_buf_assign(&n->values[at].bytes, changes[i].value), TW_OK);
  }
  n->saved_cursor = n->reading != 0 ? n->reading : n->cursor;
  return TW_OK;
}

static tw_err load(void *ctx, tw_store_kind kind, tw_bytes id, tw_buf *out, bool *found) {
  const many_node *n = ctx;
  const size_t at = find_value(n, kind, id);
  *found = at < n->value_count;
  return !*found ? TW_OK : tw_buf_append(out, tw_buf_bytes(&n->values[at].bytes));
}

void many_node_lose_values(many_node *n) {
  while (n->value_count > 0) drop_value(n, 0);
  n->saved_cursor = 0;
}

/* ---- requests ---- */

typedef struct question {
  many_node *node;
  uint64_t tag;
  uint32_t generation;
} question;

static void take_entry(many_node *n, const tw_control_entry *entry) {
  const uint64_t now_ms = many_now(n->world);
  if (entry->number <= n->cursor) return;
  n->reading = entry->number;
  if (entry->kind == TW_CONTROL_KIND_SEND)
    tw_pairs_mail(n->pairs, &entry->from, entry->message, now_ms);
  else
    tw_network_mail(n->network, entry, now_ms);
  n->reading = 0;
  n->cursor = entry->number;
}

static void fetch(many_node *n);

static void fetched(many_node *n, const tw_control_answer *answer) {
  n->fetching = false;
  if (answer == NULL) return;
  assert_int_not_equal(answer->status, TW_CONTROL_TOO_FAR);
  n->mail_waits = n->mail_waits || answer->status != TW_CONTROL_DONE;
  if (answer->status != TW_CONTROL_DONE) return;
  tw_reader walk = tw_reader_of(answer->body.fetch.entries);
  tw_control_entry entry;
  while (tw_control_entry_next(&walk, &entry)) take_entry(n, &entry);
  n->saved_cursor = n->cursor;
  if (answer->body.fetch.entries.len > 0 || answer->body.fetch.more || n->mail_waits) fetch(n);
}

static void cut_off(many_node *n) {
  while (n->to_cut_off_count > 0) {
    const uint32_t index = n->to_cut_off[--n->to_cut_off_count];
    if (n->unwanted[index]) continue;
    many_unwant(n, index);
    assert_int_equal(tw_pairs_remove(n->pairs, index), TW_OK);
    tw_network_roster_changed(n->network, many_now(n->world));
  }
}

static void answered(void *ctx, const tw_control_answer *answer) {
  question *q = ctx;
  many_node *n = q->node;
  const uint64_t tag = q->tag;
  const bool current = q->generation == n->generation && n->network != NULL;
  free(q);
  if (!current) return;
  if (answer != NULL && answer->status == TW_CONTROL_BUSY) n->busy++;
  if (tw_pairs_is_tag(tag))
    tw_pairs_answer(n->pairs, tag, answer, many_now(n->world));
  else if (tw_network_is_tag(tag))
    tw_network_answer(n->network, tag, answer, many_now(n->world));
  else
    fetched(n, answer);
  cut_off(n);
}

static tw_err ask(void *ctx, const tw_control_request *asked, uint64_t tag) {
  many_node *n = ctx;
  if (!n->up) return TW_ERR_STATE;
  question *q = malloc(sizeof *q);
  assert_non_null(q);
  *q = (question){n, tag, n->generation};
  const tw_err err = tw_control_client_ask(n->control, asked, answered, q);
  if (err != TW_OK) free(q);
  return err;
}

static void fetch(many_node *n) {
  if (n->fetching || !n->up) return;
  const tw_control_request request = {.type = TW_CONTROL_FETCH, .body.fetch = {n->cursor, FETCH}};
  n->mail_waits = false;
  n->fetching = ask(n, &request, TAG_FETCH) == TW_OK;
}

/* ---- the connection ---- */

static void on_up(void *ctx, const tw_member *relay, bool resumed) {
  many_node *n = ctx;
  (void)relay;
  (void)resumed;
  n->generation++;
  n->up = true;
  n->fetching = false;
  fetch(n);
  tw_pairs_connected(n->pairs, many_now(n->world));
  tw_network_connected(n->network, many_now(n->world));
}

static void on_down(void *ctx, const tw_control_down *down) {
  many_node *n = ctx;
  n->up = false;
  if (n->world->tells) print_message("%u: no relay: %s\n", n->index, down->text);
}

static void on_push(void *ctx, const tw_control_push *push) {
  many_node *n = ctx;
  if (push->type == TW_CONTROL_MAIL) {
    n->mail_waits = true;
    fetch(n);
  } else if (push->type == TW_CONTROL_WANTS_IN) {
    tw_network_wants_in(n->network, push->body.wants_in.name, &push->body.wants_in.client, many_now(n->world));
  }
}

static void on_freed(void *ctx) { ((many_node *)ctx)->closing--; }

static void add_traffic(const many_node *n, uint64_t *sent, uint64_t *received) {
  const tw_channel *channel = n->control == NULL ? NULL : tw_control_client_channel(n->control);
  tw_channel_status status;
  if (channel == NULL) return;
  tw_channel_get_status(channel, &status);
  *sent += status.wire_sent;
  *received += status.wire_received;
}

void many_node_traffic(const many_node *n, uint64_t *sent, uint64_t *received) {
  *sent = n->sent;
  *received = n->received;
  add_traffic(n, sent, received);
}

/* ---- start and end ---- */

static bool wants(void *ctx, const tw_client_id *id) {
  const many_node *n = ctx;
  const uint32_t index = many_find(n->world, id);
  return index != MANY_NETWORK && !n->unwanted[index];
}

static bool next_wanted(void *ctx, size_t *place, tw_client_id *id) {
  const many_node *n = ctx;
  if (*place >= n->roster_count) return false;
  *id = n->world->nodes[n->roster[(*place)++]].id;
  return true;
}

static void removed(void *ctx, const tw_client_id *id) {
  many_node *n = ctx;
  const uint32_t index = many_find(n->world, id);
  n->to_cut_off = many_grow(n->to_cut_off, n->to_cut_off_count, sizeof *n->to_cut_off);
  n->to_cut_off[n->to_cut_off_count++] = index;
}

static void pair_told(void *ctx, uint32_t peer, const char *what, tw_err err) {
  const many_node *n = ctx;
  if (n->world->tells) print_message("%u: with %u: %s: %s\n", n->index, peer, what, tw_err_text(err));
}

static void network_told(void *ctx, const char *what, tw_err err) {
  const many_node *n = ctx;
  tw_network_status s;
  if (!n->world->tells || n->network == NULL) return;
  tw_network_get_status(n->network, &s);
  print_message("%8u %u: epoch %u, %u members: %s: %s\n", (unsigned)(uv_now(&n->world->loop) % 10000000), n->index,
                (unsigned)s.epoch, s.members, what, tw_err_text(err));
}

static void load_values(many_node *n) {
  static const tw_store_kind order[] = {TW_STORE_KEY_PACKAGE, TW_STORE_SESSION, TW_STORE_GROUP};
  for (size_t k = 0; k < sizeof order / sizeof order[0]; k++) {
    for (size_t i = 0; i < n->value_count; i++) {
      const many_value *v = &n->values[i];
      bool ours = false;
      if (v->kind != order[k]) continue;
      const tw_bytes id = tw_buf_bytes(&v->id);
      const tw_bytes bytes = tw_buf_bytes(&v->bytes);
      assert_int_equal(tw_pairs_load(n->pairs, v->kind, id, bytes, many_now(n->world), &ours), TW_OK);
      if (ours) continue;
      assert_int_equal(tw_network_load(n->network, v->kind, id, bytes, many_now(n->world), &ours), TW_OK);
      assert_true(ours);
    }
  }
}

void many_node_start(many_node *n) {
  const tw_pairs_config pairs = {.clients = n->clients,
                                 .client_count = 1,
                                 .self = n->id,
                                 .port = &n->port,
                                 .keys = &n->sink,
                                 .tell = pair_told,
                                 .ctx = n};
  const tw_network_config network = {.client = &n->client,
                                     .name = TW_LITERAL("many"),
                                     .self = n->id,
                                     .port = &n->port,
                                     .keys = &n->sink,
                                     .owner = MANY_NETWORK,
                                     .roster = {.ctx = n, .wants = wants, .next_wanted = next_wanted},
                                     .tell = network_told,
                                     .removed = removed,
                                     .ctx = n};
  const tw_control_client_config control = {.loop = &n->world->loop,
                                            .relay = {.host = "127.0.0.1", .port = n->world->relay.port},
                                            .channel = &n->channel,
                                            .dial_timeout_ms = 60000,
                                            .answer_timeout_ms = 120000,
                                            .up = on_up,
                                            .down = on_down,
                                            .push = on_push,
                                            .freed = on_freed,
                                            .ctx = n};
  assert_null(n->network);
  n->cursor = n->saved_cursor;
  n->reading = 0;
  n->mail_waits = false;
  assert_int_equal(tw_pairs_new(&pairs, &n->pairs), TW_OK);
  for (uint32_t i = 0; i < n->roster_count; i++) {
    const uint32_t peer = n->roster[i];
    assert_int_equal(tw_pairs_add(n->pairs, peer, &n->world->nodes[peer].id), TW_OK);
  }
  assert_int_equal(tw_network_new(&network, &n->network), TW_OK);
  load_values(n);
  assert_int_equal(tw_control_client_start(&control, &n->control), TW_OK);
  n->closing++;
}

void many_node_stop(many_node *n) {
  if (n->network == NULL) return;
  add_traffic(n, &n->sent, &n->received);
  n->generation++;
  n->up = false;
  tw_control_client_close(n->control);
  n->control = NULL;
  tw_network_free(n->network);
  tw_pairs_free(n->pairs);
  n->network = NULL;
  n->pairs = NULL;
  n->to_cut_off_count = 0;
  n->key_count = 0;
  n->sending_count = 0;
}

void many_node_remove(many_node *n, const many_node *other) {
  many_unwant(n, other->index);
  assert_int_equal(tw_pairs_remove(n->pairs, other->index), TW_OK);
  tw_network_remove(n->network, &other->id, many_now(n->world));
}

void many_node_tick(many_node *n, bool pairs) {
  const uint64_t now_ms = many_now(n->world);
  if (n->network == NULL) return;
  if (pairs && tw_pairs_deadline(n->pairs) <= now_ms) tw_pairs_tick(n->pairs, now_ms);
  if (tw_network_deadline(n->network) <= now_ms) tw_network_tick(n->network, now_ms);
  if (n->mail_waits) fetch(n);
  cut_off(n);
}

void many_node_wire(many_node *n) {
  n->port = (tw_node_port){.ctx = n, .save = save, .load = load, .request = ask};
  many_keys_wire(n);
}

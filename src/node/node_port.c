/* What the engines of a node ask: store and relay. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "codec/writer.h"
#include "crypto/crypto.h"
#include "node/node_internal.h"

enum { CHANGES_MAX = 128 };
static const uint8_t cursor_id[] = {'c', 'u', 'r', 's', 'o', 'r'};

static tw_store_change cursor_change(uint64_t cursor, uint8_t value[8]) {
  tw_put_u64(value, cursor);
  return (tw_store_change){.kind = TW_STORE_NODE, .id = TW_ARRAY(cursor_id), .value = TW_BYTES(value, 8)};
}

/* The port's errors are of the class resource; the store says TW_ERR_STATE of a disk that another program holds, or
 * that cannot be read. */
static tw_err disk_error(tw_node *node, tw_err err, const tw_report *report) {
  node->disk_err = err == TW_ERR_STATE ? TW_ERR_LIMIT : err;
  node->disk_why = *report;
  return node->disk_err;
}

static const char *why(void *ctx, tw_err err) {
  const tw_node *node = ctx;
  const bool is_disk = err != TW_OK && err == node->disk_err && node->disk_why.text[0] != '\0';
  return is_disk ? node->disk_why.text : NULL;
}

/* With the entry that is being taken goes that it has been: it is taken once, whenever the process ends. */
static tw_err save(void *ctx, const tw_store_change *changes, size_t count) {
  tw_node *node = ctx;
  tw_store_change all[CHANGES_MAX];
  uint8_t value[8];
  tw_report report = {""};
  const uint64_t cursor = node->reading != 0 ? node->reading : node->cursor;
  if (count + 1 > CHANGES_MAX) return TW_ERR_LIMIT;
  if (count > 0) memcpy(all, changes, count * sizeof *changes);
  if (cursor != node->saved_cursor) all[count++] = cursor_change(cursor, value);
  const tw_err err = tw_store_apply(node->setup.store, all, count, &report);
  if (err == TW_OK)
    node->saved_cursor = cursor;
  else
    tw_node_tell(node, TW_NODE_ERROR, "state cannot be saved: %s", report.text);
  return disk_error(node, err, &report);
}

tw_err tw_node_save_cursor(tw_node *node) {
  if (node->cursor == node->saved_cursor) return TW_OK;
  return save(node, NULL, 0);
}

static tw_err load(void *ctx, tw_store_kind kind, tw_bytes id, tw_buf *value, bool *found) {
  tw_node *node = ctx;
  tw_buf found_value = {0};
  tw_report report = {""};
  *found = false;
  tw_err err = tw_store_get(node->setup.store, kind, id, &found_value, found, &report);
  if (err != TW_OK) err = disk_error(node, err, &report);
  if (err != TW_OK) tw_node_tell(node, TW_NODE_ERROR, "state cannot be read: %s", report.text);
  if (err == TW_OK && *found) err = tw_buf_append(value, tw_buf_bytes(&found_value));
  tw_buf_clear(&found_value);
  return err;
}

/* ---- requests ---- */

static void answered(void *ctx, const tw_control_answer *answer) {
  tw_node_question *question = ctx;
  tw_node *node = question->node;
  const uint64_t tag = question->tag;
  const bool current = question->generation == node->generation;
  tw_alloc_free(tw_env_alloc(node->setup.env), question);
  if (node->closing) return;
  tw_node_answered(node, tag, current ? answer : NULL);
}

static tw_err request(void *ctx, const tw_control_request *asked, uint64_t tag) {
  tw_node *node = ctx;
  if (!node->up) return TW_ERR_STATE;
  tw_node_question *question = tw_alloc_zero(tw_env_alloc(node->setup.env), sizeof *question);
  if (question == NULL) return TW_ERR_NO_MEMORY;
  *question = (tw_node_question){node, tag, node->generation};
  const tw_err err = tw_control_client_ask(node->control, asked, answered, question);
  if (err != TW_OK) tw_alloc_free(tw_env_alloc(node->setup.env), question);
  return err;
}

void tw_node_port_init(tw_node *node) {
  node->port = (tw_node_port){.ctx = node, .save = save, .load = load, .request = request, .why = why};
}

/* ---- the start ---- */

/* `act` for each id of a kind. They are noted first: the store may not be changed while it is gone through. */
static tw_err for_each_id(tw_node *node, tw_store_kind kind,
                          tw_err (*act)(tw_node *node, tw_store_kind kind, tw_bytes id, tw_report *report),
                          tw_report *report) {
  tw_buf ids = {0};
  tw_err err = tw_store_ids(node->setup.store, kind, &ids, report);
  tw_reader r = tw_reader_of(tw_buf_bytes(&ids));
  while (err == TW_OK && tw_reader_more(&r)) err = act(node, kind, tw_read_vector(&r), report);
  tw_buf_clear(&ids);
  return err;
}

static tw_err delete_value(tw_node *node, tw_store_kind kind, tw_bytes id) {
  const tw_store_change gone = {.kind = kind, .id = id, .remove = true};
  return save(node, &gone, 1);
}

static tw_err load_value(tw_node *node, tw_store_kind kind, tw_bytes id, tw_bytes value, bool *ours) {
  const uint64_t now = tw_node_now(node);
  TW_TRY(tw_pairs_load(node->pairs, kind, id, value, now, ours));
  if (!*ours) TW_TRY(tw_network_load(node->network, kind, id, value, now, ours));
  if (!*ours && kind == TW_STORE_NODE) TW_TRY(tw_enrol_load(node->enrol, id, value, ours));
  return TW_OK;
}

static void drop_value(tw_node *node, tw_store_kind kind, tw_bytes id, tw_err why) {
  tw_node_tell(node, TW_NODE_NOTE, "a saved value of kind %d is of no use any more: %s", (int)kind, tw_err_text(why));
  if (delete_value(node, kind, id) != TW_OK) tw_node_tell(node, TW_NODE_ERROR, "and cannot be deleted");
}

static tw_err load_one(tw_node *node, tw_store_kind kind, tw_bytes id, tw_report *report) {
  tw_buf value = {0};
  bool found = false;
  bool ours = false;
  tw_err err = tw_store_get(node->setup.store, kind, id, &value, &found, report);
  const tw_err bad = err == TW_OK && found ? load_value(node, kind, id, tw_buf_bytes(&value), &ours) : TW_OK;
  tw_buf_clear(&value);
  if (tw_err_class_of(bad) == TW_CLASS_RESOURCE) /* it is as good as ever, and stays */
    err = tw_report_fail(report, bad, "a saved value of kind %d cannot be taken up now: %s", (int)kind,
                         tw_err_text(bad));
  else if (bad != TW_OK)
    drop_value(node, kind, id, bad);
  return err;
}

/* Marks of SAs that are gone. */
static tw_err sweep_mark(tw_node *node, tw_store_kind kind, tw_bytes id, tw_report *report) {
  (void)report;
  return tw_sas_is_stale_mark(node->sas, id) ? delete_value(node, kind, id) : TW_OK;
}

static tw_err load_cursor(tw_node *node) {
  tw_buf value = {0};
  bool found;
  tw_err err = load(node, TW_STORE_NODE, TW_ARRAY(cursor_id), &value, &found);
  if (err == TW_OK && found) {
    tw_reader r = tw_reader_of(tw_buf_bytes(&value));
    node->cursor = tw_read_u64(&r);
    node->saved_cursor = node->cursor;
    err = tw_reader_end(&r);
  }
  tw_buf_clear(&value);
  return err;
}

/* ---- who was removed ---- */

enum { REMOVED_ID_SIZE = 1 + TW_FINGERPRINT_SIZE };

/* 'x', ClientId */
static bool is_removed_id(tw_bytes id) { return id.len == REMOVED_ID_SIZE && id.ptr[0] == 'x'; }

tw_err tw_node_save_removed(tw_node *node, uint32_t peer) {
  uint8_t id[REMOVED_ID_SIZE] = {'x'};
  memcpy(id + 1, node->peers[peer].id.digest, TW_FINGERPRINT_SIZE);
  const tw_store_change mark = {.kind = TW_STORE_NODE, .id = TW_ARRAY(id), .value = TW_LITERAL("x")};
  return save(node, &mark, 1);
}

/* Those whom the configuration still lists stay out; who is not listed any more may come back when listed again. */
static tw_err load_removed(tw_node *node, tw_store_kind kind, tw_bytes id, tw_report *report) {
  tw_client_id client;
  (void)report;
  if (!is_removed_id(id)) return TW_OK;
  memcpy(client.digest, id.ptr + 1, TW_FINGERPRINT_SIZE);
  const uint32_t peer = tw_node_find_peer(node, &client);
  if (peer == UINT32_MAX) return delete_value(node, kind, id);
  node->peers[peer].removed = true;
  return tw_pairs_remove(node->pairs, peer);
}

tw_err tw_node_load(tw_node *node, tw_report *report) {
  const tw_err err = load_cursor(node);
  if (err != TW_OK) return tw_report_fail(report, err, "the mailbox's cursor: %s", tw_node_port_why(&node->port, err));
  TW_TRY(for_each_id(node, TW_STORE_NODE, load_removed, report));
  TW_TRY(for_each_id(node, TW_STORE_KEY_PACKAGE, load_one, report));
  TW_TRY(for_each_id(node, TW_STORE_SESSION, load_one, report));
  TW_TRY(for_each_id(node, TW_STORE_GROUP, load_one, report));
  TW_TRY(for_each_id(node, TW_STORE_NODE, load_one, report));
  return for_each_id(node, TW_STORE_NODE, sweep_mark, report);
}

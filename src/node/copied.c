/* SPDX-License-Identifier: Apache-2.0 */
#include "node/copied.h"

#include <string.h>

static const uint8_t origin_id[] = {'o', 'r', 'i', 'g', 'i', 'n'};

/* The time of birth counts where both are known: not every file system has it. */
static bool is_other(tw_bytes kept, const uint8_t now[TW_STORE_ORIGIN_SIZE]) {
  static const uint8_t unknown[8] = {0};
  if (kept.len != TW_STORE_ORIGIN_SIZE || memcmp(kept.ptr, now, 8) != 0) return true;
  if (memcmp(kept.ptr + 8, unknown, 8) == 0 || memcmp(now + 8, unknown, 8) == 0) return false;
  return memcmp(kept.ptr + 8, now + 8, 8) != 0;
}

static tw_err delete_all(tw_store *store, tw_store_kind kind, tw_report *report) {
  tw_buf ids = {0};
  tw_err err = tw_store_ids(store, kind, &ids, report);
  if (err == TW_OK) err = tw_store_delete(store, kind, tw_buf_bytes(&ids), report);
  tw_buf_clear(&ids);
  return err;
}

/* Marks of kind TW_STORE_NODE are swept by the node, as those of SAs that are gone. The origin is the last to change,
 * so that an end in between begins anew. */
static tw_err forget_keys(tw_store *store, tw_report *report) {
  TW_TRY(delete_all(store, TW_STORE_SESSION, report));
  TW_TRY(delete_all(store, TW_STORE_GROUP, report));
  return delete_all(store, TW_STORE_KEY_PACKAGE, report);
}

tw_err tw_node_claim_state(tw_store *store, bool *copied, tw_report *report) {
  uint8_t origin[TW_STORE_ORIGIN_SIZE];
  tw_buf kept = {0};
  bool found = false;
  *copied = false;
  TW_TRY(tw_store_origin(store, origin, report));
  tw_err err = tw_store_get(store, TW_STORE_NODE, TW_ARRAY(origin_id), &kept, &found, report);
  const bool same = found && tw_bytes_equal(tw_buf_bytes(&kept), TW_ARRAY(origin));
  *copied = found && is_other(tw_buf_bytes(&kept), origin);
  tw_buf_clear(&kept);
  if (err == TW_OK && *copied) err = forget_keys(store, report);
  if (err != TW_OK || same) return err;
  const tw_store_change change = {.kind = TW_STORE_NODE, .id = TW_ARRAY(origin_id), .value = TW_ARRAY(origin)};
  return tw_store_apply(store, &change, 1, report);
}

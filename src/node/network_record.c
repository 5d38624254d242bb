/* What is saved of the network's group: one value, so that an epoch and what is pending change together. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "codec/reader.h"
#include "codec/writer.h"
#include "node/network_internal.h"

enum { VERSION = 3, VERSION_TREE_INSIDE = 2 }; /* when the GroupInfo had the tree in it, and all members went with it */

void tw_network_pending_clear(tw_network_pending *pending, const tw_env *env) {
  tw_network_epoch_clear(&pending->next, env);
  tw_buf_clear(&pending->commit);
  tw_buf_clear(&pending->group_info);
  tw_buf_clear(&pending->tree);
  tw_buf_clear(&pending->members);
  tw_buf_clear(&pending->welcomes);
  *pending = (tw_network_pending){.send_at_ms = UINT64_MAX};
}

/*
 * struct {
 *   uint8 version;
 *   uint8 refusal;
 *   select (refusal) { case 0: ; default: opaque roster[32]; }
 *   uint64 leaf_made_ms; opaque packet_key<V>; opaque group<V>;  (tw_group_save; empty: none)
 *   uint8 pending;
 *   select (pending) { case 0: ; default: uint64 epoch; uint64 since_ms;
 *     opaque packet_key<V>; opaque next<V>; opaque commit<V>; opaque group_info<V>; opaque tree<V>; (not in version 2)
 *     opaque members<V>; opaque welcomes<V>;
 *   }
 * } NetworkRecord
 */
static void write_group(tw_writer *w, const tw_group *group) {
  tw_buf saved = {0};
  const tw_err err = group == NULL ? TW_OK : tw_group_save(group, &saved);
  if (err != TW_OK) tw_writer_fail(w, err);
  tw_write_vector(w, tw_buf_bytes(&saved));
  tw_buf_clear(&saved);
}

static tw_err encode(const tw_network *network, const tw_network_epoch *epoch, const tw_network_pending *pending,
                     tw_network_refusal refusal, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  tw_write_u8(&w, VERSION);
  tw_write_u8(&w, (uint8_t)refusal);
  if (refusal != TW_NETWORK_REFUSED_NOTHING) tw_write_fixed(&w, TW_ARRAY(network->refused_by));
  tw_write_u64(&w, epoch->leaf_made_ms);
  tw_write_vector(&w, tw_secret_bytes(&epoch->packet_key));
  write_group(&w, epoch->group);
  const bool is_pending = pending != NULL && pending->kind != TW_NETWORK_PENDING_NONE && !pending->reopens;
  tw_write_u8(&w, is_pending ? (uint8_t)pending->kind : TW_NETWORK_PENDING_NONE);
  if (is_pending) {
    tw_write_u64(&w, pending->epoch);
    tw_write_u64(&w, pending->since_ms);
    tw_write_vector(&w, tw_secret_bytes(&pending->next.packet_key));
    write_group(&w, pending->next.group);
    tw_write_vector(&w, tw_buf_bytes(&pending->commit));
    tw_write_vector(&w, tw_buf_bytes(&pending->group_info));
    tw_write_vector(&w, tw_buf_bytes(&pending->tree));
    tw_write_vector(&w, tw_buf_bytes(&pending->members));
    tw_write_vector(&w, tw_buf_bytes(&pending->welcomes));
  }
  return tw_writer_end(&w);
}

tw_err tw_network_save(const tw_network *network, const tw_network_epoch *epoch, const tw_network_pending *pending,
                       tw_network_refusal refusal, const tw_store_change *more) {
  const tw_node_port *port = network->config.port;
  tw_store_change changes[2];
  size_t count = 0;
  tw_buf value = TW_BUF_INIT(tw_env_alloc(network->env));
  tw_err err = encode(network, epoch, pending, refusal, &value);
  if (err == TW_OK) {
    changes[count++] = (tw_store_change){
        .kind = TW_STORE_GROUP, .id = TW_NETWORK_RECORD_ID, .value = tw_buf_bytes(&value)};
    if (more != NULL) changes[count++] = *more;
    err = port->save(port->ctx, changes, count);
  }
  tw_buf_clear(&value);
  return err;
}

static tw_err load_epoch(const tw_network *network, tw_bytes saved, tw_bytes packet_key, tw_network_epoch *epoch) {
  tw_group *group = NULL;
  if (packet_key.len != 0 && packet_key.len != TW_PACKET_KEY) return TW_ERR_ENCODING;
  TW_TRY(tw_group_load(&network->client, saved, &group));
  TW_TRY(tw_network_epoch_of(network, group, epoch));
  tw_err err = tw_secret_set(&epoch->packet_key, packet_key);
  if (err == TW_OK) err = tw_network_check_epoch(network, epoch);
  if (err != TW_OK) tw_network_epoch_clear(epoch, network->env);
  return err;
}

static tw_err load_pending(const tw_network *network, tw_reader *r, uint8_t version, tw_network_pending *pending) {
  pending->epoch = tw_read_u64(r);
  pending->since_ms = tw_read_u64(r);
  const tw_bytes packet_key = tw_read_vector(r);
  const tw_bytes next = tw_read_vector(r);
  const tw_bytes commit = tw_read_vector(r);
  const tw_bytes group_info = tw_read_vector(r);
  const tw_bytes tree = version == VERSION ? tw_read_vector(r) : TW_NO_BYTES;
  const tw_bytes members = tw_read_vector(r);
  const tw_bytes welcomes = tw_read_vector(r);
  TW_TRY(tw_reader_err(r));
  TW_TRY(tw_buf_assign(&pending->commit, commit));
  TW_TRY(tw_buf_assign(&pending->group_info, group_info));
  TW_TRY(tw_buf_assign(&pending->tree, tree));
  TW_TRY(tw_buf_assign(&pending->members, members));
  TW_TRY(tw_buf_assign(&pending->welcomes, welcomes));
  TW_TRY(load_epoch(network, next, packet_key, &pending->next));
  pending->next.leaf_made_ms = pending->since_ms;
  pending->send_at_ms = UINT64_MAX;
  return version == VERSION ? TW_OK : tw_network_make_whole(network, pending);
}

static tw_err load(tw_network *network, tw_reader *r) {
  const uint8_t version = tw_read_u8(r);
  if (version != VERSION && version != VERSION_TREE_INSIDE) return TW_ERR_UNSUPPORTED;
  const uint8_t refusal = tw_read_u8(r);
  const tw_bytes roster = tw_read_fixed(r, refusal == TW_NETWORK_REFUSED_NOTHING ? 0 : TW_FINGERPRINT_SIZE);
  const uint64_t leaf_made_ms = tw_read_u64(r);
  const tw_bytes packet_key = tw_read_vector(r);
  const tw_bytes group = tw_read_vector(r);
  const uint8_t pending = tw_read_u8(r);
  TW_TRY(tw_reader_err(r));
  if (refusal > TW_NETWORK_REFUSED_LAST || pending > TW_NETWORK_PENDING_LAST) return TW_ERR_ENCODING;
  network->pending.kind = (tw_network_pending_kind)pending;
  if (pending != TW_NETWORK_PENDING_NONE) TW_TRY(load_pending(network, r, version, &network->pending));
  TW_TRY(tw_reader_end(r));
  if (group.len > 0) {
    TW_TRY(load_epoch(network, group, packet_key, &network->epoch));
    network->epoch.leaf_made_ms = leaf_made_ms;
  }
  network->refusal = (tw_network_refusal)refusal;
  if (roster.len > 0) memcpy(network->refused_by, roster.ptr, roster.len);
  return TW_OK;
}

/* struct { opaque name<V>; opaque group_id<V>; uint64 epoch; } LeftGroup */
tw_err tw_network_write_left(const tw_network *network, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  tw_write_vector(&w, tw_buf_bytes(&network->name));
  tw_write_vector(&w, tw_buf_bytes(&network->left_id));
  tw_write_u64(&w, network->left_epoch);
  return tw_writer_end(&w);
}

tw_err tw_network_load_left(tw_network *network, tw_bytes value) {
  tw_reader r = tw_reader_of(value);
  const tw_bytes name = tw_read_vector(&r);
  const tw_bytes group_id = tw_read_vector(&r);
  const uint64_t epoch = tw_read_u64(&r);
  TW_TRY(tw_reader_end(&r));
  if (!tw_bytes_equal(name, tw_buf_bytes(&network->name))) return TW_ERR_WRONG_GROUP;
  TW_TRY(tw_buf_assign(&network->left_id, group_id));
  network->left_epoch = epoch;
  return TW_OK;
}

tw_err tw_network_load_record(tw_network *network, tw_bytes value) {
  tw_reader r = tw_reader_of(value);
  if (network->epoch.group != NULL || network->pending.kind != TW_NETWORK_PENDING_NONE) return TW_ERR_STATE;
  const tw_err err = load(network, &r);
  if (err != TW_OK) tw_network_pending_clear(&network->pending, network->env);
  return err;
}

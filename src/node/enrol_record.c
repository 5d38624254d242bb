/* What enrolment keeps in the store. SPDX-License-Identifier: Apache-2.0 */
#include "node/config_value.h"
#include "node/enrol_internal.h"
#include "node/ini.h"

enum { VERSION_BEFORE = 1, VERSION = 2 };

void tw_enrol_put_id(uint8_t kind, const uint8_t *bytes, size_t len, uint8_t *id) {
  id[0] = kind;
  if (len > 0) memcpy(id + 1, bytes, len);
}

/*
 * struct {
 *   uint8 version; opaque name<V>; Prefix addresses<V>; uint64 until; ClientId guest; opaque request_key<V>;
 *   opaque reply_key<V>; uint8 enrolled; select (enrolled) { case 1: ClientId joiner; opaque answer_key<V>; };
 * } SavedInvitation, under 'i' and its id. Version 1 had no answer_key.
 */
tw_err tw_enrol_invitation_encode(const tw_enrol *enrol, const tw_enrol_invitation *invitation, tw_buf *value) {
  const size_t key_size = enrol->config.config->network.suite->aead->key_size;
  tw_writer w = tw_writer_to(value);
  tw_write_u8(&w, VERSION);
  tw_write_vector(&w, TW_BYTES((const uint8_t *)invitation->name, strlen(invitation->name)));
  tw_write_vector(&w, tw_buf_bytes(&invitation->addresses));
  tw_write_u64(&w, invitation->until);
  tw_control_write_client(&w, &invitation->guest);
  tw_write_vector(&w, TW_BYTES(invitation->request, key_size));
  tw_write_vector(&w, TW_BYTES(invitation->reply, key_size));
  tw_write_u8(&w, invitation->enrolled);
  if (invitation->enrolled) {
    tw_control_write_client(&w, &invitation->joiner);
    tw_write_vector(&w, tw_buf_bytes(&invitation->answer_key));
  }
  return tw_writer_end(&w);
}

static void read_client(tw_reader *r, tw_client_id *out) {
  const tw_bytes raw = tw_read_fixed(r, sizeof out->digest);
  if (raw.len > 0) memcpy(out->digest, raw.ptr, raw.len);
}

static void read_key(tw_reader *r, size_t size, uint8_t *out) {
  const tw_bytes key = tw_read_vector(r);
  if (key.len != size)
    tw_reader_fail(r, TW_ERR_ENCODING);
  else
    memcpy(out, key.ptr, key.len);
}

static tw_err decode_invitation(const tw_enrol *enrol, tw_bytes value, tw_enrol_invitation *out) {
  const size_t key_size = enrol->config.config->network.suite->aead->key_size;
  tw_reader r = tw_reader_of(value);
  const uint8_t version = tw_read_u8(&r);
  if (version != VERSION && version != VERSION_BEFORE) return TW_ERR_UNSUPPORTED;
  const tw_bytes name = tw_read_vector(&r);
  const tw_bytes addresses = tw_read_vector(&r);
  out->until = tw_read_u64(&r);
  read_client(&r, &out->guest);
  read_key(&r, key_size, out->request);
  read_key(&r, key_size, out->reply);
  out->enrolled = tw_read_present(&r);
  if (out->enrolled) read_client(&r, &out->joiner);
  const tw_bytes answer_key = out->enrolled && version == VERSION ? tw_read_vector(&r) : TW_NO_BYTES;
  TW_TRY(tw_reader_end(&r));
  if (name.len > TW_ENROLMENT_NAME_MAX || !tw_ini_is_printable(name) || !tw_value_is_peer_name(name))
    return TW_ERR_ENCODING;
  memcpy(out->name, name.ptr, name.len);
  tw_reader walk = tw_reader_of(addresses);
  tw_prefix prefix;
  while (tw_enrolled_prefix_next(&walk, &prefix)) continue;
  TW_TRY(tw_reader_end(&walk));
  out->addresses = out->answer_key = TW_BUF_INIT(enrol->alloc);
  TW_TRY(tw_buf_append(&out->answer_key, answer_key));
  return tw_buf_append(&out->addresses, addresses);
}

static tw_err load_invitation(tw_enrol *enrol, tw_bytes id, tw_bytes value) {
  tw_enrol_invitation *at = &enrol->invitations[enrol->invitation_count];
  if (enrol->invitation_count == TW_ENROL_INVITATIONS_MAX) return TW_ERR_LIMIT;
  *at = (tw_enrol_invitation){.told = false};
  memcpy(at->id, id.ptr + 1, sizeof at->id);
  const tw_err err = decode_invitation(enrol, value, at);
  if (err == TW_OK)
    enrol->invitation_count++;
  else
    tw_enrol_invitation_clear(at);
  return err;
}

static tw_err load_list(tw_enrol *enrol, tw_bytes id, tw_bytes value) {
  const tw_suite *suite = enrol->config.config->network.suite;
  tw_enrolment_list list;
  tw_client_id admin;
  TW_TRY(tw_enrolment_list_read(enrol->env, suite, value, &list, &admin));
  if (memcmp(admin.digest, id.ptr + 1, sizeof admin.digest) != 0 || !tw_bytes_equal(list.group, enrol->group))
    return TW_ERR_ENCODING;
  tw_enrol_known *known = tw_enrol_known_of(enrol, &admin);
  if (known == NULL) return TW_OK;                  /* no admin at the moment: kept, and of no effect */
  if (list.version <= known->version) return TW_OK; /* of before we were enrolled (anew): likewise */
  TW_TRY(tw_buf_assign(&known->list, value));
  known->version = list.version;
  return TW_OK;
}

static tw_err load_queue(tw_enrol *enrol, tw_bytes value) {
  if (value.len % TW_FINGERPRINT_SIZE != 0) return TW_ERR_ENCODING;
  enrol->queue_saved = true;
  return tw_buf_assign(&enrol->queue, value);
}

tw_err tw_enrol_load(tw_enrol *enrol, tw_bytes id, tw_bytes value, bool *ours) {
  const uint8_t kind = id.len == 0 ? 0 : id.ptr[0];
  tw_client_id client;
  *ours = true;
  if (kind == TW_ENROL_INVITATION && id.len == TW_ENROL_ID_SIZE) return load_invitation(enrol, id, value);
  if (kind == TW_ENROL_LIST && id.len == TW_ENROL_KEY_ID_SIZE) return load_list(enrol, id, value);
  if (kind == TW_ENROL_QUEUE && id.len == 1) return load_queue(enrol, value);
  if (kind == TW_ENROL_READMISSION && id.len == 1) {
    enrol->readmit = 0;
    return TW_OK;
  }
  if (kind == TW_ENROL_DISMISSAL && id.len == TW_ENROL_KEY_ID_SIZE) {
    memcpy(client.digest, id.ptr + 1, sizeof client.digest);
    return tw_enrol_add(&enrol->dismissals, &client);
  }
  *ours = false;
  return TW_OK;
}

tw_err tw_enrol_mark(tw_enrol *enrol, uint8_t kind) {
  const tw_node_port *port = enrol->config.port;
  const tw_store_change mark = {.kind = TW_STORE_NODE, .id = TW_BYTES(&kind, 1), .value = TW_LITERAL("x")};
  return port->save(port->ctx, &mark, 1);
}

tw_err tw_enrol_delete(tw_enrol *enrol, uint8_t kind, const uint8_t *bytes, size_t len) {
  uint8_t id[TW_ENROL_KEY_ID_SIZE];
  const tw_node_port *port = enrol->config.port;
  tw_enrol_put_id(kind, bytes, len, id);
  const tw_store_change gone = {.kind = TW_STORE_NODE, .id = TW_BYTES(id, 1 + len), .remove = true};
  return port->save(port->ctx, &gone, 1);
}

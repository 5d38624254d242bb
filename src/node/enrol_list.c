/* Lists of enrolled nodes: ours, and those of other admins. SPDX-License-Identifier: Apache-2.0 */
#include "node/enrol_internal.h"
#include "node/peer_map.h"

#define LABEL TW_LITERAL("treewire enrolment list")
enum { CHANGES_MAX = 8 };

static const tw_suite *suite_of(const tw_enrol *enrol) { return enrol->config.config->network.suite; }

/* ---- whose we know ---- */

tw_enrol_known *tw_enrol_known_of(const tw_enrol *enrol, const tw_client_id *admin) {
  for (size_t i = 0; i < enrol->known_count; i++)
    if (tw_enrol_same(&enrol->known[i].admin, admin)) return &enrol->known[i];
  return NULL;
}

uint64_t tw_enrol_version(const tw_enrol *enrol, const tw_client_id *admin) {
  const tw_enrol_known *known = tw_enrol_known_of(enrol, admin);
  return known == NULL ? 0 : known->version;
}

/* A list that was kept has been looked at. */
tw_bytes tw_enrol_entries(const tw_buf *list) {
  tw_reader r = tw_reader_of(tw_buf_bytes(list));
  (void)tw_read_vector(&r);
  (void)tw_read_u64(&r);
  return tw_read_vector(&r);
}

tw_bytes tw_enrol_own_entries(const tw_enrol *enrol) {
  const tw_enrol_known *own = tw_enrol_known_of(enrol, &enrol->config.self);
  return own == NULL ? TW_NO_BYTES : tw_enrol_entries(&own->list);
}

/* ---- our own ---- */

static tw_err write_entries(tw_bytes before, const tw_enrolled *added, const tw_fingerprint *without, tw_buf *out) {
  tw_reader walk = tw_reader_of(before);
  tw_writer w = tw_writer_to(out);
  tw_enrolled node;
  size_t count = added == NULL ? 0 : 1;
  while (tw_enrolled_next(&walk, &node)) {
    if (without != NULL && tw_enrol_same(&node.key, without)) continue;
    if (added != NULL && tw_enrol_same(&node.key, &added->key)) continue;
    tw_write_enrolled(&w, &node);
    count++;
  }
  if (count > TW_ENROLMENT_LIST_MAX) tw_writer_fail(&w, TW_ERR_LIMIT);
  if (added != NULL) tw_write_enrolled(&w, added);
  return tw_writer_end(&w);
}

/* All members but ourselves: whom the list goes to. */
static tw_err queue_all(const tw_enrol *enrol, tw_buf *queue) {
  tw_client_id id;
  for (size_t i = 0; tw_network_next_member(enrol->config.network, i, &id, NULL); i++)
    if (!tw_enrol_same(&id, &enrol->config.self)) TW_TRY(tw_buf_append(queue, TW_ARRAY(id.digest)));
  return TW_OK;
}

static tw_err save_list(const tw_enrol *enrol, tw_bytes list, const tw_client_id *admin, const tw_buf *queue,
                        const tw_store_change *more, size_t more_count) {
  const tw_node_port *port = enrol->config.port;
  uint8_t id[TW_ENROL_KEY_ID_SIZE];
  static const uint8_t queue_id[] = {TW_ENROL_QUEUE};
  tw_store_change changes[CHANGES_MAX];
  size_t count = 0;
  if (more_count + 2 > CHANGES_MAX) return TW_ERR_LIMIT;
  tw_enrol_put_id(TW_ENROL_LIST, admin->digest, sizeof admin->digest, id);
  for (; more != NULL && count < more_count; count++) changes[count] = more[count];
  changes[count++] = (tw_store_change){.kind = TW_STORE_NODE, .id = TW_ARRAY(id), .value = list};
  if (queue != NULL && queue->len > 0)
    changes[count++] = (tw_store_change){.kind = TW_STORE_NODE, .id = TW_ARRAY(queue_id), .value = tw_buf_bytes(queue)};
  return port->save(port->ctx, changes, count);
}

tw_err tw_enrol_change_list(tw_enrol *enrol, const tw_enrolled *added, const tw_fingerprint *without,
                            const tw_store_change *more, size_t more_count, uint64_t now_ms) {
  tw_enrol_known *own = tw_enrol_known_of(enrol, &enrol->config.self);
  tw_buf entries = TW_BUF_INIT(enrol->alloc);
  tw_buf queue = TW_BUF_INIT(enrol->alloc);
  tw_buf list = TW_BUF_INIT(enrol->alloc);
  if (own == NULL) return TW_ERR_FORBIDDEN;
  /* By the clock, so that it grows also where the state was lost. */
  const uint64_t version = now_ms / 1000 > own->version ? now_ms / 1000 : own->version + 1;
  tw_err err = write_entries(tw_enrol_entries(&own->list), added, without, &entries);
  const tw_enrolment_list made = {.group = enrol->group, .version = version, .entries = tw_buf_bytes(&entries)};
  if (err == TW_OK) err = tw_enrolment_list_make(enrol->env, enrol->config.signer, &made, &list);
  if (err == TW_OK) err = queue_all(enrol, &queue);
  if (err == TW_OK) err = save_list(enrol, tw_buf_bytes(&list), &own->admin, &queue, more, more_count);
  if (err == TW_OK) {
    tw_buf_clear(&own->list);
    tw_buf_clear(&enrol->queue);
    own->list = list;
    own->version = version;
    enrol->queue = queue;
    enrol->queue_saved = queue.len > 0;
    list = (tw_buf){0};
    queue = (tw_buf){0};
    tw_enrol_list_changed(enrol);
  }
  tw_buf_clear(&list);
  tw_buf_clear(&queue);
  tw_buf_clear(&entries);
  return err;
}

/* ---- mail ---- */

/* struct { opaque kem_output<V>; opaque ciphertext<V>; } SealedList */
tw_err tw_enrol_list_mail(const tw_enrol *enrol, const tw_client_id *member, tw_buf *out) {
  const tw_enrol_known *own = tw_enrol_known_of(enrol, &enrol->config.self);
  tw_buf parts[3] = {TW_BUF_INIT(enrol->alloc), TW_BUF_INIT(enrol->alloc), TW_BUF_INIT(enrol->alloc)};
  if (own == NULL || own->list.len == 0) return TW_ERR_STATE;
  tw_err err = tw_network_seal(enrol->config.network, member, LABEL, tw_buf_bytes(&own->list), &parts[0], &parts[1]);
  if (err == TW_OK) {
    tw_writer w = tw_writer_to(&parts[2]);
    tw_write_vector(&w, tw_buf_bytes(&parts[0]));
    tw_write_vector(&w, tw_buf_bytes(&parts[1]));
    err = tw_writer_end(&w);
  }
  tw_mail mail = {.kind = TW_MAIL_LIST, .body = tw_buf_bytes(&parts[2])};
  memcpy(mail.ref, enrol->config.self.digest, sizeof mail.ref);
  if (err == TW_OK) err = tw_mail_encode(&mail, out);
  for (size_t i = 0; i < 3; i++) tw_buf_clear(&parts[i]);
  return err;
}

static tw_enrol_known *known_by_ref(const tw_enrol *enrol, const tw_mail *mail) {
  for (size_t i = 0; i < enrol->known_count; i++)
    if (memcmp(enrol->known[i].admin.digest, mail->ref, sizeof mail->ref) == 0) return &enrol->known[i];
  return NULL;
}

static tw_err take_list(tw_enrol *enrol, tw_bytes encoded, tw_enrol_known **taken) {
  tw_enrolment_list list;
  tw_client_id admin;
  *taken = NULL;
  TW_TRY(tw_enrolment_list_read(enrol->env, suite_of(enrol), encoded, &list, &admin));
  tw_enrol_known *known = tw_enrol_known_of(enrol, &admin);
  if (known == NULL || tw_enrol_same(&admin, &enrol->config.self)) return TW_ERR_FORBIDDEN;
  if (!tw_bytes_equal(list.group, enrol->group)) return TW_ERR_WRONG_GROUP;
  if (list.version <= known->version) return TW_OK; /* had, or older */
  tw_buf kept = TW_BUF_INIT(enrol->alloc);
  tw_err err = tw_buf_append(&kept, encoded);
  if (err == TW_OK) err = save_list(enrol, encoded, &admin, NULL, NULL, 0);
  if (err != TW_OK) {
    tw_buf_clear(&kept);
    return err;
  }
  tw_buf_clear(&known->list);
  known->list = kept;
  known->version = list.version;
  *taken = known;
  return TW_OK;
}

void tw_enrol_got_list(tw_enrol *enrol, const tw_mail *mail) {
  tw_enrol_known *known = known_by_ref(enrol, mail);
  tw_buf list = TW_BUF_INIT(enrol->alloc);
  tw_reader r = tw_reader_of(mail->body);
  const tw_bytes kem_output = tw_read_vector(&r);
  const tw_bytes ciphertext = tw_read_vector(&r);
  if (known == NULL || tw_reader_end(&r) != TW_OK) return;
  tw_err err = tw_network_open(enrol->config.network, LABEL, kem_output, ciphertext, &list);
  if ((err == TW_ERR_DECRYPT || err == TW_ERR_STATE) && !known->again)
    known->ask = known->again = true; /* it was for a key that we have no more */
  if (err == TW_OK) known->again = false;
  if (err == TW_OK) err = take_list(enrol, tw_buf_bytes(&list), &known);
  if (err != TW_OK)
    tw_enrol_tell(enrol, "an enrolment list is of no use: %s", tw_err_text(err));
  else if (known != NULL)
    tw_enrol_match_learned(enrol);
  tw_buf_clear(&list);
}

/* Nothing hangs on whether it is true: who is no member gets nothing, and a member a list that it may have. */
void tw_enrol_list_wanted(tw_enrol *enrol, const tw_client_id *from, const tw_mail *mail) {
  const tw_enrol_known *own = tw_enrol_known_of(enrol, &enrol->config.self);
  tw_reader r = tw_reader_of(mail->body);
  const uint64_t version = tw_read_u64(&r);
  if (tw_reader_end(&r) != TW_OK || own == NULL || version >= own->version) return;
  if (memcmp(mail->ref, enrol->config.self.digest, sizeof mail->ref) != 0) return;
  if (!tw_network_has_member(enrol->config.network, from)) return;
  (void)!tw_enrol_add(&enrol->queue, from); /* it asks again */
}

/* ---- peers ---- */

/* Where a key is known from already. */
enum { IN_FILE = 1, IN_LIST = 2 };

static tw_err map_keys(const tw_enrol *enrol, tw_peer_map *from) {
  const tw_node_config *config = enrol->config.config;
  tw_enrolled node;
  for (size_t i = 0; i < enrol->known_count; i++) {
    tw_reader walk = tw_reader_of(tw_enrol_entries(&enrol->known[i].list));
    while (tw_enrolled_next(&walk, &node)) TW_TRY(tw_peer_map_put(from, &node.key, IN_LIST));
  }
  for (size_t i = 0; i < config->peer_count; i++) {
    const tw_node_peer *peer = &config->peers[i];
    const uint32_t place = tw_peer_map_find(from, &peer->key.fingerprint) == IN_LIST ? IN_FILE | IN_LIST : IN_FILE;
    if (peer->origin == TW_NODE_FROM_FILE && peer->key.given)
      TW_TRY(tw_peer_map_put(from, &peer->key.fingerprint, place));
  }
  return TW_OK;
}

static bool is_from(const tw_peer_map *from, const tw_fingerprint *key, uint32_t place) {
  const uint32_t found = tw_peer_map_find(from, key);
  return found != UINT32_MAX && (found & place) != 0;
}

/* As one that may be learned, in memory of the caller's. */
static tw_learned_peer learned_of(const tw_enrolled *node, char name[TW_ENROLMENT_NAME_MAX + 1],
                                  tw_node_prefix prefixes[TW_LEARNED_PREFIXES_MAX]) {
  tw_learned_peer peer = {.peer = {.origin = TW_NODE_FROM_ENROLMENT, .key = {.given = true, .fingerprint = node->key}}};
  tw_node_prefixes *allowed = &peer.peer.allowed;
  tw_reader walk = tw_reader_of(node->allowed);
  memset(name, 0, TW_ENROLMENT_NAME_MAX + 1);
  memcpy(name, node->name.ptr, node->name.len);
  peer.peer.name = name;
  allowed->list = prefixes;
  allowed->room = TW_LEARNED_PREFIXES_MAX;
  for (tw_prefix prefix; allowed->count < allowed->room && tw_enrolled_prefix_next(&walk, &prefix);)
    allowed->list[allowed->count++] = (tw_node_prefix){.prefix = prefix};
  return peer;
}

static bool is_as_learned(const tw_learned_peer *there, const tw_learned_peer *peer) {
  const tw_node_prefixes *a = &there->peer.allowed;
  const tw_node_prefixes *b = &peer->peer.allowed;
  bool same = there->peer.origin == TW_NODE_FROM_ENROLMENT && there->peer.name != NULL &&
              strcmp(there->peer.name, peer->peer.name) == 0 && a->count == b->count;
  for (size_t i = 0; same && i < a->count; i++) same = tw_prefix_compare(&a->list[i].prefix, &b->list[i].prefix) == 0;
  return same;
}

static void learn(tw_enrol *enrol, const tw_enrolled *node) {
  char name[TW_ENROLMENT_NAME_MAX + 1];
  tw_node_prefix prefixes[TW_LEARNED_PREFIXES_MAX];
  tw_learned_peer peer = learned_of(node, name, prefixes);
  const tw_learned_peer *there = tw_learned_find(enrol->config.learned, &node->key);
  if (there != NULL && (there->peer.origin != TW_NODE_FROM_ENROLMENT || is_as_learned(there, &peer))) return;
  (void)!enrol->config.learn(enrol->config.ctx, &peer); /* told, and again with the next start */
}

static void match(tw_enrol *enrol, const tw_peer_map *from) {
  const tw_learned *learned = enrol->config.learned;
  tw_enrolled node;
  for (size_t i = 0; i < learned->count;) {
    const tw_fingerprint key = learned->list[i].peer.key.fingerprint;
    const bool stays = learned->list[i].peer.origin != TW_NODE_FROM_ENROLMENT || is_from(from, &key, IN_LIST);
    if (stays || enrol->config.unlearn(enrol->config.ctx, &key) != TW_OK) i++;
  }
  for (size_t i = 0; i < enrol->known_count; i++) {
    tw_reader walk = tw_reader_of(tw_enrol_entries(&enrol->known[i].list));
    while (tw_enrolled_next(&walk, &node)) {
      if (!tw_enrol_same(&node.key, &enrol->config.self) && !is_from(from, &node.key, IN_FILE)) learn(enrol, &node);
    }
  }
}

void tw_enrol_match_learned(tw_enrol *enrol) {
  tw_peer_map from = {.alloc = enrol->alloc};
  if (enrol->config.learned == NULL) return;
  enrol->unmatched = map_keys(enrol, &from) != TW_OK;
  if (!enrol->unmatched) match(enrol, &from);
  tw_peer_map_clear(&from);
}

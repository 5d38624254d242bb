/* An epoch as one blob, for durable storage. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "mls/epoch.h"
#include "mls/leaf_make.h"

/*
 * Our own shape; numbers as in RFC 9420 section 2.1.
 *   uint16 version; uint16 cipher_suite; uint8 own_signer; opaque signer_key<V>; opaque group_context<V>; opaque
 * interim_transcript_hash<V>; opaque confirmation_tag<V>; opaque ratchet_tree<V>; uint32 leaf_index; opaque
 * leaf_key<V>; PathKey keys<V>; opaque secrets[8]<V>; SecretTree; ExportTree; CachedProposal proposals<V>; PastPSK
 * past_psks<V>; opaque reinit<V>; opaque digest[Nh]; The digest is of all before it, by the suite's hash: it tells
 * damage by a failing disk, not malice.
 */
enum { STATE_VERSION = 1 };

/* The schedule's secrets that an epoch keeps; the roots of the two trees are not among them. */
enum { SAVED_SECRETS = 8 };

static const size_t saved_secrets[SAVED_SECRETS] = {
    offsetof(tw_epoch_secrets, sender_data_secret),  offsetof(tw_epoch_secrets, exporter_secret),
    offsetof(tw_epoch_secrets, external_secret),     offsetof(tw_epoch_secrets, confirmation_key),
    offsetof(tw_epoch_secrets, membership_key),      offsetof(tw_epoch_secrets, resumption_psk),
    offsetof(tw_epoch_secrets, epoch_authenticator), offsetof(tw_epoch_secrets, init_secret),
};

static void write_secrets(tw_writer *w, const tw_epoch_secrets *secrets) {
  for (size_t i = 0; i < SAVED_SECRETS; i++) {
    tw_secret secret;
    memcpy(&secret, (const uint8_t *)secrets + saved_secrets[i], sizeof secret);
    tw_write_vector(w, tw_secret_bytes(&secret));
    tw_secret_clear(&secret);
  }
}

static void write_private(tw_writer *w, const tw_tree_private *priv) {
  tw_write_u32(w, priv->leaf_index);
  tw_write_vector(w, tw_secret_bytes(&priv->leaf_key));
  const tw_vector_mark keys = tw_write_open(w);
  for (uint32_t i = 0; i < priv->count; i++) {
    tw_write_u32(w, priv->keys[i].node);
    tw_write_vector(w, tw_secret_bytes(&priv->keys[i].private_key));
  }
  tw_write_close(w, keys);
}

/* Our own Update's keys go with it; its signer is told by its private key, which need not be the client's. */
static tw_err write_update_keys(tw_writer *w, const tw_update_keys *keys) {
  tw_buf signer = {.alloc = w->buf->alloc};
  tw_write_u8(w, keys != NULL);
  if (keys == NULL) return TW_OK;
  const tw_err err = tw_signer_export(keys->signer, &signer);
  tw_write_vector(w, tw_secret_bytes(&keys->leaf_key));
  tw_write_vector(w, tw_buf_bytes(&signer));
  tw_buf_clear(&signer);
  return err;
}

static tw_err write_proposals(tw_writer *w, const tw_group *group) {
  const tw_vector_mark proposals = tw_write_open(w);
  for (uint32_t i = 0; i < group->proposals.count; i++) {
    const tw_cached_proposal *cached = &group->proposals.items[i];
    tw_write_vector(w, tw_group_hash_bytes(group, cached->reference));
    tw_write_vector(w, tw_buf_bytes(&cached->encoded));
    tw_write_u8(w, cached->sender.type);
    tw_write_u32(w, cached->sender.index);
    TW_TRY(write_update_keys(w, cached->own_update));
  }
  tw_write_close(w, proposals);
  return TW_OK;
}

static tw_err write_tree(tw_writer *w, const tw_group *group) {
  tw_buf tree = TW_BUF_INIT(tw_env_alloc(group->env));
  const tw_err err = tw_tree_encode(group->tree, &tree);
  tw_write_vector(w, tw_buf_bytes(&tree));
  tw_buf_clear(&tree);
  return err;
}

static tw_err write_signer(tw_writer *w, const tw_group *group) {
  tw_buf signer = TW_BUF_INIT(tw_env_alloc(group->env));
  /* The client's signer stays with the client; another one (of a key package or update before it changed) is in here.
   */
  const bool own = !tw_bytes_equal(tw_signer_public_key(group->signer), tw_signer_public_key(group->client->signer));
  tw_err err = own ? tw_signer_export(group->signer, &signer) : TW_OK;
  tw_write_u8(w, own);
  tw_write_vector(w, own ? tw_buf_bytes(&signer) : tw_signer_public_key(group->signer));
  tw_buf_clear(&signer);
  return err;
}

static tw_err write_group(tw_writer *w, const tw_group *group) {
  tw_write_u16(w, STATE_VERSION);
  tw_write_u16(w, group->context.cipher_suite);
  TW_TRY(write_signer(w, group));
  tw_write_vector(w, tw_buf_bytes(&group->context_encoded));
  tw_write_vector(w, tw_group_hash_bytes(group, group->interim_transcript_hash));
  tw_write_vector(w, tw_group_hash_bytes(group, group->confirmation_tag));
  TW_TRY(write_tree(w, group));
  write_private(w, &group->priv);
  write_secrets(w, &group->secrets);
  tw_write_secret_tree(w, group->secret_tree);
  tw_write_export_tree(w, group->export_tree);
  TW_TRY(write_proposals(w, group));
  const tw_vector_mark past = tw_write_open(w);
  for (uint32_t i = 0; i < group->past_psk_count; i++) {
    tw_write_u64(w, group->past_psks[i].epoch);
    tw_write_vector(w, tw_secret_bytes(&group->past_psks[i].secret));
  }
  tw_write_close(w, past);
  tw_write_vector(w, tw_buf_bytes(&group->reinit));
  return TW_OK;
}

static tw_err write_digest(tw_writer *w, const tw_group *group) {
  uint8_t digest[TW_HASH_MAX];
  TW_TRY(w->err);
  const tw_bytes all = TW_BYTES(w->buf->ptr + w->start, w->buf->len - w->start);
  TW_TRY(tw_hash_parts(group->env, group->suite, &all, 1, digest));
  tw_write_fixed(w, tw_group_hash_bytes(group, digest));
  return TW_OK;
}

tw_err tw_group_save(const tw_group *group, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  tw_err err = write_group(&w, group);
  if (err == TW_OK) err = write_digest(&w, group);
  if (err != TW_OK) tw_writer_fail(&w, err);
  return tw_writer_end(&w);
}

/* ---- loading ---- */

static tw_err read_secret(tw_reader *r, tw_secret *out) {
  const tw_bytes bytes = tw_read_vector(r);
  TW_TRY(tw_reader_err(r));
  return bytes.len <= TW_SECRET_MAX ? tw_secret_set(out, bytes) : TW_ERR_ENCODING;
}

static tw_err read_secrets(tw_reader *r, tw_epoch_secrets *secrets) {
  for (size_t i = 0; i < SAVED_SECRETS; i++) {
    tw_secret secret = {0};
    TW_TRY(read_secret(r, &secret));
    memcpy((uint8_t *)secrets + saved_secrets[i], &secret, sizeof secret);
    tw_secret_clear(&secret);
  }
  return TW_OK;
}

static tw_err read_hash(tw_reader *r, const tw_group *group, uint8_t *out) {
  const tw_bytes bytes = tw_read_vector(r);
  TW_TRY(tw_reader_err(r));
  if (bytes.len != group->suite->hash->size) return TW_ERR_ENCODING;
  memcpy(out, bytes.ptr, bytes.len);
  return TW_OK;
}

static tw_err read_signer(tw_reader *r, tw_group *group) {
  const bool own = tw_read_present(r);
  const tw_bytes key = tw_read_vector(r);
  TW_TRY(tw_reader_err(r));
  if (own) return tw_signer_import(group->env, group->suite, key, &group->signer);
  if (!tw_bytes_equal(key, tw_signer_public_key(group->client->signer))) return TW_ERR_ARGUMENT;
  group->signer = tw_signer_ref(group->client->signer);
  return TW_OK;
}

static tw_err read_context(tw_reader *r, tw_group *group) {
  tw_reader encoded = tw_reader_of(tw_read_vector(r));
  TW_TRY(tw_reader_err(r));
  const tw_group_context context = tw_read_group_context(&encoded);
  TW_TRY(tw_reader_end(&encoded));
  if (tw_suite_by_id(group->env, context.cipher_suite) != group->suite) return TW_ERR_ENCODING;
  return tw_group_set_context(group, &context);
}

static tw_err read_tree(tw_reader *r, tw_group *group) {
  uint8_t tree_hash[TW_HASH_MAX];
  const tw_bytes encoded = tw_read_vector(r);
  TW_TRY(tw_reader_err(r));
  TW_TRY(tw_tree_decode(group->env, group->suite, encoded, &group->tree));
  TW_TRY(tw_tree_hash(group->tree, tree_hash));
  return tw_bytes_equal(tw_group_hash_bytes(group, tree_hash), group->context.tree_hash) ? TW_OK : TW_ERR_ENCODING;
}

static uint32_t count_path_keys(tw_bytes list) {
  uint32_t count = 0;
  tw_reader r = tw_reader_of(list);
  for (; tw_reader_more(&r); count++) {
    (void)tw_read_u32(&r);
    (void)tw_read_vector(&r);
  }
  return count;
}

static tw_err read_private(tw_reader *r, tw_group *group) {
  tw_tree_private *priv = &group->priv;
  priv->leaf_index = tw_read_u32(r);
  TW_TRY(read_secret(r, &priv->leaf_key));
  const tw_bytes list = tw_read_vector(r);
  TW_TRY(tw_reader_err(r));
  const uint32_t count = count_path_keys(list);
  if (count > 32) return TW_ERR_ENCODING;
  if (count > 0) {
    priv->keys = tw_alloc_array(tw_env_alloc(group->env), count, sizeof *priv->keys);
    if (priv->keys == NULL) return TW_ERR_NO_MEMORY;
  }
  tw_reader keys = tw_reader_of(list);
  while (tw_reader_more(&keys)) {
    priv->keys[priv->count].node = tw_read_u32(&keys);
    TW_TRY(read_secret(&keys, &priv->keys[priv->count].private_key));
    priv->count++;
  }
  TW_TRY(tw_reader_end(&keys));
  return tw_group_own_leaf_node(group) != NULL ? TW_OK : TW_ERR_ENCODING;
}

static tw_err read_update_keys(tw_reader *r, const tw_group *group, tw_update_keys **out) {
  *out = NULL;
  if (!tw_read_present(r)) return tw_reader_err(r);
  tw_update_keys *keys = tw_alloc_zero(tw_env_alloc(group->env), sizeof *keys);
  if (keys == NULL) return TW_ERR_NO_MEMORY;
  tw_err err = read_secret(r, &keys->leaf_key);
  const tw_bytes signer = tw_read_vector(r);
  if (err == TW_OK) err = tw_reader_err(r);
  if (err == TW_OK) err = tw_signer_import(group->env, group->suite, signer, &keys->signer);
  if (err != TW_OK) {
    tw_update_keys_free(group->env, keys);
    return err;
  }
  *out = keys;
  return TW_OK;
}

static tw_err read_proposals(tw_reader *r, tw_group *group) {
  tw_reader list = tw_reader_of(tw_read_vector(r));
  while (tw_reader_more(&list)) {
    uint8_t reference[TW_HASH_MAX];
    tw_proposal proposal;
    tw_update_keys *keys;
    TW_TRY(read_hash(&list, group, reference));
    const tw_bytes encoded = tw_read_vector(&list);
    tw_sender sender = {.type = tw_read_u8(&list)};
    sender.index = tw_read_u32(&list);
    TW_TRY(tw_reader_err(&list));
    TW_TRY(tw_proposal_decode(encoded, &proposal));
    TW_TRY(read_update_keys(&list, group, &keys));
    const tw_err err = tw_proposal_cache_add(group->env, group->suite, &group->proposals, reference, encoded, sender,
                                             keys);
    if (err != TW_OK) {
      tw_update_keys_free(group->env, keys);
      return err == TW_ERR_DUPLICATE ? TW_ERR_ENCODING : err;
    }
  }
  return tw_reader_end(&list);
}

static tw_err read_past_psks(tw_reader *r, tw_group *group) {
  tw_reader list = tw_reader_of(tw_read_vector(r));
  const tw_alloc *alloc = tw_env_alloc(group->env);
  while (tw_reader_more(&list)) {
    tw_past_psk past = {.epoch = tw_read_u64(&list)};
    TW_TRY(read_secret(&list, &past.secret));
    tw_past_psk *grown = tw_alloc_array(alloc, (size_t)group->past_psk_count + 1, sizeof *grown);
    if (grown == NULL) return TW_ERR_NO_MEMORY;
    if (group->past_psk_count > 0) memcpy(grown, group->past_psks, group->past_psk_count * sizeof *grown);
    grown[group->past_psk_count] = past;
    tw_wipe(group->past_psks, group->past_psk_count * sizeof *grown);
    tw_alloc_free(alloc, group->past_psks);
    group->past_psks = grown;
    group->past_psk_count++;
    tw_secret_clear(&past.secret);
  }
  return tw_reader_end(&list);
}

/* Version and suite first: whether we can read it at all. Then what stands before the digest, if that is right. */
static tw_err open_blob(const tw_group *group, tw_bytes saved, tw_reader *r) {
  uint8_t digest[TW_HASH_MAX];
  const size_t size = group->suite->hash->size;
  *r = tw_reader_of(saved);
  const uint16_t version = tw_read_u16(r);
  const uint16_t suite = tw_read_u16(r);
  TW_TRY(tw_reader_err(r));
  if (version != STATE_VERSION || tw_suite_by_id(group->env, suite) != group->suite) return TW_ERR_UNSUPPORTED;
  if (r->left < size) return TW_ERR_TRUNCATED;
  const tw_bytes all = TW_BYTES(saved.ptr, saved.len - size);
  TW_TRY(tw_hash_parts(group->env, group->suite, &all, 1, digest));
  if (!tw_bytes_equal(TW_BYTES(saved.ptr + all.len, size), tw_group_hash_bytes(group, digest))) return TW_ERR_ENCODING;
  r->left -= size;
  return TW_OK;
}

static tw_err read_group(tw_reader *r, tw_group *group) {
  TW_TRY(read_signer(r, group));
  TW_TRY(read_context(r, group));
  TW_TRY(read_hash(r, group, group->interim_transcript_hash));
  TW_TRY(read_hash(r, group, group->confirmation_tag));
  TW_TRY(read_tree(r, group));
  TW_TRY(read_private(r, group));
  TW_TRY(read_secrets(r, &group->secrets));
  TW_TRY(tw_read_secret_tree(group->env, group->suite, r, &group->secret_tree));
  TW_TRY(tw_read_export_tree(group->env, group->suite, r, &group->export_tree));
  TW_TRY(read_proposals(r, group));
  TW_TRY(read_past_psks(r, group));
  TW_TRY(tw_buf_assign(&group->reinit, tw_read_vector(r)));
  TW_TRY(tw_reader_end(r));
  tw_hmac_key_init(group->env, group->suite, tw_secret_bytes(&group->secrets.exporter_secret), &group->exporter_key);
  /* That each key is its node's, the digest says: making the public ones again costs as much as a handshake's part. */
  return tw_tree_private_fits(group->suite, &group->priv, group->tree);
}

tw_err tw_group_load(const tw_client *client, tw_bytes saved, tw_group **group) {
  TW_TRY(tw_client_check(client));
  tw_group *next;
  tw_reader r;
  TW_TRY(tw_group_new(client, &next));
  tw_err err = open_blob(next, saved, &r);
  if (err == TW_OK) err = read_group(&r, next);
  if (err != TW_OK) {
    tw_group_free(next);
    return err;
  }
  *group = next;
  return TW_OK;
}

/* welcome.json and passive-client-*.json: joining a group of somebody else's, and following it. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <treewire/mls.h>

#include "codec/writer.h"
#include "mls/framing.h"
#include "mls/schedule.h"
#include "vectors.h"

/* ---- welcome.json: the Welcome alone, without a tree ---- */

static void find_secrets(tw_vector *v, const tw_welcome *welcome, tw_bytes reference, tw_hpke_ciphertext *out) {
  tw_reader walk = tw_reader_of(welcome->secrets);
  tw_encrypted_group_secrets entry;
  while (tw_encrypted_group_secrets_next(&walk, &entry)) {
    if (!tw_bytes_equal(entry.new_member, reference)) continue;
    *out = entry.encrypted_group_secrets;
    return;
  }
  tw_vector_fail(v, "no secrets for the key package");
}

static void check_info(tw_vector *v, const tw_welcome *welcome, const tw_group_secrets *secrets, tw_bytes signer_pub) {
  const tw_bytes sealed = welcome->encrypted_group_info;
  uint8_t key[TW_AEAD_KEY_MAX];
  uint8_t nonce[TW_AEAD_NONCE];
  uint8_t tag[TW_HASH_MAX];
  uint8_t *plain = tw_vector_alloc(v, sealed.len + 1);
  tw_group_info info = {0};
  tw_epoch_secrets epoch = {0};
  if (!tw_vector_true(v, sealed.len >= TW_AEAD_TAG && plain != NULL, "encrypted_group_info")) return;
  if (!tw_vector_ok(v, tw_welcome_key(v->env, v->suite, secrets->joiner_secret, TW_NO_BYTES, key, nonce),
                    "welcome key"))
    return;
  if (!tw_vector_ok(
          v, tw_aead_open(v->env, v->suite, TW_BYTES(key, v->suite->aead->key_size), nonce, TW_NO_BYTES, sealed, plain),
          "opening the group info"))
    return;
  if (!tw_vector_ok(v, tw_group_info_decode(TW_BYTES(plain, sealed.len - TW_AEAD_TAG), &info), "group info")) return;
  (void)tw_vector_ok(v, tw_group_info_verify(v->env, v->suite, &info, signer_pub), "signature of the group info");
  (void)tw_vector_ok(v,
                     tw_epoch_secrets_derive(v->env, v->suite, secrets->joiner_secret, TW_NO_BYTES,
                                             info.group_context_encoded, &epoch),
                     "schedule");
  if (tw_vector_ok(v,
                   tw_confirmation_tag(v->env, v->suite, tw_secret_bytes(&epoch.confirmation_key),
                                       info.group_context.confirmed_transcript_hash, tag),
                   "confirmation tag"))
    (void)tw_vector_equal(v, TW_BYTES(tag, v->suite->hash->size), info.confirmation_tag, "confirmation tag");
  tw_epoch_secrets_clear(&epoch);
}

static void check_welcome(tw_vector *v, const tw_mls_message *key_package, const tw_mls_message *welcome) {
  const tw_bytes init_priv = tw_vector_hex(v, v->json, "init_priv");
  const tw_bytes signer_pub = tw_vector_hex(v, v->json, "signer_pub");
  const tw_key_package_view *view = &key_package->u.key_package;
  uint8_t reference[TW_HASH_MAX];
  tw_hpke_ciphertext ciphertext = {0};
  tw_buf plain = {0};
  tw_group_secrets secrets = {0};
  if (!tw_vector_ok(v, tw_key_package_ref(v->env, v->suite, view->encoded, reference), "reference")) return;
  find_secrets(v, &welcome->u.welcome, TW_BYTES(reference, v->suite->hash->size), &ciphertext);
  if (tw_vector_going(v) &&
      tw_vector_ok(v,
                   tw_decrypt_with_label(v->env, v->suite, init_priv, view->init_key, TW_LITERAL("Welcome"),
                                         welcome->u.welcome.encrypted_group_info, ciphertext.kem_output,
                                         ciphertext.ciphertext, &plain),
                   "opening the group secrets") &&
      tw_vector_ok(v, tw_group_secrets_decode(tw_buf_bytes(&plain), &secrets), "group secrets"))
    check_info(v, &welcome->u.welcome, &secrets, signer_pub);
  tw_buf_clear(&plain);
}

tw_vector_result tw_vector_welcome(const tw_env *env, json_t *vector) {
  tw_vector v = tw_vector_begin_with_suite(env, vector);
  tw_mls_message key_package = {0};
  tw_mls_message welcome = {0};
  const tw_bytes key_package_bytes = tw_vector_hex(&v, v.json, "key_package");
  const tw_bytes welcome_bytes = tw_vector_hex(&v, v.json, "welcome");
  if (tw_vector_going(&v) &&
      tw_vector_ok(&v, tw_mls_message_decode(env, key_package_bytes, &key_package), "key_package") &&
      tw_vector_ok(&v, tw_mls_message_decode(env, welcome_bytes, &welcome), "welcome") &&
      tw_vector_true(&v, key_package.wire_format == TW_WIRE_KEY_PACKAGE && welcome.wire_format == TW_WIRE_WELCOME,
                     "wire formats"))
    check_welcome(&v, &key_package, &welcome);
  return tw_vector_end(&v);
}

/* ---- passive-client-*.json ---- */

static tw_err accept_everyone(void *ctx, const tw_credential_use *use) {
  (void)ctx;
  (void)use;
  return TW_OK;
}

static tw_err find_psk(void *ctx, const tw_psk_query *query, tw_buf *secret) {
  tw_vector *v = ctx;
  json_t *psks = json_object_get(v->json, "external_psks");
  for (size_t i = 0; i < json_array_size(psks); i++) {
    json_t *psk = json_array_get(psks, i);
    const tw_bytes id = tw_vector_hex(v, psk, "psk_id");
    const tw_bytes value = tw_vector_hex(v, psk, "psk");
    if (query->type == 1 && tw_vector_going(v) && tw_bytes_equal(id, query->psk_id))
      return tw_buf_append(secret, value);
  }
  return TW_ERR_MISSING_PSK;
}

/* ECDSA and ECDH scalars stand in the vectors without their leading zeros. */
static tw_bytes private_key(tw_vector *v, const char *name, size_t size) {
  const tw_bytes given = tw_vector_hex(v, v->json, name);
  if (!tw_vector_going(v) || given.len >= size) return given;
  uint8_t *padded = tw_vector_alloc(v, size);
  if (padded == NULL) return TW_NO_BYTES;
  memcpy(padded + size - given.len, given.ptr, given.len);
  return TW_BYTES(padded, size);
}

/* The private keys of the vector in the form that the library saves a key package in. */
static tw_err load_key_package(tw_vector *v, const tw_client *client, tw_key_package **out) {
  tw_buf saved = {0};
  tw_writer w = tw_writer_to(&saved);
  tw_write_u16(&w, 1);
  tw_write_vector(&w, tw_vector_hex(v, v->json, "key_package"));
  tw_write_vector(&w, private_key(v, "init_priv", v->suite->kem->private_size));
  tw_write_vector(&w, private_key(v, "encryption_priv", v->suite->kem->private_size));
  tw_err err = tw_writer_end(&w);
  if (err == TW_OK && tw_vector_going(v)) err = tw_key_package_load(client, tw_buf_bytes(&saved), out);
  tw_buf_clear(&saved);
  return err;
}

static void check_authenticator(tw_vector *v, const tw_group *group, json_t *object, const char *name) {
  const tw_bytes expected = tw_vector_hex(v, object, name);
  if (tw_vector_going(v)) (void)tw_vector_equal(v, tw_group_epoch_authenticator(group), expected, name);
}

/* Saved and loaded again, a group must go on as if nothing had been. */
static void reload(tw_vector *v, const tw_client *client, tw_group **group) {
  tw_buf saved = {0};
  tw_group *loaded = NULL;
  if (tw_vector_ok(v, tw_group_save(*group, &saved), "saving") &&
      tw_vector_ok(v, tw_group_load(client, tw_buf_bytes(&saved), &loaded), "loading")) {
    tw_group_free(*group);
    *group = loaded;
  }
  tw_buf_clear(&saved);
}

static void follow_epoch(tw_vector *v, json_t *epoch, tw_group **group) {
  json_t *proposals = tw_vector_array(v, epoch, "proposals");
  tw_received received = {0};
  for (size_t i = 0; tw_vector_going(v) && i < json_array_size(proposals); i++) {
    const tw_bytes message = tw_vector_hex_value(v, json_array_get(proposals, i), "proposal");
    if (tw_vector_going(v)) (void)tw_vector_ok(v, tw_group_receive(*group, message, 0, &received), "proposal");
    tw_received_clear(&received);
  }
  const tw_bytes commit = tw_vector_hex(v, epoch, "commit");
  if (!tw_vector_going(v) || !tw_vector_ok(v, tw_group_receive(*group, commit, 0, &received), "commit")) return;
  if (tw_vector_true(v, received.kind == TW_RECEIVED_COMMIT, "kind of the commit")) {
    tw_group_free(*group);
    *group = received.next;
    received.next = NULL;
    check_authenticator(v, *group, epoch, "epoch_authenticator");
  }
  tw_received_clear(&received);
}

static void follow(tw_vector *v, const tw_client *client, tw_group **group) {
  json_t *epochs = tw_vector_array(v, v->json, "epochs");
  for (size_t i = 0; tw_vector_going(v) && i < json_array_size(epochs); i++) {
    tw_vector_where(v, "epoch %zu", i);
    follow_epoch(v, json_array_get(epochs, i), group);
    if (tw_vector_going(v)) reload(v, client, group);
  }
}

static void join_and_follow(tw_vector *v, const tw_client *client) {
  bool has_tree = false;
  tw_group *group = NULL;
  tw_key_package *key_package = NULL;
  const tw_bytes welcome = tw_vector_hex(v, v->json, "welcome");
  const tw_join_options options = {.ratchet_tree = tw_vector_optional_hex(v, v->json, "ratchet_tree", &has_tree)};
  if (!tw_vector_ok(v, load_key_package(v, client, &key_package), "key package") || key_package == NULL) return;
  if (tw_vector_going(v) &&
      tw_vector_ok(v, tw_group_join(client, key_package, welcome, &options, 0, &group), "joining")) {
    check_authenticator(v, group, v->json, "initial_epoch_authenticator");
    follow(v, client, &group);
  }
  tw_group_free(group);
  tw_key_package_free(key_package);
}

tw_vector_result tw_vector_passive_client(const tw_env *env, json_t *vector) {
  tw_vector v = tw_vector_begin_with_suite(env, vector);
  const tw_bytes signature_priv = tw_vector_going(&v)
                                      ? private_key(&v, "signature_priv", v.suite->signature->private_size)
                                      : TW_NO_BYTES;
  tw_signer *signer = NULL;
  if (tw_vector_going(&v) &&
      tw_vector_ok(&v, tw_signer_import(env, v.suite, signature_priv, &signer), "signature_priv")) {
    const tw_client client = {
        .env = env,
        .suite = v.suite,
        .signer = signer,
        .credential = {1, TW_LITERAL("passive")},
        .policy = {.ctx = &v, .credential = accept_everyone, .psk = find_psk},
    };
    join_and_follow(&v, &client);
  }
  tw_signer_free(signer);
  return tw_vector_end(&v);
}

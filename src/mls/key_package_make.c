/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/key_package_make.h"

#include <string.h>

#include "base/alloc.h"
#include "mls/app_data.h"
#include "mls/framing.h"
#include "mls/grease.h"
#include "mls/label.h"
#include "mls/leaf_make.h"

enum { SAVED_VERSION = 1, HOUR = 3600, DEFAULT_LIFETIME = 84 * 24 * HOUR };

void tw_lifetime_default(uint64_t now, uint64_t *not_before, uint64_t *not_after) {
  /* An hour back, for peers whose clocks are slow. */
  if (*not_before == 0) *not_before = now > HOUR ? now - HOUR : 0;
  if (*not_after == 0) *not_after = now + DEFAULT_LIFETIME;
}

void tw_key_package_free(tw_key_package *key_package) {
  if (key_package == NULL) return;
  const tw_alloc *alloc = tw_env_alloc(key_package->client->env);
  tw_signer_free(key_package->signer);
  tw_buf_clear(&key_package->message);
  tw_secret_clear(&key_package->init_key);
  tw_secret_clear(&key_package->leaf_key);
  tw_alloc_free(alloc, key_package);
}

tw_bytes tw_key_package_message(const tw_key_package *key_package) { return tw_buf_bytes(&key_package->message); }

tw_bytes tw_key_package_reference(const tw_key_package *key_package) {
  return TW_BYTES(key_package->reference, key_package->client->suite->hash->size);
}

static tw_key_package *empty(const tw_client *client) {
  tw_key_package *key_package = tw_alloc_zero(tw_env_alloc(client->env), sizeof *key_package);
  if (key_package == NULL) return NULL;
  key_package->client = client;
  key_package->signer = tw_signer_ref(client->signer);
  key_package->message = TW_BUF_INIT(tw_env_alloc(client->env));
  return key_package;
}

/* The view and the reference of the message. */
static tw_err settle(tw_key_package *key_package) {
  const tw_client *client = key_package->client;
  tw_mls_message message;
  TW_TRY(tw_mls_message_decode(client->env, tw_buf_bytes(&key_package->message), &message));
  if (message.wire_format != TW_WIRE_KEY_PACKAGE) return TW_ERR_ENCODING;
  key_package->view = message.u.key_package;
  return tw_key_package_ref(client->env, client->suite, key_package->view.encoded, key_package->reference);
}

/* The leaf, with its private key put away. Its GREASE extension type is for the key package's too (section 10). */
static tw_err make_leaf(tw_key_package *key_package, const tw_key_package_options *options, uint64_t now, tw_buf *out,
                        uint16_t *grease) {
  const tw_client *client = key_package->client;
  uint8_t public_key[TW_KEM_PUBLIC_MAX];
  tw_own_leaf leaf = {0};
  TW_TRY(tw_own_leaf_make(client, &leaf));
  tw_err err = tw_kem_generate(client->env, client->suite, &key_package->leaf_key, public_key);
  if (err == TW_OK) {
    leaf.fields.encryption_key = TW_BYTES(public_key, client->suite->kem->public_size);
    leaf.fields.source = TW_LEAF_KEY_PACKAGE;
    leaf.fields.not_before = options->not_before;
    leaf.fields.not_after = options->not_after;
    tw_lifetime_default(now, &leaf.fields.not_before, &leaf.fields.not_after);
    *grease = tw_grease_in(leaf.fields.capabilities.extensions);
    err = tw_leaf_node_make(client->env, client->suite, client->signer, &leaf.fields, TW_NO_BYTES, 0, out);
  }
  tw_own_leaf_clear(&leaf);
  return err;
}

static tw_err make_extensions(const tw_client *client, const tw_key_package_options *options, uint16_t grease,
                              tw_buf *out) {
  TW_TRY(tw_buf_append(out, options->extensions));
  if (options->last_resort) TW_TRY(tw_component_set(out, TW_COMPONENT_LAST_RESORT, TW_NO_BYTES));
  TW_TRY(tw_grease_components(client->env, out));
  return tw_grease_extension(client->env, grease, out);
}

static tw_err build(tw_key_package *key_package, const tw_key_package_options *options, uint64_t now, tw_buf *leaf,
                    tw_buf *extensions) {
  const tw_client *client = key_package->client;
  uint8_t init_key[TW_KEM_PUBLIC_MAX];
  uint16_t grease = 0;
  TW_TRY(tw_kem_generate(client->env, client->suite, &key_package->init_key, init_key));
  TW_TRY(make_leaf(key_package, options, now, leaf, &grease));
  TW_TRY(make_extensions(client, options, grease, extensions));
  tw_writer w = tw_writer_to(&key_package->message);
  tw_write_mls_message_header(&w, TW_WIRE_KEY_PACKAGE);
  TW_TRY(tw_writer_end(&w));
  TW_TRY(tw_key_package_make(client->env, client->suite, client->signer,
                             TW_BYTES(init_key, client->suite->kem->public_size), tw_buf_bytes(leaf),
                             tw_buf_bytes(extensions), &key_package->message));
  return settle(key_package);
}

tw_err tw_key_package_new(const tw_client *client, const tw_key_package_options *options, uint64_t now,
                          tw_key_package **key_package) {
  static const tw_key_package_options defaults = {0};
  TW_TRY(tw_client_check(client));
  if (options == NULL) options = &defaults;
  tw_key_package *next = empty(client);
  if (next == NULL) return TW_ERR_NO_MEMORY;
  tw_buf leaf = TW_BUF_INIT(tw_env_alloc(client->env));
  tw_buf extensions = TW_BUF_INIT(tw_env_alloc(client->env));
  const tw_err err = build(next, options, now, &leaf, &extensions);
  tw_buf_clear(&leaf);
  tw_buf_clear(&extensions);
  if (err != TW_OK) {
    tw_key_package_free(next);
    return err;
  }
  *key_package = next;
  return TW_OK;
}

/* Our own shape: uint16 version; opaque message<V>; opaque init_key<V>; opaque leaf_key<V>; */
tw_err tw_key_package_save(const tw_key_package *key_package, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  tw_write_u16(&w, SAVED_VERSION);
  tw_write_vector(&w, tw_buf_bytes(&key_package->message));
  tw_write_vector(&w, tw_secret_bytes(&key_package->init_key));
  tw_write_vector(&w, tw_secret_bytes(&key_package->leaf_key));
  return tw_writer_end(&w);
}

/* A damaged blob must not become a key package whose keys do not fit. */
static tw_err check_keys(const tw_key_package *key_package) {
  const tw_client *client = key_package->client;
  const size_t size = client->suite->kem->public_size;
  uint8_t public_key[TW_KEM_PUBLIC_MAX];
  TW_TRY(tw_kem_public_key(client->env, client->suite, tw_secret_bytes(&key_package->init_key), public_key));
  if (!tw_bytes_equal(TW_BYTES(public_key, size), key_package->view.init_key)) return TW_ERR_ENCODING;
  TW_TRY(tw_kem_public_key(client->env, client->suite, tw_secret_bytes(&key_package->leaf_key), public_key));
  if (!tw_bytes_equal(TW_BYTES(public_key, size), key_package->view.leaf_node.encryption_key)) return TW_ERR_ENCODING;
  return TW_OK;
}

static tw_err load(tw_key_package *key_package, tw_bytes saved) {
  tw_reader r = tw_reader_of(saved);
  if (tw_read_u16(&r) != SAVED_VERSION) tw_reader_fail(&r, TW_ERR_UNSUPPORTED);
  const tw_bytes message = tw_read_vector(&r);
  const tw_bytes init_key = tw_read_vector(&r);
  const tw_bytes leaf_key = tw_read_vector(&r);
  TW_TRY(tw_reader_end(&r));
  if (init_key.len > TW_SECRET_MAX || leaf_key.len > TW_SECRET_MAX) return TW_ERR_ENCODING;
  TW_TRY(tw_buf_assign(&key_package->message, message));
  TW_TRY(tw_secret_set(&key_package->init_key, init_key));
  TW_TRY(tw_secret_set(&key_package->leaf_key, leaf_key));
  TW_TRY(settle(key_package));
  if (key_package->view.cipher_suite != tw_suite_id(key_package->client->env, key_package->client->suite))
    return TW_ERR_UNSUPPORTED;
  TW_TRY(
      tw_key_package_check(key_package->client->env, key_package->client->suite, &key_package->view, TW_NO_BYTES, 0));
  return check_keys(key_package);
}

tw_err tw_key_package_load(const tw_client *client, tw_bytes saved, tw_key_package **key_package) {
  TW_TRY(tw_client_check(client));
  tw_key_package *next = empty(client);
  if (next == NULL) return TW_ERR_NO_MEMORY;
  const tw_err err = load(next, saved);
  if (err != TW_OK) {
    tw_key_package_free(next);
    return err;
  }
  *key_package = next;
  return TW_OK;
}

tw_err tw_key_package_inspect(const tw_env *env, tw_bytes message, uint64_t now, tw_key_package_info *info) {
  tw_mls_message decoded;
  TW_TRY(tw_mls_message_decode(env, message, &decoded));
  if (decoded.wire_format != TW_WIRE_KEY_PACKAGE) return TW_ERR_UNEXPECTED;
  const tw_key_package_view *view = &decoded.u.key_package;
  const tw_suite *suite = tw_suite_by_id(env, view->cipher_suite);
  if (suite == NULL) return TW_ERR_UNSUPPORTED;
  TW_TRY(tw_key_package_check(env, suite, view, TW_NO_BYTES, now));
  *info = (tw_key_package_info){
      .cipher_suite = view->cipher_suite,
      .credential = {view->leaf_node.credential.type, view->leaf_node.credential.identity},
      .signature_key = view->leaf_node.signature_key,
      .init_key = view->init_key,
      .leaf_extensions = view->leaf_node.extensions,
      .extensions = view->extensions,
      .not_before = view->leaf_node.not_before,
      .not_after = view->leaf_node.not_after,
  };
  return TW_OK;
}

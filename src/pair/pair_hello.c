/* Initial key agreement: draft-kohbrok-mls-two-party-profile-00. SPDX-License-Identifier: Apache-2.0 */
#include "pair/pair_hello.h"
#include "base/alloc.h"
#include "crypto/crypto.h"
#include "mls/framing.h"
#include "pair/binding.h"
#include "pair/message.h"
#include "pair/pair_internal.h"

/* ---- initiator ---- */

static tw_err start_initiator(tw_pair *pair, uint64_t now_ms, tw_buf *message) {
  TW_TRY(tw_key_package_new(&pair->client, NULL, now_ms / 1000, &pair->key_package));
  pair->state = TW_PAIR_HELLO_SENT;
  pair->own_leaf_since_ms = now_ms;
  const tw_pair_message hello = {.type = TW_PAIR_CLIENT_HELLO, .mls = tw_key_package_message(pair->key_package)};
  return tw_pair_message_encode(&hello, message);
}

tw_err tw_pair_initiate(const tw_pair_config *config, uint64_t now_ms, tw_pair **out, tw_buf *message) {
  TW_TRY(tw_pair_check_config(config));
  tw_pair *pair;
  TW_TRY(tw_pair_new(config, config->clients[0], config->parameters, TW_PAIR_INITIATOR, &pair));
  const tw_err err = start_initiator(pair, now_ms, message);
  if (err != TW_OK) {
    tw_pair_free(pair);
    return err;
  }
  *out = pair;
  return TW_OK;
}

tw_err tw_pair_do_join(tw_pair *pair, tw_bytes welcome, uint64_t now_ms) {
  tw_group *group = NULL;
  TW_TRY(tw_group_join(&pair->client, pair->key_package, welcome, NULL, now_ms / 1000, &group));
  tw_err err = tw_group_epoch(group) == 1 ? tw_pair_check_group(pair, group) : TW_ERR_WRONG_GROUP;
  if (err != TW_OK) {
    tw_group_free(group);
    return err;
  }
  tw_key_package_free(pair->key_package);
  pair->key_package = NULL;
  pair->group = group;
  pair->peer_leaf_since_ms = now_ms;
  return TW_OK;
}

/* ---- responder ---- */

/* The GroupContext's extensions: our binding, and whose KeyPackage the group is for (D7). */
static tw_err bind_context(const tw_pair *pair, tw_bytes key_package, tw_buf *extensions) {
  const tw_env *env = tw_pair_env(pair);
  uint8_t reference[TW_HASH_MAX];
  tw_buf binding = TW_BUF_INIT(tw_env_alloc(env));
  TW_TRY(tw_key_package_ref(env, pair->client.suite, key_package, reference));
  tw_err err = tw_group_binding_encode(tw_buf_bytes(&pair->binding),
                                       TW_BYTES(reference, pair->client.suite->hash->size), &binding);
  const uint16_t component = tw_env_code_points(env)->channel_binding_component;
  if (err == TW_OK) err = tw_component_set(extensions, component, tw_buf_bytes(&binding));
  tw_buf_clear(&binding);
  return err;
}

/* A group of ourselves, bound to the KeyPackage that is to be added. */
static tw_err create_group(const tw_pair *pair, tw_bytes key_package, uint64_t now_ms, tw_group **group) {
  const tw_env *env = tw_pair_env(pair);
  tw_buf group_id = TW_BUF_INIT(tw_env_alloc(env));
  tw_buf extensions = TW_BUF_INIT(tw_env_alloc(env));
  tw_err err = tw_channel_binding_group_id(env, pair->label, &group_id);
  if (err == TW_OK) err = bind_context(pair, key_package, &extensions);
  if (err == TW_OK) {
    err = tw_group_create(&pair->client, tw_buf_bytes(&group_id), tw_buf_bytes(&extensions), now_ms / 1000, group);
  }
  tw_buf_clear(&group_id);
  tw_buf_clear(&extensions);
  return err;
}

/* No path: the group is as fresh as one would make it. */
static tw_err add_initiator(tw_group *alone, tw_bytes key_package, uint64_t now_ms, const tw_alloc *alloc,
                            tw_commit_result *result) {
  tw_buf proposals = TW_BUF_INIT(alloc);
  tw_err err = tw_propose_add(&proposals, key_package);
  if (err == TW_OK) {
    const tw_commit_options options = {.proposals = tw_buf_bytes(&proposals), .without_path = true, .plaintext = true};
    err = tw_group_commit(alone, &options, now_ms / 1000, result);
  }
  tw_buf_clear(&proposals);
  return err;
}

/* `key_package` in its MLSMessage, `bare` without. */
static tw_err start_responder(tw_pair *pair, tw_bytes key_package, tw_bytes bare, uint64_t now_ms, tw_buf *message) {
  tw_group *alone = NULL;
  tw_commit_result result = {0};
  tw_err err = create_group(pair, bare, now_ms, &alone);
  if (err == TW_OK) err = add_initiator(alone, key_package, now_ms, tw_env_alloc(tw_pair_env(pair)), &result);
  if (err == TW_OK) err = tw_pair_check_group(pair, result.next);
  if (err == TW_OK) {
    const tw_pair_message hello = {.type = TW_PAIR_SERVER_HELLO, .mls = tw_buf_bytes(&result.welcome)};
    err = tw_pair_message_encode(&hello, message);
  }
  if (err == TW_OK) {
    pair->group = result.next;
    result.next = NULL;
    pair->state = TW_PAIR_UNCONFIRMED;
    pair->own_leaf_since_ms = now_ms;
    pair->peer_leaf_since_ms = now_ms;
  }
  tw_commit_result_clear(&result);
  tw_group_free(alone);
  return err;
}

tw_err tw_pair_respond(const tw_pair_config *config, tw_bytes client_hello, uint64_t now_ms, tw_pair **out,
                       tw_buf *message) {
  TW_TRY(tw_pair_check_config(config));
  tw_pair_message hello;
  TW_TRY(tw_pair_message_decode(client_hello, &hello));
  if (hello.type != TW_PAIR_CLIENT_HELLO) return TW_ERR_UNEXPECTED;
  const tw_env *env = config->clients[0]->env;
  tw_mls_message decoded;
  TW_TRY(tw_mls_message_decode(env, hello.mls, &decoded));
  if (decoded.wire_format != TW_WIRE_KEY_PACKAGE) return TW_ERR_UNEXPECTED;
  /* What is looked at here is not verified yet. Adding it does that, in full and once: signatures cost most. */
  const tw_key_package_view *package = &decoded.u.key_package;
  const tw_client *client;
  TW_TRY(tw_pair_find_client(config, package->cipher_suite, &client));
  TW_TRY(tw_channel_binding_check(env, package->leaf_node.extensions, config->label, NULL, NULL));
  tw_pair *pair;
  TW_TRY(tw_pair_new(config, client, config->parameters, TW_PAIR_RESPONDER, &pair));
  const tw_err err = start_responder(pair, hello.mls, package->encoded, now_ms, message);
  if (err != TW_OK) {
    tw_pair_free(pair);
    return err;
  }
  *out = pair;
  return TW_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/identity.h"

#include "cli/key_file.h"

static bool is_own_leaf(const tw_own_key *key, const tw_credential_use *use) {
  if (use->event != TW_CREDENTIAL_IN_TREE && use->event != TW_CREDENTIAL_UPDATED) return false;
  const uint32_t own_leaf = key->identity->connecting ? 1 : 0;
  return use->leaf_index == own_leaf && tw_bytes_equal(use->signature_key, tw_signer_public_key(key->signer));
}

/* The Authentication Service: the key is the identity, and the peers file says which keys are good. */
static tw_err judge(void *ctx, const tw_credential_use *use) {
  const tw_own_key *key = ctx;
  tw_identity *identity = key->identity;
  if (is_own_leaf(key, use)) return TW_OK;
  if (use->event == TW_CREDENTIAL_JOINS || use->event == TW_CREDENTIAL_EXTERNAL) return TW_ERR_CREDENTIAL;
  if (use->event == TW_CREDENTIAL_UPDATED && !tw_bytes_equal(use->signature_key, use->old_signature_key))
    return TW_ERR_CREDENTIAL;
  tw_fingerprint fingerprint;
  const tw_peer *peer = NULL;
  TW_TRY(tw_identity_lookup(identity, key->suite, use->signature_key, &fingerprint, &peer));
  if (peer != NULL) return TW_OK;
  identity->refused = true;
  identity->refused_key = fingerprint;
  return TW_ERR_CREDENTIAL;
}

tw_err tw_identity_lookup(const tw_identity *identity, const tw_suite *suite, tw_bytes signature_key,
                          tw_fingerprint *fingerprint, const tw_peer **peer) {
  TW_TRY(tw_fingerprint_of(identity->env, suite, signature_key, fingerprint));
  *peer = tw_peers_find(&identity->peers, fingerprint);
  return TW_OK;
}

bool tw_identity_has_suite(const tw_identity *identity, const tw_suite *suite) {
  if (suite == NULL) return true;
  for (size_t i = 0; i < identity->count; i++)
    if (identity->keys[i].suite == suite) return true;
  return false;
}

tw_err tw_identity_add_key(tw_identity *identity, const char *path, tw_report *report) {
  if (identity->count == TW_KEYS_MAX) return tw_report_fail(report, TW_ERR_ARGUMENT, "more than %d keys", TW_KEYS_MAX);
  tw_own_key *key = &identity->keys[identity->count];
  const tw_suite *suite = NULL;
  tw_signer *signer = NULL;
  TW_TRY(tw_key_file_read(identity->env, path, &suite, &signer, report));
  if (identity->count > 0 && tw_identity_has_suite(identity, suite)) {
    tw_signer_free(signer);
    return tw_report_fail(report, TW_ERR_ARGUMENT, "%.200s: a second key of suite %s", path, tw_suite_name(suite));
  }
  *key = (tw_own_key){.identity = identity, .suite = suite, .signer = signer};
  key->client = (tw_client){
      .env = identity->env,
      .suite = suite,
      .signer = signer,
      .credential = {.type = 1}, /* basic, with no name: peers know each other by their keys */
      .policy = {.ctx = key, .credential = judge},
  };
  identity->clients[identity->count] = &key->client;
  identity->count++;
  return TW_OK;
}

void tw_identity_clear(tw_identity *identity) {
  for (size_t i = 0; i < identity->count; i++) tw_signer_free(identity->keys[i].signer);
  identity->count = 0;
  tw_peers_clear(&identity->peers);
}

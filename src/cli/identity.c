/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/identity.h"

#include <string.h>

#include "cli/key_file.h"
#include "crypto/crypto.h"

enum { BASIC_CREDENTIAL = 1, X509_CREDENTIAL = 2 }; /* CredentialType, RFC 9420 section 17.5 */

/* ---- whom we accept ---- */

static bool is_own_leaf(const tw_own_key *key, const tw_credential_use *use) {
  if (use->event != TW_CREDENTIAL_IN_TREE && use->event != TW_CREDENTIAL_UPDATED) return false;
  const uint32_t own_leaf = key->identity->connecting ? 1 : 0;
  return use->leaf_index == own_leaf && tw_bytes_equal(use->signature_key, tw_signer_public_key(key->signer));
}

static tw_err check_certificate(const tw_identity *identity, const tw_stranger *stranger, tw_acquaintance *known,
                                tw_report *why) {
  const tw_certificates *certificates = &identity->certificates;
  if (stranger->credential.type != X509_CREDENTIAL)
    return tw_report_fail(why, TW_ERR_CREDENTIAL,
                          identity->connecting ? "it has no certificate"
                                               : "it has no certificate, and its key is not among the peers");
  const tw_x509_question question = {
      .certificates = stranger->credential.identity,
      .side = identity->connecting ? TW_X509_LISTENER : TW_X509_CONNECTOR,
      .names = certificates->names,
      .name_count = certificates->name_count,
      .now = stranger->now,
  };
  TW_TRY(tw_x509_verify(certificates->trust, &question, &known->holder, why));
  known->certified = true;
  return TW_OK;
}

static tw_err accept_listed(const tw_identity *identity, const tw_stranger *stranger, tw_acquaintance *known,
                            tw_report *why) {
  const bool certificates_count = identity->certificates.trust != NULL;
  if (identity->connecting) {
    if (identity->pinned && known->peer == NULL) return TW_ERR_CREDENTIAL;
    return certificates_count ? check_certificate(identity, stranger, known, why)
                              : (identity->pinned ? TW_OK : TW_ERR_CREDENTIAL);
  }
  if (known->peer != NULL || identity->anyone) return TW_OK;
  return certificates_count ? check_certificate(identity, stranger, known, why) : TW_ERR_CREDENTIAL;
}

static tw_err accept(const tw_identity *identity, const tw_stranger *stranger, tw_acquaintance *known, tw_report *why) {
  const tw_err err = accept_listed(identity, stranger, known, why);
  if (!tw_identity_is_refusal(err) || identity->connecting || identity->admits == NULL) return err;
  known->admitted = identity->admits(identity->admits_ctx, &known->fingerprint);
  return known->admitted.given ? TW_OK : err;
}

static tw_err digest_of(const tw_identity *identity, const tw_bytes *bytes, tw_fingerprint *digest) {
  const tw_suite *sha256 = tw_suite_by_id(identity->env, 1);
  if (sha256 == NULL || sha256->hash->size != TW_FINGERPRINT_SIZE) return TW_ERR_INTERNAL;
  return tw_hash_parts(identity->env, sha256, bytes, 1, digest->digest);
}

static tw_err credential_digest(const tw_identity *identity, const tw_stranger *stranger, tw_fingerprint *digest) {
  return digest_of(identity, &stranger->credential.identity, digest);
}

static tw_err fingerprint_of(const tw_identity *identity, const tw_stranger *stranger, tw_fingerprint *fingerprint) {
  if (stranger->suite != NULL)
    return tw_fingerprint_of(identity->env, stranger->suite, stranger->signature_key, fingerprint);
  return digest_of(identity, &stranger->signature_key, fingerprint);
}

static bool same(const tw_fingerprint *a, const tw_fingerprint *b) {
  return memcmp(a->digest, b->digest, TW_FINGERPRINT_SIZE) == 0;
}

/* Not remembered is not lost: it is verified again then. */
static void remember(tw_identity *identity, const tw_stranger *stranger, const tw_acquaintance *known) {
  tw_memory *memory = &identity->memories[identity->next_memory];
  if (!known->certified || credential_digest(identity, stranger, &memory->credential) != TW_OK) return;
  memory->known = *known;
  memory->known.peer = NULL; /* peers come and go */
  identity->next_memory = (identity->next_memory + 1) % TW_MEMORIES;
}

tw_err tw_identity_accepts(tw_identity *identity, const tw_stranger *stranger, tw_acquaintance *known) {
  tw_report why = {""};
  *known = (tw_acquaintance){0};
  TW_TRY(fingerprint_of(identity, stranger, &known->fingerprint));
  known->peer = tw_peers_find(&identity->peers, &known->fingerprint);
  const tw_err err = accept(identity, stranger, known, &why);
  if (tw_identity_is_refusal(err)) identity->refusal = (tw_refusal){true, known->fingerprint, why};
  if (err == TW_OK) remember(identity, stranger, known);
  return err;
}

tw_err tw_identity_recalls(tw_identity *identity, const tw_stranger *stranger, tw_acquaintance *known) {
  tw_fingerprint key;
  tw_fingerprint credential;
  TW_TRY(fingerprint_of(identity, stranger, &key));
  TW_TRY(credential_digest(identity, stranger, &credential));
  for (size_t i = 0; i < TW_MEMORIES; i++) {
    const tw_memory *memory = &identity->memories[i];
    if (!memory->known.certified || !same(&memory->credential, &credential)) continue;
    if (!same(&memory->known.fingerprint, &key)) continue;
    *known = memory->known;
    known->peer = tw_peers_find(&identity->peers, &key);
    return TW_OK;
  }
  return tw_identity_accepts(identity, stranger, known);
}

bool tw_identity_is_refusal(tw_err err) {
  return err == TW_ERR_CREDENTIAL || err == TW_ERR_CERTIFICATE || err == TW_ERR_CERTIFICATE_USE ||
         err == TW_ERR_CERTIFICATE_EXPIRED || err == TW_ERR_CERTIFICATE_REVOKED || err == TW_ERR_UNKNOWN_CA;
}

/*
 * The Authentication Service. It is asked anew with each update of the other side's leaf, so that what has expired or
 * was revoked in the meantime does not go on.
 */
static tw_err judge(void *ctx, const tw_credential_use *use) {
  const tw_own_key *key = ctx;
  if (is_own_leaf(key, use)) return TW_OK;
  if (use->event == TW_CREDENTIAL_JOINS || use->event == TW_CREDENTIAL_EXTERNAL) return TW_ERR_CREDENTIAL;
  if (use->event == TW_CREDENTIAL_UPDATED && !tw_bytes_equal(use->signature_key, use->old_signature_key))
    return TW_ERR_CREDENTIAL;
  const tw_stranger stranger = {key->suite, use->credential, use->signature_key, use->now};
  tw_acquaintance known;
  return tw_identity_accepts(key->identity, &stranger, &known);
}

/* ---- who we are ---- */

bool tw_identity_has_suite(const tw_identity *identity, const tw_suite *suite) {
  if (suite == NULL) return true;
  for (size_t i = 0; i < identity->count; i++)
    if (identity->keys[i].suite == suite) return true;
  return false;
}

/* Takes a reference of the signer's. */
static tw_err add(tw_identity *identity, const tw_suite *suite, tw_signer *signer, const tw_credential *credential,
                  const char *path, tw_report *report) {
  if (identity->count == TW_KEYS_MAX) return tw_report_fail(report, TW_ERR_ARGUMENT, "more than %d keys", TW_KEYS_MAX);
  if (identity->count > 0 && tw_identity_has_suite(identity, suite))
    return tw_report_fail(report, TW_ERR_ARGUMENT, "%.200s: a second key of suite %s", path, tw_suite_name(suite));
  tw_own_key *key = &identity->keys[identity->count];
  *key = (tw_own_key){.identity = identity, .suite = suite, .signer = tw_signer_ref(signer)};
  key->client = (tw_client){
      .env = identity->env,
      .suite = suite,
      .signer = signer,
      .credential = *credential,
      .policy = {.ctx = key, .credential = judge},
  };
  identity->clients[identity->count] = &key->client;
  identity->count++;
  return TW_OK;
}

tw_err tw_identity_add_key(tw_identity *identity, const char *path, tw_report *report) {
  const tw_credential nameless = {.type = BASIC_CREDENTIAL}; /* peers know each other by their keys */
  const tw_suite *suite = NULL;
  tw_signer *signer = NULL;
  TW_TRY(tw_key_file_read(identity->env, path, &suite, &signer, report));
  const tw_err err = add(identity, suite, signer, &nameless, path, report);
  tw_signer_free(signer);
  return err;
}

tw_err tw_identity_add_certificate(tw_identity *identity, tw_report *warning, tw_report *report) {
  tw_certificates *certificates = &identity->certificates;
  tw_signer *signer = NULL;
  TW_TRY(tw_certificates_read_own(certificates, identity->env, &signer, warning, report));
  const tw_credential credential = {.type = X509_CREDENTIAL, .identity = tw_buf_bytes(&certificates->chain)};
  tw_err err = TW_OK;
  for (size_t i = 0; err == TW_OK && i < certificates->suite_count; i++)
    err = add(identity, certificates->suites[i], signer, &credential, certificates->cert_path, report);
  tw_signer_free(signer);
  return err;
}

void tw_identity_clear(tw_identity *identity) {
  for (size_t i = 0; i < identity->count; i++) tw_signer_free(identity->keys[i].signer);
  identity->count = 0;
  tw_peers_clear(&identity->peers);
  tw_certificates_clear(&identity->certificates);
}

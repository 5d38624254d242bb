/* SPDX-License-Identifier: Apache-2.0 */
#include "node/certified.h"

#include <string.h>

#include "base/alloc.h"
#include "node/config_value.h"

enum { X509_CREDENTIAL = 2, NAMES_MAX = 16 };

/* ---- names ---- */

static bool is_match(const char *pattern, const char *name) {
  if (strncmp(pattern, "*.", 2) != 0) return strcmp(pattern, name) == 0;
  const char *dot = strchr(name, '.');
  return dot != NULL && strcmp(dot + 1, pattern + 2) == 0;
}

static bool is_admitted(const tw_node_network *network, const char *name) {
  for (size_t i = 0; i < network->admit_count; i++)
    if (is_match(network->admit[i], name)) return true;
  return network->admit_count == 0;
}

/* The names of [Peer]s, one of which the certificate has to be for. NULL: there are none. */
static tw_err listed_names(const tw_node_config *config, const char ***names, size_t *count) {
  *names = NULL;
  *count = 0;
  for (size_t i = 0; i < config->peer_count; i++)
    *count += config->peers[i].certificate != NULL && config->peers[i].origin == TW_NODE_FROM_FILE;
  if (*count == 0) return TW_OK;
  *names = tw_alloc_array(config->alloc, *count, sizeof **names);
  if (*names == NULL) return TW_ERR_NO_MEMORY;
  size_t at = 0;
  for (size_t i = 0; i < config->peer_count; i++)
    if (config->peers[i].certificate != NULL && config->peers[i].origin == TW_NODE_FROM_FILE)
      (*names)[at++] = config->peers[i].certificate;
  return TW_OK;
}

/* The first DNS name that is admitted; TW_ERR_FORBIDDEN: none. */
static tw_err admitted_name(const tw_certified *certified, const tw_node_config *config, tw_bytes certificates,
                            const tw_x509_holder *holder, char name[TW_X509_NAME], tw_report *report) {
  char names[NAMES_MAX][TW_X509_NAME];
  size_t count = 0;
  if (config->network.certified) TW_TRY(tw_x509_dns_names(certified->x509, certificates, names, NAMES_MAX, &count));
  for (size_t i = 0; i < count; i++) {
    if (!is_admitted(&config->network, names[i])) continue;
    memcpy(name, names[i], TW_X509_NAME);
    return TW_OK;
  }
  return tw_report_fail(report, TW_ERR_FORBIDDEN, "'%.180s' (%.180s) is nobody who is admitted here", holder->subject,
                        holder->names[0] == '\0' ? "no name" : holder->names);
}

/* ---- addresses ---- */

tw_prefix tw_certified_prefix(const tw_x509_address *address) {
  tw_prefix prefix = {.family = address->len == 4 ? 4 : 6, .length = (uint8_t)(8 * address->len)};
  memcpy(prefix.address, address->bytes, address->len);
  return prefix;
}

static bool is_in_our_subnets(const tw_node_config *config, const tw_prefix *prefix) {
  for (size_t i = 0; i < config->interface.addresses.count; i++) {
    const tw_prefix subnet = tw_prefix_network(&config->interface.addresses.list[i].prefix);
    if (subnet.family == prefix->family && tw_prefix_contains(&subnet, prefix)) return true;
  }
  return false;
}

static tw_err take_addresses(const tw_certified *certified, const tw_node_config *config, tw_bytes certificates,
                             tw_node_prefixes *allowed) {
  tw_x509_address addresses[NAMES_MAX];
  size_t count = 0;
  TW_TRY(tw_x509_addresses(certified->x509, certificates, addresses, NAMES_MAX, &count));
  if (count == 0) return TW_OK;
  allowed->list = tw_alloc_array(config->alloc, count, sizeof *allowed->list);
  if (allowed->list == NULL) return TW_ERR_NO_MEMORY;
  allowed->room = count;
  for (size_t i = 0; i < count; i++) {
    const tw_prefix prefix = tw_certified_prefix(&addresses[i]);
    if (is_in_our_subnets(config, &prefix)) allowed->list[allowed->count++] = (tw_node_prefix){prefix, 0};
  }
  return TW_OK;
}

/* ---- all of it ---- */

static tw_err verify(const tw_certified *certified, const tw_node_config *config, tw_bytes certificates, uint64_t now,
                     tw_x509_holder *holder, char name[TW_X509_NAME], tw_report *report) {
  const char **names = NULL;
  tw_x509_question question = {.certificates = certificates, .side = TW_X509_CONNECTOR, .now = now};
  TW_TRY(tw_x509_verify(certified->trust, &question, holder, report));
  TW_TRY(listed_names(config, &names, &question.name_count));
  question.names = names;
  tw_x509_holder listed;
  tw_err err = question.name_count == 0 ? TW_ERR_FORBIDDEN : tw_x509_verify(certified->trust, &question, &listed, NULL);
  tw_alloc_free(config->alloc, names);
  if (err == TW_ERR_NO_MEMORY) return err;
  if (err != TW_OK) return admitted_name(certified, config, certificates, holder, name, report);
  memcpy(name, listed.name, TW_X509_NAME);
  return TW_OK;
}

static tw_err fill(const tw_certified *certified, const tw_node_config *config, const tw_fingerprint *key,
                   tw_bytes certificates, const char *name, tw_learned_peer *peer) {
  peer->peer.origin = TW_NODE_FROM_CERTIFICATE;
  peer->peer.key = (tw_node_key){.given = true, .fingerprint = *key};
  peer->certificates.alloc = config->alloc;
  TW_TRY(tw_value_copy(config->alloc, TW_BYTES((const uint8_t *)name, strlen(name)), &peer->peer.certificate));
  TW_TRY(take_addresses(certified, config, certificates, &peer->peer.allowed));
  return tw_buf_append(&peer->certificates, certificates);
}

tw_err tw_certified_judge(const tw_certified *certified, const tw_node_config *config, const tw_fingerprint *key,
                          tw_bytes certificates, uint64_t now, tw_learned_peer *peer, tw_report *report) {
  tw_x509_holder holder;
  char name[TW_X509_NAME];
  if (certified->trust == NULL) return tw_report_fail(report, TW_ERR_FORBIDDEN, "there is no CA here");
  if (certificates.len > TW_LEARNED_CERTIFICATES_MAX)
    return tw_report_fail(report, TW_ERR_CERTIFICATE, "a chain of more than %d bytes", TW_LEARNED_CERTIFICATES_MAX);
  TW_TRY(verify(certified, config, certificates, now, &holder, name, report));
  *peer = (tw_learned_peer){.learned_at = now, .not_before = holder.not_before, .not_after = holder.not_after};
  const tw_err err = fill(certified, config, key, certificates, name, peer);
  if (err == TW_OK) return TW_OK;
  tw_learned_peer_clear(config->alloc, peer);
  return tw_report_fail(report, err, "%s", tw_err_text(err));
}

/* ---- those who are known ---- */

/* The certificates stay; what follows of them may be another thing by this configuration. */
static tw_err review_one(const tw_certified *certified, const tw_node_config *config, tw_learned *learned, size_t at,
                         uint64_t now, tw_report *why) {
  tw_learned_peer *known = &learned->list[at];
  tw_learned_peer seen;
  TW_TRY(tw_certified_judge(certified, config, &known->peer.key.fingerprint, tw_buf_bytes(&known->certificates), now,
                            &seen, why));
  tw_node_peer peer;
  const tw_err err = tw_node_peer_copy(learned->alloc, &seen.peer, &peer);
  if (err == TW_OK) {
    tw_node_peer_clear(learned->alloc, &known->peer);
    known->peer = peer;
    known->not_after = seen.not_after;
  }
  tw_learned_peer_clear(config->alloc, &seen);
  return err;
}

tw_err tw_certified_review(const tw_certified *certified, const tw_node_config *config, tw_learned *learned,
                           uint64_t now, tw_problems *told, tw_report *report) {
  for (size_t i = 0; i < learned->count;) {
    tw_learned_peer *known = &learned->list[i];
    tw_report why = {""};
    tw_err err = TW_OK;
    if (known->peer.origin == TW_NODE_FROM_CERTIFICATE) err = review_one(certified, config, learned, i, now, &why);
    /* A CRL that we lack makes no end later. */
    if (err == TW_ERR_CREDENTIAL && known->not_after < now) err = TW_ERR_CERTIFICATE_EXPIRED;
    if (err == TW_ERR_NO_MEMORY) return tw_report_fail(report, err, "%s", tw_err_text(err));
    if (err != TW_OK) {
      char room[TW_FINGERPRINT_TEXT];
      tw_problems_add(told, config->source, 0, "%s%s: %s", tw_node_peer_label(&known->peer, room),
                      err == TW_ERR_CREDENTIAL ? "" : " is no peer any more", why.text);
    }
    if (err == TW_OK || err == TW_ERR_CREDENTIAL)
      i++;
    else
      TW_TRY(tw_learned_remove(learned, &known->peer.key.fingerprint, report));
  }
  return TW_OK;
}

/* ---- the relay ---- */

tw_err tw_certified_relay(const tw_certified *certified, const tw_node_relay *relay, const tw_fingerprint *key,
                          const tw_credential *credential, uint64_t now) {
  if (!relay->key.given && relay->name == NULL) return TW_ERR_CREDENTIAL;
  if (relay->key.given && memcmp(&relay->key.fingerprint, key, sizeof *key) != 0) return TW_ERR_CREDENTIAL;
  if (relay->name == NULL) return TW_OK;
  if (certified->trust == NULL || credential->type != X509_CREDENTIAL) return TW_ERR_CREDENTIAL;
  const char *const names[] = {relay->name};
  const tw_x509_question question = {
      .certificates = credential->identity, .side = TW_X509_LISTENER, .names = names, .name_count = 1, .now = now};
  return tw_x509_verify(certified->trust, &question, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/node_identity.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/key_file.h"
#include "node/certified.h"

static tw_err read_key(const tw_env *env, const tw_node_config *config, tw_node_identity *identity, tw_report *report) {
  const char *path = config->interface.identity;
  const tw_suite *suite = NULL;
  tw_signer *signer = NULL;
  TW_TRY(tw_key_file_read(env, path, &suite, &signer, report));
  if (suite != config->network.suite) {
    tw_signer_free(signer);
    return tw_report_fail(report, TW_ERR_ARGUMENT,
                          "%.200s: a key of suite %s, and the network's is %s (Suite in [Network])", path,
                          tw_suite_name(suite), tw_suite_name(config->network.suite));
  }
  identity->signer = signer;
  return TW_OK;
}

static tw_err read_certificate(const tw_env *env, const tw_node_config *config, tw_node_identity *identity,
                               tw_report *report) {
  tw_certificates *certificates = &identity->certificates;
  certificates->cert_path = config->interface.certificate;
  certificates->key_path = config->interface.certificate_key;
  certificates->suites[0] = config->network.suite;
  certificates->suite_count = 1;
  TW_TRY(tw_certificates_read_own(certificates, env, &identity->signer, &identity->warning, report));
  TW_TRY(tw_x509_dns_names(certificates->x509, tw_buf_bytes(&certificates->chain), identity->names, TW_NAMES_MAX,
                           &identity->name_count));
  for (size_t i = 0; i < identity->name_count; i++) identity->name_list[i] = identity->names[i];
  return TW_OK;
}

static tw_err read_own(const tw_env *env, const tw_node_config *config, tw_node_identity *identity, tw_report *report) {
  const tw_node_interface *interface = &config->interface;
  if (interface->identity != NULL)
    TW_TRY(read_key(env, config, identity, report));
  else if (interface->certificate != NULL && interface->certificate_key != NULL)
    TW_TRY(read_certificate(env, config, identity, report));
  if (identity->signer == NULL) return TW_OK;
  identity->suite = config->network.suite;
  return tw_fingerprint_of(env, identity->suite, tw_signer_public_key(identity->signer), &identity->fingerprint);
}

static tw_err read_trust(const tw_node_config *config, tw_node_identity *identity, tw_report *report) {
  const tw_node_interface *interface = &config->interface;
  tw_certificates *certificates = &identity->certificates;
  if (interface->ca == NULL) return TW_OK;
  certificates->ca_path = interface->ca;
  certificates->crl_count = interface->crl_count;
  for (size_t i = 0; i < interface->crl_count; i++) certificates->crl_paths[i] = interface->crls[i];
  return tw_certificates_read_trust(certificates, &certificates->trust, report);
}

/* Others will judge it by their own CA files, which may be other ones: worth a word, no more. */
static void look_at_own_chain(tw_node_identity *identity) {
  const tw_certificates *certificates = &identity->certificates;
  const tw_x509_question question = {
      .certificates = tw_buf_bytes(&certificates->chain), .side = TW_X509_CONNECTOR, .now = (uint64_t)time(NULL)};
  tw_report why = {""};
  if (certificates->trust == NULL || certificates->chain.len == 0 || identity->warning.text[0] != '\0') return;
  if (tw_x509_verify(certificates->trust, &question, NULL, &why) == TW_OK) return;
  (void)snprintf(identity->warning.text, sizeof identity->warning.text, "%.200s: by CA it is not good: %.250s",
                 certificates->cert_path, why.text);
}

/* Whether the list of peers, which is the same at all nodes, gives us this address. */
static bool is_listed_as_ours(const tw_node_config *config, const tw_prefix *host) {
  if (config->self == TW_NODE_NONE) return false;
  const tw_node_prefixes *allowed = &config->peers[config->self].allowed;
  for (size_t i = 0; i < allowed->count; i++)
    if (tw_prefix_contains(&allowed->list[i].prefix, host)) return true;
  return false;
}

static bool is_certified(const tw_x509_address *addresses, size_t count, const tw_prefix *host) {
  for (size_t i = 0; i < count; i++) {
    const tw_prefix certified = tw_certified_prefix(&addresses[i]);
    if (tw_prefix_contains(&certified, host)) return true;
  }
  return false;
}

/* Who knows us by our certificate alone takes packets from its addresses and no other ones. Where it has none, and the
 * network's members are not learned from certificates, others' files say which are ours. */
static tw_err look_at_own_addresses(const tw_node_config *config, tw_node_identity *identity) {
  const tw_bytes chain = tw_buf_bytes(&identity->certificates.chain);
  const tw_node_prefixes *own = &config->interface.addresses;
  tw_x509_address addresses[TW_NAMES_MAX];
  size_t count = 0;
  if (chain.len == 0 || identity->warning.text[0] != '\0') return TW_OK;
  TW_TRY(tw_x509_addresses(identity->certificates.x509, chain, addresses, TW_NAMES_MAX, &count));
  if (count == 0 && !config->network.certified) return TW_OK;
  for (size_t i = 0; i < own->count; i++) {
    const tw_prefix host = tw_prefix_host(&own->list[i].prefix);
    char shown[TW_PREFIX_TEXT];
    if (is_certified(addresses, count, &host) || is_listed_as_ours(config, &host)) continue;
    tw_prefix_format(&host, shown);
    shown[strcspn(shown, "/")] = '\0';
    (void)snprintf(
        identity->warning.text, sizeof identity->warning.text,
        "%.200s: our Address %s is not in our certificate: who knows us by that alone drops what we send from "
        "there, and sends nothing there",
        identity->certificates.cert_path, shown);
    return TW_OK;
  }
  return TW_OK;
}

static tw_err take(tw_err err, const tw_report *why, tw_problems *problems) {
  if (err == TW_OK || err == TW_ERR_NO_MEMORY) return err;
  if (why->text[0] != '\0')
    tw_problems_take(problems, why);
  else
    tw_problems_add(problems, "the node's identity", 0, "%s", tw_err_text(err));
  return TW_OK;
}

tw_err tw_node_identity_load(const tw_env *env, tw_node_config *config, tw_node_identity *identity,
                             tw_problems *problems) {
  const size_t before = problems->count;
  tw_report why = {""};
  identity->certificates.from_file = true;
  if (identity->certificates.x509 == NULL) TW_TRY(tw_x509_new(&identity->certificates.x509));
  TW_TRY(take(read_own(env, config, identity, &why), &why, problems));
  why.text[0] = '\0';
  TW_TRY(take(read_trust(config, identity, &why), &why, problems));
  look_at_own_chain(identity);
  if (identity->signer != NULL) {
    const tw_err err = tw_node_config_settle(config, &identity->fingerprint, identity->name_list, identity->name_count,
                                             problems);
    if (err != TW_OK) return err;
    TW_TRY(look_at_own_addresses(config, identity));
  }
  return problems->count == before ? TW_OK : TW_ERR_ENCODING;
}

tw_credential tw_node_identity_credential(const tw_node_identity *identity) {
  const tw_bytes chain = tw_buf_bytes(&identity->certificates.chain);
  return chain.len > 0 ? (tw_credential){.type = 2, .identity = chain} : (tw_credential){.type = 1};
}

void tw_node_identity_clear(tw_node_identity *identity) {
  tw_signer_free(identity->signer);
  tw_certificates_clear(&identity->certificates);
  *identity = (tw_node_identity){0};
}

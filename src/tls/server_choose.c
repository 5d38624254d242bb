/* What a server makes of a ClientHello before it costs anything. SPDX-License-Identifier: Apache-2.0 */
#include "tls/envelope.h"
#include "tls/tls_internal.h"

static bool has(const tw_tls_client_hello *hello, uint16_t type) {
  tw_bytes data;
  return tw_tls_find_extension(hello->extensions, type, &data);
}

/* Section 4.2.11: the last one, and not without its modes. */
static tw_err check_pre_shared_key(tw_tls *tls, const tw_tls_client_hello *hello) {
  if (!has(hello, TW_TLS_EXT_PRE_SHARED_KEY)) return TW_OK;
  tw_reader r = tw_reader_of(hello->extensions);
  tw_tls_extension last = {0};
  while (tw_tls_next_extension(&r, &last)) {}
  if (last.type != TW_TLS_EXT_PRE_SHARED_KEY) return tw_tls_illegal(tls);
  if (has(hello, TW_TLS_EXT_PSK_KEY_EXCHANGE_MODES)) return TW_OK;
  return tw_tls_refuse(tls, TW_ERR_FORBIDDEN, TW_ALERT_MISSING_EXTENSION);
}

/* Section 9.2 */
static bool lacks_mandatory(const tw_tls_client_hello *hello, const tw_tls_offer *offer) {
  if (offer->has_shares != (offer->groups.len > 0)) return true;
  if (has(hello, TW_TLS_EXT_PRE_SHARED_KEY)) return false;
  return offer->signature_algorithms.len == 0 || offer->groups.len == 0;
}

static tw_err check_places(tw_tls *tls, const tw_tls_client_hello *hello) {
  tw_reader r = tw_reader_of(hello->extensions);
  tw_tls_extension extension;
  while (tw_tls_next_extension(&r, &extension)) {
    const tw_tls_place_of place = tw_tls_extension_place(tls->env, extension.type, TW_TLS_IN_CLIENT_HELLO);
    if (place == TW_TLS_PLACE_WRONG) return tw_tls_illegal(tls);
  }
  return TW_OK;
}

tw_err tw_tls_check_client_hello(tw_tls *tls, const tw_tls_client_hello *hello, const tw_tls_offer *offer) {
  const bool offers_13 = tw_tls_list_has(offer->versions, TW_TLS_VERSION_13);
  if (!offers_13 || hello->legacy_version != TW_TLS_VERSION_12) {
    return tw_tls_refuse(tls, TW_ERR_UNSUPPORTED, TW_ALERT_PROTOCOL_VERSION);
  }
  if (!tw_bytes_equal(hello->legacy_compression_methods, TW_LITERAL("\0"))) return tw_tls_illegal(tls);
  TW_TRY(check_places(tls, hello));
  TW_TRY(check_pre_shared_key(tls, hello));
  /* draft-housley-tls-using-mls-handshake, section 4 */
  if (offer->has_early_data) return tw_tls_illegal(tls);
  if (lacks_mandatory(hello, offer)) {
    return tw_tls_refuse(tls, TW_ERR_FORBIDDEN, TW_ALERT_MISSING_EXTENSION);
  }
  return TW_OK;
}

/* ---- choices ---- */

/* The KeyPackage's suite decides, and has to be on the client's list. */
static tw_err choose_suite(tw_tls *tls, const tw_tls_client_hello *hello, const tw_tls_offer *offer) {
  uint16_t id;
  TW_TRY(tw_tls_key_package_suite(offer->key_package, &id));
  const tw_suite *mls_suite = NULL;
  for (size_t i = 0; i < tls->config.client_count; i++) {
    const tw_client *client = tls->config.clients[i];
    if (tw_suite_id(client->env, client->suite) == id) mls_suite = client->suite;
  }
  if (mls_suite == NULL) return TW_ERR_UNSUPPORTED;
  tls->suite = tw_tls_suite_of(mls_suite);
  return tw_tls_list_has(hello->cipher_suites, tls->suite->id) ? TW_OK : TW_ERR_UNSUPPORTED;
}

static tw_err choose_name(tw_tls *tls, const tw_tls_offer *offer) {
  const tw_tls_config *config = &tls->config;
  if (offer->server_name.len == 0) {
    if (!config->server_name_required) return TW_OK;
    return tw_tls_refuse(tls, TW_ERR_FORBIDDEN, TW_ALERT_MISSING_EXTENSION);
  }
  bool ours = config->server_name_count == 0;
  for (size_t i = 0; i < config->server_name_count && !ours; i++) {
    ours = tw_tls_names_equal(config->server_names[i], offer->server_name);
  }
  if (!ours) return tw_tls_refuse(tls, TW_ERR_UNSUPPORTED, TW_ALERT_UNRECOGNIZED_NAME);
  return tw_buf_assign(&tls->server_name, offer->server_name);
}

static tw_err choose_protocol(tw_tls *tls, const tw_tls_offer *offer) {
  if (tls->config.protocol_count == 0 || offer->protocols.len == 0) return TW_OK;
  for (size_t i = 0; i < tls->config.protocol_count; i++) {
    const tw_bytes name = tls->config.protocols[i];
    if (tw_tls_protocols_have(offer->protocols, name)) return tw_buf_assign(&tls->protocol, name);
  }
  return tw_tls_refuse(tls, TW_ERR_UNSUPPORTED, TW_ALERT_NO_APPLICATION_PROTOCOL);
}

/* RFC 8449 section 4: both say it, or neither is bound; more than the protocol's own maximum means that one. */
static void choose_limits(tw_tls *tls, const tw_tls_offer *offer) {
  if (offer->record_size_limit == 0 || tls->config.record_size_limit == 0) return;
  const uint16_t wanted = offer->record_size_limit;
  tls->send_limit = wanted < TW_TLS_RECORD_SIZE_LIMIT_MAX ? wanted : TW_TLS_RECORD_SIZE_LIMIT_MAX;
  tls->receive_limit = tls->config.record_size_limit;
}

tw_err tw_tls_choose(tw_tls *tls, const tw_tls_client_hello *hello, const tw_tls_offer *offer) {
  TW_TRY(choose_suite(tls, hello, offer));
  TW_TRY(choose_name(tls, offer));
  TW_TRY(choose_protocol(tls, offer));
  choose_limits(tls, offer);
  return TW_OK;
}

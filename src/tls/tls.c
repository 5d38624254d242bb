/* A TLS handshake as an object. SPDX-License-Identifier: Apache-2.0 */
#include "tls/tls.h"

#include <string.h>

#include "base/alloc.h"
#include "tls/tls_internal.h"

/* ---- making and freeing ---- */

static bool names_valid(const tw_tls_config *config) {
  for (size_t i = 0; i < config->server_name_count; i++) {
    if (!tw_tls_name_valid(config->server_names[i])) return false;
  }
  for (size_t i = 0; i < config->protocol_count; i++) {
    if (config->protocols[i].len == 0 || config->protocols[i].len > 255) return false;
  }
  return true;
}

static bool config_valid(const tw_tls_config *config, bool is_client) {
  if (config == NULL || config->clients == NULL || config->client_count == 0) return false;
  for (size_t i = 0; i < config->client_count; i++) {
    if (config->clients[i] == NULL) return false;
  }
  if (config->parameters.len > TW_PAIR_PARAMETERS_MAX) return false;
  if (is_client && config->server_name_count > 1) return false;
  if (config->retry && config->cookie_key.len == 0) return false;
  const uint16_t limit = config->record_size_limit;
  if (limit != 0 && (limit < TW_TLS_RECORD_SIZE_LIMIT_MIN || limit > TW_TLS_RECORD_SIZE_LIMIT_MAX)) return false;
  return names_valid(config);
}

tw_err tw_tls_new(const tw_tls_config *config, bool is_client, tw_tls **out) {
  if (!config_valid(config, is_client)) return TW_ERR_ARGUMENT;
  const tw_env *env = config->clients[0]->env;
  const tw_alloc *alloc = tw_env_alloc(env);
  tw_tls *tls = tw_alloc_zero(alloc, sizeof *tls);
  if (tls == NULL) return TW_ERR_NO_MEMORY;
  tls->env = env;
  tls->alloc = alloc;
  tls->config = *config;
  tls->is_client = is_client;
  tw_buf *const bufs[] = {&tls->key_package, &tls->hello,    &tls->retry_cookie, &tls->transcript.messages,
                          &tls->server_name, &tls->protocol, &tls->output};
  for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++) bufs[i]->alloc = alloc;
  *out = tls;
  return TW_OK;
}

tw_pair_config tw_tls_pair_config(const tw_tls *tls) {
  return (tw_pair_config){.clients = tls->config.clients,
                          .client_count = tls->config.client_count,
                          .policy = tls->config.policy,
                          .label = TW_LITERAL("tls13"),
                          .parameters = tls->config.parameters};
}

void tw_tls_drop_handshake(tw_tls *tls) {
  tw_buf_clear(&tls->key_package);
  tw_buf_clear(&tls->hello);
  tw_buf_clear(&tls->retry_cookie);
  tw_buf_clear(&tls->transcript.messages);
  tw_wipe(tls->client_verify, sizeof tls->client_verify);
}

static void drop_secrets(tw_tls *tls) {
  tw_tls_traffic_clear(&tls->handshake);
  tw_tls_epoch_clear(&tls->epoch);
  tls->step_count = 0;
}

void tw_tls_free(tw_tls *tls) {
  if (tls == NULL) return;
  tw_tls_drop_handshake(tls);
  drop_secrets(tls);
  tw_pair_free(tls->pair);
  tw_buf_clear(&tls->server_name);
  tw_buf_clear(&tls->protocol);
  tw_buf_clear(&tls->output);
  const tw_alloc *alloc = tls->alloc;
  tw_wipe(tls, sizeof *tls);
  tw_alloc_free(alloc, tls);
}

/* ---- messages ---- */

tw_err tw_tls_refuse(tw_tls *tls, tw_err err, uint8_t alert) {
  if (tls->alert == 0) tls->alert = alert;
  return err;
}

static tw_tls_input input_of(const tw_tls_message *message) {
  switch (message->type) {
  case TW_TLS_CLIENT_HELLO: return TW_TLS_IN_HELLO_OF_CLIENT;
  case TW_TLS_SERVER_HELLO: return tw_tls_is_retry(message->body) ? TW_TLS_IN_RETRY_REQUEST : TW_TLS_IN_HELLO_OF_SERVER;
  case TW_TLS_ENCRYPTED_EXTENSIONS: return TW_TLS_IN_EXTENSIONS;
  case TW_TLS_FINISHED: return TW_TLS_IN_FINISHED;
  default: return TW_TLS_IN_OTHER;
  }
}

static tw_tls_level level_of(tw_tls_input input) {
  return input == TW_TLS_IN_EXTENSIONS || input == TW_TLS_IN_FINISHED ? TW_TLS_HANDSHAKE : TW_TLS_PLAIN;
}

/* Whether the keys may change behind it: it has to end its record, section 5.1. */
static bool precedes_key_change(tw_tls_input input) { return input != TW_TLS_IN_EXTENSIONS; }

static tw_err act(tw_tls *tls, tw_tls_action action, tw_bytes message, tw_bytes body, uint64_t now_ms) {
  switch (action) {
  case TW_TLS_DO_ANSWER_HELLO: return tw_tls_do_answer_hello(tls, message, body, now_ms);
  case TW_TLS_DO_JOIN: return tw_tls_do_join(tls, message, body, now_ms);
  case TW_TLS_DO_RETRY: return tw_tls_do_retry(tls, message, body);
  case TW_TLS_DO_NOTE_EXTENSIONS: return tw_tls_do_note_extensions(tls, message, body);
  case TW_TLS_DO_FINISH_CLIENT: return tw_tls_do_finish_client(tls, message, body);
  case TW_TLS_DO_FINISH_SERVER: return tw_tls_do_finish_server(tls, body);
  default: return TW_ERR_UNEXPECTED;
  }
}

static tw_err take(tw_tls *tls, tw_tls_level level, tw_bytes encoded, bool ends_record, uint64_t now_ms) {
  tw_tls_message message;
  TW_TRY(tw_tls_message_decode(encoded, &message));
  const tw_tls_input input = input_of(&message);
  const tw_tls_transition transition = tw_tls_machine_step(tls->state, input);
  if (transition.action == TW_TLS_DO_REFUSE || level != level_of(input)) return TW_ERR_UNEXPECTED;
  if (!ends_record && precedes_key_change(input)) return TW_ERR_UNEXPECTED;
  tls->next = transition.next;
  TW_TRY(act(tls, transition.action, encoded, message.body, now_ms));
  tls->state = tls->next;
  return TW_OK;
}

tw_err tw_tls_receive(tw_tls *tls, tw_tls_level level, tw_bytes message, bool ends_record, uint64_t now_ms) {
  if (tls->state == TW_TLS_FAILED) return TW_ERR_CLOSED;
  if (tls->step_count > 0) return TW_ERR_STATE;
  tls->output.len = 0;
  const tw_err err = take(tls, level, message, ends_record, now_ms);
  if (err != TW_OK) {
    if (tls->alert == 0) tls->alert = tw_tls_alert_of(err);
    tls->state = TW_TLS_FAILED;
    drop_secrets(tls);
  }
  if (err != TW_OK || tls->state == TW_TLS_DONE || tls->state == TW_TLS_STANDARD) tw_tls_drop_handshake(tls);
  return err;
}

/* ---- queries ---- */

tw_tls_state tw_tls_state_of(const tw_tls *tls) { return tls->state; }

uint8_t tw_tls_alert_told(const tw_tls *tls) { return tls->alert; }

const tw_pair *tw_tls_pair(const tw_tls *tls) { return tls->pair; }

static uint16_t limit_or_max(uint16_t limit) { return limit == 0 ? TW_TLS_RECORD_SIZE_LIMIT_MAX : limit; }

void tw_tls_get_info(const tw_tls *tls, tw_tls_info *info) {
  *info = (tw_tls_info){.suite = tls->suite,
                        .server_name = tw_buf_bytes(&tls->server_name),
                        .protocol = tw_buf_bytes(&tls->protocol),
                        .send_limit = limit_or_max(tls->send_limit),
                        .receive_limit = limit_or_max(tls->receive_limit),
                        .client_random = tls->client_random,
                        .retried = tls->retried};
}

tw_err tw_tls_take(tw_tls *tls, tw_tls_result *result) {
  if (tls->state != TW_TLS_DONE || tls->step_count > 0 || tls->pair == NULL) return TW_ERR_STATE;
  result->pair = tls->pair;
  result->suite = tls->suite;
  result->exporter = tls->epoch.exporter;
  memcpy(result->transcript_hash, tls->transcript_hash, sizeof result->transcript_hash);
  tls->pair = NULL;
  drop_secrets(tls);
  return TW_OK;
}

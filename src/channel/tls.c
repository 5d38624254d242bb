/* TLS+MLS: a channel that begins with a TLS 1.3 handshake. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "channel/channel_internal.h"

/* ---- the start ---- */

static tw_tls_config tls_config(const tw_channel *channel) {
  static const tw_channel_tls nothing = {0};
  const tw_channel_config *config = &channel->config;
  const tw_channel_tls *tls = config->tls != NULL ? config->tls : &nothing;
  return (tw_tls_config){.clients = config->clients,
                         .client_count = config->client_count,
                         .policy = config->policy,
                         .parameters = config->parameters,
                         .server_names = tls->server_names,
                         .server_name_count = tls->server_name_count,
                         .server_name_required = tls->server_name_required,
                         .protocols = tls->protocols,
                         .protocol_count = tls->protocol_count,
                         .record_size_limit = tls->record_size_limit,
                         .accept_standard = tls->standard,
                         .retry = tls->retry,
                         .cookie_key = tls->cookie_key,
                         .cookie_context = tls->cookie_context};
}

static bool may_be_standard(const tw_channel *channel) {
  return channel->config.tls != NULL && channel->config.tls->standard;
}

/* ---- steps ---- */

/* Section 5.1: the version in the record of a first ClientHello is that of TLS 1.0, for the sake of old servers. */
static tw_err put_message(tw_channel *channel, tw_bytes message, bool first_of_client) {
  const size_t before = channel->output.len;
  TW_TRY(tw_channel_put(channel, TW_RECORD_HANDSHAKE, message));
  if (first_of_client && before == 0) channel->output.ptr[2] = 0x01;
  return TW_OK;
}

static tw_err put_ccs(tw_channel *channel) {
  static const uint8_t one = 1;
  return tw_channel_put(channel, TW_RECORD_CHANGE_CIPHER_SPEC, TW_BYTES(&one, 1));
}

/* A ClientHello by the caller, who is to go on with it where the server has no MLS; or by us. What is not ours is not
 * among the steps. */
static tw_err start_client(tw_channel *channel, tw_bytes retry) {
  const tw_channel_tls *config = channel->config.tls;
  tw_buf hello = TW_BUF_INIT(channel->alloc);
  tw_err err = TW_OK;
  const bool external = config != NULL && config->client_hello != NULL;
  if (external)
    err = config->client_hello(config->client_hello_ctx, tw_tls_client_extension(channel->tls), retry, &hello);
  if (err == TW_OK) err = tw_tls_client_start(channel->tls, tw_buf_bytes(&hello));
  if (err == TW_OK && external && retry.len > 0) err = put_ccs(channel);
  if (err == TW_OK && external) err = put_message(channel, tw_buf_bytes(&hello), retry.len == 0);
  tw_buf_clear(&hello);
  return err;
}

static tw_err take_key(tw_channel *channel, const tw_tls_step *step, tw_record_key *key) {
  tw_tls_info info;
  tw_record_key made = {0};
  tw_tls_get_info(channel->tls, &info);
  TW_TRY(tw_record_key_init(channel->env, info.suite, tw_secret_bytes(&step->secret), &made));
  const bool of_client = channel->connecting == (step->kind == TW_TLS_STEP_SEND_KEY);
  tw_channel_log_handshake(channel, info.client_random, step->level, of_client, &step->secret);
  tw_record_key_move(key, &made);
  return TW_OK;
}

static tw_err do_step(tw_channel *channel, const tw_tls_step *step, tw_bytes taken) {
  switch (step->kind) {
  case TW_TLS_STEP_SEND: return put_message(channel, step->message, channel->connecting && taken.len == 0);
  case TW_TLS_STEP_SEND_CCS: return put_ccs(channel);
  case TW_TLS_STEP_SEND_KEY: return take_key(channel, step, &channel->send);
  case TW_TLS_STEP_RECEIVE_KEY: channel->level = step->level; return take_key(channel, step, &channel->receive);
  case TW_TLS_STEP_HELLO_WANTED: return start_client(channel, taken);
  }
  return TW_ERR_INTERNAL;
}

static tw_err do_steps(tw_channel *channel, tw_bytes taken) {
  tw_tls_step step = {0};
  tw_err err = TW_OK;
  while (err == TW_OK && tw_tls_next_step(channel->tls, &step)) {
    err = do_step(channel, &step, taken);
    tw_secret_clear(&step.secret);
  }
  return err;
}

tw_err tw_channel_begin_tls(tw_channel *channel) {
  const tw_tls_config config = tls_config(channel);
  TW_TRY(tw_channel_move_on(channel, TW_CHANNEL_GO_TLS));
  if (!channel->connecting) return tw_tls_server_new(&config, &channel->tls);
  TW_TRY(tw_tls_client_new(&config, channel->now_ms, &channel->tls));
  TW_TRY(start_client(channel, TW_NO_BYTES));
  return do_steps(channel, TW_NO_BYTES);
}

/* ---- the end ---- */

static tw_err keep_names(tw_channel *channel, const tw_tls_info *info) {
  channel->names.alloc = channel->alloc;
  TW_TRY(tw_buf_append(&channel->names, info->server_name));
  TW_TRY(tw_buf_append(&channel->names, info->protocol));
  channel->server_name_len = info->server_name.len;
  return TW_OK;
}

static tw_err finish(tw_channel *channel) {
  tw_tls_info info;
  tw_tls_result result;
  tw_tls_get_info(channel->tls, &info);
  TW_TRY(keep_names(channel, &info));
  TW_TRY(tw_tls_take(channel->tls, &result));
  channel->pair = result.pair;
  channel->tls_suite = result.suite;
  memcpy(channel->transcript_hash, result.transcript_hash, sizeof channel->transcript_hash);
  tw_secret_clear(&result.exporter);
  if (info.send_limit <= TW_RECORD_PLAINTEXT_MAX) channel->content_max = (uint16_t)(info.send_limit - 1);
  channel->inner_max = info.receive_limit;
  tw_tls_free(channel->tls);
  channel->tls = NULL;
  tw_buf_clear(&channel->raw);
  TW_TRY(tw_channel_move_on(channel, TW_CHANNEL_GO_TLS_DONE));
  return tw_channel_establish(channel);
}

tw_err tw_channel_take_tls(tw_channel *channel, tw_bytes message, bool ends_record) {
  TW_TRY(tw_tls_receive(channel->tls, channel->level, message, ends_record, channel->now_ms));
  const tw_tls_state state = tw_tls_state_of(channel->tls);
  if (state == TW_TLS_STANDARD) {
    if (!may_be_standard(channel)) return TW_ERR_UNSUPPORTED;
    tw_channel_hand_over(channel);
    return TW_OK;
  }
  if (state == TW_TLS_DONE) tw_channel_hold(channel);
  TW_TRY(do_steps(channel, message));
  return state == TW_TLS_DONE ? finish(channel) : TW_OK;
}

bool tw_channel_drops_ccs(const tw_channel *channel) {
  if (channel->tls == NULL) return false;
  const tw_tls_state state = tw_tls_state_of(channel->tls);
  return state != TW_TLS_WAIT_CLIENT_HELLO && state != TW_TLS_DONE && state != TW_TLS_FAILED;
}

uint8_t tw_channel_alert_for(const tw_channel *channel, tw_err reason) {
  const uint8_t told = channel->tls != NULL ? tw_tls_alert_told(channel->tls) : 0;
  return told != 0 ? told : tw_channel_alert_of(reason);
}

/* ---- queries ---- */

tw_bytes tw_channel_server_name(const tw_channel *channel) {
  return channel->server_name_len == 0 ? TW_NO_BYTES : TW_BYTES(channel->names.ptr, channel->server_name_len);
}

tw_bytes tw_channel_protocol_name(const tw_channel *channel) {
  const size_t at = channel->server_name_len;
  return channel->names.len == at ? TW_NO_BYTES : TW_BYTES(channel->names.ptr + at, channel->names.len - at);
}

tw_bytes tw_channel_received(const tw_channel *channel) { return tw_buf_bytes(&channel->raw); }

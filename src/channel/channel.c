/* A channel as an object: its beginning, its end, its time. SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "channel/channel_internal.h"

const tw_channel_options tw_channel_options_default = {
    .handshake_message_max = 65536,
    .handshake_timeout_ms = 30000,
    .rekey_after_ms = 120000,
    .rekey_after_bytes = UINT64_C(1) << 30,
    .input_max = 65536,
    .output_high_water = 65536,
    .idle_release_ms = 1000,
    .padding_block = 0,
    .idle_records_max = 256,
    .message_records_max = 1100,
    .peer_updates_max = 600,
};

/* ---- beginning ---- */

static tw_err check_config(const tw_channel_config *config) {
  if (config == NULL || config->clients == NULL || config->client_count == 0) return TW_ERR_ARGUMENT;
  for (size_t i = 0; i < config->client_count; i++) {
    if (config->clients[i] == NULL || config->clients[i]->env == NULL) return TW_ERR_ARGUMENT;
  }
  if (config->parameters.len > TW_PAIR_PARAMETERS_MAX) return TW_ERR_ARGUMENT;
  const tw_channel_options *options = config->options;
  if (options == NULL) return TW_OK;
  if (options->input_max < TW_RECORD_WIRE_MAX || options->output_high_water == 0) return TW_ERR_ARGUMENT;
  return options->handshake_message_max > 0 ? TW_OK : TW_ERR_ARGUMENT;
}

static tw_err channel_new(const tw_channel_config *config, bool connecting, uint64_t now_ms, tw_channel **out) {
  TW_TRY(check_config(config));
  const tw_env *env = config->clients[0]->env;
  const tw_alloc *alloc = tw_env_alloc(env);
  tw_channel *channel = tw_alloc_zero(alloc, sizeof *channel);
  if (channel == NULL) return TW_ERR_NO_MEMORY;
  channel->env = env;
  channel->alloc = alloc;
  const tw_client **clients = tw_alloc_array(alloc, config->client_count, sizeof(const tw_client *));
  if (clients == NULL) {
    tw_alloc_free(alloc, channel);
    return TW_ERR_NO_MEMORY;
  }
  for (size_t i = 0; i < config->client_count; i++) clients[i] = config->clients[i];
  channel->config = *config;
  channel->config.clients = clients;
  channel->clients = clients;
  channel->options = config->options != NULL ? *config->options : tw_channel_options_default;
  channel->config.options = NULL;
  channel->connecting = connecting;
  channel->handshake.alloc = alloc;
  channel->input.alloc = alloc;
  channel->trial.alloc = alloc;
  channel->output.alloc = alloc;
  channel->early.alloc = alloc;
  channel->raw.alloc = alloc;
  channel->names.alloc = alloc;
  channel->content_max = TW_RECORD_PLAINTEXT_MAX;
  channel->inner_max = TW_RECORD_INNER_MAX;
  channel->held_at = SIZE_MAX;
  channel->now_ms = now_ms;
  channel->handshake_deadline_ms = now_ms + channel->options.handshake_timeout_ms;
  channel->idle_deadline_ms = now_ms + channel->options.idle_release_ms;
  *out = channel;
  return TW_OK;
}

static tw_err say_hello(tw_channel *channel) {
  if (channel->config.protocol == TW_CHANNEL_TLS) return tw_channel_begin_tls(channel);
  const tw_pair_config config = tw_channel_pair_config(channel);
  tw_buf hello = TW_BUF_INIT(channel->alloc);
  tw_err err = tw_pair_initiate(&config, channel->now_ms, &channel->pair, &hello);
  if (err == TW_OK) err = tw_channel_move_on(channel, TW_CHANNEL_GO_HELLO);
  if (err == TW_OK) err = tw_channel_log_first(channel, tw_buf_bytes(&hello));
  if (err == TW_OK) err = tw_channel_put_handshake(channel, tw_buf_bytes(&hello));
  tw_buf_clear(&hello);
  return err;
}

tw_err tw_channel_connect(const tw_channel_config *config, uint64_t now_ms, tw_channel **out) {
  tw_channel *channel;
  TW_TRY(channel_new(config, true, now_ms, &channel));
  const tw_err err = config->resume.len > 0 ? tw_channel_ask(channel) : say_hello(channel);
  channel->config.resume = TW_NO_BYTES;
  if (err != TW_OK) {
    tw_channel_free(channel);
    return err;
  }
  *out = channel;
  return TW_OK;
}

tw_err tw_channel_accept(const tw_channel_config *config, uint64_t now_ms, tw_channel **out) {
  tw_channel *channel;
  TW_TRY(channel_new(config, false, now_ms, &channel));
  const tw_err err = config->protocol == TW_CHANNEL_TLS ? tw_channel_begin_tls(channel) : TW_OK;
  if (err != TW_OK) {
    tw_channel_free(channel);
    return err;
  }
  *out = channel;
  return TW_OK;
}

/* ---- end ---- */

tw_err tw_channel_move_on(tw_channel *channel, tw_channel_move move) {
  return tw_channel_machine_move(&channel->state, move) ? TW_OK : TW_ERR_UNEXPECTED;
}

/* Everything but what is to be sent and told still. */
static void wipe(tw_channel *channel) {
  channel->was_established = channel->was_established || tw_channel_established(channel);
  (void)tw_channel_machine_move(&channel->state, TW_CHANNEL_GO_END);
  channel->unsaved = false;
  channel->held_at = SIZE_MAX;
  tw_record_key_clear(&channel->send);
  tw_record_key_clear(&channel->receive);
  tw_record_key_clear(&channel->receive_next);
  tw_pair_free(channel->pair);
  channel->pair = NULL;
  tw_tls_free(channel->tls);
  channel->tls = NULL;
  tw_buf_clear(&channel->handshake);
  tw_buf_clear(&channel->input);
  tw_buf_clear(&channel->trial);
  tw_buf_clear(&channel->early);
  channel->input_at = 0;
  channel->data_at = 0;
  channel->data_len = 0;
}

void tw_channel_free(tw_channel *channel) {
  if (channel == NULL) return;
  wipe(channel);
  tw_buf_clear(&channel->output);
  tw_buf_clear(&channel->raw);
  tw_buf_clear(&channel->names);
  tw_alloc_free(channel->alloc, (void *)channel->clients);
  const tw_alloc *alloc = channel->alloc;
  tw_alloc_free(alloc, channel);
}

static void end(tw_channel *channel, tw_err reason, uint8_t alert) {
  tw_channel_raise(channel, &(tw_channel_event){.kind = TW_CHANNEL_CLOSED, .reason = reason, .alert = alert});
  wipe(channel);
}

/* What waits to be saved will not be: it has not happened, and the key that would say so with it. */
static void forget_held(tw_channel *channel) {
  if (!channel->unsaved) return;
  channel->unsaved = false;
  channel->output.len = channel->held_at < channel->output.len ? channel->held_at : channel->output.len;
  channel->held_at = SIZE_MAX;
}

tw_err tw_channel_fail(tw_channel *channel, tw_err reason, int alert) {
  if (tw_channel_ended(channel)) return TW_ERR_CLOSED;
  if (channel->unsaved) alert = -1;
  forget_held(channel);
  const bool said = alert >= 0 && tw_channel_put_alert(channel, TW_ALERT_LEVEL_FATAL, (uint8_t)alert) == TW_OK;
  end(channel, reason, said ? (uint8_t)alert : 0);
  return reason;
}

tw_err tw_channel_fail_with(tw_channel *channel, tw_err reason) {
  return tw_channel_fail(channel, reason, tw_channel_alert_for(channel, reason));
}

void tw_channel_hand_over(tw_channel *channel) {
  tw_channel_raise(channel, &(tw_channel_event){.kind = TW_CHANNEL_STANDARD});
  wipe(channel);
}

tw_err tw_channel_end_by_alert(tw_channel *channel, uint8_t description) {
  forget_held(channel);
  end(channel, TW_ERR_ALERT, description);
  return TW_ERR_ALERT;
}

void tw_channel_finish(tw_channel *channel) { end(channel, TW_OK, TW_ALERT_CLOSE_NOTIFY); }

void tw_channel_abort(tw_channel *channel, tw_err reason) {
  if (!tw_channel_ended(channel)) (void)tw_channel_fail_with(channel, reason);
}

/* Before the peer is known: give up. Whoever has not heard from us need not hear of that either. */
static tw_err cancel(tw_channel *channel) {
  if (channel->wire_sent > 0) {
    tw_err err = tw_channel_put_alert(channel, TW_ALERT_LEVEL_WARNING, TW_ALERT_USER_CANCELED);
    if (err == TW_OK) err = tw_channel_put_alert(channel, TW_ALERT_LEVEL_WARNING, TW_ALERT_CLOSE_NOTIFY);
    if (err != TW_OK) return tw_channel_fail_with(channel, err);
  }
  tw_channel_finish(channel);
  return TW_OK;
}

tw_err tw_channel_close(tw_channel *channel) {
  if (tw_channel_ended(channel)) return TW_ERR_CLOSED;
  if (channel->sent_close) return TW_OK;
  if (channel->unsaved) {
    channel->close_wanted = true;
    return TW_OK;
  }
  if (!tw_channel_established(channel)) return cancel(channel);
  const tw_err err = tw_channel_put_alert(channel, TW_ALERT_LEVEL_WARNING, TW_ALERT_CLOSE_NOTIFY);
  if (err != TW_OK) return tw_channel_fail_with(channel, err);
  channel->sent_close = true;
  if (channel->got_close) tw_channel_finish(channel);
  return TW_OK;
}

/* ---- time ---- */

uint64_t tw_channel_deadline(const tw_channel *channel) {
  if (tw_channel_ended(channel)) return UINT64_MAX;
  uint64_t at = tw_channel_update_deadline(channel);
  if (!tw_channel_established(channel) && channel->options.handshake_timeout_ms > 0 &&
      channel->handshake_deadline_ms < at) {
    at = channel->handshake_deadline_ms;
  }
  if (tw_channel_holds_idle(channel) && channel->idle_deadline_ms < at) at = channel->idle_deadline_ms;
  return at;
}

tw_err tw_channel_tick(tw_channel *channel, uint64_t now_ms) {
  if (tw_channel_ended(channel)) return TW_ERR_CLOSED;
  if (now_ms > channel->now_ms) channel->now_ms = now_ms;
  const bool timed = !tw_channel_established(channel) && channel->options.handshake_timeout_ms > 0;
  if (timed && channel->now_ms >= channel->handshake_deadline_ms) return tw_channel_fail_with(channel, TW_ERR_TIMEOUT);
  tw_channel_consider_update(channel);
  if (channel->busy) {
    channel->busy = false;
    channel->idle_deadline_ms = channel->now_ms + channel->options.idle_release_ms;
  } else if (channel->now_ms >= channel->idle_deadline_ms) {
    tw_channel_release_idle(channel);
  }
  return TW_OK;
}

/* ---- queries ---- */

void tw_channel_get_status(const tw_channel *channel, tw_channel_status *status) {
  *status = (tw_channel_status){
      .connecting_side = channel->connecting,
      .established = channel->was_established || tw_channel_established(channel),
      .closed = tw_channel_ended(channel),
      .data_sent = channel->data_sent,
      .data_received = channel->data_received,
      .wire_sent = channel->wire_sent,
      .wire_received = channel->wire_received,
  };
  if (channel->pair != NULL) tw_pair_get_status(channel->pair, &status->pair);
}

bool tw_channel_peer(const tw_channel *channel, tw_member *peer) {
  return channel->pair != NULL && tw_pair_peer(channel->pair, peer);
}

tw_bytes tw_channel_peer_parameters(const tw_channel *channel) {
  return channel->pair != NULL ? tw_pair_peer_parameters(channel->pair) : TW_NO_BYTES;
}

tw_group *tw_channel_group(const tw_channel *channel) {
  return channel->pair != NULL ? tw_pair_traffic_group(channel->pair) : NULL;
}

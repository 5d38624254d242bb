/* 2PMLS messages in a channel, and the keys that they bring. SPDX-License-Identifier: Apache-2.0 */
#include "channel/channel_internal.h"
#include "codec/reader.h"

/*
 * Both directions switch at once. Records are numbered on over the switch (D4): who sees the peer's new key knows by
 * that number that nothing of what went before under the old one is missing.
 */
static tw_err switch_keys(tw_channel *channel) {
  tw_record_key send = {0};
  tw_record_key receive = {0};
  TW_TRY(tw_channel_derive_keys(channel, &send, &receive));
  tw_record_key_continue(&send, channel->send.sequence);
  tw_record_key_continue(&receive, channel->receive.sequence);
  tw_record_key_move(&channel->send, &send);
  tw_record_key_move(&channel->receive, &receive);
  return TW_OK;
}

tw_err tw_channel_show_epoch(tw_channel *channel) {
  TW_TRY(tw_channel_put(channel, TW_RECORD_APPLICATION_DATA, TW_NO_BYTES));
  channel->handshake_bytes += TW_RECORD_OVERHEAD;
  return TW_OK;
}

tw_err tw_channel_establish(tw_channel *channel) {
  const tw_channel_event event = {.kind = TW_CHANNEL_ESTABLISHED,
                                  .epoch = tw_group_epoch(tw_pair_traffic_group(channel->pair)),
                                  .handshake_bytes = channel->handshake_bytes,
                                  .resumed = channel->resumed,
                                  .early_bytes = channel->data_sent};
  channel->handshake_bytes = 0;
  tw_channel_raise(channel, &event);
  return tw_channel_repeat_early(channel);
}

/* Early data is enough to know the peer, whose request was fresh, and not to know that it has our response. */
tw_err tw_channel_opened(tw_channel *channel, tw_channel_move how) {
  const tw_channel_state before = channel->state;
  TW_TRY(tw_channel_move_on(channel, how));
  const bool confirmed = tw_channel_state_unconfirmed(before) && !tw_channel_state_unconfirmed(channel->state);
  if (confirmed && tw_pair_confirm(channel->pair)) tw_channel_hold(channel);
  if (tw_channel_state_established(before) || !tw_channel_established(channel)) return TW_OK;
  return tw_channel_establish(channel);
}

/* ---- messages ---- */

tw_pair_config tw_channel_pair_config(const tw_channel *channel) {
  return (tw_pair_config){.clients = channel->config.clients,
                          .client_count = channel->config.client_count,
                          .policy = channel->config.policy,
                          .label = channel->config.protocol == TW_CHANNEL_TLS ? TW_LITERAL("tls13")
                                                                              : TW_LITERAL("mls-tls"),
                          .parameters = channel->config.parameters};
}

static tw_err answer_hello(tw_channel *channel, tw_bytes message) {
  const tw_pair_config config = tw_channel_pair_config(channel);
  tw_buf hello = TW_BUF_INIT(channel->alloc);
  tw_record_key send = {0};
  tw_record_key receive = {0};
  tw_err err = tw_pair_respond(&config, message, channel->now_ms, &channel->pair, &hello);
  /* Keys first: whoever has our hello expects everything after it to be protected, our alerts too. */
  if (err == TW_OK) err = tw_channel_derive_keys(channel, &send, &receive);
  if (err == TW_OK) err = tw_channel_put_handshake(channel, tw_buf_bytes(&hello));
  if (err == TW_OK) err = tw_channel_move_on(channel, TW_CHANNEL_GO_HELLO_ANSWERED);
  if (err == TW_OK) {
    tw_record_key_move(&channel->send, &send);
    tw_record_key_move(&channel->receive, &receive);
  }
  tw_record_key_clear(&send);
  tw_record_key_clear(&receive);
  tw_buf_clear(&hello);
  return err;
}

static tw_err after_join(tw_channel *channel) {
  TW_TRY(switch_keys(channel));
  tw_channel_hold(channel);
  TW_TRY(tw_channel_show_epoch(channel));
  TW_TRY(tw_channel_move_on(channel, TW_CHANNEL_GO_JOINED));
  return tw_channel_establish(channel);
}

/* The reply goes under the old key; what follows it, under the new one. The peer's switch is still to come. */
static tw_err after_peer_update(tw_channel *channel, tw_bytes reply, const tw_pair_event *happened) {
  tw_record_key send = {0};
  TW_TRY(tw_channel_derive_keys(channel, &send, &channel->receive_next));
  tw_channel_hold(channel);
  const tw_err err = tw_channel_put_handshake(channel, reply);
  if (err != TW_OK) {
    tw_record_key_clear(&send);
    return err;
  }
  tw_record_key_continue(&send, channel->send.sequence);
  tw_record_key_move(&channel->send, &send);
  TW_TRY(tw_channel_move_on(channel, TW_CHANNEL_GO_PEER_UPDATED));
  if (happened->own_dropped && channel->own_cause == TW_REKEY_CALLER) channel->update_wanted = true;
  tw_channel_raise_rekeyed(channel, happened->epoch, TW_REKEY_PEER);
  return TW_OK;
}

static tw_err after_own_update(tw_channel *channel, const tw_pair_event *happened) {
  TW_TRY(switch_keys(channel));
  TW_TRY(tw_channel_move_on(channel, TW_CHANNEL_GO_OWN_UPDATED));
  tw_channel_hold(channel);
  TW_TRY(tw_channel_show_epoch(channel));
  tw_channel_raise_rekeyed(channel, happened->epoch, channel->own_cause);
  return TW_OK;
}

/* Messages that a switch of the receive key follows must end a record, RFC 8446 section 5.1. */
static bool switches_receive_key(tw_pair_message_type type) { return type != TW_PAIR_CONNECTION_UPDATE; }

/* In TLS+MLS a resumption comes in place of the first ClientHello. */
static tw_err leave_tls(tw_channel *channel) {
  if (channel->connecting || tw_tls_state_of(channel->tls) != TW_TLS_WAIT_CLIENT_HELLO) return TW_ERR_UNEXPECTED;
  TW_TRY(tw_channel_move_on(channel, TW_CHANNEL_GO_LEAVE_TLS));
  tw_tls_free(channel->tls);
  channel->tls = NULL;
  tw_buf_clear(&channel->raw);
  return TW_OK;
}

static tw_err begin_connection(tw_channel *channel, tw_pair_message_type type, tw_bytes message) {
  if (channel->state == TW_CHANNEL_IN_TLS) TW_TRY(leave_tls(channel));
  TW_TRY(tw_channel_log_first(channel, message));
  return type == TW_PAIR_RESUMPTION_REQUEST ? tw_channel_answer(channel, message) : answer_hello(channel, message);
}

static tw_err after_message(tw_channel *channel, tw_bytes reply, const tw_pair_event *happened) {
  switch (happened->outcome) {
  case TW_PAIR_JOINED: return after_join(channel);
  case TW_PAIR_PEER_UPDATED: return after_peer_update(channel, reply, happened);
  case TW_PAIR_OWN_UPDATED: return after_own_update(channel, happened);
  case TW_PAIR_ASKED: return tw_channel_after_asked(channel, reply, happened);
  case TW_PAIR_RESUMED: return tw_channel_after_resumed(channel, happened);
  case TW_PAIR_TIE_IGNORED: return TW_OK;
  /* Whom our request stands before on this connection has to answer it. */
  case TW_PAIR_CROSSED: return TW_ERR_UNEXPECTED;
  }
  return TW_ERR_INTERNAL;
}

static tw_err take_message(tw_channel *channel, tw_bytes message, bool ends_record) {
  tw_pair_message_type type;
  TW_TRY(tw_pair_message_peek(message, &type));
  if (!ends_record && switches_receive_key(type)) return TW_ERR_UNEXPECTED;
  if (!tw_channel_machine_takes(channel->state, type)) return TW_ERR_UNEXPECTED;
  if (channel->pair == NULL) return begin_connection(channel, type, message);
  if (type == TW_PAIR_CONNECTION_UPDATE) TW_TRY(tw_channel_count_update(channel));
  tw_buf reply = TW_BUF_INIT(channel->alloc);
  tw_pair_event happened = {0};
  tw_err err = tw_pair_receive(channel->pair, message, channel->now_ms, &reply, &happened);
  if (err == TW_OK) err = after_message(channel, tw_buf_bytes(&reply), &happened);
  tw_buf_clear(&reply);
  return err;
}

/* ---- framing (D8) ---- */

/* Takes the message at `at` if it is whole; `*size` is 0 if it is not. */
static tw_err take_framed(tw_channel *channel, size_t at, size_t *size) {
  *size = 0;
  const tw_bytes rest = TW_BYTES(channel->handshake.ptr + at, channel->handshake.len - at);
  const bool ours = rest.ptr[0] == tw_env_code_points(channel->env)->mls_handshake_type;
  if (!ours && channel->tls == NULL) return TW_ERR_UNEXPECTED;
  if (rest.len < TW_CHANNEL_HANDSHAKE_HEADER) return TW_OK;
  tw_reader r = tw_reader_of(TW_BYTES(rest.ptr + 1, rest.len - 1));
  const size_t length = tw_read_u24(&r);
  if (length > channel->options.handshake_message_max) return TW_ERR_LIMIT;
  if (length > rest.len - TW_CHANNEL_HANDSHAKE_HEADER) return TW_OK;
  *size = TW_CHANNEL_HANDSHAKE_HEADER + length;
  const bool ends_record = *size == rest.len;
  if (!ours) return tw_channel_take_tls(channel, TW_BYTES(rest.ptr, *size), ends_record);
  return take_message(channel, TW_BYTES(rest.ptr + TW_CHANNEL_HANDSHAKE_HEADER, length), ends_record);
}

tw_err tw_channel_take_handshake(tw_channel *channel, tw_bytes fragment) {
  TW_TRY(tw_buf_append(&channel->handshake, fragment));
  size_t at = 0;
  while (at < channel->handshake.len) {
    size_t size;
    TW_TRY(take_framed(channel, at, &size));
    if (tw_channel_ended(channel)) return TW_OK; /* it is another library's to read */
    if (size == 0) break;
    at += size;
    tw_channel_count_message(channel);
  }
  if (at < channel->handshake.len) {
    tw_buf_consume(&channel->handshake, at);
    return tw_channel_count_fragment(channel);
  }
  tw_buf_clear(&channel->handshake);
  return TW_OK;
}

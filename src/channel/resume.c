/* Connections that go on with a session of an earlier one (D5, D6). SPDX-License-Identifier: Apache-2.0 */
#include "channel/channel_internal.h"

/* ---- the connecting side ---- */

/* Messages of both sides travel in plaintext until there is a response; only early data does not. */
static tw_err put_plain(tw_channel *channel, tw_bytes message) {
  tw_record_key_clear(&channel->send);
  return tw_channel_put_handshake(channel, message);
}

static tw_err send_request(tw_channel *channel, tw_buf *request) {
  TW_TRY(tw_pair_resume(channel->pair, channel->now_ms, request));
  TW_TRY(tw_channel_move_on(channel, TW_CHANNEL_GO_ASK));
  channel->resumed = true;
  tw_channel_hold(channel);
  TW_TRY(tw_channel_log_first(channel, tw_buf_bytes(request)));
  TW_TRY(tw_channel_put_handshake(channel, tw_buf_bytes(request)));
  TW_TRY(tw_channel_derive_early_key(channel, &channel->send));
  channel->early_left = TW_EARLY_DATA_MAX;
  return TW_OK;
}

tw_err tw_channel_ask(tw_channel *channel) {
  TW_TRY(tw_channel_read_session(channel, channel->config.resume));
  channel->version = channel->config.resume_version;
  tw_buf request = TW_BUF_INIT(channel->alloc);
  const tw_err err = send_request(channel, &request);
  tw_buf_clear(&request);
  return err;
}

/*
 * Records are numbered on over the switch if the peer has taken the early ones: were the last of them kept from it, our
 * next one would not open. Else they begin anew, and the early ones are sent again.
 */
tw_err tw_channel_after_resumed(tw_channel *channel, const tw_pair_event *happened) {
  tw_record_key send = {0};
  tw_record_key receive = {0};
  TW_TRY(tw_channel_derive_keys(channel, &send, &receive));
  if (happened->early_data) tw_record_key_continue(&send, channel->send.sequence);
  tw_record_key_move(&channel->send, &send);
  tw_record_key_move(&channel->receive, &receive);
  channel->early_left = 0;
  channel->skip_left = 0;
  if (happened->early_data) tw_buf_clear(&channel->early);
  tw_channel_hold(channel);
  /* Not open yet: the response may be one to an earlier request with the same commit, whose keys are others. */
  TW_TRY(tw_channel_move_on(channel, TW_CHANNEL_GO_RESUMED));
  return tw_channel_show_epoch(channel);
}

tw_err tw_channel_repeat_early(tw_channel *channel) {
  if (channel->early.len == 0) return TW_OK;
  const tw_err err = tw_channel_put(channel, TW_RECORD_APPLICATION_DATA, tw_buf_bytes(&channel->early));
  tw_buf_clear(&channel->early);
  return err;
}

/* ---- the side that is asked ---- */

/* Whatever keeps us from going on with a saved session, the peer can do no more about it than if there were none. */
static tw_err load_session(tw_channel *channel, tw_bytes group_id, bool *in_use) {
  tw_channel_found found = {0};
  if (channel->config.session == NULL) return TW_ERR_NO_SESSION;
  tw_buf saved = TW_BUF_INIT(channel->alloc);
  tw_err err = channel->config.session(channel->config.session_ctx, group_id, &saved, &found);
  if (err == TW_OK) err = tw_channel_read_session(channel, tw_buf_bytes(&saved));
  tw_buf_clear(&saved);
  channel->version = found.version;
  *in_use = found.in_use;
  if (err == TW_OK || err == TW_ERR_NO_MEMORY || err == TW_ERR_RANDOM) return err;
  return TW_ERR_NO_SESSION;
}

/* Early data comes from the connecting side alone. Taken, it is followed without a mark by what comes under the new
 * key; not taken, it has to be told from that. */
static tw_err take_keys(tw_channel *channel, bool early_data, tw_record_key *send) {
  const bool early = early_data && !channel->connecting;
  TW_TRY(tw_channel_move_on(channel, early ? TW_CHANNEL_GO_ASKED_EARLY : TW_CHANNEL_GO_ASKED));
  if (!early) {
    tw_record_key_clear(&channel->receive);
    if (!channel->connecting) channel->skip_left = TW_EARLY_DATA_MAX;
    return tw_channel_derive_keys(channel, send, &channel->receive);
  }
  TW_TRY(tw_channel_derive_early_key(channel, &channel->receive));
  return tw_channel_derive_keys(channel, send, &channel->receive_next);
}

tw_err tw_channel_after_asked(tw_channel *channel, tw_bytes reply, const tw_pair_event *happened) {
  tw_record_key send = {0};
  /* While a request of ours is out, only one that wins the tie against it comes from who has heard nothing of ours. Any
   * other would be of somebody who may have taken our early data on another connection. */
  if (channel->state == TW_CHANNEL_ASKING && !happened->own_dropped) return TW_ERR_UNEXPECTED;
  channel->early_left = 0;
  channel->resumed = true;
  TW_TRY(take_keys(channel, happened->early_data, &send));
  if (happened->changed) tw_channel_hold(channel);
  const tw_err err = put_plain(channel, reply);
  if (err == TW_OK) tw_record_key_move(&channel->send, &send);
  tw_record_key_clear(&send);
  return err == TW_OK ? tw_channel_show_epoch(channel) : err;
}

static tw_err take_request(tw_channel *channel, tw_bytes message, tw_buf *reply) {
  tw_bytes group_id;
  bool in_use = false;
  tw_pair_event happened = {0};
  TW_TRY(tw_pair_request_group(channel->env, message, &group_id));
  TW_TRY(load_session(channel, group_id, &in_use));
  TW_TRY(tw_pair_receive(channel->pair, message, channel->now_ms, reply, &happened));
  if (happened.outcome == TW_PAIR_CROSSED) {
    TW_TRY(tw_channel_move_on(channel, TW_CHANNEL_GO_ASK));
    channel->skip_left = TW_EARLY_DATA_MAX;
    channel->resumed = true;
    return tw_channel_put_handshake(channel, tw_buf_bytes(reply));
  }
  if (in_use && happened.changed && !happened.fresh) return TW_ERR_DUPLICATE;
  return tw_channel_after_asked(channel, tw_buf_bytes(reply), &happened);
}

tw_err tw_channel_answer(tw_channel *channel, tw_bytes message) {
  tw_buf reply = TW_BUF_INIT(channel->alloc);
  const tw_err err = take_request(channel, message, &reply);
  tw_buf_clear(&reply);
  return err;
}

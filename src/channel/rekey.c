/* When a channel updates its keys. SPDX-License-Identifier: Apache-2.0 */
#include "channel/channel_internal.h"

enum { RETRY_MS = 1000 };

tw_err tw_channel_start_update(tw_channel *channel, tw_rekey_cause cause) {
  tw_buf message = TW_BUF_INIT(channel->alloc);
  tw_err err = tw_pair_update(channel->pair, channel->now_ms, &message);
  if (err == TW_OK) {
    tw_channel_hold(channel);
    err = tw_channel_put_handshake(channel, tw_buf_bytes(&message));
    if (err == TW_ERR_NO_MEMORY) tw_pair_take_back(channel->pair);
    /* Anything else may have happened between its records. */
    if (err != TW_OK && err != TW_ERR_NO_MEMORY) err = tw_channel_fail_with(channel, err);
  }
  if (err == TW_OK) {
    channel->own_cause = cause;
    channel->update_wanted = false;
  }
  tw_buf_clear(&message);
  return err;
}

/* Whether an update of ours could go out and be answered. */
static bool may_update(const tw_channel *channel, tw_pair_status *status) {
  if (!tw_channel_established(channel) || tw_channel_ended(channel) || channel->stream_ended || channel->unsaved)
    return false;
  tw_pair_get_status(channel->pair, status);
  return status->state == TW_PAIR_STEADY;
}

/* The receiver counts the same bytes: it waits a little longer, so that they do not both update. */
static bool bytes_are_due(const tw_channel *channel) {
  const uint64_t most = channel->options.rekey_after_bytes;
  if (most > 0 && (channel->epoch_data_sent >= most || channel->epoch_data / 9 * 8 >= most)) return true;
  /* RFC 8446 section 5.5: an eighth before the key is used up. */
  return tw_record_key_left(&channel->send) <= channel->send.allowed / 8;
}

/*
 * The age at which our leaf key is renewed: rekey_after_ms less up to an eighth of it. How much comes from the
 * transcript, so that the two sides, and thousands of channels that were opened together, do not all update in the same
 * moment.
 */
static uint64_t renewal_age(const tw_channel *channel, const tw_pair_status *status) {
  const uint64_t most = channel->options.rekey_after_ms;
  const tw_bytes transcript = tw_group_confirmed_transcript_hash(tw_pair_group(channel->pair));
  const size_t side = status->role == TW_PAIR_INITIATOR ? 0 : 1;
  if (transcript.len <= side) return most;
  const uint64_t eighth = most / 8;
  const uint64_t share = transcript.ptr[side];
  return most - (eighth / 255 * share + eighth % 255 * share / 255);
}

static bool time_is_due(const tw_channel *channel, const tw_pair_status *status) {
  const uint64_t after = renewal_age(channel, status);
  return after > 0 && channel->now_ms >= status->own_leaf_since_ms &&
         channel->now_ms - status->own_leaf_since_ms >= after;
}

void tw_channel_consider_update(tw_channel *channel) {
  tw_pair_status status;
  if (!may_update(channel, &status) || channel->now_ms < channel->retry_ms) return;
  tw_rekey_cause cause;
  if (channel->update_wanted) {
    cause = TW_REKEY_CALLER;
  } else if (time_is_due(channel, &status)) {
    cause = TW_REKEY_TIME;
  } else if (bytes_are_due(channel)) {
    cause = TW_REKEY_BYTES;
  } else {
    return;
  }
  if (tw_channel_start_update(channel, cause) != TW_OK) channel->retry_ms = channel->now_ms + RETRY_MS;
}

uint64_t tw_channel_update_deadline(const tw_channel *channel) {
  tw_pair_status status;
  if (!may_update(channel, &status)) return UINT64_MAX;
  uint64_t at = UINT64_MAX;
  if (channel->options.rekey_after_ms > 0) at = status.own_leaf_since_ms + renewal_age(channel, &status);
  if (channel->update_wanted || bytes_are_due(channel)) at = channel->now_ms;
  return at < channel->retry_ms ? channel->retry_ms : at;
}

tw_err tw_channel_rekey(tw_channel *channel, uint64_t now_ms) {
  if (tw_channel_ended(channel)) return TW_ERR_CLOSED;
  if (!tw_channel_established(channel) || channel->stream_ended) return TW_ERR_STATE;
  if (now_ms > channel->now_ms) channel->now_ms = now_ms;
  return tw_channel_start_update(channel, TW_REKEY_CALLER);
}

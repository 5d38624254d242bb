/* Adopt, save, send. SPDX-License-Identifier: Apache-2.0 */
#include "channel/channel_internal.h"

void tw_channel_hold(tw_channel *channel) {
  if (!channel->config.durable) return;
  channel->unsaved = true;
  if (channel->held_at > channel->output.len) channel->held_at = channel->output.len;
}

bool tw_channel_unsaved(const tw_channel *channel) { return channel->unsaved; }

uint64_t tw_channel_version(const tw_channel *channel) { return channel->version; }

tw_err tw_channel_save(const tw_channel *channel, tw_buf *saved) {
  if (tw_channel_ended(channel) || channel->pair == NULL) return TW_ERR_STATE;
  return tw_channel_write_session(channel, saved);
}

tw_err tw_channel_saved(tw_channel *channel) {
  if (tw_channel_ended(channel)) return TW_ERR_CLOSED;
  if (channel->unsaved) channel->version++;
  channel->unsaved = false;
  channel->held_at = SIZE_MAX;
  TW_TRY(tw_channel_pump(channel));
  if (!channel->close_wanted || tw_channel_ended(channel)) return TW_OK;
  channel->close_wanted = false;
  return tw_channel_close(channel);
}

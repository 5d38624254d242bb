/* What a peer may have us do for nothing: tw_channel_options. SPDX-License-Identifier: Apache-2.0 */
#include "channel/channel_internal.h"

enum { SECOND_MS = 1000, MINUTE_MS = 60000 };

/* By windows of time, and not in a row: whoever sends a little of use between would get around that, and whoever sends
 * something empty once a minute, for years, does no harm. */
static tw_err count(tw_channel_window *window, uint64_t now_ms, uint64_t length_ms, uint32_t most) {
  if (most == 0) return TW_OK;
  if (now_ms - window->since_ms >= length_ms) *window = (tw_channel_window){.since_ms = now_ms};
  if (window->count == most) return TW_ERR_LIMIT;
  window->count++;
  return TW_OK;
}

tw_err tw_channel_count_idle(tw_channel *channel) {
  return count(&channel->idle_records, channel->now_ms, SECOND_MS, channel->options.idle_records_max);
}

/* An update costs us as much as some hundred kilobytes of records. Whoever has sent that much may renew keys as often
 * as it likes. */
tw_err tw_channel_count_update(tw_channel *channel) {
  if (channel->epoch_data >= TW_UPDATE_DATA) return TW_OK;
  return count(&channel->peer_updates, channel->now_ms, MINUTE_MS, channel->options.peer_updates_max);
}

tw_err tw_channel_count_fragment(tw_channel *channel) {
  const uint32_t most = channel->options.message_records_max;
  if (most > 0 && channel->handshake_records + 1 >= most) return TW_ERR_LIMIT;
  channel->handshake_records++;
  return TW_OK;
}

/* Updates have empty records in their train. */
void tw_channel_count_message(tw_channel *channel) {
  channel->handshake_records = 0;
  channel->idle_records.count = 0;
}

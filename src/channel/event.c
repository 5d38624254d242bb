/* Events wait in a small ring until the caller takes them. SPDX-License-Identifier: Apache-2.0 */
#include "channel/channel_internal.h"

static tw_channel_event *event_at(tw_channel *channel, size_t index) {
  return &channel->events[(channel->event_first + index) % TW_CHANNEL_EVENTS];
}

/* All kinds but `rekeyed` come once, so that only that one can find no room: two slots are always free for the ends. */
void tw_channel_raise(tw_channel *channel, const tw_channel_event *event) {
  if (event->kind == TW_CHANNEL_REKEYED && channel->event_count >= TW_CHANNEL_EVENTS - 2) {
    for (size_t i = channel->event_count; i-- > 0;) {
      tw_channel_event *last = event_at(channel, i);
      if (last->kind != TW_CHANNEL_REKEYED) continue;
      last->epoch = event->epoch;
      last->cause = event->cause;
      last->data_bytes += event->data_bytes;
      last->handshake_bytes += event->handshake_bytes;
      last->merged++;
      return;
    }
    return;
  }
  if (channel->event_count == TW_CHANNEL_EVENTS) return;
  *event_at(channel, channel->event_count++) = *event;
}

void tw_channel_raise_rekeyed(tw_channel *channel, uint64_t epoch, tw_rekey_cause cause) {
  const tw_channel_event event = {.kind = TW_CHANNEL_REKEYED,
                                  .epoch = epoch,
                                  .cause = cause,
                                  .data_bytes = channel->epoch_data,
                                  .handshake_bytes = channel->handshake_bytes};
  channel->epoch_data = 0;
  channel->epoch_data_sent = 0;
  channel->handshake_bytes = 0;
  tw_channel_raise(channel, &event);
}

bool tw_channel_next_event(tw_channel *channel, tw_channel_event *event) {
  if (channel->event_count == 0) return false;
  *event = channel->events[channel->event_first];
  channel->event_first = (channel->event_first + 1) % TW_CHANNEL_EVENTS;
  channel->event_count--;
  return true;
}

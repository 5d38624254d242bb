/* Memory of a channel: buffers that grow on demand, and are released when idle, as is what keys take. SPDX-License-Identifier: Apache-2.0 */
#include "channel/channel_internal.h"

#include <string.h>

#include "base/alloc.h"

tw_err tw_channel_grow(tw_buf *buf, size_t size) {
  if (size <= buf->cap) return TW_OK;
  uint8_t *next = buf->alloc->resize(buf->alloc->ctx, NULL, size);
  if (next == NULL) return TW_ERR_NO_MEMORY;
  const size_t len = buf->len;
  if (len > 0) memcpy(next, buf->ptr, len);
  tw_buf_clear(buf);
  buf->ptr = next;
  buf->len = len;
  buf->cap = size;
  return TW_OK;
}

static bool input_is_empty(const tw_channel *channel) {
  return channel->data_len == 0 && channel->input_at == channel->input.len;
}

static bool output_is_empty(const tw_channel *channel) { return channel->output_at == channel->output.len; }

bool tw_channel_holds_idle(const tw_channel *channel) {
  return (channel->input.cap > 0 && input_is_empty(channel)) || (channel->output.cap > 0 && output_is_empty(channel)) ||
         channel->trial.cap > 0;
}

void tw_channel_release_idle(tw_channel *channel) {
  if (input_is_empty(channel)) {
    tw_buf_clear(&channel->input);
    channel->input_at = 0;
    channel->input_filled = false;
  }
  if (output_is_empty(channel)) {
    tw_buf_clear(&channel->output);
    channel->output_at = 0;
  }
  tw_buf_clear(&channel->trial);
  tw_record_key_rest(&channel->send);
  tw_record_key_rest(&channel->receive);
  tw_record_key_rest(&channel->receive_next);
}

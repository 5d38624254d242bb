/* SPDX-License-Identifier: Apache-2.0 */
#include "control/split.h"

/* The length of the frame that begins with these bytes, its own bytes included; 0: not known yet. */
static tw_err whole_size(tw_bytes begin, size_t max, size_t *size) {
  *size = 0;
  if (begin.len < TW_CONTROL_HEADER) return TW_OK;
  tw_reader r = tw_reader_of(begin);
  const uint32_t length = tw_read_u32(&r);
  if (length < TW_CONTROL_FRAME_MIN || length > max) return TW_ERR_ENCODING;
  *size = TW_CONTROL_HEADER + length;
  return TW_OK;
}

/* Up to `len` bytes in all move from the input to the part. */
static tw_err fill(tw_control_split *split, size_t len, tw_bytes *input) {
  const size_t missing = len - split->part.len;
  const size_t n = missing < input->len ? missing : input->len;
  TW_TRY(tw_buf_append(&split->part, TW_BYTES(input->ptr, n)));
  *input = TW_BYTES(input->ptr + n, input->len - n);
  return TW_OK;
}

static tw_bytes frame_of(tw_bytes whole) {
  return TW_BYTES(whole.ptr + TW_CONTROL_HEADER, whole.len - TW_CONTROL_HEADER);
}

tw_err tw_control_split_next(tw_control_split *split, size_t max, tw_bytes *input, tw_bytes *frame) {
  size_t size = 0;
  *frame = TW_NO_BYTES;
  if (split->whole) tw_control_split_clear(split);
  if (input->len == 0) return TW_OK;
  if (split->part.len == 0) { /* what came as a whole is not copied */
    TW_TRY(whole_size(*input, max, &size));
    if (size != 0 && size <= input->len) {
      *frame = frame_of(TW_BYTES(input->ptr, size));
      *input = TW_BYTES(input->ptr + size, input->len - size);
      return TW_OK;
    }
  }
  if (split->part.len < TW_CONTROL_HEADER) TW_TRY(fill(split, TW_CONTROL_HEADER, input));
  TW_TRY(whole_size(tw_buf_bytes(&split->part), max, &size));
  if (size == 0) return TW_OK;
  TW_TRY(fill(split, size, input));
  split->whole = split->part.len == size;
  if (split->whole) *frame = frame_of(tw_buf_bytes(&split->part));
  return TW_OK;
}

bool tw_control_split_is_empty(const tw_control_split *split) { return split->whole || split->part.len == 0; }

void tw_control_split_clear(tw_control_split *split) {
  tw_buf_clear(&split->part);
  split->whole = false;
}

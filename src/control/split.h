/* Frames out of a stream of bytes. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CONTROL_SPLIT_H
#define TW_CONTROL_SPLIT_H

#include "control/message.h"

/**
 * Zero-initialised is at the start of a stream. Holds what there is of one frame that has not come as a whole, and no
 * more memory than one and a half times that; nothing between frames.
 */
typedef struct tw_control_split {
  tw_buf part;
  bool whole; /* it was handed out, and goes with the next call */
} tw_control_split;

/**
 * The next frame of the stream, whose next bytes are `*input`: what was taken of them is gone from its front. A frame
 * is what follows its length, borrowed from `*input` or the splitter until the next call. An empty one: there is none
 * yet, and all of `*input` was taken. `max`: bytes of a frame at most, TW_CONTROL_FRAME_MAX or less.
 * TW_ERR_ENCODING: a length that is not allowed; the stream is of no use any more. TW_ERR_NO_MEMORY: try again with
 * what is left of `*input`.
 */
TW_MUST_USE tw_err tw_control_split_next(tw_control_split *split, size_t max, tw_bytes *input, tw_bytes *frame);
/** Whether the stream may end here: between frames. */
bool tw_control_split_is_empty(const tw_control_split *split);
void tw_control_split_clear(tw_control_split *split);

#endif

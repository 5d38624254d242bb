/* What the files of the codec share. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CONTROL_PARTS_H
#define TW_CONTROL_PARTS_H

#include "control/message.h"

/* opaque value<V> of `least` … `most` bytes, else TW_ERR_ENCODING. */
tw_bytes tw_control_read_opaque(tw_reader *r, size_t least, size_t most);
/* A group's name or id. */
tw_bytes tw_control_read_name(tw_reader *r);
/* What MLS made. */
tw_bytes tw_control_read_message(tw_reader *r);
/* The same, or nothing. */
tw_bytes tw_control_read_tree(tw_reader *r);
tw_client_id tw_control_read_client(tw_reader *r);
/* ClientId list<V>, not looked at further. */
tw_bytes tw_control_read_clients(tw_reader *r);
tw_control_location tw_control_read_location(tw_reader *r);

/* A frame of this type and request number is begun; its length is set at the end, which checks it. */
tw_writer tw_control_begin(tw_buf *out, tw_control_type type, uint32_t request);
TW_MUST_USE tw_err tw_control_finish(tw_writer *w);
/* What a frame that was finished at `start` has behind its length. */
tw_bytes tw_control_written(const tw_buf *out, size_t start);
/* An encoder's own check: the frame at `start` goes away unless `err` is TW_OK. */
TW_MUST_USE tw_err tw_control_checked(tw_buf *out, size_t start, tw_err err);

#endif

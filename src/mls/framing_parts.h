/* What the framing_*.c files share. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_FRAMING_PARTS_H
#define TW_MLS_FRAMING_PARTS_H

#include "mls/protect.h"

enum { TW_TBS_PARTS = 3 };

/* FramedContentTBS as parts to be hashed or signed one after the other. `parts` point into `head`: does not move. */
typedef struct tw_framed_content_tbs_parts {
  uint8_t head[4];
  tw_bytes parts[TW_TBS_PARTS];
} tw_framed_content_tbs_parts;

void tw_framed_content_tbs(tw_framed_content_tbs_parts *out, uint16_t wire_format, tw_bytes framed_content,
                           uint8_t sender_type, tw_bytes group_context);
/* A FramedContent up to its body. */
void tw_write_framed_content_head(tw_writer *w, const tw_content_fields *fields);

#endif

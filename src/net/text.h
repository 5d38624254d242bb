/* Text for people, into a buffer. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_TEXT_H
#define TW_NET_TEXT_H

#include <treewire/bytes.h>

/** As printf writes it, appended; nothing for secrets. TW_ERR_NO_MEMORY: the buffer is as it was. */
TW_MUST_USE tw_err tw_text_append(tw_buf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif

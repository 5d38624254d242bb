/* Base64 (RFC 4648 section 4), in time that depends on the length alone. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_KEYS_BASE64_H
#define TW_KEYS_BASE64_H

#include <treewire/bytes.h>

/** Appends the encoding with its padding. */
TW_MUST_USE tw_err tw_base64_encode(tw_bytes bytes, tw_buf *text);
/**
 * Appends what `text` stands for. TW_ERR_ENCODING unless it is the one encoding of some bytes: padded, no other
 * characters, unused bits zero; `bytes` is then as before.
 */
TW_MUST_USE tw_err tw_base64_decode(tw_bytes text, tw_buf *bytes);

#endif

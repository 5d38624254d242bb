/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/base64.h"

/* Private keys pass through here: no table lookup and no branch depends on a character's value. */

/* 0xff when low <= value <= high, else 0; for values below 256. */
static unsigned in_range(unsigned value, unsigned low, unsigned high) {
  return (((low - 1u - value) & (value - high - 1u)) >> 8) & 0xffu;
}

static uint8_t to_character(unsigned six) {
  const unsigned c = (in_range(six, 0, 25) & (six + 'A')) | (in_range(six, 26, 51) & (six - 26u + 'a')) |
                     (in_range(six, 52, 61) & (six - 52u + '0')) | (in_range(six, 62, 62) & '+') |
                     (in_range(six, 63, 63) & '/');
  return (uint8_t)c;
}

/* The six bits of a character; bit 8 of the result is set when it is not in the alphabet. */
static unsigned from_character(unsigned c) {
  const unsigned upper = in_range(c, 'A', 'Z');
  const unsigned lower = in_range(c, 'a', 'z');
  const unsigned digit = in_range(c, '0', '9');
  const unsigned plus = in_range(c, '+', '+');
  const unsigned slash = in_range(c, '/', '/');
  const unsigned value = (upper & (c - 'A')) | (lower & (c - 'a' + 26u)) | (digit & (c - '0' + 52u)) | (plus & 62u) |
                         (slash & 63u);
  const unsigned known = upper | lower | digit | plus | slash;
  return (value & 0x3fu) | ((~known & 1u) << 8);
}

tw_err tw_base64_encode(tw_bytes bytes, tw_buf *text) {
  if (bytes.len > SIZE_MAX / 4 * 3 - 3) return TW_ERR_NO_MEMORY;
  TW_TRY(tw_buf_reserve(text, (bytes.len + 2) / 3 * 4));
  uint8_t *out = text->ptr + text->len;
  for (size_t at = 0; at < bytes.len; at += 3) {
    const size_t left = bytes.len - at;
    const unsigned a = bytes.ptr[at];
    const unsigned b = left > 1 ? bytes.ptr[at + 1] : 0;
    const unsigned c = left > 2 ? bytes.ptr[at + 2] : 0;
    *out++ = to_character(a >> 2);
    *out++ = to_character((a & 3u) << 4 | b >> 4);
    *out++ = left > 1 ? to_character((b & 15u) << 2 | c >> 6) : '=';
    *out++ = left > 2 ? to_character(c & 63u) : '=';
  }
  text->len += (bytes.len + 2) / 3 * 4;
  return TW_OK;
}

tw_err tw_base64_decode(tw_bytes text, tw_buf *bytes) {
  if (text.len == 0) return TW_OK;
  if (text.len % 4 != 0) return TW_ERR_ENCODING;
  const size_t padding = text.ptr[text.len - 1] != '=' ? 0 : text.ptr[text.len - 2] != '=' ? 1 : 2;
  const size_t characters = text.len - padding;
  TW_TRY(tw_buf_reserve(bytes, text.len / 4 * 3));

  uint8_t *out = bytes->ptr + bytes->len;
  unsigned bad = 0;
  for (size_t at = 0; at < characters; at += 4) {
    unsigned bits = 0;
    for (size_t i = 0; i < 4; i++) {
      const unsigned six = at + i < characters ? from_character(text.ptr[at + i]) : 0;
      bad |= six >> 8;
      bits = bits << 6 | (six & 0x3fu);
    }
    *out++ = (uint8_t)(bits >> 16);
    *out++ = (uint8_t)(bits >> 8);
    *out++ = (uint8_t)bits;
  }
  for (size_t i = 1; i <= padding; i++) bad |= *(out - i); /* bits that stand for nothing */
  if (bad != 0) return TW_ERR_ENCODING;
  bytes->len += text.len / 4 * 3 - padding;
  return TW_OK;
}

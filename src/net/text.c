/* SPDX-License-Identifier: Apache-2.0 */
#include "net/text.h"

#include <stdarg.h>
#include <stdio.h>

tw_err tw_text_append(tw_buf *out, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const int len = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (len <= 0) return len < 0 ? TW_ERR_INTERNAL : TW_OK;
  TW_TRY(tw_buf_reserve(out, (size_t)len + 1)); /* vsnprintf ends it with a zero, which does not count */
  va_start(args, format);
  (void)vsnprintf((char *)out->ptr + out->len, (size_t)len + 1, format, args);
  va_end(args);
  out->len += (size_t)len;
  return TW_OK;
}

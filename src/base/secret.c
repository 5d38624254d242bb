/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include <string.h>

void tw_wipe(void *ptr, size_t len) {
  if (ptr == NULL || len == 0) return;
  memset(ptr, 0, len);
#if defined(__GNUC__)
  /* The memory counts as read here, so that the store above cannot be dropped as dead. */
  __asm__ __volatile__("" : : "r"(ptr) : "memory");
#endif
}

tw_err tw_secret_set(tw_secret *secret, tw_bytes bytes) {
  if (bytes.len > TW_SECRET_MAX) return TW_ERR_ARGUMENT;
  tw_secret next = {0};
  if (bytes.len > 0) memcpy(next.data, bytes.ptr, bytes.len);
  next.len = (uint8_t)bytes.len;
  *secret = next;
  tw_secret_clear(&next);
  return TW_OK;
}

void tw_secret_clear(tw_secret *secret) {
  if (secret != NULL) tw_wipe(secret, sizeof *secret);
}

bool tw_secret_equal(tw_bytes a, tw_bytes b) {
  if (a.len != b.len) return false;
  uint64_t difference = 0;
  size_t at = 0;
  for (uint64_t one, two; at + sizeof one <= a.len; at += sizeof one) { /* tags are compared for each packet */
    memcpy(&one, a.ptr + at, sizeof one);
    memcpy(&two, b.ptr + at, sizeof two);
    difference |= one ^ two;
  }
  for (; at < a.len; at++) difference |= (uint64_t)(a.ptr[at] ^ b.ptr[at]);
  return difference == 0;
}

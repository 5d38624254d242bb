/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

static void *default_resize(void *ctx, void *ptr, size_t size) {
  (void)ctx;
  if (size == 0) {
    free(ptr);
    return NULL;
  }
  return realloc(ptr, size);
}

const tw_alloc tw_alloc_default = {NULL, default_resize};

static const tw_alloc *or_default(const tw_alloc *alloc) { return alloc != NULL ? alloc : &tw_alloc_default; }

void *tw_alloc_zero(const tw_alloc *alloc, size_t size) {
  const tw_alloc *a = or_default(alloc);
  void *ptr = a->resize(a->ctx, NULL, size > 0 ? size : 1);
  if (ptr != NULL) memset(ptr, 0, size > 0 ? size : 1);
  return ptr;
}

void *tw_alloc_array(const tw_alloc *alloc, size_t count, size_t size) {
  if (size != 0 && count > SIZE_MAX / size) return NULL;
  return tw_alloc_zero(alloc, count * size);
}

void *tw_alloc_room(const tw_alloc *alloc, size_t count, size_t size) {
  return tw_alloc_resize_array(alloc, NULL, count, size);
}

void *tw_alloc_resize_array(const tw_alloc *alloc, void *ptr, size_t count, size_t size) {
  if (size != 0 && count > SIZE_MAX / size) return NULL;
  const size_t total = count * size;
  const tw_alloc *a = or_default(alloc);
  return a->resize(a->ctx, ptr, total > 0 ? total : 1);
}

void tw_alloc_free(const tw_alloc *alloc, void *ptr) {
  if (ptr == NULL) return;
  const tw_alloc *a = or_default(alloc);
  (void)a->resize(a->ctx, ptr, 0);
}

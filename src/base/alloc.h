/* Allocation through the caller's allocator. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_BASE_ALLOC_H
#define TW_BASE_ALLOC_H

#include <treewire/bytes.h>

/** `size` zeroed bytes, or NULL. `alloc` NULL means tw_alloc_default. */
void *tw_alloc_zero(const tw_alloc *alloc, size_t size);
/** `count * size` zeroed bytes, NULL also when the product overflows. */
void *tw_alloc_array(const tw_alloc *alloc, size_t count, size_t size);
/**
 * `count * size` bytes whose content is not set, NULL also when the product overflows: for large rooms of which most
 * may never be used, so that the system need not give memory for them.
 */
void *tw_alloc_room(const tw_alloc *alloc, size_t count, size_t size);
/** Resize to `count * size` bytes; NULL (old block valid) when that overflows or there is no memory. */
void *tw_alloc_resize_array(const tw_alloc *alloc, void *ptr, size_t count, size_t size);
/** NULL is fine. */
void tw_alloc_free(const tw_alloc *alloc, void *ptr);

#endif

/* The signature at the end of LeafNode, KeyPackage and GroupInfo. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_SIGNED_H
#define TW_MLS_SIGNED_H

#include "codec/writer.h"
#include "mls/label.h"

/*
 * Signs `parts` (which may point into `out`) with `label` and appends opaque signature<V>. On error `out` is cut back
 * to `start` bytes: what the caller wrote for this structure is gone too.
 */
TW_MUST_USE tw_err tw_append_signature(const tw_env *env, const tw_signer *signer, tw_bytes label,
                                       const tw_bytes *parts, size_t count, size_t start, tw_buf *out);

#endif

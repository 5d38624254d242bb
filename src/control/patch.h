/* A blob told by what it has changed of another one. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CONTROL_PATCH_H
#define TW_CONTROL_PATCH_H

#include <treewire/env.h>

/*
 * Both sides have the blob of before, and what comes of it is the same at both, whoever made the patch: it has the hash
 * of that. A patch of the empty blob has the whole one in it. Nothing is known of what the blobs are.
 *
 *   struct {
 *     opaque hash[32];                                                 SHA-256 of the blob that comes of it
 *     struct { uint32 from; uint32 length; opaque put<V>; } parts<V>;  [from, from + length) of the blob before, then
 * put } Patch
 */
enum { TW_CONTROL_PATCH_HASH = 32 };

/**
 * Append the patch that makes `after` of `before`; in time and memory proportional to both. Bytes that stand in both,
 * at whatever place, are copied where 31 or more of them are in a row, fewer where they are at the place that follows
 * from the copy before. Errors: TW_ERR_NO_MEMORY; TW_ERR_LIMIT: one of them, or the patch, would have 2^30 bytes or
 * more. Those of the hash.
 */
TW_MUST_USE tw_err tw_control_patch_make(const tw_env *env, tw_bytes before, tw_bytes after, tw_buf *out);

/** Whether it is a patch, of whatever. Of the class malformed: it is none. */
TW_MUST_USE tw_err tw_control_patch_check(tw_bytes patch);

/**
 * Append what comes of `before`, which may not lie in `out`. `most`: its bytes at most, known and checked before
 * anything is copied. Errors, `out` is then as it was: of the class malformed: not a patch. TW_ERR_LIMIT: more than
 * `most`. TW_ERR_APART: it was made of another blob, or to another one than it says: ask for the whole.
 * TW_ERR_NO_MEMORY.
 */
TW_MUST_USE tw_err tw_control_patch_apply(const tw_env *env, tw_bytes before, tw_bytes patch, size_t most, tw_buf *out);

#endif

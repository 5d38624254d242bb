/* SPDX-License-Identifier: Apache-2.0 */
#include "control/patch.h"

#include <string.h>

#include "base/alloc.h"
#include "codec/reader.h"
#include "codec/writer.h"
#include "crypto/crypto.h"
#include "crypto/suites.h"

enum { BLOB_MAX = (1 << 30) - 1, BLOCK = 16 };

/* Only its hash is used. */
static const tw_suite hashing = {.name = "patch", .hash = &tw_hash_sha256};

/* One of `parts`, or a copy that was found: then `put` is not used. */
typedef struct part {
  uint32_t from;
  uint32_t length;
  tw_bytes put;
} part;

/* ---- applying ---- */

/* Each has something; one without a copy has no place either, so that there is one form of it. */
static bool next_part(tw_reader *walk, part *out) {
  if (!tw_reader_more(walk)) return false;
  out->from = tw_read_u32(walk);
  out->length = tw_read_u32(walk);
  out->put = tw_read_vector(walk);
  if (out->length == 0 && (out->from != 0 || out->put.len == 0)) tw_reader_fail(walk, TW_ERR_ENCODING);
  return tw_reader_err(walk) == TW_OK;
}

static tw_err read_patch(tw_bytes patch, tw_bytes *hash, tw_bytes *parts, uint64_t *size) {
  tw_reader r = tw_reader_of(patch);
  *hash = tw_read_fixed(&r, TW_CONTROL_PATCH_HASH);
  *parts = tw_read_vector(&r);
  TW_TRY(tw_reader_end(&r));
  tw_reader walk = tw_reader_of(*parts);
  part each;
  for (*size = 0; next_part(&walk, &each);) *size += (uint64_t)each.length + each.put.len;
  return tw_reader_end(&walk);
}

tw_err tw_control_patch_check(tw_bytes patch) {
  tw_bytes hash;
  tw_bytes parts;
  uint64_t size;
  return read_patch(patch, &hash, &parts, &size);
}

static tw_err put_together(tw_bytes before, tw_bytes parts, tw_buf *out) {
  tw_reader walk = tw_reader_of(parts);
  part each;
  while (next_part(&walk, &each)) {
    if (each.from > before.len) return TW_ERR_APART;
    if (each.length > before.len - each.from) return TW_ERR_APART;
    if (each.length > 0) TW_TRY(tw_buf_append(out, TW_BYTES(before.ptr + each.from, each.length)));
    TW_TRY(tw_buf_append(out, each.put));
  }
  return tw_reader_end(&walk);
}

tw_err tw_control_patch_apply(const tw_env *env, tw_bytes before, tw_bytes patch, size_t most, tw_buf *out) {
  tw_bytes hash;
  tw_bytes parts;
  uint64_t size;
  uint8_t made[TW_HASH_MAX];
  const size_t start = out->len;
  TW_TRY(read_patch(patch, &hash, &parts, &size));
  if (size > most) return TW_ERR_LIMIT;
  TW_TRY(tw_buf_reserve(out, (size_t)size));
  tw_err err = put_together(before, parts, out);
  if (err == TW_OK) {
    const tw_bytes blob = size == 0 ? TW_NO_BYTES : TW_BYTES(out->ptr + start, (size_t)size);
    err = tw_hash_parts(env, &hashing, &blob, 1, made);
  }
  if (err == TW_OK && memcmp(made, hash.ptr, TW_CONTROL_PATCH_HASH) != 0) err = TW_ERR_APART;
  if (err != TW_OK) out->len = start;
  return err;
}

/* ---- making ---- */

/* Where each whole block of the blob before is: its number, from 1, by a hash of it. Of several with one hash the first
 * one is known. */
typedef struct block_index {
  uint32_t *numbers;
  unsigned shift;
} block_index;

static size_t place_of(const block_index *index, const uint8_t block[BLOCK]) {
  uint64_t low;
  uint64_t high;
  memcpy(&low, block, sizeof low);
  memcpy(&high, block + sizeof low, sizeof high);
  return (size_t)((low * UINT64_C(0x9e3779b97f4a7c15) ^ high) * UINT64_C(0xc2b2ae3d27d4eb4f) >> index->shift);
}

static tw_err index_blocks(const tw_env *env, tw_bytes before, block_index *index) {
  const size_t count = before.len / BLOCK;
  unsigned bits = 1;
  while (count > (size_t)1 << (bits - 1)) bits++;
  index->shift = 64 - bits;
  index->numbers = tw_alloc_array(tw_env_alloc(env), (size_t)1 << bits, sizeof *index->numbers);
  if (index->numbers == NULL) return TW_ERR_NO_MEMORY;
  for (size_t i = 0; i < count; i++) {
    uint32_t *number = &index->numbers[place_of(index, before.ptr + i * BLOCK)];
    if (*number == 0) *number = (uint32_t)i + 1;
  }
  return TW_OK;
}

static bool same_block(tw_bytes before, size_t from, const uint8_t *block) {
  return from + BLOCK <= before.len && memcmp(before.ptr + from, block, BLOCK) == 0;
}

/* A copy of the block at `at` of `after`, or more: back to `least`, and on. `*at` is then where it begins. First it is
 * looked for where it is if what came before was changed in its place: `expected`. */
static bool find_copy(const block_index *index, tw_bytes before, tw_bytes after, size_t least, size_t expected,
                      size_t *at, part *copy) {
  const uint8_t *block = after.ptr + *at;
  size_t from = expected;
  if (!same_block(before, from, block)) {
    const uint32_t number = index->numbers[place_of(index, block)];
    if (number == 0) return false;
    from = (size_t)(number - 1) * BLOCK;
    if (!same_block(before, from, block)) return false;
  }
  size_t begin = *at;
  size_t end = *at + BLOCK;
  while (begin > least && from > 0 && before.ptr[from - 1] == after.ptr[begin - 1]) {
    begin--;
    from--;
  }
  while (end < after.len && from + (end - begin) < before.len && before.ptr[from + (end - begin)] == after.ptr[end])
    end++;
  *at = begin;
  *copy = (part){.from = (uint32_t)from, .length = (uint32_t)(end - begin)};
  return true;
}

static void write_part(tw_writer *w, const part *copy, tw_bytes put) {
  if (copy->length == 0 && put.len == 0) return;
  tw_write_u32(w, copy->from);
  tw_write_u32(w, copy->length);
  tw_write_vector(w, put);
}

/* What lies between two copies is put. */
static void write_parts(tw_writer *w, const block_index *index, tw_bytes before, tw_bytes after) {
  part copy = {0};
  size_t done = 0;     /* of `after`, the last copy included */
  size_t followed = 0; /* where that one ends in `before` */
  size_t at = 0;
  while (at + BLOCK <= after.len) {
    part next;
    size_t begin = at;
    if (!find_copy(index, before, after, done, followed + (at - done), &begin, &next)) {
      at++;
      continue;
    }
    write_part(w, &copy, TW_BYTES(after.ptr + done, begin - done));
    copy = next;
    done = at = begin + copy.length;
    followed = (size_t)copy.from + copy.length;
  }
  write_part(w, &copy, after.len == 0 ? TW_NO_BYTES : TW_BYTES(after.ptr + done, after.len - done));
}

tw_err tw_control_patch_make(const tw_env *env, tw_bytes before, tw_bytes after, tw_buf *out) {
  block_index index = {0};
  uint8_t hash[TW_HASH_MAX];
  if (before.len > BLOB_MAX || after.len > BLOB_MAX) return TW_ERR_LIMIT;
  TW_TRY(tw_hash_parts(env, &hashing, &after, 1, hash));
  TW_TRY(index_blocks(env, before, &index));
  tw_writer w = tw_writer_to(out);
  tw_write_fixed(&w, TW_BYTES(hash, TW_CONTROL_PATCH_HASH));
  const tw_vector_mark parts = tw_write_open(&w);
  write_parts(&w, &index, before, after);
  tw_write_close(&w, parts);
  tw_alloc_free(tw_env_alloc(env), index.numbers);
  return tw_writer_end(&w);
}

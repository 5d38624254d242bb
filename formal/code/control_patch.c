/*
 * tw_control_patch_apply and tw_control_patch_check have no undefined behaviour. SPDX-License-Identifier: Apache-2.0
 *
 * (1) For patches of any bytes: of 0 to 53 of them, on a blob of none or 2, and of 60, which may be three parts, on a
 * blob of 1. (2) For longer patches of one part whose lengths are given and all else is any: the sizes where a length
 * takes one more byte, up to 2^14 bytes that are put and 2^30 that are copied, with as many in the blob, one more and
 * one fewer. Any `most`; `out` is empty, or has 62 of its 64 bytes in use; memory may run out at any time, and the hash
 * is any or fails (stubs/hash.h). No access outside of patch, blob and block, the hash gets nothing that is not
 * initialized, an error leaves `out` as long as it was, and what is appended has at most `most` bytes.
 *
 * What is not reached of put_together is that memory runs out in it: all of it was reserved, so it cannot.
 *
 * Assumed: no block is used after it was freed (base_buf.c proves that of the buffer). Where a length is more than the
 * blob has, blocks of more than 64 bytes are longer than asked for: that `out` keeps to its capacity is checked then.
 * Other sizes are not analysed, nor is tw_control_patch_make.
 *
 * Sources: src/control/patch.c src/codec/reader.c src/codec/writer.c src/crypto/kdf.c src/crypto/suites.c
 * Sources: src/base/buf.c src/base/alloc.c src/base/secret.c
 * Options: -eva -eva-slevel 100000 -eva-split-return full -eva-split-limit 64
 * Options: -eva-alloc-builtin fresh -eva-no-alloc-returns-null -metrics -metrics-eva-cover
 * Reaches: 100 tw_control_patch_apply tw_control_patch_check read_patch next_part tw_hash_parts
 * Reaches: 82 put_together
 * Annotate: src/codec/reader.c | if (len > 0) r->ptr += len; | split len;
 * Mutant: src/control/patch.c | if (each.length > before.len - each.from) return TW_ERR_APART; | ;
 * Mutant: src/control/patch.c | if (each.from > before.len) return TW_ERR_APART; | ;
 * Mutant: src/control/patch.c | TW_TRY(tw_reader_end(&r)); | ;
 * Mutant: src/control/patch.c | if (size > most) return TW_ERR_LIMIT; | ;
 * Mutant: src/control/patch.c | (uint64_t)each.length + each.put.len | each.put.len
 * Mutant: src/control/patch.c | (uint64_t)each.length + each.put.len | (uint64_t)each.length + each.put.len + 1
 * Mutant: src/control/patch.c | err = put_together(before, parts, out); ... if (err == TW_OK) { | {
 * Mutant: src/control/patch.c | if (err == TW_OK && memcmp( | if (memcmp(
 * Mutant: src/control/patch.c | if (err != TW_OK) out->len = start; | ;
 */
#include "codec/writer.h"
#include "control/patch.h"
#include "stubs/any.h"
#include "stubs/hash.h"
#include "stubs/memory.h"

enum { HEAD = TW_CONTROL_PATCH_HASH + 1, PART = 9 }; /* where `parts` begins, and the least bytes of one of them */

extern uint8_t long_blob[(size_t)1 << 31];

/* Where the blocks of an allocator lie. Those out of `exact` end where it ends. */
typedef struct room {
  uint8_t exact[2][(size_t)1 << 31];
  uint8_t large[(size_t)1 << 40];
  size_t given;
} room;

/* Whether a length in the patch is more than `before` has: then Eva knows no single size of a block for what comes. */
static bool is_long;

static void *resize(void *ctx, void *ptr, size_t size) {
  room *in = ctx;
  /*@ check ptr == \null || size == 0; */
  (void)ptr;
  if (size == 0 || size > sizeof in->large || any_bool()) return NULL;
  if (is_long && size > 64) return in->large;
  /*@ check in->given < 2 && size <= sizeof(in->exact[0]); */
  return in->exact[in->given++] + (sizeof in->exact[0] - size);
}

static void check_sound(const tw_buf *buf) {
  /*@ check buf->len <= buf->cap; */
  /*@ check buf->cap == 0 || \valid(buf->ptr + (0 .. buf->cap - 1)); */
  /*@ check buf->len == 0 || \initialized(buf->ptr + (0 .. buf->len - 1)); */
  (void)buf;
}

static void apply_to(tw_bytes before, tw_bytes patch, size_t cap, size_t len) {
  tw_provider provider = any_hashing();
  room blocks;
  const tw_alloc alloc = {&blocks, resize};
  const tw_env env = {.alloc = &alloc, .provider = &provider};
  blocks.given = cap == 0 ? 0 : 1;
  tw_buf out = any_buf(&alloc, blocks.exact[0] + (sizeof blocks.exact[0] - cap), cap, len);
  const size_t most = any_size(0, SIZE_MAX);
  const tw_err err = tw_control_patch_apply(&env, before, patch, most, &out);
  /*@ check err != TW_OK ==> out.len == len; */
  /*@ check err == TW_OK ==> len <= out.len && out.len - len <= most; */
  (void)err;
  check_sound(&out);
}

static void apply(tw_bytes before, tw_bytes patch) {
  if (any_bool())
    apply_to(before, patch, 0, 0);
  else
    apply_to(before, patch, 64, 62);
}

/* Tells lengths up to `most` apart, and longer ones from them. */
static size_t length_at(const uint8_t *in, size_t most) {
  if (in[0] != 0) return most + 1;
  if (in[1] != 0) return most + 2;
  if (in[2] != 0) return most + 3;
  if (in[3] > most) return most + 4;
  /*@ split in[3]; */
  return in[3];
}

/* The same of a vector's length in one byte; and from them what begins a longer length, by how long that is. */
static size_t vector_at(const uint8_t *in, size_t most) {
  if (*in >= 0xc0) return most + 1;
  if (*in >= 0x80) return most + 2;
  if (*in >= 0x40) return most + 3;
  if (*in > most) return most + 4;
  /*@ split *in; */
  return *in;
}

/* Nothing is left out: what is told apart is analysed by itself. */
static void apply_whole(tw_bytes before, const uint8_t *patch, size_t size) {
  size_t at = HEAD;
  is_long = false;
  if (size >= HEAD && patch[HEAD - 1] >= size - HEAD && vector_at(patch + HEAD - 1, size - HEAD) == size - HEAD) {
    /*@ loop unroll 4; */
    while (size - at >= PART) {
      const size_t put = vector_at(patch + at + PART - 1, size - at - PART);
      if (put > size - at - PART) break;
      at += PART + put;
    }
  }
  (void)tw_control_patch_check(TW_BYTES(patch, size));
  if (at == size) { /*@ loop unroll 4; */
    for (at = HEAD; at < size && !is_long; at += PART + patch[at + PART - 1])
      is_long = length_at(patch + at + 4, before.len) > before.len;
  }
  apply(before, TW_BYTES(patch, size));
}

static void apply_any(size_t before_len, size_t from, size_t to) {
  uint8_t *blob = before_len == 0 ? NULL : malloc(before_len);
  any_bytes(blob, before_len);
  /*@ loop unroll 100; */
  for (size_t size = from; size <= to; size++) {
    uint8_t *patch = size == 0 ? NULL : malloc(size);
    any_bytes(patch, size);
    apply_whole(TW_BYTES(blob, before_len), patch, size);
    free(patch);
  }
  free(blob);
}

/* A patch of one part with these sizes, whatever else is in it. */
static void apply_one(size_t before_len, uint32_t length, size_t put_len) {
  static uint8_t memory[TW_CONTROL_PATCH_HASH + 4 + 2 * 4 + 4 + (1 << 14)];
  const size_t parts_len = 2 * 4 + tw_varint_size(put_len) + put_len;
  const size_t size = TW_CONTROL_PATCH_HASH + tw_varint_size(parts_len) + parts_len;
  uint8_t *patch = AT_EITHER_END(memory, size);
  any_bytes(patch, size);
  uint8_t *part = patch + TW_CONTROL_PATCH_HASH;
  part += tw_put_varint(part, parts_len);
  tw_put_u32(part + 4, length);
  (void)tw_put_varint(part + 8, put_len);
  is_long = length > before_len;
  (void)tw_control_patch_check(TW_BYTES(patch, size));
  apply(TW_BYTES(AT_EITHER_END(long_blob, before_len), before_len), TW_BYTES(patch, size));
}

static void apply_long(void) {
  static const uint32_t lengths[] = {255, 256, 1 << 16, 1 << 24, 1 << 30};
  static const size_t puts[] = {54, 55, 63, 64, (1 << 14) - 1, 1 << 14};
  /*@ loop unroll 6; */
  for (size_t i = 0; i < sizeof puts / sizeof puts[0]; i++) apply_one(2, 1, puts[i]);
  /*@ loop unroll 6; */
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
    apply_one(lengths[i] + 1, lengths[i] - 1, 1);
    apply_one(lengths[i], lengths[i], 1);
    apply_one(lengths[i] - 1, lengths[i], 1);
  }
}

int main(void) {
#ifndef MUTANT
  apply_any(0, 0, 53);
  apply_any(2, 0, 53);
  apply_any(1, 60, 60);
  apply_long();
#else
  apply_any(0, 31, 33);
  apply_any(2, 51, 51);
#endif
  return 0;
}

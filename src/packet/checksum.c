/* SPDX-License-Identifier: Apache-2.0 */
#include "packet/checksum.h"

#include <string.h>

#include "packet/fields.h"

/*
 * RFC 1071 section 2: the sum may be taken in words of any size and in the machine's byte order, as long as carries go
 * round to the other end; only the result is swapped. Two sums in turns, so that additions need not wait for each
 * other, and carries counted apart: "sum += word, carry += sum < word" is two instructions.
 */
typedef struct accumulator {
  uint64_t sum, carry;
} accumulator;

enum { WORD = sizeof(uint64_t), STRIDE = 8 * WORD };

static inline uint64_t load(const uint8_t *at) {
  uint64_t word;
  memcpy(&word, at, sizeof word);
  return word;
}

static inline void add(accumulator *a, uint64_t word) {
  a->sum += word;
  a->carry += a->sum < word;
}

/* The last 0 … 7 bytes. Halves of a word may be added anywhere; the odd byte is the first of a pair. */
static inline uint64_t load_rest(const uint8_t *at, size_t len) {
  uint64_t rest = 0;
  if ((len & 4) != 0) {
    uint32_t half;
    memcpy(&half, at, sizeof half);
    rest += half;
    at += sizeof half;
  }
  if ((len & 2) != 0) {
    uint16_t quarter;
    memcpy(&quarter, at, sizeof quarter);
    rest += quarter;
    at += sizeof quarter;
  }
  if ((len & 1) != 0) {
    const uint8_t pair[2] = {*at, 0};
    uint16_t last;
    memcpy(&last, pair, sizeof last);
    rest += last;
  }
  return rest;
}

static inline uint32_t number_of(accumulator a, accumulator b) {
  add(&a, b.sum);
  const uint16_t word = tw_sum_fold((uint64_t)tw_sum_fold(a.sum) + a.carry + b.carry);
  uint8_t bytes[2];
  memcpy(bytes, &word, sizeof bytes);
  return tw_get_u16(bytes);
}

/*
 * With vectors, where the processor has AVX2: halves of the words are added apart, in lanes of 64 bits, so that nothing
 * carries. Whole blocks alone, as many bytes as are returned; of fewer than two a call would not be worth it.
 */
#if defined(__x86_64__) && defined(__GNUC__)
enum { BLOCK = 64, BLOCKS_LEAST = 2 };
typedef uint64_t lanes __attribute__((vector_size(32)));

__attribute__((target("avx2"))) static uint64_t sum_blocks(uint8_t *to, const uint8_t *from, size_t count,
                                                           bool copies) {
  const lanes lower = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
  lanes low = {0};
  lanes high = {0};
  for (size_t i = 0; i < count; i++, from += BLOCK) {
    lanes one;
    lanes two;
    memcpy(&one, from, sizeof one);
    memcpy(&two, from + sizeof one, sizeof two);
    low += (one & lower) + (two & lower);
    high += (one >> 32) + (two >> 32);
    if (!copies) continue;
    memcpy(to + i * BLOCK, &one, sizeof one);
    memcpy(to + i * BLOCK + sizeof one, &two, sizeof two);
  }
  low += high;
  return low[0] + low[1] + low[2] + low[3];
}

static inline size_t sum_wide(accumulator *sum, uint8_t *to, const uint8_t *from, size_t len, bool copies) {
  if (len < BLOCKS_LEAST * BLOCK || !__builtin_cpu_supports("avx2")) return 0;
  add(sum, sum_blocks(to, from, len / BLOCK, copies));
  return len - len % BLOCK;
}
#else
static inline size_t sum_wide(accumulator *sum, uint8_t *to, const uint8_t *from, size_t len, bool copies) {
  (void)sum;
  (void)to;
  (void)from;
  (void)len;
  (void)copies;
  return 0;
}
#endif

uint32_t tw_sum(const uint8_t *ptr, size_t len) {
  accumulator a = {0};
  accumulator b = {0};
  const size_t wide = sum_wide(&a, NULL, ptr, len, false);
  if (wide > 0) {
    ptr += wide;
    len -= wide;
  }
  for (; len >= STRIDE; len -= STRIDE, ptr += STRIDE) {
    add(&a, load(ptr));
    add(&b, load(ptr + WORD));
    add(&a, load(ptr + 2 * WORD));
    add(&b, load(ptr + 3 * WORD));
    add(&a, load(ptr + 4 * WORD));
    add(&b, load(ptr + 5 * WORD));
    add(&a, load(ptr + 6 * WORD));
    add(&b, load(ptr + 7 * WORD));
  }
  for (; len >= WORD; len -= WORD, ptr += WORD) add(&a, load(ptr));
  add(&b, load_rest(ptr, len));
  return number_of(a, b);
}

static inline uint64_t copy_word(uint8_t *to, const uint8_t *from) {
  const uint64_t word = load(from);
  memcpy(to, &word, sizeof word);
  return word;
}

uint32_t tw_sum_copy(uint8_t *to, const uint8_t *from, size_t len) {
  accumulator a = {0};
  accumulator b = {0};
  const size_t wide = sum_wide(&a, to, from, len, true);
  if (wide > 0) {
    to += wide;
    from += wide;
    len -= wide;
  }
  for (; len >= STRIDE; len -= STRIDE, from += STRIDE, to += STRIDE) {
    add(&a, copy_word(to, from));
    add(&b, copy_word(to + WORD, from + WORD));
    add(&a, copy_word(to + 2 * WORD, from + 2 * WORD));
    add(&b, copy_word(to + 3 * WORD, from + 3 * WORD));
    add(&a, copy_word(to + 4 * WORD, from + 4 * WORD));
    add(&b, copy_word(to + 5 * WORD, from + 5 * WORD));
    add(&a, copy_word(to + 6 * WORD, from + 6 * WORD));
    add(&b, copy_word(to + 7 * WORD, from + 7 * WORD));
  }
  for (; len >= WORD; len -= WORD, from += WORD, to += WORD) add(&a, copy_word(to, from));
  for (size_t i = 0; i < len; i++) to[i] = from[i];
  add(&b, load_rest(from, len));
  return number_of(a, b);
}

/*
 * struct { opaque source[N], destination[N]; uint8 zero = 0, protocol; uint16 length; }, N = 4, RFC 9293 section 3.1
 * struct { opaque source[N], destination[N]; uint32 length; uint24 zero = 0; uint8 next_header; }, N = 16, RFC 8200
 */
uint32_t tw_sum_pseudo(tw_bytes source, tw_bytes destination, uint8_t protocol, uint32_t length) {
  uint64_t sum = (uint64_t)protocol + (length >> 16) + (length & 0xffff);
  for (size_t at = 0; at < source.len; at += 4)
    sum += (uint64_t)tw_get_u32(source.ptr + at) + tw_get_u32(destination.ptr + at);
  return tw_sum_fold(sum);
}

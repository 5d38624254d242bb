/* SPDX-License-Identifier: Apache-2.0 */
#include "packet/checksum.h"

#include <string.h>

/*
 * RFC 1071 section 2: the sum may be taken in words of any size and in the machine's byte order, as long as carries go
 * round to the other end; only the result is swapped. Four sums in turns, so that additions need not wait for each
 * other.
 */
enum { WORD = sizeof(uint64_t), STRIDE = 8 * WORD };

static inline uint64_t load(const uint8_t *at) {
  uint64_t word;
  memcpy(&word, at, sizeof word);
  return word;
}

static inline uint64_t add(uint64_t a, uint64_t b) {
  const uint64_t sum = a + b;
  return sum + (sum < b);
}

/* The last 0 … 7 bytes, filled up with zeros. */
static inline uint64_t load_rest(const uint8_t *at, size_t len) {
  uint64_t word = 0;
  if (len > 0) memcpy(&word, at, len);
  return word;
}

static inline uint32_t as_number(uint64_t sum) {
  const uint16_t word = tw_sum_fold(sum);
  uint8_t bytes[2];
  memcpy(bytes, &word, sizeof bytes);
  return (uint32_t)bytes[0] << 8 | bytes[1];
}

uint32_t tw_sum(const uint8_t *ptr, size_t len) {
  uint64_t a = 0;
  uint64_t b = 0;
  uint64_t c = 0;
  uint64_t d = 0;
  for (; len >= STRIDE; len -= STRIDE, ptr += STRIDE) {
    a = add(a, load(ptr));
    b = add(b, load(ptr + WORD));
    c = add(c, load(ptr + 2 * WORD));
    d = add(d, load(ptr + 3 * WORD));
    a = add(a, load(ptr + 4 * WORD));
    b = add(b, load(ptr + 5 * WORD));
    c = add(c, load(ptr + 6 * WORD));
    d = add(d, load(ptr + 7 * WORD));
  }
  for (; len >= WORD; len -= WORD, ptr += WORD) a = add(a, load(ptr));
  b = add(b, load_rest(ptr, len));
  return as_number(add(add(a, b), add(c, d)));
}

static inline uint64_t copy_word(uint8_t *to, const uint8_t *from) {
  const uint64_t word = load(from);
  memcpy(to, &word, sizeof word);
  return word;
}

uint32_t tw_sum_copy(uint8_t *to, const uint8_t *from, size_t len) {
  uint64_t a = 0;
  uint64_t b = 0;
  uint64_t c = 0;
  uint64_t d = 0;
  for (; len >= STRIDE / 2; len -= STRIDE / 2, from += STRIDE / 2, to += STRIDE / 2) {
    a = add(a, copy_word(to, from));
    b = add(b, copy_word(to + WORD, from + WORD));
    c = add(c, copy_word(to + 2 * WORD, from + 2 * WORD));
    d = add(d, copy_word(to + 3 * WORD, from + 3 * WORD));
  }
  for (; len >= WORD; len -= WORD, from += WORD, to += WORD) a = add(a, copy_word(to, from));
  if (len > 0) memcpy(to, from, len);
  b = add(b, load_rest(from, len));
  return as_number(add(add(a, b), add(c, d)));
}

/*
 * struct { opaque source[N], destination[N]; uint8 zero = 0, protocol; uint16 length; }, N = 4, RFC 9293 section 3.1
 * struct { opaque source[N], destination[N]; uint32 length; uint24 zero = 0; uint8 next_header; }, N = 16, RFC 8200
 */
uint32_t tw_sum_pseudo(tw_bytes source, tw_bytes destination, uint8_t protocol, uint32_t length) {
  const uint64_t sum = (uint64_t)tw_sum(source.ptr, source.len) + tw_sum(destination.ptr, destination.len) + protocol +
                       (length >> 16) + (length & 0xffff);
  return tw_sum_fold(sum);
}

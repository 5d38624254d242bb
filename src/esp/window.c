/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/window.h"

#include <string.h>

static size_t block_of(uint64_t number) { return (size_t)(number / 64 % TW_ESP_WINDOW_BLOCKS); }
static uint64_t bit_of(uint64_t number) { return UINT64_C(1) << number % 64; }

void tw_esp_window_start(tw_esp_window *window, uint64_t highest) {
  memset(window->blocks, 0xff, sizeof window->blocks);
  const uint64_t bit = bit_of(highest);
  window->blocks[block_of(highest)] = bit | (bit - 1);
  window->highest = highest;
}

/*
 * The lowest number from the window's bottom on that ends in `low`. Cases A and B of appendix A2.2 are one in
 * arithmetic modulo 2^64: below 2^12 - 1 the bottom is "negative", and what counts on from there has to pass 0.
 */
tw_err tw_esp_window_infer(const tw_esp_window *window, uint32_t low, uint64_t *number) {
  const uint64_t bottom = window->highest - (TW_ESP_WINDOW - 1);
  const uint64_t found = bottom + (uint32_t)(low - (uint32_t)bottom);
  const bool begins_below_0 = window->highest < TW_ESP_WINDOW - 1;
  if ((found < bottom) != begins_below_0) return TW_ERR_OLD_GENERATION;
  *number = found;
  return TW_OK;
}

static bool is_too_old(const tw_esp_window *window, uint64_t number) {
  return number <= window->highest && window->highest - number >= TW_ESP_WINDOW;
}

tw_err tw_esp_window_check(const tw_esp_window *window, uint64_t number) {
  if (number > window->highest) return TW_OK;
  if (is_too_old(window, number)) return TW_ERR_OLD_GENERATION;
  return (window->blocks[block_of(number)] & bit_of(number)) != 0 ? TW_ERR_DUPLICATE : TW_OK;
}

/* RFC 6479: only the blocks that the window moves on to are cleared, of the highest one's nothing above it is set. */
static void advance(tw_esp_window *window, uint64_t number) {
  const uint64_t from = window->highest / 64;
  const uint64_t blocks = number / 64 - from;
  const uint64_t cleared = blocks < TW_ESP_WINDOW_BLOCKS ? blocks : TW_ESP_WINDOW_BLOCKS;
  for (uint64_t i = 1; i <= cleared; i++) window->blocks[(from + i) % TW_ESP_WINDOW_BLOCKS] = 0;
  window->highest = number;
}

void tw_esp_window_mark(tw_esp_window *window, uint64_t number) {
  if (is_too_old(window, number)) return;
  if (number > window->highest) advance(window, number);
  window->blocks[block_of(number)] |= bit_of(number);
}

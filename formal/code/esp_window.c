/*
 * The anti-replay window has no undefined behaviour. SPDX-License-Identifier: Apache-2.0
 *
 * For any content of the window and any highest number, any low half and any number that is checked or marked: no
 * access outside of the blocks, no shift too far, and the highest number never falls. For highest numbers where the
 * cases of appendix A2.2 meet, what is inferred from any low half is not below the window's bottom, and less than 2^32
 * above it. That it is the appendix's number is for the tests to show (tests/esp/test_window.c).
 *
 * Sources: src/esp/window.c
 * Options: -eva -eva-slevel 300 -eva-split-return full -metrics -metrics-eva-cover
 * Reaches: 100 tw_esp_window_start tw_esp_window_infer tw_esp_window_check tw_esp_window_mark advance is_too_old
 * Reaches: 100 block_of bit_of
 * Mutant: src/esp/window.c | number / 64 % TW_ESP_WINDOW_BLOCKS | number / 64 % (TW_ESP_WINDOW_BLOCKS + 1)
 * Mutant: src/esp/window.c | (from + i) % TW_ESP_WINDOW_BLOCKS | (from + i) % 66
 * Mutant: src/esp/window.c | UINT64_C(1) << number % 64 | UINT64_C(1) << number % 65
 * Mutant: src/esp/window.c | *number = found; | ;
 * Mutant: src/esp/window.c | window->highest - (TW_ESP_WINDOW - 1) | window->highest - TW_ESP_WINDOW
 * Mutant: src/esp/window.c | if (number > window->highest) advance(window, number); | window->highest = number;
 */
#include "esp/window.h"
#include "stubs/any.h"

#define RUN (UINT64_C(1) << 32)

static tw_esp_window window;

static void any_window(void) {
  window.highest = any_u64();
  /*@ loop unroll TW_ESP_WINDOW_BLOCKS; */
  for (size_t i = 0; i < TW_ESP_WINDOW_BLOCKS; i++) window.blocks[i] = any_u64();
}

static void infer(void) {
  any_window();
  uint64_t number;
  const uint32_t low = any_u32();
  if (tw_esp_window_infer(&window, low, &number) == TW_OK) {
    /*@ check \initialized(&number); */
    window.highest = number;
  }
}

static void infer_from(uint64_t highest) {
  const uint64_t bottom = highest - (TW_ESP_WINDOW - 1);
  window.highest = highest;
  uint64_t number;
  if (tw_esp_window_infer(&window, any_u32(), &number) == TW_OK) {
    /*@ check bottom <= number < bottom + 4294967296; */
  }
  (void)bottom;
}

static void check(void) {
  any_window();
  const tw_err err = tw_esp_window_check(&window, any_u64());
  /*@ check err == TW_OK || err == TW_ERR_DUPLICATE || err == TW_ERR_OLD_GENERATION; */
  (void)err;
}

static void mark(uint64_t least, uint64_t most) {
  any_window();
  window.highest = any_size(least, most);
  tw_esp_window_mark(&window, any_u64());
  /*@ check window.highest >= least; */
}

int main(void) {
  tw_esp_window_start(&window, any_u64());
  tw_esp_window_start(&window, 0);
  /*@ check window.blocks[0] == 1; */
  infer();
  static const uint64_t highests[] = {4095,       4096,       UINT32_MAX,       RUN,
                                      RUN + 4094, RUN + 4095, RUN + UINT32_MAX, UINT64_MAX - RUN};
  /*@ loop unroll 8; */
  for (size_t i = 0; i < sizeof highests / sizeof highests[0]; i++) infer_from(highests[i]);
  check();
  mark(0, UINT64_MAX);
  mark(4096, 4096);
  mark(UINT64_MAX - 1, UINT64_MAX);
  return 0;
}

/* Anti-replay window with 64-bit numbers: RFC 4303 section 3.4.3 and appendix A. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_ESP_WINDOW_H
#define TW_ESP_WINDOW_H

#include <treewire/bytes.h>

enum {
  TW_ESP_WINDOW = 4096,                          /* W: numbers that are told apart, the highest included */
  TW_ESP_WINDOW_BLOCKS = TW_ESP_WINDOW / 64 + 1, /* RFC 6479: one more, so that no bit is ever shifted */
};

/* Which numbers have come, of the last TW_ESP_WINDOW ones up to the highest. tw_esp_window_start makes it one. */
typedef struct tw_esp_window {
  uint64_t highest;                      /* T */
  uint64_t blocks[TW_ESP_WINDOW_BLOCKS]; /* number n: bit n % 64 of block n / 64 % TW_ESP_WINDOW_BLOCKS */
} tw_esp_window;

/* All numbers up to `highest` count as seen. 0: a new one, since no packet has the number 0. */
void tw_esp_window_start(tw_esp_window *window, uint64_t highest);

/*
 * The number whose low half is `low`: the one that is in the window or, if it is not in there, the next one above
 * (appendix A2.2). Only a packet that opens shows that it was the right one. TW_ERR_OLD_GENERATION: it would be before
 * 0 or after 2^64 - 1.
 */
TW_MUST_USE tw_err tw_esp_window_infer(const tw_esp_window *window, uint32_t low, uint64_t *number);
/* Before opening. TW_ERR_DUPLICATE: has come already; TW_ERR_OLD_GENERATION: too old to tell. */
TW_MUST_USE tw_err tw_esp_window_check(const tw_esp_window *window, uint64_t number);
/* After opening. A number that is too old changes nothing. */
void tw_esp_window_mark(tw_esp_window *window, uint64_t number);

#endif

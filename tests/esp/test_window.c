/* The anti-replay window: RFC 4303 appendix A2. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include "esp/window.h"

#define TOP (UINT64_C(1) << 32)

static tw_esp_window window;

static void take(uint64_t number) {
  assert_int_equal(tw_esp_window_check(&window, number), TW_OK);
  tw_esp_window_mark(&window, number);
  assert_int_equal(tw_esp_window_check(&window, number), TW_ERR_DUPLICATE);
}

static void a_new_window_takes_all_but_0(void **state) {
  (void)state;
  tw_esp_window_start(&window, 0);
  assert_int_equal(tw_esp_window_check(&window, 0), TW_ERR_DUPLICATE);
  for (uint64_t n = 1; n < 2 * TW_ESP_WINDOW; n++) take(n);
  for (uint64_t n = 1; n <= TW_ESP_WINDOW - 1; n++)
    assert_int_equal(tw_esp_window_check(&window, n), TW_ERR_OLD_GENERATION);
}

static void a_window_that_starts_further_on_takes_nothing_of_before(void **state) {
  (void)state;
  static const uint64_t starts[] = {1, 62, 63, 64, 65, 4095, 4096, 4159, 4160, 100000, TOP - 1, TOP, TOP + 4095};
  for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
    tw_esp_window_start(&window, starts[i]);
    const uint64_t bottom = starts[i] >= TW_ESP_WINDOW ? starts[i] - TW_ESP_WINDOW + 1 : 0;
    for (uint64_t n = bottom; n <= starts[i]; n++) assert_int_equal(tw_esp_window_check(&window, n), TW_ERR_DUPLICATE);
    if (bottom > 0) assert_int_equal(tw_esp_window_check(&window, bottom - 1), TW_ERR_OLD_GENERATION);
    for (uint64_t n = starts[i] + 1; n < starts[i] + TW_ESP_WINDOW; n++) take(n);
  }
}

static void the_edges_are_exact(void **state) {
  (void)state;
  for (uint64_t top = 10000; top < 10000 + 2 * 64 + 1; top++) {
    tw_esp_window_start(&window, 0);
    take(top);
    assert_int_equal(tw_esp_window_check(&window, top - TW_ESP_WINDOW), TW_ERR_OLD_GENERATION);
    take(top - TW_ESP_WINDOW + 1);
    take(top - 1);
    take(top + 1);
    assert_int_equal(tw_esp_window_check(&window, top - TW_ESP_WINDOW + 1), TW_ERR_OLD_GENERATION);
    take(top - TW_ESP_WINDOW + 2);
  }
}

/* Each step forgets what falls out and nothing else, and what comes in is free. */
static void steps_of_every_size_keep_what_is_inside(void **state) {
  (void)state;
  static const uint64_t steps[] = {1, 2, 63, 64, 65, 127, 128, 4031, 4032, 4095, 4096, 4097, 4159, 4160, 4161, 9000};
  for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
    for (uint64_t from = 20000; from < 20000 + 65; from++) {
      tw_esp_window_start(&window, from);
      const uint64_t to = from + steps[i];
      take(to);
      for (uint64_t n = to - TW_ESP_WINDOW + 1; n < to; n++)
        assert_int_equal(tw_esp_window_check(&window, n), n <= from ? TW_ERR_DUPLICATE : TW_OK);
    }
  }
}

static void what_is_too_old_is_not_marked(void **state) {
  (void)state;
  tw_esp_window_start(&window, 0);
  take(50000);
  for (uint64_t n = 0; n <= 50000 - TW_ESP_WINDOW; n++) tw_esp_window_mark(&window, n);
  for (uint64_t n = 50000 - TW_ESP_WINDOW + 1; n < 50000; n++) take(n);
  assert_true(window.highest == 50000);
}

static void infers(uint64_t highest, uint32_t low, uint64_t expected) {
  tw_esp_window_start(&window, highest);
  uint64_t number = 1;
  assert_int_equal(tw_esp_window_infer(&window, low, &number), TW_OK);
  assert_true(number == expected);
}

static void infers_nothing(uint64_t highest, uint32_t low) {
  tw_esp_window_start(&window, highest);
  uint64_t number = 77;
  assert_int_equal(tw_esp_window_infer(&window, low, &number), TW_ERR_OLD_GENERATION);
  assert_true(number == 77);
}

/* Case A of appendix A2.1: the window lies within one run of 2^32 numbers. */
static void the_high_half_is_inferred_within_a_run(void **state) {
  (void)state;
  const uint64_t high = UINT64_C(7) << 32;
  infers(high + 4095, 0, high);
  infers(high + 4095, 4095, high + 4095);
  infers(high + 4095, UINT32_MAX, high + UINT32_MAX);
  infers(high + 4096, 0, high + TOP);
  infers(high + 4096, 1, high + 1);
  infers(high + 100000, 100000 - 4095, high + 100000 - 4095);
  infers(high + 100000, 100000 - 4096, high + TOP + 100000 - 4096);
  infers(high + UINT32_MAX, UINT32_MAX, high + UINT32_MAX);
  infers(high + UINT32_MAX, 0, high + TOP);
  infers(high + UINT32_MAX, UINT32_MAX - 4095, high + UINT32_MAX - 4095);
  infers(high + UINT32_MAX, UINT32_MAX - 4096, high + TOP + UINT32_MAX - 4096);
}

/* Case B: it lies across the end of one. */
static void the_high_half_is_inferred_across_runs(void **state) {
  (void)state;
  const uint64_t high = UINT64_C(7) << 32;
  infers(high, UINT32_MAX, high - 1);
  infers(high, 0, high);
  infers(high, UINT32_MAX - 4094, high - 4095);
  infers(high, UINT32_MAX - 4095, high + UINT32_MAX - 4095);
  infers(high + 4094, UINT32_MAX, high - 1);
  infers(high + 4094, UINT32_MAX - 1, high + UINT32_MAX - 1);
  infers(high + 4094, 4095, high + 4095);
}

static void there_is_nothing_below_0_or_above_the_last_number(void **state) {
  (void)state;
  infers(0, 0, 0);
  infers(0, 1, 1);
  infers(0, UINT32_MAX - 4095, UINT32_MAX - 4095);
  for (uint32_t i = 0; i < 4095; i++) infers_nothing(0, UINT32_MAX - i);
  infers_nothing(4094, UINT32_MAX);
  infers(4094, UINT32_MAX - 1, UINT32_MAX - 1);
  infers(4095, UINT32_MAX, UINT32_MAX);
  infers(UINT64_MAX, UINT32_MAX, UINT64_MAX);
  infers(UINT64_MAX, UINT32_MAX - 4095, UINT64_MAX - 4095);
  infers_nothing(UINT64_MAX, 0);
  infers_nothing(UINT64_MAX, UINT32_MAX - 4096);
  infers(UINT64_MAX - 5, UINT32_MAX, UINT64_MAX);
  infers_nothing(UINT64_MAX - 5, 0);
}

/* The pseudo-code of appendix A2.2, line by line; false where it leaves the range. */
static bool by_the_appendix(uint64_t highest, uint32_t seql, uint64_t *number) {
  const uint32_t tl = (uint32_t)highest;
  const uint32_t th = (uint32_t)(highest >> 32);
  const uint32_t bl = tl - (TW_ESP_WINDOW - 1);
  uint64_t seqh = th;
  if (tl >= TW_ESP_WINDOW - 1) {
    if (seql < bl) seqh++;
  } else if (seql >= bl) {
    if (th == 0) return false;
    seqh--;
  }
  if (seqh > UINT32_MAX) return false;
  *number = seqh << 32 | seql;
  return true;
}

static void inference_is_the_appendix_s(void **state) {
  (void)state;
  static const uint32_t lows[] = {0,
                                  1,
                                  63,
                                  64,
                                  4094,
                                  4095,
                                  4096,
                                  8190,
                                  8191,
                                  8192,
                                  1u << 31,
                                  UINT32_MAX - 8192,
                                  UINT32_MAX - 4096,
                                  UINT32_MAX - 4095,
                                  UINT32_MAX - 4094,
                                  UINT32_MAX - 1,
                                  UINT32_MAX};
  static const uint64_t highs[] = {0, 1, 2, 1u << 31, UINT32_MAX - 1, UINT32_MAX};
  enum { LOWS = sizeof lows / sizeof lows[0], HIGHS = sizeof highs / sizeof highs[0] };
  for (size_t h = 0; h < HIGHS; h++) {
    for (size_t t = 0; t < LOWS; t++) {
      for (size_t s = 0; s < LOWS; s++) {
        const uint64_t highest = highs[h] << 32 | lows[t];
        uint64_t expected;
        if (by_the_appendix(highest, lows[s], &expected))
          infers(highest, lows[s], expected);
        else
          infers_nothing(highest, lows[s]);
      }
    }
  }
}

static void the_window_goes_over_2_32_and_reaches_the_last_number(void **state) {
  (void)state;
  tw_esp_window_start(&window, TOP - 5000);
  for (uint64_t n = TOP - 4990; n < TOP + 5000; n += 3) take(n);
  for (uint64_t n = window.highest - TW_ESP_WINDOW + 1; n <= window.highest; n++)
    assert_int_equal(tw_esp_window_check(&window, n), (n - (TOP - 4990)) % 3 == 0 ? TW_ERR_DUPLICATE : TW_OK);
  take(UINT64_MAX);
  take(UINT64_MAX - TW_ESP_WINDOW + 1);
  assert_int_equal(tw_esp_window_check(&window, UINT64_MAX - TW_ESP_WINDOW), TW_ERR_OLD_GENERATION);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_new_window_takes_all_but_0),
      cmocka_unit_test(a_window_that_starts_further_on_takes_nothing_of_before),
      cmocka_unit_test(the_edges_are_exact),
      cmocka_unit_test(steps_of_every_size_keep_what_is_inside),
      cmocka_unit_test(what_is_too_old_is_not_marked),
      cmocka_unit_test(the_high_half_is_inferred_within_a_run),
      cmocka_unit_test(the_high_half_is_inferred_across_runs),
      cmocka_unit_test(there_is_nothing_below_0_or_above_the_last_number),
      cmocka_unit_test(inference_is_the_appendix_s),
      cmocka_unit_test(the_window_goes_over_2_32_and_reaches_the_last_number),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

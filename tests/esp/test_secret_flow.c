/* Packets are made without looking at keys or content, as tests/crypto/test_secret_flow.c has it. SPDX-License-Identifier: Apache-2.0 */
#include "tw_cmocka.h"

#include <string.h>

#include "esp/esp.h"
#include "tw_test_env.h"
#include "tw_test_secrecy.h"

static void sealing_does_not_look_at_keys_or_payload(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  for (uint16_t id = 1; id <= 3; id++) {
    tw_esp_keys keys = {.suite = tw_suite_by_id(&test.env, id), .spi = 0x1000};
    uint8_t packet[TW_ESP_OVERHEAD_MAX + 120];
    memset(packet, 0x17, sizeof packet);
    tw_test_hide(keys.key, sizeof keys.key);
    tw_test_hide(keys.salt, sizeof keys.salt);
    tw_test_hide(packet + TW_ESP_HEADER, 100);
    tw_esp_out out = {0};
    assert_int_equal(tw_esp_out_init(&test.env, &keys, TW_ESP_MARK_FRESH, &out), TW_OK);
    assert_int_equal(tw_esp_out_extend(&out, tw_esp_out_reserve(&out, 3)), TW_OK);
    for (int round = 0; round < 3; round++)
      assert_int_equal(tw_esp_seal(&out, TW_ESP_NEXT_IPV4, packet, 100, 110), TW_OK);
    tw_esp_out_clear(&out);
    tw_esp_keys_clear(&keys);
  }
  tw_test_env_clear(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(sealing_does_not_look_at_keys_or_payload)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

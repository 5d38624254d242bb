/* Routes: against a search through all prefixes one by one. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "node/routes.h"
#include "support/tw_test_env.h"

enum { ENTRIES_MAX = 4000 };

static tw_test_env test;

static int set_up(void **state) {
  (void)state;
  tw_test_env_init(&test, 7);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  tw_test_env_clear(&test);
  return 0;
}

static uint32_t draw(uint32_t below) {
  uint8_t bytes[4];
  assert_int_equal(test.env.random(test.env.random_ctx, bytes, sizeof bytes), TW_OK);
  uint32_t value = 0;
  for (size_t i = 0; i < 4; i++) value = value << 8 | bytes[i];
  return value % below;
}

/* Few different bytes, so that prefixes are inside one another. */
static void draw_address(unsigned family, unsigned spread, uint8_t *address) {
  static const uint8_t bytes[] = {0, 255, 10, 127, 128, 1, 0xfe, 64};
  (void)memset(address, 0, 16);
  for (size_t i = 0; i < (family == 4 ? 4u : 16u); i++)
    address[i] = spread > sizeof bytes ? (uint8_t)draw(256) : bytes[draw(spread)];
}

static tw_prefix draw_prefix(unsigned spread) {
  tw_prefix prefix = {.family = draw(2) == 0 ? 4 : 6};
  draw_address(prefix.family, spread, prefix.address);
  prefix.length = (uint8_t)draw(tw_prefix_bits(&prefix) + 1);
  return tw_prefix_network(&prefix);
}

static tw_route search(const tw_route_entry *entries, size_t count, const tw_prefix *host) {
  tw_route found = {TW_ROUTE_NONE, 0};
  int longest = -1;
  for (size_t i = 0; i < count; i++) {
    if (!tw_prefix_contains(&entries[i].prefix, host) || (int)entries[i].prefix.length < longest) continue;
    longest = entries[i].prefix.length;
    found = entries[i].route;
  }
  return found;
}

static void compare(const tw_routes *routes, const tw_route_entry *entries, size_t count, const tw_prefix *host) {
  const tw_route right = search(entries, count, host);
  const tw_route found = host->family == 4 ? tw_routes_find4(routes, host->address)
                                           : tw_routes_find6(routes, host->address);
  assert_int_equal(found.kind, right.kind);
  assert_int_equal(found.peer, right.peer);
  const bool mine = right.kind == TW_ROUTE_PEER;
  assert_int_equal(tw_routes_admits(routes, right.peer, host->family, host->address), mine);
  assert_false(tw_routes_admits(routes, right.peer + 1, host->family, host->address));
}

/* The address before or after that one; wraps. */
static tw_prefix beside(const tw_prefix *host, bool after) {
  tw_prefix other = *host;
  for (unsigned i = tw_prefix_bits(host) / 8; i-- > 0;) {
    other.address[i] = (uint8_t)(after ? other.address[i] + 1 : other.address[i] - 1);
    if (other.address[i] != (after ? 0 : 0xff)) break;
  }
  return other;
}

static void check_table(size_t count, unsigned spread, size_t lookups) {
  static tw_route_entry entries[ENTRIES_MAX];
  tw_routes routes = {0};
  for (size_t i = 0; i < count; i++) {
    entries[i].prefix = draw_prefix(spread);
    entries[i].route = (tw_route){(tw_route_kind)draw(4), 0};
    if (entries[i].route.kind == TW_ROUTE_PEER) entries[i].route.peer = draw(1u << 30);
  }
  assert_int_equal(tw_routes_make(&test.alloc, entries, count, &routes), TW_OK);
  for (size_t i = 0; i < lookups; i++) {
    tw_prefix host = {.family = draw(2) == 0 ? 4 : 6};
    host.length = (uint8_t)tw_prefix_bits(&host);
    draw_address(host.family, spread, host.address);
    compare(&routes, entries, count, &host);
  }
  /* The edges of what is there. */
  for (size_t i = 0; i < (count < 100 ? count : 100); i++) {
    const tw_prefix edges[] = {tw_prefix_host(&entries[i].prefix), tw_prefix_last(&entries[i].prefix)};
    for (size_t k = 0; k < 2; k++) {
      const tw_prefix before = beside(&edges[k], false);
      const tw_prefix after = beside(&edges[k], true);
      compare(&routes, entries, count, &edges[k]);
      compare(&routes, entries, count, &before);
      compare(&routes, entries, count, &after);
    }
  }
  tw_routes_clear(&routes);
  tw_routes_clear(&routes);
}

static void lookups_agree_with_a_linear_search(void **state) {
  (void)state;
  for (unsigned i = 0; i < tw_test_rounds(2000, 20); i++) check_table(draw(12), 2 + draw(8), 50);
  for (unsigned i = 0; i < tw_test_rounds(100, 2); i++) check_table(draw(200), 2 + draw(8), 100);
  check_table(ENTRIES_MAX, 9, tw_test_rounds(2000, 50));
  check_table(ENTRIES_MAX, 4, tw_test_rounds(2000, 50));
}

static void every_length_inside_the_next_one_is_found(void **state) {
  (void)state;
  static tw_route_entry entries[33 + 129];
  size_t count = 0;
  tw_routes routes = {0};
  for (unsigned family = 4; family <= 6; family += 2)
    for (unsigned length = 0; length <= (family == 4 ? 32u : 128u); length++) {
      tw_prefix prefix = {.family = (uint8_t)family, .length = (uint8_t)length};
      (void)memset(prefix.address, 0xa5, family == 4 ? 4 : 16);
      entries[count++] = (tw_route_entry){tw_prefix_network(&prefix), {TW_ROUTE_PEER, length + 1}};
    }
  assert_int_equal(tw_routes_make(&test.alloc, entries, count, &routes), TW_OK);
  for (unsigned family = 4; family <= 6; family += 2)
    for (unsigned flip = 0; flip < (family == 4 ? 32u : 128u); flip++) {
      tw_prefix host = {.family = (uint8_t)family, .length = family == 4 ? 32 : 128};
      (void)memset(host.address, 0xa5, family == 4 ? 4 : 16);
      host.address[flip / 8] ^= (uint8_t)(0x80u >> flip % 8);
      compare(&routes, entries, count, &host);
    }
  tw_routes_clear(&routes);
}

static void an_empty_table_leads_nowhere(void **state) {
  (void)state;
  static const uint8_t address[16] = {10, 0, 0, 1};
  tw_routes routes = {0};
  for (unsigned made = 0; made < 2; made++) {
    assert_int_equal(tw_routes_find4(&routes, address).kind, TW_ROUTE_NONE);
    assert_int_equal(tw_routes_find6(&routes, address).kind, TW_ROUTE_NONE);
    assert_false(tw_routes_admits(&routes, 0, 4, address));
    assert_false(tw_routes_admits(&routes, 0, 5, address));
    assert_int_equal(tw_routes_make(&test.alloc, NULL, 0, &routes), TW_OK);
  }
  tw_routes_clear(&routes);
}

static void a_peer_number_that_does_not_fit_is_refused(void **state) {
  (void)state;
  tw_routes routes = {0};
  tw_route_entry entry = {{.family = 4}, {TW_ROUTE_PEER, UINT32_C(1) << 30}};
  assert_int_equal(tw_routes_make(&test.alloc, &entry, 1, &routes), TW_ERR_ARGUMENT);
  entry.route.peer--;
  assert_int_equal(tw_routes_make(&test.alloc, &entry, 1, &routes), TW_OK);
  assert_int_equal(tw_routes_find4(&routes, entry.prefix.address).peer, (1u << 30) - 1);
  tw_routes_clear(&routes);
}

/* ---- of a configuration ---- */

static tw_prefix prefix_of(const char *text) {
  tw_prefix prefix = {0};
  assert_true(tw_prefix_parse(TW_BYTES((const uint8_t *)text, strlen(text)), &prefix));
  return prefix;
}

#define FINGERPRINT "PublicKey = sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddee"
#define HEAD                                                                                                           \
  "[Interface]\nAddress = 10.7.0.1/24, 10.8.0.4/31, fd07::1/64\nIdentity = a.key\n[Relay]\nEndpoint = r\n" FINGERPRINT \
  "00\n[Network]\nGroup = g\n"
#define PEERS                                                                                                          \
  "[Peer]\n" FINGERPRINT "01\nAllowedIPs = 10.7.0.2/32, fd07::2/128\n"                                                 \
  "[Peer]\n" FINGERPRINT "02\nAllowedIPs = 0.0.0.0/0, ::/0\n"                                                          \
  "[Peer]\n" FINGERPRINT "03\nAllowedIPs = 10.7.0.0/24, 10.8.0.5, 10.7.0.1/32\n"

static void read_config(const char *text, tw_node_config *config) {
  tw_problems problems = {0};
  if (tw_node_config_parse(&test.env, "n", "n.conf", TW_BYTES((const uint8_t *)text, strlen(text)), config,
                           &problems) != TW_OK)
    fail_msg("%s", problems.first.text);
}

static void leads(const tw_routes *routes, const char *address, tw_route_kind kind, uint32_t peer) {
  const tw_prefix host = prefix_of(address);
  const tw_route found = host.family == 4 ? tw_routes_find4(routes, host.address)
                                          : tw_routes_find6(routes, host.address);
  if (found.kind != kind || found.peer != peer) fail_msg("%s: %d %u", address, (int)found.kind, (unsigned)found.peer);
}

static void peers_groups_and_our_own_addresses_are_told_apart(void **state) {
  (void)state;
  tw_node_config config = {0};
  tw_routes routes = {0};
  read_config(HEAD PEERS, &config);
  assert_int_equal(tw_routes_of(&test.alloc, &config, &routes), TW_OK);
  leads(&routes, "10.7.0.2", TW_ROUTE_PEER, 0);
  leads(&routes, "fd07::2", TW_ROUTE_PEER, 0);
  leads(&routes, "10.7.0.3", TW_ROUTE_PEER, 2);
  leads(&routes, "192.0.2.1", TW_ROUTE_PEER, 1);
  leads(&routes, "fd07::3", TW_ROUTE_PEER, 1);
  leads(&routes, "10.7.0.1", TW_ROUTE_SELF, 0);
  leads(&routes, "fd07::1", TW_ROUTE_SELF, 0);
  leads(&routes, "10.7.0.255", TW_ROUTE_GROUP, 0);
  leads(&routes, "255.255.255.255", TW_ROUTE_GROUP, 0);
  leads(&routes, "10.8.0.5", TW_ROUTE_PEER, 2); /* two addresses and no broadcast: RFC 3021 */
  leads(&routes, "224.0.0.1", TW_ROUTE_GROUP, 0);
  leads(&routes, "239.255.255.255", TW_ROUTE_GROUP, 0);
  leads(&routes, "240.0.0.0", TW_ROUTE_PEER, 1);
  leads(&routes, "ff02::1", TW_ROUTE_GROUP, 0);
  config.self = 2; /* what it is allowed is no route then */
  assert_int_equal(tw_routes_of(&test.alloc, &config, &routes), TW_OK);
  leads(&routes, "10.7.0.3", TW_ROUTE_PEER, 1);
  tw_routes_clear(&routes);
  tw_node_config_clear(&config);
}

static void multicast_outside_the_groups_leads_nowhere(void **state) {
  (void)state;
  tw_node_config config = {0};
  tw_routes routes = {0};
  read_config(HEAD PEERS "[Multicast]\nGroups = 239.1.0.0/16, ff02::fb\n", &config);
  assert_int_equal(tw_routes_of(&test.alloc, &config, &routes), TW_OK);
  leads(&routes, "239.1.2.3", TW_ROUTE_GROUP, 0);
  leads(&routes, "239.2.0.0", TW_ROUTE_NONE, 0);
  leads(&routes, "ff02::fb", TW_ROUTE_GROUP, 0);
  leads(&routes, "ff02::1", TW_ROUTE_NONE, 0);
  leads(&routes, "255.255.255.255", TW_ROUTE_NONE, 0);
  leads(&routes, "10.7.0.255", TW_ROUTE_PEER, 2);
  tw_routes_clear(&routes);
  tw_node_config_clear(&config);
}

static void without_memory_the_old_table_stays(void **state) {
  (void)state;
  tw_node_config config = {0};
  tw_routes routes = {0};
  read_config(HEAD PEERS, &config);
  assert_int_equal(tw_routes_of(&test.alloc, &config, &routes), TW_OK);
  for (size_t n = 1;; n++) {
    tw_test_fail_alloc(&test, n);
    const tw_err err = tw_routes_of(&test.alloc, &config, &routes);
    leads(&routes, "10.7.0.3", TW_ROUTE_PEER, 2);
    if (!test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
  }
  tw_test_fail_alloc(&test, 0);
  tw_routes_clear(&routes);
  tw_node_config_clear(&config);
}

static void prefixes_are_read_and_written(void **state) {
  (void)state;
  static const char *const good[][2] = {
      {"10.7.0.1/24", "10.7.0.1/24"}, {"0.0.0.0/0", "0.0.0.0/0"},     {"1.2.3.4", "1.2.3.4/32"},       {"::/0", "::/0"},
      {"FD07::1/64", "fd07::1/64"},   {"fd07:0:0::1", "fd07::1/128"}, {"::1.2.3.4/96", "::1.2.3.4/96"}};
  static const char *const bad[] = {"",          "/",          "1.2.3/8",    "1.2.3.4/",   "1.2.3.4/33",  "1.2.3.4/08",
                                    "::/129",    "1.2.3.4/-1", "1.2.3.4/1x", "1.2.3.4//8", "a.example/8", "1.2.3.4 /8",
                                    "fe80::1%1", "01.2.3.4",   "1.2.3.4.5",  "::1::",      "1.2.3.4/0008"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    char shown[TW_PREFIX_TEXT];
    const tw_prefix prefix = prefix_of(good[i][0]);
    tw_prefix_format(&prefix, shown);
    assert_string_equal(shown, good[i][1]);
  }
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    tw_prefix prefix = {0};
    if (tw_prefix_parse(TW_BYTES((const uint8_t *)bad[i], strlen(bad[i])), &prefix)) fail_msg("%s is taken", bad[i]);
  }
  const tw_prefix host = prefix_of("10.7.9.200/20");
  const tw_prefix network = tw_prefix_network(&host);
  const tw_prefix last = tw_prefix_last(&host);
  char shown[TW_PREFIX_TEXT];
  tw_prefix_format(&network, shown);
  assert_string_equal(shown, "10.7.0.0/20");
  tw_prefix_format(&last, shown);
  assert_string_equal(shown, "10.7.15.255/32");
  assert_true(tw_prefix_contains(&network, &last));
  assert_false(tw_prefix_contains(&last, &network));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lookups_agree_with_a_linear_search),
      cmocka_unit_test(every_length_inside_the_next_one_is_found),
      cmocka_unit_test(an_empty_table_leads_nowhere),
      cmocka_unit_test(a_peer_number_that_does_not_fit_is_refused),
      cmocka_unit_test(peers_groups_and_our_own_addresses_are_told_apart),
      cmocka_unit_test(multicast_outside_the_groups_leads_nowhere),
      cmocka_unit_test(without_memory_the_old_table_stays),
      cmocka_unit_test(prefixes_are_read_and_written),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}

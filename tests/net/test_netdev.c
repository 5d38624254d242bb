/* Devices, addresses and routes, in a network namespace of the test's own. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_cmocka.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>

#include "net/netdev.h"
#include "net/tun.h"
#include "support/tw_test_netns.h"

/* ---- a device to work on ---- */

typedef struct world {
  tw_netdev netdev;
  tw_tun tun;
  tw_netdev_link link;
  tw_report report;
} world;

static void ok(world *w, tw_err err) {
  if (err != TW_OK) fail_msg("%s: %s", tw_err_text(err), w->report.text);
}

static void open_world(world *w) {
  memset(&w->report, 0, sizeof w->report);
  ok(w, tw_netdev_open(&w->netdev, NULL, &w->report));
  ok(w, tw_tun_open(&w->tun, &(tw_tun_config){.name = "net0"}, &w->report));
  ok(w, tw_netdev_find(&w->netdev, "net0", &w->link, &w->report));
}

static void close_world(world *w) {
  tw_tun_close(&w->tun);
  tw_netdev_close(&w->netdev);
}

static tw_netdev_host host(const char *text) {
  tw_netdev_host found = {.family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET};
  assert_int_equal(inet_pton(found.family, text, found.bytes), 1);
  return found;
}

static tw_netdev_prefix prefix(const char *text, uint8_t length) { return (tw_netdev_prefix){host(text), length}; }

static bool same_host(const tw_netdev_host *a, const tw_netdev_host *b) {
  return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static bool has_address(world *w, const tw_netdev_prefix *wanted) {
  tw_netdev_prefix found[16];
  size_t count = 0;
  ok(w, tw_netdev_list_addresses(&w->netdev, w->link.index, found, 16, &count, &w->report));
  for (size_t i = 0; i < count && i < 16; i++)
    if (same_host(&found[i].host, &wanted->host) && found[i].length == wanted->length) return true;
  return false;
}

static size_t find_routes(world *w, uint32_t table, const tw_netdev_prefix *to, tw_netdev_route *out) {
  tw_netdev_route found[16];
  size_t count = 0;
  size_t matches = 0;
  ok(w, tw_netdev_list_routes(&w->netdev, w->link.index, table, found, 16, &count, &w->report));
  assert_true(count <= 16);
  for (size_t i = 0; i < count; i++)
    if (same_host(&found[i].to.host, &to->host) && found[i].to.length == to->length) {
      *out = found[i];
      matches++;
    }
  return matches;
}

/* ---- links ---- */

static void a_link_is_found_changed_and_removed(void **state) {
  (void)state;
  world w;
  open_world(&w);
  assert_string_equal(w.link.name, "net0");
  assert_int_equal(w.link.mtu, 1500);
  assert_int_equal(w.link.flags & IFF_UP, 0);
  const unsigned index = w.link.index;
  for (int twice = 0; twice < 2; twice++) {
    ok(&w, tw_netdev_set_up(&w.netdev, index, true, &w.report));
    ok(&w, tw_netdev_set_mtu(&w.netdev, index, 1380, &w.report));
    ok(&w, tw_netdev_set_multicast(&w.netdev, index, true, true, &w.report));
    ok(&w, tw_netdev_look(&w.netdev, index, &w.link, &w.report));
    assert_int_equal(w.link.mtu, 1380);
    assert_int_equal(w.link.flags & (IFF_UP | IFF_MULTICAST | IFF_ALLMULTI), IFF_UP | IFF_MULTICAST | IFF_ALLMULTI);
  }
  ok(&w, tw_netdev_set_multicast(&w.netdev, index, false, false, &w.report));
  ok(&w, tw_netdev_set_up(&w.netdev, index, false, &w.report));
  ok(&w, tw_netdev_look(&w.netdev, index, &w.link, &w.report));
  assert_int_equal(w.link.flags & (IFF_UP | IFF_MULTICAST | IFF_ALLMULTI), 0);

  ok(&w, tw_netdev_delete(&w.netdev, index, &w.report));
  ok(&w, tw_netdev_delete(&w.netdev, index, &w.report));
  assert_int_equal(tw_netdev_look(&w.netdev, index, &w.link, &w.report), TW_ERR_STATE);
  assert_int_equal(tw_netdev_find(&w.netdev, "net0", &w.link, &w.report), TW_ERR_STATE);
  assert_non_null(strstr(w.report.text, "net0"));
  close_world(&w);
}

static void what_a_link_cannot_is_told(void **state) {
  (void)state;
  world w;
  open_world(&w);
  assert_int_equal(tw_netdev_set_mtu(&w.netdev, w.link.index, 10, &w.report), TW_ERR_STATE);
  assert_non_null(strstr(w.report.text, "MTU"));
  assert_int_equal(tw_netdev_set_up(&w.netdev, 9999, true, &w.report), TW_ERR_STATE);
  assert_int_equal(tw_netdev_find(&w.netdev, "", &w.link, &w.report), TW_ERR_ARGUMENT);
  assert_int_equal(tw_netdev_find(&w.netdev, "a-name-of-sixteen", &w.link, &w.report), TW_ERR_ARGUMENT);
  assert_int_equal(tw_netdev_delete(&w.netdev, 0, &w.report), TW_ERR_ARGUMENT);
  close_world(&w);
}

/* ---- addresses ---- */

static void addresses_come_and_go_as_often_as_one_likes(void **state) {
  (void)state;
  world w;
  open_world(&w);
  ok(&w, tw_netdev_set_up(&w.netdev, w.link.index, true, &w.report));
  const tw_netdev_prefix addresses[] = {prefix("10.9.0.1", 24), prefix("10.9.1.1", 32), prefix("fd00:9::1", 64)};
  for (size_t i = 0; i < 3; i++) {
    assert_false(has_address(&w, &addresses[i]));
    for (int twice = 0; twice < 2; twice++) {
      ok(&w, tw_netdev_add_address(&w.netdev, w.link.index, &addresses[i], &w.report));
      assert_true(has_address(&w, &addresses[i]));
    }
  }
  tw_netdev_prefix one;
  size_t count = 0; /* and the kernel's own link-local one, perhaps */
  ok(&w, tw_netdev_list_addresses(&w.netdev, w.link.index, &one, 1, &count, &w.report));
  assert_true(count >= 3);
  for (size_t i = 0; i < 3; i++)
    for (int twice = 0; twice < 2; twice++) {
      ok(&w, tw_netdev_remove_address(&w.netdev, w.link.index, &addresses[i], &w.report));
      assert_false(has_address(&w, &addresses[i]));
    }
  ok(&w, tw_netdev_remove_address(&w.netdev, 9999, &addresses[0], &w.report));
  close_world(&w);
}

/* Whether the kernel has one within half a second. */
static bool gets_link_local(world *w) {
  for (int i = 0; i < 50; i++) {
    tw_netdev_prefix found[16];
    size_t count = 0;
    ok(w, tw_netdev_list_addresses(&w->netdev, w->link.index, found, 16, &count, &w->report));
    for (size_t k = 0; k < count && k < 16; k++)
      if (found[k].host.family == AF_INET6 && found[k].host.bytes[0] == 0xfe) return true;
    (void)usleep(10000);
  }
  return false;
}

static void a_device_has_no_link_local_address_where_none_is_wanted(void **state) {
  (void)state;
  world w;
  for (int wanted = 0; wanted < 2; wanted++) {
    open_world(&w);
    for (int twice = 0; wanted == 0 && twice < 2; twice++)
      ok(&w, tw_netdev_leave_link_local(&w.netdev, w.link.index, &w.report));
    ok(&w, tw_netdev_set_up(&w.netdev, w.link.index, true, &w.report));
    const tw_netdev_prefix own = prefix("fd00:9::1", 64);
    ok(&w, tw_netdev_add_address(&w.netdev, w.link.index, &own, &w.report));
    assert_true(has_address(&w, &own));
    assert_int_equal(gets_link_local(&w), wanted);
    close_world(&w);
  }
  open_world(&w);
  assert_int_equal(tw_netdev_leave_link_local(&w.netdev, 9999, &w.report), TW_ERR_STATE);
  close_world(&w);
}

static void an_address_that_is_none_is_refused(void **state) {
  (void)state;
  world w;
  open_world(&w);
  tw_netdev_prefix bad = prefix("10.9.0.1", 33);
  assert_int_equal(tw_netdev_add_address(&w.netdev, w.link.index, &bad, &w.report), TW_ERR_ARGUMENT);
  bad = prefix("fd00::1", 129);
  assert_int_equal(tw_netdev_remove_address(&w.netdev, w.link.index, &bad, &w.report), TW_ERR_ARGUMENT);
  bad.host.family = 77;
  assert_int_equal(tw_netdev_add_address(&w.netdev, w.link.index, &bad, &w.report), TW_ERR_ARGUMENT);
  const tw_netdev_prefix good = prefix("10.9.0.1", 24);
  assert_int_equal(tw_netdev_add_address(&w.netdev, 9999, &good, &w.report), TW_ERR_STATE);
  assert_non_null(strstr(w.report.text, "10.9.0.1/24"));
  close_world(&w);
}

/* ---- routes ---- */

static void prepare_for_routes(world *w) {
  open_world(w);
  ok(w, tw_netdev_set_up(&w->netdev, w->link.index, true, &w->report));
  const tw_netdev_prefix four = prefix("10.9.0.1", 24);
  const tw_netdev_prefix six = prefix("fd00:9::1", 64);
  ok(w, tw_netdev_add_address(&w->netdev, w->link.index, &four, &w->report));
  ok(w, tw_netdev_add_address(&w->netdev, w->link.index, &six, &w->report));
}

static void routes_come_and_go_as_often_as_one_likes(void **state) {
  (void)state;
  world w;
  prepare_for_routes(&w);
  const tw_netdev_route routes[] = {
      {.to = prefix("10.20.0.0", 16)},
      {.to = prefix("10.21.0.0", 16), .metric = 77, .mtu = 1300, .from = host("10.9.0.1")},
      {.to = prefix("10.22.0.0", 16), .table = 1000, .via = host("10.9.0.7")},
      {.to = prefix("0.0.0.0", 0), .table = 70000},
      {.to = prefix("224.0.0.0", 4)},
      {.to = prefix("fd00:20::", 32)},
      {.to = prefix("fd00:21::", 48), .metric = 5, .mtu = 1280, .table = 1000},
      {.to = prefix("::", 0), .via = host("fd00:9::7")},
  };
  for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
    tw_netdev_route route = routes[i];
    route.device = w.link.index;
    tw_netdev_route found;
    assert_int_equal(find_routes(&w, route.table, &route.to, &found), 0);
    for (int times = 0; times < 4; times++) {
      ok(&w, times % 2 == 0 ? tw_netdev_add_route(&w.netdev, &route, &w.report)
                            : tw_netdev_replace_route(&w.netdev, &route, &w.report));
      assert_int_equal(find_routes(&w, route.table, &route.to, &found), 1);
      assert_int_equal(found.device, w.link.index);
      assert_int_equal(found.table, route.table != 0 ? route.table : RT_TABLE_MAIN);
      assert_int_equal(found.mtu, route.mtu);
      if (route.metric != 0) assert_int_equal(found.metric, route.metric);
      if (route.via.family != 0) assert_true(same_host(&found.via, &route.via));
      if (route.from.family != 0) assert_true(same_host(&found.from, &route.from));
    }
    for (int twice = 0; twice < 2; twice++) {
      ok(&w, tw_netdev_remove_route(&w.netdev, &route, &w.report));
      assert_int_equal(find_routes(&w, route.table, &route.to, &found), 0);
    }
  }
  close_world(&w);
}

static void a_route_of_another_device_is_not_taken_for_ours(void **state) {
  (void)state;
  world w;
  prepare_for_routes(&w);
  tw_tun other;
  tw_netdev_link link;
  ok(&w, tw_tun_open(&other, &(tw_tun_config){.name = "net1"}, &w.report));
  ok(&w, tw_netdev_find(&w.netdev, "net1", &link, &w.report));
  ok(&w, tw_netdev_set_up(&w.netdev, link.index, true, &w.report));
  tw_netdev_route route = {.to = prefix("10.20.0.0", 16), .device = link.index};
  ok(&w, tw_netdev_add_route(&w.netdev, &route, &w.report));
  route.device = w.link.index;
  assert_int_equal(tw_netdev_add_route(&w.netdev, &route, &w.report), TW_ERR_STATE);
  assert_non_null(strstr(w.report.text, "10.20.0.0/16"));
  ok(&w, tw_netdev_replace_route(&w.netdev, &route, &w.report));
  tw_netdev_route found;
  assert_int_equal(find_routes(&w, 0, &route.to, &found), 1);
  route.device = link.index; /* is not there any more: nothing to do */
  ok(&w, tw_netdev_remove_route(&w.netdev, &route, &w.report));
  assert_int_equal(find_routes(&w, 0, &route.to, &found), 1);
  tw_tun_close(&other);
  close_world(&w);
}

static void a_route_that_is_none_is_refused(void **state) {
  (void)state;
  world w;
  prepare_for_routes(&w);
  tw_netdev_route route = {.to = prefix("10.20.0.0", 16), .device = w.link.index, .via = host("fd00::1")};
  assert_int_equal(tw_netdev_add_route(&w.netdev, &route, &w.report), TW_ERR_ARGUMENT);
  route.via = (tw_netdev_host){0};
  route.from = host("fd00::1");
  assert_int_equal(tw_netdev_replace_route(&w.netdev, &route, &w.report), TW_ERR_ARGUMENT);
  route.from = (tw_netdev_host){0};
  route.to = prefix("10.20.0.1", 16); /* bits behind the prefix */
  assert_int_equal(tw_netdev_add_route(&w.netdev, &route, &w.report), TW_ERR_STATE);
  route.to.length = 99;
  assert_int_equal(tw_netdev_remove_route(&w.netdev, &route, &w.report), TW_ERR_ARGUMENT);
  route.to = prefix("10.20.0.0", 16);
  route.device = 9999;
  assert_int_equal(tw_netdev_add_route(&w.netdev, &route, &w.report), TW_ERR_STATE);
  ok(&w, tw_netdev_remove_route(&w.netdev, &route, &w.report));
  close_world(&w);
}

static void the_way_to_an_address_has_device_source_and_mtu(void **state) {
  (void)state;
  world w;
  prepare_for_routes(&w);
  ok(&w, tw_netdev_set_mtu(&w.netdev, w.link.index, 1400, &w.report));
  const tw_netdev_route routes[] = {
      {.to = prefix("10.20.0.0", 16), .device = w.link.index, .mtu = 1300},
      {.to = prefix("fd00:20::", 32), .device = w.link.index, .mtu = 1290, .via = host("fd00:9::7")},
  };
  for (size_t i = 0; i < 2; i++) ok(&w, tw_netdev_add_route(&w.netdev, &routes[i], &w.report));
  static const struct {
    const char *to;
    const char *from;
    uint32_t mtu;
  } ways[] = {{"10.9.0.5", "10.9.0.1", 1400},
              {"10.20.3.4", "10.9.0.1", 1300},
              {"fd00:9::5", "fd00:9::1", 1400},
              {"fd00:20::5", "fd00:9::1", 1290}};
  for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
    const tw_netdev_host to = host(ways[i].to);
    const tw_netdev_host from = host(ways[i].from);
    tw_netdev_way way;
    ok(&w, tw_netdev_towards(&w.netdev, &to, i % 2 == 1 ? 7 : 0, &way, &w.report));
    assert_string_equal(way.link.name, "net0");
    assert_int_equal(way.mtu, ways[i].mtu);
    assert_int_equal(way.link.mtu, 1400);
    assert_true(same_host(&way.from, &from));
  }
  tw_netdev_way way = {.mtu = 5};
  const tw_netdev_host nowhere = host("192.0.2.1");
  assert_int_equal(tw_netdev_towards(&w.netdev, &nowhere, 0, &way, &w.report), TW_ERR_STATE);
  assert_non_null(strstr(w.report.text, "192.0.2.1"));
  assert_int_equal(way.mtu, 5);
  const tw_netdev_host none = {0};
  assert_int_equal(tw_netdev_towards(&w.netdev, &none, 0, &way, &w.report), TW_ERR_ARGUMENT);
  close_world(&w);
}

static void without_the_right_to_it_nothing_changes_and_the_report_says_what_is_missing(void **state) {
  (void)state;
  world w;
  open_world(&w);
  if (seteuid(65534) != 0) skip(); /* in a user namespace that is not root's */
  const tw_err err = tw_netdev_set_up(&w.netdev, w.link.index, true, &w.report);
  assert_int_equal(seteuid(0), 0);
  assert_int_equal(err, TW_ERR_STATE);
  assert_non_null(strstr(w.report.text, "CAP_NET_ADMIN"));
  close_world(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_link_is_found_changed_and_removed),
      cmocka_unit_test(what_a_link_cannot_is_told),
      cmocka_unit_test(addresses_come_and_go_as_often_as_one_likes),
      cmocka_unit_test(a_device_has_no_link_local_address_where_none_is_wanted),
      cmocka_unit_test(an_address_that_is_none_is_refused),
      cmocka_unit_test(routes_come_and_go_as_often_as_one_likes),
      cmocka_unit_test(a_route_of_another_device_is_not_taken_for_ours),
      cmocka_unit_test(a_route_that_is_none_is_refused),
      cmocka_unit_test(the_way_to_an_address_has_device_source_and_mtu),
      cmocka_unit_test(without_the_right_to_it_nothing_changes_and_the_report_says_what_is_missing),
  };
  if (!tw_test_netns_enter() || access("/dev/net/tun", R_OK | W_OK) != 0) return 77;
  return cmocka_run_group_tests_name("netdev", tests, NULL, NULL);
}

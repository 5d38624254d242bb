/* Addresses as people write them. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_cmocka.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "net/address.h"

typedef struct good_case {
  const char *text;
  tw_address_rule rule;
  uint16_t default_port;
  const char *host;
  uint16_t port;
  const char *shown;
} good_case;

static const good_case good[] = {
    {"example.org:80", TW_ADDRESS_REMOTE, 0, "example.org", 80, "example.org:80"},
    {"127.0.0.1:65535", TW_ADDRESS_REMOTE, 0, "127.0.0.1", 65535, "127.0.0.1:65535"},
    {"[::1]:9420", TW_ADDRESS_REMOTE, 0, "::1", 9420, "[::1]:9420"},
    {"[fe80::1%eth0]:1", TW_ADDRESS_LOCAL, 0, "fe80::1%eth0", 1, "[fe80::1%eth0]:1"},
    {"host", TW_ADDRESS_REMOTE, 9420, "host", 9420, "host:9420"},
    {"[2001:db8::7]", TW_ADDRESS_REMOTE, 9420, "2001:db8::7", 9420, "[2001:db8::7]:9420"},
    {"2001:db8::7", TW_ADDRESS_REMOTE, 9420, "2001:db8::7", 9420, "[2001:db8::7]:9420"},
    {":8080", TW_ADDRESS_LOCAL, 0, "", 8080, "*:8080"},
    {"*:8080", TW_ADDRESS_LOCAL, 0, "", 8080, "*:8080"},
    {"localhost:0", TW_ADDRESS_LOCAL, 0, "localhost", 0, "localhost:0"},
    {"", TW_ADDRESS_LOCAL, 9420, "", 9420, "*:9420"},
};

static void addresses_are_read(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    tw_address address;
    tw_report report = {""};
    char shown[TW_ADDRESS_TEXT];
    assert_int_equal(tw_address_parse(good[i].text, good[i].rule, good[i].default_port, &address, &report), TW_OK);
    assert_string_equal(address.host, good[i].host);
    assert_int_equal(address.port, good[i].port);
    tw_address_format(&address, shown);
    assert_string_equal(shown, good[i].shown);
  }
}

typedef struct bad_case {
  const char *text;
  tw_address_rule rule;
  uint16_t default_port;
} bad_case;

static const bad_case bad[] = {
    {"", TW_ADDRESS_REMOTE, 9420},       {"host", TW_ADDRESS_REMOTE, 0},
    {"host:", TW_ADDRESS_REMOTE, 9420},  {":80", TW_ADDRESS_REMOTE, 0},
    {"*:80", TW_ADDRESS_REMOTE, 0},      {"host:0", TW_ADDRESS_REMOTE, 0},
    {"host:65536", TW_ADDRESS_LOCAL, 0}, {"host:-1", TW_ADDRESS_LOCAL, 0},
    {"host:+1", TW_ADDRESS_LOCAL, 0},    {"host: 1", TW_ADDRESS_LOCAL, 0},
    {"host:1 ", TW_ADDRESS_LOCAL, 0},    {"host:0x10", TW_ADDRESS_LOCAL, 0},
    {"host:http", TW_ADDRESS_LOCAL, 0},  {"ho st:1", TW_ADDRESS_REMOTE, 0},
    {"[::1", TW_ADDRESS_REMOTE, 9420},   {"[::1]x:1", TW_ADDRESS_REMOTE, 0},
    {"[host]:1", TW_ADDRESS_REMOTE, 0},  {"[]:1", TW_ADDRESS_LOCAL, 0},
    {"9420", TW_ADDRESS_LOCAL, 9420},    {"9420", TW_ADDRESS_REMOTE, 9420},
    {"::1:80", TW_ADDRESS_REMOTE, 0},    {"a/b:1", TW_ADDRESS_REMOTE, 0},
    {"host\n:1", TW_ADDRESS_REMOTE, 0},  {"host:99999999999999999999999", TW_ADDRESS_LOCAL, 0},
};

static void what_is_no_address_is_refused_and_quoted(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    tw_address address = {"before", 7};
    tw_report report = {""};
    assert_int_equal(tw_address_parse(bad[i].text, bad[i].rule, bad[i].default_port, &address, &report),
                     TW_ERR_ARGUMENT);
    assert_string_equal(address.host, "before");
    assert_int_equal(address.port, 7);
    assert_true(strlen(report.text) > 0);
    assert_null(strchr(report.text, '\n'));
  }
}

static void a_host_name_has_a_longest_length(void **state) {
  (void)state;
  char text[TW_HOST_MAX + 8];
  tw_address address;
  memset(text, 'a', sizeof text);
  memcpy(text + TW_HOST_MAX, ":1", 3);
  assert_int_equal(tw_address_parse(text, TW_ADDRESS_REMOTE, 0, &address, NULL), TW_OK);
  assert_int_equal(strlen(address.host), TW_HOST_MAX);
  memcpy(text + TW_HOST_MAX, "a:1", 4);
  assert_int_equal(tw_address_parse(text, TW_ADDRESS_REMOTE, 0, &address, NULL), TW_ERR_ARGUMENT);
}

/* With the port, and of one type; names are not asked for, one of this machine neither. */
static void an_address_in_figures_needs_no_looking_up(void **state) {
  (void)state;
  struct addrinfo *list = tw_address_in_figures("192.0.2.7", 9420, SOCK_DGRAM);
  assert_non_null(list);
  assert_null(list->ai_next);
  assert_int_equal(list->ai_family, AF_INET);
  assert_int_equal(list->ai_socktype, SOCK_DGRAM);
  const struct sockaddr_in *four = (const void *)list->ai_addr;
  assert_int_equal(ntohl(four->sin_addr.s_addr), 0xc0000207);
  assert_int_equal(ntohs(four->sin_port), 9420);
  freeaddrinfo(list);
  list = tw_address_in_figures("2001:db8::7", 65535, SOCK_STREAM);
  assert_non_null(list);
  assert_null(list->ai_next);
  assert_int_equal(list->ai_family, AF_INET6);
  const struct sockaddr_in6 *six = (const void *)list->ai_addr;
  assert_int_equal(six->sin6_addr.s6_addr[15], 7);
  assert_int_equal(ntohs(six->sin6_port), 65535);
  freeaddrinfo(list);
  static const char *const others[] = {"localhost",    "",     "a.example", "192.0.2.256", "192.0.2.7.",
                                       "2001:db8:::7", "[::1]"};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
    assert_null(tw_address_in_figures(others[i], 9420, SOCK_STREAM));
}

static void numbers_have_bounds(void **state) {
  (void)state;
  uint64_t number = 5;
  assert_true(tw_number_parse("0", 0, &number));
  assert_int_equal(number, 0);
  assert_true(tw_number_parse("18446744073709551615", UINT64_MAX, &number));
  assert_true(number == UINT64_MAX);
  assert_false(tw_number_parse("18446744073709551616", UINT64_MAX, &number));
  assert_false(tw_number_parse("11", 10, &number));
  assert_false(tw_number_parse("", 10, &number));
  assert_false(tw_number_parse("1.5", 10, &number));
}

static void a_report_shows_no_control_characters(void **state) {
  (void)state;
  tw_report report;
  assert_int_equal(tw_report_fail(&report, TW_ERR_STATE, "a%sb", "\033[2J\r\n\x7f\xff"), TW_ERR_STATE);
  assert_string_equal(report.text, "a?[2J????b");
  char small[4];
  tw_report_printable(small, sizeof small, "abcdef", 6);
  assert_string_equal(small, "abc");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(addresses_are_read),
      cmocka_unit_test(what_is_no_address_is_refused_and_quoted),
      cmocka_unit_test(a_host_name_has_a_longest_length),
      cmocka_unit_test(an_address_in_figures_needs_no_looking_up),
      cmocka_unit_test(numbers_have_bounds),
      cmocka_unit_test(a_report_shows_no_control_characters),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

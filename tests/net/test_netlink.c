/* Requests to a kernel that the test plays. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_cmocka.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "net/netdev.h"

/* ---- the kernel ---- */

enum { READS = 8, READ_MAX = 1024 };

static struct {
  uint8_t reads[READS][READ_MAX];
  size_t lens[READS];
  size_t count, next;
  uint8_t asked[TW_NETLINK_REQUEST_MAX];
  size_t asked_len;
  uint32_t sequence;
  int send_error, receive_error;
  size_t claimed; /* of a datagram that was cut: its true length */
} kernel;

static ssize_t kernel_send(int fd, const void *bytes, size_t len) {
  (void)fd;
  if (kernel.send_error != 0) {
    errno = kernel.send_error;
    return -1;
  }
  memcpy(kernel.asked, bytes, len);
  kernel.asked_len = len;
  struct nlmsghdr header;
  memcpy(&header, bytes, sizeof header);
  kernel.sequence = header.nlmsg_seq;
  kernel.next = 0;
  return (ssize_t)len;
}

/* Answers have the number of the question that was asked last, unless they have one already. */
static ssize_t kernel_receive(int fd, void *bytes, size_t size) {
  (void)fd;
  if (kernel.next == kernel.count) {
    errno = kernel.receive_error != 0 ? kernel.receive_error : EAGAIN;
    return -1;
  }
  const size_t len = kernel.lens[kernel.next];
  assert_true(len <= size);
  memcpy(bytes, kernel.reads[kernel.next++], len);
  for (size_t at = 0; at + sizeof(struct nlmsghdr) <= len;) {
    struct nlmsghdr header;
    memcpy(&header, (uint8_t *)bytes + at, sizeof header);
    if (header.nlmsg_seq == 0) header.nlmsg_seq = kernel.sequence;
    memcpy((uint8_t *)bytes + at, &header, sizeof header);
    if (header.nlmsg_len < sizeof header) break;
    at += NLMSG_ALIGN(header.nlmsg_len);
  }
  return kernel.claimed != 0 ? (ssize_t)kernel.claimed : (ssize_t)len;
}

static const tw_netlink_calls calls = {kernel_send, kernel_receive};

static void begin_read(void) { kernel.lens[kernel.count++] = 0; }

static void answer(uint16_t type, uint16_t flags, const void *body, size_t len) {
  if (kernel.count == 0) begin_read();
  size_t *at = &kernel.lens[kernel.count - 1];
  const struct nlmsghdr header = {
      .nlmsg_len = (uint32_t)(sizeof header + len), .nlmsg_type = type, .nlmsg_flags = flags};
  uint8_t *to = kernel.reads[kernel.count - 1] + *at;
  memcpy(to, &header, sizeof header);
  if (len > 0) memcpy(to + sizeof header, body, len);
  *at += NLMSG_ALIGN(header.nlmsg_len);
}

static void answer_error(int error) {
  const struct nlmsgerr body = {.error = -error, .msg = {.nlmsg_len = sizeof(struct nlmsghdr)}};
  answer(NLMSG_ERROR, NLM_F_CAPPED, &body, sizeof body);
}

static void answer_link(const char *name, uint32_t mtu) {
  tw_netlink_request request;
  const struct ifinfomsg info = {.ifi_index = 7, .ifi_flags = 1};
  tw_netlink_begin(&request, RTM_NEWLINK, 0, &info, sizeof info);
  tw_netlink_put(&request, IFLA_IFNAME, TW_BYTES((const uint8_t *)name, strlen(name) + 1));
  tw_netlink_put_u32(&request, IFLA_MTU, mtu);
  answer(RTM_NEWLINK, 0, request.bytes + sizeof(struct nlmsghdr), request.len - sizeof(struct nlmsghdr));
}

static void answer_route(uint8_t length, uint32_t device) {
  tw_netlink_request request;
  const struct rtmsg info = {
      .rtm_family = AF_INET, .rtm_dst_len = length, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST};
  tw_netlink_begin(&request, RTM_NEWROUTE, 0, &info, sizeof info);
  const uint8_t to[4] = {10};
  tw_netlink_put(&request, RTA_DST, TW_ARRAY(to));
  tw_netlink_put_u32(&request, RTA_OIF, device);
  const size_t metrics = tw_netlink_open_nest(&request, RTA_METRICS);
  tw_netlink_put_u32(&request, RTAX_MTU, 1300);
  tw_netlink_close_nest(&request, metrics);
  answer(RTM_NEWROUTE, NLM_F_MULTI, request.bytes + sizeof(struct nlmsghdr), request.len - sizeof(struct nlmsghdr));
}

static void open_netdev(tw_netdev *netdev) {
  memset(&kernel, 0, sizeof kernel);
  tw_report report = {""};
  if (tw_netdev_open(netdev, &calls, &report) != TW_OK) fail_msg("%s", report.text);
}

/* ---- requests ---- */

static void a_request_has_the_layout_of_rtnetlink(void **state) {
  (void)state;
  tw_netdev netdev;
  open_netdev(&netdev);
  answer_error(0);
  assert_int_equal(tw_netdev_set_mtu(&netdev, 5, 1380, NULL), TW_OK);
  uint8_t expected[40] = {40, 0, 0, 0, RTM_NEWLINK, 0, NLM_F_REQUEST | NLM_F_ACK, 0, 1};
  expected[20] = 5; /* ifi_index */
  expected[32] = 8; /* nla_len, nla_type, 1380 */
  expected[34] = IFLA_MTU;
  expected[36] = 0x64;
  expected[37] = 0x05;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  assert_int_equal(kernel.asked_len, sizeof expected);
  assert_memory_equal(kernel.asked, expected, sizeof expected);
#endif
  tw_netdev_close(&netdev);
}

static void what_does_not_fit_into_a_request_is_told_and_not_sent(void **state) {
  (void)state;
  tw_netdev netdev;
  open_netdev(&netdev);
  static const uint8_t large[70000];
  static const size_t sizes[] = {TW_NETLINK_REQUEST_MAX, 65535, 65536, sizeof large};
  for (size_t i = 0; i < 4; i++) {
    tw_netlink_request request;
    tw_netlink_begin(&request, RTM_NEWLINK, 0, large, 16);
    tw_netlink_put(&request, 1, TW_BYTES(large, sizes[i]));
    tw_netlink_put_u32(&request, 2, 3); /* would fit, but comes after */
    const size_t mark = tw_netlink_open_nest(&request, 1);
    tw_netlink_close_nest(&request, mark);
    assert_int_equal(tw_netlink_ask(&netdev.netlink, &request, NULL, NULL), TW_ERR_LIMIT);
    tw_netlink_begin(&request, RTM_NEWLINK, 0, large, sizes[i]);
    assert_int_equal(tw_netlink_ask(&netdev.netlink, &request, NULL, NULL), TW_ERR_LIMIT);
  }
  assert_int_equal(kernel.asked_len, 0);
  /* To the last byte it fits. */
  tw_netlink_request request;
  tw_netlink_begin(&request, RTM_NEWLINK, 0, large, 16);
  tw_netlink_put(&request, 1, TW_BYTES(large, sizeof request.bytes - 16 - 16 - 4));
  assert_false(request.too_long);
  assert_int_equal(request.len, sizeof request.bytes);
  tw_netdev_close(&netdev);
}

/* ---- answers ---- */

static void an_answer_is_read_to_its_end(void **state) {
  (void)state;
  tw_netdev netdev;
  open_netdev(&netdev);
  answer(NLMSG_NOOP, 0, NULL, 0);
  answer_link("seven", 1400);
  begin_read();
  answer_error(0);
  tw_netdev_link link;
  assert_int_equal(tw_netdev_look(&netdev, 7, &link, NULL), TW_OK);
  assert_string_equal(link.name, "seven");
  assert_int_equal(link.mtu, 1400);
  assert_int_equal(link.index, 7);
  tw_netdev_close(&netdev);
}

static void answers_to_earlier_questions_are_passed_over(void **state) {
  (void)state;
  tw_netdev netdev;
  open_netdev(&netdev);
  answer_error(ENODEV);
  const uint32_t old = 99;
  memcpy(kernel.reads[0] + 8, &old, sizeof old); /* nlmsg_seq */
  begin_read();
  answer_error(0);
  assert_int_equal(tw_netdev_set_mtu(&netdev, 5, 1380, NULL), TW_OK);
  tw_netdev_close(&netdev);
}

static void a_refusal_has_the_kernels_words(void **state) {
  (void)state;
  tw_netdev netdev;
  for (int capped = 0; capped < 2; capped++) {
    open_netdev(&netdev);
    uint8_t body[200] = {0};
    struct nlmsgerr error = {.error = -EINVAL, .msg = {.nlmsg_len = sizeof(struct nlmsghdr) + 16}};
    memcpy(body, &error, sizeof error);
    size_t at = sizeof error + (capped ? 0 : 16);
    const struct nlattr offset = {8, NLMSGERR_ATTR_OFFS};
    memcpy(body + at, &offset, sizeof offset);
    const struct nlattr words = {sizeof words + 13, NLMSGERR_ATTR_MSG};
    memcpy(body + at + 8, &words, sizeof words);
    memcpy(body + at + 12, "mtu\nless than", 13);
    answer(NLMSG_ERROR, (uint16_t)(NLM_F_ACK_TLVS | (capped ? NLM_F_CAPPED : 0)), body, at + 8 + 20);
    tw_report report = {""};
    assert_int_equal(tw_netdev_set_mtu(&netdev, 5, 1, &report), TW_ERR_STATE);
    assert_int_equal(netdev.netlink.refused, EINVAL);
    assert_non_null(strstr(report.text, "mtu?less than"));
    tw_netdev_close(&netdev);
  }
}

static void an_error_that_is_none_is_not_taken_for_one(void **state) {
  (void)state;
  tw_netdev netdev;
  static const int errors[] = {1, INT32_MAX, INT32_MIN, -4096};
  for (size_t i = 0; i < 4; i++) {
    open_netdev(&netdev);
    const struct nlmsgerr body = {.error = errors[i]};
    answer(NLMSG_ERROR, NLM_F_CAPPED, &body, sizeof body);
    assert_int_equal(tw_netdev_set_mtu(&netdev, 5, 1, NULL), TW_ERR_ENCODING);
    assert_int_equal(netdev.netlink.refused, 0);
    tw_netdev_close(&netdev);
  }
}

static void a_list_that_changes_meanwhile_is_read_again(void **state) {
  (void)state;
  tw_netdev netdev;
  open_netdev(&netdev);
  const int none = 0;
  answer_route(8, 7);
  answer(NLMSG_DONE, NLM_F_MULTI, &none, sizeof none);
  tw_netdev_route routes[4];
  size_t count = 0;
  assert_int_equal(tw_netdev_list_routes(&netdev, 7, 0, routes, 4, &count, NULL), TW_OK);
  assert_int_equal(count, 2); /* this kernel says the same of both families */
  assert_int_equal(routes[0].mtu, 1300);
  assert_int_equal(routes[0].to.host.bytes[0], 10);

  /* Always changing: given up at last. */
  kernel.count = 0;
  answer_route(8, 7);
  answer(NLMSG_DONE, NLM_F_MULTI | NLM_F_DUMP_INTR, &none, sizeof none);
  tw_report report = {""};
  count = 9;
  assert_int_equal(tw_netdev_list_routes(&netdev, 7, 0, routes, 4, &count, &report), TW_ERR_PENDING);
  assert_int_equal(count, 9);

  /* Ended by an error. */
  kernel.count = 0;
  const int error = -ENOBUFS;
  answer(NLMSG_DONE, NLM_F_MULTI, &error, sizeof error);
  assert_int_equal(tw_netdev_list_routes(&netdev, 7, 0, routes, 4, &count, &report), TW_ERR_STATE);
  assert_int_equal(netdev.netlink.refused, ENOBUFS);
  tw_netdev_close(&netdev);
}

static void more_than_there_is_room_for_is_counted(void **state) {
  (void)state;
  tw_netdev netdev;
  open_netdev(&netdev);
  for (uint8_t i = 0; i < 5; i++) answer_route(i, 7);
  answer_route(9, 8); /* of another device */
  answer(NLMSG_DONE, NLM_F_MULTI, NULL, 0);
  tw_netdev_route routes[2];
  size_t count = 0;
  assert_int_equal(tw_netdev_list_routes(&netdev, 7, 0, routes, 2, &count, NULL), TW_OK);
  assert_int_equal(count, 10);
  assert_int_equal(routes[1].to.length, 1);
  tw_netdev_close(&netdev);
}

/* Lengths of every kind are within the answer; what is read of it ends in an error or in something shorter. */
static void an_answer_cut_or_damaged_at_any_byte_does_no_harm(void **state) {
  (void)state;
  tw_netdev netdev;
  open_netdev(&netdev);
  answer_link("seven", 1400);
  answer_route(8, 7);
  answer_error(0);
  const size_t whole = kernel.lens[0];
  tw_netdev_link link;
  tw_netdev_route routes[2];
  size_t count;
  for (size_t len = 0; len < whole; len++) {
    kernel.lens[0] = len;
    assert_int_not_equal(tw_netdev_look(&netdev, 7, &link, NULL), TW_OK);
    assert_int_not_equal(tw_netdev_list_routes(&netdev, 7, 0, routes, 2, &count, NULL), TW_OK);
  }
  kernel.lens[0] = whole;
  for (size_t bit = 0; bit < whole * 8; bit++) {
    kernel.reads[0][bit / 8] ^= (uint8_t)(1 << bit % 8);
    (void)!tw_netdev_look(&netdev, 7, &link, NULL);
    (void)!tw_netdev_list_routes(&netdev, 7, 0, routes, 2, &count, NULL);
    const tw_netdev_host to = {AF_INET, {10}};
    tw_netdev_way way;
    (void)!tw_netdev_towards(&netdev, &to, 0, &way, NULL);
    kernel.reads[0][bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  tw_netdev_close(&netdev);
}

static void lengths_that_do_not_fit_are_refused(void **state) {
  (void)state;
  /* One attribute with 4 bytes of value. */
  for (unsigned len = 0; len <= 20; len++) {
    uint8_t bytes[8] = {0};
    const struct nlattr header = {(uint16_t)len, 3};
    memcpy(bytes, &header, sizeof header);
    tw_bytes rest = TW_ARRAY(bytes);
    uint16_t type;
    tw_bytes value;
    const bool fits = len >= 4 && len <= 8;
    assert_int_equal(tw_netlink_next_attribute(&rest, &type, &value), fits ? TW_OK : TW_ERR_TRUNCATED);
    if (fits) assert_int_equal(value.len, len - 4);
    if (fits) assert_int_equal(rest.len, len == 4 ? 4 : 0);
  }
  for (unsigned len = 0; len <= 40; len++) {
    uint8_t bytes[24] = {0};
    const struct nlmsghdr header = {.nlmsg_len = len, .nlmsg_type = 3};
    memcpy(bytes, &header, sizeof header);
    tw_bytes rest = TW_ARRAY(bytes);
    tw_netlink_message message;
    const bool fits = len >= sizeof header && len <= sizeof bytes;
    assert_int_equal(tw_netlink_next_message(&rest, &message), fits ? TW_OK : TW_ERR_TRUNCATED);
    if (fits) assert_int_equal(message.body.len, len - sizeof header);
  }
  tw_bytes none = {0};
  uint32_t number = 1;
  assert_int_equal(tw_netlink_take(&none, &number, sizeof number), TW_ERR_TRUNCATED);
  const uint8_t three[3] = {1, 2, 3};
  assert_int_equal(tw_netlink_u32(TW_ARRAY(three)), 0);
}

static void a_socket_that_fails_is_told(void **state) {
  (void)state;
  tw_netdev netdev;
  tw_report report = {""};
  open_netdev(&netdev);
  kernel.send_error = ENOBUFS;
  assert_int_equal(tw_netdev_set_mtu(&netdev, 5, 1380, &report), TW_ERR_STATE);
  kernel.send_error = 0;
  kernel.receive_error = ENOBUFS;
  assert_int_equal(tw_netdev_set_mtu(&netdev, 5, 1380, &report), TW_ERR_STATE);
  assert_non_null(strstr(report.text, "netlink"));
  answer_error(0);
  kernel.claimed = TW_NETLINK_ANSWER_MAX + 1;
  assert_int_equal(tw_netdev_set_mtu(&netdev, 5, 1380, &report), TW_ERR_TRUNCATED);
  kernel.claimed = 0;
  kernel.count = 0;
  answer(NLMSG_OVERRUN, 0, NULL, 0);
  assert_int_equal(tw_netdev_set_mtu(&netdev, 5, 1380, &report), TW_ERR_STATE);
  tw_netdev_close(&netdev);
  tw_netdev_close(&netdev);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_request_has_the_layout_of_rtnetlink),
      cmocka_unit_test(what_does_not_fit_into_a_request_is_told_and_not_sent),
      cmocka_unit_test(an_answer_is_read_to_its_end),
      cmocka_unit_test(answers_to_earlier_questions_are_passed_over),
      cmocka_unit_test(a_refusal_has_the_kernels_words),
      cmocka_unit_test(an_error_that_is_none_is_not_taken_for_one),
      cmocka_unit_test(a_list_that_changes_meanwhile_is_read_again),
      cmocka_unit_test(more_than_there_is_room_for_is_counted),
      cmocka_unit_test(an_answer_cut_or_damaged_at_any_byte_does_no_harm),
      cmocka_unit_test(lengths_that_do_not_fit_are_refused),
      cmocka_unit_test(a_socket_that_fails_is_told),
  };
  return cmocka_run_group_tests_name("netlink", tests, NULL, NULL);
}

/* The packet relay's sockets: which of our addresses answers, and what marks datagrams have. SPDX-License-Identifier: Apache-2.0 */
#include "whole_kit.h"

enum { MARKS = 0xb8 | 3 /* expedited forwarding, congestion experienced */ };

static void open_world(whole *w, whole_client *a, whole_client *b, bool no_offload) {
  whole_init(w, 1);
  w->anywhere = true;
  w->config.no_offload = no_offload;
  whole_start(w);
  client_init(a, w);
  client_init(b, w);
}

static void close_world(whole *w, whole_client *a, whole_client *b) {
  client_clear(a);
  client_clear(b);
  whole_clear(w);
}

static void answers_come_from_the_address_that_was_asked(void **state) {
  (void)state;
  for (int no_offload = 0; no_offload < 2; no_offload++) {
    whole w;
    whole_client a;
    whole_client b;
    open_world(&w, &a, &b, no_offload != 0);
    a.relays = 2;
    b.relays = 3;
    client_start(&a);
    client_start(&b);
    client_binds(&a);
    client_binds(&b);
    const uint32_t number_a = client_locates(&b, &a).number;
    const uint32_t number_b = client_locates(&a, &b).number;
    client_sends_packet(&a, number_b, "to the third");
    client_gets_packet(&b, "to the third");
    client_sends_packet(&b, number_a, "to the second");
    client_gets_packet(&a, "to the second");
    client_is_heard(&a);
    client_is_heard(&b);
    /* Where it binds anew counts, and where its packets go does not. */
    a.relays = 4;
    client_open_socket(&a);
    client_binds(&a);
    client_sends_packet(&b, number_a, "to the fourth");
    client_gets_packet(&a, "to the fourth");
    client_is_heard(&a);
    close_world(&w, &a, &b);
  }
}

static int marks_of(struct msghdr *header) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
    int value = 0;
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) return *CMSG_DATA(c);
    if (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_TCLASS) continue;
    memcpy(&value, CMSG_DATA(c), sizeof value);
    return value;
  }
  return -1;
}

static void client_gets_marked(const whole_client *c, const char *text, int marks) {
  uint8_t packet[WHOLE_PACKET];
  union {
    struct cmsghdr header;
    uint8_t bytes[64];
  } control;
  struct iovec part = {packet, sizeof packet};
  struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t len = -1;
  (void)uv_timer_start(&c->owner->watchdog, whole_watchdog, WHOLE_PATIENCE_MS, 0);
  while ((len = recvmsg(c->fd, &header, MSG_DONTWAIT)) < 0) {
    (void)uv_run(&c->owner->loop, UV_RUN_NOWAIT);
    (void)poll(&(struct pollfd){.fd = c->fd, .events = POLLIN}, 1, 1);
  }
  (void)uv_timer_stop(&c->owner->watchdog);
  assert_int_equal(len, strlen(text));
  assert_memory_equal(packet, text, strlen(text));
  assert_int_equal(marks_of(&header), marks);
}

static void set_marks(const whole_client *c, int marks) {
  const int one = 1;
  const int level = c->six ? IPPROTO_IPV6 : IPPROTO_IP;
  assert_int_equal(setsockopt(c->fd, level, c->six ? IPV6_TCLASS : IP_TOS, &marks, sizeof marks), 0);
  assert_int_equal(setsockopt(c->fd, level, c->six ? IPV6_RECVTCLASS : IP_RECVTOS, &one, sizeof one), 0);
}

static bool has_ipv6(void) {
  const struct sockaddr_in6 own = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  const int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool has = fd >= 0 && bind(fd, (const struct sockaddr *)&own, sizeof own) == 0;
  if (fd >= 0) (void)close(fd);
  return has;
}

static void marks_go_on_from_family_to_family(void **state) {
  (void)state;
  if (!has_ipv6()) skip();
  whole w;
  whole_client a;
  whole_client b;
  open_world(&w, &a, &b, false);
  b.six = true;
  client_start(&a);
  client_start(&b);
  client_binds(&a);
  client_binds(&b);
  const uint32_t number_a = client_locates(&b, &a).number;
  const uint32_t number_b = client_locates(&a, &b).number;
  for (int marks = 0; marks <= MARKS; marks += MARKS / 17) {
    set_marks(&a, marks);
    set_marks(&b, marks);
    client_sends_packet(&a, number_b, "from four to six");
    client_gets_marked(&b, "from four to six", marks);
    client_sends_packet(&b, number_a, "from six to four");
    client_gets_marked(&a, "from six to four", marks);
  }
  close_world(&w, &a, &b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answers_come_from_the_address_that_was_asked),
      cmocka_unit_test(marks_go_on_from_family_to_family),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

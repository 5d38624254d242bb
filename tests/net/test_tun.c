/* A TUN device in a network namespace of the test's own, with an echo behind it. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_cmocka.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "net/netdev.h"
#include "net/tun.h"
#include "net/udp.h"
#include "support/tw_test_netns.h"

enum { MTU = 1400, STREAM = 3 << 20 };

/*
 *     sockets of 10.9.0.1 ── kernel ── tun ── echo: swaps the addresses of each packet
 *
 * What is sent to 10.9.0.2 comes back from there to the port that it was sent to, at 10.9.0.1: a socket talks to
 * another one of this machine, and everything that they say passes through the device twice. Swapping changes no
 * checksum.
 */
typedef struct world {
  tw_netdev netdev;
  tw_tun tun;
  tw_netdev_link link;
  tw_report report;
  uint8_t packet[TW_TUN_PACKET_MAX];
  unsigned packets;
  unsigned large; /* of them longer than the MTU */
  unsigned unsummed;
  unsigned kinds;  /* a bit for each tw_offload.gso_type */
  unsigned pieces; /* into which each packet is cut for writing */
} world;

static void ok(world *w, tw_err err) {
  if (err != TW_OK) fail_msg("%s: %s", tw_err_text(err), w->report.text);
}

static void add_address(world *w, int family, const char *text, uint8_t length) {
  tw_netdev_prefix address = {.host = {.family = (uint8_t)family}, .length = length};
  assert_int_equal(inet_pton(family, text, address.host.bytes), 1);
  ok(w, tw_netdev_add_address(&w->netdev, w->link.index, &address, &w->report));
  /* The kernel makes an IPv6 address its own a moment later, in a thread of its own. */
  for (int tries = 0; tries < 5000; tries++) {
    tw_netdev_way way;
    ok(w, tw_netdev_towards(&w->netdev, &address.host, 0, &way, &w->report));
    if (strcmp(way.link.name, "lo") == 0) return;
    (void)poll(NULL, 0, 1);
  }
  fail_msg("%s is not ours", text);
}

static void open_world(world *w, const tw_tun_config *config) {
  memset(w, 0, sizeof *w);
  w->pieces = 1;
  ok(w, tw_netdev_open(&w->netdev, NULL, &w->report));
  ok(w, tw_tun_open(&w->tun, config, &w->report));
  ok(w, tw_netdev_find(&w->netdev, w->tun.name, &w->link, &w->report));
  ok(w, tw_netdev_set_mtu(&w->netdev, w->link.index, MTU, &w->report));
  ok(w, tw_netdev_set_up(&w->netdev, w->link.index, true, &w->report));
  add_address(w, AF_INET, "10.9.0.1", 24);
  add_address(w, AF_INET6, "fd00:9::1", 64);
}

static void close_world(world *w) {
  tw_tun_close(&w->tun);
  tw_netdev_close(&w->netdev);
}

/* ---- the echo ---- */

static void swap(uint8_t *a, uint8_t *b, size_t len) {
  for (size_t i = 0; i < len; i++) {
    const uint8_t kept = a[i];
    a[i] = b[i];
    b[i] = kept;
  }
}

static void count_packet(world *w, const tw_offload *header, size_t len) {
  w->packets++;
  if (len > MTU) w->large++;
  if ((header->flags & TW_OFFLOAD_NEEDS_CSUM) != 0) w->unsummed++;
  w->kinds |= 1U << (header->gso_type & 7);
}

/* Writes the packet in as many pieces as the test wants. */
static void write_back(world *w, unsigned queue, const tw_offload *header, size_t len) {
  tw_bytes parts[TW_TUN_PARTS_MAX];
  const size_t step = len / w->pieces;
  for (size_t i = 0; i < w->pieces; i++) {
    const size_t from = i * step;
    parts[i] = TW_BYTES(w->packet + from, i + 1 < w->pieces ? step : len - from);
  }
  assert_int_equal(tw_tun_write(&w->tun, queue, header, parts, w->pieces), TW_OK);
}

/* One round: whatever waits in the device's queues. */
static void echo(world *w) {
  for (unsigned q = 0; q < w->tun.queue_count; q++)
    for (;;) {
      tw_offload header;
      size_t len;
      assert_int_equal(tw_tun_read(&w->tun, q, &header, w->packet, &len), TW_OK);
      if (len == 0) break;
      const bool six = w->packet[0] >> 4 == 6;
      const uint8_t *destination = w->packet + (six ? 24 : 16);
      if (destination[0] >= (six ? 0xff : 224)) continue; /* the kernel's own multicast */
      if (six && w->packet[6] == 58) continue;            /* ICMPv6 */
      count_packet(w, &header, len);
      if (six)
        swap(w->packet + 8, w->packet + 24, 16);
      else
        swap(w->packet + 12, w->packet + 16, 4);
      write_back(w, q, &header, len);
    }
}

/* Until `fd` is ready for `events`. */
static void echo_until(world *w, int fd, short events) {
  for (int rounds = 0; rounds < 10000; rounds++) {
    echo(w);
    struct pollfd wait = {.fd = fd, .events = events};
    if (poll(&wait, 1, 1) > 0) return;
  }
  fail_msg("nothing comes back");
}

/* ---- UDP ---- */

static tw_udp_address at(int family, const char *text, uint16_t port) {
  tw_udp_address address = {.in6 = {0}};
  address.any.sa_family = (sa_family_t)family;
  void *to = family == AF_INET ? (void *)&address.in4.sin_addr : (void *)&address.in6.sin6_addr;
  assert_int_equal(inet_pton(family, text, to), 1);
  address.in4.sin_port = htons(port);
  return address;
}

static void datagrams_pass(world *w, int family, size_t count, size_t size) {
  const tw_udp_config config = {.local = at(family, family == AF_INET ? "10.9.0.1" : "fd00:9::1", 7000),
                                .buffer = 4 << 20};
  const tw_udp_address to = at(family, family == AF_INET ? "10.9.0.2" : "fd00:9::2", 7000);
  static uint8_t bytes[4000];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 7);
  tw_udp udp;
  tw_udp_batch batch;
  tw_udp_intake intake;
  ok(w, tw_udp_open(&udp, &config, &w->report));
  ok(w, tw_udp_batch_open(&batch, NULL, 4));
  ok(w, tw_udp_intake_open(&intake, NULL, 16, TW_UDP_SLOT_SIZE));
  for (size_t i = 0; i < count; i++) ok(w, tw_udp_batch_add(&batch, &to, 0, TW_BYTES(bytes + i, size)));
  ok(w, tw_udp_send(&udp, &batch));
  assert_int_equal(udp.counts.sent, count);
  for (size_t seen = 0; seen < count;) {
    echo_until(w, udp.fd, POLLIN);
    ok(w, tw_udp_receive(&udp, &intake));
    for (size_t s = 0; s < intake.count; s++) {
      assert_true(tw_udp_address_equal(&intake.slots[s].peer, &to));
      for (size_t k = 0; k < intake.slots[s].datagrams; k++, seen++) {
        size_t len;
        const uint8_t *data = tw_udp_datagram(&intake.slots[s], k, &len);
        assert_int_equal(len, size);
        assert_memory_equal(data, bytes + seen, size);
      }
    }
  }
  tw_udp_close(&udp);
  tw_udp_batch_close(&batch);
  tw_udp_intake_close(&intake);
}

/* ---- TCP ---- */

typedef struct stream {
  int listener, client, server;
} stream;

static void connect_stream(world *w, stream *s, int family) {
  const tw_udp_address local = at(family, family == AF_INET ? "10.9.0.1" : "fd00:9::1", 8000);
  const tw_udp_address echoed = at(family, family == AF_INET ? "10.9.0.2" : "fd00:9::2", 8000);
  const int on = 1;
  s->listener = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  assert_true(s->listener >= 0);
  assert_int_equal(setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
  assert_int_equal(bind(s->listener, &local.any, tw_udp_address_len(&local)), 0);
  assert_int_equal(listen(s->listener, 1), 0);
  s->client = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  assert_true(s->client >= 0);
  assert_int_equal(connect(s->client, &echoed.any, tw_udp_address_len(&echoed)), -1);
  assert_int_equal(errno, EINPROGRESS);
  echo_until(w, s->listener, POLLIN);
  s->server = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  assert_true(s->server >= 0);
}

static uint8_t byte_at(size_t i) { return (uint8_t)(i * 13 + (i >> 10)); }

static void a_stream_passes(world *w, int family, size_t total) {
  stream s;
  connect_stream(w, &s, family);
  static uint8_t piece[65536];
  size_t written = 0;
  for (size_t read_so_far = 0; read_so_far < total;) {
    const size_t left = total - written;
    const size_t most = left < sizeof piece ? left : sizeof piece;
    for (size_t i = 0; i < most; i++) piece[i] = byte_at(written + i);
    const ssize_t out = most > 0 ? send(s.client, piece, most, MSG_NOSIGNAL) : 0;
    if (out > 0) written += (size_t)out;
    echo_until(w, s.server, POLLIN);
    const ssize_t in = recv(s.server, piece, sizeof piece, 0);
    assert_true(in > 0);
    for (ssize_t i = 0; i < in; i++)
      if (piece[i] != byte_at(read_so_far + (size_t)i)) fail_msg("another byte at %zu", read_so_far + (size_t)i);
    read_so_far += (size_t)in;
  }
  (void)close(s.client);
  (void)close(s.server);
  (void)close(s.listener);
  echo(w);
}

/* ---- what passes ---- */

static void udp_and_tcp_pass_with_offloads(void **state) {
  (void)state;
  static world w;
  open_world(&w, &(tw_tun_config){.name = NULL});
  assert_string_equal(w.tun.name, "treewire0");
  if ((w.tun.offloads & TW_TUN_OFFLOAD_TCP4) == 0) skip();
  a_stream_passes(&w, AF_INET, STREAM);
  assert_true(w.large > 0);
  assert_true(w.unsummed > 0);
  assert_true((w.kinds & 1U << TW_OFFLOAD_TCP4) != 0);
  a_stream_passes(&w, AF_INET6, STREAM);
  assert_true((w.kinds & 1U << TW_OFFLOAD_TCP6) != 0);
  datagrams_pass(&w, AF_INET, 40, 1000);
  datagrams_pass(&w, AF_INET6, 40, 1000);
  if ((w.tun.offloads & TW_TUN_OFFLOAD_UDP) != 0) assert_true((w.kinds & 1U << TW_OFFLOAD_UDP) != 0);
  close_world(&w);
}

static void udp_and_tcp_pass_without_offloads(void **state) {
  (void)state;
  static world w;
  open_world(&w, &(tw_tun_config){.no_offload = true});
  assert_int_equal(w.tun.offloads, TW_TUN_OFFLOAD_NONE);
  a_stream_passes(&w, AF_INET, STREAM / 4);
  a_stream_passes(&w, AF_INET6, STREAM / 4);
  datagrams_pass(&w, AF_INET, 40, 1000);
  datagrams_pass(&w, AF_INET6, 40, 1000);
  datagrams_pass(&w, AF_INET, 1, 3000); /* in fragments */
  assert_int_equal(w.large, 0);
  assert_int_equal(w.unsummed, 0);
  assert_int_equal(w.kinds, 1U << TW_OFFLOAD_NONE);
  close_world(&w);
}

static void a_packet_is_written_from_many_pieces(void **state) {
  (void)state;
  static world w;
  open_world(&w, &(tw_tun_config){.name = "many"});
  w.pieces = TW_TUN_PARTS_MAX;
  a_stream_passes(&w, AF_INET, STREAM / 4);
  w.pieces = 2;
  datagrams_pass(&w, AF_INET6, 40, 1000);
  close_world(&w);
}

static void several_queues_share_the_flows(void **state) {
  (void)state;
  static world w;
  open_world(&w, &(tw_tun_config){.queues = 3});
  assert_int_equal(w.tun.queue_count, 3);
  a_stream_passes(&w, AF_INET, STREAM / 4);
  datagrams_pass(&w, AF_INET6, 40, 1000);
  close_world(&w);
}

/* ---- what the kernel knows less of ---- */

static struct fake {
  unsigned long refused_flags; /* TUNSETOFFLOAD with one of these does not work */
  short refused_kind;          /* TUNSETIFF with one of these does not work */
  int open_error, attach_error;
  unsigned attach_from;  /* the queue from which on attaching fails */
  unsigned attach_until; /* and before which it does; 0: for good */
  unsigned attached;
} fake;

static int fake_open(const char *path) {
  if (fake.open_error == 0) return open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  errno = fake.open_error;
  return -1;
}

static int fake_control(int fd, unsigned long request, void *argument) {
  const bool attaches = request == TUNSETIFF && fake.attach_error != 0;
  const unsigned number = attaches ? fake.attached++ : 0;
  if (attaches && number >= fake.attach_from && (fake.attach_until == 0 || number < fake.attach_until)) {
    errno = fake.attach_error;
    return -1;
  }
  if (request == TUNSETIFF && (((const struct ifreq *)argument)->ifr_flags & fake.refused_kind) != 0) {
    errno = EINVAL;
    return -1;
  }
  if (request == TUNSETOFFLOAD && ((unsigned long)(uintptr_t)argument & fake.refused_flags) != 0) {
    errno = EINVAL;
    return -1;
  }
  return ioctl(fd, request, argument);
}

static const tw_tun_calls fakes = {fake_open, fake_control};

static void offloads_that_the_kernel_does_not_know_are_left_out(void **state) {
  (void)state;
  static const struct {
    unsigned long refused;
    unsigned offloads;
  } cases[] = {{0x60, TW_TUN_OFFLOAD_CHECKSUM | TW_TUN_OFFLOAD_TCP4 | TW_TUN_OFFLOAD_TCP6}, /* before Linux 6.2 */
               {0x60 | TUN_F_TSO6, TW_TUN_OFFLOAD_CHECKSUM | TW_TUN_OFFLOAD_TCP4},
               {0x60 | TUN_F_TSO6 | TUN_F_TSO4, TW_TUN_OFFLOAD_CHECKSUM},
               {~0UL, TW_TUN_OFFLOAD_NONE}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    static world w;
    memset(&fake, 0, sizeof fake);
    fake.refused_flags = cases[i].refused;
    open_world(&w, &(tw_tun_config){.calls = &fakes});
    assert_int_equal(w.tun.offloads, cases[i].offloads);
    a_stream_passes(&w, AF_INET, STREAM / 8);
    datagrams_pass(&w, AF_INET, 40, 1000);
    assert_int_equal(w.kinds & 1U << TW_OFFLOAD_UDP, 0);
    close_world(&w);
  }
}

/* Without IFF_MULTI_QUEUE, or with it and no more than one that attaches. */
static void where_there_are_not_several_queues_there_is_one(void **state) {
  (void)state;
  static world w;
  for (unsigned attached = 0; attached < 3; attached++) {
    memset(&fake, 0, sizeof fake);
    if (attached == 0) fake.refused_kind = IFF_MULTI_QUEUE;
    if (attached > 0)
      fake = (struct fake){.attach_error = EINVAL, .attach_from = attached, .attach_until = attached + 1};
    open_world(&w, &(tw_tun_config){.name = attached == 2 ? "one" : NULL, .queues = 3, .calls = &fakes});
    assert_int_equal(w.tun.queue_count, 1);
    assert_string_equal(w.tun.name, attached == 2 ? "one" : "treewire0");
    assert_int_equal(w.tun.offloads & TW_TUN_OFFLOAD_CHECKSUM, TW_TUN_OFFLOAD_CHECKSUM);
    a_stream_passes(&w, AF_INET, STREAM / 8);
    datagrams_pass(&w, AF_INET6, 40, 1000);
    close_world(&w);
  }
}

static void a_report_says_what_to_do(void **state) {
  (void)state;
  static const struct {
    int open_error, attach_error;
    const char *word;
  } cases[] = {{ENOENT, 0, "modprobe tun"}, {ENODEV, 0, "modprobe tun"}, {EACCES, 0, "CAP_NET_ADMIN"},
               {EPERM, 0, "root"},          {EMFILE, 0, "/dev/net/tun"}, {0, EPERM, "CAP_NET_ADMIN"},
               {0, EBUSY, "another name"},  {0, EINVAL, "another kind"}, {0, ENOMEM, "cannot be made"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    for (unsigned from = 0; from < 2; from++) {
      memset(&fake, 0, sizeof fake);
      fake.open_error = cases[i].open_error;
      fake.attach_error = cases[i].attach_error;
      fake.attach_from = from;
      tw_tun tun;
      tw_report report = {""};
      assert_int_equal(tw_tun_open(&tun, &(tw_tun_config){.queues = 2, .calls = &fakes}, &report), TW_ERR_STATE);
      assert_non_null(strstr(report.text, cases[i].word));
      assert_int_equal(tun.queue_count, 0);
    }
}

static void a_name_that_is_taken_is_not_shared(void **state) {
  (void)state;
  tw_tun one;
  tw_tun two;
  tw_report report = {""};
  for (unsigned queues = 1; queues < 3; queues++) {
    const tw_tun_config config = {.name = "taken", .queues = queues};
    assert_int_equal(tw_tun_open(&one, &config, &report), TW_OK);
    assert_int_equal(tw_tun_open(&two, &config, &report), TW_ERR_STATE);
    assert_non_null(strstr(report.text, "taken by another"));
    tw_tun_close(&one);
  }
  assert_int_equal(tw_tun_open(&two, &(tw_tun_config){.name = "lo"}, &report), TW_ERR_STATE);
  assert_non_null(strstr(report.text, "lo"));
  assert_int_equal(tw_tun_open(&one, &(tw_tun_config){.name = NULL}, &report), TW_OK);
  assert_int_equal(tw_tun_open(&two, &(tw_tun_config){.name = ""}, &report), TW_OK);
  assert_string_equal(two.name, "treewire1");
  tw_tun_close(&one);
  tw_tun_close(&two);
  tw_tun_close(&two);
  tw_tun_close(NULL);
  assert_int_equal(if_nametoindex("treewire0"), 0); /* gone with its descriptor */
}

static void what_is_no_name_is_refused(void **state) {
  (void)state;
  static const char *const names[] = {".",  "..",   "a/b",     "a b", "tun%d", "a:1", "sixteen-letters-",
                                      "\n", "\x7f", "\xc3\xa4"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    tw_tun tun;
    tw_report report = {""};
    assert_int_equal(tw_tun_open(&tun, &(tw_tun_config){.name = names[i]}, &report), TW_ERR_ARGUMENT);
    assert_true(report.text[0] != '\0');
  }
  tw_tun tun;
  assert_int_equal(tw_tun_open(&tun, &(tw_tun_config){.queues = TW_TUN_QUEUES_MAX + 1}, NULL), TW_ERR_ARGUMENT);
  assert_int_equal(tw_tun_open(&tun, &(tw_tun_config){.name = "fifteen-letters"}, NULL), TW_OK);
  assert_string_equal(tun.name, "fifteen-letters");
  tw_tun_close(&tun);
}

/* ---- reading and writing ---- */

static void what_the_kernel_does_not_take_is_told_and_harms_nothing(void **state) {
  (void)state;
  static world w;
  open_world(&w, &(tw_tun_config){.name = NULL});
  static const uint8_t zeros[100];
  static const uint8_t four[20] = {0x45};
  const tw_bytes none = TW_BYTES(zeros, 0);
  const tw_bytes nonsense = TW_ARRAY(zeros);
  const tw_bytes cut = TW_BYTES(four, 1);
  const tw_bytes packet = TW_ARRAY(four);
  assert_int_equal(tw_tun_write(&w.tun, 0, NULL, &none, 1), TW_ERR_ENCODING);
  assert_int_equal(tw_tun_write(&w.tun, 0, NULL, &nonsense, 1), TW_ERR_ENCODING);
  (void)!tw_tun_write(&w.tun, 0, NULL, &cut, 1);
  assert_int_equal(tw_tun_write(&w.tun, 0, NULL, &packet, 0), TW_ERR_ARGUMENT);
  assert_int_equal(tw_tun_write(&w.tun, 0, NULL, &packet, TW_TUN_PARTS_MAX + 1), TW_ERR_ARGUMENT);
  const tw_offload beyond = {.flags = TW_OFFLOAD_NEEDS_CSUM, .csum_start = 60000, .csum_offset = 16};
  assert_int_equal(tw_tun_write(&w.tun, 0, &beyond, &packet, 1), TW_ERR_ENCODING);
  const tw_offload unknown = {.gso_type = 0x7f, .gso_size = 100};
  assert_int_equal(tw_tun_write(&w.tun, 0, &unknown, &packet, 1), TW_ERR_ENCODING);
  datagrams_pass(&w, AF_INET, 10, 100);

  ok(&w, tw_netdev_set_up(&w.netdev, w.link.index, false, &w.report));
  assert_int_equal(tw_tun_write(&w.tun, 0, NULL, &packet, 1), TW_ERR_STATE);
  ok(&w, tw_netdev_delete(&w.netdev, w.link.index, &w.report));
  tw_offload header;
  size_t len = 5;
  assert_int_equal(tw_tun_read(&w.tun, 0, &header, w.packet, &len), TW_ERR_STATE);
  assert_int_equal(len, 0);
  assert_int_equal(tw_tun_write(&w.tun, 0, NULL, &packet, 1), TW_ERR_STATE);
  close_world(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(udp_and_tcp_pass_with_offloads),
      cmocka_unit_test(udp_and_tcp_pass_without_offloads),
      cmocka_unit_test(a_packet_is_written_from_many_pieces),
      cmocka_unit_test(several_queues_share_the_flows),
      cmocka_unit_test(where_there_are_not_several_queues_there_is_one),
      cmocka_unit_test(offloads_that_the_kernel_does_not_know_are_left_out),
      cmocka_unit_test(a_report_says_what_to_do),
      cmocka_unit_test(a_name_that_is_taken_is_not_shared),
      cmocka_unit_test(what_is_no_name_is_refused),
      cmocka_unit_test(what_the_kernel_does_not_take_is_told_and_harms_nothing),
  };
  if (!tw_test_netns_enter() || access("/dev/net/tun", R_OK | W_OK) != 0) return 77;
  return cmocka_run_group_tests_name("tun", tests, NULL, NULL);
}

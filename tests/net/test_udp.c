/* UDP by the batch, on loopback. SPDX-License-Identifier: Apache-2.0 */
#include "support/tw_cmocka.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "net/netdev.h"
#include "net/udp.h"
#include "support/tw_test_env.h"
#include "support/tw_test_netns.h"

enum { SLOTS = 128, SIZE = 1200, LARGE = 2000 };

static bool in_netns;

/* ---- system calls with a will of their own ---- */

static struct {
  int errors[32]; /* of the next calls; 0: the call works */
  unsigned next, count;
  int segment_error; /* of every message that is to be segmented; 0: it works */
  int peer_error;    /* of every message to that port */
  uint16_t bad_port; /* in network order */
  unsigned most;     /* messages that one call takes; 0: all */
  bool no_offload_options;
  unsigned calls, segmented;
} fake;

static bool is_segmented(struct msghdr *message) {
  for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at != NULL; at = CMSG_NXTHDR(message, at))
    if (at->cmsg_level == SOL_UDP && at->cmsg_type == UDP_SEGMENT) return true;
  return false;
}

static int judge(struct msghdr *message) {
  const struct sockaddr_in *to = message->msg_name;
  if (fake.segment_error != 0 && is_segmented(message)) return fake.segment_error;
  return to->sin_port == fake.bad_port ? fake.peer_error : 0;
}

/* As the kernel: what goes well before the first failure counts, the failure is the next call's. */
static int fake_send(int fd, struct mmsghdr *messages, unsigned count, int flags) {
  fake.calls++;
  if (fake.next < fake.count) {
    const int error = fake.errors[fake.next++];
    if (error != 0) {
      errno = error;
      return -1;
    }
  }
  unsigned good = 0;
  while (good < count && (fake.most == 0 || good < fake.most)) {
    const int error = judge(&messages[good].msg_hdr);
    if (error != 0 && good == 0) {
      errno = error;
      return -1;
    }
    if (error != 0) break;
    if (is_segmented(&messages[good].msg_hdr)) fake.segmented++;
    good++;
  }
  return sendmmsg(fd, messages, good, flags);
}

static int fake_receive(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout) {
  if (fake.next < fake.count) {
    const int error = fake.errors[fake.next++];
    if (error != 0) {
      errno = error;
      return -1;
    }
  }
  return recvmmsg(fd, messages, count, flags, timeout);
}

static int fake_option(int fd, int level, int name, const void *value, socklen_t len) {
  if (fake.no_offload_options && level == SOL_UDP) {
    errno = ENOPROTOOPT;
    return -1;
  }
  return setsockopt(fd, level, name, value, len);
}

static const tw_udp_calls fakes = {fake_receive, fake_send, fake_option};

/* ---- two sockets ---- */

typedef struct world {
  tw_udp from, to;
  tw_udp_address from_at, to_at;
  tw_udp_batch batch;
  tw_udp_intake intake;
  uint8_t bytes[SLOTS * TW_UDP_SEGMENTS]; /* what is sent, from any place */
} world;

static tw_udp_address loopback(int family) {
  tw_udp_address address = {.in6 = {0}};
  if (family == AF_INET) {
    address.in4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  } else {
    address.in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  }
  return address;
}

static void open_socket(tw_udp *udp, tw_udp_address *at, const tw_udp_config *config) {
  tw_report report = {""};
  if (tw_udp_open(udp, config, &report) != TW_OK) fail_msg("%s", report.text);
  assert_int_equal(tw_udp_local(udp, at), TW_OK);
}

static void open_world(world *w, tw_udp_config config) {
  memset(&fake, 0, sizeof fake);
  if (config.local.any.sa_family == 0) config.local = loopback(AF_INET);
  config.buffer = 8 << 20;
  open_socket(&w->from, &w->from_at, &config);
  tw_udp_config other = config;
  other.calls = NULL;
  open_socket(&w->to, &w->to_at, &other);
  assert_int_equal(tw_udp_batch_open(&w->batch, NULL, SLOTS), TW_OK);
  assert_int_equal(tw_udp_intake_open(&w->intake, NULL, SLOTS, TW_UDP_SLOT_SIZE), TW_OK);
  for (size_t i = 0; i < sizeof w->bytes; i++) w->bytes[i] = (uint8_t)(i * 31 + (i >> 8));
}

static void close_world(world *w) {
  tw_udp_close(&w->from);
  tw_udp_close(&w->to);
  tw_udp_batch_close(&w->batch);
  tw_udp_intake_close(&w->intake);
}

static void add(world *w, size_t at, size_t len) {
  assert_int_equal(tw_udp_batch_add(&w->batch, &w->to_at, 0, TW_BYTES(w->bytes + at, len)), TW_OK);
}

static void send_all(world *w) {
  assert_int_equal(tw_udp_send(&w->from, &w->batch), TW_OK);
  assert_int_equal(w->batch.at, w->batch.count);
}

/* Whether something came; waits for it. */
static bool receive(tw_udp *udp, tw_udp_intake *intake) {
  struct pollfd wait = {.fd = udp->fd, .events = POLLIN};
  if (poll(&wait, 1, 2000) != 1) return false;
  assert_int_equal(tw_udp_receive(udp, intake), TW_OK);
  return intake->count > 0;
}

/* `count` datagrams come, the i-th with the bytes from i on and of `len(i)` bytes. */
static void expect(world *w, size_t count, size_t (*len)(size_t i)) {
  size_t seen = 0;
  while (seen < count) {
    assert_true(receive(&w->to, &w->intake));
    for (size_t s = 0; s < w->intake.count; s++) {
      const tw_udp_slot *slot = &w->intake.slots[s];
      assert_true(tw_udp_address_equal(&slot->peer, &w->from_at));
      for (size_t k = 0; k < slot->datagrams; k++, seen++) {
        size_t got;
        const uint8_t *data = tw_udp_datagram(slot, k, &got);
        assert_int_equal(got, len(seen));
        assert_memory_equal(data, w->bytes + seen, got);
      }
    }
  }
  assert_int_equal(seen, count);
}

static size_t all_alike(size_t i) {
  (void)i;
  return SIZE;
}

static size_t large(size_t i) {
  (void)i;
  return LARGE;
}

static size_t mixed(size_t i) { return i % 7 == 6 ? 1 + i % 50 : 100 + 300 * (i % 3 == 0); }

/* ---- offloads on, off, half ---- */

static const tw_udp_config kinds[] = {
    {.tos = false},
    {.no_receive_offload = true},
    {.no_send_offload = true},
    {.no_receive_offload = true, .no_send_offload = true},
};

static void exchange(tw_udp_config config, size_t (*len)(size_t i)) {
  world w;
  open_world(&w, config);
  assert_true(!config.no_receive_offload || !w.to.receive_offload);
  assert_true(!config.no_send_offload || !w.from.send_offload);
  enum { COUNT = 150 }; /* fits into a socket buffer of an ordinary user */
  for (size_t i = 0; i < COUNT; i++) add(&w, i, len(i));
  send_all(&w);
  expect(&w, COUNT, len);
  assert_int_equal(w.from.counts.sent, COUNT);
  assert_int_equal(w.to.counts.received, COUNT);
  assert_int_equal(w.from.counts.failed + w.from.counts.apart + w.to.counts.truncated, 0);
  close_world(&w);
}

static void datagrams_arrive_whole_and_in_order_with_and_without_offloads(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    tw_udp_config config = kinds[i];
    exchange(config, all_alike);
    exchange(config, mixed);
    config.local = loopback(AF_INET6);
    exchange(config, mixed);
  }
}

static void datagrams_of_one_size_to_one_peer_go_as_one(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){.calls = &fakes});
  if (!w.from.send_offload || !w.to.receive_offload) skip();
  for (size_t i = 0; i < 20; i++) add(&w, i, SIZE);
  assert_int_equal(w.batch.count, 1);
  send_all(&w);
  assert_int_equal(fake.calls, 1);
  assert_int_equal(fake.segmented, 1);
  assert_true(receive(&w.to, &w.intake));
  assert_int_equal(w.intake.count, 1);
  assert_int_equal(w.intake.slots[0].datagrams, 20);
  assert_int_equal(w.intake.slots[0].segment, SIZE);
  close_world(&w);
}

/* Twenty in a row, then ten behind a gap and a shorter one: whichever way they go, they are what they were. */
static void datagrams_that_lie_side_by_side_are_one_piece(void **state) {
  (void)state;
  enum { ROW = 20, ALL = 31, LEN = 100, LAST = 40, GAP = 3 };
  for (int refused = 0; refused < 3; refused++) {
    world w;
    open_world(&w, (tw_udp_config){.calls = &fakes, .no_send_offload = refused == 1, .no_receive_offload = true});
    if (refused == 2) fake.segment_error = EINVAL;
    for (size_t i = 0; i < ALL; i++) add(&w, i * LEN + (i < ROW ? 0 : GAP), i + 1 < ALL ? LEN : LAST);
    assert_int_equal(w.batch.count, 1);
    assert_int_equal(w.batch.slots[0].parts, 2);
    assert_int_equal(w.batch.slots[0].datagrams, ALL);
    send_all(&w);
    assert_int_equal(w.from.counts.sent, ALL);
    size_t seen = 0;
    while (seen < ALL) {
      assert_true(receive(&w.to, &w.intake));
      for (size_t s = 0; s < w.intake.count; s++, seen++) {
        assert_int_equal(w.intake.slots[s].len, seen + 1 < ALL ? LEN : LAST);
        assert_memory_equal(w.intake.slots[s].data, w.bytes + seen * LEN + (seen < ROW ? 0 : GAP),
                            w.intake.slots[s].len);
      }
    }
    close_world(&w);
  }
}

static void a_kernel_without_the_offloads_is_used_without(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){.calls = &fakes});
  tw_udp_close(&w.from);
  fake.no_offload_options = true;
  const tw_udp_config config = {.local = loopback(AF_INET), .calls = &fakes};
  open_socket(&w.from, &w.from_at, &config);
  assert_false(w.from.send_offload);
  assert_false(w.from.receive_offload);
  for (size_t i = 0; i < 20; i++) add(&w, i, SIZE);
  send_all(&w);
  assert_int_equal(fake.segmented, 0);
  expect(&w, 20, all_alike);
  close_world(&w);
}

/* ---- what a batch holds ---- */

static void a_slot_takes_what_a_segmented_message_can_be(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){0});
  for (size_t i = 0; i < TW_UDP_SEGMENTS + 1; i++) add(&w, i, 100);
  assert_int_equal(w.batch.count, 2); /* 64, 1 */
  add(&w, 0, 50);
  assert_int_equal(w.batch.count, 2); /* a shorter one ends it */
  add(&w, 0, 50);
  assert_int_equal(w.batch.count, 3);
  add(&w, 0, 51);
  assert_int_equal(w.batch.count, 4); /* a longer one does not fit */
  add(&w, 0, 0);
  add(&w, 0, 0);
  assert_int_equal(w.batch.count, 6); /* empty ones are alone */
  assert_int_equal(tw_udp_batch_add(&w.batch, &w.to_at, 3, TW_BYTES(w.bytes, 51)), TW_OK);
  assert_int_equal(w.batch.count, 7); /* another TOS */
  tw_udp_batch_reset(&w.batch);
  static uint8_t long_one[TW_UDP_DATAGRAM_MAX + 1];
  for (size_t i = 0; i < 3; i++)
    assert_int_equal(tw_udp_batch_add(&w.batch, &w.to_at, 0, TW_BYTES(long_one, 30000)), TW_OK);
  assert_int_equal(w.batch.count, 2); /* 65,507 bytes at most */
  assert_int_equal(tw_udp_batch_add(&w.batch, &w.to_at, 0, TW_BYTES(long_one, sizeof long_one)), TW_ERR_ARGUMENT);
  tw_udp_batch_reset(&w.batch);
  for (size_t i = 0; i < SLOTS; i++) add(&w, 0, 0);
  assert_int_equal(tw_udp_batch_add(&w.batch, &w.to_at, 0, TW_BYTES(long_one, 0)), TW_ERR_LIMIT);
  assert_int_equal(w.batch.count, SLOTS);
  send_all(&w);
  close_world(&w);
}

static void replicas_to_several_peers_are_joined_by_peer(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){0});
  for (size_t i = 0; i < 10; i++)
    for (uint16_t peer = 1; peer <= 8; peer++) {
      tw_udp_address to = w.to_at;
      to.in4.sin_port = htons(peer);
      assert_int_equal(tw_udp_batch_add(&w.batch, &to, 0, TW_BYTES(w.bytes + i, SIZE)), TW_OK);
    }
  assert_int_equal(w.batch.count, 8);
  for (size_t i = 0; i < 8; i++) assert_int_equal(w.batch.slots[i].datagrams, 10);
  close_world(&w);
}

/* ---- refusals of the offload ---- */

static void an_offload_that_fails_is_done_without(void **state) {
  (void)state;
  static const int errors[] = {EIO, EINVAL, EMSGSIZE};
  for (size_t e = 0; e < sizeof errors / sizeof errors[0]; e++) {
    world w;
    open_world(&w, (tw_udp_config){.calls = &fakes});
    if (!w.from.send_offload) skip();
    fake.segment_error = errors[e];
    for (size_t i = 0; i < 30; i++) add(&w, i, SIZE);
    send_all(&w);
    assert_int_equal(w.batch.slots[0].error, 0);
    expect(&w, 30, all_alike);
    assert_int_equal(w.from.counts.apart, 1);
    assert_int_equal(w.from.send_offload, errors[e] != EIO);

    /* Remembered: the next batch is not tried as one. */
    tw_udp_batch_reset(&w.batch);
    for (size_t i = 0; i < 30; i++) add(&w, i, SIZE);
    fake.calls = 0;
    send_all(&w);
    assert_int_equal(fake.calls, 1);
    expect(&w, 30, all_alike);
    assert_int_equal(w.from.counts.apart, 1);

    /* Smaller segments are another matter, unless the device cannot at all. */
    fake.segment_error = 0;
    tw_udp_batch_reset(&w.batch);
    for (size_t i = 0; i < 30; i++) add(&w, i, SIZE - 1);
    send_all(&w);
    assert_int_equal(fake.segmented, errors[e] == EIO ? 0 : 1);
    close_world(&w);
  }
}

static void a_refused_segment_size_is_tried_again_later(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){.calls = &fakes});
  if (!w.from.send_offload) skip();
  fake.segment_error = EINVAL;
  for (size_t i = 0; i < 4; i++) add(&w, i, SIZE);
  send_all(&w);
  expect(&w, 4, all_alike);
  assert_int_equal(w.from.segment_limit, SIZE - 1);
  w.from.counts.sent += TW_UDP_LIMIT_DATAGRAMS;
  fake.segment_error = 0;
  tw_udp_batch_reset(&w.batch);
  for (size_t i = 0; i < 4; i++) add(&w, i, SIZE);
  send_all(&w);
  assert_int_equal(fake.segmented, 1);
  expect(&w, 4, all_alike);
  close_world(&w);
}

/* Otherwise a packet to a bad address would cost all others the offload. */
static void an_address_that_is_refused_either_way_says_nothing_about_the_offload(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){.calls = &fakes});
  if (!w.from.send_offload) skip();
  tw_udp_address nowhere = w.to_at;
  nowhere.in4.sin_port = 0; /* EINVAL */
  for (size_t i = 0; i < 4; i++)
    assert_int_equal(tw_udp_batch_add(&w.batch, &nowhere, 0, TW_BYTES(w.bytes + i, SIZE)), TW_OK);
  for (size_t i = 0; i < 4; i++) add(&w, i, SIZE);
  send_all(&w);
  assert_int_equal(w.batch.slots[0].error, EINVAL);
  assert_int_equal(w.batch.slots[1].error, 0);
  assert_int_equal(w.from.counts.failed, 4);
  assert_int_equal(w.from.counts.apart, 0);
  assert_true(w.from.send_offload);
  assert_int_equal(w.from.segment_limit, TW_UDP_DATAGRAM_MAX);
  expect(&w, 4, all_alike);
  close_world(&w);
}

/* By the kernel itself: segments have to fit the device, datagrams that are sent alone are fragmented. */
static void segments_that_do_not_fit_the_device_are_sent_as_fragments(void **state) {
  (void)state;
  if (!in_netns) skip();
  tw_netdev netdev;
  world w;
  assert_int_equal(tw_netdev_open(&netdev, NULL, NULL), TW_OK);
  assert_int_equal(tw_netdev_set_mtu(&netdev, 1, 1280, NULL), TW_OK); /* the loopback device is always the first */
  for (int six = 0; six < 2; six++) {
    open_world(&w, (tw_udp_config){.local = loopback(six ? AF_INET6 : AF_INET)});
    if (!w.from.send_offload) skip();
    for (size_t i = 0; i < 10; i++) add(&w, i, LARGE);
    assert_int_equal(w.batch.count, 1);
    send_all(&w);
    assert_int_equal(w.batch.slots[0].error, 0);
    expect(&w, 10, large);
    assert_int_equal(w.from.counts.apart, 1);
    assert_true(w.from.send_offload);
    assert_int_equal(w.from.segment_limit, LARGE - 1);
    close_world(&w);
  }
  /* Where they must not be fragmented, the peer's slot has the error, and smaller ones pass. */
  open_world(&w, (tw_udp_config){.df = TW_UDP_DF_PROBE});
  add(&w, 0, LARGE);
  add(&w, 1, LARGE);
  add(&w, 0, SIZE);
  assert_int_equal(w.batch.count, 1);
  send_all(&w);
  assert_int_equal(w.batch.slots[0].error, EMSGSIZE);
  assert_int_equal(w.from.counts.failed, 2);
  expect(&w, 1, all_alike);
  close_world(&w);
  assert_int_equal(tw_netdev_set_mtu(&netdev, 1, 65536, NULL), TW_OK);
  tw_netdev_close(&netdev);
}

/* ---- refusals of single peers, sockets that are full ---- */

static void a_peer_that_cannot_be_reached_does_not_stop_the_others(void **state) {
  (void)state;
  static const int errors[] = {ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EPERM, ENOBUFS};
  for (size_t e = 0; e < sizeof errors / sizeof errors[0]; e++) {
    world w;
    open_world(&w, (tw_udp_config){.calls = &fakes});
    tw_udp_address bad = w.to_at;
    bad.in4.sin_port = htons(9);
    fake.bad_port = bad.in4.sin_port;
    fake.peer_error = errors[e];
    for (size_t i = 0; i < 40; i++) {
      assert_int_equal(tw_udp_batch_add(&w.batch, &bad, 0, TW_BYTES(w.bytes, 1 + i)), TW_OK); /* a slot each */
      add(&w, i, SIZE);
    }
    size_t own = 0;
    send_all(&w);
    for (size_t i = 0; i < w.batch.count; i++) {
      const bool is_bad = tw_udp_address_equal(&w.batch.slots[i].peer, &bad);
      assert_int_equal(w.batch.slots[i].error, is_bad ? errors[e] : 0);
      if (!is_bad) own += w.batch.slots[i].datagrams;
    }
    assert_int_equal(own, 40);
    assert_int_equal(w.from.counts.failed, 40);
    expect(&w, 40, all_alike);
    close_world(&w);
  }
}

static void what_a_full_socket_does_not_take_stays_in_the_batch(void **state) {
  (void)state;
  for (int whole = 0; whole < 2; whole++) {
    world w;
    open_world(&w, (tw_udp_config){.calls = &fakes, .no_send_offload = whole == 0});
    for (size_t i = 0; i < 150; i++) add(&w, i, SIZE);
    fake.most = 1;
    /* One message, nothing, interrupted, one, nothing; then all. */
    static const int errors[] = {0, EAGAIN, EINTR, 0, EAGAIN};
    memcpy(fake.errors, errors, sizeof errors);
    fake.count = 5;
    assert_int_equal(tw_udp_send(&w.from, &w.batch), TW_OK);
    assert_true(w.batch.at < w.batch.count);
    const uint64_t first = w.from.counts.sent;
    assert_true(first > 0);
    assert_int_equal(tw_udp_send(&w.from, &w.batch), TW_OK);
    assert_int_equal(w.from.counts.sent, first * 2);
    fake.most = 0;
    send_all(&w);
    assert_int_equal(w.from.counts.sent, 150);
    expect(&w, 150, all_alike);
    close_world(&w);
  }
}

static void a_closed_socket_is_told(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){.calls = &fakes});
  add(&w, 0, SIZE);
  fake.errors[0] = EBADF;
  fake.count = 1;
  assert_int_equal(tw_udp_send(&w.from, &w.batch), TW_ERR_STATE);
  fake.next = 0;
  assert_int_equal(tw_udp_receive(&w.from, &w.intake), TW_ERR_STATE);
  assert_int_equal(w.intake.count, 0);
  tw_udp_close(&w.from);
  tw_udp_close(&w.from);
  tw_udp_close(NULL);
  close_world(&w);
}

/* ---- receiving ---- */

static void an_empty_socket_gives_nothing(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){0});
  assert_int_equal(tw_udp_receive(&w.to, &w.intake), TW_OK);
  assert_int_equal(w.intake.count, 0);
  close_world(&w);
}

static void errors_of_earlier_datagrams_do_not_hide_what_waits(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){.calls = &fakes});
  tw_udp_address to = w.from_at;
  assert_int_equal(tw_udp_batch_add(&w.batch, &to, 0, TW_BYTES(w.bytes, SIZE)), TW_OK);
  assert_int_equal(tw_udp_send(&w.to, &w.batch), TW_OK);
  fake.errors[0] = ECONNREFUSED;
  fake.errors[1] = EHOSTUNREACH;
  fake.errors[2] = EINTR;
  fake.count = 3;
  assert_true(receive(&w.from, &w.intake));
  assert_int_equal(w.intake.count, 1);
  /* And a socket that says nothing else is left for the next round. */
  for (unsigned i = 0; i < 32; i++) fake.errors[i] = ECONNREFUSED;
  fake.next = 0;
  fake.count = 32;
  assert_int_equal(tw_udp_receive(&w.from, &w.intake), TW_OK);
  assert_int_equal(w.intake.count, 0);
  close_world(&w);
}

static void what_is_longer_than_a_slot_is_dropped_and_counted(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){.no_receive_offload = true, .no_send_offload = true});
  tw_udp_intake_close(&w.intake);
  assert_int_equal(tw_udp_intake_open(&w.intake, NULL, 8, 100), TW_OK);
  static const size_t sizes[] = {101, 100, 1000, 0, 1, 102};
  for (size_t i = 0; i < 6; i++) add(&w, i, sizes[i]);
  send_all(&w);
  size_t got = 0;
  static const size_t kept[] = {1, 3, 4};
  while (got < 3) {
    assert_true(receive(&w.to, &w.intake));
    for (size_t s = 0; s < w.intake.count; s++, got++) {
      assert_int_equal(w.intake.slots[s].len, sizes[kept[got]]);
      assert_int_equal(w.intake.slots[s].datagrams, 1);
      assert_memory_equal(w.intake.slots[s].data, w.bytes + kept[got], sizes[kept[got]]);
      assert_true(tw_udp_address_equal(&w.intake.slots[s].peer, &w.from_at));
    }
  }
  assert_int_equal(tw_udp_receive(&w.to, &w.intake), TW_OK);
  assert_int_equal(w.to.counts.truncated, 3);
  close_world(&w);
}

static void receive_offload_wants_slots_that_hold_all_of_it(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){0});
  if (!w.to.receive_offload) skip();
  tw_udp_intake_close(&w.intake);
  assert_int_equal(tw_udp_intake_open(&w.intake, NULL, 8, TW_UDP_SLOT_SIZE - 1), TW_OK);
  assert_int_equal(tw_udp_receive(&w.to, &w.intake), TW_ERR_ARGUMENT);
  close_world(&w);
}

/* ---- options ---- */

static void tos_goes_with_each_datagram(void **state) {
  (void)state;
  for (int family = 0; family < 3; family++) {
    world w;
    tw_udp_config config = {.tos = true, .local = loopback(family == 0 ? AF_INET : AF_INET6)};
    if (family == 2) { /* IPv4 by an IPv6 socket */
      config.both_families = true;
      config.local.in6.sin6_addr = in6addr_any;
    }
    open_world(&w, config);
    tw_udp_address to = w.to_at;
    if (family == 2) {
      to = loopback(AF_INET);
      to.in4.sin_port = w.to_at.in6.sin6_port;
    }
    static const uint8_t values[] = {0, 1, 2, 3, 0xb8, 0xff};
    for (size_t i = 0; i < sizeof values; i++)
      assert_int_equal(tw_udp_batch_add(&w.batch, &to, values[i], TW_BYTES(w.bytes, 10)), TW_OK);
    send_all(&w);
    size_t seen = 0;
    while (seen < sizeof values) {
      assert_true(receive(&w.to, &w.intake));
      for (size_t s = 0; s < w.intake.count; s++)
        for (size_t k = 0; k < w.intake.slots[s].datagrams; k++)
          assert_int_equal(w.intake.slots[s].tos, values[seen++]);
      if (family == 2) assert_int_equal(w.intake.slots[0].peer.any.sa_family, AF_INET);
    }
    close_world(&w);
  }
}

static void one_socket_serves_both_families(void **state) {
  (void)state;
  world w;
  tw_udp_config config = {.both_families = true, .local = loopback(AF_INET6)};
  config.local.in6.sin6_addr = in6addr_any;
  open_world(&w, config);
  tw_udp_address four = loopback(AF_INET);
  tw_udp_address six = loopback(AF_INET6);
  four.in4.sin_port = six.in6.sin6_port = w.to_at.in6.sin6_port;
  assert_int_equal(tw_udp_batch_add(&w.batch, &four, 0, TW_BYTES(w.bytes, 4)), TW_OK);
  assert_int_equal(tw_udp_batch_add(&w.batch, &six, 0, TW_BYTES(w.bytes, 6)), TW_OK);
  send_all(&w);
  size_t seen = 0;
  while (seen < 2) {
    assert_true(receive(&w.to, &w.intake));
    for (size_t s = 0; s < w.intake.count; s++, seen++) {
      tw_udp_address expected = loopback(w.intake.slots[s].len == 4 ? AF_INET : AF_INET6);
      expected.in6.sin6_port = w.from_at.in6.sin6_port;
      assert_true(tw_udp_address_equal(&w.intake.slots[s].peer, &expected));
    }
  }
  close_world(&w);

  /* An IPv6 address of a socket that was not asked for both is IPv6 alone. */
  config.both_families = false;
  open_world(&w, config);
  assert_int_equal(tw_udp_batch_add(&w.batch, &four, 0, TW_BYTES(w.bytes, 4)), TW_OK);
  send_all(&w);
  assert_int_not_equal(w.batch.slots[0].error, 0);
  close_world(&w);
}

static void dont_fragment_is_as_asked(void **state) {
  (void)state;
  static const struct {
    tw_udp_df df;
    int value;
  } cases[] = {
      {TW_UDP_DF_NEVER, IP_PMTUDISC_DONT}, {TW_UDP_DF_PROBE, IP_PMTUDISC_PROBE}, {TW_UDP_DF_ALWAYS, IP_PMTUDISC_DO}};
  for (size_t i = 0; i < 3; i++)
    for (int six = 0; six < 2; six++) {
      tw_udp udp;
      tw_udp_address at;
      const tw_udp_config config = {.df = cases[i].df, .local = loopback(six ? AF_INET6 : AF_INET)};
      open_socket(&udp, &at, &config);
      int value = -1;
      socklen_t len = sizeof value;
      assert_int_equal(getsockopt(udp.fd, IPPROTO_IP, IP_MTU_DISCOVER, &value, &len), 0);
      assert_int_equal(value, cases[i].value);
      if (six) assert_int_equal(getsockopt(udp.fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &value, &len), 0);
      assert_int_equal(value, cases[i].value);
      tw_udp_close(&udp);
      assert_int_equal(tw_udp_set_df(&udp, TW_UDP_DF_NEVER), TW_ERR_STATE);
    }
}

static void an_address_that_cannot_be_had_is_told(void **state) {
  (void)state;
  world w;
  open_world(&w, (tw_udp_config){0});
  tw_udp udp;
  tw_report report = {""};
  assert_int_equal(tw_udp_open(&udp, &(tw_udp_config){.local = w.to_at}, &report), TW_ERR_STATE);
  assert_non_null(strstr(report.text, "127.0.0.1:"));
  assert_false(udp.is_open);
  tw_udp_address foreign = w.to_at;
  foreign.in4.sin_addr.s_addr = htonl(0xc0000201); /* 192.0.2.1 */
  assert_int_equal(tw_udp_open(&udp, &(tw_udp_config){.local = foreign}, &report), TW_ERR_STATE);
  assert_non_null(strstr(report.text, "192.0.2.1"));
  close_world(&w);
}

static void sockets_share_a_port_when_both_ask_for_it(void **state) {
  (void)state;
  tw_udp one;
  tw_udp two;
  tw_udp_address at;
  tw_udp_config config = {.local = loopback(AF_INET), .reuse_port = true};
  open_socket(&one, &at, &config);
  config.local = at;
  open_socket(&two, &at, &config);
  tw_udp_close(&one);
  tw_udp_close(&two);
}

static void without_memory_nothing_is_opened(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  for (size_t n = 1;; n++) {
    tw_udp_batch batch;
    tw_udp_intake intake = {0};
    tw_test_fail_alloc(&test, n);
    tw_err err = tw_udp_batch_open(&batch, &test.alloc, 4);
    if (err == TW_OK) err = tw_udp_intake_open(&intake, &test.alloc, 4, 100);
    tw_udp_batch_close(&batch);
    tw_udp_intake_close(&intake);
    assert_int_equal(test.alloc_blocks, 0);
    if (!test.alloc_failed) break;
    assert_int_equal(err, TW_ERR_NO_MEMORY);
  }
  tw_test_fail_alloc(&test, 0);
  tw_udp_batch batch;
  tw_udp_intake intake;
  assert_int_equal(tw_udp_batch_open(&batch, &test.alloc, 0), TW_ERR_ARGUMENT);
  assert_int_equal(tw_udp_batch_open(&batch, &test.alloc, TW_UDP_SLOTS_MAX + 1), TW_ERR_ARGUMENT);
  assert_int_equal(tw_udp_intake_open(&intake, &test.alloc, 0, 1), TW_ERR_ARGUMENT);
  assert_int_equal(tw_udp_intake_open(&intake, &test.alloc, 1, 0), TW_ERR_ARGUMENT);
  assert_int_equal(tw_udp_intake_open(&intake, &test.alloc, 1, TW_UDP_SLOT_SIZE + 1), TW_ERR_ARGUMENT);
  tw_udp_batch_close(&batch);
  tw_udp_intake_close(&intake);
  tw_test_env_clear(&test);
}

static void where_a_datagram_would_leave_from_is_told_without_a_port(void **state) {
  (void)state;
  tw_udp_address to = {.in4 = {.sin_family = AF_INET, .sin_port = htons(9)}};
  tw_udp_address from;
  assert_int_equal(inet_pton(AF_INET, "127.0.0.1", &to.in4.sin_addr), 1);
  assert_int_equal(tw_udp_source(&to, &from), TW_OK);
  to.in4.sin_port = 0;
  assert_true(tw_udp_address_equal(&from, &to));
  to = (tw_udp_address){.in6 = {.sin6_family = AF_INET6, .sin6_port = htons(9), .sin6_addr = IN6ADDR_LOOPBACK_INIT}};
  if (tw_udp_source(&to, &from) == TW_OK) { /* a system with IPv6 */
    to.in6.sin6_port = 0;
    assert_true(tw_udp_address_equal(&from, &to));
  }
  to = (tw_udp_address){.any.sa_family = AF_UNIX};
  assert_int_equal(tw_udp_source(&to, &from), TW_ERR_STATE);
  if (!in_netns) return; /* where there is nothing but loopback */
  to = (tw_udp_address){.in4 = {.sin_family = AF_INET, .sin_port = htons(9)}};
  assert_int_equal(inet_pton(AF_INET, "203.0.113.1", &to.in4.sin_addr), 1);
  assert_int_equal(tw_udp_source(&to, &from), TW_ERR_STATE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(datagrams_arrive_whole_and_in_order_with_and_without_offloads),
      cmocka_unit_test(datagrams_of_one_size_to_one_peer_go_as_one),
      cmocka_unit_test(datagrams_that_lie_side_by_side_are_one_piece),
      cmocka_unit_test(a_kernel_without_the_offloads_is_used_without),
      cmocka_unit_test(a_slot_takes_what_a_segmented_message_can_be),
      cmocka_unit_test(replicas_to_several_peers_are_joined_by_peer),
      cmocka_unit_test(an_offload_that_fails_is_done_without),
      cmocka_unit_test(a_refused_segment_size_is_tried_again_later),
      cmocka_unit_test(an_address_that_is_refused_either_way_says_nothing_about_the_offload),
      cmocka_unit_test(segments_that_do_not_fit_the_device_are_sent_as_fragments),
      cmocka_unit_test(a_peer_that_cannot_be_reached_does_not_stop_the_others),
      cmocka_unit_test(what_a_full_socket_does_not_take_stays_in_the_batch),
      cmocka_unit_test(a_closed_socket_is_told),
      cmocka_unit_test(an_empty_socket_gives_nothing),
      cmocka_unit_test(errors_of_earlier_datagrams_do_not_hide_what_waits),
      cmocka_unit_test(what_is_longer_than_a_slot_is_dropped_and_counted),
      cmocka_unit_test(receive_offload_wants_slots_that_hold_all_of_it),
      cmocka_unit_test(tos_goes_with_each_datagram),
      cmocka_unit_test(one_socket_serves_both_families),
      cmocka_unit_test(dont_fragment_is_as_asked),
      cmocka_unit_test(an_address_that_cannot_be_had_is_told),
      cmocka_unit_test(where_a_datagram_would_leave_from_is_told_without_a_port),
      cmocka_unit_test(sockets_share_a_port_when_both_ask_for_it),
      cmocka_unit_test(without_memory_nothing_is_opened),
  };
  in_netns = tw_test_netns_enter(); /* the loopback device of others does as well, but for one test */
  return cmocka_run_group_tests_name("udp", tests, NULL, NULL);
}

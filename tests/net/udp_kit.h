/* Two UDP sockets on loopback, and system calls that fail when a test wants it. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_UDP_KIT_H
#define TW_TESTS_UDP_KIT_H

#include "support/tw_cmocka.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>

#include "net/udp.h"
#include "support/tw_test_netns.h"

enum { SLOTS = 128, SIZE = 1200 };

/* ---- system calls with a will of their own ---- */

static struct {
  int errors[32]; /* of the next calls; 0: the call works */
  unsigned next, count;
  int segment_error; /* of every message that is to be segmented; 0: it works */
  int peer_error;    /* of every message to that port */
  uint16_t bad_port; /* in network order */
  unsigned most;     /* messages that one call takes; 0: all */
  bool no_offload_options;
  int bad_option; /* of SOL_SOCKET, is refused; 0: none */
  unsigned calls, segmented;
} fake;

static inline bool is_segmented(struct msghdr *message) {
  for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at != NULL; at = CMSG_NXTHDR(message, at))
    if (at->cmsg_level == SOL_UDP && at->cmsg_type == UDP_SEGMENT) return true;
  return false;
}

static inline int judge(struct msghdr *message) {
  const struct sockaddr_in *to = message->msg_name;
  if (fake.segment_error != 0 && is_segmented(message)) return fake.segment_error;
  return to->sin_port == fake.bad_port ? fake.peer_error : 0;
}

/* As the kernel: what goes well before the first failure counts, the failure is the next call's. */
static inline int fake_send(int fd, struct mmsghdr *messages, unsigned count, int flags) {
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

static inline int fake_receive(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout) {
  if (fake.next < fake.count) {
    const int error = fake.errors[fake.next++];
    if (error != 0) {
      errno = error;
      return -1;
    }
  }
  return recvmmsg(fd, messages, count, flags, timeout);
}

static inline int fake_option(int fd, int level, int name, const void *value, socklen_t len) {
  if (fake.no_offload_options && level == SOL_UDP) {
    errno = ENOPROTOOPT;
    return -1;
  }
  if (fake.bad_option != 0 && level == SOL_SOCKET && name == fake.bad_option) {
    errno = EPERM;
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

static inline tw_udp_address loopback(int family) {
  tw_udp_address address = {.in6 = {0}};
  if (family == AF_INET) {
    address.in4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  } else {
    address.in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  }
  return address;
}

static inline void open_socket(tw_udp *udp, tw_udp_address *at, const tw_udp_config *config) {
  tw_report report = {""};
  if (tw_udp_open(udp, config, &report) != TW_OK) fail_msg("%s", report.text);
  assert_int_equal(tw_udp_local(udp, at), TW_OK);
}

static inline void open_world(world *w, tw_udp_config config) {
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

static inline void close_world(world *w) {
  tw_udp_close(&w->from);
  tw_udp_close(&w->to);
  tw_udp_batch_close(&w->batch);
  tw_udp_intake_close(&w->intake);
}

static inline void add(world *w, size_t at, size_t len) {
  assert_int_equal(tw_udp_batch_add(&w->batch, &w->to_at, 0, TW_BYTES(w->bytes + at, len)), TW_OK);
}

static inline void send_all(world *w) {
  assert_int_equal(tw_udp_send(&w->from, &w->batch), TW_OK);
  assert_int_equal(w->batch.at, w->batch.count);
}

/* Whether something came; waits for it. */
static inline bool receive(tw_udp *udp, tw_udp_intake *intake) {
  struct pollfd wait = {.fd = udp->fd, .events = POLLIN};
  if (poll(&wait, 1, 2000) != 1) return false;
  assert_int_equal(tw_udp_receive(udp, intake), TW_OK);
  return intake->count > 0;
}

#endif

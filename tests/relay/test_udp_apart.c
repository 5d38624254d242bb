/* The packet relay's sockets where messages go segment by segment, and are full in the middle of one. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "forward_kit.h"
#include "relay/udp_parts.h"

enum { PACKETS = 10, LENGTH = 1200 };

/* What the system takes, and has taken. */
static unsigned takes;
static uint64_t taken[4 * PACKETS];
static unsigned taken_count;

/* Instead of the C library's. */
int sendmmsg(int fd, struct mmsghdr *vmessages, unsigned vlen, int flags) {
  (void)fd;
  (void)flags;
  unsigned sent = 0;
  for (; sent < vlen && takes > 0; takes--) {
    const struct msghdr *header = &vmessages[sent++].msg_hdr;
    assert_int_equal(header->msg_iovlen, 1); /* no offload */
    assert_true(taken_count < 4 * PACKETS);
    taken[taken_count++] = kit_u64(header->msg_iov->iov_base);
  }
  if (sent > 0) return (int)sent;
  errno = EAGAIN;
  return -1;
}

static void what_was_dropped_in_the_middle_leaves_nothing_to_the_next_one(void **state) {
  (void)state;
  kit *k = kit_open(NULL);
  tw_relay_udp *udp = calloc(1, sizeof *udp);
  assert_non_null(udp);
  udp->config.forward = k->forward;
  udp->count = 1;
  udp->sockets[0].udp.family = AF_INET; /* and no send_offload */
  kit_bind_all(k, 3);
  kit_send_many(k, 1, 2, 100, LENGTH, PACKETS);
  kit_send_many(k, 1, 3, 200, LENGTH, PACKETS);
  takes = 4;
  tw_relay_udp_send(udp, 1 << 20, k->now_us);
  assert_ptr_equal(udp->blocked, &udp->sockets[0]);
  assert_int_equal(taken_count, 4);
  tw_forward_remove(k->forward, 2);
  takes = UINT32_MAX;
  udp->blocked = NULL; /* as it is when there is room again */
  tw_relay_udp_send(udp, 1 << 20, k->now_us);
  assert_int_equal(taken_count, 4 + PACKETS);
  for (unsigned i = 0; i < 4; i++) assert_int_equal(taken[i], 100 + i);
  for (unsigned i = 0; i < PACKETS; i++) assert_int_equal(taken[4 + i], 200 + i);
  /* One that is only put off goes on where it was. */
  taken_count = 0;
  kit_send_many(k, 1, 3, 300, LENGTH, PACKETS);
  for (takes = 7; taken_count < PACKETS; takes = 7) {
    udp->blocked = NULL;
    tw_relay_udp_send(udp, 1 << 20, k->now_us);
  }
  assert_int_equal(taken_count, PACKETS);
  for (unsigned i = 0; i < PACKETS; i++) assert_int_equal(taken[i], 300 + i);
  assert_int_equal(kit_totals(k).out.packets, 2 * PACKETS);
  free(udp);
  kit_close(k);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_was_dropped_in_the_middle_leaves_nothing_to_the_next_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

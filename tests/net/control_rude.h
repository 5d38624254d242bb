/* A peer of the server's that does what a node does not. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_NET_CONTROL_RUDE_H
#define TW_TESTS_NET_CONTROL_RUDE_H

#include "control_kit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static inline void setup(kit *k, node *n) {
  kit_init(k);
  kit_start_server(k);
  node_init(n, k);
}

static inline void teardown(kit *k, node *n) {
  node_clear(n);
  kit_clear(k);
}

/* A stream without the client around it. */
typedef struct rude {
  kit *owner;
  tw_stream_setup setup;
  tw_stream *stream;
  size_t frames, established, closed;
  tw_err reason;
  uint8_t alert;
} rude;

static inline void rude_established(void *owner, tw_stream *stream, const tw_member *peer,
                                    const tw_channel_event *event) {
  rude *r = owner;
  (void)stream;
  (void)peer;
  (void)event;
  r->established++;
}

static inline void rude_frame(void *owner, tw_stream *stream, tw_bytes frame) {
  rude *r = owner;
  (void)stream;
  (void)frame;
  r->frames++;
}

static inline void rude_closed(void *owner, tw_stream *stream, const tw_stream_end *end) {
  rude *r = owner;
  (void)stream;
  r->closed++;
  r->reason = end->reason;
  r->alert = end->alert;
  r->stream = NULL;
}

static inline int connect_raw(const kit *k) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(k->port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_true(fd >= 0);
  assert_int_equal(connect(fd, (struct sockaddr *)(void *)&to, sizeof to), 0);
  return fd;
}

static inline void rude_start(rude *r, kit *k, const tw_channel_config *channel) {
  *r = (rude){.owner = k};
  r->setup = (tw_stream_setup){.loop = &k->loop,
                               .frame_max = TW_CONTROL_FRAME_MAX,
                               .queue_max = (size_t)64 << 20,
                               .linger_ms = 1000,
                               .established = rude_established,
                               .frame = rude_frame,
                               .closed = rude_closed};
  assert_int_equal(tw_stream_start(&r->setup, channel, true, connect_raw(k), r, &r->stream), TW_OK);
  kit_until(k, r->established > 0 || r->closed > 0);
}

/* Until the other side has closed; then this one does, too. */
static inline void hear_out(kit *k, int fd) {
  uint8_t dropped[4096];
  ssize_t got = -1;
  while (got != 0) {
    (void)uv_run(&k->loop, UV_RUN_ONCE);
    do got = recv(fd, dropped, sizeof dropped, MSG_DONTWAIT);
    while (got > 0);
  }
  (void)close(fd);
}

#endif

/*
 * The packet relay: bench_relay_forward [SECONDS [plain]]; plain: neither TOS nor our own address are told. First
 * without sockets: what one core looks up, queues and makes messages of. Then on loopback, one process the relay, this
 * one its clients, in turns with a bare echo: recvmmsg and sendmmsg of the same datagrams with the same offloads, from
 * the first socket to the second, nothing looked at. At
 * most two windows are on the way, so that nothing is lost. SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "codec/writer.h"
#include "relay/forward.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum {
  SLOTS = 128,
  SLOT = 65536,
  AT_ONCE = 32, /* datagrams of one recvmmsg */
  MESSAGES = 64,
  BUFFER = 4 << 20,
  CONTROL = 128,
  TURNS_MAX = 200
};
#define GROUP (TW_FORWARD_GROUP_BIT | 1)

static tw_env env;
static bool plain;
static uint8_t memory[SLOTS][SLOT];

/* ---- without sockets ---- */

typedef struct crowd {
  tw_forward *forward;
  uint64_t *sessions;
  uint32_t clients;
  uint32_t segments; /* of one datagram */
  uint32_t size;     /* of a packet */
  bool to_group;
  uint32_t at;
  uint64_t sent;
} crowd;

static tw_forward_address address_of(uint32_t client) {
  return (tw_forward_address){
      .ip = {10, (uint8_t)(client >> 16), (uint8_t)(client >> 8), (uint8_t)client}, .port = 9420, .family = 4};
}

static uint64_t bind_client(tw_forward *forward, uint32_t client, tw_forward_address address) {
  uint8_t datagram[TW_FORWARD_HEADER + TW_FORWARD_TOKEN] = {0};
  uint64_t session;
  uint32_t slot;
  tw_forward_bound bound;
  BENCH_OK(tw_forward_grant(forward, client, NULL, 0, &session, datagram + TW_FORWARD_HEADER));
  tw_put_u64(datagram, session);
  BENCH_TRUE(tw_forward_free_slots(forward, &slot, 1) == 1);
  BENCH_OK(tw_forward_take(forward, slot, &(tw_forward_datagram){datagram, sizeof datagram, 0, 0}, &address, 0));
  BENCH_TRUE(tw_forward_next_bound(forward, &bound) && bound.client == client);
  return session;
}

static void open_crowd(crowd *c) {
  BENCH_OK(tw_forward_new(&env, &(tw_forward_options){.slots = SLOTS, .messages = MESSAGES, .no_challenge = true},
                          &c->forward));
  c->sessions = calloc((size_t)c->clients + 1, sizeof *c->sessions);
  BENCH_TRUE(c->sessions != NULL);
  for (uint32_t n = 1; n <= c->clients; n++) c->sessions[n] = bind_client(c->forward, n, address_of(n));
  if (!c->to_group) return;
  uint32_t members[100];
  for (uint32_t i = 0; i < 100; i++) members[i] = i + 1;
  BENCH_OK(tw_forward_group_set(c->forward, GROUP, members, 100));
}

/* One round: datagrams of clients here and there, then all that they give. */
static void work_crowd(void *ctx) {
  crowd *c = ctx;
  uint32_t slots[AT_ONCE];
  int64_t budget = INT64_MAX;
  BENCH_TRUE(tw_forward_free_slots(c->forward, slots, AT_ONCE) == AT_ONCE);
  for (uint32_t i = 0; i < AT_ONCE; i++) {
    c->at = c->at * 1664525 + 1013904223;
    const uint32_t span = c->to_group ? 100 : c->clients;
    const uint32_t from = 1 + (uint32_t)((uint64_t)c->at * span >> 32);
    const uint32_t destination = c->to_group ? GROUP : 1 + from * 7919 % c->clients;
    const tw_forward_address source = address_of(from);
    uint8_t *out = memory[slots[i]];
    for (uint32_t s = 0; s < c->segments; s++) {
      tw_put_u64(out + (size_t)s * (TW_FORWARD_HEADER + c->size), c->sessions[from]);
      tw_put_u32(out + (size_t)s * (TW_FORWARD_HEADER + c->size) + 8, destination);
    }
    const uint32_t segment = TW_FORWARD_HEADER + c->size;
    const tw_forward_datagram datagram = {out, (size_t)c->segments * segment, segment, 0};
    BENCH_OK(tw_forward_take(c->forward, slots[i], &datagram, &source, 1000));
  }
  while (tw_forward_waiting(c->forward)) {
    tw_forward_message *messages;
    const uint32_t count = tw_forward_batch(c->forward, &budget, 1000, &messages);
    for (uint32_t i = 0; i < count; i++) c->sent += messages[i].packets;
    tw_forward_sent(c->forward, count);
  }
}

static void measure_crowd(const char *name, crowd c, double seconds) {
  open_crowd(&c);
  work_crowd(&c);
  c.sent = 0;
  work_crowd(&c);
  const double packets = (double)c.sent;
  bench_row(name, packets / bench_time(work_crowd, &c, seconds) / 1e6, "M/s", BENCH_INFO, 0);
  tw_forward_free(c.forward);
  free(c.sessions);
}

static void measure_memory(void) {
  enum { CLIENTS = 10000 };
  bench_memory counted;
  bench_memory_init(&counted);
  tw_env with = env;
  with.alloc = &counted.alloc;
  tw_forward *forward;
  BENCH_OK(tw_forward_new(&with, &(tw_forward_options){.no_challenge = true}, &forward));
  const size_t before = counted.now;
  for (uint32_t n = 1; n <= CLIENTS; n++) (void)bind_client(forward, n, address_of(n));
  bench_row("memory of one client, of 10,000", (double)(counted.now - before) / CLIENTS, "bytes", BENCH_AT_MOST, 512);
  bench_row("memory without clients, receive slots apart", (double)before / 1024, "KiB", BENCH_INFO, 0);
  tw_forward_free(forward);
}

/* ---- sockets ---- */

typedef struct wire {
  int fd;
  bool offloads;
  bool tells; /* TOS and our own address, which go back with what is sent, as the relay does it */
  struct mmsghdr headers[MESSAGES * TW_FORWARD_SEGMENTS_MAX];
  struct iovec parts[AT_ONCE];
  struct sockaddr_in names[MESSAGES * TW_FORWARD_SEGMENTS_MAX];
  _Alignas(struct cmsghdr) uint8_t controls[MESSAGES][CONTROL];
} wire;

static int open_socket(bool receive_offload, struct sockaddr_in *bound) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int buffer = BUFFER, one = 1;
  const struct timeval patience = {.tv_sec = 5};
  socklen_t len = sizeof *bound;
  *bound = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  BENCH_TRUE(fd >= 0 && bind(fd, (struct sockaddr *)bound, sizeof *bound) == 0);
  BENCH_TRUE(getsockname(fd, (struct sockaddr *)bound, &len) == 0);
  BENCH_TRUE(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer) == 0);
  BENCH_TRUE(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer) == 0);
  BENCH_TRUE(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
  BENCH_TRUE(!receive_offload || setsockopt(fd, IPPROTO_UDP, UDP_GRO, &one, sizeof one) == 0);
  return fd;
}

/* Into `count` of the slots; how many datagrams came. -1: the time is over. */
static int receive(wire *w, const uint32_t *slots, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    w->parts[i] = (struct iovec){memory[slots[i]], SLOT};
    w->headers[i].msg_hdr = (struct msghdr){.msg_name = &w->names[i],
                                            .msg_namelen = sizeof w->names[i],
                                            .msg_iov = &w->parts[i],
                                            .msg_iovlen = 1,
                                            .msg_control = w->offloads || w->tells ? w->controls[i] : NULL,
                                            .msg_controllen = w->offloads || w->tells ? CONTROL : 0};
  }
  return recvmmsg(w->fd, w->headers, count, MSG_WAITFORONE, NULL);
}

/* What is told of the datagram in this place: segments, 0 if it is one; with `tells` TOS and our address too. */
static uint32_t segment_of(wire *w, uint32_t at, uint8_t *tos, struct in_addr *own) {
  int segment = 0;
  struct in_pktinfo info;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&w->headers[at].msg_hdr); c != NULL;
       c = CMSG_NXTHDR(&w->headers[at].msg_hdr, c)) {
    if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) memcpy(&segment, CMSG_DATA(c), sizeof segment);
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) *tos = *CMSG_DATA(c);
    if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_PKTINFO) continue;
    memcpy(&info, CMSG_DATA(c), sizeof info);
    *own = info.ipi_spec_dst;
  }
  return (uint32_t)segment;
}

static void put_control(wire *w, uint32_t at, int level, int type, const void *value, size_t len) {
  struct msghdr *header = &w->headers[at].msg_hdr;
  header->msg_control = w->controls[at];
  struct cmsghdr *c = (struct cmsghdr *)(void *)(w->controls[at] + header->msg_controllen);
  *c = (struct cmsghdr){.cmsg_level = level, .cmsg_type = type, .cmsg_len = CMSG_LEN(len)};
  memcpy(CMSG_DATA(c), value, len);
  header->msg_controllen += CMSG_SPACE(len);
}

static void put_segment(wire *w, uint32_t at, uint32_t segment) {
  if (segment != 0) put_control(w, at, IPPROTO_UDP, UDP_SEGMENT, &(uint16_t){(uint16_t)segment}, sizeof(uint16_t));
}

static void send_all(wire *w, uint32_t count) {
  for (uint32_t at = 0; at < count;) {
    const int sent = sendmmsg(w->fd, &w->headers[at], count - at, 0);
    BENCH_TRUE(sent > 0);
    at += (uint32_t)sent;
  }
}

/* ---- the two services ---- */

static void send_messages(wire *w, const tw_forward_message *messages, uint32_t count) {
  uint32_t made = 0;
  for (uint32_t i = 0; i < count; i++) {
    const tw_forward_message *m = &messages[i];
    struct sockaddr_in *name = &w->names[i];
    *name = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(m->to.port)};
    memcpy(&name->sin_addr, m->to.ip, sizeof name->sin_addr);
    const uint32_t pieces = w->offloads ? 1 : m->packets; /* without offloads nothing came together */
    for (uint32_t p = 0; p < pieces; p++, made++) {
      w->headers[made].msg_hdr = (struct msghdr){.msg_name = name,
                                                 .msg_namelen = sizeof *name,
                                                 .msg_iov = m->parts + p,
                                                 .msg_iovlen = w->offloads ? m->part_count : 1};
      if (w->offloads) put_segment(w, made, m->segment);
      if (!w->tells) continue;
      struct in_pktinfo info = {0};
      memcpy(&info.ipi_spec_dst, m->to.local, sizeof info.ipi_spec_dst);
      put_control(w, made, IPPROTO_IP, IP_TOS, &(int){m->tos}, sizeof(int));
      put_control(w, made, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    }
  }
  send_all(w, made);
}

static void relay(wire *w, tw_forward *forward) {
  for (;;) {
    uint32_t slots[AT_ONCE];
    int64_t budget = INT64_MAX;
    const int count = receive(w, slots, tw_forward_free_slots(forward, slots, AT_ONCE));
    BENCH_TRUE(count > 0 || errno == EAGAIN);
    for (int i = 0; i < count; i++) {
      tw_forward_address source = {.family = 4, .port = ntohs(w->names[i].sin_port)};
      memcpy(source.ip, &w->names[i].sin_addr, sizeof w->names[i].sin_addr);
      tw_forward_datagram datagram = {.data = memory[slots[i]], .len = w->headers[i].msg_len};
      struct in_addr own = {0};
      datagram.segment = segment_of(w, (uint32_t)i, &datagram.tos, &own);
      memcpy(source.local, &own, sizeof own);
      BENCH_OK(tw_forward_take(forward, slots[i], &datagram, &source, 1000));
    }
    while (tw_forward_waiting(forward)) {
      tw_forward_message *messages;
      const uint32_t made = tw_forward_batch(forward, &budget, 1000, &messages);
      send_messages(w, messages, made);
      tw_forward_sent(forward, made);
    }
  }
}

/* With `gather` the headers are left out, as the relay does it: what the system takes for that. */
static void echo(wire *w, struct sockaddr_in to, bool gather) {
  static struct iovec parts[AT_ONCE][TW_FORWARD_SEGMENTS_MAX];
  const uint32_t skip = gather ? TW_FORWARD_HEADER : 0;
  uint32_t slots[AT_ONCE];
  for (uint32_t i = 0; i < AT_ONCE; i++) slots[i] = i;
  for (;;) {
    const int count = receive(w, slots, AT_ONCE);
    BENCH_TRUE(count > 0 || errno == EAGAIN);
    for (int i = 0; i < count; i++) {
      uint8_t tos;
      struct in_addr own;
      const uint32_t segment = w->offloads ? segment_of(w, (uint32_t)i, &tos, &own) : 0;
      const uint32_t len = w->headers[i].msg_len, step = segment != 0 && gather ? segment : len;
      uint32_t made = 0;
      for (uint32_t at = 0; at < len; at += step, made++)
        parts[i][made] = (struct iovec){memory[i] + at + skip, (len - at < step ? len - at : step) - skip};
      w->headers[i].msg_hdr = (struct msghdr){
          .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = parts[i], .msg_iovlen = made};
      put_segment(w, (uint32_t)i, segment != 0 ? segment - skip : 0);
    }
    if (count > 0) send_all(w, (uint32_t)count);
  }
}

/* ---- the clients ---- */

typedef struct load {
  bool offloads;
  uint32_t segments; /* of one datagram that is handed to the system */
  uint32_t size;     /* of a packet */
  uint32_t window;   /* datagrams */
  uint32_t windows;  /* in one turn */
} load;

typedef struct service {
  pid_t pid;
  clockid_t clock;
  struct sockaddr_in at;
} service;

static wire sender, receiver;
static struct sockaddr_in sender_at, receiver_at;

static service start(const load *l, tw_forward *forward, bool gather) {
  static wire w;
  service s;
  w.fd = open_socket(l->offloads, &s.at);
  w.offloads = l->offloads;
  w.tells = forward != NULL && !plain;
  if (w.tells) {
    const int one = 1;
    BENCH_TRUE(setsockopt(w.fd, IPPROTO_IP, IP_RECVTOS, &one, sizeof one) == 0);
    BENCH_TRUE(setsockopt(w.fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof one) == 0);
  }
  s.pid = fork();
  BENCH_TRUE(s.pid >= 0);
  if (s.pid == 0) {
    if (forward != NULL)
      relay(&w, forward);
    else
      echo(&w, receiver_at, gather);
    _exit(0);
  }
  BENCH_TRUE(close(w.fd) == 0 && clock_getcpuclockid(s.pid, &s.clock) == 0);
  return s;
}

static void stop(service s) {
  int status;
  BENCH_TRUE(kill(s.pid, SIGKILL) == 0 && waitpid(s.pid, &status, 0) == s.pid);
}

static double cpu_of(service s) {
  struct timespec now;
  BENCH_TRUE(clock_gettime(s.clock, &now) == 0);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void send_window(const load *l, struct sockaddr_in *to) {
  static struct iovec part;
  part = (struct iovec){memory[0], (size_t)l->segments * (TW_FORWARD_HEADER + l->size)};
  for (uint32_t i = 0; i < l->window; i++) {
    sender.headers[i].msg_hdr = (struct msghdr){
        .msg_name = to, .msg_namelen = sizeof *to, .msg_iov = &part, .msg_iovlen = 1};
    if (l->segments > 1) put_segment(&sender, i, TW_FORWARD_HEADER + l->size);
  }
  send_all(&sender, l->window);
}

/* `*owed`: bytes that have not come back yet; until they are `most`. */
static void receive_window(int64_t *owed, int64_t most) {
  uint32_t slots[AT_ONCE];
  for (uint32_t i = 0; i < AT_ONCE; i++) slots[i] = 1 + i;
  while (*owed > most) {
    const int count = receive(&receiver, slots, AT_ONCE);
    if (count < 0) bench_die(__FILE__, __LINE__, "datagrams were lost");
    for (int i = 0; i < count; i++) *owed -= receiver.headers[i].msg_len;
  }
}

/* Seconds of one turn: by the clock, and of the service's processor. `size`: of a datagram that comes back. */
static void turn(const load *l, service s, uint32_t size, double *wall, double *cpu) {
  const double wall_before = bench_wall_seconds(), cpu_before = cpu_of(s);
  const int64_t window = (int64_t)l->window * l->segments * size;
  int64_t owed = 0;
  for (uint32_t i = 0; i < l->windows; i++) {
    send_window(l, &s.at);
    owed += window;
    receive_window(&owed, window);
  }
  receive_window(&owed, 0);
  BENCH_TRUE(owed == 0);
  *wall = bench_wall_seconds() - wall_before;
  *cpu = cpu_of(s) - cpu_before;
}

static tw_forward *two_clients(uint64_t *session) {
  tw_forward *forward;
  BENCH_OK(tw_forward_new(&env, &(tw_forward_options){.slots = SLOTS, .messages = MESSAGES, .no_challenge = true},
                          &forward));
  tw_forward_address at = {.family = 4, .port = ntohs(sender_at.sin_port)};
  memcpy(at.ip, &sender_at.sin_addr, sizeof sender_at.sin_addr);
  *session = bind_client(forward, 1, at);
  memcpy(at.local, &receiver_at.sin_addr, sizeof receiver_at.sin_addr);
  at.port = ntohs(receiver_at.sin_port);
  (void)bind_client(forward, 2, at);
  return forward;
}

enum { RELAY, ECHO, GATHER, SERVICES };

static void report(const char *name, const load *l, size_t turns, double wall[SERVICES][TURNS_MAX],
                   double cpu[SERVICES][TURNS_MAX]) {
  static const char *const against[SERVICES] = {[ECHO] = "echo", [GATHER] = "echo without headers"};
  const double packets = (double)l->window * l->windows * l->segments;
  char row[128];
  for (unsigned i = ECHO; i < SERVICES; i++) {
    double ratio[2][TURNS_MAX];
    for (size_t t = 0; t < turns; t++) {
      ratio[0][t] = cpu[i][t] / cpu[RELAY][t];
      ratio[1][t] = wall[i][t] / wall[RELAY][t];
    }
    (void)snprintf(row, sizeof row, "%s: relay / %s, by its processor time", name, against[i]);
    bench_row(row, bench_median(ratio[0], turns), "", i == ECHO ? BENCH_AT_LEAST : BENCH_INFO, 0.8);
    (void)snprintf(row, sizeof row, "%s: relay / %s, by the clock", name, against[i]);
    bench_row(row, bench_median(ratio[1], turns), "", BENCH_INFO, 0);
  }
  for (unsigned i = 0; i < SERVICES; i++) {
    const double seconds = bench_median(wall[i], turns);
    bench_note("%s: %.0f ns of processor a packet, %.2f Gbit/s by the clock", i == RELAY ? "relay" : against[i],
               bench_median(cpu[i], turns) / packets * 1e9, packets * l->size * 8e-9 / seconds);
  }
}

static void compare(const char *name, load l, double seconds) {
  static double wall[SERVICES][TURNS_MAX], cpu[SERVICES][TURNS_MAX];
  uint64_t session;
  const int ect = 2;
  sender.fd = open_socket(false, &sender_at);
  BENCH_TRUE(setsockopt(sender.fd, IPPROTO_IP, IP_TOS, &ect, sizeof ect) == 0);
  receiver.fd = open_socket(l.offloads, &receiver_at);
  receiver.offloads = l.offloads;
  tw_forward *forward = two_clients(&session);
  const service services[SERVICES] = {start(&l, forward, false), start(&l, NULL, false), start(&l, NULL, true)};
  for (uint32_t i = 0; i < l.segments; i++) {
    tw_put_u64(memory[0] + (size_t)i * (TW_FORWARD_HEADER + l.size), session);
    tw_put_u32(memory[0] + (size_t)i * (TW_FORWARD_HEADER + l.size) + 8, 2);
  }
  const double end = bench_wall_seconds() + seconds;
  size_t turns = 0;
  for (; turns < TURNS_MAX && (turns < 5 || bench_wall_seconds() < end); turns++) {
    for (unsigned i = 0; i < SERVICES; i++) {
      const unsigned which = (i + (unsigned)turns) % SERVICES; /* who goes first changes */
      turn(&l, services[which], l.size + (which == ECHO ? TW_FORWARD_HEADER : 0), &wall[which][turns],
           &cpu[which][turns]);
    }
  }
  report(name, &l, turns, wall, cpu);
  for (unsigned i = 0; i < SERVICES; i++) stop(services[i]);
  tw_forward_free(forward);
  BENCH_TRUE(close(sender.fd) == 0 && close(receiver.fd) == 0);
}

int main(int argc, char **argv) {
  const double seconds = argc > 1 ? strtod(argv[1], NULL) : 5;
  plain = argc > 2;
  BENCH_OK(tw_provider_openssl_new(NULL, &env.provider));
  bench_title("packet relay, one core, no sockets: packets in, looked up, queued, in messages out");
  measure_crowd("1,400 bytes, one in a datagram, 100 clients", (crowd){.clients = 100, .segments = 1, .size = 1400},
                seconds / 5);
  measure_crowd("1,400 bytes, one in a datagram, 10,000 clients",
                (crowd){.clients = 10000, .segments = 1, .size = 1400}, seconds / 5);
  measure_crowd("1,400 bytes, one in a datagram, 1,000,000 clients",
                (crowd){.clients = 1000000, .segments = 1, .size = 1400}, seconds / 5);
  measure_crowd("1,400 bytes, 44 in a datagram, 10,000 clients",
                (crowd){.clients = 10000, .segments = 44, .size = 1400}, seconds / 5);
  measure_crowd("1,400 bytes, to a group of 100 members",
                (crowd){.clients = 10000, .segments = 1, .size = 1400, .to_group = true}, seconds / 5);
  measure_memory();
  bench_title("packet relay on loopback against a bare recvmmsg/sendmmsg echo");
  compare("1,400 bytes, GRO and GSO", (load){true, 44, 1400, 16, 30}, seconds);
  compare("200 bytes, GRO and GSO", (load){true, 60, 200, 32, 30}, seconds);
  compare("500 bytes, GRO and GSO", (load){true, 60, 500, 32, 30}, seconds);
  compare("1,400 bytes, no offloads", (load){false, 1, 1400, 256, 30}, seconds);
  compare("100 bytes, no offloads", (load){false, 1, 100, 256, 30}, seconds);
  tw_provider_free(env.provider);
  return bench_finish(NULL) == 0 ? 0 : 1;
}

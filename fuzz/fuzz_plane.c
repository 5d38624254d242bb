/* A node's packets: datagrams from anybody and from a peer, packets from the device, keys that come and go, a socket
 * that is full. SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/reader.h"
#include "codec/writer.h"
#include "fuzz_party.h"
#include "node/plane.h"
#include "packet/ip.h"

/* We are node 0; the fuzzer is peer 1, and the others. The pair's group and the network's have us both in them. */
enum { PEERS = 3, MTU = 1400, NUMBER = 77, EPOCHS = 2, DATAGRAM_MAX = 4096, STEPS_MAX = 200 };
#define SESSION UINT64_C(0x0102030405060708)

typedef struct one_group {
  tw_group *ours;
  tw_group *theirs;
} one_group;

/* Made once. */
static tw_fuzz_party us, them;
static tw_buf our_extensions, their_extensions; /* of leaves */
static tw_secret our_packet_key, their_packet_key;
static one_group pair[EPOCHS], network;
static tw_client_id their_id;
static tw_routes routes;
static int device[2] = {-1, -1};

/* Of one input. */
static tw_sas *sas, *their_sas;
static tw_plane *plane;
static tw_udp udp;
static tw_tun tun;
static uint64_t now;
static bool sign;
static bool is_refused;  /* what was given last has to be signed, and is not */
static uint8_t reaction; /* what is done when the plane tells something */
static uint32_t sends_left;
static uint8_t datagram[DATAGRAM_MAX];
static size_t datagram_len; /* 0: there is none to receive */
static tw_udp_address datagram_from;
static uint8_t datagram_tos;
static uint8_t last[DATAGRAM_MAX]; /* for once more */
static size_t last_len;
static uint64_t sent, keepalives;

static tw_udp_address address_of(uint8_t who) {
  tw_udp_address a = {.in4 = {.sin_family = AF_INET, .sin_port = htons(9420)}};
  a.in4.sin_addr.s_addr = htonl(0xc0000200u + who % 4u); /* 3 is the relay */
  return a;
}

/* ---- memory: the plane's large blocks are kept for the next input, which saves most of its time ---- */

enum { BLOCKS = 16, LARGE = 1 << 16 };
static struct {
  void *ptr;
  size_t size;
  bool free;
} blocks[BLOCKS];

static void *keep_large(void *ctx, void *ptr, size_t size) {
  (void)ctx;
  for (size_t i = 0; i < BLOCKS; i++) {
    if (ptr != NULL && blocks[i].ptr == ptr) {
      if (size != 0) abort(); /* nothing as large is ever resized */
      blocks[i].free = true;
      return NULL;
    }
    if (ptr == NULL && blocks[i].free && blocks[i].size == size) {
      blocks[i].free = false;
      return blocks[i].ptr;
    }
  }
  if (size == 0) {
    free(ptr);
    return NULL;
  }
  void *made = realloc(ptr, size);
  for (size_t i = 0; ptr == NULL && made != NULL && size >= LARGE && i < BLOCKS; i++) {
    if (blocks[i].ptr != NULL) continue;
    blocks[i].ptr = made;
    blocks[i].size = size;
    break;
  }
  return made;
}

static const tw_alloc keeping = {NULL, keep_large};

/* ---- the socket ---- */

static int receive(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout) {
  (void)fd;
  (void)flags;
  (void)timeout;
  if (datagram_len == 0 || count == 0) {
    errno = EAGAIN;
    return -1;
  }
  struct msghdr *m = &messages[0].msg_hdr;
  memcpy(m->msg_name, &datagram_from, sizeof datagram_from.in4);
  memcpy(m->msg_iov[0].iov_base, datagram, datagram_len);
  struct cmsghdr *c = CMSG_FIRSTHDR(m);
  const int tos = datagram_tos;
  c->cmsg_level = IPPROTO_IP;
  c->cmsg_type = IP_TOS;
  c->cmsg_len = CMSG_LEN(sizeof tos);
  memcpy(CMSG_DATA(c), &tos, sizeof tos);
  m->msg_controllen = CMSG_SPACE(sizeof tos);
  messages[0].msg_len = (unsigned)datagram_len;
  datagram_len = 0;
  return 1;
}

/* All that goes out is ESP of our SAs, or to the relay behind its header, or a greeting. */
static void look_at(const tw_udp_address *to, tw_bytes sent_bytes) {
  const tw_udp_address relay = address_of(3);
  size_t len = sent_bytes.len;
  TW_FUZZ_ASSERT(len <= 12 + TW_ESP_OVERHEAD_MAX + MTU + (sign ? TW_PACKET_SIGNATURE : 0));
  if (tw_udp_address_equal(to, &relay)) {
    tw_reader r = tw_reader_of(sent_bytes);
    TW_FUZZ_ASSERT(tw_read_u64(&r) == SESSION);
    const uint32_t destination = tw_read_u32(&r);
    TW_FUZZ_ASSERT(destination < PEERS + 1 || destination == (NUMBER | 0x80000000u));
    len -= 12;
    if (destination == 0) return;
  }
  TW_FUZZ_ASSERT(len >= TW_ESP_PACKET_MIN && len % TW_ESP_ALIGN == 0);
  sent++;
}

/* Each piece is one datagram, or several of a size. */
static void look_at_all(const struct msghdr *m) {
  const struct cmsghdr *c = CMSG_FIRSTHDR(m);
  uint16_t segment = UINT16_MAX;
  if (c != NULL && c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_SEGMENT) memcpy(&segment, CMSG_DATA(c), 2);
  for (size_t i = 0; i < m->msg_iovlen; i++) {
    const uint8_t *bytes = m->msg_iov[i].iov_base;
    for (size_t at = 0; at < m->msg_iov[i].iov_len; at += segment) {
      const size_t left = m->msg_iov[i].iov_len - at;
      look_at(m->msg_name, TW_BYTES(bytes + at, left < segment ? left : segment));
    }
  }
}

static int send_all(int fd, struct mmsghdr *messages, unsigned count, int flags) {
  (void)fd;
  (void)flags;
  unsigned done = 0;
  for (; done < count && sends_left > 0; done++) {
    const struct msghdr *m = &messages[done].msg_hdr;
    look_at_all(m);
    if (sends_left != UINT32_MAX) sends_left--;
  }
  if (done > 0) return (int)done;
  errno = sends_left == 0 ? EAGAIN : EINVAL;
  return -1;
}

static int set_option(int fd, int level, int name, const void *value, socklen_t len) {
  (void)fd;
  (void)level;
  (void)name;
  (void)value;
  (void)len;
  return 0;
}

static const tw_udp_calls calls = {receive, send_all, set_option};

/* ---- what the plane says and asks ---- */

static tw_err save(void *ctx, const tw_store_change *changes, size_t count) {
  (void)ctx;
  (void)changes;
  (void)count;
  return (reaction & 0x40) != 0 ? TW_ERR_LIMIT : TW_OK;
}

static tw_err load(void *ctx, tw_store_kind kind, tw_bytes id, tw_buf *value, bool *found) {
  (void)ctx;
  (void)kind;
  (void)id;
  (void)value;
  *found = false;
  return TW_OK;
}

static void change_keys(uint8_t how) {
  const tw_node_keys *keys = tw_sas_keys(sas);
  uint64_t stamp = 0;
  one_group *group = &pair[how / 8 % EPOCHS];
  switch (how % 8) {
  case 0: (void)keys->receive(keys->ctx, 1, group->ours, TW_NO_BYTES, &stamp); break;
  case 1: (void)keys->send(keys->ctx, 1, group->ours, TW_NO_BYTES, TW_NO_BYTES, (how & 0x20) != 0); break;
  case 2: keys->forget(keys->ctx, 1); break;
  case 3: keys->settle(keys->ctx, 1, how); break;
  case 4: keys->withdraw(keys->ctx, 1, how / 8); break;
  case 5: (void)keys->receive(keys->ctx, TW_SAS_NETWORK, network.ours, TW_NO_BYTES, &stamp); break;
  case 6:
    (void)keys->send(keys->ctx, TW_SAS_NETWORK, network.ours, TW_NO_BYTES, tw_secret_bytes(&our_packet_key), false);
    break;
  default: keys->forget(keys->ctx, TW_SAS_NETWORK); break;
  }
}

static void react(void) {
  if ((reaction & 1) != 0) change_keys(reaction);
  if ((reaction & 2) != 0) tw_plane_retry(plane, now);
  if ((reaction & 4) != 0) tw_plane_tick(plane, now);
}

static void tell(void *ctx, const tw_plane_event *event) {
  (void)ctx;
  TW_FUZZ_ASSERT(event->owner < PEERS || event->owner == TW_SAS_NETWORK);
  TW_FUZZ_ASSERT(event->kind != TW_PLANE_OPENED || event->stamp != 0);
  TW_FUZZ_ASSERT(event->kind != TW_PLANE_TOLD || (event->owner == 1 && event->len > 0 && event->len <= TW_PROBE_TAIL));
  if (event->kind == TW_PLANE_NUMBERS) (void)tw_sas_used(sas, event->owner);
  react();
}

static uint32_t peer_of(void *ctx, const tw_client_id *id) {
  (void)ctx;
  return memcmp(id, &their_id, sizeof *id) == 0 ? 1 : UINT32_MAX;
}

static void ready(void *ctx, uint32_t owner, bool nudge) {
  (void)ctx;
  if (plane != NULL) tw_plane_ready(plane, owner, nudge, now);
}

/* ---- once ---- */

static void join(const one_group *group, tw_group **joined, tw_group **next) {
  tw_buf proposals = {0};
  tw_key_package *key_package = NULL;
  tw_commit_result result = {0};
  tw_fuzz_must(tw_key_package_new(&them.client, NULL, 1000, &key_package));
  tw_fuzz_must(tw_propose_add(&proposals, tw_key_package_message(key_package)));
  const tw_commit_options options = {.proposals = tw_buf_bytes(&proposals)};
  tw_fuzz_must(tw_group_commit(group->ours, &options, 1000, &result));
  tw_fuzz_must(tw_group_join(&them.client, key_package, tw_buf_bytes(&result.welcome), NULL, 1000, joined));
  *next = result.next;
  result.next = NULL;
  tw_commit_result_clear(&result);
  tw_key_package_free(key_package);
  tw_buf_clear(&proposals);
}

static void make_group(one_group *group, tw_bytes id) {
  tw_group *next = NULL;
  tw_fuzz_must(tw_group_create(&us.client, id, TW_NO_BYTES, 1000, &group->ours));
  join(group, &group->theirs, &next);
  tw_group_free(group->ours);
  group->ours = next;
}

static void make_routes(void) {
  tw_route_entry entries[2 * PEERS + 2];
  size_t count = 0;
  for (uint32_t i = 0; i < PEERS; i++) {
    const tw_route route = {i == 0 ? TW_ROUTE_SELF : TW_ROUTE_PEER, i};
    const uint8_t host = (uint8_t)(i + 1);
    entries[count++] = (tw_route_entry){.prefix = {.family = 4, .length = 32, .address = {10, 66, 0, host}},
                                        .route = route};
    entries[count] = (tw_route_entry){.prefix = {.family = 6, .length = 128, .address = {0xfd, 0x42}}, .route = route};
    entries[count++].prefix.address[15] = host;
  }
  const tw_route group = {TW_ROUTE_GROUP, 0};
  entries[count++] = (tw_route_entry){.prefix = {.family = 4, .length = 4, .address = {224}}, .route = group};
  entries[count++] = (tw_route_entry){.prefix = {.family = 6, .length = 8, .address = {0xff}}, .route = group};
  tw_fuzz_must(tw_routes_make(NULL, entries, count, &routes));
}

static void make_once(void) {
  if (network.ours != NULL) return;
  tw_fuzz_restart_apart();
  tw_fuzz_party_init(&us, "us");
  tw_fuzz_party_init(&them, "them");
  tw_fuzz_must(tw_packet_key_make(tw_fuzz_env(), &our_extensions, &our_packet_key));
  tw_fuzz_must(tw_packet_key_make(tw_fuzz_env(), &their_extensions, &their_packet_key));
  us.client.leaf_extensions = tw_buf_bytes(&our_extensions);
  them.client.leaf_extensions = tw_buf_bytes(&their_extensions);
  for (size_t i = 0; i < EPOCHS; i++) make_group(&pair[i], i == 0 ? TW_LITERAL("pair") : TW_LITERAL("next pair"));
  make_group(&network, TW_LITERAL("network"));
  tw_member member;
  uint32_t leaf = tw_group_own_leaf(network.theirs);
  TW_FUZZ_ASSERT(tw_group_next_member(network.theirs, &leaf, &member));
  tw_fuzz_must(tw_fingerprint_of(tw_fuzz_env(), us.client.suite, member.signature_key, &their_id));
  make_routes();
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, device) != 0) abort();
}

/* ---- one input ---- */

static void make_nodes(void) {
  static const tw_node_port port = {.save = save, .load = load};
  static tw_env env;
  env = *tw_fuzz_env();
  env.alloc = &keeping;
  tw_sas_config s = {.env = &env, .port = &port, .grace_ms = 1000, .owners = PEERS, .sign = sign};
  udp = (tw_udp){.fd = -1, .family = AF_INET, .is_open = true, .tos = true, .send_offload = true, .calls = &calls};
  udp.segment_limit = TW_UDP_DATAGRAM_MAX;
  tun = (tw_tun){.queues = {device[0]}, .queue_count = 1, .offloads = 15};
  tw_fuzz_must(tw_sas_new(&s, &their_sas));
  s.ready = ready;
  tw_fuzz_must(tw_sas_new(&s, &sas));
  const tw_plane_config config = {.env = &env,
                                  .sas = sas,
                                  .routes = &routes,
                                  .udp = &udp,
                                  .tun = &tun,
                                  .peers = PEERS,
                                  .mtu = MTU,
                                  .tell = tell,
                                  .peer_of = peer_of};
  tw_fuzz_must(tw_plane_new(&config, &plane));
  const tw_udp_address relay = address_of(3);
  static const uint8_t tail[33] = {7};
  tw_plane_set_relay(plane, &relay, SESSION);
  tw_plane_set_tail(plane, TW_ARRAY(tail));
  for (uint8_t i = 0; i < 2; i++) change_keys(i);
  for (uint8_t i = 5; i < 7; i++) change_keys(i);
  const tw_node_keys *theirs = tw_sas_keys(their_sas);
  tw_fuzz_must(theirs->send(theirs->ctx, 1, pair[0].theirs, TW_NO_BYTES, TW_NO_BYTES, false));
  tw_fuzz_must(theirs->send(theirs->ctx, 2, pair[1].theirs, TW_NO_BYTES, TW_NO_BYTES, false));
  tw_fuzz_must(theirs->send(theirs->ctx, TW_SAS_NETWORK, network.theirs, TW_NO_BYTES,
                            tw_secret_bytes(&their_packet_key), false));
}

/* What the device is given came from the peer, or is an ICMP error of ours to ourselves. */
static void look_at_device(void) {
  static uint8_t packet[10 + 65536 + 40];
  for (;;) {
    const ssize_t got = read(device[1], packet, sizeof packet);
    if (got < 0) return;
    tw_ip ip;
    TW_FUZZ_ASSERT(got > 10);
    TW_FUZZ_ASSERT(tw_ip_parse(TW_BYTES(packet + 10, (size_t)got - 10), &ip) == TW_OK);
    if (ip.protocol == TW_IP_ICMP && packet[10 + ip.transport] == 3) continue;
    if (ip.protocol == TW_IP_ICMP6 && packet[10 + ip.transport] == 2) continue;
    TW_FUZZ_ASSERT(!is_refused);
    TW_FUZZ_ASSERT(ip.source.ptr[ip.source.len - 1] == 2 && ip.source.ptr[0] == (ip.version == 4 ? 10 : 0xfd));
  }
}

static void deliver(uint8_t from, uint8_t tos, size_t len) {
  datagram_from = address_of(from);
  datagram_tos = tos & 3;
  datagram_len = len;
  TW_FUZZ_ASSERT(tw_plane_from_udp(plane, now) == TW_OK);
}

/* Behind `len` bytes of payload in `datagram`. */
static size_t sign_packet(uint8_t next_header, size_t len) {
  tw_packet_room room = {0};
  const tw_packet_content content = {.number = tw_sas_out(their_sas, TW_SAS_NETWORK)->next,
                                     .next_header = next_header,
                                     .packet = TW_BYTES(datagram + TW_ESP_HEADER, len)};
  tw_fuzz_must(tw_packet_room_open(tw_fuzz_env(), &room));
  tw_fuzz_must(tw_packet_sign(tw_fuzz_env(), tw_sas_signer(their_sas, TW_SAS_NETWORK, 0), &content, &room,
                              datagram + TW_ESP_HEADER + len));
  tw_packet_room_close(tw_fuzz_env(), &room);
  return len + TW_PACKET_SIGNATURE;
}

static void give_sealed(tw_reader *r) {
  static const uint32_t owners[] = {1, 1, 2, TW_SAS_NETWORK};
  const uint8_t how = tw_read_u8(r);
  const uint8_t next_header = tw_read_u8(r);
  tw_bytes inner = tw_fuzz_chunk(r);
  tw_esp_out *out = tw_sas_out(their_sas, owners[how % 4]);
  if (inner.len > 0) memcpy(datagram + TW_ESP_HEADER, inner.ptr, inner.len);
  const bool has_to_be = sign && owners[how % 4] == TW_SAS_NETWORK;
  const bool is_signed = has_to_be && (how & 0x40) == 0;
  const size_t len = is_signed ? sign_packet(next_header, inner.len) : inner.len;
  if (tw_esp_seal(out, next_header, datagram, len, 0) != TW_OK) return;
  last_len = tw_esp_size(len, 0);
  is_refused = has_to_be && !is_signed;
  memcpy(last, datagram, last_len);
  if ((how & 0x80) != 0) return; /* for later */
  deliver(how / 4, how / 16, last_len);
}

static void give_raw(tw_reader *r) {
  const uint8_t from = tw_read_u8(r);
  const tw_bytes bytes = tw_fuzz_chunk(r);
  if (bytes.len == 0) return;
  memcpy(datagram, bytes.ptr, bytes.len);
  deliver(from, from / 4, bytes.len);
}

static void give_again(tw_reader *r) {
  const uint8_t from = tw_read_u8(r);
  if (last_len == 0) return;
  memcpy(datagram, last, last_len);
  if ((from & 0x80) != 0) datagram[from % last_len] ^= 1;
  deliver(from, from / 4, last_len);
}

/* As the kernel gives it: ten bytes, then a packet, which may be repeated at its end to be large. */
static void give_device(tw_reader *r) {
  static uint8_t packet[10 + 65536];
  const tw_bytes offload = tw_read_fixed(r, 10);
  const size_t more = tw_read_u16(r);
  const tw_bytes bytes = tw_fuzz_chunk(r);
  if (offload.len != 10 || bytes.len == 0) return;
  memcpy(packet, offload.ptr, 10);
  memcpy(packet + 10, bytes.ptr, bytes.len);
  size_t len = bytes.len + more < 65535 ? bytes.len + more : 65535;
  for (size_t i = bytes.len; i < len; i++) packet[10 + i] = (uint8_t)i;
  if (write(device[1], packet, 10 + len) > 0) TW_FUZZ_ASSERT(tw_plane_from_tun(plane, now) == TW_OK);
}

static void change_ways(tw_reader *r) {
  const uint8_t how = tw_read_u8(r);
  const tw_udp_address relay = address_of(3);
  const tw_udp_address a = address_of(how / 8);
  tw_path *path = &tw_plane_peer_of(plane, 1)->path;
  switch (how % 8) {
  case 0: tw_plane_set_relay(plane, &relay, SESSION); break;
  case 1: tw_plane_clear_relay(plane); break;
  case 2: tw_plane_set_group_number(plane, how > 127 ? NUMBER : 0); break;
  case 3: path->relay_number = how > 127 ? 2 : 0; break;
  case 4:
    if (how / 8 % 4 != 3) (void)tw_path_offer(path, (tw_path_source)(how / 64 % 3), &a);
    break;
  case 5: tw_plane_greet_relay(plane, TW_LITERAL("sixteen bytes ...")); break;
  case 6: tw_plane_greet_relay(plane, TW_LITERAL("sixteen bytes ..")); break;
  default:
    tw_plane_roster_changed(plane);
    if (how < 128) break;
    tw_plane_greet_relay(plane, TW_NO_BYTES);
    keepalives++;
    tw_plane_reset_paths(plane);
    break;
  }
}

static void step(tw_reader *r) {
  const uint8_t what = tw_read_u8(r);
  is_refused = false;
  switch (what % 10) {
  case 0: give_raw(r); break;
  case 1:
  case 2: give_sealed(r); break;
  case 3: give_again(r); break;
  case 4:
  case 5: give_device(r); break;
  case 6:
    now += tw_read_u8(r) * 50u;
    tw_sas_tick(sas, now);
    tw_plane_tick(plane, now);
    break;
  case 7:
    sends_left = tw_read_u8(r);
    if (sends_left > 200) sends_left = UINT32_MAX;
    if (sends_left > 0) TW_FUZZ_ASSERT(tw_plane_from_tun(plane, now) == TW_OK);
    break;
  case 8:
    if (what > 127)
      change_ways(r);
    else
      change_keys(tw_read_u8(r));
    break;
  default: reaction = tw_read_u8(r); break;
  }
  look_at_device();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  make_once();
  tw_fuzz_restart();
  now = 1000000;
  reaction = 0;
  sign = size % 2 != 0;
  sends_left = UINT32_MAX;
  last_len = datagram_len = 0;
  keepalives = 0;
  make_nodes();
  tw_reader r = tw_reader_of(TW_BYTES(data, size));
  for (int i = 0; i < STEPS_MAX && tw_reader_more(&r); i++) step(&r);
  sends_left = UINT32_MAX;
  reaction = 0;
  TW_FUZZ_ASSERT(tw_plane_from_tun(plane, now) == TW_OK);
  TW_FUZZ_ASSERT(!tw_plane_is_blocked(plane));
  look_at_device();
  TW_FUZZ_ASSERT(tw_plane_echoes(plane) <= keepalives);
  tw_plane_free(plane);
  plane = NULL;
  tw_sas_free(sas);
  tw_sas_free(their_sas);
  uint8_t rest[16];
  while (read(device[0], rest, sizeof rest) > 0) continue;
  return 0;
}

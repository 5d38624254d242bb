/*
 * The packet path of a node: bench_plane [SECONDS [ROW]]. There is no device: tw_tun_read and tw_tun_write are ours
 * here, and give and take packets that lie in memory. What comes by UDP is copied from memory as well; what goes out
 * goes to a
 * socket on loopback that another process reads, or nowhere. SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "codec/writer.h"
#include "crypto/crypto.h"
#include "node/plane.h"
#include "packet/checksum.h"
#include "packet/fields.h"
#include "packet/split.h"

enum { MTU = 1400, MOST = 128, SLOT = 2048, HEADERS = 40, BUFFER = 4 << 20, RELAY_HEADER = 12 };

static tw_env env;

/* One way of traffic: so many packets at a time, of so many bytes with their headers. */
typedef struct traffic {
  size_t count, size;
  bool large; /* they come from the device as one, and are joined before they go there */
  bool tcp;
  bool to_all; /* by the relay, under the group's keys */
  bool sign;
} traffic;

typedef struct node {
  tw_client client;
  tw_buf leaf_extensions;
  tw_secret packet_key;
  tw_group *group;
  tw_node_port port;
  tw_sas *sas;
  tw_routes routes;
  tw_udp udp;
  tw_tun tun;
  tw_plane *plane;
} node;

static node sender, receiver;
static traffic now_of;
static uint8_t from_device[MOST * SLOT]; /* packets one behind the other, or one large one */
static size_t device_lens[MOST];
static tw_offload device_header;
static size_t device_count, device_at;
static uint8_t sealed[MOST * SLOT]; /* what the sender has made of these, one behind the other */
static size_t sealed_len, sealed_segment;
static bool keep_sealed;
static size_t received_at; /* of `sealed`: so far */
static tw_udp_address to_reader;
static tw_udp_address peer_address = {.in4 = {.sin_family = AF_INET}};
static size_t written; /* bytes that the device was given */

/* ---- the device ---- */

tw_err tw_tun_read(const tw_tun *tun, unsigned queue, tw_offload *header, uint8_t *packet, size_t *len) {
  (void)tun;
  (void)queue;
  *len = 0;
  if (device_at == device_count) return TW_OK;
  *header = device_header;
  *len = device_lens[device_at];
  memcpy(packet, from_device + device_at * SLOT, *len);
  device_at++;
  return TW_OK;
}

tw_err tw_tun_write(const tw_tun *tun, unsigned queue, const tw_offload *header, const tw_bytes *parts, size_t count) {
  (void)tun;
  (void)queue;
  (void)header;
  for (size_t i = 0; i < count; i++) written += parts[i].len;
  return TW_OK;
}

/* ---- the sockets ---- */

enum { SENDER_FD = -2, RECEIVER_FD = -3 };

static size_t segment_of(const struct msghdr *m) {
  const struct cmsghdr *c = CMSG_FIRSTHDR(m); /* UDP_SEGMENT comes before others */
  uint16_t segment;
  if (c == NULL || c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_SEGMENT) return m->msg_iov[0].iov_len;
  memcpy(&segment, CMSG_DATA(c), sizeof segment);
  return segment;
}

static int send_nowhere(int fd, struct mmsghdr *messages, unsigned count, int flags) {
  (void)flags;
  if (fd != SENDER_FD) return (int)count; /* the receiver's probes */
  for (unsigned i = 0; i < count; i++) {
    const struct msghdr *m = &messages[i].msg_hdr;
    sealed_segment = segment_of(m);
    for (size_t k = 0; k < m->msg_iovlen; k++) {
      if (!keep_sealed || sealed_len + m->msg_iov[k].iov_len > sizeof sealed) continue;
      memcpy(sealed + sealed_len, m->msg_iov[k].iov_base, m->msg_iov[k].iov_len);
      sealed_len += m->msg_iov[k].iov_len;
    }
  }
  return (int)count;
}

static int receive_from_memory(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout) {
  (void)fd;
  (void)flags;
  (void)timeout;
  const size_t most = now_of.large ? 65507 / sealed_segment : 1;
  const size_t skip = now_of.to_all ? RELAY_HEADER : 0; /* which the relay takes off */
  size_t at = received_at;
  unsigned n = 0;
  if (at >= sealed_len) {
    errno = EAGAIN;
    return -1;
  }
  for (; at < sealed_len && n < count; n++) {
    struct msghdr *m = &messages[n].msg_hdr;
    const size_t left = sealed_len - at;
    const size_t len = left < most * sealed_segment ? left : most * sealed_segment;
    memcpy(m->msg_name, &peer_address, sizeof peer_address.in4);
    memcpy(m->msg_iov[0].iov_base, sealed + at + skip, len - skip);
    const int segment = (int)(sealed_segment - skip);
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    c->cmsg_level = SOL_UDP;
    c->cmsg_type = 104; /* UDP_GRO */
    c->cmsg_len = CMSG_LEN(sizeof segment);
    memcpy(CMSG_DATA(c), &segment, sizeof segment);
    m->msg_controllen = CMSG_SPACE(sizeof segment);
    messages[n].msg_len = (unsigned)(len - skip);
    at += len;
  }
  received_at = at;
  return (int)n;
}

static int set_nothing(int fd, int level, int name, const void *value, socklen_t len) {
  (void)fd;
  (void)level;
  (void)name;
  (void)value;
  (void)len;
  return 0;
}

static const tw_udp_calls in_memory = {receive_from_memory, send_nowhere, set_nothing};

static void open_udp(tw_udp *udp, tw_udp_address *address) {
  tw_report report = {""};
  tw_udp_config config = {.tos = true, .buffer = BUFFER};
  config.local.in4.sin_family = AF_INET;
  config.local.in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  BENCH_OK(tw_udp_open(udp, &config, &report));
  BENCH_OK(tw_udp_local(udp, address));
}

/* Another process, which takes what comes and forgets it. */
static pid_t start_reader(void) {
  tw_udp udp = {0};
  tw_udp_intake intake;
  open_udp(&udp, &to_reader);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  BENCH_TRUE(pid >= 0);
  if (pid != 0) {
    tw_udp_close(&udp);
    return pid;
  }
  BENCH_OK(tw_udp_intake_open(&intake, NULL, 64, TW_UDP_SLOT_SIZE));
  while (getppid() == parent) { /* nobody is left behind when the benchmark ends early */
    BENCH_OK(tw_udp_receive(&udp, &intake));
    if (intake.count == 0) (void)usleep(50);
  }
  exit(0);
}

/* ---- nodes ---- */

static tw_err save(void *ctx, const tw_store_change *changes, size_t count) {
  (void)ctx;
  (void)changes;
  (void)count;
  return TW_OK;
}

static tw_err load(void *ctx, tw_store_kind kind, tw_bytes id, tw_buf *value, bool *found) {
  (void)ctx;
  (void)kind;
  (void)id;
  (void)value;
  *found = false;
  return TW_OK;
}

static tw_err judge(void *ctx, const tw_credential_use *use) {
  (void)ctx;
  (void)use;
  return TW_OK;
}

static void tell(void *ctx, const tw_plane_event *event) {
  (void)ctx;
  (void)event;
}

static uint32_t peer_of(void *ctx, const tw_client_id *id) {
  (void)ctx;
  (void)id;
  return 0; /* the sender */
}

/* A group of the two, for their keys. */
static void make_group(void) {
  node *const both[2] = {&sender, &receiver};
  tw_key_package *key_package;
  tw_commit_result result = {0};
  tw_buf proposals = {0};
  for (int i = 0; i < 2; i++) {
    tw_client *client = &both[i]->client;
    *client = (tw_client){.env = &env,
                          .suite = tw_suite_by_id(&env, 0xf102),
                          .credential = {1, TW_LITERAL("somebody")},
                          .policy = {.credential = judge}};
    BENCH_OK(tw_signer_generate(&env, client->suite, &client->signer));
    BENCH_OK(tw_packet_key_make(&env, &both[i]->leaf_extensions, &both[i]->packet_key));
    client->leaf_extensions = tw_buf_bytes(&both[i]->leaf_extensions);
  }
  BENCH_OK(tw_key_package_new(&receiver.client, NULL, 1000, &key_package));
  BENCH_OK(tw_propose_add(&proposals, tw_key_package_message(key_package)));
  BENCH_OK(tw_group_create(&sender.client, TW_LITERAL("two"), TW_NO_BYTES, 1000, &sender.group));
  const tw_commit_options options = {.proposals = tw_buf_bytes(&proposals)};
  BENCH_OK(tw_group_commit(sender.group, &options, 1000, &result));
  BENCH_OK(tw_group_join(&receiver.client, key_package, tw_buf_bytes(&result.welcome), NULL, 1000, &receiver.group));
  tw_group_free(sender.group);
  sender.group = result.next;
  result.next = NULL;
  tw_commit_result_clear(&result);
  tw_key_package_free(key_package);
  tw_buf_clear(&proposals);
}

/* Node 0 sends from 10.0.0.1, node 1 is 10.0.0.2; beside them there are many other peers. */
static void make_routes(node *n, uint32_t self) {
  enum { OTHERS = 1000 };
  static tw_route_entry entries[2 + OTHERS + 1];
  for (uint32_t i = 0; i < 2 + OTHERS; i++) {
    const tw_route route = {i == self ? TW_ROUTE_SELF : TW_ROUTE_PEER, i < 2 ? i : 2};
    const uint32_t host = i + 1;
    entries[i] = (tw_route_entry){
        .prefix = {.family = 4, .length = 32, .address = {10, 0, (uint8_t)(host >> 8), (uint8_t)host}}, .route = route};
  }
  entries[2 + OTHERS] = (tw_route_entry){.prefix = {.family = 4, .length = 4, .address = {224}},
                                         .route = {TW_ROUTE_GROUP, 0}};
  BENCH_OK(tw_routes_make(NULL, entries, 2 + OTHERS + 1, &n->routes));
}

static uint32_t owner_at(uint32_t self) { return now_of.to_all ? TW_SAS_NETWORK : 1 - self; }

static void make_node(node *n, uint32_t self) {
  n->port = (tw_node_port){.save = save, .load = load};
  const tw_sas_config sas = {.env = &env, .port = &n->port, .grace_ms = 1000, .owners = 3, .sign = now_of.sign};
  BENCH_OK(tw_sas_new(&sas, &n->sas));
  const tw_node_keys *keys = tw_sas_keys(n->sas);
  uint64_t stamp;
  BENCH_OK(keys->receive(keys->ctx, owner_at(self), n->group, TW_NO_BYTES, &stamp));
  BENCH_OK(keys->send(keys->ctx, owner_at(self), n->group, TW_NO_BYTES, tw_secret_bytes(&n->packet_key), false));
  tw_esp_out *out = tw_sas_out(n->sas, owner_at(self));
  out->limits.packets = out->limits.bytes = out->limits.rekey_packets = out->limits.rekey_bytes = UINT64_MAX - 1;
  out->reserved = UINT64_MAX - 1; /* nobody reserves more when these are used */
  make_routes(n, self);
  n->tun = (tw_tun){.queue_count = 1, .offloads = 15};
  const tw_plane_config config = {.env = &env,
                                  .sas = n->sas,
                                  .routes = &n->routes,
                                  .udp = &n->udp,
                                  .tun = &n->tun,
                                  .peers = 3,
                                  .mtu = MTU,
                                  .tell = tell,
                                  .peer_of = peer_of};
  BENCH_OK(tw_plane_new(&config, &n->plane));
  tw_plane_set_relay(n->plane, &to_reader, 1);
  tw_plane_set_group_number(n->plane, 1);
}

static void free_node(node *n) {
  tw_plane_free(n->plane);
  tw_sas_free(n->sas);
  tw_routes_clear(&n->routes);
}

static void use_memory(tw_udp *udp, int fd) {
  *udp = (tw_udp){.fd = fd, .family = AF_INET, .tos = true, .receive_offload = true, .send_offload = true};
  udp->segment_limit = TW_UDP_DATAGRAM_MAX;
  udp->calls = &in_memory;
}

/* ---- packets ---- */

static size_t write_packet(uint8_t *out, size_t payload, size_t n) {
  const size_t transport = now_of.tcp ? 20 : 8;
  const size_t len = 20 + transport + payload;
  memset(out, 0, len);
  out[0] = 0x45;
  tw_put_u16(out + TW_IP4_LENGTH, (uint16_t)len);
  tw_put_u16(out + TW_IP4_FRAGMENT, TW_IP4_DF);
  out[TW_IP4_TTL] = 64;
  out[TW_IP4_PROTOCOL] = now_of.tcp ? TW_IP_TCP : TW_IP_UDP;
  const uint8_t addresses[8] = {10, 0, 0, 1, now_of.to_all ? 239 : 10, 0, 0, 2};
  memcpy(out + TW_IP4_SOURCE, addresses, 8);
  tw_put_u16(out + TW_IP4_CHECKSUM, tw_checksum(tw_sum(out, 20)));
  uint8_t *t = out + 20;
  tw_put_u16(t, (uint16_t)(1000 + n)); /* of flows of their own, where they are not one */
  tw_put_u16(t + 2, 443);
  if (now_of.tcp) {
    t[12] = 0x50;
    t[13] = TW_TCP_ACK;
  } else {
    tw_put_u16(t + 4, (uint16_t)(len - 20));
  }
  for (size_t i = 0; i < payload; i++) t[transport + i] = (uint8_t)(i * 7);
  const uint32_t pseudo = tw_sum_pseudo(TW_BYTES(out + TW_IP4_SOURCE, 4), TW_BYTES(out + TW_IP4_DESTINATION, 4),
                                        out[TW_IP4_PROTOCOL], (uint32_t)(len - 20));
  uint8_t *checksum = t + (now_of.tcp ? TW_TCP_CHECKSUM : TW_UDP_CHECKSUM);
  tw_put_u16(checksum, now_of.large ? (uint16_t)pseudo : tw_checksum_not_zero((uint64_t)pseudo + tw_sum(t, len - 20)));
  return len;
}

static void make_packets(void) {
  device_header = (tw_offload){0};
  device_count = now_of.large ? 1 : now_of.count;
  if (now_of.large) {
    const uint16_t segment = (uint16_t)(now_of.size - HEADERS);
    device_header = (tw_offload){.flags = TW_OFFLOAD_NEEDS_CSUM,
                                 .gso_type = TW_OFFLOAD_TCP4,
                                 .hdr_len = HEADERS,
                                 .gso_size = segment,
                                 .csum_start = 20,
                                 .csum_offset = TW_TCP_CHECKSUM};
    device_lens[0] = write_packet(from_device, segment * now_of.count, 0);
    return;
  }
  for (size_t i = 0; i < now_of.count; i++)
    device_lens[i] = write_packet(from_device + i * SLOT, now_of.size - 28, i % 8);
}

/* ---- what is timed ---- */

static void plane_out(void *ctx) {
  (void)ctx;
  device_at = 0;
  if (keep_sealed) sealed_len = 0;
  while (device_at < device_count) BENCH_OK(tw_plane_from_tun(sender.plane, 1000000));
}

static void plane_in(void *ctx) {
  (void)ctx;
  /* The same packets as often as wanted. */
  tw_sa_in *sa = tw_sas_in(receiver.sas, tw_sas_out(sender.sas, owner_at(0))->spi);
  tw_esp_window_start(&sa->esp.window, 0);
  received_at = 0;
  do {
    BENCH_OK(tw_plane_from_udp(receiver.plane, 1000000));
  } while (received_at < sealed_len);
}

typedef struct raw {
  tw_aead_key *key;
  size_t count, len; /* of what is encrypted */
  uint64_t number;
  uint8_t (*packets)[SLOT];
  tw_udp *udp; /* NULL: nothing is sent */
  tw_udp_batch batch;
} raw;

static void raw_seal(void *ctx) {
  raw *r = ctx;
  uint8_t aad[12] = {1};
  uint8_t nonce[TW_AEAD_NONCE] = {0};
  if (r->udp != NULL) tw_udp_batch_reset(&r->batch);
  for (size_t i = 0; i < r->count; i++) {
    tw_put_u64(nonce + 4, ++r->number);
    BENCH_OK(tw_aead_key_seal(r->key, nonce, TW_ARRAY(aad), TW_BYTES(r->packets[i], r->len), r->packets[i]));
    if (r->udp != NULL)
      BENCH_OK(tw_udp_batch_add(&r->batch, &to_reader, 0, TW_BYTES(r->packets[i], r->len + 8 + TW_AEAD_TAG)));
  }
  if (r->udp != NULL) BENCH_OK(tw_udp_send(r->udp, &r->batch));
}

/* Opening takes as much: a copy first, as of what comes by the socket. */
static void raw_open(void *ctx) {
  raw *r = ctx;
  uint8_t aad[12] = {1};
  uint8_t nonce[TW_AEAD_NONCE] = {0};
  static uint8_t copy[SLOT];
  tw_put_u64(nonce + 4, 1);
  for (size_t i = 0; i < r->count; i++) {
    memcpy(copy, r->packets[i], r->len + TW_AEAD_TAG);
    BENCH_OK(tw_aead_key_open(r->key, nonce, TW_ARRAY(aad), TW_BYTES(copy, r->len + TW_AEAD_TAG), copy));
  }
}

static const char *only; /* rows that have this in their name; NULL: all */

static void row(const char *name, const char *what, bench_work work, bench_work reference, raw *r, double seconds) {
  char text[128];
  (void)snprintf(text, sizeof text, "%s: %s", name, what);
  if (only != NULL && strstr(text, only) == NULL) return;
  const bench_compared c = bench_compare(work, NULL, reference, r, seconds);
  bench_row(text, 1 / c.ratio, "", BENCH_INFO, 0);
  bench_note("%.0f ns a packet, %.2f million a second; %.2f Gbit/s; without the plane %.0f ns",
             c.seconds / (double)now_of.count * 1e9, (double)now_of.count / c.seconds / 1e6,
             (double)(now_of.count * now_of.size) * 8e-9 / c.seconds, c.reference / (double)now_of.count * 1e9);
}

static void compare(const char *name, traffic t, double seconds) {
  static uint8_t packets[MOST][SLOT];
  now_of = t;
  make_node(&sender, 0);
  make_node(&receiver, 1);
  (void)tw_path_offer(&tw_plane_peer_of(sender.plane, 1)->path, TW_PATH_FROM_FILE, &to_reader);
  make_packets();
  raw r = {.count = t.count, .len = (t.size + 2 + 3) & ~(size_t)3, .packets = packets};
  const uint8_t key[TW_AEAD_KEY_MAX] = {7};
  BENCH_OK(tw_aead_key_new(&env, sender.client.suite, TW_BYTES(key, sender.client.suite->aead->key_size), &r.key));
  BENCH_OK(tw_udp_batch_open(&r.batch, NULL, MOST));

  use_memory(&sender.udp, SENDER_FD);
  use_memory(&receiver.udp, RECEIVER_FD);
  sender.tun.offloads = receiver.tun.offloads = 15;
  plane_out(NULL); /* with a probe */
  row(name, "AES-GCM alone / the way out", plane_out, raw_seal, &r, seconds);
  tw_sas_out(sender.sas, owner_at(0))->next = 1;
  keep_sealed = true;
  plane_out(NULL);
  keep_sealed = false;
  r.number = 0;
  for (size_t i = 0; i < t.count; i++) {
    r.number = 0;
    raw one = r;
    one.count = 1;
    one.packets = &packets[i];
    raw_seal(&one);
  }
  written = 0;
  plane_in(NULL);
  BENCH_TRUE(written >= t.count * (t.size - HEADERS));
  row(name, "AES-GCM alone / the way in", plane_in, raw_open, &r, seconds);
  const tw_plane_drops *drops = tw_plane_get_drops(receiver.plane);
  BENCH_TRUE(drops->unknown + drops->forged + drops->not_signed + drops->unchecked == 0);

  tw_udp_address unused;
  open_udp(&sender.udp, &unused);
  r.udp = &sender.udp;
  row(name, "AES-GCM and sendmmsg / the way out", plane_out, raw_seal, &r, seconds);
  drops = tw_plane_get_drops(sender.plane);
  BENCH_TRUE(drops->used_up + drops->malformed + drops->no_path + drops->no_keys == 0); /* all of it was sealed */
  tw_udp_close(&sender.udp);
  tw_udp_batch_close(&r.batch);
  tw_aead_key_free(r.key);
  free_node(&sender);
  free_node(&receiver);
}

static void clear(node *n) {
  tw_group_free(n->group);
  tw_buf_clear(&n->leaf_extensions);
  tw_signer_free(n->client.signer);
}

int main(int argc, char **argv) {
  const double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
  only = argc > 2 ? argv[2] : NULL;
  const pid_t reader = start_reader();
  BENCH_OK(tw_provider_openssl_new(NULL, &env.provider));
  make_group();
  peer_address = to_reader;
  bench_title("a node's packets, one core, AES-256-GCM");
  compare("TCP, 44 of 1,400 bytes as one", (traffic){.count = 44, .size = 1400, .large = true, .tcp = true}, seconds);
  compare("UDP, 64 of 1,400 bytes", (traffic){.count = 64, .size = 1400}, seconds);
  compare("UDP, 64 of 100 bytes", (traffic){.count = 64, .size = 100}, seconds);
  compare("to all, 64 of 1,300 bytes", (traffic){.count = 64, .size = 1300, .to_all = true}, seconds);
  compare("to all and signed, 64 of 1,300 bytes", (traffic){.count = 64, .size = 1300, .to_all = true, .sign = true},
          seconds);
  compare("to all, 64 of 100 bytes", (traffic){.count = 64, .size = 100, .to_all = true}, seconds);
  compare("to all and signed, 64 of 100 bytes", (traffic){.count = 64, .size = 100, .to_all = true, .sign = true},
          seconds);
  clear(&sender);
  clear(&receiver);
  tw_provider_free(env.provider);
  BENCH_TRUE(kill(reader, SIGTERM) == 0 && waitpid(reader, NULL, 0) == reader);
  return bench_finish(NULL) == 0 ? 0 : 1;
}

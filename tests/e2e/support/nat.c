/*
 * label: shared
 * A NAT of any behaviour that RFC 4787 (UDP), RFC 5382 (TCP) and RFC 5508 (ICMP) have a name for: one TUN device, to
 * which the host's routes lead what comes from inside and what goes to the external address. IPv4; IPv6 takes another
 * way.
 *
 *   nat device=NAME inside=PREFIX/LENGTH external=ADDRESS [SETTING…] [control=FIFO] [capture=FILE] [seed=N]
 *                        prints `ready` when the device is there, ends on SIGTERM
 * Settings, which are orders on the FIFO as well:
 *   mapping= filtering=  endpoint-independent, address-dependent or address-and-port-dependent; short: ei, ad, apd
 *   port=                preserve (if it is free, else at random), random or sequential
 *   lifetime=            of an unused mapping of UDP (and ICMP); tcp_lifetime= that of TCP; 4 s after RST, or FINs of
 * both refresh_in=          1: what comes from outside keeps a mapping alive, too hairpin=             1: inside hosts
 * reach each other by their external addresses (as from those); 0: dropped external=            another address; all
 * mappings are gone Orders: `forget` (all mappings, as after a restart), `counters`, `mappings` (lists them). Fragments
 * are dropped.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "shared/link.h"
#include "shared/packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
  MAPPINGS = 4096,
  BUCKETS = 4096,
  REMOTES = 64, /* that a mapping lets in; the longest known goes first */
  PORTS = 65536,
  PORT_FIRST = 1024,
  TCP_FIN = 1,
  TCP_SYN = 2,
  TCP_RST = 4,
  FIN_OUT = 1,
  FIN_IN = 2
};
#define SECONDS(n) ((uint64_t)(n)*1000000000U)

enum behaviour { ENDPOINT_INDEPENDENT, ADDRESS_DEPENDENT, ADDRESS_AND_PORT_DEPENDENT };
enum port_choice { PRESERVE, RANDOM, SEQUENTIAL };

struct mapping {
  struct mapping *next;           /* of its bucket, or of the free ones */
  struct endpoint inside, remote; /* remote: as far as the mapping depends on it */
  uint16_t port;
  uint8_t kind;
  uint8_t ended; /* FIN_OUT, FIN_IN */
  bool closed;   /* TCP */
  uint64_t used;
  unsigned count;
  struct endpoint remotes[REMOTES];
};

static struct {
  int fd;
  uint32_t external, inside, inside_mask;
  uint64_t mapping, filtering, port, hairpin, refresh_in, lifetime, tcp_lifetime, seed;
  struct mapping all[MAPPINGS], *unused, *buckets[BUCKETS], *by_port[PACKET_KINDS][PORTS];
  unsigned mappings;
  uint64_t drawn;
  uint16_t last_port;
  struct {
    unsigned long out, in, hairpin, errors, filtered, unmapped, full, fragments, stray, malformed;
  } count;
  struct link_orders orders;
  struct link_capture *capture;
} nat;

/* ---- mappings ---- */

static unsigned bucket_of(uint8_t kind, struct endpoint inside) {
  return (unsigned)(link_dice(kind, inside.address, inside.port) % BUCKETS);
}

static bool same(struct endpoint a, struct endpoint b) { return a.address == b.address && a.port == b.port; }

static void forget(struct mapping *mapping) {
  struct mapping **at = &nat.buckets[bucket_of(mapping->kind, mapping->inside)];
  while (*at != mapping) at = &(*at)->next;
  *at = mapping->next;
  nat.by_port[mapping->kind][mapping->port] = NULL;
  mapping->next = nat.unused;
  nat.unused = mapping;
  nat.mappings--;
}

static void forget_all(void) {
  memset(nat.buckets, 0, sizeof nat.buckets);
  memset(nat.by_port, 0, sizeof nat.by_port);
  nat.unused = NULL;
  nat.mappings = 0;
  for (unsigned i = 0; i < MAPPINGS; i++) {
    nat.all[i].next = nat.unused;
    nat.unused = &nat.all[i];
  }
}

static bool is_over(const struct mapping *mapping, uint64_t now) {
  const uint64_t lifetime = mapping->kind != PACKET_TCP ? nat.lifetime
                            : mapping->closed           ? SECONDS(4)
                                                        : nat.tcp_lifetime;
  return now - mapping->used > lifetime;
}

static void forget_old(uint64_t now) {
  for (unsigned kind = 0; kind < PACKET_KINDS; kind++)
    for (unsigned port = 0; port < PORTS; port++) {
      struct mapping *mapping = nat.by_port[kind][port];
      if (mapping != NULL && is_over(mapping, now)) forget(mapping);
    }
}

static struct mapping *by_port(uint8_t kind, uint16_t port, uint64_t now) {
  struct mapping *mapping = nat.by_port[kind][port];
  if (mapping == NULL || !is_over(mapping, now)) return mapping;
  forget(mapping);
  return NULL;
}

static bool is_free(uint8_t kind, uint16_t port, uint64_t now) { return port != 0 && by_port(kind, port, now) == NULL; }

/* 0: there is none. */
static uint16_t choose_port(uint8_t kind, uint16_t wanted, uint64_t now) {
  if (nat.port == PRESERVE && is_free(kind, wanted, now)) return wanted;
  for (unsigned tries = 0; tries < PORTS; tries++) {
    const uint64_t dice = link_dice(nat.seed, kind, nat.drawn++);
    uint16_t port = (uint16_t)(PORT_FIRST + dice % (PORTS - PORT_FIRST));
    if (nat.port == SEQUENTIAL)
      port = nat.last_port = nat.last_port < PORT_FIRST ? PORT_FIRST : (uint16_t)(nat.last_port + 1);
    if (port >= PORT_FIRST && is_free(kind, port, now)) return port;
  }
  return 0;
}

/* What of the remote endpoint a mapping or a filter looks at. */
static struct endpoint seen_by(uint64_t behaviour, struct endpoint remote) {
  if (behaviour == ENDPOINT_INDEPENDENT) remote.address = 0;
  if (behaviour != ADDRESS_AND_PORT_DEPENDENT) remote.port = 0;
  return remote;
}

static void let_in(struct mapping *mapping, struct endpoint remote) {
  for (unsigned i = 0; i < mapping->count && i < REMOTES; i++)
    if (same(mapping->remotes[i], remote)) return;
  mapping->remotes[mapping->count++ % REMOTES] = remote;
}

static bool is_let_in(const struct mapping *mapping, struct endpoint remote) {
  const struct endpoint wanted = seen_by(nat.filtering, remote);
  if (nat.filtering == ENDPOINT_INDEPENDENT) return true;
  for (unsigned i = 0; i < mapping->count && i < REMOTES; i++)
    if (same(seen_by(nat.filtering, mapping->remotes[i]), wanted)) return true;
  return false;
}

/* The mapping of an inside endpoint towards a remote one; NULL: there is none. */
static struct mapping *find(uint8_t kind, struct endpoint inside, struct endpoint remote, uint64_t now) {
  const struct endpoint wanted = seen_by(nat.mapping, remote);
  struct mapping *mapping = nat.buckets[bucket_of(kind, inside)];
  while (mapping != NULL && !(mapping->kind == kind && same(mapping->inside, inside) && same(mapping->remote, wanted)))
    mapping = mapping->next;
  if (mapping == NULL || !is_over(mapping, now)) return mapping;
  forget(mapping);
  return NULL;
}

static struct mapping *find_or_make(uint8_t kind, struct endpoint inside, struct endpoint remote, uint64_t now) {
  struct mapping *mapping = find(kind, inside, remote, now);
  if (mapping != NULL) return mapping;
  if (nat.unused == NULL) forget_old(now);
  const uint16_t port = nat.unused == NULL ? 0 : choose_port(kind, inside.port, now);
  if (port == 0) return NULL;
  mapping = nat.unused;
  nat.unused = mapping->next;
  struct mapping **bucket = &nat.buckets[bucket_of(kind, inside)];
  *mapping = (struct mapping){.next = *bucket, .kind = kind, .inside = inside, .port = port};
  mapping->remote = seen_by(nat.mapping, remote);
  *bucket = nat.by_port[kind][port] = mapping;
  nat.mappings++;
  return mapping;
}

/* ---- packets ---- */

/* The identifier of an ICMP query is the inside's; towards outside there is no port. */
static struct endpoint remote_of(const struct packet *packet, struct endpoint endpoint) {
  if (packet->kind == PACKET_ICMP) endpoint.port = 0;
  return endpoint;
}

static void note_end(struct mapping *mapping, const struct packet *packet, uint8_t side) {
  if (packet->kind != PACKET_TCP) return;
  const uint8_t flags = packet->body[13];
  if ((flags & TCP_SYN) != 0) mapping->ended = 0;
  if ((flags & TCP_FIN) != 0) mapping->ended |= side;
  mapping->closed = (flags & TCP_RST) != 0 || mapping->ended == (FIN_IN | FIN_OUT);
}

/* Counts, and says with what word the capture is to show it; NULL: it goes on. */
static const char *dropped(unsigned long *counter, const char *why) {
  (*counter)++;
  return why;
}

static const char *translate_in(const struct packet *packet, uint64_t now) {
  const struct endpoint remote = remote_of(packet, packet_source(packet));
  struct mapping *mapping = by_port(packet->kind, packet_destination(packet).port, now);
  if (mapping == NULL) return dropped(&nat.count.unmapped, "no mapping");
  if (!is_let_in(mapping, remote)) return dropped(&nat.count.filtered, "filtered");
  if (nat.refresh_in != 0) mapping->used = now;
  note_end(mapping, packet, FIN_IN);
  packet_set_destination(packet, mapping->inside);
  nat.count.in++;
  return NULL;
}

static const char *translate_out(const struct packet *packet, uint64_t now) {
  const struct endpoint remote = remote_of(packet, packet_destination(packet));
  struct mapping *mapping = find_or_make(packet->kind, packet_source(packet), remote, now);
  if (mapping == NULL) return dropped(&nat.count.full, "no port left");
  mapping->used = now;
  let_in(mapping, remote);
  note_end(mapping, packet, FIN_OUT);
  packet_set_source(packet, (struct endpoint){.address = nat.external, .port = mapping->port});
  if (link_get32(packet->ip + 16) != nat.external) {
    nat.count.out++;
    return NULL;
  }
  if (nat.hairpin == 0) return dropped(&nat.count.filtered, "no hairpins");
  nat.count.hairpin++;
  return translate_in(packet, now);
}

/* An ICMP error is about a packet that it quotes, as that looked on this side: one that had come `inwards`, or gone
 * out. */
static const char *translate_error(uint8_t *ip, size_t len, bool inwards, uint64_t now) {
  struct packet quoted;
  const size_t header = (size_t)(ip[0] & 15) * 4;
  if (!packet_parse(&quoted, ip + header + 8, len - header - 8, false))
    return dropped(&nat.count.malformed, "malformed");
  struct endpoint inside;
  uint8_t before[4];
  if (inwards) {
    const struct mapping *mapping = by_port(quoted.kind, packet_source(&quoted).port, now);
    if (mapping == NULL || link_get32(quoted.ip + 12) != nat.external)
      return dropped(&nat.count.unmapped, "no mapping");
    inside = mapping->inside;
    packet_set_source(&quoted, inside);
  } else {
    inside = packet_destination(&quoted);
    const struct mapping *mapping = find(quoted.kind, inside, remote_of(&quoted, packet_source(&quoted)), now);
    if (mapping == NULL) return dropped(&nat.count.unmapped, "no mapping");
    inside = (struct endpoint){.address = nat.external, .port = mapping->port};
    packet_set_destination(&quoted, inside);
  }
  const size_t at = inwards ? 16 : 12;
  memcpy(before, ip + at, 4);
  link_put32(ip + at, inside.address);
  link_sum_adjust(ip + 10, before, ip + at, 4);
  link_put16(ip + header + 2, 0);
  link_put16(ip + header + 2, link_sum(ip + header, len - header, 0));
  nat.count.errors++;
  return NULL;
}

static bool is_inside(uint32_t address) { return (address & nat.inside_mask) == nat.inside; }

/* The host's own errors may have its inside address, and are about what has been translated all the same. */
static bool is_from_inside(const uint8_t *ip, size_t len) {
  if (!is_inside(link_get32(ip + 12))) return false;
  if (!packet_is_icmp_error(ip, len) || link_get32(ip + 16) != nat.external) return true;
  const uint8_t *quoted = ip + (size_t)(ip[0] & 15) * 4 + 8;
  return link_get32(quoted + 12) != nat.external || is_inside(link_get32(quoted + 16));
}

static const char *translate(uint8_t *ip, size_t len, bool out, uint64_t now) {
  struct packet packet;
  if (!out && link_get32(ip + 16) != nat.external)
    return dropped(&nat.count.stray, "neither from inside nor to this NAT");
  if ((link_get16(ip + 6) & 0x3fff) != 0) return dropped(&nat.count.fragments, "a fragment");
  if (packet_is_icmp_error(ip, len)) {
    const char *why = translate_error(ip, len, !out, now);
    const bool hairpin = why == NULL && out && link_get32(ip + 16) == nat.external;
    return hairpin ? translate_error(ip, len, true, now) : why;
  }
  if (!packet_parse(&packet, ip, len, true))
    return dropped(&nat.count.malformed, "neither UDP, TCP nor a query by ICMP");
  return out ? translate_out(&packet, now) : translate_in(&packet, now);
}

static void take(uint8_t *ip, size_t len) {
  static uint8_t came[LINK_PACKET_MAX];
  if (len < PACKET_HEADER || ip[0] >> 4 != 4 || link_get16(ip + 2) > len)
    return; /* what the kernel says by IPv6 on its own */
  len = link_get16(ip + 2);
  const bool out = is_from_inside(ip, len);
  memcpy(came, ip, len);
  const char *why = translate(ip, len, out, link_now());
  link_capture_packet(nat.capture, out ? 0 : 1, came, len, why == NULL ? "" : why);
  if (why != NULL) return;
  link_capture_packet(nat.capture, is_inside(link_get32(ip + 16)) ? 0 : 1, ip, len, "translated");
  if (write(nat.fd, ip, len) < 0 && errno != EIO && errno != EAGAIN && errno != ENOBUFS) link_fail("write");
}

/* ---- settings and orders ---- */

static bool choice(const char *value, const char *const names[], size_t count, uint64_t *which) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(value, names[i]) != 0) continue;
    *which = i % 3;
    return true;
  }
  return false;
}

static void tell_counters(void) {
  (void)printf("counters nat mappings=%u out=%lu in=%lu hairpin=%lu errors=%lu filtered=%lu unmapped=%lu full=%lu "
               "fragments=%lu stray=%lu malformed=%lu\n",
               nat.mappings, nat.count.out, nat.count.in, nat.count.hairpin, nat.count.errors, nat.count.filtered,
               nat.count.unmapped, nat.count.full, nat.count.fragments, nat.count.stray, nat.count.malformed);
  (void)fflush(stdout);
}

static const char *text_of(uint32_t address, char *text, size_t len) {
  const struct in_addr in = {.s_addr = htonl(address)};
  return inet_ntop(AF_INET, &in, text, (socklen_t)len);
}

static void tell_mappings(void) {
  static const char *const kinds[PACKET_KINDS] = {"udp", "tcp", "icmp"};
  char inside[INET_ADDRSTRLEN];
  char remote[INET_ADDRSTRLEN];
  forget_old(link_now());
  for (unsigned i = 0; i < BUCKETS; i++)
    for (const struct mapping *mapping = nat.buckets[i]; mapping != NULL; mapping = mapping->next)
      (void)printf("mapping %s %s:%u -> %u for %s:%u\n", kinds[mapping->kind],
                   text_of(mapping->inside.address, inside, sizeof inside), mapping->inside.port, mapping->port,
                   text_of(mapping->remote.address, remote, sizeof remote), mapping->remote.port);
}

static bool parse_address(const char *text, uint32_t *address) {
  struct in_addr in;
  if (inet_pton(AF_INET, text, &in) != 1) return false;
  *address = ntohl(in.s_addr);
  return true;
}

static bool parse_prefix(const char *text) {
  char address[INET_ADDRSTRLEN] = "";
  const char *slash = strchr(text, '/');
  uint64_t bits;
  if (slash == NULL || (size_t)(slash - text) >= sizeof address || !link_number(slash + 1, 32, &bits)) return false;
  memcpy(address, text, (size_t)(slash - text));
  if (!parse_address(address, &nat.inside)) return false;
  nat.inside_mask = bits == 0 ? 0 : UINT32_MAX << (32 - bits);
  nat.inside &= nat.inside_mask;
  return true;
}

static bool obey(void *context, const char *word) {
  static const char *const behaviours[] = {
      "endpoint-independent", "address-dependent", "address-and-port-dependent", "ei", "ad", "apd"};
  static const char *const ports[] = {"preserve", "random", "sequential"};
  const char *value;
  (void)context;
  if (strcmp(word, "forget") == 0) return forget_all(), true;
  if (strcmp(word, "counters") == 0) return tell_counters(), true;
  if (strcmp(word, "mappings") == 0) return tell_mappings(), true;
  if ((value = link_value(word, "mapping")) != NULL) return choice(value, behaviours, 6, &nat.mapping);
  if ((value = link_value(word, "filtering")) != NULL) return choice(value, behaviours, 6, &nat.filtering);
  if ((value = link_value(word, "port")) != NULL) return choice(value, ports, 3, &nat.port);
  if ((value = link_value(word, "lifetime")) != NULL) return link_duration(value, &nat.lifetime);
  if ((value = link_value(word, "tcp_lifetime")) != NULL) return link_duration(value, &nat.tcp_lifetime);
  if ((value = link_value(word, "refresh_in")) != NULL) return link_number(value, 1, &nat.refresh_in);
  if ((value = link_value(word, "hairpin")) != NULL) return link_number(value, 1, &nat.hairpin);
  if ((value = link_value(word, "external")) == NULL || !parse_address(value, &nat.external)) return false;
  forget_all();
  return true;
}

static bool take_argument(void *context, const char *word) {
  const char *value;
  if ((value = link_value(word, "device")) != NULL) return nat.fd = link_device(NULL, value, false), true;
  if ((value = link_value(word, "inside")) != NULL) return parse_prefix(value);
  if ((value = link_value(word, "seed")) != NULL) return link_number(value, UINT64_MAX, &nat.seed);
  if ((value = link_value(word, "control")) != NULL) return link_orders_open(&nat.orders, value), true;
  if ((value = link_value(word, "capture")) == NULL) return obey(context, word);
  nat.capture = link_capture_open(value);
  link_capture_interface(nat.capture, "inside", LINK_RAW_IP);
  link_capture_interface(nat.capture, "outside", LINK_RAW_IP);
  return true;
}

static void run(const sigset_t *while_polling) {
  static uint8_t packet[LINK_PACKET_MAX];
  struct pollfd ready[2] = {{.fd = nat.fd, .events = POLLIN}, {.fd = nat.orders.fd, .events = POLLIN}};
  while (!link_told_to_stop) {
    link_capture_flush(nat.capture);
    const int count = ppoll(ready, 2, NULL, while_polling);
    if (count < 0 && errno != EINTR) link_fail("ppoll");
    if (count <= 0) continue;
    if (ready[0].revents != 0) {
      ssize_t got;
      while ((got = read(nat.fd, packet, sizeof packet)) > 0) take(packet, (size_t)got);
      if (got < 0 && errno != EAGAIN) link_fail("read");
    }
    if (ready[1].revents != 0) link_orders_read(&nat.orders, obey, NULL);
  }
}

int main(int argc, char **argv) {
  sigset_t while_polling;
  nat.fd = nat.orders.fd = -1;
  nat.seed = 1;
  nat.lifetime = SECONDS(120);
  nat.tcp_lifetime = SECONDS(7440);
  nat.hairpin = 1;
  nat.mapping = ENDPOINT_INDEPENDENT;
  nat.filtering = ADDRESS_AND_PORT_DEPENDENT;
  forget_all();
  link_signals(&while_polling);
  link_arguments(argc, argv, take_argument, NULL);
  if (nat.fd < 0 || nat.external == 0 || nat.inside_mask == 0) {
    (void)fprintf(stderr, "nat: device, inside and external are to be told; see its first lines\n");
    return 2;
  }
  (void)printf("ready\n");
  (void)fflush(stdout);
  run(&while_polling);
  tell_counters();
  link_capture_close(nat.capture);
  return 0;
}

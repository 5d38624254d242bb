/*
 * label: shared
 * A wire between hosts that treats packets as badly as it is told: two ends or more, each a TAP device in the namespace
 * of a host. With more than two it is a switch, which learns where an address is and floods what it knows no end for.
 *
 *   impair end=NAME,SPACE,DEVICE end=… [SETTING…] [control=FIFO] [capture=FILE] [seed=N]
 *                     SPACE is the namespace's file; prints `ready` when the devices are there, ends on SIGTERM
 * Settings, for all ends or as NAME.setting=value for what comes from NAME; also as orders on the FIFO:
 *   loss= duplicate= corrupt= damage= reorder= mark=      probabilities, 0 … 1
 *       corrupt: one bit of the IP packet; mostly it is lost by a checksum at its end
 *       damage: one bit of a UDP payload, and the checksum made good: the receiver gets it
 *       reorder: held back for `hold`, so that those behind overtake it
 *       mark: ECN, Congestion Experienced for what is ECN-capable
 *   delay= jitter= hold=      times; jitter: up to so much more, evenly, which reorders, too
 *   rate= queue=              bits a second, and how long a packet may wait for its turn before it is dropped
 *   mtu=                      larger IP packets vanish without a word, 0: no limit
 *   up=                       1 or 0: plugged in or not, which the host can tell by the device's carrier
 * Orders beside the settings: `counters`, which prints a line for each end; it is done at the end, too.
 *
 * A packet's fate depends on the seed, its end and its number there, and on nothing else. What finds and announces
 * addresses (ARP, neighbour discovery, IGMP, MLD) has no number and none of the probabilities: it would make every test
 * wait for the kernel's timers, and shift the numbers by chance.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "shared/link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  ENDS_MAX = 32,
  NAME_MAX_LEN = 15,
  FLIGHT_MAX = 16384, /* packets under way in all */
  ADDRESSES_MAX = 256,
  AT_ONCE = 64,
  ETHERNET = 14,
  ADDRESS = 6,
  HOLD_DEFAULT_NS = 10000000,
  QUEUE_DEFAULT_NS = 100000000
};

enum purpose { LOSE = 1, DUPLICATE, CORRUPT, DAMAGE, REORDER, MARK, JITTER, WHICH_BIT };

struct settings {
  double loss, duplicate, corrupt, damage, reorder, mark;
  uint64_t delay, jitter, hold, rate, queue, mtu, up;
};

struct counters {
  uint64_t packets, bytes, housekeeping;                      /* what came; housekeeping besides */
  uint64_t lost, too_big, queue_full, flight_full, unplugged; /* why it did not go on */
  uint64_t duplicated, corrupted, damaged, reordered, marked;
  uint64_t delivered; /* to this end, copies and housekeeping included */
};

struct end {
  char name[NAME_MAX_LEN + 1];
  int fd;
  struct settings set;
  struct counters count;
  uint64_t line_free; /* when the last packet will have gone out, by `rate` */
};

struct parcel {
  uint64_t due, turn; /* turn: in order of arrival, for those that are due at the same time */
  unsigned from;
  size_t len;
  uint8_t *frame;
};

static struct {
  struct end ends[ENDS_MAX];
  unsigned count;
  uint64_t seed, turns;
  struct parcel heap[FLIGHT_MAX];
  size_t flying;
  struct {
    uint8_t address[ADDRESS];
    unsigned end;
  } learnt[ADDRESSES_MAX];
  unsigned addresses;
  struct link_orders orders;
  struct link_capture *capture;
} wire;

/* ---- settings and orders ---- */

static bool set_one(struct settings *set, const char *word) {
  const struct {
    const char *name;
    double *chance;
    uint64_t *time;
  } known[] = {{"loss", &set->loss, NULL},     {"duplicate", &set->duplicate, NULL}, {"corrupt", &set->corrupt, NULL},
               {"damage", &set->damage, NULL}, {"reorder", &set->reorder, NULL},     {"mark", &set->mark, NULL},
               {"delay", NULL, &set->delay},   {"jitter", NULL, &set->jitter},       {"hold", NULL, &set->hold},
               {"queue", NULL, &set->queue}};
  const char *value;
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if ((value = link_value(word, known[i].name)) == NULL) continue;
    return known[i].chance != NULL ? link_probability(value, known[i].chance) : link_duration(value, known[i].time);
  }
  if ((value = link_value(word, "rate")) != NULL) return link_rate(value, &set->rate);
  if ((value = link_value(word, "mtu")) != NULL) return link_number(value, LINK_PACKET_MAX, &set->mtu);
  if ((value = link_value(word, "up")) != NULL) return link_number(value, 1, &set->up);
  return false;
}

static void tell_counters(void) {
  for (unsigned i = 0; i < wire.count; i++) {
    const struct counters *count = &wire.ends[i].count;
    (void)printf("counters %s packets=%lu bytes=%lu housekeeping=%lu delivered=%lu lost=%lu too_big=%lu queue_full=%lu "
                 "flight_full=%lu unplugged=%lu duplicated=%lu corrupted=%lu damaged=%lu reordered=%lu marked=%lu\n",
                 wire.ends[i].name, (unsigned long)count->packets, (unsigned long)count->bytes,
                 (unsigned long)count->housekeeping, (unsigned long)count->delivered, (unsigned long)count->lost,
                 (unsigned long)count->too_big, (unsigned long)count->queue_full, (unsigned long)count->flight_full,
                 (unsigned long)count->unplugged, (unsigned long)count->duplicated, (unsigned long)count->corrupted,
                 (unsigned long)count->damaged, (unsigned long)count->reordered, (unsigned long)count->marked);
  }
  (void)fflush(stdout);
}

static bool obey(void *context, const char *word) {
  (void)context;
  if (strcmp(word, "counters") == 0) {
    tell_counters();
    return true;
  }
  const char *point = strchr(word, '.');
  const char *equals = strchr(word, '=');
  const bool named = point != NULL && equals != NULL && point < equals;
  bool found = false;
  for (unsigned i = 0; i < wire.count; i++) {
    struct end *end = &wire.ends[i];
    const size_t len = strlen(end->name);
    if (named && (len != (size_t)(point - word) || strncmp(word, end->name, len) != 0)) continue;
    const uint64_t was_up = end->set.up;
    if (!set_one(&end->set, named ? point + 1 : word)) return false;
    if (end->set.up != was_up) link_carrier(end->fd, end->set.up != 0);
    found = true;
  }
  return found;
}

static bool add_end(const char *value) {
  char name[NAME_MAX_LEN + 1];
  char space[256];
  char device[NAME_MAX_LEN + 1];
  if (wire.count == ENDS_MAX || sscanf(value, "%15[^,],%255[^,],%15[^,]", name, space, device) != 3) return false;
  struct end *end = &wire.ends[wire.count++];
  memcpy(end->name, name, sizeof name);
  end->fd = link_device(space, device, true);
  end->set = (struct settings){.up = 1, .hold = HOLD_DEFAULT_NS, .queue = QUEUE_DEFAULT_NS};
  if (wire.capture != NULL) link_capture_interface(wire.capture, name, LINK_ETHERNET);
  return true;
}

static bool take_argument(void *context, const char *word) {
  const char *value;
  if ((value = link_value(word, "end")) != NULL) return add_end(value);
  if ((value = link_value(word, "seed")) != NULL) return link_number(value, UINT64_MAX, &wire.seed);
  if ((value = link_value(word, "control")) != NULL) {
    link_orders_open(&wire.orders, value);
    return true;
  }
  if ((value = link_value(word, "capture")) != NULL) {
    if (wire.count != 0) return false; /* the ends are to be told to it */
    wire.capture = link_capture_open(value);
    return true;
  }
  return obey(context, word);
}

/* ---- what is under way: a heap by time ---- */

static bool before(const struct parcel *a, const struct parcel *b) {
  return a->due != b->due ? a->due < b->due : a->turn < b->turn;
}

static void swap(size_t a, size_t b) {
  const struct parcel kept = wire.heap[a];
  wire.heap[a] = wire.heap[b];
  wire.heap[b] = kept;
}

static void push(struct end *end, unsigned from, const uint8_t *frame, size_t len, uint64_t due) {
  struct parcel parcel = {.due = due, .turn = wire.turns++, .from = from, .len = len};
  if (wire.flying == FLIGHT_MAX) {
    end->count.flight_full++;
    return;
  }
  if ((parcel.frame = malloc(len)) == NULL) link_fail("memory");
  memcpy(parcel.frame, frame, len);
  size_t at = wire.flying++;
  wire.heap[at] = parcel;
  for (; at > 0 && before(&wire.heap[at], &wire.heap[(at - 1) / 2]); at = (at - 1) / 2) swap(at, (at - 1) / 2);
}

static struct parcel pop(void) {
  const struct parcel first = wire.heap[0];
  wire.heap[0] = wire.heap[--wire.flying];
  for (size_t at = 0;;) {
    size_t least = at;
    for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < wire.flying; child++)
      if (before(&wire.heap[child], &wire.heap[least])) least = child;
    if (least == at) return first;
    swap(at, least);
    at = least;
  }
}

/* ---- packets ---- */

static void learn(const uint8_t *address, unsigned end) {
  if ((address[0] & 1) != 0) return;
  unsigned at = 0;
  while (at < wire.addresses && memcmp(wire.learnt[at].address, address, ADDRESS) != 0) at++;
  if (at == ADDRESSES_MAX) return;
  if (at == wire.addresses) wire.addresses++;
  memcpy(wire.learnt[at].address, address, ADDRESS);
  wire.learnt[at].end = end;
}

/* The end where the address is; -1: every one. */
static int where(const uint8_t *address) {
  for (unsigned i = 0; i < wire.addresses; i++)
    if (memcmp(wire.learnt[i].address, address, ADDRESS) == 0) return (int)wire.learnt[i].end;
  return -1;
}

static void hand_over(struct end *to, const struct parcel *parcel) {
  if (to->set.up == 0)
    to->count.unplugged++;
  else if (write(to->fd, parcel->frame, parcel->len) == (ssize_t)parcel->len)
    to->count.delivered++;
  else if (errno == EIO || errno == EAGAIN || errno == ENOBUFS)
    to->count.unplugged++; /* the host has it down */
  else
    link_fail("%s", to->name);
}

static void deliver(uint64_t now) {
  while (wire.flying > 0 && wire.heap[0].due <= now) {
    const struct parcel parcel = pop();
    const int only = where(parcel.frame);
    for (unsigned i = 0; i < wire.count; i++)
      if (i != parcel.from && (only < 0 || i == (unsigned)only)) hand_over(&wire.ends[i], &parcel);
    free(parcel.frame);
  }
}

static bool is_ipv4(const uint8_t *frame, size_t len) {
  return len >= ETHERNET + 20 && link_get16(frame + 12) == 0x0800 && frame[ETHERNET] >> 4 == 4 &&
         (size_t)(frame[ETHERNET] & 15) * 4 >= 20 && len >= ETHERNET + (size_t)(frame[ETHERNET] & 15) * 4;
}
static bool is_ipv6(const uint8_t *frame, size_t len) {
  return len >= ETHERNET + 40 && link_get16(frame + 12) == 0x86dd;
}

static bool is_housekeeping(const uint8_t *frame, size_t len) {
  const unsigned type = len >= ETHERNET ? link_get16(frame + 12) : 0;
  if (is_ipv4(frame, len)) return frame[ETHERNET + 9] == 2; /* IGMP */
  if (!is_ipv6(frame, len)) return type != 0x0800 && type != 0x86dd;
  const uint8_t *next = frame + ETHERNET + 40;
  unsigned header = frame[ETHERNET + 6];
  if (header == 0 && len >= ETHERNET + 48 + 1) { /* MLD is behind a hop-by-hop header of eight bytes */
    header = next[0];
    next += 8;
  } else if (len < ETHERNET + 40 + 1) {
    return false;
  }
  return header == 58 && (next[0] == 143 || (next[0] >= 130 && next[0] <= 137));
}

/* The UDP header of a packet that is not a fragment; NULL: there is none, or no payload. */
static uint8_t *udp_header(uint8_t *frame, size_t len) {
  uint8_t *udp = NULL;
  if (is_ipv4(frame, len) && frame[ETHERNET + 9] == 17 && (link_get16(frame + ETHERNET + 6) & 0x3fff) == 0)
    udp = frame + ETHERNET + (size_t)(frame[ETHERNET] & 15) * 4;
  else if (is_ipv6(frame, len) && frame[ETHERNET + 6] == 17)
    udp = frame + ETHERNET + 40;
  return udp != NULL && udp + 8 < frame + len && link_get16(udp + 4) > 8 && udp + link_get16(udp + 4) <= frame + len
             ? udp
             : NULL;
}

static bool damage(uint8_t *frame, size_t len, uint64_t dice) {
  uint8_t *udp = udp_header(frame, len);
  if (udp == NULL) return false;
  const size_t bit = (size_t)(dice % (((size_t)link_get16(udp + 4) - 8) * 8));
  const size_t at = 8 + bit / 8;
  uint8_t was[2] = {0};
  uint8_t is[2] = {0};
  was[at % 2] = udp[at];
  udp[at] = (uint8_t)(udp[at] ^ 1U << bit % 8);
  is[at % 2] = udp[at];
  if (link_get16(udp + 6) == 0) return true; /* none was sent */
  link_sum_adjust(udp + 6, was, is, 2);
  if (link_get16(udp + 6) == 0) link_put16(udp + 6, 0xffff);
  return true;
}

static bool mark(uint8_t *frame, size_t len) {
  if (is_ipv4(frame, len)) {
    uint8_t *ip = frame + ETHERNET;
    const uint8_t was[2] = {ip[0], ip[1]};
    if ((ip[1] & 3) == 0 || (ip[1] & 3) == 3) return false;
    ip[1] |= 3;
    link_sum_adjust(ip + 10, was, ip, 2);
    return true;
  }
  if (!is_ipv6(frame, len) || (frame[ETHERNET + 1] & 0x30) == 0 || (frame[ETHERNET + 1] & 0x30) == 0x30) return false;
  frame[ETHERNET + 1] |= 0x30;
  return true;
}

/* When the line has sent the packet; 0: too long a queue. */
static uint64_t through_line(struct end *end, size_t len, uint64_t now) {
  if (end->set.rate == 0) return now;
  if (end->line_free < now) end->line_free = now;
  if (end->line_free - now > end->set.queue) return 0;
  end->line_free += (uint64_t)len * 8 * 1000000000U / end->set.rate;
  return end->line_free;
}

static bool happens(const struct end *end, unsigned from, enum purpose purpose, double probability) {
  const uint64_t dice = link_dice(wire.seed, (uint64_t)from << 8 | purpose, end->count.packets);
  return probability > 0 && link_chance(dice, probability);
}

static uint64_t amount(const struct end *end, unsigned from, enum purpose purpose) {
  return link_dice(wire.seed, (uint64_t)from << 8 | purpose, end->count.packets);
}

/* Why a packet goes no further; NULL: it does, and is `due` then. */
static const char *stopped(struct end *end, unsigned from, size_t len, bool spared, uint64_t now, uint64_t *due) {
  if (end->set.up == 0) return end->count.unplugged++, "unplugged";
  if (end->set.mtu != 0 && len > end->set.mtu + ETHERNET) return end->count.too_big++, "too big";
  if (!spared && happens(end, from, LOSE, end->set.loss)) return end->count.lost++, "lost";
  *due = through_line(end, len, now);
  if (*due == 0) return end->count.queue_full++, "queue full";
  *due += end->set.delay;
  return NULL;
}

/* Damages that leave the packet on its way; in words what was done, NULL for nothing. */
static const char *treat(struct end *end, unsigned from, uint8_t *frame, size_t len, uint64_t *due) {
  const char *what = NULL;
  if (happens(end, from, MARK, end->set.mark) && mark(frame, len)) {
    end->count.marked++;
    what = "marked";
  }
  if (happens(end, from, DAMAGE, end->set.damage) && damage(frame, len, amount(end, from, WHICH_BIT))) {
    end->count.damaged++;
    what = "damaged";
  }
  if (len > ETHERNET && happens(end, from, CORRUPT, end->set.corrupt)) {
    const size_t bit = (size_t)(amount(end, from, WHICH_BIT) % ((len - ETHERNET) * 8));
    frame[ETHERNET + bit / 8] = (uint8_t)(frame[ETHERNET + bit / 8] ^ 1U << bit % 8);
    end->count.corrupted++;
    what = "corrupted";
  }
  if (end->set.jitter != 0) *due += amount(end, from, JITTER) % end->set.jitter;
  if (happens(end, from, REORDER, end->set.reorder)) {
    *due += end->set.hold;
    end->count.reordered++;
    what = "held back";
  }
  return what;
}

static void take(unsigned from, uint8_t *frame, size_t len, uint64_t now) {
  struct end *end = &wire.ends[from];
  const bool spared = is_housekeeping(frame, len);
  uint64_t due = now;
  learn(frame + ADDRESS, from);
  if (spared) {
    end->count.housekeeping++;
  } else {
    end->count.packets++;
    end->count.bytes += len;
  }
  const char *why = stopped(end, from, len, spared, now, &due);
  const bool twice = why == NULL && !spared && happens(end, from, DUPLICATE, end->set.duplicate);
  if (wire.capture != NULL) { /* as it was sent, so before it is treated: that needs a copy */
    static uint8_t sent[LINK_PACKET_MAX];
    uint64_t due_then = due;
    memcpy(sent, frame, len);
    const char *what = why != NULL || spared ? why : treat(end, from, frame, len, &due_then);
    link_capture_packet(wire.capture, from, sent, len, what != NULL ? what : twice ? "duplicated" : "");
    due = due_then;
  } else if (why == NULL && !spared) {
    (void)treat(end, from, frame, len, &due);
  }
  if (why != NULL) return;
  push(end, from, frame, len, due);
  if (!twice) return;
  end->count.duplicated++;
  push(end, from, frame, len, due);
}

static void read_end(unsigned from, uint64_t now) {
  static uint8_t frame[LINK_PACKET_MAX];
  for (unsigned i = 0; i < AT_ONCE; i++) {
    const ssize_t got = read(wire.ends[from].fd, frame, sizeof frame);
    if (got < ETHERNET) return;
    take(from, frame, (size_t)got, now);
  }
}

static void run(const sigset_t *while_polling) {
  struct pollfd ready[ENDS_MAX + 1];
  for (unsigned i = 0; i < wire.count; i++) ready[i] = (struct pollfd){.fd = wire.ends[i].fd, .events = POLLIN};
  ready[wire.count] = (struct pollfd){.fd = wire.orders.fd, .events = POLLIN};
  while (!link_told_to_stop) {
    const uint64_t now = link_now();
    const uint64_t wait = wire.flying == 0 || wire.heap[0].due <= now ? 0 : wire.heap[0].due - now;
    const struct timespec until = {.tv_sec = (time_t)(wait / 1000000000U), .tv_nsec = (long)(wait % 1000000000U)};
    link_capture_flush(wire.capture);
    const int count = ppoll(ready, wire.count + 1, wire.flying == 0 ? NULL : &until, while_polling);
    if (count < 0 && errno != EINTR) link_fail("ppoll");
    if (count > 0)
      for (unsigned i = 0; i < wire.count; i++) {
        if ((ready[i].revents & POLLIN) != 0)
          read_end(i, link_now());
        else if (ready[i].revents != 0)
          ready[i].fd = -1; /* its host is gone */
      }
    if (count > 0 && ready[wire.count].revents != 0) link_orders_read(&wire.orders, obey, NULL);
    deliver(link_now());
  }
}

int main(int argc, char **argv) {
  sigset_t while_polling;
  wire.orders.fd = -1;
  wire.seed = 1;
  link_signals(&while_polling);
  link_arguments(argc, argv, take_argument, NULL);
  if (wire.count < 2) {
    (void)fprintf(stderr, "impair: it takes two ends; see its first lines\n");
    return 2;
  }
  (void)printf("ready\n");
  (void)fflush(stdout);
  run(&while_polling);
  tell_counters();
  while (wire.flying > 0) free(pop().frame);
  link_capture_close(wire.capture);
  return 0;
}

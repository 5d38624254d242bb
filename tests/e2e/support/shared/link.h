/*
 * What the programs that carry packets between the hosts of a test have in common: devices, orders, dice, captures.
 * A failure ends the program with a line on standard error.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef E2E_LINK_H
#define E2E_LINK_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINK_PACKET_MAX = 65536, LINK_ETHERNET = 1, LINK_RAW_IP = 101 /* the numbers of pcap's link types */ };

__attribute__((noreturn, format(printf, 1, 2))) void link_fail(const char *format, ...);

/* Nanoseconds of the monotonic clock. */
uint64_t link_now(void);

/* A TUN or TAP device of this name in the namespace at `space` (a file; NULL for the own one), without offloads: the
   kernel cuts and checksums what it hands over. It goes with the descriptor, which does not block. */
int link_device(const char *space, const char *name, bool tap);

/* Whether the device has a carrier, as if the cable were plugged in; kernels before 5.0 have no such call: no effect.
 */
void link_carrier(int fd, bool on);

/* The number that belongs to the `turn`th use of one purpose under a seed: no use depends on how many others there
 * were. */
uint64_t link_dice(uint64_t seed, uint64_t purpose, uint64_t turn);
bool link_chance(uint64_t dice, double probability);

/* ---- settings: NAME=VALUE, alike as arguments and as orders. False where the value is none. */
bool link_probability(const char *text, double *value);
bool link_number(const char *text, uint64_t most, uint64_t *value);
bool link_duration(const char *text, uint64_t *nanoseconds); /* 5, 5ms, 20us, 2s; a bare number is milliseconds */
bool link_rate(const char *text, uint64_t *bits);            /* bits a second: 64000, 64k, 10M, 1G; 0: no limit */

/* The value in `setting` if its name is `name`, else NULL. */
const char *link_value(const char *setting, const char *name);

/* ---- orders: lines of settings and verbs from a FIFO, each answered on standard output by `done`, or `refused: WORD`
 */
struct link_orders {
  int fd; /* to be polled; -1: none */
  size_t len;
  char line[1024];
};
typedef bool link_order_fn(void *context, const char *word); /* false: refused */

void link_orders_open(struct link_orders *orders, const char *path);
void link_orders_read(struct link_orders *orders, link_order_fn *fn, void *context);

/* Takes each argument of the command line as a word; exits with 2 for one that is refused. */
void link_arguments(int argc, char **argv, link_order_fn *fn, void *context);

/* ---- ends: SIGTERM and SIGINT set this and come only while the program polls. NULL or the mask for ppoll. */
extern volatile sig_atomic_t link_told_to_stop;
void link_signals(sigset_t *while_polling);

/* ---- captures, in pcapng: for each packet where it was seen, and in words what became of it */
struct link_capture;
struct link_capture *link_capture_open(const char *path);
void link_capture_interface(struct link_capture *capture, const char *name, unsigned link_type); /* numbers from 0 on */
void link_capture_packet(struct link_capture *capture, unsigned interface, const uint8_t *bytes, size_t len,
                         const char *comment); /* no capture (NULL): nothing; comment: may be empty */
void link_capture_flush(struct link_capture *capture);
void link_capture_close(struct link_capture *capture);

/* ---- checksums as RFC 1071 has them, adjusted as RFC 1624 says: a wrong one stays wrong */
uint16_t link_sum(const uint8_t *bytes, size_t len, uint32_t start);
void link_sum_adjust(uint8_t sum[2], const uint8_t *before, const uint8_t *after, size_t len);
uint16_t link_get16(const uint8_t *bytes);
void link_put16(uint8_t *bytes, uint16_t value);
uint32_t link_get32(const uint8_t *bytes);
void link_put32(uint8_t *bytes, uint32_t value);

#endif

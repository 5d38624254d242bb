/* SPDX-License-Identifier: Apache-2.0 */
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

void link_fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  (void)vfprintf(stderr, format, arguments);
  va_end(arguments);
  (void)fprintf(stderr, "%s%s\n", errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
  exit(1);
}

uint64_t link_now(void) {
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) link_fail("clock_gettime");
  return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* ---- devices ---- */

static int open_or_fail(const char *path, int flags) {
  const int fd = open(path, flags | O_CLOEXEC);
  if (fd < 0) link_fail("%s", path);
  return fd;
}

int link_device(const char *space, const char *name, bool tap) {
  struct ifreq request = {.ifr_flags = (short)((tap ? IFF_TAP : IFF_TUN) | IFF_NO_PI)};
  const size_t len = strlen(name);
  if (len >= sizeof request.ifr_name) link_fail("%s: too long a name", name);
  memcpy(request.ifr_name, name, len + 1);

  const int home = open_or_fail("/proc/self/ns/net", O_RDONLY);
  if (space != NULL) {
    const int there = open_or_fail(space, O_RDONLY);
    if (setns(there, CLONE_NEWNET) != 0) link_fail("%s", space);
    (void)close(there);
  }
  /* The device comes to be in the namespace in which the file was opened. */
  const int fd = open_or_fail("/dev/net/tun", O_RDWR | O_NONBLOCK);
  if (ioctl(fd, TUNSETIFF, &request) != 0) link_fail("%s: TUNSETIFF", name);
  if (space != NULL && setns(home, CLONE_NEWNET) != 0) link_fail("setns");
  (void)close(home);
  return fd;
}

void link_carrier(int fd, bool on) {
#ifdef TUNSETCARRIER
  int carrier = on;
  (void)ioctl(fd, TUNSETCARRIER, &carrier);
#else
  (void)fd, (void)on;
#endif
}

/* ---- dice: the mixer of splitmix64 over a counter ---- */

static uint64_t mix(uint64_t value) {
  value += UINT64_C(0x9e3779b97f4a7c15);
  value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
  return value ^ (value >> 31);
}

uint64_t link_dice(uint64_t seed, uint64_t purpose, uint64_t turn) { return mix(mix(mix(seed) ^ purpose) ^ turn); }

bool link_chance(uint64_t dice, double probability) {
  return (double)(dice >> 11) < probability * (double)(UINT64_C(1) << 53);
}

/* ---- settings ---- */

const char *link_value(const char *setting, const char *name) {
  const size_t len = strlen(name);
  return strncmp(setting, name, len) == 0 && setting[len] == '=' ? setting + len + 1 : NULL;
}

/* The number at the beginning and what follows it; NULL where there is none. */
static const char *number_and_unit(const char *text, double *value) {
  char *end;
  *value = strtod(text, &end);
  return end == text || !(*value >= 0) || *value > 1e15 ? NULL : end;
}

bool link_probability(const char *text, double *value) {
  double got;
  const char *rest = number_and_unit(text, &got);
  if (rest == NULL || *rest != 0 || got > 1) return false;
  *value = got;
  return true;
}

bool link_number(const char *text, uint64_t most, uint64_t *value) {
  char *end;
  if (*text < '0' || *text > '9') return false;
  const unsigned long long got = strtoull(text, &end, 10);
  if (*end != 0 || got > most) return false;
  *value = got;
  return true;
}

struct unit {
  const char *name;
  double factor;
};

static bool with_unit(const char *text, const struct unit *units, size_t count, uint64_t *value) {
  double got;
  const char *rest = number_and_unit(text, &got);
  for (size_t i = 0; rest != NULL && i < count; i++) {
    if (strcmp(rest, units[i].name) != 0 || got * units[i].factor > 1e18) continue;
    *value = (uint64_t)(got * units[i].factor);
    return true;
  }
  return false;
}

bool link_duration(const char *text, uint64_t *nanoseconds) {
  static const struct unit units[] = {{"", 1e6}, {"ms", 1e6}, {"us", 1e3}, {"s", 1e9}};
  return with_unit(text, units, sizeof units / sizeof units[0], nanoseconds);
}

bool link_rate(const char *text, uint64_t *bits) {
  static const struct unit units[] = {{"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}};
  return with_unit(text, units, sizeof units / sizeof units[0], bits);
}

/* ---- orders ---- */

void link_orders_open(struct link_orders *orders, const char *path) {
  /* For writing, too: else each writer that goes would be the end of it. */
  orders->fd = open_or_fail(path, O_RDWR | O_NONBLOCK);
  orders->len = 0;
}

static void obey(char *line, link_order_fn *fn, void *context) {
  char *rest = NULL;
  for (const char *word = strtok_r(line, " \n", &rest); word != NULL; word = strtok_r(NULL, " \n", &rest)) {
    if (fn(context, word)) continue;
    (void)printf("refused: %s\n", word);
    (void)fflush(stdout);
    return;
  }
  (void)printf("done\n");
  (void)fflush(stdout);
}

void link_orders_read(struct link_orders *orders, link_order_fn *fn, void *context) {
  const ssize_t got = read(orders->fd, orders->line + orders->len, sizeof orders->line - 1 - orders->len);
  if (got <= 0) return;
  orders->len += (size_t)got;
  orders->line[orders->len] = 0;
  for (char *end; (end = strchr(orders->line, '\n')) != NULL;) {
    const size_t line = (size_t)(end + 1 - orders->line);
    *end = 0;
    obey(orders->line, fn, context);
    orders->len -= line;
    memmove(orders->line, orders->line + line, orders->len + 1);
  }
  if (orders->len == sizeof orders->line - 1) orders->len = 0; /* too long for a line */
}

void link_arguments(int argc, char **argv, link_order_fn *fn, void *context) {
  for (int i = 1; i < argc; i++) {
    if (fn(context, argv[i])) continue;
    (void)fprintf(stderr, "%s: refused: %s\n", argv[0], argv[i]);
    exit(2);
  }
}

/* ---- ends ---- */

volatile sig_atomic_t link_told_to_stop;
static void on_signal(int number) { link_told_to_stop = number; }

void link_signals(sigset_t *while_polling) {
  struct sigaction action = {.sa_handler = on_signal};
  sigset_t held;
  (void)sigemptyset(&action.sa_mask);
  (void)sigemptyset(&held);
  (void)sigaddset(&held, SIGTERM);
  (void)sigaddset(&held, SIGINT);
  if (sigprocmask(SIG_BLOCK, &held, while_polling) != 0) link_fail("sigprocmask");
  (void)sigdelset(while_polling, SIGTERM);
  (void)sigdelset(while_polling, SIGINT);
  if (sigaction(SIGTERM, &action, NULL) != 0 || sigaction(SIGINT, &action, NULL) != 0) link_fail("sigaction");
}

/* ---- checksums ---- */

uint16_t link_get16(const uint8_t *bytes) { return (uint16_t)(bytes[0] << 8 | bytes[1]); }

void link_put16(uint8_t *bytes, uint16_t value) {
  bytes[0] = (uint8_t)(value >> 8);
  bytes[1] = (uint8_t)value;
}

uint32_t link_get32(const uint8_t *bytes) { return (uint32_t)link_get16(bytes) << 16 | link_get16(bytes + 2); }

void link_put32(uint8_t *bytes, uint32_t value) {
  link_put16(bytes, (uint16_t)(value >> 16));
  link_put16(bytes + 2, (uint16_t)value);
}

static uint16_t fold(uint32_t sum) {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)sum;
}

uint16_t link_sum(const uint8_t *bytes, size_t len, uint32_t start) {
  uint32_t sum = start;
  for (size_t i = 0; i + 1 < len; i += 2) sum += link_get16(bytes + i);
  if (len % 2 != 0) sum += (uint32_t)bytes[len - 1] << 8;
  return (uint16_t)~fold(sum);
}

void link_sum_adjust(uint8_t sum[2], const uint8_t *before, const uint8_t *after, size_t len) {
  uint32_t now = (uint16_t)~link_get16(sum);
  for (size_t i = 0; i + 1 < len; i += 2) now += (uint32_t)(uint16_t)~link_get16(before + i) + link_get16(after + i);
  link_put16(sum, (uint16_t)~fold(now));
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "net/admission.h"

#include <netinet/in.h>
#include <string.h>

#include "base/alloc.h"

enum { HEADS = 4096, AT_ONCE = 16, SECOND_US = 1000000, MINUTE_US = 60 * SECOND_US };

const tw_admission_limits tw_admission_limits_default = {
    .half_open = 4096,
    .half_open_per_address = 1024,
    .handshakes_per_second = 200,
    .handshake_burst = 2000,
    .handshakes_in_all = 1000,
    .stranger_lines = 60,
};

/*
 * A token bucket as one number: `full_us` is when it will be full again. Each token moves that on by what it takes to
 * come back.
 */
typedef struct token_bucket {
  uint64_t full_us;
} token_bucket;

/* The rate is `count`, not 0, in `period_us`, and up to `burst` at once. Until there is a token: microseconds. */
static uint64_t wait_for_token(const token_bucket *bucket, uint64_t now_us, uint64_t each_us, uint64_t burst) {
  const uint64_t from = bucket->full_us > now_us ? bucket->full_us : now_us;
  const uint64_t most = each_us * (burst > 0 ? burst - 1 : 0);
  return from - now_us > most ? from - now_us - most : 0;
}

static uint64_t each_of(uint64_t period_us, uint64_t count) { return period_us / count > 0 ? period_us / count : 1; }

static bool take_token(token_bucket *bucket, uint64_t now_us, uint64_t period_us, uint64_t count, uint64_t burst) {
  if (count == 0) return true;
  const uint64_t each_us = each_of(period_us, count);
  if (wait_for_token(bucket, now_us, each_us, burst) > 0) return false;
  bucket->full_us = (bucket->full_us > now_us ? bucket->full_us : now_us) + each_us;
  return true;
}

/* An address: in a chain of those with its hash, and while nothing of it is half open among the idle ones, the one seen
 * last at the end. */
typedef struct tw_address_entry {
  tw_source source;
  token_bucket handshakes;
  uint32_t half_open;
  struct tw_address_entry *chained;
  struct tw_address_entry *idle_before;
  struct tw_address_entry *idle_after;
} entry;

struct tw_admission {
  tw_admission_limits limits;
  uint64_t seed;
  entry *heads[HEADS];
  entry *idle_first;
  entry *idle_last;
  size_t addresses;
  tw_pass *oldest;
  tw_pass *newest;
  size_t half_open;
  token_bucket all;
  token_bucket lines;
};

/* ---- addresses ---- */

static tw_source of_ipv4(uint32_t address) { return (tw_source){.low = ntohl(address)}; }

tw_source tw_source_of(const struct sockaddr *address) {
  if (address->sa_family == AF_INET) {
    struct sockaddr_in four;
    memcpy(&four, address, sizeof four);
    return of_ipv4(four.sin_addr.s_addr);
  }
  if (address->sa_family != AF_INET6) return (tw_source){0};
  struct sockaddr_in6 six;
  memcpy(&six, address, sizeof six);
  if (IN6_IS_ADDR_V4MAPPED(&six.sin6_addr)) {
    uint32_t four;
    memcpy(&four, six.sin6_addr.s6_addr + 12, sizeof four);
    return of_ipv4(four);
  }
  tw_source source = {0};
  for (unsigned i = 0; i < 8; i++) source.high = (source.high << 8) | six.sin6_addr.s6_addr[i];
  return source;
}

static uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

static entry **head_of(tw_admission *admission, tw_source source) {
  return &admission->heads[mix(mix(source.high ^ admission->seed) ^ source.low) % HEADS];
}

static bool same(tw_source a, tw_source b) { return a.high == b.high && a.low == b.low; }

static void leave_idle(tw_admission *admission, entry *at) {
  if (at->idle_before != NULL)
    at->idle_before->idle_after = at->idle_after;
  else
    admission->idle_first = at->idle_after;
  if (at->idle_after != NULL)
    at->idle_after->idle_before = at->idle_before;
  else
    admission->idle_last = at->idle_before;
  at->idle_before = at->idle_after = NULL;
}

static void join_idle(tw_admission *admission, entry *at) {
  at->idle_before = admission->idle_last;
  at->idle_after = NULL;
  if (admission->idle_last != NULL)
    admission->idle_last->idle_after = at;
  else
    admission->idle_first = at;
  admission->idle_last = at;
}

static void forget(tw_admission *admission, entry *idle) {
  leave_idle(admission, idle);
  entry **at = head_of(admission, idle->source);
  while (*at != idle) at = &(*at)->chained;
  *at = idle->chained;
  admission->addresses--;
  tw_alloc_free(NULL, idle);
}

/* NULL: no memory. Who has been away longest is forgotten for a new one; its bucket is most likely full. */
static entry *find(tw_admission *admission, tw_source source) {
  entry **head = head_of(admission, source);
  for (entry *at = *head; at != NULL; at = at->chained)
    if (same(at->source, source)) return at;
  if (admission->addresses >= TW_ADMISSION_ADDRESSES && admission->idle_first != NULL)
    forget(admission, admission->idle_first);
  entry *made = tw_alloc_zero(NULL, sizeof *made);
  if (made == NULL) return NULL;
  made->source = source;
  made->chained = *head;
  *head = made;
  admission->addresses++;
  join_idle(admission, made);
  return made;
}

/* ---- connections ---- */

tw_err tw_admission_new(const tw_admission_limits *limits, uint64_t seed, tw_admission **out) {
  tw_admission *admission = tw_alloc_zero(NULL, sizeof *admission);
  if (admission == NULL) return TW_ERR_NO_MEMORY;
  admission->limits = *limits;
  admission->seed = seed;
  *out = admission;
  return TW_OK;
}

void tw_admission_free(tw_admission *admission) {
  if (admission == NULL) return;
  while (admission->oldest != NULL) tw_admission_leave(admission, admission->oldest);
  while (admission->idle_first != NULL) forget(admission, admission->idle_first);
  tw_alloc_free(NULL, admission);
}

static tw_admission_word judge(const tw_admission_limits *limits, entry *from, uint64_t now_us) {
  if (limits->half_open_per_address > 0 && from->half_open >= limits->half_open_per_address) return TW_OVER_SHARE;
  const bool in_time = take_token(&from->handshakes, now_us, SECOND_US, limits->handshakes_per_second,
                                  limits->handshake_burst);
  return in_time ? TW_ADMITTED : TW_OVER_RATE;
}

tw_err tw_admission_enter(tw_admission *admission, tw_source source, uint64_t now_us, tw_admission_word *word,
                          tw_pass **pass) {
  *pass = NULL;
  entry *from = find(admission, source);
  tw_pass *made = tw_alloc_zero(NULL, sizeof *made);
  if (from == NULL || made == NULL) {
    tw_alloc_free(NULL, made);
    return TW_ERR_NO_MEMORY;
  }
  if (from->half_open == 0) leave_idle(admission, from);
  *word = judge(&admission->limits, from, now_us);
  if (*word != TW_ADMITTED) {
    tw_alloc_free(NULL, made);
    if (from->half_open == 0) join_idle(admission, from);
    return TW_OK;
  }
  (void)take_token(&admission->all, now_us, SECOND_US, admission->limits.handshakes_in_all, AT_ONCE);
  from->half_open++;
  made->entry = from;
  made->older = admission->newest;
  if (admission->newest != NULL)
    admission->newest->newer = made;
  else
    admission->oldest = made;
  admission->newest = made;
  admission->half_open++;
  *pass = made;
  return TW_OK;
}

void tw_admission_leave(tw_admission *admission, tw_pass *pass) {
  if (pass == NULL) return;
  if (pass->older != NULL)
    pass->older->newer = pass->newer;
  else
    admission->oldest = pass->newer;
  if (pass->newer != NULL)
    pass->newer->older = pass->older;
  else
    admission->newest = pass->older;
  if (--pass->entry->half_open == 0) join_idle(admission, pass->entry);
  admission->half_open--;
  tw_alloc_free(NULL, pass);
}

tw_pass *tw_admission_surplus(const tw_admission *admission) {
  const uint32_t most = admission->limits.half_open;
  return most > 0 && admission->half_open > most ? admission->oldest : NULL;
}

uint64_t tw_admission_wait_us(const tw_admission *admission, uint64_t now_us) {
  const uint32_t count = admission->limits.handshakes_in_all;
  return count == 0 ? 0 : wait_for_token(&admission->all, now_us, each_of(SECOND_US, count), AT_ONCE);
}

size_t tw_admission_half_open(const tw_admission *admission) { return admission->half_open; }
size_t tw_admission_addresses(const tw_admission *admission) { return admission->addresses; }

bool tw_admission_tells(tw_admission *admission, tw_pass *pass, uint64_t now_us) {
  const uint32_t lines = admission->limits.stranger_lines;
  if (pass->lines == TW_PASS_FRESH)
    pass->lines = take_token(&admission->lines, now_us, MINUTE_US, lines, lines) ? TW_PASS_TOLD : TW_PASS_UNTOLD;
  return pass->lines == TW_PASS_TOLD;
}

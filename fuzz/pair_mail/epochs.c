/* SPDX-License-Identifier: Apache-2.0 */
#include "pair_mail/epochs.h"

#include <string.h>

enum { EPOCHS = 2048, GROUP_ID_MAX = 64 };

typedef struct fuzz_epoch {
  uint8_t group_id[GROUP_ID_MAX];
  size_t group_id_len;
  uint64_t number;
  uint8_t authenticator[32];
  uint8_t secret[32];
  uint32_t maker;  /* who had it first */
  bool had[2];     /* by each end, if only as an own commit that was not accepted yet */
  bool adopted[2]; /* as the epoch in force */
} fuzz_epoch;

static fuzz_epoch epochs[EPOCHS];
static size_t count;

void epochs_clear(void) { count = 0; }

static fuzz_epoch describe(const tw_group *group) {
  fuzz_epoch e = {.number = tw_group_epoch(group)};
  const tw_bytes id = tw_group_id(group);
  const tw_bytes authenticator = tw_group_epoch_authenticator(group);
  TW_FUZZ_ASSERT(id.len <= sizeof e.group_id && authenticator.len == sizeof e.authenticator);
  memcpy(e.group_id, id.ptr, id.len);
  e.group_id_len = id.len;
  memcpy(e.authenticator, authenticator.ptr, authenticator.len);
  return e;
}

static void export(const tw_group *group, uint8_t secret[32]) {
  tw_fuzz_must(tw_group_export(group, TW_LITERAL("fuzz"), TW_NO_BYTES, secret, 32));
}

static bool has_same_number(const fuzz_epoch *a, const fuzz_epoch *b) {
  return a->number == b->number && a->group_id_len == b->group_id_len &&
         memcmp(a->group_id, b->group_id, a->group_id_len) == 0;
}

static fuzz_epoch *note(uint32_t end, const tw_group *group) {
  fuzz_epoch e = describe(group);
  fuzz_epoch *known = NULL;
  for (size_t i = 0; i < count && known == NULL; i++) {
    if (memcmp(epochs[i].authenticator, e.authenticator, sizeof e.authenticator) == 0) known = &epochs[i];
  }
  if (known != NULL && known->had[end]) return known;
  export(group, e.secret);
  if (known == NULL) {
    TW_FUZZ_ASSERT(count < EPOCHS);
    known = &epochs[count++];
    *known = e;
    known->maker = end;
  }
  TW_FUZZ_ASSERT(has_same_number(known, &e));
  TW_FUZZ_ASSERT(memcmp(known->secret, e.secret, sizeof e.secret) == 0);
  known->had[end] = true;
  return known;
}

static void adopt(uint32_t end, fuzz_epoch *e) {
  for (size_t i = 0; i < count && !e->adopted[end]; i++) {
    const bool adopted = epochs[i].adopted[0] || epochs[i].adopted[1];
    TW_FUZZ_ASSERT(&epochs[i] == e || !adopted || !has_same_number(&epochs[i], e));
  }
  e->adopted[end] = true;
}

void epochs_check(const tw_pair *const pairs[2]) {
  fuzz_epoch *now[2] = {NULL, NULL};
  for (uint32_t i = 0; i < 2; i++) {
    if (pairs[i] == NULL) continue;
    if (pairs[i]->pending != NULL) (void)note(i, pairs[i]->pending);
    fuzz_epoch *e = note(i, pairs[i]->group);
    if (pairs[i]->state != TW_PAIR_UNCONFIRMED) now[i] = e;
  }
  for (uint32_t i = 0; i < 2; i++) {
    if (now[i] != NULL) adopt(i, now[i]);
  }
  for (uint32_t i = 0; i < 2; i++) {
    if (now[i] == NULL) continue;
    TW_FUZZ_ASSERT(now[i]->had[1 - i]);
    TW_FUZZ_ASSERT(now[i]->maker != i || now[i]->adopted[1 - i]);
  }
}

bool epochs_are_one(const tw_group *a, const tw_group *b) {
  const fuzz_epoch of_a = describe(a);
  const fuzz_epoch of_b = describe(b);
  uint8_t secrets[2][32];
  if (!has_same_number(&of_a, &of_b) || memcmp(of_a.authenticator, of_b.authenticator, 32) != 0) return false;
  tw_fuzz_pause(true);
  export(a, secrets[0]);
  export(b, secrets[1]);
  tw_fuzz_pause(false);
  TW_FUZZ_ASSERT(memcmp(secrets[0], secrets[1], 32) == 0);
  return true;
}

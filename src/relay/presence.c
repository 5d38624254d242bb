/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/presence.h"

#include <string.h>

#include "base/alloc.h"

tw_presence *tw_presences_find(const tw_presences *all, uint32_t number) {
  return tw_forward_table_get(&all->by_number, number);
}

tw_presence *tw_presences_find_here(const tw_presences *all, uint32_t number) {
  tw_presence *found = tw_presences_find(all, number);
  return found != NULL && found->caller != NULL ? found : NULL;
}

tw_presence *tw_presences_find_away(const tw_presences *all, const tw_client_id *id) {
  tw_presence *c = all->first_away;
  while (c != NULL && memcmp(&c->peer.id, id, sizeof *id) != 0) c = c->next;
  return c;
}

tw_err tw_presences_add(tw_presences *all, tw_control_caller *caller, const tw_client_id *id, tw_presence **out) {
  tw_presence *c = tw_alloc_zero(NULL, sizeof *c);
  if (c == NULL) return TW_ERR_NO_MEMORY;
  c->all = all;
  c->caller = caller;
  c->peer.id = *id;
  *out = c;
  return TW_OK;
}

static void leave_away(tw_presence *c) {
  tw_presences *all = c->all;
  if (!c->away) return;
  c->away = false;
  *(c->previous != NULL ? &c->previous->next : &all->first_away) = c->next;
  *(c->next != NULL ? &c->next->previous : &all->last_away) = c->previous;
}

static void go_away(tw_presence *c, uint64_t now_ms) {
  tw_presences *all = c->all;
  c->away = true;
  c->away_since_ms = now_ms;
  c->next = NULL;
  c->previous = all->last_away;
  *(all->last_away != NULL ? &all->last_away->next : &all->first_away) = c;
  all->last_away = c;
}

static void leave_fresh(tw_presence *c) {
  tw_presence **at = &c->all->fresh;
  if (!c->fresh) return;
  c->fresh = false;
  while (*at != c) at = &(*at)->next_fresh;
  *at = c->next_fresh;
}

static void leave_table(tw_presence *c) {
  if (c->number != 0) tw_forward_table_drop(&c->all->by_number, c->number);
  c->number = 0;
}

/* Answers of its may still be on their way. */
static void free_if_done(tw_presence *c) {
  if (c->caller != NULL || c->number != 0 || c->open > 0) return;
  leave_fresh(c);
  tw_alloc_free(NULL, c);
}

void tw_presence_forget(tw_presence *c) {
  leave_away(c);
  leave_table(c);
  free_if_done(c);
}

tw_err tw_presence_enter(tw_presence *c) {
  tw_presences *all = c->all;
  if (c->peer.number == c->number || c->peer.number == 0) return TW_OK;
  TW_TRY(tw_forward_table_reserve(&all->by_number));
  tw_presence *former = tw_presences_find(all, c->peer.number);
  if (former != NULL) tw_presence_forget(former);
  leave_table(c);
  c->number = c->peer.number;
  tw_forward_table_put(&all->by_number, c->number, c);
  if (!c->fresh) {
    c->next_fresh = all->fresh;
    all->fresh = c;
    c->fresh = true;
  }
  return TW_OK;
}

void tw_presence_leave(tw_presence *c, uint64_t now_ms) {
  c->caller = NULL;
  if (c->number != 0)
    go_away(c, now_ms);
  else
    free_if_done(c);
}

bool tw_presence_answered(tw_presence *c) {
  c->open--;
  if (c->caller != NULL) return true;
  free_if_done(c);
  return false;
}

tw_presence *tw_presences_settle(tw_presences *all, bool durable) {
  while (all->fresh != NULL) {
    tw_presence *c = all->fresh;
    leave_fresh(c);
    if (durable) return c;
    c->peer.number = 0;
    tw_presence_forget(c);
  }
  return NULL;
}

void tw_presences_clear(tw_presences *all) {
  while (all->first_away != NULL) tw_presence_forget(all->first_away);
  tw_forward_table_clear(&all->by_number);
}

/* Runs, the slots that they are in, and the queues of their senders. SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "relay/forward_parts.h"

/* ---- made and freed ---- */

static void *take_memory(tw_forward *forward, size_t count, size_t size) {
  void *memory = tw_alloc_array(forward->env->alloc, count, size);
  if (memory != NULL) forward->memory += count * size;
  return memory;
}

tw_err tw_forward_queue_new(tw_forward *forward) {
  const tw_forward_options *options = &forward->options;
  forward->slots = take_memory(forward, options->slots, sizeof *forward->slots);
  forward->free_slots = take_memory(forward, options->slots, sizeof *forward->free_slots);
  forward->by_slots = take_memory(forward, (size_t)options->slots + 1, sizeof(tw_forward_peer *));
  forward->runs = take_memory(forward, options->runs, sizeof *forward->runs);
  forward->messages = take_memory(forward, options->messages, sizeof *forward->messages);
  forward->parts = take_memory(forward, (size_t)options->messages * TW_FORWARD_SEGMENTS_MAX, sizeof *forward->parts);
  if (forward->slots == NULL || forward->free_slots == NULL || forward->by_slots == NULL || forward->runs == NULL ||
      forward->messages == NULL || forward->parts == NULL)
    return TW_ERR_NO_MEMORY;
  for (uint32_t i = 0; i < options->slots; i++) {
    forward->slots[i].place = i;
    forward->free_slots[i] = i;
  }
  for (uint32_t i = 0; i < options->runs; i++) forward->runs[i].next = i + 1 < options->runs ? i + 1 : TW_FORWARD_NONE;
  forward->free_slot_count = options->slots;
  forward->free_run_count = options->runs;
  return TW_OK;
}

void tw_forward_queue_clear(tw_forward *forward) {
  const tw_alloc *alloc = forward->env->alloc;
  tw_alloc_free(alloc, forward->slots);
  tw_alloc_free(alloc, forward->free_slots);
  tw_alloc_free(alloc, forward->by_slots);
  tw_alloc_free(alloc, forward->runs);
  tw_alloc_free(alloc, forward->messages);
  tw_alloc_free(alloc, forward->parts);
}

/* ---- slots ---- */

uint32_t tw_forward_free_slots(const tw_forward *forward, uint32_t *slots, uint32_t most) {
  const uint32_t count = most < forward->free_slot_count ? most : forward->free_slot_count;
  for (uint32_t i = 0; i < count; i++) slots[i] = forward->free_slots[forward->free_slot_count - 1 - i];
  return count;
}

static void hold_slot(tw_forward *forward, uint32_t number) {
  tw_forward_slot *slot = &forward->slots[number];
  if (slot->refs++ > 0) return;
  const uint32_t moved = forward->free_slots[--forward->free_slot_count];
  forward->free_slots[slot->place] = moved;
  forward->slots[moved].place = slot->place;
}

static void release_slot(tw_forward *forward, uint32_t number) {
  tw_forward_slot *slot = &forward->slots[number];
  if (--slot->refs > 0) return;
  slot->place = forward->free_slot_count;
  forward->free_slots[forward->free_slot_count++] = number;
}

/* ---- the round ---- */

static void join_round(tw_forward *forward, tw_forward_peer *peer) {
  peer->active = true;
  peer->next = NULL;
  if (forward->active_last != NULL)
    forward->active_last->next = peer;
  else
    forward->active_first = peer;
  forward->active_last = peer;
}

static void leave_round(tw_forward *forward, tw_forward_peer *peer) {
  tw_forward_peer *before = NULL;
  for (tw_forward_peer *at = forward->active_first; at != peer; at = at->next) before = at;
  if (before != NULL)
    before->next = peer->next;
  else
    forward->active_first = peer->next;
  if (forward->active_last == peer) forward->active_last = before;
  peer->active = peer->in_turn = false;
}

void tw_forward_turn_over(tw_forward *forward) {
  tw_forward_peer *peer = forward->active_first;
  leave_round(forward, peer);
  join_round(forward, peer);
}

bool tw_forward_waiting(const tw_forward *forward) {
  return forward->active_first != NULL || forward->message_at < forward->message_end;
}

/* ---- queues ---- */

static void unlink_alike(tw_forward *forward, const tw_forward_peer *peer) {
  if (peer->after_alike != NULL) peer->after_alike->before_alike = peer->before_alike;
  if (peer->before_alike != NULL)
    peer->before_alike->after_alike = peer->after_alike;
  else
    forward->by_slots[peer->slots] = peer->after_alike;
}

/* One more or one less than before, so that who has most is found without a search. */
static void set_slots(tw_forward *forward, tw_forward_peer *peer, uint32_t slots) {
  if (peer->slots > 0) unlink_alike(forward, peer);
  peer->slots = slots;
  peer->before_alike = NULL;
  peer->after_alike = forward->by_slots[slots];
  if (slots > 0) {
    if (peer->after_alike != NULL) peer->after_alike->before_alike = peer;
    forward->by_slots[slots] = peer;
  }
  if (slots > forward->most_slots) forward->most_slots = slots;
  while (forward->most_slots > 0 && forward->by_slots[forward->most_slots] == NULL) forward->most_slots--;
}

/* Who holds most slots gives up its oldest. */
static void push_out(tw_forward *forward) {
  tw_forward_peer *peer = forward->by_slots[forward->most_slots];
  const uint32_t slot = forward->runs[peer->head].slot;
  while (peer->head != TW_FORWARD_NONE && forward->runs[peer->head].slot == slot)
    tw_forward_queue_drop(forward, peer, TW_FORWARD_PUSHED_OUT);
}

/*
 * Runs: as many as are still free (the thresholds of Choudhury and Hahne, 1998): there are more of them than slots, and
 * only who changes destinations all the time comes to that.
 */
static bool make_room(tw_forward *forward, const tw_forward_peer *from, uint32_t slot) {
  if (from->runs >= forward->free_run_count) return false;
  if (from->tail != TW_FORWARD_NONE && forward->runs[from->tail].slot == slot) return true;
  while (forward->free_slot_count <= forward->options.spare_slots && forward->most_slots > from->slots + 1)
    push_out(forward);
  return forward->free_slot_count > forward->options.spare_slots;
}

bool tw_forward_queue_add(tw_forward *forward, tw_forward_peer *from, const tw_forward_run *run) {
  if (!make_room(forward, from, run->slot)) return false;
  const uint32_t number = forward->free_run;
  tw_forward_run *made = &forward->runs[number];
  forward->free_run = made->next;
  forward->free_run_count--;
  *made = *run;
  made->refs = 1;
  made->next = TW_FORWARD_NONE;
  hold_slot(forward, run->slot);
  if (from->tail == TW_FORWARD_NONE || forward->runs[from->tail].slot != run->slot)
    set_slots(forward, from, from->slots + 1);
  if (from->tail != TW_FORWARD_NONE)
    forward->runs[from->tail].next = number;
  else
    from->head = number;
  from->tail = number;
  from->runs++;
  if (!from->active) join_round(forward, from);
  return true;
}

void tw_forward_queue_pop(tw_forward *forward, tw_forward_peer *from) {
  const tw_forward_run *run = &forward->runs[from->head];
  from->head = run->next;
  from->runs--;
  if (from->head == TW_FORWARD_NONE || forward->runs[from->head].slot != run->slot)
    set_slots(forward, from, from->slots - 1);
  if (from->head != TW_FORWARD_NONE) return;
  from->tail = TW_FORWARD_NONE;
  from->deficit = 0;
  leave_round(forward, from);
}

void tw_forward_queue_drop(tw_forward *forward, tw_forward_peer *from, tw_forward_reason reason) {
  const uint32_t number = from->head;
  const tw_forward_run *run = &forward->runs[number];
  tw_forward_drop(forward, from, reason, run->count, tw_forward_run_bytes(run));
  tw_forward_queue_pop(forward, from);
  tw_forward_runs_release(forward, number, 1);
}

void tw_forward_queue_empty(tw_forward *forward, tw_forward_peer *from) {
  while (from->head != TW_FORWARD_NONE) tw_forward_queue_drop(forward, from, TW_FORWARD_GONE);
}

void tw_forward_runs_release(tw_forward *forward, uint32_t first, uint32_t count) {
  for (uint32_t number = first; count > 0; count--) {
    tw_forward_run *run = &forward->runs[number];
    const uint32_t next = run->next;
    if (--run->refs == 0) {
      release_slot(forward, run->slot);
      run->next = forward->free_run;
      forward->free_run = number;
      forward->free_run_count++;
    }
    number = next;
  }
}

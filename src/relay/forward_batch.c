/* What goes out next: deficit round robin (Shreedhar and Varghese, 1995), and messages of it. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "relay/forward_parts.h"

/* A batch being made. */
typedef struct making {
  tw_forward *forward;
  int64_t budget;
  uint64_t now_us;
  uint32_t work; /* what may still be looked at */
} making;

enum {
  WORK_PER_MESSAGE = 64,
  PACK_MAX = 1024 /* bytes of a packet; to move a longer one costs as much as what the system takes for its piece */
};

/* ---- messages ---- */

/* The payload of the segment `i` before they are packed. */
static struct iovec payload(const tw_forward_run *run, uint32_t i) {
  const size_t len = (size_t)(i + 1U < run->count ? run->segment : run->last) - run->header;
  return (struct iovec){run->at + (size_t)i * run->segment + run->header, len};
}

/* Once, however many replicas there are, and only what is sent: nobody needs the headers any more. */
static void pack(tw_forward_run *run) {
  uint8_t *to = run->at + run->segment;
  for (uint32_t i = 1; i < run->count; i++) {
    const struct iovec next = payload(run, i);
    memmove(to, next.iov_base, next.iov_len);
    to += next.iov_len;
  }
  run->packed = true;
}

/* How many there are. */
static uint32_t put_parts(tw_forward *forward, tw_forward_run *run) {
  struct iovec *parts = &forward->parts[forward->parts_used];
  if (!run->packed && run->count > 1 && run->segment <= PACK_MAX + run->header) pack(run);
  const uint32_t count = run->packed ? 1 : run->count;
  if (run->packed)
    *parts = (struct iovec){run->at + run->header, tw_forward_run_bytes(run)};
  else
    for (uint32_t i = 0; i < count; i++) parts[i] = payload(run, i);
  forward->parts_used += count;
  return count;
}

static void put_message(making *m, tw_forward_peer *from, tw_forward_peer *to, tw_forward_message message,
                        uint32_t cost) {
  tw_forward *forward = m->forward;
  message.to = to->address;
  message.from = from;
  message.from_number = from->number;
  message.client = to;
  message.client_number = to->number;
  message.serial = ++forward->last_serial;
  forward->messages[forward->message_end++] = message;
  from->deficit -= cost;
  from->charged += cost;
  m->budget -= cost;
}

/* Whether the deficit reaches. Where nobody else waits it always does: one turn follows the other. */
static bool affords(const tw_forward *forward, tw_forward_peer *from, int64_t cost) {
  if (from->deficit < cost && forward->active_first == forward->active_last) from->deficit = cost;
  return from->deficit >= cost;
}

/* ---- to one client ---- */

static tw_forward_peer *receiver(const making *m, const tw_forward_run *run) {
  tw_forward_peer *to = run->to;
  if (to->number != run->destination) to = tw_forward_peer_of(m->forward, run->destination);
  return to != NULL && tw_forward_reachable(m->forward, to, m->now_us) ? to : NULL;
}

/* Whether the run behind `message`, whose last segment so far has `last` bytes with its header, can be part of it. */
static bool joins(const tw_forward_message *message, const tw_forward_run *first, uint32_t last,
                  const tw_forward_run *run) {
  return run->destination == first->destination && run->tos == first->tos && last == first->segment &&
         (run->segment == first->segment || (run->count == 1 && run->segment < first->segment)) &&
         message->packets + run->count <= TW_FORWARD_SEGMENTS_MAX &&
         message->bytes + tw_forward_run_bytes(run) <= TW_FORWARD_MESSAGE_MAX;
}

/* The oldest run, and what follows it that can be sent together with it. False: the deficit does not reach. */
static bool send_to_client(making *m, tw_forward_peer *from) {
  tw_forward *forward = m->forward;
  tw_forward_run *first = &forward->runs[from->head];
  tw_forward_peer *to = receiver(m, first);
  if (to == NULL) {
    tw_forward_queue_drop(forward, from, TW_FORWARD_GONE);
    return true;
  }
  uint32_t cost = tw_forward_run_cost(first);
  if (!affords(forward, from, cost)) return false;
  tw_forward_message message = {.parts = &forward->parts[forward->parts_used],
                                .destination = first->destination,
                                .run = from->head,
                                .packets = first->count,
                                .bytes = tw_forward_run_bytes(first),
                                .tos = first->tos,
                                .run_count = 1};
  message.part_count = put_parts(forward, first);
  uint32_t last = first->last;
  for (uint32_t next = first->next; next != TW_FORWARD_NONE; next = forward->runs[next].next) {
    tw_forward_run *run = &forward->runs[next];
    if (!joins(&message, first, last, run) || !affords(forward, from, (int64_t)cost + tw_forward_run_cost(run))) break;
    message.part_count += put_parts(forward, run);
    message.packets += run->count;
    cost += tw_forward_run_cost(run);
    message.bytes += tw_forward_run_bytes(run);
    message.run_count++;
    last = run->last;
  }
  if (message.packets > 1) message.segment = (uint32_t)(first->segment - first->header);
  put_message(m, from, to, message, cost);
  for (uint32_t i = 0; i < message.run_count; i++) tw_forward_queue_pop(forward, from); /* the message holds them */
  return true;
}

/* ---- to a group ---- */

static bool goes_on(const making *m) {
  return m->forward->message_end < m->forward->options.messages && m->budget > 0 && m->work > 0;
}

/*
 * The oldest run to the members behind its cursor, as far as it goes. Members that cannot be reached cost the headers
 * that they would have had: to look at them is work too. False: the deficit does not reach.
 */
static bool send_to_group(making *m, tw_forward_peer *from) {
  tw_forward *forward = m->forward;
  const uint32_t number = from->head;
  tw_forward_run *run = &forward->runs[number];
  const tw_forward_group *group = tw_forward_group_of(forward, run->destination);
  if (group == NULL || !tw_forward_group_has(group, from->number)) {
    tw_forward_queue_drop(forward, from, TW_FORWARD_GONE);
    return true;
  }
  const uint32_t cost = tw_forward_run_cost(run);
  tw_forward_message message = {.parts = &forward->parts[forward->parts_used],
                                .destination = run->destination,
                                .run = number,
                                .run_count = 1,
                                .packets = run->count,
                                .segment = run->count > 1 ? (uint32_t)(run->segment - run->header) : 0,
                                .bytes = tw_forward_run_bytes(run),
                                .tos = run->tos};
  uint32_t at = tw_forward_group_above(group, run->cursor);
  for (; at < group->count && goes_on(m); run->cursor = group->members[at++]) {
    tw_forward_peer *to = tw_forward_peer_of(forward, group->members[at]);
    m->work--;
    if (to == from) continue;
    if (to == NULL || !tw_forward_reachable(forward, to, m->now_us)) {
      from->deficit -= TW_FORWARD_OVERHEAD;
      if (!affords(forward, from, 0)) return false;
      continue;
    }
    if (!affords(forward, from, cost)) return false;
    if (message.part_count == 0) message.part_count = put_parts(forward, run);
    put_message(m, from, to, message, cost);
    run->refs++;
  }
  if (at == group->count) {
    tw_forward_queue_pop(forward, from);
    tw_forward_runs_release(forward, number, 1);
  }
  return true;
}

/* ---- batches ---- */

static void make_messages(making *m) {
  tw_forward *forward = m->forward;
  while (forward->active_first != NULL && goes_on(m)) {
    tw_forward_peer *from = forward->active_first;
    m->work--;
    if (!from->in_turn) from->deficit += forward->options.quantum;
    from->in_turn = true;
    const bool to_group = (forward->runs[from->head].destination & TW_FORWARD_GROUP_BIT) != 0;
    const bool served = to_group ? send_to_group(m, from) : send_to_client(m, from);
    if (!served) tw_forward_turn_over(forward);
  }
}

/* Whether a message that was made before may still be sent. */
static bool stands(const tw_forward *forward, const tw_forward_message *message, uint64_t now_us) {
  if (message->from->number != message->from_number || message->client->number != message->client_number) return false;
  if (!tw_forward_reachable(forward, message->client, now_us)) return false;
  if ((message->destination & TW_FORWARD_GROUP_BIT) == 0) return true;
  const tw_forward_group *group = tw_forward_group_of(forward, message->destination);
  return group != NULL && tw_forward_group_has(group, message->from_number) &&
         tw_forward_group_has(group, message->client_number);
}

static void give_up(tw_forward *forward, const tw_forward_message *message, tw_forward_reason reason) {
  tw_forward_peer *from = message->from->number == message->from_number ? message->from : NULL;
  tw_forward_drop(forward, from, reason, message->packets, message->bytes);
  tw_forward_runs_release(forward, message->run, message->run_count);
}

/* Those that are left go where their receivers are now, or nowhere. */
static void review_messages(tw_forward *forward, uint64_t now_us) {
  uint32_t kept = forward->message_at;
  for (uint32_t i = forward->message_at; i < forward->message_end; i++) {
    tw_forward_message message = forward->messages[i];
    if (!stands(forward, &message, now_us)) {
      give_up(forward, &message, TW_FORWARD_GONE);
      continue;
    }
    message.to = message.client->address;
    forward->messages[kept++] = message;
  }
  forward->message_end = kept;
}

uint32_t tw_forward_batch(tw_forward *forward, int64_t *budget, uint64_t now_us, tw_forward_message **messages) {
  review_messages(forward, now_us);
  if (forward->message_at == forward->message_end) {
    making m = {forward, *budget, now_us, WORK_PER_MESSAGE * forward->options.messages};
    forward->message_at = forward->message_end = forward->parts_used = 0;
    make_messages(&m);
    *budget = m.budget;
  }
  *messages = &forward->messages[forward->message_at];
  return forward->message_end - forward->message_at;
}

struct iovec tw_forward_packet(const tw_forward_message *message, uint32_t n) {
  const struct iovec *part = message->parts;
  size_t at = (size_t)n * message->segment;
  for (; at > 0 && at >= part->iov_len; part++) at -= part->iov_len;
  const size_t left = part->iov_len - at;
  const size_t len = message->segment != 0 && left > message->segment ? message->segment : left;
  return (struct iovec){(uint8_t *)part->iov_base + at, len};
}

void tw_forward_sent(tw_forward *forward, uint32_t count) {
  for (; count > 0 && forward->message_at < forward->message_end; count--) {
    const tw_forward_message *message = &forward->messages[forward->message_at++];
    tw_forward_add(&forward->totals.out, message->packets, message->bytes);
    if (message->client->number == message->client_number)
      tw_forward_add(&message->client->out, message->packets, message->bytes);
    tw_forward_runs_release(forward, message->run, message->run_count);
  }
}

void tw_forward_unsent(tw_forward *forward) {
  if (forward->message_at < forward->message_end)
    give_up(forward, &forward->messages[forward->message_at++], TW_FORWARD_UNSENT);
}

/* UDP socket: sending. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

#include "base/alloc.h"
#include "net/udp.h"

enum {
  MESSAGES = 64, /* in one call */
  LOOK_BACK = 16 /* slots in which a datagram's peer is looked for: replicas to a group's members take turns */
};

/* UDP_SEGMENT's size and the TOS octet. */
typedef union control {
  struct cmsghdr align;
  uint8_t bytes[CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(int))];
} control;

struct tw_udp_batch_memory {
  struct iovec *parts;           /* TW_UDP_SEGMENTS for each slot: datagrams, or rows of them that lie side by side */
  struct iovec single[MESSAGES]; /* a datagram of a row */
  struct mmsghdr messages[MESSAGES];
  tw_udp_address names[MESSAGES];
  control controls[MESSAGES];
  struct origin {
    size_t slot;
    uint16_t datagrams;
  } origins[MESSAGES]; /* whose datagrams a message has */
};

tw_err tw_udp_batch_open(tw_udp_batch *batch, const tw_alloc *alloc, size_t slots) {
  *batch = (tw_udp_batch){.alloc = alloc, .capacity = slots};
  if (slots == 0 || slots > TW_UDP_SLOTS_MAX) return TW_ERR_ARGUMENT;
  batch->slots = tw_alloc_array(alloc, slots, sizeof *batch->slots);
  batch->memory = tw_alloc_zero(alloc, sizeof *batch->memory);
  if (batch->memory != NULL)
    batch->memory->parts = tw_alloc_array(alloc, slots * TW_UDP_SEGMENTS, sizeof *batch->memory->parts);
  if (batch->slots != NULL && batch->memory != NULL && batch->memory->parts != NULL) return TW_OK;
  tw_udp_batch_close(batch);
  return TW_ERR_NO_MEMORY;
}

void tw_udp_batch_close(tw_udp_batch *batch) {
  if (batch->memory != NULL) tw_alloc_free(batch->alloc, batch->memory->parts);
  tw_alloc_free(batch->alloc, batch->memory);
  tw_alloc_free(batch->alloc, batch->slots);
  *batch = (tw_udp_batch){0};
}

void tw_udp_batch_reset(tw_udp_batch *batch) {
  batch->count = 0;
  batch->at = 0;
}

/* ---- filling ---- */

static bool has_room(const tw_udp_slot *slot, uint8_t tos, size_t len) {
  const bool all_alike = slot->len == (uint32_t)slot->segment * slot->datagrams;
  return slot->tos == tos && slot->gone == 0 && slot->apart == 0 && all_alike && len > 0 && len <= slot->segment &&
         slot->datagrams < TW_UDP_SEGMENTS && slot->len + len <= TW_UDP_DATAGRAM_MAX;
}

/* The last slot of that peer, if it is near and nothing of it was sent. */
static tw_udp_slot *find_slot(const tw_udp_batch *batch, const tw_udp_address *to) {
  for (size_t back = 1; back <= LOOK_BACK && back <= batch->count - batch->at; back++) {
    tw_udp_slot *slot = &batch->slots[batch->count - back];
    if (tw_udp_address_equal(&slot->peer, to)) return slot;
  }
  return NULL;
}

static struct iovec *parts_of(const tw_udp_batch *batch, const tw_udp_slot *slot) {
  return &batch->memory->parts[(size_t)(slot - batch->slots) * TW_UDP_SEGMENTS];
}

tw_err tw_udp_batch_add(tw_udp_batch *batch, const tw_udp_address *to, uint8_t tos, tw_bytes datagram) {
  if (datagram.len > TW_UDP_DATAGRAM_MAX) return TW_ERR_ARGUMENT;
  tw_udp_slot *slot = find_slot(batch, to);
  if (slot == NULL || !has_room(slot, tos, datagram.len)) {
    if (batch->slots == NULL || batch->count == batch->capacity) return TW_ERR_LIMIT;
    slot = &batch->slots[batch->count++];
    *slot = (tw_udp_slot){.peer = *to, .tos = tos, .segment = (uint16_t)datagram.len};
  }
  struct iovec *next = parts_of(batch, slot) + slot->parts;
  if (slot->parts > 0 && (const uint8_t *)next[-1].iov_base + next[-1].iov_len == datagram.ptr) {
    next[-1].iov_len += datagram.len;
  } else {
    *next = (struct iovec){(void *)(uintptr_t)datagram.ptr, datagram.len}; /* sendmmsg only reads it */
    slot->parts++;
  }
  slot->datagrams++;
  slot->len += (uint32_t)datagram.len;
  return TW_OK;
}

/* ---- messages of a batch ---- */

static void map(const tw_udp_address *address, tw_udp_address *out) {
  *out = (tw_udp_address){.in6 = {.sin6_family = AF_INET6, .sin6_port = address->in4.sin_port}};
  out->in6.sin6_addr.s6_addr[10] = 0xff;
  out->in6.sin6_addr.s6_addr[11] = 0xff;
  memcpy(&out->in6.sin6_addr.s6_addr[12], &address->in4.sin_addr, sizeof address->in4.sin_addr);
}

static void put_control(struct msghdr *message, int level, int type, const void *value, size_t len) {
  struct cmsghdr *at = (struct cmsghdr *)(void *)((uint8_t *)message->msg_control + message->msg_controllen);
  memset(at, 0, CMSG_SPACE(len));
  at->cmsg_level = level;
  at->cmsg_type = type;
  at->cmsg_len = CMSG_LEN(len);
  memcpy(CMSG_DATA(at), value, len);
  message->msg_controllen += CMSG_SPACE(len);
}

/* The datagram `n` of a slot. */
static struct iovec single_of(const tw_udp_batch *batch, const tw_udp_slot *slot, size_t n) {
  const struct iovec *part = parts_of(batch, slot);
  size_t at = n * slot->segment;
  for (; at > 0 && at >= part->iov_len; part++) at -= part->iov_len;
  const size_t left = part->iov_len - at;
  return (struct iovec){(uint8_t *)part->iov_base + at, left < slot->segment ? left : slot->segment};
}

/* Message `n`: all of a slot, or the datagram `from` alone. */
static void make_message(const tw_udp *udp, tw_udp_batch *batch, size_t n, size_t index, uint16_t from,
                         uint16_t datagrams) {
  struct tw_udp_batch_memory *memory = batch->memory;
  const tw_udp_slot *slot = &batch->slots[index];
  const bool four = slot->peer.any.sa_family == AF_INET;
  if (four && udp->family == AF_INET6)
    map(&slot->peer, &memory->names[n]);
  else
    memory->names[n] = slot->peer;
  struct msghdr *message = &memory->messages[n].msg_hdr;
  *message = (struct msghdr){.msg_name = &memory->names[n],
                             .msg_namelen = tw_udp_address_len(&memory->names[n]),
                             .msg_iov = parts_of(batch, slot),
                             .msg_iovlen = slot->parts,
                             .msg_control = &memory->controls[n]};
  if (datagrams < slot->datagrams) {
    memory->single[n] = single_of(batch, slot, from);
    message->msg_iov = &memory->single[n];
    message->msg_iovlen = 1;
  }
  if (datagrams > 1) put_control(message, SOL_UDP, UDP_SEGMENT, &slot->segment, sizeof slot->segment);
  if (udp->tos && slot->tos != 0) {
    const int tos = slot->tos;
    put_control(message, four ? IPPROTO_IP : IPPROTO_IPV6, four ? IP_TOS : IPV6_TCLASS, &tos, sizeof tos);
  }
  if (message->msg_controllen == 0) message->msg_control = NULL;
  memory->origins[n] = (struct origin){index, datagrams};
}

static unsigned make_messages(const tw_udp *udp, tw_udp_batch *batch) {
  unsigned n = 0;
  for (size_t i = batch->at; i < batch->count && n < MESSAGES; i++) {
    const tw_udp_slot *slot = &batch->slots[i];
    if (slot->datagrams > 1 && slot->gone == 0 && slot->apart == 0 && udp->send_offload &&
        slot->segment <= udp->segment_limit) {
      make_message(udp, batch, n++, i, 0, slot->datagrams);
      continue;
    }
    for (uint16_t k = slot->gone; k < slot->datagrams && n < MESSAGES; k++) make_message(udp, batch, n++, i, k, 1);
  }
  return n;
}

/* ---- what becomes of them ---- */

/* Only what goes out alone and not together tells about the offload: an address can be refused either way. */
static void learn(tw_udp *udp, const tw_udp_slot *slot) {
  udp->counts.apart++;
  if (slot->apart == EIO) {
    udp->send_offload = false;
    return;
  }
  if (udp->segment_limit >= slot->segment) udp->segment_limit = (size_t)slot->segment - 1;
  udp->limit_until = udp->counts.sent + TW_UDP_LIMIT_DATAGRAMS;
}

static void advance(tw_udp_batch *batch, tw_udp_slot *slot, uint16_t datagrams) {
  slot->gone = (uint16_t)(slot->gone + datagrams);
  if (slot->gone == slot->datagrams) batch->at++;
}

static void sent(tw_udp *udp, tw_udp_batch *batch, size_t messages) {
  for (size_t i = 0; i < messages; i++) {
    const struct origin *origin = &batch->memory->origins[i];
    tw_udp_slot *slot = &batch->slots[origin->slot];
    if (slot->apart != 0 && slot->gone == 0) learn(udp, slot);
    udp->counts.sent += origin->datagrams;
    advance(batch, slot, origin->datagrams);
  }
}

/* The first message has failed for what is its own. */
static void failed(tw_udp *udp, tw_udp_batch *batch, int why) {
  const struct origin *origin = &batch->memory->origins[0];
  tw_udp_slot *slot = &batch->slots[origin->slot];
  if (origin->datagrams > 1 && (why == EIO || why == EINVAL || why == EMSGSIZE)) {
    slot->apart = why;
    return;
  }
  /* A shorter one may pass where a longer one does not; anything else meets all that go to this peer. */
  const uint16_t lost = why == EMSGSIZE ? 1 : (uint16_t)(slot->datagrams - slot->gone);
  slot->error = why;
  udp->counts.failed += lost;
  advance(batch, slot, lost);
}

tw_err tw_udp_send(tw_udp *udp, tw_udp_batch *batch) {
  while (batch->at < batch->count) {
    if (udp->counts.sent >= udp->limit_until) udp->segment_limit = TW_UDP_DATAGRAM_MAX;
    const unsigned messages = make_messages(udp, batch);
    const int done = udp->calls->send(udp->fd, batch->memory->messages, messages, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done > 0) {
      sent(udp, batch, (size_t)done);
      continue; /* the next call tells why it stopped */
    }
    if (done == 0 || errno == EAGAIN || errno == EWOULDBLOCK) return TW_OK;
    if (errno == EINTR) continue;
    if (errno == EBADF || errno == ENOTSOCK || errno == EFAULT) return TW_ERR_STATE;
    failed(udp, batch, errno);
  }
  return TW_OK;
}

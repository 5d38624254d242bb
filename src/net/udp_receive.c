/* UDP socket: receiving. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

#include "base/alloc.h"
#include "net/udp.h"

enum { PENDING_ERRORS = 8 }; /* of earlier datagrams, told by a receive call; passed over before it gives up */

/* Room for UDP_GRO's segment size and for the TOS octet of either family. */
typedef union control {
  struct cmsghdr align;
  uint8_t bytes[4 * CMSG_SPACE(sizeof(int))];
} control;

struct tw_udp_intake_memory {
  struct mmsghdr *messages;
  struct iovec *parts;
  control *controls;
  uint8_t *bytes;
};

tw_err tw_udp_intake_open(tw_udp_intake *intake, const tw_alloc *alloc, size_t slots, size_t slot_size) {
  *intake = (tw_udp_intake){.alloc = alloc, .capacity = slots, .slot_size = slot_size};
  if (slots == 0 || slots > TW_UDP_SLOTS_MAX || slot_size == 0 || slot_size > TW_UDP_SLOT_SIZE) return TW_ERR_ARGUMENT;
  struct tw_udp_intake_memory *memory = tw_alloc_zero(alloc, sizeof *memory);
  if (memory == NULL) return TW_ERR_NO_MEMORY;
  intake->memory = memory;
  intake->slots = tw_alloc_array(alloc, slots, sizeof *intake->slots);
  memory->messages = tw_alloc_array(alloc, slots, sizeof *memory->messages);
  memory->parts = tw_alloc_array(alloc, slots, sizeof *memory->parts);
  memory->controls = tw_alloc_array(alloc, slots, sizeof *memory->controls);
  memory->bytes = tw_alloc_room(alloc, slots, slot_size);
  if (intake->slots == NULL || memory->messages == NULL || memory->parts == NULL || memory->controls == NULL ||
      memory->bytes == NULL) {
    tw_udp_intake_close(intake);
    return TW_ERR_NO_MEMORY;
  }
  for (size_t i = 0; i < slots; i++) {
    memory->parts[i] = (struct iovec){memory->bytes + i * slot_size, slot_size};
    memory->messages[i].msg_hdr.msg_iov = &memory->parts[i];
    memory->messages[i].msg_hdr.msg_iovlen = 1;
  }
  return TW_OK;
}

void tw_udp_intake_close(tw_udp_intake *intake) {
  if (intake->memory != NULL) {
    tw_alloc_free(intake->alloc, intake->memory->messages);
    tw_alloc_free(intake->alloc, intake->memory->parts);
    tw_alloc_free(intake->alloc, intake->memory->controls);
    tw_alloc_free(intake->alloc, intake->memory->bytes);
    tw_alloc_free(intake->alloc, intake->memory);
  }
  tw_alloc_free(intake->alloc, intake->slots);
  *intake = (tw_udp_intake){0};
}

/* Before a call: what the call before has overwritten. The names go straight into the slots. */
static void make_ready(tw_udp_intake *intake) {
  for (size_t i = 0; i < intake->capacity; i++) {
    struct msghdr *message = &intake->memory->messages[i].msg_hdr;
    message->msg_name = &intake->slots[i].peer;
    message->msg_namelen = sizeof intake->slots[i].peer;
    message->msg_control = &intake->memory->controls[i];
    message->msg_controllen = sizeof intake->memory->controls[i];
    message->msg_flags = 0;
  }
}

static int number_of(const struct cmsghdr *at) {
  int value = 0;
  if (at->cmsg_len >= CMSG_LEN(sizeof value))
    memcpy(&value, CMSG_DATA(at), sizeof value);
  else if (at->cmsg_len > CMSG_LEN(0)) /* IP_TOS is one octet */
    value = *CMSG_DATA(at);
  return value;
}

static void fill(tw_udp_slot *slot, struct msghdr *message, size_t len) {
  tw_udp_address_unmap(&slot->peer);
  slot->len = (uint32_t)len;
  slot->tos = 0;
  size_t segment = 0;
  for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at != NULL; at = CMSG_NXTHDR(message, at)) {
    const int value = number_of(at);
    if (at->cmsg_level == SOL_UDP && at->cmsg_type == UDP_GRO && value > 0) segment = (size_t)value;
    if ((at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_TOS) ||
        (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_TCLASS))
      slot->tos = (uint8_t)value;
  }
  if (segment == 0 || segment > len) segment = len;
  slot->segment = (uint16_t)segment;
  slot->datagrams = len == 0 ? 1 : (uint16_t)((len + segment - 1) / segment);
}

/* What is too long leaves no gap. */
static void take(tw_udp *udp, tw_udp_intake *intake, size_t filled) {
  struct tw_udp_intake_memory *memory = intake->memory;
  for (size_t i = 0; i < filled; i++) {
    struct msghdr *message = &memory->messages[i].msg_hdr;
    if ((message->msg_flags & MSG_TRUNC) != 0) {
      udp->counts.truncated++;
      continue;
    }
    tw_udp_slot *slot = &intake->slots[intake->count];
    if (intake->count != i) slot->peer = intake->slots[i].peer;
    slot->data = memory->parts[i].iov_base;
    fill(slot, message, memory->messages[i].msg_len);
    udp->counts.received += slot->datagrams;
    intake->count++;
  }
}

tw_err tw_udp_receive(tw_udp *udp, tw_udp_intake *intake) {
  intake->count = 0;
  if (udp->receive_offload && intake->slot_size < TW_UDP_SLOT_SIZE) return TW_ERR_ARGUMENT;
  for (int tries = 0; tries < PENDING_ERRORS; tries++) {
    make_ready(intake);
    const int filled = udp->calls->receive(udp->fd, intake->memory->messages, (unsigned)intake->capacity, MSG_DONTWAIT,
                                           NULL);
    if (filled > 0) {
      take(udp, intake, (size_t)filled);
      if (intake->count > 0) return TW_OK;
      continue; /* all of them were too long: there may be more behind */
    }
    if (filled == 0 || errno == EAGAIN || errno == EWOULDBLOCK) return TW_OK;
    if (errno == EBADF || errno == ENOTSOCK || errno == EFAULT || errno == EINVAL) return TW_ERR_STATE;
  }
  return TW_OK; /* still readable: the loop calls again */
}

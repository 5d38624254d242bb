/* A TUN device: IP packets of this machine, by a file descriptor (Linux). SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_TUN_H
#define TW_NET_TUN_H

#include <stdbool.h>

#include <treewire/bytes.h>

#include "net/report.h"
#include "packet/offload.h"

enum {
  TW_TUN_NAME_MAX = 15, /* characters of a device's name */
  TW_TUN_QUEUES_MAX = 16,
  TW_TUN_PACKET_MAX = 65535, /* bytes of one packet, or of one large one that is to be split */
  TW_TUN_PARTS_MAX = 128     /* pieces of memory that one packet is written from */
};

/** What the kernel may hand to us undone. It takes all of them from us at any time. */
typedef enum tw_tun_offload {
  TW_TUN_OFFLOAD_NONE = 0,
  TW_TUN_OFFLOAD_CHECKSUM = 1,
  TW_TUN_OFFLOAD_TCP4 = 2,
  TW_TUN_OFFLOAD_TCP6 = 4,
  TW_TUN_OFFLOAD_UDP = 8 /* Linux 6.2 */
} tw_tun_offload;

/** The system calls in use; tests put failing ones in their place. */
typedef struct tw_tun_calls {
  int (*open)(const char *path);
  int (*control)(int fd, unsigned long request, void *argument);
} tw_tun_calls;

typedef struct tw_tun_config {
  const char *name;          /* NULL or empty: "treewire0" or the next that is free */
  unsigned queues;           /* 0 or 1: one; more: flows are spread over them by the kernel */
  bool no_offload;           /* packets as they are on a wire alone */
  const tw_tun_calls *calls; /* NULL: the system's */
} tw_tun_config;

/** In its owner; zero-initialised is closed. The descriptors are for poll. */
typedef struct tw_tun {
  int queues[TW_TUN_QUEUES_MAX];
  unsigned queue_count;
  unsigned offloads; /* tw_tun_offload, those that work */
  char name[TW_TUN_NAME_MAX + 1];
} tw_tun;

/**
 * A new device, which goes when it is closed, with all addresses and routes of it. It has no address and is down: see
 * netdev.h. Non-blocking. Offloads that the kernel does not know are off; where it has no several queues there is one.
 * TW_ERR_ARGUMENT (name, queues) or TW_ERR_STATE, with a report that says what to do: no /dev/net/tun, no
 * CAP_NET_ADMIN, the name is taken.
 */
TW_MUST_USE tw_err tw_tun_open(tw_tun *tun, const tw_tun_config *config, tw_report *report);
/** NULL is fine, and a closed one. */
void tw_tun_close(tw_tun *tun);

/**
 * One packet into `packet`, which has room for TW_TUN_PACKET_MAX bytes, and what is left to be done to it into
 * `offload`; `*len` 0: there is none, wait for readability. TW_ERR_STATE: the device is gone.
 */
TW_MUST_USE tw_err tw_tun_read(const tw_tun *tun, unsigned queue, tw_offload *offload, uint8_t *packet, size_t *len);
/**
 * One packet, in `count` (1 … TW_TUN_PARTS_MAX) pieces that follow each other; `offload` NULL: all zero. It is not
 * kept. TW_ERR_ENCODING: the kernel does not take it (neither IPv4 nor IPv6, a header that does not fit it): drop it.
 * TW_ERR_LIMIT: no room now: drop it. TW_ERR_STATE: the device is down or gone. TW_ERR_ARGUMENT: count.
 */
TW_MUST_USE tw_err tw_tun_write(const tw_tun *tun, unsigned queue, const tw_offload *offload, const tw_bytes *parts,
                                size_t count);

#endif

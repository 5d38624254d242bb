/* TUN device. SPDX-License-Identifier: Apache-2.0 */
#include "net/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

/* Of Linux 6.2; the headers may be older than the kernel. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

_Static_assert(sizeof(tw_offload) == TW_OFFLOAD_SIZE, "virtio_net_hdr without num_buffers");
_Static_assert(TW_TUN_NAME_MAX + 1 == IFNAMSIZ, "a device's name");

static const char device[] = "/dev/net/tun";
static const char default_name[] = "treewire%d"; /* the kernel puts a number there */

static int open_device(const char *path) { return open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC); }
static int control_device(int fd, unsigned long request, void *argument) { return ioctl(fd, request, argument); }
static const tw_tun_calls system_calls = {open_device, control_device};

/* What the kernel takes for a name, and no '%', which it would read as a pattern. */
static bool is_name(const char *name) {
  const size_t len = strlen(name);
  if (len == 0 || len > TW_TUN_NAME_MAX || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return false;
  for (const char *at = name; *at != '\0'; at++)
    if (*at <= ' ' || *at >= 0x7f || strchr("/:%", *at) != NULL) return false;
  return true;
}

static tw_err open_failed(int error, tw_report *report) {
  switch (error) {
  case ENOENT:
  case ENODEV:
  case ENXIO:
    return tw_report_fail(report, TW_ERR_STATE,
                          "there is no %s: load the module (modprobe tun), or give the container that device "
                          "(--device %s)",
                          device, device);
  case EACCES:
  case EPERM:
    return tw_report_fail(report, TW_ERR_STATE,
                          "%s cannot be opened: start as root, or with CAP_NET_ADMIN and access to it", device);
  default: return tw_report_fail(report, TW_ERR_STATE, "%s cannot be opened: %s", device, strerror(error));
  }
}

static tw_err attach_failed(int error, const char *name, tw_report *report) {
  switch (error) {
  case EPERM:
    return tw_report_fail(report, TW_ERR_STATE,
                          "no right to make the device %s: start as root or with CAP_NET_ADMIN (a container: --cap-add "
                          "NET_ADMIN)",
                          name);
  case EBUSY:
  case EEXIST:
    return tw_report_fail(report, TW_ERR_STATE,
                          "the name %s is taken by another device: end the program that has it, remove it (ip link "
                          "delete %s), or choose another name",
                          name, name);
  case EINVAL:
    return tw_report_fail(report, TW_ERR_STATE,
                          "the device %s cannot be made: the name is taken by a device of another kind, or the kernel "
                          "has no TUN with IFF_VNET_HDR",
                          name);
  default: return tw_report_fail(report, TW_ERR_STATE, "the device %s cannot be made: %s", name, strerror(error));
  }
}

/* Further queues name the device that the first one has made, which may exist then. */
static tw_err add_queue(tw_tun *tun, bool many, const tw_tun_calls *calls, tw_report *report) {
  const bool first = tun->queue_count == 0;
  const int fd = calls->open(device);
  if (fd < 0) return open_failed(errno, report);
  struct ifreq request = {0};
  int flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | (first ? IFF_TUN_EXCL : 0);
  if (many) flags |= IFF_MULTI_QUEUE;
  request.ifr_flags = (short)flags;
  memcpy(request.ifr_name, tun->name, sizeof tun->name);
  if (calls->control(fd, TUNSETIFF, &request) != 0) {
    const int error = errno;
    (void)close(fd);
    return attach_failed(error, tun->name, report);
  }
  memcpy(tun->name, request.ifr_name, sizeof tun->name);
  tun->name[TW_TUN_NAME_MAX] = '\0';
  tun->queues[tun->queue_count++] = fd;
  return TW_OK;
}

/* All or none. */
static tw_err add_queues(tw_tun *tun, const char *name, unsigned count, const tw_tun_calls *calls, tw_report *report) {
  memcpy(tun->name, name, strlen(name) + 1);
  while (tun->queue_count < count) {
    const tw_err err = add_queue(tun, count > 1, calls, report);
    if (err == TW_OK) continue;
    tw_tun_close(tun);
    return err;
  }
  return TW_OK;
}

/* A kernel refuses the whole set for one flag that it does not know; UDP came last, and for both families at once. */
static unsigned set_offloads(const tw_tun *tun, const tw_tun_calls *calls) {
  static const struct {
    unsigned long flags;
    unsigned offloads;
  } sets[] = {
      {TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_USO4 | TUN_F_USO6,
       TW_TUN_OFFLOAD_CHECKSUM | TW_TUN_OFFLOAD_TCP4 | TW_TUN_OFFLOAD_TCP6 | TW_TUN_OFFLOAD_UDP},
      {TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6, TW_TUN_OFFLOAD_CHECKSUM | TW_TUN_OFFLOAD_TCP4 | TW_TUN_OFFLOAD_TCP6},
      {TUN_F_CSUM | TUN_F_TSO4, TW_TUN_OFFLOAD_CHECKSUM | TW_TUN_OFFLOAD_TCP4},
      {TUN_F_CSUM, TW_TUN_OFFLOAD_CHECKSUM},
  };
  for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
    if (calls->control(tun->queues[0], TUNSETOFFLOAD, (void *)sets[i].flags) == 0) return sets[i].offloads;
  return TW_TUN_OFFLOAD_NONE;
}

tw_err tw_tun_open(tw_tun *tun, const tw_tun_config *config, tw_report *report) {
  *tun = (tw_tun){0};
  const tw_tun_calls *calls = config->calls != NULL ? config->calls : &system_calls;
  const bool named = config->name != NULL && config->name[0] != '\0';
  if (named && !is_name(config->name))
    return tw_report_fail(report, TW_ERR_ARGUMENT, "'%.40s' is no name for a device: 1 to %d characters, no / : %%",
                          config->name, TW_TUN_NAME_MAX);
  if (config->queues > TW_TUN_QUEUES_MAX)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "a TUN device has at most %d queues here", TW_TUN_QUEUES_MAX);
  const char *name = named ? config->name : default_name;
  /* What is wrong with many is said again, if it is wrong with one, too. */
  if (config->queues <= 1 || add_queues(tun, name, config->queues, calls, report) != TW_OK)
    TW_TRY(add_queues(tun, name, 1, calls, report));
  if (!config->no_offload) tun->offloads = set_offloads(tun, calls);
  return TW_OK;
}

void tw_tun_close(tw_tun *tun) {
  if (tun == NULL) return;
  for (unsigned i = 0; i < tun->queue_count; i++) (void)close(tun->queues[i]);
  *tun = (tw_tun){0};
}

tw_err tw_tun_read(const tw_tun *tun, unsigned queue, tw_offload *offload, uint8_t *packet, size_t *len) {
  *len = 0;
  for (;;) {
    const struct iovec parts[2] = {{offload, sizeof *offload}, {packet, TW_TUN_PACKET_MAX}};
    const ssize_t got = readv(tun->queues[queue], parts, 2);
    if (got > (ssize_t)sizeof *offload) {
      *len = (size_t)got - sizeof *offload;
      return TW_OK;
    }
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return TW_OK;
    if (got >= 0 || errno != EINTR) return TW_ERR_STATE;
  }
}

static tw_err write_failed(int error) {
  switch (error) {
  case EAGAIN:
  case ENOBUFS:
  case ENOMEM: return TW_ERR_LIMIT;
  case EINVAL:
  case EMSGSIZE: return TW_ERR_ENCODING;
  default: return TW_ERR_STATE;
  }
}

static tw_err write_pieces(int fd, const struct iovec *pieces, size_t count) {
  for (;;) {
    if (writev(fd, pieces, (int)count) >= 0) return TW_OK;
    if (errno != EINTR) return write_failed(errno);
  }
}

static void set_pieces(struct iovec *pieces, tw_offload *offload, const tw_bytes *parts, size_t count) {
  pieces[0] = (struct iovec){offload, sizeof *offload};
  for (size_t i = 0; i < count; i++)
    pieces[i + 1] = (struct iovec){(void *)(uintptr_t)parts[i].ptr, parts[i].len}; /* writev only reads it */
}

enum { FEW = 3 };

/* The compiler clears what lies on the stack: with packets of one piece that shows. */
static tw_err write_many(int fd, tw_offload *offload, const tw_bytes *parts, size_t count) {
  struct iovec pieces[TW_TUN_PARTS_MAX + 1];
  set_pieces(pieces, offload, parts, count);
  return write_pieces(fd, pieces, count + 1);
}

tw_err tw_tun_write(const tw_tun *tun, unsigned queue, const tw_offload *offload, const tw_bytes *parts, size_t count) {
  if (count == 0 || count > TW_TUN_PARTS_MAX) return TW_ERR_ARGUMENT;
  tw_offload copy = {0};
  if (offload != NULL) copy = *offload;
  if (count > FEW) return write_many(tun->queues[queue], &copy, parts, count);
  struct iovec pieces[FEW + 1];
  set_pieces(pieces, &copy, parts, count);
  return write_pieces(tun->queues[queue], pieces, count + 1);
}

/*
 * pcapng (draft-ietf-opsawg-pcapng): a section header, interface descriptions, enhanced packets with a comment each.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
  BLOCK_SECTION = 0x0a0d0d0a,
  BLOCK_INTERFACE = 1,
  BLOCK_PACKET = 6,
  OPTION_COMMENT = 1,
  OPTION_NAME = 2,
  OPTION_TIME_UNIT = 9
};

struct link_capture {
  FILE *file;
};

static void put(struct link_capture *capture, const void *bytes, size_t len) {
  static const uint8_t zero[4];
  if (fwrite(bytes, 1, len, capture->file) != len) link_fail("capture");
  const size_t over = len % 4;
  if (over != 0 && fwrite(zero, 1, 4 - over, capture->file) != 4 - over) link_fail("capture");
}

static void put32(struct link_capture *capture, uint32_t value) { put(capture, &value, sizeof value); }

static size_t padded(size_t len) { return (len + 3) / 4 * 4; }
static size_t option_size(size_t len) { return len == 0 ? 0 : 4 + padded(len); }

static void put_option(struct link_capture *capture, unsigned code, const void *bytes, size_t len) {
  if (len == 0) return;
  const uint16_t head[2] = {(uint16_t)code, (uint16_t)len};
  put(capture, head, sizeof head);
  put(capture, bytes, len);
}

struct link_capture *link_capture_open(const char *path) {
  struct link_capture *capture = calloc(1, sizeof *capture);
  const uint16_t version[2] = {1, 0};
  errno = 0;
  if (capture == NULL || (capture->file = fopen(path, "we")) == NULL) link_fail("%s", path);
  put32(capture, BLOCK_SECTION);
  put32(capture, 28);
  put32(capture, 0x1a2b3c4d);
  put(capture, version, sizeof version);
  put32(capture, UINT32_MAX); /* the section's length: not given */
  put32(capture, UINT32_MAX);
  put32(capture, 28);
  return capture;
}

void link_capture_interface(struct link_capture *capture, const char *name, unsigned link_type) {
  const uint8_t nanoseconds = 9;
  const uint32_t size = (uint32_t)(20 + option_size(strlen(name)) + option_size(1) + 4);
  put32(capture, BLOCK_INTERFACE);
  put32(capture, size);
  put32(capture, link_type);
  put32(capture, 0); /* whole packets */
  put_option(capture, OPTION_NAME, name, strlen(name));
  put_option(capture, OPTION_TIME_UNIT, &nanoseconds, 1);
  put32(capture, 0); /* the end of the options */
  put32(capture, size);
}

void link_capture_packet(struct link_capture *capture, unsigned interface, const uint8_t *bytes, size_t len,
                         const char *comment) {
  struct timespec now;
  if (capture == NULL) return;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) link_fail("clock_gettime");
  const uint64_t when = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
  const size_t words = strlen(comment);
  const uint32_t size = (uint32_t)(32 + padded(len) + option_size(words) + (words == 0 ? 0 : 4));
  put32(capture, BLOCK_PACKET);
  put32(capture, size);
  put32(capture, interface);
  put32(capture, (uint32_t)(when >> 32));
  put32(capture, (uint32_t)when);
  put32(capture, (uint32_t)len);
  put32(capture, (uint32_t)len);
  put(capture, bytes, len);
  put_option(capture, OPTION_COMMENT, comment, words);
  if (words != 0) put32(capture, 0);
  put32(capture, size);
}

void link_capture_flush(struct link_capture *capture) {
  if (capture != NULL && fflush(capture->file) != 0) link_fail("capture");
}

void link_capture_close(struct link_capture *capture) {
  if (capture == NULL) return;
  if (fclose(capture->file) != 0) link_fail("capture");
  free(capture);
}

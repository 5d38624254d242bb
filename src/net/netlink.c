/* rtnetlink: requests and answers. SPDX-License-Identifier: Apache-2.0 */
#include "net/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ERRNO_MAX = 4095 };

/* ---- a request ---- */

static size_t padded(size_t len) { return (len + 3) & ~(size_t)3; }

/* `len` bytes more, padded with zeros; NULL when they do not fit. */
static uint8_t *grow(tw_netlink_request *request, size_t len) {
  const size_t left = sizeof request->bytes - request->len;
  if (request->too_long || len > left || padded(len) > left) {
    request->too_long = true;
    return NULL;
  }
  uint8_t *at = request->bytes + request->len;
  memset(at, 0, padded(len));
  request->len += padded(len);
  return at;
}

void tw_netlink_begin(tw_netlink_request *request, uint16_t type, uint16_t flags, const void *fixed, size_t len) {
  request->len = 0;
  request->too_long = false;
  const struct nlmsghdr header = {.nlmsg_type = type, .nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST)};
  uint8_t *at = grow(request, sizeof header);
  if (at != NULL) memcpy(at, &header, sizeof header);
  at = grow(request, len);
  if (at != NULL) memcpy(at, fixed, len);
}

void tw_netlink_put(tw_netlink_request *request, uint16_t type, tw_bytes value) {
  if (value.len > UINT16_MAX - sizeof(struct nlattr)) {
    request->too_long = true;
    return;
  }
  const struct nlattr attribute = {(uint16_t)(sizeof attribute + value.len), type};
  uint8_t *at = grow(request, sizeof attribute + value.len);
  if (at == NULL) return;
  memcpy(at, &attribute, sizeof attribute);
  if (value.len > 0) memcpy(at + sizeof attribute, value.ptr, value.len);
}

void tw_netlink_put_u32(tw_netlink_request *request, uint16_t type, uint32_t value) {
  tw_netlink_put(request, type, TW_BYTES((const uint8_t *)&value, sizeof value));
}

size_t tw_netlink_open_nest(tw_netlink_request *request, uint16_t type) {
  const size_t mark = request->len;
  tw_netlink_put(request, type | NLA_F_NESTED, TW_BYTES(NULL, 0));
  return mark;
}

void tw_netlink_close_nest(tw_netlink_request *request, size_t mark) {
  if (request->too_long) return;
  const uint16_t len = (uint16_t)(request->len - mark);
  memcpy(request->bytes + mark, &len, sizeof len); /* nla_len comes first */
}

/* ---- an answer ---- */

static void skip(tw_bytes *rest, size_t len) {
  const size_t step = padded(len) < rest->len ? padded(len) : rest->len;
  rest->ptr += step;
  rest->len -= step;
}

tw_err tw_netlink_take(tw_bytes *rest, void *out, size_t len) {
  if (rest->len < len) return TW_ERR_TRUNCATED;
  memcpy(out, rest->ptr, len);
  skip(rest, len);
  return TW_OK;
}

tw_err tw_netlink_next_message(tw_bytes *rest, tw_netlink_message *message) {
  struct nlmsghdr header;
  if (rest->len < sizeof header) return TW_ERR_TRUNCATED;
  memcpy(&header, rest->ptr, sizeof header);
  if (header.nlmsg_len < sizeof header || header.nlmsg_len > rest->len) return TW_ERR_TRUNCATED;
  *message = (tw_netlink_message){header.nlmsg_type, header.nlmsg_flags, header.nlmsg_seq,
                                  TW_BYTES(rest->ptr + sizeof header, header.nlmsg_len - sizeof header)};
  skip(rest, header.nlmsg_len);
  return TW_OK;
}

tw_err tw_netlink_next_attribute(tw_bytes *rest, uint16_t *type, tw_bytes *value) {
  struct nlattr header;
  if (rest->len < sizeof header) return TW_ERR_TRUNCATED;
  memcpy(&header, rest->ptr, sizeof header);
  if (header.nla_len < sizeof header || header.nla_len > rest->len) return TW_ERR_TRUNCATED;
  *type = header.nla_type & (uint16_t) ~(NLA_F_NESTED | NLA_F_NET_BYTEORDER);
  *value = TW_BYTES(rest->ptr + sizeof header, header.nla_len - sizeof header);
  skip(rest, header.nla_len);
  return TW_OK;
}

uint32_t tw_netlink_u32(tw_bytes value) {
  uint32_t number = 0;
  if (value.len == sizeof number) memcpy(&number, value.ptr, sizeof number);
  return number;
}

/* ---- asking ---- */

static ssize_t system_send(int fd, const void *bytes, size_t len) {
  const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  return sendto(fd, bytes, len, 0, (const struct sockaddr *)(const void *)&kernel, sizeof kernel);
}

/* Other processes can send to a netlink socket; only the kernel's port is 0. */
static ssize_t system_receive(int fd, void *bytes, size_t size) {
  for (;;) {
    struct sockaddr_nl from = {0};
    socklen_t len = sizeof from;
    const ssize_t got = recvfrom(fd, bytes, size, MSG_TRUNC, (struct sockaddr *)(void *)&from, &len);
    if (got < 0 || from.nl_pid == 0) return got;
  }
}

static const tw_netlink_calls system_calls = {system_send, system_receive};

tw_err tw_netlink_open(tw_netlink *netlink, const tw_netlink_calls *calls, tw_report *report) {
  netlink->is_open = false;
  netlink->sequence = 0;
  netlink->refused = 0;
  netlink->words[0] = '\0';
  netlink->calls = calls != NULL ? calls : &system_calls;
  netlink->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (netlink->fd < 0) return tw_report_fail(report, TW_ERR_STATE, "no netlink socket: %s", strerror(errno));
  const int on = 1; /* all three are of Linux 4.12 to 4.20 and only make answers shorter and clearer */
  (void)setsockopt(netlink->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  (void)setsockopt(netlink->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  (void)setsockopt(netlink->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  netlink->is_open = true;
  return TW_OK;
}

void tw_netlink_close(tw_netlink *netlink) {
  if (!netlink->is_open) return;
  (void)close(netlink->fd);
  netlink->is_open = false;
}

/* What the kernel says beside the number, NLMSGERR_ATTR_MSG. */
static void take_words(tw_netlink *netlink, const tw_netlink_message *message, tw_bytes rest, uint32_t request_len) {
  if ((message->flags & NLM_F_ACK_TLVS) == 0) return;
  if ((message->flags & NLM_F_CAPPED) == 0) {
    if (request_len < sizeof(struct nlmsghdr)) return;
    skip(&rest, request_len - sizeof(struct nlmsghdr));
  }
  while (rest.len > 0) {
    uint16_t type;
    tw_bytes value;
    if (tw_netlink_next_attribute(&rest, &type, &value) != TW_OK) return;
    if (type != NLMSGERR_ATTR_MSG) continue;
    size_t len = value.len;
    while (len > 0 && value.ptr[len - 1] == '\0') len--;
    tw_report_printable(netlink->words, sizeof netlink->words, (const char *)value.ptr, len);
  }
}

/* An errno of the kernel's, negative; nothing else is one. */
static tw_err take_errno(tw_netlink *netlink, int error) {
  if (error > 0 || error < -ERRNO_MAX) return TW_ERR_ENCODING;
  netlink->refused = -error;
  return error == 0 ? TW_OK : TW_ERR_STATE;
}

static tw_err take_error(tw_netlink *netlink, const tw_netlink_message *message) {
  struct nlmsgerr error;
  tw_bytes rest = message->body;
  TW_TRY(tw_netlink_take(&rest, &error, sizeof error));
  const tw_err err = take_errno(netlink, error.error);
  if (err != TW_OK) take_words(netlink, message, rest, error.msg.nlmsg_len);
  return err;
}

/* A list's end has the error of what was not listed. */
static tw_err take_end(tw_netlink *netlink, const tw_netlink_message *message) {
  int error = 0;
  tw_bytes rest = message->body;
  if (rest.len >= sizeof error) TW_TRY(tw_netlink_take(&rest, &error, sizeof error));
  return take_errno(netlink, error);
}

typedef struct conversation {
  tw_netlink_visit visit;
  void *ctx;
  tw_err visit_err; /* the first; the rest of the answer is read all the same, for the next question's sake */
  bool changed;
  bool over;
} conversation;

static tw_err take_message(tw_netlink *netlink, conversation *talk, const tw_netlink_message *message) {
  if (message->sequence != netlink->sequence) return TW_OK; /* the rest of an answer that was given up */
  if ((message->flags & NLM_F_DUMP_INTR) != 0) talk->changed = true;
  switch (message->type) {
  case NLMSG_NOOP: return TW_OK;
  case NLMSG_ERROR: talk->over = true; return take_error(netlink, message);
  case NLMSG_DONE: talk->over = true; return take_end(netlink, message);
  case NLMSG_OVERRUN: return TW_ERR_STATE;
  default:
    if (talk->visit != NULL && talk->visit_err == TW_OK) talk->visit_err = talk->visit(talk->ctx, message);
    return TW_OK;
  }
}

static tw_err read_answer(tw_netlink *netlink, conversation *talk) {
  while (!talk->over) {
    const ssize_t got = netlink->calls->receive(netlink->fd, netlink->answer, sizeof netlink->answer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return TW_ERR_STATE;
    if ((size_t)got > sizeof netlink->answer) return TW_ERR_TRUNCATED;
    tw_bytes rest = TW_BYTES(netlink->answer, (size_t)got);
    while (rest.len > 0 && !talk->over) {
      tw_netlink_message message;
      TW_TRY(tw_netlink_next_message(&rest, &message));
      TW_TRY(take_message(netlink, talk, &message));
    }
  }
  if (talk->changed) return TW_ERR_PENDING;
  return talk->visit_err;
}

tw_err tw_netlink_ask(tw_netlink *netlink, tw_netlink_request *request, tw_netlink_visit visit, void *ctx) {
  netlink->refused = 0;
  netlink->words[0] = '\0';
  if (request->too_long) return TW_ERR_LIMIT;
  struct nlmsghdr header;
  memcpy(&header, request->bytes, sizeof header);
  header.nlmsg_len = (uint32_t)request->len;
  header.nlmsg_seq = ++netlink->sequence;
  /* NLM_F_DUMP is two bits, which mean other things in requests that change something. */
  const bool is_list = visit != NULL && (header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  if (!is_list) header.nlmsg_flags |= NLM_F_ACK;
  memcpy(request->bytes, &header, sizeof header);
  if (netlink->calls->send(netlink->fd, request->bytes, request->len) != (ssize_t)request->len) return TW_ERR_STATE;
  conversation talk = {.visit = visit, .ctx = ctx};
  return read_answer(netlink, &talk);
}

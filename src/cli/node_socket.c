/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/node_socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"

enum { BACKLOG = 8 };

static const char *folder(void) {
  const char *given = getenv("TREEWIRE_RUN");
  return given != NULL && given[0] != '\0' ? given : "/run/treewire";
}

tw_err tw_node_socket_path(const char *name, char path[TW_NODE_SOCKET_PATH], tw_report *report) {
  const int len = snprintf(path, TW_NODE_SOCKET_PATH, "%s/%s/node.sock", folder(), name);
  if (len > 0 && len < TW_NODE_SOCKET_PATH) return TW_OK;
  return tw_report_fail(report, TW_ERR_ARGUMENT, "%.200s/%.20s/node.sock: the path is too long", folder(), name);
}

static int connect_to(const char *path) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  memcpy(to.sun_path, path, strlen(path) + 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (connect(fd, (const struct sockaddr *)&to, sizeof to) == 0) return fd;
  const int why = errno;
  (void)close(fd);
  errno = why;
  return -1;
}

bool tw_node_is_there(const char *path) {
  const int fd = connect_to(path);
  if (fd < 0) return false;
  (void)close(fd);
  return true;
}

/* ---- the node's side ---- */

typedef struct visitor {
  uv_pipe_t pipe;
  uv_write_t write;
  tw_node_socket *socket;
  char line[TW_NODE_LINE + 1];
  size_t len;
  tw_buf answer;
  bool answered;
} visitor;

struct tw_node_socket {
  uv_pipe_t pipe;
  tw_node_command command;
  void *ctx;
  char path[TW_NODE_SOCKET_PATH];
  size_t visitors;
  bool closing;
  bool closed; /* the listening pipe is */
};

static void free_if_done(tw_node_socket *node_socket) {
  if (node_socket->closed && node_socket->visitors == 0) free(node_socket);
}

static void visitor_closed(uv_handle_t *handle) {
  visitor *v = handle->data;
  tw_node_socket *node_socket = v->socket;
  tw_buf_clear(&v->answer);
  free(v);
  node_socket->visitors--;
  free_if_done(node_socket);
}

static void end_visit(visitor *v) {
  if (!uv_is_closing((uv_handle_t *)&v->pipe)) uv_close((uv_handle_t *)&v->pipe, visitor_closed);
}

static void written(uv_write_t *write, int status) {
  (void)status;
  end_visit(write->data);
}

static void answer(visitor *v) {
  v->answered = true;
  (void)uv_read_stop((uv_stream_t *)&v->pipe);
  if (!v->socket->closing) v->socket->command(v->socket->ctx, v->line, &v->answer);
  uv_buf_t buf = uv_buf_init((char *)v->answer.ptr, (unsigned)v->answer.len);
  v->write.data = v;
  if (v->answer.len == 0 || uv_write(&v->write, (uv_stream_t *)&v->pipe, &buf, 1, written) != 0) end_visit(v);
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  visitor *v = handle->data;
  (void)suggested;
  *buf = uv_buf_init(v->line + v->len, (unsigned)(TW_NODE_LINE - v->len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  visitor *v = stream->data;
  (void)buf;
  if (n < 0 || v->answered) {
    end_visit(v);
    return;
  }
  v->len += (size_t)n;
  char *end = memchr(v->line, '\n', v->len);
  if (end != NULL) {
    *end = '\0';
    answer(v);
  } else if (v->len == TW_NODE_LINE) {
    end_visit(v);
  }
}

static void on_visitor(uv_stream_t *stream, int status) {
  tw_node_socket *node_socket = stream->data;
  if (status != 0 || node_socket->closing) return;
  visitor *v = calloc(1, sizeof *v);
  if (v == NULL) return;
  v->socket = node_socket;
  (void)uv_pipe_init(stream->loop, &v->pipe, 0);
  v->pipe.data = v;
  node_socket->visitors++;
  if (uv_accept(stream, (uv_stream_t *)&v->pipe) != 0 ||
      uv_read_start((uv_stream_t *)&v->pipe, give_room, on_read) != 0)
    end_visit(v);
}

/* Both levels; what cannot be made shows when the socket is bound. */
static void make_folder(const char *path) {
  char own[TW_NODE_SOCKET_PATH];
  (void)snprintf(own, sizeof own, "%s", path);
  *strrchr(own, '/') = '\0';
  (void)mkdir(folder(), 0755);
  (void)mkdir(own, 0700);
}

/* By a descriptor of our own: libuv would take the path of one that it has bound away as soon as it closes it. -errno.
 */
static int bind_at(uv_pipe_t *pipe, const char *path) {
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  memcpy(at.sun_path, path, strlen(path) + 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  const mode_t before = umask(0177);
  int failed = bind(fd, (const struct sockaddr *)&at, sizeof at) == 0 ? 0 : -errno;
  (void)umask(before);
  if (failed == 0) failed = uv_pipe_open(pipe, fd);
  if (failed != 0) (void)close(fd);
  return failed;
}

static tw_err listen_at(uv_loop_t *loop, tw_node_socket *node_socket, tw_report *report) {
  const char *path = node_socket->path;
  make_folder(path);
  if (tw_node_is_there(path)) return tw_report_fail(report, TW_ERR_STATE, "%s: another node listens there", path);
  (void)unlink(path);
  (void)uv_pipe_init(loop, &node_socket->pipe, 0);
  node_socket->pipe.data = node_socket;
  int failed = bind_at(&node_socket->pipe, path);
  if (failed == 0) failed = uv_listen((uv_stream_t *)&node_socket->pipe, BACKLOG, on_visitor);
  if (failed == 0) return TW_OK;
  return tw_report_fail(report, TW_ERR_STATE, "%s: %s", path, uv_strerror(failed));
}

static void socket_closed(uv_handle_t *handle) {
  tw_node_socket *node_socket = handle->data;
  node_socket->closed = true;
  free_if_done(node_socket);
}

tw_err tw_node_socket_open(uv_loop_t *loop, const char *path, tw_node_command command, void *ctx, tw_node_socket **out,
                           tw_report *report) {
  tw_node_socket *node_socket = calloc(1, sizeof *node_socket);
  if (node_socket == NULL) return tw_report_fail(report, TW_ERR_NO_MEMORY, "out of memory");
  node_socket->command = command;
  node_socket->ctx = ctx;
  (void)snprintf(node_socket->path, sizeof node_socket->path, "%s", path);
  const tw_err err = listen_at(loop, node_socket, report);
  if (err == TW_OK) {
    *out = node_socket;
    return TW_OK;
  }
  if (node_socket->pipe.data == NULL) {
    free(node_socket);
  } else {
    node_socket->closing = true;
    uv_close((uv_handle_t *)&node_socket->pipe, socket_closed);
  }
  return err;
}

void tw_node_socket_close(tw_node_socket *node_socket) {
  if (node_socket == NULL || node_socket->closing) return;
  node_socket->closing = true;
  uv_close((uv_handle_t *)&node_socket->pipe, socket_closed);
}

/* ---- the verbs' side ---- */

static tw_err exchange(int fd, const char *line, tw_buf *out) {
  char text[TW_NODE_LINE + 1];
  const int len = snprintf(text, sizeof text, "%s\n", line);
  if (len < 0 || (size_t)len >= sizeof text) return TW_ERR_LIMIT;
  if (write(fd, text, (size_t)len) != len) return TW_ERR_STATE;
  for (;;) {
    TW_TRY(tw_buf_reserve(out, 4096));
    const ssize_t n = read(fd, out->ptr + out->len, 4096);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return TW_ERR_STATE;
    if (n == 0) return TW_OK;
    out->len += (size_t)n;
    if (out->len > TW_NODE_ANSWER_MAX) return TW_ERR_LIMIT;
  }
}

tw_err tw_node_ask(const char *name, const char *line, tw_buf *out, tw_report *report) {
  char path[TW_NODE_SOCKET_PATH];
  TW_TRY(tw_node_socket_path(name, path, report));
  const int fd = connect_to(path);
  if (fd < 0) {
    const bool none = errno == ENOENT || errno == ECONNREFUSED;
    return tw_report_fail(report, TW_ERR_STATE, none ? "%s is not up (%s)" : "%s: %s", name,
                          none ? path : strerror(errno));
  }
  const tw_err err = exchange(fd, line, out);
  (void)close(fd);
  if (err != TW_OK) return tw_report_fail(report, err, "%s: no answer from the node", path);
  if (out->len > 0 && out->ptr[0] == '!')
    return tw_report_fail(report, TW_ERR_STATE, "%.*s", (int)(out->len - 1), (const char *)out->ptr + 1);
  return TW_OK;
}

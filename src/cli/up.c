/* treewire up. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/node_run.h"
#include "cli/node_socket.h"
#include "cli/node_status.h"

enum { FOREGROUND, WAIT, NO_OFFLOAD, VERBOSE, OPTION_COUNT, WAIT_DEFAULT_S = 30 };
static const tw_option options[OPTION_COUNT] = {
    {"foreground", 'f', NULL}, {"wait", 'w', "SECONDS"}, {"no-offload", 0, NULL}, {"verbose", 'v', NULL}};

typedef struct up {
  tw_node_run run;
  bool named, foreground;
  uint64_t wait_s;
} up;

static tw_err take(void *ctx, int which, const char *value, tw_report *report) {
  up *u = ctx;
  switch (which) {
  case FOREGROUND: u->foreground = true; return TW_OK;
  case WAIT: return tw_option_number("wait", value, 0, 86400, false, &u->wait_s, report);
  case NO_OFFLOAD: u->run.no_offload = true; return TW_OK;
  case VERBOSE: u->run.verbose = true; return TW_OK;
  default: break;
  }
  if (u->named) return tw_report_fail(report, TW_ERR_ARGUMENT, "up takes one NAME or FILE (found '%.60s', too)", value);
  u->named = true;
  return tw_node_file_of(value, &u->run.file, report);
}

static tw_exit parse(up *u, const char *const *words) {
  const tw_exit code = tw_cli_options(words, options, OPTION_COUNT, take, u);
  if (code != TW_EXIT_OK) return code;
  return u->named ? TW_EXIT_OK : tw_cli_fail(TW_EXIT_USAGE, "up needs a NAME or a FILE");
}

static tw_exit not_ready(const up *u) {
  char missing[TW_NODE_MISSING] = "";
  tw_report report = {""};
  tw_buf answer = {0};
  const char *name = u->run.file.name;
  if (tw_node_ask(name, "status", &answer, &report) == TW_OK) tw_node_status_missing(tw_buf_bytes(&answer), missing);
  tw_buf_clear(&answer);
  return tw_cli_fail(TW_EXIT_NETWORK, "%s is not ready after %llu s%s%s; it goes on trying (treewire status %s)", name,
                     (unsigned long long)u->wait_s, missing[0] == '\0' ? "" : ": ", missing, name);
}

/* The child's first word: that it is ready, or its end. */
static tw_exit wait_for(const up *u, pid_t child, int fd) {
  struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
  char byte = 0;
  const int timeout = u->wait_s == 0 ? -1 : (int)(u->wait_s * 1000);
  int ready;
  do ready = poll(&poll_fd, 1, timeout);
  while (ready < 0 && errno == EINTR);
  if (ready == 0) return not_ready(u);
  if (ready > 0 && read(fd, &byte, 1) == 1) return TW_EXIT_OK;
  int status = 0;
  if (waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) != 0)
    return (tw_exit)WEXITSTATUS(status);
  return tw_cli_fail(TW_EXIT_INTERNAL, "%s has ended before it was ready", u->run.file.name);
}

/* The file is read again by `sync`, and the working directory is another one then. */
static void make_absolute(tw_node_file *file) {
  char *path = realpath(file->path, NULL);
  if (path != NULL && strlen(path) < sizeof file->path) memcpy(file->path, path, strlen(path) + 1);
  free(path);
}

static tw_exit run_behind(up *u) {
  int fds[2];
  if (pipe(fds) != 0) return tw_cli_fail(TW_EXIT_LOCAL, "%s", strerror(errno));
  const pid_t child = fork();
  if (child < 0) return tw_cli_fail(TW_EXIT_LOCAL, "%s", strerror(errno));
  if (child > 0) {
    (void)close(fds[1]);
    const tw_exit code = wait_for(u, child, fds[0]);
    (void)close(fds[0]);
    return code;
  }
  (void)close(fds[0]);
  (void)setsid();
  if (chdir("/") != 0) return tw_cli_fail(TW_EXIT_LOCAL, "/: %s", strerror(errno));
  openlog("treewire", LOG_PID, LOG_DAEMON);
  u->run.told_fd = fds[1];
  u->run.to_syslog = true;
  return tw_node_run_all(&u->run);
}

static tw_exit run(const char *const *words) {
  up u = {.run = {.told_fd = -1}, .wait_s = WAIT_DEFAULT_S};
  tw_report report;
  char path[TW_NODE_SOCKET_PATH];
  const tw_exit code = parse(&u, words);
  if (code != TW_EXIT_OK) return code;
  if (tw_node_socket_path(u.run.file.name, path, &report) != TW_OK) return tw_cli_report(TW_EXIT_LOCAL, &report);
  if (tw_node_is_there(path)) return tw_cli_fail(TW_EXIT_OK, "%s is up already", u.run.file.name);
  make_absolute(&u.run.file);
  return u.foreground ? tw_node_run_all(&u.run) : run_behind(&u);
}

const tw_verb tw_verb_up = {
    "up", run,
    "treewire up NAME|FILE [--foreground] [--wait SECONDS]\n"
    "\n"
    "Makes this machine a node of a private network: /etc/treewire/NAME.conf, or FILE, says which (treewire.conf(5)).\n"
    "Comes back when the node is ready: the relay is there, and the network has us. Nothing happens if it is up "
    "already.\n"
    "\n"
    "  -f, --foreground          stay, and tell on standard error; for service managers (READY=1 by sd_notify)\n"
    "  -w, --wait SECONDS        how long to wait for the node to be ready (default 30; 0: for ever)\n"
    "      --no-offload          one packet at a time to and from the kernel, for looking at with other tools\n"
    "  -v, --verbose             tell more\n"};

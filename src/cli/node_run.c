/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/node_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/file_write.h"
#include "cli/harden.h"
#include "cli/node_device.h"
#include "cli/node_invite.h"
#include "cli/node_profile.h"
#include "cli/node_socket.h"
#include "cli/node_status.h"
#include "cli/notify.h"
#include "net/rights.h"
#include "net/wire.h"
#include "node/config_diff.h"
#include "node/copied.h"

enum { UDP_BUFFER = 4 << 20, RELEARN_MS = 200, RELEARN_MOST_MS = 1000 };

typedef struct running {
  const tw_node_run *run;
  tw_env env;
  tw_node_profile *profile;
  tw_node_profile *next; /* taken up once the node has ended; NULL: the end is for good */
  tw_store *store;
  tw_learned learned;
  tw_tun tun;
  tw_udp udp[TW_NODE_PACKET_THREADS_MAX];
  unsigned threads; /* for packets: sockets, and queues of the device */
  uv_loop_t loop;
  uv_signal_t signals[3];
  bool anew;              /* the State has lost its keys, and the node was not started since */
  tw_node_kept kept;      /* while one node takes another one's place */
  uv_timer_t relearn;     /* the configuration is made anew for what was learned */
  uint64_t relearn_at_ms; /* by then at the latest, in the loop's time; 0: nothing was learned */
  tw_node_socket *socket;
  tw_node *node;
  bool loop_open;
  bool listened; /* the socket's path is ours */
  bool broken;   /* the device or the socket is gone: the end comes by `relearn` */
  bool ending;
  bool told;
  tw_exit code;
} running;

/* ---- words ---- */

static void say(const running *r, tw_node_level level, const char *line) {
  if (level == TW_NODE_DETAIL && !r->run->verbose) return;
  if (r->run->to_syslog && r->told)
    syslog(level == TW_NODE_ERROR ? LOG_ERR : LOG_INFO, "%s: %s", r->run->file.name, line);
  else
    (void)tw_cli_fail(TW_EXIT_OK, "%s: %s", r->run->file.name, line);
}

static void on_tell(void *ctx, tw_node_level level, const char *line) { say(ctx, level, line); }

static void tell_problem(void *ctx, const tw_report *problem) { say(ctx, TW_NODE_ERROR, problem->text); }

static tw_exit fail(running *r, tw_exit code, const tw_report *report) {
  say(r, TW_NODE_ERROR, report->text);
  return code;
}

/* ---- configuration ---- */

static void warn(const running *r, const tw_node_profile *p) {
  char line[TW_REPORT_MAX + 16];
  if (p->identity.warning.text[0] == '\0') return;
  (void)snprintf(line, sizeof line, "warning: %s", p->identity.warning.text);
  say(r, TW_NODE_NOTE, line);
}

static void tell_learned(void *ctx, const tw_report *what) { say(ctx, TW_NODE_NOTE, what->text); }

static tw_err add_learned(running *r, tw_node_profile *p, const tw_node_profile *as, tw_report *report) {
  tw_problems told = {.tell = tell_learned, .ctx = r};
  return tw_node_profile_add_learned(p, as, &r->learned, &told, report);
}

/* ---- the node ---- */

static void on_ready(void *ctx, bool is) {
  running *r = ctx;
  say(r, TW_NODE_NOTE, is ? "ready" : "not ready any more");
  if (!is) return;
  tw_notify("READY=1");
  if (r->told) return;
  r->told = true;
  if (r->run->told_fd < 0) return;
  if (write(r->run->told_fd, "r", 1) != 1) say(r, TW_NODE_DETAIL, "whoever started us is gone");
  (void)close(r->run->told_fd);
  if (!r->run->to_syslog) return;
  if (freopen("/dev/null", "r", stdin) == NULL || freopen("/dev/null", "w", stdout) == NULL ||
      freopen("/dev/null", "w", stderr) == NULL)
    say(r, TW_NODE_DETAIL, "standard streams stay open");
}

static void on_freed(void *ctx);
static void on_relearn(void *ctx);
static void on_broke(void *ctx);

static tw_err start_node(running *r, tw_report *report) {
  const tw_node_profile *p = r->profile;
  const tw_node_setup setup = {
      .env = &r->env,
      .loop = &r->loop,
      .config = &p->config,
      .signer = p->identity.signer,
      .credential = tw_node_identity_credential(&p->identity),
      .self = p->identity.fingerprint,
      .certified = tw_node_profile_certified(p),
      .store = r->store,
      .learned = &r->learned,
      .udp = r->udp,
      .tun = &r->tun,
      .threads = r->threads,
      .kept = &r->kept,
      .anew = r->anew,
      .tell = on_tell,
      .ready = on_ready,
      .relearn = on_relearn,
      .broke = on_broke,
      .freed = on_freed,
      .ctx = r,
  };
  r->anew = false;
  const tw_err err = tw_node_start(&setup, &r->node, report);
  tw_node_kept_clear(&r->kept);
  return err;
}

static void close_all(running *r) {
  tw_node_socket_close(r->socket);
  r->socket = NULL;
  for (size_t i = 0; i < sizeof r->signals / sizeof r->signals[0]; i++) {
    if (!uv_is_closing((uv_handle_t *)&r->signals[i])) uv_close((uv_handle_t *)&r->signals[i], NULL);
  }
  if (!uv_is_closing((uv_handle_t *)&r->relearn)) uv_close((uv_handle_t *)&r->relearn, NULL);
}

static void on_freed(void *ctx) {
  running *r = ctx;
  tw_report report = {"out of memory"};
  r->node = NULL;
  if (r->next == NULL || r->ending) {
    close_all(r);
    return;
  }
  tw_node_profile_free(r->profile);
  r->profile = r->next;
  r->next = NULL;
  if (start_node(r, &report) == TW_OK) {
    say(r, TW_NODE_NOTE, "the changed configuration is in use");
    return;
  }
  r->code = fail(r, TW_EXIT_LOCAL, &report);
  close_all(r);
}

static void end(running *r) {
  if (r->ending) return;
  r->ending = true;
  tw_notify("STOPPING=1");
  if (r->node != NULL)
    tw_node_close(r->node);
  else
    close_all(r);
}

/* ---- a changed configuration ---- */

/* A certificate of the same key may come from another file: that is no other key. */
static bool is_same_identity(const tw_node_profile *old, const tw_node_profile *new) {
  return memcmp(&old->identity.fingerprint, &new->identity.fingerprint, sizeof old->identity.fingerprint) == 0 &&
         (old->config.interface.certificate == NULL) == (new->config.interface.certificate == NULL);
}

static tw_err check_settings(const tw_node_profile *old, const tw_node_profile *new, tw_report *report) {
  static const char restart[] = "that takes `treewire down` and `up`";
  tw_config_diff diff = {0};
  char names[160];
  const tw_err err = tw_config_diff_make(NULL, &old->config, &new->config, &diff);
  if (err != TW_OK) return tw_report_fail(report, err, "%s", tw_err_text(err));
  tw_setting_names(diff.settings & TW_SETTINGS_AT_START, names, sizeof names);
  tw_config_diff_clear(&diff);
  if (names[0] != '\0') return tw_report_fail(report, TW_ERR_STATE, "changed: %s; %s", names, restart);
  if (is_same_identity(old, new)) return TW_OK;
  return tw_report_fail(report, TW_ERR_STATE, "this node has another key, or a certificate in place of a key: %s",
                        restart);
}

static tw_err take_up(running *r, tw_node_profile *p, const tw_node_profile *as, tw_report *report) {
  TW_TRY(check_settings(r->profile, p, report));
  TW_TRY(add_learned(r, p, as, report));
  TW_TRY(tw_node_device_change(&r->profile->config, &p->config, &r->tun, report));
  r->next = p;
  tw_node_keep(r->node, &r->kept);
  tw_node_close(r->node); /* it goes on with the new one from what it saves now: nobody is dropped */
  return TW_OK;
}

/* What is wrong with the file, as much of it as fits into an answer of one line. */
typedef struct problem_list {
  running *r;
  char text[280];
  size_t left_out;
} problem_list;

/* "line 7: …" of the file itself, "FILE: …" of those that it names. */
static void list_problem(void *ctx, const tw_report *problem) {
  problem_list *list = ctx;
  const char *path = list->r->run->file.path;
  const char *words = problem->text;
  const size_t path_len = strlen(path);
  const size_t used = strlen(list->text);
  char line[TW_REPORT_MAX + 8];
  tell_problem(list->r, problem);
  const bool has_line = strncmp(words, path, path_len) == 0 && words[path_len] == ':' && words[path_len + 1] != ' ';
  (void)snprintf(line, sizeof line, "%s%s%s", used == 0 ? "" : "; ", has_line ? "line " : "",
                 has_line ? words + path_len + 1 : words);
  /* Whole ones, and in their order; but of the first one what there is room for. */
  if (used > 0 && (list->left_out > 0 || strlen(line) >= sizeof list->text - used))
    list->left_out++;
  else
    (void)snprintf(list->text + used, sizeof list->text - used, "%.*s", (int)(sizeof list->text - used - 1), line);
}

static tw_err has_problems(const running *r, const problem_list *list, tw_report *report) {
  char more[40] = "";
  if (list->left_out > 0) (void)snprintf(more, sizeof more, "; and %zu more", list->left_out);
  return tw_report_fail(report, TW_ERR_ENCODING, "%.100s has problems: all stays as it is: %s%s (treewire check %s)",
                        r->run->file.path, list->text, more, r->run->file.name);
}

/* With the file as it is, or (`as`) as it was when that was read. */
static tw_err sync_config(running *r, const tw_node_profile *as, tw_report *report) {
  problem_list list = {.r = r};
  tw_problems problems = {.tell = list_problem, .ctx = &list};
  tw_node_profile *p = NULL;
  if (r->next != NULL || r->node == NULL)
    return tw_report_fail(report, TW_ERR_STATE, "a change is being taken up already");
  if (tw_node_profile_read(&r->env, &r->run->file, as, &p, &problems) != TW_OK) return has_problems(r, &list, report);
  if (as == NULL) warn(r, p);
  const tw_err err = take_up(r, p, as, report);
  if (err != TW_OK) tw_node_profile_free(p);
  return err;
}

static void on_relearn_timer(uv_timer_t *timer) {
  running *r = timer->data;
  tw_report report = {""};
  r->relearn_at_ms = 0;
  if (r->broken) end(r);
  if (r->ending) return;
  if (r->next != NULL || r->node == NULL)
    on_relearn(r); /* a change is being taken up, perhaps without this one */
  else if (sync_config(r, r->profile, &report) != TW_OK)
    say(r, TW_NODE_ERROR, report.text);
}

/* More may be learned in a moment, and what has told of it goes on first. Where ever more is, it does not wait for
 * that. */
static void on_relearn(void *ctx) {
  running *r = ctx;
  const uint64_t now = uv_now(&r->loop);
  if (r->broken || uv_is_closing((uv_handle_t *)&r->relearn)) return;
  if (r->relearn_at_ms == 0) r->relearn_at_ms = now + RELEARN_MOST_MS;
  const uint64_t left = r->relearn_at_ms > now ? r->relearn_at_ms - now : 0;
  (void)uv_timer_start(&r->relearn, on_relearn_timer, left < RELEARN_MS ? left : RELEARN_MS, 0);
}

/* A node without its device is of no use to anybody: whoever watches over us may begin it anew. */
static void on_broke(void *ctx) {
  running *r = ctx;
  if (r->broken || uv_is_closing((uv_handle_t *)&r->relearn)) return;
  r->broken = true;
  r->code = TW_EXIT_LOCAL;
  (void)uv_timer_start(&r->relearn, on_relearn_timer, 0, 0);
}

/* ---- what the other verbs ask ---- */

static void answer_text(tw_buf *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void answer_text(tw_buf *answer, const char *format, ...) {
  char line[TW_REPORT_MAX + 64];
  va_list args;
  va_start(args, format);
  const int len = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (len <= 0) return;
  const size_t used = (size_t)len < sizeof line ? (size_t)len : sizeof line - 1;
  if (tw_buf_append(answer, TW_BYTES((const uint8_t *)line, used)) != TW_OK) tw_buf_clear(answer);
}

static void answer_status(running *r, tw_buf *answer) {
  json_t *status = r->node == NULL ? NULL : tw_node_status_json(r->node, &r->profile->config, &r->tun, tw_wall_ms());
  char *text = status == NULL ? NULL : json_dumps(status, JSON_COMPACT);
  if (text == NULL)
    answer_text(answer, "!the node is busy");
  else if (tw_buf_append(answer, TW_BYTES((const uint8_t *)text, strlen(text))) != TW_OK)
    tw_buf_clear(answer);
  free(text);
  json_decref(status);
}

/* By name, or by key; UINT32_MAX: there is none. */
static uint32_t find_peer(const tw_node_config *config, const char *word) {
  for (uint32_t i = 0; i < config->peer_count; i++) {
    char room[TW_FINGERPRINT_TEXT];
    if (i == config->self) continue;
    if (strcmp(tw_node_peer_label(&config->peers[i], room), word) == 0) return i;
    tw_fingerprint_format(&config->peers[i].key.fingerprint, room);
    if (config->peers[i].key.given && strcmp(room, word) == 0) return i;
  }
  return UINT32_MAX;
}

/* Ourselves, by the name that the list has for us, by key or by certificate. */
static bool is_own_name(const tw_node_profile *profile, const char *word) {
  const tw_node_config *config = &profile->config;
  const tw_node_identity *identity = &profile->identity;
  char room[TW_FINGERPRINT_TEXT];
  if (config->self != TW_NODE_NONE && strcmp(tw_node_peer_label(&config->peers[config->self], room), word) == 0)
    return true;
  for (size_t i = 0; i < identity->name_count; i++)
    if (strcmp(identity->names[i], word) == 0) return true;
  tw_fingerprint_format(&identity->fingerprint, room);
  return strcmp(room, word) == 0;
}

/* UINT32_MAX: there is none, as was answered. */
static uint32_t asked_peer(running *r, const char *word, tw_buf *answer) {
  const uint32_t peer = find_peer(&r->profile->config, word);
  if (r->node == NULL)
    answer_text(answer, "!the node is busy");
  else if (peer == UINT32_MAX && is_own_name(r->profile, word))
    answer_text(answer, "!'%.100s' is this node itself", word);
  else if (peer == UINT32_MAX)
    answer_text(answer, "!%s has no peer '%.100s'", r->run->file.name, word);
  else if (!r->profile->config.peers[peer].key.given)
    answer_text(answer, "!the certificate of '%.100s' was not seen yet, so that its key is not known", word);
  else
    return peer;
  return UINT32_MAX;
}

static void rekey_with(running *r, const char *word, tw_buf *answer) {
  const uint32_t peer = asked_peer(r, word, answer);
  if (peer != UINT32_MAX) tw_node_rekey(r->node, peer);
}

/* A member cannot commit its own removal (RFC 9420 section 12.2), and an end of our keys with ourselves is none. */
static bool is_own_removal(const running *r, const char *word, tw_buf *answer) {
  const tw_node_config *config = &r->profile->config;
  const char *who = "another node can (`treewire remove` there)";
  if (find_peer(config, word) != UINT32_MAX || !is_own_name(r->profile, word)) return false;
  if (config->network.admin_count > 0) who = "another one of the network's Admins can (`treewire remove` there)";
  if (config->network.admin_count == 1 && r->node != NULL && tw_node_is_admin(r->node))
    who = "it is the only one of Admins, so that nobody can until all files name another one";
  answer_text(answer,
              "!'%.100s' is this node itself, which cannot remove itself; nothing was done: %s; `treewire down %s` "
              "ends it here",
              word, who, r->run->file.name);
  return true;
}

/* It is cut off here in any case; who may not do more is told so. */
static void remove_peer(running *r, const char *word, tw_buf *answer) {
  if (is_own_removal(r, word, answer)) return;
  const uint32_t peer = asked_peer(r, word, answer);
  tw_node_peer_status status = {0};
  if (peer == UINT32_MAX) return;
  const bool is_member = tw_node_get_peer_status(r->node, peer, &status) && status.is_member;
  const bool is_for_admins = is_member && !tw_node_is_admin(r->node);
  tw_node_remove(r->node, peer);
  if (is_for_admins)
    answer_text(answer,
                "packets between this node and %.100s have ended; only the network's Admins remove it from the "
                "network, and until they do, this node sends nothing to all",
                word);
}

static bool withdraw(running *r, const char *word) {
  const tw_bytes name = TW_BYTES((const uint8_t *)word, strlen(word));
  return r->node != NULL && tw_enrol_withdraw(tw_node_enrol(r->node), name, tw_wall_ms());
}

static const char *after(const char *line, const char *verb) {
  const size_t len = strlen(verb);
  return strncmp(line, verb, len) == 0 ? line + len : NULL;
}

static void on_command(void *ctx, const char *line, tw_buf *answer) {
  running *r = ctx;
  tw_report report = {""};
  const char *word;
  if (strcmp(line, "status") == 0) {
    answer_status(r, answer);
  } else if (strcmp(line, "down") == 0) {
    end(r);
  } else if (strcmp(line, "sync") == 0) {
    if (sync_config(r, NULL, &report) != TW_OK) answer_text(answer, "!%s", report.text);
  } else if (strcmp(line, "rekey") == 0) {
    if (r->node != NULL) tw_node_rekey(r->node, UINT32_MAX);
  } else if ((word = after(line, "rekey ")) != NULL) {
    rekey_with(r, word, answer);
  } else if ((word = after(line, "remove ")) != NULL) {
    if (!withdraw(r, word)) remove_peer(r, word, answer);
  } else if (r->node == NULL) {
    answer_text(answer, "!the node is busy");
  } else if ((word = after(line, TW_NODE_INVITE)) != NULL) {
    tw_node_invite(r->node, word, tw_wall_ms(), answer);
  } else if ((word = after(line, TW_NODE_INVITATION)) != NULL) {
    tw_node_invitation(r->node, word, answer);
  } else {
    answer_text(answer, "!this node knows no '%.60s'", line);
  }
}

static void on_signal(uv_signal_t *handle, int number) {
  running *r = handle->data;
  tw_report report = {""};
  if (number != SIGHUP)
    end(r);
  else if (sync_config(r, NULL, &report) != TW_OK)
    say(r, TW_NODE_ERROR, report.text);
}

/* ---- start and end ---- */

static unsigned wanted_threads(const running *r) {
  const unsigned given = r->profile->config.interface.packet_threads;
  if (given > 0) return given;
  cpu_set_t ours; /* where we are allowed to be, by a container for instance */
  const int processors = sched_getaffinity(0, sizeof ours, &ours) == 0 ? CPU_COUNT(&ours) : 1;
  return processors > TW_NODE_PACKET_THREADS_AUTO ? TW_NODE_PACKET_THREADS_AUTO : (unsigned)processors;
}

static tw_err open_udp(running *r, tw_report *report) {
  const uint16_t port = r->profile->config.interface.listen_port;
  const unsigned threads = r->tun.queue_count;
  tw_udp_config config = {.tos = true,
                          .buffer = UDP_BUFFER,
                          .both_families = true,
                          .no_send_offload = r->run->no_offload,
                          .no_receive_offload = r->run->no_offload};
  config.local.in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
  if (tw_udp_open_shared(r->udp, threads, &config, &r->threads, report) == TW_OK) return TW_OK;
  memset(&config.local, 0, sizeof config.local); /* a system without IPv6 */
  config.both_families = false;
  config.local.in4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
  const tw_err err = tw_udp_open_shared(r->udp, threads, &config, &r->threads, report);
  const size_t len = strlen(report->text);
  if (err != TW_OK && strstr(report->text, strerror(EADDRINUSE)) != NULL)
    (void)snprintf(report->text + len, sizeof report->text - len,
                   " (another node or a relay? ListenPort chooses another port)");
  return err;
}

/* As many queues as sockets, each of them one for each thread; or one of each. */
static tw_exit open_ends(running *r) {
  tw_report report = {"out of memory"};
  const tw_node_config *config = &r->profile->config;
  const unsigned wanted = wanted_threads(r);
  if (tw_node_device_open(config, wanted, r->run->no_offload, &r->tun, &report) != TW_OK)
    return fail(r, TW_EXIT_LOCAL, &report);
  if (open_udp(r, &report) != TW_OK) return fail(r, TW_EXIT_NETWORK, &report);
  if (r->threads < r->tun.queue_count) {
    tw_tun_close(&r->tun);
    if (tw_node_device_open(config, r->threads, r->run->no_offload, &r->tun, &report) != TW_OK)
      return fail(r, TW_EXIT_LOCAL, &report);
  }
  if (r->threads < wanted)
    say(r, TW_NODE_NOTE, "this system cannot share packets out among threads: there is one for all");
  return TW_EXIT_OK;
}

/* The state, and with it the peers that the file does not have. */
static tw_err open_state(running *r, tw_report *report) {
  const char *folder = r->profile->config.interface.state;
  const tw_store_config store = {.dir = folder};
  tw_problems told = {.tell = tell_learned, .ctx = r};
  TW_TRY(tw_folder_make_parents(folder, report));
  TW_TRY(tw_store_open(&store, &r->env, &r->store, report));
  TW_TRY(tw_node_claim_state(r->store, &r->anew, report));
  if (r->anew)
    say(r, TW_NODE_NOTE,
        "the State is a copy of one that was used since: its keys are not used again, and new ones are made");
  TW_TRY(tw_learned_load(tw_env_alloc(&r->env), r->store, &r->learned, &told, report));
  return add_learned(r, r->profile, NULL, report);
}

static tw_exit open_parts(running *r) {
  tw_report report = {"out of memory"};
  if (open_state(r, &report) != TW_OK) return fail(r, TW_EXIT_LOCAL, &report);
  const tw_exit code = open_ends(r);
  if (code != TW_EXIT_OK) return code;
  /* Devices and routes are changed later, too; nothing else of root's is needed any more. */
  const tw_rights_user same = {.changes = false};
  if (tw_rights_drop(&same, TW_RIGHTS_NET_ADMIN, &report) != TW_OK) return fail(r, TW_EXIT_LOCAL, &report);
  return TW_EXIT_OK;
}

static tw_exit open_loop(running *r, const char *socket_path) {
  static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
  tw_report report = {"out of memory"};
  if (uv_loop_init(&r->loop) != 0) return tw_cli_fail(TW_EXIT_LOCAL, "no event loop: %s", strerror(errno));
  r->loop_open = true;
  (void)uv_timer_init(&r->loop, &r->relearn);
  r->relearn.data = r;
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    (void)uv_signal_init(&r->loop, &r->signals[i]);
    r->signals[i].data = r;
    (void)uv_signal_start(&r->signals[i], on_signal, numbers[i]);
  }
  tw_err err = tw_node_socket_open(&r->loop, socket_path, on_command, r, &r->socket, &report);
  r->listened = err == TW_OK;
  if (err == TW_OK) err = start_node(r, &report);
  if (err != TW_OK) {
    close_all(r);
    (void)uv_run(&r->loop, UV_RUN_DEFAULT);
    return fail(r, TW_EXIT_LOCAL, &report);
  }
  return TW_EXIT_OK;
}

static void close_parts(running *r) {
  if (r->loop_open) (void)uv_loop_close(&r->loop);
  for (unsigned i = 0; i < r->threads; i++) tw_udp_close(&r->udp[i]);
  tw_tun_close(&r->tun);
  tw_node_kept_clear(&r->kept);
  tw_learned_clear(&r->learned);
  tw_store_close(r->store);
  tw_node_profile_free(r->next);
  tw_node_profile_free(r->profile);
  tw_cli_env_clear(&r->env);
}

tw_exit tw_node_run_all(const tw_node_run *run) {
  running r = {.run = run};
  char path[TW_NODE_SOCKET_PATH];
  tw_report report = {""};
  tw_harden_process();
  if (tw_node_socket_path(run->file.name, path, &report) != TW_OK) return tw_cli_report(TW_EXIT_LOCAL, &report);
  tw_exit code = tw_cli_env_init(&r.env);
  tw_problems problems = {.tell = tell_problem, .ctx = &r};
  if (code == TW_EXIT_OK && tw_node_profile_read(&r.env, &run->file, NULL, &r.profile, &problems) != TW_OK)
    code = TW_EXIT_LOCAL;
  if (code == TW_EXIT_OK) {
    warn(&r, r.profile);
    code = open_parts(&r);
  }
  if (code == TW_EXIT_OK) code = open_loop(&r, path);
  if (code == TW_EXIT_OK) {
    if (!tw_harden_lock_memory())
      say(&r, TW_NODE_DETAIL, "memory with keys cannot be locked; it may reach a swap device");
    (void)uv_run(&r.loop, UV_RUN_DEFAULT);
    code = r.code;
  }
  close_parts(&r);
  if (r.listened) (void)unlink(path);
  return code;
}

/*
 * Many channels come back to a listener that was killed: bench_reconnect [CHANNELS [SUITE]].
 * SPDX-License-Identifier: Apache-2.0
 *
 * The listener is `treewire listen --state DIR --forward SERVICE`, the service a process that echoes. The other side is
 * this program, on the library: each channel durable, its session kept in memory, one byte written with the first
 * flight and read back through the service. (`treewire connect` has a channel for each application's connection, which
 * would be as many sockets again and would measure those.) When all channels are up the listener gets SIGKILL and is
 * started anew; every channel dials again after the waits that `treewire connect` makes, 250 ms doubled up to 30 s,
 * each drawn from its upper half, and goes on with its session. One that cannot is lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keys/key_text.h"
#include "loopback.h"
#include "program.h"
#include "world.h"

enum {
  CHANNELS = 10000,
  SPARE = 40,      /* descriptors of the listener that are no channel's; it has two for each of those */
  AT_ONCE = 200,   /* of the first connections: a rush is made only after the restart */
  DIAL_MS = 10000, /* for an address to answer */
  GIVE_UP_MS = 300000,
  FIRST_WAIT_MS = 250,
  DOUBLINGS = 7,
  TEXT = 256
};

typedef enum phase { RESTING, WAITING, DIALING, SHAKING, UP, LOST } phase;

typedef struct client {
  tw_channel *channel;
  tw_buf saved;
  int fd;
  phase phase;
  unsigned tries;
  uint64_t at_ms; /* when to dial, or to give this try up */
  bool resumed;
} client;

static struct {
  client *clients;
  unsigned count;
  unsigned by_phase[LOST + 1];
  unsigned resumed, refused, early;
  int epoll;
  struct sockaddr_in to;
  bench_person person;
  uint64_t seed;
} all;

static char folder[] = "/var/tmp/treewire-bench-XXXXXX"; /* on a disk */
static char key_file[TEXT], peers_file[TEXT], state_dir[TEXT], listener_at[TEXT], service_at[TEXT];

static void enter(client *c, phase next) {
  all.by_phase[c->phase]--;
  all.by_phase[next]++;
  c->phase = next;
}

/* ---- one client ---- */

static void hang_up(client *c) {
  if (c->fd >= 0) (void)close(c->fd);
  c->fd = -1;
  tw_channel_free(c->channel);
  c->channel = NULL;
}

static void try_later(client *c) {
  const uint64_t most = (uint64_t)FIRST_WAIT_MS << (c->tries < DOUBLINGS ? c->tries : DOUBLINGS);
  all.seed = all.seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
  hang_up(c);
  c->tries++;
  c->at_ms = loopback_ms() + most / 2 + (all.seed >> 33) % (most / 2);
  enter(c, WAITING);
}

static void dial(client *c) {
  const unsigned number = (unsigned)(c - all.clients);
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = {htonl(0x7f000100 + number % 16)}};
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int one = 1;
  BENCH_TRUE(c->fd >= 0 && setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one) == 0 &&
             bind(c->fd, (struct sockaddr *)&from, sizeof from) == 0);
  c->at_ms = loopback_ms() + DIAL_MS;
  enter(c, DIALING);
  if (connect(c->fd, (struct sockaddr *)&all.to, sizeof all.to) != 0 && errno != EINPROGRESS) {
    try_later(c);
    return;
  }
  BENCH_TRUE(epoll_ctl(all.epoll, EPOLL_CTL_ADD, c->fd, &event) == 0);
}

static void begin(client *c) {
  static const uint8_t byte = 42;
  const tw_client *clients[] = {&all.person.client};
  tw_channel_options options = tw_channel_options_default;
  options.rekey_after_ms = 0;
  const tw_channel_config config = {
      .clients = clients, .client_count = 1, .options = &options, .durable = true, .resume = tw_buf_bytes(&c->saved)};
  size_t taken = 0;
  BENCH_OK(tw_channel_connect(&config, loopback_ms(), &c->channel));
  BENCH_OK(tw_channel_write(c->channel, TW_BYTES(&byte, 1), &taken));
  c->resumed = taken == 1; /* with the first flight; a new session takes it once established */
  enter(c, SHAKING);
}

static void take_events(client *c) {
  static const uint8_t byte = 42;
  tw_channel_event event;
  size_t taken = 0;
  while (tw_channel_next_event(c->channel, &event)) {
    if (event.kind == TW_CHANNEL_ESTABLISHED) {
      BENCH_TRUE(event.resumed == c->resumed);
      if (event.resumed) all.resumed++, all.early += event.early_bytes > 0;
      if (!c->resumed) BENCH_OK(tw_channel_write(c->channel, TW_BYTES(&byte, 1), &taken));
      BENCH_TRUE(c->resumed || taken == 1);
    }
    if (event.kind != TW_CHANNEL_CLOSED) continue;
    const bool forgotten = event.reason == TW_ERR_ALERT && (event.alert == tw_channel_alert_of(TW_ERR_NO_SESSION) ||
                                                            event.alert == tw_channel_alert_of(TW_ERR_APART));
    if (forgotten) {
      all.refused++;
      hang_up(c);
      enter(c, LOST);
    } else {
      try_later(c);
    }
    return;
  }
  if (tw_channel_data(c->channel).len == 0) return;
  BENCH_OK(tw_channel_data_done(c->channel, tw_channel_data(c->channel).len));
  if (c->phase == SHAKING) enter(c, UP);
  c->tries = 0;
}

/* False when the connection is gone. */
static bool flush(client *c) {
  if (tw_channel_unsaved(c->channel)) {
    tw_buf_clear(&c->saved);
    if (tw_channel_save(c->channel, &c->saved) != TW_OK || tw_channel_saved(c->channel) != TW_OK) return false;
  }
  for (tw_bytes output = tw_channel_output(c->channel); output.len > 0; output = tw_channel_output(c->channel)) {
    const ssize_t sent = send(c->fd, output.ptr, output.len, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN;
    tw_channel_output_sent(c->channel, (size_t)sent);
  }
  return true;
}

static bool receive(client *c) {
  for (;;) {
    uint8_t *room;
    size_t size;
    BENCH_OK(tw_channel_input_buffer(c->channel, &room, &size));
    if (size == 0) return true;
    const ssize_t got = recv(c->fd, room, size, 0);
    if (got < 0 && errno == EAGAIN) return true;
    if (got <= 0) return false;
    (void)!tw_channel_input_done(c->channel, (size_t)got, loopback_ms()); /* its events tell */
    if (!flush(c)) return false;
    take_events(c);
    if (c->channel == NULL) return true;
  }
}

static void on_ready(client *c, uint32_t events) {
  if (c->phase == DIALING) {
    int error = 0;
    socklen_t len = sizeof error;
    BENCH_TRUE(getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0);
    if (error != 0 || (events & (EPOLLERR | EPOLLHUP)) != 0) {
      try_later(c);
      return;
    }
    begin(c);
  }
  if (c->channel == NULL) return;
  const bool there = flush(c) && receive(c) && (c->channel == NULL || flush(c));
  if (!there && c->channel != NULL) try_later(c);
}

/* ---- all of them ---- */

static void look_at_clocks(unsigned at_once) {
  const uint64_t now = loopback_ms();
  for (unsigned i = 0; i < all.count; i++) {
    client *c = &all.clients[i];
    const unsigned under_way = all.by_phase[DIALING] + all.by_phase[SHAKING];
    if (c->phase == RESTING && under_way < at_once) dial(c);
    if (c->phase == WAITING && now >= c->at_ms) dial(c);
    if (c->phase == DIALING && now >= c->at_ms) try_later(c);
  }
}

static void turn(unsigned at_once) {
  struct epoll_event events[512];
  const int got = epoll_wait(all.epoll, events, 512, 5);
  for (int i = 0; i < got; i++) on_ready(events[i].data.ptr, events[i].events);
  look_at_clocks(at_once);
}

/* Until all are up or lost; seconds. */
static double bring_up(unsigned at_once, double start) {
  const uint64_t until = loopback_ms() + GIVE_UP_MS;
  double half = 0;
  double most = 0;
  while (all.by_phase[UP] + all.by_phase[LOST] < all.count && loopback_ms() < until) {
    turn(at_once);
    const double now = bench_wall_seconds() - start;
    if (half == 0 && all.by_phase[UP] >= all.count / 2) half = now;
    if (most == 0 && all.by_phase[UP] >= all.count / 100 * 95) most = now;
  }
  bench_note("half of them after %.1f s, 95 of 100 after %.1f s", half, most);
  return bench_wall_seconds() - start;
}

static void rest(unsigned ms) {
  const uint64_t until = loopback_ms() + ms;
  while (loopback_ms() < until) turn(0);
  for (unsigned i = 0; i < all.count; i++) {
    if (all.clients[i].channel == NULL) continue;
    (void)!tw_channel_tick(all.clients[i].channel, loopback_ms());
  }
}

/* ---- the processes ---- */

static void echo(int listening) {
  const int epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listening};
  (void)epoll_ctl(epoll, EPOLL_CTL_ADD, listening, &event);
  for (;;) {
    const int got = epoll_wait(epoll, &event, 1, -1);
    if (got < 1) continue;
    const int fd = event.data.fd;
    if (fd == listening) {
      struct epoll_event made = {.events = EPOLLIN, .data.fd = accept(listening, NULL, NULL)};
      if (made.data.fd >= 0) (void)epoll_ctl(epoll, EPOLL_CTL_ADD, made.data.fd, &made);
      continue;
    }
    uint8_t bytes[64];
    const ssize_t len = read(fd, bytes, sizeof bytes);
    if (len <= 0 || write(fd, bytes, (size_t)len) != len) (void)close(fd);
  }
}

static pid_t start_service(void) {
  struct sockaddr_in at;
  const int listening = loopback_listen(&at);
  BENCH_TRUE(listen(listening, 4096) == 0);
  (void)snprintf(service_at, TEXT, "127.0.0.1:%u", ntohs(at.sin_port));
  const pid_t child = fork();
  BENCH_TRUE(child >= 0);
  if (child == 0) echo(listening);
  close(listening);
  return child;
}

static pid_t start_listener(void) {
  const pid_t child = bench_program_run((const char *[]){bench_program(), "listen", "--key", key_file, "--peers",
                                                         peers_file, "--bind", listener_at, "--forward", service_at,
                                                         "--state", state_dir, "--rekey-after", "0", NULL},
                                        NULL, NULL);
  return child;
}

static void until_it_listens(void) { close(loopback_connect(&all.to)); }

static double resident_mib(pid_t pid) {
  char path[TEXT], line[TEXT];
  long kib = 0;
  (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
  FILE *file = fopen(path, "r");
  BENCH_TRUE(file != NULL);
  while (fgets(line, sizeof line, file) != NULL)
    if (strncmp(line, "VmRSS:", 6) == 0) kib = strtol(line + 6, NULL, 10);
  fclose(file);
  return (double)kib / 1024;
}

static double processor_seconds(pid_t pid) {
  char path[TEXT], line[1024];
  unsigned long ticks = 0;
  (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  FILE *file = fopen(path, "r");
  BENCH_TRUE(file != NULL && fgets(line, sizeof line, file) != NULL);
  fclose(file);
  char *rest_of = NULL;
  char *field = strtok_r(strrchr(line, ')') + 1, " ", &rest_of); /* the third one, of proc(5) */
  for (int i = 3; field != NULL; field = strtok_r(NULL, " ", &rest_of), i++)
    if (i == 14 || i == 15) ticks += strtoul(field, NULL, 10); /* utime, stime */
  return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

/* ---- the world ---- */

static void make_keys(const tw_env *env, const tw_suite *suite) {
  tw_signer *signer;
  tw_buf text = TW_BUF_INIT(NULL);
  BENCH_OK(tw_signer_generate(env, suite, &signer));
  BENCH_OK(tw_private_key_format(suite, signer, &text));
  tw_signer_free(signer);
  const int key = open(key_file, O_WRONLY | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR);
  BENCH_TRUE(key >= 0 && write(key, text.ptr, text.len) == (ssize_t)text.len && close(key) == 0);
  tw_buf_clear(&text);
  bench_person_init(&all.person, env, suite, 1);
  BENCH_OK(tw_public_key_format(suite, tw_signer_public_key(all.person.client.signer), &text));
  FILE *peers = fopen(peers_file, "w");
  BENCH_TRUE(peers != NULL && fprintf(peers, "%.*s driver\n", (int)text.len, (const char *)text.ptr) > 0 &&
             fclose(peers) == 0);
  tw_buf_clear(&text);
}

/* Two descriptors a channel in the listener are what limits it. */
static unsigned as_many_as_fit(unsigned wanted) {
  struct rlimit limit;
  BENCH_TRUE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = limit.rlim_max;
  BENCH_TRUE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  const rlim_t fit = (limit.rlim_max - SPARE) / 2;
  if (fit >= wanted) return wanted;
  bench_note("%u of them: the hard limit is %llu descriptors, and the listener has two for each", (unsigned)fit,
             (unsigned long long)limit.rlim_max);
  return (unsigned)fit;
}

static void make_world(const tw_env *env, const tw_suite *suite, unsigned count) {
  BENCH_TRUE(mkdtemp(folder) != NULL);
  (void)snprintf(key_file, TEXT, "%s/key", folder);
  (void)snprintf(peers_file, TEXT, "%s/peers", folder);
  (void)snprintf(state_dir, TEXT, "%s/state", folder);
  make_keys(env, suite);
  close(loopback_listen(&all.to));
  (void)snprintf(listener_at, TEXT, "127.0.0.1:%u", ntohs(all.to.sin_port));
  all.count = count;
  all.clients = calloc(count, sizeof *all.clients);
  all.epoll = epoll_create1(EPOLL_CLOEXEC);
  all.seed = (uint64_t)getpid();
  BENCH_TRUE(all.clients != NULL && all.epoll >= 0);
  for (unsigned i = 0; i < count; i++) all.clients[i].fd = -1;
  all.by_phase[RESTING] = count;
}

static void clear_world(void) {
  char path[2 * TEXT];
  static const char *const names[] = {
      "key", "peers", "state/state.db", "state/state.db-wal", "state/state.db-shm", "state/lock"};
  for (unsigned i = 0; i < all.count; i++) {
    hang_up(&all.clients[i]);
    tw_buf_clear(&all.clients[i].saved);
  }
  free(all.clients);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
    (void)unlink(path);
  }
  (void)rmdir(state_dir);
  (void)rmdir(folder);
  bench_person_clear(&all.person);
}

static void measure(void) {
  int status;
  pid_t listener = start_listener();
  until_it_listens();
  const double empty = resident_mib(listener);
  bench_row("opened, first handshakes", bring_up(AT_ONCE, bench_wall_seconds()), "s", BENCH_INFO, 0);
  bench_row("  processor time of the listener", processor_seconds(listener), "s", BENCH_INFO, 0);
  rest(4000);
  const double before = resident_mib(listener);
  bench_row("  its resident set, all channels idle", before, "MiB", BENCH_INFO, 0);
  bench_note("%.1f MiB without channels; %.1f KiB a channel", empty, 1024 * (before - empty) / all.count);
  BENCH_TRUE(all.by_phase[UP] == all.count);
  BENCH_TRUE(kill(listener, SIGKILL) == 0 && waitpid(listener, &status, 0) == listener);
  const double start = bench_wall_seconds();
  listener = start_listener();
  while (all.by_phase[UP] == all.count) turn(0); /* they notice */
  for (unsigned i = 0; i < all.count; i++)       /* those who have not yet will */
    if (all.clients[i].phase == UP) try_later(&all.clients[i]);
  const double back = bring_up(0, start);
  bench_row("all back after SIGKILL and a new start", back, "s", BENCH_INFO, 0);
  bench_row("  processor time of the new listener", processor_seconds(listener), "s", BENCH_INFO, 0);
  bench_row("sessions that went on", all.resumed, "", BENCH_AT_LEAST, all.count);
  bench_row("sessions lost", all.count - all.resumed, "", BENCH_AT_MOST, 0);
  bench_note("%u came back with the first byte in their first flight; %u were refused, %u not in time", all.early,
             all.refused, all.count - all.by_phase[UP] - all.by_phase[LOST]);
  rest(4000);
  const double after = resident_mib(listener);
  bench_row("  its resident set, all channels idle again", after, "MiB", BENCH_INFO, 0);
  BENCH_TRUE(kill(listener, SIGKILL) == 0 && waitpid(listener, &status, 0) == listener);
}

int main(int argc, char **argv) {
  tw_env env = {0};
  char title[TEXT];
  int status;
  const tw_suite *suite = argc > 2 ? tw_suite_by_name(argv[2]) : tw_suite_default();
  if (suite == NULL || bench_program() == NULL) bench_die(__FILE__, __LINE__, "no such suite, or no program");
  (void)signal(SIGPIPE, SIG_IGN);
  unsigned wanted = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : CHANNELS;
  (void)snprintf(title, sizeof title, "%u channels to one `treewire listen --state`, %s", wanted, tw_suite_name(suite));
  bench_title(title);
  wanted = as_many_as_fit(wanted);
  BENCH_OK(tw_provider_openssl_new(NULL, &env.provider));
  make_world(&env, suite, wanted);
  const pid_t service = start_service();
  measure();
  BENCH_TRUE(kill(service, SIGKILL) == 0 && waitpid(service, &status, 0) == service);
  clear_world();
  tw_provider_free(env.provider);
  return bench_finish(NULL) == 0 ? 0 : 1;
}

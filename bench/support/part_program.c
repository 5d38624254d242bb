/* The program as a tunnel, against a tunnel on libssl. SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loopback.h"
#include "program.h"

/*
 * source -> tunnel's near end -> tunnel's far end -> sink, all over loopback TCP. The other tunnel is two processes
 * that do nothing but read, SSL_write, SSL_read and write, in one direction, in blocking calls.
 */
enum { RUN_MS = 2600, ROUNDS = 5, TEXT = 256 };

typedef struct tunnel {
  struct sockaddr_in near; /* where the source connects */
  pid_t ends[2];
} tunnel;

typedef struct outcome {
  double speed;
  double cpu; /* of both ends, a byte */
} outcome;

/* A port that was free a moment ago. */
static struct sockaddr_in free_port(void) {
  struct sockaddr_in address;
  close(loopback_listen(&address));
  return address;
}

static const char *port_text(const struct sockaddr_in *address, char *out) {
  snprintf(out, TEXT, "127.0.0.1:%u", ntohs(address->sin_port));
  return out;
}

/* ---- libssl ---- */

static void write_all(int fd, const uint8_t *bytes, size_t len) {
  while (len > 0) {
    const ssize_t made = write(fd, bytes, len);
    BENCH_TRUE(made > 0);
    bytes += made;
    len -= (size_t)made;
  }
}

static void tls_near(int listening, const struct sockaddr_in *far) {
  static uint8_t bytes[LOOPBACK_PIECE];
  const int from = accept(listening, NULL, NULL);
  SSL *ssl = loopback_tls(false, loopback_connect(far));
  for (ssize_t got; (got = read(from, bytes, sizeof bytes)) > 0;) BENCH_TRUE(SSL_write(ssl, bytes, (int)got) == got);
  (void)SSL_shutdown(ssl);
  _exit(0);
}

static void tls_far(int listening, const struct sockaddr_in *sink) {
  static uint8_t bytes[LOOPBACK_PIECE];
  SSL *ssl = loopback_tls(true, accept(listening, NULL, NULL));
  const int to = loopback_connect(sink);
  for (int got; (got = SSL_read(ssl, bytes, sizeof bytes)) > 0;) write_all(to, bytes, (size_t)got);
  _exit(0);
}

static tunnel tls_tunnel(const struct sockaddr_in *sink) {
  tunnel made;
  struct sockaddr_in far;
  const int near_fd = loopback_listen(&made.near);
  const int far_fd = loopback_listen(&far);
  if ((made.ends[0] = fork()) == 0) tls_near(near_fd, &far);
  if ((made.ends[1] = fork()) == 0) tls_far(far_fd, sink);
  BENCH_TRUE(made.ends[0] > 0 && made.ends[1] > 0);
  close(near_fd);
  close(far_fd);
  return made;
}

/* ---- treewire ---- */

static char folder[] = "/tmp/treewire-bench-XXXXXX";
static const char *program;
static char files[4][TEXT]; /* two private keys, two public ones */
static char public_key[8192];

static void run_and_wait(const char *verb, const char *input, const char *output) {
  int status;
  const pid_t child = bench_program_run((const char *[]){program, verb, NULL}, input, output);
  BENCH_TRUE(waitpid(child, &status, 0) == child && status == 0);
}

/* False where there is no program beside this one. */
static bool make_keys(void) {
  program = bench_program();
  if (program == NULL) return false;
  BENCH_TRUE(mkdtemp(folder) != NULL);
  for (unsigned i = 0; i < 2; i++) {
    snprintf(files[i], TEXT, "%s/%u.key", folder, i);
    snprintf(files[2 + i], TEXT, "%s/%u.pub", folder, i);
    run_and_wait("genkey", NULL, files[i]);
    run_and_wait("pubkey", files[i], files[2 + i]);
  }
  FILE *file = fopen(files[3], "r");
  BENCH_TRUE(file != NULL && fgets(public_key, sizeof public_key, file) != NULL);
  public_key[strcspn(public_key, "\n")] = 0;
  fclose(file);
  return true;
}

static void remove_keys(void) {
  for (unsigned i = 0; i < 4; i++) (void)unlink(files[i]);
  (void)rmdir(folder);
}

/* Side 0 connects, side 1 listens. */
static tunnel our_tunnel(const struct sockaddr_in *sink) {
  char near[TEXT], far[TEXT], target[TEXT];
  const struct sockaddr_in far_at = free_port();
  tunnel made = {.near = free_port()};
  (void)port_text(&made.near, near);
  (void)port_text(&far_at, far);
  (void)port_text(sink, target);
  made.ends[1] = bench_program_run((const char *[]){program, "listen", "--key", files[1], "--peers", files[2], "--bind",
                                                    far, "--forward", target, "--rekey-after", "1", NULL},
                                   NULL, NULL);
  close(loopback_connect(&far_at)); /* it listens */
  made.ends[0] = bench_program_run((const char *[]){program, "connect", "--key", files[0], "--peer", public_key, far,
                                                    "--listen", near, "--rekey-after", "1", NULL},
                                   NULL, NULL);
  return made;
}

/* ---- a transfer ---- */

static pid_t start_source(const struct sockaddr_in *near) {
  const pid_t child = fork();
  BENCH_TRUE(child >= 0);
  if (child != 0) return child;
  static const uint8_t bytes[LOOPBACK_PIECE] = {1};
  const int fd = loopback_connect(near);
  const uint64_t until = loopback_ms() + RUN_MS;
  while (loopback_ms() < until) write_all(fd, bytes, sizeof bytes);
  (void)shutdown(fd, SHUT_WR);
  while (read(fd, (uint8_t[64]){0}, 64) > 0) {}
  _exit(0);
}

static outcome transfer(tunnel (*make)(const struct sockaddr_in *sink)) {
  static uint8_t bytes[LOOPBACK_PIECE];
  struct sockaddr_in sink;
  int status;
  double total = 0;
  fflush(stdout);
  const int listening = loopback_listen(&sink);
  const tunnel through = make(&sink);
  const pid_t source = start_source(&through.near);
  const int fd = accept(listening, NULL, NULL);
  ssize_t got = read(fd, bytes, sizeof bytes);
  const double start = bench_wall_seconds();
  for (; got > 0; got = read(fd, bytes, sizeof bytes)) total += (double)got;
  const double seconds = bench_wall_seconds() - start;
  BENCH_TRUE(total > 0);
  close(fd);
  close(listening);
  BENCH_TRUE(waitpid(source, &status, 0) == source && status == 0);
  const double before = loopback_cpu(RUSAGE_CHILDREN);
  for (unsigned i = 0; i < 2; i++) {
    (void)kill(through.ends[i], SIGTERM);
    BENCH_TRUE(waitpid(through.ends[i], &status, 0) == through.ends[i]);
  }
  return (outcome){total / seconds, (loopback_cpu(RUSAGE_CHILDREN) - before) / total};
}

void bench_part_program(void) {
  double ratio[ROUNDS], cpu_ratio[ROUNDS], speed[2][ROUNDS], cpu[2][ROUNDS];
  bench_title(
      "The program as a tunnel, a rekey of both sides every second, against a tunnel of two processes on libssl");
  if (!make_keys()) {
    bench_note("there is no program to measure");
    return;
  }
  (void)signal(SIGPIPE, SIG_IGN);
  for (unsigned i = 0; i < ROUNDS; i++) {
    const outcome tls = transfer(tls_tunnel);
    const outcome ours = transfer(our_tunnel);
    ratio[i] = ours.speed / tls.speed;
    cpu_ratio[i] = tls.cpu / ours.cpu;
    speed[0][i] = ours.speed, speed[1][i] = tls.speed;
    cpu[0][i] = ours.cpu, cpu[1][i] = tls.cpu;
  }
  remove_keys();
  bench_row("treewire / libssl tunnel, bytes per second", bench_median(ratio, ROUNDS), "x", BENCH_INFO, 0);
  bench_note("%.0f MB/s and %.0f MB/s", bench_median(speed[0], ROUNDS) * 1e-6, bench_median(speed[1], ROUNDS) * 1e-6);
  bench_row("treewire / libssl tunnel, bytes per second of processor time", bench_median(cpu_ratio, ROUNDS), "x",
            BENCH_INFO, 0);
  bench_note("%.2f and %.2f s/GB, both ends together", bench_median(cpu[0], ROUNDS) * 1e9,
             bench_median(cpu[1], ROUNDS) * 1e9);
}

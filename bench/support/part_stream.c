/* One channel over loopback TCP against libssl. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loopback.h"
#include "world.h"

/*
 * Two processes for each: a sender that writes pieces of LOOPBACK_PIECE bytes for some seconds, and a receiver that
 * counts them. Blocking sockets, TLS_AES_256_GCM_SHA384 or the suite with the same AEAD, records of 16 KiB, receive
 * buffers of 64 KiB.
 */
enum { RUN_MS = 2600, ROUNDS = 4, REKEY_MS = 1000 };
static const double must_ratio = 0.9;

typedef struct outcome {
  double bytes;
  double seconds; /* wall, from the first byte to the last */
  double cpu;
  uint64_t epoch; /* the last one */
} outcome;

static const uint8_t *piece(void) {
  static uint8_t bytes[LOOPBACK_PIECE];
  for (size_t i = 0; i < LOOPBACK_PIECE; i++) bytes[i] = (uint8_t)(i * 7);
  return bytes;
}

/* ---- libssl ---- */

static void tls_send(int fd, outcome *out) {
  SSL *ssl = loopback_tls(false, fd);
  const uint8_t *bytes = piece();
  const double cpu = loopback_cpu(RUSAGE_SELF);
  const uint64_t until = loopback_ms() + RUN_MS;
  while (loopback_ms() < until) BENCH_TRUE(SSL_write(ssl, bytes, LOOPBACK_PIECE) == LOOPBACK_PIECE);
  BENCH_TRUE(SSL_shutdown(ssl) >= 0);
  out->cpu = loopback_cpu(RUSAGE_SELF) - cpu;
  SSL_free(ssl);
}

static void tls_receive(int fd, outcome *out) {
  static uint8_t bytes[LOOPBACK_PIECE];
  SSL *ssl = loopback_tls(true, fd);
  double cpu = 0;
  double start = 0;
  for (int got; (got = SSL_read(ssl, bytes, sizeof bytes)) > 0;) {
    if (out->bytes == 0) {
      start = bench_wall_seconds();
      cpu = loopback_cpu(RUSAGE_SELF);
    }
    out->bytes += got;
  }
  out->cpu = loopback_cpu(RUSAGE_SELF) - cpu;
  out->seconds = bench_wall_seconds() - start;
  SSL_free(ssl);
}

/* ---- the channel ---- */

typedef struct end {
  tw_env env;
  bench_person person;
  tw_channel *channel;
  int fd;
  bool established;
  bool peer_closed;
  uint64_t epoch;
  double got;
  double first_at;
} end;

static void end_init(end *e, bool connects, int fd) {
  tw_channel_options options = tw_channel_options_default;
  options.rekey_after_ms = REKEY_MS;
  options.rekey_after_bytes = 0;
  *e = (end){.fd = fd};
  BENCH_OK(tw_provider_openssl_new(NULL, &e->env.provider));
  bench_person_init(&e->person, &e->env, tw_suite_default(), connects);
  const tw_client *clients[] = {&e->person.client};
  const tw_channel_config config = {.clients = clients, .client_count = 1, .options = &options};
  BENCH_OK(connects ? tw_channel_connect(&config, loopback_ms(), &e->channel)
                    : tw_channel_accept(&config, loopback_ms(), &e->channel));
}

static void end_clear(end *e) {
  tw_channel_free(e->channel);
  bench_person_clear(&e->person);
  tw_provider_free(e->env.provider);
}

static void end_flush(end *e) {
  for (tw_bytes output = tw_channel_output(e->channel); output.len > 0; output = tw_channel_output(e->channel)) {
    const ssize_t sent = send(e->fd, output.ptr, output.len, 0);
    BENCH_TRUE(sent > 0);
    tw_channel_output_sent(e->channel, (size_t)sent);
  }
}

static void end_events(end *e) {
  tw_channel_event event;
  while (tw_channel_next_event(e->channel, &event)) {
    if (event.kind == TW_CHANNEL_ESTABLISHED) e->established = true;
    if (event.kind == TW_CHANNEL_REKEYED) e->epoch = event.epoch;
    if (event.kind == TW_CHANNEL_PEER_CLOSED) e->peer_closed = true;
    BENCH_TRUE(event.kind != TW_CHANNEL_CLOSED);
  }
}

/* Takes what the socket has; with `wait`, waits for something. False at the end of the stream. */
static bool end_take(end *e, bool wait) {
  uint8_t *room;
  size_t size;
  BENCH_OK(tw_channel_input_buffer(e->channel, &room, &size));
  const ssize_t got = recv(e->fd, room, size, wait ? 0 : MSG_DONTWAIT);
  if (got == 0) return false;
  if (got < 0) return true;
  BENCH_OK(tw_channel_input_done(e->channel, (size_t)got, loopback_ms()));
  for (tw_bytes data = tw_channel_data(e->channel); data.len > 0; data = tw_channel_data(e->channel)) {
    if (e->got == 0) e->first_at = bench_wall_seconds();
    e->got += (double)data.len;
    BENCH_OK(tw_channel_data_done(e->channel, data.len));
  }
  end_events(e);
  return true;
}

static void end_write(end *e, tw_bytes data) {
  while (data.len > 0) {
    size_t taken;
    BENCH_OK(tw_channel_write(e->channel, data, &taken));
    data = TW_BYTES(data.ptr + taken, data.len - taken);
    end_flush(e);
    (void)end_take(e, false);
  }
}

static void channel_send(int fd, outcome *out) {
  end e;
  end_init(&e, true, fd);
  while (!e.established) {
    end_flush(&e);
    BENCH_TRUE(end_take(&e, true));
  }
  const tw_bytes data = TW_BYTES(piece(), LOOPBACK_PIECE);
  const double cpu = loopback_cpu(RUSAGE_SELF);
  const uint64_t until = loopback_ms() + RUN_MS;
  for (uint64_t now = loopback_ms(); now < until; now = loopback_ms()) {
    BENCH_OK(tw_channel_tick(e.channel, now));
    end_write(&e, data);
  }
  BENCH_OK(tw_channel_close(e.channel));
  end_flush(&e);
  out->cpu = loopback_cpu(RUSAGE_SELF) - cpu;
  out->epoch = e.epoch;
  (void)shutdown(fd, SHUT_WR);
  while (recv(fd, (uint8_t[4096]){0}, 4096, 0) > 0) {}
  end_clear(&e);
}

static void channel_receive(int fd, outcome *out) {
  end e;
  double cpu = 0;
  end_init(&e, false, fd);
  while (!e.peer_closed) {
    BENCH_OK(tw_channel_tick(e.channel, loopback_ms()));
    end_flush(&e);
    if (e.got == 0) cpu = loopback_cpu(RUSAGE_SELF);
    BENCH_TRUE(end_take(&e, true));
  }
  out->cpu = loopback_cpu(RUSAGE_SELF) - cpu;
  out->seconds = bench_wall_seconds() - e.first_at;
  out->bytes = e.got;
  out->epoch = e.epoch;
  end_clear(&e);
}

/* ---- processes ---- */

typedef void (*side)(int fd, outcome *out);

static pid_t start(side run, int listening, const struct sockaddr_in *address, int report) {
  const pid_t child = fork();
  BENCH_TRUE(child >= 0);
  if (child != 0) return child;
  outcome out = {0};
  (void)alarm(60);
  const int fd = address == NULL ? accept(listening, NULL, NULL) : loopback_connect(address);
  BENCH_TRUE(fd >= 0);
  run(fd, &out);
  close(fd);
  BENCH_TRUE(write(report, &out, sizeof out) == (ssize_t)sizeof out);
  _exit(0);
}

/* Bytes and seconds as the receiver sees them, processor time of both. */
static outcome transfer(side sender, side receiver) {
  struct sockaddr_in address;
  outcome got[2];
  int report[2][2];
  int status[2];
  fflush(stdout);
  BENCH_TRUE(pipe(report[0]) == 0 && pipe(report[1]) == 0);
  const int listening = loopback_listen(&address);
  const pid_t child[2] = {start(receiver, listening, NULL, report[0][1]),
                          start(sender, listening, &address, report[1][1])};
  for (unsigned i = 0; i < 2; i++) {
    close(report[i][1]);
    BENCH_TRUE(read(report[i][0], &got[i], sizeof got[i]) == (ssize_t)sizeof got[i]);
    close(report[i][0]);
    BENCH_TRUE(waitpid(child[i], &status[i], 0) == child[i] && status[i] == 0);
  }
  close(listening);
  got[0].cpu += got[1].cpu;
  return got[0];
}

void bench_part_stream(void) {
  double speed[2][ROUNDS];
  double cpu[2][ROUNDS];
  double ratio[ROUNDS];
  double cpu_ratio[ROUNDS];
  uint64_t epochs = 0;
  (void)signal(SIGPIPE, SIG_IGN);
  bench_title(
      "One stream over loopback TCP: default suite with a rekey of both sides every second, against libssl with "
      "TLS_AES_256_GCM_SHA384");
  for (unsigned i = 0; i < ROUNDS; i++) {
    const outcome tls = transfer(tls_send, tls_receive);
    const outcome channel = transfer(channel_send, channel_receive);
    speed[0][i] = channel.bytes / channel.seconds;
    speed[1][i] = tls.bytes / tls.seconds;
    cpu[0][i] = channel.cpu / channel.bytes;
    cpu[1][i] = tls.cpu / tls.bytes;
    ratio[i] = speed[0][i] / speed[1][i];
    cpu_ratio[i] = cpu[1][i] / cpu[0][i];
    epochs += channel.epoch;
  }
  BENCH_TRUE(epochs >= ROUNDS * 2);
  bench_row("channel / libssl, bytes per second", bench_median(ratio, ROUNDS), "x", BENCH_AT_LEAST, must_ratio);
  bench_note("%.0f MB/s and %.0f MB/s; %.1f epochs in a run of %.1f s", bench_median(speed[0], ROUNDS) * 1e-6,
             bench_median(speed[1], ROUNDS) * 1e-6, (double)epochs / ROUNDS, RUN_MS * 1e-3);
  bench_row("channel / libssl, bytes per second of processor time", bench_median(cpu_ratio, ROUNDS), "x",
            BENCH_AT_LEAST, must_ratio);
  bench_note("%.2f and %.2f s/GB, both ends together", bench_median(cpu[0], ROUNDS) * 1e9,
             bench_median(cpu[1], ROUNDS) * 1e9);
}

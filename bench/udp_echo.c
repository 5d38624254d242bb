/*
 * Datagrams that one core can take in and send on: bench_udp_echo [SIZE…].
 * SPDX-License-Identifier: Apache-2.0
 *
 * What a packet relay cannot be faster than: an echo that does nothing but receive by tw_udp_receive and send by
 * tw_udp_send, with and without UDP_GRO and UDP_SEGMENT, on loopback. The echo is a process of its own; this one keeps
 * a window of datagrams on their way. The processor time of the echo for one datagram is what to compare with: the
 * rate is bounded by the load's side as well. On loopback a datagram is delivered within the sender's call, so that
 * time holds the way to the load's socket, too.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loopback.h"
#include "net/address.h"
#include "net/udp.h"

enum {
  SLOTS = 64,
  WINDOW = 512, /* datagrams on their way */
  RUN_MS = 2000,
  LOST_MS = 100, /* of silence: what is on its way is given up */
  BUFFER = 8 << 20,
  ROUNDS = 3,
  LARGEST = 65000
};

/* Shared with the echo. */
typedef struct tally {
  volatile uint64_t received;
  volatile uint64_t calls;
  volatile double cpu;
  volatile bool stop;
} tally;

static tw_udp open_socket(bool offload) {
  tw_udp udp;
  tw_report report;
  tw_udp_config config = {.local.in4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}},
                          .no_receive_offload = !offload,
                          .no_send_offload = !offload,
                          .buffer = BUFFER};
  if (tw_udp_open(&udp, &config, &report) != TW_OK) bench_die(__FILE__, __LINE__, report.text);
  if (offload) BENCH_TRUE(udp.receive_offload && udp.send_offload);
  return udp;
}

static bool wait_for(const tw_udp *udp, short events, int ms) {
  struct pollfd wait = {.fd = udp->fd, .events = events};
  return poll(&wait, 1, ms) > 0;
}

static void send_batch(tw_udp *udp, tw_udp_batch *batch) {
  BENCH_OK(tw_udp_send(udp, batch));
  while (batch->at < batch->count) {
    (void)wait_for(udp, POLLOUT, 10);
    BENCH_OK(tw_udp_send(udp, batch));
  }
  tw_udp_batch_reset(batch);
}

/* ---- the echo ---- */

static void run_echo(tw_udp *udp, tally *shared) {
  tw_udp_intake intake;
  tw_udp_batch batch;
  BENCH_OK(tw_udp_intake_open(&intake, NULL, SLOTS, udp->receive_offload ? TW_UDP_SLOT_SIZE : 65507));
  BENCH_OK(tw_udp_batch_open(&batch, NULL, SLOTS * 2));
  while (!shared->stop) {
    BENCH_OK(tw_udp_receive(udp, &intake));
    if (intake.count == 0) (void)wait_for(udp, POLLIN, 20);
    for (size_t s = 0; s < intake.count; s++) {
      tw_udp_slot *slot = &intake.slots[s];
      for (size_t i = 0; i < slot->datagrams; i++) {
        size_t len;
        const uint8_t *data = tw_udp_datagram(slot, i, &len);
        if (tw_udp_batch_add(&batch, &slot->peer, 0, TW_BYTES(data, len)) == TW_OK) continue;
        send_batch(udp, &batch);
        BENCH_OK(tw_udp_batch_add(&batch, &slot->peer, 0, TW_BYTES(data, len)));
      }
      shared->received += slot->datagrams;
    }
    send_batch(udp, &batch);
    shared->calls++;
    shared->cpu = loopback_cpu(RUSAGE_SELF);
  }
  tw_udp_intake_close(&intake);
  tw_udp_batch_close(&batch);
}

/* ---- the load ---- */

static uint64_t run_load(tw_udp *udp, const tw_udp_address *to, size_t size) {
  static uint8_t bytes[LARGEST];
  tw_udp_intake intake;
  tw_udp_batch batch;
  BENCH_OK(tw_udp_intake_open(&intake, NULL, SLOTS, TW_UDP_SLOT_SIZE));
  BENCH_OK(tw_udp_batch_open(&batch, NULL, WINDOW));
  uint64_t back = 0;
  unsigned on_their_way = 0;
  for (const uint64_t until = loopback_ms() + RUN_MS; loopback_ms() < until;) {
    for (; on_their_way < WINDOW; on_their_way++) BENCH_OK(tw_udp_batch_add(&batch, to, 0, TW_BYTES(bytes, size)));
    send_batch(udp, &batch);
    if (!wait_for(udp, POLLIN, LOST_MS)) on_their_way = 0;
    BENCH_OK(tw_udp_receive(udp, &intake));
    for (size_t s = 0; s < intake.count; s++) {
      const unsigned got = intake.slots[s].datagrams;
      back += got;
      on_their_way -= got < on_their_way ? got : on_their_way;
    }
  }
  tw_udp_intake_close(&intake);
  tw_udp_batch_close(&batch);
  return back;
}

/* ---- one measurement ---- */

typedef struct outcome {
  double rate;  /* datagrams a second that came back */
  double cpu;   /* of the echo, seconds for one datagram */
  double batch; /* datagrams it got in one call */
} outcome;

static outcome measure(bool offload, size_t size) {
  tally *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  BENCH_TRUE(shared != MAP_FAILED);
  tw_udp echo = open_socket(offload);
  tw_udp load = open_socket(true); /* as fast as can be, in either case */
  tw_udp_address to;
  BENCH_OK(tw_udp_local(&echo, &to));
  const pid_t child = fork();
  BENCH_TRUE(child >= 0);
  if (child == 0) {
    run_echo(&echo, shared);
    _exit(0);
  }
  const double start = bench_wall_seconds();
  const uint64_t back = run_load(&load, &to, size);
  const double seconds = bench_wall_seconds() - start;
  shared->stop = true;
  int status = -1;
  BENCH_TRUE(waitpid(child, &status, 0) == child && status == 0);
  const outcome result = {(double)back / seconds, shared->cpu / (double)shared->received,
                          (double)shared->received / (double)shared->calls};
  tw_udp_close(&echo);
  tw_udp_close(&load);
  (void)munmap(shared, sizeof *shared);
  return result;
}

static void run_size(size_t size) {
  double rates[2][ROUNDS];
  double cpus[2][ROUNDS];
  double batches[2][ROUNDS];
  for (int round = 0; round < ROUNDS; round++)
    for (int offload = 0; offload < 2; offload++) {
      const outcome result = measure(offload == 1, size);
      rates[offload][round] = result.rate;
      cpus[offload][round] = result.cpu;
      batches[offload][round] = result.batch;
    }
  for (int offload = 0; offload < 2; offload++) {
    char name[80];
    const char *how = offload ? "with GRO and segmentation" : "plain";
    const double cpu = bench_median(cpus[offload], ROUNDS);
    (void)snprintf(name, sizeof name, "echo of %zu bytes, %s: came back", size, how);
    bench_row(name, bench_median(rates[offload], ROUNDS), "datagrams/s", BENCH_INFO, 0);
    (void)snprintf(name, sizeof name, "echo of %zu bytes, %s: processor time", size, how);
    bench_row(name, cpu * 1e9, "ns/datagram", BENCH_INFO, 0);
    bench_note("%.0f datagrams a second and core, %.1f Gbit/s; %.0f at once", 1 / cpu, (double)size * 8 / cpu / 1e9,
               bench_median(batches[offload], ROUNDS));
  }
}

int main(int argc, char **argv) {
  static const size_t sizes[] = {100, 1400};
  bench_title("UDP echo");
  if (argc <= 1)
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) run_size(sizes[i]);
  for (int i = 1; i < argc; i++) {
    uint64_t size = 0;
    if (!tw_number_parse(argv[i], LARGEST, &size) || size == 0) {
      (void)fprintf(stderr, "usage: %s [SIZE…], 1 to %d bytes\n", argv[0], LARGEST);
      return 2;
    }
    run_size((size_t)size);
  }
  return 0;
}

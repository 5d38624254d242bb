/* SPDX-License-Identifier: Apache-2.0 */
#include "net/gate.h"

#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { TALLY_MS = 10000, MICROSECONDS = 1000 };

static uint64_t now_us(void) { return uv_hrtime() / MICROSECONDS; }

tw_err tw_gate_open(tw_gate *gate, uv_loop_t *loop, const tw_admission_limits *limits,
                    void (*tell)(void *ctx, const tw_gate_tally *tally), void *ctx, tw_report *report) {
  uint64_t seed = 0;
  *gate = (tw_gate){.loop = loop, .tell = tell, .ctx = ctx};
  if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
    return tw_report_fail(report, TW_ERR_STATE, "no random bytes from the system");
  tw_err err = tw_admission_new(limits, seed, &gate->admission);
  if (err != TW_OK) return tw_report_fail(report, err, "out of memory");
  (void)uv_timer_init(loop, &gate->timer);
  gate->timer.data = gate;
  (void)uv_timer_init(loop, &gate->rest);
  gate->rest.data = gate;
  return TW_OK;
}

static void tell_tally(tw_gate *gate) {
  static const tw_gate_tally nobody = {0};
  if (memcmp(&gate->tally, &nobody, sizeof nobody) == 0) return;
  const tw_gate_tally told = gate->tally;
  gate->tally = nobody;
  gate->tell(gate->ctx, &told);
}

void tw_gate_close(tw_gate *gate) {
  if (gate->admission == NULL) return;
  tell_tally(gate);
  tw_admission_free(gate->admission);
  gate->admission = NULL;
  uv_close((uv_handle_t *)&gate->timer, NULL);
  uv_close((uv_handle_t *)&gate->rest, NULL);
}

static void on_timer(uv_timer_t *timer) { tell_tally(timer->data); }

static void count(tw_gate *gate, uint64_t *number) {
  (*number)++;
  if (!uv_is_active((uv_handle_t *)&gate->timer)) (void)uv_timer_start(&gate->timer, on_timer, TALLY_MS, 0);
}

static tw_source source_of(int fd) {
  struct sockaddr_storage storage = {0};
  socklen_t len = sizeof storage;
  (void)getpeername(fd, (struct sockaddr *)&storage, &len);
  return tw_source_of((const struct sockaddr *)&storage);
}

bool tw_gate_enter(tw_gate *gate, int fd, tw_pass **pass) {
  *pass = NULL;
  if (gate->admission == NULL) return true;
  tw_admission_word word;
  if (tw_admission_enter(gate->admission, source_of(fd), now_us(), &word, pass) == TW_OK) {
    if (word == TW_ADMITTED) return true;
    count(gate, word == TW_OVER_SHARE ? &gate->tally.over_share : &gate->tally.over_rate);
  } else {
    count(gate, &gate->tally.untold);
  }
  (void)close(fd);
  return false;
}

size_t tw_gate_half_open(const tw_gate *gate) {
  return gate->admission != NULL ? tw_admission_half_open(gate->admission) : 0;
}

void *tw_gate_hold(tw_gate *gate, tw_pass *pass, void *owner) {
  if (gate->admission == NULL) return NULL;
  if (owner != NULL && pass != NULL) pass->owner = owner;
  tw_pass *surplus = tw_admission_surplus(gate->admission);
  if (surplus == NULL || surplus->owner == NULL) return NULL;
  surplus->lines = TW_PASS_UNTOLD;
  count(gate, &gate->tally.pushed_out);
  return surplus->owner;
}

void tw_gate_leave(tw_gate *gate, tw_pass **pass) {
  if (*pass == NULL) return;
  tw_admission_leave(gate->admission, *pass);
  *pass = NULL;
}

bool tw_gate_hushes_pass(tw_gate *gate, tw_pass *pass) {
  if (pass == NULL) return false;
  const bool fresh = pass->lines == TW_PASS_FRESH;
  if (tw_admission_tells(gate->admission, pass, now_us())) return false;
  if (fresh) count(gate, &gate->tally.untold);
  return true;
}

void tw_gate_entered(tw_gate *gate, tw_pass *pass, tw_tunnel *tunnel) {
  if (tunnel == NULL) {
    tw_gate_leave(gate, &pass);
    return;
  }
  /* It may have ended already. */
  tw_tunnel *surplus = tw_gate_hold(gate, *tw_tunnel_pass(tunnel), tunnel);
  if (surplus != NULL) tw_tunnel_push_out(surplus, "pushed out by newer connections");
}

static void on_rested(uv_timer_t *timer) {
  const tw_gate *gate = timer->data;
  tw_acceptor_pause(gate->acceptor, false);
}

void tw_gate_throttle(tw_gate *gate, tw_acceptor *acceptor) {
  if (gate->admission == NULL) return;
  const uint64_t wait_us = tw_admission_wait_us(gate->admission, now_us());
  if (wait_us == 0) return;
  gate->acceptor = acceptor;
  tw_acceptor_pause(acceptor, true);
  (void)uv_timer_start(&gate->rest, on_rested, wait_us / MICROSECONDS + 1, 0);
}

bool tw_gate_hushes(tw_gate *gate, tw_tunnel *tunnel, const tw_tunnel_event *event) {
  return event->kind != TW_TUNNEL_ESTABLISHED && tw_gate_hushes_pass(gate, *tw_tunnel_pass(tunnel));
}

void tw_gate_note(tw_gate *gate, tw_tunnel *tunnel, const tw_tunnel_event *event) {
  if (event->kind == TW_TUNNEL_ESTABLISHED || event->kind == TW_TUNNEL_CLOSED)
    tw_gate_leave(gate, tw_tunnel_pass(tunnel));
}

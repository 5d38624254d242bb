/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/packets.h"

#include <string.h>

#include "base/alloc.h"
#include "base/secret.h"
#include "net/loop_thread.h"

enum { BOUND_AT_ONCE = 64 };

struct tw_relay_packets {
  tw_relay_packets_config config;
  tw_loop_thread thread;
  tw_forward *forward;
  tw_relay_udp *udp;
  uint16_t port;
  bool closing;
  void (*stopped)(void *ctx); /* NULL: it frees itself */

  /* Of the start alone. */
  tw_err err;
  tw_report why;

  /* The packets' thread's. */
  int broke; /* errno */
};

/* ---- in the packets' thread ---- */

static void on_received(void *ctx) {
  tw_relay_packets *packets = ctx;
  if (tw_forward_has_bound(packets->forward)) tw_loop_thread_tell(&packets->thread);
}

static void on_broke(void *ctx, int why) {
  tw_relay_packets *packets = ctx;
  packets->broke = why;
  tw_loop_thread_tell(&packets->thread);
}

static bool is_wanted(void *ctx) {
  const tw_relay_packets *packets = ctx;
  return tw_loop_thread_is_wanted(&packets->thread);
}

static int open_sockets(void *ctx, uv_loop_t *loop) {
  tw_relay_packets *packets = ctx;
  const tw_relay_packets_config *config = &packets->config;
  const tw_relay_udp_config udp = {.loop = loop,
                                   .forward = packets->forward,
                                   .slots = config->forward.slots,
                                   .at = config->at,
                                   .no_offload = config->no_offload,
                                   .received = on_received,
                                   .is_wanted = is_wanted,
                                   .broke = on_broke,
                                   .ctx = packets};
  packets->err = tw_relay_udp_open(&udp, &packets->udp, &packets->why);
  if (packets->err != TW_OK) return UV_EINVAL;
  packets->port = tw_relay_udp_port(packets->udp);
  return 0;
}

/* They free themselves. */
static void close_sockets(void *ctx) {
  tw_relay_packets *packets = ctx;
  tw_relay_udp_close(packets->udp, NULL);
  packets->udp = NULL;
}

/* ---- what is told ---- */

typedef struct news {
  tw_relay_packets *packets;
  tw_forward_bound bound[BOUND_AT_ONCE];
  size_t count;
  int broke;
} news;

static void gather(void *arg) {
  news *n = arg;
  tw_relay_packets *packets = n->packets;
  n->count = 0;
  while (n->count < BOUND_AT_ONCE && tw_forward_next_bound(packets->forward, &n->bound[n->count])) n->count++;
  n->broke = packets->broke;
  packets->broke = 0;
}

static void on_news(void *ctx) {
  tw_relay_packets *packets = ctx;
  news n = {.packets = packets};
  do {
    if (packets->closing) return;
    tw_loop_thread_run(&packets->thread, gather, &n);
    if (n.broke != 0) packets->config.broke(packets->config.ctx, n.broke);
    for (size_t i = 0; i < n.count && !packets->closing; i++) packets->config.bound(packets->config.ctx, &n.bound[i]);
  } while (n.count == BOUND_AT_ONCE);
}

/* ---- start and end ---- */

void tw_relay_packets_free(tw_relay_packets *packets) {
  if (packets == NULL) return;
  tw_forward_free(packets->forward);
  tw_alloc_free(NULL, packets);
}

static void on_stopped(void *ctx) {
  tw_relay_packets *packets = ctx;
  if (packets->stopped != NULL)
    packets->stopped(packets->config.ctx);
  else
    tw_relay_packets_free(packets);
}

void tw_relay_packets_stop(tw_relay_packets *packets, void (*stopped)(void *ctx)) {
  packets->closing = true;
  packets->stopped = stopped;
  if (!tw_loop_thread_stop(&packets->thread, on_stopped, packets)) on_stopped(packets);
}

tw_err tw_relay_packets_start(const tw_relay_packets_config *config, tw_relay_packets **packets, tw_report *report) {
  tw_relay_packets *made = tw_alloc_zero(NULL, sizeof *made);
  if (made == NULL) return tw_report_fail(report, TW_ERR_NO_MEMORY, "out of memory");
  made->config = *config;
  tw_loop_thread_init(&made->thread, &(tw_loop_thread_config){.loop = config->loop,
                                                              .name = "packets",
                                                              .open = open_sockets,
                                                              .close = close_sockets,
                                                              .news = on_news,
                                                              .ctx = made});
  const tw_err err = tw_forward_new(config->env, &config->forward, &made->forward);
  if (err != TW_OK) {
    tw_relay_packets_free(made);
    return tw_report_fail(report, err, "%s", tw_err_text(err));
  }
  const int failed = tw_loop_thread_start(&made->thread);
  if (failed == 0) {
    *packets = made;
    return TW_OK;
  }
  const tw_err why = made->err;
  if (why != TW_OK)
    (void)!tw_report_fail(report, why, "%s", made->why.text);
  else
    (void)!tw_report_fail(report, TW_ERR_STATE, "packets: %s", uv_strerror(failed));
  tw_relay_packets_stop(made, NULL);
  return why != TW_OK ? why : TW_ERR_STATE;
}

uint16_t tw_relay_packets_port(const tw_relay_packets *packets) { return packets->port; }

/* ---- what is asked ---- */

typedef struct request {
  tw_relay_packets *packets;
  uint32_t number; /* of a client, or a group */
  const uint32_t *members;
  size_t count;
  uint32_t client;
  uint64_t session;
  uint8_t token[TW_FORWARD_TOKEN];
  tw_control_location *locations;
  tw_forward_totals *totals;
  tw_err err;
  bool found;
} request;

static void grant(void *arg) {
  request *r = arg;
  r->err = tw_forward_grant(r->packets->forward, r->number, NULL, tw_relay_udp_now(), &r->session, r->token);
}

tw_err tw_relay_packets_grant(tw_relay_packets *packets, uint32_t client, uint64_t *session,
                              uint8_t token[TW_FORWARD_TOKEN]) {
  request r = {.packets = packets, .number = client};
  tw_loop_thread_run(&packets->thread, grant, &r);
  if (r.err != TW_OK) return r.err;
  *session = r.session;
  memcpy(token, r.token, sizeof r.token);
  tw_wipe(r.token, sizeof r.token);
  return TW_OK;
}

static void remove_client(void *arg) {
  const request *r = arg;
  tw_forward_remove(r->packets->forward, r->number);
}

void tw_relay_packets_remove(tw_relay_packets *packets, uint32_t client) {
  tw_loop_thread_run(&packets->thread, remove_client, &(request){.packets = packets, .number = client});
}

static void set_members(void *arg) {
  const request *r = arg;
  tw_forward *forward = r->packets->forward;
  if (r->count == 0 || tw_forward_group_set(forward, r->number, r->members, (uint32_t)r->count) != TW_OK)
    tw_forward_group_remove(forward, r->number);
}

void tw_relay_packets_set_members(tw_relay_packets *packets, uint32_t group, const uint32_t *members, size_t count) {
  tw_loop_thread_run(&packets->thread, set_members,
                     &(request){.packets = packets, .number = group, .members = members, .count = count});
}

static void find_in_group(void *arg) {
  request *r = arg;
  r->found = tw_forward_group_lists(r->packets->forward, r->number, r->client);
}

bool tw_relay_packets_lists(tw_relay_packets *packets, uint32_t group, uint32_t client) {
  request r = {.packets = packets, .number = group, .client = client};
  tw_loop_thread_run(&packets->thread, find_in_group, &r);
  return r.found;
}

tw_control_address tw_relay_packets_address(const tw_forward_address *address) {
  tw_control_address out = {.family = address->family, .port = address->port};
  memcpy(out.ip, address->ip, sizeof out.ip);
  return out;
}

static void locate(void *arg) {
  const request *r = arg;
  const uint64_t now_us = tw_relay_udp_now();
  for (size_t i = 0; i < r->count; i++) {
    tw_control_location *location = &r->locations[i];
    tw_forward_client_stats stats;
    if (tw_forward_client(r->packets->forward, location->number, now_us, &stats) && stats.bound)
      location->address = tw_relay_packets_address(&stats.address);
  }
}

void tw_relay_packets_locate(tw_relay_packets *packets, tw_control_location *locations, size_t count) {
  tw_loop_thread_run(&packets->thread, locate, &(request){.packets = packets, .locations = locations, .count = count});
}

static void total(void *arg) {
  const request *r = arg;
  tw_forward_total(r->packets->forward, r->totals);
}

void tw_relay_packets_total(tw_relay_packets *packets, tw_forward_totals *totals) {
  tw_loop_thread_run(&packets->thread, total, &(request){.packets = packets, .totals = totals});
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/check_relay.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "cli/node_socket.h"
#include "cli/node_status.h"
#include "net/control_client.h"
#include "net/netdev.h"
#include "net/wire.h"
#include "node/certified.h"

enum {
  WAIT_MS = 10000,
  /* UDP, the relay's header, ESP's header, trailer, padding and ICV */
  OVERHEAD = 8 + 12 + 8 + 2 + 3 + 16,
  IP4_HEADER_SIZE = 20,
  IP6_HEADER_SIZE = 40
};
#define CLOCK_LEAST_MS UINT64_C(1764547200000) /* 2025-12-01: this program is younger */

typedef struct asking {
  const tw_env *env;
  const tw_node_config *config;
  const tw_node_identity *identity;
  tw_control_client *client;
  uv_loop_t loop;
  uv_timer_t timer;
  bool up;
  bool over;
  char why[TW_REPORT_MAX];
} asking;

static tw_err judge(void *ctx, const tw_credential_use *use) {
  const asking *a = ctx;
  tw_fingerprint id;
  TW_TRY(tw_fingerprint_of(a->env, a->identity->suite, use->signature_key, &id));
  if (memcmp(&id, &a->identity->fingerprint, sizeof id) == 0) return TW_OK;
  const tw_certified certified = {a->identity->certificates.x509, a->identity->certificates.trust};
  return tw_certified_relay(&certified, &a->config->relay, &id, &use->credential, tw_wall_ms() / 1000);
}

static void finish(asking *a) {
  if (a->over) return;
  a->over = true;
  tw_control_client_close(a->client);
  uv_close((uv_handle_t *)&a->timer, NULL);
}

static void on_up(void *ctx, const tw_member *relay, bool resumed) {
  asking *a = ctx;
  (void)relay;
  (void)resumed;
  a->up = true;
  finish(a);
}

static void on_down(void *ctx, const tw_control_down *down) {
  asking *a = ctx;
  (void)snprintf(a->why, sizeof a->why, "%s", down->text);
  finish(a);
}

static void on_push(void *ctx, const tw_control_push *push) {
  (void)ctx;
  (void)push;
}

static void on_time(uv_timer_t *timer) {
  asking *a = timer->data;
  (void)snprintf(a->why, sizeof a->why, "no answer within %d s", WAIT_MS / 1000);
  finish(a);
}

static tw_err shake_hands(asking *a) {
  const tw_client client = {
      .env = a->env,
      .suite = a->identity->suite,
      .signer = a->identity->signer,
      .credential = tw_node_identity_credential(a->identity),
      .policy = {.ctx = a, .credential = judge},
  };
  const tw_client *const clients[] = {&client};
  const tw_channel_config channel = {.clients = clients, .client_count = 1};
  tw_control_client_config config = {
      .loop = &a->loop, .channel = &channel, .up = on_up, .down = on_down, .push = on_push, .ctx = a};
  (void)snprintf(config.relay.host, sizeof config.relay.host, "%s", a->config->relay.endpoint.host);
  config.relay.port = a->config->relay.endpoint.port;
  if (uv_loop_init(&a->loop) != 0) return TW_ERR_NO_MEMORY;
  tw_err err = tw_control_client_start(&config, &a->client);
  if (err == TW_OK) {
    (void)uv_timer_init(&a->loop, &a->timer);
    a->timer.data = a;
    (void)uv_timer_start(&a->timer, on_time, WAIT_MS, 0);
  }
  (void)uv_run(&a->loop, UV_RUN_DEFAULT);
  (void)uv_loop_close(&a->loop);
  return err;
}

/* By its status: no node, or one that cannot be asked, is connected nowhere. */
static bool is_connected(const char *name, const tw_node_config *config) {
  tw_buf answer = {0};
  tw_report report;
  if (tw_node_ask(name, "status", &answer, &report) != TW_OK) return false;
  const bool connected = tw_node_status_has_relay(tw_buf_bytes(&answer), config);
  tw_buf_clear(&answer);
  return connected;
}

/* What fits on the way to the relay, as far as the system knows it. */
static void look_at_way(const asking *a, tw_check_relay *found) {
  const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
  struct addrinfo *addresses = NULL;
  tw_netdev netdev = {0};
  tw_netdev_way way;
  tw_netdev_host host = {0};
  if (getaddrinfo(a->config->relay.endpoint.host, NULL, &hints, &addresses) != 0) return;
  host.family = (uint8_t)addresses->ai_family;
  if (host.family == AF_INET)
    memcpy(host.bytes, &((const struct sockaddr_in *)(const void *)addresses->ai_addr)->sin_addr, 4);
  else
    memcpy(host.bytes, &((const struct sockaddr_in6 *)(const void *)addresses->ai_addr)->sin6_addr, 16);
  freeaddrinfo(addresses);
  if (tw_netdev_open(&netdev, NULL, NULL) == TW_OK && tw_netdev_towards(&netdev, &host, 0, &way, NULL) == TW_OK) {
    const uint32_t around = OVERHEAD + (host.family == AF_INET ? IP4_HEADER_SIZE : IP6_HEADER_SIZE);
    found->knows_way = way.mtu > around;
    found->mtu = way.mtu;
    found->inner = way.mtu > around ? way.mtu - around : 0;
  }
  tw_netdev_close(&netdev);
}

tw_err tw_check_relay_ask(const tw_env *env, const char *name, const tw_node_config *config,
                          const tw_node_identity *identity, tw_problems *problems, tw_check_relay *found) {
  asking a = {.env = env, .config = config, .identity = identity};
  const size_t before = problems->count;
  *found = (tw_check_relay){0};
  if (tw_wall_ms() < CLOCK_LEAST_MS)
    tw_problems_add(problems, config->source, 0, "the system's clock is wrong: it is before this program was made");
  found->connected = is_connected(name, config);
  const uint64_t begun = uv_hrtime();
  if (!found->connected) TW_TRY(shake_hands(&a));
  found->took_ms = (uv_hrtime() - begun) / 1000000;
  if (!found->connected && !a.up)
    tw_problems_add(problems, config->source, 0, "the relay %s: %s", config->relay.endpoint.host, a.why);
  look_at_way(&a, found);
  if (found->knows_way && config->interface.mtu > found->inner)
    tw_problems_add(problems, config->source, 0,
                    "MTU %u does not fit the way to the relay, whose MTU is %u: at most %u",
                    (unsigned)config->interface.mtu, (unsigned)found->mtu, (unsigned)found->inner);
  return problems->count > before ? TW_ERR_ENCODING : TW_OK;
}

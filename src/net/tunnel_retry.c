/* Reaching the peer, again and again if need be. SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "net/tunnel_parts.h"
#include "net/wire.h"

enum { FIRST_WAIT_MS = 250, MOST_WAIT_MS = 30000 };

static void on_peer(void *ctx, int fd, const tw_report *report) {
  tw_tunnel *tunnel = ctx;
  tunnel->dial = NULL;
  tw_err err = TW_ERR_STATE;
  if (fd >= 0) err = tw_tunnel_run(tunnel, fd);
  if (err == TW_OK) return;
  const char *text = fd < 0 ? report->text : tw_err_text(err);
  if (fd < 0 && tw_tunnel_try_again(tunnel, TW_STAGE_CONNECT, err, 0, text)) return;
  tunnel->why = "error";
  tw_tunnel_error(tunnel, TW_STAGE_CONNECT, err, 0, text);
  tw_tunnel_end(tunnel);
}

tw_err tw_tunnel_dial(tw_tunnel *tunnel) {
  const tw_tunnel_setup *setup = tunnel->setup;
  tunnel->phase = TW_PHASE_DIALING;
  return tw_dial_start(setup->loop, &setup->peer, setup->dial_timeout_ms, on_peer, tunnel, &tunnel->dial);
}

/* The peer has the session no more, or ours is of no use to it. What it says is not authenticated: where something of
 * the application's has gone with the request, this connection is not tried again, but the next one does begin anew. */
static bool is_refusal(tw_err err, uint8_t alert) {
  return err == TW_ERR_ALERT &&
         (alert == tw_channel_alert_of(TW_ERR_NO_SESSION) || alert == tw_channel_alert_of(TW_ERR_APART));
}

/* What time or another connection may mend. */
static bool is_passing(tw_tunnel_stage stage, tw_err err) {
  return stage == TW_STAGE_CONNECT || err == TW_ERR_TRUNCATION || err == TW_ERR_TIMEOUT;
}

static void wait_for_next(tw_tunnel *tunnel, uint64_t wait, const tw_tunnel_event *failed) {
  tw_tunnel_event told = *failed;
  told.kind = TW_TUNNEL_RETRY;
  told.wait_ms = wait;
  tunnel->setup->event(tunnel->setup->ctx, tunnel, &told);
  tunnel->phase = TW_PHASE_WAITING;
  tunnel->try_ms = tw_tunnel_now(tunnel) + wait;
  tunnel->stop_ms = 0;
  tunnel->close_sent = tunnel->peer_closed = tunnel->wire_ended = tunnel->wire_dead = false;
  tunnel->wire_error = 0;
  tw_tunnel_drop_end(tunnel, &tunnel->wire);
  (void)snprintf(tunnel->remote, sizeof tunnel->remote, "?");
  tunnel->armed_ms = UINT64_MAX;
  tw_tunnel_arm(tunnel);
}

bool tw_tunnel_try_again(tw_tunnel *tunnel, tw_tunnel_stage stage, tw_err err, uint8_t alert, const char *text) {
  const tw_tunnel_setup *setup = tunnel->setup;
  if (!setup->connecting || tunnel->established || tunnel->why != NULL) return false;
  const tw_tunnel_event failed = {.kind = TW_TUNNEL_ERROR, .stage = stage, .err = err, .alert = alert, .text = text};
  if (tunnel->resuming && is_refusal(err, alert)) {
    tunnel->resuming = false;
    if (!setup->refused(setup->ctx, tunnel, &failed) || tunnel->app_taken) return false;
    wait_for_next(tunnel, 0, &failed);
    return true;
  }
  if (tunnel->app_taken) return false;
  const uint64_t wait = tw_backoff_ms(FIRST_WAIT_MS, MOST_WAIT_MS, tunnel->tries);
  if (!is_passing(stage, err) || tw_tunnel_now(tunnel) + wait > tunnel->give_up_ms) return false;
  tunnel->tries++;
  wait_for_next(tunnel, wait, &failed);
  return true;
}

/* What protects a tunnel's bytes: a channel, or standard TLS in its place. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "net/tunnel_parts.h"

void tw_tunnel_drop_standard(tw_tunnel *tunnel) {
  tw_standard_free(tunnel->standard);
  tunnel->standard = NULL;
}

void tw_tunnel_free_link(tw_tunnel *tunnel) {
  tw_link_free(&tunnel->link);
  tw_tunnel_drop_standard(tunnel);
}

/* Of a channel of TLS+MLS: what is this connection's own. */
static tw_err prepare_tls(tw_tunnel *tunnel, tw_channel_config *config) {
  const tw_tunnel_setup *setup = tunnel->setup;
  if (config->tls == NULL) return TW_OK;
  tunnel->tls = *config->tls;
  config->tls = &tunnel->tls;
  tunnel->tls.standard = setup->standard != NULL;
  if (!setup->connecting) {
    tunnel->tls.retry = setup->retry_hello;
    tunnel->tls.cookie_context = TW_BYTES((const uint8_t *)tunnel->remote, strlen(tunnel->remote));
    return TW_OK;
  }
  if (setup->standard == NULL) return TW_OK;
  TW_TRY(tw_standard_new(setup->standard, tunnel->began_ms, &tunnel->standard));
  tunnel->tls.client_hello = tw_standard_client_hello;
  tunnel->tls.client_hello_ctx = tunnel->standard;
  return TW_OK;
}

/* With the session that is kept, if there is one. What cannot be gone on with is told and forgotten. */
static tw_err resume_channel(tw_tunnel *tunnel, tw_channel_config config, tw_channel **channel) {
  const tw_tunnel_setup *setup = tunnel->setup;
  tw_buf saved = {0};
  tw_err err = TW_ERR_NO_SESSION;
  if (setup->resume != NULL && setup->resume(setup->ctx, tunnel, &saved, &config.resume_version)) {
    config.resume = tw_buf_bytes(&saved);
    err = tw_channel_connect(&config, tw_tunnel_now(tunnel), channel);
    tunnel->resuming = err == TW_OK;
    if (err != TW_OK && tw_err_class_of(err) != TW_CLASS_RESOURCE) {
      const tw_tunnel_event failed = {.kind = TW_TUNNEL_RETRY,
                                      .stage = TW_STAGE_HANDSHAKE,
                                      .err = err,
                                      .text = "the session that was kept cannot be gone on with"};
      setup->event(setup->ctx, tunnel, &failed);
      if (setup->refused(setup->ctx, tunnel, &failed)) err = TW_ERR_NO_SESSION;
    }
  }
  tw_buf_clear(&saved);
  return err;
}

static tw_err open_channel(tw_tunnel *tunnel, const tw_channel_config *config, tw_channel **channel) {
  const uint64_t now = tw_tunnel_now(tunnel);
  if (!tunnel->setup->connecting) return tw_channel_accept(config, now, channel);
  const tw_err err = resume_channel(tunnel, *config, channel);
  return err == TW_ERR_NO_SESSION ? tw_channel_connect(config, now, channel) : err;
}

tw_err tw_tunnel_make_link(tw_tunnel *tunnel) {
  tw_channel_config config = *tunnel->setup->channel;
  tw_channel *channel = NULL;
  tw_tunnel_free_link(tunnel);
  tunnel->resuming = false;
  TW_TRY(prepare_tls(tunnel, &config));
  TW_TRY(open_channel(tunnel, &config, &channel));
  tunnel->link = tw_link_of_channel(channel);
  return TW_OK;
}

/* What the channel took in is the other one's; nothing of it has been answered. */
void tw_tunnel_go_standard(tw_tunnel *tunnel) {
  tw_standard *standard = tunnel->standard;
  tw_err err = TW_OK;
  tunnel->standard = NULL;
  if (standard == NULL) err = tw_standard_new(tunnel->setup->standard, tunnel->began_ms, &standard);
  if (err != TW_OK) {
    const tw_channel_event event = {.kind = TW_CHANNEL_CLOSED, .reason = err};
    tw_tunnel_channel_closed(tunnel, &event);
    return;
  }
  tw_link channel = tunnel->link;
  tw_channel_status status;
  tw_link_get_status(&channel, &status);
  const uint64_t began = uv_hrtime();
  tunnel->link = tw_link_of_standard(standard);
  tw_standard_begin(standard, tw_channel_received(tw_link_channel(&channel)), status.wire_sent);
  tunnel->key_ns += uv_hrtime() - began;
  tw_link_free(&channel);
  tw_tunnel_take_events(tunnel);
}

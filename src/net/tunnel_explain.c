/* Why a link has ended, in words. SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "net/tunnel_parts.h"

static bool is_alert(const tw_channel_event *event, tw_err told_by) {
  return event->reason == TW_ERR_ALERT && event->alert == tw_channel_alert_of(told_by);
}

/* The two protocols on one port: what either says means nothing to the other. */
static const char *other_protocol(const tw_tunnel *tunnel) {
  return tunnel->setup->channel->protocol == TW_CHANNEL_TLS
             ? " (does the other side speak TLS? with --proto mls-tls it does not)"
             : " (does the other side speak MLS-TLS? with --proto tls it does not)";
}

/* Of a handshake of TLS+MLS (D12). */
static const char *without_mls(const tw_tunnel *tunnel, const tw_channel_event *event) {
  enum { UNRECOGNIZED_NAME = 112, NO_APPLICATION_PROTOCOL = 120 };
  const bool is_tls = tunnel->setup->channel->protocol == TW_CHANNEL_TLS;
  if (!is_tls || tunnel->established || tw_link_channel(&tunnel->link) == NULL) return "";
  if (event->alert == NO_APPLICATION_PROTOCOL) return " (both sides need an --alpn in common)";
  if (event->alert == UNRECOGNIZED_NAME) return " (it is not the name of the listener's certificate)";
  if (event->reason != TW_ERR_UNSUPPORTED) return "";
  return tunnel->setup->connecting ? " (is it TLS without MLS? --tls-standard would go on with that)"
                                   : " (is it TLS without MLS? --tls-standard would let it in)";
}

/* What an error most likely comes from, where its name does not say it. */
static const char *likely_cause(const tw_tunnel *tunnel, const tw_channel_event *event) {
  const bool is_channel = tw_link_channel(&tunnel->link) != NULL;
  if (is_channel && is_alert(event, TW_ERR_CREDENTIAL))
    return tunnel->setup->connecting ? " (our key or name is not among its peers)" : " (it expects another key)";
  if (is_channel && is_alert(event, TW_ERR_CLOSED) && tunnel->established)
    return " (its application or service failed or cannot be reached)";
  if (event->reason == TW_ERR_LIFETIME || is_alert(event, TW_ERR_LIFETIME)) return " (do both clocks agree?)";
  const bool stranger = event->reason == TW_ERR_UNEXPECTED || tw_err_class_of(event->reason) == TW_CLASS_MALFORMED;
  if (is_channel && !tunnel->established && (stranger || is_alert(event, TW_ERR_UNEXPECTED)))
    return other_protocol(tunnel);
  return without_mls(tunnel, event);
}

void tw_tunnel_explain(const tw_tunnel *tunnel, const tw_channel_event *event, char out[TW_TUNNEL_TEXT]) {
  const char *words = tw_link_words(&tunnel->link);
  const char *cause = likely_cause(tunnel, event);
  if (event->reason == TW_ERR_ALERT)
    (void)snprintf(out, TW_TUNNEL_TEXT, "the peer ended it with alert %s%s", tw_channel_alert_name(event->alert),
                   cause);
  else if (event->reason == TW_ERR_TRUNCATION && tunnel->wire_error != 0)
    (void)snprintf(out, TW_TUNNEL_TEXT, "%s without close_notify", strerror(tunnel->wire_error));
  else
    (void)snprintf(out, TW_TUNNEL_TEXT, "%s%s%s%s", tw_err_text(event->reason), words != NULL ? ": " : "",
                   words != NULL ? words : "", cause);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tell.h"

#include <stdio.h>
#include <string.h>

static const char *stage_name(tw_tunnel_stage stage) {
  switch (stage) {
  case TW_STAGE_CONNECT: return "connect";
  case TW_STAGE_HANDSHAKE: return "handshake";
  case TW_STAGE_CHANNEL: return "channel";
  case TW_STAGE_TARGET: return "target";
  case TW_STAGE_APPLICATION: return "application";
  }
  return "unknown";
}

static const char *cause_name(tw_rekey_cause cause) {
  switch (cause) {
  case TW_REKEY_TIME: return "time";
  case TW_REKEY_BYTES: return "bytes";
  case TW_REKEY_CALLER: return "caller";
  case TW_REKEY_PEER: return "peer";
  }
  return "unknown";
}

tw_exit tw_tell_exit(const tw_tunnel_event *event) {
  if (event->stage == TW_STAGE_CONNECT || event->stage == TW_STAGE_TARGET) return TW_EXIT_NETWORK;
  if (event->stage == TW_STAGE_APPLICATION) return TW_EXIT_LOCAL;
  switch (event->err) {
  case TW_ERR_CREDENTIAL: return TW_EXIT_REFUSED;
  case TW_ERR_ALERT: return event->alert == tw_channel_alert_of(TW_ERR_CREDENTIAL) ? TW_EXIT_REFUSED : TW_EXIT_PROTOCOL;
  case TW_ERR_TRUNCATION:
  case TW_ERR_TIMEOUT: return TW_EXIT_NETWORK;
  default: break;
  }
  switch (tw_err_class_of(event->err)) {
  case TW_CLASS_RESOURCE: return TW_EXIT_LOCAL;
  case TW_CLASS_CALLER:
  case TW_CLASS_INTERNAL: return TW_EXIT_INTERNAL;
  default: return TW_EXIT_PROTOCOL;
  }
}

bool tw_tell_peer(const tw_serve *serve, const tw_tunnel *tunnel, tw_fingerprint *fingerprint, const tw_peer **peer) {
  tw_channel *channel = tw_tunnel_channel(tunnel);
  tw_member member;
  tw_channel_status status;
  if (channel == NULL || !tw_channel_peer(channel, &member)) return false;
  tw_channel_get_status(channel, &status);
  return tw_identity_lookup(&serve->identity, status.pair.suite, member.signature_key, fingerprint, peer) == TW_OK;
}

/* ---- people ---- */

/* "channel 3 with alice at 10.0.0.1:9420" */
static void describe(const tw_serve *serve, const tw_tunnel *tunnel, char *out, size_t size) {
  tw_fingerprint fingerprint;
  const tw_peer *peer = NULL;
  char who[TW_PEER_NAME_MAX + 8] = "";
  if (tw_tell_peer(serve, tunnel, &fingerprint, &peer)) {
    const char *name = peer != NULL ? tw_peer_name(&serve->identity.peers, peer) : "";
    char text[TW_FINGERPRINT_TEXT];
    tw_fingerprint_format(&fingerprint, text);
    (void)snprintf(who, sizeof who, " with %s", name[0] != '\0' ? name : text);
  }
  (void)snprintf(out, size, "channel %llu%s at %s", (unsigned long long)tw_tunnel_id(tunnel), who,
                 tw_tunnel_remote(tunnel));
}

static void tell_error(tw_serve *serve, const tw_tunnel *tunnel, const tw_tunnel_event *event) {
  /* That an application went away early is everyday business. */
  if (event->stage == TW_STAGE_APPLICATION && !serve->verbose && !serve->stdio) return;
  char refused[TW_FINGERPRINT_TEXT + 16] = "";
  if (event->err == TW_ERR_CREDENTIAL && serve->identity.refused) {
    (void)snprintf(refused, sizeof refused, ": ");
    tw_fingerprint_format(&serve->identity.refused_key, refused + 2);
  }
  if (event->stage == TW_STAGE_CONNECT) {
    (void)tw_cli_fail(TW_EXIT_OK, "%s", event->text);
    return;
  }
  char where[TW_PEER_NAME_MAX + TW_ADDRESS_TEXT + 48];
  describe(serve, tunnel, where, sizeof where);
  (void)tw_cli_fail(TW_EXIT_OK, "%s: %s: %s%s", where, stage_name(event->stage), event->text, refused);
}

static void tell_people(tw_serve *serve, const tw_tunnel *tunnel, const tw_tunnel_event *event) {
  if (event->kind == TW_TUNNEL_ERROR) tell_error(serve, tunnel, event);
  if (event->kind == TW_TUNNEL_ERROR || !serve->verbose) return;
  char where[TW_PEER_NAME_MAX + TW_ADDRESS_TEXT + 48];
  describe(serve, tunnel, where, sizeof where);
  const tw_channel_event *channel = &event->channel;
  const unsigned long long spent = (unsigned long long)event->key_ns / 1000;
  if (event->kind == TW_TUNNEL_ESTABLISHED)
    (void)tw_cli_fail(TW_EXIT_OK, "%s: established, %llu bytes, %llu us", where,
                      (unsigned long long)channel->handshake_bytes, spent);
  else if (event->kind == TW_TUNNEL_REKEYED)
    (void)tw_cli_fail(TW_EXIT_OK, "%s: epoch %llu by %s, %llu bytes, %llu us", where,
                      (unsigned long long)channel->epoch, cause_name(channel->cause),
                      (unsigned long long)channel->handshake_bytes, spent);
  else
    (void)tw_cli_fail(TW_EXIT_OK, "%s: closed (%s)", where, event->text);
}

/* ---- the log ---- */

static void add_peer(const tw_serve *serve, const tw_tunnel *tunnel, json_t *line) {
  tw_fingerprint fingerprint;
  const tw_peer *peer = NULL;
  if (!tw_tell_peer(serve, tunnel, &fingerprint, &peer)) return;
  char text[TW_FINGERPRINT_TEXT];
  tw_fingerprint_format(&fingerprint, text);
  tw_event_text(line, "peer", text);
  if (peer != NULL && tw_peer_name(&serve->identity.peers, peer)[0] != '\0')
    tw_event_text(line, "name", tw_peer_name(&serve->identity.peers, peer));
}

static void add_established(const tw_serve *serve, const tw_tunnel *tunnel, const tw_tunnel_event *event,
                            json_t *line) {
  tw_channel_status status;
  tw_channel_get_status(tw_tunnel_channel(tunnel), &status);
  add_peer(serve, tunnel, line);
  tw_event_text(line, "suite", tw_suite_name(status.pair.suite));
  tw_event_number(line, "epoch", event->channel.epoch);
  tw_event_number(line, "bytes", event->channel.handshake_bytes);
  tw_event_number(line, "key_us", event->key_ns / 1000);
}

static void add_rekeyed(const tw_tunnel_event *event, json_t *line) {
  tw_event_number(line, "epoch", event->channel.epoch);
  tw_event_text(line, "cause", cause_name(event->channel.cause));
  tw_event_number(line, "bytes", event->channel.handshake_bytes);
  tw_event_number(line, "key_us", event->key_ns / 1000);
  tw_event_number(line, "data_bytes", event->channel.data_bytes);
  if (event->channel.merged > 0) tw_event_number(line, "merged", event->channel.merged);
}

static void add_error(tw_serve *serve, const tw_tunnel_event *event, json_t *line) {
  const bool is_system = event->stage == TW_STAGE_CONNECT || event->stage >= TW_STAGE_TARGET;
  tw_event_text(line, "stage", stage_name(event->stage));
  tw_event_text(line, "class", is_system ? "system" : tw_err_class_name(tw_err_class_of(event->err)));
  tw_event_text(line, "error", event->text);
  if (event->alert != 0) tw_event_text(line, "alert", tw_channel_alert_name(event->alert));
  if (event->err != TW_ERR_CREDENTIAL || !serve->identity.refused) return;
  char refused[TW_FINGERPRINT_TEXT];
  tw_fingerprint_format(&serve->identity.refused_key, refused);
  tw_event_text(line, "refused", refused);
}

static void add_closed(const tw_tunnel *tunnel, const tw_tunnel_event *event, json_t *line) {
  tw_event_text(line, "reason", event->text);
  if (tw_tunnel_channel(tunnel) == NULL) return;
  tw_channel_status status;
  tw_channel_get_status(tw_tunnel_channel(tunnel), &status);
  tw_event_number(line, "epoch", status.pair.epoch);
  tw_event_number(line, "data_sent", status.data_sent);
  tw_event_number(line, "data_received", status.data_received);
  tw_event_number(line, "wire_sent", status.wire_sent);
  tw_event_number(line, "wire_received", status.wire_received);
}

static json_t *new_line(const tw_serve *serve, const tw_tunnel *tunnel, const char *name) {
  json_t *line = tw_event_new(&serve->log, name);
  tw_event_number(line, "channel", tw_tunnel_id(tunnel));
  tw_event_text(line, "remote", tw_tunnel_remote(tunnel));
  return line;
}

static void log_event(tw_serve *serve, const tw_tunnel *tunnel, const tw_tunnel_event *event) {
  static const char *const names[] = {"", "established", "rekeyed", "error", "closed"};
  json_t *line = new_line(serve, tunnel, names[event->kind]);
  if (line == NULL) return;
  switch (event->kind) {
  case TW_TUNNEL_ESTABLISHED: add_established(serve, tunnel, event, line); break;
  case TW_TUNNEL_REKEYED: add_rekeyed(event, line); break;
  case TW_TUNNEL_ERROR: add_error(serve, event, line); break;
  case TW_TUNNEL_CLOSED: add_closed(tunnel, event, line); break;
  }
  tw_event_write(&serve->log, line);
}

void tw_tell_event(void *ctx, tw_tunnel *tunnel, const tw_tunnel_event *event) {
  tw_serve *serve = ctx;
  log_event(serve, tunnel, event);
  tell_people(serve, tunnel, event);
  if (event->kind != TW_TUNNEL_ERROR) return;
  serve->identity.refused = false;
  const bool is_the_one = serve->service.connecting || tw_tunnel_established(tunnel);
  if (is_the_one && serve->code == TW_EXIT_OK) serve->code = tw_tell_exit(event);
}

void tw_tell_listening(void *ctx, const char *address) {
  tw_serve *serve = ctx;
  json_t *line = tw_event_new(&serve->log, "listening");
  tw_event_text(line, "address", address);
  tw_event_write(&serve->log, line);
  if (serve->verbose) (void)tw_cli_fail(TW_EXIT_OK, "listening at %s", address);
}

void tw_tell_short(void *ctx, int why) {
  tw_serve *serve = ctx;
  json_t *line = tw_event_new(&serve->log, "paused");
  tw_event_text(line, "error", strerror(why));
  tw_event_write(&serve->log, line);
  (void)tw_cli_fail(TW_EXIT_OK, "new connections wait: %s", strerror(why));
}

void tw_tell_reload(const tw_serve *serve, const char *error) {
  json_t *line = tw_event_new(&serve->log, "reloaded");
  tw_event_number(line, "peers", serve->identity.peers.count);
  if (error != NULL) tw_event_text(line, "error", error);
  tw_event_write(&serve->log, line);
  if (serve->verbose && error == NULL) (void)tw_cli_fail(TW_EXIT_OK, "%zu peers", serve->identity.peers.count);
}

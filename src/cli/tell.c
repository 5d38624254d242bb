/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tell.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"

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

static bool is_refusal_alert(uint8_t alert) {
  static const tw_err refusals[] = {TW_ERR_CREDENTIAL,          TW_ERR_CERTIFICATE,         TW_ERR_CERTIFICATE_USE,
                                    TW_ERR_CERTIFICATE_EXPIRED, TW_ERR_CERTIFICATE_REVOKED, TW_ERR_UNKNOWN_CA};
  for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
    if (alert == tw_channel_alert_of(refusals[i])) return true;
  return false;
}

tw_exit tw_tell_exit(const tw_tunnel_event *event) {
  if (event->stage == TW_STAGE_CONNECT || event->stage == TW_STAGE_TARGET) return TW_EXIT_NETWORK;
  if (event->stage == TW_STAGE_APPLICATION) return TW_EXIT_LOCAL;
  if (tw_identity_is_refusal(event->err)) return TW_EXIT_REFUSED;
  switch (event->err) {
  case TW_ERR_ALERT:
    if (is_refusal_alert(event->alert)) return TW_EXIT_REFUSED;
    /* Nothing is wrong with what either side sent: the other one gave up. */
    return event->alert == tw_channel_alert_of(TW_ERR_CLOSED) ? TW_EXIT_NETWORK : TW_EXIT_PROTOCOL;
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

/* What is remembered of an established channel: the channel itself forgets it at its end. */
typedef struct peer_note {
  tw_fingerprint fingerprint;
  const tw_suite *suite;
  uint64_t epoch;
  uint64_t valid_until; /* the end of its certificate; UINT64_MAX: it is not here by that */
  char name[];          /* as its certificate has it; "" likewise */
} peer_note;

static const peer_note *note_of(tw_tunnel *tunnel) { return *tw_tunnel_user(tunnel); }

/* The name that a certificate was accepted for, or what else it has. */
static const char *name_in(const tw_acquaintance *known) {
  if (!known->certified) return "";
  return known->holder.name[0] != '\0' ? known->holder.name : known->holder.subject;
}

static uint64_t end_of(const tw_acquaintance *known) { return known->certified ? known->holder.not_after : UINT64_MAX; }

static peer_note *new_note(const tw_acquaintance *known, const tw_suite *suite) {
  const char *name = name_in(known);
  const size_t size = strlen(name) + 1;
  peer_note *note = tw_alloc_zero(NULL, sizeof *note + size);
  if (note == NULL) return NULL;
  note->fingerprint = known->fingerprint;
  note->suite = suite;
  note->valid_until = end_of(known);
  memcpy(note->name, name, size);
  return note;
}

tw_err tw_tell_ask(tw_serve *serve, tw_tunnel *tunnel, bool recall, const tw_suite **suite, tw_acquaintance *known) {
  const tw_channel *channel = tw_tunnel_channel(tunnel);
  tw_identity *identity = &serve->identity;
  if (channel == NULL) {
    tw_link_info info;
    tw_link_get_info(tw_tunnel_link(tunnel), &info);
    if (info.certificates.len == 0) return TW_ERR_STATE;
    return tw_tls_judge(identity, info.certificates, recall, suite, known);
  }
  tw_member member;
  tw_channel_status status;
  if (!tw_channel_peer(channel, &member)) return TW_ERR_STATE;
  tw_channel_get_status(channel, &status);
  const tw_stranger stranger = {status.pair.suite, member.credential, member.signature_key, (uint64_t)time(NULL)};
  *suite = status.pair.suite;
  return recall ? tw_identity_recalls(identity, &stranger, known) : tw_identity_accepts(identity, &stranger, known);
}

/* The policy accepted the other side before: what is asked here is who it is. */
static void make_note(tw_serve *serve, tw_tunnel *tunnel, tw_acquaintance *known) {
  const tw_suite *suite = NULL;
  const tw_err err = tw_tell_ask(serve, tunnel, true, &suite, known);
  if (err == TW_OK || tw_identity_is_refusal(err)) *tw_tunnel_user(tunnel) = new_note(known, suite);
}

static void keep_note(tw_serve *serve, tw_tunnel *tunnel, const tw_tunnel_event *event, tw_acquaintance *known) {
  if (event->kind == TW_TUNNEL_ESTABLISHED) make_note(serve, tunnel, known);
  peer_note *note = *tw_tunnel_user(tunnel);
  if (note != NULL && event->kind <= TW_TUNNEL_REKEYED) note->epoch = event->channel.epoch;
}

static void drop_note(tw_tunnel *tunnel) {
  tw_alloc_free(NULL, *tw_tunnel_user(tunnel));
  *tw_tunnel_user(tunnel) = NULL;
}

const tw_peer *tw_tell_peer(const tw_serve *serve, tw_tunnel *tunnel) {
  const peer_note *note = note_of(tunnel);
  return note == NULL ? NULL : tw_peers_find(&serve->identity.peers, &note->fingerprint);
}

uint64_t tw_tell_valid_until(tw_tunnel *tunnel) {
  const peer_note *note = note_of(tunnel);
  return note == NULL ? UINT64_MAX : note->valid_until;
}

void tw_tell_renew(tw_tunnel *tunnel, const tw_acquaintance *known) {
  peer_note *note = *tw_tunnel_user(tunnel);
  if (note != NULL) note->valid_until = end_of(known);
}

/* The name that the peers file gives the other side, or its certificate; "" for none. */
static const char *peer_name(const tw_serve *serve, tw_tunnel *tunnel) {
  const tw_peer *peer = tw_tell_peer(serve, tunnel);
  const char *name = peer == NULL ? "" : tw_peer_name(&serve->identity.peers, peer);
  return name[0] != '\0' || note_of(tunnel) == NULL ? name : note_of(tunnel)->name;
}

/* ---- what it runs over ---- */

enum { NAME_TEXT = 256 };

static const char *protocol_name(const tw_serve *serve, const tw_link_info *info) {
  if (info->version != NULL) return "tls13-standard";
  return serve->channel.protocol == TW_CHANNEL_TLS ? "tls-mls" : "mls-tls";
}

static const char *printable(tw_bytes name, char out[NAME_TEXT]) {
  tw_report_printable(out, NAME_TEXT, (const char *)name.ptr, name.len);
  return out;
}

/* ", TLSv1.3 without MLS (TLS_…), for server.example, http/1.1" */
static void describe_link(const tw_tunnel *tunnel, char *out, size_t size) {
  tw_link_info info;
  char name[NAME_TEXT];
  char alpn[NAME_TEXT];
  tw_link_get_info(tw_tunnel_link(tunnel), &info);
  const bool standard = info.version != NULL;
  (void)snprintf(out, size, "%s%s%s%s%s%s%.120s%s%.120s", standard ? ", " : "", standard ? info.version : "",
                 standard ? " without MLS (" : "", standard ? info.cipher : "", standard ? ")" : "",
                 info.server_name.len > 0 ? ", for " : "", printable(info.server_name, name),
                 info.alpn.len > 0 ? ", " : "", printable(info.alpn, alpn));
}

/* ---- people ---- */

enum { WHO_MAX = TW_X509_TEXT }; /* a name of either kind */

/* "channel 3 with alice at 10.0.0.1:9420" */
static void describe(const tw_serve *serve, tw_tunnel *tunnel, char *out, size_t size) {
  const peer_note *note = note_of(tunnel);
  char who[WHO_MAX + 8] = "";
  if (note != NULL) {
    const char *name = peer_name(serve, tunnel);
    char text[TW_FINGERPRINT_TEXT];
    tw_fingerprint_format(&note->fingerprint, text);
    (void)snprintf(who, sizeof who, " with %s", name[0] != '\0' ? name : text);
  }
  (void)snprintf(out, size, "channel %llu%s at %s", (unsigned long long)tw_tunnel_id(tunnel), who,
                 tw_tunnel_remote(tunnel));
}

/* Whether this error is of what the identity said last. */
static bool tells_refusal(const tw_serve *serve, const tw_tunnel_event *event) {
  return serve->identity.refusal.given && tw_identity_is_refusal(event->err);
}

static void tell_error(tw_serve *serve, tw_tunnel *tunnel, const tw_tunnel_event *event) {
  /* That an application went away early is everyday business. */
  if (event->stage == TW_STAGE_APPLICATION && !serve->verbose && !serve->stdio) return;
  char refused[TW_FINGERPRINT_TEXT + TW_REPORT_MAX + 8] = "";
  if (tells_refusal(serve, event)) {
    const char *why = serve->identity.refusal.why.text;
    char key[TW_FINGERPRINT_TEXT];
    tw_fingerprint_format(&serve->identity.refusal.key, key);
    (void)snprintf(refused, sizeof refused, ": %s%s%s%s", why, why[0] == '\0' ? "" : " (", key,
                   why[0] == '\0' ? "" : ")");
  }
  if (event->stage == TW_STAGE_CONNECT) {
    (void)tw_cli_fail(TW_EXIT_OK, "%s", event->text);
    return;
  }
  char where[WHO_MAX + TW_ADDRESS_TEXT + 48];
  describe(serve, tunnel, where, sizeof where);
  (void)tw_cli_fail(TW_EXIT_OK, "%s: %s: %s%s", where, stage_name(event->stage), event->text, refused);
}

/* Only who watches wants to hear of every try; that a session is lost is news to all. */
static void tell_retry(const tw_serve *serve, tw_tunnel *tunnel, const tw_tunnel_event *event) {
  if (event->wait_ms == 0)
    (void)tw_cli_fail(TW_EXIT_OK, "channel %llu: %s: a new session begins", (unsigned long long)tw_tunnel_id(tunnel),
                      event->text);
  else if (serve->verbose)
    (void)tw_cli_fail(TW_EXIT_OK, "%s: trying again in %llu.%llu s", event->text,
                      (unsigned long long)event->wait_ms / 1000, (unsigned long long)event->wait_ms / 100 % 10);
}

static void tell_people(tw_serve *serve, tw_tunnel *tunnel, const tw_tunnel_event *event,
                        const tw_acquaintance *known) {
  if (event->kind == TW_TUNNEL_RETRY) {
    tell_retry(serve, tunnel, event);
    return;
  }
  if (event->kind == TW_TUNNEL_ERROR) tell_error(serve, tunnel, event);
  if (event->kind == TW_TUNNEL_ERROR || !serve->verbose) return;
  char where[WHO_MAX + TW_ADDRESS_TEXT + 48];
  describe(serve, tunnel, where, sizeof where);
  const tw_channel_event *channel = &event->channel;
  const unsigned long long spent = (unsigned long long)event->key_ns / 1000;
  char link[400];
  if (event->kind == TW_TUNNEL_ESTABLISHED) describe_link(tunnel, link, sizeof link);
  if (event->kind == TW_TUNNEL_ESTABLISHED)
    (void)tw_cli_fail(TW_EXIT_OK, "%s: %s, %llu bytes, %llu us%s%s%.120s%s%.120s", where,
                      channel->resumed ? "resumed" : "established", (unsigned long long)channel->handshake_bytes, spent,
                      link, known->certified ? ", certificate of " : "", known->holder.subject,
                      known->certified ? " for " : "", known->holder.names);
  else if (event->kind == TW_TUNNEL_REKEYED)
    (void)tw_cli_fail(TW_EXIT_OK, "%s: epoch %llu by %s, %llu bytes, %llu us", where,
                      (unsigned long long)channel->epoch, cause_name(channel->cause),
                      (unsigned long long)channel->handshake_bytes, spent);
  else
    (void)tw_cli_fail(TW_EXIT_OK, "%s: closed (%s)", where, event->text);
}

/* ---- the log ---- */

static void add_peer(const tw_serve *serve, tw_tunnel *tunnel, json_t *line) {
  const peer_note *note = note_of(tunnel);
  if (note == NULL) return;
  char text[TW_FINGERPRINT_TEXT];
  tw_fingerprint_format(&note->fingerprint, text);
  tw_event_text(line, "peer", text);
  const char *name = peer_name(serve, tunnel);
  if (name[0] != '\0') tw_event_text(line, "name", name);
}

/* What was verified, and nothing else. */
static void add_certificate(const tw_acquaintance *known, json_t *line) {
  if (!known->certified) return;
  char until[32];
  tw_event_time_text(known->holder.not_after, until, sizeof until);
  tw_event_text(line, "subject", known->holder.subject);
  tw_event_text(line, "names", known->holder.names);
  tw_event_text(line, "serial", known->holder.serial);
  tw_event_text(line, "valid_until", until);
}

/* What the link is, and what was agreed on beside the keys. */
static void add_link(const tw_serve *serve, const tw_tunnel *tunnel, json_t *line) {
  tw_link_info info;
  char text[NAME_TEXT];
  tw_link_get_info(tw_tunnel_link(tunnel), &info);
  tw_event_text(line, "protocol", protocol_name(serve, &info));
  if (info.version != NULL) tw_event_text(line, "version", info.version);
  if (info.cipher != NULL) tw_event_text(line, "cipher", info.cipher);
  if (info.server_name.len > 0) tw_event_text(line, "server_name", printable(info.server_name, text));
  if (info.alpn.len > 0) tw_event_text(line, "alpn", printable(info.alpn, text));
}

static void add_established(const tw_serve *serve, tw_tunnel *tunnel, const tw_tunnel_event *event,
                            const tw_acquaintance *known, json_t *line) {
  const peer_note *note = note_of(tunnel);
  const bool is_channel = tw_tunnel_channel(tunnel) != NULL;
  add_link(serve, tunnel, line);
  if (is_channel && note != NULL) tw_event_text(line, "suite", tw_suite_name(note->suite));
  if (is_channel) tw_event_number(line, "epoch", event->channel.epoch);
  tw_event_number(line, "bytes", event->channel.handshake_bytes);
  tw_event_number(line, "key_us", event->key_ns / 1000);
  tw_event_flag(line, "resumed", event->channel.resumed);
  if (event->channel.early_bytes > 0) tw_event_number(line, "early_bytes", event->channel.early_bytes);
  add_certificate(known, line);
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
  if (!tells_refusal(serve, event)) return;
  char refused[TW_FINGERPRINT_TEXT];
  tw_fingerprint_format(&serve->identity.refusal.key, refused);
  tw_event_text(line, "refused", refused);
  if (serve->identity.refusal.why.text[0] != '\0') tw_event_text(line, "why", serve->identity.refusal.why.text);
}

static void add_closed(tw_tunnel *tunnel, const tw_tunnel_event *event, json_t *line) {
  tw_event_text(line, "reason", event->text);
  if (!tw_link_is_there(tw_tunnel_link(tunnel))) return;
  tw_channel_status status;
  tw_link_get_status(tw_tunnel_link(tunnel), &status);
  if (note_of(tunnel) != NULL && tw_tunnel_channel(tunnel) != NULL)
    tw_event_number(line, "epoch", note_of(tunnel)->epoch);
  tw_event_number(line, "data_sent", status.data_sent);
  tw_event_number(line, "data_received", status.data_received);
  tw_event_number(line, "wire_sent", status.wire_sent);
  tw_event_number(line, "wire_received", status.wire_received);
}

static json_t *new_line(const tw_serve *serve, tw_tunnel *tunnel, const char *name) {
  json_t *line = tw_event_new(&serve->log, name);
  tw_event_number(line, "channel", tw_tunnel_id(tunnel));
  tw_event_text(line, "remote", tw_tunnel_remote(tunnel));
  add_peer(serve, tunnel, line);
  return line;
}

static void log_event(tw_serve *serve, tw_tunnel *tunnel, const tw_tunnel_event *event, const tw_acquaintance *known) {
  static const char *const names[] = {"", "established", "rekeyed", "error", "closed", "retry"};
  json_t *line = new_line(serve, tunnel, names[event->kind]);
  if (line == NULL) return;
  switch (event->kind) {
  case TW_TUNNEL_ESTABLISHED: add_established(serve, tunnel, event, known, line); break;
  case TW_TUNNEL_REKEYED: add_rekeyed(event, line); break;
  case TW_TUNNEL_ERROR: add_error(serve, event, line); break;
  case TW_TUNNEL_CLOSED: add_closed(tunnel, event, line); break;
  case TW_TUNNEL_RETRY:
    add_error(serve, event, line);
    tw_event_number(line, "wait_ms", event->wait_ms);
    break;
  }
  tw_event_write(&serve->log, line);
}

void tw_tell_event(void *ctx, tw_tunnel *tunnel, const tw_tunnel_event *event) {
  tw_serve *serve = ctx;
  tw_acquaintance known = {0}; /* of who has just been established */
  keep_note(serve, tunnel, event, &known);
  if (!event->hushed) {
    log_event(serve, tunnel, event, &known);
    tell_people(serve, tunnel, event, &known);
  }
  if (event->kind == TW_TUNNEL_CLOSED) drop_note(tunnel);
  if (event->kind != TW_TUNNEL_ERROR) return;
  serve->identity.refusal.given = false;
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

void tw_tell_strangers(void *ctx, const tw_gate_tally *tally) {
  tw_serve *serve = ctx;
  json_t *line = tw_event_new(&serve->log, "strangers");
  tw_event_number(line, "untold", tally->untold);
  tw_event_number(line, "over_share", tally->over_share);
  tw_event_number(line, "over_rate", tally->over_rate);
  tw_event_number(line, "pushed_out", tally->pushed_out);
  tw_event_write(&serve->log, line);
  (void)tw_cli_fail(TW_EXIT_OK,
                    "%llu more connections like this came to nothing; closed at once: %llu over their address's share, "
                    "%llu too fast; %llu pushed out by newer ones",
                    (unsigned long long)tally->untold, (unsigned long long)tally->over_share,
                    (unsigned long long)tally->over_rate, (unsigned long long)tally->pushed_out);
}

void tw_tell_reload(const tw_serve *serve, const char *error) {
  json_t *line = tw_event_new(&serve->log, "reloaded");
  const tw_x509_trust *trust = serve->identity.certificates.trust;
  tw_event_number(line, "peers", serve->identity.peers.count);
  if (trust != NULL) tw_event_number(line, "cas", tw_x509_trust_anchors(trust));
  if (trust != NULL) tw_event_number(line, "crls", tw_x509_trust_crls(trust));
  if (error != NULL) tw_event_text(line, "error", error);
  tw_event_write(&serve->log, line);
  if (serve->verbose && error == NULL) (void)tw_cli_fail(TW_EXIT_OK, "%zu peers", serve->identity.peers.count);
}

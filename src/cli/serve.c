/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/harden.h"
#include "cli/reload.h"
#include "cli/tell.h"

enum { SECOND = 1000, DIAL_S = 10, LINGER_S = 2, LOOK_MS = 1000 };
static const uint64_t seconds_max = 10 * 365 * 24 * 3600u;

void tw_serve_init(tw_serve *serve, bool connecting) {
  *serve = (tw_serve){.log = {.fd = -1}, .keylog = {.fd = -1}, .channel_options = tw_channel_options_default};
  serve->identity.env = &serve->env;
  serve->identity.connecting = connecting;
  serve->service.connecting = connecting;
  serve->limits = tw_admission_limits_default;
  serve->service.dial_timeout_ms = DIAL_S * SECOND;
  serve->service.linger_ms = LINGER_S * SECOND;
  tw_session_options_init(&serve->session_options);
}

static tw_err take_seconds(const char *name, const char *value, uint64_t max, uint64_t *ms, tw_report *report) {
  uint64_t seconds = 0;
  TW_TRY(tw_option_number(name, value, 0, max, false, &seconds, report));
  *ms = seconds * SECOND;
  return TW_OK;
}

static tw_err take_key(tw_serve *serve, const char *path, tw_report *report) {
  if (serve->key_count == TW_KEYS_MAX) return tw_report_fail(report, TW_ERR_ARGUMENT, "more than %d keys", TW_KEYS_MAX);
  serve->keys[serve->key_count++] = path;
  return TW_OK;
}

tw_err tw_serve_option(tw_serve *serve, int which, const char *value, tw_report *report) {
  uint64_t ms = 0;
  switch (which) {
  case TW_SERVE_KEY: return take_key(serve, value, report);
  case TW_SERVE_STDIO: serve->stdio = true; return TW_OK;
  case TW_SERVE_REKEY_AFTER:
    return take_seconds("rekey-after", value, seconds_max, &serve->channel_options.rekey_after_ms, report);
  case TW_SERVE_REKEY_BYTES:
    return tw_option_number("rekey-bytes", value, 0, INT64_MAX, true, &serve->channel_options.rekey_after_bytes,
                            report);
  case TW_SERVE_EVENTS: serve->events_path = value; return TW_OK;
  case TW_SERVE_HANDSHAKE_TIMEOUT:
    TW_TRY(take_seconds("handshake-timeout", value, 3600, &ms, report));
    serve->channel_options.handshake_timeout_ms = (uint32_t)ms;
    return TW_OK;
  case TW_SERVE_CONNECT_TIMEOUT:
    TW_TRY(take_seconds("connect-timeout", value, 3600, &ms, report));
    serve->service.dial_timeout_ms = ms > 0 ? ms : 3600 * (uint64_t)SECOND;
    return TW_OK;
  case TW_SERVE_IDLE_TIMEOUT:
    return take_seconds("idle-timeout", value, seconds_max, &serve->service.idle_timeout_ms, report);
  case TW_SERVE_VERBOSE: serve->verbose = true; return TW_OK;
  case TW_SERVE_KEYLOG: serve->keylog_wanted = true; return TW_OK;
  default: break;
  }
  if (which >= TW_SERVE_TLS) return tw_tls_option(&serve->tls, which - TW_SERVE_TLS, value, report);
  if (which >= TW_SERVE_SESSIONS)
    return tw_session_option(&serve->session_options, which - TW_SERVE_SESSIONS, value, report);
  return tw_certificates_option(&serve->identity.certificates, which - TW_SERVE_OPTION_COUNT, value, report);
}

/* Thousands of channels need two descriptors each. */
static void raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static tw_exit prepare_tls(tw_serve *serve) {
  tw_report report = {"out of memory"};
  const char *host = serve->service.connecting ? serve->service.peer.host : NULL;
  if (tw_tls_options_open(&serve->tls, &serve->identity, host, &serve->channel_options, &report) != TW_OK)
    return tw_cli_report(TW_EXIT_LOCAL, &report);
  return TW_EXIT_OK;
}

static tw_exit prepare_certificates(tw_serve *serve) {
  tw_report report = {"out of memory"};
  tw_report warning = {""};
  if (tw_certificates_open(&serve->identity.certificates, &report) != TW_OK)
    return tw_cli_report(TW_EXIT_LOCAL, &report);
  if (serve->identity.certificates.cert_path == NULL) return TW_EXIT_OK;
  if (tw_identity_add_certificate(&serve->identity, &warning, &report) != TW_OK)
    return tw_cli_fail(TW_EXIT_LOCAL, "--cert %s", report.text);
  if (warning.text[0] != '\0') (void)tw_cli_report(TW_EXIT_OK, &warning);
  return TW_EXIT_OK;
}

/* Not by the environment alone: it may have been set for another program long ago. */
static tw_exit prepare_keylog(tw_serve *serve) {
  if (!serve->keylog_wanted) return TW_EXIT_OK;
  const char *path = getenv("SSLKEYLOGFILE");
  tw_report report = {"out of memory"};
  const tw_err err = tw_keylog_open(&serve->keylog, path, &report);
  if (err != TW_OK)
    return tw_cli_fail(err == TW_ERR_ARGUMENT ? TW_EXIT_USAGE : TW_EXIT_LOCAL, "--keylog: %s", report.text);
  return tw_cli_fail(TW_EXIT_OK, "--keylog: whoever reads %s reads all that goes through these channels", path);
}

tw_exit tw_serve_prepare(tw_serve *serve) {
  tw_harden_process();
  raise_descriptor_limit();
  const tw_exit code = tw_cli_env_init(&serve->env);
  if (code != TW_EXIT_OK) return code;
  tw_report report = {"out of memory"};
  for (size_t i = 0; i < serve->key_count; i++)
    if (tw_identity_add_key(&serve->identity, serve->keys[i], &report) != TW_OK)
      return tw_cli_fail(TW_EXIT_LOCAL, "--key %s", report.text);
  tw_exit done = prepare_certificates(serve);
  if (done == TW_EXIT_OK) done = prepare_tls(serve);
  if (done != TW_EXIT_OK) return done;
  if (!tw_harden_lock_memory() && serve->verbose)
    (void)tw_cli_fail(TW_EXIT_OK, "memory with keys cannot be locked (see ulimit -l); it may reach a swap device");
  if (tw_event_log_open(&serve->log, serve->events_path, &report) != TW_OK)
    return tw_cli_report(TW_EXIT_LOCAL, &report);
  return prepare_keylog(serve);
}

/* ---- sessions ---- */

static bool on_resume(void *ctx, tw_tunnel *tunnel, tw_buf *saved, uint64_t *version) {
  const tw_serve *serve = ctx;
  return tw_sessions_resume(serve->sessions, tunnel, saved, version);
}

static bool on_refused(void *ctx, tw_tunnel *tunnel, const tw_tunnel_event *event) {
  (void)event;
  const tw_serve *serve = ctx;
  tw_sessions_forget(serve->sessions, tunnel);
  return !serve->no_fresh;
}

static tw_err on_save(void *ctx, tw_tunnel *const *tunnels, size_t count, tw_report *report) {
  const tw_serve *serve = ctx;
  return tw_sessions_save(serve->sessions, tunnels, count, report);
}

static void on_tidy(void *ctx) {
  const tw_serve *serve = ctx;
  tw_sessions_tidy(serve->sessions);
}

/* Whom we do not accept, or who does not accept us, will not go on with a session either. */
static bool is_final(const tw_tunnel_event *event) {
  return event->kind == TW_TUNNEL_ERROR &&
         (tw_identity_is_refusal(event->err) ||
          (event->err == TW_ERR_ALERT && event->alert == tw_channel_alert_of(TW_ERR_CREDENTIAL)));
}

static void on_event(void *ctx, tw_tunnel *tunnel, const tw_tunnel_event *event) {
  tw_serve *serve = ctx;
  if (serve->sessions != NULL && is_final(event)) tw_sessions_forget(serve->sessions, tunnel);
  tw_tell_event(serve, tunnel, event);
  if (serve->sessions != NULL && event->kind == TW_TUNNEL_CLOSED) tw_sessions_release(serve->sessions, tunnel);
}

static tw_exit open_sessions(tw_serve *serve) {
  if (serve->session_options.lifetime_s == 0) return TW_EXIT_OK;
  tw_report report = {"out of memory"};
  if (tw_sessions_open(&serve->session_options, &serve->env, serve->service.connecting, serve->tag, &serve->sessions,
                       &report) != TW_OK)
    return tw_cli_fail(TW_EXIT_LOCAL, "--state %s", report.text);
  if (serve->verbose && serve->session_options.dir != NULL)
    (void)tw_cli_fail(TW_EXIT_OK, "%zu sessions in %s", tw_sessions_count(serve->sessions), serve->session_options.dir);
  tw_service_config *config = &serve->service;
  serve->channel.durable = true;
  if (config->connecting) {
    config->resume = on_resume;
    config->refused = on_refused;
  } else {
    serve->channel.session = tw_sessions_find;
    serve->channel.session_ctx = serve->sessions;
  }
  config->save = on_save;
  config->tidy = on_tidy;
  return TW_EXIT_OK;
}

tw_exit tw_serve_run(tw_serve *serve) {
  serve->channel = (tw_channel_config){
      .clients = serve->identity.clients, .client_count = serve->identity.count, .options = &serve->channel_options};
  if (serve->keylog.fd >= 0) {
    serve->channel.keylog = tw_keylog_line;
    serve->channel.keylog_ctx = &serve->keylog;
  }
  if (serve->tls.used) {
    serve->channel.protocol = TW_CHANNEL_TLS;
    serve->channel.tls = &serve->tls.channel;
    serve->service.standard = serve->tls.context;
    serve->service.retry_above = serve->tls.retry_above;
  }
  tw_service_config *config = &serve->service;
  config->channel = &serve->channel;
  config->event = on_event;
  config->listening = tw_tell_listening;
  config->fell_short = tw_tell_short;
  config->strangers = tw_tell_strangers;
  if (!config->connecting) config->limits = &serve->limits;
  const bool certificates_count = serve->identity.certificates.trust != NULL;
  config->reload = serve->peers_path != NULL || certificates_count ? tw_serve_reload : NULL;
  config->look_every_ms = certificates_count ? LOOK_MS : 0;
  config->look = tw_serve_look;
  config->ctx = serve;
  const tw_exit code = open_sessions(serve);
  if (code != TW_EXIT_OK) return code;
  tw_report report = {"out of memory"};
  if (tw_service_run(config, &report) != TW_OK) return tw_cli_report(TW_EXIT_NETWORK, &report);
  return serve->stdio ? serve->code : TW_EXIT_OK;
}

void tw_serve_clear(tw_serve *serve) {
  tw_sessions_close(serve->sessions);
  serve->sessions = NULL;
  tw_tls_options_clear(&serve->tls);
  tw_identity_clear(&serve->identity);
  tw_event_log_close(&serve->log);
  tw_keylog_close(&serve->keylog);
  tw_cli_env_clear(&serve->env);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/relay_run.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/file_write.h"
#include "cli/key_file.h"
#include "cli/notify.h"
#include "cli/reload.h"
#include "cli/tell.h"

enum { SIGNALS = 3, LOOK_MS = 1000, WHO_MAX = TW_X509_TEXT };
static const int signal_numbers[SIGNALS] = {SIGTERM, SIGINT, SIGHUP};

/* ---- who somebody is ---- */

static tw_err ask(tw_relay_run *run, tw_control_caller *caller, const tw_suite **suite, tw_acquaintance *known) {
  const tw_channel *channel = tw_control_caller_channel(caller);
  tw_member member;
  tw_channel_status status;
  if (!tw_channel_peer(channel, &member)) return TW_ERR_STATE;
  tw_channel_get_status(channel, &status);
  const tw_stranger stranger = {status.pair.suite, member.credential, member.signature_key, (uint64_t)time(NULL)};
  *suite = status.pair.suite;
  return tw_identity_accepts(&run->serve.identity, &stranger, known);
}

/* By whom else a client may be let in: by those who are served themselves, as far as that can be seen. */
static tw_admitted admits(void *ctx, const tw_fingerprint *key) {
  const tw_relay_run *run = ctx;
  const tw_identity *identity = &run->serve.identity;
  const bool only_peers = identity->certificates.trust == NULL && !identity->anyone;
  tw_relay_admission admission;
  bool found = run->relay != NULL && run->quotas.admissions > 0;
  for (uint32_t i = 0; found; i++) {
    if (tw_relay_admitted(run->relay, key, i, &admission, &found) != TW_OK || !found) break;
    if (only_peers && tw_peers_find(&identity->peers, &admission.inviter) == NULL) continue;
    return (tw_admitted){true, admission.guest, admission.until, admission.inviter};
  }
  return (tw_admitted){.given = false};
}

static void note_standing(tw_control_caller *caller, const tw_acquaintance *known) {
  const tw_admitted *admitted = &known->admitted;
  const tw_delivery_standing standing = !admitted->given  ? TW_DELIVERY_LISTED
                                        : admitted->guest ? TW_DELIVERY_GUEST
                                                          : TW_DELIVERY_ADMITTED;
  tw_relay_set_standing(caller, standing, &admitted->inviter);
}

/* When its certificate or its admission ends, in seconds since 1970; 0: it is here by neither. */
static void note_end(tw_control_caller *caller, const tw_acquaintance *known) {
  const uint64_t end = known->certified ? known->holder.not_after : known->admitted.until;
  *tw_relay_user(caller) = (void *)(uintptr_t)end; /* NOLINT(performance-no-int-to-ptr): it is never followed */
}

static bool is_over(const void *end) { return end != NULL && (uint64_t)time(NULL) >= (uintptr_t)end; }

/* The name that the peers file has, or its certificate; else its fingerprint. */
static const char *name_of(const tw_relay_run *run, const tw_client_id *id, const tw_acquaintance *known,
                           char text[TW_FINGERPRINT_TEXT]) {
  const tw_peer *peer = tw_peers_find(&run->serve.identity.peers, id);
  if (peer != NULL && tw_peer_name(&run->serve.identity.peers, peer)[0] != '\0')
    return tw_peer_name(&run->serve.identity.peers, peer);
  if (known != NULL && known->certified && known->holder.name[0] != '\0') return known->holder.name;
  tw_fingerprint_format(id, text);
  return text;
}

/* ---- telling ---- */

static json_t *new_line(const tw_relay_run *run, const char *event, const tw_client_id *id,
                        const tw_acquaintance *known) {
  char text[TW_FINGERPRINT_TEXT];
  json_t *line = tw_event_new(&run->serve.log, event);
  if (id == NULL) return line;
  tw_fingerprint_format(id, text);
  tw_event_text(line, "peer", text);
  const char *name = name_of(run, id, known, text);
  if (name != text) tw_event_text(line, "name", name);
  return line;
}

static tw_err on_came(void *ctx, tw_control_caller *caller) {
  tw_relay_run *run = ctx;
  const tw_client_id *id = tw_control_caller_id(caller);
  const tw_suite *suite = NULL;
  tw_acquaintance known;
  char remote[TW_ADDRESS_TEXT];
  char text[TW_FINGERPRINT_TEXT];
  TW_TRY(ask(run, caller, &suite, &known)); /* who goes on with a session, or was let in before the peers changed */
  note_end(caller, &known);
  note_standing(caller, &known);
  tw_control_caller_remote(caller, remote);
  json_t *line = new_line(run, "established", id, &known);
  tw_event_text(line, "remote", remote);
  tw_event_text(line, "suite", tw_suite_name(suite));
  tw_event_number(line, "clients", tw_relay_count(run->relay));
  tw_event_write(&run->serve.log, line);
  if (run->serve.verbose) (void)tw_cli_fail(TW_EXIT_OK, "%s at %s is here", name_of(run, id, &known, text), remote);
  return TW_OK;
}

static void on_gone(void *ctx, tw_control_caller *caller) {
  const tw_relay_run *run = ctx;
  const tw_client_id *id = tw_control_caller_id(caller);
  char text[TW_FINGERPRINT_TEXT];
  json_t *line = new_line(run, "closed", id, NULL);
  tw_event_number(line, "clients", tw_relay_count(run->relay));
  tw_event_write(&run->serve.log, line);
  if (run->serve.verbose) (void)tw_cli_fail(TW_EXIT_OK, "%s is gone", name_of(run, id, NULL, text));
}

static void on_twins(void *ctx, const tw_control_caller *caller, const tw_control_caller *former) {
  const tw_relay_run *run = ctx;
  const tw_client_id *id = tw_control_caller_id(caller);
  char text[TW_FINGERPRINT_TEXT];
  char remote[TW_ADDRESS_TEXT];
  char other[TW_ADDRESS_TEXT];
  tw_control_caller_remote(caller, remote);
  tw_control_caller_remote(former, other);
  json_t *line = new_line(run, "twins", id, NULL);
  tw_event_text(line, "remote", remote);
  tw_event_text(line, "other", other);
  tw_event_write(&run->serve.log, line);
  (void)tw_cli_fail(TW_EXIT_OK, "%s: two machines use this identity, at %s and at %s, and take turns here",
                    name_of(run, id, NULL, text), remote, other);
}

static void on_ended(void *ctx, const tw_client_id *id, const tw_stream_end *end) {
  tw_relay_run *run = ctx;
  tw_refusal *refusal = &run->serve.identity.refusal;
  const bool refused = refusal->given && tw_identity_is_refusal(end->reason);
  char text[TW_FINGERPRINT_TEXT] = "";
  if (refused) tw_fingerprint_format(&refusal->key, text);
  json_t *line = new_line(run, "error", id, NULL);
  if (end->remote != NULL) tw_event_text(line, "remote", end->remote);
  tw_event_text(line, "class", tw_err_class_name(tw_err_class_of(end->reason)));
  tw_event_text(line, "error", end->text);
  if (end->alert != 0) tw_event_text(line, "alert", tw_channel_alert_name(end->alert));
  if (refused) tw_event_text(line, "refused", text);
  if (refused && refusal->why.text[0] != '\0') tw_event_text(line, "why", refusal->why.text);
  tw_event_write(&run->serve.log, line);
  const tw_report why = refusal->why;
  refusal->given = false;
  if (end->established && !run->serve.verbose) return; /* that a client's connection breaks is everyday business */
  char who[TW_FINGERPRINT_TEXT] = "somebody";
  if (refused) (void)snprintf(who, sizeof who, "%s", text);
  const char *name = id == NULL ? who : name_of(run, id, NULL, who);
  const bool explained = refused && why.text[0] != '\0';
  (void)tw_cli_fail(TW_EXIT_OK, "%s at %s: %s%s%.200s%s", name, end->remote == NULL ? "?" : end->remote, end->text,
                    explained ? " (" : "", explained ? why.text : "", explained ? ")" : "");
}

static void on_strangers(void *ctx, const tw_gate_tally *tally) {
  tw_tell_strangers(&((tw_relay_run *)ctx)->serve, tally);
}
static void on_short(void *ctx, int why) { tw_tell_short(&((tw_relay_run *)ctx)->serve, why); }

static void on_failed(void *ctx, tw_err err, const char *words) {
  const tw_relay_run *run = ctx;
  json_t *line = tw_event_new(&run->serve.log, "failed");
  tw_event_text(line, "class", tw_err_class_name(tw_err_class_of(err)));
  tw_event_text(line, "error", words);
  tw_event_write(&run->serve.log, line);
  (void)tw_cli_fail(TW_EXIT_OK, "a request could not be done: %s", words);
}

/* ---- the end ---- */

static void on_freed(void *ctx) {
  tw_relay_run *run = ctx;
  run->relay = NULL;
  for (int i = 0; i < SIGNALS; i++) uv_close((uv_handle_t *)&run->signals[i], NULL);
  uv_close((uv_handle_t *)&run->looks, NULL);
}

static void end(tw_relay_run *run) {
  if (run->ending) return;
  run->ending = true;
  tw_notify("STOPPING=1");
  tw_relay_close(run->relay, false);
}

static void on_broke(void *ctx, const char *words) {
  tw_relay_run *run = ctx;
  run->code = tw_cli_fail(TW_EXIT_LOCAL, "the relay cannot go on: %s", words);
  end(run);
}

/* ---- who is not served any more ---- */

static void ask_again(void *ctx, tw_control_caller *caller) {
  tw_relay_run *run = ctx;
  const tw_suite *suite;
  tw_acquaintance known;
  const tw_err err = ask(run, caller, &suite, &known);
  if (err != TW_OK) {
    tw_relay_put_out(caller, err);
    return;
  }
  note_end(caller, &known);
  note_standing(caller, &known);
}

static void ask_when_over(void *ctx, tw_control_caller *caller) {
  if (is_over(*tw_relay_user(caller))) ask_again(ctx, caller);
}

static bool is_not_over(void *ctx, const tw_client_id *id, const void *end) {
  (void)ctx;
  (void)id;
  return !is_over(end);
}

/* Its certificate, which may be revoked, is not here any more: who was let in by one binds anew when it is back. */
static bool is_served_without(void *ctx, const tw_client_id *id, const void *end) {
  tw_relay_run *run = ctx;
  const tw_identity *identity = &run->serve.identity;
  return !is_over(end) && (identity->anyone || tw_peers_find(&identity->peers, id) != NULL || admits(run, id).given);
}

static void reload(tw_relay_run *run) {
  tw_serve *serve = &run->serve;
  tw_report report = {"out of memory"};
  const tw_err err = tw_serve_read_anew(serve, &report);
  tw_tell_reload(serve, err == TW_OK ? NULL : report.text);
  if (err != TW_OK) {
    (void)tw_cli_fail(TW_EXIT_OK, "%s (all stays as it was)", report.text);
    return;
  }
  if (serve->peers_path != NULL) tw_serve_check_peers(serve);
  tw_relay_each(run->relay, ask_again, run);
  tw_relay_each_away(run->relay, is_served_without, run);
}

static void on_signal(uv_signal_t *handle, int number) {
  tw_relay_run *run = handle->data;
  if (number != SIGHUP)
    end(run);
  else if (!run->ending)
    reload(run);
}

static void on_look(uv_timer_t *timer) {
  tw_relay_run *run = timer->data;
  if (run->relay == NULL || run->ending) return;
  tw_relay_each(run->relay, ask_when_over, run);
  tw_relay_each_away(run->relay, is_not_over, run);
}

/* ---- the start ---- */

static void open_loop(tw_relay_run *run) {
  for (int i = 0; i < SIGNALS; i++) {
    (void)uv_signal_init(&run->loop, &run->signals[i]);
    run->signals[i].data = run;
    (void)uv_signal_start(&run->signals[i], on_signal, signal_numbers[i]);
  }
  (void)uv_timer_init(&run->loop, &run->looks);
  run->looks.data = run;
  if (run->serve.identity.certificates.trust != NULL || run->quotas.admissions > 0)
    (void)uv_timer_start(&run->looks, on_look, LOOK_MS, LOOK_MS);
}

static void tell_start(tw_relay_run *run) {
  char address[TW_ADDRESS_TEXT];
  for (int i = 0; tw_relay_address(run->relay, i, address); i++) tw_tell_listening(&run->serve, address);
  if (run->state == NULL)
    (void)tw_cli_fail(TW_EXIT_OK, "without --state, mailboxes and groups are gone when the relay ends");
  tw_notify("READY=1");
}

static tw_err open_state(tw_relay_run *run, tw_report *report) {
  tw_relay_store **store = &run->config.store;
  if (run->state == NULL) return tw_relay_store_memory(&run->serve.env, store, report);
  TW_TRY(tw_folder_make_parents(run->state, report));
  return tw_relay_store_open(&run->serve.env, run->state, store, report);
}

static tw_exit start(tw_relay_run *run) {
  tw_report report = {"out of memory"};
  tw_relay_config *config = &run->config;
  if (open_state(run, &report) != TW_OK) return tw_cli_report(TW_EXIT_LOCAL, &report);
  config->loop = &run->loop;
  config->env = &run->serve.env;
  config->channel = &run->serve.channel;
  config->limits = &run->serve.limits;
  config->quotas = &run->quotas;
  config->came = on_came;
  config->gone = on_gone;
  config->dismissed = ask_again;
  config->twins = on_twins;
  config->ended = on_ended;
  config->strangers = on_strangers;
  config->fell_short = on_short;
  config->failed = on_failed;
  config->broke = on_broke;
  config->freed = on_freed;
  config->ctx = run;
  const tw_err err = tw_relay_start(config, &run->relay, &report);
  if (err == TW_OK) return TW_EXIT_OK;
  return tw_cli_report(err == TW_ERR_STATE ? TW_EXIT_NETWORK : TW_EXIT_LOCAL, &report);
}

tw_exit tw_relay_run_until_end(tw_relay_run *run) {
  tw_serve *serve = &run->serve;
  serve->identity.admits = admits;
  serve->identity.admits_ctx = run;
  serve->channel = (tw_channel_config){
      .clients = serve->identity.clients, .client_count = serve->identity.count, .options = &serve->channel_options};
  if (uv_loop_init(&run->loop) != 0) return tw_cli_fail(TW_EXIT_LOCAL, "cannot set up an event loop");
  open_loop(run);
  const tw_exit code = start(run);
  if (code == TW_EXIT_OK)
    tell_start(run);
  else
    on_freed(run);
  (void)uv_run(&run->loop, UV_RUN_DEFAULT);
  (void)uv_loop_close(&run->loop);
  return code != TW_EXIT_OK ? code : run->code;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "net/service.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/alloc.h"

enum {
  SIGNALS = 3,
  TIDY_MS = 500 /* after saving: so that much that is saved in a row is tidied once */
};
static const int signal_numbers[SIGNALS] = {SIGTERM, SIGINT, SIGHUP};

struct tw_service {
  const tw_service_config *config;
  uv_loop_t loop;
  uv_signal_t signals[SIGNALS];
  int signal_count;
  uv_timer_t looks; /* its data is NULL while it does not run */
  tw_acceptor acceptor;
  tw_gate gate; /* of peers */
  tw_tunnel_setup setup;
  tw_tunnel *tunnels;
  tw_tunnel **unsaved; /* those whose sessions are to be saved before the loop waits again */
  size_t unsaved_count;
  size_t unsaved_room;
  uv_prepare_t saver;
  uv_timer_t tidier;
  bool saver_is_open;
  uint64_t last_id;
  bool stopping;
  bool chosen; /* TW_APP_STDIO: a tunnel has the standard streams */
};

static void on_signal(uv_signal_t *handle, int number);

static void link_tunnel(tw_service *service, tw_tunnel *tunnel) {
  *tw_tunnel_next(tunnel) = service->tunnels;
  if (service->tunnels != NULL) *tw_tunnel_previous(service->tunnels) = tunnel;
  service->tunnels = tunnel;
}

static void unlink_tunnel(tw_service *service, tw_tunnel *tunnel) {
  tw_tunnel *next = *tw_tunnel_next(tunnel);
  tw_tunnel *previous = *tw_tunnel_previous(tunnel);
  if (next != NULL) *tw_tunnel_previous(next) = previous;
  if (previous != NULL)
    *tw_tunnel_next(previous) = next;
  else
    service->tunnels = next;
}

/* Once nothing is left to do, the loop runs out of handles. */
static void finish(tw_service *service) {
  tw_acceptor_close(&service->acceptor);
  tw_gate_close(&service->gate);
  for (int i = 0; i < service->signal_count; i++) uv_close((uv_handle_t *)&service->signals[i], NULL);
  service->signal_count = 0;
  if (service->looks.data != NULL) uv_close((uv_handle_t *)&service->looks, NULL);
  service->looks.data = NULL;
  if (!service->saver_is_open) return;
  uv_close((uv_handle_t *)&service->saver, NULL);
  uv_close((uv_handle_t *)&service->tidier, NULL);
  service->saver_is_open = false;
}

/* ---- sessions ---- */

static void on_unsaved(void *ctx, tw_tunnel *tunnel) {
  tw_service *service = ctx;
  if (service->unsaved_count == service->unsaved_room) {
    const size_t room = service->unsaved_room == 0 ? 16 : 2 * service->unsaved_room;
    tw_tunnel **grown = tw_alloc_resize_array(NULL, (void *)service->unsaved, room, sizeof(tw_tunnel *));
    if (grown == NULL) {
      tw_tunnel_saved(tunnel, TW_ERR_NO_MEMORY, "out of memory");
      return;
    }
    service->unsaved = grown;
    service->unsaved_room = room;
  }
  service->unsaved[service->unsaved_count++] = tunnel;
}

static void forget_unsaved(tw_service *service, const tw_tunnel *tunnel) {
  for (size_t i = 0; i < service->unsaved_count; i++)
    if (service->unsaved[i] == tunnel) service->unsaved[i] = NULL;
}

static void on_tidy(uv_timer_t *timer) {
  const tw_service *service = timer->data;
  service->config->tidy(service->config->ctx);
}

static void tidy_later(tw_service *service) {
  if (service->config->tidy == NULL || !service->saver_is_open || uv_is_active((uv_handle_t *)&service->tidier)) return;
  (void)uv_timer_start(&service->tidier, on_tidy, TIDY_MS, 0);
}

/*
 * All that changed in this turn of the loop goes to the disk in one piece, whose cost many share. What then goes on may
 * change sessions again.
 */
static void save_all(tw_service *service) {
  while (service->unsaved_count > 0) {
    const size_t count = service->unsaved_count;
    tw_report report = {"out of memory"};
    const tw_err err = service->config->save(service->config->ctx, service->unsaved, count, &report);
    for (size_t i = 0; i < count; i++)
      if (service->unsaved[i] != NULL) tw_tunnel_saved(service->unsaved[i], err, report.text);
    const size_t more = service->unsaved_count - count;
    for (size_t i = 0; i < more; i++) service->unsaved[i] = service->unsaved[count + i];
    service->unsaved_count = more;
    tidy_later(service);
  }
}

static void on_prepare(uv_prepare_t *prepare) { save_all(prepare->data); }

static bool on_resume(void *ctx, tw_tunnel *tunnel, tw_buf *saved, uint64_t *version) {
  const tw_service *service = ctx;
  return service->config->resume(service->config->ctx, tunnel, saved, version);
}

static bool on_refused(void *ctx, tw_tunnel *tunnel, const tw_tunnel_event *event) {
  const tw_service *service = ctx;
  return service->config->refused(service->config->ctx, tunnel, event);
}

static void stop(tw_service *service, const char *why) {
  const bool again = service->stopping;
  service->stopping = true;
  tw_acceptor_close(&service->acceptor);
  tw_tunnel *next;
  for (tw_tunnel *tunnel = service->tunnels; tunnel != NULL; tunnel = next) {
    next = *tw_tunnel_next(tunnel);
    if (again)
      tw_tunnel_kill(tunnel);
    else
      tw_tunnel_stop(tunnel, why);
  }
  if (service->tunnels == NULL) finish(service);
}

/* The first peer that is established gets the standard streams; nobody else is wanted then. */
static void choose(tw_service *service, tw_tunnel *chosen) {
  service->chosen = true;
  tw_acceptor_close(&service->acceptor);
  tw_tunnel *next;
  for (tw_tunnel *tunnel = service->tunnels; tunnel != NULL; tunnel = next) {
    next = *tw_tunnel_next(tunnel);
    if (tunnel != chosen) tw_tunnel_kill(tunnel);
  }
}

static void on_event(void *ctx, tw_tunnel *tunnel, const tw_tunnel_event *event) {
  tw_service *service = ctx;
  tw_tunnel_event told = *event;
  told.hushed = tw_gate_hushes(&service->gate, tunnel, event);
  service->config->event(service->config->ctx, tunnel, &told);
  tw_gate_note(&service->gate, tunnel, event);
  if (event->kind == TW_TUNNEL_CLOSED) forget_unsaved(service, tunnel);
  if (event->kind == TW_TUNNEL_ESTABLISHED && service->setup.app == TW_APP_STDIO) choose(service, tunnel);
}

static void on_freed(void *ctx, tw_tunnel *tunnel) {
  tw_service *service = ctx;
  unlink_tunnel(service, tunnel);
  const bool one_only = !service->config->accepts || service->chosen;
  if (service->tunnels == NULL && (service->stopping || one_only)) finish(service);
}

static void start_tunnel(tw_service *service, int wire_fd, int app_fd) {
  tw_tunnel *tunnel = NULL;
  service->setup.retry_hello = tw_gate_half_open(&service->gate) > service->config->retry_above;
  if (tw_tunnel_start(&service->setup, ++service->last_id, wire_fd, app_fd, &tunnel) == TW_OK)
    link_tunnel(service, tunnel);
  else
    service->config->fell_short(service->config->ctx, ENOMEM); /* there is no tunnel, and so no event of it */
  tw_gate_entered(&service->gate, service->setup.pass, tunnel);
}

static void on_accepted(void *ctx, int fd) {
  tw_service *service = ctx;
  const bool is_application = service->config->connecting;
  if (!is_application && !tw_gate_enter(&service->gate, fd, &service->setup.pass)) return;
  start_tunnel(service, is_application ? -1 : fd, is_application ? fd : -1);
  tw_gate_throttle(&service->gate, &service->acceptor);
}

static void on_short(void *ctx, int why) {
  tw_service *service = ctx;
  service->config->fell_short(service->config->ctx, why);
}

static void on_signal(uv_signal_t *handle, int number) {
  tw_service *service = handle->data;
  if (number == SIGHUP) {
    if (service->config->reload != NULL)
      service->config->reload(service->config->ctx, service);
    else
      stop(service, "shutdown");
  } else {
    stop(service, "shutdown");
  }
}

void tw_service_weed(tw_service *service, tw_err (*judge)(void *ctx, tw_tunnel *tunnel), void *ctx) {
  tw_tunnel *next;
  for (tw_tunnel *tunnel = service->tunnels; tunnel != NULL; tunnel = next) {
    next = *tw_tunnel_next(tunnel);
    const tw_err word = tw_link_is_there(tw_tunnel_link(tunnel)) ? judge(ctx, tunnel) : TW_OK;
    if (word != TW_OK) tw_tunnel_abort(tunnel, word);
  }
}

static void on_look(uv_timer_t *timer) {
  tw_service *service = timer->data;
  service->config->look(service->config->ctx, service);
}

static void on_strangers(void *ctx, const tw_gate_tally *tally) {
  const tw_service *service = ctx;
  service->config->strangers(service->config->ctx, tally);
}

static tw_err start_looking(tw_service *service, tw_report *report) {
  const uint64_t every = service->config->look_every_ms;
  if (every == 0) return TW_OK;
  if (uv_timer_init(&service->loop, &service->looks) != 0 ||
      uv_timer_start(&service->looks, on_look, every, every) != 0)
    return tw_report_fail(report, TW_ERR_STATE, "cannot start a timer");
  service->looks.data = service;
  return TW_OK;
}

static tw_err open_service(tw_service *service, tw_report *report) {
  const tw_service_config *config = service->config;
  service->setup = (tw_tunnel_setup){
      .loop = &service->loop,
      .channel = config->channel,
      .connecting = config->connecting,
      .peer = config->peer,
      .app = config->app,
      .target = config->target,
      .dial_timeout_ms = config->dial_timeout_ms,
      .idle_timeout_ms = config->idle_timeout_ms,
      .linger_ms = config->linger_ms,
      .retry_ms = config->retry_ms,
      .early_data = config->early_data,
      .standard = config->standard,
      .event = on_event,
      .freed = on_freed,
      .resume = config->resume != NULL ? on_resume : NULL,
      .refused = on_refused,
      .unsaved = on_unsaved,
      .ctx = service,
  };
  (void)uv_prepare_init(&service->loop, &service->saver);
  (void)uv_timer_init(&service->loop, &service->tidier);
  service->tidier.data = service;
  service->saver.data = service;
  service->saver_is_open = true;
  (void)uv_prepare_start(&service->saver, on_prepare);
  for (int i = 0; i < SIGNALS; i++) {
    if (uv_signal_init(&service->loop, &service->signals[i]) != 0)
      return tw_report_fail(report, TW_ERR_NO_MEMORY, "out of memory");
    service->signals[i].data = service;
    service->signal_count = i + 1;
    const int status = uv_signal_start(&service->signals[i], on_signal, signal_numbers[i]);
    if (status != 0) return tw_report_fail(report, TW_ERR_STATE, "cannot take signals: %s", uv_strerror(status));
  }
  TW_TRY(start_looking(service, report));
  if (config->limits != NULL)
    TW_TRY(tw_gate_open(&service->gate, &service->loop, config->limits, on_strangers, service, report));
  if (!config->accepts) {
    start_tunnel(service, -1, -1);
    return TW_OK;
  }
  TW_TRY(
      tw_acceptor_open(&service->acceptor, &service->loop, &config->accept_at, on_accepted, on_short, service, report));
  char address[TW_ADDRESS_TEXT];
  for (int i = 0; tw_acceptor_address(&service->acceptor, i, address); i++) config->listening(config->ctx, address);
  return TW_OK;
}

tw_err tw_service_run(const tw_service_config *config, tw_report *report) {
  tw_service *service = tw_alloc_zero(NULL, sizeof *service);
  if (service == NULL) return tw_report_fail(report, TW_ERR_NO_MEMORY, "out of memory");
  service->config = config;
  const int status = uv_loop_init(&service->loop);
  if (status != 0) {
    tw_alloc_free(NULL, service);
    return tw_report_fail(report, TW_ERR_STATE, "cannot start the event loop: %s", uv_strerror(status));
  }
  const tw_err err = open_service(service, report);
  if (err != TW_OK || (!config->accepts && service->tunnels == NULL)) finish(service);
  (void)uv_run(&service->loop, UV_RUN_DEFAULT);
  (void)uv_loop_close(&service->loop);
  tw_alloc_free(NULL, (void *)service->unsaved);
  tw_alloc_free(NULL, service);
  return err;
}

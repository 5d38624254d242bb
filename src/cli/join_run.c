/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/file_write.h"
#include "cli/join.h"
#include "cli/key_file.h"
#include "net/control_client.h"
#include "net/wire.h"

enum { SIGNALS = 2, FETCH = 16, GOODBYE_MS = 10000, FILE_MODE = 0600 };
static const int signal_numbers[SIGNALS] = {SIGTERM, SIGINT};

typedef struct joining {
  const tw_join *join;
  tw_control_client *client;
  uv_loop_t loop;
  uv_timer_t timer;
  uv_signal_t signals[SIGNALS];
  uint64_t cursor; /* of the invitation's mailbox */
  bool fetching;
  bool mail_waits;
  bool told; /* that we wait */
  bool written;
  bool over;
  tw_exit code;
} joining;

static void finish(joining *j, tw_exit code) {
  if (j->over) return;
  j->over = true;
  j->code = code;
  tw_control_client_close(j->client);
  uv_close((uv_handle_t *)&j->timer, NULL);
  for (int i = 0; i < SIGNALS; i++) uv_close((uv_handle_t *)&j->signals[i], NULL);
}

/* The relay alone: nobody else may be at the other end. */
static tw_err judge(void *ctx, const tw_credential_use *use) {
  const tw_joiner *joiner = &((const joining *)ctx)->join->joiner;
  tw_fingerprint id;
  TW_TRY(tw_fingerprint_of(joiner->env, joiner->invitation->suite, use->signature_key, &id));
  if (memcmp(&id, &joiner->keys->guest, sizeof id) == 0) return TW_OK; /* our own leaf */
  return memcmp(&id, &joiner->invitation->relay_key, sizeof id) == 0 ? TW_OK : TW_ERR_CREDENTIAL;
}

/* ---- asking ---- */

static void on_sent(void *ctx, const tw_control_answer *answer) {
  joining *j = ctx;
  if (j->over || answer == NULL) return; /* lost: again with the next connection */
  if (j->written) {
    finish(j, TW_EXIT_OK);
  } else if (answer->status == TW_CONTROL_DONE) {
    if (!j->told) (void)tw_cli_fail(TW_EXIT_OK, "waiting for the node that has invited: it need not be up now");
    j->told = true;
  } else if (answer->status != TW_CONTROL_BUSY && answer->status != TW_CONTROL_FULL) {
    finish(j, tw_cli_fail(TW_EXIT_REFUSED, "the relay does not take a message to the node that has invited"));
  }
}

static void ask_inviter(joining *j, tw_enrolment_act act) {
  tw_buf mail = {0};
  tw_err err = tw_joiner_mail(&j->join->joiner, act, &mail);
  if (err == TW_OK) {
    const tw_control_request request = {.type = TW_CONTROL_SEND,
                                        .body.send = {j->join->joiner.invitation->inviter, tw_buf_bytes(&mail)}};
    err = tw_control_client_ask(j->client, &request, on_sent, j);
  }
  tw_buf_clear(&mail);
  if (err != TW_OK && err != TW_ERR_CLOSED) finish(j, tw_cli_fail(TW_EXIT_LOCAL, "%s", tw_err_text(err)));
}

/* ---- the answer ---- */

/* One that is there already is of an earlier try that was cut short, or none of ours. */
static tw_err write_ca(const tw_join *join, tw_bytes ca, bool *made, tw_report *report) {
  tw_buf there = {0};
  *made = access(join->ca_path, F_OK) != 0;
  if (*made) return tw_file_write(join->ca_path, TW_WRITE_NEW, FILE_MODE, ca, report);
  const tw_err err = tw_file_read(join->ca_path, TW_X509_FILE_MAX, &there, report);
  const bool same = err == TW_OK && tw_bytes_equal(tw_buf_bytes(&there), ca);
  tw_buf_clear(&there);
  if (err != TW_OK || same) return err;
  return tw_report_fail(report, TW_ERR_STATE,
                        "%.200s is there already with other content, and is not replaced: the same command goes on "
                        "when it is moved away",
                        join->ca_path);
}

/* The configuration last: it is what a node is made of. */
static tw_err write_both(const tw_join *join, tw_bytes text, tw_bytes ca, tw_report *report) {
  bool made = false;
  if (ca.len > 0) TW_TRY(write_ca(join, ca, &made, report));
  const tw_err err = tw_file_write(join->file.path, TW_WRITE_NEW, FILE_MODE, text, report);
  if (err != TW_OK && made) (void)unlink(join->ca_path);
  if (err == TW_OK && ca.len > 0)
    (void)tw_cli_fail(TW_EXIT_OK,
                      "%.300s has the network's CAs. No CRL comes with them, since it ages: put one beside, renew it, "
                      "and name it in [Interface] (CRL), for this node to know who is revoked",
                      join->ca_path);
  return err;
}

static void write_files(joining *j, tw_bytes settings) {
  const tw_join *join = j->join;
  const tw_joiner_names names = {join->file.name, join->identity, join->ca};
  tw_report report = {"out of memory"};
  tw_buf text = {0};
  tw_buf ca = {0};
  tw_err err = tw_joiner_config(&join->joiner, settings, &names, &text, &ca, &report);
  if (err == TW_OK) err = write_both(join, tw_buf_bytes(&text), tw_buf_bytes(&ca), &report);
  tw_buf_clear(&ca);
  tw_buf_clear(&text);
  if (err != TW_OK) {
    finish(j, tw_cli_report(TW_EXIT_LOCAL, &report));
    return;
  }
  j->written = true;
  (void)uv_timer_stop(&j->timer);
  ask_inviter(j, TW_ENROLMENT_DONE);
}

static void take(joining *j, tw_bytes message) {
  tw_enrolment_reply reply;
  tw_buf plain = {0};
  if (j->written || tw_joiner_take(&j->join->joiner, message, &plain, &reply) != TW_OK) {
    tw_buf_clear(&plain); /* none of the inviter's to us */
    return;
  }
  if (reply.status == TW_ENROLMENT_IN)
    write_files(j, reply.content);
  else
    finish(j, tw_cli_fail(TW_EXIT_REFUSED, "the node that has invited refuses: %.*s", (int)reply.content.len,
                          reply.content.len == 0 ? "" : (const char *)reply.content.ptr));
  tw_buf_clear(&plain);
}

static void fetch(joining *j);

static void on_fetched(void *ctx, const tw_control_answer *answer) {
  joining *j = ctx;
  j->fetching = false;
  if (j->over || answer == NULL) return;
  if (answer->status == TW_CONTROL_TOO_FAR) {
    if (j->cursor == 0) return; /* nonsense */
    j->cursor = 0;
    fetch(j);
    return;
  }
  if (answer->status != TW_CONTROL_DONE) return; /* again with the next mail, or connection */
  tw_reader walk = tw_reader_of(answer->body.fetch.entries);
  tw_control_entry entry;
  bool some = false;
  while (!j->over && tw_control_entry_next(&walk, &entry)) {
    j->cursor = entry.number;
    some = true;
    take(j, entry.message);
  }
  if (!j->over && !j->written && (some || j->mail_waits)) fetch(j);
}

static void fetch(joining *j) {
  const tw_control_request request = {.type = TW_CONTROL_FETCH, .body.fetch = {j->cursor, FETCH}};
  j->mail_waits = j->fetching;
  if (!j->fetching) j->fetching = tw_control_client_ask(j->client, &request, on_fetched, j) == TW_OK;
}

/* ---- the connection ---- */

static void on_up(void *ctx, const tw_member *relay, bool resumed) {
  joining *j = ctx;
  (void)relay;
  (void)resumed;
  j->fetching = false;
  ask_inviter(j, j->written ? TW_ENROLMENT_DONE : TW_ENROLMENT_JOIN);
  if (!j->over && !j->written) fetch(j);
}

static bool is_refusal(const tw_control_down *down) {
  const tw_err_class what = tw_err_class_of(down->err);
  return down->alert != 0 && what != TW_CLASS_RESOURCE;
}

static void on_down(void *ctx, const tw_control_down *down) {
  joining *j = ctx;
  if (j->over) return;
  if (j->written) {
    finish(j, TW_EXIT_OK); /* the invitation ends by itself */
  } else if (is_refusal(down)) {
    finish(j, tw_cli_fail(TW_EXIT_REFUSED,
                          "the relay refuses (%s): the invitation was used, is over or was withdrawn, or this is not "
                          "the relay that it names",
                          down->text));
  } else if (down->wait_ms > 0) {
    (void)tw_cli_fail(TW_EXIT_OK, "no relay: %s; again in %.1f s", down->text, (double)down->wait_ms / 1000);
  }
}

static void on_push(void *ctx, const tw_control_push *push) {
  joining *j = ctx;
  if (!j->over && !j->written && push->type == TW_CONTROL_MAIL) fetch(j);
}

static void on_time(uv_timer_t *timer) {
  joining *j = timer->data;
  finish(j,
         tw_cli_fail(TW_EXIT_NETWORK, "no answer from the node that has invited within %llu s; the same again goes on",
                     (unsigned long long)j->join->wait_s));
}

static void on_signal(uv_signal_t *handle, int number) {
  joining *j = handle->data;
  (void)number;
  finish(j, tw_cli_fail(j->written ? TW_EXIT_OK : TW_EXIT_NETWORK, "ended; the same again goes on"));
}

static tw_err start(joining *j, const tw_channel_config *channel) {
  tw_control_client_config config = {.loop = &j->loop,
                                     .relay = j->join->joiner.invitation->relay,
                                     .channel = channel,
                                     .most_wait_ms = GOODBYE_MS,
                                     .up = on_up,
                                     .down = on_down,
                                     .push = on_push,
                                     .ctx = j};
  TW_TRY(tw_control_client_start(&config, &j->client));
  (void)uv_timer_init(&j->loop, &j->timer);
  j->timer.data = j;
  if (j->join->wait_s > 0) (void)uv_timer_start(&j->timer, on_time, j->join->wait_s * 1000, 0);
  for (int i = 0; i < SIGNALS; i++) {
    (void)uv_signal_init(&j->loop, &j->signals[i]);
    j->signals[i].data = j;
    (void)uv_signal_start(&j->signals[i], on_signal, signal_numbers[i]);
  }
  return TW_OK;
}

tw_exit tw_join_run(const tw_join *join) {
  joining j = {.join = join, .code = TW_EXIT_LOCAL};
  const tw_client client = {.env = join->joiner.env,
                            .suite = join->joiner.invitation->suite,
                            .signer = join->joiner.keys->signer,
                            .credential = {.type = 1},
                            .policy = {.ctx = &j, .credential = judge}};
  const tw_client *const clients[] = {&client};
  const tw_channel_config channel = {.clients = clients, .client_count = 1};
  if (uv_loop_init(&j.loop) != 0) return tw_cli_fail(TW_EXIT_LOCAL, "no event loop");
  const tw_err err = start(&j, &channel);
  if (err != TW_OK) (void)tw_cli_fail(TW_EXIT_LOCAL, "%s", tw_err_text(err));
  (void)uv_run(&j.loop, UV_RUN_DEFAULT);
  (void)uv_loop_close(&j.loop);
  return j.code;
}

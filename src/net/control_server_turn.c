/* The end of a turn of a control server. SPDX-License-Identifier: Apache-2.0 */
#include "net/control_server_parts.h"

enum { ROUND_MAX = 256 }; /* requests of one client in one turn of the loop */

static void on_again(uv_idle_t *idle) { (void)idle; }

void tw_control_caller_become_due(tw_control_caller *caller) {
  tw_control_server *server = caller->server;
  if (caller->due) return;
  caller->due = true;
  caller->next_due = NULL;
  caller->previous_due = server->due_last;
  *(server->due_last != NULL ? &server->due_last->next_due : &server->due_first) = caller;
  server->due_last = caller;
  (void)uv_idle_start(&server->again, on_again);
}

void tw_control_caller_leave_due(tw_control_caller *caller) {
  tw_control_server *server = caller->server;
  if (!caller->due) return;
  caller->due = false;
  *(caller->previous_due != NULL ? &caller->previous_due->next_due : &server->due_first) = caller->next_due;
  *(caller->next_due != NULL ? &caller->next_due->previous_due : &server->due_last) = caller->previous_due;
}

size_t tw_control_caller_backlog(const tw_control_caller *caller) {
  return caller->out.len + tw_stream_waiting(caller->stream);
}

void tw_control_caller_hold_back(tw_control_caller *caller) {
  if (caller->took >= ROUND_MAX || tw_control_caller_backlog(caller) > caller->server->config.backlog_max)
    tw_stream_pause(caller->stream, true);
}

void tw_control_caller_read_on(tw_control_caller *caller) {
  if (tw_control_caller_backlog(caller) <= caller->server->config.backlog_max / 2)
    tw_stream_pause(caller->stream, false);
  else
    tw_control_caller_hold_back(caller); /* what was answered late was not counted before */
}

static void release_out(tw_control_caller *caller, tw_err flushed) {
  tw_buf out = caller->out;
  tw_err err = flushed != TW_OK ? flushed : caller->err;
  if (err == TW_OK && caller->open > 0) err = TW_ERR_INTERNAL; /* its owner forgot it */
  caller->out = (tw_buf){0};
  caller->took = caller->open = 0;
  caller->mail = false;
  if (err != TW_OK) {
    tw_buf_clear(&out);
    tw_stream_abort(caller->stream, err);
    return;
  }
  if (out.len > 0) err = tw_stream_send(caller->stream, tw_buf_bytes(&out));
  tw_buf_clear(&out);
  if (err == TW_OK)
    tw_stream_push(caller->stream);
  else if (err != TW_ERR_CLOSED)
    tw_stream_abort(caller->stream, err);
}

void tw_control_server_end_turn(tw_control_server *server) {
  if (server->due_first == NULL) return;
  const tw_err flushed = server->config.flush(server->config.ctx);
  size_t count = 0;
  for (const tw_control_caller *caller = server->due_first; caller != NULL; caller = caller->next_due) count++;
  for (; count > 0 && server->due_first != NULL; count--) {
    tw_control_caller *caller = server->due_first;
    server->in_turn = caller;
    tw_control_caller_leave_due(caller);
    release_out(caller, flushed);
    if (server->in_turn != NULL) tw_control_caller_read_on(caller);
  }
  server->in_turn = NULL;
  if (server->due_first == NULL) (void)uv_idle_stop(&server->again);
}

/* A channel as a link. SPDX-License-Identifier: Apache-2.0 */
#include "net/link.h"

static void do_free(void *self) { tw_channel_free(self); }
static tw_err input_buffer(void *self, uint8_t **ptr, size_t *room) { return tw_channel_input_buffer(self, ptr, room); }
static tw_err input_done(void *self, size_t n, uint64_t now_ms) { return tw_channel_input_done(self, n, now_ms); }
static tw_err input_end(void *self, uint64_t now_ms) { return tw_channel_input_end(self, now_ms); }
static tw_bytes output(const void *self) { return tw_channel_output(self); }
static void output_sent(void *self, size_t n) { tw_channel_output_sent(self, n); }
static tw_bytes data(const void *self) { return tw_channel_data(self); }
static tw_err data_done(void *self, size_t n) { return tw_channel_data_done(self, n); }
static tw_err write_buffer(void *self, uint8_t **ptr, size_t *room) { return tw_channel_write_buffer(self, ptr, room); }
static tw_err write_done(void *self, size_t n) { return tw_channel_write_done(self, n); }
static bool writable(const void *self) { return tw_channel_writable(self); }
static tw_err do_close(void *self) { return tw_channel_close(self); }
static void do_abort(void *self, tw_err reason) { tw_channel_abort(self, reason); }
static uint64_t deadline(const void *self) { return tw_channel_deadline(self); }
static tw_err tick(void *self, uint64_t now_ms) { return tw_channel_tick(self, now_ms); }
static bool next_event(void *self, tw_channel_event *event) { return tw_channel_next_event(self, event); }
static bool unsaved(const void *self) { return tw_channel_unsaved(self); }
static tw_err saved(void *self) { return tw_channel_saved(self); }
static void get_status(const void *self, tw_channel_status *status) { tw_channel_get_status(self, status); }

static void get_info(const void *self, tw_link_info *info) {
  *info = (tw_link_info){.alpn = tw_channel_protocol_name(self), .server_name = tw_channel_server_name(self)};
}

static const char *words(const void *self) {
  (void)self;
  return NULL;
}

static bool is_silent(const void *self) {
  (void)self;
  return false;
}

static const tw_link_acts acts = {
    .free = do_free,
    .input_buffer = input_buffer,
    .input_done = input_done,
    .input_end = input_end,
    .output = output,
    .output_sent = output_sent,
    .data = data,
    .data_done = data_done,
    .write_buffer = write_buffer,
    .write_done = write_done,
    .writable = writable,
    .close = do_close,
    .abort = do_abort,
    .deadline = deadline,
    .tick = tick,
    .next_event = next_event,
    .unsaved = unsaved,
    .saved = saved,
    .get_status = get_status,
    .get_info = get_info,
    .words = words,
    .is_silent = is_silent,
};

tw_link tw_link_of_channel(tw_channel *channel) { return (tw_link){&acts, channel}; }
tw_channel *tw_link_channel(const tw_link *link) { return link->acts == &acts ? link->self : NULL; }

/* SPDX-License-Identifier: Apache-2.0 */
#include "both.h"

void both_save(both *pair, unsigned who, const both_options *options) {
  BENCH_TRUE(options != NULL);
  tw_buf *saved = &options->saved[who];
  tw_buf_clear(saved);
  BENCH_OK(tw_channel_save(pair->end[who], saved));
  BENCH_OK(tw_channel_saved(pair->end[who]));
}

static size_t carry(both *pair, unsigned from, const both_options *options) {
  if (tw_channel_unsaved(pair->end[from])) both_save(pair, from, options);
  const tw_bytes output = tw_channel_output(pair->end[from]);
  size_t taken;
  if (output.len == 0) return 0;
  BENCH_OK(tw_channel_input(pair->end[1 - from], output, both_ms, &taken));
  tw_channel_output_sent(pair->end[from], taken);
  return taken;
}

void both_settle(both *pair, const both_options *options) {
  while (carry(pair, 0, options) + carry(pair, 1, options) > 0) {}
  for (unsigned i = 0; i < 2; i++) {
    tw_channel_event event;
    while (tw_channel_next_event(pair->end[i], &event)) BENCH_TRUE(event.kind != TW_CHANNEL_CLOSED);
  }
}

/* The one session that there is. */
static tw_err find_session(void *ctx, tw_bytes group_id, tw_buf *saved, tw_channel_found *found) {
  const tw_buf *kept = ctx;
  (void)group_id;
  *found = (tw_channel_found){0};
  return tw_buf_append(saved, tw_buf_bytes(kept));
}

void both_ask(both *pair, const bench_person *people, const both_options *options) {
  for (unsigned i = 0; i < 2; i++) {
    const tw_client *clients[] = {&people[i].client};
    tw_channel_config config = {
        .clients = clients, .client_count = 1, .protocol = options->protocol, .durable = options->durable};
    if (options->resume && i == 0) config.resume = tw_buf_bytes(&options->saved[0]);
    if (options->resume && i == 1) config.session = find_session, config.session_ctx = &options->saved[1];
    BENCH_OK(i == 0 ? tw_channel_connect(&config, both_ms, &pair->end[i])
                    : tw_channel_accept(&config, both_ms, &pair->end[i]));
  }
  if (options->early.len > 0) {
    size_t taken;
    BENCH_OK(tw_channel_write(pair->end[0], options->early, &taken));
    BENCH_TRUE(taken == options->early.len);
  }
}

void both_open(both *pair, const bench_person *people, const both_options *options) {
  static const both_options plain = {0};
  if (options == NULL) options = &plain;
  both_ask(pair, people, options);
  both_settle(pair, options);
  for (unsigned i = 0; i < 2; i++) {
    tw_channel_status status;
    tw_channel_get_status(pair->end[i], &status);
    BENCH_TRUE(status.established);
  }
}

void both_rekey(both *pair, unsigned who) {
  BENCH_OK(tw_channel_rekey(pair->end[who], both_ms));
  both_settle(pair, NULL);
}

void both_rest(both *pair, uint64_t now_ms) {
  for (unsigned i = 0; i < 2; i++) {
    BENCH_OK(tw_channel_tick(pair->end[i], now_ms + 1));
    BENCH_OK(tw_channel_tick(pair->end[i], now_ms + 10000));
  }
}

void both_close(both *pair) {
  tw_channel_free(pair->end[0]);
  tw_channel_free(pair->end[1]);
}

uint64_t both_wire(const both *pair) {
  tw_channel_status status[2];
  for (unsigned i = 0; i < 2; i++) tw_channel_get_status(pair->end[i], &status[i]);
  return status[0].wire_sent + status[1].wire_sent;
}

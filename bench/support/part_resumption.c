/* Connections that go on with a session, against full handshakes and TLS 1.3's resumption. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "both.h"
#include "tls_pair.h"

/*
 * Both sides in one thread, in memory, as in part_handshake.c. A chain: each connection goes on with what the one
 * before left. Ours is the whole of it: both sides load the pair, each makes and takes a commit, and each saves what it
 * has come to before it sends, to memory here. That of TLS is PSK with DHE (psk_dhe_ke): the client has the session as
 * an object, the server in a ticket, or, with early data, in its cache, so that it is used once; one new ticket comes
 * with each.
 */
static const uint8_t request[] = "GET / HTTP/1.1\r\nHost: server.example\r\n\r\n";

typedef struct ours {
  bench_person people[2];
  tw_channel_protocol protocol;
  tw_buf saved[2];
  tw_bytes early;
} ours;

static both_options options_of(ours *with, bool resume) {
  return (both_options){.protocol = with->protocol,
                        .durable = true,
                        .saved = with->saved,
                        .resume = resume,
                        .early = resume ? with->early : TW_NO_BYTES};
}

static void finish(const ours *with, both *pair, bool resumed) {
  tw_channel_status status;
  tw_channel_get_status(pair->end[1], &status);
  BENCH_TRUE(!resumed || status.pair.resumptions > 0);
  BENCH_TRUE(!resumed || tw_bytes_equal(tw_channel_data(pair->end[1]), with->early));
  both_close(pair);
}

static void resume(void *ctx) {
  ours *with = ctx;
  const both_options options = options_of(with, true);
  both pair;
  both_open(&pair, with->people, &options);
  finish(with, &pair, true);
}

static void begin_durable(void *ctx) {
  ours *with = ctx;
  const both_options options = options_of(with, false);
  both pair;
  both_open(&pair, with->people, &options);
  both_close(&pair);
}

static double bytes_of(ours *with, bool again) {
  const both_options options = options_of(with, again);
  both pair;
  both_open(&pair, with->people, &options);
  const uint64_t bytes = both_wire(&pair);
  finish(with, &pair, again);
  return (double)bytes;
}

/* ---- TLS ---- */

typedef struct theirs {
  tls_world world;
  tw_bytes early;
} theirs;

static void resume_tls(void *ctx) {
  theirs *with = ctx;
  tls_pair pair;
  tls_pair_open(&pair, &with->world, true, with->early);
  tls_pair_close(&pair);
}

static void begin_tls(void *ctx) {
  theirs *with = ctx;
  tls_pair pair;
  tls_pair_open(&pair, &with->world, false, TW_NO_BYTES);
  tls_pair_close(&pair);
}

static double bytes_of_tls(theirs *with, bool again) {
  tls_pair pair;
  tls_pair_open(&pair, &with->world, again, again ? with->early : TW_NO_BYTES);
  const uint64_t bytes = tls_pair_wire(&pair);
  tls_pair_close(&pair);
  return (double)bytes;
}

/* ---- the first flight ---- */

/* What the connecting side sends before anything has come back is all that the other one gets here. */
static void show_first_flight(ours *with) {
  const both_options options = options_of(with, true);
  both pair;
  both_ask(&pair, with->people, &options);
  both_save(&pair, 0, &options);
  const tw_bytes flight = tw_channel_output(pair.end[0]);
  size_t taken;
  BENCH_OK(tw_channel_input(pair.end[1], flight, both_ms, &taken));
  BENCH_TRUE(taken == flight.len && tw_channel_unsaved(pair.end[1]) && tw_channel_data(pair.end[1]).len == 0);
  both_save(&pair, 1, &options);
  BENCH_TRUE(tw_bytes_equal(tw_channel_data(pair.end[1]), with->early));
  bench_note("the application's first bytes were read from the first flight alone, of %zu bytes", flight.len);
  tw_channel_output_sent(pair.end[0], taken);
  both_settle(&pair, &options);
  finish(with, &pair, true);
}

/* ---- the rows ---- */

static void ratio_row(const char *what, const char *of, bench_compared got, double bytes, double other_bytes) {
  char name[128];
  (void)snprintf(name, sizeof name, "%s / %s", what, of);
  bench_row(name, got.ratio, "x", BENCH_INFO, 0);
  bench_note("%.0f us of %.0f us; %.0f bytes of %.0f", 1e6 * got.seconds, 1e6 * got.reference, bytes, other_bytes);
}

static void measure_early(ours *with, const char *name, const tls_options *tls, tw_bytes early) {
  theirs against = {.early = early};
  tls_options options = *tls;
  char what[96];
  options.early_data = early.len > 0;
  options.tickets = 1;
  tls_world_init(&against.world, &options);
  begin_tls(&against);
  begin_durable(with);
  with->early = early;
  (void)snprintf(what, sizeof what, "%s resumption%s", name, early.len > 0 ? " with early data" : "");
  const double bytes = bytes_of(with, true);
  ratio_row(what, "TLS 1.3 resumption, PSK with DHE", bench_compare(resume, with, resume_tls, &against, 1), bytes,
            bytes_of_tls(&against, true));
  ratio_row(what, "full handshake", bench_compare(resume, with, begin_durable, with, 1), bytes, bytes_of(with, false));
  if (early.len > 0) show_first_flight(with);
  const double full = bytes_of_tls(&against, false);
  ratio_row(early.len > 0 ? "  TLS 1.3 resumption with early data" : "  TLS 1.3 resumption",
            "TLS 1.3 full handshake, of a CA", bench_compare(resume_tls, &against, begin_tls, &against, 1),
            bytes_of_tls(&against, true), full);
  tls_world_clear(&against.world);
}

/* What is kept of a session, and what it takes to put it there and back. */
typedef struct kept {
  tw_pair_config config;
  tw_buf *saved;
  tw_pair *pair;
} kept;

static void load(void *ctx) {
  kept *of = ctx;
  tw_pair_free(of->pair);
  BENCH_OK(tw_pair_load(&of->config, tw_buf_bytes(of->saved), &of->pair));
}

static void save(void *ctx) {
  kept *of = ctx;
  tw_buf out = TW_BUF_INIT(NULL);
  BENCH_OK(tw_pair_save(of->pair, &out));
  tw_buf_clear(&out);
}

static void measure_saved(ours *with, const char *name) {
  char row[128];
  const tw_client *clients[] = {&with->people[1].client};
  with->protocol = TW_CHANNEL_MLS_TLS;
  with->early = TW_NO_BYTES;
  begin_durable(with);
  resume(with);
  kept of = {.config = {.clients = clients, .client_count = 1, .label = TW_LITERAL("mls-tls")},
             .saved = &with->saved[1]};
  (void)snprintf(row, sizeof row, "%s: saved session", name);
  bench_row(row, (double)with->saved[1].len, "bytes", BENCH_INFO, 0);
  (void)snprintf(row, sizeof row, "%s: tw_pair_load", name);
  bench_row(row, 1e6 * bench_time(load, &of, 1), "us", BENCH_INFO, 0);
  (void)snprintf(row, sizeof row, "%s: tw_pair_save", name);
  bench_row(row, 1e6 * bench_time(save, &of, 1), "us", BENCH_INFO, 0);
  tw_pair_free(of.pair);
}

static void measure(const tw_suite *suite, const char *what, const tls_options *tls) {
  static const tw_channel_protocol protocols[] = {TW_CHANNEL_MLS_TLS, TW_CHANNEL_TLS};
  tw_env env = {0};
  ours with = {.saved = {TW_BUF_INIT(NULL), TW_BUF_INIT(NULL)}};
  char name[64];
  BENCH_OK(tw_provider_openssl_new(NULL, &env.provider));
  for (unsigned i = 0; i < 2; i++) bench_person_init(&with.people[i], &env, suite, i);
  for (unsigned i = 0; i < 2; i++) {
    with.protocol = protocols[i];
    (void)snprintf(name, sizeof name, "%s, %s", i == 0 ? "MLS-TLS" : "TLS+MLS", what);
    measure_early(&with, name, tls, TW_NO_BYTES);
    measure_early(&with, name, tls, TW_BYTES(request, sizeof request - 1));
  }
  measure_saved(&with, what);
  for (unsigned i = 0; i < 2; i++) {
    bench_person_clear(&with.people[i]);
    tw_buf_clear(&with.saved[i]);
  }
  tw_provider_free(env.provider);
}

void bench_part_resumption(void) {
  bench_title("resumption, both sides, processor time, saved before each flight (to memory)");
  measure(tw_suite_at(0), "classical", &(tls_options){.group = "X25519", .cipher = "TLS_AES_128_GCM_SHA256"});
  measure(tw_suite_default(), "default suite",
          &(tls_options){.group = "X25519MLKEM768", .cipher = "TLS_AES_256_GCM_SHA384"});
}

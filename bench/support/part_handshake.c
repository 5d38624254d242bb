/* Full handshakes, both sides, against TLS 1.3 by libssl. SPDX-License-Identifier: Apache-2.0 */
#include "both.h"
#include "tls_pair.h"

/*
 * Both sides of each in one thread, in memory, in turns; from nothing to two ends that know each other, and back to
 * nothing. Keys, contexts and providers are set up before. TLS is with certificates on both sides: of a CA, which each
 * side checks by the chain, or pinned, which is what the channels' own identities are here.
 */
typedef struct ours {
  bench_person people[2];
  tw_channel_protocol protocol;
} ours;

static void shake(void *ctx) {
  const ours *with = ctx;
  const both_options options = {.protocol = with->protocol};
  both pair;
  both_open(&pair, with->people, &options);
  both_close(&pair);
}

static void shake_tls(void *ctx) {
  tls_pair pair;
  tls_pair_open(&pair, ctx, false, TW_NO_BYTES);
  tls_pair_close(&pair);
}

static double bytes_of(const ours *with) {
  const both_options options = {.protocol = with->protocol};
  both pair;
  both_open(&pair, with->people, &options);
  const uint64_t bytes = both_wire(&pair);
  both_close(&pair);
  return (double)bytes;
}

static double bytes_of_tls(tls_world *world) {
  tls_pair pair;
  tls_pair_open(&pair, world, false, TW_NO_BYTES);
  const uint64_t bytes = tls_pair_wire(&pair);
  tls_pair_close(&pair);
  return (double)bytes;
}

static const char *name_of(tw_channel_protocol protocol) { return protocol == TW_CHANNEL_TLS ? "TLS+MLS" : "MLS-TLS"; }

static void compare(ours *with, tls_world *world, const char *what, const char *reference, bench_bound bound) {
  char name[128];
  const bench_compared got = bench_compare(shake, with, shake_tls, world, 2);
  (void)snprintf(name, sizeof name, "%s, %s / TLS 1.3 mutual, %s", name_of(with->protocol), what, reference);
  bench_row(name, got.ratio, "x", bound, 1.0);
  bench_note("%.0f us of %.0f us; %.0f bytes of %.0f", 1e6 * got.seconds, 1e6 * got.reference, bytes_of(with),
             bytes_of_tls(world));
}

/* What of the provider one handshake takes, and the rest. */
static void account(const tw_suite *suite, tw_channel_protocol protocol, const char *what) {
  tw_env env = {.provider = bench_trace_provider()};
  ours with = {.protocol = protocol};
  char name[128];
  for (unsigned i = 0; i < 2; i++) bench_person_init(&with.people[i], &env, suite, i);
  (void)snprintf(name, sizeof name, "%s, %s / its primitives", name_of(protocol), what);
  bench_against_primitives(env.provider, shake, &with, name, BENCH_INFO, 0, 1);
  for (unsigned i = 0; i < 2; i++) bench_person_clear(&with.people[i]);
  tw_provider_free(env.provider);
}

static void measure(const tw_suite *suite, const char *what, const char *group, const char *cipher, bool bounded) {
  static const tw_channel_protocol protocols[] = {TW_CHANNEL_MLS_TLS, TW_CHANNEL_TLS};
  tw_env env = {0};
  ours with;
  tls_world by_chain;
  tls_world by_pin;
  BENCH_OK(tw_provider_openssl_new(NULL, &env.provider));
  for (unsigned i = 0; i < 2; i++) bench_person_init(&with.people[i], &env, suite, i);
  tls_world_init(&by_chain, &(tls_options){.group = group, .cipher = cipher});
  tls_world_init(&by_pin, &(tls_options){.group = group, .cipher = cipher, .pinned = true});
  for (unsigned i = 0; i < 2; i++) {
    with.protocol = protocols[i];
    compare(&with, &by_chain, what, "of a CA", bounded ? BENCH_AT_MOST : BENCH_INFO);
    compare(&with, &by_pin, what, "pinned", BENCH_INFO);
    account(suite, protocols[i], what);
  }
  tls_world_clear(&by_chain);
  tls_world_clear(&by_pin);
  for (unsigned i = 0; i < 2; i++) bench_person_clear(&with.people[i]);
  tw_provider_free(env.provider);
}

void bench_part_handshake(void) {
  bench_title("full handshake, both sides, processor time, against libssl with Ed25519 certificates on both sides");
  measure(tw_suite_at(0), "classical", "X25519", "TLS_AES_128_GCM_SHA256", true);
  measure(tw_suite_default(), "default suite", "X25519MLKEM768", "TLS_AES_256_GCM_SHA384", false);
}

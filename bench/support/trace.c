/* A provider that records what is asked of it, and asks it again. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "bench.h"
#include "crypto/provider.h"

typedef enum step_kind {
  STEP_RANDOM,
  STEP_HASH,
  STEP_HMAC_KEY,
  STEP_HMAC,
  STEP_SHA3,
  STEP_SHAKE,
  STEP_SEAL,
  STEP_OPEN,
  STEP_DH_CHECK,
  STEP_DH_PUBLIC,
  STEP_DH,
  STEP_MLKEM_PUBLIC,
  STEP_MLKEM_ENCAP,
  STEP_MLKEM_DECAP,
  STEP_SIGN,
  STEP_VERIFY,
  STEP_KINDS
} step_kind;

enum { PARTS_MAX = 24, OUT_MAX = 1 << 16 };

/* One call. Which of the fields count, the kind says. */
typedef struct step {
  step_kind kind;
  union {
    const tw_hash *hash;
    const tw_aead *aead;
    const tw_signature *scheme;
    tw_dh_group group;
    tw_mlkem_id mlkem;
  } of;
  tw_bytes part[PARTS_MAX]; /* copies */
  size_t count;
  size_t out_len;
  bool flag;
  void *key;
  tw_hmac_key hmac_key;
} step;

typedef struct tracer {
  tw_provider head;
  tw_provider *inner;
  bench_trace *trace; /* NULL: not recording */
} tracer;

struct bench_trace {
  tw_provider *inner;
  step *steps;
  size_t count;
  size_t room;
  uint8_t *out;
};

static tracer *tracer_of(tw_provider *provider) { return (tracer *)(void *)provider; }

/* A step to be filled in; one that nobody looks at while nothing is recorded. */
static step *note(tw_provider *provider, step_kind kind) {
  bench_trace *trace = tracer_of(provider)->trace;
  if (trace == NULL) return NULL;
  if (trace->count == trace->room) {
    trace->room = trace->room == 0 ? 64 : 2 * trace->room;
    trace->steps = realloc(trace->steps, trace->room * sizeof *trace->steps);
    BENCH_TRUE(trace->steps != NULL);
  }
  step *next = &trace->steps[trace->count++];
  memset(next, 0, sizeof *next);
  next->kind = kind;
  return next;
}

static void add(step *to, tw_bytes bytes) {
  BENCH_TRUE(to->count < PARTS_MAX);
  uint8_t *copy = malloc(bytes.len + 1);
  BENCH_TRUE(copy != NULL);
  if (bytes.len > 0) memcpy(copy, bytes.ptr, bytes.len);
  to->part[to->count++] = TW_BYTES(copy, bytes.len);
}

static void add_parts(step *to, const tw_bytes *parts, size_t count) {
  for (size_t i = 0; i < count; i++) add(to, parts[i]);
}

/* ---- the operations ---- */

#define INNER (tracer_of(provider)->inner)
#define HAND_ON(op, ...) (INNER->ops->op(INNER, __VA_ARGS__))

static tw_err trace_random(tw_provider *provider, uint8_t *out, size_t len) {
  step *s = note(provider, STEP_RANDOM);
  if (s != NULL) s->out_len = len;
  return HAND_ON(random, out, len);
}

static tw_err trace_hash(tw_provider *provider, const tw_hash *hash, const tw_bytes *parts, size_t count,
                         uint8_t *out) {
  step *s = note(provider, STEP_HASH);
  if (s != NULL) s->of.hash = hash, add_parts(s, parts, count);
  return HAND_ON(hash, hash, parts, count, out);
}

static void trace_hmac_key(tw_provider *provider, const tw_hash *hash, tw_bytes key, tw_hmac_key *out) {
  step *s = note(provider, STEP_HMAC_KEY);
  if (s != NULL) s->of.hash = hash, add(s, key);
  HAND_ON(hmac_key, hash, key, out);
}

static tw_err trace_hmac(tw_provider *provider, const tw_hmac_key *key, const tw_bytes *parts, size_t count,
                         uint8_t *out) {
  step *s = note(provider, STEP_HMAC);
  if (s != NULL) s->of.hash = key->hash, s->hmac_key = *key, add_parts(s, parts, count);
  return HAND_ON(hmac, key, parts, count, out);
}

static tw_err trace_sha3_256(tw_provider *provider, const tw_bytes *parts, size_t count, uint8_t *out) {
  step *s = note(provider, STEP_SHA3);
  if (s != NULL) add_parts(s, parts, count);
  return HAND_ON(sha3_256, parts, count, out);
}

static tw_err trace_shake256(tw_provider *provider, const tw_bytes *parts, size_t count, uint8_t *out, size_t len) {
  step *s = note(provider, STEP_SHAKE);
  if (s != NULL) s->out_len = len, add_parts(s, parts, count);
  return HAND_ON(shake256, parts, count, out, len);
}

static tw_err trace_aead_seal(tw_provider *provider, const tw_aead *aead, tw_bytes key, const uint8_t *nonce,
                              tw_bytes aad, tw_bytes plaintext, uint8_t *out) {
  step *s = note(provider, STEP_SEAL);
  if (s != NULL) {
    const tw_bytes parts[] = {key, TW_BYTES(nonce, TW_AEAD_NONCE), aad, plaintext};
    s->of.aead = aead;
    add_parts(s, parts, 4);
  }
  return HAND_ON(aead_seal, aead, key, nonce, aad, plaintext, out);
}

static tw_err trace_aead_open(tw_provider *provider, const tw_aead *aead, tw_bytes key, const uint8_t *nonce,
                              tw_bytes aad, tw_bytes ciphertext, uint8_t *out) {
  step *s = note(provider, STEP_OPEN);
  if (s != NULL) {
    const tw_bytes parts[] = {key, TW_BYTES(nonce, TW_AEAD_NONCE), aad, ciphertext};
    s->of.aead = aead;
    add_parts(s, parts, 4);
  }
  return HAND_ON(aead_open, aead, key, nonce, aad, ciphertext, out);
}

static tw_err trace_aead_key_new(tw_provider *provider, const tw_alloc *alloc, const tw_aead *aead, tw_bytes key,
                                 tw_aead_key **out) {
  return HAND_ON(aead_key_new, alloc, aead, key, out); /* its head has the operations of who made it */
}

static tw_err trace_dh_check(tw_provider *provider, tw_dh_group group, tw_bytes public_key) {
  step *s = note(provider, STEP_DH_CHECK);
  if (s != NULL) s->of.group = group, add(s, public_key);
  return HAND_ON(dh_check, group, public_key);
}

static tw_err trace_dh_public(tw_provider *provider, tw_dh_group group, tw_bytes scalar, uint8_t *public_key) {
  step *s = note(provider, STEP_DH_PUBLIC);
  if (s != NULL) s->of.group = group, add(s, scalar);
  return HAND_ON(dh_public, group, scalar, public_key);
}

static tw_err trace_dh(tw_provider *provider, tw_dh_group group, tw_bytes scalar, uint8_t *public_key, bool know_public,
                       tw_bytes peer, uint8_t *shared) {
  step *s = note(provider, STEP_DH);
  if (s != NULL) {
    const tw_bytes parts[] = {scalar, peer, know_public ? TW_BYTES(public_key, TW_DH_PUBLIC_MAX) : TW_NO_BYTES};
    s->of.group = group;
    s->flag = know_public;
    add_parts(s, parts, 2);
    uint8_t room[TW_DH_PUBLIC_MAX] = {0};
    if (know_public) memcpy(room, public_key, group == TW_GROUP_X448 ? 56 : group == TW_GROUP_X25519 ? 32 : 65);
    add(s, TW_ARRAY(room));
  }
  return HAND_ON(dh, group, scalar, public_key, know_public, peer, shared);
}

static tw_err trace_mlkem_public(tw_provider *provider, tw_mlkem_id id, tw_bytes seed, uint8_t *public_key) {
  step *s = note(provider, STEP_MLKEM_PUBLIC);
  if (s != NULL) s->of.mlkem = id, add(s, seed);
  return HAND_ON(mlkem_public, id, seed, public_key);
}

static tw_err trace_mlkem_encap(tw_provider *provider, tw_mlkem_id id, tw_bytes public_key, const uint8_t *random,
                                uint8_t *output, uint8_t *shared) {
  step *s = note(provider, STEP_MLKEM_ENCAP);
  if (s != NULL) s->of.mlkem = id, add(s, public_key), add(s, TW_BYTES(random, TW_MLKEM_RANDOM));
  return HAND_ON(mlkem_encap, id, public_key, random, output, shared);
}

static tw_err trace_mlkem_decap(tw_provider *provider, tw_mlkem_id id, tw_bytes seed, tw_bytes output,
                                uint8_t *shared) {
  step *s = note(provider, STEP_MLKEM_DECAP);
  if (s != NULL) s->of.mlkem = id, add(s, seed), add(s, output);
  return HAND_ON(mlkem_decap, id, seed, output, shared);
}

static tw_err trace_sign_key_new(tw_provider *provider, const tw_alloc *alloc, const tw_signature *scheme,
                                 tw_bytes private_key, uint8_t *public_key, void **key) {
  return HAND_ON(sign_key_new, alloc, scheme, private_key, public_key, key);
}

static tw_err trace_sign(tw_provider *provider, const tw_signature *scheme, void *key, const uint8_t *random,
                         tw_bytes content, uint8_t *signature, size_t *len) {
  step *s = note(provider, STEP_SIGN);
  if (s != NULL) s->of.scheme = scheme, s->key = key, add(s, TW_BYTES(random, scheme->sign_random)), add(s, content);
  return HAND_ON(sign, scheme, key, random, content, signature, len);
}

static tw_err trace_verify(tw_provider *provider, const tw_signature *scheme, tw_bytes public_key, tw_bytes content,
                           tw_bytes signature) {
  step *s = note(provider, STEP_VERIFY);
  if (s != NULL) s->of.scheme = scheme, add(s, public_key), add(s, content), add(s, signature);
  return HAND_ON(verify, scheme, public_key, content, signature);
}

static tw_err trace_x509(tw_provider *provider, const tw_signature *scheme, tw_bytes certificate, uint8_t *public_key) {
  return HAND_ON(x509_public_key, scheme, certificate, public_key);
}

static void trace_provider_free(tw_provider *provider) {
  tw_provider_free(INNER);
  free(provider);
}

tw_provider *bench_trace_provider(void) {
  static tw_provider_ops ops;
  tracer *made = calloc(1, sizeof *made);
  BENCH_TRUE(made != NULL);
  BENCH_OK(tw_provider_openssl_new(NULL, &made->inner));
  ops = (tw_provider_ops){
      .free = trace_provider_free,
      .random = trace_random,
      .hash = trace_hash,
      .hmac_key = trace_hmac_key,
      .hmac = trace_hmac,
      .sha3_256 = trace_sha3_256,
      .shake256 = trace_shake256,
      .aead_seal = trace_aead_seal,
      .aead_open = trace_aead_open,
      .aead_key_new = trace_aead_key_new,
      .aead_key_free = made->inner->ops->aead_key_free,
      .aead_key_seal = made->inner->ops->aead_key_seal,
      .aead_key_open = made->inner->ops->aead_key_open,
      .aead_key_rest = made->inner->ops->aead_key_rest,
      .aead_key_wake = made->inner->ops->aead_key_wake,
      .dh_check = trace_dh_check,
      .dh_public = trace_dh_public,
      .dh = trace_dh,
      .mlkem_public = trace_mlkem_public,
      .mlkem_encap = trace_mlkem_encap,
      .mlkem_decap = trace_mlkem_decap,
      .sign_key_new = trace_sign_key_new,
      .sign_key_free = made->inner->ops->sign_key_free,
      .sign = trace_sign,
      .verify = trace_verify,
      .x509_public_key = trace_x509,
  };
  BENCH_OK(tw_provider_ready(&made->head, &ops));
  made->head.aes_gcm = tw_env_aes_gcm(&(tw_env){.provider = made->inner});
  return &made->head;
}

/* ---- recording ---- */

void bench_trace_start(tw_provider *provider) {
  bench_trace *trace = calloc(1, sizeof *trace);
  BENCH_TRUE(trace != NULL && (trace->out = malloc(2 * (size_t)OUT_MAX)) != NULL);
  trace->inner = INNER;
  tracer_of(provider)->trace = trace;
}

bench_trace *bench_trace_stop(tw_provider *provider) {
  bench_trace *trace = tracer_of(provider)->trace;
  tracer_of(provider)->trace = NULL;
  return trace;
}

void bench_trace_free(bench_trace *trace) {
  for (size_t i = 0; i < trace->count; i++) {
    for (size_t j = 0; j < trace->steps[i].count; j++) free((void *)(uintptr_t)trace->steps[i].part[j].ptr);
  }
  free(trace->steps);
  free(trace->out);
  free(trace);
}

static tw_err replay_step(bench_trace *trace, const step *s) {
  tw_provider *p = trace->inner;
  const tw_provider_ops *ops = p->ops;
  uint8_t *out = trace->out;
  uint8_t *more = trace->out + OUT_MAX;
  tw_hmac_key hmac_key;
  size_t len = 0;
  switch (s->kind) {
  case STEP_RANDOM: return ops->random(p, out, s->out_len);
  case STEP_HASH: return ops->hash(p, s->of.hash, s->part, s->count, out);
  case STEP_HMAC_KEY: ops->hmac_key(p, s->of.hash, s->part[0], &hmac_key); return TW_OK;
  case STEP_HMAC: return ops->hmac(p, &s->hmac_key, s->part, s->count, out);
  case STEP_SHA3: return ops->sha3_256(p, s->part, s->count, out);
  case STEP_SHAKE: return ops->shake256(p, s->part, s->count, out, s->out_len);
  case STEP_SEAL: return ops->aead_seal(p, s->of.aead, s->part[0], s->part[1].ptr, s->part[2], s->part[3], out);
  case STEP_OPEN: return ops->aead_open(p, s->of.aead, s->part[0], s->part[1].ptr, s->part[2], s->part[3], out);
  case STEP_DH_CHECK: return ops->dh_check(p, s->of.group, s->part[0]);
  case STEP_DH_PUBLIC: return ops->dh_public(p, s->of.group, s->part[0], out);
  case STEP_DH:
    memcpy(more, s->part[2].ptr, s->part[2].len);
    return ops->dh(p, s->of.group, s->part[0], more, s->flag, s->part[1], out);
  case STEP_MLKEM_PUBLIC: return ops->mlkem_public(p, s->of.mlkem, s->part[0], out);
  case STEP_MLKEM_ENCAP: return ops->mlkem_encap(p, s->of.mlkem, s->part[0], s->part[1].ptr, out, more);
  case STEP_MLKEM_DECAP: return ops->mlkem_decap(p, s->of.mlkem, s->part[0], s->part[1], out);
  case STEP_SIGN: return ops->sign(p, s->of.scheme, s->key, s->part[0].ptr, s->part[1], out, &len);
  case STEP_VERIFY: return ops->verify(p, s->of.scheme, s->part[0], s->part[1], s->part[2]);
  default: return TW_ERR_INTERNAL;
  }
}

void bench_trace_replay(void *trace) {
  bench_trace *t = trace;
  for (size_t i = 0; i < t->count; i++) BENCH_OK(replay_step(t, &t->steps[i]));
}

void bench_trace_describe(const bench_trace *trace, char *out, size_t size) {
  static const char *const names[STEP_KINDS] = {
      "random",      "hash",      "hmac key", "hmac",         "sha3-256",     "shake256",     "seal", "open",
      "point check", "dh public", "dh",       "mlkem public", "mlkem encaps", "mlkem decaps", "sign", "verify"};
  unsigned count[STEP_KINDS] = {0};
  for (size_t i = 0; i < trace->count; i++) count[trace->steps[i].kind]++;
  size_t at = 0;
  out[0] = 0;
  for (unsigned kind = STEP_KINDS; kind-- > 0;) {
    if (count[kind] == 0 || at >= size) continue;
    const int made = snprintf(out + at, size - at, "%s%u %s", at > 0 ? ", " : "", count[kind], names[kind]);
    if (made > 0) at += (size_t)made;
  }
}

void bench_against_primitives(tw_provider *provider, bench_work work, void *ctx, const char *name, bench_bound bound,
                              double must, double seconds) {
  char counts[200];
  bench_trace_start(provider);
  work(ctx);
  bench_trace *trace = bench_trace_stop(provider);
  bench_trace_describe(trace, counts, sizeof counts);
  const bench_compared got = bench_compare(work, ctx, bench_trace_replay, trace, seconds);
  bench_row(name, got.ratio, "x", bound, must);
  bench_note("%.1f us of %.1f us: %s", got.seconds * 1e6, got.reference * 1e6, counts);
  bench_trace_free(trace);
}

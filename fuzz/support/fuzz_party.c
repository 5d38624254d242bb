/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_party.h"

#include <stdlib.h>
#include <string.h>

#include "mls/protocol.h"

static size_t fail_allocation, fail_draw;
static bool failed, is_paused;

static void *failing_resize(void *ctx, void *ptr, size_t size) {
  (void)ctx;
  if (!is_paused && size > 0 && fail_allocation > 0 && --fail_allocation == 0) {
    failed = true;
    return NULL;
  }
  return tw_alloc_default.resize(NULL, ptr, size);
}

static tw_err failing_random(void *ctx, uint8_t *out, size_t len) {
  (void)ctx;
  if (!is_paused && fail_draw > 0 && --fail_draw == 0) {
    failed = true;
    return TW_ERR_RANDOM;
  }
  return tw_fuzz_env()->random(NULL, out, len);
}

void tw_fuzz_fail(size_t allocation, size_t draw) {
  fail_allocation = allocation;
  fail_draw = draw;
  failed = false;
}

bool tw_fuzz_has_failed(void) { return failed; }

void tw_fuzz_pause(bool paused) { is_paused = paused; }

static tw_err accept(void *ctx, const tw_credential_use *use) {
  (void)ctx;
  (void)use;
  return TW_OK;
}
static tw_err find_psk(void *ctx, const tw_psk_query *query, tw_buf *secret) {
  (void)ctx;
  return query->type == TW_PSK_RESUMPTION ? TW_ERR_MISSING_PSK : tw_buf_append(secret, TW_LITERAL("psk"));
}
static tw_err update_component(void *ctx, uint16_t id, bool has_old, tw_bytes old, tw_bytes update, tw_buf *data) {
  (void)ctx;
  (void)id;
  if (has_old && old.len < 64) TW_TRY(tw_buf_append(data, old));
  return tw_buf_append(data, update);
}
static tw_err take_ephemeral(void *ctx, uint16_t id, tw_bytes data) {
  (void)ctx;
  (void)id;
  (void)data;
  return TW_OK;
}

void tw_fuzz_client_init(tw_client *client, const char *name) {
  static const tw_alloc alloc = {NULL, failing_resize};
  static tw_env env;
  if (env.provider == NULL) {
    env = *tw_fuzz_env();
    env.alloc = &alloc;
    env.random = failing_random;
  }
  *client = (tw_client){.env = &env,
                        .suite = tw_suite_by_id(&env, 1),
                        .credential = {1, TW_BYTES((const uint8_t *)name, strlen(name))},
                        .policy = {NULL, accept, find_psk, update_component, take_ephemeral}};
  tw_fuzz_must(tw_signer_generate(&env, client->suite, &client->signer));
}

void tw_fuzz_party_init(tw_fuzz_party *party, const char *name) {
  tw_fuzz_client_init(&party->client, name);
  party->clients[0] = &party->client;
}

void tw_fuzz_must(tw_err err) { TW_FUZZ_ASSERT(err == TW_OK); }

void tw_fuzz_check_peer_error(tw_err err) {
  const tw_err_class class = tw_err_class_of(err);
  TW_FUZZ_ASSERT(class != TW_CLASS_INTERNAL && class != TW_CLASS_CALLER);
  TW_FUZZ_ASSERT((err != TW_ERR_NO_MEMORY && err != TW_ERR_RANDOM) || failed);
}

tw_bytes tw_fuzz_chunk(tw_reader *r) {
  const size_t len = tw_read_u8(r);
  return r->err != TW_OK || len > r->left ? tw_read_rest(r) : tw_read_fixed(r, len);
}

bool tw_fuzz_edit(tw_reader *r, uint8_t *bytes, size_t len) {
  bool changed = false;
  const uint8_t count = tw_read_u8(r) % 4;
  for (uint8_t i = 0; i <= count && len > 0; i++) {
    const size_t at = tw_read_u16(r) % len;
    const uint8_t change = tw_read_u8(r);
    bytes[at] ^= change;
    changed = changed || change != 0;
  }
  return changed;
}

/* What a handshake wants done, and the secrets that go with it. SPDX-License-Identifier: Apache-2.0 */
#include "tls/tls_internal.h"

/* A flight has seven steps at most, the server's. */
static void queue(tw_tls *tls, const tw_tls_queued *step) {
  if (tls->step_count == 0) tls->step_first = 0;
  const size_t at = tls->step_first + tls->step_count;
  if (at >= TW_TLS_STEPS) return;
  tls->steps[at] = *step;
  tls->step_count++;
}

void tw_tls_queue(tw_tls *tls, tw_tls_step_kind kind, tw_tls_level level) {
  queue(tls, &(tw_tls_queued){.kind = kind, .level = level});
}

void tw_tls_queue_message(tw_tls *tls, tw_tls_level level, size_t at) {
  queue(tls, &(tw_tls_queued){.kind = TW_TLS_STEP_SEND, .level = level, .at = at, .len = tls->output.len - at});
}

/* A client needs its handshake secrets until it has sent its Finished. */
static void hand_out(tw_tls *tls, const tw_tls_queued *queued, tw_secret *out) {
  const bool of_client = tls->is_client == (queued->kind == TW_TLS_STEP_SEND_KEY);
  tw_tls_traffic *traffic = queued->level == TW_TLS_APPLICATION ? &tls->epoch.traffic : &tls->handshake;
  tw_secret *secret = of_client ? &traffic->client : &traffic->server;
  *out = *secret;
  if (queued->level == TW_TLS_APPLICATION || !tls->is_client) tw_secret_clear(secret);
}

bool tw_tls_next_step(tw_tls *tls, tw_tls_step *step) {
  if (tls->step_count == 0) return false;
  const tw_tls_queued *queued = &tls->steps[tls->step_first];
  *step = (tw_tls_step){.kind = queued->kind, .level = queued->level};
  if (queued->kind == TW_TLS_STEP_SEND) step->message = TW_BYTES(tls->output.ptr + queued->at, queued->len);
  if (queued->kind == TW_TLS_STEP_SEND_KEY || queued->kind == TW_TLS_STEP_RECEIVE_KEY) {
    hand_out(tls, queued, &step->secret);
  }
  tls->step_first++;
  tls->step_count--;
  return true;
}

/* ---- secrets ---- */

tw_err tw_tls_derive_handshake(tw_tls *tls) {
  uint8_t hash[TW_HASH_MAX];
  tw_secret handshake_secret = {0};
  tw_err err = tw_tls_handshake_secret(tls->suite, tw_pair_group(tls->pair), TW_NO_BYTES, &handshake_secret);
  if (err == TW_OK) err = tw_tls_transcript_hash(tls->env, tls->suite, &tls->transcript, hash);
  if (err == TW_OK) err = tw_tls_handshake_traffic(tls->env, tls->suite, &handshake_secret, hash, &tls->handshake);
  tw_secret_clear(&handshake_secret);
  return err;
}

tw_err tw_tls_derive_epoch(tw_tls *tls) {
  TW_TRY(tw_tls_transcript_hash(tls->env, tls->suite, &tls->transcript, tls->transcript_hash));
  return tw_tls_epoch_of_group(tls->env, tls->suite, tw_pair_group(tls->pair), TW_NO_BYTES, tls->transcript_hash,
                               &tls->epoch);
}

tw_err tw_tls_send_finished(tw_tls *tls, const tw_secret *traffic_secret) {
  const size_t at = tls->output.len;
  uint8_t hash[TW_HASH_MAX];
  uint8_t verify_data[TW_HASH_MAX];
  TW_TRY(tw_tls_transcript_hash(tls->env, tls->suite, &tls->transcript, hash));
  TW_TRY(tw_tls_verify_data(tls->env, tls->suite, traffic_secret, hash, verify_data));
  tw_writer w = tw_writer_to(&tls->output);
  tw_write_u8(&w, TW_TLS_FINISHED);
  tw_write_vector24(&w, TW_BYTES(verify_data, tls->suite->hash->size));
  TW_TRY(tw_writer_end(&w));
  tw_tls_queue_message(tls, TW_TLS_HANDSHAKE, at);
  return tw_tls_transcript_add(&tls->transcript, TW_BYTES(tls->output.ptr + at, tls->output.len - at));
}

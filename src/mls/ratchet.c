/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/ratchet.h"

#include <string.h>

#include "base/alloc.h"

#define GENERATIONS (UINT64_C(1) << 32)

static void free_kept(const tw_env *env, tw_message_key *kept, uint32_t count) {
  if (kept == NULL) return;
  tw_wipe(kept, count * sizeof *kept);
  tw_alloc_free(tw_env_alloc(env), kept);
}

/* ---- the ratchets of one sender ---- */

tw_err tw_sender_ratchets_new(const tw_env *env, const tw_suite *suite, tw_bytes leaf_secret,
                              tw_sender_ratchets **out) {
  tw_sender_ratchets *sender = tw_alloc_zero(tw_env_alloc(env), sizeof *sender);
  if (sender == NULL) return TW_ERR_NO_MEMORY;
  tw_err err = tw_derive_secret(env, suite, leaf_secret, TW_LITERAL("handshake"),
                                &sender->of[TW_RATCHET_HANDSHAKE].secret);
  if (err == TW_OK) {
    err = tw_derive_secret(env, suite, leaf_secret, TW_LITERAL("application"),
                           &sender->of[TW_RATCHET_APPLICATION].secret);
  }
  if (err == TW_OK) {
    *out = sender;
  } else {
    tw_sender_ratchets_free(env, sender);
  }
  return err;
}

void tw_sender_ratchets_free(const tw_env *env, void *value) {
  tw_sender_ratchets *sender = value;
  if (sender == NULL) return;
  for (size_t i = 0; i < TW_RATCHET_COUNT; i++) free_kept(env, sender->of[i].kept, sender->of[i].kept_count);
  tw_wipe(sender, sizeof *sender);
  tw_alloc_free(tw_env_alloc(env), sender);
}

/* ---- keys that were skipped ---- */

/* Where `generation` is or would stand in the list. */
static uint32_t kept_position(const tw_ratchet *ratchet, uint32_t generation) {
  uint32_t low = 0;
  uint32_t high = ratchet->kept_count;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (ratchet->kept[middle].generation < generation) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

const tw_message_key *tw_ratchet_kept(const tw_ratchet *ratchet, uint32_t generation) {
  const uint32_t at = kept_position(ratchet, generation);
  return at < ratchet->kept_count && ratchet->kept[at].generation == generation ? &ratchet->kept[at] : NULL;
}

void tw_ratchet_drop_kept(const tw_env *env, tw_ratchet *ratchet, uint32_t generation) {
  if (tw_ratchet_kept(ratchet, generation) == NULL) return;
  const uint32_t at = kept_position(ratchet, generation);
  const uint32_t after = ratchet->kept_count - at - 1;
  memmove(&ratchet->kept[at], &ratchet->kept[at + 1], after * sizeof ratchet->kept[0]);
  ratchet->kept_count--;
  tw_wipe(&ratchet->kept[ratchet->kept_count], sizeof ratchet->kept[0]);
  if (ratchet->kept_count > 0) return;
  free_kept(env, ratchet->kept, 0);
  ratchet->kept = NULL;
}

/* ---- moving on ---- */

/*
 * DeriveTreeSecret for one generation: key and nonce into `out` (NULL: nobody will need them), then the ratchet's next
 * secret in place of this one; after the last generation there is none.
 */
static tw_err turn(const tw_env *env, const tw_suite *suite, uint32_t generation, tw_secret *secret,
                   tw_message_key *out) {
  uint8_t context[4];
  tw_put_u32(context, generation);
  const tw_bytes at = TW_ARRAY(context);
  tw_secret next = {.len = suite->hash->size};
  tw_hmac_key key;
  tw_hmac_key_init(env, suite, tw_secret_bytes(secret), &key);
  tw_err err = TW_OK;
  if (out != NULL) {
    out->generation = generation;
    err = tw_expand_with_label_key(env, &key, TW_LITERAL("key"), at, out->key, suite->aead->key_size);
    if (err == TW_OK) err = tw_expand_with_label_key(env, &key, TW_LITERAL("nonce"), at, out->nonce, TW_AEAD_NONCE);
  }
  if (generation == UINT32_MAX) {
    next.len = 0;
  } else if (err == TW_OK) {
    err = tw_expand_with_label_key(env, &key, TW_LITERAL("secret"), at, next.data, next.len);
  }
  if (err == TW_OK) *secret = next;
  tw_secret_clear(&next);
  tw_wipe(&key, sizeof key);
  return err;
}

/*
 * The list after `skipped` more keys, of which the last `*fresh` are kept: room for them follows the old keys that
 * stay. limits.kept_message_keys bounds the whole, and the oldest go first; `floor` rises above what goes.
 */
static tw_err merge_kept(const tw_env *env, const tw_ratchet *before, uint32_t skipped, tw_ratchet *after,
                         uint32_t *fresh) {
  const uint32_t limit = tw_env_limits(env)->kept_message_keys;
  *fresh = skipped < limit ? skipped : limit;
  const uint32_t old_room = limit - *fresh;
  const uint32_t old = before->kept_count < old_room ? before->kept_count : old_room;
  const uint32_t dropped = before->kept_count - old;
  if (dropped > 0) after->floor = (uint64_t)before->kept[dropped - 1].generation + 1;
  if (*fresh < skipped) after->floor = before->head + (skipped - *fresh);
  after->kept = tw_alloc_array(tw_env_alloc(env), (size_t)old + *fresh, sizeof *after->kept);
  if (after->kept == NULL) return TW_ERR_NO_MEMORY;
  after->kept_count = old + *fresh;
  if (old > 0) memcpy(after->kept, before->kept + dropped, old * sizeof *after->kept);
  return TW_OK;
}

static tw_err derive_skipped(const tw_env *env, const tw_suite *suite, const tw_ratchet *before, uint32_t skipped,
                             tw_ratchet *after) {
  uint32_t fresh = 0;
  if (skipped == 0) return TW_OK;
  TW_TRY(merge_kept(env, before, skipped, after, &fresh));
  tw_message_key *key = after->kept + (after->kept_count - fresh);
  for (uint32_t i = 0; i < skipped; i++) {
    const uint32_t generation = (uint32_t)(before->head + i);
    TW_TRY(turn(env, suite, generation, &after->secret, i >= skipped - fresh ? key++ : NULL));
  }
  return TW_OK;
}

tw_err tw_ratchet_step_derive(const tw_env *env, const tw_suite *suite, const tw_ratchet *ratchet, uint32_t generation,
                              tw_ratchet_step *out) {
  if (generation < ratchet->head) return TW_ERR_ARGUMENT;
  const uint32_t skipped = (uint32_t)(generation - ratchet->head);
  if (skipped > tw_env_limits(env)->skipped_generations) return TW_ERR_LIMIT;
  tw_ratchet_step step = {.after = {.secret = ratchet->secret, .floor = ratchet->floor}};
  tw_err err = derive_skipped(env, suite, ratchet, skipped, &step.after);
  if (err == TW_OK) err = turn(env, suite, generation, &step.after.secret, &step.key);
  step.after.head = (uint64_t)generation + 1;
  if (err == TW_OK) {
    *out = step;
    tw_wipe(&step, sizeof step);
  } else {
    tw_ratchet_step_clear(env, &step);
  }
  return err;
}

void tw_ratchet_step_adopt(const tw_env *env, tw_ratchet *ratchet, tw_ratchet_step *step) {
  if (step->after.kept == NULL) {
    step->after.kept = ratchet->kept;
    step->after.kept_count = ratchet->kept_count;
  } else {
    free_kept(env, ratchet->kept, ratchet->kept_count);
  }
  *ratchet = step->after;
  tw_wipe(step, sizeof *step);
}

void tw_ratchet_step_clear(const tw_env *env, tw_ratchet_step *step) {
  free_kept(env, step->after.kept, step->after.kept_count);
  tw_wipe(step, sizeof *step);
}

/* ---- state: head, floor, secret, kept keys; of the handshake ratchet, then of the application ratchet ---- */

void tw_write_sender_ratchets(tw_writer *w, const tw_suite *suite, const void *value) {
  const tw_sender_ratchets *sender = value;
  for (size_t i = 0; i < TW_RATCHET_COUNT; i++) {
    const tw_ratchet *ratchet = &sender->of[i];
    tw_write_u64(w, ratchet->head);
    tw_write_u64(w, ratchet->floor);
    tw_write_vector(w, tw_secret_bytes(&ratchet->secret));
    tw_write_u32(w, ratchet->kept_count);
    for (uint32_t k = 0; k < ratchet->kept_count; k++) {
      tw_write_u32(w, ratchet->kept[k].generation);
      tw_write_fixed(w, TW_BYTES(ratchet->kept[k].key, suite->aead->key_size));
      tw_write_fixed(w, TW_ARRAY(ratchet->kept[k].nonce));
    }
  }
}

static tw_err read_kept(tw_reader *r, const tw_env *env, const tw_suite *suite, tw_ratchet *ratchet) {
  const uint32_t count = tw_read_u32(r);
  TW_TRY(tw_reader_err(r));
  if (count == 0) return TW_OK;
  /* Bounded by what is there before anything is allocated. */
  const size_t entry = 4 + (size_t)suite->aead->key_size + TW_AEAD_NONCE;
  if (count > r->left / entry) return TW_ERR_TRUNCATED;
  ratchet->kept = tw_alloc_array(tw_env_alloc(env), count, sizeof *ratchet->kept);
  if (ratchet->kept == NULL) return TW_ERR_NO_MEMORY;
  ratchet->kept_count = count;
  uint64_t least = ratchet->floor;
  for (uint32_t k = 0; k < count; k++) {
    tw_message_key *kept = &ratchet->kept[k];
    kept->generation = tw_read_u32(r);
    const tw_bytes key = tw_read_fixed(r, suite->aead->key_size);
    const tw_bytes nonce = tw_read_fixed(r, TW_AEAD_NONCE);
    TW_TRY(tw_reader_err(r));
    if (kept->generation < least || kept->generation >= ratchet->head) return TW_ERR_ENCODING;
    least = (uint64_t)kept->generation + 1;
    memcpy(kept->key, key.ptr, key.len);
    memcpy(kept->nonce, nonce.ptr, nonce.len);
  }
  return TW_OK;
}

static tw_err read_ratchet(tw_reader *r, const tw_env *env, const tw_suite *suite, tw_ratchet *ratchet) {
  ratchet->head = tw_read_u64(r);
  ratchet->floor = tw_read_u64(r);
  const tw_bytes secret = tw_read_vector(r);
  TW_TRY(tw_reader_err(r));
  const size_t expected = ratchet->head < GENERATIONS ? suite->hash->size : 0;
  if (ratchet->head > GENERATIONS || ratchet->floor > ratchet->head || secret.len != expected) return TW_ERR_ENCODING;
  TW_TRY(tw_secret_set(&ratchet->secret, secret));
  return read_kept(r, env, suite, ratchet);
}

tw_err tw_read_sender_ratchets(tw_reader *r, const tw_env *env, const tw_suite *suite, void **out) {
  tw_sender_ratchets *sender = tw_alloc_zero(tw_env_alloc(env), sizeof *sender);
  if (sender == NULL) return TW_ERR_NO_MEMORY;
  tw_err err = TW_OK;
  for (size_t i = 0; i < TW_RATCHET_COUNT && err == TW_OK; i++) err = read_ratchet(r, env, suite, &sender->of[i]);
  if (err == TW_OK) {
    *out = sender;
  } else {
    tw_sender_ratchets_free(env, sender);
  }
  return err;
}

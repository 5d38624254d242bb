/* SPDX-License-Identifier: Apache-2.0 */
#include "node/packet_key.h"

#include <string.h>

#include "base/alloc.h"
#include "codec/writer.h"

/* Any suite of Ed25519: its scheme alone is used. */
static const tw_suite *scheme_of(void) { return tw_suite_at(0); }

tw_err tw_packet_room_open(const tw_env *env, tw_packet_room *room) {
  const tw_alloc *alloc = tw_env_alloc(env);
  room->signature = TW_BUF_INIT(alloc);
  room->bytes = tw_alloc_array(alloc, 1, TW_PACKET_SIGNED_MAX);
  if (room->bytes == NULL) return TW_ERR_NO_MEMORY;
  return tw_buf_reserve(&room->signature, TW_PACKET_SIGNATURE);
}

void tw_packet_room_close(const tw_env *env, tw_packet_room *room) {
  if (room->bytes != NULL) tw_wipe(room->bytes, TW_PACKET_SIGNED_MAX);
  tw_alloc_free(tw_env_alloc(env), room->bytes);
  tw_buf_clear(&room->signature);
  *room = (tw_packet_room){0};
}

/* ---- keys ---- */

/* The component: opaque public_key[32] */
tw_err tw_packet_key_make(const tw_env *env, tw_buf *leaf_extensions, tw_secret *private_key) {
  tw_signer *signer;
  tw_buf exported = TW_BUF_INIT(tw_env_alloc(env));
  TW_TRY(tw_signer_generate(env, scheme_of(), &signer));
  tw_err err = tw_signer_export(signer, &exported);
  if (err == TW_OK)
    err = tw_component_set(leaf_extensions, tw_env_code_points(env)->packet_key_component,
                           tw_signer_public_key(signer));
  if (err == TW_OK) err = tw_secret_set(private_key, tw_buf_bytes(&exported));
  tw_buf_clear(&exported);
  tw_signer_free(signer);
  return err;
}

bool tw_packet_key_find(const tw_env *env, tw_bytes leaf_extensions, tw_bytes *public_key) {
  return tw_component_lookup(leaf_extensions, tw_env_code_points(env)->packet_key_component, public_key) &&
         public_key->len == TW_PACKET_KEY;
}

/* opaque epoch[32] = MLS-Exporter("treewire packet", "", 32) */
static tw_err make_origin(const tw_group *group, uint32_t leaf, uint32_t spi, tw_packet_origin *origin) {
  origin->leaf = leaf;
  origin->spi = spi;
  return tw_group_export(group, TW_LITERAL("treewire packet"), TW_NO_BYTES, origin->epoch, sizeof origin->epoch);
}

static bool is_in_our_leaf(const tw_env *env, const tw_group *group, tw_bytes public_key) {
  uint32_t leaf = tw_group_own_leaf(group);
  tw_member own;
  tw_bytes there;
  return tw_group_next_member(group, &leaf, &own) && tw_packet_key_find(env, own.leaf_extensions, &there) &&
         tw_bytes_equal(there, public_key);
}

tw_err tw_packet_signer_init(const tw_env *env, const tw_group *group, uint32_t spi, tw_bytes private_key,
                             tw_packet_signer *signer) {
  tw_packet_signer made = {0};
  if (private_key.len == 0) return TW_OK;
  TW_TRY(tw_signer_import(env, scheme_of(), private_key, &made.key));
  const tw_err err = make_origin(group, tw_group_own_leaf(group), spi, &made.origin);
  if (err == TW_OK && is_in_our_leaf(env, group, tw_signer_public_key(made.key)))
    *signer = made;
  else
    tw_packet_signer_clear(&made);
  return err;
}

void tw_packet_signer_clear(tw_packet_signer *signer) {
  tw_signer_free(signer->key);
  tw_wipe(signer, sizeof *signer);
}

tw_err tw_packet_verifier_init(const tw_env *env, const tw_group *group, const tw_member *member, uint32_t spi,
                               tw_packet_verifier *verifier) {
  tw_bytes key;
  *verifier = (tw_packet_verifier){.is_needed = true,
                                   .has_key = tw_packet_key_find(env, member->leaf_extensions, &key)};
  if (!verifier->has_key) return TW_OK;
  memcpy(verifier->key, key.ptr, key.len);
  return make_origin(group, member->leaf_index, spi, &verifier->origin);
}

/* ---- packets ---- */

/*
 * struct { opaque label[17] = "treewire packet 1"; opaque epoch[32]; uint32 leaf_index; uint32 spi; uint64
 * sequence_number; uint8 next_header; opaque packet[]; } SignedPacket
 */
static tw_bytes put_signed(const tw_packet_origin *origin, const tw_packet_content *content, tw_packet_room *room) {
  const tw_bytes label = TW_LITERAL("treewire packet 1");
  uint8_t *at = room->bytes;
  memcpy(at, label.ptr, label.len);
  at += label.len;
  memcpy(at, origin->epoch, sizeof origin->epoch);
  at += sizeof origin->epoch;
  tw_put_u32(at, origin->leaf);
  tw_put_u32(at + 4, origin->spi);
  tw_put_u64(at + 8, content->number);
  at[16] = content->next_header;
  if (content->packet.len > 0) memcpy(room->bytes + TW_PACKET_HEAD, content->packet.ptr, content->packet.len);
  return TW_BYTES(room->bytes, TW_PACKET_HEAD + content->packet.len);
}

static bool fits(const tw_packet_content *content) {
  return content->packet.len <= TW_ESP_PAYLOAD_MAX - TW_PACKET_SIGNATURE;
}

tw_err tw_packet_sign(const tw_env *env, const tw_packet_signer *signer, const tw_packet_content *content,
                      tw_packet_room *room, uint8_t signature[TW_PACKET_SIGNATURE]) {
  if (!fits(content)) return TW_ERR_ARGUMENT;
  room->signature.len = 0;
  TW_TRY(tw_sign(env, signer->key, put_signed(&signer->origin, content, room), &room->signature));
  if (room->signature.len != TW_PACKET_SIGNATURE) return TW_ERR_INTERNAL;
  memcpy(signature, room->signature.ptr, TW_PACKET_SIGNATURE);
  return TW_OK;
}

tw_err tw_packet_verify(const tw_env *env, const tw_packet_verifier *verifier, const tw_packet_content *content,
                        tw_packet_room *room, const uint8_t signature[TW_PACKET_SIGNATURE]) {
  if (!fits(content)) return TW_ERR_ARGUMENT;
  return tw_verify(env, scheme_of(), TW_ARRAY(verifier->key), put_signed(&verifier->origin, content, room),
                   TW_BYTES(signature, TW_PACKET_SIGNATURE));
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/group_info.h"

/* PreSharedKeyID psks<V>: counts them. */
static tw_bytes read_psk_ids(tw_reader *r, uint32_t *count) {
  const tw_bytes list = tw_read_vector(r);
  tw_reader walk = tw_reader_of(list);
  tw_psk_id id;
  while (tw_psk_id_next(&walk, &id)) (*count)++;
  if (tw_reader_err(&walk) != TW_OK) tw_reader_fail(r, tw_reader_err(&walk));
  return list;
}

/*
 * struct GroupSecrets {
 *   opaque joiner_secret<V>; optional<struct PathSecret { opaque path_secret<V>; }> path_secret; PreSharedKeyID
 * psks<V>; } section 12.4.3.1
 */
tw_err tw_group_secrets_decode(tw_bytes encoded, tw_group_secrets *out) {
  tw_reader r = tw_reader_of(encoded);
  tw_group_secrets secrets = {0};
  secrets.joiner_secret = tw_read_vector(&r);
  secrets.has_path_secret = tw_read_present(&r);
  if (secrets.has_path_secret) secrets.path_secret = tw_read_vector(&r);
  secrets.psks = read_psk_ids(&r, &secrets.psk_count);
  TW_TRY(tw_reader_end(&r));
  *out = secrets;
  return TW_OK;
}

void tw_write_group_secrets(tw_writer *w, const tw_group_secrets *secrets) {
  tw_write_vector(w, secrets->joiner_secret);
  tw_write_u8(w, secrets->has_path_secret ? 1 : 0);
  if (secrets->has_path_secret) tw_write_vector(w, secrets->path_secret);
  tw_write_vector(w, secrets->psks);
}

bool tw_encrypted_group_secrets_next(tw_reader *walk, tw_encrypted_group_secrets *out) {
  if (!tw_reader_more(walk)) return false;
  tw_encrypted_group_secrets next;
  next.new_member = tw_read_vector(walk);
  next.encrypted_group_secrets = tw_read_hpke_ciphertext(walk);
  if (tw_reader_err(walk) != TW_OK) return false;
  *out = next;
  return true;
}

void tw_write_encrypted_group_secrets(tw_writer *w, const tw_encrypted_group_secrets *secrets) {
  tw_write_vector(w, secrets->new_member);
  tw_write_hpke_ciphertext(w, &secrets->encrypted_group_secrets);
}

/*
 * struct Welcome { uint16 cipher_suite; EncryptedGroupSecrets secrets<V>; opaque encrypted_group_info<V>; }
 * struct EncryptedGroupSecrets { opaque new_member<V>; HPKECiphertext encrypted_group_secrets; } section 12.4.3.1
 */
tw_welcome tw_read_welcome(tw_reader *r) {
  tw_welcome out = {0};
  out.cipher_suite = tw_read_u16(r);
  out.secrets = tw_read_vector(r);
  tw_reader walk = tw_reader_of(out.secrets);
  tw_encrypted_group_secrets secrets;
  while (tw_encrypted_group_secrets_next(&walk, &secrets)) {}
  if (tw_reader_err(&walk) != TW_OK) tw_reader_fail(r, tw_reader_err(&walk));
  out.encrypted_group_info = tw_read_vector(r);
  if (tw_reader_err(r) != TW_OK) return (tw_welcome){0};
  return out;
}

void tw_write_welcome(tw_writer *w, const tw_welcome *welcome) {
  tw_write_u16(w, welcome->cipher_suite);
  tw_write_vector(w, welcome->secrets);
  tw_write_vector(w, welcome->encrypted_group_info);
}

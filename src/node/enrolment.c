/* SPDX-License-Identifier: Apache-2.0 */
#include "node/enrolment.h"

#include <string.h>

#include "codec/reader.h"
#include "codec/writer.h"
#include "mls/commit.h"
#include "mls/label.h"
#include "node/config_value.h"
#include "node/ini.h"
#include "node/mail.h"

#define ANSWER_LABEL TW_LITERAL("treewire enrolment answer")
#define PROOF_LABEL TW_LITERAL("treewire enrolment")
#define REPLY_LABEL TW_LITERAL("treewire enrolment reply")
#define LIST_LABEL TW_LITERAL("treewire enrolment list")

/* ---- nodes ---- */

/* struct { uint8 family; uint8 length; opaque address[4 or 16]; } Prefix */
static tw_prefix read_prefix(tw_reader *r) {
  tw_prefix prefix = {.family = tw_read_u8(r)};
  prefix.length = tw_read_u8(r);
  if (prefix.family != 4 && prefix.family != 6) tw_reader_fail(r, TW_ERR_ENCODING);
  const tw_bytes address = tw_read_fixed(r, prefix.family == 4 ? 4 : 16);
  if (address.len > 0) memcpy(prefix.address, address.ptr, address.len);
  if (prefix.length > tw_prefix_bits(&prefix)) tw_reader_fail(r, TW_ERR_ENCODING);
  return prefix;
}

void tw_write_enrolled_prefix(tw_writer *w, const tw_prefix *prefix) {
  tw_write_u8(w, prefix->family);
  tw_write_u8(w, prefix->length);
  tw_write_fixed(w, TW_BYTES(prefix->address, tw_prefix_bits(prefix) / 8));
}

bool tw_enrolled_prefix_next(tw_reader *walk, tw_prefix *out) {
  if (!tw_reader_more(walk)) return false;
  const tw_prefix next = read_prefix(walk);
  if (tw_reader_err(walk) != TW_OK) return false;
  *out = next;
  return true;
}

/* Prefix list<V>; `networks`: without bits behind the prefix. */
static tw_bytes read_prefixes(tw_reader *r, size_t least, bool networks) {
  const tw_bytes list = tw_read_vector(r);
  tw_reader walk = tw_reader_of(list);
  tw_prefix prefix;
  size_t count = 0;
  for (; tw_enrolled_prefix_next(&walk, &prefix); count++) {
    const tw_prefix network = tw_prefix_network(&prefix);
    if (networks && tw_prefix_compare(&network, &prefix) != 0) tw_reader_fail(r, TW_ERR_ENCODING);
  }
  if (tw_reader_err(&walk) != TW_OK || count < least || count > TW_ENROLMENT_PREFIXES_MAX)
    tw_reader_fail(r, TW_ERR_ENCODING);
  return list;
}

static tw_bytes read_name(tw_reader *r, bool may_lack) {
  const tw_bytes name = tw_read_vector(r);
  if (name.len == 0 && may_lack) return name;
  if (name.len > TW_ENROLMENT_NAME_MAX || !tw_ini_is_printable(name) || !tw_value_is_peer_name(name))
    tw_reader_fail(r, TW_ERR_ENCODING);
  return name;
}

/* struct { opaque name<V>; ClientId key; Prefix allowed<V>; opaque host<V>; uint16 port; } EnrolledNode;
 * host may be empty: then port is 0 */
bool tw_enrolled_next(tw_reader *walk, tw_enrolled *out) {
  tw_enrolled next = {.port = 0};
  if (!tw_reader_more(walk)) return false;
  next.name = read_name(walk, true);
  const tw_bytes key = tw_read_fixed(walk, sizeof next.key.digest);
  if (key.len > 0) memcpy(next.key.digest, key.ptr, key.len);
  next.allowed = read_prefixes(walk, 0, true);
  next.host = tw_read_vector(walk);
  next.port = tw_read_u16(walk);
  if ((next.host.len > 0 && !tw_invitation_is_host(next.host)) || (next.host.len == 0) != (next.port == 0))
    tw_reader_fail(walk, TW_ERR_ENCODING);
  if (tw_reader_err(walk) != TW_OK) return false;
  *out = next;
  return true;
}

void tw_write_enrolled(tw_writer *w, const tw_enrolled *node) {
  tw_write_vector(w, node->name);
  tw_write_fixed(w, TW_ARRAY(node->key.digest));
  tw_write_vector(w, node->allowed);
  tw_write_vector(w, node->host);
  tw_write_u16(w, node->port);
}

/* EnrolledNode list<V>, looked at. */
static tw_bytes read_nodes(tw_reader *r, bool of_list) {
  const tw_bytes list = tw_read_vector(r);
  tw_reader walk = tw_reader_of(list);
  tw_enrolled node;
  for (size_t count = 0; tw_enrolled_next(&walk, &node); count++) {
    if (of_list && (count == TW_ENROLMENT_LIST_MAX || node.host.len > 0 || node.name.len == 0))
      tw_reader_fail(r, TW_ERR_ENCODING);
  }
  if (tw_reader_err(&walk) != TW_OK) tw_reader_fail(r, tw_reader_err(&walk));
  return list;
}

/* ---- sealing ---- */

/* struct { uint8 kind; opaque id[16]; } EnrolmentAAD, the begin of the NodeMail */
static void make_aad(const uint8_t id[TW_INVITATION_ID], uint8_t aad[1 + TW_INVITATION_ID]) {
  aad[0] = TW_MAIL_ENROLMENT;
  memcpy(aad + 1, id, TW_INVITATION_ID);
}

/* struct { opaque nonce[12]; opaque ciphertext[…]; } SealedEnrolment */
tw_err tw_enrolment_seal(const tw_env *env, const tw_suite *suite, const uint8_t *key,
                         const uint8_t id[TW_INVITATION_ID], tw_bytes plaintext, tw_buf *out) {
  uint8_t aad[1 + TW_INVITATION_ID];
  uint8_t nonce[TW_AEAD_NONCE];
  make_aad(id, aad);
  TW_TRY(tw_random(env, nonce, sizeof nonce));
  TW_TRY(tw_buf_reserve(out, sizeof nonce + plaintext.len + TW_AEAD_TAG));
  uint8_t *at = out->ptr + out->len;
  memcpy(at, nonce, sizeof nonce);
  TW_TRY(tw_aead_seal(env, suite, TW_BYTES(key, suite->aead->key_size), nonce, TW_ARRAY(aad), plaintext,
                      at + sizeof nonce));
  out->len += sizeof nonce + plaintext.len + TW_AEAD_TAG;
  return TW_OK;
}

tw_err tw_enrolment_open(const tw_env *env, const tw_suite *suite, const uint8_t *key,
                         const uint8_t id[TW_INVITATION_ID], tw_bytes sealed, tw_buf *plaintext) {
  uint8_t aad[1 + TW_INVITATION_ID];
  if (sealed.len < TW_AEAD_NONCE + TW_AEAD_TAG) return TW_ERR_TRUNCATED;
  const tw_bytes ciphertext = TW_BYTES(sealed.ptr + TW_AEAD_NONCE, sealed.len - TW_AEAD_NONCE);
  make_aad(id, aad);
  TW_TRY(tw_buf_reserve(plaintext, ciphertext.len));
  TW_TRY(tw_aead_open(env, suite, TW_BYTES(key, suite->aead->key_size), sealed.ptr, TW_ARRAY(aad), ciphertext,
                      plaintext->ptr + plaintext->len));
  plaintext->len += ciphertext.len - TW_AEAD_TAG;
  return TW_OK;
}

/* ---- the answer's key ---- */

tw_err tw_enrolment_answer_key_make(const tw_env *env, const tw_suite *suite, tw_enrolment_answer_key *key) {
  tw_enrolment_answer_key made = {.public_key = TW_BUF_INIT(tw_env_alloc(env))};
  tw_err err = tw_buf_reserve(&made.public_key, suite->kem->public_size);
  if (err == TW_OK) err = tw_kem_generate(env, suite, &made.private_key, made.public_key.ptr);
  if (err != TW_OK) {
    tw_enrolment_answer_key_clear(&made);
    return err;
  }
  made.public_key.len = suite->kem->public_size;
  *key = made;
  return TW_OK;
}

void tw_enrolment_answer_key_clear(tw_enrolment_answer_key *key) {
  tw_secret_clear(&key->private_key);
  tw_buf_clear(&key->public_key);
}

/* HPKECiphertext of EncryptWithLabel(., "treewire enrolment answer", id, .), RFC 9420 section 5.1.3 */
tw_err tw_enrolment_wrap(const tw_env *env, const tw_suite *suite, tw_bytes public_key,
                         const uint8_t id[TW_INVITATION_ID], tw_bytes plaintext, tw_buf *out) {
  tw_buf kem_output = TW_BUF_INIT(tw_env_alloc(env));
  tw_buf ciphertext = TW_BUF_INIT(tw_env_alloc(env));
  tw_err err = tw_encrypt_with_label(env, suite, public_key, ANSWER_LABEL, TW_BYTES(id, TW_INVITATION_ID), plaintext,
                                     &kem_output, &ciphertext);
  if (err == TW_OK) {
    tw_writer w = tw_writer_to(out);
    tw_write_hpke_ciphertext(&w, &(tw_hpke_ciphertext){tw_buf_bytes(&kem_output), tw_buf_bytes(&ciphertext)});
    err = tw_writer_end(&w);
  }
  tw_buf_clear(&ciphertext);
  tw_buf_clear(&kem_output);
  return err;
}

tw_err tw_enrolment_unwrap(const tw_env *env, const tw_suite *suite, const tw_enrolment_answer_key *key,
                           const uint8_t id[TW_INVITATION_ID], tw_bytes wrapped, tw_buf *plaintext) {
  tw_reader r = tw_reader_of(wrapped);
  const tw_hpke_ciphertext sealed = tw_read_hpke_ciphertext(&r);
  TW_TRY(tw_reader_end(&r));
  return tw_decrypt_with_label(env, suite, tw_secret_bytes(&key->private_key), tw_buf_bytes(&key->public_key),
                               ANSWER_LABEL, TW_BYTES(id, TW_INVITATION_ID), sealed.kem_output, sealed.ciphertext,
                               plaintext);
}

/* ---- the request ---- */

/*
 * struct { uint8 act; opaque signature_key<V>; opaque answer_key<V>; opaque proof<V>; } EnrolmentRequest. `proof` is
 * SignWithLabel(., "treewire enrolment", struct { opaque id[16]; } and what is before it)
 */
static tw_err write_proven(const uint8_t id[TW_INVITATION_ID], tw_enrolment_act act, tw_bytes key, tw_bytes answer_key,
                           tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  tw_write_fixed(&w, TW_BYTES(id, TW_INVITATION_ID));
  tw_write_u8(&w, (uint8_t)act);
  tw_write_vector(&w, key);
  tw_write_vector(&w, answer_key);
  return tw_writer_end(&w);
}

tw_err tw_enrolment_request_make(const tw_env *env, tw_signer *signer, tw_enrolment_act act, tw_bytes answer_key,
                                 const uint8_t id[TW_INVITATION_ID], tw_buf *out) {
  const tw_bytes key = tw_signer_public_key(signer);
  tw_buf proven = TW_BUF_INIT(tw_env_alloc(env));
  tw_buf proof = TW_BUF_INIT(tw_env_alloc(env));
  tw_err err = write_proven(id, act, key, answer_key, &proven);
  const tw_bytes part = tw_buf_bytes(&proven);
  if (err == TW_OK) err = tw_sign_with_label(env, signer, PROOF_LABEL, &part, 1, &proof);
  if (err == TW_OK) {
    tw_writer w = tw_writer_to(out);
    tw_write_u8(&w, (uint8_t)act);
    tw_write_vector(&w, key);
    tw_write_vector(&w, answer_key);
    tw_write_vector(&w, tw_buf_bytes(&proof));
    err = tw_writer_end(&w);
  }
  tw_buf_clear(&proof);
  tw_buf_clear(&proven);
  return err;
}

tw_err tw_enrolment_request_read(const tw_env *env, const tw_suite *suite, const uint8_t id[TW_INVITATION_ID],
                                 tw_bytes encoded, tw_enrolment_request *out, tw_fingerprint *key) {
  tw_reader r = tw_reader_of(encoded);
  const uint8_t act = tw_read_u8(&r);
  if (act != TW_ENROLMENT_JOIN && act != TW_ENROLMENT_DONE) tw_reader_fail(&r, TW_ERR_ENCODING);
  tw_enrolment_request request = {.act = (tw_enrolment_act)act};
  request.signature_key = tw_read_vector(&r);
  request.answer_key = tw_read_vector(&r);
  request.proof = tw_read_vector(&r);
  TW_TRY(tw_reader_end(&r));
  if (request.answer_key.len != (act == TW_ENROLMENT_JOIN ? suite->kem->public_size : 0U)) return TW_ERR_ENCODING;
  tw_buf proven = TW_BUF_INIT(tw_env_alloc(env));
  tw_err err = write_proven(id, request.act, request.signature_key, request.answer_key, &proven);
  const tw_bytes part = tw_buf_bytes(&proven);
  if (err == TW_OK) err = tw_verify_with_label(env, suite, request.signature_key, PROOF_LABEL, &part, 1, request.proof);
  if (err == TW_OK) err = tw_fingerprint_of(env, suite, request.signature_key, key);
  tw_buf_clear(&proven);
  if (err == TW_OK) *out = request;
  return err;
}

/* What was made, with a signature behind it: over `before`, which the reader knows, and what was made. */
static tw_err append_signed(const tw_env *env, tw_signer *signer, tw_bytes label, tw_bytes before, const tw_buf *made,
                            tw_buf *out) {
  tw_buf signature = TW_BUF_INIT(tw_env_alloc(env));
  const tw_bytes parts[] = {before, tw_buf_bytes(made)};
  tw_writer w = tw_writer_to(out);
  tw_err err = tw_sign_with_label(env, signer, label, parts, 2, &signature);
  if (err == TW_OK) {
    tw_write_fixed(&w, tw_buf_bytes(made));
    tw_write_vector(&w, tw_buf_bytes(&signature));
    err = tw_writer_end(&w);
  }
  tw_buf_clear(&signature);
  return err;
}

/* ---- the reply ---- */

/*
 * struct { uint8 status; ClientId joiner; opaque content<V>; opaque inviter_key<V>; opaque signature<V>; }
 * EnrolmentReply. `signature` is SignWithLabel(., "treewire enrolment reply", struct { opaque id[16]; } and what is
 * before it).
 */
tw_err tw_enrolment_reply_make(const tw_env *env, tw_signer *signer, const uint8_t id[TW_INVITATION_ID],
                               const tw_enrolment_reply *reply, tw_buf *out) {
  tw_buf made = TW_BUF_INIT(tw_env_alloc(env));
  tw_writer w = tw_writer_to(&made);
  tw_write_u8(&w, (uint8_t)reply->status);
  tw_control_write_client(&w, &reply->joiner);
  tw_write_vector(&w, reply->content);
  tw_write_vector(&w, tw_signer_public_key(signer));
  tw_err err = tw_writer_end(&w);
  if (err == TW_OK) err = append_signed(env, signer, REPLY_LABEL, TW_BYTES(id, TW_INVITATION_ID), &made, out);
  tw_buf_clear(&made);
  return err;
}

tw_err tw_enrolment_reply_read(const tw_env *env, const tw_suite *suite, const tw_fingerprint *inviter,
                               const uint8_t id[TW_INVITATION_ID], tw_bytes encoded, tw_enrolment_reply *out) {
  tw_reader r = tw_reader_of(encoded);
  tw_fingerprint signed_by;
  const uint8_t status = tw_read_u8(&r);
  if (status > TW_ENROLMENT_REFUSED) tw_reader_fail(&r, TW_ERR_ENCODING);
  tw_enrolment_reply reply = {.status = (tw_enrolment_status)status};
  const tw_bytes joiner = tw_read_fixed(&r, sizeof reply.joiner.digest);
  reply.content = tw_read_vector(&r);
  const tw_bytes key = tw_read_vector(&r);
  const tw_bytes parts[] = {TW_BYTES(id, TW_INVITATION_ID), tw_reader_since(&r, encoded.ptr)};
  const tw_bytes signature = tw_read_vector(&r);
  if (status != TW_ENROLMENT_IN && (reply.content.len > TW_ENROLMENT_WORDS_MAX || !tw_ini_is_printable(reply.content)))
    tw_reader_fail(&r, TW_ERR_ENCODING);
  TW_TRY(tw_reader_end(&r));
  memcpy(reply.joiner.digest, joiner.ptr, joiner.len);
  TW_TRY(tw_fingerprint_of(env, suite, key, &signed_by));
  if (memcmp(&signed_by, inviter, sizeof signed_by) != 0) return TW_ERR_CREDENTIAL;
  TW_TRY(tw_verify_with_label(env, suite, key, REPLY_LABEL, parts, 2, signature));
  *out = reply;
  return TW_OK;
}

/*
 * struct {
 *   uint8 version = 64; opaque name<V>; Prefix addresses<V>; EnrolledNode peers<V>; EnrolledAdmin admins<V>;
 *   Prefix groups<V>; uint8 broadcast; uint8 sign; uint32 mtu; uint64 rekey_after; uint64 rekey_bytes;
 *   uint64 rekey_packets; uint32 grace; uint32 keepalive; Certificate ca<V>; AdmittedName admit<V>;
 * } EnrolmentSettings, with struct { ClientId id; uint64 list; } EnrolledAdmin;
 * struct { opaque cert_data<V>; } Certificate; struct { opaque name<V>; } AdmittedName.
 * The first form had no version and began with the name's length, 1 to 63.
 */
bool tw_enrolled_admin_next(tw_reader *walk, tw_enrolled_admin *out) {
  tw_enrolled_admin next = {.version = 0};
  if (!tw_reader_more(walk)) return false;
  const tw_bytes key = tw_read_fixed(walk, sizeof next.key.digest);
  next.version = tw_read_u64(walk);
  if (tw_reader_err(walk) != TW_OK) return false;
  memcpy(next.key.digest, key.ptr, key.len);
  *out = next;
  return true;
}

void tw_write_enrolled_admin(tw_writer *w, const tw_enrolled_admin *admin) {
  tw_write_fixed(w, TW_ARRAY(admin->key.digest));
  tw_write_u64(w, admin->version);
}

static tw_bytes read_admins(tw_reader *r) {
  const tw_bytes admins = tw_read_vector(r);
  tw_reader walk = tw_reader_of(admins);
  tw_enrolled_admin admin;
  size_t count = 0;
  while (tw_enrolled_admin_next(&walk, &admin)) count++;
  if (tw_reader_err(&walk) != TW_OK || count == 0 || count > TW_NODE_ADMINS_MAX) tw_reader_fail(r, TW_ERR_ENCODING);
  return admins;
}

bool tw_enrolled_admit_next(tw_reader *walk, char name[TW_X509_NAME]) {
  char text[TW_X509_NAME];
  char next[TW_X509_NAME];
  if (!tw_reader_more(walk)) return false;
  const tw_bytes read = tw_read_vector(walk);
  const bool fits = read.len > 0 && read.len < sizeof text && memchr(read.ptr, '\0', read.len) == NULL;
  if (fits) memcpy(text, read.ptr, read.len);
  text[fits ? read.len : 0] = '\0';
  if (tw_x509_name_parse(text, TW_X509_NAME_GIVEN, next, NULL) != TW_OK || strcmp(next, text) != 0 ||
      tw_x509_name_is_address(next))
    tw_reader_fail(walk, TW_ERR_ENCODING);
  if (tw_reader_err(walk) != TW_OK) return false;
  memcpy(name, next, sizeof next);
  return true;
}

/* Certificates are for who can parse them. */
static tw_bytes read_ca(tw_reader *r) {
  const tw_bytes ca = tw_read_vector(r);
  tw_reader walk = tw_reader_of(ca);
  while (tw_reader_more(&walk))
    if (tw_read_vector(&walk).len == 0) tw_reader_fail(&walk, TW_ERR_ENCODING);
  if (tw_reader_err(&walk) != TW_OK) tw_reader_fail(r, tw_reader_err(&walk));
  if (ca.len > TW_ENROLMENT_CA_MAX) tw_reader_fail(r, TW_ERR_LIMIT);
  return ca;
}

static tw_bytes read_admit(tw_reader *r, bool certified) {
  const tw_bytes admit = tw_read_vector(r);
  tw_reader walk = tw_reader_of(admit);
  char name[TW_X509_NAME];
  size_t count = 0;
  while (tw_enrolled_admit_next(&walk, name)) count++;
  if (tw_reader_err(&walk) != TW_OK || count > TW_NODE_ADMIT_MAX || (count > 0 && !certified))
    tw_reader_fail(r, TW_ERR_ENCODING);
  return admit;
}

tw_err tw_enrolment_settings_encode(const tw_enrolment_settings *settings, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  tw_write_u8(&w, TW_ENROLMENT_VERSION);
  tw_write_vector(&w, settings->name);
  tw_write_vector(&w, settings->addresses);
  tw_write_vector(&w, settings->peers);
  tw_write_vector(&w, settings->admins);
  tw_write_vector(&w, settings->groups);
  tw_write_u8(&w, settings->broadcast);
  tw_write_u8(&w, settings->sign);
  tw_write_u32(&w, settings->mtu);
  tw_write_u64(&w, settings->rekey_after);
  tw_write_u64(&w, settings->rekey_bytes);
  tw_write_u64(&w, settings->rekey_packets);
  tw_write_u32(&w, settings->grace);
  tw_write_u32(&w, settings->keepalive);
  tw_write_vector(&w, settings->ca);
  tw_write_vector(&w, settings->admit);
  return tw_writer_end(&w);
}

tw_err tw_enrolment_settings_decode(tw_bytes encoded, tw_enrolment_settings *out) {
  tw_reader r = tw_reader_of(encoded);
  if (tw_reader_more(&r) && tw_read_u8(&r) != TW_ENROLMENT_VERSION) return TW_ERR_UNSUPPORTED;
  tw_enrolment_settings settings = {.name = read_name(&r, false)};
  settings.addresses = read_prefixes(&r, 1, false);
  settings.peers = read_nodes(&r, false);
  settings.admins = read_admins(&r);
  settings.groups = read_prefixes(&r, 0, true);
  settings.broadcast = tw_read_present(&r);
  settings.sign = tw_read_present(&r);
  settings.mtu = tw_read_u32(&r);
  settings.rekey_after = tw_read_u64(&r);
  settings.rekey_bytes = tw_read_u64(&r);
  settings.rekey_packets = tw_read_u64(&r);
  settings.grace = tw_read_u32(&r);
  settings.keepalive = tw_read_u32(&r);
  settings.ca = read_ca(&r);
  settings.admit = read_admit(&r, settings.ca.len > 0);
  TW_TRY(tw_reader_end(&r));
  *out = settings;
  return TW_OK;
}

/* ---- lists ---- */

/*
 * struct { opaque group<V>; uint64 version; EnrolledNode entries<V>; opaque signature_key<V>; opaque signature<V>; }
 * EnrolmentList. `signature` is SignWithLabel(., "treewire enrolment list", what is before it).
 */
tw_err tw_enrolment_list_make(const tw_env *env, tw_signer *signer, const tw_enrolment_list *list, tw_buf *out) {
  tw_buf made = TW_BUF_INIT(tw_env_alloc(env));
  tw_writer w = tw_writer_to(&made);
  tw_write_vector(&w, list->group);
  tw_write_u64(&w, list->version);
  tw_write_vector(&w, list->entries);
  tw_write_vector(&w, tw_signer_public_key(signer));
  tw_err err = tw_writer_end(&w);
  if (err == TW_OK) err = append_signed(env, signer, LIST_LABEL, TW_NO_BYTES, &made, out);
  tw_buf_clear(&made);
  return err;
}

tw_err tw_enrolment_list_read(const tw_env *env, const tw_suite *suite, tw_bytes encoded, tw_enrolment_list *out,
                              tw_fingerprint *admin) {
  tw_reader r = tw_reader_of(encoded);
  tw_enrolment_list list = {.group = tw_read_vector(&r)};
  list.version = tw_read_u64(&r);
  list.entries = read_nodes(&r, true);
  list.signature_key = tw_read_vector(&r);
  const tw_bytes part = tw_reader_since(&r, encoded.ptr);
  list.signature = tw_read_vector(&r);
  TW_TRY(tw_reader_end(&r));
  TW_TRY(tw_verify_with_label(env, suite, list.signature_key, LIST_LABEL, &part, 1, list.signature));
  TW_TRY(tw_fingerprint_of(env, suite, list.signature_key, admin));
  *out = list;
  return TW_OK;
}

/* Enrolment, as the first byte says: tokens, requests, replies, settings and the file that comes of them, lists. What
 * is read holds together, and what is written of it is read again. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "codec/reader.h"
#include "codec/writer.h"
#include "fuzz_env.h"
#include "keys/base64.h"
#include "node/joiner.h"
#include "node/mail.h"

enum { TOKEN = 0, REQUEST = 1, REPLY = 2, SETTINGS = 3, LIST = 4, MAIL = 5, KINDS = 6 };
#define SUITE "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"

static const uint8_t id[TW_INVITATION_ID] = {1};

static tw_invitation sample_invitation(void) {
  tw_invitation invitation = {.relay = {.host = "relay.example", .port = 9420},
                              .group = "office",
                              .suite = tw_suite_by_name(SUITE),
                              .until = 1800000000};
  return invitation;
}

/* ---- seeds ---- */

static void write_seed(const char *name, uint8_t kind, tw_bytes bytes) {
  tw_buf seed = {0};
  TW_FUZZ_ASSERT(tw_buf_append(&seed, TW_BYTES(&kind, 1)) == TW_OK && tw_buf_append(&seed, bytes) == TW_OK);
  tw_fuzz_write_seed(name, tw_buf_bytes(&seed));
  tw_buf_clear(&seed);
}

static void write_node(tw_writer *w, const char *name, uint8_t key, tw_bytes allowed, const char *host) {
  tw_enrolled node = {.name = TW_BYTES((const uint8_t *)name, strlen(name)),
                      .allowed = allowed,
                      .host = TW_BYTES((const uint8_t *)host, strlen(host)),
                      .port = host[0] == '\0' ? 0 : 9420};
  memset(node.key.digest, key, sizeof node.key.digest);
  tw_write_enrolled(w, &node);
}

static void write_seeds(const tw_env *env) {
  static const tw_prefix address = {.family = 4, .length = 24, .address = {10, 7, 0, 3}};
  static const tw_prefix other = {.family = 4, .length = 32, .address = {10, 7, 0, 1}};
  static const tw_prefix group = {.family = 6, .length = 16, .address = {0xff, 5}};
  static const uint8_t admin[TW_FINGERPRINT_SIZE + 8] = {7, [TW_FINGERPRINT_SIZE + 7] = 9}; /* and its list */
  tw_signer *signer = tw_fuzz_signer(tw_suite_by_name(SUITE));
  tw_buf b[8] = {{0}};
  tw_writer w = tw_writer_to(&b[0]);
  tw_write_enrolled_prefix(&w, &address);
  w = tw_writer_to(&b[1]);
  tw_write_enrolled_prefix(&w, &other);
  w = tw_writer_to(&b[2]);
  tw_write_enrolled_prefix(&w, &group);
  w = tw_writer_to(&b[3]);
  write_node(&w, "anna", 7, tw_buf_bytes(&b[1]), "anna.example");
  write_node(&w, "", 8, TW_NO_BYTES, "");
  const tw_enrolment_settings settings = {.name = TW_LITERAL("carla"),
                                          .addresses = tw_buf_bytes(&b[0]),
                                          .peers = tw_buf_bytes(&b[3]),
                                          .admins = TW_ARRAY(admin),
                                          .groups = tw_buf_bytes(&b[2]),
                                          .broadcast = true,
                                          .mtu = 1400,
                                          .grace = 60,
                                          .keepalive = 25};
  TW_FUZZ_ASSERT(tw_enrolment_settings_encode(&settings, &b[4]) == TW_OK);
  write_seed("settings", SETTINGS, tw_buf_bytes(&b[4]));
  static const uint8_t ca[] = {4, 0x30, 2, 5, 0}; /* DER, and no certificate */
  static const uint8_t admit[] = {9, '*', '.', 'e', 'x', 'a', 'm', 'p', 'l', 'e'};
  tw_enrolment_settings certified = settings;
  certified.ca = TW_ARRAY(ca);
  certified.admit = TW_ARRAY(admit);
  TW_FUZZ_ASSERT(tw_enrolment_settings_encode(&certified, &b[5]) == TW_OK);
  write_seed("certified", SETTINGS, tw_buf_bytes(&b[5]));
  tw_buf_clear(&b[5]);
  const tw_enrolment_reply reply = {TW_ENROLMENT_IN, {{0}}, tw_buf_bytes(&b[4])};
  TW_FUZZ_ASSERT(tw_enrolment_reply_make(env, signer, id, &reply, &b[5]) == TW_OK);
  write_seed("reply", REPLY, tw_buf_bytes(&b[5]));
  w = tw_writer_to(&b[6]);
  write_node(&w, "carla", 9, tw_buf_bytes(&b[1]), "");
  const tw_enrolment_list list = {.group = TW_LITERAL("office"), .version = 1, .entries = tw_buf_bytes(&b[6])};
  tw_buf_clear(&b[5]);
  TW_FUZZ_ASSERT(tw_enrolment_list_make(env, signer, &list, &b[5]) == TW_OK);
  write_seed("list", LIST, tw_buf_bytes(&b[5]));
  tw_buf_clear(&b[5]);
  static const uint8_t answer_key[TW_KEM_PUBLIC_MAX];
  const tw_bytes answer_public = TW_BYTES(answer_key, tw_suite_by_name(SUITE)->kem->public_size);
  TW_FUZZ_ASSERT(tw_enrolment_request_make(env, signer, TW_ENROLMENT_JOIN, answer_public, id, &b[5]) == TW_OK);
  write_seed("request", REQUEST, tw_buf_bytes(&b[5]));
  const tw_mail mail = {.kind = TW_MAIL_ENROLMENT, .body = tw_buf_bytes(&b[5])};
  TW_FUZZ_ASSERT(tw_mail_encode(&mail, &b[7]) == TW_OK);
  write_seed("mail", MAIL, tw_buf_bytes(&b[7]));
  const tw_invitation invitation = sample_invitation();
  tw_buf_clear(&b[7]);
  TW_FUZZ_ASSERT(tw_invitation_format(env, &invitation, &b[7]) == TW_OK);
  for (size_t i = 0; i < b[7].len; i++) {
    if (b[7].ptr[i] == '-') b[7].ptr[i] = '+';
    if (b[7].ptr[i] == '_') b[7].ptr[i] = '/';
  }
  while (b[7].len % 4 != 0) TW_FUZZ_ASSERT(tw_buf_append(&b[7], TW_LITERAL("=")) == TW_OK);
  tw_buf_clear(&b[5]);
  TW_FUZZ_ASSERT(tw_base64_decode(tw_buf_bytes(&b[7]), &b[5]) == TW_OK);
  write_seed("token", TOKEN, TW_BYTES(b[5].ptr, b[5].len - 4));
  for (size_t i = 0; i < 8; i++) tw_buf_clear(&b[i]);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) { /* NOLINT: the prototype that libFuzzer gives */
  (void)argc;
  (void)argv;
  if (tw_fuzz_seed_folder() == NULL) return 0;
  write_seeds(tw_fuzz_env());
  tw_fuzz_seeds_done();
  return 0;
}

/* ---- inputs ---- */

static bool is_of_a_peer(tw_err err) { return err != TW_ERR_INTERNAL && err != TW_ERR_NO_MEMORY; }

/* With its checksum, which no mutation would find. */
static void check_token(const tw_env *env, tw_bytes content) {
  tw_buf bytes = {0};
  tw_buf text = {0};
  tw_buf again = {0};
  uint8_t digest[TW_HASH_MAX];
  tw_invitation invitation;
  tw_report report = {""};
  TW_FUZZ_ASSERT(tw_hash_parts(env, tw_suite_by_id(env, 1), &content, 1, digest) == TW_OK);
  TW_FUZZ_ASSERT(tw_buf_append(&bytes, content) == TW_OK && tw_buf_append(&bytes, TW_BYTES(digest, 4)) == TW_OK);
  TW_FUZZ_ASSERT(tw_base64_encode(tw_buf_bytes(&bytes), &text) == TW_OK);
  while (text.len > 0 && text.ptr[text.len - 1] == '=') text.len--;
  for (size_t i = 0; i < text.len; i++) {
    if (text.ptr[i] == '+') text.ptr[i] = '-';
    if (text.ptr[i] == '/') text.ptr[i] = '_';
  }
  const tw_err err = tw_invitation_parse(env, tw_buf_bytes(&text), &invitation, &report);
  TW_FUZZ_ASSERT(is_of_a_peer(err) && (err == TW_OK) == (report.text[0] == '\0'));
  if (err == TW_OK) {
    TW_FUZZ_ASSERT(tw_invitation_format(env, &invitation, &again) == TW_OK);
    TW_FUZZ_ASSERT(tw_bytes_equal(tw_buf_bytes(&again), tw_buf_bytes(&text)));
  }
  (void)!tw_invitation_parse(env, content, &invitation, &report); /* and as it is */
  tw_buf_clear(&again);
  tw_buf_clear(&text);
  tw_buf_clear(&bytes);
}

static void check_settings(const tw_env *env, tw_bytes encoded) {
  const tw_invitation invitation = sample_invitation();
  const tw_joiner joiner = {.env = env, .invitation = &invitation, .self = {{1}}};
  tw_enrolment_settings settings;
  tw_buf out = {0};
  tw_buf ca = {0};
  tw_report report = {""};
  const tw_err err = tw_enrolment_settings_decode(encoded, &settings);
  if (err == TW_OK) {
    TW_FUZZ_ASSERT(tw_enrolment_settings_encode(&settings, &out) == TW_OK);
    TW_FUZZ_ASSERT(tw_bytes_equal(tw_buf_bytes(&out), encoded));
    out.len = 0;
  }
  static const tw_joiner_names names = {"f", "f.key", "f.ca.pem"};
  const tw_err written = tw_joiner_config(&joiner, encoded, &names, &out, &ca, &report);
  TW_FUZZ_ASSERT(is_of_a_peer(written) && (written == TW_OK) == (out.len > 0));
  TW_FUZZ_ASSERT(err == TW_OK || written != TW_OK);
  TW_FUZZ_ASSERT((ca.len > 0) == (written == TW_OK && settings.ca.len > 0));
  tw_buf_clear(&ca);
  tw_buf_clear(&out);
}

static void check_list(const tw_env *env, tw_bytes encoded) {
  tw_enrolment_list list;
  tw_enrolled node;
  tw_fingerprint admin;
  if (tw_enrolment_list_read(env, tw_suite_by_name(SUITE), encoded, &list, &admin) != TW_OK) return;
  tw_reader walk = tw_reader_of(list.entries);
  while (tw_enrolled_next(&walk, &node)) TW_FUZZ_ASSERT(node.name.len > 0);
  TW_FUZZ_ASSERT(tw_reader_end(&walk) == TW_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const tw_env *env = tw_fuzz_env();
  const tw_suite *suite = tw_suite_by_name(SUITE);
  tw_enrolment_request request;
  tw_enrolment_reply reply;
  tw_mail mail;
  tw_fingerprint key = {{0}};
  if (size == 0 || data[0] >= KINDS) return -1;
  const tw_bytes input = TW_BYTES(data + 1, size - 1);
  switch (data[0]) {
  case TOKEN: check_token(env, input); break;
  case REQUEST: TW_FUZZ_ASSERT(is_of_a_peer(tw_enrolment_request_read(env, suite, id, input, &request, &key))); break;
  case REPLY: TW_FUZZ_ASSERT(is_of_a_peer(tw_enrolment_reply_read(env, suite, &key, id, input, &reply))); break;
  case SETTINGS: check_settings(env, input); break;
  case LIST: check_list(env, input); break;
  default: TW_FUZZ_ASSERT(is_of_a_peer(tw_mail_decode(input, &mail))); break;
  }
  return 0;
}

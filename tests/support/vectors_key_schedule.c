/* Vectors of type key-schedule. SPDX-License-Identifier: Apache-2.0 */
#include "mls/schedule.h"
#include "vectors.h"

/* The GroupContext of the epoch must encode to what the vector says. */
static void check_group_context(tw_vector *v, json_t *epoch, size_t index, tw_bytes group_context) {
  const tw_group_context context = {.version = TW_MLS10,
                                    .cipher_suite = tw_suite_id(v->env, v->suite),
                                    .group_id = tw_vector_hex(v, v->json, "group_id"),
                                    .epoch = index,
                                    .tree_hash = tw_vector_hex(v, epoch, "tree_hash"),
                                    .confirmed_transcript_hash = tw_vector_hex(v, epoch, "confirmed_transcript_hash")};
  tw_buf encoded = {0};
  tw_writer w = tw_writer_to(&encoded);
  tw_write_group_context(&w, &context);
  if (tw_vector_ok(v, tw_writer_end(&w), "group_context")) {
    tw_vector_equal(v, tw_buf_bytes(&encoded), group_context, "group_context");
  }
  tw_buf_clear(&encoded);
}

/* welcome_secret is never given out: what the Welcome is encrypted with has to fit the vector's. */
static void check_welcome(tw_vector *v, tw_bytes joiner_secret, tw_bytes psk_secret, tw_bytes welcome_secret) {
  uint8_t key[TW_AEAD_KEY_MAX];
  uint8_t nonce[TW_AEAD_NONCE];
  uint8_t expected[TW_AEAD_KEY_MAX];
  const size_t key_size = v->suite->aead->key_size;
  if (!tw_vector_ok(v, tw_welcome_key(v->env, v->suite, joiner_secret, psk_secret, key, nonce), "welcome key")) return;
  tw_vector_ok(
      v, tw_expand_with_label(v->env, v->suite, welcome_secret, TW_LITERAL("key"), TW_NO_BYTES, expected, key_size),
      "welcome key");
  tw_vector_equal(v, TW_BYTES(key, key_size), TW_BYTES(expected, key_size), "welcome key");
  tw_vector_ok(
      v,
      tw_expand_with_label(v->env, v->suite, welcome_secret, TW_LITERAL("nonce"), TW_NO_BYTES, expected, TW_AEAD_NONCE),
      "welcome nonce");
  tw_vector_equal(v, TW_ARRAY(nonce), TW_BYTES(expected, TW_AEAD_NONCE), "welcome nonce");
}

static void check_secrets(tw_vector *v, json_t *epoch, const tw_epoch_secrets *secrets) {
  const struct {
    const char *name;
    const tw_secret *secret;
  } table[] = {
      {"sender_data_secret", &secrets->sender_data_secret},
      {"encryption_secret", &secrets->encryption_secret},
      {"exporter_secret", &secrets->exporter_secret},
      {"external_secret", &secrets->external_secret},
      {"confirmation_key", &secrets->confirmation_key},
      {"membership_key", &secrets->membership_key},
      {"resumption_psk", &secrets->resumption_psk},
      {"epoch_authenticator", &secrets->epoch_authenticator},
      {"init_secret", &secrets->init_secret},
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    tw_vector_equal(v, tw_secret_bytes(table[i].secret), tw_vector_hex(v, epoch, table[i].name), table[i].name);
  }
}

static void check_external(tw_vector *v, const tw_epoch_secrets *secrets, tw_bytes external_pub) {
  tw_secret private_key = {0};
  uint8_t public_key[TW_KEM_PUBLIC_MAX];
  const tw_bytes external_secret = tw_secret_bytes(&secrets->external_secret);
  if (!tw_vector_ok(v, tw_external_key_pair(v->env, v->suite, external_secret, &private_key, public_key),
                    "external_pub"))
    return;
  if (!tw_vector_equal(v, TW_BYTES(public_key, v->suite->kem->public_size), external_pub, "external_pub")) return;
  tw_buf kem_output = {0};
  tw_secret sent = {0};
  tw_secret received = {0};
  tw_vector_ok(v, tw_external_init_send(v->env, v->suite, external_pub, &kem_output, &sent), "external init");
  tw_vector_ok(v, tw_external_init_receive(v->env, v->suite, external_secret, tw_buf_bytes(&kem_output), &received),
               "external init");
  tw_vector_equal(v, tw_secret_bytes(&received), tw_secret_bytes(&sent), "init_secret of an external init");
  tw_buf_clear(&kem_output);
}

static void check_exporter(tw_vector *v, json_t *epoch, const tw_epoch_secrets *secrets) {
  json_t *o = tw_vector_object(v, epoch, "exporter");
  const tw_bytes label = tw_vector_text(v, o, "label");
  const tw_bytes context = tw_vector_hex(v, o, "context");
  const size_t len = (size_t)tw_vector_uint(v, o, "length", UINT16_MAX);
  const tw_bytes expected = tw_vector_hex(v, o, "secret");
  uint8_t *out = tw_vector_alloc(v, len);
  if (!tw_vector_going(v)) return;
  const tw_err err = tw_exporter(v->env, v->suite, tw_secret_bytes(&secrets->exporter_secret), label, context, out,
                                 len);
  if (tw_vector_ok(v, err, "MLS-Exporter")) tw_vector_equal(v, TW_BYTES(out, len), expected, "MLS-Exporter");
}

/* Checks one epoch; `init_secret` becomes the next one's. */
static void check_epoch(tw_vector *v, json_t *epoch, size_t index, tw_secret *init_secret) {
  const tw_bytes group_context = tw_vector_hex(v, epoch, "group_context");
  const tw_bytes commit_secret = tw_vector_hex(v, epoch, "commit_secret");
  bool with_psk = false;
  const tw_bytes psk_secret = tw_vector_optional_hex(v, epoch, "psk_secret", &with_psk);
  const tw_bytes welcome_secret = tw_vector_hex(v, epoch, "welcome_secret");
  const tw_bytes external_pub = tw_vector_hex(v, epoch, "external_pub");
  check_group_context(v, epoch, index, group_context);
  if (!tw_vector_going(v)) return;
  tw_secret joiner = {0};
  tw_epoch_secrets secrets = {0};
  tw_vector_ok(v,
               tw_joiner_secret(v->env, v->suite, tw_secret_bytes(init_secret), commit_secret, group_context, &joiner),
               "joiner_secret");
  tw_vector_equal(v, tw_secret_bytes(&joiner), tw_vector_hex(v, epoch, "joiner_secret"), "joiner_secret");
  if (!tw_vector_going(v)) return;
  check_welcome(v, tw_secret_bytes(&joiner), psk_secret, welcome_secret);
  const tw_err err = tw_epoch_secrets_derive(v->env, v->suite, tw_secret_bytes(&joiner), psk_secret, group_context,
                                             &secrets);
  if (!tw_vector_ok(v, err, "epoch secrets")) return;
  check_secrets(v, epoch, &secrets);
  check_external(v, &secrets, external_pub);
  check_exporter(v, epoch, &secrets);
  *init_secret = secrets.init_secret;
}

tw_vector_result tw_vector_key_schedule(const tw_env *env, json_t *vector) {
  tw_vector v = tw_vector_begin_with_suite(env, vector);
  const tw_bytes initial = tw_vector_hex(&v, v.json, "initial_init_secret");
  json_t *epochs = tw_vector_array(&v, v.json, "epochs");
  tw_secret init_secret = {0};
  if (tw_vector_going(&v)) tw_vector_ok(&v, tw_secret_set(&init_secret, initial), "initial_init_secret");
  for (size_t i = 0; tw_vector_going(&v) && i < json_array_size(epochs); i++) {
    tw_vector_where(&v, "epoch %zu", i);
    check_epoch(&v, json_array_get(epochs, i), i, &init_secret);
  }
  return tw_vector_end(&v);
}

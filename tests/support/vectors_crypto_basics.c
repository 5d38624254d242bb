/* Vectors of type crypto-basics: the labelled operations. SPDX-License-Identifier: Apache-2.0 */
#include "mls/label.h"
#include "vectors.h"

static void check_ref_hash(tw_vector *v) {
  json_t *o = tw_vector_object(v, v->json, "ref_hash");
  const tw_bytes label = tw_vector_text(v, o, "label");
  const tw_bytes value = tw_vector_hex(v, o, "value");
  const tw_bytes expected = tw_vector_hex(v, o, "out");
  if (!tw_vector_going(v)) return;
  uint8_t out[TW_HASH_MAX];
  if (!tw_vector_ok(v, tw_ref_hash(v->env, v->suite, label, value, out), "RefHash")) return;
  tw_vector_equal(v, TW_BYTES(out, v->suite->hash->size), expected, "RefHash");
}

static void check_expand_with_label(tw_vector *v) {
  json_t *o = tw_vector_object(v, v->json, "expand_with_label");
  const tw_bytes secret = tw_vector_hex(v, o, "secret");
  const tw_bytes label = tw_vector_text(v, o, "label");
  const tw_bytes context = tw_vector_hex(v, o, "context");
  const size_t len = (size_t)tw_vector_uint(v, o, "length", UINT16_MAX);
  const tw_bytes expected = tw_vector_hex(v, o, "out");
  uint8_t *out = tw_vector_alloc(v, len);
  if (!tw_vector_going(v)) return;
  if (!tw_vector_ok(v, tw_expand_with_label(v->env, v->suite, secret, label, context, out, len), "ExpandWithLabel"))
    return;
  tw_vector_equal(v, TW_BYTES(out, len), expected, "ExpandWithLabel");
}

static void check_derive_secret(tw_vector *v) {
  json_t *o = tw_vector_object(v, v->json, "derive_secret");
  const tw_bytes secret = tw_vector_hex(v, o, "secret");
  const tw_bytes label = tw_vector_text(v, o, "label");
  const tw_bytes expected = tw_vector_hex(v, o, "out");
  if (!tw_vector_going(v)) return;
  tw_secret out = {0};
  if (!tw_vector_ok(v, tw_derive_secret(v->env, v->suite, secret, label, &out), "DeriveSecret")) return;
  tw_vector_equal(v, tw_secret_bytes(&out), expected, "DeriveSecret");
}

static void check_derive_tree_secret(tw_vector *v) {
  json_t *o = tw_vector_object(v, v->json, "derive_tree_secret");
  const tw_bytes secret = tw_vector_hex(v, o, "secret");
  const tw_bytes label = tw_vector_text(v, o, "label");
  const uint32_t generation = (uint32_t)tw_vector_uint(v, o, "generation", UINT32_MAX);
  const size_t len = (size_t)tw_vector_uint(v, o, "length", UINT16_MAX);
  const tw_bytes expected = tw_vector_hex(v, o, "out");
  uint8_t *out = tw_vector_alloc(v, len);
  if (!tw_vector_going(v)) return;
  const tw_err err = tw_derive_tree_secret(v->env, v->suite, secret, label, generation, out, len);
  if (tw_vector_ok(v, err, "DeriveTreeSecret")) tw_vector_equal(v, TW_BYTES(out, len), expected, "DeriveTreeSecret");
}

static void check_sign_with_label(tw_vector *v) {
  json_t *o = tw_vector_object(v, v->json, "sign_with_label");
  const tw_bytes priv = tw_vector_signature_priv(v, o, "priv");
  const tw_bytes pub = tw_vector_hex(v, o, "pub");
  const tw_bytes content = tw_vector_hex(v, o, "content");
  const tw_bytes label = tw_vector_text(v, o, "label");
  const tw_bytes signature = tw_vector_hex(v, o, "signature");
  if (!tw_vector_going(v)) return;
  tw_signer *signer = NULL;
  tw_buf made = {0};
  tw_vector_ok(v, tw_verify_with_label(v->env, v->suite, pub, label, &content, 1, signature), "VerifyWithLabel");
  tw_vector_ok(v, tw_signer_import(v->env, v->suite, priv, &signer), "priv");
  if (tw_vector_going(v)) {
    tw_vector_equal(v, tw_signer_public_key(signer), pub, "public key of priv");
    tw_vector_ok(v, tw_sign_with_label(v->env, signer, label, &content, 1, &made), "SignWithLabel");
  }
  if (tw_vector_going(v)) {
    tw_vector_ok(v, tw_verify_with_label(v->env, v->suite, pub, label, &content, 1, tw_buf_bytes(&made)),
                 "VerifyWithLabel of SignWithLabel");
  }
  tw_buf_clear(&made);
  tw_signer_free(signer);
}

typedef struct sealed {
  tw_bytes priv;
  tw_bytes pub;
  tw_bytes label;
  tw_bytes context;
} sealed;

static void check_decrypt(tw_vector *v, const sealed *s, tw_bytes kem_output, tw_bytes ciphertext, tw_bytes expected,
                          const char *what) {
  tw_buf plaintext = {0};
  const tw_err err = tw_decrypt_with_label(v->env, v->suite, s->priv, s->pub, s->label, s->context, kem_output,
                                           ciphertext, &plaintext);
  if (tw_vector_ok(v, err, what)) tw_vector_equal(v, tw_buf_bytes(&plaintext), expected, what);
  tw_buf_clear(&plaintext);
}

static void check_encrypt_with_label(tw_vector *v) {
  json_t *o = tw_vector_object(v, v->json, "encrypt_with_label");
  const sealed s = {tw_vector_hpke_priv(v, o, "priv"), tw_vector_hex(v, o, "pub"), tw_vector_text(v, o, "label"),
                    tw_vector_hex(v, o, "context")};
  const tw_bytes plaintext = tw_vector_hex(v, o, "plaintext");
  const tw_bytes kem_output = tw_vector_hex(v, o, "kem_output");
  const tw_bytes ciphertext = tw_vector_hex(v, o, "ciphertext");
  if (!tw_vector_going(v)) return;
  check_decrypt(v, &s, kem_output, ciphertext, plaintext, "DecryptWithLabel");
  tw_buf made_output = {0};
  tw_buf made = {0};
  const tw_err err = tw_encrypt_with_label(v->env, v->suite, s.pub, s.label, s.context, plaintext, &made_output, &made);
  if (tw_vector_ok(v, err, "EncryptWithLabel")) {
    check_decrypt(v, &s, tw_buf_bytes(&made_output), tw_buf_bytes(&made), plaintext,
                  "DecryptWithLabel of EncryptWithLabel");
  }
  tw_buf_clear(&made_output);
  tw_buf_clear(&made);
}

tw_vector_result tw_vector_crypto_basics(const tw_env *env, json_t *vector) {
  tw_vector v = tw_vector_begin_with_suite(env, vector);
  check_ref_hash(&v);
  check_expand_with_label(&v);
  check_derive_secret(&v);
  check_derive_tree_secret(&v);
  check_sign_with_label(&v);
  check_encrypt_with_label(&v);
  return tw_vector_end(&v);
}

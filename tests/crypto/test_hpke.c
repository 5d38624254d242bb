/* HPKE: known answers and refusals. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "crypto/hpke.h"
#include "support/tw_cmocka.h"
#include "support/tw_test_env.h"

/* Bytes to be "drawn", for encapsulation with given randomness. */
static tw_err given_random(void *ctx, uint8_t *out, size_t len) {
  tw_bytes *left = ctx;
  memset(out, 0, len); /* the vectors give fewer bytes for P-256 than may be needed if scalars are rejected */
  const size_t take = left->len < len ? left->len : len;
  memcpy(out, left->ptr, take);
  *left = TW_BYTES(left->ptr + take, left->len - take);
  return TW_OK;
}

static const tw_kem *kem_by_id(uint64_t id) {
  for (size_t i = 0; tw_suite_at(i) != NULL; i++)
    if (tw_suite_at(i)->kem->id == id) return tw_suite_at(i)->kem;
  return NULL;
}

static const tw_hash *hash_by_kdf(uint64_t id) {
  if (id == 1) return &tw_hash_sha256;
  if (id == 2) return &tw_hash_sha384;
  return id == 3 ? &tw_hash_sha512 : NULL;
}

static const tw_aead *aead_by_id(uint64_t id) {
  if (id == 1) return &tw_aead_aes128gcm;
  return id == 2 ? &tw_aead_aes256gcm : &tw_aead_chacha20poly1305;
}

typedef struct fields {
  tw_buf info, ikm_e, ikm_r, sk, pk, enc, shared, key, nonce, exporter, scratch, out;
} fields;

static void clear_fields(fields *f) {
  tw_buf *all = &f->info;
  for (size_t i = 0; i < sizeof(*f) / sizeof(tw_buf); i++) tw_buf_clear(&all[i]);
}

static void check_kem(tw_test_env *test, const tw_kem *kem, const json_t *vector, fields *f) {
  tw_provider *provider = test->env.provider;
  tw_test_hex(vector, "ikmE", &f->ikm_e);
  tw_test_hex(vector, "ikmR", &f->ikm_r);
  tw_test_hex(vector, "skRm", &f->sk);
  tw_test_hex(vector, "pkRm", &f->pk);
  tw_test_hex(vector, "enc", &f->enc);
  tw_secret sk = {{0}, 0};
  uint8_t pk[TW_KEM_PUBLIC_MAX];
  assert_int_equal(tw_kem_derive(provider, kem, tw_buf_bytes(&f->ikm_r), &sk, pk), TW_OK);
  tw_test_same(tw_secret_bytes(&sk), tw_buf_bytes(&f->sk));
  tw_test_same(TW_BYTES(pk, kem->public_size), tw_buf_bytes(&f->pk));
  memset(pk, 0, sizeof(pk));
  assert_int_equal(tw_kem_public(provider, kem, tw_secret_bytes(&sk), pk), TW_OK);
  tw_test_same(TW_BYTES(pk, kem->public_size), tw_buf_bytes(&f->pk));
  assert_int_equal(tw_kem_check(provider, kem, tw_buf_bytes(&f->pk)), TW_OK);

  uint8_t seed[TW_KEM_RANDOM_MAX] = {0};
  memcpy(seed, f->ikm_e.ptr, f->ikm_e.len);
  uint8_t enc[TW_KEM_OUTPUT_MAX];
  uint8_t sent[TW_KEM_SECRET_MAX];
  uint8_t got[TW_KEM_SECRET_MAX];
  assert_int_equal(
      tw_kem_encap_seeded(provider, kem, tw_buf_bytes(&f->pk), TW_BYTES(seed, kem->encap_seed_size), enc, sent), TW_OK);
  tw_test_same(TW_BYTES(enc, kem->output_size), tw_buf_bytes(&f->enc));
  assert_int_equal(tw_kem_decap(provider, kem, tw_buf_bytes(&f->sk), tw_buf_bytes(&f->pk), tw_buf_bytes(&f->enc), got),
                   TW_OK);
  assert_memory_equal(sent, got, kem->secret_size);
  memset(got, 0, sizeof(got));
  assert_int_equal(tw_kem_decap(provider, kem, tw_buf_bytes(&f->sk), TW_NO_BYTES, tw_buf_bytes(&f->enc), got), TW_OK);
  assert_memory_equal(sent, got, kem->secret_size);
  tw_buf_clear(&f->shared);
  assert_int_equal(tw_buf_append(&f->shared, TW_BYTES(got, kem->secret_size)), TW_OK);
}

static void check_context(tw_test_env *test, const tw_suite *suite, const json_t *vector, fields *f) {
  const tw_env *env = &test->env;
  tw_test_hex(vector, "info", &f->info);
  tw_test_hex(vector, "key", &f->key);
  tw_test_hex(vector, "base_nonce", &f->nonce);
  tw_test_hex(vector, "exporter_secret", &f->exporter);
  tw_hpke_context context;
  const tw_bytes info = tw_buf_bytes(&f->info);
  tw_hpke_info hashed;
  assert_int_equal(tw_hpke_info_of(env, suite, &info, 1, &hashed), TW_OK);
  assert_int_equal(tw_hpke_key_schedule(env, suite, tw_buf_bytes(&f->shared), &hashed, &context), TW_OK);
  tw_test_same(TW_BYTES(context.key, suite->aead->key_size), tw_buf_bytes(&f->key));
  tw_test_same(TW_ARRAY(context.base_nonce), tw_buf_bytes(&f->nonce));
  tw_test_same(TW_BYTES(context.exporter_secret, suite->hash->size), tw_buf_bytes(&f->exporter));
}

static void check_messages(tw_test_env *test, const tw_suite *suite, const json_t *vector, fields *f) {
  tw_env env = test->env;
  tw_bytes drawn = tw_buf_bytes(&f->ikm_e);
  env.random = given_random;
  env.random_ctx = &drawn;
  const json_t *first = json_array_get(json_object_get(vector, "encryptions"), 0);
  tw_buf aad = {0};
  tw_buf pt = {0};
  tw_buf ct = {0};
  tw_buf enc = {0};
  tw_test_hex(first, "aad", &aad);
  tw_test_hex(first, "pt", &pt);
  tw_test_hex(first, "ct", &f->scratch);
  const tw_bytes info = tw_buf_bytes(&f->info);
  assert_int_equal(
      tw_hpke_seal(&env, suite, tw_buf_bytes(&f->pk), info, tw_buf_bytes(&aad), tw_buf_bytes(&pt), &enc, &ct), TW_OK);
  tw_test_same(tw_buf_bytes(&enc), tw_buf_bytes(&f->enc));
  tw_test_same(tw_buf_bytes(&ct), tw_buf_bytes(&f->scratch));
  f->out.len = 0;
  assert_int_equal(tw_hpke_open(&env, suite, tw_buf_bytes(&f->sk), tw_buf_bytes(&f->pk), tw_buf_bytes(&enc), info,
                                tw_buf_bytes(&aad), tw_buf_bytes(&ct), &f->out),
                   TW_OK);
  tw_test_same(tw_buf_bytes(&f->out), tw_buf_bytes(&pt));

  size_t i;
  json_t *exported;
  json_array_foreach(json_object_get(vector, "exports"), i, exported) {
    const size_t len = (size_t)tw_test_number(exported, "L");
    tw_test_hex(exported, "exporter_context", &aad);
    tw_test_hex(exported, "exported_value", &pt);
    tw_secret secret = {{0}, 0};
    assert_int_equal(tw_hpke_receive_export(&env, suite, tw_buf_bytes(&f->sk), tw_buf_bytes(&f->pk),
                                            tw_buf_bytes(&f->enc), info, tw_buf_bytes(&aad), len, &secret),
                     TW_OK);
    tw_test_same(tw_secret_bytes(&secret), tw_buf_bytes(&pt));
    drawn = tw_buf_bytes(&f->ikm_e);
    tw_secret_clear(&secret);
    enc.len = 0;
    assert_int_equal(
        tw_hpke_send_export(&env, suite, tw_buf_bytes(&f->pk), info, tw_buf_bytes(&aad), len, &enc, &secret), TW_OK);
    tw_test_same(tw_buf_bytes(&enc), tw_buf_bytes(&f->enc));
    tw_test_same(tw_secret_bytes(&secret), tw_buf_bytes(&pt));
  }
  tw_buf_clear(&aad);
  tw_buf_clear(&pt);
  tw_buf_clear(&ct);
  tw_buf_clear(&enc);
}

static void agrees_with_the_hpke_pq_vectors(void **state) {
  (void)state;
  json_t *root = tw_test_vectors("hpke/hpke-pq.json");
  tw_test_env test;
  tw_test_env_init(&test, 1);
  fields f;
  memset(&f, 0, sizeof(f));
  size_t kems = 0;
  size_t whole = 0;
  size_t i;
  json_t *vector;
  json_array_foreach(root, i, vector) {
    const uint64_t kdf = tw_test_number(vector, "kdf_id");
    const tw_kem *kem = kem_by_id(tw_test_number(vector, "kem_id"));
    /* Not ours: ML-KEM-512, and DHKEM with the single-stage KDFs (its own KDF is another one then). */
    if (kem == NULL || (kdf > 3 && kem->id < TW_KEM_MLKEM768)) continue;
    check_kem(&test, kem, vector, &f);
    kems++;
    if (kdf > 3) continue;
    const tw_suite suite = {
        0, 0, "vector", kem, hash_by_kdf(kdf), aead_by_id(tw_test_number(vector, "aead_id")), &tw_signature_ed25519};
    check_context(&test, &suite, vector, &f);
    check_messages(&test, &suite, vector, &f);
    whole++;
  }
  assert_int_equal(kems, 8);
  assert_int_equal(whole, 5);
  clear_fields(&f);
  json_decref(root);
  tw_test_env_clear(&test);
}

static void mlkem768x25519_is_x_wing(void **state) {
  (void)state;
  json_t *root = tw_test_vectors("hpke/x-wing.json");
  tw_test_env test;
  tw_test_env_init(&test, 1);
  const tw_kem *kem = &tw_kem_mlkem768_x25519;
  tw_buf seed = {0};
  tw_buf expected = {0};
  uint8_t pk[TW_KEM_PUBLIC_MAX];
  uint8_t ct[TW_KEM_OUTPUT_MAX];
  uint8_t ss[TW_KEM_SECRET_MAX];
  uint8_t again[TW_KEM_SECRET_MAX];
  size_t i;
  json_t *vector;
  json_array_foreach(root, i, vector) {
    tw_test_hex(vector, "sk", &seed);
    tw_test_hex(vector, "pk", &expected);
    assert_int_equal(tw_kem_public(test.env.provider, kem, tw_buf_bytes(&seed), pk), TW_OK);
    tw_test_same(TW_BYTES(pk, kem->public_size), tw_buf_bytes(&expected));
    tw_test_hex(vector, "eseed", &expected);
    assert_int_equal(
        tw_kem_encap_seeded(test.env.provider, kem, TW_BYTES(pk, kem->public_size), tw_buf_bytes(&expected), ct, ss),
        TW_OK);
    tw_test_hex(vector, "ct", &expected);
    tw_test_same(TW_BYTES(ct, kem->output_size), tw_buf_bytes(&expected));
    tw_test_hex(vector, "ss", &expected);
    tw_test_same(TW_BYTES(ss, kem->secret_size), tw_buf_bytes(&expected));
    assert_int_equal(
        tw_kem_decap(test.env.provider, kem, tw_buf_bytes(&seed), TW_NO_BYTES, TW_BYTES(ct, kem->output_size), again),
        TW_OK);
    assert_memory_equal(ss, again, kem->secret_size);
  }
  tw_buf_clear(&seed);
  tw_buf_clear(&expected);
  json_decref(root);
  tw_test_env_clear(&test);
}

static void every_suite_seals_and_opens(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 7);
  for (size_t i = 0; tw_suite_at(i) != NULL; i++) {
    const tw_suite *suite = tw_suite_at(i);
    tw_secret sk = {{0}, 0};
    uint8_t pk[TW_KEM_PUBLIC_MAX];
    assert_int_equal(tw_kem_generate(&test.env, suite, &sk, pk), TW_OK);
    const tw_bytes public_key = TW_BYTES(pk, suite->kem->public_size);
    tw_buf enc = TW_BUF_INIT(&test.alloc);
    tw_buf ct = TW_BUF_INIT(&test.alloc);
    tw_buf pt = TW_BUF_INIT(&test.alloc);
    assert_int_equal(tw_hpke_seal(&test.env, suite, public_key, TW_LITERAL("info"), TW_LITERAL("aad"),
                                  TW_LITERAL("hello"), &enc, &ct),
                     TW_OK);
    assert_int_equal(enc.len, suite->kem->output_size);
    assert_int_equal(tw_hpke_open(&test.env, suite, tw_secret_bytes(&sk), public_key, tw_buf_bytes(&enc),
                                  TW_LITERAL("info"), TW_LITERAL("aad"), tw_buf_bytes(&ct), &pt),
                     TW_OK);
    tw_test_same(tw_buf_bytes(&pt), TW_LITERAL("hello"));
    tw_buf_clear(&enc);
    tw_buf_clear(&ct);
    tw_buf_clear(&pt);
  }
  tw_test_env_clear(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_the_hpke_pq_vectors),
      cmocka_unit_test(mlkem768x25519_is_x_wing),
      cmocka_unit_test(every_suite_seals_and_opens),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

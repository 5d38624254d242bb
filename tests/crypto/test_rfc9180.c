/* RFC 9180 appendix A: base mode with the suites of RFC 9420 that it has. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "crypto/hpke.h"
#include "support/tw_cmocka.h"
#include "support/tw_test_env.h"

typedef struct known {
  uint16_t suite;
  const char *ikm_e, *ikm_r, *sk_r, *enc, *shared_secret, *key, *base_nonce, *exporter_secret;
  const char *ct; /* of sequence number 0; NULL: not looked at */
} known;

static const known answers[] = {
    {.suite = 1, /* A.1.1 */
     .ikm_e = "7268600d403fce431561aef583ee1613527cff655c1343f29812e66706df3234",
     .ikm_r = "6db9df30aa07dd42ee5e8181afdb977e538f5e1fec8a06223f33f7013e525037",
     .sk_r = "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8",
     .enc = "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431",
     .shared_secret = "fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc",
     .key = "4531685d41d65f03dc48f6b8302c05b0",
     .base_nonce = "56d890e5accaaf011cff4b7d",
     .exporter_secret = "45ff1c2e220db587171952c0592d5f5ebe103f1561a2614e38f2ffd47e99e3f8",
     .ct = "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a"},
    {.suite = 3, /* A.2.1 */
     .ikm_e = "909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b",
     .ikm_r = "1ac01f181fdf9f352797655161c58b75c656a6cc2716dcb66372da835542e1df",
     .sk_r = "8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb",
     .enc = "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a",
     .shared_secret = "0bbe78490412b4bbea4812666f7916932b828bba79942424abb65244930d69a7",
     .key = "ad2744de8e17f4ebba575b3f5f5a8fa1f69c2a07f6e7500bc60ca6e3e3ec1c91",
     .base_nonce = "5c4d98150661b848853b547f",
     .exporter_secret = "a3b010d4994890e2c6968a36f64470d3c824c8f5029942feb11e7a74b2921922",
     .ct = "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28"},
    {.suite = 2, /* A.3.1 */
     .ikm_e = "4270e54ffd08d79d5928020af4686d8f6b7d35dbe470265f1f5aa22816ce860e",
     .ikm_r = "668b37171f1072f3cf12ea8a236a45df23fc13b82af3609ad1e354f6ef817550",
     .sk_r = "f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2",
     .enc = "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac98536d7b61a1af4b78e5b7f951c0900be863c403c"
            "e65c"
            "9bfcb9382657222d18c4",
     .shared_secret = "c0d26aeab536609a572b07695d933b589dcf363ff9d93c93adea537aeabb8cb8",
     .key = "868c066ef58aae6dc589b6cfdd18f97e",
     .base_nonce = "4e0bc5018beba4bf004cca59",
     .exporter_secret = "14ad94af484a7ad3ef40e9f3be99ecc6fa9036df9d4920548424df127ee0d99f",
     .ct = "5ad590bb8baa577f8619db35a36311226a896e7342a6d836d8b7bcd2f20b6c7f9076ac232e3ab2523f39513434"},
    {.suite = 5, /* A.6.1 */
     .ikm_e = "7f06ab8215105fc46aceeb2e3dc5028b44364f960426eb0d8e4026c2f8b5d7e7a986688f1591abf5ab753c357a5d6f0440414b4e"
              "d4ede7"
              "1317772ac98d9239f70904",
     .ikm_r = "2ad954bbe39b7122529f7dde780bff626cd97f850d0784a432784e69d86eccaade43b6c10a8ffdb94bf943c6da479db137914ec8"
              "35a7e7"
              "15e36e45e29b587bab3bf1",
     .sk_r = "01462680369ae375e4b3791070a7458ed527842f6a98a79ff5e0d4cbde83c27196a3916956655523a6a2556a7af62c5cadabe2ef9"
             "da3760"
             "bb21e005202f7b2462847",
     .enc = "040138b385ca16bb0d5fa0c0665fbbd7e69e3ee29f63991d3e9b5fa740aab8900aaeed46ed73a49055758425a0ce36507c54b29cc5"
            "b85a5c"
            "ee6bae0cf1c21f2731ece2013dc3fb7c8d21654bb161b463962ca19e8c654ff24c94dd2898de12051f1ed0692237fb02b2f8d1dc1c"
            "73e9b3"
            "66b529eb436e98a996ee522aef863dd5739d2f29b0",
     .shared_secret =
         "776ab421302f6eff7d7cb5cb1adaea0cd50872c71c2d63c30c4f1d5e43653336fef33b103c67e7a98add2d3b66e2fda95b5b2a"
         "667aa9dac7e59cc1d46d30e818",
     .key = "751e346ce8f0ddb2305c8a2a85c70d5cf559c53093656be636b9406d4d7d1b70",
     .base_nonce = "55ff7a7d739c69f44b25447b",
     .exporter_secret =
         "e4ff9dfbc732a2b9c75823763c5ccc954a2c0648fc6de80a58581252d0ee3215388a4455e69086b50b87eb28c169a52f42e7"
         "1de4ca61c920e7bd24c95cc3f992",
     .ct = NULL},
};

static void expect(tw_bytes got, const char *hex) {
  tw_buf wanted = {0};
  tw_test_unhex(hex, &wanted);
  tw_test_same(got, tw_buf_bytes(&wanted));
  tw_buf_clear(&wanted);
}

static tw_err given_random(void *ctx, uint8_t *out, size_t len) {
  const tw_buf *given = ctx;
  assert_int_equal(given->len, len);
  memcpy(out, given->ptr, len);
  return TW_OK;
}

static void check(tw_test_env *test, const known *answer) {
  const tw_suite *suite = tw_suite_by_id(&test->env, answer->suite);
  tw_buf ikm_e = {0};
  tw_buf ikm_r = {0};
  tw_buf enc = {0};
  tw_buf ct = {0};
  tw_buf pt = {0};
  tw_test_unhex(answer->ikm_e, &ikm_e);
  tw_test_unhex(answer->ikm_r, &ikm_r);
  tw_secret sk = {{0}, 0};
  uint8_t pk_bytes[TW_KEM_PUBLIC_MAX];
  assert_int_equal(tw_kem_derive_key_pair(&test->env, suite, tw_buf_bytes(&ikm_r), &sk, pk_bytes), TW_OK);
  const tw_bytes pk = TW_BYTES(pk_bytes, suite->kem->public_size);
  expect(tw_secret_bytes(&sk), answer->sk_r);

  const tw_bytes info = TW_LITERAL("Ode on a Grecian Urn");
  tw_env env = test->env;
  env.random = given_random;
  env.random_ctx = &ikm_e;
  assert_int_equal(tw_hpke_seal(&env, suite, pk, info, TW_LITERAL("Count-0"),
                                TW_LITERAL("Beauty is truth, truth beauty"), &enc, &ct),
                   TW_OK);
  expect(tw_buf_bytes(&enc), answer->enc);
  if (answer->ct != NULL) expect(tw_buf_bytes(&ct), answer->ct);
  assert_int_equal(tw_hpke_open(&env, suite, tw_secret_bytes(&sk), pk, tw_buf_bytes(&enc), info, TW_LITERAL("Count-0"),
                                tw_buf_bytes(&ct), &pt),
                   TW_OK);
  tw_test_same(tw_buf_bytes(&pt), TW_LITERAL("Beauty is truth, truth beauty"));

  uint8_t shared[TW_KEM_SECRET_MAX];
  tw_hpke_context context;
  assert_int_equal(tw_kem_decap(env.provider, suite->kem, tw_secret_bytes(&sk), pk, tw_buf_bytes(&enc), shared), TW_OK);
  expect(TW_BYTES(shared, suite->kem->secret_size), answer->shared_secret);
  tw_hpke_info hashed;
  assert_int_equal(tw_hpke_info_of(&env, suite, &info, 1, &hashed), TW_OK);
  assert_int_equal(tw_hpke_key_schedule(&env, suite, TW_BYTES(shared, suite->kem->secret_size), &hashed, &context),
                   TW_OK);
  expect(TW_BYTES(context.key, suite->aead->key_size), answer->key);
  expect(TW_ARRAY(context.base_nonce), answer->base_nonce);
  expect(TW_BYTES(context.exporter_secret, suite->hash->size), answer->exporter_secret);
  tw_buf_clear(&ikm_e);
  tw_buf_clear(&ikm_r);
  tw_buf_clear(&enc);
  tw_buf_clear(&ct);
  tw_buf_clear(&pt);
}

static void agrees_with_appendix_a(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 1);
  for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) check(&test, &answers[i]);
  tw_test_env_clear(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_appendix_a)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

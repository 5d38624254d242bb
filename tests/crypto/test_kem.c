/* KEM and HPKE refusals: bad keys, bad outputs, failing randomness and memory. SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <string.h>

#include "crypto/hpke.h"
#include "support/tw_cmocka.h"
#include "support/tw_test_env.h"

/* One suite for each KEM. */
static const tw_suite *next_kem_suite(size_t *at) {
  for (; tw_suite_at(*at) != NULL; (*at)++) {
    const tw_suite *suite = tw_suite_at(*at);
    bool seen = false;
    for (size_t i = 0; i < *at; i++) seen = seen || tw_suite_at(i)->kem == suite->kem;
    if (!seen) {
      (*at)++;
      return suite;
    }
  }
  return NULL;
}

static const tw_suite *suite_with(const tw_kem *kem) {
  for (size_t i = 0; tw_suite_at(i) != NULL; i++)
    if (tw_suite_at(i)->kem == kem) return tw_suite_at(i);
  return NULL;
}

typedef struct pair {
  tw_secret sk;
  uint8_t pk[TW_KEM_PUBLIC_MAX];
  tw_buf enc;
  tw_buf ct;
} pair;

#define INFO TW_LITERAL("info")
#define AAD TW_LITERAL("aad")

static tw_bytes pk_of(const tw_suite *suite, const pair *p) { return TW_BYTES(p->pk, suite->kem->public_size); }

static void make_pair(tw_test_env *test, const tw_suite *suite, pair *p) {
  memset(p, 0, sizeof(*p));
  p->enc = TW_BUF_INIT(&test->alloc);
  p->ct = TW_BUF_INIT(&test->alloc);
  assert_int_equal(tw_kem_generate(&test->env, suite, &p->sk, p->pk), TW_OK);
  assert_int_equal(tw_hpke_seal(&test->env, suite, pk_of(suite, p), INFO, AAD, TW_LITERAL("message"), &p->enc, &p->ct),
                   TW_OK);
}

static void clear_pair(pair *p) {
  tw_buf_clear(&p->enc);
  tw_buf_clear(&p->ct);
}

static tw_err try_open(tw_test_env *test, const tw_suite *suite, const pair *p, tw_bytes enc, tw_bytes ct) {
  tw_buf out = TW_BUF_INIT(&test->alloc);
  const tw_err err = tw_hpke_open(&test->env, suite, tw_secret_bytes(&p->sk), pk_of(suite, p), enc, INFO, AAD, ct,
                                  &out);
  if (err != TW_OK) assert_int_equal(out.len, 0);
  tw_buf_clear(&out);
  assert_int_equal(ERR_peek_error(), 0);
  return err;
}

static tw_err try_seal(tw_test_env *test, const tw_suite *suite, tw_bytes pk) {
  tw_buf enc = TW_BUF_INIT(&test->alloc);
  tw_buf ct = TW_BUF_INIT(&test->alloc);
  assert_int_equal(tw_buf_append(&enc, TW_LITERAL("before")), TW_OK);
  assert_int_equal(tw_buf_append(&ct, TW_LITERAL("before")), TW_OK);
  const tw_err err = tw_hpke_seal(&test->env, suite, pk, INFO, AAD, TW_LITERAL("message"), &enc, &ct);
  if (err != TW_OK) {
    tw_test_same(tw_buf_bytes(&enc), TW_LITERAL("before"));
    tw_test_same(tw_buf_bytes(&ct), TW_LITERAL("before"));
  }
  tw_buf_clear(&enc);
  tw_buf_clear(&ct);
  assert_int_equal(ERR_peek_error(), 0);
  return err;
}

/* A public key that neither seals nor passes the check, and, where it fits, opens nothing as an encapsulation either.
 */
static void refused_public(tw_test_env *test, const tw_suite *suite, tw_bytes pk) {
  assert_int_equal(tw_kem_check_public(&test->env, suite, pk), TW_ERR_KEY);
  assert_int_equal(try_seal(test, suite, pk), TW_ERR_KEY);
}

static void every_changed_byte_is_refused(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 11);
  const tw_suite *suite;
  for (size_t at = 0; (suite = next_kem_suite(&at)) != NULL;) {
    pair p;
    make_pair(&test, suite, &p);
    const tw_bytes enc = tw_buf_bytes(&p.enc);
    const tw_bytes ct = tw_buf_bytes(&p.ct);
    /* The slow ones and the long ones by samples, so that the whole takes seconds. */
    const size_t step = enc.len > 200 ? 37 : 1;
    const unsigned bits = enc.len <= 65 ? 8 : 1;
    for (size_t i = 0; i < enc.len; i += step)
      for (unsigned bit = 0; bit < bits; bit++) {
        const uint8_t mask = (uint8_t)(1u << (bit + i) % 8);
        /* X25519 ignores the top bit of the coordinate, but the KEM binds the encoding. */
        p.enc.ptr[i] ^= mask;
        assert_int_equal(try_open(&test, suite, &p, enc, ct), TW_ERR_DECRYPT);
        p.enc.ptr[i] ^= mask;
      }
    for (size_t i = 0; i < ct.len; i++) {
      p.ct.ptr[i] ^= 0x10;
      assert_int_equal(try_open(&test, suite, &p, enc, ct), TW_ERR_DECRYPT);
      p.ct.ptr[i] ^= 0x10;
    }
    for (size_t cut = 0; cut < ct.len; cut++)
      assert_int_equal(try_open(&test, suite, &p, enc, TW_BYTES(ct.ptr, cut)), TW_ERR_DECRYPT);
    for (size_t cut = 0; cut < enc.len; cut++)
      assert_int_equal(try_open(&test, suite, &p, TW_BYTES(enc.ptr, cut), ct), TW_ERR_DECRYPT);
    assert_int_equal(tw_buf_append(&p.enc, TW_LITERAL("x")), TW_OK);
    assert_int_equal(try_open(&test, suite, &p, tw_buf_bytes(&p.enc), ct), TW_ERR_DECRYPT);
    p.enc.len--;
    assert_int_equal(try_open(&test, suite, &p, tw_buf_bytes(&p.enc), ct), TW_OK);
    clear_pair(&p);
  }
  tw_test_env_clear(&test);
}

static void another_info_aad_or_key_is_refused(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 12);
  const tw_suite *suite;
  for (size_t at = 0; (suite = next_kem_suite(&at)) != NULL;) {
    pair p;
    pair other;
    make_pair(&test, suite, &p);
    make_pair(&test, suite, &other);
    tw_buf out = TW_BUF_INIT(&test.alloc);
    const tw_bytes sk = tw_secret_bytes(&p.sk);
    assert_int_equal(tw_hpke_open(&test.env, suite, sk, pk_of(suite, &p), tw_buf_bytes(&p.enc), TW_LITERAL("Info"), AAD,
                                  tw_buf_bytes(&p.ct), &out),
                     TW_ERR_DECRYPT);
    assert_int_equal(tw_hpke_open(&test.env, suite, sk, pk_of(suite, &p), tw_buf_bytes(&p.enc), INFO, TW_NO_BYTES,
                                  tw_buf_bytes(&p.ct), &out),
                     TW_ERR_DECRYPT);
    assert_int_equal(try_open(&test, suite, &other, tw_buf_bytes(&p.enc), tw_buf_bytes(&p.ct)), TW_ERR_DECRYPT);
    /* Without the public key it is computed. */
    assert_int_equal(
        tw_hpke_open(&test.env, suite, sk, TW_NO_BYTES, tw_buf_bytes(&p.enc), INFO, AAD, tw_buf_bytes(&p.ct), &out),
        TW_OK);
    tw_test_same(tw_buf_bytes(&out), TW_LITERAL("message"));
    tw_buf_clear(&out);
    clear_pair(&p);
    clear_pair(&other);
  }
  tw_test_env_clear(&test);
}

static void keys_of_wrong_length_are_refused(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 13);
  const tw_suite *suite;
  for (size_t at = 0; (suite = next_kem_suite(&at)) != NULL;) {
    pair p;
    make_pair(&test, suite, &p);
    uint8_t longer[TW_KEM_PUBLIC_MAX + 1] = {0};
    memcpy(longer, p.pk, suite->kem->public_size);
    for (size_t len = 0; len <= (size_t)suite->kem->public_size + 1; len++)
      if (len != suite->kem->public_size) refused_public(&test, suite, TW_BYTES(longer, len));
    tw_buf out = TW_BUF_INIT(&test.alloc);
    uint8_t sk[TW_SECRET_MAX + 1] = {0};
    uint8_t pk[TW_KEM_PUBLIC_MAX];
    const uint8_t zeros[TW_KEM_PUBLIC_MAX] = {0};
    memcpy(sk, p.sk.data, p.sk.len);
    for (size_t len = 0; len <= (size_t)p.sk.len + 1; len++) {
      if (len == p.sk.len) continue;
      memset(pk, 0xaa, sizeof(pk));
      assert_int_equal(tw_kem_public_key(&test.env, suite, TW_BYTES(sk, len), pk), TW_ERR_KEY);
      assert_memory_equal(pk, zeros, suite->kem->public_size);
      assert_int_equal(tw_hpke_open(&test.env, suite, TW_BYTES(sk, len), pk_of(suite, &p), tw_buf_bytes(&p.enc), INFO,
                                    AAD, tw_buf_bytes(&p.ct), &out),
                       TW_ERR_KEY);
      assert_int_equal(out.len, 0);
    }
    assert_int_equal(tw_hpke_open(&test.env, suite, tw_secret_bytes(&p.sk), TW_BYTES(p.pk, 5), tw_buf_bytes(&p.enc),
                                  INFO, AAD, tw_buf_bytes(&p.ct), &out),
                     TW_ERR_KEY);
    tw_buf_clear(&out);
    clear_pair(&p);
  }
  tw_test_env_clear(&test);
}

/* RFC 7748 section 6.1 and the list in its errata's spirit: little-endian coordinates of low order. */
static const char *const low_25519[] = {"0000000000000000000000000000000000000000000000000000000000000000",
                                        "0100000000000000000000000000000000000000000000000000000000000000",
                                        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
                                        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
                                        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                                        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                                        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};
static const char *const low_448[] = {"00000000000000000000000000000000000000000000000000000000"
                                      "00000000000000000000000000000000000000000000000000000000",
                                      "01000000000000000000000000000000000000000000000000000000"
                                      "00000000000000000000000000000000000000000000000000000000",
                                      "feffffffffffffffffffffffffffffffffffffffffffffffffffffff"
                                      "feffffffffffffffffffffffffffffffffffffffffffffffffffffff",
                                      "ffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
                                      "feffffffffffffffffffffffffffffffffffffffffffffffffffffff",
                                      "00000000000000000000000000000000000000000000000000000000"
                                      "ffffffffffffffffffffffffffffffffffffffffffffffffffffffff"};

static void low_order_both_ways(tw_test_env *test, const tw_suite *suite, size_t at, tw_bytes point) {
  pair p;
  make_pair(test, suite, &p);
  memcpy(p.pk + at, point.ptr, point.len);
  refused_public(test, suite, pk_of(suite, &p));
  const size_t enc_at = p.enc.len - point.len;
  memcpy(p.enc.ptr + enc_at, point.ptr, point.len);
  assert_int_equal(try_open(test, suite, &p, tw_buf_bytes(&p.enc), tw_buf_bytes(&p.ct)), TW_ERR_DECRYPT);
  clear_pair(&p);
}

static void points_of_low_order_are_refused(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 14);
  tw_buf point = {0};
  uint8_t own[TW_DH_PUBLIC_MAX];
  uint8_t shared[TW_DH_SHARED_MAX];
  tw_provider *provider = test.env.provider;
  const uint8_t scalar[56] = {0x48, 1, 2, 3};
  for (size_t i = 0; i < sizeof(low_25519) / sizeof(low_25519[0]); i++)
    for (int top = 0; top < 2; top++) {
      tw_test_unhex(low_25519[i], &point);
      if (top == 1) point.ptr[31] |= 0x80;
      low_order_both_ways(&test, suite_with(&tw_kem_x25519), 0, tw_buf_bytes(&point));
      low_order_both_ways(&test, suite_with(&tw_kem_mlkem768_x25519), 1184, tw_buf_bytes(&point));
      /* The provider by itself refuses the zero result as well. */
      assert_int_equal(
          provider->ops->dh(provider, TW_GROUP_X25519, TW_BYTES(scalar, 32), own, false, tw_buf_bytes(&point), shared),
          TW_ERR_KEY);
    }
  for (size_t i = 0; i < sizeof(low_448) / sizeof(low_448[0]); i++) {
    tw_test_unhex(low_448[i], &point);
    low_order_both_ways(&test, suite_with(&tw_kem_x448), 0, tw_buf_bytes(&point));
    assert_int_equal(
        provider->ops->dh(provider, TW_GROUP_X448, TW_BYTES(scalar, 56), own, false, tw_buf_bytes(&point), shared),
        TW_ERR_KEY);
  }
  tw_buf_clear(&point);
  assert_int_equal(ERR_peek_error(), 0);
  tw_test_env_clear(&test);
}

static void points_off_the_curve_are_refused(void **state) {
  (void)state;
  static const struct {
    const tw_kem *kem;
    size_t at;
  } cases[] = {{&tw_kem_p256, 0},
               {&tw_kem_p384, 0},
               {&tw_kem_p521, 0},
               {&tw_kem_mlkem768_p256, 1184},
               {&tw_kem_mlkem1024_p384, 1568}};
  tw_test_env test;
  tw_test_env_init(&test, 15);
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    const tw_suite *suite = suite_with(cases[i].kem);
    const size_t at = cases[i].at;
    const size_t size = cases[i].kem->public_size - at;
    pair p;
    make_pair(&test, suite, &p);
    const size_t enc_at = p.enc.len - size;
    static const uint8_t forms[] = {0x00, 0x02, 0x03, 0x05, 0x06, 0x07, 0xff};
    for (size_t f = 0; f < sizeof(forms); f++) {
      p.pk[at] = forms[f];
      refused_public(&test, suite, pk_of(suite, &p));
      p.enc.ptr[enc_at] = forms[f];
      assert_int_equal(try_open(&test, suite, &p, tw_buf_bytes(&p.enc), tw_buf_bytes(&p.ct)), TW_ERR_DECRYPT);
      p.enc.ptr[enc_at] = 0x04;
    }
    p.pk[at] = 0x04;
    for (size_t b = 1; b < size; b++) {
      p.pk[at + b] ^= 1;
      refused_public(&test, suite, pk_of(suite, &p));
      p.pk[at + b] ^= 1;
    }
    memset(p.pk + at + 1, 0, size - 1); /* (0, 0) is not on these curves */
    refused_public(&test, suite, pk_of(suite, &p));
    memset(p.pk + at + 1, 0xff, size - 1); /* coordinates above p */
    refused_public(&test, suite, pk_of(suite, &p));
    clear_pair(&p);
  }
  tw_test_env_clear(&test);
}

/* FIPS 203 section 7.2: coefficients of q and above in any place. */
static void encapsulation_keys_above_q_are_refused(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 16);
  static const struct {
    const tw_kem *kem;
    size_t coefficients;
  } cases[] = {{&tw_kem_mlkem768, 768},
               {&tw_kem_mlkem1024, 1024},
               {&tw_kem_mlkem768_x25519, 768},
               {&tw_kem_mlkem1024_p384, 1024}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    const tw_suite *suite = suite_with(cases[i].kem);
    pair p;
    make_pair(&test, suite, &p);
    for (size_t c = 0; c < cases[i].coefficients; c += c < 6 || c > 760 ? 1 : 97) {
      uint8_t *b = p.pk + c / 2 * 3;
      const uint8_t kept[3] = {b[0], b[1], b[2]};
      for (unsigned value = 3329; value <= 4095; value += 766) {
        if (c % 2 == 0) {
          b[0] = (uint8_t)value;
          b[1] = (uint8_t)((b[1] & 0xf0) | value >> 8);
        } else {
          b[1] = (uint8_t)((b[1] & 0x0f) | value << 4);
          b[2] = (uint8_t)(value >> 4);
        }
        refused_public(&test, suite, pk_of(suite, &p));
        /* The provider by itself refuses it as well. */
        uint8_t out[TW_KEM_OUTPUT_MAX];
        uint8_t shared[TW_MLKEM_SHARED];
        const uint8_t random[TW_MLKEM_RANDOM] = {0};
        const tw_mlkem_id id = cases[i].coefficients == 768 ? TW_MLKEM_768 : TW_MLKEM_1024;
        assert_int_equal(test.env.provider->ops->mlkem_encap(test.env.provider, id,
                                                             TW_BYTES(p.pk, id == TW_MLKEM_768 ? 1184 : 1568), random,
                                                             out, shared),
                         TW_ERR_KEY);
        memcpy(b, kept, sizeof(kept));
      }
    }
    assert_int_equal(tw_kem_check_public(&test.env, suite, pk_of(suite, &p)), TW_OK);
    clear_pair(&p);
  }
  tw_test_env_clear(&test);
}

static const char *const orders[] = {
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47"
    "aebb6fb71e"
    "91386409"};

static void scalars_out_of_range_are_refused(void **state) {
  (void)state;
  static const tw_kem *const kems[] = {&tw_kem_p256, &tw_kem_p384, &tw_kem_p521};
  tw_test_env test;
  tw_test_env_init(&test, 17);
  tw_buf sk = {0};
  tw_buf out = TW_BUF_INIT(&test.alloc);
  for (size_t i = 0; i < 3; i++) {
    const tw_suite *suite = suite_with(kems[i]);
    pair p;
    make_pair(&test, suite, &p);
    uint8_t pk[TW_KEM_PUBLIC_MAX];
    for (int what = 0; what < 4; what++) { /* order, order + 1, all ones, zero */
      tw_test_unhex(orders[i], &sk);
      if (what == 1) sk.ptr[sk.len - 1]++;
      if (what == 2) memset(sk.ptr, 0xff, sk.len);
      if (what == 3) memset(sk.ptr, 0, sk.len);
      assert_int_equal(tw_kem_public_key(&test.env, suite, tw_buf_bytes(&sk), pk), TW_ERR_KEY);
      assert_int_equal(tw_hpke_open(&test.env, suite, tw_buf_bytes(&sk), pk_of(suite, &p), tw_buf_bytes(&p.enc), INFO,
                                    AAD, tw_buf_bytes(&p.ct), &out),
                       TW_ERR_KEY);
    }
    tw_test_unhex(orders[i], &sk);
    sk.ptr[sk.len - 1]--; /* order - 1 is the largest */
    assert_int_equal(tw_kem_public_key(&test.env, suite, tw_buf_bytes(&sk), pk), TW_OK);
    memset(sk.ptr, 0, sk.len);
    sk.ptr[sk.len - 1] = 1;
    assert_int_equal(tw_kem_public_key(&test.env, suite, tw_buf_bytes(&sk), pk), TW_OK);
    clear_pair(&p);
  }
  tw_buf_clear(&sk);
  tw_buf_clear(&out);
  tw_test_env_clear(&test);
}

static void failing_randomness_is_reported_at_every_draw(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 18);
  for (size_t i = 0; tw_suite_at(i) != NULL; i++) {
    const tw_suite *suite = tw_suite_at(i);
    pair p;
    make_pair(&test, suite, &p);
    tw_test_fail_random(&test, 1);
    assert_int_equal(try_seal(&test, suite, pk_of(suite, &p)), TW_ERR_RANDOM);
    tw_secret out = {{1}, 1};
    p.enc.len = 0;
    tw_test_fail_random(&test, 1);
    assert_int_equal(tw_hpke_send_export(&test.env, suite, pk_of(suite, &p), INFO, AAD, 32, &p.enc, &out),
                     TW_ERR_RANDOM);
    assert_int_equal(out.len, 0);
    assert_int_equal(p.enc.len, 0);
    tw_test_fail_random(&test, 1);
    assert_int_equal(tw_kem_generate(&test.env, suite, &p.sk, p.pk), TW_ERR_RANDOM);
    assert_int_equal(p.sk.len, 0);
    clear_pair(&p);
  }
  tw_test_env_clear(&test);
}

static void failing_memory_is_reported_at_every_call(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 19);
  for (size_t i = 0; tw_suite_at(i) != NULL; i++) {
    const tw_suite *suite = tw_suite_at(i);
    pair p;
    make_pair(&test, suite, &p);
    size_t failures = 0;
    for (size_t n = 1;; n++) {
      tw_buf enc = TW_BUF_INIT(&test.alloc);
      tw_buf ct = TW_BUF_INIT(&test.alloc);
      tw_buf pt = TW_BUF_INIT(&test.alloc);
      tw_test_fail_alloc(&test, n);
      tw_err err = tw_hpke_seal(&test.env, suite, pk_of(suite, &p), INFO, AAD, TW_LITERAL("message"), &enc, &ct);
      if (err == TW_OK)
        err = tw_hpke_open(&test.env, suite, tw_secret_bytes(&p.sk), pk_of(suite, &p), tw_buf_bytes(&enc), INFO, AAD,
                           tw_buf_bytes(&ct), &pt);
      const bool failed = test.alloc_failed;
      assert_int_equal(err, failed ? TW_ERR_NO_MEMORY : TW_OK);
      tw_buf_clear(&enc);
      tw_buf_clear(&ct);
      tw_buf_clear(&pt);
      if (!failed) break;
      failures++;
    }
    tw_test_fail_alloc(&test, 0);
    assert_int_equal(failures, 3);
    clear_pair(&p);
  }
  tw_test_env_clear(&test);
}

static void exports_are_bounded(void **state) {
  (void)state;
  tw_test_env test;
  tw_test_env_init(&test, 20);
  const tw_suite *suite = tw_suite_default();
  pair p;
  make_pair(&test, suite, &p);
  tw_secret sent = {{0}, 0};
  tw_secret got = {{0}, 0};
  p.enc.len = 0;
  assert_int_equal(tw_hpke_send_export(&test.env, suite, pk_of(suite, &p), INFO, AAD, TW_SECRET_MAX + 1, &p.enc, &sent),
                   TW_ERR_ARGUMENT);
  assert_int_equal(p.enc.len, 0);
  assert_int_equal(tw_hpke_send_export(&test.env, suite, pk_of(suite, &p), INFO, AAD, TW_SECRET_MAX, &p.enc, &sent),
                   TW_OK);
  assert_int_equal(tw_hpke_receive_export(&test.env, suite, tw_secret_bytes(&p.sk), pk_of(suite, &p),
                                          tw_buf_bytes(&p.enc), INFO, AAD, TW_SECRET_MAX + 1, &got),
                   TW_ERR_ARGUMENT);
  assert_int_equal(tw_hpke_receive_export(&test.env, suite, tw_secret_bytes(&p.sk), pk_of(suite, &p),
                                          tw_buf_bytes(&p.enc), INFO, AAD, TW_SECRET_MAX, &got),
                   TW_OK);
  tw_test_same(tw_secret_bytes(&sent), tw_secret_bytes(&got));
  clear_pair(&p);
  tw_test_env_clear(&test);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_changed_byte_is_refused),
      cmocka_unit_test(another_info_aad_or_key_is_refused),
      cmocka_unit_test(keys_of_wrong_length_are_refused),
      cmocka_unit_test(points_of_low_order_are_refused),
      cmocka_unit_test(points_off_the_curve_are_refused),
      cmocka_unit_test(encapsulation_keys_above_q_are_refused),
      cmocka_unit_test(scalars_out_of_range_are_refused),
      cmocka_unit_test(failing_randomness_is_reported_at_every_draw),
      cmocka_unit_test(failing_memory_is_reported_at_every_call),
      cmocka_unit_test(exports_are_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

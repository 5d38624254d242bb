/* KEMs by themselves, under HPKE. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CRYPTO_KEM_H
#define TW_CRYPTO_KEM_H

#include "crypto/group.h"

enum { TW_KEM_SECRET_MAX = 64, TW_KEM_RANDOM_MAX = 160 };

/* What a KEM is made of: a group, an ML-KEM parameter set, or both. */
typedef struct tw_kem_parts {
  uint16_t id;
  const tw_hash *hash;   /* DHKEM: of its KDF */
  const tw_group *group; /* DHKEM, hybrid */
  bool has_mlkem;
  tw_mlkem_id mlkem;
  uint16_t mlkem_public;
  uint16_t mlkem_output;
  uint8_t group_seed; /* hybrid: bytes of seed for RandomScalar */
  const char *label;  /* hybrid: of the combiner */
} tw_kem_parts;

TW_MUST_USE tw_err tw_kem_parts_of(const tw_kem *kem, tw_kem_parts *out);

/* The functions of a KEM, RFC 9180 section 4. Outputs are zeroed on error. */

/* DeriveKeyPair; ikm of any length. TW_ERR_KEY where the sampling runs out, which no honest ikm brings about. */
TW_MUST_USE tw_err tw_kem_derive(tw_provider *provider, const tw_kem *kem, tw_bytes ikm, tw_secret *private_key,
                                 uint8_t *public_key);
/* The public key of a private one. TW_ERR_KEY. */
TW_MUST_USE tw_err tw_kem_public(tw_provider *provider, const tw_kem *kem, tw_bytes private_key, uint8_t *public_key);
/* TW_ERR_KEY */
TW_MUST_USE tw_err tw_kem_check(tw_provider *provider, const tw_kem *kem, tw_bytes public_key);
/*
 * Encap with kem->encap_seed_size bytes of randomness given. `output`: kem->output_size bytes; `shared`: secret_size.
 * TW_ERR_KEY.
 */
TW_MUST_USE tw_err tw_kem_encap_seeded(tw_provider *provider, const tw_kem *kem, tw_bytes public_key, tw_bytes seed,
                                       uint8_t *output, uint8_t *shared);
/* Decap. `public_key` may be empty. TW_ERR_KEY for a bad private key, TW_ERR_DECRYPT for a bad output. */
TW_MUST_USE tw_err tw_kem_decap(tw_provider *provider, const tw_kem *kem, tw_bytes private_key, tw_bytes public_key,
                                tw_bytes output, uint8_t *shared);

/* DHKEM, kem_dh.c. */
TW_MUST_USE tw_err tw_dhkem_derive_scalar(tw_provider *provider, const tw_kem_parts *parts, tw_bytes ikm,
                                          uint8_t *scalar);
TW_MUST_USE tw_err tw_dhkem_encap(tw_provider *provider, const tw_kem *kem, const tw_kem_parts *parts,
                                  tw_bytes public_key, tw_bytes seed, uint8_t *output, uint8_t *shared);
TW_MUST_USE tw_err tw_dhkem_decap(tw_provider *provider, const tw_kem *kem, const tw_kem_parts *parts,
                                  tw_bytes private_key, tw_bytes public_key, tw_bytes output, uint8_t *shared);

/* ML-KEM and hybrids, kem_pq.c. */
TW_MUST_USE tw_err tw_pqkem_public(tw_provider *provider, const tw_kem_parts *parts, tw_bytes private_key,
                                   uint8_t *public_key);
/* FIPS 203 section 7.2: every coefficient of the encapsulation key is below q. */
bool tw_mlkem_public_plausible(tw_bytes public_key);
TW_MUST_USE tw_err tw_pqkem_encap(tw_provider *provider, const tw_kem_parts *parts, tw_bytes public_key, tw_bytes seed,
                                  uint8_t *output, uint8_t *shared);
TW_MUST_USE tw_err tw_pqkem_decap(tw_provider *provider, const tw_kem_parts *parts, tw_bytes private_key,
                                  tw_bytes public_key, tw_bytes output, uint8_t *shared);

/* "KEM" and the number, the suite_id of a KEM's own derivations. */
void tw_kem_suite_id(uint16_t id, uint8_t out[5]);

#endif

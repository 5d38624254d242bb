/* The surroundings that every call works in: allocator, cryptography, randomness, limits. SPDX-License-Identifier: Apache-2.0 */
#ifndef TREEWIRE_ENV_H
#define TREEWIRE_ENV_H

#include <treewire/bytes.h>

/**
 * A provider of cryptographic algorithms. Fetches its algorithm objects once; keeps scratch state, so that one
 * provider (and whatever was made with it) is used by one thread at a time. Threads that work side by side have a
 * provider each.
 */
typedef struct tw_provider tw_provider;

/**
 * The provider over OpenSSL's libcrypto >= 3.5, in a library context of its own: the process's OpenSSL configuration
 * and other users of libcrypto do not matter. `alloc` NULL: tw_alloc_default.
 * Errors: TW_ERR_NO_MEMORY; TW_ERR_UNSUPPORTED when libcrypto lacks an algorithm of the suites (an older one).
 * Owned by the caller, who frees it after everything made with it.
 */
TW_API TW_MUST_USE tw_err tw_provider_openssl_new(const tw_alloc *alloc, tw_provider **provider);
/** NULL is fine. */
TW_API void tw_provider_free(tw_provider *provider);

/**
 * All limits in one place (sections: RFC 9420). Start from tw_limits_default: zero is a limit too, and padding_block 0
 * is TW_ERR_ARGUMENT wherever a PrivateMessage is made. What passes a limit is TW_ERR_LIMIT, but for those that drop
 * the oldest.
 */
typedef struct tw_limits {
  uint32_t message_size;        /* bytes of one MLS message that is decoded at all; default 64 MiB */
  uint32_t tree_leaves;         /* leaves of a ratchet tree, blank ones included; default 2^20 */
  uint32_t skipped_generations; /* how far ahead of its sender's ratchet a message may be (section 15.3); 1024 */
  uint32_t kept_message_keys;   /* skipped keys kept per ratchet for messages out of order, the oldest go first; 256 */
  uint32_t proposals;           /* proposals collected per epoch, and in one commit; 16384 */
  uint32_t past_epochs;         /* earlier epochs whose resumption PSKs are kept, the oldest goes first; 3 */
  uint32_t psks;                /* PSKs in one commit or Welcome; 16 */
  uint64_t lifetime_max;  /* seconds from not_before to not_after of a key package (section 7.2), else TW_ERR_LIFETIME;
                             none by default */
  uint32_t padding_block; /* PrivateMessages are padded to a multiple of this many bytes (section 6.3.1); 1: not, the
                             default */
} tw_limits;

/** The defaults named above. */
TW_API extern const tw_limits tw_limits_default;

/** How many suites draft-ietf-mls-pq-ciphersuites defines. */
#define TW_PQ_SUITES 11
/**
 * Code points that IANA has not assigned, each with our private-use default (docs/protocols.md), for peers that use
 * others. Copy tw_code_points_default, change, and set tw_env.code_points. A suite number of 0 switches that suite off
 * for what comes in. Two equal numbers, or one of RFC 9420's, leave the later suite out of reach.
 */
typedef struct tw_code_points {
  uint16_t pq_suites[TW_PQ_SUITES];   /* TBD1 … TBD11 of draft-ietf-mls-pq-ciphersuites, default 0xF101 … 0xF10B */
  uint16_t channel_binding_component; /* D7, default 0x8001 */
  uint16_t welcome_key_packages_component; /* default 0x8002: tw_commit_options.names_key_packages */
  uint16_t packet_key_component;           /* D23, default 0x8003: a leaf's packet signing key */
  uint8_t mls_handshake_type;              /* TLS HandshakeType, D8 and D10, default 0xF4 */
  uint16_t tls_using_mls_handshake;        /* TLS ExtensionType, D10, default 0xFF4D */
} tw_code_points;

/** The defaults named above. */
TW_API extern const tw_code_points tw_code_points_default;

/**
 * Passed to every call; borrowed by the objects made with it, so it outlives them and does not move. Zero-initialise;
 * provider is needed. alloc, limits, code_points: NULL means the default. random: NULL means the provider's generator,
 * which is libcrypto's private DRBG.
 */
typedef struct tw_env {
  const tw_alloc *alloc;
  tw_provider *provider;
  /**
   * Fill `out` with `len` bytes from a cryptographic generator, or return TW_ERR_RANDOM: the call that needed them
   * fails with it and changes nothing. All randomness of the library comes from here, so that fixed bytes make fixed
   * messages (for tests).
   */
  tw_err (*random)(void *random_ctx, uint8_t *out, size_t len);
  void *random_ctx;
  const tw_limits *limits;
  const tw_code_points *code_points;
} tw_env;

/** A cipher suite (RFC 9420 section 5.1, draft-ietf-mls-pq-ciphersuites): a const table of algorithms. */
typedef struct tw_suite tw_suite;

/** The suite that `id` stands for under env's code points; NULL if not known. Suites live as long as the program. */
TW_API const tw_suite *tw_suite_by_id(const tw_env *env, uint16_t id);
/** By its registry name, with or without "MLS_128_" and the like, case of letters ignored; NULL if not known. */
TW_API const tw_suite *tw_suite_by_name(const char *name);
/** MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519 (TBD2 of draft-ietf-mls-pq-ciphersuites). */
TW_API const tw_suite *tw_suite_default(void);
/** The n-th known suite, from 0; NULL past the last. RFC 9420's seven come first. */
TW_API const tw_suite *tw_suite_at(size_t index);
/** The number on the wire under env's code points. */
TW_API uint16_t tw_suite_id(const tw_env *env, const tw_suite *suite);
/** The registry name, e.g. "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519". */
TW_API const char *tw_suite_name(const tw_suite *suite);

/**
 * A signature key pair. Reference counted: each holder frees its own reference. Private keys are raw: Ed25519 32,
 * Ed448 57, P-256 32, P-384 48, P-521 66 (big-endian scalars), ML-DSA 32 (seed). Public keys are as in
 * LeafNode.signature_key: raw, or the uncompressed point for ECDSA.
 */
typedef struct tw_signer tw_signer;

/**
 * A fresh key pair for `suite` (and for every suite with the same signature scheme). The env's provider outlives it.
 * Errors: TW_ERR_RANDOM, TW_ERR_NO_MEMORY: `*signer` is NULL, try again.
 */
TW_API TW_MUST_USE tw_err tw_signer_generate(const tw_env *env, const tw_suite *suite, tw_signer **signer);
/** The pair of a private key, which is copied. Errors: TW_ERR_KEY (length or value), TW_ERR_NO_MEMORY. */
TW_API TW_MUST_USE tw_err tw_signer_import(const tw_env *env, const tw_suite *suite, tw_bytes private_key,
                                           tw_signer **signer);
/** Append the private key to `out`, which is the caller's to clear. TW_ERR_NO_MEMORY. */
TW_API TW_MUST_USE tw_err tw_signer_export(const tw_signer *signer, tw_buf *out);
/** Borrowed from the signer. */
TW_API tw_bytes tw_signer_public_key(const tw_signer *signer);
/** One more holder. NULL is fine. */
TW_API tw_signer *tw_signer_ref(tw_signer *signer);
/** One holder less; the last one's call wipes the key. NULL is fine. */
TW_API void tw_signer_free(tw_signer *signer);

#endif

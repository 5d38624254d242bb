/* TLS 1.3 record protection (RFC 8446 section 5). SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_RECORD_RECORD_H
#define TW_RECORD_RECORD_H

#include "crypto/crypto.h"

enum {
  TW_RECORD_HEADER = 5,
  TW_RECORD_PLAINTEXT_MAX = 16384,                          /* TLSPlaintext.length, section 5.1 */
  TW_RECORD_INNER_MAX = TW_RECORD_PLAINTEXT_MAX + 1,        /* TLSInnerPlaintext, padding included, section 5.4 */
  TW_RECORD_CIPHERTEXT_MAX = TW_RECORD_PLAINTEXT_MAX + 256, /* TLSCiphertext.length, section 5.2 */
  TW_RECORD_SIZE_MAX = TW_RECORD_HEADER + TW_RECORD_CIPHERTEXT_MAX,
  TW_RECORD_OVERHEAD = TW_RECORD_HEADER + 1 + TW_AEAD_TAG /* of a protected record without padding */
};

/* enum ContentType, section 5.1 */
enum tw_record_type {
  TW_RECORD_CHANGE_CIPHER_SPEC = 20,
  TW_RECORD_ALERT = 21,
  TW_RECORD_HANDSHAKE = 22,
  TW_RECORD_APPLICATION_DATA = 23
};

/* HKDF-Expand-Label (section 7.1) with the suite's hash: `label` without its "tls13 ", NUL-terminated. */
TW_MUST_USE tw_err tw_hkdf_expand_label(const tw_env *env, const tw_suite *suite, tw_bytes secret, const char *label,
                                        tw_bytes context, uint8_t *out, size_t len);

/* One direction's traffic key. Zero-initialised is none. */
typedef struct tw_record_key {
  tw_aead_key *aead;
  uint64_t sequence; /* of the next record */
  uint64_t allowed;  /* records that may be sealed with it, section 5.5 */
  uint64_t limit;    /* the sequence number at which these are used up */
  uint8_t iv[TW_AEAD_NONCE];
} tw_record_key;

/*
 * Write key and iv from a traffic secret (section 7.3); the secret stays the caller's to wipe. `key` must be none and
 * stays so on error.
 */
TW_MUST_USE tw_err tw_record_key_init(const tw_env *env, const tw_suite *suite, tw_bytes traffic_secret,
                                      tw_record_key *key);
/* Let a new key's records be numbered from `sequence` on instead of from 0, see docs/protocols.md (D4). */
void tw_record_key_continue(tw_record_key *key, uint64_t sequence);
void tw_record_key_clear(tw_record_key *key);
/* As tw_aead_key_rest and tw_aead_key_wake; no key: nothing. */
static inline void tw_record_key_rest(const tw_record_key *key) { tw_aead_key_rest(key->aead); }
TW_MUST_USE static inline tw_err tw_record_key_wake(const tw_record_key *key) { return tw_aead_key_wake(key->aead); }
/* `*from` becomes none, what `*to` held is cleared. */
void tw_record_key_move(tw_record_key *to, tw_record_key *from);
static inline bool tw_record_key_is_set(const tw_record_key *key) { return key->aead != NULL; }
/* How many more records may be sealed. */
static inline uint64_t tw_record_key_left(const tw_record_key *key) {
  return key->sequence < key->limit ? key->limit - key->sequence : 0;
}

/* A record's header on the wire. */
typedef struct tw_record_header {
  uint8_t type;
  size_t size; /* of the whole record, header included */
} tw_record_header;

/*
 * Look at the record that `input` begins with. TW_ERR_TRUNCATED while less than a header is there (the record itself
 * may still be incomplete when it succeeds); TW_ERR_ENCODING when it is longer than a record may be (record_overflow).
 * `is_protected`: what is expected, for the limit that applies.
 */
TW_MUST_USE tw_err tw_record_peek(tw_bytes input, bool is_protected, tw_record_header *header);

/*
 * Protect in place: `record` has TW_RECORD_HEADER bytes of room, then `content` bytes of content, then room for
 * 1 + padding + TW_AEAD_TAG. All is overwritten by the record of tw_record_size(content, padding) bytes.
 * TW_ERR_KEY_LIMIT: the key is used up and nothing is done; TW_ERR_ARGUMENT: too long, or an empty handshake or alert.
 */
TW_MUST_USE tw_err tw_record_seal(tw_record_key *key, uint8_t type, uint8_t *record, size_t content, size_t padding);
static inline size_t tw_record_size(size_t content, size_t padding) { return TW_RECORD_OVERHEAD + content + padding; }
/* The header of a record that is sent unprotected, before `length` bytes of fragment. */
void tw_record_put_plain_header(uint8_t record[TW_RECORD_HEADER], uint8_t type, size_t length);

typedef struct tw_record_content {
  uint8_t type;
  size_t len; /* of the content, at the start of `out` */
} tw_record_content;

/*
 * Open a whole protected record of `size` bytes into `out`, which is record + TW_RECORD_HEADER (in place) or other
 * memory of size - TW_RECORD_HEADER bytes. On error `out` is not to be used; the sequence number has moved only if the
 * record opened. TW_ERR_DECRYPT: bad_record_mac. TW_ERR_UNEXPECTED: outer or inner type, an empty handshake or alert,
 * nothing but padding. TW_ERR_ENCODING: record_overflow.
 */
TW_MUST_USE tw_err tw_record_open(tw_record_key *key, const uint8_t *record, size_t size, uint8_t *out,
                                  tw_record_content *content);
/* A whole unprotected record, by the same rules; its content lies behind its header. */
TW_MUST_USE tw_err tw_record_check_plain(const uint8_t *record, size_t size, tw_record_content *content);

#endif

/*
 * ESP keyed by MLS (docs/protocols.md, "ESP-MLS"): RFC 4303 with 64-bit sequence numbers, the AEADs of RFC 4106 and
 * RFC 7634, implicit IVs (RFC 8750), as it is carried in UDP (RFC 3948). SPDX-License-Identifier: Apache-2.0
 */
#ifndef TW_ESP_ESP_H
#define TW_ESP_ESP_H

#include "base/shared.h"
#include "crypto/crypto.h"
#include "esp/window.h"

/* Sizes in bytes. */
enum {
  TW_ESP_HEADER = 8,  /* SPI and the low half of the sequence number */
  TW_ESP_TRAILER = 2, /* Pad Length and Next Header */
  TW_ESP_ALIGN = 4,   /* of payload, padding and trailer together, section 2.4 */
  TW_ESP_SALT = 4,    /* RFC 4106 section 4, RFC 7634 section 2 */
  TW_ESP_ICV = TW_AEAD_TAG,
  TW_ESP_OVERHEAD_MAX = TW_ESP_HEADER + (TW_ESP_ALIGN - 1) + TW_ESP_TRAILER + TW_ESP_ICV,
  TW_ESP_PACKET_MIN = TW_ESP_HEADER + TW_ESP_ALIGN + TW_ESP_ICV,
  TW_ESP_PACKET_MAX = 65504, /* the most that fits into UDP over IPv4 and is a multiple of TW_ESP_ALIGN */
  TW_ESP_PAYLOAD_MAX = TW_ESP_PACKET_MAX - TW_ESP_HEADER - TW_ESP_TRAILER - TW_ESP_ICV
};
enum { TW_ESP_SPI_MIN = 256 };    /* 0 is never on the wire, 1 … 255 are reserved, section 2.1 */
enum { TW_ESP_THREADS_MAX = 16 }; /* that seal under one SA */
enum { TW_ESP_PLACES = 16 };      /* so many values have the last bits of SPIs, see tw_esp_keys_derive */

/* Next Header: the IP protocol number of the payload. Others are the caller's to know. */
enum tw_esp_next_header {
  TW_ESP_NEXT_IPV4 = 4,
  TW_ESP_NEXT_IPV6 = 41,
  TW_ESP_NEXT_DUMMY = 59, /* section 2.6: to be dropped without a word */
  TW_ESP_NEXT_PROBE = 253 /* RFC 3692; path probes of ours */
};

/* ---- keys ---- */

/* What keys one SA: as from tw_esp_keys_derive (esp/keys.h). The owner clears it. */
typedef struct tw_esp_keys {
  const tw_suite *suite;
  uint32_t spi;
  uint8_t key[TW_AEAD_KEY_MAX]; /* suite->aead->key_size of them */
  uint8_t salt[TW_ESP_SALT];
} tw_esp_keys;

void tw_esp_keys_clear(tw_esp_keys *keys);

/* ---- limits ---- */

/* Of one SA. The protocol's are fixed by the AEAD; an SA has a copy, which may be lowered for a policy. */
typedef struct tw_esp_limits {
  uint64_t packets; /* the highest number that is used */
  uint64_t bytes;   /* in whole AES blocks of what is encrypted; the packet that passes it is the last one */
  uint64_t rekey_packets, rekey_bytes; /* from here on the sender asks for new keys */
  uint64_t forged;                     /* packets that did not open, after which a receiver opens none */
} tw_esp_limits;
const tw_esp_limits *tw_esp_limits_of(const tw_suite *suite);

/* ---- sending ---- */

/* What a sender has to have on the disk before it uses numbers: all below `next` may have been used by then. */
typedef struct tw_esp_mark {
  uint64_t next;  /* the lowest number that certainly was not used */
  uint64_t bytes; /* no more than so many were sealed, in the sense of the limits */
} tw_esp_mark;
#define TW_ESP_MARK_FRESH ((tw_esp_mark){.next = 1, .bytes = 0}) /* of keys that never sealed anything */

/*
 * A sending SA. Zero-initialised is none. Does no harm when moved. One thread at a time, but after tw_esp_out_share:
 * then each of these threads may take numbers, seal and ask while the others do, and for all else they rest.
 */
typedef struct tw_esp_out {
  tw_aead_key *aead; /* the first thread's */
  uint64_t next;     /* number of the next packet; where several threads take them it may pass `reserved` */
  uint64_t reserved; /* numbers below may be used */
  uint64_t bytes;
  tw_esp_limits limits;
  uint32_t spi;
  uint8_t salt[TW_ESP_SALT];
  uint8_t others_count;
  tw_aead_key *others[TW_ESP_THREADS_MAX - 1]; /* the same key, for a thread each */
} tw_esp_out;

/*
 * An SA that goes on behind `from`: TW_ESP_MARK_FRESH, or what was saved last. Nothing can be sealed before
 * tw_esp_out_extend. `out` must be none and stays so on error. TW_ERR_ARGUMENT: a mark that is none; TW_ERR_NO_MEMORY.
 */
TW_MUST_USE tw_err tw_esp_out_init(const tw_env *env, const tw_esp_keys *keys, tw_esp_mark from, tw_esp_out *out);
void tw_esp_out_clear(tw_esp_out *out);
/* `threads` (1 … TW_ESP_THREADS_MAX, else TW_ERR_ARGUMENT) may seal side by side. Once, before the first packet; on
 * error only one may. TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_esp_out_share(const tw_env *env, const tw_esp_keys *keys, unsigned threads, tw_esp_out *out);
/* How many packets can be sealed before more has to be reserved (or, see below, the SA is used up). */
static inline uint64_t tw_esp_out_left(const tw_esp_out *out) {
  const uint64_t next = TW_SHARED_LOAD(&out->next);
  return next < out->reserved ? out->reserved - next : 0;
}
/*
 * The mark with `count` more numbers, or as many as there are. To be written durably; then tw_esp_out_extend lets them
 * be used, whatever was sealed meanwhile. A sender that never takes up keys again, as it keeps nothing, need not write.
 */
tw_esp_mark tw_esp_out_reserve(const tw_esp_out *out, uint64_t count);
/* TW_ERR_ARGUMENT: less than what is reserved already. */
TW_MUST_USE tw_err tw_esp_out_extend(tw_esp_out *out, tw_esp_mark saved);
/* Whether it is time for new keys: long before the limits. */
bool tw_esp_out_wants_rekey(const tw_esp_out *out);
/* Whether a limit is reached: no reservation helps any more. */
bool tw_esp_out_is_used_up(const tw_esp_out *out);

/* The size of a packet of `len` bytes of payload that is filled up to `least` bytes. */
static inline size_t tw_esp_size(size_t len, size_t least) {
  const size_t inner = (len > least ? len : least) + TW_ESP_TRAILER;
  return TW_ESP_HEADER + ((inner + TW_ESP_ALIGN - 1) & ~(size_t)(TW_ESP_ALIGN - 1)) + TW_ESP_ICV;
}

/*
 * Seal in place: `packet` has TW_ESP_HEADER bytes of room, then `len` bytes of payload, then room up to
 * tw_esp_size(len, least). All is overwritten by the packet. A payload below `least` bytes is filled up with zeros
 * (traffic flow confidentiality, section 2.7): it has to tell its own length, as IP packets do; 0: none. Allocates
 * nothing. TW_ERR_KEY_LIMIT: no number is reserved, or a limit is reached: nothing was done. TW_ERR_ARGUMENT: `len` or
 * `least` above TW_ESP_PAYLOAD_MAX. A number is used up even if sealing fails.
 */
TW_MUST_USE tw_err tw_esp_seal(tw_esp_out *out, uint8_t next_header, uint8_t *packet, size_t len, size_t least);
/*
 * The same in two steps, where the number has to be known before, or several threads seal: tw_esp_take has what
 * tw_esp_seal does before it seals, and its errors. With a number that it gave, and the same `len` and `least`, once:
 * tw_esp_seal_numbered by the `thread` (below those of tw_esp_out_share). Errors: of the AEAD.
 */
TW_MUST_USE tw_err tw_esp_take(tw_esp_out *out, size_t len, size_t least, uint64_t *number);
TW_MUST_USE tw_err tw_esp_seal_numbered(const tw_esp_out *out, unsigned thread, uint64_t number, uint8_t next_header,
                                        uint8_t *packet, size_t len, size_t least);

/* ---- receiving ---- */

/* A receiving SA. Zero-initialised is none. Does no harm when moved; one thread at a time. */
typedef struct tw_esp_in {
  tw_aead_key *aead;
  tw_esp_window window;
  uint64_t forged; /* so far */
  tw_esp_limits limits;
  uint32_t spi;
  uint8_t salt[TW_ESP_SALT];
} tw_esp_in;

/*
 * An SA to which all numbers up to `highest` count as seen: 0 for keys that never opened anything. `in` must be none
 * and stays so on error. TW_ERR_NO_MEMORY.
 */
TW_MUST_USE tw_err tw_esp_in_init(const tw_env *env, const tw_esp_keys *keys, uint64_t highest, tw_esp_in *in);
void tw_esp_in_clear(tw_esp_in *in);
/* Whether so much has not opened that it is time for new keys. */
bool tw_esp_in_wants_rekey(const tw_esp_in *in);

/*
 * The SPI, by which the SA is found. TW_ERR_TRUNCATED: shorter than any packet, as a NAT-keepalive is (RFC 3948 section
 * 2.3); TW_ERR_ENCODING: longer, not aligned, or a reserved SPI, as a Non-ESP Marker is (section 2.2).
 */
TW_MUST_USE tw_err tw_esp_peek(tw_bytes packet, uint32_t *spi);

typedef struct tw_esp_opened {
  uint64_t number;
  size_t len; /* of the payload, which is at packet + TW_ESP_HEADER; of a dummy 0. What filled it up is still there */
  uint8_t next_header;
} tw_esp_opened;

/*
 * Open a whole packet in place. Allocates nothing. On error the packet's bytes are not to be used, and `opened` is as
 * it was. TW_ERR_TRUNCATED, TW_ERR_ENCODING: as tw_esp_peek. TW_ERR_WRONG_GROUP: another SA's SPI. TW_ERR_DUPLICATE,
 * TW_ERR_OLD_GENERATION: by its number, nothing was opened. TW_ERR_DECRYPT: forged or changed, or so late that it
 * passes for one 2^32 further on. TW_ERR_UNEXPECTED: authentic, but its padding is wrong (its number counts as seen).
 * TW_ERR_KEY_LIMIT: too much was forged for this key.
 */
TW_MUST_USE tw_err tw_esp_open(tw_esp_in *in, uint8_t *packet, size_t size, tw_esp_opened *opened);
/*
 * The same, but no number is marked as seen: where all members of a group could have made the packet, and there is more
 * to check. Who finds it good calls tw_esp_window_mark with its number, before anything else is opened.
 */
TW_MUST_USE tw_err tw_esp_open_unmarked(tw_esp_in *in, uint8_t *packet, size_t size, tw_esp_opened *opened);

#endif

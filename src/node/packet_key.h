/* Packet signing keys: which member has sent what all members could have sealed. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_PACKET_KEY_H
#define TW_NODE_PACKET_KEY_H

#include <treewire/mls.h>

#include "crypto/crypto.h"
#include "esp/esp.h"

/*
 * What goes under the keys of the network's group could be any member's (docs/protocols.md, D23). With Sign each packet
 * is signed with Ed25519, whatever the suite, by a key that is made with its sender's leaf, stands in it as a component
 * and is thereby signed with it. The signature follows the packet inside of ESP, where it passes for padding (RFC 4303
 * section 2.7) at whoever does not look at it.
 */
enum {
  TW_PACKET_KEY = 32, /* bytes, of either half */
  TW_PACKET_SIGNATURE = 64,
  TW_PACKET_EPOCH = 32,
  TW_PACKET_HEAD = 17 + TW_PACKET_EPOCH + 4 + 4 + 8 + 1, /* what is signed before the packet */
  TW_PACKET_SIGNED_MAX = TW_PACKET_HEAD + TW_ESP_PAYLOAD_MAX
};

/* Of one SA: what is signed with each of its packets, so that none of them is good elsewhere. */
typedef struct tw_packet_origin {
  uint8_t epoch[TW_PACKET_EPOCH]; /* of the exporter: another one in each epoch of each group */
  uint32_t leaf;
  uint32_t spi;
} tw_packet_origin;

/* Of a sending SA. Zero-initialised is none. */
typedef struct tw_packet_signer {
  tw_signer *key;
  tw_packet_origin origin;
} tw_packet_signer;

/* Of a receiving SA. */
typedef struct tw_packet_verifier {
  bool is_needed; /* nothing is taken under the SA that is not signed */
  bool has_key;
  uint8_t key[TW_PACKET_KEY];
  tw_packet_origin origin;
} tw_packet_verifier;

typedef struct tw_packet_content {
  uint64_t number;
  uint8_t next_header;
  tw_bytes packet; /* at most TW_ESP_PAYLOAD_MAX - TW_PACKET_SIGNATURE bytes, else TW_ERR_ARGUMENT */
} tw_packet_content;

/* Where what is signed lies side by side. Zero-initialised is none. */
typedef struct tw_packet_room {
  uint8_t *bytes;
  tw_buf signature;
} tw_packet_room;
TW_MUST_USE tw_err tw_packet_room_open(const tw_env *env, tw_packet_room *room);
void tw_packet_room_close(const tw_env *env, tw_packet_room *room);

/* A fresh key: the private half, and the public one into the extensions of a leaf to be made. */
TW_MUST_USE tw_err tw_packet_key_make(const tw_env *env, tw_buf *leaf_extensions, tw_secret *private_key);
/* The public one of a leaf. False: it has none. Borrowed. */
bool tw_packet_key_find(const tw_env *env, tw_bytes leaf_extensions, tw_bytes *public_key);

/* Whose key is not that in our leaf signs nothing: it stays none. `signer` must be none. */
TW_MUST_USE tw_err tw_packet_signer_init(const tw_env *env, const tw_group *group, uint32_t spi, tw_bytes private_key,
                                         tw_packet_signer *signer);
void tw_packet_signer_clear(tw_packet_signer *signer);
TW_MUST_USE tw_err tw_packet_verifier_init(const tw_env *env, const tw_group *group, const tw_member *member,
                                           uint32_t spi, tw_packet_verifier *verifier);

/* Errors: of the provider. */
TW_MUST_USE tw_err tw_packet_sign(const tw_env *env, const tw_packet_signer *signer, const tw_packet_content *content,
                                  tw_packet_room *room, uint8_t signature[TW_PACKET_SIGNATURE]);
/* By a verifier that has a key. TW_ERR_SIGNATURE, and errors of the provider. */
TW_MUST_USE tw_err tw_packet_verify(const tw_env *env, const tw_packet_verifier *verifier,
                                    const tw_packet_content *content, tw_packet_room *room,
                                    const uint8_t signature[TW_PACKET_SIGNATURE]);

#endif

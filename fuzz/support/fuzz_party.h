/* Members whose memory and randomness can be made to fail, and reading a schedule. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_FUZZ_PARTY_H
#define TW_FUZZ_PARTY_H

#include <treewire/mls.h>

#include "codec/reader.h"
#include "fuzz_env.h"

typedef struct tw_fuzz_party {
  tw_client client;
  const tw_client *clients[1];
} tw_fuzz_party;

/** A client of suite 1 with a key of its own, whose policy takes everything: the library's own rules decide. */
void tw_fuzz_client_init(tw_client *client, const char *name);
void tw_fuzz_party_init(tw_fuzz_party *party, const char *name);

/** The n-th allocation and the n-th draw of randomness from now on fail, 0: none; by the clients' env alone. */
void tw_fuzz_fail(size_t allocation, size_t draw);
/** Whether one has failed since tw_fuzz_fail. */
bool tw_fuzz_has_failed(void);
/** For the checks in between: nothing fails and nothing counts. */
void tw_fuzz_pause(bool paused);

void tw_fuzz_must(tw_err err);
/** An error that the bytes of a peer, or memory or randomness made to fail, may lead to. */
void tw_fuzz_check_peer_error(tw_err err);

/** Bytes with their number before them in one byte; what is left if that is less. */
tw_bytes tw_fuzz_chunk(tw_reader *r);
/** Edits that the input asks for: pairs of a place and what is XORed there. True if something has changed. */
bool tw_fuzz_edit(tw_reader *r, uint8_t *bytes, size_t len);

#endif

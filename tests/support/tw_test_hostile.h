/* A peer that misbehaves: it has all keys, and says whatever a test wants. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_TEST_HOSTILE_H
#define TW_TESTS_TEST_HOSTILE_H

#include "channel/channel_internal.h"
#include "support/tw_test_wire.h"

/** What a side waits for. */
typedef enum tw_test_phase {
  TW_TEST_HELLO = 0,       /* the first message of a handshake */
  TW_TEST_RETRIED = 1,     /* the same after a HelloRetryRequest */
  TW_TEST_ENCRYPTED = 2,   /* client: EncryptedExtensions */
  TW_TEST_FINISHED = 3,    /* Finished */
  TW_TEST_CONFIRM = 4,     /* server: the first protected record (D13) */
  TW_TEST_UP = 5,          /* established */
  TW_TEST_HALF_CLOSED = 6, /* the same after the peer's close_notify */
  TW_TEST_UPDATING = 7,    /* epoch_key_update, after an update of its own */
  TW_TEST_SWITCHING = 8,   /* the peer's first record under the keys of its update (D4) */
  TW_TEST_REQUESTED = 9,   /* server: as HELLO, with a session that the peer asks for */
  TW_TEST_ASKING = 10,     /* resumption_response */
  TW_TEST_ASKED = 11       /* the peer's first record after its resumption_request */
} tw_test_phase;

/** A side of a protocol in a phase: whom messages are thrown at. */
typedef struct tw_test_stand {
  tw_channel_protocol protocol;
  bool by_alice; /* alice, who began the session, is the one; else bob */
  tw_test_phase phase;
} tw_test_stand;

/** All of them that there are. */
extern const tw_test_stand tw_test_stands[];
extern const size_t tw_test_stand_count;
const char *tw_test_stand_name(const tw_test_stand *stand);

typedef struct tw_test_hostile {
  const tw_test_stand *stand;
  tw_test_wire wire;
  tw_channel_tls tls[2]; /* alice's, bob's */
  tw_test_side *victim, *peer;
  size_t blocks; /* of memory that the parties have */
  /** What the peer, were it honest, would say next. */
  tw_buf next;
  bool next_is_protected;
  uint8_t next_type; /* enum tw_record_type */
} tw_test_hostile;

/** Two parties without channels. Must not move until cleared. */
void tw_test_hostile_init(tw_test_hostile *h);
void tw_test_hostile_clear(tw_test_hostile *h);
/** A session that has come to this stand. The same `seed` gives the same session. */
void tw_test_hostile_go(tw_test_hostile *h, const tw_test_stand *stand, uint64_t seed);
/** Its end, whatever has become of it: fails the test if anything is left. */
void tw_test_hostile_done(tw_test_hostile *h);

/** Whether the victim has a key to receive with. */
bool tw_test_has_key(const tw_test_hostile *h);
/** In the middle of a TLS handshake. */
bool tw_test_shakes_hands(const tw_test_hostile *h);

/** A record for the victim with this content, whatever it is; protected as it expects it next, or in the clear. */
tw_err tw_test_throw(tw_test_hostile *h, bool is_protected, uint8_t type, tw_bytes content);
/** The same, appended to `out` and not given yet: `ahead` records before it are not given either. */
void tw_test_make_record(const tw_test_hostile *h, bool is_protected, uint64_t ahead, uint8_t type, tw_bytes content,
                         tw_buf *out);

/** The victim is at its end with this error, has told this alert (< 0: none), and keeps nothing. */
void tw_test_assert_ended(const tw_test_hostile *h, tw_err reason, int alert);
/** It goes on. */
void tw_test_assert_open(const tw_test_hostile *h);

#endif

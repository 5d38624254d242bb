/* Two channels and the wire between them, for tests. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_TEST_WIRE_H
#define TW_TESTS_TEST_WIRE_H

#include <treewire/channel.h>

#include "support/tw_test_party.h"

enum { TW_TEST_EVENTS = 64 };

/** One side: its channel and what its application has seen. */
typedef struct tw_test_side {
  tw_test_party party;
  tw_channel_config config;
  tw_channel_options options;
  tw_channel *channel;
  tw_buf received; /* application data taken */
  bool stalled;    /* the application takes nothing */
  tw_buf disk;     /* the session as it was saved last; used with config.durable */
  bool disk_full;  /* saving has to wait */
  bool in_use;     /* what this side's config.session says of the session */
  size_t saves;
  tw_channel_event events[TW_TEST_EVENTS];
  size_t event_count;
  tw_err last; /* the last error that a call returned */
} tw_test_side;

/** Alice connects, Bob accepts. */
typedef struct tw_test_wire {
  tw_test_env test;
  tw_test_side alice, bob;
  uint64_t now_ms;
} tw_test_wire;

/** Sides without channels; change options and configs, then tw_test_wire_open. */
void tw_test_wire_init(tw_test_wire *wire, const tw_suite *suite);
void tw_test_wire_clear(tw_test_wire *wire);
/** Makes both channels. */
void tw_test_wire_open(tw_test_wire *wire);
/** Opens, and runs until both are established. */
void tw_test_wire_establish(tw_test_wire *wire);

/** Both sides keep their sessions. */
void tw_test_wire_durable(tw_test_wire *wire);
/**
 * The connection is gone and there is a new one, on which `opener` resumes what is on its disk; the other side looks on
 * its own. Alice's label of the connecting side goes with the opener.
 */
void tw_test_wire_reopen(tw_test_wire *wire, tw_test_side *opener);
/** What is due to be saved is saved. */
void tw_test_side_save(tw_test_side *side);

/** The response that `output` begins with, as the request that anybody can make of it. Appended. */
void tw_test_forge_request(tw_bytes output, tw_buf *forged);

/** Up to `most` bytes from one side's output to the other's input; true if any went. Then takes data and events. */
bool tw_test_wire_move(tw_test_wire *wire, tw_test_side *from, tw_test_side *to, size_t most);
/** Moves pieces of up to `piece` bytes in both directions until nothing moves any more. */
void tw_test_wire_run(tw_test_wire *wire, size_t piece);
/** Takes the side's data (unless it is stalled) and events. */
void tw_test_side_take(tw_test_side *side);
/** Gives `bytes` to the side, whatever becomes of them. */
tw_err tw_test_side_give(tw_test_wire *wire, tw_test_side *side, tw_bytes bytes);
/** The last event of this kind, or NULL. */
const tw_channel_event *tw_test_side_event(const tw_test_side *side, tw_channel_event_kind kind);
size_t tw_test_side_count(const tw_test_side *side, tw_channel_event_kind kind);
/** Writes all of `data`, expecting that it fits. */
void tw_test_side_write(tw_test_side *side, tw_bytes data);
/** Both have the same epoch. */
void tw_test_wire_same_epoch(const tw_test_wire *wire);

#endif

/* Two channels, the pipe between them, and what must hold whatever happens. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_FUZZ_CHANNEL_WIRE_H
#define TW_FUZZ_CHANNEL_WIRE_H

#include <treewire/channel.h>

#include "fuzz_party.h"

enum { WIRE_DATA_MAX = 1 << 18 };

typedef struct side side;
typedef struct fuzz_wire fuzz_wire;

struct side {
  fuzz_wire *wire;
  side *other;
  tw_fuzz_party party;
  tw_channel_config config;
  tw_channel_options options;
  tw_channel *channel;
  tw_buf written;  /* application data that was taken or sealed by hand */
  size_t received; /* of the other's `written` */
  tw_buf genuine;  /* all that came out of this end, or was sealed with its keys */
  tw_buf pipe;     /* of that, what is under way, with all changes */
  tw_buf arrived;  /* what the other end has taken */
  size_t barred;   /* where in `genuine` a record begins that may not be taken; SIZE_MAX: there is none */
  tw_buf said;     /* a handshake message that was said earlier */
  bool ended;      /* the other end was told so */
  bool heard_established, heard_close, heard_end;
  tw_err reason; /* of the end */
  uint64_t epoch;
  tw_buf disk; /* the session as it was saved last */
  bool slow;   /* saving has to wait */
  bool in_use; /* a channel that lives has the session */
};

struct fuzz_wire {
  side sides[2];
  uint64_t now_ms;
  bool clean;   /* all that happens is what the protocol provides for: nothing may fail */
  bool resumed; /* this connection goes on with a session */
};

/** Parties and configurations; no channels yet. */
void wire_init(fuzz_wire *w);
/** Back to that. */
void wire_clear(fuzz_wire *w);

/** Checks that a call may have returned this; memory, randomness or time that ran out end `clean`. */
void side_note(const side *s, tw_err err);
void side_take_events(side *s);
void side_take_data(side *s, size_t most);
/** Saves while there is something to be saved. */
void side_save(side *s);
/** Into the pipe, and out of it to the other side, copied or by its buffer. True if any went. */
bool side_send(side *s, size_t most);
bool side_arrive(side *from, size_t most, bool copy);
/** Until nothing moves any more. */
void wire_run(fuzz_wire *w, size_t piece);
/** What is written goes on where the last writing ended. */
void side_write(side *s, size_t len);
void side_write_in_place(side *s, size_t len);

/** No record is taken that a change on the way has touched, nor one after it. */
void side_check_integrity(const side *from);
/** When nothing is under way, and all was clean, both are in the same epoch. */
void wire_check_agreement(const fuzz_wire *w);

#endif

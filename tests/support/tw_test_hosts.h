/*
 * Two hosts that keep sessions, the connections between them, and what must be true of them whatever happens.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TW_TESTS_TEST_HOSTS_H
#define TW_TESTS_TEST_HOSTS_H

#include <treewire/channel.h>

#include "support/tw_test_party.h"

enum { TW_TEST_LINKS = 10, TW_TEST_ENDS = 4096, TW_TEST_SESSIONS = 64, TW_TEST_TAPE = 6000, TW_TEST_NOBODY = 0 };

/** A session as it is on a disk. */
typedef struct tw_test_session {
  tw_buf group_id;
  tw_buf saved;
  uint64_t version; /* how often it was saved */
} tw_test_session;

/** One host: what survives a crash, and its rules. */
typedef struct tw_test_host {
  struct tw_test_hosts *hosts;
  unsigned number;
  tw_test_party party;
  tw_channel_config config;
  tw_channel_options options;
  tw_test_session disk[TW_TEST_SESSIONS];
  size_t sessions;
  int latest;      /* the session that the next connection resumes; -1: none */
  bool want_fresh; /* it was told that there is no such session: hellos next time */
  size_t saves;
} tw_test_host;

/**
 * One channel that ever was; 0 is nobody. Its application writes a stream of bytes that no other has
 * (tw_test_end_byte), so that where data comes from shows in the data.
 */
typedef struct tw_test_end {
  tw_channel *channel; /* NULL: gone */
  unsigned host;
  int link;        /* the connection that it is an end of; -1: none any more */
  unsigned origin; /* the end that opened the connection in earnest, itself or another; 0: an attacker's own making */
  unsigned source; /* the end whose data comes out here; 0: not known yet */
  unsigned reader; /* the end at which this one's data comes out */
  uint64_t written, received;
  uint64_t epoch;
  bool stalled; /* the application takes nothing */
  bool heard_established, heard_close, heard_end;
  bool kept;    /* its session was saved since it is established */
  bool resumes; /* what is expected of `established` */
  tw_err reason;
  uint8_t context[TW_PAIR_CONTEXT_MAX]; /* of its connection's keys, as it has them now or had them last */
  size_t context_len;
} tw_test_end;

/** Directions: from the side that opened it, and from the other. */
enum { TW_TEST_FORTH = 0, TW_TEST_BACK = 1 };

/** A connection, or what an attacker makes look like one. */
typedef struct tw_test_link {
  bool used;
  unsigned end[2];     /* that opened it; that was asked, 0 until the first byte comes to it */
  unsigned asked_host; /* where that is */
  unsigned origin;
  tw_buf queue[2]; /* under way */
  tw_buf tape[2];  /* the beginning of what was ever under way, for attackers */
  bool ended[2];   /* after what is under way the stream ends */
  bool cut[2];     /* what is sent from now on goes nowhere */
  bool touched;    /* something was changed or lost on the way, or there is nobody at the other side */
  size_t arrived[2];
} tw_test_link;

typedef struct tw_test_hosts {
  tw_test_env test;
  tw_test_host host[2];
  tw_test_end end[TW_TEST_ENDS];
  unsigned ends; /* used so far, the 0th included */
  tw_test_link link[TW_TEST_LINKS];
  uint64_t now_ms;
  uint64_t rng;
  bool rolled_back; /* a disk went back to what it was earlier: sessions need not be found together any more */
  char told[96];    /* which history and step this is, for failures */
  /* What it came to. */
  size_t established, resumed, early, refused, rekeyed, crossed;
} tw_test_hosts;

void tw_test_hosts_begin(tw_test_hosts *w, uint64_t seed);
/** Ends all; nothing may be left. */
void tw_test_hosts_end(tw_test_hosts *w);
/** A number below `below`, by the history's seed. */
uint32_t tw_test_hosts_pick(tw_test_hosts *w, uint32_t below);

/** The byte that end `of` writes at `position`. */
uint8_t tw_test_end_byte(unsigned of, uint64_t position);

/** A connection by `host`: resumes what it saved last, or says hello. Nothing when all places are taken. */
bool tw_test_hosts_open(tw_test_hosts *w, unsigned host);
/** A free place for a connection, by giving up one that has no honest end; NULL: none. */
tw_test_link *tw_test_hosts_place(tw_test_hosts *w);
/** What the channel has for the wire goes on its way, up to `most` bytes; true if any did. */
bool tw_test_end_send(tw_test_hosts *w, unsigned end, size_t most);
/** Up to `most` bytes arrive, or the end of the stream does; true if anything did. */
bool tw_test_link_arrive(tw_test_hosts *w, tw_test_link *link, unsigned direction, size_t most);
/** The application writes up to `most` bytes; true if any were taken. */
bool tw_test_end_write(tw_test_hosts *w, unsigned end, size_t most);
/** The session is saved, and the host's other channels that had it are ended. False: nothing to be saved. */
bool tw_test_end_save(tw_test_hosts *w, unsigned end, bool crash_behind);
/** The application takes data, the host events; what has ended is put away. */
void tw_test_end_look(tw_test_hosts *w, unsigned end);
/** A call's error is one that may be. */
void tw_test_end_note(tw_test_hosts *w, unsigned end, tw_err err);
/** It is gone without a word; what it has sent stays under way. */
void tw_test_end_drop(tw_test_hosts *w, unsigned end);
/** All channels of the host are gone, and what was not saved has not happened. */
void tw_test_hosts_crash(tw_test_hosts *w, unsigned host);
/** A live channel of any host, or TW_TEST_NOBODY. */
unsigned tw_test_hosts_any(tw_test_hosts *w);
/** Everything moves until nothing does any more. */
void tw_test_hosts_settle(tw_test_hosts *w);
/** The session of the host's disk by its group; NULL: none. */
const tw_test_session *tw_test_host_find(const tw_test_host *host, tw_bytes group_id);

/** Fails with the history and step; cmocka has to be included. */
#define TW_TEST_HOLDS(w, condition)                                                                                    \
  do {                                                                                                                 \
    if (!(condition)) fail_msg("%s: %s:%d: %s", (w)->told, __FILE__, __LINE__, #condition);                            \
  } while (0)

#endif

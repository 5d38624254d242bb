/* Whom we let in: a file of public keys. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_PEERS_H
#define TW_CLI_PEERS_H

#include "keys/key_text.h"

/*
 * One peer a line: a public key or a fingerprint (key_text.h), then optionally a name, which goes on to the line's end.
 * Empty lines and those that begin with '#' are comments.
 */
enum {
  TW_PEER_NAME_MAX = 127,
  TW_PEERS_MAX = 1000000,              /* peers in one file */
  TW_PEERS_FILE_MAX = 64 * 1024 * 1024 /* its size in bytes */
};

typedef struct tw_peer {
  tw_fingerprint fingerprint;
  const tw_suite *suite; /* NULL where the file gives a fingerprint */
  size_t line;
  size_t name; /* offset in the set's names */
} tw_peer;

/** A set of peers. Zero-initialised is the empty one, which lets nobody in. */
typedef struct tw_peers {
  tw_peer *list; /* ordered by fingerprint */
  size_t count;
  size_t room;
  tw_buf names; /* strings with their ends */
} tw_peers;

/**
 * Parse a file's text; `source` is its name for the report, which says "SOURCE:LINE: …". TW_ERR_ENCODING for a line
 * that is not as above or repeats a key, TW_ERR_LIMIT; `*peers` is then as before, else its old content is replaced.
 */
TW_MUST_USE tw_err tw_peers_parse(const tw_env *env, const char *source, tw_bytes text, tw_peers *peers,
                                  tw_report *report);
/** Replace the set by this one peer. `name` has no control characters. */
TW_MUST_USE tw_err tw_peers_set(tw_peers *peers, const tw_fingerprint *fingerprint, const tw_suite *suite,
                                const char *name);
/** The peer with this fingerprint, or NULL. */
const tw_peer *tw_peers_find(const tw_peers *peers, const tw_fingerprint *fingerprint);
/** Its name, "" when it has none. */
const char *tw_peer_name(const tw_peers *peers, const tw_peer *peer);
void tw_peers_clear(tw_peers *peers);

#endif

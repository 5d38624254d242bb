/* Sessions that outlive their connections: in memory, or in a state directory. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_SESSIONS_H
#define TW_CLI_SESSIONS_H

#include "cli/options.h"
#include "net/service.h"

/* Options of listen and connect: their table has TW_SESSION_OPTIONS after those of serve.h. */
enum {
  TW_SESSION_STATE,
  TW_SESSION_STATE_KEY,
  TW_SESSION_STATE_PASS,
  TW_SESSION_LIFETIME,
  TW_SESSION_MOST,
  TW_SESSION_OPTION_COUNT
};

#define TW_SESSION_OPTIONS                                                                                             \
  {"state", 0, "DIR"}, {"state-key", 0, "FILE"}, {"state-pass", 0, "FILE"}, {"session-lifetime", 0, "SECONDS"}, {      \
    "max-sessions", 0, "N"                                                                                             \
  }

#define TW_SESSION_HELP                                                                                                \
  "      --state DIR           keep sessions over restarts in DIR (mode 0700; default: in memory)\n"                   \
  "      --state-key FILE      sealed with the 32 random bytes in FILE, mode 0600\n"                                   \
  "      --state-pass FILE     or with the passphrase in FILE, mode 0600\n"                                            \
  "      --session-lifetime SECONDS    how long an unused session is kept (default 30 days; 0: none are)\n"            \
  "      --max-sessions N      how many; the longest unused goes first (default 65536)\n"

/** What the options say; zero-initialise, then tw_session_options_init. */
typedef struct tw_session_options {
  const char *dir;
  const char *key_path;
  const char *pass_path;
  uint64_t lifetime_s;
  uint64_t most;
} tw_session_options;

void tw_session_options_init(tw_session_options *options);
/** TW_ERR_ARGUMENT with a report. */
TW_MUST_USE tw_err tw_session_option(tw_session_options *options, int which, const char *value, tw_report *report);
/** Whether the options fit together. TW_ERR_ARGUMENT with a report. */
TW_MUST_USE tw_err tw_session_options_check(const tw_session_options *options, tw_report *report);

enum { TW_SESSION_TAG = 32 };

/** The sessions of one process: which there are, and which tunnel has each. */
typedef struct tw_sessions tw_sessions;

/**
 * Open the state, if there is one. `tag` tells sessions of one purpose from another's (whom they are with, on the side
 * that connects); only those with this tag are gone on with. Errors as tw_store_open, with a report. `env` is borrowed.
 */
TW_MUST_USE tw_err tw_sessions_open(const tw_session_options *options, const tw_env *env, bool connecting,
                                    const uint8_t tag[TW_SESSION_TAG], tw_sessions **sessions, tw_report *report);
/** NULL is fine. Secrets are wiped; what is on the disk stays. */
void tw_sessions_close(tw_sessions *sessions);
size_t tw_sessions_count(const tw_sessions *sessions);

/** For tw_channel_config.session; `ctx` is the tw_sessions. */
tw_err tw_sessions_find(void *ctx, tw_bytes group_id, tw_buf *saved, tw_channel_found *found);
/** For tw_service_config.resume: the session used last that no tunnel has. */
bool tw_sessions_resume(tw_sessions *sessions, tw_tunnel *tunnel, tw_buf *saved, uint64_t *version);
/** The tunnel's session is of no use to the other side: forget it. */
void tw_sessions_forget(tw_sessions *sessions, tw_tunnel *tunnel);
/** The tunnel has ended: its session is free. */
void tw_sessions_release(tw_sessions *sessions, tw_tunnel *tunnel);
/** For tw_service_config.save: who has been overtaken in its session is ended and not saved. */
TW_MUST_USE tw_err tw_sessions_save(tw_sessions *sessions, tw_tunnel *const *tunnels, size_t count, tw_report *report);
/** Have what was replaced overwritten on the disk, and drop sessions that are too old. */
void tw_sessions_tidy(tw_sessions *sessions);

#endif

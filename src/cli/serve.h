/* What listen and connect have in common. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_SERVE_H
#define TW_CLI_SERVE_H

#include "cli/cli.h"
#include "cli/events.h"
#include "cli/identity.h"
#include "cli/keylog.h"
#include "cli/limits.h"
#include "cli/sessions.h"
#include "cli/tls.h"
#include "net/service.h"

/* The options of both verbs: their table begins with TW_SERVE_OPTIONS, then come TW_CERTIFICATE_OPTIONS,
 * TW_SESSION_OPTIONS and TW_TLS_OPTIONS, and their own after TW_SERVE_OPTIONS_END. */
enum {
  TW_SERVE_KEY,
  TW_SERVE_STDIO,
  TW_SERVE_REKEY_AFTER,
  TW_SERVE_REKEY_BYTES,
  TW_SERVE_EVENTS,
  TW_SERVE_HANDSHAKE_TIMEOUT,
  TW_SERVE_CONNECT_TIMEOUT,
  TW_SERVE_IDLE_TIMEOUT,
  TW_SERVE_VERBOSE,
  TW_SERVE_KEYLOG,
  TW_SERVE_OPTION_COUNT,
  TW_SERVE_SESSIONS = TW_SERVE_OPTION_COUNT + TW_CERTIFICATE_OPTION_COUNT,
  TW_SERVE_TLS = TW_SERVE_SESSIONS + TW_SESSION_OPTION_COUNT,
  TW_SERVE_OPTIONS_END = TW_SERVE_TLS + TW_TLS_OPTION_COUNT
};

#define TW_SERVE_OPTIONS                                                                                               \
  {"key", 'k', "FILE"}, {"stdio", 0, NULL}, {"rekey-after", 0, "SECONDS"}, {"rekey-bytes", 0, "N"},                    \
      {"events", 0, "FILE"}, {"handshake-timeout", 0, "SECONDS"}, {"connect-timeout", 0, "SECONDS"},                   \
      {"idle-timeout", 0, "SECONDS"}, {"verbose", 'v', NULL}, {                                                        \
    "keylog", 0, NULL                                                                                                  \
  }

#define TW_SERVE_HELP                                                                                                  \
  "      --stdio               standard input and output are the application\n"                                        \
  "      --rekey-after SECONDS renew our key after so long (default 120; 0: not by time)\n"                            \
  "      --rekey-bytes N       and after so many bytes; K, M, G may follow (default 1G; 0: not by bytes)\n"            \
  "      --events FILE         append what happens to FILE, one JSON object a line\n"                                  \
  "      --handshake-timeout SECONDS   for the peer to show who it is (default 30)\n"                                  \
  "      --connect-timeout SECONDS     for one address to answer (default 10)\n"                                       \
  "      --idle-timeout SECONDS        end channels that carry nothing for so long (default 0: never)\n"               \
  "      --keylog              for debugging: append traffic secrets to the file that SSLKEYLOGFILE names\n"           \
  "  -v, --verbose             tell more on standard error\n"

typedef struct tw_serve {
  tw_env env;
  tw_identity identity;
  tw_event_log log;
  tw_keylog keylog;
  tw_service_config service;
  tw_channel_config channel;
  tw_channel_options channel_options;
  tw_admission_limits limits; /* of a listener */
  tw_session_options session_options;
  tw_tls_options tls;
  tw_sessions *sessions; /* NULL where none are kept */
  uint8_t tag[TW_SESSION_TAG];
  bool no_fresh; /* connecting: a session that is lost is an error */
  const char *keys[TW_KEYS_MAX];
  size_t key_count;
  const char *events_path;
  const char *peers_path; /* read again on SIGHUP; NULL: not */
  bool stdio;
  bool verbose;
  bool keylog_wanted;
  tw_exit code; /* of the one channel over standard input and output */
} tw_serve;

/** Defaults. `serve` does not move from then on. */
void tw_serve_init(tw_serve *serve, bool connecting);
/** Take one of the common options. TW_ERR_ARGUMENT with a report. */
TW_MUST_USE tw_err tw_serve_option(tw_serve *serve, int which, const char *value, tw_report *report);
/** Set up cryptography and keys; the process is hardened first. Reports itself. */
tw_exit tw_serve_prepare(tw_serve *serve);
/** Serve until the end. Reports itself. */
tw_exit tw_serve_run(tw_serve *serve);
void tw_serve_clear(tw_serve *serve);

#endif

/* The limits of a listener, all in one place. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_LIMITS_H
#define TW_CLI_LIMITS_H

#include <treewire/channel.h>

#include "cli/options.h"
#include "net/admission.h"

/* Beside these, --handshake-timeout is among the options of both verbs. */
enum {
  TW_LIMIT_HALF_OPEN,
  TW_LIMIT_HALF_OPEN_PER_ADDRESS,
  TW_LIMIT_HANDSHAKE_RATE,
  TW_LIMIT_HANDSHAKE_BURST,
  TW_LIMIT_HANDSHAKES_IN_ALL,
  TW_LIMIT_MESSAGE_MAX,
  TW_LIMIT_STRANGER_LINES,
  TW_LIMIT_OPTION_COUNT
};

#define TW_LIMIT_OPTIONS                                                                                               \
  {"half-open", 0, "N"}, {"half-open-per-address", 0, "N"}, {"handshake-rate", 0, "N"}, {"handshake-burst", 0, "N"},   \
      {"handshakes-in-all", 0, "N"}, {"message-max", 0, "N"}, {                                                        \
    "stranger-lines", 0, "N"                                                                                           \
  }

#define TW_LIMIT_HELP                                                                                                  \
  "      --half-open N         connections whose peer is not known yet; past it the oldest goes (default 4096)\n"      \
  "      --half-open-per-address N     of one address; past it new ones are closed at once (default 1024)\n"           \
  "      --handshake-rate N    begun in a second from one address (default 200)\n"                                     \
  "      --handshake-burst N   of them at once, after a pause (default 2000)\n"                                        \
  "      --handshakes-in-all N begun in a second, from all addresses; past it they wait (default 1000)\n"              \
  "      --message-max N       bytes of a handshake message; K, M may follow (default 64K)\n"                          \
  "      --stranger-lines N    a minute, of connections that come to nothing; the rest is counted (default 60)\n"      \
  "                            0 is no limit, but for --handshake-burst and --message-max\n"

/** Take one of these options. TW_ERR_ARGUMENT with a report. */
TW_MUST_USE tw_err tw_limit_option(int which, const char *value, tw_admission_limits *limits,
                                   tw_channel_options *channel, tw_report *report);

#endif

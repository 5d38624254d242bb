/* TLS on the command line: TLS+MLS, and TLS for peers without MLS. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_TLS_H
#define TW_CLI_TLS_H

#include "cli/identity.h"
#include "net/service.h"

/* Options of listen and connect: their table has TW_TLS_OPTIONS after those of sessions.h. */
enum { TW_TLS_PROTO, TW_TLS_ALPN, TW_TLS_STANDARD, TW_TLS_OPTION_COUNT };

#define TW_TLS_OPTIONS                                                                                                 \
  {"proto", 0, "NAME"}, {"alpn", 0, "NAME"}, { "tls-standard", 0, NULL }

#define TW_TLS_HELP                                                                                                    \
  "      --proto NAME          mls-tls (default), or tls: MLS inside a TLS 1.3 handshake; the same on both sides\n"    \
  "      --alpn NAME           with tls: an application protocol, the preferred first; may be repeated\n"

enum { TW_ALPN_MAX = 16, TW_COOKIE_KEY = 48 };

/** What the options say, and what they come to. Zero-initialised: MLS-TLS. Does not move once it was opened. */
typedef struct tw_tls_options {
  bool used; /* --proto tls */
  bool standard;
  bool anyone; /* listening: standard TLS without a certificate */
  bool retry_given;
  uint64_t retry_above;
  tw_bytes alpn[TW_ALPN_MAX];
  size_t alpn_count;

  tw_channel_tls channel;
  char name_texts[TW_NAMES_MAX][TW_X509_NAME];
  tw_bytes names[TW_NAMES_MAX];
  size_t name_count;
  uint8_t cookie_key[TW_COOKIE_KEY];
  tw_standard_context *context;
} tw_tls_options;

/** Take an option. TW_ERR_ARGUMENT with a report. */
TW_MUST_USE tw_err tw_tls_option(tw_tls_options *options, int which, const char *value, tw_report *report);
/** Whether the options fit together and to the certificates. TW_ERR_ARGUMENT with a report. */
TW_MUST_USE tw_err tw_tls_options_check(const tw_tls_options *options, const tw_identity *identity, tw_report *report);
/**
 * Fill `channel` and `context` once keys and certificates are read. `host` is where we connect to, NULL for listeners.
 * Errors with a report.
 */
TW_MUST_USE tw_err tw_tls_options_open(tw_tls_options *options, tw_identity *identity, const char *host,
                                       const tw_channel_options *limits, tw_report *report);
void tw_tls_options_clear(tw_tls_options *options);
/** What tells sessions of one agreement from another's: nothing for MLS-TLS; else protocol, names, ALPN. Appended. */
TW_MUST_USE tw_err tw_tls_session_words(const tw_tls_options *options, tw_buf *words);

/**
 * Whether somebody with these certificates is accepted, or with `recall` who it is: as tw_identity_accepts and
 * tw_identity_recalls, for a peer of standard TLS. `*suite` is one of ours that its key would be for; NULL: there is
 * none.
 */
TW_MUST_USE tw_err tw_tls_judge(tw_identity *identity, tw_bytes certificates, bool recall, const tw_suite **suite,
                                tw_acquaintance *known);

#endif

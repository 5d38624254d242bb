/* Reading keys from files. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_KEY_FILE_H
#define TW_CLI_KEY_FILE_H

#include "cli/peers.h"

/** The whole of a file of at most `max` bytes into `out`. TW_ERR_STATE (cannot be read) or TW_ERR_LIMIT with a report.
 */
TW_MUST_USE tw_err tw_file_read(const char *path, size_t max, tw_buf *out, tw_report *report);

/** The same for a private key's or a passphrase's file: TW_ERR_FORBIDDEN when group or others have any right to it. */
TW_MUST_USE tw_err tw_secret_file_read(const char *path, size_t max, tw_buf *out, tw_report *report);

/** The private key in `path`, refused (TW_ERR_FORBIDDEN) when group or others have any right to the file. */
TW_MUST_USE tw_err tw_key_file_read(const tw_env *env, const char *path, const tw_suite **suite, tw_signer **signer,
                                    tw_report *report);
/** The same from a descriptor, without a look at its mode; `source` is its name for the report. */
TW_MUST_USE tw_err tw_key_descriptor_read(const tw_env *env, int fd, const char *source, const tw_suite **suite,
                                          tw_signer **signer, tw_report *report);

/** The peers in `path`. */
TW_MUST_USE tw_err tw_peers_file_read(const tw_env *env, const char *path, tw_peers *peers, tw_report *report);

/**
 * The one peer that `--peer` names: a public key, a fingerprint, or "@FILE" with one line of a peers file.
 * TW_ERR_ARGUMENT, or as tw_peers_file_read.
 */
TW_MUST_USE tw_err tw_peer_argument(const tw_env *env, const char *argument, tw_peers *peers, tw_report *report);

#endif

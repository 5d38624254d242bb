/* --keylog: traffic secrets into the file that SSLKEYLOGFILE names. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_KEYLOG_H
#define TW_CLI_KEYLOG_H

#include <treewire/bytes.h>

#include "net/report.h"

typedef struct tw_keylog {
  int fd; /* -1: none */
} tw_keylog;

/**
 * Open the file at `path` to append to; a new one has mode 0600. TW_ERR_ARGUMENT where `path` is NULL or empty,
 * TW_ERR_FORBIDDEN where others have rights to the file, TW_ERR_STATE, all with a report.
 */
TW_MUST_USE tw_err tw_keylog_open(tw_keylog *keylog, const char *path, tw_report *report);
void tw_keylog_close(tw_keylog *keylog);
/** For tw_channel_config.keylog; `ctx` is the tw_keylog. */
void tw_keylog_line(void *ctx, tw_bytes line);

#endif

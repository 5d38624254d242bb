/* SIGHUP, and certificates whose time is over. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_RELOAD_H
#define TW_CLI_RELOAD_H

#include "cli/serve.h"

/** Warn about peers whose suite no key of ours has. */
void tw_serve_check_peers(const tw_serve *serve);

/** Peers, CAs and CRLs anew: all of them, or with an error and a report none. */
TW_MUST_USE tw_err tw_serve_read_anew(tw_serve *serve, tw_report *report);

/* Callbacks of the service; `ctx` is the tw_serve. */

/**
 * Read peers, CAs and CRLs anew and end the channels of those who are not accepted any more. Files with a mistake
 * change nothing: all stays as it was.
 */
void tw_serve_reload(void *ctx, tw_service *service);
/** End the channels whose peer's certificate has expired. */
void tw_serve_look(void *ctx, tw_service *service);

#endif

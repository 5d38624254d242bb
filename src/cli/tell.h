/* Telling what happens: to the event log, and to people on standard error. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_TELL_H
#define TW_CLI_TELL_H

#include "cli/serve.h"

/* Callbacks of the service; `ctx` is the tw_serve. */
void tw_tell_event(void *ctx, tw_tunnel *tunnel, const tw_tunnel_event *event);
void tw_tell_listening(void *ctx, const char *address);
void tw_tell_short(void *ctx, int why);

/** The peers were read anew, or why not. */
void tw_tell_reload(const tw_serve *serve, const char *error);
/** Who is at the other side: false when that is not known yet. `*peer` is NULL when it is not among the peers. */
bool tw_tell_peer(const tw_serve *serve, const tw_tunnel *tunnel, tw_fingerprint *fingerprint, const tw_peer **peer);
/** The exit code that an error of the one channel stands for. */
tw_exit tw_tell_exit(const tw_tunnel_event *event);

#endif

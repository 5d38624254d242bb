/* Telling what happens: to the event log, and to people on standard error. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_TELL_H
#define TW_CLI_TELL_H

#include "cli/serve.h"

/* Callbacks of the service; `ctx` is the tw_serve. */
void tw_tell_event(void *ctx, tw_tunnel *tunnel, const tw_tunnel_event *event);
void tw_tell_listening(void *ctx, const char *address);
void tw_tell_short(void *ctx, int why);
void tw_tell_strangers(void *ctx, const tw_gate_tally *tally);

/** The peers were read anew, or why not. */
void tw_tell_reload(const tw_serve *serve, const char *error);
/** The peer that the other side of an established channel is; NULL when it is not, or no more, among the peers. */
const tw_peer *tw_tell_peer(const tw_serve *serve, tw_tunnel *tunnel);
/** Until when the certificate of an established channel's peer is valid, in seconds since 1970; UINT64_MAX when it was
 * not accepted by that. */
uint64_t tw_tell_valid_until(tw_tunnel *tunnel);
/**
 * Ask the identity about the other side of a tunnel, whatever its link is: as tw_identity_accepts, with `recall` as
 * tw_identity_recalls. TW_ERR_STATE: it has not said who it is, or has said nothing of that.
 */
TW_MUST_USE tw_err tw_tell_ask(tw_serve *serve, tw_tunnel *tunnel, bool recall, const tw_suite **suite,
                               tw_acquaintance *known);
/** It was accepted anew, as this. */
void tw_tell_renew(tw_tunnel *tunnel, const tw_acquaintance *known);
/** The exit code that an error of the one channel stands for. */
tw_exit tw_tell_exit(const tw_tunnel_event *event);

#endif

/* What shows that a message by mail is the other side's, as it was sent. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_PAIR_MAIL_TAG_H
#define TW_PAIR_MAIL_TAG_H

#include "pair/message.h"

/*
 * On a connection, records protect the parts of a message that MLS does not. By mail (tw_pair_config.by_mail) nothing
 * does: so all messages but hellos have a tag behind them there, by the exporter of the epoch that their commit leads
 * to, or the commit that they answer. docs/protocols.md (D19).
 */

/* Takes the tag off a message that came by mail: *encoded is what it is over, *tag is empty where there is none to be.
 * TW_ERR_TRUNCATED, TW_ERR_UNSUPPORTED, TW_ERR_ENCODING. */
TW_MUST_USE tw_err tw_pair_tag_split(const tw_pair *pair, tw_bytes *encoded, tw_bytes *tag);
/* Behind our message, which begins at `start` of `message`. `request`: the nonce of what a resumption_response answers;
 * else empty. Nothing on a connection. TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_pair_tag_add(const tw_pair *pair, const tw_group *epoch, tw_bytes request, size_t start,
                                   tw_buf *message);
/* Whether the peer has made the tag of `message`. Nothing on a connection. TW_ERR_MAC: it has not. TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_pair_tag_check(const tw_pair *pair, const tw_group *epoch, tw_bytes request,
                                     const tw_pair_message *message);

#endif

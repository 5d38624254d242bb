/* Resumption (D5, D6). SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_PAIR_RESUMPTION_H
#define TW_PAIR_RESUMPTION_H

#include "pair/machine.h"
#include "pair/message.h"

/* What a resumption_request is to this pair, by what its commit is built on. TW_ERR_WRONG_GROUP, TW_ERR_UNEXPECTED. */
TW_MUST_USE tw_err tw_pair_request_input(const tw_pair *pair, const tw_pair_message *request, tw_pair_input *input);

/* TW_PAIR_DO_ANSWER, DO_APPLY_ANSWER, DO_YIELD_ANSWER, DO_MERGE_ANSWER, DO_CROSS. */
TW_MUST_USE tw_err tw_pair_do_request(tw_pair *pair, tw_pair_action action, const tw_pair_message *request,
                                      uint64_t now_ms, tw_buf *reply, tw_pair_event *event);
/* TW_PAIR_DO_RESUME. */
TW_MUST_USE tw_err tw_pair_do_response(tw_pair *pair, const tw_pair_message *response, uint64_t now_ms,
                                       tw_pair_event *event);

#endif

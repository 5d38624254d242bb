/* Transcript hashes and the confirmation tag, RFC 9420 sections 8.2 and 6.1. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_TRANSCRIPT_H
#define TW_MLS_TRANSCRIPT_H

#include "mls/label.h"

/*
 * Each gives Nh bytes. A commit's AuthenticatedContent comes in its encoded parts: wire format, FramedContent,
 * signature.
 */
TW_MUST_USE tw_err tw_confirmed_transcript_hash(const tw_env *env, const tw_suite *suite, tw_bytes interim_before,
                                                uint16_t wire_format, tw_bytes framed_content, tw_bytes signature,
                                                uint8_t *out);
TW_MUST_USE tw_err tw_interim_transcript_hash(const tw_env *env, const tw_suite *suite, tw_bytes confirmed,
                                              tw_bytes confirmation_tag, uint8_t *out);
TW_MUST_USE tw_err tw_confirmation_tag(const tw_env *env, const tw_suite *suite, tw_bytes confirmation_key,
                                       tw_bytes confirmed, uint8_t *out);
/* TW_ERR_MAC unless `tag` is the confirmation tag; compared in constant time. */
TW_MUST_USE tw_err tw_confirmation_tag_check(const tw_env *env, const tw_suite *suite, tw_bytes confirmation_key,
                                             tw_bytes confirmed, tw_bytes tag);

#endif

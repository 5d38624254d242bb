/* Proposals that were sent by themselves in an epoch, waiting for a commit. RFC 9420 sections 12.1.8 and 12.4. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_PROPOSAL_CACHE_H
#define TW_MLS_PROPOSAL_CACHE_H

#include "mls/framing.h"

/* Our own Update proposal's new keys, used when somebody commits it. */
typedef struct tw_update_keys {
  tw_secret leaf_key;
  tw_signer *signer;
} tw_update_keys;

typedef struct tw_cached_proposal {
  uint8_t reference[TW_HASH_MAX]; /* ProposalRef */
  tw_buf encoded;                 /* Proposal */
  tw_sender sender;
  tw_update_keys *own_update; /* NULL but for our own Update */
} tw_cached_proposal;

/* In the order of arrival. Zero-initialised is empty. */
typedef struct tw_proposal_cache {
  tw_cached_proposal *items;
  uint32_t count;
  uint32_t cap;
  uint32_t *slots; /* 2 * cap of them, open addressing by the reference: index + 1, or 0 */
} tw_proposal_cache;

void tw_proposal_cache_clear(const tw_env *env, tw_proposal_cache *cache);
/* ProposalRef of an AuthenticatedContent in its encoded parts (section 5.2). */
TW_MUST_USE tw_err tw_proposal_reference(const tw_env *env, const tw_suite *suite, uint16_t wire_format,
                                         tw_bytes framed_content, tw_bytes signature, uint8_t *out);
/* TW_ERR_DUPLICATE when it is there, TW_ERR_LIMIT above limits.proposals. Takes `own_update` over on success. */
TW_MUST_USE tw_err tw_proposal_cache_add(const tw_env *env, const tw_suite *suite, tw_proposal_cache *cache,
                                         const uint8_t *reference, tw_bytes encoded, tw_sender sender,
                                         tw_update_keys *own_update);
/* NULL when it is not there. */
const tw_cached_proposal *tw_proposal_cache_find(const tw_proposal_cache *cache, const tw_suite *suite,
                                                 tw_bytes reference);
void tw_update_keys_free(const tw_env *env, tw_update_keys *keys);

#endif

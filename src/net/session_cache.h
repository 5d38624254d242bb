/* Sessions of channels that this process accepts, in memory. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_SESSION_CACHE_H
#define TW_NET_SESSION_CACHE_H

#include <treewire/channel.h>

typedef struct tw_session_cache tw_session_cache;
/** One session in it, with whoever's channel has it. */
typedef struct tw_kept_session tw_kept_session;

/** Keeps `most` sessions that no channel has, those that were used last. TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_session_cache_new(size_t most, tw_session_cache **out);
/** NULL is fine. Sessions are wiped. */
void tw_session_cache_free(tw_session_cache *cache);
/** For tw_channel_config.session, whose ctx is the cache. */
tw_err tw_session_cache_find(void *ctx, tw_bytes group_id, tw_buf *saved, tw_channel_found *found);
/**
 * Save the session of a holder's channel. `*kept` is the holder's own, NULL at first, and is given back by
 * tw_session_cache_release. `*former`: another holder that had it; it has to end, without giving anything back; else
 * NULL. TW_ERR_APART: it is this channel that has been overtaken and has to end; nothing was saved. TW_ERR_NO_MEMORY
 * and the errors of tw_channel_save.
 */
TW_MUST_USE tw_err tw_session_cache_save(tw_session_cache *cache, const tw_channel *channel, void *holder,
                                         tw_kept_session **kept, void **former);
/** The holder's channel is gone. `*kept` is NULL then; nothing happens where it was. */
void tw_session_cache_release(tw_session_cache *cache, tw_kept_session **kept);
size_t tw_session_cache_count(const tw_session_cache *cache);

#endif

/* MLS-Exporter, RFC 9420 section 8.5. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_EXPORTER_H
#define TW_MLS_EXPORTER_H

#include "mls/label.h"

/* Allocates nothing. TW_ERR_ARGUMENT when `len` is more than 255 * Nh. */
TW_MUST_USE tw_err tw_exporter(const tw_env *env, const tw_suite *suite, tw_bytes exporter_secret, tw_bytes label,
                               tw_bytes context, uint8_t *out, size_t len);

/* The same by a key made of exporter_secret once (tw_hmac_key_init): two compressions of the hash less. */
TW_MUST_USE tw_err tw_exporter_with(const tw_env *env, const tw_suite *suite, const tw_hmac_key *exporter_key,
                                    tw_bytes label, tw_bytes context, uint8_t *out, size_t len);

/*
 * An application asks with one label and many contexts, one for each sender, or with a label for each of two
 * directions. This keeps what comes between, DeriveSecret(exporter_secret, label), for the two labels asked last: then
 * an export costs a third. Zero-initialised is empty; it goes with one exporter_secret and is as secret, so that it is
 * wiped (tw_wipe) with it. Labels that are too long for it are not kept.
 */
enum { TW_EXPORTER_LABEL_MAX = 39, TW_EXPORTER_LABELS = 2 };
typedef struct tw_exporter_label {
  tw_hmac_key key; /* key.hash NULL: empty */
  uint8_t label[TW_EXPORTER_LABEL_MAX];
  uint8_t label_len;
} tw_exporter_label;
typedef struct tw_exporter_cache {
  tw_exporter_label labels[TW_EXPORTER_LABELS];
  uint32_t latest; /* the one asked last; the other one gives way */
} tw_exporter_cache;

/* tw_exporter_with and a cache. */
TW_MUST_USE tw_err tw_exporter_cached(const tw_env *env, const tw_suite *suite, const tw_hmac_key *exporter_key,
                                      tw_exporter_cache *cache, tw_bytes label, tw_bytes context, uint8_t *out,
                                      size_t len);

#endif

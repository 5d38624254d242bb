/* KeyPackage, RFC 9420 section 10. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_KEY_PACKAGE_H
#define TW_MLS_KEY_PACKAGE_H

#include "mls/leaf_node.h"

typedef struct tw_key_package_view {
  uint16_t version;
  uint16_t cipher_suite;
  tw_bytes init_key;
  tw_leaf_node leaf_node;
  tw_bytes extensions; /* list */
  tw_bytes signature;
  tw_bytes content; /* KeyPackageTBS */
  tw_bytes encoded;
} tw_key_package_view;

tw_key_package_view tw_read_key_package(tw_reader *r);
TW_MUST_USE tw_err tw_key_package_decode(tw_bytes encoded, tw_key_package_view *out);
/* Signs and appends a KeyPackage; `leaf_node` encoded, with the source key_package; `extensions` is a list. */
TW_MUST_USE tw_err tw_key_package_make(const tw_env *env, const tw_suite *suite, const tw_signer *signer,
                                       tw_bytes init_key, tw_bytes leaf_node, tw_bytes extensions, tw_buf *out);
/*
 * Section 10.1 with the leaf's checks of section 7.3: version, suite, keys, both signatures, lifetime at `now` (0: not
 * checked). TW_ERR_UNSUPPORTED: version or suite. TW_ERR_FORBIDDEN: leaf_node_source. TW_ERR_KEY_REUSED: init_key is
 * encryption_key. TW_ERR_CAPABILITY: also for an extension that capabilities lack. TW_ERR_KEY, TW_ERR_SIGNATURE, and
 * those of tw_leaf_node_check.
 */
TW_MUST_USE tw_err tw_key_package_check(const tw_env *env, const tw_suite *suite,
                                        const tw_key_package_view *key_package, tw_bytes group_context_extensions,
                                        uint64_t now);
/* KeyPackageRef, section 5.2, suite->hash->size bytes. */
TW_MUST_USE tw_err tw_key_package_ref(const tw_env *env, const tw_suite *suite, tw_bytes encoded, uint8_t *out);

#endif

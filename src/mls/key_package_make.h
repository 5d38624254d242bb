/* Key packages of our own, with their private keys. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_KEY_PACKAGE_MAKE_H
#define TW_MLS_KEY_PACKAGE_MAKE_H

#include <treewire/mls.h>

#include "mls/key_package.h"

struct tw_key_package {
  const tw_client *client;
  tw_signer *signer;        /* that of the leaf, even if the client's changes */
  tw_buf message;           /* MLSMessage */
  tw_key_package_view view; /* into message */
  uint8_t reference[TW_HASH_MAX];
  tw_secret init_key;
  tw_secret leaf_key;
};

/* not_before and not_after of a leaf with the source key_package: the defaults where an option is 0. */
void tw_lifetime_default(uint64_t now, uint64_t *not_before, uint64_t *not_after);

/* As tw_group_safe_decrypt, for a member that has not come in yet: by the key that its leaf has then. */
TW_MUST_USE tw_err tw_key_package_safe_decrypt(const tw_key_package *key_package, uint16_t component_id, tw_bytes label,
                                               tw_bytes context, tw_bytes kem_output, tw_bytes ciphertext,
                                               tw_buf *plaintext);

#endif

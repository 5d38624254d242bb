/* MLS-Exporter, RFC 9420 section 8.5. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_EXPORTER_H
#define TW_MLS_EXPORTER_H

#include "mls/label.h"

/* Allocates nothing. TW_ERR_ARGUMENT when `len` is more than 255 * Nh. */
TW_MUST_USE tw_err tw_exporter(const tw_env *env, const tw_suite *suite, tw_bytes exporter_secret, tw_bytes label, tw_bytes context,
                               uint8_t *out, size_t len);

#endif

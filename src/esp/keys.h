/* Keys of SAs from a group. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_ESP_KEYS_H
#define TW_ESP_KEYS_H

#include <treewire/mls.h>

#include "esp/esp.h"

enum { TW_ESP_CONNECTION_MAX = 64 }; /* bytes */

/*
 * The keys by which the member at `leaf_index` sends in this epoch, equal at all members: from the group's exporter.
 * `lane`: 0, or more for a sender with several SAs (as RFC 9611). `connection`: of a pair its tw_pair_context, so that
 * what is resumed never has keys twice; else empty. The last four bits of the SPI are the same in all epochs of a
 * group, so that a receiver of several threads has all that a sender sends on one of them, in order. That there is such
 * a member is the caller's to check. TW_ERR_ARGUMENT: more than TW_ESP_CONNECTION_MAX bytes.
 */
TW_MUST_USE tw_err tw_esp_keys_derive(const tw_group *group, uint32_t leaf_index, uint16_t lane, tw_bytes connection,
                                      tw_esp_keys *keys);

#endif

/* Values of a configuration file. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NODE_CONFIG_VALUE_H
#define TW_NODE_CONFIG_VALUE_H

#include <treewire/bytes.h>

#include "node/prefix.h"

enum { TW_VALUE_UNITS_TEXT = 24 };

/** Whether it is that word, in any case of ASCII letters. */
bool tw_value_is(tw_bytes text, const char *word);
/** A decimal number from `min` to `max`. */
bool tw_value_number(tw_bytes text, uint64_t min, uint64_t max, uint64_t *number);
/** Seconds, or with s, m, h, d, w behind; "off" is 0. At most `max`. */
bool tw_value_seconds(tw_bytes text, uint64_t max, uint64_t *seconds);
/** A number, or with K, M, G, T behind (powers of 1024); "off" is 0. At most `max`. */
bool tw_value_amount(tw_bytes text, uint64_t max, uint64_t *amount);
/** yes, true, on; no, false, off. */
bool tw_value_flag(tw_bytes text, bool *flag);
/** Cut the next item off a comma separated list, without blanks around it; false at the end. An item may be empty. */
bool tw_value_next(tw_bytes *list, tw_bytes *item);
/** A peer's name: 1 … TW_NODE_PEER_NAME_MAX bytes, ASCII letters and digits, "._-" (not as the first), and what is
 * not ASCII. Of text that is printable UTF-8. */
bool tw_value_is_peer_name(tw_bytes text);
/** Why no host can have this address with the length of its subnet, in words that go behind it; NULL: one can. Static.
 */
const char *tw_value_unfit_address(const tw_prefix *address);
/** The other way: "90s", "2h"; `out` has TW_VALUE_UNITS_TEXT. */
void tw_value_format_seconds(uint64_t seconds, char *out);
/** "64G". */
void tw_value_format_amount(uint64_t amount, char *out);
/** Replace the owned string `*out` by a copy. TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_value_copy(const tw_alloc *alloc, tw_bytes text, char **out);

#endif

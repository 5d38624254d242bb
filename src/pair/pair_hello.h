/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_PAIR_HELLO_H
#define TW_PAIR_HELLO_H

#include <treewire/pair.h>

/* TW_PAIR_DO_JOIN: the server_hello's Welcome. */
TW_MUST_USE tw_err tw_pair_do_join(tw_pair *pair, tw_bytes welcome, uint64_t now_ms);

#endif

/* All epochs that either of two ends has ever had, and what must be true of them. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_FUZZ_PAIR_MAIL_EPOCHS_H
#define TW_FUZZ_PAIR_MAIL_EPOCHS_H

#include "fuzz_party.h"
#include "pair/pair_internal.h"

void epochs_clear(void);
/*
 * After each change of an end's pair; NULL: it has none. No end is in an epoch that the other has never had, with the
 * same secrets, and none goes on to one of its own making before the other has. There are never two epochs of one
 * number in a pair.
 *
 * Not so by design: who has answered a client_hello is in an epoch of its own until it has heard the peer (D18). The
 * hello may have been used already, and nobody can read what is sent there.
 */
void epochs_check(const tw_pair *const pairs[2]);
/* Of one group, with the same number, authenticator and exporter. */
bool epochs_are_one(const tw_group *a, const tw_group *b);

#endif

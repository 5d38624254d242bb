/* Giving up what a process may do and does not need (Linux, capabilities(7)). SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_NET_RIGHTS_H
#define TW_NET_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "net/report.h"

/** Capabilities as a set: of each its bit. */
#define TW_RIGHTS_NONE UINT64_C(0)
#define TW_RIGHTS_NET_ADMIN (UINT64_C(1) << 12) /* CAP_NET_ADMIN: devices, addresses, routes, marks */

/** Whom to become. */
typedef struct tw_rights_user {
  bool changes; /* false: stay who we are */
  uid_t uid;
  gid_t gid;
} tw_rights_user;

/**
 * A name of the user database, or UID or UID:GID in digits. TW_ERR_ARGUMENT with a report: there is no such user, or it
 * is root.
 */
TW_MUST_USE tw_err tw_rights_find_user(const char *text, tw_rights_user *user, tw_report *report);

/**
 * Become `user`, without supplementary groups, keep the capabilities `keep` alone, and see to it that neither this
 * process nor one that it starts gets others: no_new_privs, an empty ambient and a bare bounding set. For good.
 *
 * To be called while there is one thread: capabilities are a thread's, and the threads that there are would keep theirs
 * (those that are made later have ours). Afterwards all of it has been checked. TW_ERR_STATE with a report: not
 * allowed, a capability of `keep` is one that we do not have, or there are more threads; the process should end then,
 * for it may have given up a part.
 */
TW_MUST_USE tw_err tw_rights_drop(const tw_rights_user *user, uint64_t keep, tw_report *report);

/** The capabilities in effect. */
uint64_t tw_rights_now(void);

#endif

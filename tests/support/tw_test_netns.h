/* A network namespace for a test program of its own. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_TESTS_TEST_NETNS_H
#define TW_TESTS_TEST_NETNS_H

#include <stdbool.h>

/**
 * Move this process, which has one thread, into a new network namespace with nothing but a loopback device, which is
 * up; it goes when the process ends. As root, or else in a user namespace too, where that is allowed. False: neither
 * can be had; the program then returns 77, or skips what needs it.
 */
bool tw_test_netns_enter(void);

#endif

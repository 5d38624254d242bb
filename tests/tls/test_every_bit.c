/* label: slow; each bit of each message of a handshake, flipped. SPDX-License-Identifier: Apache-2.0 */
#define EVERY_BIT 1
#include "test_damage.c"

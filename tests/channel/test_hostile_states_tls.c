/* label: no-valgrind. The same for TLS+MLS. SPDX-License-Identifier: Apache-2.0 */
#define PROTOCOL TW_CHANNEL_TLS
#include "test_hostile_states.c"

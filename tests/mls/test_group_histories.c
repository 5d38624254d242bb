/* label: slow. Thousands of epochs of random schedules. SPDX-License-Identifier: Apache-2.0 */
#define STEPS 250
#include "test_group_random.c"

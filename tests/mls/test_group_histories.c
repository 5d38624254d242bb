/* label: slow. Hundreds of epochs of random schedules. SPDX-License-Identifier: Apache-2.0 */
#define STEPS 60
#include "test_group_random.c"

/* The samples of the tests are seeds here, and writing decoded messages again is the property. SPDX-License-Identifier: Apache-2.0 */
#include "../../tests/support/reencode.c" /* NOLINT: shared with the tests */
#include "../../tests/support/samples.c"  /* NOLINT */

/* The tests' writer of packets. SPDX-License-Identifier: Apache-2.0 */
#include "../../tests/support/packet_kit.c" /* NOLINT: shared with the tests */

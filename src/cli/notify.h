/* Telling a service manager that we are ready. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_NOTIFY_H
#define TW_CLI_NOTIFY_H

/**
 * One datagram to the socket that NOTIFY_SOCKET names (sd_notify(3)), e.g. "READY=1"; nothing where it is not set.
 * Errors are of no interest: without the word, the manager notices by its own time-out.
 */
void tw_notify(const char *state);

#endif

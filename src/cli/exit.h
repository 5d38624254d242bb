/* Exit codes of the program, as --help and the man page say. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_EXIT_H
#define TW_CLI_EXIT_H

typedef enum tw_exit {
  TW_EXIT_OK = 0,
  TW_EXIT_USAGE = 1,    /* the command line */
  TW_EXIT_LOCAL = 2,    /* a local file, key or resource */
  TW_EXIT_NETWORK = 3,  /* no way to the peer or target, address in use, connection lost, time-out */
  TW_EXIT_REFUSED = 4,  /* the peer's key is not the expected one, or the peer refused ours */
  TW_EXIT_PROTOCOL = 5, /* what the peer sent is not valid */
  TW_EXIT_INTERNAL = 70 /* a defect of this program */
} tw_exit;

#endif

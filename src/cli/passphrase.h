/* Passphrases of private keys. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_PASSPHRASE_H
#define TW_CLI_PASSPHRASE_H

#include <treewire/bytes.h>

#include "net/report.h"

enum { TW_PASSPHRASE_MAX = 1000 };

/** The first line of a file that only its owner can read, appended. Errors with a report. */
TW_MUST_USE tw_err tw_passphrase_file_read(const char *path, tw_buf *passphrase, tw_report *report);
/**
 * Ask at the terminal, without echo, for the passphrase of `what`; appended. TW_ERR_STATE where there is no terminal:
 * the report then names `option`, by which it can be given.
 */
TW_MUST_USE tw_err tw_passphrase_ask(const char *what, const char *option, tw_buf *passphrase, tw_report *report);

#endif

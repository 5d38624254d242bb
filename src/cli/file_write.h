/* Files that are there whole or not at all. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_FILE_WRITE_H
#define TW_CLI_FILE_WRITE_H

#include <sys/types.h>
#include <treewire/bytes.h>

#include "net/report.h"

typedef enum tw_write_rule {
  TW_WRITE_NEW = 1,    /* refuse when the file is there */
  TW_WRITE_REPLACE = 2 /* take the place of what is there */
} tw_write_rule;

/**
 * Write a file of that mode under another name in the same folder, flush it, give it its name, flush the folder: a
 * crash leaves the old one or the new one. TW_ERR_STATE with a report.
 */
TW_MUST_USE tw_err tw_file_write(const char *path, tw_write_rule rule, mode_t mode, tw_bytes content,
                                 tw_report *report);
/**
 * Make the folders that `path` lies in, as far as they are not there, with mode 0755 as the umask leaves it.
 * TW_ERR_STATE with a report that names the one that cannot be made.
 */
TW_MUST_USE tw_err tw_folder_make_parents(const char *path, tw_report *report);
/**
 * Whether a folder takes a file of `size` bytes (in steps of 4096) durably: one is written, flushed and gone again.
 * TW_ERR_LIMIT: the disk is full. TW_ERR_FORBIDDEN: we may not. TW_ERR_STATE: it cannot, such as on a disk that is
 * read-only. All with a report that names the folder.
 */
TW_MUST_USE tw_err tw_folder_try(const char *path, size_t size, tw_report *report);
/** Flush a folder, so that names in it last. TW_ERR_STATE with a report. */
TW_MUST_USE tw_err tw_folder_flush(const char *path, tw_report *report);

#endif

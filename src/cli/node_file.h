/* Where a node's configuration is, and reading it. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_CLI_NODE_FILE_H
#define TW_CLI_NODE_FILE_H

#include "node/config.h"

#define TW_NODE_FOLDER "/etc/treewire"

typedef struct tw_node_file {
  char name[TW_NODE_NAME_MAX + 1];
  char path[TW_NODE_PATH_MAX + 1];
} tw_node_file;

/**
 * What NAME-or-FILE on a command line stands for: with a slash in it, or ".conf" at its end, a file, whose name without
 * that end is the node's; else /etc/treewire/NAME.conf. TW_ERR_ARGUMENT with a report.
 */
TW_MUST_USE tw_err tw_node_file_of(const char *word, tw_node_file *file, tw_report *report);
/** Read it. TW_ERR_STATE, TW_ERR_LIMIT (one problem), TW_ERR_NO_MEMORY. */
TW_MUST_USE tw_err tw_node_file_text(const tw_node_file *file, tw_buf *text, tw_problems *problems);
/** Read it and parse it for those who look for further problems: as tw_node_config_survey. */
TW_MUST_USE tw_err tw_node_file_survey(const tw_env *env, const tw_node_file *file, tw_node_config *config,
                                       tw_problems *problems);

#endif

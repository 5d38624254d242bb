/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/node_file.h"

#include <stdio.h>
#include <string.h>

#include "cli/key_file.h"

#define END ".conf"
enum { END_LEN = sizeof END - 1 };

tw_err tw_node_file_of(const char *word, tw_node_file *file, tw_report *report) {
  const size_t len = strlen(word);
  const char *slash = strrchr(word, '/');
  const char *base = slash == NULL ? word : slash + 1;
  const size_t base_len = strlen(base);
  const bool ends = base_len > END_LEN && strcmp(base + base_len - END_LEN, END) == 0;
  const size_t name_len = ends ? base_len - END_LEN : base_len;
  tw_node_file found = {{0}, {0}};
  if (slash != NULL && !ends)
    return tw_report_fail(report, TW_ERR_ARGUMENT, "'%.200s': a configuration's file is called NAME" END, word);
  if (name_len < sizeof found.name) memcpy(found.name, base, name_len);
  if (!tw_node_name_is_valid(found.name))
    return tw_report_fail(report, TW_ERR_ARGUMENT,
                          "'%.200s' cannot be an interface: a name has 1 to %d letters, digits or _=+.-", word,
                          TW_NODE_NAME_MAX);
  if (len > TW_NODE_PATH_MAX) return tw_report_fail(report, TW_ERR_ARGUMENT, "'%.60s…' is too long for a path", word);
  if (ends)
    memcpy(found.path, word, len);
  else
    (void)snprintf(found.path, sizeof found.path, TW_NODE_FOLDER "/%s" END, found.name);
  *file = found;
  return TW_OK;
}

tw_err tw_node_file_text(const tw_node_file *file, tw_buf *text, tw_problems *problems) {
  tw_report why = {"out of memory"};
  const tw_err err = tw_file_read(file->path, TW_NODE_CONFIG_MAX, text, &why);
  if (err != TW_OK) tw_problems_take(problems, &why);
  return err;
}

tw_err tw_node_file_survey(const tw_env *env, const tw_node_file *file, tw_node_config *config, tw_problems *problems) {
  tw_buf text = {0};
  tw_err err = tw_node_file_text(file, &text, problems);
  if (err == TW_OK) err = tw_node_config_survey(env, file->name, file->path, tw_buf_bytes(&text), config, problems);
  tw_buf_clear(&text);
  return err;
}

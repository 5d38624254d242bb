/* SafeExportSecret and its Exporter Tree, draft-ietf-mls-extensions. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_EXPORT_TREE_H
#define TW_MLS_EXPORT_TREE_H

#include "codec/reader.h"
#include "codec/writer.h"
#include "mls/label.h"

/* 2^16 leaves, one for each component, derived on demand; each secret is given out once. */
typedef struct tw_export_tree tw_export_tree;
TW_MUST_USE tw_err tw_export_tree_new(const tw_env *env, const tw_suite *suite, tw_bytes application_export_secret,
                                      tw_export_tree **out);
void tw_export_tree_free(tw_export_tree *tree);
/* TW_ERR_DUPLICATE when the component's secret was given out before. */
TW_MUST_USE tw_err tw_safe_export_secret(tw_export_tree *tree, uint16_t component_id, tw_secret *out);
/*
 * State for durable storage. Reading: TW_ERR_TRUNCATED, TW_ERR_ENCODING, TW_ERR_NO_MEMORY (also noted in the reader).
 */
void tw_write_export_tree(tw_writer *w, const tw_export_tree *tree);
TW_MUST_USE tw_err tw_read_export_tree(const tw_env *env, const tw_suite *suite, tw_reader *r, tw_export_tree **out);

#endif

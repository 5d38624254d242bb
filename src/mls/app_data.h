/* Application components: draft-ietf-mls-extensions. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_MLS_APP_DATA_H
#define TW_MLS_APP_DATA_H

#include "mls/extension.h"

/*
 * ComponentData and SafeAADItem have one shape: struct { uint16 component_id; opaque data<V>; }. Lists of them,
 * AppDataDictionary and SafeAAD, are sorted by component_id without repetition. "entries" below is the content of such
 * a vector.
 */
typedef struct tw_component_data {
  uint16_t component_id;
  tw_bytes data;
} tw_component_data;

/* Malformed, or TW_ERR_ENCODING when not sorted or not unique. */
TW_MUST_USE tw_err tw_component_entries_decode(tw_bytes encoded, tw_bytes *entries);
TW_MUST_USE tw_err tw_app_data_dictionary_check(tw_bytes extension_data);
bool tw_component_next(tw_reader *walk, tw_component_data *out);
bool tw_component_find(tw_bytes entries, uint16_t component_id, tw_bytes *data);
void tw_write_component(tw_writer *w, uint16_t component_id, tw_bytes data);

/* What becomes of a component. */
typedef struct tw_component_change {
  uint16_t component_id;
  bool has; /* false: it is removed */
  tw_bytes data;
} tw_component_change;

/*
 * An AppDataDictionary with components set and removed in one pass, appended to `out`. `dictionary`: extension_data,
 * checked; empty: none yet. `changes` are sorted by component_id without repetition. Removing what is not there is
 * TW_ERR_PROPOSAL. A dictionary without entries stays as an empty one.
 */
TW_MUST_USE tw_err tw_dictionary_change(tw_bytes dictionary, const tw_component_change *changes, size_t count,
                                        tw_buf *out);
/* The same for one component. */
TW_MUST_USE tw_err tw_dictionary_set(tw_bytes dictionary, uint16_t component_id, tw_bytes data, tw_buf *out);
TW_MUST_USE tw_err tw_dictionary_remove(tw_bytes dictionary, uint16_t component_id, tw_buf *out);

/*
 * The same within a list of extensions: the new list is appended to `out`; a dictionary that is new stands at the end.
 * `alloc` for scratch.
 */
TW_MUST_USE tw_err tw_extensions_change_components(const tw_alloc *alloc, tw_bytes extensions,
                                                   const tw_component_change *changes, size_t count, tw_buf *out);
TW_MUST_USE tw_err tw_extensions_set_component(const tw_alloc *alloc, tw_bytes extensions, uint16_t component_id,
                                               tw_bytes data, tw_buf *out);
TW_MUST_USE tw_err tw_extensions_remove_component(const tw_alloc *alloc, tw_bytes extensions, uint16_t component_id,
                                                  tw_buf *out);
/* The data of a component in a list of extensions; false when there is none (or no well-formed dictionary). */
bool tw_extensions_component(tw_bytes extensions, uint16_t component_id, tw_bytes *data);

/*
 * ComponentsList app_components of a leaf with `extensions`, encoded and appended to `out`: the components in its
 * dictionary and those that every implementation knows (app_components, safe_aad), sorted.
 */
TW_MUST_USE tw_err tw_app_components_list(tw_bytes extensions, tw_buf *out);
/*
 * struct ComponentsList { uint16 component_ids<V>; }: of app_components and safe_aad. Decode with tw_u16_list_decode.
 */
void tw_write_components_list(tw_writer *w, tw_bytes component_ids);

/* app_data_dictionary, if there is one, is well-formed: for KeyPackage and GroupInfo. Malformed errors. */
TW_MUST_USE tw_err tw_dictionary_check(tw_bytes extensions);
/*
 * The known extensions of a GroupContext, or of a GroupContextExtensions or ReInit proposal, are well-formed:
 * required_capabilities, external_senders, required_wire_formats, app_data_dictionary with the lists app_components and
 * safe_aad in it. Malformed errors.
 */
TW_MUST_USE tw_err tw_group_context_extensions_check(tw_bytes extensions);
/* The like for a leaf's extensions, and that they meet what the GroupContext's require: TW_ERR_CAPABILITY. */
TW_MUST_USE tw_err tw_app_data_leaf_check(tw_bytes leaf_extensions, tw_bytes group_context_extensions);
/* Whether two GroupContexts' extensions ask different things of leaves; true also where one cannot be read. */
bool tw_app_data_needs_differ(tw_bytes a, tw_bytes b);

/*
 * Whether a KeyPackage's extensions mark it as one of last resort, as a component or as the extension of earlier
 * drafts.
 */
bool tw_is_last_resort(tw_bytes key_package_extensions);
/* A KeyPackage's extensions with the mark, appended to `out`. */
TW_MUST_USE tw_err tw_extensions_set_last_resort(const tw_alloc *alloc, tw_bytes extensions, tw_buf *out);

/*
 * Safe AAD: a group whose GroupContext has the component safe_aad sends nothing but SafeAAD in authenticated_data; that
 * is checked here (TW_OK for other groups).
 */
bool tw_safe_aad_in_use(tw_bytes group_context_extensions);
TW_MUST_USE tw_err tw_safe_aad_check(tw_bytes group_context_extensions, tw_bytes authenticated_data);
/* A SafeAAD with an item set, appended to `out`. `safe_aad`: an encoded SafeAAD; empty: none yet. */
TW_MUST_USE tw_err tw_safe_aad_set(tw_bytes safe_aad, uint16_t component_id, tw_bytes data, tw_buf *out);
TW_MUST_USE tw_err tw_safe_aad_find(tw_bytes safe_aad, uint16_t component_id, tw_bytes *data, bool *found);
/* SafeAAD without items. */
void tw_write_safe_aad_empty(tw_writer *w);

/*
 * ComponentOperationLabel { opaque base_label<V> = "MLS Component"; uint16 component_id; opaque label<V>; }: the label
 * to give to tw_sign_with_label, tw_encrypt_with_label and their like for SafeSignWithLabel, SafeEncryptWithLabel and
 * theirs.
 */
void tw_write_component_operation_label(tw_writer *w, uint16_t component_id, tw_bytes label);

#endif

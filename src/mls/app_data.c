/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/app_data.h"

bool tw_component_next(tw_reader *walk, tw_component_data *out) {
  if (!tw_reader_more(walk)) return false;
  tw_component_data next;
  next.component_id = tw_read_u16(walk);
  next.data = tw_read_vector(walk);
  if (tw_reader_err(walk) != TW_OK) return false;
  *out = next;
  return true;
}

void tw_write_component(tw_writer *w, uint16_t component_id, tw_bytes data) {
  tw_write_u16(w, component_id);
  tw_write_vector(w, data);
}

/*
 * "Attaching Application Data to MLS Messages":
 *   struct ComponentData { uint16 component_id; opaque data<V>; }
 *   struct AppDataDictionary { ComponentData component_data<V>; }
 * "Safe Additional Authenticated Data":
 *   struct SafeAADItem { uint16 component_id; opaque aad_item_data<V>; }
 *   struct SafeAAD { SafeAADItem aad_items<V>; }
 */
tw_err tw_component_entries_decode(tw_bytes encoded, tw_bytes *entries) {
  tw_reader r = tw_reader_of(encoded);
  const tw_bytes list = tw_read_vector(&r);
  TW_TRY(tw_reader_end(&r));
  tw_reader walk = tw_reader_of(list);
  tw_component_data entry;
  bool first = true;
  uint16_t last = 0;
  while (tw_component_next(&walk, &entry)) {
    if (!first && entry.component_id <= last) return TW_ERR_ENCODING;
    last = entry.component_id;
    first = false;
  }
  TW_TRY(tw_reader_err(&walk));
  *entries = list;
  return TW_OK;
}

tw_err tw_app_data_dictionary_check(tw_bytes extension_data) {
  tw_bytes entries;
  return tw_component_entries_decode(extension_data, &entries);
}

bool tw_component_find(tw_bytes entries, uint16_t component_id, tw_bytes *data) {
  tw_reader walk = tw_reader_of(entries);
  tw_component_data entry;
  while (tw_component_next(&walk, &entry)) {
    if (entry.component_id != component_id) continue;
    *data = entry.data;
    return true;
  }
  return false;
}

static tw_err entries_of(tw_bytes dictionary, tw_bytes *entries) {
  *entries = TW_NO_BYTES;
  return dictionary.len == 0 ? TW_OK : tw_component_entries_decode(dictionary, entries);
}

static bool has_what_is_removed(tw_bytes entries, const tw_component_change *changes, size_t count) {
  tw_reader walk = tw_reader_of(entries);
  tw_component_data entry = {0};
  bool more = tw_component_next(&walk, &entry);
  for (size_t i = 0; i < count; i++) {
    if (changes[i].has) continue;
    while (more && entry.component_id < changes[i].component_id) more = tw_component_next(&walk, &entry);
    if (!more || entry.component_id != changes[i].component_id) return false;
  }
  return true;
}

tw_err tw_dictionary_change(tw_bytes dictionary, const tw_component_change *changes, size_t count, tw_buf *out) {
  tw_bytes entries;
  TW_TRY(entries_of(dictionary, &entries));
  if (!has_what_is_removed(entries, changes, count)) return TW_ERR_PROPOSAL;
  tw_writer w = tw_writer_to(out);
  const tw_vector_mark list = tw_write_open(&w);
  tw_reader walk = tw_reader_of(entries);
  tw_component_data entry = {0};
  bool more = tw_component_next(&walk, &entry);
  for (size_t i = 0; more || i < count;) {
    const bool is_change = i < count && (!more || changes[i].component_id <= entry.component_id);
    const bool is_there = more && (!is_change || changes[i].component_id == entry.component_id);
    if (!is_change) {
      tw_write_component(&w, entry.component_id, entry.data);
    } else if (changes[i].has) {
      tw_write_component(&w, changes[i].component_id, changes[i].data);
    }
    if (is_change) i++;
    if (is_there) more = tw_component_next(&walk, &entry);
  }
  tw_write_close(&w, list);
  return tw_writer_end(&w);
}

tw_err tw_dictionary_set(tw_bytes dictionary, uint16_t component_id, tw_bytes data, tw_buf *out) {
  const tw_component_change change = {component_id, true, data};
  return tw_dictionary_change(dictionary, &change, 1, out);
}

tw_err tw_dictionary_remove(tw_bytes dictionary, uint16_t component_id, tw_buf *out) {
  const tw_component_change change = {.component_id = component_id};
  return tw_dictionary_change(dictionary, &change, 1, out);
}

static tw_bytes dictionary_in(tw_bytes extensions) {
  tw_bytes data = TW_NO_BYTES;
  (void)tw_extension_find(extensions, TW_EXTENSION_APP_DATA_DICTIONARY, &data);
  return data;
}

tw_err tw_extensions_change_components(const tw_alloc *alloc, tw_bytes extensions, const tw_component_change *changes,
                                       size_t count, tw_buf *out) {
  tw_buf dictionary = TW_BUF_INIT(alloc);
  tw_err err = tw_dictionary_change(dictionary_in(extensions), changes, count, &dictionary);
  if (err == TW_OK) {
    err = tw_extensions_put(extensions, TW_EXTENSION_APP_DATA_DICTIONARY, tw_buf_bytes(&dictionary), out);
  }
  tw_buf_clear(&dictionary);
  return err;
}

tw_err tw_extensions_set_component(const tw_alloc *alloc, tw_bytes extensions, uint16_t component_id, tw_bytes data,
                                   tw_buf *out) {
  const tw_component_change change = {component_id, true, data};
  return tw_extensions_change_components(alloc, extensions, &change, 1, out);
}

tw_err tw_extensions_remove_component(const tw_alloc *alloc, tw_bytes extensions, uint16_t component_id, tw_buf *out) {
  const tw_component_change change = {.component_id = component_id};
  return tw_extensions_change_components(alloc, extensions, &change, 1, out);
}

bool tw_extensions_component(tw_bytes extensions, uint16_t component_id, tw_bytes *data) {
  tw_bytes entries;
  if (entries_of(dictionary_in(extensions), &entries) != TW_OK) return false;
  return tw_component_find(entries, component_id, data);
}

void tw_write_components_list(tw_writer *w, tw_bytes component_ids) { tw_write_vector(w, component_ids); }

/* GREASE components of the dictionary belong in the list too: who knows neither ignores both. */
tw_err tw_app_components_list(tw_bytes extensions, tw_buf *out) {
  tw_bytes entries;
  TW_TRY(entries_of(dictionary_in(extensions), &entries));
  tw_writer w = tw_writer_to(out);
  const tw_vector_mark list = tw_write_open(&w);
  tw_reader walk = tw_reader_of(entries);
  tw_component_data entry = {0};
  bool more = tw_component_next(&walk, &entry);
  if (more && entry.component_id == 0) more = tw_component_next(&walk, &entry);
  for (unsigned known = TW_COMPONENT_APP_COMPONENTS; known <= TW_COMPONENT_SAFE_AAD; known++) {
    tw_write_u16(&w, (uint16_t)known);
    if (more && entry.component_id == known) more = tw_component_next(&walk, &entry);
  }
  for (; more; more = tw_component_next(&walk, &entry)) tw_write_u16(&w, entry.component_id);
  tw_write_close(&w, list);
  return tw_writer_end(&w);
}

/* ---- what lists of extensions hold ---- */

/* A list of uint16 values that a component holds, empty when there is none. */
static tw_err components_list_in(tw_bytes entries, uint16_t component_id, tw_bytes *list) {
  tw_bytes data;
  *list = TW_NO_BYTES;
  return tw_component_find(entries, component_id, &data) ? tw_u16_list_decode(data, list) : TW_OK;
}

static tw_err wire_formats_in(tw_bytes extensions, uint16_t type, tw_bytes *list) {
  tw_bytes data;
  *list = TW_NO_BYTES;
  return tw_extension_find(extensions, type, &data) ? tw_u16_list_decode(data, list) : TW_OK;
}

/* The lists of an extension list that say what is supported, or in a GroupContext what is required. */
typedef struct negotiated {
  tw_bytes app_components;
  tw_bytes safe_aad;
  tw_bytes supported_wire_formats;
  tw_bytes required_wire_formats;
} negotiated;

static tw_err negotiated_in(tw_bytes extensions, negotiated *out) {
  tw_bytes data;
  tw_bytes entries = TW_NO_BYTES;
  if (tw_extension_find(extensions, TW_EXTENSION_APP_DATA_DICTIONARY, &data)) {
    TW_TRY(tw_component_entries_decode(data, &entries));
  }
  TW_TRY(components_list_in(entries, TW_COMPONENT_APP_COMPONENTS, &out->app_components));
  TW_TRY(components_list_in(entries, TW_COMPONENT_SAFE_AAD, &out->safe_aad));
  TW_TRY(wire_formats_in(extensions, TW_EXTENSION_SUPPORTED_WIRE_FORMATS, &out->supported_wire_formats));
  return wire_formats_in(extensions, TW_EXTENSION_REQUIRED_WIRE_FORMATS, &out->required_wire_formats);
}

tw_err tw_dictionary_check(tw_bytes extensions) {
  tw_bytes data;
  if (!tw_extension_find(extensions, TW_EXTENSION_APP_DATA_DICTIONARY, &data)) return TW_OK;
  return tw_app_data_dictionary_check(data);
}

tw_err tw_group_context_extensions_check(tw_bytes extensions) {
  negotiated lists;
  TW_TRY(negotiated_in(extensions, &lists));
  tw_bytes data;
  if (tw_extension_find(extensions, TW_EXTENSION_REQUIRED_CAPABILITIES, &data)) {
    tw_required_capabilities required;
    TW_TRY(tw_required_capabilities_decode(data, &required));
  }
  if (tw_extension_find(extensions, TW_EXTENSION_EXTERNAL_SENDERS, &data)) {
    tw_bytes senders;
    TW_TRY(tw_external_senders_decode(data, &senders));
  }
  return TW_OK;
}

bool tw_app_data_needs_differ(tw_bytes a, tw_bytes b) {
  negotiated x;
  negotiated y;
  if (negotiated_in(a, &x) != TW_OK || negotiated_in(b, &y) != TW_OK) return true;
  return !tw_bytes_equal(x.app_components, y.app_components) || !tw_bytes_equal(x.safe_aad, y.safe_aad) ||
         !tw_bytes_equal(x.required_wire_formats, y.required_wire_formats);
}

/* The wire formats of RFC 9420 are everybody's. */
static bool wire_format_is_default(uint16_t wire_format) {
  return wire_format >= TW_WIRE_PUBLIC_MESSAGE && wire_format <= TW_WIRE_KEY_PACKAGE;
}

tw_err tw_app_data_leaf_check(tw_bytes leaf_extensions, tw_bytes group_context_extensions) {
  negotiated has;
  negotiated needs;
  TW_TRY(negotiated_in(leaf_extensions, &has));
  TW_TRY(negotiated_in(group_context_extensions, &needs));
  const bool met = tw_u16_list_covers(has.app_components, needs.app_components, NULL) &&
                   tw_u16_list_covers(has.safe_aad, needs.safe_aad, NULL) &&
                   tw_u16_list_covers(has.supported_wire_formats, needs.required_wire_formats, wire_format_is_default);
  return met ? TW_OK : TW_ERR_CAPABILITY;
}

/* ---- last resort ---- */

bool tw_is_last_resort(tw_bytes key_package_extensions) {
  tw_bytes data;
  return tw_extensions_component(key_package_extensions, TW_COMPONENT_LAST_RESORT, &data) ||
         tw_extension_find(key_package_extensions, TW_EXTENSION_LAST_RESORT, &data);
}

tw_err tw_extensions_set_last_resort(const tw_alloc *alloc, tw_bytes extensions, tw_buf *out) {
  return tw_extensions_set_component(alloc, extensions, TW_COMPONENT_LAST_RESORT, TW_NO_BYTES, out);
}

/* ---- SafeAAD and labels ---- */

bool tw_safe_aad_in_use(tw_bytes group_context_extensions) {
  tw_bytes data;
  return tw_extensions_component(group_context_extensions, TW_COMPONENT_SAFE_AAD, &data);
}

tw_err tw_safe_aad_check(tw_bytes group_context_extensions, tw_bytes authenticated_data) {
  if (!tw_safe_aad_in_use(group_context_extensions)) return TW_OK;
  tw_bytes items;
  return tw_component_entries_decode(authenticated_data, &items);
}

tw_err tw_safe_aad_set(tw_bytes safe_aad, uint16_t component_id, tw_bytes data, tw_buf *out) {
  return tw_dictionary_set(safe_aad, component_id, data, out);
}

tw_err tw_safe_aad_find(tw_bytes safe_aad, uint16_t component_id, tw_bytes *data, bool *found) {
  tw_bytes items;
  TW_TRY(tw_component_entries_decode(safe_aad, &items));
  *found = tw_component_find(items, component_id, data);
  return TW_OK;
}

void tw_write_safe_aad_empty(tw_writer *w) { tw_write_vector(w, TW_NO_BYTES); }

void tw_write_component_operation_label(tw_writer *w, uint16_t component_id, tw_bytes label) {
  tw_write_vector(w, TW_LITERAL("MLS Component"));
  tw_write_u16(w, component_id);
  tw_write_vector(w, label);
}

/* ---- the public look at a dictionary ---- */

bool tw_component_lookup(tw_bytes extensions, uint16_t component_id, tw_bytes *data) {
  return tw_extensions_component(extensions, component_id, data);
}

tw_err tw_component_set(tw_buf *extensions, uint16_t component_id, tw_bytes data) {
  tw_buf list = TW_BUF_INIT(extensions->alloc);
  tw_err err = tw_extensions_set_component(extensions->alloc, tw_buf_bytes(extensions), component_id, data, &list);
  if (err == TW_OK) err = tw_buf_assign(extensions, tw_buf_bytes(&list));
  tw_buf_clear(&list);
  return err;
}

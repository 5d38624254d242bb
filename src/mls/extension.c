/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/extension.h"

#include <string.h>

/*
 * Lists up to this many types are checked pair by pair, longer ones with a bitmap: time stays linear for hostile
 * lists.
 */
#define FEW_TYPES 16

typedef struct type_bitmap {
  uint8_t bits[65536 / 8];
} type_bitmap;

static bool bitmap_has(const type_bitmap *bitmap, uint16_t value) {
  return ((bitmap->bits[value >> 3] >> (value & 7)) & 1) != 0;
}

static void bitmap_set(type_bitmap *bitmap, uint16_t value) {
  bitmap->bits[value >> 3] = (uint8_t)(bitmap->bits[value >> 3] | (1u << (value & 7)));
}

#if defined(__GNUC__)
#define OWN_FRAME __attribute__((noinline))
#else
#define OWN_FRAME
#endif

bool tw_extension_next(tw_reader *walk, tw_extension *out) {
  if (!tw_reader_more(walk)) return false;
  tw_extension next;
  next.type = tw_read_u16(walk);
  next.data = tw_read_vector(walk);
  if (tw_reader_err(walk) != TW_OK) return false;
  *out = next;
  return true;
}

/* Its own function, so that only long lists pay for the bitmap. */
OWN_FRAME static bool many_types_unique(tw_bytes list) {
  type_bitmap seen;
  memset(&seen, 0, sizeof seen);
  tw_reader walk = tw_reader_of(list);
  tw_extension extension;
  while (tw_extension_next(&walk, &extension)) {
    if (bitmap_has(&seen, extension.type)) return false;
    bitmap_set(&seen, extension.type);
  }
  return true;
}

tw_err tw_extensions_check(tw_bytes list) {
  uint16_t types[FEW_TYPES] = {0};
  size_t count = 0;
  tw_reader walk = tw_reader_of(list);
  tw_extension extension;
  while (tw_extension_next(&walk, &extension)) {
    if (count < FEW_TYPES) {
      for (size_t i = 0; i < count; i++) {
        if (types[i] == extension.type) return TW_ERR_ENCODING;
      }
      types[count] = extension.type;
    }
    count++;
  }
  TW_TRY(tw_reader_err(&walk));
  if (count > FEW_TYPES && !many_types_unique(list)) return TW_ERR_ENCODING;
  return TW_OK;
}

/* Extension extensions<V>, sections 7.2 and 13.4 (no type twice) */
tw_bytes tw_read_extensions(tw_reader *r) {
  const tw_bytes list = tw_read_vector(r);
  if (tw_reader_err(r) != TW_OK) return TW_NO_BYTES;
  const tw_err err = tw_extensions_check(list);
  if (err == TW_OK) return list;
  tw_reader_fail(r, err);
  return TW_NO_BYTES;
}

void tw_write_extension(tw_writer *w, uint16_t type, tw_bytes data) {
  tw_write_u16(w, type);
  tw_write_vector(w, data);
}

bool tw_extension_find(tw_bytes list, uint16_t type, tw_bytes *data) {
  tw_reader walk = tw_reader_of(list);
  tw_extension extension;
  while (tw_extension_next(&walk, &extension)) {
    if (extension.type != type) continue;
    *data = extension.data;
    return true;
  }
  return false;
}

bool tw_extension_is_default(uint16_t type) {
  return type >= TW_EXTENSION_APPLICATION_ID && type <= TW_EXTENSION_EXTERNAL_SENDERS;
}

bool tw_proposal_is_default(uint16_t type) {
  return type >= TW_PROPOSAL_ADD && type <= TW_PROPOSAL_GROUP_CONTEXT_EXTENSIONS;
}

tw_err tw_extensions_put(tw_bytes list, uint16_t type, tw_bytes data, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  tw_reader walk = tw_reader_of(list);
  tw_extension extension;
  bool found = false;
  while (tw_extension_next(&walk, &extension)) {
    const bool here = extension.type == type;
    tw_write_extension(&w, extension.type, here ? data : extension.data);
    found = found || here;
  }
  if (!found) tw_write_extension(&w, type, data);
  if (tw_reader_err(&walk) != TW_OK) tw_writer_fail(&w, tw_reader_err(&walk));
  return tw_writer_end(&w);
}

tw_err tw_extensions_drop(tw_bytes list, uint16_t type, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  tw_reader walk = tw_reader_of(list);
  tw_extension extension;
  while (tw_extension_next(&walk, &extension)) {
    if (extension.type != type) tw_write_extension(&w, extension.type, extension.data);
  }
  if (tw_reader_err(&walk) != TW_OK) tw_writer_fail(&w, tw_reader_err(&walk));
  return tw_writer_end(&w);
}

/* ---- lists of uint16 ---- */

tw_bytes tw_read_u16_list(tw_reader *r) {
  const tw_bytes list = tw_read_vector(r);
  if (list.len % 2 != 0) {
    tw_reader_fail(r, TW_ERR_ENCODING);
    return TW_NO_BYTES;
  }
  return list;
}

tw_err tw_u16_list_decode(tw_bytes data, tw_bytes *list) {
  tw_reader r = tw_reader_of(data);
  const tw_bytes values = tw_read_u16_list(&r);
  TW_TRY(tw_reader_end(&r));
  *list = values;
  return TW_OK;
}

static uint16_t list_at(tw_bytes list, size_t offset) {
  return (uint16_t)((list.ptr[offset] << 8) | list.ptr[offset + 1]);
}

bool tw_u16_list_has(tw_bytes list, uint16_t value) {
  for (size_t i = 0; i + 1 < list.len; i += 2) {
    if (list_at(list, i) == value) return true;
  }
  return false;
}

/* Values that are asked for: a list of uint16, or the types of a list of extensions. */
typedef struct asked_values {
  tw_reader walk;
  bool extensions;
  bool (*is_default)(uint16_t value);
} asked_values;

/* The next value that is not a default one. */
static bool asked_next(asked_values *asked, uint16_t *value) {
  for (;;) {
    if (asked->extensions) {
      tw_extension extension;
      if (!tw_extension_next(&asked->walk, &extension)) return false;
      *value = extension.type;
    } else {
      if (!tw_reader_more(&asked->walk)) return false;
      *value = tw_read_u16(&asked->walk);
    }
    if (asked->is_default == NULL || !asked->is_default(*value)) return true;
  }
}

OWN_FRAME static bool covers_many(tw_bytes have, asked_values asked) {
  type_bitmap known;
  memset(&known, 0, sizeof known);
  for (size_t i = 0; i + 1 < have.len; i += 2) bitmap_set(&known, list_at(have, i));
  uint16_t value = 0;
  while (asked_next(&asked, &value)) {
    if (!bitmap_has(&known, value)) return false;
  }
  return true;
}

static bool covers(tw_bytes have, asked_values asked) {
  /* Short lists: comparing is cheaper than clearing a bitmap. */
  if (asked.walk.left > 128 && have.len > 128) return covers_many(have, asked);
  uint16_t value = 0;
  while (asked_next(&asked, &value)) {
    if (!tw_u16_list_has(have, value)) return false;
  }
  return true;
}

bool tw_u16_list_covers(tw_bytes have, tw_bytes values, bool (*is_default)(uint16_t value)) {
  return covers(have, (asked_values){tw_reader_of(values), false, is_default});
}

bool tw_u16_list_covers_extensions(tw_bytes have, tw_bytes extensions) {
  return covers(have, (asked_values){tw_reader_of(extensions), true, tw_extension_is_default});
}

/* ---- the public look at an extension list ---- */

bool tw_extension_lookup(tw_bytes extensions, uint16_t type, tw_bytes *data) {
  return tw_extension_find(extensions, type, data);
}

tw_err tw_extension_append(tw_buf *extensions, uint16_t type, tw_bytes data) {
  tw_bytes found;
  if (tw_extension_find(tw_buf_bytes(extensions), type, &found)) return TW_ERR_ARGUMENT;
  tw_writer w = tw_writer_to(extensions);
  tw_write_extension(&w, type, data);
  return tw_writer_end(&w);
}

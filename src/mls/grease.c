/* SPDX-License-Identifier: Apache-2.0 */
#include "mls/grease.h"

#include "crypto/crypto.h"
#include "mls/app_data.h"

enum { GREASE_VALUES = 15, GREASE_COMPONENTS = 8, GREASE_DATA_MAX = 7 };

/* 0x0A0A, 0x1A1A, 0x2A2A, … */
static uint16_t nth(unsigned n) { return (uint16_t)(0x0a0a + n * 0x1010); }

tw_err tw_grease_value(const tw_env *env, uint16_t *value) {
  uint8_t random = 0;
  TW_TRY(tw_random(env, &random, 1));
  *value = nth(random % GREASE_VALUES);
  return TW_OK;
}

tw_err tw_grease_component_id(const tw_env *env, uint16_t *component_id) {
  uint8_t random = 0;
  TW_TRY(tw_random(env, &random, 1));
  *component_id = nth(random % GREASE_COMPONENTS);
  return TW_OK;
}

uint16_t tw_grease_in(tw_bytes values) {
  tw_reader walk = tw_reader_of(values);
  while (tw_reader_more(&walk)) {
    const uint16_t value = tw_read_u16(&walk);
    if (tw_is_grease(value)) return value;
  }
  return 0;
}

/* The list with `value` before its `at`-th entry. */
static tw_err insert(tw_bytes values, uint16_t value, size_t at, tw_buf *out) {
  tw_writer w = tw_writer_to(out);
  tw_reader walk = tw_reader_of(values);
  tw_write_fixed(&w, tw_read_fixed(&walk, 2 * at));
  tw_write_u16(&w, value);
  tw_write_fixed(&w, tw_read_rest(&walk));
  return tw_writer_end(&w);
}

tw_err tw_grease_values(const tw_env *env, tw_bytes values, tw_buf *out) {
  uint8_t random[2] = {0};
  TW_TRY(tw_random(env, random, sizeof random));
  for (unsigned i = 0; i < GREASE_VALUES; i++) {
    const uint16_t value = nth((random[0] + i) % GREASE_VALUES);
    if (!tw_u16_list_has(values, value)) return insert(values, value, random[1] % (values.len / 2 + 1), out);
  }
  return tw_buf_append(out, values);
}

tw_err tw_grease_extension(const tw_env *env, uint16_t type, tw_buf *extensions) {
  tw_bytes present;
  uint8_t random[1 + GREASE_DATA_MAX] = {0};
  if (type == 0 || tw_extension_find(tw_buf_bytes(extensions), type, &present)) return TW_OK;
  TW_TRY(tw_random(env, random, sizeof random));
  return tw_extension_append(extensions, type, TW_BYTES(random + 1, random[0] % (GREASE_DATA_MAX + 1)));
}

/* ComponentsList in `component_id`, if it is there, with the GREASE id at its end. */
static tw_err grease_list(uint16_t component_id, uint16_t grease, tw_buf *extensions) {
  tw_bytes data;
  tw_bytes ids;
  if (!tw_component_lookup(tw_buf_bytes(extensions), component_id, &data)) return TW_OK;
  TW_TRY(tw_u16_list_decode(data, &ids));
  if (tw_u16_list_has(ids, grease)) return TW_OK;
  tw_buf next = TW_BUF_INIT(extensions->alloc);
  tw_writer w = tw_writer_to(&next);
  const tw_vector_mark list = tw_write_open(&w);
  tw_write_fixed(&w, ids);
  tw_write_u16(&w, grease);
  tw_write_close(&w, list);
  tw_err err = tw_writer_end(&w);
  if (err == TW_OK) err = tw_component_set(extensions, component_id, tw_buf_bytes(&next));
  tw_buf_clear(&next);
  return err;
}

tw_err tw_grease_components(const tw_env *env, tw_buf *extensions) {
  tw_bytes data;
  if (!tw_extension_find(tw_buf_bytes(extensions), TW_EXTENSION_APP_DATA_DICTIONARY, &data)) return TW_OK;
  uint16_t grease = 0;
  TW_TRY(tw_grease_component_id(env, &grease));
  if (tw_component_lookup(tw_buf_bytes(extensions), grease, &data)) return TW_OK;
  TW_TRY(tw_component_set(extensions, grease, TW_NO_BYTES));
  TW_TRY(grease_list(TW_COMPONENT_APP_COMPONENTS, grease, extensions));
  return grease_list(TW_COMPONENT_SAFE_AAD, grease, extensions);
}

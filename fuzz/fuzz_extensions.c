/*
 * Lists of extensions and application components: a component id, then two lists as vectors, a leaf's and a
 * GroupContext's. Every
 * edit of a good list gives a good list that holds what was put in. SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz_env.h"
#include "grammar.h"
#include "mls/app_data.h"
#include "mls/grease.h"

static void write_seed(const char *name, tw_bytes leaf, tw_bytes group) {
  tw_buf seed = {0};
  tw_writer w = tw_writer_to(&seed);
  tw_write_u16(&w, 0x8001);
  tw_write_vector(&w, leaf);
  tw_write_vector(&w, group);
  TW_FUZZ_ASSERT(tw_writer_end(&w) == TW_OK);
  tw_fuzz_write_seed(name, tw_buf_bytes(&seed));
  tw_buf_clear(&seed);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) { /* NOLINT: the prototype that libFuzzer gives */
  (void)argc;
  (void)argv;
  if (tw_fuzz_seed_folder() == NULL) return 0;
  write_seed("empty", TW_NO_BYTES, TW_NO_BYTES);
  write_seed("components", TW_LITERAL("\0\6\xd\xc\0\1\5\4\0\1\x80\1\0\2\1\0\0\7\3\2\xf0\1"),
             TW_LITERAL("\0\6\7\6\0\1\3\2\x80\1"));
  write_seed("required", TW_LITERAL("\0\1\3\2id"),
             TW_LITERAL("\0\3\7\2\0\6\2\0\x8\0\0\5\7\6\1k\0\1\1s\0\x8\3\2\xf0\1"));
  tw_fuzz_seeds_done();
  return 0;
}

static void edits(tw_bytes list, uint16_t id) {
  static const uint8_t value[] = "value";
  const bool good = tw_dictionary_check(list) == TW_OK;
  tw_buf next = {0};
  tw_buf last = {0};
  tw_bytes data;
  tw_err err = tw_extensions_set_component(NULL, list, id, TW_ARRAY(value), &next);
  /* An extension of no bytes at all counts as a dictionary that is not there yet. */
  TW_FUZZ_ASSERT((err == TW_OK) ==
                 (good || (tw_extension_find(list, TW_EXTENSION_APP_DATA_DICTIONARY, &data) && data.len == 0)));
  if (err == TW_OK) {
    TW_FUZZ_ASSERT(tw_extensions_check(tw_buf_bytes(&next)) == TW_OK);
    TW_FUZZ_ASSERT(tw_extensions_component(tw_buf_bytes(&next), id, &data) && tw_bytes_equal(data, TW_ARRAY(value)));
    TW_FUZZ_ASSERT(tw_extensions_remove_component(NULL, tw_buf_bytes(&next), id, &last) == TW_OK);
    TW_FUZZ_ASSERT(tw_dictionary_check(tw_buf_bytes(&last)) == TW_OK);
    TW_FUZZ_ASSERT(!tw_extensions_component(tw_buf_bytes(&last), id, &data));
    err = tw_grease_components(tw_fuzz_env(), &next);
    TW_FUZZ_ASSERT(tw_dictionary_check(tw_buf_bytes(&next)) == TW_OK);
    TW_FUZZ_ASSERT(err == TW_OK || tw_err_class_of(err) == TW_CLASS_MALFORMED);
  }
  tw_buf_clear(&last);
  TW_FUZZ_ASSERT(tw_extensions_drop(list, id, &last) == TW_OK);
  TW_FUZZ_ASSERT(!tw_extension_find(tw_buf_bytes(&last), id, &data));
  TW_FUZZ_ASSERT(tw_extension_append(&last, id, TW_ARRAY(value)) == TW_OK);
  TW_FUZZ_ASSERT(tw_extensions_check(tw_buf_bytes(&last)) == TW_OK);
  tw_buf_clear(&next);
  tw_buf_clear(&last);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed) {
  return tw_fuzz_mutate("2XX", 0, data, size, max_size, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  tw_reader r = tw_reader_of(TW_BYTES(data, size));
  const uint16_t id = tw_read_u16(&r);
  const tw_bytes leaf = tw_read_extensions(&r);
  const tw_bytes group = tw_read_extensions(&r);
  if (tw_reader_end(&r) != TW_OK) return 0;
  tw_fuzz_restart();
  edits(leaf, id);
  const tw_err err = tw_app_data_leaf_check(leaf, group);
  TW_FUZZ_ASSERT(err == TW_OK || err == TW_ERR_CAPABILITY || tw_err_class_of(err) == TW_CLASS_MALFORMED);
  const tw_capabilities capabilities = {.extensions = TW_LITERAL("\0\6\0\7\0\x8"), .proposals = TW_LITERAL("\0\x8")};
  const tw_err met = tw_capabilities_meet(&capabilities, group);
  TW_FUZZ_ASSERT(met == TW_OK || met == TW_ERR_CAPABILITY || tw_err_class_of(met) == TW_CLASS_MALFORMED);
  (void)tw_is_last_resort(leaf);
  (void)tw_safe_aad_in_use(group);
  return 0;
}

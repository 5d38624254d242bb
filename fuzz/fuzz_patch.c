/* Patches: whatever they hold, what is taken has the size and hash that it says; and what is made leads there. SPDX-License-Identifier: Apache-2.0 */
#include "control/patch.h"
#include "fuzz_env.h"

enum { MOST = 1 << 16 };

static void check_apply(tw_bytes before, tw_bytes patch) {
  tw_buf out = {0};
  const tw_err err = tw_control_patch_apply(tw_fuzz_env(), before, patch, MOST, &out);
  const tw_err_class class_of = tw_err_class_of(err);
  TW_FUZZ_ASSERT(err == TW_OK || err == TW_ERR_APART || err == TW_ERR_LIMIT || class_of == TW_CLASS_MALFORMED);
  TW_FUZZ_ASSERT(out.len <= (err == TW_OK ? MOST : 0));
  TW_FUZZ_ASSERT((tw_control_patch_check(patch) != TW_OK) == (class_of == TW_CLASS_MALFORMED));
  tw_buf_clear(&out);
}

static void check_make(tw_bytes before, tw_bytes after) {
  tw_buf patch = {0};
  tw_buf out = {0};
  TW_FUZZ_ASSERT(tw_control_patch_make(tw_fuzz_env(), before, after, &patch) == TW_OK);
  TW_FUZZ_ASSERT(tw_control_patch_apply(tw_fuzz_env(), before, tw_buf_bytes(&patch), after.len, &out) == TW_OK);
  TW_FUZZ_ASSERT(tw_bytes_equal(tw_buf_bytes(&out), after));
  check_apply(before, tw_buf_bytes(&patch));
  tw_buf_clear(&out);
  tw_buf_clear(&patch);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) { /* NOLINT: the prototype that libFuzzer gives */
  (void)argc;
  (void)argv;
  if (tw_fuzz_seed_folder() == NULL) return 0;
  static const uint8_t blobs[] = "\x18"
                                 "0123456789abcdefghijklmn0123456789abcdefghijklmn0123456789 and more";
  static const uint8_t patch[] = "\x02"
                                 "ab"
                                 "\xe3\xb0\xc4\x42\x98\xfc\x1c\x14\x9a\xfb\xf4\xc8\x99\x6f\xb9\x24"
                                 "\x27\xae\x41\xe4\x64\x9b\x93\x4c\xa4\x95\x99\x1b\x78\x52\xb8\x55"
                                 "\x0b"
                                 "\0\0\0\0\0\0\0\2\2xy";
  tw_fuzz_write_seed("blobs", TW_BYTES(blobs, sizeof blobs - 1));
  tw_fuzz_write_seed("patch", TW_BYTES(patch, sizeof patch - 1));
  tw_fuzz_seeds_done();
  return 0;
}

/* The first byte says how long the blob before is, in tens. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  const size_t wanted = (size_t)data[0] * 10;
  const size_t len = wanted < size - 1 ? wanted : size - 1;
  const tw_bytes before = TW_BYTES(data + 1, len);
  const tw_bytes rest = TW_BYTES(data + 1 + len, size - 1 - len);
  check_apply(before, rest);
  check_make(before, rest);
  check_make(rest, before);
  return 0;
}

/* Every other structure on the wire, chosen by the first byte; the same property. SPDX-License-Identifier: Apache-2.0 */
#include "../tests/support/samples.h"
#include "fuzz_env.h"

int LLVMFuzzerInitialize(int *argc, char ***argv) { /* NOLINT: the prototype that libFuzzer gives */
  (void)argc;
  (void)argv;
  if (tw_fuzz_seed_folder() == NULL) return 0;
  const tw_sample *sample = NULL;
  for (uint8_t i = 0; (sample = tw_sample_at(i)) != NULL; i++) {
    tw_buf seed = {0};
    if (tw_buf_append(&seed, TW_BYTES(&i, 1)) == TW_OK && sample->make(&seed) == TW_OK) {
      tw_fuzz_write_seed(sample->name, tw_buf_bytes(&seed));
    }
    tw_buf_clear(&seed);
  }
  tw_fuzz_seeds_done();
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const tw_env env;
  if (size == 0) return 0;
  const tw_sample *sample = tw_sample_at(data[0]);
  if (sample == NULL) return -1;
  const tw_bytes input = TW_BYTES(data + 1, size - 1);
  tw_buf out = {0};
  const tw_err err = sample->recode(&env, input, &out);
  if (err == TW_OK) {
    TW_FUZZ_ASSERT(tw_bytes_equal(tw_buf_bytes(&out), input));
  } else {
    TW_FUZZ_ASSERT(tw_err_class_of(err) == TW_CLASS_MALFORMED || err == TW_ERR_UNSUPPORTED || err == TW_ERR_LIMIT);
  }
  tw_buf_clear(&out);
  return 0;
}

/* MLSMessage: what decodes is written again from its fields as it came. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "../tests/support/samples.h"
#include "fuzz_env.h"
#include "grammar.h"

#include "../tests/support/reencode.h"

int LLVMFuzzerInitialize(int *argc, char ***argv) { /* NOLINT: the prototype that libFuzzer gives */
  (void)argc;
  (void)argv;
  if (tw_fuzz_seed_folder() == NULL) return 0;
  const tw_sample *sample = NULL;
  for (size_t i = 0; (sample = tw_sample_at(i)) != NULL; i++) {
    tw_buf seed = {0};
    if (strncmp(sample->name, "message-", 8) != 0) continue;
    if (sample->make(&seed) == TW_OK) tw_fuzz_write_seed(sample->name, tw_buf_bytes(&seed));
    tw_buf_clear(&seed);
  }
  tw_fuzz_seeds_done();
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed) {
  return tw_fuzz_mutate("Y", 0, data, size, max_size, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const tw_env env;
  tw_mls_message message;
  const tw_bytes input = TW_BYTES(data, size);
  const tw_err err = tw_mls_message_decode(&env, input, &message);
  if (err != TW_OK) {
    TW_FUZZ_ASSERT(tw_err_class_of(err) == TW_CLASS_MALFORMED || err == TW_ERR_UNSUPPORTED || err == TW_ERR_LIMIT);
    return 0;
  }
  tw_buf out = {0};
  tw_writer w = tw_writer_to(&out);
  tw_reencode_message(&w, &message);
  TW_FUZZ_ASSERT(tw_writer_end(&w) == TW_OK);
  TW_FUZZ_ASSERT(tw_bytes_equal(tw_buf_bytes(&out), input));
  tw_buf_clear(&out);
  return 0;
}
